/* limits.h: the only home of size constants over outside data. A limit names its unit last. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#define LIMIT_ERR_TEXT     256
#define LIMIT_LOG_LINE     4096
#define LIMIT_CONFIG_LINE  4096
#define LIMIT_CONFIG_FILE  (1024 * 1024)
#define LIMIT_LIST_SETTING 64 /* entries of a list-valued setting */

/* SMTP, RFC 5321 4.5.3.1. The command line limit leaves room for SMTPUTF8 addresses and parameters. */
#define LIMIT_SMTP_LINE          2048
#define LIMIT_SMTP_REPLY_LINE    2048
#define LIMIT_SMTP_REPLY_LINES   100
#define LIMIT_SMTP_REPLY         8192
#define LIMIT_SMTP_BAD_COMMANDS  20
#define LIMIT_SMTP_IDLE_COMMANDS 1000 /* commands between two messages that bring none nearer */
#define LIMIT_SMTP_REFUSED_RCPTS 100  /* in a session, of one that may not relay: it guesses names */
#define LIMIT_SMTP_TINY_CHUNK    512  /* octets: a BDAT below that is such a command */
#define LIMIT_ENVID              100  /* RFC 3461 4.4 */
#define LIMIT_ORCPT              500  /* RFC 3461 4.2 */
#define LIMIT_LOCAL_PART         64
#define LIMIT_DOMAIN             255
#define LIMIT_ADDRESS            (LIMIT_LOCAL_PART + 1 + LIMIT_DOMAIN)
#define LIMIT_RECEIVED_HOPS      100 /* RFC 5321 6.3 */
#define LIMIT_HEADER_BYTES       (1024 * 1024)
#define LIMIT_HEADER_FIELDS      2000
#define LIMIT_MESSAGE_ID         998
#define LIMIT_MIME_DEPTH         20 /* parts in parts */
#define LIMIT_MIME_PARTS         1000
#define LIMIT_MIME_FIELD         (16 * 1024) /* octets of a Content-Type that are looked at */
#define LIMIT_MIME_PARAMETER     4096        /* octets of a parameter's value */
#define LIMIT_MIME_SECTIONS      20          /* RFC 2231 3 */

/* HTML read as text. Its parser compares an end tag with all open elements and an attribute with those before
 * it. */
#define LIMIT_HTML            (64 * 1024 * 1024)
#define LIMIT_HTML_DEPTH      1000
#define LIMIT_HTML_ATTRIBUTES 1000

#define LIMIT_PROXY_HEADER 4096 /* PROXY protocol version 2, TLVs among it */

/* The store. A request with its inline body must fit one SEQPACKET datagram. */
#define LIMIT_BODY_CHUNK    (256 * 1024)
#define LIMIT_STORE_PACKET  (LIMIT_BODY_CHUNK + 128 * 1024)
#define LIMIT_STORE_GROUP   128 /* requests in one group commit */
#define LIMIT_STORE_CLIENTS 1024

/* Routing. */
#define LIMIT_MESSAGE_TARGETS 1000 /* addresses and lists that the recipients of one message lead to */
#define LIMIT_ALIAS_DEPTH     10
#define LIMIT_ALIAS_TARGETS   1000
#define LIMIT_ALIAS_SOURCES   64
#define LIMIT_ALIAS_ENTRIES   2000000     /* of one source */
#define LIMIT_ALIAS_SLICE     2000        /* entries a transaction stages */
#define LIMIT_ALIAS_SCAN      5000        /* entries a transaction looks at */
#define LIMIT_ALIAS_WORD      40          /* of a source's name, and of who changed it */
#define LIMIT_CRASHES         2           /* deaths of a worker on one message before it is set aside */
#define LIMIT_EXPAND_SLICE    2000        /* members a transaction expands */
#define LIMIT_ROUTE_BATCH     128         /* messages a router takes at once */
#define LIMIT_NOTICE_HEADER   (32 * 1024) /* of the returned message */
#define LIMIT_NOTICE_WHOLE    (64 * 1024) /* of a message returned whole */
#define LIMIT_EVENT_TEXT      200         /* of a host or reply kept in an event */
#define LIMIT_MEMBER_SLICE    2000        /* memberships a transaction makes or ends */
#define LIMIT_SETTING_TEXT                                                                                   \
    (32 * 1024)                    /* octets of one list setting; of the expressions that ban in a scope */
#define LIMIT_SETTING_LINE    1000 /* octets of a setting that is one line */
#define LIMIT_EDITION_TEXT    (128 * 1024) /* octets a list adds to a post */
#define LIMIT_EDITION         (192 * 1024) /* octets of its recipe in the store */
#define LIMIT_EDITION_NAMED   (64 * 1024)  /* octets of the addresses that are looked at for second copies */
#define LIMIT_COMMAND_TEXT    4096         /* octets of a mail that are looked at for commands */
#define LIMIT_COMMANDED_LISTS 5            /* addresses for commands that one mail is read for */
#define LIMIT_LETTERS_A_DAY   10           /* that programs of ours write to one address */
#define LIMIT_POST_SENDERS    16           /* addresses of a post that are taken for its senders */
#define LIMIT_JOB_ROWS        100          /* recipients in one outgoing transaction */

/* Octets of a text that people get. */
#define LIMIT_TEMPLATE_TEXT LIMIT_SETTING_TEXT

/* What people ask. */
#define LIMIT_TRACE_POSTS 200 /* newest posts of a list that a search for it finds */

/* Sessions and steps. */
#define LIMIT_SESSION_ARENA     (256 * 1024)
#define LIMIT_STEP_ARENA        (1024 * 1024)
#define LIMIT_TRANSACTION_ARENA (1024 * 1024)
#define LIMIT_DECISION_ARENA                                                                                 \
    (16 * 1024 * 1024) /* a message's recipients, each with the targets of an alias */
#define LIMIT_BATCH_ARENA (64 * 1024 * 1024)

#endif
