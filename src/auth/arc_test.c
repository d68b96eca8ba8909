/* arc_test.c: chains that are sealed and verified over several hops, and what the suites do not ask: limits,
 * chains that are not whole, waiting. */
#include "auth/arc.h"

#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "auth/dkim_private.h"
#include "base/limits.h"
#include "base/words.h"
#include "mail/transfer.h"
#include "testing/unit.h"
#include "testing/zone.h"

enum { NOW = 1760000600 };

static struct arena arena;
static struct signing_key key = {.domain = {"lists.example.org", 17}, .selector = {"arc", 3}};
static json_t *zone;

#define POST                                                                                                 \
    "Received: from a.example\r\nDKIM-Signature: v=1; d=a.example\r\nFrom: ada@a.example\r\nSubject: "       \
    "post\r\nTo: talk@lists.example.org\r\n\r\nHello.\r\n"

static int setup(void **state) {
    (void)state;
    unsigned char *der = NULL;
    struct buf record = BUF_INIT(4096);
    arena_init(&arena, 64 << 20);
    key.key = EVP_RSA_gen(2048);
    int len = i2d_PUBKEY(key.key, &der);
    buf_add_str(&record, "v=DKIM1; p=");
    transfer_add_base64(&record, view_from(der, (size_t)len));
    zone = json_pack("{s[{ss}]}", "arc._domainkey.lists.example.org", "TXT", record.data);
    OPENSSL_free(der);
    buf_done(&record);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    json_decref(zone);
    EVP_PKEY_free(key.key);
    arena_done(&arena);
    return 0;
}

static struct arc_verdict verdict_in(const json_t *names, view message, const struct dkim_bodies *bodies,
                                     size_t *ret_rounds) {
    struct answers answers;
    struct arc_verdict v;
    answers_init(&answers, &arena);
    for (*ret_rounds = 0;; ++*ret_rounds) {
        arc_verify(message, bodies, NOW, &answers, &v);
        if (v.result != ARC_WAITS)
            return v;
        zone_answer(names, &answers);
    }
}

static struct arc_verdict verdict_of(view message) {
    size_t rounds;
    return verdict_in(zone, message, NULL, &rounds);
}

static void expect(view message, const char *result, const char *why) {
    struct arc_verdict v = verdict_of(message);
    check(view_eq(words_at(ARC_WORDS, v.result), view_of(result)) && strcmp(v.why, why) == 0,
          "%.*s (%s), wanted %s (%s)", VIEW_ARG(words_at(ARC_WORDS, v.result)), v.why, result, why);
}

/* With one more set on top, where there is one. */
static view sealed_with(view message, enum arc_result chain, const char *fields) {
    struct authres_result spf = {.method = VIEW("spf"), .result = VIEW("pass"), .reason = VIEW("")};
    struct authres found = {.id = VIEW("mx.example.org"), .version = 1, .results = &spf, .count = 1};
    struct arc_sealing s = {
        .key = &key, .found = &found, .now_s = NOW, .chain = chain, .fields = view_of(fields)};
    struct header h;
    unsigned char digest[32];
    struct buf out = BUF_INIT(4 << 20);
    header_parse(message, &arena, &h);
    canon_body_digest(CANON_RELAXED, h.body, -1, digest);
    arc_seal(&s, message, digest, &arena, &out);
    assert_false(out.failed);
    buf_add(&out, message);
    view made = arena_view(&arena, buf_view(&out));
    buf_done(&out);
    return made;
}

static view sealed(view message) {
    return sealed_with(message, verdict_of(message).result, "");
}

/* The first of `what` in it is something else. */
static view changed(view message, const char *what, const char *into) {
    ptrdiff_t at = view_search(message, view_of(what));
    assert_true(at >= 0);
    view behind = view_skip(message, (size_t)at + strlen(what));
    struct buf out = BUF_INIT(4 << 20);
    buf_add(&out, view_slice(message, 0, (size_t)at));
    buf_add_str(&out, into);
    buf_add(&out, behind);
    view made = arena_view(&arena, buf_view(&out));
    buf_done(&out);
    return made;
}

static void test_three_hops(void **state) {
    (void)state;
    expect(VIEW(POST), "none", "");
    view one = sealed(VIEW(POST)),
         two = sealed_with(changed(one, "Subject: ", "Subject: [talk] "), ARC_PASS, ""), three = sealed(two);
    struct arc_verdict v = verdict_of(one);
    assert_int_equal(v.result, ARC_PASS);
    assert_int_equal(v.count, 1);
    assert_int_equal(v.oldest_pass, 0);
    assert_view(v.domain, "lists.example.org");
    assert_view(v.found, "mx.example.org;\r\n\tspf=pass");
    v = verdict_of(three);
    assert_int_equal(v.result, ARC_PASS);
    assert_int_equal(v.count, 3);
    assert_int_equal(v.oldest_pass, 2); /* behind the first the subject was changed */
    arena_reset(&arena);
}

