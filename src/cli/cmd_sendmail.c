/* cmd_sendmail.c: postroad sendmail, also when the program is called sendmail, mailq or newaliases: the way
 * in for programs of this machine. Options and exit statuses are those of sendmail(1), as far as programs use
 * them. */
#include "cli/sendmail.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/text.h"

#define DEFAULT_DIR  "/etc/postroad"
#define DEFAULT_SMTP "127.0.0.1:25"
#define DEFAULT_MOST (50 << 20)

enum mode { MODE_SEND, MODE_SMTP, MODE_LIST, MODE_FLUSH, MODE_ALIASES };

struct options {
    struct submission s;
    enum mode mode;
    const char *sender, *full_name, *dir;
    char *const *recipients;
    size_t recipient_count;
};

static int exit_status(const struct err *e) {
    switch ((int)e->code) {
    case ERR_USAGE:
        return EX_USAGE;
    case ERR_SYNTAX_ADDRESS:
    case ERR_SYNTAX_SENDER:
    case ERR_LIMIT_MESSAGE:
    case ERR_LOOP:
        return EX_DATAERR;
    case ERR_NO_SUCH_USER:
        return EX_NOUSER;
    case ERR_NO_RELAY:
        return EX_NOPERM;
    case ERR_CONFIG:
        return EX_CONFIG;
    case ERR_LIMIT_RCPT:
        return EX_UNAVAILABLE;
    case ERR_IO:
        return EX_IOERR;
    default:
        return err_is_temporary(e) ? EX_TEMPFAIL : EX_UNAVAILABLE;
    }
}

/* ---- options ---- */

static bool set_mode(struct options *o, const char *letter, struct err *e) {
    switch (*letter) {
    case 'm':
        return true;
    case 's':
        o->mode = MODE_SMTP;
        return true;
    case 'p':
        o->mode = MODE_LIST;
        return true;
    case 'i':
        o->mode = MODE_ALIASES;
        return true;
    case 'd':
        return err_set(e, ERR_USAGE, "-bd: postroad run starts the instance");
    default:
        return err_set(e, ERR_USAGE, "-b%.20s: -bm, -bs, -bp and -bi are known", letter);
    }
}

static bool set_flush(struct options *o, const char *value, struct err *e) {
    if (*value)
        return err_set(e, ERR_USAGE, "-q%.20s: only -q alone; postroad queue retry can choose", value);
    o->mode = MODE_FLUSH;
    return true;
}

/* -oi is -i; what else programs set with -o has no meaning here: errors are always told by exit status. */
static void set_old_option(struct options *o, const char *value) {
    if (strcmp(value, "i") == 0 || strncmp(value, "i=", 2) == 0)
        o->s.dots_are_text = true;
}

/* One option; its value stands in the same word or in the next, which is then used up. */
static bool take_option(struct options *o, const char *word, const char *next, bool *ret_next,
                        struct err *e) {
    static const char with_value[] = "frFCBLhXO";
    char letter = word[1];
    const char *value = word + 2;
    *ret_next = letter && strchr(with_value, letter) && !*value;
    if (*ret_next && !(value = next))
        return err_set(e, ERR_USAGE, "-%c needs a value", letter);
    switch (letter) {
    case 'b':
        return set_mode(o, value, e);
    case 'q':
        return set_flush(o, value, e);
    case 'f':
    case 'r':
        o->sender = value;
        return true;
    case 'F':
        o->full_name = value;
        return true;
    case 'C':
        o->dir = value;
        return true;
    case 'o':
        set_old_option(o, value);
        return true;
    case 'i':
    case 't': /* often together: -ti */
        for (const char *p = word + 1; *p; p++) {
            if (*p != 'i' && *p != 't')
                return err_set(e, ERR_USAGE, "unknown option -%c", *p);
            o->s.dots_are_text |= *p == 'i';
            o->s.recipients_from_header |= *p == 't';
        }
        return true;
    case 'B': /* the body says by itself what it is */
    case 'L':
    case 'h':
    case 'X':
    case 'O':
    case 'e':
    case 'm':
    case 'n':
    case 'v':
    case 'G':
    case 'U':
        return true;
    default:
        return err_set(
            e, ERR_USAGE,
            "unknown option %.40s; usage: sendmail [-t] [-i] [-f SENDER] [-F NAME] [-C DIR] [-bs|-bp|-bi|-q] "
            "[RECIPIENT...]",
            word);
    }
}

static bool take_options(struct options *o, char *const *argv, size_t argc, struct err *e) {
    size_t i = 0;
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        bool next;
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (!take_option(o, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &next, e))
            return false;
        i += next;
    }
    o->recipients = argv + i;
    o->recipient_count = argc - i;
    return true;
}

