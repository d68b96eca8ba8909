/* dkim2_test.c: DKIM2 from the author over a list to the reader; what tampering does; recipes for random
 * edits; and hostile recipes. */
#include "auth/dkim2.h"

#include <openssl/x509.h>
#include <string.h>

#include "auth/dkim2_private.h"
#include "base/words.h"
#include "mail/transfer.h"
#include "testing/unit.h"

enum { NOW = 1790000000, EDITS = 1000 };

static struct arena arena;

/* ---- two domains with an RSA and an Ed25519 key each ---- */

enum { AUTHOR_RSA, AUTHOR_ED, LIST_RSA, LIST_ED, KEYS };
static struct signing_key keys[KEYS];
static view records[KEYS]; /* TXT */

static view record_of(const struct signing_key *k) {
    unsigned char der[4096], *p = der;
    size_t len = sizeof der;
    struct buf out = BUF_INIT(8192);
    if (k->ed25519)
        assert_int_equal(EVP_PKEY_get_raw_public_key(k->key, der, &len), 1);
    else
        len = (size_t)i2d_PUBKEY(k->key, &p);
    buf_printf(&out, "v=DKIM1; k=%s; p=", k->ed25519 ? "ed25519" : "rsa");
    transfer_add_base64(&out, view_from(der, len));
    size_t taken;
    char *text = buf_take(&out, &taken);
    return view_from(text, taken);
}

static int make_keys(void **state) {
    (void)state;
    static const char *const domains[] = {"author.example", "lists.example"};
    for (size_t i = 0; i < KEYS; i++) {
        bool ed = i == AUTHOR_ED || i == LIST_ED;
        keys[i] = (struct signing_key){.domain = view_of(domains[i / 2]),
                                       .selector = ed ? VIEW("ed") : VIEW("rsa"),
                                       .ed25519 = ed,
                                       .key = ed ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                                 : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024)};
        records[i] = record_of(&keys[i]);
    }
    arena_init(&arena, 256 << 20);
    return 0;
}

static int drop_keys(void **state) {
    (void)state;
    for (size_t i = 0; i < KEYS; i++) {
        EVP_PKEY_free(keys[i].key);
        free((void *)(uintptr_t)records[i].ptr);
    }
    arena_done(&arena);
    return 0;
}

static void answer_keys(struct answers *a) {
    struct answer *to;
    for (size_t at = 0; (to = answers_next(a, &at)) != NULL;) {
        struct record *r = arena_new(a->arena, struct record);
        size_t count = 0;
        for (size_t i = 0; i < KEYS; i++) {
            view name = arena_printf(a->arena, "%.*s._domainkey.%.*s", VIEW_ARG(keys[i].selector),
                                     VIEW_ARG(keys[i].domain));
            if (view_eq(name, to->name)) {
                r->data = records[i];
                count = 1;
            }
        }
        answers_set(a, to, ANSWER_NO_NAME, r, count);
    }
}

/* ---- what author and list do ---- */

static struct dkim2_verdict verify_at(view message, const char *sender, const char *recipient,
                                      int64_t now_s) {
    view to = view_of(recipient);
    struct dkim2_envelope e = {.sender = view_of(sender), .recipients = &to, .recipient_count = 1};
    struct answers answers;
    struct dkim2_verdict v;
    answers_init(&answers, &arena);
    for (dkim2_verify(message, &e, now_s, &answers, &v); v.result == DKIM2_WAITS;
         dkim2_verify(message, &e, now_s, &answers, &v))
        answer_keys(&answers);
    return v;
}

static void expect(view message, const char *sender, const char *recipient, const char *result,
                   const char *why) {
    struct dkim2_verdict v = verify_at(message, sender, recipient, NOW + 60);
    check(view_eq(words_at(DKIM2_WORDS, v.result), view_of(result)) && strcmp(v.why, why) == 0,
          "%.*s: %s, not %s: %s", VIEW_ARG(words_at(DKIM2_WORDS, v.result)), v.why, result, why);
}

static view put_before(struct buf *field, view message) {
    view made = arena_printf(&arena, "%.*s%.*s", VIEW_ARG(buf_view(field)), VIEW_ARG(message));
    buf_done(field);
    return made;
}