static void test_changes__found(void **state) {
    (void)state;
    view two = sealed(sealed(VIEW(POST)));
    expect(changed(two, "Hello", "Hullo"), "fail", "the body was changed");
    expect(changed(two, "post", "past"), "fail", "the header was changed, or another key has signed it");
    expect(changed(two, "d=a.example", "d=b.example"), "fail",
           "the header was changed, or another key has signed it");
    expect(changed(two, "From: ada", "From: eve@e.example\r\nFrom: ada"), "fail",
           "the header was changed, or another key has signed it");
    expect(changed(two, "i=1; mx", "i=1; mz"), "fail",
           "the header was changed, or another key has signed it");
    expect(changed(two, "cv=none", "cv=pass"), "fail", "a seal that does not fit those before it");
    expect(changed(two, "Received: ", "Delivered-To: x\r\nReceived: "), "pass", "");
    arena_reset(&arena);
}

/* A chain that is found broken gets one more set, that says so, and never another (RFC 8617 5.1). */
static void test_broken__sealed_once(void **state) {
    (void)state;
    view broken = changed(sealed(VIEW(POST)), "Hello", "Hullo"), told = sealed(broken);
    assert_true(view_search(told, VIEW("cv=fail")) > 0);
    assert_true(view_search(told, VIEW("i=2")) > 0);
    expect(told, "fail", "a server before has found the chain broken");
    assert_int_equal(sealed(told).len, told.len);
    assert_int_equal(sealed_with(told, ARC_PASS, "").len, told.len);
    assert_int_equal(sealed_with(broken, ARC_TEMPERROR, "").len, broken.len);
    arena_reset(&arena);
}

/* What was verified and what is sent are not the same: nothing is said that is not so. */
static void test_chain_that_was_left_out(void **state) {
    (void)state;
    view bare = sealed_with(VIEW(POST), ARC_PASS, "");
    assert_true(view_search(bare, VIEW("cv=none")) > 0);
    expect(bare, "pass", "");
    view odd = changed(sealed(VIEW(POST)), "ARC-Seal:", "X-Seal:");
    assert_true(view_search(sealed_with(odd, ARC_PASS, ""), VIEW("cv=fail")) > 0);
    arena_reset(&arena);
}

static void test_fields(void **state) {
    (void)state;
    expect(sealed_with(VIEW(POST), ARC_NONE, "from:subject : to:nothing"), "pass", "");
    expect(sealed_with(VIEW(POST), ARC_NONE, "subject"), "fail", "From is not signed");
    expect(sealed_with(VIEW(POST), ARC_NONE, "from:arc-seal"), "fail", "a seal is signed");
    view two = sealed_with(VIEW(POST), ARC_NONE, "from:from");
    expect(changed(two, "From: ", "From: x@y.example\r\nFrom: "), "fail",
           "the header was changed, or another key has signed it");
    arena_reset(&arena);
}

static void add_set(struct buf *out, int instance, const char *chain) {
    buf_printf(out,
               "ARC-Seal: i=%d; a=rsa-sha256; b=AAAA; cv=%s; d=lists.example.org; s=arc\r\n"
               "ARC-Message-Signature: i=%d; a=rsa-sha256; b=AAAA; bh=AAAA; h=from; d=lists.example.org; "
               "s=arc\r\nARC-Authentication-Results: i=%d; mx.example.org; none\r\n",
               instance, chain, instance, instance);
}

/* Instances as they stand, the first with cv=none. */
static view with_sets(const int *instances, size_t count) {
    struct buf out = BUF_INIT(4 << 20);
    for (size_t i = 0; i < count; i++)
        add_set(&out, instances[i], instances[i] == 1 ? "none" : "pass");
    buf_add_str(&out, POST);
    view made = arena_view(&arena, buf_view(&out));
    buf_done(&out);
    return made;
}

