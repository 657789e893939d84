// url.c - see url.h.

#include "ingest/fetch/url.h"

#include <stdio.h>
#include <strings.h>

#include "index/base/text.h"

// Takes what stands before the first byte of `ends` off `text`.
static struct bytes take_until_any(struct bytes *text, const char *ends)
{
    struct bytes out = *text;

    out.len = 0;
    while (out.len < text->len && strchr(ends, out.data[out.len]) == NULL) {
        out.len++;
    }
    (void)bytes_skip(text, out.len);
    return out;
}

static bool copy(char *out, size_t size, struct bytes text)
{
    if (text.len >= size) return false;
    if (text.len > 0) memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return true;
}

static bool take_scheme(struct url *url, struct bytes *rest)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        size_t len = strlen(schemes[i]);

        if (rest->len >= len &&
            strncasecmp((const char *)rest->data, schemes[i], len) == 0) {
            url->is_https = i == 1;
            url->port = i == 1 ? 443 : 80;
            return bytes_skip(rest, len);
        }
    }
    return false;
}

// host[:port], an IPv6 address in brackets.
static bool read_host(struct url *url, struct bytes authority)
{
    bool bracket = authority.len > 0 && authority.data[0] == '[';
    struct bytes host;
    uint64_t port;

    if (bracket) (void)bytes_skip(&authority, 1);
    host = take_until_any(&authority, bracket ? "]" : ":");
    if (bracket && !bytes_skip(&authority, 1)) return false;
    if (host.len == 0 || !copy(url->host, sizeof url->host, host)) return false;
    if (authority.len == 0) return true;
    if (authority.data[0] != ':') return false;
    (void)bytes_skip(&authority, 1);
    if (!text_parse_uint(&port, authority) || port == 0 || port > 65535) {
        return false;
    }
    url->has_port = true;
    url->port = (uint16_t)port;
    return true;
}

// Nothing that could end a line of a request, or a blank in it.
static bool is_plain(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f) return false;
    }
    return true;
}

static bool read_url(struct url *url, struct bytes text)
{
    struct bytes rest = text, authority, before;

    if (!is_plain(text) || !take_scheme(url, &rest)) return false;
    authority = take_until_any(&rest, "/?#");
    before = authority;
    (void)take_until_any(&before, "@");
    if (before.len > 0) {
        struct bytes login =
            bytes_of(authority.data, authority.len - before.len);

        if (!copy(url->login, sizeof url->login, login)) return false;
        (void)bytes_skip(&authority, login.len + 1);
    }
    if (!read_host(url, authority)) return false;
    while (rest.len > 0 && rest.data[rest.len - 1] == '/') {
        rest.len--;
    }
    if (rest.len > 0 && (memchr(rest.data, '?', rest.len) != NULL ||
                         memchr(rest.data, '#', rest.len) != NULL)) {
        return false;
    }
    return copy(url->path, sizeof url->path, rest);
}

bool url_parse(struct url *url, const char *text, struct err *err)
{
    char shown[128];

    *url = (struct url){0};
    if (read_url(url, bytes_from_text(text))) return true;
    return err_set(err, ERR_USAGE,
                   "'%s' is no URL of the form http[s]://host[:port][/path]",
                   text_escape(shown, sizeof shown, bytes_from_text(text)));
}

void url_write_authority(char *out, size_t size, const struct url *url,
                         bool always)
{
    bool bracket = strchr(url->host, ':') != NULL;
    char port[8] = "";

    if (always || url->has_port) {
        (void)snprintf(port, sizeof port, ":%u", url->port);
    }
    (void)snprintf(out, size, "%s%s%s%s", bracket ? "[" : "", url->host,
                   bracket ? "]" : "", port);
}

bool url_is_exempt(const struct url *url, const char *list)
{
    struct bytes rest = bytes_from_text(list);

    while (rest.len > 0) {
        struct bytes item = take_until_any(&rest, ", ");
        size_t host_len = strlen(url->host);

        if (rest.len > 0) (void)bytes_skip(&rest, 1);
        if (bytes_equal_text(item, "*")) return true;
        if (item.len > 0 && item.data[0] == '.') (void)bytes_skip(&item, 1);
        if (item.len == 0 || item.len > host_len) continue;
        if (strncasecmp(url->host + host_len - item.len,
                        (const char *)item.data, item.len) == 0 &&
            (item.len == host_len ||
             url->host[host_len - item.len - 1] == '.')) {
            return true;
        }
    }
    return false;
}
