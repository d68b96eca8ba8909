/* date.c: mail dates from and to milliseconds, by own calendar arithmetic.
 *
 * The C library's functions read the locale and the time zone of the machine, so they are not used. Years are
 * counted from March: the leap day is then the last of its year and months need no table. Reading is a walk
 * over words, numbers and signs that takes what years of mail programs have written in this field. */
#include "mail/date.h"

enum { MS = 1000, MINUTE = 60, HOUR = 3600, DAY = 86400, DAYS_TO_1970 = 719468 /* from 0000-03-01 */ };

static const char *const month_names[] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};
static const char *const day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};

struct civil {
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second, ms;
    int weekday; /* 0 is Sunday */
};

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

/* Days from 0000-03-01 to the first of March of that year. */
static int64_t march_first(int64_t year) {
    return year * 365 + floor_div(year, 4) - floor_div(year, 100) + floor_div(year, 400);
}

static int64_t days_of(int64_t year, int month, int day) {
    int64_t march_year = month > 2 ? year : year - 1;
    int march_month = month > 2 ? month - 3 : month + 9;
    return march_first(march_year) + (153 * march_month + 2) / 5 + day - 1 - DAYS_TO_1970;
}

static struct civil civil_of(int64_t unix_ms) {
    struct civil c;
    int64_t seconds = floor_div(unix_ms, MS);
    int64_t unix_day = floor_div(seconds, DAY);
    int second = (int)(seconds - unix_day * DAY);
    int64_t days = unix_day + DAYS_TO_1970;
    c.year = floor_div(days * 400, 146097); /* days in 400 years; off by one at most */
    while (march_first(c.year) > days)
        c.year--;
    while (march_first(c.year + 1) <= days)
        c.year++;
    int in_year = (int)(days - march_first(c.year));
    int march_month = (5 * in_year + 2) / 153;
    c.day = in_year - (153 * march_month + 2) / 5 + 1;
    c.month = march_month < 10 ? march_month + 3 : march_month - 9;
    c.year += c.month <= 2;
    c.hour = second / HOUR;
    c.minute = second / MINUTE % 60;
    c.second = second % MINUTE;
    c.ms = (int)(unix_ms % MS + (unix_ms % MS < 0 ? MS : 0));
    c.weekday = (int)(unix_day + 4 - 7 * floor_div(unix_day + 4, 7)); /* 1970 began on a Thursday */
    return c;
}

void date_format(int64_t unix_ms, struct buf *out) {
    struct civil c = civil_of(unix_ms);
    buf_printf(out, "%.3s, %02d %.3s %04lld %02d:%02d:%02d +0000", day_names[c.weekday], c.day,
               month_names[c.month - 1], (long long)c.year, c.hour, c.minute, c.second);
}

void date_format_asctime(int64_t unix_ms, struct buf *out) {
    struct civil c = civil_of(unix_ms);
    buf_printf(out, "%.3s %.3s %2d %02d:%02d:%02d %04lld", day_names[c.weekday], month_names[c.month - 1],
               c.day, c.hour, c.minute, c.second, (long long)c.year);
}

void date_format_iso(int64_t unix_ms, struct buf *out) {
    struct civil c = civil_of(unix_ms);
    buf_printf(out, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ", (long long)c.year, c.month, c.day, c.hour,
               c.minute, c.second, c.ms);
}

void date_month(int64_t unix_ms, int *ret_year, int *ret_month) {
    struct civil c = civil_of(unix_ms);
    *ret_year = (int)c.year;
    *ret_month = c.month;
}

/* Step over white space, commas, and comments, which may nest. */
static void skip_gap(view *v) {
    size_t depth = 0, i = 0;
    for (; i < v->len; i++) {
        char c = v->ptr[i];
        if (c == '(')
            depth++;
        else if (c == ')' && depth)
            depth--;
        else if (c == '\\' && depth)
            i++;
        else if (!depth && !ascii_is_space(c) && c != ',')
            break;
    }
    *v = view_skip(*v, i);
}

/* The same, and the hyphens of 24-Nov-2026. */
static void skip_date_gap(view *v) {
    skip_gap(v);
    while (view_starts_with(*v, VIEW("-"))) {
        *v = view_skip(*v, 1);
        skip_gap(v);
    }
}

static bool take_char(view *v, char c) {
    if (!v->len || v->ptr[0] != c)
        return false;
    *v = view_skip(*v, 1);
    return true;
}

/* Digits at the front. Returns how many; 0 also when there are more than five. */
static size_t take_number(view *v, int *ret_n) {
    size_t len = 0;
    int n = 0;
    for (; len < v->len && ascii_is_digit(v->ptr[len]); len++) {
        if (len == 5)
            return 0;
        n = n * 10 + (v->ptr[len] - '0');
    }
    *v = view_skip(*v, len);
    *ret_n = n;
    return len;
}

static bool take_number_in(view *v, int low, int high, int *ret_n) {
    size_t len = take_number(v, ret_n);
    return len && len <= 2 && *ret_n >= low && *ret_n <= high;
}

static view take_word(view *v) {
    size_t len = 0;
    while (len < v->len && ascii_is_alnum(v->ptr[len]) && !ascii_is_digit(v->ptr[len]))
        len++;
    view word = view_slice(*v, 0, len);
    *v = view_skip(*v, len);
    return word;
}

/* Index of the name of which `word` is the beginning, three letters at least; or -1. */
static int find_name(const char *const *names, int count, view word) {
    for (int i = 0; word.len >= 3 && i < count; i++)
        if (view_starts_with_nocase(view_of(names[i]), word))
            return i;
    return -1;
}

