/* edition_fuzz.c: whatever a post is, and however the list is set, its edition is a recipe over its octets
 * that can be kept and read again; and a list that is not set to change anything sends every octet of the
 * body. The first line of the input says how the list is set, a letter each. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lists/edition.h"
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    char letter;
    enum list_setting setting;
    const char *value;
} sets[] = {
    {'a', LIST_SETTING_ANONYMOUS_LIST, "true"},
    {'f', LIST_SETTING_MSG_FOOTER, "-- \n$display_name $user_name $x \xC3\xBC\n"},
    {'g', LIST_SETTING_MSG_FOOTER, "plain\n"},
    {'h', LIST_SETTING_MSG_HEADER, ">head of $listname"},
    {'i', LIST_SETTING_PERSONALIZE, "individual"},
    {'j', LIST_SETTING_PERSONALIZE, "full"},
    {'p', LIST_SETTING_SUBJECT_PREFIX, "[n %d] "},
    {'q', LIST_SETTING_SUBJECT_PREFIX, "[\xC3\xBC]"},
    {'r', LIST_SETTING_REPLY_GOES_TO_LIST, "point_to_list"},
    {'s', LIST_SETTING_REPLY_GOES_TO_LIST, "explicit_header"},
    {'t', LIST_SETTING_FIRST_STRIP_REPLY_TO, "true"},
    {'u', LIST_SETTING_UNSUBSCRIBE_URL, "https://x/"},
    {'x', LIST_SETTING_FILTER_CONTENT, "true"},
    {'y', LIST_SETTING_FILTER_TYPES, "image\napplication"},
    {'z', LIST_SETTING_CONVERT_HTML_TO_PLAINTEXT, "true"},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    view text = view_from(data, size), how = VIEW("");
    struct arena arena;
    struct err e;
    struct edition edition;
    struct edition_facts facts = {
        .list = VIEW("news@here.example"), .archive = VIEW("public"), .secret = VIEW("s"), .approvals = true};
    view_split(&text, '\n', &how);
    arena_init(&arena, LIMIT_DECISION_ARENA);
    for (int i = 0; i < LIST_SETTING_COUNT; i++)
        facts.settings[i] = list_setting_default((enum list_setting)i, &arena);
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        if (view_find(how, sets[i].letter) >= 0)
            facts.settings[sets[i].setting] = view_of(sets[i].value);
    struct edition_post post = {.source = text, .message = 1};
    if (edition_make(&facts, &post, &arena, &edition, &e) && !edition.nothing_left) {
        struct buf stored = BUF_INIT(LIMIT_STORE_PACKET), made = BUF_INIT(4 * size + (1 << 20));
        struct copy_to who = {.address = VIEW("bo@y.example"), .name = VIEW("B\xC3\xA9")};
        struct recipe again;
        struct header h;
        recipe_write(&edition.recipe, &stored);
        BUG_ON(stored.failed || !recipe_read(buf_view(&stored), text.len, &arena, &again));
        recipe_render(&again, 0, again.count, text, &who, &made);
        header_parse(text, &arena, &h);
        BUG_ON(how.len == 0 && !view_ends_with(buf_view(&made), h.body));
        buf_done(&stored);
        buf_done(&made);
    }
    arena_done(&arena);
    return 0;
}
