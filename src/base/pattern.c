/* pattern.c: see pattern.h. No JIT: it would need memory that is writable and executable, which the sandbox
 * of the roles forbids. */
#include "base/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MATCH_LIMIT = 100000, DEPTH_LIMIT = 10000, HEAP_LIMIT_KIB = 1024 };

static pcre2_code *compile(view expression, struct err *e) {
    int code = 0;
    PCRE2_SIZE at = 0;
    if (expression.len == 0 || expression.len > LIMIT_PATTERN) {
        err_set(e, ERR_USAGE, "a regular expression has 1 to %d octets", LIMIT_PATTERN);
        return NULL;
    }
    pcre2_code *compiled = pcre2_compile(
        (PCRE2_SPTR)expression.ptr, expression.len,
        PCRE2_CASELESS | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    if (!compiled) {
        PCRE2_UCHAR text[120];
        pcre2_get_error_message(code, text, sizeof text);
        err_set(e, ERR_USAGE, "%.*s: no regular expression: %s, at octet %zu",
                VIEW_ARG(view_slice(expression, 0, 60)), (const char *)text, (size_t)at);
    }
    return compiled;
}

bool pattern_check(view expression, struct err *e) {
    pcre2_code *compiled = compile(expression, e);
    pcre2_code_free(compiled);
    return compiled != NULL;
}

static int run(const pcre2_code *compiled, view text) {
    int result = PCRE2_ERROR_NOMEMORY;
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *found = pcre2_match_data_create(1, NULL);
    if (limits && found) {
        pcre2_set_match_limit(limits, MATCH_LIMIT);
        pcre2_set_depth_limit(limits, DEPTH_LIMIT);
        pcre2_set_heap_limit(limits, HEAP_LIMIT_KIB);
        result = pcre2_match(compiled, (PCRE2_SPTR)(text.ptr ? text.ptr : ""), text.len, 0, 0, found, limits);
    }
    pcre2_match_data_free(found);
    pcre2_match_context_free(limits);
    return result;
}

enum pattern_answer pattern_match(view expression, view text, struct err *e) {
    pcre2_code *compiled = compile(expression, e);
    if (!compiled)
        return PATTERN_FAILED;
    int result = run(compiled, text);
    pcre2_code_free(compiled);
    if (result >= 0)
        return PATTERN_YES;
    if (result == PCRE2_ERROR_NOMATCH)
        return PATTERN_NO;
    err_set(e, ERR_LIMIT, "the regular expression %.*s costs too much on this text",
            VIEW_ARG(view_slice(expression, 0, 60)));
    return PATTERN_FAILED;
}
