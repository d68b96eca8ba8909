/* main.c: the program `postroad`: finds the command in the table (commands.def), takes its words apart by its
 * row, runs it, and turns the result into an exit status.
 *
 * Trusts: whoever runs it; it acts as the owner of the instance. May touch: the instance's directory and its
 * store, through the operations marked R_CLI. Everything it changes is one transaction or a series of slices
 * that may be repeated, so it can be stopped at any time. */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mail/address.h"

#define GLOBAL_OPTIONS " [-C DIR] [--json] [--help] [-h] [--version]"
enum { ARENA_BYTES = 1 << 30, OUT_BYTES = 256 * 1024, NAMES_MAX = 64 };

static const struct command {
    const char *noun, *verb;
    cli_command run;
    const char *arguments, *help;
} commands[] = {
#define COMMAND(noun, verb, function, arguments, help) {noun, verb, cmd_##function, arguments, help},
#include "cli/commands.def"
#undef COMMAND
};

static bool is_noun(const struct command *k, const char *noun) {
    return strcmp(k->noun, noun) == 0;
}

/* NULL stands for any. */
static bool fits(const struct command *k, const char *noun, const char *verb) {
    return (!noun || is_noun(k, noun)) && (!verb || strcmp(k->verb, verb) == 0);
}

static size_t count_fitting(const char *noun, const char *verb) {
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        n += fits(&commands[i], noun, verb);
    return n;
}

static void print_usage(struct cli *c, const struct command *k) {
    cli_print(c, "postroad%s %s%s%s%s%s\n    %s.\n", strcmp(k->noun, "init") == 0 ? "" : " [-C DIR]", k->noun,
              *k->verb ? " " : "", k->verb, *k->arguments ? " " : "", k->arguments, k->help);
}

static void print_help(struct cli *c) {
    cli_print(c, "Postroad " POSTROAD_VERSION ": mail for open communities.\n\n"
                 "postroad [-C DIR] [--json] COMMAND ...\n"
                 "    -C DIR     the instance; without it the current directory\n"
                 "    --json     for programs: a listing is an array of objects, one thing an object\n"
                 "    --version  print the version\n\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s %s", commands[i].noun, commands[i].verb);
        cli_print(c, "%-15s %s\n", name, commands[i].help);
    }
    cli_print(c, "\nMore about one: postroad help COMMAND\n"
                 "Exit status: 0 done, 1 not found or \"no\", 2 wrong usage or configuration, 70 broken, "
                 "75 try again later.\n");
}

static void json_help(struct cli *c, const char *noun, const char *verb) {
    json_t *all = json_array();
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (fits(&commands[i], noun, verb))
            json_array_append_new(all,
                                  json_pack("{ssssssss}", "noun", commands[i].noun, "verb", commands[i].verb,
                                            "arguments", commands[i].arguments, "help", commands[i].help));
    cli_json(c, all);
}

/* Names of nouns, or of the verbs of a noun; without repetitions, NULL at the end. */
static void collect_names(const char *noun, const char *names[NAMES_MAX]) {
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const char *name = noun ? commands[i].verb : commands[i].noun;
        if (fits(&commands[i], noun, NULL) && *name && n + 1 < NAMES_MAX &&
            (n == 0 || strcmp(names[n - 1], name) != 0))
            names[n++] = name;
    }
    names[n] = NULL;
}

/* `noun` NULL: the noun itself is not known. */
static bool unknown(const char *noun, const char *word, struct err *e) {
    const char *names[NAMES_MAX];
    collect_names(noun, names);
    const char *near = args_nearest(view_of(word), names), *first = noun ? noun : "", *gap = noun ? " " : "";
    if (near)
        return err_set(e, ERR_USAGE, "no command %s%s%.60s; did you mean %s%s%s?", first, gap, word, first,
                       gap, near);
    if (!noun)
        return err_set(e, ERR_USAGE, "no command %.60s; postroad help shows them all", word);
    struct buf all = BUF_INIT(LIMIT_ERR_TEXT / 2);
    for (size_t i = 0; names[i]; i++)
        buf_printf(&all, "%s%s", i == 0 ? "" : ", ", names[i]);
    err_set(e, ERR_USAGE, "no command %s %.60s; there is %s", noun, word, all.data);
    buf_done(&all);
    return false;
}

