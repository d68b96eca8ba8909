/* mailman_configuration.c: see mailman_configuration.h: its sections and keys with their defaults;
 * what is about places and names is this server's, what is about its insides is empty. */
#include "lists/mailman_configuration.h"

#include <stdlib.h>

/* Every section that is named has every key of its rows: "key=value", one a line; a vertical tab is a line's
 * end within a value. $DIR, $OWNER, $HTTP_HOST and $HTTP_PORT at a value's beginning are this server's. */
static const struct {
    const char *sections, *values;
} rows[] = {
    {"archiver.mail_archive archiver.master archiver.mhonarc archiver.prototype", "class=\n"
                                                                                  "enable=no\n"
                                                                                  "configuration=\n"
                                                                                  "clobber_date=maybe\n"
                                                                                  "clobber_skew=1d"},
    {"logging.archiver logging.bounce logging.config logging.database logging.debug "
     "logging.error logging.fromusenet logging.locks logging.mischief logging.plugins "
     "logging.root logging.runner logging.smtp logging.subscribe logging.task "
     "logging.vette",
     "format=%(asctime)s (%(process)d) %(message)s"},
    {"logging.http", "format=%(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\""},
    {"logging.archiver logging.bounce logging.config logging.database logging.debug "
     "logging.error logging.fromusenet logging.http logging.locks logging.mischief "
     "logging.plugins logging.root logging.runner logging.smtp logging.subscribe "
     "logging.task logging.vette",
     "datefmt=%b %d %H:%M:%S %Y\n"
     "propagate=no\n"
     "path="},
    {"logging.archiver logging.bounce logging.config logging.debug logging.error "
     "logging.fromusenet logging.http logging.locks logging.mischief logging.plugins "
     "logging.root logging.runner logging.smtp logging.subscribe logging.task "
     "logging.vette",
     "level=info"},
    {"logging.database", "level=warn"},
    {"logging.smtp", "every=$msgid smtp to $listname for $recip recips, completed in $time seconds\n"
                     "success=$msgid post to $listname from $sender, $size bytes\n"
                     "refused=$msgid post to $listname from $sender, $size bytes, $refused failures\n"
                     "failure=$msgid delivery to $recip failed with code $smtpcode, $smtpmsg"},
    {"paths.dev paths.fhs paths.here paths.local", "var_dir=$DIR/data\n"
                                                   "queue_dir=$DIR/data\n"
                                                   "bin_dir=\n"
                                                   "list_data_dir=$DIR/data\n"
                                                   "log_dir=\n"
                                                   "lock_dir=$DIR/data/run\n"
                                                   "data_dir=$DIR/data\n"
                                                   "cache_dir=$DIR/data\n"
                                                   "etc_dir=$DIR\n"
                                                   "ext_dir=$DIR\n"
                                                   "messages_dir=$DIR/data\n"
                                                   "archive_dir=$DIR/data/archive\n"
                                                   "template_dir=$DIR\n"
                                                   "pid_file=\n"
                                                   "lock_file="},
    {"runner.archive runner.bad runner.bounces runner.command runner.digest runner.in "
     "runner.lmtp runner.nntp runner.out runner.pipeline runner.rest runner.retry "
     "runner.shunt runner.task runner.virgin",
     "class=\n"
     "path=\n"
     "instances=1\n"
     "max_restarts=10"},
    {"runner.archive runner.bounces runner.command runner.digest runner.in runner.lmtp "
     "runner.nntp runner.out runner.pipeline runner.rest runner.retry runner.task "
     "runner.virgin",
     "start=yes"},
    {"runner.bad runner.shunt", "start=no"},
    {"runner.archive runner.bad runner.command runner.digest runner.in runner.lmtp "
     "runner.nntp runner.out runner.pipeline runner.rest runner.shunt runner.virgin",
     "sleep_time=1s"},
    {"runner.bounces", "sleep_time=2m"},
    {"runner.retry", "sleep_time=15m"},
    {"runner.task", "sleep_time=1m"},
    {"ARC", "enabled=no\n"
            "dmarc=yes\n"
            "dkim=yes\n"
            "authserv_id=\n"
            "trusted_authserv_ids=\n"
            "privkey=\n"
            "selector=\n"
            "domain=\n"
            "sig_headers=From, Sender, Reply-To, Subject, Date, Message-ID, To, Cc, MIME-Version, "
            "Content-Type, Content-Transfer-Encoding, Content-ID, Content-Description, "
            "Resent-Date, Resent-From, Resent-Sender, Resent-To, Resent-Cc, Resent-Message-ID, "
            "In-Reply-To, References, List-Id, List-Help, List-Unsubscribe, List-Subscribe, "
            "List-Post, List-Owner, List-Archive"},
    {"antispam", "header_checks=\n"
                 "jump_chain=hold"},
    {"bounces", "register_bounces_every=15m"},
    {"database", "class=\n"
                 "url=\n"
                 "debug=no"},
    {"devmode", "enabled=no\n"
                "recipient=\n"
                "testing=no\n"
                "wait=60s"},
    {"digests", "mime_digest_keep_headers=\vDate From To Cc Subject Message-ID Keywords\vIn-Reply-To "
                "References Content-Type MIME-Version\vContent-Transfer-Encoding Precedence "
                "Reply-To\vMessage List-Post\n"
                "plain_digest_keep_headers=\vMessage Date From\vSubject To Cc\vMessage-ID "
                "Keywords\vContent-Type"},
    {"dmarc", "resolver_timeout=3s\n"
              "resolver_lifetime=5s\n"
              "org_domain_data_url=https://publicsuffix.org/list/public_suffix_list.dat\n"
              "cache_lifetime=7d"},
    {"mailman", "site_owner=$OWNER\n"
                "noreply_address=noreply\n"
                "default_language=en\n"
                "sender_headers=from from_ reply-to sender\n"
                "anonymous_list_keep_headers=^x-mailman- ^x-content-filtered-by: ^x-topics:\v^x-ack: "
                "^x-beenthere: ^x-list-administrivia: ^x-spam-\n"
                "email_commands_max_lines=10\n"
                "pending_request_life=3d\n"
                "moderator_request_life=180d\n"
                "cache_life=7d\n"
                "run_tasks_every=1h\n"
                "layout=here\n"
                "filtered_messages_are_preservable=no\n"
                "html_to_plain_text_command=/usr/bin/lynx -dump $filename\n"
                "filter_report=no\n"
                "listname_chars=[-_.0-9a-z]\n"
                "hold_digest=no\n"
                "masthead_threshold=4\n"
                "check_max_size_on_filtered_message=no\n"
                "pre_hook=\n"
                "post_hook="},
    {"mta", "incoming=\n"
            "outgoing=\n"
            "smtp_host=localhost\n"
            "smtp_port=25\n"
            "smtp_user=\n"
            "smtp_pass=\n"
            "smtp_secure_mode=smtp\n"
            "smtp_verify_cert=yes\n"
            "smtp_verify_hostname=yes\n"
            "lmtp_host=127.0.0.1\n"
            "lmtp_port=8024\n"
            "max_recipients=500\n"
            "max_sessions_per_connection=0\n"
            "max_delivery_threads=0\n"
            "delivery_retry_period=5d\n"
            "verp_delimiter=+\n"
            "verp_format=${bounces}+${local}=${domain}\n"
            "verp_confirm_format=$address+$cookie\n"
            "verp_regexp=^(?P<bounces>[^+]+?)\\+(?P<local>[^=]+)=(?P<domain>[^@]+)@.*$\n"
            "verp_confirm_regexp=^(.*<)?(?P<addr>[^+]+?)\\+(?P<cookie>[^@]+)@.*$\n"
            "verp_confirmations=yes\n"
            "verp_personalized_deliveries=no\n"
            "verp_delivery_interval=0\n"
            "verp_probe_format=$bounces+$token@$domain\n"
            "verp_probe_regexp=^(?P<bounces>[^+]+?)\\+(?P<token>[^@]+)@.*$\n"
            "verp_probes=no\n"
            "max_autoresponses_per_day=10\n"
            "remove_dkim_headers=no\n"
            "configuration="},
    {"nntp", "user=\n"
             "password=\n"
             "host=\n"
             "port=\n"
             "remove_headers=\vnntp-posting-host nntp-posting-date x-trace\vx-complaints-to xref "
             "date-received posted\vposting-version relay-version received\n"
             "rewrite_duplicate_headers=\vTo X-Original-To\vCC "
             "X-Original-CC\vContent-Transfer-Encoding "
             "X-Original-Content-Transfer-Encoding\vMIME-Version X-MIME-Version\n"
             "gatenews_every=5m"},
    {"passwords", "configuration=\n"
                  "password_length=8"},
    {"plugin.master", "class=\n"
                      "enabled=no\n"
                      "configuration=\n"
                      "component_package="},
    {"shell", "prompt=>>>\n"
              "banner=Welcome to the GNU Mailman shell\vUse commit() to commit changes.\vUse abort() "
              "to discard changes since the last commit.\vExit with ctrl+D does an implicit commit() "
              "but exit() does not.\n"
              "use_ipython=no\n"
              "history_file="},
    {"styles", "default=legacy-default"},
    {"webservice", "hostname=$HTTP_HOST\n"
                   "port=$HTTP_PORT\n"
                   "use_https=no\n"
                   "show_tracebacks=no\n"
                   "api_version=3.1\n"
                   "admin_user=\n"
                   "admin_pass=\n"
                   "workers=2\n"
                   "configuration="},
    {"language.ar", "description=Arabic"},
    {"language.ast", "description=Asturian"},
    {"language.bg", "description=Bulgarian"},
    {"language.ca", "description=Catalan"},
    {"language.cs", "description=Czech"},
    {"language.da", "description=Danish"},
    {"language.de", "description=German"},
    {"language.el", "description=Greek"},
    {"language.en", "description=English (USA)"},
    {"language.es", "description=Spanish"},
    {"language.et", "description=Estonian"},
    {"language.eu", "description=Euskara"},
    {"language.fi", "description=Finnish"},
    {"language.fr", "description=French"},
    {"language.gl", "description=Galician"},
    {"language.he", "description=Hebrew"},
    {"language.hr", "description=Croatian"},
    {"language.hu", "description=Hungarian"},
    {"language.ia", "description=Interlingua"},
    {"language.it", "description=Italian"},
    {"language.ja", "description=Japanese"},
    {"language.ko", "description=Korean"},
    {"language.lt", "description=Lithuanian"},
    {"language.nl", "description=Dutch"},
    {"language.no", "description=Norwegian"},
    {"language.pl", "description=Polish"},
    {"language.pt", "description=Portuguese"},
    {"language.pt_BR", "description=Portuguese (Brazil)"},
    {"language.ro", "description=Romanian"},
    {"language.ru", "description=Russian"},
    {"language.sk", "description=Slovak"},
    {"language.sl", "description=Slovenian"},
    {"language.sr", "description=Serbian"},
    {"language.sv", "description=Swedish"},
    {"language.tr", "description=Turkish"},
    {"language.uk", "description=Ukrainian"},
    {"language.vi", "description=Vietnamese"},
    {"language.zh_CN", "description=Chinese"},
    {"language.zh_TW", "description=Chinese (Taiwan)"},
    {"language.ar language.ast language.bg language.ca language.cs language.da language.de "
     "language.el language.es language.et language.eu language.fi language.fr language.gl "
     "language.he language.hr language.hu language.ia language.it language.ja language.ko "
     "language.lt language.nl language.no language.pl language.pt language.pt_BR "
     "language.ro language.ru language.sk language.sl language.sr language.sv language.tr "
     "language.uk language.vi language.zh_CN language.zh_TW",
     "charset=utf-8"},
    {"language.en", "charset=us-ascii"},
    {"language.ar language.ast language.bg language.ca language.cs language.da language.de "
     "language.el language.en language.es language.et language.eu language.fi language.fr "
     "language.gl language.he language.hr language.hu language.ia language.it language.ja "
     "language.ko language.lt language.nl language.no language.pl language.pt "
     "language.pt_BR language.ro language.ru language.sk language.sl language.sr "
     "language.sv language.tr language.uk language.vi language.zh_CN language.zh_TW",
     "enabled=yes"},
};

