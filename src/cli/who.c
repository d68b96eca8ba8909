/* who.c: who makes a change, and when something was: words that people give and history keeps. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "mail/date.h"
#include "mail/text.h"

bool cli_who(struct cli *c, view *ret_who, struct err *e) {
    const char *given = args_get(&c->args, "--by"), *sudo = getenv("SUDO_USER");
    struct passwd *user = getpwuid(getuid());
    view who = view_of(given ? given : sudo && *sudo ? sudo : user ? user->pw_name : "");
    if (who.len == 0)
        who = arena_printf(&c->arena, "uid %u", (unsigned)getuid());
    if (who.len > LIMIT_ALIAS_WORD || !text_is_printable(who))
        return err_set(e, ERR_USAGE, "--by wants a name of at most %d printable octets", LIMIT_ALIAS_WORD);
    *ret_who = arena_view(&c->arena, who);
    return true;
}

/* 2026-11-24, 2026-11-24T05:06, 2026-11-24T05:06:07Z */
static bool parse_iso(const char *text, int64_t *ret_ms) {
    struct tm tm = {.tm_hour = 23, .tm_min = 59, .tm_sec = 59};
    char separator = 'T';
    int end = 0, n = sscanf(text, "%4d-%2d-%2d%n%c%2d:%2d%n:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                            &end, &separator, &tm.tm_hour, &tm.tm_min, &end, &tm.tm_sec, &end);
    if (n == 6)
        tm.tm_sec = 0;
    if ((n != 3 && n != 6 && n != 7) || (separator != 'T' && separator != ' '))
        return false;
    if (text[end] && !(text[end] == 'Z' && !text[end + 1]))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    struct tm want = tm;
    time_t at = timegm(&tm);
    *ret_ms = (int64_t)at * 1000 + (n == 6 ? 0 : 999);
    return tm.tm_mday == want.tm_mday && tm.tm_mon == want.tm_mon && tm.tm_hour == want.tm_hour &&
           tm.tm_min == want.tm_min && tm.tm_sec == want.tm_sec;
}

bool cli_date(const char *text, int64_t *ret_ms, struct err *e) {
    return parse_iso(text, ret_ms) || date_parse(view_of(text), ret_ms) ||
           err_set(e, ERR_USAGE, "%.60s is no date: 2026-11-24 or 2026-11-24T05:06:07Z is wanted", text);
}
