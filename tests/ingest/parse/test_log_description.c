// test_log_description.c - descriptions of logs, real and malformed.

#include "tests/support/check.h"

#include "index/base/text.h"
#include "ingest/parse/log_list.h"
#include "tests/ingest/parse/log_keys.h"
#include "tests/support/signer.h"

static const char *parse_error(const char *json, struct log_description *log,
                               enum err_code *code)
{
    static struct err err;
    struct bytes exact = heap_copy(bytes_from_text(json));
    bool ok;

    err = (struct err){0};
    ok = log_description_parse(log, exact, &err);
    CHECK(ok == (err.code == ERR_NONE));
    *code = err.code;
    free((void *)exact.data);
    return err.text;
}

static void reads_every_form_of_a_log(void **state)
{
    static const struct {
        const char *json, *name, *url, *origin;
        enum log_api api;
    } cases[] = {
        {"{\"description\":\"A\",\"log_id\":\"" ID_A "\",\"key\":\"" KEY_A
         "\",\"url\":\"https://ct.test/logs/a/\",\"mmd\":86400}",
         "A", "https://ct.test/logs/a/", "ct.test/logs/a", LOG_API_RFC6962},
        {"{\"key\":\"" KEY_A
         "\",\"url\":\"http://ct.test:81/a\",\"mmd\":86400}",
         "ct.test:81/a", "http://ct.test:81/a/", "ct.test:81/a",
         LOG_API_RFC6962},
        // Both: by tiles, under the log's own name.
        {"{\"key\":\"" KEY_A "\",\"url\":\"https://ct.test/b\","
         "\"monitoring_url\":\"https://tiles.test/b/\"}",
         "ct.test/b", "https://tiles.test/b/", "ct.test/b", LOG_API_STATIC},
        {"{\"key\":\"" KEY_A "\",\"log_spec\":\"rfc6962\",\"endpoint\":"
         "{\"url\":\"https://ct.test/b\"},\"monitoring_endpoint\":"
         "{\"url\":\"https://tiles.test/b/\"}}",
         "ct.test/b", "https://tiles.test/b/", "ct.test/b", LOG_API_STATIC},
        {"{\"key\":\"" KEY_A "\",\"description\":\"S\",\"submission_url\":"
         "\"https://sub.test/2026h1/\",\"monitoring_url\":"
         "\"https://mon.test/x/2026h1\",\"mmd\":60}",
         "S", "https://mon.test/x/2026h1/", "sub.test/2026h1", LOG_API_STATIC},
        {"{\"key\":\"" KEY_A "\",\"friendly_name\":\"raio\",\"log_type\":"
         "\"tiled\",\"mmd_seconds\":60,\"submission_endpoint\":{\"url\":"
         "\"https://sub.test/raio/submit\",\"status\":\"active\"},"
         "\"monitoring_endpoint\":{\"url\":\"https://mon.test/raio\"}}",
         "raio", "https://mon.test/raio/", "sub.test/raio/submit",
         LOG_API_STATIC},
        {"{\"key\":\"" KEY_A "\",\"friendly_name\":\"old\",\"log_type\":"
         "\"rfc6962\",\"mmd_seconds\":60,\"endpoint\":{\"url\":"
         "\"https://ct.test/old\",\"status\":\"active\"}}",
         "old", "https://ct.test/old/", "ct.test/old", LOG_API_RFC6962},
        {"{\"key\":\"" KEY_A "\",\"friendly_name\":\"m\",\"log_spec\":"
         "\"rfc6962\",\"submission_endpoint\":{\"url\":\"https://ct.test/m\"},"
         "\"monitoring_endpoint\":{\"url\":\"https://ct.test/m\"}}",
         "m", "https://ct.test/m/", "ct.test/m", LOG_API_RFC6962},
        {"{\"key\":\"" KEY_A "\"}", "", "", "", 0},
        {"{\"description\":\"a\\u001b[2Jb\",\"unknown\":{\"x\":[1]}}",
         "a\\x1b[2Jb", "", "", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct log_description log;
        enum err_code code;

        test_case = cases[i].json;
        CHECK(strcmp(parse_error(cases[i].json, &log, &code), "") == 0);
        CHECK(strcmp(log.name, cases[i].name) == 0);
        CHECK(strcmp(log.url, cases[i].url) == 0);
        CHECK(strcmp(log.origin, cases[i].origin) == 0);
        CHECK(log.api == cases[i].api);
        // get-entries, where tiles are read in its place.
        CHECK(strcmp(log.fallback_url, strcmp(log.name, "ct.test/b") == 0
                                           ? "https://ct.test/b/"
                                           : "") == 0);
        CHECK(!log.placeholder && !log.ended && !log.has_final);
        CHECK(log.has_id == (log.key_len != 0));
    }
}

#define LOG(members)                                                           \
    "{\"key\":\"" KEY_A "\",\"url\":\"https://a.test/\"" members "}"
#define FINAL                                                                  \
    "\"final_tree_head\":{\"sha256_root_hash\":\"" ROOT64 "\","                \
    "\"tree_size\":"
#define STATE(word, members)                                                   \
    LOG(",\"state\":{\"" word                                                  \
        "\":{\"timestamp\":\"2026-01-01T00:00:00Z\"" members "}}")

static void reads_the_state_of_a_log(void **state)
{
    static const struct {
        const char *json;
        enum log_state state;
        bool ended, has_final;
        enum log_type type;
        uint64_t mmd;
    } cases[] = {
        {LOG(""), LOG_STATE_NONE, false, false, LOG_TYPE_PROD, 0},
        {STATE("pending", ""), LOG_STATE_PENDING, false, false, LOG_TYPE_PROD,
         0},
        {STATE("qualified", ""), LOG_STATE_QUALIFIED, false, false,
         LOG_TYPE_PROD, 0},
        {STATE("usable", ""), LOG_STATE_USABLE, false, false, LOG_TYPE_PROD, 0},
        {STATE("readonly", "," FINAL "57634084}"), LOG_STATE_READONLY, true,
         true, LOG_TYPE_PROD, 0},
        {STATE("retired", ""), LOG_STATE_RETIRED, true, false, LOG_TYPE_PROD,
         0},
        {STATE("rejected", ""), LOG_STATE_REJECTED, true, false, LOG_TYPE_PROD,
         0},
        {STATE("archived", ""), LOG_STATE_OTHER, false, false, LOG_TYPE_PROD,
         0},
        {LOG("," FINAL "57634084},\"mmd\":60"), LOG_STATE_NONE, false, true,
         LOG_TYPE_PROD, 60},
        {LOG(",\"status\":\"readonly\",\"mmd_seconds\":61"), LOG_STATE_NONE,
         true, false, LOG_TYPE_PROD, 61},
        {LOG(",\"status\":\"inactive\""), LOG_STATE_NONE, true, false,
         LOG_TYPE_PROD, 0},
        {LOG(",\"status\":\"active\""), LOG_STATE_NONE, false, false,
         LOG_TYPE_PROD, 0},
        {LOG(",\"log_type\":\"prod\""), LOG_STATE_NONE, false, false,
         LOG_TYPE_PROD, 0},
        {LOG(",\"log_type\":\"test\""), LOG_STATE_NONE, false, false,
         LOG_TYPE_OTHER, 0},
        {LOG(",\"log_type\":\"monitoring_only\""), LOG_STATE_NONE, false, false,
         LOG_TYPE_OTHER, 0},
        {LOG(",\"intended_use\":\"test\""), LOG_STATE_NONE, false, false,
         LOG_TYPE_OTHER, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct log_description log;
        enum err_code code;

        test_case = cases[i].json;
        CHECK(strcmp(parse_error(cases[i].json, &log, &code), "") == 0);
        CHECK(log.state == cases[i].state);
        CHECK(log.ended == cases[i].ended);
        CHECK(log.type == cases[i].type);
        CHECK(log.mmd_seconds == cases[i].mmd);
        CHECK(log.has_mmd == (cases[i].mmd != 0));
        CHECK(log.has_final == cases[i].has_final);
        CHECK(!log.has_final || log.final_size == 57634084);
        CHECK(!log.has_final || log.final_root.bytes[0] == 0xe3);
    }
}

#define BAD_URL "log description: log \"\": its URL is none of http or https"
#define BAD_FINAL                                                              \
    "log description: log \"a.test\": its final_tree_head cannot be read"
#define BAD_MMD "log description: log \"a.test\": its mmd cannot be read"

static void refuses_what_is_no_log(void **state)
{
    static const struct {
        const char *json, *error; // a prefix of it
    } cases[] = {
        {"", "log description: JSON: "},
        {"nonsense", "log description: JSON: "},
        {"[]", "log description: a log that is no JSON object"},
        {"{\"key\":\"" KEY_A "\",\"key\":\"" KEY_A "\"}",
         "log description: JSON: "},
        {"{\"key\":7}", "log description: log \"\": key is no base64 of"},
        {"{\"key\":\"\"}", "log description: log \"\": key is no base64 of"},
        {"{\"key\":\"MFk\"}", "log description: log \"\": key is no base64 of"},
        {"{\"key\":\"AAAA\"}", "log description: log \"\": key: neither DER"},
        {"{\"key\":\"" KEY_A "\",\"log_id\":\"" ID_B "\"}",
         "log description: log \"\": log_id " ID_B
         " does not fit the key, expected " ID_A},
        {"{\"key\":\"" KEY_A "\",\"log_id\":\"AAAA\"}",
         "log description: log \"\": log_id is no base64 of 32 bytes"},
        {"{\"key\":\"" KEY_A "\",\"log_id\":null}",
         "log description: log \"\": log_id is no base64 of 32 bytes"},
        // Base64 in base64 is no DER.
        {"{\"key\":\"TUZrd0V3WUhLb1pJemowQ0FRWUlLb1pJemowREFRY0RRZ0FFNlR4Mn"
         "AxeUtZNDAxNU55SVl2ZHJrMzZlczB1QWMxekE0UFErVEdSWSszWmpVVElZWTlXeXUrM3"
         "EvMTQ3Skc0dk5WS0x0RFdhclp3VnFHa2c2bEFZekE9PQ==\"}",
         "log description: log \"\": its key is not DER"},
        {"{\"url\":\"ftp://a.test/\"}", BAD_URL},
        {"{\"url\":\"a.test/x\"}", BAD_URL},
        {"{\"url\":\"https:///x\"}", BAD_URL},
        {"{\"url\":\"https://\"}", BAD_URL},
        {"{\"url\":\"https://:80/\"}", BAD_URL},
        {"{\"url\":\"https://a.test/x?y\"}", BAD_URL},
        {"{\"url\":\"https://a.test/x#y\"}", BAD_URL},
        {"{\"url\":\"https://u@a.test/x\"}", BAD_URL},
        {"{\"url\":\"https://a.test/ x\"}", BAD_URL},
        {"{\"url\":\"https://a.test/\\u0000\"}", BAD_URL},
        {"{\"url\":\"https://a.test/\\r\\nHost: b\"}", BAD_URL},
        {"{\"url\":\"x\",\"monitoring_url\":\"https://a.test/\"}",
         "log description: log \"\": its URL is none of"},
        {"{\"monitoring_url\":\"https://a.test/\",\"submission_url\":\"x\"}",
         "log description: log \"\": its submission URL is none of"},
        {LOG("," FINAL "-1}"), BAD_FINAL},
        {LOG("," FINAL "1.5}"), BAD_FINAL},
        {LOG("," FINAL "\"1\"}"), BAD_FINAL},
        {LOG("," FINAL "9007199254740993}"), BAD_FINAL},
        {LOG(",\"final_tree_head\":{\"tree_size\":1}"), BAD_FINAL},
        {LOG(",\"final_tree_head\":7"), BAD_FINAL},
        {LOG(",\"mmd\":-1"), BAD_MMD},
        {LOG(",\"mmd\":\"60\""), BAD_MMD},
        {LOG(",\"mmd\":9223372036854775807"), BAD_MMD},
        {LOG(",\"state\":{\"usable\":{},\"retired\":{}}"),
         "log description: log \"a.test\": it has two states"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct log_description log;
        enum err_code code;
        const char *error = parse_error(cases[i].json, &log, &code);

        test_case = cases[i].json;
        CHECK(strncmp(error, cases[i].error, strlen(cases[i].error)) == 0);
        CHECK(code == ERR_CONFIG);
    }
}

static void long_texts_are_cut_or_refused(void **state)
{
    char json[4096], long_text[1024];
    struct log_description log;
    enum err_code code;

    (void)state;
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    (void)snprintf(json, sizeof json, "{\"description\":\"%s\"}", long_text);
    assert_string_equal(parse_error(json, &log, &code), "");
    assert_true(strlen(log.name) < sizeof log.name);
    (void)snprintf(json, sizeof json, "{\"url\":\"https://%s/\"}", long_text);
    assert_string_equal(parse_error(json, &log, &code), BAD_URL);
    (void)snprintf(json, sizeof json,
                   "{\"monitoring_url\":\"https://a.test/\","
                   "\"submission_url\":\"https://%.300s/\"}",
                   long_text);
    assert_non_null(strstr(parse_error(json, &log, &code),
                           "its submission URL is none of http or https"));
}

static void a_key_given_apart_must_fit(void **state)
{
    struct signer *signer = signer_new_p256();
    struct sha256_hash id = sha256(signer_key(signer));
    struct log_description log = {0};
    struct err err = {0};
    enum err_code code;

    (void)state;
    assert_true(log_description_set_key(&log, signer_key(signer), &err));
    assert_true(log.has_id && sha256_equal(&log.id, &id));
    assert_true(
        bytes_equal(bytes_of(log.key, log.key_len), signer_key(signer)));
    assert_string_equal(parse_error("{\"log_id\":\"" ID_A "\"}", &log, &code),
                        "");
    assert_int_equal(log.key_len, 0);
    assert_false(log_description_set_key(&log, signer_key(signer), &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.text, "log_id " ID_A " does not fit the key"));
    assert_true(log_description_set_key(&log, bytes_from_text(KEY_A), &err));
    assert_int_equal(log.key_len, 91);
    assert_false(log_description_set_key(&log, bytes_from_text("?"), &err));
    signer_free(signer);
}

static void a_url_given_apart_names_the_log(void **state)
{
    struct log_description log = {0};
    struct err err = {0};

    (void)state;
    assert_true(log_description_set_url(&log, "https://ct.test/logs/a", &err));
    assert_string_equal(log.url, "https://ct.test/logs/a/");
    assert_string_equal(log.origin, "ct.test/logs/a");
    assert_string_equal(log.name, "ct.test/logs/a");
    // A log that has an origin keeps it when its URL changes.
    assert_true(log_description_set_url(&log, "http://127.0.0.1:80//", &err));
    assert_string_equal(log.url, "http://127.0.0.1:80/");
    assert_string_equal(log.origin, "ct.test/logs/a");
    assert_false(log_description_set_url(&log, "gopher://x/", &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.text, "no URL of a log: gopher://x/");
}

static void placeholders_are_known(void **state)
{
    static const struct {
        const char *json;
        bool placeholder;
    } cases[] = {
        {"{\"url\":\"https://ct.example.com/bogus/\"}", true},
        {"{\"url\":\"https://example.com/\"}", true},
        {"{\"url\":\"https://CT.EXAMPLE.COM./\"}", true},
        {"{\"url\":\"https://ct-mimics.example.com:443/x/\"}", true},
        {"{\"monitoring_url\":\"https://m.test/\",\"submission_url\":"
         "\"https://x.example.com/\"}",
         true},
        {"{\"url\":\"https://a.test/\",\"description\":\"Bogus placeholder log "
         "to unbreak misbehaving CT libraries\"}",
         true},
        {"{\"url\":\"https://notexample.com/\"}", false},
        {"{\"url\":\"https://example.com.test/\"}", false},
        {"{\"url\":\"https://a.test/example.com\"}", false},
        {"{\"url\":\"https://bad.example/log\"}", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct log_description log;
        enum err_code code;

        test_case = cases[i].json;
        CHECK(strcmp(parse_error(cases[i].json, &log, &code), "") == 0);
        CHECK(log.placeholder == cases[i].placeholder);
    }
}

static void reads_the_real_descriptions(void **state)
{
    static const struct {
        const char *path, *name, *url, *origin;
        enum log_api api;
    } cases[] = {
        {"rfc6962/argon2020/log.v3.json", "Google 'Argon2020' log",
         "https://ct.googleapis.com/logs/argon2020/",
         "ct.googleapis.com/logs/argon2020", LOG_API_RFC6962},
        {"rfc6962/yeti2018-sth/log.v3.json", "DigiCert Yeti2018 Log",
         "https://yeti2018.ct.digicert.com/log/",
         "yeti2018.ct.digicert.com/log", LOG_API_RFC6962},
        {"static/navigli2025h2/log.v3.json", "Geomys Navigli2025h2 (test log)",
         "https://navigli2025h2.skylight.geomys.org/",
         "navigli2025h2.sunlight.geomys.org", LOG_API_STATIC},
    };

    (void)state;
    SKIP_WITHOUT_DATA();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes json = read_file(test_data(cases[i].path));
        struct log_description log;
        struct err err = {0};

        test_case = cases[i].path;
        CHECK(log_description_parse(&log, json, &err));
        CHECK(strcmp(log.name, cases[i].name) == 0);
        CHECK(strcmp(log.url, cases[i].url) == 0);
        CHECK(strcmp(log.origin, cases[i].origin) == 0);
        CHECK(log.api == cases[i].api);
        CHECK(log.key_len == 91);
        for (size_t len = 0; len < json.len; len++) {
            struct bytes cut = heap_copy(bytes_of(json.data, len));

            CHECK(!log_description_parse(&log, cut, &err));
            free((void *)cut.data);
        }
        free((void *)json.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_form_of_a_log),
        cmocka_unit_test(reads_the_state_of_a_log),
        cmocka_unit_test(refuses_what_is_no_log),
        cmocka_unit_test(long_texts_are_cut_or_refused),
        cmocka_unit_test(a_key_given_apart_must_fit),
        cmocka_unit_test(a_url_given_apart_names_the_log),
        cmocka_unit_test(placeholders_are_known),
        cmocka_unit_test(reads_the_real_descriptions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
