/* params_fuzz.c: what a request gives, as a form or in JSON, held against specs of every type. The first
 * octet chooses the kind and the specs.
 *
 * Checked: what is taken is what the specs say, and reads the same when it is written again; what is refused
 * is answered with 400 or 413 and an object of JSON. */
#include "base/mem.h"
#include "base/pattern.h"
#include "base/words.h"
#include "roles/httpd/httpd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHOICE_JSON = 1, CHOICE_TWICE = 2, SPECS_SHIFT = 2, MOST = 64 * 1024, MEMORY_MOST = 64 * 1024 * 1024 };

static const char words[] = "hold reject discard accept defer";

static const struct param_spec every[] = {{"text"},
                                          {"texts", PARAM_TEXTS},
                                          {"bool", PARAM_BOOL},
                                          {"number", PARAM_NUMBER},
                                          {"word", PARAM_WORD, .words = words},
                                          {"regex", PARAM_REGEX},
                                          PAGE_PARAMS};
static const struct param_spec needed[] = {{"word", PARAM_WORD, .required = true, .words = words},
                                           {"text", .required = true}};
static const struct param_spec blank[] = {{"number", PARAM_NUMBER, .blank = true},
                                          {"bool", PARAM_BOOL, .blank = true},
                                          {"word", PARAM_WORD, .words = words, .blank = true},
                                          {"regex", PARAM_REGEX, .blank = true}};

static const struct route routes[] = {
    {METHOD_POST, "every", NULL, "", PARAMS(every)},
    {METHOD_POST, "needed", NULL, "", PARAMS(needed)},
    {METHOD_POST, "blank", NULL, "", PARAMS(blank)},
    {METHOD_POST, "none", NULL, "", NULL, 0},
};

/* No key is asked for, and no store. */
struct fuzzed {
    struct arena arena, slice;
    struct call call;
};

static void begin(struct fuzzed *f, const struct route *route) {
    *f = (struct fuzzed){0};
    arena_init(&f->arena, MEMORY_MOST);
    arena_init(&f->slice, MEMORY_MOST);
    f->call = (struct call){.arena = &f->arena,
                            .slice = &f->slice,
                            .route = route,
                            .out = BUF_INIT(MEMORY_MOST),
                            .method = METHOD_POST};
}

static void end(struct fuzzed *f) {
    buf_done(&f->call.out);
    arena_done(&f->slice);
    arena_done(&f->arena);
}

static void check_refusal(const struct call *c) {
    json_error_t e;
    json_t *said = json_loadb(c->out.data, c->out.len, 0, &e);
    BUG_ON(c->status != 400 && c->status != 413);
    BUG_ON(!json_is_string(json_object_get(said, "title")));
    BUG_ON(json_string_length(json_object_get(said, "description")) == 0);
    json_decref(said);
}

static const struct param_spec *spec_of(const struct route *r, view name) {
    for (size_t i = 0; i < r->param_count; i++)
        if (view_eq(name, view_of(r->params[i].name)))
            return &r->params[i];
    return NULL;
}

/* Octets of a value that was taken. */
static void check_value(struct call *c, const struct param_spec *s, view value) {
    view once, twice;
    struct err e;
    int64_t number;
    bool flag;
    BUG_ON(s->type == PARAM_BOOL && !param_bool(value, &flag));
    BUG_ON(s->type == PARAM_NUMBER && (!view_to_i64(view_trim(value), &number) || number < 0));
    BUG_ON(s->type == PARAM_WORD && !words_find(s->words, value, &number));
    BUG_ON(s->type == PARAM_REGEX && !pattern_check(value, &e));
    if (s->type != PARAM_TEXT || !param_address(c, value, &once))
        return;
    BUG_ON(!param_address(c, once, &twice) || !view_eq(once, twice));
    BUG_ON(view_find(once, '\n') >= 0 || view_find(once, '@') <= 0 || !view_is_utf8(once));
}

static void check_taken(struct call *c) {
    const struct route *r = c->route;
    for (size_t i = 0; i < c->given_count; i++) {
        const struct param_spec *s = spec_of(r, c->given[i].name);
        BUG_ON(!s);
        if (!s->blank || c->given[i].value.len > 0)
            check_value(c, s, c->given[i].value);
    }
    for (size_t i = 0; i < r->param_count; i++) {
        const struct param_spec *s = &r->params[i];
        view *texts;
        BUG_ON(s->required && !param_given(c, s->name));
        size_t n = param_texts(c, s->name, &texts);
        BUG_ON((n > 0) != param_given(c, s->name));
        BUG_ON(n > 0 && !view_eq(texts[n - 1], param_text(c, s->name)));
        int64_t number = param_number(c, s->name, 7);
        BUG_ON(n == 0 && number != 7);
        BUG_ON(n > 0 && number < 0 && s->type == PARAM_NUMBER && !s->blank);
    }
}

static void check_pages(struct call *c) {
    int64_t start, most;
    if (page_wanted(c, &start, &most))
        BUG_ON(start < 0 || most < 0);
    else
        check_refusal(c);
}

static void add_escaped(struct buf *out, view v) {
    for (size_t i = 0; i < v.len; i++)
        buf_printf(out, "%%%02x", (unsigned char)v.ptr[i]);
}

/* Written as a form, it reads as it was. */
static void check_again(const struct call *c) {
    struct buf form = BUF_INIT(MEMORY_MOST);
    struct fuzzed again;
    begin(&again, c->route);
    for (size_t i = 0; i < c->given_count; i++) {
        buf_add_str(&form, i > 0 ? "&" : "");
        add_escaped(&form, c->given[i].name);
        buf_add_char(&form, '=');
        add_escaped(&form, c->given[i].value);
    }
    BUG_ON(form.failed || !params_add_form(&again.call, buf_view(&form)));
    BUG_ON(again.call.given_count != c->given_count);
    for (size_t i = 0; i < c->given_count; i++) {
        const struct given *one = &c->given[i], *other = &again.call.given[i];
        BUG_ON(!view_eq(one->name, other->name) || !view_eq(one->value, other->value));
    }
    end(&again);
    buf_done(&form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzzed f;
    if (size < 1 || size > MOST)
        return 0;
    view body = view_from(data + 1, size - 1);
    begin(&f, &routes[(data[0] >> SPECS_SHIFT) % (sizeof routes / sizeof routes[0])]);
    bool read = data[0] & CHOICE_JSON ? params_add_json(&f.call, body) : params_add_form(&f.call, body);
    if (read && data[0] & CHOICE_TWICE) /* a query string beside a body */
        read = params_add_form(&f.call, body);
    if (!read || !params_check(&f.call)) {
        check_refusal(&f.call);
    } else {
        check_taken(&f.call);
        check_again(&f.call);
        check_pages(&f.call);
    }
    end(&f);
    return 0;
}
