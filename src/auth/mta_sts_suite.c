/* mta_sts_suite.c: the queries of a folder like auth-mta-sts of the shared suites (see its README for the
 * form), answered as a resolver beside Postfix does: "OK secure match=HOSTS servername=hostname", or
 * "NOTFOUND". */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "auth/mta_sts.h"
#include "base/buf.h"
#include "testing/suite.h"
#include "testing/zone.h"

static struct arena arena;

/* "ZONE DOMAIN", "ZONE [DOMAIN]:PORT", "ZONE DOMAIN.": the domain. */
static view domain_of(view query) {
    view zone, name = query;
    view_split(&name, ' ', &zone);
    bool bracket = view_starts_with(name, VIEW("["));
    if (bracket)
        name = view_skip(name, 1);
    ptrdiff_t end = view_find(name, bracket ? ']' : ':');
    if (end >= 0)
        name = view_slice(name, 0, (size_t)end);
    return view_ends_with(name, VIEW(".")) ? view_slice(name, 0, name.len - 1) : name;
}

/* The body that HTTPS brings. The suite tells of a certificate that is not good by the name alone. */
static const json_t *fetched(const json_t *all, view domain) {
    const char *host = arena_str(&arena, arena_printf(&arena, "mta-sts.%.*s", VIEW_ARG(domain)));
    const json_t *page = json_object_get(json_object_get(all, "policies"), host);
    view type = zone_text(json_string_value(json_object_get(page, "content_type"))), media = VIEW("");
    view_split(&type, ';', &media);
    bool good = json_integer_value(json_object_get(page, "status")) == 200 &&
                view_eq_nocase(view_trim(media), VIEW("text/plain")) &&
                !view_starts_with(domain, VIEW("bad-cert"));
    return good ? json_object_get(page, "body") : NULL;
}

static view answer_of(const json_t *all, view query, bool strict) {
    view domain = domain_of(query), id;
    const char *name = arena_str(&arena, arena_printf(&arena, "_mta-sts.%.*s", VIEW_ARG(domain)));
    view record = zone_text(json_string_value(json_object_get(json_object_get(all, "txt"), name)));
    const json_t *body = fetched(all, domain);
    struct mta_sts_policy policy;
    const char *why;
    if (!body || !mta_sts_record(&record, 1, &id) ||
        !mta_sts_policy_read(zone_text(json_string_value(body)), &arena, &policy, &why))
        return VIEW("NOTFOUND");
    if (policy.mode == MTA_STS_NONE || (policy.mode == MTA_STS_TESTING && !strict))
        return VIEW("NOTFOUND");
    struct buf out = BUF_INIT(64 * 1024);
    buf_add_str(&out, "OK secure match=");
    for (size_t i = 0; i < policy.count; i++) {
        buf_add_str(&out, i ? ":" : "");
        buf_add(&out, view_skip(policy.hosts[i], view_starts_with(policy.hosts[i], VIEW("*"))));
    }
    buf_add_str(&out, " servername=hostname");
    view made = arena_view(&arena, buf_view(&out));
    buf_done(&out);
    return made;
}

static bool passes(const char *folder, const json_t *all, const json_t *test) {
    (void)folder;
    static const char *const modes[] = {"refdata.tsv", "refdata_strict.tsv"};
    bool ok = true;
    for (size_t i = 0; i < 2; i++) {
        view query = zone_text(json_string_value(json_object_get(test, "query")));
        view got = answer_of(all, query, i == 1);
        if (view_eq(got, zone_text(json_string_value(json_object_get(test, modes[i])))))
            continue;
        printf("%.*s (%s): %.*s\n", VIEW_ARG(query), modes[i], VIEW_ARG(got));
        ok = false;
    }
    return ok;
}

int main(int argc, char **argv) {
    static const struct suite suite = {.runner = "mta_sts",
                                       .file = "resolver.json",
                                       .member = "queries",
                                       .arena = &arena,
                                       .arena_bytes = 1 << 20,
                                       .passes = passes};
    return suite_main(argc, argv, &suite);
}