/* How many words a command's name has when these begin with it; 0: they do not. A verb may be two, "key
 * create". */
static size_t match(const struct command *k, char *const *argv, size_t argc) {
    view rest = view_of(k->verb), word;
    size_t n = 1;
    if (!is_noun(k, argv[0]))
        return 0;
    for (; view_split(&rest, ' ', &word); n++)
        if (n >= argc || !view_eq(word, view_of(argv[n])))
            return 0;
    return n;
}

/* The command of argv[0..]; *ret_words: how many words its name has. */
static const struct command *find_command(char *const *argv, size_t argc, size_t *ret_words, struct err *e) {
    const char *noun = argv[0], *verb = argc > 1 ? argv[1] : NULL;
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        *ret_words = match(&commands[i], argv, argc);
        if (*ret_words > 0)
            return &commands[i];
    }
    if (count_fitting(noun, NULL) == 0)
        unknown(NULL, noun, e);
    else if (!verb || *verb == '-')
        err_set(e, ERR_USAGE, "%s what? postroad help %s shows its verbs", noun, noun);
    else
        unknown(noun, verb, e);
    return NULL;
}

bool cmd_help(struct cli *c, struct err *e) {
    const char *noun = c->args.count > 0 ? c->args.words[0] : NULL;
    const char *verb = c->args.count > 1 ? c->args.words[1] : NULL;
    if (c->args.count > 2)
        verb = arena_printf(&c->arena, "%s %s", verb, c->args.words[2]).ptr;
    if (count_fitting(noun, verb) == 0)
        return count_fitting(noun, NULL) == 0 ? unknown(NULL, noun, e) : unknown(noun, verb, e);
    if (c->json)
        json_help(c, noun, verb);
    else if (!noun)
        print_help(c);
    else
        for (size_t i = 0; i < COUNT_OF(commands); i++)
            if (fits(&commands[i], noun, verb))
                print_usage(c, &commands[i]);
    return true;
}

bool cli_config(struct cli *c, struct err *e) {
    if (c->config)
        return true;
    if (!c->dir) {
        FREE_AUTO char *here = realpath("postroad.conf", NULL);
        if (!here)
            return err_set(e, ERR_CONFIG, "which instance? Say -C DIR, or make one with postroad init");
    }
    if (!config_load(c->dir ? c->dir : ".", &c->config, e))
        return false;
    FREE_AUTO char *clock = config_path(c->config, "data/run/clock");
    return clock_attach(clock, e);
}

bool cli_call(struct cli *c, struct store_request *r, struct err *e) {
    if (!cli_config(c, e))
        return false;
    if (!c->store && !(c->store = store_open(c->config, R_CLI, 1, e)))
        return false;
    return store_call(c->store, r, e);
}

void cli_close_store(struct cli *c) {
    store_close(&c->store);
}

bool cli_address(struct cli *c, const char *text, view *ret_address, struct err *e) {
    return address_normalise_text(view_of(text), &c->arena, ret_address, e) || err_prefix(e, "%.100s", text);
}

bool cli_domain(struct cli *c, const char *text, view *ret_domain, struct err *e) {
    return domain_normalise(view_of(text), &c->arena, ret_domain, e) || err_prefix(e, "%.100s", text);
}

view cli_hostname(struct cli *c) {
    char name[256] = "";
    if (*c->config->hostname)
        return view_of(c->config->hostname);
    if (gethostname(name, sizeof name - 1) < 0 || !*name)
        return VIEW("localhost");
    return arena_view(&c->arena, view_of(name));
}

/* Options in front of the command. *ret_used: how many words they are. */
static bool front_options(struct cli *c, char *const *argv, size_t argc, size_t *ret_used, bool *ret_help,
                          bool *ret_version, struct err *e) {
    size_t n = 0;
    while (n < argc && argv[n][0] == '-' && argv[n][1])
        n += strcmp(argv[n], "-C") == 0 ? 2 : 1;
    *ret_used = n < argc ? n : argc;
    struct args a;
    bool ok = args_parse(GLOBAL_OPTIONS, argv, *ret_used, &a, e);
    c->dir = args_get(&a, "-C");
    c->json = args_has(&a, "--json");
    *ret_help = args_has(&a, "--help") || args_has(&a, "-h");
    *ret_version = args_has(&a, "--version");
    args_done(&a);
    return ok;
}

