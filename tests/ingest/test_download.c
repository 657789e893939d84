// test_download.c - one file over HTTP, as log lists and signatures come.

#include <signal.h>

#include "ingest/download.h"
#include "tests/support/check.h"
#include "tests/support/peer.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static void serve(struct peer_conn *conn)
{
    struct buffer head = {0};

    if (peer_read_head(conn, &head)) {
        (void)peer_say(conn, conn->context);
        peer_stall(conn);
    }
    buffer_cleanup(&head);
}

static const struct fetch_shared_options options = {.tls_skip = true,
                                                    .proxy = ""};

static const struct {
    const char *name;
    const char *path;
    const char *says;
    size_t len_max;
    const char *error; // NULL: "hello" comes; the port is "%u" in it
} cases[] = {
    {"a file", "/a/list.json", OK, 5, NULL},
    {"another status", "/x",
     "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello", 100,
     "http://127.0.0.1:%u/x: status 404"},
    {"a redirect is no file", "/x",
     "HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n", 100,
     "http://127.0.0.1:%u/x: status 302"},
    {"too large", "/x", OK, 4,
     "http://127.0.0.1:%u/x: 127.0.0.1:%u: a body of 5 bytes, over 4"},
    {"no path", "", OK, 100, "http://127.0.0.1:%u: no URL of a file"},
};

static void gets_a_file_or_says_why_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct peer *peer = peer_open(
            &(struct peer_options){.serve = serve, .context = cases[i].says});
        unsigned port = peer_port(peer);
        struct buffer out = {0};
        char url[64], expected[128] = "";
        struct err err = {0};
        bool ok;

        test_case = cases[i].name;
        (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port,
                       cases[i].path);
        ok = download_url(&out, url, cases[i].len_max, &options, NULL, &err);
        CHECK(ok == (cases[i].error == NULL));
        if (cases[i].error != NULL) {
            const char *rest = cases[i].error;
            size_t len = 0;

            // The port in the place of each %u.
            for (; *rest != '\0'; rest++) {
                if (strncmp(rest, "%u", 2) == 0) {
                    len += (size_t)snprintf(expected + len,
                                            sizeof expected - len, "%u", port);
                    rest++;
                } else {
                    expected[len++] = *rest;
                }
            }
            if (strcmp(err.text, expected) != 0) {
                print_error("got '%s'\n", err.text);
            }
            CHECK(strcmp(err.text, expected) == 0);
        } else {
            CHECK(bytes_equal_text(buffer_bytes(&out), "hello"));
        }
        buffer_cleanup(&out);
        (void)peer_close(peer);
    }
}

static void is_stopped_by_another_thread(void **state)
{
    static const atomic_bool stop = true;
    struct peer *peer =
        peer_open(&(struct peer_options){.serve = serve, .context = ""});
    struct buffer out = {0};
    struct err err = {0};
    char url[64];

    (void)state;
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/x", peer_port(peer));
    assert_false(download_url(&out, url, 100, &options, &stop, &err));
    assert_int_equal(err.code, ERR_INTERRUPTED);
    assert_int_equal(out.len, 0);
    (void)peer_close(peer);
}

static void tells_urls_from_files(void **state)
{
    (void)state;
    assert_true(download_is_url("https://a/b"));
    assert_true(download_is_url("http://a/b"));
    assert_false(download_is_url("ftp://a/b"));
    assert_false(download_is_url("./https"));
}

static void reads_files_up_to_a_limit(void **state)
{
    struct buffer out = {0};
    struct err err = {0};

    (void)state;
    assert_false(download_read_file(&out, "/nowhere/at all", 100, &err));
    assert_string_equal(err.text, "/nowhere/at all: No such file or directory");
    assert_int_equal(err.code, ERR_CONFIG);
    assert_true(download_read_file(&out, "/proc/self/comm", 1 << 20, &err));
    assert_true(out.len > 1);
    buffer_reset(&out);
    assert_false(download_read_file(&out, "/dev/zero", 1000, &err));
    assert_string_equal(err.text, "/dev/zero: more than 1000 bytes");
    buffer_cleanup(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gets_a_file_or_says_why_not),
        cmocka_unit_test(is_stopped_by_another_thread),
        cmocka_unit_test(tells_urls_from_files),
        cmocka_unit_test(reads_files_up_to_a_limit),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
