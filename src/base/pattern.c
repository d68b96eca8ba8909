/* pattern.c: see pattern.h. No JIT: it would need memory that is writable and executable, which the sandbox
 * of the roles forbids.
 *
 * PCRE2's limits are for one place of the text where a match may begin. A text has as many as it has octets,
 * and strangers send long ones: "[a-z]+\\d" takes a minute on 100 KB of letters, and reaches no limit. So the
 * text is gone through in strides of such places, and between two of them the clock is looked at. */
#include "base/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <time.h>

enum {
    MATCH_LIMIT = 100000,
    MATCH_LIMIT_LEAST = 1000,
    MATCH_OCTETS = 1000000000, /* each step may go through the whole text: a long one has fewer */
    DEPTH_LIMIT = 10000,
    HEAP_LIMIT_KIB = 1024,
    STRIDES = 64, /* most; each call checks that the whole text is UTF-8 */
    STRIDE_LEAST = 64
};

static pcre2_code *compile(view expression, struct err *e) {
    int code = 0;
    PCRE2_SIZE at = 0;
    if (expression.len == 0 || expression.len > LIMIT_PATTERN) {
        err_set(e, ERR_USAGE, "a regular expression has 1 to %d octets", LIMIT_PATTERN);
        return NULL;
    }
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)expression.ptr, expression.len,
                                         PCRE2_CASELESS | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF |
                                             PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT,
                                         &code, &at, NULL);
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

static int64_t cpu_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The first place of a match is only one: the start. */
static bool is_anchored(const pcre2_code *compiled) {
    uint32_t options = 0;
    pcre2_pattern_info(compiled, PCRE2_INFO_ALLOPTIONS, &options);
    return options & PCRE2_ANCHORED;
}

static void set_limits(pcre2_match_context *limits, size_t len) {
    size_t most = MATCH_OCTETS / (len + 1);
    most = most > MATCH_LIMIT ? MATCH_LIMIT : most < MATCH_LIMIT_LEAST ? MATCH_LIMIT_LEAST : most;
    pcre2_set_match_limit(limits, (uint32_t)most);
    pcre2_set_depth_limit(limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(limits, HEAP_LIMIT_KIB);
}

/* Matches that begin in [*at, one stride on], after which *at stands behind it, at a character's start. */
static int run_stride(const pcre2_code *compiled, view text, size_t stride, size_t *at,
                      pcre2_match_context *limits, pcre2_match_data *found) {
    size_t from = *at, to = text.len - from > stride ? from + stride : text.len;
    while (to < text.len && ((unsigned char)text.ptr[to] & 0xc0) == 0x80)
        to++;
    pcre2_set_offset_limit(limits, to);
    *at = to;
    return pcre2_match(compiled, (PCRE2_SPTR)(text.ptr ? text.ptr : ""), text.len, from, 0, found, limits);
}

static int run(const pcre2_code *compiled, view text, int64_t until_us) {
    int result = PCRE2_ERROR_NOMEMORY;
    size_t at = 0, stride = text.len / STRIDES > STRIDE_LEAST ? text.len / STRIDES : STRIDE_LEAST;
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *found = pcre2_match_data_create(1, NULL);
    if (limits && found) {
        set_limits(limits, text.len);
        stride = is_anchored(compiled) ? text.len + 1 : stride;
        do {
            result = run_stride(compiled, text, stride, &at, limits, found);
        } while (result == PCRE2_ERROR_NOMATCH && at < text.len && cpu_us() < until_us);
        if (result == PCRE2_ERROR_NOMATCH && at < text.len)
            result = PCRE2_ERROR_MATCHLIMIT;
    }
    pcre2_match_data_free(found);
    pcre2_match_context_free(limits);
    return result;
}

enum pattern_answer pattern_match_within(view expression, view text, int64_t *left_us, struct err *e) {
    int64_t start_us = cpu_us();
    pcre2_code *compiled = compile(expression, e);
    if (!compiled)
        return PATTERN_FAILED;
    int result = *left_us > 0 ? run(compiled, text, start_us + *left_us) : PCRE2_ERROR_MATCHLIMIT;
    pcre2_code_free(compiled);
    *left_us -= cpu_us() - start_us;
    if (result >= 0)
        return PATTERN_YES;
    if (result == PCRE2_ERROR_NOMATCH)
        return PATTERN_NO;
    err_set(e, ERR_LIMIT, "the regular expression %.*s costs too much on this text",
            VIEW_ARG(view_slice(expression, 0, 60)));
    return PATTERN_FAILED;
}

enum pattern_answer pattern_match(view expression, view text, struct err *e) {
    int64_t left_us = PATTERN_BUDGET_US;
    return pattern_match_within(expression, text, &left_us, e);
}
