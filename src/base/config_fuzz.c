/* config_fuzz.c: whatever stands in postroad.conf is taken whole and within its bounds, or refused with a
 * text that names the line. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bounds(const struct config *c) {
#define check_number(v, min, max)   BUG_ON((v) < (min) || (v) > (max))
#define check_size(v, min, max)     BUG_ON((v) < (min) || (v) > (max))
#define check_duration(v, min, max) BUG_ON((v) < (min) || (v) > (max))
#define check_switch(v, min, max)   BUG_ON((v) != true && (v) != false)
#define check_text(v, min, max)     BUG_ON(!(v) || !view_is_utf8(view_of(v)))
#define check_texts(v, min, max)                                                                             \
    BUG_ON((v).count > LIMIT_LIST_SETTING);                                                                  \
    for (size_t i = 0; i < (v).count; i++)                                                                   \
    BUG_ON(!*(v).items[i] || strpbrk((v).items[i], " \t,"))
#define CONFIG(name, type, min, max, value, help) check_##type(c->name, min, max);
#include "base/config.def"
#undef CONFIG
}

static void check_error(const struct err *e) {
    size_t line;
    BUG_ON(e->code != ERR_CONFIG || sscanf(e->text, "fuzz.conf:%zu: ", &line) != 1 || line == 0);
    BUG_ON(!view_is_utf8(view_of(e->text)) || strchr(e->text, '\n'));
}

/* One setting of each kind that is free text, given to config_format, comes back as it was taken. */
static void check_round_trip(const struct config *c) {
    if (strlen(c->node) > 1000 || strlen(c->hostname) > 1000)
        return;
    const char *const given[] = {"node", c->node, "hostname", c->hostname, NULL};
    struct buf text = BUF_INIT(LIMIT_CONFIG_FILE);
    struct config *again = mem_alloc(sizeof *again);
    config_format(given, &text);
    BUG_ON(text.failed || !config_parse(buf_view(&text), "again", again, NULL));
    BUG_ON(strcmp(c->node, again->node) != 0 || strcmp(c->hostname, again->hostname) != 0);
    config_free(again);
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err e = {0};
    struct config *c = mem_alloc(sizeof *c);
    int64_t ms = -1;
    if (config_parse(view_from(data, size), "fuzz.conf", c, &e)) {
        check_bounds(c);
        check_round_trip(c);
    } else {
        check_error(&e);
    }
    config_free(c);
    if (duration_parse(view_from(data, size), &ms))
        BUG_ON(ms < 0);
    else
        BUG_ON(ms != -1);
    return 0;
}
