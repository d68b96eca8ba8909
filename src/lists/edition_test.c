/* edition_test.c: what a list makes of a post, octet by octet. */
#include "lists/edition.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lists/unsubscribe.h"
#include "mail/mime.h"
#include "testing/unit.h"

#define FROM "From: Ada <ada@x.example>\r\n"

/* A list that adds no fields of its own unless told to, and a post to it. */
struct case_ {
    struct arena arena;
    struct edition_facts facts;
    struct edition edition;
    bool untouchable, forbidden; /* see edition.h */
    struct buf made;
    const char *name; /* of the member the copy is for */
};

static void set(struct case_ *c, enum list_setting s, const char *value) {
    c->facts.settings[s] = view_of(value);
}

static struct case_ *begin(void **state) {
    struct case_ *c = *state;
    arena_reset(&c->arena);
    c->name = "Bea";
    c->untouchable = c->forbidden = false;
    c->facts =
        (struct edition_facts){.list = VIEW("news@here.example"), .archive = VIEW("public"), .number = 7};
    for (int i = 0; i < LIST_SETTING_COUNT; i++)
        c->facts.settings[i] = list_setting_default((enum list_setting)i, &c->arena);
    set(c, LIST_SETTING_INCLUDE_RFC2369_HEADERS, "false");
    return c;
}

/* "Precedence: list" is what stays in front. */
static const char *make_with_trace(struct case_ *c, const char *trace, const char *text) {
    static const char precedence[] = "Precedence: list\r\n";
    struct copy_to who = {.address = VIEW("bo@y.example"), .name = view_of(c->name)};
    struct buf source = BUF_INIT(1 << 20);
    struct err e;
    buf_add_str(&source, trace);
    buf_add_str(&source, text);
    struct edition_post post = {.source = buf_view(&source),
                                .trace = strlen(trace),
                                .message = 1234567,
                                .untouchable = c->untouchable,
                                .forbidden = c->forbidden};
    if (!edition_make(&c->facts, &post, &c->arena, &c->edition, &e))
        fail_msg("%s", e.text);
    struct buf stored = BUF_INIT(1 << 20);
    struct recipe again;
    recipe_write(&c->edition.recipe, &stored);
    assert_true(recipe_read(buf_view(&stored), source.len, &c->arena, &again));
    buf_reset(&c->made);
    recipe_render(&again, 0, again.count, buf_view(&source), &who, &c->made);
    buf_done(&stored);
    buf_done(&source);
    return view_starts_with(buf_view(&c->made), view_of(precedence)) ? c->made.data + sizeof precedence - 1
                                                                     : c->made.data;
}

static const char *make(struct case_ *c, const char *text) {
    return make_with_trace(c, "", text);
}

static void test_plain__without_what_is_forged(void **state) {
    struct case_ *c = begin(state);
    static const char trace[] = "Authentication-Results: mx.example; none\r\nReceived: x\r\n";
    struct copy_to who = {.address = VIEW("bo@y.example"), .name = VIEW("")};
    struct buf source = BUF_INIT(4096);
    buf_printf(&source, "%sAuthentication-Results: MX.example; dmarc=pass\r\n" FROM "\r\nHi\r\n", trace);
    struct recipe r = recipe_in(&c->arena);
    edition_plain(c->facts.list, buf_view(&source), strlen(trace), &r);
    buf_reset(&c->made);
    recipe_render(&r, 0, r.count, buf_view(&source), &who, &c->made);
    assert_non_null(strstr(c->made.data, trace));
    assert_non_null(strstr(c->made.data, "\r\nReceived: x\r\n" FROM "\r\nHi\r\n"));
    assert_null(strstr(c->made.data, "dmarc=pass"));
    buf_done(&source);
}

static void expect_approved(void **state, const char *post, const char *want) {
    struct case_ *c = begin(state);
    c->facts.approvals = true;
    assert_string_equal(make(c, post), want);
    assert_true(c->edition.approved);
    assert_int_equal(c->edition.kept, KEPT_EDITION);
}

static void test_approval__the_line_is_in_no_copy(void **state) {
    expect_approved(state, FROM "\r\n\r\n APPROVED:  secret \r\nHi\r\nApproved: by none\r\n",
                    FROM "\r\n\r\nHi\r\nApproved: by none\r\n");
    expect_approved(state, FROM "Content-Transfer-Encoding: base64\r\n\r\nQXBwcm92ZTogc2VjcmV0CkhpCg==\r\n",
                    FROM "Content-Transfer-Encoding: base64\r\n\r\nSGkK\r\n");
    expect_approved(
        state,
        FROM "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
             "X-Appro=\r\nved: =73ecret\r\nGr=C3=BC=C3=9Fe\r\n",
        FROM "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
             "Gr=C3=BC=C3=9Fe\r\n");
    expect_approved(
        state,
        FROM
        "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nApproved: secret\r\nHi\r\n--b\r\n"
        "Content-Type: text/html\r\n\r\n<p>approved:&nbsp; secret</p><p>Hi</p>\r\n--b--\r\n",
        FROM "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nHi\r\n--b\r\n"
             "Content-Type: text/html\r\n\r\n<p></p><p>Hi</p>\r\n--b--\r\n");
}

static const char alternative[] =
    FROM "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n%s\r\n--b\r\n"
         "Content-Type: text/html\r\n\r\n%s\r\n--b--\r\n";