static view add_instance(view before, view after) {
    struct buf field = BUF_INIT(1 << 20);
    assert_int_equal(dkim2_add_instance(before, after, &arena, &field), DKIM2_INSTANCE_ADDED);
    return put_before(&field, after);
}

static view sign(view message, size_t key, unsigned flags, const char *sender, const char *recipient) {
    view to = view_of(recipient);
    struct dkim2_envelope e = {.sender = view_of(sender), .recipients = &to, .recipient_count = 1};
    struct dkim2_signing s = {
        .keys = {&keys[key], &keys[key + 1]}, .now_s = NOW, .flags = flags, .next_domain = VIEW("")};
    struct dkim2_prepared p;
    struct buf field = BUF_INIT(1 << 16);
    assert_true(dkim2_prepare(message, &arena, &p));
    dkim2_sign(&p, &s, &e, &field);
    return put_before(&field, message);
}

#define FROM_AUTHOR "ada@author.example", "wg@lists.example"
#define FROM_LIST   "wg-bounces+r=reader.example@lists.example", "r@reader.example"

static const char plain[] = "Received: from a by b\r\n"
                            "From: Ada <ada@author.example>\r\n"
                            "To: wg@lists.example\r\n"
                            "Subject: A  longer\r\n subject\r\n"
                            "Comments: one\r\n"
                            "Comments: two\r\n"
                            "X-Trace: 1\r\n"
                            "\r\n"
                            "Hello,\r\n\r\nlines of text.\r\n-- \r\nAda\r\n";

static view authored(void) {
    return sign(add_instance(VIEW(""), view_of(plain)), AUTHOR_RSA, 0, FROM_AUTHOR);
}

static view replaced(view text, const char *from, const char *to) {
    ptrdiff_t at = view_search(text, view_of(from));
    check(at >= 0, "no %s", from);
    view rest = view_skip(text, (size_t)at + strlen(from));
    return arena_printf(&arena, "%.*s%s%.*s", (int)at, text.ptr, to, VIEW_ARG(rest));
}

/* A tag, a field of its own, one field less, a footer. */
static view edited(view post) {
    view made = replaced(post, "Subject: A  longer\r\n subject\r\n",
                         "Subject: [wg] A longer subject\r\nList-Id: <wg.lists.example>\r\n");
    made = replaced(made, "Comments: one\r\n", "");
    made = replaced(made, "X-Trace: 1\r\n", "X-Trace: 2\r\n");
    return arena_printf(&arena, "%.*s____\r\nwg mailing list\r\n", VIEW_ARG(made));
}

static view posted(void) {
    view post = authored();
    return sign(add_instance(post, edited(post)), LIST_RSA, DKIM2_EXPLODED, FROM_LIST);
}

/* ---- the way of a post ---- */

static void test_author__signed(void **state) {
    (void)state;
    view post = authored();
    struct dkim2_verdict v = verify_at(post, FROM_AUTHOR, NOW + 60);
    check(v.result == DKIM2_PASS, "%s", v.why);
    assert_int_equal(v.hops, 1);
    assert_int_equal(v.instances, 1);
    assert_view(v.domain, "author.example");
    assert_view(v.last_sender, "ada@author.example");
    assert_int_equal(v.wishes, 0);
    for (view rest = post, line; rest.len > 0;) {
        line = dkim2_next_line(&rest);
        check(line.len <= 78, "%.*s", VIEW_ARG(line));
    }
    assert_int_equal(verify_at(post, FROM_AUTHOR, NOW + DKIM2_AGE_MOST_S).result, DKIM2_PASS);
    v = verify_at(post, FROM_AUTHOR, NOW + DKIM2_AGE_MOST_S + 1);
    assert_string_equal(v.why, "DKIM2-Signature i=1 signature expired");
    assert_int_equal(verify_at(view_of(plain), FROM_AUTHOR, NOW).result, DKIM2_NONE);
}

static void test_list__chain(void **state) {
    (void)state;
    view copy = posted();
    struct dkim2_verdict v = verify_at(copy, FROM_LIST, NOW + 60),
                         first = verify_at(authored(), FROM_AUTHOR, NOW);
    check(v.result == DKIM2_PASS, "%s", v.why);
    assert_int_equal(v.hops, 2);
    assert_int_equal(v.instances, 2);
    assert_view(v.domain, "author.example");
    assert_view(v.last_domain, "lists.example");
    assert_int_equal(v.wishes, DKIM2_EXPLODED);
    assert_true(v.first_hashes.len > 0 && view_eq(v.first_hashes, first.first_hashes));
    expect(copy, FROM_AUTHOR, "permerror",
           "DKIM2-Signature i=2 MAIL FROM <ada@author.example> did not match");
    expect(copy, "wg-bounces+r=reader.example@lists.example", "other@reader.example", "permerror",
           "DKIM2-Signature i=2 RCPT TO <other@reader.example> did not match");
}