const char configuration_sections[] =
    "ARC antispam archiver.mail_archive archiver.master archiver.mhonarc "
    "archiver.prototype bounces database devmode digests dmarc language.ar language.ast "
    "language.bg language.ca language.cs language.da language.de language.el language.en "
    "language.es language.et language.eu language.fi language.fr language.gl language.he "
    "language.hr language.hu language.ia language.it language.ja language.ko language.lt "
    "language.nl language.no language.pl language.pt language.pt_BR language.ro "
    "language.ru language.sk language.sl language.sr language.sv language.tr language.uk "
    "language.vi language.zh_CN language.zh_TW logging.archiver logging.bounce "
    "logging.config logging.database logging.debug logging.error logging.fromusenet "
    "logging.http logging.locks logging.mischief logging.plugins logging.root "
    "logging.runner logging.smtp logging.subscribe logging.task logging.vette mailman mta "
    "nntp passwords paths.dev paths.fhs paths.here paths.local plugin.master "
    "runner.archive runner.bad runner.bounces runner.command runner.digest runner.in "
    "runner.lmtp runner.nntp runner.out runner.pipeline runner.rest runner.retry "
    "runner.shunt runner.task runner.virgin shell styles webservice";

static bool names(view words, view word) {
    view one;
    while (view_split(&words, ' ', &one))
        if (view_eq(one, word))
            return true;
    return false;
}

