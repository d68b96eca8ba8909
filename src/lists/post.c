/* post.c: see post.h. */
#include "lists/post.h"

#include "base/password.h"
#include "mail/address.h"
#include "mail/charset.h"
#include "mail/encoded_word.h"
#include "mail/mailboxes.h"

enum { RECIPIENTS_MOST = 2000 };

static void add_sender(struct post *p, view address, struct arena *a) {
    view normal;
    struct err e;
    if (!address_normalise_text(address, a, &normal, &e))
        return;
    for (size_t i = 0; i < p->sender_count; i++)
        if (view_eq(p->senders[i], normal))
            return;
    if (p->sender_count < LIMIT_POST_SENDERS)
        p->senders[p->sender_count++] = normal;
    else
        p->senders_cut = true;
}

static void add_recipient(struct post *p, view address, struct arena *a) {
    struct err e;
    if (p->recipient_count < RECIPIENTS_MOST &&
        address_normalise_text(address, a, &p->recipients[p->recipient_count], &e))
        p->recipient_count++;
}

/* What to do with each address of the fields of a name. Returns how many there were. */
static size_t each_address(struct post *p, const char *name, struct arena *a, bool *cut,
                           void (*add)(struct post *, view, struct arena *)) {
    size_t n = 0;
    for (size_t i = 0; i < p->header.count; i++) {
        if (!view_eq_nocase(p->header.fields[i].name, view_of(name)))
            continue;
        view rest = header_value(&p->header.fields[i], a), address;
        struct err e;
        for (; mailboxes_next(&rest, a, &address, &e); n++)
            add(p, address, a);
        *cut = *cut || rest.len > 0;
    }
    return n;
}

view post_value(const struct header_field *f, struct arena *a) {
    view value = header_value(f, a);
    struct buf text = BUF_INIT(3 * value.len + 1);
    encoded_words_decode(value, &text);
    view decoded = arena_view(a, buf_view(&text));
    buf_done(&text);
    return decoded;
}

bool post_read(view sender, view head, int64_t size, struct arena *a, struct post *ret) {
    *ret = (struct post){.size = size, .recipients = arena_array(a, view, RECIPIENTS_MOST)};
    bool ignored = false;
    if (!ret->recipients)
        return false;
    header_parse(head, a, &ret->header);
    each_address(ret, "From", a, &ret->senders_cut, add_sender);
    add_sender(ret, sender, a);
    each_address(ret, "Reply-To", a, &ret->senders_cut, add_sender);
    each_address(ret, "Sender", a, &ret->senders_cut, add_sender);
    ret->named = each_address(ret, "To", a, &ret->named_cut, add_recipient) +
                 each_address(ret, "Cc", a, &ret->named_cut, add_recipient);
    each_address(ret, "Resent-To", a, &ignored, add_recipient);
    each_address(ret, "Resent-Cc", a, &ignored, add_recipient);
    const struct header_field *subject = header_find(&ret->header, "Subject");
    ret->subject = subject ? view_trim(post_value(subject, a)) : VIEW("");
    return !a->failed;
}

