/* Messages that look like real mail, and their recipients. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    TEXT_COLUMNS = 78,
};

static const char *const words[] = {
    "the",     "draft",  "of",     "working",  "group",  "a",     "security",  "considerations",
    "should",  "and",    "header", "field",    "be",     "we",    "discussed", "section",
    "agree",   "with",   "text",   "proposed", "in",     "last",  "call",      "I",
    "think",   "that",   "this",   "registry", "not",    "is",    "normative", "reference",
    "mail",    "server", "may",    "receiver", "to",     "it",    "example",   "implementation",
    "interop", "as",     "minor",  "nit",      "editor", "chair", "please",    "review",
};

/* Words in lines of up to 78 columns, exactly len bytes with the line ends. */
static void add_text(struct buf *out, size_t len) {
    uint32_t seed = 20240601;
    size_t column = 0;
    size_t end = out->len + len;
    while (out->len + 2 < end) {
        seed = seed * 1664525U + 1013904223U;
        const char *w = words[(seed >> 16) % (sizeof words / sizeof words[0])];
        size_t wl = strlen(w);
        if (column != 0 && column + 1 + wl > TEXT_COLUMNS) {
            buf_adds(out, "\r\n");
            column = 0;
            continue;
        }
        if (column != 0) {
            buf_adds(out, " ");
            column++;
        }
        buf_add(out, w, wl);
        column += wl;
    }
    /* Cut to size; a cut right behind a CR or in front of a LF is healed by writing the line end anew. */
    out->len = end >= 2 ? end - 2 : 0;
    if (out->len > 0 && out->data[out->len - 1] == '\r')
        out->data[out->len - 1] = '.';
    buf_adds(out, "\r\n");
}

static void read_file(const char *path, struct buf *into) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        die("%s: %s", path, strerror(errno));
    ssize_t n;
    do {
        buf_reserve(into, 65536);
        n = read(fd, into->data + into->len, 65536);
        if (n < 0)
            die("%s: %s", path, strerror(errno));
        into->len += (size_t)n;
    } while (n > 0);
    close(fd);
}

/* RFC 5321 section 4.5.2. With bare_lf, LF alone becomes CRLF: files are usually kept that way. */
static void add_stuffed(struct buf *out, const struct buf *in, bool bare_lf) {
    bool line_start = true;
    char last = '\0';
    for (size_t i = 0; i < in->len; i++) {
        char c = in->data[i];
        if (line_start && c == '.')
            buf_adds(out, ".");
        if (c == '\n' && last != '\r' && bare_lf) {
            buf_adds(out, "\r");
            last = '\r';
        }
        buf_add(out, &c, 1);
        line_start = c == '\n' && last == '\r';
        last = c;
    }
    if (!line_start)
        buf_adds(out, "\r\n");
}

void message_prepare(struct load_run *run) {
    struct buf *text = &run->msg.text;
    if (run->opt->file != NULL) {
        struct buf file = {0};
        read_file(run->opt->file, &file);
        add_stuffed(text, &file, !run->opt->raw);
        buf_free(&file);
    } else {
        run->msg.own_headers = true;
        buf_adds(text, "MIME-Version: 1.0\r\n"
                       "Content-Type: text/plain; charset=us-ascii\r\n"
                       "Content-Transfer-Encoding: 7bit\r\n"
                       "\r\n");
        add_text(text, run->opt->body_len);
    }
    buf_adds(text, ".\r\n");
}

void message_id(struct buf *out, const struct load_options *opt, long number) {
    buf_addf(out, "load-%s-%ld@load.example", opt->prefix, number);
}

void message_rcpt(struct buf *out, const struct load_options *opt, long number, long i) {
    const char *form = opt->rcpt;
    const char *hole = strstr(form, "%d");
    if (hole == NULL) {
        /* Several recipients must differ even when no place for a number is given. */
        const char *at = strrchr(form, '@');
        if (opt->rcpts == 1 || at == NULL)
            buf_adds(out, form);
        else
            buf_addf(out, "%.*s-%ld%s", (int)(at - form), form, i, at);
        return;
    }
    buf_addf(out, "%.*s%ld", (int)(hole - form), form, number);
    if (opt->rcpts > 1)
        buf_addf(out, "-%ld", i);
    buf_adds(out, hole + 2);
}

/* The Date field's value; formatted once a second and thread, as it costs more than the rest of the headers.
 */
static const char *date_now(void) {
    static _Thread_local char text[64];
    static _Thread_local time_t made;
    time_t now = time(NULL);
    if (now != made) {
        struct tm tm;
        gmtime_r(&now, &tm);
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", &tm);
        made = now;
    }
    return text;
}

void message_head(struct buf *out, const struct load_run *run, long number) {
    const struct load_options *opt = run->opt;
    if (opt->raw)
        return;
    buf_adds(out, "Message-ID: <");
    message_id(out, opt, number);
    buf_adds(out, ">\r\n");
    if (!run->msg.own_headers)
        return;
    buf_addf(out, "Date: %s\r\nFrom: Load Generator <%s>\r\nTo: ", date_now(),
             *opt->sender != '\0' ? opt->sender : "load@load.example");
    message_rcpt(out, opt, number, 0);
    buf_addf(out, "\r\nSubject: Re: [wg] Draft %ld, last call comments\r\n", number);
}
