/* schema.c: every table, with its reason. Rows that live and die by the thousand are clustered by the key
 * they are read by: deliveries by destination and due time, events by message. Addresses are written once and
 * referred to by number, so that a fan-out of 50,000 recipients is 50,000 small rows. docs/states.md names
 * each row's last reader. */
#include "store/schema.h"

#include "base/id.h"

static const char first[] =
    /* What the instance knows about itself. */
    "CREATE TABLE instance(name {text} PRIMARY KEY, value {int} NOT NULL) {rowless};"
    /* Domains whose mail is taken. relay: it is passed on to the site's transport; listed: only that for
     * the addresses in relay_recipient. */
    "CREATE TABLE domain(name {text} PRIMARY KEY, created {int} NOT NULL, relay {int} NOT NULL, listed {int}"
    " NOT NULL) {rowless};"
    "CREATE TABLE relay_recipient(domain {text}, address {text}, PRIMARY KEY(domain, address)) {rowless};"
    /* A list; class is that of its copies (class.h); feed_last and uid_last number its archive feed and are
     * changed under the row's lock. */
    "CREATE TABLE list(id {id}, address {text} NOT NULL UNIQUE, title {text} NOT NULL, owner {text} NOT NULL,"
    " archive {text} NOT NULL, class {int} NOT NULL, created {int} NOT NULL, feed_last {int} NOT NULL,"
    " uid_last {int} NOT NULL);"
    /* What a deleted list leaves: its archive files go on where they ended, should it be made again. */
    "CREATE TABLE list_past(address {text} PRIMARY KEY, uid_last {int} NOT NULL) {rowless};"
    /* A domain that mail goes to. transport: "" (as the configuration says), else as net/transport.h
     * reads it; frozen: nothing is sent there until people say so. */
    "CREATE TABLE site(id {id}, name {text} NOT NULL UNIQUE, transport {text} NOT NULL, frozen {int} NOT "
    "NULL);"
    /* The queue to a site in one class of traffic: id is DESTINATION(site, class) of class.h. due: when it is
     * worth a look; owner, batch, until: the lease. */
    "CREATE TABLE destination(id {int} PRIMARY KEY, owner {text} NOT NULL, batch {int} NOT "
    "NULL, until {int} NOT NULL, due {int} NOT NULL, tries {int} NOT NULL, error {text} NOT NULL);"
    "CREATE INDEX destination_due ON destination(due);"
    "CREATE INDEX destination_batch ON destination(batch) WHERE batch > 0;"
    "CREATE TABLE address(id {id}, text {text} NOT NULL UNIQUE, site {int} NOT NULL);"
    "CREATE INDEX address_lower ON address(lower(text));" /* for people who look for one */
    /* Clustered by site, the order in which an expansion writes deliveries. */
    "CREATE TABLE member(list {int}, site {int}, addr {int}, since {int} NOT NULL, PRIMARY KEY(list, site, "
    "addr))"
    " {rowless};"
    "CREATE INDEX member_addr ON member(addr);"
    /* Aliases belong to a source: "manual", or what was imported under a name. live: the version of the
     * source that is seen; staging: the import under way, 0: none. An alias is there in the versions
     * first <= version < ended; nothing is deleted when it ends, so what was before can be asked. What an
     * import has written is seen by no one until live changes, and is left for the next import to take up
     * when it stops before. */
    "CREATE TABLE alias_source(name {text} PRIMARY KEY, live {int} NOT NULL, staging {int} NOT NULL) "
    "{rowless};"
    "CREATE TABLE alias(address {text}, source {text}, target {text}, first {int}, ended {int} NOT NULL,"
    " PRIMARY KEY(address, source, target, first)) {rowless};"
    /* Who made a version, when (ms), and what it was; staging: the import that did. */
    "CREATE TABLE alias_version(source {text}, version {int}, at {int} NOT NULL, who {text} NOT NULL,"
    " note {text} NOT NULL, added {int} NOT NULL, removed {int} NOT NULL, staging {int} NOT NULL,"
    " PRIMARY KEY(source, version)) {rowless};"
    /* The envelope and what we know of a message; kept as long as its events. envid: RFC 3461, in xtext.
     * gone: the body was reaped. */
    "CREATE TABLE message(id {int} PRIMARY KEY, sender {text} NOT NULL, msgid {text} NOT NULL, size {int} "
    "NOT NULL,"
    " sha256 {bytes} NOT NULL, fields {bytes} NOT NULL, origin {text} NOT NULL, flags {int} NOT NULL,"
    " envid {text} NOT NULL, gone {int} NOT NULL);"
    "CREATE INDEX message_msgid ON message(msgid);"
    "CREATE INDEX message_sender ON message(sender, id);"
    "CREATE INDEX message_live ON message(id) WHERE gone = 0;"
    /* Which notification was sent about a message; the others' origin is of no use as a key. */
    "CREATE INDEX message_notice ON message(origin) WHERE sender = '';"
    /* Bytes: piece 0 has the message's id, further pieces an id of their own. */
    "CREATE TABLE body(id {int} PRIMARY KEY, message {int} NOT NULL, seq {int} NOT NULL, bytes {bytes} NOT "
    "NULL);"
    "CREATE UNIQUE INDEX body_more ON body(message, seq) WHERE seq > 0;"
    /* Accepted, not yet routed. notify: enum dsn_notify; orcpt: RFC 3461, in xtext, or empty. */
    "CREATE TABLE recipient(message {int}, n {int}, address {text} NOT NULL, notify {int} NOT NULL,"
    " orcpt {text} NOT NULL, PRIMARY KEY(message, n)) {rowless};"
    "CREATE TABLE inbox(message {int} PRIMARY KEY, owner {text} NOT NULL, batch {int} NOT NULL, until "
    "{int} NOT NULL);"
    "CREATE INDEX inbox_batch ON inbox(batch) WHERE batch > 0;"
    /* A list's members being turned into deliveries, slice by slice: site, addr are the cursor (ADR 3). */
    "CREATE TABLE expansion(message {int}, list {int}, class {int} NOT NULL, site {int} NOT NULL, addr {int} "
    "NOT "
    "NULL, made {int} "
    "NOT NULL,"
    " PRIMARY KEY(message, list)) {rowless};"
    /* list 0: not a list copy. flags: enum delivery_flags. */
    "CREATE TABLE delivery(dest {int}, due {int}, message {int}, list {int}, rcpt {int}, tries {int} NOT "
    "NULL, flags {int} NOT NULL,"
    " PRIMARY KEY(dest, due, message, list, rcpt)) {rowless};"
    /* A message's rows in the order people page through them. */
    "CREATE INDEX delivery_message ON delivery(message, dest);"
    /* The recipient as the sender first wrote it, where that was given (RFC 3461 4.2). */
    "CREATE TABLE orcpt(message {int}, rcpt {int}, text {text} NOT NULL, PRIMARY KEY(message, rcpt)) "
    "{rowless};"
    "CREATE TABLE event(message {int}, id {int}, kind {int} NOT NULL, rcpt {int} NOT NULL, list {int} NOT "
    "NULL,"
    " host {text} NOT NULL, detail {text} NOT NULL, PRIMARY KEY(message, id)) {rowless};"
    "CREATE INDEX event_rcpt ON event(rcpt) WHERE rcpt > 0;"
    /* How often a message has killed the worker of a role, and what is set aside from a role (ADR 4). */
    "CREATE TABLE work(role {text}, message {int}, crashes {int} NOT NULL, process {int} NOT "
    "NULL,"
    " PRIMARY KEY(role, message)) {rowless};"
    "CREATE TABLE hold(message {int}, role {text}, reason {text} NOT NULL, since {int} NOT NULL, "
    "PRIMARY KEY(message, role)) {rowless};"
    /* The archive's log of operations per list, its followers, and what a list's archive has. */
    "CREATE TABLE feed(list {int}, n {int}, action {int} NOT NULL, message {int} NOT NULL, uid {int} NOT "
    "NULL,"
    " PRIMARY KEY(list, n)) {rowless};"
    "CREATE INDEX feed_message ON feed(message);"
    "CREATE TABLE archive_node(node {text} PRIMARY KEY, since {int} NOT NULL) {rowless};"
    "CREATE TABLE follower(node {text}, list {int}, cursor {int} NOT NULL, PRIMARY KEY(node, list)) "
    "{rowless};"
    "CREATE TABLE post(list {int}, uid {int}, sha256 {bytes} NOT NULL, msgid {text} NOT NULL, PRIMARY "
    "KEY(list, uid))"
    " {rowless};"
    "CREATE UNIQUE INDEX post_sha256 ON post(list, sha256);"
    "INSERT INTO instance VALUES('schema', 0);";