/* HTML that says the same in its own way keeps its tags and loses the words. */
static void test_approval__in_html(void **state) {
    static const struct {
        const char *text, *html, *left;
    } cases[] = {
        {"Approved: secret", "<p><b>Approved:</b> secret</p>", "<p><b></b></p>"},
        {"Approved: secret", "<b>Appro</b>ved<i>:</i>\r\n se<u>cr</u>et!", "<b></b><i></i><u></u>!"},
        {"Approved: a&b <c>", "<p>Approved: a&amp;b &lt;c&#62;</p>", "<p></p>"},
        {"Approved: open sesame", "<p>Approved:&nbsp;open\r\n  sesame</p>", "<p></p>"},
        {"Approved: secret", "Approved: secre", "Approved: secre"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char post[1024], want[1024];
        snprintf(post, sizeof post, alternative, cases[i].text, cases[i].html);
        snprintf(want, sizeof want, alternative, "", cases[i].left);
        struct case_ *c = begin(state);
        c->facts.approvals = true;
        assert_string_equal(make(c, post), want);
    }
}

/* The part the rule looks at is the part that loses it. */
static void test_approval__behind_a_part_that_says_nothing(void **state) {
    static const char post[] =
        FROM "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n%s--b\r\n\r\n%sHi\r\n--b--\r\n";
    char given[1024], want[1024];
    snprintf(given, sizeof given, post, "\r\n", "Approved: secret\r\n");
    snprintf(want, sizeof want, post, "\r\n", "");
    expect_approved(state, given, want);
}

static void test_approval__is_a_text_where_nobody_can_give_one(void **state) {
    static const char post[] = FROM "\r\nApproved: all of it\r\n";
    struct case_ *c = begin(state);
    assert_string_equal(make(c, post), post);
    c = begin(state);
    c->facts.approvals = true;
    assert_string_equal(make(c, FROM "\r\nHi\r\nApproved: secret\r\n"),
                        FROM "\r\nHi\r\nApproved: secret\r\n");
    assert_int_equal(c->edition.kept, KEPT_POST);
}

/* With what else the list does to a post. */
static void test_approval__goes_before_filter_and_footer(void **state) {
    struct case_ *c = begin(state);
    c->facts.approvals = true;
    set(c, LIST_SETTING_FILTER_CONTENT, "true");
    set(c, LIST_SETTING_FILTER_TYPES, "image");
    set(c, LIST_SETTING_MSG_FOOTER, "-- bye");
    const char *made =
        make(c, FROM
             "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nApproved: secret\r\nHi\r\n--b\r\n"
             "Content-Type: image/png\r\n\r\nx\r\n--b--\r\n");
    assert_null(strstr(made, "secret"));
    assert_null(strstr(made, "image"));
    assert_non_null(strstr(made, "\r\nHi\r\n"));
    assert_non_null(strstr(made, "-- bye"));
}

static void test_edition__that_changes_nothing(void **state) {
    static const char *const posts[] = {
        FROM "Subject: x\r\n\r\nbody\r\n",
        FROM "subject :  x\r\n\ty\r\nX-Odd\r\n\r\n.no line end",
        FROM "Content-Type: multipart/mixed\r\n\r\n--nothing\r\n",
        "no header\r\n",
        "\r\nbody alone\r\n",
        FROM "\n\nlines\nof\nanother kind\n",
        FROM,
    };
    for (size_t i = 0; i < sizeof posts / sizeof posts[0]; i++) {
        struct case_ *c = begin(state);
        assert_string_equal(make(c, posts[i]), posts[i]);
        assert_string_equal(c->edition.what, "");
        assert_int_equal(c->edition.kept, KEPT_POST);
    }
    struct case_ *c = begin(state);
    make_with_trace(c, "Received: here\r\n", "Subject: x\r\nPrecedence: bulk\r\n\r\nbody\r\n");
    assert_string_equal(c->made.data, "Received: here\r\nSubject: x\r\nPrecedence: bulk\r\n\r\nbody\r\n");
}

static void test_fields__of_the_list(void **state) {
    struct case_ *c = begin(state);
    set(c, LIST_SETTING_INCLUDE_RFC2369_HEADERS, "true");
    set(c, LIST_SETTING_DESCRIPTION, "News, \"daily\"");
    set(c, LIST_SETTING_ARCHIVE_URL, "https://lists.example/$list_id/");
    set(c, LIST_SETTING_ARCHIVED_AT_URL, "https://lists.example/$list_id/$message_id_hash");
    make(c, FROM "List-Id: <other.x>\r\nlist-unsubscribe: <x>\r\nList-Archive: <y>\r\nArchived-At: <z>\r\n"
                 "Message-ID: <x@y>\r\n\r\nb\r\n");
    assert_string_equal(
        c->made.data,
        "List-Id: \"News, \\\"daily\\\"\" <news.here.example>\r\n"
        "Archived-At: <https://lists.example/news.here.example/QMCIBHO7RNQDWGF7TNMLNIHKS5MPDKXZ>\r\n"
        "List-Archive: <https://lists.example/news.here.example/>\r\n"
        "List-Help: <mailto:news-request@here.example?subject=help>\r\n"
        "List-Owner: <mailto:news-owner@here.example>\r\n"
        "List-Post: <mailto:news@here.example>\r\n"
        "List-Subscribe: <mailto:news-join@here.example>\r\n"
        "List-Unsubscribe: <mailto:news-leave@here.example>\r\n"
        "Precedence: list\r\n" FROM "Message-ID: <x@y>\r\n\r\nb\r\n");
    c = begin(state);
    set(c, LIST_SETTING_INCLUDE_RFC2369_HEADERS, "true");
    set(c, LIST_SETTING_ALLOW_LIST_POSTS, "false");
    set(c, LIST_SETTING_DESCRIPTION,
        "Gr\xC3\xBC\xC3\x9F"
        "e");
    c->facts.archive = VIEW("none");
    set(c, LIST_SETTING_ARCHIVE_URL, "https://lists.example/");
    make(c, FROM "\r\nb\r\n");
    assert_non_null(strstr(c->made.data, "List-Post: NO\r\n"));
    assert_null(strstr(c->made.data, "List-Archive"));
    assert_non_null(strstr(c->made.data, "List-Id: =?utf-8?"));
}

static void test_fields__one_click(void **state) {
    struct case_ *c = begin(state);
    struct buf want = BUF_INIT(1000);
    set(c, LIST_SETTING_INCLUDE_RFC2369_HEADERS, "true");
    set(c, LIST_SETTING_UNSUBSCRIBE_URL, "https://lists.example/unsubscribe");
    c->facts.secret = VIEW("secret of the list");
    make(c, FROM "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nb\r\n");
    buf_add_str(&want,
                "List-Unsubscribe: <https://lists.example/unsubscribe/news@here.example/bo@y.example/");
    unsubscribe_key_add(c->facts.secret, VIEW("bo@y.example"), &want);
    buf_add_str(&want, ">,\r\n <mailto:news-leave+");
    unsubscribe_key_add(c->facts.secret, VIEW("bo@y.example"), &want);
    buf_add_str(&want, "@here.example>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
    assert_non_null(strstr(c->made.data, want.data));
    const char *first = strstr(c->made.data, "List-Unsubscribe-Post");
    assert_null(strstr(first + 1, "List-Unsubscribe-Post"));
    buf_done(&want);
}

static void test_unsubscribe__keys(void **unused) {
    (void)unused;
    struct buf key = BUF_INIT(100);
    unsubscribe_key_add(VIEW("secret"), VIEW("bo@y.example"), &key);
    assert_int_equal(key.len, UNSUBSCRIBE_KEY_LEN);
    assert_true(unsubscribe_key_is(VIEW("secret"), VIEW("bo@y.example"), buf_view(&key)));
    assert_false(unsubscribe_key_is(VIEW("secret"), VIEW("bob@y.example"), buf_view(&key)));
    assert_false(unsubscribe_key_is(VIEW("another"), VIEW("bo@y.example"), buf_view(&key)));
    assert_false(unsubscribe_key_is(VIEW("secret"), VIEW("bo@y.example"), VIEW("")));
    for (size_t i = 0; i < key.len; i++)
        if (key.data[i] >= 'a')
            key.data[i] -= 'a' - 'A';
    assert_true(unsubscribe_key_is(VIEW("secret"), VIEW("bo@y.example"), buf_view(&key)));
    buf_done(&key);
}

/* What is not for members. */
static void test_fields__that_go(void **state) {
    struct case_ *c = begin(state);
    assert_string_equal(make(c, "Approved: secret\r\n" FROM "URGENT: x\r\n y\r\nReturn-Receipt-To: a\r\n"
                                "Disposition-Notification-To: a\r\nDKIM-Signature: x\r\n\r\nb\r\n"),
                        FROM "DKIM-Signature: x\r\n\r\nb\r\n");
}

static void test_subject__gets_the_prefix(void **state) {
    static const struct {
        const char *prefix, *subject, *want;
    } cases[] = {
        {"[Test] ", "Subject: hello\r\n", "Subject: [Test] hello\r\n"},
        {"[Test]", "subject:hello\r\n", "Subject: [Test] hello\r\n"},
        {"[Test] ", "Subject: Re: hello\r\n", "Subject: [Test] Re: hello\r\n"},
        {"[Test] ", "Subject: Re: [Test] RE: AW[2]: hello\r\n", "Subject: [Test] Re: hello\r\n"},
        {"[Test] ", "Subject: [test] hello\r\n", "Subject: [Test] hello\r\n"},
        {"[Test] ", "Subject: Revision: x\r\n", "Subject: [Test] Revision: x\r\n"},
        {"[Test] ", "Subject:\r\n", "Subject: [Test] (no subject)\r\n"},
        {"[Test] ", "", "Subject: [Test] (no subject)\r\n"},
        {"[Test] ", "Subject: Re:\r\n", "Subject: [Test] Re:\r\n"},
        {"[T %d] ", "Subject: Re: [T 12] hello\r\n", "Subject: [T 7] Re: hello\r\n"},
        {"[T %d] ", "Subject: hello\r\n", "Subject: [T 7] hello\r\n"},
        {"[T %05d] ", "Subject: Re: [T 00012] hello\r\n", "Subject: [T 00007] Re: hello\r\n"},
        {"[T %3d] ", "Subject: [T  12] hello\r\n", "Subject: [T   7] hello\r\n"},
        {"[%d/%02d] ", "Subject: [3/03] hello\r\n", "Subject: [7/07] hello\r\n"},
        {"[100%] ", "Subject: Re: [100%] hello\r\n", "Subject: [100%] Re: hello\r\n"},
        {"[%99x] ", "Subject: hello\r\n", "Subject: [%99x] hello\r\n"},
        {"[100%] ", "Subject: [100%] hello\r\n", "Subject: [100%] hello\r\n"},
        {"[Test] ", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?koi8-r?b?7sXU?=\r\n",
         "Subject: [Test] =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?koi8-r?b?7sXU?=\r\n"},
        {"[Test] ", "Subject: =?utf-8?q?Re:_Gr=C3=BC=C3=9Fe?=\r\n",
         "Subject: [Test] Re: =?utf-8?B?R3LDvMOfZQ==?=\r\n"},
        {"[Test] ", "Subject: a\r\n b\r\nSubject: c\r\n", "Subject: [Test] a\r\n b\r\n"},
        {"[Test] ", "Subject: a line of quite some length, but not too long for the author's own program\r\n",
         "Subject: [Test]\r\n a line of quite some length, but not too long for the author's own "
         "program\r\n"},
        {"[\xC3\xBC] ", "Subject: Re: [\xC3\xBC] hello\r\n", "Subject: =?utf-8?B?W8O8XSBSZTogaGVsbG8=?=\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct case_ *c = begin(state);
        struct buf post = BUF_INIT(1000), want = BUF_INIT(1000);
        set(c, LIST_SETTING_SUBJECT_PREFIX, cases[i].prefix);
        buf_printf(&post, "%sTo: x\r\n\r\nb\r\n", cases[i].subject);
        if (cases[i].subject[0])
            buf_printf(&want, "%sTo: x\r\n\r\nb\r\n", cases[i].want);
        else
            buf_printf(&want, "To: x\r\n%s\r\nb\r\n", cases[i].want);
        assert_string_equal(make(c, post.data), want.data);
        assert_string_equal(c->edition.what, "subject prefix");
        buf_done(&post);
        buf_done(&want);
    }
}

static void test_reply_to__as_the_list_is_set(void **state) {
    static const struct {
        const char *how, *strip, *post, *want;
    } cases[] = {
        {"no_munging", "false", "Reply-To: Cy <cy@z.example>\r\n", "Reply-To: Cy <cy@z.example>\r\n"},
        {"no_munging", "true", "Reply-To: cy@z.example\r\n", ""},
        {"point_to_list", "false", "", "Reply-To: news@here.example\r\n"},
        {"point_to_list", "false", "Reply-To: \"C, y\" <cy@z.example>, di@z.example\r\n",
         "Reply-To: \"C, y\" <cy@z.example>, di@z.example, news@here.example\r\n"},
        {"point_to_list", "false", "Reply-To: NEWS@here.example\r\n", "Reply-To: NEWS@here.example\r\n"},
        {"point_to_list", "false", "Reply-To: cy@z.example\r\nReply-To: di@z.example, cy@z.example\r\n",
         "Reply-To: cy@z.example, di@z.example, news@here.example\r\n"},
        {"point_to_list", "true", "Reply-To: cy@z.example\r\n", "Reply-To: news@here.example\r\n"},
        {"explicit_header", "false", "Reply-To: cy@z.example\r\n",
         "Reply-To: desk@here.example, cy@z.example\r\n"},
        {"explicit_header", "true", "Reply-To: cy@z.example\r\n", "Reply-To: desk@here.example\r\n"},
        {"explicit_header_only", "false", "Reply-To: cy@z.example\r\n",
         "Reply-To: desk@here.example, cy@z.example\r\n"},
        {"explicit_header", "false", "Reply-To: <<broken\r\n", "Reply-To: desk@here.example\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct case_ *c = begin(state);
        struct buf post = BUF_INIT(1000), want = BUF_INIT(1000);
        set(c, LIST_SETTING_REPLY_GOES_TO_LIST, cases[i].how);
        set(c, LIST_SETTING_FIRST_STRIP_REPLY_TO, cases[i].strip);
        set(c, LIST_SETTING_REPLY_TO_ADDRESS, "desk@here.example");
        buf_printf(&post, "%s\r\nb\r\n", cases[i].post);
        buf_printf(&want, "%s\r\nb\r\n", cases[i].want);
        assert_string_equal(make(c, post.data), want.data);
        buf_done(&post);
        buf_done(&want);
    }
}

static void test_anonymous__nothing_says_who_wrote(void **state) {
    struct case_ *c = begin(state);
    set(c, LIST_SETTING_ANONYMOUS_LIST, "true");
    set(c, LIST_SETTING_DISPLAY_NAME, "The News");
    const char *made =
        make_with_trace(c, "Received: from ada.example\r\n",
                        FROM "Subject: x\r\nMessage-ID: <a@ada.example>\r\nX-Mailer: ada's\r\nDate: d\r\n"
                             "Sender: ada\r\nReply-To: ada@x.example\r\nDKIM-Signature: d=ada.example\r\n"
                             "References: <b@c>\r\nContent-Type: text/plain\r\nUser-Agent: ada\r\n\r\nb\r\n");
    assert_null(strstr(c->made.data, "ada"));
    assert_non_null(strstr(made, "From: \"The News\" <news@here.example>\r\n"));
    assert_non_null(strstr(made, "Reply-To: news@here.example\r\n"));
    assert_non_null(
        strstr(made, "Subject: x\r\nDate: d\r\nReferences: <b@c>\r\nContent-Type: text/plain\r\n\r\nb\r\n"));
    assert_non_null(strstr(made, "Message-ID: <"));
    assert_int_equal(c->edition.kept, KEPT_ANONYMOUS);
}

#define LINES(type) FROM "Content-Type: " type "\r\n"

static void test_footer__becomes_lines_of_a_text(void **state) {
    static const struct {
        const char *footer, *post, *want;
    } cases[] = {
        {"foot", FROM "\r\nb\r\n", FROM "\r\nb\r\nfoot\r\n"},
        {"foot\n", FROM "\r\nb", FROM "\r\nb\r\nfoot\r\n"},
        {"foot", FROM "\r\n", FROM "\r\nfoot\r\n"},
        {"foot", FROM, FROM "\r\nfoot\r\n"},
        {"$display_name, $$, $unknown, $user_email, ${short_listname}s\n-- \nx", FROM "\r\nb\r\n",
         FROM "\r\nb\r\nNews, $, $unknown, $user_email, newss\r\n-- \r\nx\r\n"},
        {"$request_address\n$site_email\n", FROM "\r\nb\r\n",
         FROM "\r\nb\r\nnews-request@here.example\r\npostmaster@here.example\r\n"},
        {"a = b \nc",
         LINES("text/plain; charset=x\r\nContent-Transfer-Encoding: quoted-printable") "\r\nb\r\n", NULL},
        {"a = b \nc",
         LINES("text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable") "\r\nb=\r\n",
         LINES(
             "text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable") "\r\nb=\r\n\r\na "
                                                                                         "=3D b=20\r\nc\r\n"},
        {"\xC3\xBC", LINES("text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit") "\r\nb\r\n",
         LINES("text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit") "\r\nb\r\n\xC3\xBC\r\n"},
        {">a \n b", LINES("text/plain; format=flowed") "\r\nit flows \r\n",
         LINES("text/plain; format=flowed") "\r\nit flows \r\n\r\n >a\r\n  b\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct case_ *c = begin(state);
        set(c, LIST_SETTING_MSG_FOOTER, cases[i].footer);
        const char *made = make(c, cases[i].post);
        if (cases[i].want) {
            assert_string_equal(made, cases[i].want);
            assert_string_equal(c->edition.what, "header and footer as lines of the post");
        } else {
            assert_string_equal(c->edition.what, "header and footer as parts around the post");
        }
    }
    struct case_ *c = begin(state);
    set(c, LIST_SETTING_MSG_HEADER, "head");
    assert_string_equal(make(c, FROM "\r\nb\r\n"), FROM "\r\nhead\r\nb\r\n");
}

static void test_footer__becomes_a_part_of_a_mixed_message(void **state) {
    struct case_ *c = begin(state);
    set(c, LIST_SETTING_MSG_HEADER, "head");
    set(c, LIST_SETTING_MSG_FOOTER, "f\xC3\xBC\xC3\x9F");
    assert_string_equal(
        make(c, LINES("multipart/mixed; boundary=b") "\r\npre\r\n--b\r\n\r\none\r\n--b--\r\nepi\r\n"),
        LINES("multipart/mixed; boundary=b") "\r\npre\r\n"
                                             "--b\r\nContent-Type: text/plain; "
                                             "charset=us-ascii\r\nContent-Disposition: inline\r\n"
                                             "Content-Transfer-Encoding: 7bit\r\n\r\nhead\r\n"
                                             "--b\r\n\r\none\r\n"
                                             "--b\r\nContent-Type: text/plain; "
                                             "charset=utf-8\r\nContent-Disposition: inline\r\n"
                                             "Content-Transfer-Encoding: "
                                             "quoted-printable\r\n\r\nf=C3=BC=C3=9F\r\n--b--\r\nepi\r\n");
}

/* Everything else keeps its octets as one part of a new message. */
static void test_footer__stands_beside_anything_else(void **state) {
    static const char *const posts[] = {
        LINES("text/html") "Content-Transfer-Encoding: 8bit\r\n\r\n<p>\xFF",
        LINES("multipart/alternative; boundary=b") "\r\n--b\r\n\r\none\r\n--b--\r\n",
        LINES("text/plain; charset=utf-8") "Content-Transfer-Encoding: base64\r\n\r\nQQ==\r\n",
        LINES("text/plain; charset=utf-16") "\r\nx\r\n",
        LINES("multipart/mixed; boundary=b") "\r\n--b\r\n\r\nno end\r\n",
    };
    for (size_t i = 0; i < sizeof posts / sizeof posts[0]; i++) {
        struct case_ *c = begin(state);
        set(c, LIST_SETTING_MSG_FOOTER, "foot");
        const char *made = make(c, posts[i]);
        assert_string_equal(c->edition.what, "header and footer as parts around the post");
        struct mime was, is;
        assert_true(mime_parse(view_of(posts[i]), &c->arena, &was));
        assert_true(mime_parse(view_of(made), &c->arena, &is));
        assert_true(mime_is(&is.parts[0], "multipart/mixed"));
        assert_int_equal(is.parts[0].children, 2);
        assert_true(view_eq(is.parts[1].body, was.parts[0].body));
        assert_true(view_eq(is.parts[1].type, was.parts[0].type));
        assert_true(view_eq(is.parts[1].encoding, was.parts[0].encoding));
        assert_int_equal(is.parts[0].closing.len > 0, 1);
        const struct mime_part *foot = &is.parts[is.parts[1].after];
        assert_view(foot->body, "foot");
        if (view_eq(was.parts[0].encoding, VIEW("8bit")))
            assert_view(is.parts[0].encoding, "8bit");
    }
}

static void test_footer__keeps_off_signed_and_encrypted_mail(void **state) {
    static const char *const posts[] = {
        LINES(
            "multipart/signed; boundary=b; protocol=\"application/pgp-signature\"") "\r\n--b\r\n\r\none\r\n--"
                                                                                    "b--\r\n",
        LINES("multipart/encrypted; boundary=b") "\r\n--b\r\n\r\none\r\n--b--\r\n",
        LINES("application/pkcs7-mime; smime-type=signed-data") "\r\nAAAA\r\n",
    };
    for (size_t i = 0; i < sizeof posts / sizeof posts[0]; i++) {
        struct case_ *c = begin(state);
        set(c, LIST_SETTING_MSG_FOOTER, "foot");
        set(c, LIST_SETTING_MSG_HEADER, "head");
        assert_string_equal(make(c, posts[i]), posts[i]);
        assert_string_equal(c->edition.what, "no header and footer, for it is signed or encrypted");
    }
}

static void test_personal__copies_name_their_member(void **state) {
    struct case_ *c = begin(state);
    set(c, LIST_SETTING_PERSONALIZE, "individual");
    set(c, LIST_SETTING_MSG_FOOTER, "to $user_email");
    assert_string_equal(make(c, FROM "To: x@y\r\n\r\nb\r\n"), FROM "To: x@y\r\n\r\nb\r\nto bo@y.example\r\n");
    assert_false(c->edition.names);
    set(c, LIST_SETTING_MSG_FOOTER, "$user_language");
    assert_string_equal(make(c, FROM "\r\nb\r\n"), FROM "\r\nb\r\nEnglish (USA)\r\n");
    set(c, LIST_SETTING_MSG_FOOTER, "to $member");
    c->name = "";
    assert_non_null(strstr(make(c, FROM "\r\nb\r\n"), "\r\nto=20=\r\nbo@y.example=\r\n"));
    set(c, LIST_SETTING_MSG_FOOTER, "to $user_name, $user_name_or_address");
    const char *utf8 =
        LINES("text/plain; charset=utf-8") "Content-Transfer-Encoding: quoted-printable\r\n\r\nb\r\n";
    struct buf want = BUF_INIT(1000);
    c->name = "B\xC3\xA9"
              "a";
    buf_printf(&want, "%sto=20=\r\nB=C3=A9a=\r\n,=20=\r\nB=C3=A9a=\r\n\r\n", utf8);
    assert_string_equal(make(c, utf8), want.data);
    assert_true(c->edition.names);
    buf_done(&want);
    set(c, LIST_SETTING_PERSONALIZE, "full");
    set(c, LIST_SETTING_MSG_FOOTER, "");
    c->name = "Bea \"B\"";
    assert_string_equal(make(c, FROM "To: news@here.example\r\nCc: Di <di@z>\r\n\r\nb\r\n"),
                        "To: \"Bea \\\"B\\\"\" <bo@y.example>\r\nCc: Di <di@z>, news@here.example\r\n" FROM
                        "\r\nb\r\n");
    set(c, LIST_SETTING_REPLY_GOES_TO_LIST, "point_to_list");
    c->name = "";
    assert_string_equal(make(c, FROM "To: news@here.example\r\n\r\nb\r\n"),
                        "Reply-To: news@here.example\r\nTo: bo@y.example\r\n" FROM "\r\nb\r\n");
}

/* ---- the content filter ---- */

#define PARTS                                                                                                \
    "--b\r\nContent-Type: text/plain\r\n\r\none\r\n"                                                         \
    "--b\r\nContent-Type: image/png; name=x.PNG\r\n\r\nAAAA\r\n"                                             \
    "--b\r\nContent-Disposition: attachment; filename*=us-ascii''run%2Eexe\r\n\r\nMZ\r\n--b--\r\n"

static struct case_ *begin_filter(void **state) {
    struct case_ *c = begin(state);
    set(c, LIST_SETTING_FILTER_CONTENT, "true");
    return c;
}

static void test_filter__takes_parts_out(void **state) {
    struct case_ *c = begin_filter(state);
    assert_string_equal(make(c, LINES("multipart/mixed; boundary=b") "\r\n" PARTS),
                        LINES("multipart/mixed; boundary=b") "\r\n" PARTS);
    assert_false(c->edition.filtered);
    set(c, LIST_SETTING_FILTER_TYPES, "IMAGE\nvideo/mp4");
    assert_string_equal(
        make(c, LINES("multipart/mixed; boundary=b") "\r\n" PARTS),
        LINES("multipart/mixed; boundary=b") "\r\n--b\r\nContent-Type: text/plain\r\n\r\none\r\n"
                                             "--b\r\nContent-Disposition: attachment; "
                                             "filename*=us-ascii''run%2Eexe\r\n\r\nMZ\r\n--b--\r\n");
    assert_string_equal(c->edition.what, "without image/png x.PNG");
    assert_true(c->edition.filtered && c->edition.kept == KEPT_EDITION);
    set(c, LIST_SETTING_FILTER_EXTENSIONS, ".EXE"); /* the one part that is left stands for the message */
    assert_string_equal(make(c, LINES("multipart/mixed; boundary=b") "Subject: x\r\n\r\n" PARTS),
                        FROM "Subject: x\r\nContent-Type: text/plain\r\n\r\none");
    assert_string_equal(c->edition.what, "without image/png x.PNG, without text/plain run.exe");
}

static void test_filter__passes_only_what_is_named(void **state) {
    struct case_ *c = begin_filter(state);
    set(c, LIST_SETTING_PASS_TYPES, "multipart\ntext/plain");
    set(c, LIST_SETTING_PASS_EXTENSIONS, "txt");
    assert_string_equal(make(c, LINES("multipart/mixed; boundary=b") "\r\n" PARTS),
                        LINES("text/plain") "\r\none");
}

static void test_filter__may_leave_nothing(void **state) {
    struct case_ *c = begin_filter(state);
    set(c, LIST_SETTING_FILTER_TYPES, "text/html");
    make(c, LINES("text/html") "\r\n<p>");
    assert_true(c->edition.nothing_left && c->edition.kept == KEPT_EDITION);
    assert_string_equal(c->edition.what, "not wanted: text/html");
    set(c, LIST_SETTING_FILTER_TYPES, "text\nimage");
    make(c, LINES("multipart/mixed; boundary=b") "\r\n" PARTS);
    assert_true(c->edition.nothing_left);
    assert_string_equal(c->edition.what, "no part is left of multipart/mixed");
    set(c, LIST_SETTING_FILTER_TYPES, "");
    set(c, LIST_SETTING_PASS_TYPES, "text/plain");
    make(c, LINES("multipart/mixed; boundary=b") "\r\n" PARTS);
    assert_true(c->edition.nothing_left);
}

#define ALTERNATIVE                                                                                          \
    "--a\r\nContent-Type: text/plain\r\n\r\nwords\r\n--a\r\nContent-Type: "                                  \
    "text/html\r\n\r\n<p>words\r\n--a--\r\n"

static void test_filter__takes_the_first_alternative(void **state) {
    struct case_ *c = begin_filter(state);
    assert_string_equal(make(c, LINES("multipart/alternative; boundary=a") "Subject: x\r\n\r\n" ALTERNATIVE),
                        FROM "Subject: x\r\nContent-Type: text/plain\r\n\r\nwords");
    assert_string_equal(c->edition.what, "of alternatives text/plain");
    assert_string_equal(
        make(c, LINES("multipart/mixed; boundary=b") "\r\n--b\r\nContent-Type: multipart/alternative;"
                                                     " boundary=a\r\n\r\n" ALTERNATIVE
                                                     "\r\n--b\r\n\r\ntwo\r\n--b--\r\n"),
        LINES("multipart/mixed; boundary=b") "\r\n--b\r\nContent-Type: text/plain\r\n\r\nwords"
                                             "\r\n--b\r\n\r\ntwo\r\n--b--\r\n");
    const char *signed_ =
        LINES("multipart/signed; boundary=b") "\r\n--b\r\nContent-Type: multipart/alternative;"
                                              " boundary=a\r\n\r\n" ALTERNATIVE "\r\n--b\r\nContent-Type: "
                                              "application/pgp-signature\r\n\r\nx\r\n--b--\r\n";
    assert_string_equal(make(c, signed_), signed_);
    set(c, LIST_SETTING_COLLAPSE_ALTERNATIVES, "false");
    const char *post = LINES("multipart/alternative; boundary=a") "\r\n" ALTERNATIVE;
    assert_string_equal(make(c, post), post);
}

static void test_filter__makes_html_plain(void **state) {
    struct case_ *c = begin_filter(state);
    set(c, LIST_SETTING_CONVERT_HTML_TO_PLAINTEXT, "true");
    set(c, LIST_SETTING_MSG_FOOTER, "foot");
    assert_string_equal(
        make(c, LINES("text/html; charset=iso-8859-1") "Content-Transfer-Encoding: quoted-printable\r\n"
                                                       "Content-Language: de\r\n\r\n<p>Gr=FC=DFe &amp; "
                                                       "mehr</p>\r\n"),
        FROM "Content-Language: de\r\nContent-Type: text/plain; charset=utf-8\r\n"
             "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe & mehr\r\nfoot\r\n");
    assert_string_equal(c->edition.what,
                        "plain text in place of text/html, header and footer as lines of the post");
}

/* A part in a message that is in a part. */
static void test_filter__looks_into_messages(void **state) {
    struct case_ *c = begin_filter(state);
    set(c, LIST_SETTING_FILTER_EXTENSIONS, "exe");
    set(c, LIST_SETTING_FILTER_TYPES, "image");
    assert_string_equal(
        make(c, LINES("multipart/mixed; boundary=o") "\r\n--o\r\n\r\nsee\r\n--o\r\n"
                                                     "Content-Type: message/rfc822\r\n\r\nSubject: "
                                                     "in\r\nContent-Type: multipart/mixed; "
                                                     "boundary=b\r\n\r\n" PARTS "\r\n--o--\r\n"),
        LINES("multipart/mixed; boundary=o") "\r\n--o\r\n\r\nsee\r\n--o\r\n"
                                             "Content-Type: message/rfc822\r\n\r\nSubject: "
                                             "in\r\nContent-Type: text/plain\r\n\r\none"
                                             "\r\n--o--\r\n");
}

/* What hides behind limits, or behind a line that is no field, is not let through. */
static void test_filter__refuses_what_it_cannot_see(void **state) {
    struct case_ *c = begin_filter(state);
    struct buf post = BUF_INIT(1 << 20);
    set(c, LIST_SETTING_FILTER_EXTENSIONS, "exe");
    buf_add_str(&post, LINES("multipart/mixed; boundary=b") "\r\n");
    for (int i = 0; i < LIMIT_MIME_PARTS; i++)
        buf_add_str(&post, "--b\r\n\r\n\r\n");
    buf_add_str(&post, "--b\r\nContent-Type: a/b; name=x.exe\r\n\r\nMZ\r\n--b--\r\n");
    make(c, post.data);
    assert_true(c->edition.nothing_left);
    assert_string_equal(c->edition.what, "too much to be looked through: multipart/mixed");
    buf_done(&post);
}

static void test_anonymous__not_even_behind_odd_lines(void **state) {
    static const char *const posts[] = {
        "From eve@x 1970\r\nFrom: Eve <eve@x>\r\nSubject: s\r\n\r\nbody\r\n",
        "Subject: s\r\nno field\r\nFrom: Eve <eve@x>\r\n\r\nbody\r\n",
    };
    for (size_t i = 0; i < sizeof posts / sizeof posts[0]; i++) {
        struct case_ *c = begin(state);
        set(c, LIST_SETTING_ANONYMOUS_LIST, "true");
        set(c, LIST_SETTING_MSG_FOOTER, "foot");
        make(c, posts[i]);
        assert_null(strstr(c->made.data, "eve"));
        assert_true(view_ends_with(buf_view(&c->made), VIEW("\r\n\r\nbody\r\nfoot\r\n")));
    }
}

/* Values of variables are parts of a path, and no fields. */
static void test_fields__uris_hold_no_lines(void **state) {
    struct case_ *c = begin(state);
    set(c, LIST_SETTING_INCLUDE_RFC2369_HEADERS, "true");
    set(c, LIST_SETTING_INFO, "a b\nBcc: eve@x");
    set(c, LIST_SETTING_ARCHIVE_URL, "https://x/$info");
    make(c, FROM "\r\nb\r\n");
    assert_non_null(strstr(c->made.data, "List-Archive: <https://x/a%20b%0ABcc%3A%20eve@x>\r\n"));
}

/* A post whose last field has no line end (it came by BDAT). */
static void test_fields__begin_lines(void **state) {
    struct case_ *c = begin(state);
    set(c, LIST_SETTING_SUBJECT_PREFIX, "[p]");
    assert_string_equal(make(c, "To: x"), "To: x\r\nSubject: [p] (no subject)\r\n");
    set(c, LIST_SETTING_SUBJECT_PREFIX, "");
    set(c, LIST_SETTING_MSG_FOOTER, "foot");
    assert_string_equal(make(c, "To: x"), "To: x\r\n\r\nfoot\r\n");
    set(c, LIST_SETTING_MSG_FOOTER, "");
    set(c, LIST_SETTING_SUBJECT_PREFIX, "[p]");
    assert_string_equal(make(c, "Subject:\r\n folded\r\n\r\nb\r\n"), "Subject: [p] folded\r\n\r\nb\r\n");
}

static void test_footer__is_not_what_the_boundary_says(void **state) {
    struct case_ *c = begin(state);
    set(c, LIST_SETTING_MSG_FOOTER, "a\n--b--\nc");
    make(c, LINES("multipart/mixed; boundary=b") "\r\n--b\r\n\r\none\r\n--b--\r\n");
    assert_string_equal(c->edition.what, "header and footer as parts around the post");
    set(c, LIST_SETTING_MSG_FOOTER, "-- \nme");
    assert_string_equal(make(c, LINES("text/plain; format=flowed") "\r\nb\r\n"),
                        LINES("text/plain; format=flowed") "\r\nb\r\n-- \r\nme\r\n");
}

/* Quoted parameters by the thousand cost no more than they are long. */
static void test_edition__of_a_costly_header(void **state) {
    struct case_ *c = begin(state);
    struct buf post = BUF_INIT(1 << 20);
    buf_add_str(&post, "Content-Type: text/plain");
    for (int i = 0; i < 3000; i++)
        buf_add_str(&post, ";\r\n a=\"\"");
    buf_add_str(&post, "\r\n\r\nb\r\n");
    assert_string_equal(make(c, post.data), post.data);
    buf_done(&post);
}

static void test_recipe__composes(void **state) {
    struct case_ *c = begin(state);
    struct recipe first = recipe_in(&c->arena), second = recipe_in(&c->arena), both = recipe_in(&c->arena);
    struct buf one = BUF_INIT(100), two = BUF_INIT(100), at_once = BUF_INIT(100);
    recipe_copy(&first, 2, 3);
    recipe_text(&first, VIEW("xyz"));
    recipe_copy(&first, 7, 3);
    recipe_text(&second, VIEW("<"));
    recipe_copy(&second, 1, 4);
    recipe_text(&second, VIEW("|"));
    recipe_copy(&second, 5, 4);
    view source = VIEW("0123456789");
    recipe_compose(&first, &second, &both);
    recipe_render(&first, 0, first.count, source, NULL, &one);
    recipe_render(&second, 0, second.count, buf_view(&one), NULL, &two);
    recipe_render(&both, 0, both.count, source, NULL, &at_once);
    assert_string_equal(two.data, "<34xy|z789");
    assert_string_equal(at_once.data, two.data);
    buf_done(&one);
    buf_done(&two);
    buf_done(&at_once);
}

static void test_recipe__from_the_store_stays_in_its_source(void **state) {
    struct case_ *c = begin(state);
    struct recipe r = recipe_in(&c->arena), got;
    struct buf stored = BUF_INIT(1000);
    recipe_copy(&r, 3, 5);
    recipe_write(&r, &stored);
    assert_true(recipe_read(buf_view(&stored), 8, &c->arena, &got));
    assert_false(recipe_read(buf_view(&stored), 7, &c->arena, &got));
    assert_false(recipe_read(view_slice(buf_view(&stored), 0, stored.len - 1), 8, &c->arena, &got));
    assert_false(recipe_read(VIEW("nonsense"), 8, &c->arena, &got));
    buf_done(&stored);
}

static int set_up(void **state) {
    struct case_ *c = mem_alloc(sizeof *c);
    arena_init(&c->arena, 16 << 20);
    buf_init(&c->made, 1 << 20);
    *state = c;
    return 0;
}

static int tear_down(void **state) {
    struct case_ *c = *state;
    arena_done(&c->arena);
    buf_done(&c->made);
    free(c);
    return 0;
}

/* A signature that forbids changes spares a post the footer, and opens no way around what the list refuses.
 */
static void test_untouchable__the_list_s_rules_hold(void **state) {
    static const char alternatives[] = FROM
        "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nHi\r\n--b\r\n"
        "Content-Type: text/html\r\n\r\n<p>Hi\r\n--b--\r\n";
    struct case_ *c = begin(state);
    c->untouchable = true;
    set(c, LIST_SETTING_FILTER_CONTENT, "true");
    set(c, LIST_SETTING_MSG_FOOTER, "-- the list");
    assert_string_equal(make(c, alternatives), alternatives);
    assert_false(c->edition.nothing_left);
    set(c, LIST_SETTING_FILTER_TYPES, "text/html");
    make(c, alternatives);
    assert_true(c->edition.nothing_left);
    set(c, LIST_SETTING_FILTER_CONTENT, "false");
    set(c, LIST_SETTING_DMARC_MITIGATE_ACTION, "reject");
    c->forbidden = true;
    make(c, alternatives);
    assert_int_equal(c->edition.dmarc, EDITION_REFUSED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain__without_what_is_forged),
        cmocka_unit_test(test_approval__the_line_is_in_no_copy),
        cmocka_unit_test(test_approval__in_html),
        cmocka_unit_test(test_approval__behind_a_part_that_says_nothing),
        cmocka_unit_test(test_approval__is_a_text_where_nobody_can_give_one),
        cmocka_unit_test(test_approval__goes_before_filter_and_footer),
        cmocka_unit_test(test_edition__that_changes_nothing),
        cmocka_unit_test(test_fields__of_the_list),
        cmocka_unit_test(test_fields__one_click),
        cmocka_unit_test(test_unsubscribe__keys),
        cmocka_unit_test(test_fields__that_go),
        cmocka_unit_test(test_subject__gets_the_prefix),
        cmocka_unit_test(test_reply_to__as_the_list_is_set),
        cmocka_unit_test(test_anonymous__nothing_says_who_wrote),
        cmocka_unit_test(test_footer__becomes_lines_of_a_text),
        cmocka_unit_test(test_footer__becomes_a_part_of_a_mixed_message),
        cmocka_unit_test(test_footer__stands_beside_anything_else),
        cmocka_unit_test(test_footer__keeps_off_signed_and_encrypted_mail),
        cmocka_unit_test(test_personal__copies_name_their_member),
        cmocka_unit_test(test_filter__takes_parts_out),
        cmocka_unit_test(test_filter__passes_only_what_is_named),
        cmocka_unit_test(test_filter__may_leave_nothing),
        cmocka_unit_test(test_filter__takes_the_first_alternative),
        cmocka_unit_test(test_filter__makes_html_plain),
        cmocka_unit_test(test_filter__looks_into_messages),
        cmocka_unit_test(test_filter__refuses_what_it_cannot_see),
        cmocka_unit_test(test_anonymous__not_even_behind_odd_lines),
        cmocka_unit_test(test_untouchable__the_list_s_rules_hold),
        cmocka_unit_test(test_fields__uris_hold_no_lines),
        cmocka_unit_test(test_fields__begin_lines),
        cmocka_unit_test(test_footer__is_not_what_the_boundary_says),
        cmocka_unit_test(test_edition__of_a_costly_header),
        cmocka_unit_test(test_recipe__composes),
        cmocka_unit_test(test_recipe__from_the_store_stays_in_its_source),
    };
    return cmocka_run_group_tests_name("lists/edition", tests, set_up, tear_down);
}
