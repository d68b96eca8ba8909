/* bounce_formats.c: what is known of programs that write of mail that came back, one row for each way.
 *
 * A new one is a new row: words of the line in front of the addresses, words of the line behind them, and
 * where in their lines they stand. Rows whose words others have too come behind those, or ask for some more
 * `with`. */
#include "mail/bounce_formats.h"

const struct bounce_format bounce_formats[] = {
    /* Delays come first: their words are those of failures and some more. */
    {"message has not yet been delivered", "no action is required|^---", PLACE_FIRST, .delayed = true},
    {"recipient has been delayed|recipients has been delayed", "will be retried", PLACE_FIRST,
     .delayed = true},
    {"^your message to:", NULL, PLACE_FIRST, .with = "just a warning", .delayed = true},
    {"^your message with subject:", NULL, PLACE_FIRST, .with = "delivery attempts will continue",
     .delayed = true},
    {"delivery of email to this address", "original message", PLACE_ALONE, .with = "has been postponed",
     .delayed = true},
    {"is delayed for more than", "copy of the original", PLACE_FIRST, .delayed = true}, /* OpenSMTPD */
    {"addresses had transient non-fatal errors", "message follows|original message", PLACE_ALONE,
     .with = "warning message", .delayed = true},
    {"addresses had fatal errors", "transcript of session", PLACE_BEHIND, "address:", "will be retried",
     .delayed = true},

    /* qmail, those made of it, and those that write as it does */
    {"hi. this is the|hi. the mta program at|this is the mail delivery agent at|"
     "we're sorry. there's a problem|check your send e-mail address|your mail was not delivered|"
     "your mail message to the following|your message could not be delivered|"
     "able to deliver your message to the following|"
     "unable to deliver message to the following|machine generated message from mail service|^sina.com.",
     "^-", PLACE_ANGLE},
    /* Postfix before it wrote notifications, and its copies */
    {"could not be delivered to one or more|be delivered to one or more recipients|failure reason:", NULL,
     PLACE_ANGLE},
    /* Exim, and those that write as it does */
    {"message that you sent could not be delivered|message that you have sent could not be delivered|"
     "following address failed|following addresses failed|following address(es) failed",
     "^---|^included is a copy", PLACE_FIRST},
    {"message that you sent was rejected", "^---", PLACE_ANYWHERE},
    {"message, addressed to", "^---", PLACE_BEHIND, "addressed to"},
    /* Sendmail without notifications, with and without a list of the addresses */
    {"addresses had permanent fatal errors|addresses had permanent delivery errors|"
     "addresses had delivery problems",
     "message follows|header follows|original message|message body suppressed", PLACE_ALONE},
    {"addresses had delivery problems|addresses had delivery errors", "^received:", PLACE_FIRST},
    {"transcript of session follows", "message follows", PLACE_REPLY},
    /* Exchange */
    {"did not reach the following recipient", NULL, PLACE_BEHIND, "smtp="},
    {"did not reach the following recipient", "^---", PLACE_ANYWHERE},
    {"recipient(s) could not be reached", "headers follow", PLACE_BEHIND, "[smtp:"}, /* MailEnable */
    {"recipient(s) could not be reached", "headers follow", PLACE_FIRST},            /* hMailServer too */
    {"delivery has failed to these recipients", "original message headers", PLACE_FIRST},
    {"could not be delivered to the following user", "old message", PLACE_ANYWHERE},
    /* Gmail, Microsoft's SMTP service: a list, sometimes with bullets */
    {"ery to the following recipient failed|ery to the following recipients failed|"
     "ery to the following recipients was aborted",
     "original message", PLACE_ALONE},
    /* Domino, Notes */
    {"was not delivered to:", NULL, PLACE_ALONE},
    {"failure reasons  ---|failure reasons ---", "returned message", PLACE_ALONE},
    /* IMail (SMTP32) */
    {"^unknown user|^user mailbox|^delivery failed|^undeliverable to|^undeliverable  to|"
     "^invalid final delivery userid",
     "original message follows", PLACE_BEHIND,
     "^unknown user|^user mailbox|^delivery failed|^undeliverable|^invalid final"},
    /* Netscape, EZweb */
    {"did not receive your message:|did not receive this message:", "please reply to", PLACE_ANYWHERE},
    {"following recipients was rejected by a remote|user(s) account is disabled", "^---", PLACE_BEHIND,
     "recipient:"},
    {"user(s) account is disabled", "^---", PLACE_FIRST},
    /* InterScan and other filters */
    {"message from interscan|^sent <<<", "end of message", PLACE_BEHIND, "rcpt to:"},
    {"unable to deliver message to", "end of message", PLACE_BEHIND, "deliver message to"},
    {"m-filter", "original message", PLACE_ALONE, .with = "-server message"},
    {"email that you attempted to send to the following address", "the problem appears to be", PLACE_ALONE},
    {"this is a delivery failure notification message", "the problem appears to be", PLACE_ALONE},
    /* GroupWise, CommuniGate and MDaemon; providers of their own making */
    {"undeliverable to the following", "original message follows", PLACE_FIRST},
    {"your request could not be completed", NULL, PLACE_BEHIND, "invalid receiver address:"}, /* CompuServe */
    {"addresses did not receive a copy of your message", "session transcript", PLACE_BEHIND, ">"},
    {"- no such user here", "there is no user", PLACE_FIRST},
    {"following list of recipients", "copy of the original", PLACE_FIRST}, /* OpenSMTPD */
    {"error delivering your mail to", "message headers follow|original message follows", PLACE_BEHIND,
     "delivering your mail to"}, /* DragonFly */
    {"error occurred while trying to deliver", NULL, PLACE_ALONE},
    {"could not deliver message to the following", "-- the header", PLACE_BEHIND, "failed recipient:"},
    {"list of failed recipients|failed recipients --", "returned mail", PLACE_ANYWHERE},
    {"failed addresses follow", "message text follows", PLACE_FIRST},       /* Smail */
    {"^--> error description", "^error-end:", PLACE_BEHIND, "error-for:"},  /* LSMTP */
    {"was automatically rejected", "^--", PLACE_BEHIND, "your message to"}, /* Dovecot */
    {"intended recipient:", "returned mail follows", PLACE_BEHIND, "intended recipient:"},
    {"undeliverable address:", "original message attached", PLACE_BEHIND, "undeliverable address:"},
    {"user's mailbox is full:", "unable to deliver mail", PLACE_BEHIND, "mailbox is full:"},
    {"sorry, unable to deliver your message to", "copy of the original", PLACE_ANYWHERE},
    {"message could not be delivered to:", "^subject:", PLACE_ALONE},
    {"message could not be delivered to|n't able to deliver the following message", "copy of the message",
     PLACE_ALONE},
    {"n't able to deliver the following message", "copy of the message", PLACE_BEHIND, "to:"},
    {"could not be delivered to:", "^---", PLACE_BEHIND, "delivered to:"},
    {"this is the deliver program at", "^-", PLACE_FIRST},
    {"this is the email server at", "^--", PLACE_BEHIND, "your message to"},
    {"message has encountered delivery problems", "your message reads", PLACE_BEHIND, "addressed to"},
    {"message not delivered to the following addresses", "error detail", PLACE_ALONE},
    {"recipients returned permanent errors", NULL, PLACE_BEHIND, "permanent errors:"},
    {"error(s):", NULL, PLACE_BEHIND, "rejected recipient"},
    {"^error: no valid recipients", NULL, PLACE_BEHIND, "to:"},
    {"^error message below", NULL, PLACE_BEHIND, "rcpt to:"},
    {"your message was addressed,", "original message", PLACE_BEHIND, "was addressed,"}, /* LLNL */
    /* Programs that do not name their own domain */
    {"mail to the following recipients could not be delivered", NULL, PLACE_NAME, .domains = "aol.com"},
    {"message not delivered to the following", "error detail", PLACE_NAME, .domains = "yale.edu|cs.yale.edu"},
};

const size_t bounce_format_count = sizeof bounce_formats / sizeof *bounce_formats;

/* Offset of the first that begins a line; or -1. */
static ptrdiff_t find_at_line_start(view low, view want) {
    for (size_t from = 0;; from++) {
        ptrdiff_t at = view_search(view_skip(low, from), want);
        if (at < 0)
            return -1;
        from += (size_t)at;
        size_t start = from;
        while (start > 0 && (low.ptr[start - 1] == ' ' || low.ptr[start - 1] == '\t'))
            start--;
        if (start == 0 || low.ptr[start - 1] == '\n')
            return (ptrdiff_t)from;
    }
}

ptrdiff_t bounce_find_words(view low, const char *words, size_t *ret_end) {
    ptrdiff_t first = -1;
    view rest = view_of(words);
    for (view want; view_split(&rest, '|', &want);) {
        bool at_start = view_starts_with(want, VIEW("^"));
        want = view_skip(want, at_start);
        ptrdiff_t at = at_start ? find_at_line_start(low, want) : view_search(low, want);
        if (at < 0 || (first >= 0 && at >= first))
            continue;
        first = at;
        *ret_end = (size_t)at + want.len;
    }
    return first;
}