/* What stands behind the last "@" of an address. */
#define DOMAIN_OF(address)                                                                                   \
    "substr(" address ", length(rtrim(" address ", replace(" address ", '@', ''))) + 1)"

/* ADR 18: users with several addresses, memberships in roles, preferences, settings, what waits for a yes. */
static const char lists[] =
    /* Ids of users and memberships, given out in blocks, so that many are made without waiting for each. */
    "INSERT INTO instance VALUES('person_last', 0);"
    /* preferred: the address that memberships as a user follow; 0: none. */
    "CREATE TABLE users(id {int} PRIMARY KEY, name {text} NOT NULL, preferred {int} NOT NULL, created {int} "
    "NOT NULL);"
    /* An address as its owner registered it; verified: when it was proven to be theirs; 0: never. */
    "CREATE TABLE mailbox(addr {int} PRIMARY KEY, original {text} NOT NULL, name {text} NOT NULL,"
    " registered {int} NOT NULL, verified {int} NOT NULL, userid {int} NOT NULL);"
    "CREATE INDEX mailbox_user ON mailbox(userid);"
    /* Clustered by role and site, the order in which an expansion writes deliveries. follows: it is the
     * user's, and moves with the preferred address. status, hidden: what the preferences come to
     * (preference.h), so that an expansion looks at no other table. */
    "ALTER TABLE member RENAME TO member_first;"
    "DROP INDEX member_addr;"
    "CREATE TABLE member(list {int}, role {int}, site {int}, addr {int}, id {int} NOT NULL, follows {int} "
    "NOT NULL,"
    " since {int} NOT NULL, status {int} NOT NULL, hidden {int} NOT NULL, PRIMARY KEY(list, role, site, "
    "addr)) {rowless};"
    "INSERT INTO member SELECT list, 1, site, addr, row_number() OVER (ORDER BY list, site, addr), 0, since, "
    "0, 0"
    " FROM member_first;"
    "INSERT INTO site(name, transport, frozen) SELECT DISTINCT " DOMAIN_OF(
        "owner") ", '', 0 FROM list"
                 " WHERE owner <> '' ON CONFLICT DO NOTHING;"
                 "INSERT INTO address(text, site) SELECT DISTINCT l.owner, s.id FROM list l JOIN site s ON "
                 "s.name = " DOMAIN_OF(
                     "l.owner") " WHERE l.owner <> '' ON CONFLICT DO NOTHING;"
                                "INSERT INTO member SELECT l.id, 2, a.site, a.id, (SELECT count(*) FROM "
                                "member_first)"
                                " + row_number() OVER (ORDER BY l.id), 0, l.created, 0, 0 FROM list l JOIN "
                                "address a ON a.text = l.owner;"
                                "ALTER TABLE list DROP COLUMN owner;"
                                "DROP TABLE member_first;"
                                "CREATE UNIQUE INDEX member_id ON member(id);"
                                "CREATE INDEX member_addr ON member(addr);"
                                "UPDATE instance SET value = (SELECT count(*) FROM member) WHERE name = "
                                "'person_last';"
                                "INSERT INTO mailbox SELECT a.id, a.text, '', known.since, 0,"
                                " (SELECT count(*) FROM member) + row_number() OVER (ORDER BY a.id)"
                                " FROM (SELECT addr, min(since) AS since FROM member GROUP BY addr) AS known "
                                "JOIN address a ON a.id = "
                                "known.addr;"
                                "INSERT INTO users SELECT userid, '', 0, registered FROM mailbox;"
                                "UPDATE instance SET value = value + (SELECT count(*) FROM users) WHERE name "
                                "= 'person_last';"
                                /* What somebody prefers, on the level of a membership, an address or a user;
                                   until: 0 for ever. */
                                "CREATE TABLE preference(level {int}, owner {int}, kind {int}, value {int} "
                                "NOT NULL, until {int} NOT "
                                "NULL,"
                                " PRIMARY KEY(level, owner, kind)) {rowless};"
                                "CREATE INDEX preference_until ON preference(until) WHERE until > 0;"
                                /* Settings that are not the default; scope: a list, "@" and a domain, or
                                   empty: everywhere. */
                                "CREATE TABLE setting(scope {text}, name {text}, value {text} NOT NULL, "
                                "PRIMARY KEY(scope, name)) "
                                "{rowless};"
                                /* A subscription or its end that waits for the subscriber or for a moderator.
                                 */
                                "CREATE TABLE request(token {text} PRIMARY KEY, list {int} NOT NULL, kind "
                                "{int} NOT NULL, addr {int} NOT "
                                "NULL,"
                                " follows {int} NOT NULL, proofs {int} NOT NULL, waits {int} NOT NULL, "
                                "created {int} NOT NULL, expires "
                                "{int} NOT NULL);"
                                "CREATE UNIQUE INDEX request_addr ON request(list, kind, addr);"
                                "CREATE INDEX request_expires ON request(expires);";

