/* membership_letter.c: see membership_letter.h. */
#include "lists/membership_letter.h"

#include "base/mem.h"
#include "lists/letter.h"
#include "lists/template.h"
#include "lists/unsubscribe.h"
#include "mail/verp.h"

/* ---- words ---- */

/* part: who writes, of the list; empty: owner. */
static const struct {
    enum letter_kind kind;
    const char *part, *subject, *text;
} words[] = {
    {LETTER_CONFIRM_JOIN, "confirm+$token", "Your confirmation is needed to join the $listname mailing list.",
     "Somebody, probably you, has asked that $user_email shall join the mailing list\n$listname.\n\n"
     "If that is what you want, just answer this message. The answer must go to\nthe address this message "
     "comes "
     "from; what it says does not matter.\n\nIf you did not ask for it, do nothing: nothing will happen, and "
     "in "
     "three\ndays the request is forgotten.\n"},
    {LETTER_CONFIRM_LEAVE, "confirm+$token",
     "Your confirmation is needed to leave the $listname mailing list.",
     "Somebody, probably you, has asked that $user_email shall leave the mailing list\n$listname.\n\n"
     "If that is what you want, just answer this message. The answer must go to\nthe address this message "
     "comes "
     "from; what it says does not matter.\n\nIf you did not ask for it, do nothing: you stay a member, and "
     "in three\n"
     "days the request is forgotten.\n"},
    {LETTER_INVITE, "confirm+$token", "You have been invited to join the $listname mailing list.",
     "$user_email is invited to join the mailing list\n$listname.\n\nIf you would like to, just answer this "
     "message. The answer must go to the\naddress this message comes from; what it says does not "
     "matter.\n\nIf "
     "not, do nothing: in three days the invitation is forgotten.\n"},
    {LETTER_MODERATE_JOIN, "", "New subscription request to $display_name from $user_email",
     "$member asks to join $listname.\n\n\"postroad request accept $token\" lets it happen, \"request "
     "reject\" does "
     "not.\n"},
    {LETTER_MODERATE_LEAVE, "", "New unsubscription request to $display_name from $user_email",
     "$member asks to leave $listname.\n\n\"postroad request accept $token\" lets it happen, \"request "
     "reject\" does "
     "not.\n"},
    {LETTER_WELCOME, "request", "Welcome to the \"$display_name\" mailing list",
     "Welcome to the \"$display_name\" mailing list!\n\nTo post to the list, write to\n\n    "
     "$listname\n\nYou get "
     "its posts as $user_email. To leave, write to\n\n    $leave_email\n\nand answer the letter that comes "
     "back. "
     "Whoever looks after the list is at\n\n    $owner_email\n"},
    {LETTER_GOODBYE, "owner", "You have been unsubscribed from the $display_name mailing list",
     "$user_email is no longer a member of $listname.\n\nShould that be a mistake, write to $join_email to "
     "come\n"
     "back, or to $owner_email for help.\n"},
    {LETTER_JOINED, "", "$display_name subscription notification",
     "$member has been subscribed to $listname.\n"},
    {LETTER_LEFT, "", "$display_name unsubscription notification",
     "$member has been removed from $listname.\n"},
    {LETTER_REFUSED, "", "Request to mailing list \"$display_name\" rejected",
     "The request of $user_email to the mailing list\n$listname was refused by its moderators.\n\n${reason}"
     "Whoever looks after the list is at $owner_email.\n"},
    {LETTER_BOUNCED, "", "$user_email's bounce score incremented on $display_name",
     "Mail of $listname to $user_email came back, and was counted.\nWhat the other server said:\n\n    "
     "$detail\n"},
    {LETTER_DISABLED, "", "$user_email's subscription disabled on $display_name",
     "Mail of $listname to $user_email came back too often:\nposts are no longer sent to that address. It "
     "will be "
     "warned, and removed if nothing\nchanges. What the other server said:\n\n    $detail\n"},
    {LETTER_REMOVED, "", "$user_email unsubscribed from $display_name mailing list due to bounces",
     "$user_email was removed from $listname, as its mail came\nback too often.\n"},
    {LETTER_WARNING, "confirm+$enable_key",
     "Your subscription for $display_name mailing list has been disabled",
     "Mail of the mailing list\n\n    $listname\n\nto you ($user_email) came back too often, and is no "
     "longer sent. "
     "This is\nwarning number $detail.\n\nTo get it again, just answer this message. The answer must go to "
     "the "
     "address this\nmessage comes from; what it says does not matter.\n\nIf you do nothing, the membership "
     "ends after "
     "the last warning. Whoever looks\nafter the list is at $owner_email.\n"},
    {LETTER_PROBE, "", "$display_name mailing list probe message",
     "This letter tries whether $user_email gets mail, since posts of\n\n    $listname\n\nto it came back. "
     "Nothing "
     "is to be done: that you read this is the answer.\n"},
};

static size_t row_of(enum letter_kind kind) {
    size_t i = 0;
    while (words[i].kind != kind)
        BUG_ON(++i == sizeof words / sizeof words[0]);
    return i;
}

/* ---- variables ---- */

struct variables {
    const struct membership_letter *l;
    struct address list;
    struct arena *arena;
};

static view part_address(const struct variables *v, const char *part) {
    return arena_printf(v->arena, "%.*s-%s@%.*s", VIEW_ARG(v->list.local), part, VIEW_ARG(v->list.domain));
}

static view display_name(const struct variables *v) {
    if (v->l->display_name.len > 0)
        return v->l->display_name;
    view local = v->list.local;
    char first =
        local.len > 0 && local.ptr[0] >= 'a' && local.ptr[0] <= 'z' ? (char)(local.ptr[0] - 'a' + 'A') : 0;
    return first ? arena_printf(v->arena, "%c%.*s", first, VIEW_ARG(view_skip(local, 1))) : local;
}

