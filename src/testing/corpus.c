/* corpus.c: walks the shared corpora for tests. Unpacking is left to tar and gzip. */
#include "testing/corpus.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

enum { READ_CHUNK = 1 << 20 };

struct walk {
    corpus_visit *visit;
    void *context;
    const char *suffix; /* of files to take whole, or NULL */
    size_t count;
};

static bool is_oracle(view path) {
    static const char *const endings[] = {".json",   ".xml",   ".out",    ".md",
                                          "LICENSE", "NOTICE", "COPYING", "README"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (view_ends_with(path, view_of(endings[i])))
            return true;
    return view_search(path, VIEW("_decoded")) >= 0;
}

/* Messages of an mbox begin at a "From " line behind an empty line, or at the start. */
static void visit_messages(struct walk *w, const char *path, view text) {
    if (w->suffix || !view_starts_with(text, VIEW("From "))) {
        w->visit(path, text, w->context);
        w->count++;
        return;
    }
    while (text.len) {
        ptrdiff_t at = view_search(view_skip(text, 1), VIEW("\nFrom "));
        size_t len = at < 0 ? text.len : (size_t)at + 2;
        w->visit(path, view_slice(text, 0, len), w->context);
        w->count++;
        text = view_skip(text, len);
    }
}

static FILE *open_unpacked(const char *path) {
    FREE_AUTO char *command = NULL;
    if (view_ends_with(view_of(path), VIEW(".tar.xz")))
        command = mem_printf("tar -xJOf '%s'", path);
    else if (view_ends_with(view_of(path), VIEW(".gz")))
        command = mem_printf("gzip -dc '%s'", path);
    return command ? popen(command, "r") : fopen(path, "rb");
}

/* `size`: of the file; a packed one needs more than that. */
static void visit_file(struct walk *w, const char *path, size_t size) {
    size_t len = 0, cap = size + 1, n;
    FREE_AUTO char *text = mem_resize(NULL, cap, 1);
    FILE *f = open_unpacked(path);
    if (!f) {
        printf("skipped: %s cannot be read\n", path);
        return;
    }
    while ((n = fread(text + len, 1, cap - len, f)) > 0) {
        len += n;
        if (len == cap)
            text = mem_resize(text, cap = 2 * cap + READ_CHUNK, 1);
    }
    /* A message of its own allocation: reading behind its end is found. */
    FREE_AUTO char *exact = mem_resize(NULL, len, 1);
    memcpy(exact, text, len);
    visit_messages(w, path, view_from(exact, len));
    if (view_ends_with(view_of(path), VIEW("z")))
        pclose(f);
    else
        fclose(f);
}

static void walk(struct walk *w, const char *path) {
    struct stat st;
    if (stat(path, &st) < 0)
        return;
    if (S_ISREG(st.st_mode)) {
        bool wanted =
            w->suffix ? view_ends_with(view_of(path), view_of(w->suffix)) : !is_oracle(view_of(path));
        if (wanted)
            visit_file(w, path, (size_t)st.st_size);
        return;
    }
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        FREE_AUTO char *child = mem_printf("%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            walk(w, child);
        free(entries[i]);
    }
    free(entries);
}

static size_t walk_shared(struct walk *w, const char *folder) {
    view rest = view_of(getenv("POSTROAD_SHARED")), root;
    while (view_split(&rest, ':', &root)) {
        FREE_AUTO char *path = mem_printf("%.*s/corpus/%s", VIEW_ARG(root), folder);
        struct stat st;
        if (stat(path, &st) < 0)
            continue;
        walk(w, path);
        printf("%s: %zu read\n", *folder ? folder : "corpus", w->count);
        return w->count;
    }
    printf("skipped: POSTROAD_SHARED names no folder with corpus/%s\n", folder);
    return 0;
}

size_t corpus_each(const char *folder, corpus_visit *visit, void *context) {
    struct walk w = {.visit = visit, .context = context};
    return walk_shared(&w, folder);
}

size_t corpus_each_file(const char *folder, const char *suffix, corpus_visit *visit, void *context) {
    struct walk w = {.visit = visit, .context = context, .suffix = suffix};
    return walk_shared(&w, folder);
}

bool corpus_message_of(const char *json_path, struct buf *out) {
    view base = view_of(json_path);
    bool crlf = view_ends_with(base, VIEW(".crlf.json"));
    base.len -= strlen(crlf ? ".crlf.json" : ".json");
    FREE_AUTO char *path = mem_printf("%.*s.eml", VIEW_ARG(base));
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    for (int c; (c = getc(f)) != EOF;) {
        if (c == '\n' && crlf)
            buf_add_char(out, '\r');
        if (c != '\r')
            buf_add_char(out, (char)c);
    }
    fclose(f);
    return true;
}
