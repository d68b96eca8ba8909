/* arc_suite.c: the cases of a folder like auth-arc of the shared suites (see its README for the form): chains
 * to verify, messages to seal, and whole messages. Prints what fails and how many pass; the exit status is 1
 * when one fails that its suite does not excuse. */
#include <jansson.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "auth/arc_private.h"
#include "base/file.h"
#include "base/words.h"
#include "testing/zone.h"

enum { NOW = 1760000600 };

static struct arena arena;
static int passed, failed, excused;

static void report(bool ok, const json_t *test, const char *name, const char *why) {
    bool contested = json_object_get(test, "contested") != NULL;
    passed += ok;
    excused += !ok && contested;
    failed += !ok && !contested;
    if (!ok && !contested)
        printf("%s: %s\n", name, why);
}

static const char *text_of(const json_t *test, const char *key) {
    const char *text = json_string_value(json_object_get(test, key));
    return text ? text : "";
}

static json_t *load(const char *folder, const char *file) {
    char path[4096];
    json_error_t e;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    json_t *all = json_load_file(path, 0, &e);
    if (!all)
        printf("%s: %s\n", path, e.text);
    return all;
}

/* name -> TXT, as zone_answer() has it. */
static json_t *zone_of(const json_t *records) {
    json_t *zone = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)records, name, value)
        json_object_set_new(zone, name, json_pack("[{sO}]", "TXT", value));
    return zone;
}

/* Its lines end in CRLF. */
static view message_of(const char *text) {
    struct buf out = BUF_INIT(16 << 20);
    for (; *text; text++) {
        if (*text == '\n')
            buf_add_char(&out, '\r');
        buf_add_char(&out, *text);
    }
    view made = arena_view(&arena, buf_view(&out));
    buf_done(&out);
    return made;
}

static struct arc_verdict verdict_of(const json_t *zone, view message) {
    struct answers answers;
    struct arc_verdict v;
    answers_init(&answers, &arena);
    do {
        zone_answer(zone, &answers);
        arc_verify(message, NULL, NOW, &answers, &v);
    } while (v.result == ARC_WAITS);
    return v;
}

static void run_validation(const json_t *test, const char *name, const json_t *zone) {
    const char *wanted = text_of(test, "cv");
    struct arc_verdict v = verdict_of(zone, message_of(text_of(test, "message")));
    view word = view_of(*wanted ? wanted : "Fail");
    report(view_eq_nocase(word, words_at(ARC_WORDS, v.result)), test, name, *v.why ? v.why : "it passes");
}

/* ---- sealing ---- */

/* What fields of that server say, as one. */
static view merged_results(const struct header *h, view id) {
    struct buf out = BUF_INIT(1 << 20);
    view one;
    buf_add(&out, id);
    for (size_t i = 0; i < h->count; i++) {
        view value = h->fields[i].value;
        if (!view_eq_nocase(h->fields[i].name, VIEW("Authentication-Results")) || !authres_claims(value, id))
            continue;
        view_split(&value, ';', &one);
        while (view_split(&value, ';', &one)) {
            buf_add_str(&out, "; ");
            buf_add(&out, view_trim(one));
        }
    }
    buf_add_str(&out, "\r\n");
    view made = arena_view(&arena, buf_view(&out));
    buf_done(&out);
    return made;
}

/* The same tags with the same values, white space left out. */
static bool has_same_tags(view got, view wanted) {
    struct tags one, other;
    if (!tags_parse(got, &one) || !tags_parse(wanted, &other) || one.count != other.count)
        return false;
    for (size_t i = 0; i < one.count; i++) {
        const struct tag *t = &one.list[i];
        char name[16];
        snprintf(name, sizeof name, "%.*s", VIEW_ARG(t->name));
        if (!view_eq(tags_squeeze(t->value, &arena), tags_squeeze(tags_value(&other, name), &arena)))
            return false;
    }
    return true;
}

