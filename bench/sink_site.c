/*
 * The sites of postroad-sink: its listening addresses, and how each behaves. A table of them stands for the
 * world of a benchmark: a site is told by its address (127.x.y.z), so that a name server can lead domains to
 * it.
 */
#include "sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TABLE_LINE = 512,
};

struct site *site_add(struct sink *k, const char *name, const char *address) {
    if (k->n_sites == MAX_SITES)
        die("at most %d listening addresses", MAX_SITES);
    struct site *site = &k->sites[k->n_sites];
    if (!addr_parse(address, &site->addr))
        die("a listening address is a numeric HOST:PORT, not '%s'", address);
    snprintf(site->name, sizeof site->name, "%s", name);
    pthread_mutex_init(&site->lock, NULL);
    site->fd = -1;
    k->n_sites++;
    return site;
}

/* ---- the table ---- */

static bool take_word(struct site *site, const char *word) {
    const char *equals = strchr(word, '=');
    if (equals == NULL) {
        site->dead = strcmp(word, "dead") == 0;
        return site->dead;
    }
    if (strncmp(word, "delay=", 6) == 0)
        site->delay_ms = parse_long("delay", equals + 1, 0, 60000);
    else if (strncmp(word, "connections=", 12) == 0)
        site->max_conn = parse_long("connections", equals + 1, 1, 1000000);
    else if (strncmp(word, "rate=", 5) == 0)
        site->rate = parse_long("rate", equals + 1, 1, 1000000);
    else
        return false;
    return true;
}

static void take_line(struct sink *k, const char *file, int number, char *line) {
    char *rest = line;
    const char *name = strtok_r(rest, " \t\r\n", &rest);
    if (name == NULL || *name == '#')
        return;
    const char *address = strtok_r(rest, " \t\r\n", &rest);
    if (address == NULL)
        die("%s:%d: a site is NAME HOST:PORT and what it does; see --help", file, number);
    struct site *site = site_add(k, name, address);
    const char *word;
    while ((word = strtok_r(rest, " \t\r\n", &rest)) != NULL) {
        if (!take_word(site, word))
            die("%s:%d: a site takes delay=MS, connections=N, rate=N and dead, not '%s'", file, number, word);
    }
    site->tokens = (double)site->rate;
}

void sites_read(struct sink *k, const char *file) {
    char line[TABLE_LINE];
    FILE *in = fopen(file, "re");
    if (in == NULL)
        die("%s: %s", file, strerror(errno));
    for (int number = 1; fgets(line, sizeof line, in) != NULL; number++)
        take_line(k, file, number, line);
    fclose(in);
}

/* ---- listening ---- */

static void open_socket(struct site *site, int backlog) {
    int one = 1;
    char name[80];
    addr_format(&site->addr, name, sizeof name);
    site->fd = socket(site->addr.u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (site->fd < 0 || setsockopt(site->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(site->fd, &site->addr.u.sa, site->addr.len) != 0 || listen(site->fd, backlog) != 0)
        die("cannot listen on %s: %s", name, strerror(errno));
    site->addr.len = sizeof site->addr.u;
    if (getsockname(site->fd, &site->addr.u.sa, &site->addr.len) != 0)
        die("getsockname: %s", strerror(errno));
}

/*
 * A dead site's queue of connections is filled by ourselves and never emptied: the kernel then drops every
 * SYN, as if nobody were there. The two sockets live as long as the process.
 */
static void play_dead(struct site *site) {
    open_socket(site, 0);
    for (int i = 0; i < 2; i++) {
        int fd = socket(site->addr.u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 || (connect(fd, &site->addr.u.sa, site->addr.len) != 0 && errno != EINPROGRESS))
            die("cannot fill a dead site's queue: %s", strerror(errno));
    }
}

void sites_open(struct sink *k) {
    char name[80];
    for (int i = 0; i < k->n_sites; i++) {
        struct site *site = &k->sites[i];
        if (site->dead)
            play_dead(site);
        else
            open_socket(site, 4096);
        addr_format(&site->addr, name, sizeof name);
        if (site->name[0] == '\0')
            fprintf(stderr, "listening %s\n", name);
    }
    if (k->opt.sites_file != NULL)
        fprintf(stderr, "sites %d\n", k->n_sites);
}

/* ---- limits ---- */

/* The bucket holds what one second allows; a message to many recipients may overdraw it, and the debt is
 * waited for. */
bool site_rate_ok(struct site *site) {
    if (site->rate == 0)
        return true;
    pthread_mutex_lock(&site->lock);
    uint64_t now = now_us();
    if (site->filled_us != 0)
        site->tokens += (double)(now - site->filled_us) / 1e6 * (double)site->rate;
    if (site->tokens > (double)site->rate)
        site->tokens = (double)site->rate;
    site->filled_us = now;
    bool ok = site->tokens >= 1;
    pthread_mutex_unlock(&site->lock);
    if (!ok)
        site->refused_rate++;
    return ok;
}

void site_charge(struct site *site, long rcpts) {
    if (site->rate == 0)
        return;
    pthread_mutex_lock(&site->lock);
    site->tokens -= (double)rcpts;
    pthread_mutex_unlock(&site->lock);
}

/* ---- statistics ---- */

void sites_report(struct sink *k, struct buf *out) {
    const char *comma = "";
    buf_adds(out, ", \"sites\": {");
    for (int i = 0; i < k->n_sites; i++) {
        struct site *site = &k->sites[i];
        if (site->rate == 0 && site->max_conn == 0)
            continue;
        buf_adds(out, comma);
        buf_add_json(out, site->name);
        buf_addf(
            out,
            ": {\"recipients\": %ld, \"connections\": %ld, \"open_max\": %ld, \"refused_connections\": %ld, "
            "\"refused_rate\": %ld}",
            (long)site->rcpts, (long)site->connections, (long)site->open_max, (long)site->refused_connections,
            (long)site->refused_rate);
        comma = ", ";
    }
    buf_adds(out, "}");
}