bool post_field_is_approval(view name) {
    static const char *const names[] = {"Approved", "Approve", "X-Approved", "X-Approve"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (view_eq_nocase(name, view_of(names[i])))
            return true;
    return false;
}

bool post_approval(view text, struct post_approval *ret) {
    view line = VIEW("");
    while (view_trim(line).len == 0 && view_split(&text, '\n', &line))
        ;
    line = view_trim(line);
    if (view_find(line, ':') <= 0)
        return false;
    view_split(&line, ':', &ret->name);
    ret->password = view_trim(line);
    return ret->password.len > 0 && post_field_is_approval(ret->name);
}

static bool says_approval(const struct mime_part *p, struct arena *a, struct post_approval *ret, bool *any) {
    struct buf octets = BUF_INIT(LIMIT_COMMAND_TEXT);
    view text = VIEW("");
    if (mime_is(p, "text/plain") && p->children == 0 &&
        mime_decode(p->encoding, view_slice(p->body, 0, LIMIT_COMMAND_TEXT), &octets))
        text = arena_view(a, buf_view(&octets));
    buf_done(&octets);
    *any = view_trim(text).len > 0;
    return post_approval(text, ret);
}

const struct mime_part *post_approval_part(const struct mime *m, struct arena *a, struct post_approval *ret) {
    bool any = false;
    for (size_t i = 0; i < m->count && !any; i++)
        if (says_approval(&m->parts[i], a, ret, &any))
            return &m->parts[i];
    return NULL;
}

static enum approval approval_of(view password, view kept) {
    return kept.len > 0 && password_is(password, kept) ? APPROVAL_RIGHT : APPROVAL_WRONG;
}

/* The message, with its parts in an arena of their own: however many there are, the caller's does not suffer.
 */
static bool parts_of(const struct post *p, struct arena *parts, struct mime *ret) {
    view head = p->header.section;
    head.len = (size_t)(p->header.body.ptr + p->header.body.len - head.ptr);
    arena_init(parts, LIMIT_STEP_ARENA);
    return head.len > 0 && mime_parse(head, parts, ret);
}

static enum approval approval_in_text(const struct post *p, view kept, struct arena *a) {
    struct arena parts;
    struct mime m;
    struct post_approval said;
    enum approval found = APPROVAL_NONE;
    const struct mime_part *part = parts_of(p, &parts, &m) ? post_approval_part(&m, a, &said) : NULL;
    if (part) {
        struct buf utf8 = BUF_INIT(4 * LIMIT_COMMAND_TEXT);
        view charset = part->charset.len > 0 ? part->charset : VIEW("us-ascii");
        bool known = charset_to_utf8(charset, said.password, &utf8);
        found = approval_of(known ? buf_view(&utf8) : said.password, kept);
        buf_done(&utf8);
    }
    arena_done(&parts);
    return found;
}

enum approval post_approved(const struct post *p, view kept, struct arena *a) {
    for (size_t i = 0; i < p->header.count; i++)
        if (post_field_is_approval(p->header.fields[i].name))
            return approval_of(view_trim(header_value(&p->header.fields[i], a)), kept);
    return approval_in_text(p, kept, a);
}

view post_line(view text, struct arena *a) {
    char *line = arena_alloc(a, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; line && i < text.len; i++)
        if (!ascii_is_space(text.ptr[i]))
            line[n++] = text.ptr[i];
        else if (n > 0 && line[n - 1] != ' ')
            line[n++] = ' ';
    return view_from(line, n);
}

/* "Re:", "AW[2]:" and their like, at the front. */
static bool take_answer(view *subject) {
    static const char *const words[] = {"re", "aw", "sv", "vs", "antw", "fwd", "fw", "wg"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        view rest = *subject;
        if (!view_starts_with_nocase(rest, view_of(words[i])))
            continue;
        rest = view_skip(rest, view_of(words[i]).len);
        if (view_starts_with(rest, VIEW("[")) && view_find(rest, ']') > 0)
            rest = view_skip(rest, (size_t)view_find(rest, ']') + 1);
        rest = view_trim(rest);
        if (!view_starts_with(rest, VIEW(":")))
            continue;
        *subject = view_trim(view_skip(rest, 1));
        return true;
    }
    return false;
}

view post_thread(view subject) {
    subject = view_trim(subject);
    while (subject.len > 0) {
        ptrdiff_t end = view_starts_with(subject, VIEW("[")) ? view_find(subject, ']') : -1;
        if (end > 0 && (size_t)end + 1 < subject.len)
            subject = view_trim(view_skip(subject, (size_t)end + 1));
        else if (!take_answer(&subject))
            break;
    }
    return subject;
}

static view decode_text(const struct mime_part *p, struct arena *a) {
    struct buf octets = BUF_INIT(LIMIT_COMMAND_TEXT), utf8 = BUF_INIT(4 * LIMIT_COMMAND_TEXT);
    view charset = p->charset.len > 0 ? p->charset : VIEW("us-ascii");
    mime_decode(p->encoding, view_slice(p->body, 0, LIMIT_COMMAND_TEXT), &octets);
    bool known = charset_to_utf8(charset, buf_view(&octets), &utf8);
    view text = arena_view(a, buf_view(known ? &utf8 : &octets));
    buf_done(&octets);
    buf_done(&utf8);
    return text;
}

view post_text(const struct post *p, struct arena *a) {
    struct arena parts;
    struct mime m;
    view text = VIEW("");
    if (parts_of(p, &parts, &m))
        for (size_t i = 0; i < m.count && text.len == 0; i++)
            if (mime_is(&m.parts[i], "text/plain"))
                text = decode_text(&m.parts[i], a);
    arena_done(&parts);
    return text;
}

bool post_is_of_a_robot(const struct post *p, view envelope_sender) {
    const struct header_field *automatic = header_find(&p->header, "Auto-Submitted");
    const struct header_field *precedence = header_find(&p->header, "Precedence");
    const struct header_field *ack = header_find(&p->header, "X-Ack");
    view why = precedence ? view_trim(precedence->value) : VIEW("");
    bool bulk = view_eq_nocase(why, VIEW("bulk")) || view_eq_nocase(why, VIEW("junk")) ||
                view_eq_nocase(why, VIEW("list"));
    if (ack && view_eq_nocase(view_trim(ack->value), VIEW("yes")))
        bulk = false;
    return envelope_sender.len == 0 || bulk ||
           (automatic && !view_starts_with_nocase(view_trim(automatic->value), VIEW("no")));
}

bool post_wants_no_answer(const struct post *p) {
    const struct header_field *ack = header_find(&p->header, "X-Ack");
    return ack && view_eq_nocase(view_trim(ack->value), VIEW("no"));
}
