/* output.c: standard output: a buffer with a sticky error, tables for people, JSON for programs.
 *
 * Texts of strangers (host names, replies, addresses) reach a terminal here, so everything that is not a
 * printable character is replaced in tables. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "mail/date.h"
#include "mail/text.h"
#include "mail/transfer.h"

enum {
    FLUSH_BYTES = 64 * 1024,
    ROWS_AT_ONCE = 1000,
    COLUMN_GAP = 2,
    SENTENCE_MAX = 1024,
    PROGRESS_US = 100000
};

bool cli_flush(struct cli *c, struct err *e) {
    if (c->out_err.code == ERR_OK && c->out.len > 0 &&
        !file_write_all(STDOUT_FILENO, buf_view(&c->out), &c->out_err))
        err_prefix(&c->out_err, "standard output");
    buf_reset(&c->out);
    if (c->out_err.code == ERR_OK)
        return true;
    if (e)
        *e = c->out_err;
    return false;
}

void cli_write(struct cli *c, view v) {
    if (v.len >= FLUSH_BYTES) {
        if (cli_flush(c, NULL) && !file_write_all(STDOUT_FILENO, v, &c->out_err))
            err_prefix(&c->out_err, "standard output");
        return;
    }
    buf_add(&c->out, v);
    if (c->out.len >= FLUSH_BYTES)
        cli_flush(c, NULL);
}

void cli_print(struct cli *c, const char *fmt, ...) {
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    BUG_ON(vasprintf(&text, fmt, ap) < 0);
    va_end(ap);
    cli_write(c, view_of(text));
    free(text);
}

json_t *cli_json_text(view v) {
    json_t *text = view_is_utf8(v) ? json_stringn(v.ptr ? v.ptr : "", v.len) : NULL;
    if (text)
        return text;
    struct buf clean = BUF_INIT(v.len + 1);
    text_add_printable(&clean, v, true);
    text = json_stringn(clean.data, clean.len);
    buf_done(&clean);
    return text;
}

void cli_json_bytes(json_t *object, view bytes) {
    struct buf base64 = BUF_INIT(bytes.len * 2 + 8);
    bool plain = view_is_utf8(bytes);
    if (!plain) {
        transfer_add_base64(&base64, bytes);
        bytes = buf_view(&base64);
    }
    json_object_set_new(object, "encoding", json_string(plain ? "utf-8" : "base64"));
    json_object_set_new(object, "content", json_stringn(bytes.len > 0 ? bytes.ptr : "", bytes.len));
    buf_done(&base64);
}

static void write_json(struct cli *c, json_t *value) {
    char *text = json_dumps(value, JSON_PRESERVE_ORDER | JSON_ENCODE_ANY);
    BUG_ON(!text);
    cli_write(c, view_of(text));
    free(text);
    json_decref(value);
}

void cli_json(struct cli *c, json_t *value) {
    write_json(c, value);
    cli_write(c, VIEW("\n"));
}

struct cli_time cli_time(int64_t ms) {
    struct cli_time t = {""};
    struct buf b = BUF_INIT(sizeof t.s - 1);
    date_format_iso(ms, &b);
    memcpy(t.s, b.data, b.len);
    buf_done(&b);
    return t;
}

void cli_progress(struct cli *c, const char *fmt, ...) {
    int64_t now = clock_real_us();
    if (c->json || now - c->progress_us < PROGRESS_US || !isatty(STDERR_FILENO))
        return;
    char text[SENTENCE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\r\033[K%.120s", text);
    c->progress_us = now;
}

void cli_progress_end(struct cli *c) {
    if (c->progress_us != 0)
        fputs("\r\033[K", stderr);
    c->progress_us = 0;
}

void cli_done(struct cli *c, json_t *object, const char *fmt, ...) {
    if (c->json) {
        cli_json(c, object);
        return;
    }
    json_decref(object);
    char text[SENTENCE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    cli_print(c, "%s\n", text);
}

static size_t characters(const char *text) {
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

void table_open(struct table *t, struct cli *c, const struct column *columns, size_t count) {
    BUG_ON(count > TABLE_COLUMNS_MAX);
    *t = (struct table){.cli = c, .columns = columns, .count = count};
}

void table_open_single(struct table *t, struct cli *c, const struct column *columns, size_t count) {
    table_open(t, c, columns, count);
    t->single = true;
}

static size_t last_shown(const struct table *t) {
    size_t last = 0;
    for (size_t i = 0; i < t->count; i++)
        if (t->columns[i].title)
            last = i;
    return last;
}

static void print_row(struct table *t, const char *const *cells) {
    size_t last = last_shown(t), owed = 0; /* spaces are written only before something */
    for (size_t i = 0; i <= last; i++) {
        if (!t->columns[i].title)
            continue;
        if (*cells[i]) {
            cli_print(t->cli, "%*s%s", (int)owed, "", cells[i]);
            owed = 0;
        }
        owed += t->width[i] - characters(cells[i]) + COLUMN_GAP;
    }
    cli_write(t->cli, VIEW("\n"));
}