static void test_chains_that_are_not_whole(void **state) {
    (void)state;
    static const int gap[] = {3, 1}, twice[] = {2, 1, 1}, none[] = {0}, high[] = {51}, late[] = {2};
    expect(with_sets(gap, COUNT(gap)), "fail", "a set is not whole");
    expect(with_sets(twice, COUNT(twice)), "fail", "an instance that is there twice");
    expect(with_sets(none, 1), "fail", "a signature without an instance, or malformed");
    expect(with_sets(high, 1), "fail", "more than 50 sets");
    expect(with_sets(late, 1), "fail", "a set is not whole");
    view one = sealed(VIEW(POST));
    expect(changed(one, "ARC-Seal:", "X-Seal:"), "fail", "a set is not whole");
    expect(changed(one, "ARC-Message-Signature:", "X-Signature:"), "fail", "a set is not whole");
    expect(changed(one, "ARC-Authentication-Results:", "X-Results:"), "fail", "a set is not whole");
    expect(changed(one, "ARC-Seal: ", "ARC-Seal: ;;"), "fail",
           "a signature without an instance, or malformed");
    expect(changed(one, "Results: i=1;", "Results: i=1"), "fail", "results without an instance");
    expect(changed(one, "Results: i=1;", "Results: (c) i = 1 ;"), "fail",
           "the header was changed, or another key has signed it");
    arena_reset(&arena);
}

static void test_limits__of_sets(void **state) {
    (void)state;
    int instances[ARC_SETS_MOST + 1];
    for (int i = 0; i <= ARC_SETS_MOST; i++)
        instances[i] = ARC_SETS_MOST + 1 - i;
    view most = with_sets(instances + 1, ARC_SETS_MOST);
    expect(with_sets(instances, ARC_SETS_MOST + 1), "fail", "more than 50 sets");
    expect(most, "fail", "the body was changed");
    assert_int_equal(sealed_with(most, ARC_PASS, "").len, most.len);
    assert_int_equal(sealed_with(most, ARC_FAIL, "").len, most.len);
    view fewer = with_sets(instances + 2, ARC_SETS_MOST - 1);
    assert_true(sealed_with(fewer, ARC_PASS, "").len > fewer.len);
    arena_reset(&arena);
}

static void test_limits__of_the_header(void **state) {
    (void)state;
    struct buf large = BUF_INIT(4 << 20);
    view one = sealed(VIEW(POST));
    while (large.len <= LIMIT_HEADER_BYTES)
        buf_add_str(&large,
                    "X-Field: 0123456789012345678901234567890123456789012345678901234567890123456789"
                    "\r\n\t0123456789012345678901234567890123456789012345678901234567890123456789\r\n");
    size_t filling = large.len;
    buf_add(&large, one);
    expect(buf_view(&large), "none", ""); /* they stand behind what is looked at */
    assert_int_equal(sealed_with(buf_view(&large), ARC_NONE, "").len, large.len);
    buf_reset(&large);
    buf_add(&large, view_slice(one, 0, (size_t)view_search(one, VIEW("Received: "))));
    while (large.len <= filling)
        buf_add_str(&large, "X: y\r\n");
    buf_add_str(&large, POST);
    expect(buf_view(&large), "fail", "the header is longer than what is looked at");
    buf_done(&large);
    arena_reset(&arena);
}

/* All keys are asked for at once, those of older signatures behind that. */
static void test_waiting__few_rounds(void **state) {
    (void)state;
    size_t rounds;
    view three = sealed(sealed(sealed(VIEW(POST))));
    assert_int_equal(verdict_in(zone, three, NULL, &rounds).result, ARC_PASS);
    assert_int_equal(rounds, 1);
    json_t *late = json_pack("{s[s]}", "arc._domainkey.lists.example.org", "TIMEOUT");
    assert_int_equal(verdict_in(late, three, NULL, &rounds).result, ARC_TEMPERROR);
    json_decref(late);
    arena_reset(&arena);
}

static void test_body__hashed_before(void **state) {
    (void)state;
    struct dkim_bodies bodies;
    size_t rounds;
    view one = sealed(VIEW(POST));
    ptrdiff_t end = view_search(one, VIEW("\r\n\r\n"));
    view header = view_slice(one, 0, (size_t)end + 4);
    assert_int_equal(dkim_bodies_begin(&bodies, header), 2); /* DKIM's simple/simple, ARC's */
    dkim_bodies_add(&bodies, view_skip(one, header.len));
    dkim_bodies_end(&bodies);
    assert_int_equal(verdict_in(zone, header, &bodies, &rounds).result, ARC_PASS);
    arena_reset(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_hops),
        cmocka_unit_test(test_changes__found),
        cmocka_unit_test(test_broken__sealed_once),
        cmocka_unit_test(test_chain_that_was_left_out),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_chains_that_are_not_whole),
        cmocka_unit_test(test_limits__of_sets),
        cmocka_unit_test(test_limits__of_the_header),
        cmocka_unit_test(test_waiting__few_rounds),
        cmocka_unit_test(test_body__hashed_before),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
