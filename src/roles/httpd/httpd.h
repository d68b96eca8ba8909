/* httpd.h: what the files of this role share. main.c: the role; server.c: HTTP, by libmicrohttpd; rest.c:
 * from a request to the function that answers it; params.c: what a request gives; reply.c: what it gets;
 * rest_*.c: the resources of Mailman's REST API 3.1, one file each, by store operations; page.c: pages for
 * people, unsubscribe_page.c: the one that ends a membership. */
#ifndef ROLES_HTTPD_HTTPD_H
#define ROLES_HTTPD_HTTPD_H

#include <jansson.h>
#include <openssl/evp.h>
#include <stdarg.h>

#include "base/arena.h"
#include "base/buf.h"
#include "roles/role.h"
#include "store/vals.h"

enum method { METHOD_GET = 1, METHOD_POST = 2, METHOD_PUT = 4, METHOD_PATCH = 8, METHOD_DELETE = 16 };

enum { PATH_VARIABLES = 3, REST_SLICE = 250 /* rows of a collection that are read at once */ };

/* ---- what a request may give ---- */

enum param_type {
    PARAM_TEXT,   /* any text */
    PARAM_TEXTS,  /* given any number of times */
    PARAM_BOOL,   /* true, yes, 1, on, enable, enabled, and their opposites */
    PARAM_NUMBER, /* an integer >= 0 */
    PARAM_WORD,   /* one of `words` */
    PARAM_REGEX   /* a regular expression (base/pattern.h) */
};

struct param_spec {
    const char *name;
    enum param_type type;
    bool required;
    const char *words; /* as base/words.h has them: the value is the word's number */
    bool blank;        /* an empty value is taken, too, and means: none (number -1) */
};

struct given {
    view name, value; /* decoded */
};

/* ---- resources ---- */

struct call;

struct route {
    enum method method;
    const char *path; /* "lists/{list}/roster/{role}" */
    void (*answer)(struct call *c);
    const char *summary; /* for the OpenAPI document */
    const struct param_spec *params;
    size_t param_count;
};
#define PARAMS(specs) specs, sizeof(specs) / sizeof((specs)[0])

struct routes {
    const struct route *items;
    size_t count;
};
/* Every table of routes, in the order they are looked at: a literal word stands before a variable of the same
 * place. Ends with items NULL. */
extern const struct routes *const rest_tables[];

/* ---- a request under way ---- */

struct call {
    struct role *role;
    struct arena *arena;
    enum method method;
    view path; /* decoded, behind the version, without slashes at the ends */
    view base; /* "http://localhost:8001/3.1" */
    bool old;  /* version 3.0 */
    view who;  /* whose key it is, for the trail of changes: "rest:NAME" */
    struct given *given;
    size_t given_count, given_room;
    const struct route *route;
    view variables[PATH_VARIABLES];
    /* The answer. */
    int status;
    struct buf out; /* its body */
    bool page;      /* which is HTML, for people */
    view location;
    unsigned allow; /* 405: methods there are */
    bool described; /* an error in a handler's words: Mailman names the charset of those */
    /* A collection whose entries are read while it is sent. */
    bool (*entries)(struct call *c, const int64_t *ids,
                    size_t count); /* appends with entry_add; false: failed */
    const void *of;                /* what it reads */
    view self_link;                /* its path, of one that says it */
    size_t step;                   /* how many at once; 0: REST_SLICE */
    const int64_t *ids;
    size_t id_count, sent;
    EVP_MD_CTX *digest;  /* of what was sent of it */
    struct arena *slice; /* memory of one slice of them, and of links */
};

/* Answer it; `name`: whose key came with it, empty when nobody's. What is left to be sent, if `entries` is
 * set, comes from rest_more until that is false. */
void rest_answer(struct call *c, view name);
bool rest_more(struct call *c, bool *ret_failed);

/* Whose key that is ("Basic ..."). False: nobody's; or, with *ret_away, nobody can say, the store being away.
 */
bool keys_know(struct role *r, view authorization, struct arena *a, view *ret_name, bool *ret_away);

/* ---- params.c ---- */