/* Widths only grow, so that pieces of a long listing stay aligned as far as they can. */
static void print_rows(struct table *t) {
    const char *titles[TABLE_COLUMNS_MAX];
    for (size_t i = 0; i < t->count; i++) {
        titles[i] = t->columns[i].title ? t->columns[i].title : "";
        if (characters(titles[i]) > t->width[i])
            t->width[i] = characters(titles[i]);
    }
    for (size_t i = 0; i < t->cell_count; i++)
        if (characters(t->cells[i]) > t->width[i % t->count])
            t->width[i % t->count] = characters(t->cells[i]);
    if (!t->titled && t->cell_count > 0)
        print_row(t, titles);
    t->titled = t->titled || t->cell_count > 0;
    for (size_t i = 0; i < t->cell_count; i += t->count)
        print_row(t, (const char *const *)&t->cells[i]);
}

/* "title:  value", for the things that have one. */
static void print_single(struct table *t) {
    size_t width = 0;
    for (size_t i = 0; i < t->count; i++)
        if (t->columns[i].title && characters(t->columns[i].title) > width)
            width = characters(t->columns[i].title);
    for (size_t i = 0; i < t->cell_count; i++) {
        const char *title = t->columns[i % t->count].title;
        if (title && *t->cells[i])
            cli_print(t->cli, "%s:%*s%s\n", title, (int)(width - characters(title) + COLUMN_GAP), "",
                      t->cells[i]);
    }
}

static void print_cells(struct table *t) {
    if (t->single)
        print_single(t);
    else
        print_rows(t);
    for (size_t i = 0; i < t->cell_count; i++)
        free(t->cells[i]);
    t->cell_count = 0;
}

static void end_value(struct table *t) {
    if (++t->at < t->count)
        return;
    t->at = 0;
    if (t->cli->json) {
        if (!t->single)
            cli_write(t->cli, t->any_row ? VIEW(",\n") : VIEW("["));
        write_json(t->cli, t->object);
        t->object = NULL;
    } else if (t->cell_count >= ROWS_AT_ONCE * t->count) {
        print_cells(t);
    }
    t->any_row = true;
}

static void add_cell(struct table *t, view v) {
    if (t->cell_count == t->cell_room) {
        t->cell_room = t->cell_room ? 2 * t->cell_room : 64;
        t->cells = mem_resize(t->cells, t->cell_room, sizeof *t->cells);
    }
    struct buf clean = BUF_INIT(v.len + 1);
    text_add_printable(&clean, v, true);
    t->cells[t->cell_count++] = mem_str(clean.data);
    buf_done(&clean);
}

static void add_member(struct table *t, json_t *value) {
    if (!t->object)
        t->object = json_object();
    BUG_ON(json_object_set_new(t->object, t->columns[t->at].key, value) != 0);
}

void table_text(struct table *t, view v) {
    if (t->cli->json)
        add_member(t, cli_json_text(v));
    else
        add_cell(t, v);
    end_value(t);
}

void table_int(struct table *t, int64_t n) {
    if (t->cli->json) {
        add_member(t, json_integer(n));
    } else {
        char text[32];
        snprintf(text, sizeof text, "%lld", (long long)n);
        add_cell(t, view_of(text));
    }
    end_value(t);
}

void table_time(struct table *t, int64_t ms) {
    table_text(t, view_of(cli_time(ms).s));
}

bool table_close(struct table *t, struct err *e) {
    json_decref(t->object);
    if (!t->cli->json)
        print_cells(t);
    else if (!t->single)
        cli_write(t->cli, t->any_row ? VIEW("]\n") : VIEW("[]\n"));
    else
        cli_write(t->cli, VIEW("\n"));
    free(t->cells);
    return cli_flush(t->cli, e);
}
