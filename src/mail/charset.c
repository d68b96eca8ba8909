/* charset.c: see charset.h.
 *
 * ICU and not iconv(): that of glibc opens a module for every charset, which the sandbox of the roles
 * forbids. ICU has its tables in its own library, and is told never to look for files. */
#include "mail/charset.h"

#include <pthread.h>
#include <string.h>

#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>
#include <unicode/udata.h>
#include <unicode/utf8.h>

#include "base/err.h"

enum decoder { DECODE_ICU, DECODE_UTF8, DECODE_ASCII, DECODE_WINDOWS };

struct charset {
    const char *name;
    enum decoder decoder;
    bool not_ascii;        /* see charset_is_ascii_compatible() */
    const char *converter; /* ICU's name of what is decoded; NULL: `name` */
};

/* All that mail may use. HZ has ASCII letters that begin something else: "~" (RFC 1843). */
static const struct charset charsets[] = {
    {"UTF-8", DECODE_UTF8},
    {"US-ASCII", DECODE_ASCII},
    {"ISO-8859-1", DECODE_WINDOWS},
    {"windows-1252", DECODE_WINDOWS},
    {"ISO-8859-2"},
    {"ISO-8859-3"},
    {"ISO-8859-4"},
    {"ISO-8859-5"},
    {"ISO-8859-6"},
    {"ISO-8859-7"},
    {"ISO-8859-8"},
    {"ISO-8859-9", .converter = "windows-1254"},
    {"ISO-8859-10"},
    {"ISO-8859-11", .converter = "windows-874"},
    {"ISO-8859-13"},
    {"ISO-8859-14"},
    {"ISO-8859-15"},
    {"windows-874"},
    {"windows-1250"},
    {"windows-1251"},
    {"windows-1253"},
    {"windows-1254"},
    {"windows-1255"},
    {"windows-1256"},
    {"windows-1257"},
    {"windows-1258"},
    {"TIS-620", .converter = "windows-874"},
    {"KOI8-R"},
    {"KOI8-U"},
    {"KOI8-RU", .converter = "KOI8-U"},
    {"GB2312", .converter = "GB18030"},
    {"GB_2312-80", .converter = "GB18030"},
    {"GBK", .converter = "GB18030"},
    {"GB18030"},
    {"HZ-GB-2312", .not_ascii = true},
    {"Big5"},
    {"cp950", .converter = "Big5"},
    {"Big5-HKSCS"},
    {"EUC-TW"},
    {"EUC-JP"},
    {"Shift_JIS"},
    {"ISO-2022-JP"},
    {"ISO-2022-JP-1"},
    {"ISO-2022-JP-2"},
    {"ISO-2022-JP-MS", .converter = "ISO-2022-JP"},
    {"cp50220", .converter = "ISO-2022-JP"},
    {"cp50221", .converter = "ISO-2022-JP"},
    {"EUC-KR", .converter = "windows-949"},
    {"KS_C_5601-1987", .converter = "windows-949"},
    {"cp949", .converter = "windows-949"},
    {"ISO-2022-KR"},
    {"macintosh"},
    {"x-mac-cyrillic"},
    {"IBM437"},
    {"IBM850"},
    {"IBM852"},
    {"IBM855"},
    {"IBM858"},
    {"IBM862"},
    {"IBM866"},
    {"UTF-16", .not_ascii = true},
    {"UTF-16BE", .not_ascii = true},
    {"UTF-16LE", .not_ascii = true},
};
enum { CHARSETS = sizeof charsets / sizeof charsets[0], NAME_MOST = 40 };

/* The names of ICU's converters for those above: two aliases are the same charset when these are the same
 * string. NULL: not known to ICU. */
static const char *converters[CHARSETS];

/* The first of a converter's names is its own; the string is ICU's and stays. */
static const char *converter_of(const char *alias) {
    UErrorCode status = U_ZERO_ERROR;
    const char *name = ucnv_getAlias(alias, 0, &status);
    return U_SUCCESS(status) ? name : NULL;
}

static void set_up(void) {
    UErrorCode status = U_ZERO_ERROR;
    udata_setFileAccess(UDATA_NO_FILES, &status);
    for (size_t i = 0; i < CHARSETS; i++)
        converters[i] = converter_of(charsets[i].name);
}

/* A name that has nothing of ICU's own syntax for options of a converter, such as ",version=1". */
static bool copy_name(view name, char ret[NAME_MOST + 1]) {
    if (name.len == 0 || name.len > NAME_MOST)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alnum(name.ptr[i]) && view_find(VIEW("-_.:+"), name.ptr[i]) < 0)
            return false;
    memcpy(ret, name.ptr, name.len);
    ret[name.len] = '\0';
    return true;
}