static void test_list__nothing_changed(void **state) {
    (void)state;
    struct buf field = BUF_INIT(1 << 20);
    view post = authored(), copy = replaced(post, "X-Trace: 1\r\n", "Received: by wg\r\n");
    assert_int_equal(dkim2_add_instance(post, copy, &arena, &field), DKIM2_INSTANCE_SAME);
    assert_int_equal(field.len, 0);
    copy = sign(copy, LIST_RSA, DKIM2_EXPLODED, FROM_LIST);
    assert_int_equal(verify_at(copy, FROM_LIST, NOW).result, DKIM2_PASS);
    assert_int_equal(verify_at(copy, FROM_LIST, NOW).instances, 1);
}

/* Nobody has signed the post: the list describes it as it came, and then what it has made of it. */
static void test_list__unsigned_post(void **state) {
    (void)state;
    view post = add_instance(VIEW(""), view_of(plain));
    view copy = sign(add_instance(post, edited(post)), LIST_RSA, DKIM2_EXPLODED, FROM_LIST);
    struct dkim2_verdict v = verify_at(copy, FROM_LIST, NOW);
    check(v.result == DKIM2_PASS && v.hops == 1 && v.instances == 2, "%s", v.why);
    expect(post, FROM_AUTHOR, "permerror", "DKIM2-Signature i=1 missing");
}