/* ---- who, where ---- */

static void know_user(struct options *o) {
    struct arena *a = &o->s.cli->arena;
    struct passwd *own = getpwuid(getuid());
    view gecos = own ? view_of(own->pw_gecos) : VIEW(""), name = VIEW("");
    o->s.user = own ? arena_view(a, view_of(own->pw_name)) : arena_printf(a, "uid%ld", (long)getuid());
    view_split(&gecos, ',', &name);
    o->s.full_name = o->full_name ? view_of(o->full_name) : arena_view(a, name);
    if (!text_is_printable(o->s.full_name))
        o->s.full_name = VIEW("");
}

/* The configuration may be another user's: then what it says is not known, and defaults do. */
static void know_instance(struct options *o) {
    struct cli *c = o->s.cli;
    const char *environment = getenv("POSTROAD_DIR"), *smtp = getenv("POSTROAD_SMTP");
    struct err ignored;
    c->dir = o->dir ? o->dir : c->dir ? c->dir : environment && *environment ? environment : DEFAULT_DIR;
    o->s.smtp = view_of(smtp && *smtp ? smtp : DEFAULT_SMTP);
    o->s.size_max = DEFAULT_MOST;
    if (cli_config(c, &ignored)) {
        o->s.host = cli_hostname(c);
        o->s.size_max = c->config->message_size_max;
        if (c->config->smtp_listen.count > 0 && !(smtp && *smtp))
            o->s.smtp = view_of(c->config->smtp_listen.items[0]);
        return;
    }
    char name[256] = "";
    o->s.host = gethostname(name, sizeof name - 1) == 0 && *name ? arena_view(&c->arena, view_of(name))
                                                                 : VIEW("localhost");
}

static bool know_envelope(struct options *o, struct err *e) {
    struct submission *s = &o->s;
    view sender = o->sender ? view_trim(view_of(o->sender)) : s->user;
    bool null = o->sender && (sender.len == 0 || view_eq(sender, VIEW("<>")));
    if (!null && !submission_address(s, sender, &s->sender, e))
        return err_prefix(e, "-f");
    for (size_t i = 0; i < o->recipient_count; i++)
        if (!submission_add(s, view_of(o->recipients[i]), e))
            return false;
    if (s->count == 0 && !s->recipients_from_header)
        return err_set(e, ERR_USAGE, "no recipients: name them, or give -t to take those in the header");
    return true;
}

/* ---- doing it ---- */

static bool send_message(struct options *o, struct err *e) {
    struct submission *s = &o->s;
    struct buf text = BUF_INIT((size_t)s->size_max);
    buf_init(&s->body, (size_t)s->size_max + LIMIT_HEADER_BYTES);
    bool ok =
        know_envelope(o, e) && submission_read(s, &text, e) && submission_compose(s, buf_view(&text), e) &&
        (s->count > 0 || err_set(e, ERR_USAGE, "no recipients: the header names none in To, Cc or Bcc")) &&
        submission_submit(s, e);
    buf_done(&text);
    buf_done(&s->body);
    free(s->recipients);
    return ok;
}

/* Another command of ours, by its own words. */
static bool run_other(struct cli *c, cli_command command, const char *spec, char *word, struct err *e) {
    char *words[] = {word};
    args_done(&c->args);
    return args_parse(spec, words, word ? 1 : 0, &c->args, e) && command(c, e);
}

static bool do_mode(struct options *o, struct err *e) {
    struct cli *c = o->s.cli;
    char all[] = "--all";
    switch (o->mode) {
    case MODE_SEND:
        return send_message(o, e);
    case MODE_SMTP:
        return submission_join(&o->s, e);
    case MODE_LIST:
        return run_other(c, cmd_queue_show, "", NULL, e);
    case MODE_FLUSH:
        return run_other(c, cmd_queue_retry, "[--all]", all, e);
    case MODE_ALIASES:
        return true; /* aliases need no rebuilding */
    }
    return true;
}

/* With its own exit statuses: whoever calls sendmail looks at nothing else. */
bool cmd_sendmail(struct cli *c, struct err *e) {
    (void)e;
    struct options o = {.s = {.cli = c}};
    struct err why = {.code = ERR_OK};
    if (strcmp(c->called, "mailq") == 0)
        o.mode = MODE_LIST;
    if (strcmp(c->called, "newaliases") == 0)
        o.mode = MODE_ALIASES;
    bool ok = take_options(&o, c->argv, c->argc, &why);
    if (ok) {
        know_instance(&o);
        know_user(&o);
        ok = do_mode(&o, &why);
    }
    if (!ok) {
        fprintf(stderr, "%s: %s\n", c->called, why.text);
        c->status = exit_status(&why);
    }
    return true;
}