/* ADR 19: what the rules of lists look at, and what they hold. */
static const char rules[] =
    /* What the preferences of a member come to, as status and hidden are. */
    "ALTER TABLE member ADD COLUMN action {int} NOT NULL DEFAULT 0;"
    /* Who may not post or subscribe: an address, or (regex 1) an expression; scopes as those of settings, but
     * here all of them count. */
    "CREATE TABLE ban(scope {text}, regex {int}, pattern {text}, PRIMARY KEY(scope, regex, pattern)) "
    "{rowless};"
    /* Fields that decide, in the order of positions. action: enum moderation; tag: a word to find it by. */
    "CREATE TABLE header_match(scope {text}, position {int}, header {text} NOT NULL, pattern {text} NOT "
    "NULL, action {int} NOT NULL, tag {text} NOT NULL, PRIMARY KEY(scope, position)) {rowless};"
    /* A post that waits for a moderator of the list. */
    "CREATE TABLE held_post(id {id}, message {int} NOT NULL, list {int} NOT NULL, sha256 {bytes} NOT NULL,"
    " msgid {text} NOT NULL, sender {text} NOT NULL, subject {text} NOT NULL, rule {text} NOT NULL,"
    " reason {text} NOT NULL, since {int} NOT NULL);"
    "CREATE UNIQUE INDEX held_post_sha256 ON held_post(list, sha256);"
    "CREATE INDEX held_post_message ON held_post(message);";