static const char *difference(view sealed, const json_t *test) {
    struct header h;
    header_parse(sealed, &arena, &h);
    if (!*text_of(test, "AS"))
        return h.count == 0 ? "" : "it is sealed";
    if (h.count != 3)
        return "it is not sealed";
    if (!view_eq(tags_squeeze(h.fields[2].value, &arena),
                 tags_squeeze(view_of(text_of(test, "AAR")), &arena)))
        return "other results";
    if (!has_same_tags(h.fields[1].value, view_of(text_of(test, "AMS"))))
        return "another message signature";
    return has_same_tags(h.fields[0].value, view_of(text_of(test, "AS"))) ? "" : "another seal";
}

static EVP_PKEY *key_of(const char *pem) {
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return key;
}

static void run_sealing(const json_t *scenario, const json_t *test, const char *name, const json_t *zone) {
    struct signing_key key = {.domain = view_of(text_of(scenario, "domain")),
                              .selector = view_of(text_of(scenario, "sel")),
                              .key = key_of(text_of(scenario, "privatekey"))};
    view message = message_of(text_of(test, "message"));
    struct buf out = BUF_INIT(1 << 20);
    struct header h;
    header_parse(message, &arena, &h);
    struct arc_sealing s = {.key = &key,
                            .now_s = json_integer_value(json_object_get(test, "t")),
                            .chain = verdict_of(zone, message).result,
                            .fields = view_of(text_of(test, "sig-headers"))};
    unsigned char digest[32];
    canon_body_digest(CANON_RELAXED, h.body, -1, digest);
    struct arc_text text = {.found = merged_results(&h, view_of(text_of(test, "srv-id"))), .unfolded = true};
    arc_seal_text(&s, &text, message, digest, &arena, &out);
    const char *why = difference(buf_view(&out), test);
    report(*why == '\0', test, name, why);
    buf_done(&out);
    EVP_PKEY_free(key.key);
}

/* ---- all ---- */

static void run_file(const char *folder, const char *file, bool sealing) {
    json_t *scenarios = load(folder, file), *scenario, *test;
    const char *name;
    size_t i;
    json_array_foreach(scenarios, i, scenario) {
        json_t *zone = zone_of(json_object_get(scenario, "txt-records"));
        json_object_foreach(json_object_get(scenario, "tests"), name, test) {
            if (sealing)
                run_sealing(scenario, test, name, zone);
            else
                run_validation(test, name, zone);
            arena_reset(&arena);
        }
        json_decref(zone);
    }
    json_decref(scenarios);
}

/* Of two messages one has a set of Ed25519, which the suite wants no result of. */
static void run_messages(const char *folder) {
    static const struct {
        const char *file, *wanted;
    } cases[] = {{"mail-auth__001.eml", "pass"}, {"mail-auth__002.eml", NULL}};
    json_t *records = load(folder, "messages/dns.json"), *zone = zone_of(records);
    for (size_t i = 0; records && i < sizeof cases / sizeof cases[0]; i++) {
        char path[4096];
        struct buf text = BUF_INIT(16 << 20);
        struct err e;
        snprintf(path, sizeof path, "%s/messages/%s", folder, cases[i].file);
        if (!file_read(path, &text, &e)) {
            report(false, NULL, path, e.text);
        } else {
            view message =
                view_search(buf_view(&text), VIEW("\r\n")) < 0 ? message_of(text.data) : buf_view(&text);
            struct arc_verdict v = verdict_of(zone, message);
            bool ok = !cases[i].wanted || view_eq(words_at(ARC_WORDS, v.result), view_of(cases[i].wanted));
            report(ok, NULL, cases[i].file, v.why);
        }
        buf_done(&text);
        arena_reset(&arena);
    }
    json_decref(zone);
    json_decref(records);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: arc-suite FOLDER\n");
        return 2;
    }
    arena_init(&arena, 256 << 20);
    run_file(argv[1], "arc-validation.json", false);
    run_file(argv[1], "arc-sign.json", true);
    run_messages(argv[1]);
    arena_done(&arena);
    printf("%s: %d pass, %d fail, %d excused\n", strrchr(argv[1], '/') ? strrchr(argv[1], '/') + 1 : argv[1],
           passed, failed, excused);
    return failed == 0 && passed > 0 ? 0 : 1;
}
