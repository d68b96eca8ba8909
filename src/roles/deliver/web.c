/* web.c: see web.h. */
#include "roles/deliver/web.h"

static size_t take_octets(char *data, size_t size, size_t count, void *to) {
    struct buf *answer = to;
    if (answer)
        buf_add(answer, view_from(data, size * count));
    return answer && answer->failed ? 0 : size * count;
}

static int look_whether_to_stop(void *web, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    return ((const struct web *)web)->stopping();
}

/* curl keeps copies of texts; `w` lives as long as the request. */
void web_prepare(CURL *curl, const char *uri, const struct web *w) {
    curl_easy_setopt(curl, CURLOPT_URL, uri);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, w->protocols);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, w->most_ms);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "Postroad/" POSTROAD_VERSION);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_octets);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, w->answer);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_whether_to_stop);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, (void *)(uintptr_t)w);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}