static const struct charset *find_alias(view name) {
    char alias[NAME_MOST + 1];
    const char *converter = copy_name(name, alias) ? converter_of(alias) : NULL;
    for (size_t i = 0; converter && i < CHARSETS; i++)
        if (converters[i] && strcmp(converters[i], converter) == 0)
            return &charsets[i];
    return NULL;
}

static const struct charset *find(view name) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up);
    for (size_t i = 0; i < CHARSETS; i++)
        if (view_eq_nocase(name, view_of(charsets[i].name)))
            return &charsets[i];
    const struct charset *found = find_alias(name);
    if (!found && view_starts_with_nocase(name, VIEW("x-"))) /* RFC 2046 6 */
        found = find_alias(view_skip(name, 2));
    return found;
}

static void add_replacement(struct buf *out) {
    buf_add(out, VIEW("\xef\xbf\xbd"));
}

static void add_point(struct buf *out, unsigned point) {
    char text[U8_MAX_LENGTH];
    size_t len = 0;
    U8_APPEND_UNSAFE(text, len, point);
    buf_add(out, view_from(text, len));
}

static void decode_ascii(view text, struct buf *out) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x80)
            buf_add_char(out, text.ptr[i]);
        else
            add_replacement(out);
}

/* Octets that windows-1252 leaves undefined are C1 controls, as browsers have it. */
static void decode_windows(view text, struct buf *out) {
    static const uint16_t points[32] = {0x20ac, 0x81,   0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
                                        0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d,   0x017d, 0x8f,
                                        0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                        0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d,   0x017e, 0x0178};
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        add_point(out, c >= 0x80 && c < 0xa0 ? points[c - 0x80] : c);
    }
}

/* ICU's own answer to what it cannot decode is in some charsets the control character SUB. */
static void replace(const void *context, UConverterToUnicodeArgs *args, const char *octets, int32_t len,
                    UConverterCallbackReason reason, UErrorCode *status) {
    static const UChar replacement = 0xfffd;
    (void)context, (void)octets, (void)len;
    if (reason > UCNV_IRREGULAR) /* no text: the converter is reset or closed */
        return;
    *status = U_ZERO_ERROR;
    ucnv_cbToUWriteUChars(args, &replacement, 1, 0, status);
}

static void convert(UConverter *from, UConverter *to, view text, struct buf *out) {
    enum { CHUNK = 4096 };
    char chunk[CHUNK];
    UChar pivot[CHUNK], *pivot_source = pivot, *pivot_target = pivot;
    const char *source = text.ptr, *end = text.ptr + text.len;
    bool first = true;
    UErrorCode status = U_BUFFER_OVERFLOW_ERROR;
    while (status == U_BUFFER_OVERFLOW_ERROR && !out->failed) {
        char *target = chunk;
        status = U_ZERO_ERROR;
        ucnv_convertEx(to, from, &target, chunk + CHUNK, &source, end, pivot, &pivot_source, &pivot_target,
                       pivot + CHUNK, first, true, &status);
        buf_add(out, view_from(chunk, (size_t)(target - chunk)));
        first = false;
    }
    if (U_FAILURE(status) && status != U_BUFFER_OVERFLOW_ERROR)
        add_replacement(out); /* for the rest; not known to happen */
}

static bool decode_icu(const struct charset *charset, view text, struct buf *out) {
    UErrorCode status = U_ZERO_ERROR;
    UConverter *from = ucnv_open(charset->converter ? charset->converter : charset->name, &status);
    UConverter *to = ucnv_open("UTF-8", &status);
    if (U_SUCCESS(status))
        ucnv_setToUCallBack(from, replace, NULL, NULL, NULL, &status);
    bool usable = U_SUCCESS(status);
    if (usable && text.len > 0)
        convert(from, to, text, out);
    ucnv_close(to);
    ucnv_close(from);
    return usable;
}

/* In ill-formed text ICU puts one U+FFFD for each longest piece that could have begun a character, as Unicode
 * advises (3.9, U+FFFD Substitution of Maximal Subparts). */
static bool decode_utf8(const struct charset *charset, view text, struct buf *out) {
    if (!view_is_utf8(text))
        return decode_icu(charset, text, out);
    buf_add(out, text);
    return true;
}

bool charset_to_utf8(view name, view text, struct buf *out) {
    const struct charset *charset = find(name);
    if (!charset)
        return false;
    switch (charset->decoder) {
    case DECODE_UTF8:
        return decode_utf8(charset, text, out);
    case DECODE_ASCII:
        decode_ascii(text, out);
        return true;
    case DECODE_WINDOWS:
        decode_windows(text, out);
        return true;
    case DECODE_ICU:
        return decode_icu(charset, text, out);
    }
    BUG_ON(true);
}

bool charset_is_ascii_compatible(view name) {
    const struct charset *charset = find(name);
    return charset && !charset->not_ascii;
}