/* Fill c->given from a query string or form, or from a JSON object. False: answered with 400. */
bool params_add_form(struct call *c, view form);
bool params_add_json(struct call *c, view body);
/* Everything given is wanted and well-formed, and nothing that is required is missing; else answered with 400
 * in Mailman's words. */
bool params_check(struct call *c);
/* The same for what a handler finds out itself. */
bool params_check_specs(struct call *c, const struct param_spec *specs, size_t count);
bool param_given(const struct call *c, const char *name);
view param_text(const struct call *c, const char *name); /* "" when it is not given */
/* What %XX stand for. A plus is a blank in forms, and itself in paths. */
view percent_decode(struct arena *a, view text, bool form);
int64_t param_number(const struct call *c, const char *name,
                     int64_t otherwise); /* of BOOL, NUMBER and WORD */
/* The values of a name that may be given many times. Returns how many; *ret in the arena. */
size_t param_texts(struct call *c, const char *name, view **ret);
bool param_bool(view value, bool *ret);
/* An address as Mailman takes it, normalised (mail/address.h). */
bool param_address(struct call *c, view text, view *ret);

/* ---- reply.c ---- */

void reply_error(struct call *c, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A framework's error: only a title. */
void reply_title(struct call *c, int status);
void reply_empty(struct call *c); /* 204 */
void reply_created(struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Takes the object; adds its etag. */
void reply_object(struct call *c, int status, json_t *object);

/* "page" and "count" of the request: the first entry wanted and how many (0: all). False: answered with 400.
 */
bool page_wanted(struct call *c, int64_t *ret_start, int64_t *ret_most);
#define PAGE_PARAMS                                                                                          \
    {"count"}, {                                                                                             \
        "page"                                                                                               \
    }
/* A collection: one that is there already, of which the page wanted is shown; takes the array. */
void reply_array(struct call *c, json_t *entries);
/* One that was cut to the page by the store: `total` in all, from `start` on these ids. Ids are the arena's.
 */
void reply_rows(struct call *c, int64_t total, int64_t start, const int64_t *ids, size_t count,
                bool (*entries)(struct call *c, const int64_t *ids, size_t count));
/* The integers of an answer of the store, as ids. */
size_t ids_of(struct call *c, view out, int64_t **ret);
void entry_add(struct call *c, json_t *entry); /* takes it */

/* Values in JSON. */
json_t *json_text(view v); /* what is no UTF-8 is replaced */
json_t *json_link(struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
json_t *json_id(struct call *c, int64_t id); /* of a member or user: 32 hexadecimal digits, 3.0: a number */
view text_of_id(struct call *c, int64_t id); /* the same in a path */
bool id_of_text(struct call *c, view text, int64_t *ret);
json_t *json_time(int64_t ms); /* 2026-11-23T15:12:42.397915 */

/* ---- pages for people (page.c) ---- */

/* Everything that is not a literal of this program goes through page_text or page_name. */
void page_begin(struct call *c, int status, const char *title);
void page_text(struct call *c, view text); /* what may be hostile: escaped, and without controls */
void page_name(struct call *c, view text); /* the same, set apart: its letters may run from right to left */
void page_html(struct call *c, const char *html); /* a literal */
void page_end(struct call *c);
/* A page of one paragraph. */
void page_say(struct call *c, int status, const char *title, const char *html);

/* ---- one click to leave (unsubscribe_page.c) ---- */

#define UNSUBSCRIBE_PATH "/unsubscribe/"
/* Whether a body says List-Unsubscribe=One-Click, as a form of either kind. */
bool unsubscribe_said(struct call *c, view content_type, view body);
/* `path` is LIST/MEMBER/KEY as it came. */
void unsubscribe_answer(struct call *c, view path, bool said);

/* ---- the store ---- */

/* False: answered, with 404 when the store says there is no such thing, 400 when it refuses, 503 when it is
 * away. */
bool ask(struct call *c, struct store_request *q);
/* The same; what is missing or refused is left to the caller, with *ret_e. False with *ret_e OK: answered. */
bool ask_or(struct call *c, struct store_request *q, struct err *ret_e);

#endif