/* ADR 20: the list's edition of a post. */
static const char editions[] =
    /* How many posts the list has taken. */
    "ALTER TABLE list ADD COLUMN posts {int} NOT NULL DEFAULT 0;"
    "UPDATE list SET posts = uid_last;"
    "INSERT INTO setting(scope, name, value) SELECT address, 'description', title FROM list WHERE title <> "
    "'';"
    "ALTER TABLE list DROP COLUMN title;"
    /* number: of the post on the list; skips: members it is not sent to though they get posts. */
    "ALTER TABLE expansion ADD COLUMN number {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE expansion ADD COLUMN skips {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE expansion ADD COLUMN flags {int} NOT NULL DEFAULT 0;"
    "CREATE TABLE expansion_skip(message {int}, list {int}, addr {int}, PRIMARY KEY(message, list, addr)) "
    "{rowless};"
    /* What the list sends, as lists/recipe.h has it. kept: enum edition_kept. */
    "CREATE TABLE edition(message {int}, list {int}, kept {int} NOT NULL, recipe {bytes} NOT NULL,"
    " PRIMARY KEY(message, list));"
    /* Of a post that the archive keeps as the list sent it: what that is; size 0: nothing was left of it. */
    "CREATE TABLE post_kept(list {int}, uid {int}, size {int} NOT NULL, sha256 {bytes} NOT NULL,"
    " PRIMARY KEY(list, uid)) {rowless};"
    /* How many letters programs of ours wrote to an address on a day (of the epoch). */
    "CREATE TABLE autoresponse(day {int}, address {text}, letters {int} NOT NULL, PRIMARY KEY(day, address)) "
    "{rowless};"
    /* Random keys that what goes out is signed with. */
    "CREATE TABLE secret(name {text} PRIMARY KEY, value {bytes} NOT NULL) {rowless};";

