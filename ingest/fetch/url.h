// url.h - the origin that a log's URL names.                            (pure)

#pragma once

#include "index/base/err.h"

enum { URL_HOST_MAX = 254, URL_PATH_MAX = 512 };

struct url {
    bool is_https;
    bool has_port;
    uint16_t port;           // the scheme's own where none is given
    char host[URL_HOST_MAX]; // without brackets
    char login[128];         // before an "@"; only proxies have one
    char path[URL_PATH_MAX]; // without a "/" at the end; may be empty
};

// url_parse reads http[s]://[login@]host[:port][/path]; ERR_USAGE for anything
// else, a query or a fragment too.
MUST_USE bool url_parse(struct url *url, const char *text, struct err *err);

// url_write_authority writes host[:port] as it stands in a URL; the port
// always, if `always`.
void url_write_authority(char *out, size_t size, const struct url *url,
                         bool always);

// url_is_exempt tells whether $NO_PROXY's list names the host: itself, a
// domain that it lies in, or "*".
bool url_is_exempt(const struct url *url, const char *list);