/* RFC 5322 4.3: two digits are 1950 to 2049, three count from 1900. */
static bool take_year(view *v, int64_t *ret_year) {
    int year = 0; /* more digits than a year has leave it */
    size_t len = take_number(v, &year);
    if (len == 2)
        year += year < 50 ? 2000 : 1900;
    else if (len == 3)
        year += 1900;
    *ret_year = year;
    return len >= 2 && year >= 1900 && year <= 9999;
}

static bool take_month(view *v, int *ret_month) {
    *ret_month = find_name(month_names, 12, take_word(v)) + 1;
    return *ret_month > 0;
}

/* "[Tue,] 24 Nov 2026"; or "[Tue] Nov 24", the year then comes later and stays 0. */
static bool take_day(view *v, struct civil *c) {
    view after = *v;
    if (find_name(day_names, 7, take_word(&after)) >= 0)
        *v = after;
    skip_date_gap(v);
    if (v->len && !ascii_is_digit(v->ptr[0])) {
        if (!take_month(v, &c->month))
            return false;
        skip_date_gap(v);
        return take_number_in(v, 1, 31, &c->day);
    }
    if (!take_number_in(v, 1, 31, &c->day))
        return false;
    skip_date_gap(v);
    if (!take_month(v, &c->month))
        return false;
    skip_date_gap(v);
    return take_year(v, &c->year);
}

/* "05:06[:07]"; the obsolete syntax has white space around the colons. */
static bool take_time(view *v, struct civil *c) {
    if (!take_number_in(v, 0, 23, &c->hour))
        return false;
    skip_gap(v);
    if (!take_char(v, ':'))
        return false;
    skip_gap(v);
    if (!take_number_in(v, 0, 59, &c->minute))
        return false;
    view after = *v;
    skip_gap(&after);
    if (!take_char(&after, ':'))
        return true;
    skip_gap(&after);
    *v = after;
    return take_number_in(v, 0, 60, &c->second);
}

/* Minutes east of Greenwich; 0 when there is no zone or one nobody knows. */
static bool take_zone(view *v, int *ret_minutes) {
    static const struct {
        const char *name;
        int hours;
    } zones[] = {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
                 {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}};
    *ret_minutes = 0;
    view word = take_word(v);
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
        if (view_eq_nocase(word, view_of(zones[i].name)))
            *ret_minutes = zones[i].hours * 60;
    bool west = view_starts_with(*v, VIEW("-"));
    if (word.len || (!take_char(v, '-') && !take_char(v, '+')))
        return true;
    int n, minutes;
    size_t len = take_number(v, &n);
    if (len == 2 && take_char(v, ':')) {
        if (!take_number(v, &minutes))
            return false;
        n = n * 100 + minutes;
    } else if (len != 4) {
        return false;
    }
    *ret_minutes = (n / 100 * 60 + n % 100) * (west ? -1 : 1);
    return n % 100 < 60 && n <= 9959;
}

static bool day_exists(const struct civil *c) {
    int next_month = c->month % 12 + 1;
    int64_t next = days_of(c->year + (c->month == 12), next_month, 1);
    return days_of(c->year, c->month, c->day) < next;
}

/* False: the zone has moved it out of range. */
static bool unix_ms_of(const struct civil *c, int zone, int64_t *ret_unix_ms) {
    int64_t seconds =
        days_of(c->year, c->month, c->day) * DAY + c->hour * HOUR + c->minute * MINUTE + c->second;
    seconds -= zone * MINUTE;
    if (seconds < days_of(1900, 1, 1) * DAY || seconds >= days_of(10000, 1, 1) * DAY)
        return false;
    *ret_unix_ms = seconds * MS + c->ms;
    return true;
}

bool date_parse(view text, int64_t *ret_unix_ms) {
    struct civil c = {0};
    int zone = 0;
    skip_gap(&text);
    if (!take_day(&text, &c))
        return false;
    skip_gap(&text);
    if (!take_time(&text, &c))
        return false;
    skip_gap(&text);
    bool asctime = c.year == 0;
    bool zone_first = !asctime || (text.len && !ascii_is_digit(text.ptr[0]));
    if (zone_first && !take_zone(&text, &zone))
        return false;
    skip_gap(&text);
    if (asctime && !take_year(&text, &c.year))
        return false;
    skip_gap(&text);
    if (!zone_first && !take_zone(&text, &zone))
        return false;
    if (!day_exists(&c))
        return false;
    return unix_ms_of(&c, zone, ret_unix_ms);
}

/* "2026-11-24". */
static bool take_iso_day(view *v, struct civil *c) {
    int year;
    bool ok = take_number(v, &year) == 4 && year >= 1900 && take_char(v, '-') &&
              take_number_in(v, 1, 12, &c->month) && take_char(v, '-') && take_number_in(v, 1, 31, &c->day);
    c->year = year;
    return ok;
}

/* What is behind the seconds: thousandths, and more than those are not kept. */
static void take_fraction(view *v, struct civil *c) {
    if (!take_char(v, '.'))
        return;
    for (int unit = MS / 10; v->len && ascii_is_digit(v->ptr[0]); unit /= 10) {
        c->ms += unit * (v->ptr[0] - '0');
        *v = view_skip(*v, 1);
    }
}

bool date_parse_iso(view text, int64_t *ret_unix_ms) {
    struct civil c = {0};
    int zone = 0;
    text = view_trim(text);
    if (!take_iso_day(&text, &c) || !day_exists(&c))
        return false;
    if (take_char(&text, 'T') || take_char(&text, 't') || take_char(&text, ' ')) {
        if (!take_time(&text, &c))
            return false;
        take_fraction(&text, &c);
        skip_gap(&text);
        if (!take_zone(&text, &zone))
            return false;
    }
    return text.len == 0 && unix_ms_of(&c, zone, ret_unix_ms);
}