static view member_of(const struct variables *v) {
    return v->l->name.len == 0
               ? v->l->person
               : arena_printf(v->arena, "%.*s <%.*s>", VIEW_ARG(v->l->name), VIEW_ARG(v->l->person));
}

static view of_list(const struct variables *v, view name) {
    static const struct {
        const char *name, *part;
    } parts[] = {{"request_email", "request"},
                 {"owner_email", "owner"},
                 {"leave_email", "leave"},
                 {"join_email", "join"}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (view_eq(name, view_of(parts[i].name)))
            return part_address(v, parts[i].part);
    if (view_eq(name, VIEW("listname")) || view_eq(name, VIEW("fqdn_listname")))
        return v->l->list;
    if (view_eq(name, VIEW("display_name")))
        return display_name(v);
    if (view_eq(name, VIEW("list_id")))
        return arena_printf(v->arena, "%.*s.%.*s", VIEW_ARG(v->list.local), VIEW_ARG(v->list.domain));
    if (view_eq(name, VIEW("short_listname")))
        return v->list.local;
    if (view_eq(name, VIEW("domain")))
        return v->list.domain;
    if (view_eq(name, VIEW("description")))
        return v->l->description.len ? v->l->description : VIEW("");
    if (view_eq(name, VIEW("info")))
        return v->l->info.len ? v->l->info : VIEW("");
    return view_eq(name, VIEW("site_email"))
               ? arena_printf(v->arena, "postmaster@%.*s", VIEW_ARG(v->list.domain))
               : VIEW_NULL;
}

/* A NULL view: it is no variable. */
static view value_of(const struct variables *v, view name) {
    const struct membership_letter *l = v->l;
    if (view_eq(name, VIEW("user_email")) || view_eq(name, VIEW("user_delivered_to")))
        return l->person;
    if (view_eq(name, VIEW("user_name")))
        return l->name.len ? l->name : VIEW("");
    if (view_eq(name, VIEW("user_name_or_email")))
        return l->name.len ? l->name : l->person;
    if (view_eq(name, VIEW("member")))
        return member_of(v);
    if (view_eq(name, VIEW("token")) || view_eq(name, VIEW("detail")))
        return l->detail.len ? l->detail : VIEW("");
    if (view_eq(name, VIEW("reason")))
        return l->detail.len ? arena_printf(v->arena, "    %.*s\n\n", VIEW_ARG(l->detail)) : VIEW("");
    if (view_eq(name, VIEW("enable_key")))
        return membership_enable_key(l->secret, l->person, v->arena);
    return of_list(v, name);
}

static view expand(const struct variables *v, view text) {
    struct buf out = BUF_INIT(LIMIT_SETTING_TEXT);
    struct template_piece piece;
    view rest = text;
    while (template_next(&rest, &piece)) {
        view value = piece.name.len ? value_of(v, piece.name) : VIEW_NULL;
        buf_add(&out, value.ptr ? value : piece.text);
    }
    view made = arena_view(v->arena, buf_view(&out));
    buf_done(&out);
    return made;
}

view membership_letter_expand(const struct membership_letter *l, view text, struct arena *a) {
    struct variables v = {l, address_split(l->list), a};
    return expand(&v, text);
}

/* ---- keys ---- */

static view key_of(view secret, const char *what, view person, struct arena *a) {
    struct buf key = BUF_INIT(UNSUBSCRIBE_KEY_LEN);
    unsubscribe_key_add(secret, arena_printf(a, "%s %.*s", what, VIEW_ARG(person)), &key);
    view made = arena_view(a, buf_view(&key));
    buf_done(&key);
    return made;
}

view membership_enable_key(view secret, view person, struct arena *a) {
    return key_of(secret, "enable", person, a);
}

bool membership_probe_is(view secret, view detail, struct arena *a, view *ret_person) {
    view key = view_slice(detail, 0, UNSUBSCRIBE_KEY_LEN), rest = view_skip(detail, UNSUBSCRIBE_KEY_LEN),
         person;
    if (!view_starts_with(rest, VIEW("+")) || !verp_parse(view_skip(rest, 1), a, &person) ||
        !unsubscribe_key_is(secret, arena_printf(a, "probe %.*s", VIEW_ARG(person)), key))
        return false;
    *ret_person = person;
    return true;
}

/* The envelope sender of a letter that tries an address. */
static view probe_sender(const struct membership_letter *l, struct arena *a) {
    struct buf verp = BUF_INIT(LIMIT_SMTP_LINE);
    verp_format_keyed(l->list, key_of(l->secret, "probe", l->person, a), l->person, &verp);
    view made = arena_view(a, buf_view(&verp));
    buf_done(&verp);
    return made;
}

bool membership_letter_args(const struct membership_letter *l, struct arena *a, int64_t now_ms,
                            struct buf *args, struct err *e) {
    struct variables v = {l, address_split(l->list), a};
    size_t row = row_of(l->kind);
    return letter_args(&(struct letter){.hostname = l->hostname,
                                        .list = l->list,
                                        .part = expand(&v, view_of(words[row].part)),
                                        .to = letter_kind_to(l->kind) == LETTER_TO_OWNERS
                                                  ? part_address(&v, "owner")
                                                  : l->person,
                                        .subject = expand(&v, view_of(words[row].subject)),
                                        .text = expand(&v, view_of(words[row].text)),
                                        .sender = l->kind == LETTER_PROBE ? probe_sender(l, a) : VIEW("")},
                       now_ms, args, e);
}