/* ADR 21: what programs that manage lists want to know, and what comes back from members. */
static const char programs[] =
    /* Keys that programs show. kept: base/password.h. */
    "CREATE TABLE api_key(name {text} PRIMARY KEY, kept {text} NOT NULL, created {int} NOT NULL) {rowless};"
    "ALTER TABLE domain ADD COLUMN description {text} NOT NULL DEFAULT '';"
    "ALTER TABLE domain ADD COLUMN alias_domain {text} NOT NULL DEFAULT '';"
    "CREATE INDEX domain_alias ON domain(alias_domain) WHERE alias_domain <> '';"
    "CREATE TABLE domain_owner(domain {text}, userid {int}, PRIMARY KEY(domain, userid)) {rowless};"
    /* password: as base/password.h keeps it, or empty. server_owner: 1 may do everything. */
    "ALTER TABLE users ADD COLUMN password {text} NOT NULL DEFAULT '';"
    "ALTER TABLE users ADD COLUMN server_owner {int} NOT NULL DEFAULT 0;"
    /* last_post: when the list took its last post; 0: never. volume, issue: of the next digest. */
    "ALTER TABLE list ADD COLUMN last_post {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE list ADD COLUMN volume {int} NOT NULL DEFAULT 1;"
    "ALTER TABLE list ADD COLUMN issue {int} NOT NULL DEFAULT 1;"
    "ALTER TABLE list ADD COLUMN digest_sent {int} NOT NULL DEFAULT 0;"
    /* With archive none: the last UID before it was switched off. */
    "ALTER TABLE list ADD COLUMN unarchived {int} NOT NULL DEFAULT 0;"
    /* A text that people get, or where it is; username, password: of the server it is on. language: '' of any
     * person. fetched: when the text came, 0: there is none yet. due: when it is asked for next, 0: never. */
    "CREATE TABLE template(scope {text}, name {text}, language {text}, uri {text} NOT NULL, username {text} "
    "NOT "
    "NULL, password {text} NOT NULL, text {text} NOT NULL, fetched {int} NOT NULL, due {int} NOT NULL,"
    " PRIMARY KEY(scope, name, language));"
    /* Members whose mail came back. score: days with a bounce; last: when the last one was; warnings: letters
     * since delivery was switched off, warned: when the last of them was; due: when the next step is, 0:
     * none. */
    "CREATE TABLE bounce(member {int} PRIMARY KEY, score {int} NOT NULL, last {int} NOT NULL, warnings {int} "
    "NOT NULL, warned {int} NOT NULL, due {int} NOT NULL);"
    "CREATE INDEX bounce_due ON bounce(due) WHERE due > 0;"
    /* A letter that a list owes somebody (owed.h), until router has written it. addr 0: to those who look
     * after the list. */
    "CREATE TABLE owed_letter(id {id}, list {int} NOT NULL, addr {int} NOT NULL, kind {int} NOT NULL, detail "
    "{text}"
    " NOT NULL, at {int} NOT NULL);"
    /* What the membership is to prefer, once it is there: -1 nothing. */
    "ALTER TABLE request ADD COLUMN mode {int} NOT NULL DEFAULT -1;"
    "ALTER TABLE request ADD COLUMN status {int} NOT NULL DEFAULT -1;"
    /* mode: as status is, what the preferences come to: posts one by one, or collected (digest.h). Of an
     * expansion: whose turn it is. digest_asked: the digest is to be sent soon. */
    "ALTER TABLE member ADD COLUMN mode {int} NOT NULL DEFAULT 0;"
    "CREATE INDEX member_digest ON member(list) WHERE mode > 0;"
    "ALTER TABLE expansion ADD COLUMN mode {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE list ADD COLUMN digest_asked {int} NOT NULL DEFAULT 0;"
    /* Posts that wait for the list's next digest. */
    "CREATE TABLE digest(list {int}, message {int}, size {int} NOT NULL, PRIMARY KEY(list, message)) "
    "{rowless};"
    "CREATE INDEX digest_message ON digest(message);"
    /* Members who turned away from a kind of digest, but get those whose first post (of an expansion: number)
     * is none after last: they have missed it. */
    "CREATE TABLE last_digest(member {int} PRIMARY KEY, list {int} NOT NULL, mode {int} NOT NULL, last {int} "
    "NOT NULL);"
    "CREATE INDEX last_digest_list ON last_digest(list);"
    /* Sets of senders that lists share (sender_set.h). */
    "CREATE TABLE sender_set(name {text} PRIMARY KEY, about {text} NOT NULL, created {int} NOT NULL);"
    "CREATE TABLE sender(setname {text}, regex {int}, pattern {text}, since {int} NOT NULL, who {text} NOT "
    "NULL, PRIMARY KEY(setname, regex, pattern)) {rowless};"
    /* Other lists whose members get the post, too (kind 1), or get no copy here (2): an enum sibling. */
    "ALTER TABLE expansion ADD COLUMN siblings {int} NOT NULL DEFAULT 0;"
    "CREATE TABLE expansion_list(message {int}, list {int}, kind {int}, other {int}, PRIMARY KEY(message, "
    "list, kind, other)) {rowless};"
    /* When somebody got an answer of the kind that a list gives to everybody, and to which message. */
    "CREATE TABLE autoreply(list {int}, kind {int}, address {text}, at {int} NOT NULL, message {int} NOT "
    "NULL, "
    "PRIMARY KEY(list, kind, address)) {rowless};";