/* The author's form is had again, octets and order where a recipe does not say otherwise. */
static void test_rebuild(void **state) {
    (void)state;
    struct buf out = BUF_INIT(1 << 20);
    bool header_only;
    view copy = posted();
    assert_true(dkim2_rebuild(copy, 1, &arena, &out, &header_only));
    assert_false(header_only);
    view rebuilt = arena_view(&arena, buf_view(&out));
    check(view_search(rebuilt, VIEW("From: Ada <ada@author.example>\r\nTo: wg@lists.example\r\n"
                                    "subject: A longer subject\r\n"
                                    "comments: one\r\nComments: two\r\n\r\nHello,")) > 0,
          "%.*s", VIEW_ARG(rebuilt));
    assert_true(view_search(rebuilt, VIEW("Received")) < 0 && view_search(rebuilt, VIEW("List-Id")) < 0);
    assert_true(view_ends_with(rebuilt, VIEW("\r\n\r\nHello,\r\n\r\nlines of text.\r\n-- \r\nAda\r\n")));
    assert_int_equal(verify_at(rebuilt, FROM_AUTHOR, NOW).result, DKIM2_PASS);
    buf_reset(&out);
    assert_true(dkim2_rebuild(copy, 2, &arena, &out, &header_only));
    assert_int_equal(verify_at(buf_view(&out), FROM_LIST, NOW).result, DKIM2_PASS);
    buf_reset(&out);
    assert_false(dkim2_rebuild(copy, 3, &arena, &out, &header_only));
    assert_false(dkim2_rebuild(copy, 0, &arena, &out, &header_only));
    assert_false(dkim2_rebuild(view_of(plain), 1, &arena, &out, &header_only));
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

/* More than half of the old body is gone: only its header can be had. */
static void test_body_lost(void **state) {
    (void)state;
    struct buf out = BUF_INIT(1 << 20);
    bool header_only;
    view post = authored(),
         other = replaced(post, "Hello,\r\n\r\nlines of text.\r\n-- \r\nAda\r\n", "Something else\r\n");
    view copy = sign(add_instance(post, other), LIST_RSA, 0, FROM_LIST);
    assert_int_equal(verify_at(copy, FROM_LIST, NOW).result, DKIM2_PASS);
    assert_false(dkim2_rebuild(copy, 1, &arena, &out, &header_only));
    assert_true(header_only);
    assert_true(view_search(buf_view(&out), VIEW("Subject: A  longer\r\n subject\r\n")) > 0);
    assert_true(view_search(buf_view(&out), VIEW("\r\n\r\n")) < 0);
    buf_done(&out);
}

static void test_imaginary_hop(void **state) {
    (void)state;
    struct dkim2_signing s = {
        .keys = {&keys[LIST_ED], NULL}, .now_s = NOW, .next_domain = VIEW("author.example")};
    struct dkim2_envelope none = {.sender = VIEW("")};
    struct dkim2_prepared p;
    struct buf field = BUF_INIT(1 << 16);
    view post = authored();
    assert_true(dkim2_prepare(post, &arena, &p));
    dkim2_sign(&p, &s, &none, &field);
    view between = put_before(&field, post);
    expect(between, FROM_AUTHOR, "permerror", "DKIM2-Signature i=2 unexpected nd= tag");
    expect(sign(between, AUTHOR_RSA, 0, FROM_AUTHOR), FROM_AUTHOR, "pass", "");
    expect(sign(between, LIST_RSA, 0, FROM_LIST), FROM_LIST, "permerror",
           "DKIM2-Signature i=2 nd= does not match");
}

static void test_wishes(void **state) {
    (void)state;
    view post = sign(add_instance(VIEW(""), view_of(plain)), AUTHOR_RSA, DKIM2_DONOTMODIFY | DKIM2_FEEDBACK,
                     FROM_AUTHOR);
    assert_int_equal(verify_at(post, FROM_AUTHOR, NOW).wishes, DKIM2_DONOTMODIFY | DKIM2_FEEDBACK);
    expect(sign(add_instance(post, edited(post)), LIST_RSA, DKIM2_EXPLODED, FROM_LIST), FROM_LIST, "fail",
           "Message has been modified despite a donotmodify request");
    view more = replaced(post, "From:", "List-Id: <wg.lists.example>\r\nFrom:");
    expect(sign(add_instance(post, more), LIST_RSA, DKIM2_EXPLODED, FROM_LIST), FROM_LIST, "pass", "");
    post = sign(add_instance(VIEW(""), view_of(plain)), AUTHOR_RSA, DKIM2_DONOTEXPLODE, FROM_AUTHOR);
    expect(sign(post, LIST_RSA, DKIM2_EXPLODED, FROM_LIST), FROM_LIST, "fail",
           "Message has been exploded despite a donotexplode request");
}

/* ---- tampering ---- */

static void test_tampering(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *result;
    } rows[] = {
        {"Subject: [wg]", "Subject: [xx]", "fail"},
        {"List-Id: <wg.", "List-Id: <xx.", "fail"},
        {"Comments: two", "Comments: too", "fail"},
        {"To: wg@", "Cc: x@x.example\r\nTo: wg@", "fail"},
        {"lines of text", "lines of test", "fail"},
        {"wg mailing list\r\n", "", "fail"},
        {"i=2; m=2;", "i=2; m=1;", "permerror"},
        {"i=2; m=2;", "i=3; m=2;", "permerror"},
        {"i=2; m=2;", "i=1; m=2;", "permerror"},
        {"d=lists.example", "d=author.example", "permerror"},
        {"t=1790000000", "t=1790000001", "fail"},
        {"f=exploded;", "", "fail"},
        {"f=exploded;", "f=feedback;", "fail"},
        {"ed:ed25519-sha256:", "ed:ed25519-sha512:", "fail"},
        {"rsa:rsa-sha256:", "ed:rsa-sha256:", "permerror"},
        {"Message-Instance: m=2", "X-Message-Instance: m=2", "permerror"},
        {"Message-Instance: m=1", "X-Message-Instance: m=1", "permerror"},
        {"DKIM2-Signature: i=2", "X-DKIM2-Signature: i=2", "permerror"},
        {"DKIM2-Signature: i=1", "X-DKIM2-Signature: i=1", "permerror"},
        {"h=sha256:", "h=sha512:", "fail"},
        {"X-Trace: 2", "X-Trace: 3", "pass"},
        {"wg mailing list\r\n", "wg mailing list\r\n\r\n\r\n", "pass"},
        {"DKIM2-Signature: i=2; m=2", "dkim2-signature :\r\n\ti=2;m=2", "pass"},
    };
    view copy = posted();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct dkim2_verdict v = verify_at(replaced(copy, rows[i].from, rows[i].to), FROM_LIST, NOW);
        check(view_eq(words_at(DKIM2_WORDS, v.result), view_of(rows[i].result)), "%s: %.*s %s", rows[i].from,
              VIEW_ARG(words_at(DKIM2_WORDS, v.result)), v.why);
    }
}