/* Of a command that takes its words itself. */
static bool asks_for_help(char *const *argv, size_t argc) {
    return argc == 1 && strcmp(argv[0], "--help") == 0;
}

static bool run_command(struct cli *c, const struct command *k, char *const *argv, size_t argc,
                        struct err *e) {
    if (k->run == cmd_mailman || (k->run == cmd_sendmail && !asks_for_help(argv, argc))) {
        c->argv = argv;
        c->argc = argc;
        return k->run(c, e);
    }
    FREE_AUTO char *spec = mem_printf("%s" GLOBAL_OPTIONS, k->arguments);
    if (!args_parse(spec, argv, argc, &c->args, e))
        return err_prefix(e, "%s%s%s", k->noun, *k->verb ? " " : "", k->verb);
    if (args_get(&c->args, "-C"))
        c->dir = args_get(&c->args, "-C");
    c->json = c->json || args_has(&c->args, "--json");
    if (args_has(&c->args, "--help") || args_has(&c->args, "-h")) {
        print_usage(c, k);
        return true;
    }
    return k->run(c, e);
}

static void print_version(struct cli *c) {
    if (c->json)
        cli_json(c, json_pack("{ss}", "version", POSTROAD_VERSION));
    else
        cli_print(c, "postroad " POSTROAD_VERSION "\n");
}

/* `postroad list --help` */
static bool asks_about_noun(char *const *argv, size_t argc) {
    return argc == 2 && count_fitting(argv[0], NULL) > 0 &&
           (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
}

/* *ret_command: the command whose usage may help after an error. */
static bool run(struct cli *c, char *const *argv, size_t argc, const struct command **ret_command,
                struct err *e) {
    size_t used, words = 0;
    bool help, version;
    if (!front_options(c, argv, argc, &used, &help, &version, e))
        return false;
    argv += used;
    argc -= used;
    if (version) {
        print_version(c);
        return true;
    }
    if (argc == 0)
        return help ? cmd_help(c, e)
                    : err_set(e, ERR_USAGE, "no command given; postroad help shows them all");
    if (help || asks_about_noun(argv, argc))
        return args_parse("NOUN [VERB] [--help] [-h]", argv, argc, &c->args, e) && cmd_help(c, e);
    const struct command *k = find_command(argv, argc, &words, e);
    if (!k)
        return false;
    *ret_command = k;
    return run_command(c, k, argv + words, argc - words, e);
}

static const char *called_as(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Names under which this program is another one, that takes its words itself. */
static cli_command other_program(const char *name) {
    static const struct {
        const char *name;
        cli_command run;
    } programs[] = {{"sendmail", cmd_sendmail},
                    {"mailq", cmd_sendmail},
                    {"newaliases", cmd_sendmail},
                    {"postroad-mailman", cmd_mailman},
                    {"mailman", cmd_mailman}};
    for (size_t i = 0; i < COUNT_OF(programs); i++)
        if (strcmp(name, programs[i].name) == 0)
            return programs[i].run;
    return NULL;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error like any other */
    struct cli c = {.out = BUF_INIT(OUT_BYTES)};
    struct err e = {.code = ERR_OK};
    const struct command *command = NULL;
    arena_init(&c.arena, ARENA_BYTES);
    size_t words = argc > 0 ? (size_t)argc - 1 : 0;
    c.called = called_as(argc > 0 ? argv[0] : "");
    c.argv = argv + 1;
    c.argc = words;
    cli_command other = other_program(c.called);
    bool ok = other ? other(&c, &e) : run(&c, argv + 1, words, &command, &e);
    cli_progress_end(&c);
    cli_close_store(&c);
    struct err out_err;
    bool written = cli_flush(&c, &out_err);
    if (ok && !written) {
        ok = false;
        e = out_err;
    }
    if (!ok)
        fprintf(stderr, "postroad: %s\n", e.text);
    if (!ok && e.code == ERR_USAGE && command)
        fprintf(stderr, "usage: postroad %s%s%s %s\n", command->noun, *command->verb ? " " : "",
                command->verb, command->arguments);
    int status = ok ? c.status : err_info(e.code)->exit;
    config_free(c.config);
    args_done(&c.args);
    arena_done(&c.arena);
    buf_done(&c.out);
    return status;
}