/* ---- values ---- */

static view http_part(const struct config *config, bool port) {
    const struct config_list *list = &config->http_listen;
    view address = list->count > 0 ? view_of(list->items[0]) : VIEW("");
    ptrdiff_t colon = view_rfind(address, ':');
    if (colon < 0)
        return address;
    return port ? view_skip(address, (size_t)colon + 1) : view_slice(address, 0, (size_t)colon);
}

static view variable(const struct config *config, view name) {
    if (view_eq(name, VIEW("$DIR")))
        return view_of(config->dir);
    if (view_eq(name, VIEW("$HTTP_HOST")))
        return http_part(config, false);
    if (view_eq(name, VIEW("$HTTP_PORT")))
        return http_part(config, true);
    if (!view_eq(name, VIEW("$OWNER")))
        return VIEW_NULL;
    return *config->postmaster ? view_of(config->postmaster) : VIEW("changeme@example.com"); /* Mailman's */
}

static view value_of(const struct config *config, view written, struct arena *a) {
    ptrdiff_t slash = view_find(written, '/');
    size_t end = slash < 0 ? written.len : (size_t)slash;
    view known = variable(config, view_slice(written, 0, end));
    if (known.ptr)
        return arena_printf(a, "%.*s%.*s", VIEW_ARG(known), VIEW_ARG(view_skip(written, end)));
    char *text = arena_str(a, written);
    for (char *p = text; p && *p; p++)
        if (*p == '\v')
            *p = '\n';
    return view_of(text);
}

/* ---- for others ---- */

bool configuration_has(view section) {
    return names(view_of(configuration_sections), section);
}

static int by_key(const void *a, const void *b) {
    return view_cmp(((const struct configuration_value *)a)->key,
                    ((const struct configuration_value *)b)->key);
}

struct configuration_value *configuration_of(const struct config *config, view section, struct arena *a,
                                             size_t *ret_count) {
    struct configuration_value *all = arena_array(a, struct configuration_value, CONFIGURATION_KEYS_MAX);
    *ret_count = 0;
    for (size_t i = 0; all && i < sizeof rows / sizeof rows[0]; i++) {
        view values = view_of(rows[i].values), line;
        if (!names(view_of(rows[i].sections), section))
            continue;
        while (view_split(&values, '\n', &line) && *ret_count < CONFIGURATION_KEYS_MAX) {
            size_t equals = (size_t)view_find(line, '=');
            struct configuration_value *one = &all[(*ret_count)++];
            one->key = view_slice(line, 0, equals);
            one->value = value_of(config, view_skip(line, equals + 1), a);
        }
    }
    if (*ret_count > 0)
        qsort(all, *ret_count, sizeof *all, by_key);
    return all;
}