/* Each letter of the fields of DKIM2, one after the other: nothing but white space may change. */
static void test_tampering__each_octet(void **state) {
    (void)state;
    view copy = posted();
    size_t end = (size_t)view_search(copy, VIEW("Received:"));
    char *text = arena_str(&arena, copy);
    struct answers answers;
    view to = VIEW("r@reader.example");
    struct dkim2_envelope e = {
        .sender = VIEW("wg-bounces+r=reader.example@lists.example"), .recipients = &to, .recipient_count = 1};
    struct arena own;
    arena_init(&own, 64 << 20);
    for (size_t i = 0; i < end; i++) {
        struct dkim2_verdict v;
        if (!ascii_is_alnum(text[i]))
            continue;
        text[i] = text[i] == 'a' ? 'b' : 'a';
        answers_init(&answers, &own);
        for (dkim2_verify(view_from(text, copy.len), &e, NOW, &answers, &v); v.result == DKIM2_WAITS;
             dkim2_verify(view_from(text, copy.len), &e, NOW, &answers, &v))
            answer_keys(&answers);
        check(v.result != DKIM2_PASS, "octet %zu: %.*s", i, VIEW_ARG(view_slice(copy, i, 20)));
        text[i] = copy.ptr[i];
        arena_reset(&own);
    }
    arena_done(&own);
}

static void test_prepare__broken(void **state) {
    (void)state;
    struct dkim2_prepared p;
    struct buf field = BUF_INIT(1 << 16);
    view copy = posted(), gap = replaced(copy, "DKIM2-Signature: i=1", "X-DKIM2-Signature: i=1");
    assert_false(dkim2_prepare(view_of(plain), &arena, &p));
    assert_false(dkim2_prepare(gap, &arena, &p));
    assert_int_equal(dkim2_add_instance(gap, edited(view_of(plain)), &arena, &field), DKIM2_INSTANCE_CANNOT);
    /* Latin-1 in a field that is changed cannot be in JSON; in the body the body is given up. */
    view odd = add_instance(VIEW(""), VIEW("Subject: caf\xe9\r\n\r\nx\r\n"));
    assert_int_equal(dkim2_add_instance(odd, VIEW("Subject: coffee\r\n\r\nx\r\n"), &arena, &field),
                     DKIM2_INSTANCE_CANNOT);
    odd = add_instance(VIEW(""), VIEW("Subject: x\r\n\r\ncaf\xe9\r\na\r\nlonger line of text\r\n"));
    view made = add_instance(odd, replaced(odd, "caf\xe9\r\n", ""));
    bool header_only;
    assert_int_equal(field.len, 0);
    assert_false(dkim2_rebuild(made, 1, &arena, &field, &header_only));
    assert_true(header_only);
    buf_done(&field);
}

static void test_many_recipients(void **state) {
    (void)state;
    enum { COUNT_ = 2000 };
    static view to[COUNT_];
    struct dkim2_signing s = {.keys = {&keys[AUTHOR_ED], NULL}, .now_s = NOW, .next_domain = VIEW("")};
    struct dkim2_envelope e = {
        .sender = VIEW("ada@author.example"), .recipients = to, .recipient_count = COUNT_};
    struct dkim2_prepared p;
    struct buf field = BUF_INIT(1 << 20);
    view post = add_instance(VIEW(""), view_of(plain));
    for (size_t i = 0; i < COUNT_; i++)
        to[i] = arena_printf(&arena, "\"a;%zu,\"@reader.example", i);
    assert_true(dkim2_prepare(post, &arena, &p));
    dkim2_sign(&p, &s, &e, &field);
    post = put_before(&field, post);
    assert_int_equal(verify_at(post, "ada@author.example", "\"a;1999,\"@reader.example", NOW).result,
                     DKIM2_PASS);
    assert_int_equal(verify_at(post, "ada@author.example", "\"a;2000,\"@reader.example", NOW).result,
                     DKIM2_PERMERROR);
    for (view rest = post; rest.len > 0;)
        assert_true(dkim2_next_line(&rest).len <= 78);
}

