/* command_fuzz.c: whatever a mail to LIST-request says, its commands are few, printable and end. */
#include <stddef.h>
#include <stdint.h>

#include "lists/command.h"
#include "mail/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const enum list_part parts[] = {LIST_PART_REQUEST, LIST_PART_JOIN, LIST_PART_CONFIRM};
    view text = view_from(data, size);
    struct arena arena;
    struct post post;
    struct command commands[COMMANDS_MOST];
    arena_init(&arena, LIMIT_DECISION_ARENA);
    if (post_read(VIEW("ada@x.example"), text, (int64_t)size, &arena, &post)) {
        post_is_of_a_robot(&post, VIEW("a@b"));
        command_is_in_post(&post, &arena);
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            size_t count = commands_read(parts[i], view_slice(text, 0, 100), &post, &arena, commands);
            BUG_ON(count > COMMANDS_MOST);
            for (size_t k = 0; k < count; k++) {
                BUG_ON(!text_is_printable(commands[k].line) || !text_is_printable(commands[k].argument));
                BUG_ON(commands[k].kind > COMMAND_UNKNOWN);
            }
        }
    }
    arena_done(&arena);
    return 0;
}