static const char authentication[] =
    /* The edition for where the author's domain forbids what the list makes of the post (DMARC). */
    "ALTER TABLE edition ADD COLUMN mitigated {bytes};"
    "ALTER TABLE edition ADD COLUMN flags {int} NOT NULL DEFAULT 0;"
    /* What domains said by MTA-STS of the TLS that their mail needs (RFC 8461): the policy as it was fetched
     * under the id that DNS had, until when it holds, and when it was last tried to fetch it. */
    "CREATE TABLE sts_policy(domain {text} PRIMARY KEY, id {text} NOT NULL, policy {text} NOT NULL, fetched "
    "{int} NOT NULL, expires {int} NOT NULL, tried {int} NOT NULL) {rowless};"
    "CREATE INDEX sts_policy_expires ON sts_policy(expires);";

/* Reports about mail: what those to others are made of, and what others have sent. */
static const char reports[] =
    /* What is counted for a report (roles/tally.h): of a kind and a day (of the epoch) for a domain. digest:
     * SHA-256 of what. */
    "CREATE TABLE report_row(kind {int}, day {int}, domain {text}, digest {bytes}, what {bytes} NOT NULL, n "
    "{int} NOT NULL, PRIMARY KEY(kind, day, domain, digest)) {rowless};"
    /* A report that is to be made of them: when, and who is at it (owner, until due). */
    "CREATE TABLE report_day(kind {int}, day {int}, domain {text}, due {int} NOT NULL, owner {int} NOT NULL,"
    " PRIMARY KEY(kind, day, domain)) {rowless};"
    "CREATE INDEX report_day_due ON report_day(due);"
    /* Counts that came in, so that none is added twice. */
    "CREATE TABLE report_batch(id {int} PRIMARY KEY) {rowless};"
    /* A report of others. begin_s, end_s: seconds since 1970; at: when it came (ms); total: its rows. */
    "CREATE TABLE report(id {int} PRIMARY KEY, kind {int} NOT NULL, org {text} NOT NULL, name {text} NOT "
    "NULL, domain {text} NOT NULL, contact {text} NOT NULL, begin_s {int} NOT NULL, end_s {int} NOT NULL,"
    " policy {text} NOT NULL, total {int} NOT NULL, at {int} NOT NULL);"
    "CREATE UNIQUE INDEX report_name ON report(kind, org, name, domain);"
    "CREATE INDEX report_at ON report(at);"
    "CREATE INDEX report_end ON report(kind, end_s);"
    /* A row of one (report.h). */
    "CREATE TABLE report_source(report {int}, n {int}, source {text} NOT NULL, name {text} NOT NULL, result "
    "{text} NOT NULL, passed {int} NOT NULL, detail {text} NOT NULL, messages {int} NOT NULL,"
    " PRIMARY KEY(report, n)) {rowless};";