/* ---- recipes ---- */

static void test_recipes__refused(void **state) {
    (void)state;
    static const struct {
        const char *json;
        bool read, applied;
    } rows[] = {
        {"{}", true, true},
        {"{\"b\":[{\"c\":[1,2]}]}", true, true},
        {"{\"b\":[{\"c\":[1,3]}]}", true, false},
        {"{\"b\":[{\"c\":[3,3]}]}", true, false},
        {"{\"b\":[{\"c\":[1,9223372036854775807]}]}", true, false},
        {"{\"b\":[{\"c\":[1,9223372036854775808]}]}", false, false},
        {"{\"b\":[{\"c\":[0,1]}]}", false, false},
        {"{\"b\":[{\"c\":[-1,1]}]}", false, false},
        {"{\"b\":[{\"c\":[2,1]}]}", false, false},
        {"{\"b\":[{\"c\":[1,1]},{\"c\":[1,2]}]}", false, false},
        {"{\"b\":[{\"c\":[1.0,2.0]}]}", false, false},
        {"{\"b\":[{\"c\":[1]}]}", false, false},
        {"{\"b\":[{\"c\":[1,1,1]}]}", false, false},
        {"{\"b\":[{\"c\":[1,1],\"d\":[\"\"]}]}", false, false},
        {"{\"b\":[{\"c\":[1,1],\"x\":1}]}", false, false},
        {"{\"b\":[{}]}", false, false},
        {"{\"b\":[[1,1]]}", false, false},
        {"{\"b\":[{\"d\":\"x\"}]}", false, false},
        {"{\"b\":[{\"d\":[1]}]}", false, false},
        {"{\"b\":[{\"d\":[\"a\\r\\nb\"]}]}", false, false},
        {"{\"b\":[{\"d\":[\"a\\nb\"]}]}", false, false},
        {"{\"b\":[{\"d\":[\"a\\u0000b\"]}]}", true, true},
        {"{\"b\":{}}", false, false},
        {"{\"b\":[]}", true, true},
        {"{\"b\":null}", true, true},
        {"{\"b\":null,\"b\":[]}", false, false},
        {"{\"h\":{}}", false, false},
        {"{\"h\":[]}", false, false},
        {"{\"h\":{\"a\":null}}", false, false},
        {"{\"h\":{\"a b\":[]}}", false, false},
        {"{\"h\":{\"a:\":[]}}", false, false},
        {"{\"h\":{\"\":[]}}", false, false},
        {"{\"h\":{\"a\":[],\"a\":[]}}", false, false},
        {"{\"h\":{\"a\":[{\"c\":[1,2]}]}}", true, true},
        {"{\"h\":{\"a\":[{\"c\":[1,3]}]}}", true, false},
        {"{\"h\":{\"none\":[{\"c\":[1,1]}]}}", true, false},
        {"{\"h\":{\"x-unsigned\":[{\"c\":[1,1]}]}}", true, true},
        {"{\"b\":[]} {}", false, false},
        {"\"b\"", false, false},
        {"", false, false},
        {"{\"x\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}", true, true},
        {"{\"x\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", false, false},
        {"{\"x\":\"[[[[[[[[[[[[[[[[[[[[[[\\\"[[\"}", true, true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct header h;
        struct dkim2_form form;
        struct dkim2_recipe r;
        header_parse(VIEW("A: 1\r\nB: 2\r\na: 3\r\n\r\none\r\ntwo"), &arena, &h);
        dkim2_form_of(&h, &arena, &form);
        bool read = dkim2_recipe_read(view_of(rows[i].json), &arena, &r);
        check(read == rows[i].read, "%s", rows[i].json);
        check(!read || dkim2_recipe_apply(&r, &arena, &form) == rows[i].applied, "%s", rows[i].json);
        dkim2_form_done(&form);
    }
}

/* More fields than a header may have, by names or by values. */
static void test_recipes__too_many(void **state) {
    (void)state;
    for (int values = 0; values < 2; values++) {
        struct buf json = BUF_INIT(DKIM2_RECIPE_MOST);
        struct dkim2_recipe r;
        struct dkim2_form form = {.owned = BUF_INIT(0)};
        buf_add_str(&json, values ? "{\"h\":{\"a\":[{\"d\":[\"\"" : "{\"h\":{\"a\":[]");
        for (int i = 0; i < LIMIT_HEADER_FIELDS; i++)
            buf_printf(&json, values ? ",\"%d\"" : ",\"n%d\":[]", i);
        buf_add_str(&json, values ? "]}]}}" : "}}");
        bool read = dkim2_recipe_read(buf_view(&json), &arena, &r);
        assert_true(read == (values == 1));
        assert_true(!read || !dkim2_recipe_apply(&r, &arena, &form));
        buf_done(&json);
    }
}

/* ---- random edits ---- */

static uint64_t seed;

static size_t below(size_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(seed >> 33) % n;
}

/* A list of lines: of fields, or of a body. */
struct text {
    const char *lines[256];
    size_t count, edits, removed; /* octets */
};

static const char *random_line(bool field) {
    static const char *const words[] = {"", "> quoted", "--b1", "Content-Type: text/plain",
                                        "gr\xc3\xbc\xc3\x9f\"e\\"};
    static const char *const names[] = {"Subject", "Comments", "Received", "List-Id", "To"};
    if (field)
        return arena_printf(&arena, "%s: value %zu", names[below(COUNT(names))], below(20)).ptr;
    if (below(2))
        return words[below(COUNT(words))];
    return arena_printf(&arena, "line of text %zu\t.", below(1000)).ptr;
}

static void remove_line(struct text *t, size_t at) {
    t->removed += strlen(t->lines[at]) + 4;
    memmove(t->lines + at, t->lines + at + 1, (--t->count - at) * sizeof t->lines[0]);
}

static void insert_line(struct text *t, size_t at, const char *line) {
    if (t->count == COUNT(t->lines))
        return;
    memmove(t->lines + at + 1, t->lines + at, (t->count++ - at) * sizeof t->lines[0]);
    t->lines[at] = line;
}

/* Add, remove, replace or move lines; or a footer. */
static void edit(struct text *t, bool field) {
    size_t at = below(t->count + 1), many = below(6), kind = below(5);
    t->edits++;
    for (size_t i = 0; i < many; i++) {
        if (kind == 0)
            insert_line(t, at, random_line(field));
        else if (kind == 1)
            insert_line(t, t->count, random_line(field));
        else if (at < t->count) {
            const char *line = t->lines[at];
            remove_line(t, at);
            if (kind == 2)
                insert_line(t, at, random_line(field));
            if (kind == 3)
                insert_line(t, below(t->count + 1), line);
            t->edits += kind == 3;
        }
    }
}

static view joined(const struct text *header, const struct text *body, view before) {
    struct buf out = BUF_INIT(1 << 20);
    buf_add(&out, before);
    for (size_t i = 0; i < header->count; i++)
        buf_printf(&out, "%s\r\n", header->lines[i]);
    buf_add_str(&out, "\r\n");
    for (size_t i = 0; i < body->count; i++)
        buf_printf(&out, "%s%s", i ? "\r\n" : "", body->lines[i]);
    view made = arena_view(&arena, buf_view(&out));
    buf_done(&out);
    return made;
}

static void digest_of(view message, unsigned char ret[2 * DKIM2_DIGEST_MOST], bool body) {
    struct header h;
    struct dkim2_form form;
    header_parse(message, &arena, &h);
    dkim2_form_of(&h, &arena, &form);
    memset(ret, 0, (size_t)2 * DKIM2_DIGEST_MOST);
    dkim2_header_digest(&form, EVP_sha512(), ret);
    if (body)
        dkim2_body_digest(form.body, EVP_sha512(), ret + DKIM2_DIGEST_MOST);
}

/* Whether the body was given up. */
static bool try_edit(void) {
    struct text header = {.count = 0}, body = {.count = 0};
    struct buf field = BUF_INIT(1 << 20), rebuilt = BUF_INIT(1 << 20);
    unsigned char was[2 * DKIM2_DIGEST_MOST], is[2 * DKIM2_DIGEST_MOST];
    bool header_only = false;
    for (size_t i = below(12); i-- > 0;)
        insert_line(&header, header.count, random_line(true));
    for (size_t i = below(80); i-- > 0;)
        insert_line(&body, body.count, random_line(false));
    view old = joined(&header, &body, VIEW(""));
    assert_int_equal(dkim2_add_instance(VIEW(""), old, &arena, &field), DKIM2_INSTANCE_ADDED);
    view first = arena_view(&arena, buf_view(&field));
    old = joined(&header, &body, first);
    buf_reset(&field);
    for (size_t i = below(3); i-- > 0;)
        edit(&header, true);
    for (size_t i = 1 + below(3); i-- > 0;)
        edit(&body, false);
    view now = joined(&header, &body, first);
    enum dkim2_instance_made made = dkim2_add_instance(old, now, &arena, &field);
    assert_true(made != DKIM2_INSTANCE_CANNOT);
    size_t most = 200 + (header.removed + body.removed) * 2 + (header.edits + body.edits) * 64;
    check(field.len <= most * 3 / 2, "%zu octets, not %zu", field.len, most * 3 / 2);
    view message = arena_printf(&arena, "%.*s%.*s", VIEW_ARG(buf_view(&field)), VIEW_ARG(now));
    dkim2_rebuild(message, 1, &arena, &rebuilt, &header_only);
    digest_of(old, was, !header_only);
    digest_of(buf_view(&rebuilt), is, !header_only);
    check(memcmp(was, is, sizeof was) == 0, "%.*s\nis not\n%.*s", VIEW_ARG(buf_view(&rebuilt)),
          VIEW_ARG(old));
    buf_done(&field);
    buf_done(&rebuilt);
    return header_only;
}

static void test_random_edits(void **state) {
    (void)state;
    size_t lost = 0;
    for (uint64_t i = 0; i < EDITS; i++) {
        seed = i * 7919 + 1;
        lost += try_edit();
        arena_reset(&arena);
    }
    check(lost < EDITS / 5, "%zu bodies were given up", lost);
}

/* Long bodies: a removed part and a footer stay cheap, and what has nothing in common does not take long. */
static void test_long_bodies(void **state) {
    (void)state;
    enum { LINES = 40000 };
    struct buf old = BUF_INIT(8 << 20), now = BUF_INIT(8 << 20), field = BUF_INIT(1 << 20);
    buf_add_str(&old, "Subject: x\r\n\r\n");
    buf_add_str(&now, "Subject: y\r\n\r\n");
    for (int i = 0; i < LINES; i++) {
        buf_printf(&old, "line %d\r\n%s", i, i % 3 ? "" : "\r\n");
        if (i < 500 || i > 600)
            buf_printf(&now, "line %d\r\n%s%s", i, i % 3 ? "" : "\r\n", i % 1000 ? "" : "added\r\n");
    }
    view first = add_instance(VIEW(""), buf_view(&old));
    view head = view_slice(first, 0, first.len - old.len);
    view after = arena_printf(&arena, "%.*s%.*s", VIEW_ARG(head), VIEW_ARG(buf_view(&now)));
    assert_int_equal(dkim2_add_instance(first, after, &arena, &field), DKIM2_INSTANCE_ADDED);
    check(field.len > 200 && field.len < 6000, "%zu octets", field.len);
    buf_reset(&now);
    buf_add_str(&now, "Subject: y\r\n\r\n");
    for (int i = LINES; i > 0; i--)
        buf_printf(&now, "line %d\r\n\r\n\r\n", i);
    after = arena_printf(&arena, "%.*s%.*s", VIEW_ARG(head), VIEW_ARG(buf_view(&now)));
    buf_reset(&field);
    assert_int_equal(dkim2_add_instance(first, after, &arena, &field), DKIM2_INSTANCE_ADDED);
    assert_true(field.len < 300);
    buf_done(&old);
    buf_done(&now);
    buf_done(&field);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_author__signed),
        cmocka_unit_test(test_list__chain),
        cmocka_unit_test(test_list__nothing_changed),
        cmocka_unit_test(test_list__unsigned_post),
        cmocka_unit_test(test_rebuild),
        cmocka_unit_test(test_body_lost),
        cmocka_unit_test(test_imaginary_hop),
        cmocka_unit_test(test_wishes),
        cmocka_unit_test(test_tampering),
        cmocka_unit_test(test_tampering__each_octet),
        cmocka_unit_test(test_prepare__broken),
        cmocka_unit_test(test_many_recipients),
        cmocka_unit_test(test_recipes__refused),
        cmocka_unit_test(test_recipes__too_many),
        cmocka_unit_test(test_random_edits),
        cmocka_unit_test(test_long_bodies),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
