// test_url.c - URLs that name an origin, and what else looks like one.

#include "ingest/fetch/url.h"
#include "tests/support/check.h"

static const struct {
    const char *text;
    bool is_https;
    unsigned port;
    const char *host; // NULL: refused
    const char *path, *login, *authority, *with_port;
} urls[] = {
    {"https://ct.example/2026h1/", true, 443, "ct.example", "/2026h1", "",
     "ct.example", "ct.example:443"},
    {"http://ct.example", false, 80, "ct.example", "", "", "ct.example",
     "ct.example:80"},
    {"HTTPS://CT.Example:8443//", true, 8443, "CT.Example", "", "",
     "CT.Example:8443", "CT.Example:8443"},
    {"http://192.0.2.1:1/a/b%20c//", false, 1, "192.0.2.1", "/a/b%20c", "",
     "192.0.2.1:1", "192.0.2.1:1"},
    {"http://[2001:db8::1]/a", false, 80, "2001:db8::1", "/a", "",
     "[2001:db8::1]", "[2001:db8::1]:80"},
    {"http://[::1]:65535", false, 65535, "::1", "", "", "[::1]:65535",
     "[::1]:65535"},
    {"http://user:p%40ss@proxy:3128/", false, 3128, "proxy", "", "user:p%40ss",
     "proxy:3128", "proxy:3128"},
    {"http://a/b:c", false, 80, "a", "/b:c", "", "a", "a:80"},
    {"", false, 0, NULL, "", "", "", ""},
    {"a", false, 0, NULL, "", "", "", ""},
    {"//a", false, 0, NULL, "", "", "", ""},
    {"http:/a", false, 0, NULL, "", "", "", ""},
    {"http:///a", false, 0, NULL, "", "", "", ""},
    {"http://:80/", false, 0, NULL, "", "", "", ""},
    {"http://a:00/", false, 0, NULL, "", "", "", ""},
    {"http://a:080/", false, 0, NULL, "", "", "", ""},
    {"http://a:-1/", false, 0, NULL, "", "", "", ""},
    {"http://a:99999999999999999999/", false, 0, NULL, "", "", "", ""},
    {"http://a:b", false, 0, NULL, "", "", "", ""},
    {"http://::1/", false, 0, NULL, "", "", "", ""},
    {"http://[]/", false, 0, NULL, "", "", "", ""},
    {"http://[::1", false, 0, NULL, "", "", "", ""},
    {"http://[::1]a", false, 0, NULL, "", "", "", ""},
    {"http://a b/", false, 0, NULL, "", "", "", ""},
    {"http://a\n/", false, 0, NULL, "", "", "", ""},
    {"http://b\xc3\xbc/", false, 0, NULL, "", "", "", ""},
    {"http://a/?", false, 0, NULL, "", "", "", ""},
    {"http://a/b#", false, 0, NULL, "", "", "", ""},
};

static void reads_urls(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct url url;
        struct err err = {0};
        char authority[300];
        bool taken = url_parse(&url, urls[i].text, &err);

        test_case = urls[i].text;
        CHECK(taken == (urls[i].host != NULL));
        if (!taken) {
            CHECK(err.code == ERR_USAGE);
            CHECK(strstr(err.text, "is no URL of the form") != NULL);
            continue;
        }
        CHECK(url.is_https == urls[i].is_https);
        CHECK(url.port == urls[i].port);
        CHECK(strcmp(url.host, urls[i].host) == 0);
        CHECK(strcmp(url.path, urls[i].path) == 0);
        CHECK(strcmp(url.login, urls[i].login) == 0);
        url_write_authority(authority, sizeof authority, &url, false);
        CHECK(strcmp(authority, urls[i].authority) == 0);
        url_write_authority(authority, sizeof authority, &url, true);
        CHECK(strcmp(authority, urls[i].with_port) == 0);
    }
}

// At each limit, and one byte beyond it.
static void bounds_host_path_and_login(void **state)
{
    static const struct {
        const char *before;
        size_t most;
        const char *after;
    } limits[] = {
        {"http://", URL_HOST_MAX - 1, "/"},
        {"http://a/", URL_PATH_MAX - 2, ""},
        {"http://", 127, "@a/"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        for (size_t over = 0; over < 2; over++) {
            struct buffer text = {0};
            struct url url;
            struct err err;

            buffer_append_text(&text, limits[i].before);
            for (size_t k = 0; k < limits[i].most + over; k++) {
                buffer_append_byte(&text, 'x');
            }
            buffer_append_text(&text, limits[i].after);
            buffer_append_byte(&text, 0);
            test_case = limits[i].before;
            CHECK(url_parse(&url, (const char *)text.data, &err) ==
                  (over == 0));
            buffer_cleanup(&text);
        }
    }
}

static const struct {
    const char *host;
    const char *list;
    bool is_exempt;
} exemptions[] = {
    {"ct.example", "", false},
    {"ct.example", "*", true},
    {"ct.example", "other,ct.example", true},
    {"ct.example", "CT.Example", true},
    {"ct.example", "example", true},
    {"ct.example", ".example", true},
    {"ct.example", "other, .example ,", true},
    {"ct.example", "t.example", false},
    {"ct.example", "ct.example.org", false},
    {"ct.example", ",,.,", false},
    {"127.0.0.1", "localhost,127.0.0.1", true},
};

static void reads_no_proxy(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(exemptions); i++) {
        struct url url = {0};

        (void)snprintf(url.host, sizeof url.host, "%s", exemptions[i].host);
        test_case = exemptions[i].list;
        CHECK(url_is_exempt(&url, exemptions[i].list) ==
              exemptions[i].is_exempt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_urls),
        cmocka_unit_test(bounds_host_path_and_login),
        cmocka_unit_test(reads_no_proxy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