static const char *const migrations[SCHEMA_VERSION] = {first,    lists,          rules,  editions,
                                                       programs, authentication, reports};

enum { VERSION_OF_SECRETS = 4 };

static void make_secret(struct db *db, const char *name) {
    unsigned char octets[32];
    random_bytes(octets, sizeof octets);
    db_run(db, "INSERT INTO secret(name, value) VALUES($1, $2)", DB_T(view_of(name)),
           DB_B(view_from(octets, sizeof octets)));
}

int64_t schema_version(struct db *db) {
    if (db_engine(db) == DB_SQLITE) {
        if (!db_number(db, 0, "SELECT count(*) FROM sqlite_master WHERE name = 'instance'"))
            return 0;
    } else if (!db_number(db, 0,
                          "SELECT count(*) FROM pg_tables WHERE schemaname = 'postroad'"
                          " AND tablename = 'instance'")) {
        return 0;
    }
    return db_number(db, 0, "SELECT value FROM instance WHERE name = 'schema'");
}

bool schema_migrate(struct db *db, struct err *e) {
    return schema_migrate_to(db, SCHEMA_VERSION, e);
}

bool schema_migrate_to(struct db *db, int64_t wanted, struct err *e) {
    int64_t version = schema_version(db);
    if (version > SCHEMA_VERSION)
        return err_set(e, ERR_CONFIG,
                       "the store has schema %lld, this release knows up to %d: run the newer release",
                       (long long)version, SCHEMA_VERSION);
    for (; version < wanted && !db_error(db); version++) {
        if (!db_begin(db, DURABLE_FULL))
            break;
        if (version == 0 && db_engine(db) == DB_POSTGRESQL)
            db_script(db, "CREATE SCHEMA IF NOT EXISTS postroad");
        db_script(db, migrations[version]);
        if (version + 1 == VERSION_OF_SECRETS)
            make_secret(db, "unsubscribe");
        db_run(db, "UPDATE instance SET value = $1 WHERE name = 'schema'", DB_I(version + 1));
        if (!db_commit(db))
            db_rollback(db);
    }
    if (db_error(db)) {
        *e = *db_error(db);
        return err_prefix(e, "migrating the store");
    }
    return true;
}
