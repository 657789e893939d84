// test_log_list.c - descriptions of logs and log lists, real and malformed.

#include "tests/support/check.h"

#include "index/base/text.h"
#include "ingest/parse/log_list.h"
#include "tests/support/signer.h"

// Argon2020's and Yeti2018's, as their lists give them.
#define KEY_A                                                                  \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6Tx2p1yKY4015NyIYvdrk36es0uAc1zA4PQ+" \
    "TGRY+3ZjUTIYY9Wyu+3q/147JG4vNVKLtDWarZwVqGkg6lAYzA=="
#define ID_A "sh4FzIuizYogTodm+Su5iiUgZ2va+nDnsklTLe+LkF4="
#define KEY_B                                                                  \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAESYlKFDLLFmA9JScaiaNnqlU8oWDytxIYMfsw" \
    "Hy9Esg0aiX+WnP/yj4O0ViEHtLwbmOQeSWBGkIu9YK9CLeer+g=="
#define ID_B "wRZK4Kdy0tQ5LcgKwQdw1PDEm96ZGkhAwfoHUWT2M2A="
#define ROOT64 "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

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

// ---------------------------------------------------------------- one log

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

// ---------------------------------------------------------------- lists

struct chosen {
    size_t num[3]; // by verdict
    struct log_list list;
    enum log_verdict *verdicts;
    const char **reasons;
};

static void choose(struct chosen *chosen, const struct log_choice *choice,
                   struct err *err)
{
    size_t num = chosen->list.num_logs;

    *err = (struct err){0};
    memset(chosen->num, 0, sizeof chosen->num);
    free(chosen->verdicts);
    free(chosen->reasons);
    chosen->verdicts = calloc(num + 1, sizeof *chosen->verdicts);
    chosen->reasons = calloc(num + 1, sizeof *chosen->reasons);
    assert_true(chosen->verdicts != NULL && chosen->reasons != NULL);
    if (!log_list_select(&chosen->list, choice, chosen->verdicts,
                         chosen->reasons, err)) {
        assert_true(err->code == ERR_USAGE || err->code == ERR_CONFIG);
        return;
    }
    for (size_t i = 0; i < num; i++) {
        chosen->num[chosen->verdicts[i]]++;
        assert_int_equal(chosen->reasons[i] != NULL,
                         chosen->verdicts[i] == LOG_PASSED_OVER);
    }
}

static void open_list(struct chosen *chosen, const char *path)
{
    struct bytes json = read_file(test_data(path));
    struct err err = {0};

    *chosen = (struct chosen){0};
    if (!log_list_parse(&chosen->list, json, &err)) fail_msg("%s", err.text);
    free((void *)json.data);
}

static void close_list(struct chosen *chosen)
{
    log_list_cleanup(&chosen->list);
    free(chosen->verdicts);
    free(chosen->reasons);
}

// The figures were counted by another program (Python's json).
static void reads_every_real_list(void **state)
{
    static const struct {
        const char *path;
        size_t num_logs, usable, readonly, qualified, rejected;
    } cases[] = {
        {"loglist/all_logs_list-history/83.1", 247, 47, 6, 1, 128},
        {"loglist/all_logs_list-history/83.7", 247, 47, 6, 1, 128},
        {"loglist/all_logs_list-history/84.0", 247, 48, 6, 0, 129},
        {"loglist/all_logs_list-history/84.11", 247, 48, 6, 0, 129},
        {"loglist/all_logs_list-history/84.12", 247, 48, 6, 0, 129},
        {"loglist/all_logs_list-history/84.14", 247, 48, 6, 0, 133},
        {"loglist/chrome-log_list-85.92/log_list", 56, 48, 4, 0, 0},
    };

    (void)state;
    SKIP_WITHOUT_DATA();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t states[LOG_STATE_OTHER + 1] = {0}, placeholders = 0;
        struct chosen chosen;
        char path[256];

        (void)snprintf(path, sizeof path, "%s.json", cases[i].path);
        open_list(&chosen, path);
        for (size_t j = 0; j < chosen.list.num_logs; j++) {
            const struct log_description *log = &chosen.list.logs[j];

            states[log->state]++;
            placeholders += log->placeholder;
            test_case = log->name;
            CHECK(log->problem[0] == '\0');
            CHECK(log->key_len == 91 || log->key_len == 294);
            CHECK(log->operator_name[0] != '\0' && log->has_mmd);
            CHECK(log_list_find(&chosen.list, &log->id) == log);
            CHECK(log->has_final == (log->state == LOG_STATE_READONLY));
        }
        test_case = cases[i].path;
        CHECK(chosen.list.num_logs == cases[i].num_logs);
        CHECK(chosen.list.has_timestamp);
        CHECK(chosen.list.timestamp > 1767225600); // 2026, as their names say
        CHECK(states[LOG_STATE_USABLE] == cases[i].usable);
        CHECK(states[LOG_STATE_READONLY] == cases[i].readonly);
        CHECK(states[LOG_STATE_QUALIFIED] == cases[i].qualified);
        CHECK(states[LOG_STATE_REJECTED] == cases[i].rejected);
        CHECK(placeholders == 2);
        close_list(&chosen);
    }
}

static void every_real_signature_holds(void **state)
{
    static const char *const cases[] = {
        "loglist/all_logs_list-history/83.1",
        "loglist/all_logs_list-history/83.7",
        "loglist/all_logs_list-history/84.0",
        "loglist/all_logs_list-history/84.11",
        "loglist/all_logs_list-history/84.12",
        "loglist/all_logs_list-history/84.14",
        "loglist/chrome-log_list-85.92/log_list",
    };
    struct bytes pem;

    (void)state;
    SKIP_WITHOUT_DATA();
    pem = read_file(test_data("loglist/log_list_pubkey.pem"));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes json, signature;
        struct err err = {0};
        char path[256];

        (void)snprintf(path, sizeof path, "%s.json", cases[i]);
        json = read_file(test_data(path));
        (void)snprintf(path, sizeof path, "%s.sig", cases[i]);
        signature = read_file(test_data(path));
        test_case = cases[i];
        CHECK(log_list_verify(json, signature, bytes_of(NULL, 0), &err));
        CHECK(log_list_verify(json, signature, pem, &err));
        CHECK(!log_list_verify(json, signature, bytes_from_text(KEY_A), &err));
        CHECK(err.code == ERR_CONFIG);
        CHECK(!log_list_verify(bytes_of(json.data, json.len - 1), signature,
                               bytes_of(NULL, 0), &err));
        ((uint8_t *)json.data)[json.len / 2] ^= 1;
        CHECK(!log_list_verify(json, signature, bytes_of(NULL, 0), &err));
        CHECK(strcmp(err.text, "log list: the signature does not hold under "
                               "the log list key") == 0);
        ((uint8_t *)json.data)[json.len / 2] ^= 1;
        for (size_t j = 0; j < signature.len; j += 37) {
            ((uint8_t *)signature.data)[j] ^= 4;
            CHECK(!log_list_verify(json, signature, bytes_of(NULL, 0), &err));
            ((uint8_t *)signature.data)[j] ^= 4;
        }
        free((void *)json.data);
        free((void *)signature.data);
    }
    free((void *)pem.data);
}

static void chooses_from_a_real_list(void **state)
{
    static const char *const google[] = {"google"}, *const nobody[] = {
                                                        "Nobody"};
    static const char *const argon[] = {"argon2026h1"};
    static const char *const retired[] = {"Google 'Argon2020' log"};
    static const char *const nobodys[] = {"Atlantis2026"};
    static const char *const bogus[] = {"https://ct.example.com/bogus/"};
    static const char *const many[] = {"Google"};
    struct log_choice choice = {.all = true};
    struct chosen chosen;
    struct err err;

    (void)state;
    SKIP_WITHOUT_DATA();
    open_list(&chosen, "loglist/all_logs_list-history/83.1.json");
    choose(&chosen, &choice, &err);
    assert_int_equal(chosen.num[LOG_SELECTED], 47 + 6 + 1);
    assert_int_equal(chosen.num[LOG_PASSED_OVER], 247 - 54);

    choice = (struct log_choice){.states = "usable"};
    choose(&chosen, &choice, &err);
    assert_int_equal(chosen.num[LOG_SELECTED], 47);
    choice = (struct log_choice){.states = "readonly,qualified"};
    choose(&chosen, &choice, &err);
    assert_int_equal(chosen.num[LOG_SELECTED], 7);
    choice = (struct log_choice){.states = "rejected"};
    choose(&chosen, &choice, &err);
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, "--state narrows --all"));
    choice = (struct log_choice){.states = "usable,gone"};
    choose(&chosen, &choice, &err);
    assert_string_equal(err.text, "--state: there is no state \"gone\"");

    choice = (struct log_choice){.operators = google, .num_operators = 1};
    choose(&chosen, &choice, &err);
    assert_true(chosen.num[LOG_SELECTED] > 0 && chosen.num[LOG_SELECTED] < 20);
    for (size_t i = 0; i < chosen.list.num_logs; i++) {
        if (chosen.verdicts[i] == LOG_NOT_ASKED) continue;
        assert_string_equal(chosen.list.logs[i].operator_name, "Google");
    }
    choice = (struct log_choice){.operators = nobody, .num_operators = 1};
    choose(&chosen, &choice, &err);
    assert_string_equal(err.text,
                        "--operator: the list has none named \"Nobody\"");

    choice = (struct log_choice){.names = argon, .num_names = 1};
    choose(&chosen, &choice, &err);
    assert_int_equal(chosen.num[LOG_SELECTED], 1);
    choice = (struct log_choice){.names = retired, .num_names = 1};
    choose(&chosen, &choice, &err);
    assert_int_equal(chosen.num[LOG_SELECTED], 1);
    choice = (struct log_choice){.names = nobodys, .num_names = 1};
    choose(&chosen, &choice, &err);
    assert_string_equal(err.text, "the list has no log named \"Atlantis2026\"");
    choice = (struct log_choice){.names = bogus, .num_names = 1};
    choose(&chosen, &choice, &err);
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, "is a placeholder and never connected"));
    choice = (struct log_choice){.names = many, .num_names = 1};
    choose(&chosen, &choice, &err);
    assert_int_equal(err.code, ERR_USAGE);
    assert_non_null(strstr(err.text, "logs of the list are named \"Google\""));
    choice = (struct log_choice){0};
    choose(&chosen, &choice, &err);
    assert_string_equal(err.text, "no log of the list is selected");
    close_list(&chosen);
}

#define ENTRY(name, key, id, url, more)                                        \
    "{\"description\":\"" name "\",\"key\":\"" key "\",\"log_id\":\"" id       \
    "\",\"url\":\"" url "\"" more "}"
#define USABLE ",\"state\":{\"usable\":{}}"
#define LIST(logs)                                                             \
    "{\"version\":\"1.2\",\"log_list_timestamp\":\"2026-08-20T13:34:57Z\","    \
    "\"operators\":[{\"name\":\"Op\",\"logs\":[" logs "]}]}"

static void an_unreadable_entry_costs_only_itself(void **state)
{
    static const char *const lists[] = {
        ENTRY("A", KEY_A, ID_A, "https://a.test/",
              USABLE) "," ENTRY("B", KEY_B, ID_B, "gopher://b.test/", USABLE),
        ENTRY("A", KEY_A, ID_A, "https://a.test/",
              USABLE) "," ENTRY("A2", KEY_A, ID_A, "https://a2.test/", USABLE),
        ENTRY("A", KEY_A, ID_A, "https://a.test/", USABLE) "," ENTRY(
            "K", "AAAA", "cJ5Q4YZz+hlJqi6ipyk4cCLCnrq4kY6anPmp1ygxh7A=",
            "https://k.test/", USABLE),
        ENTRY("A", KEY_A, ID_A, "https://a.test/",
              USABLE) ",{\"description\":\"N\",\"url\":\"https://n.test/\"}",
        ENTRY("A", KEY_A, ID_A, "https://a.test/",
              USABLE) ",{\"description\":\"U\",\"key\":\"" KEY_B "\"}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct log_choice choice = {.all = true};
        struct chosen chosen = {0};
        struct sha256_hash k = sha256(bytes_of("\0\0\0", 3));
        struct buffer id = {0};
        struct err err = {0};
        char json[4096], *at;

        (void)snprintf(json, sizeof json,
                       "{\"operators\":[{\"name\":\"Op\",\"logs\":[%s]}]}",
                       lists[i]);
        text_append_base64(&id, sha256_bytes(&k));
        if ((at = strstr(json, "cJ5Q")) != NULL) memcpy(at, id.data, id.len);
        test_case = json;
        CHECK(log_list_parse(&chosen.list, bytes_from_text(json), &err));
        CHECK(chosen.list.num_logs == 2 && !chosen.list.has_timestamp);
        choose(&chosen, &choice, &err);
        CHECK(chosen.num[LOG_SELECTED] == 1);
        CHECK(chosen.verdicts[0] == LOG_SELECTED);
        CHECK(chosen.reasons[1] == chosen.list.logs[1].problem);
        CHECK(chosen.reasons[1][0] != '\0');
        close_list(&chosen);
        buffer_cleanup(&id);
    }
}

// Usable as they say they are, and still not read by --all.
static void placeholders_and_test_logs_are_passed_over(void **state)
{
    static const char *const entries[] = {
        ENTRY("Bogus placeholder", KEY_B, ID_B, "https://b.test/", USABLE),
        ENTRY("B", KEY_B, ID_B, "https://b.example.com/", USABLE),
        ENTRY("B", KEY_B, ID_B, "https://b.test/",
              USABLE ",\"log_type\":\"test\""),
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        static const char *const names[] = {ID_B};
        struct log_choice choice = {.all = true};
        struct chosen chosen = {0};
        struct err err = {0};
        char json[4096];

        (void)snprintf(
            json, sizeof json,
            "{\"operators\":[{\"name\":\"Op\",\"logs\":[" ENTRY(
                "A", KEY_A, ID_A, "https://a.test/", USABLE) ",%s]}]}",
            entries[i]);
        test_case = entries[i];
        CHECK(log_list_parse(&chosen.list, bytes_from_text(json), &err));
        choose(&chosen, &choice, &err);
        CHECK(chosen.verdicts[0] == LOG_SELECTED);
        CHECK(chosen.verdicts[1] == LOG_PASSED_OVER);
        CHECK(strcmp(chosen.reasons[1], i < 2
                                            ? "it is a placeholder"
                                            : "its log_type is not prod") == 0);
        // A test log is read by its name, a placeholder never.
        choice = (struct log_choice){.names = names, .num_names = 1};
        choose(&chosen, &choice, &err);
        CHECK((chosen.num[LOG_SELECTED] == 1) == (i == 2));
        close_list(&chosen);
    }
}

static void refuses_what_is_no_list(void **state)
{
    static const struct {
        const char *json, *error; // a prefix of it
    } cases[] = {
        {"", "log list: JSON: "},
        {"<html>", "log list: JSON: "},
        {"[]", "log list: no \"operators\": not of version 3"},
        {"{\"operators\":{}}", "log list: no \"operators\": not of version 3"},
        {"{\"operators\":[],\"log_list_timestamp\":7}",
         "log list: log_list_timestamp is no time"},
        {"{\"operators\":[],\"log_list_timestamp\":\"yesterday\"}",
         "log list: log_list_timestamp is no time"},
        {"{\"operators\":[{\"name\":\"X\",\"logs\":{\"a\":1}}]}",
         "log list: operator \"X\": its logs are no array"},
        {"{\"operators\":[{\"name\":\"X\",\"logs\":[7]}]}",
         "log list: operator \"X\": a log that is no JSON object"},
        {LIST(ENTRY("A", KEY_A, ID_A, "https://a.test/", USABLE) "," ENTRY(
             "B", KEY_B, ID_A, "https://b.test/", USABLE)),
         "log list: operator \"Op\": log \"B\": log_id " ID_A
         " does not fit the key, expected " ID_B},
        // A placeholder's must fit as well.
        {LIST(ENTRY("Bogus placeholder", KEY_B, ID_A, "https://ct.example.com/",
                    "")),
         "log list: operator \"Op\": log \"Bogus placeholder\": log_id "},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes exact = heap_copy(bytes_from_text(cases[i].json));
        struct log_list list;
        struct err err = {0};

        test_case = cases[i].json;
        CHECK(!log_list_parse(&list, exact, &err));
        CHECK(err.code == ERR_CONFIG);
        CHECK(strncmp(err.text, cases[i].error, strlen(cases[i].error)) == 0);
        free((void *)exact.data);
    }
}

static void a_list_may_be_long_but_not_endless(void **state)
{
    for (size_t num = LOG_LIST_LOGS_MAX; num <= LOG_LIST_LOGS_MAX + 1; num++) {
        struct buffer json = {0};
        struct log_list list;
        struct err err = {0};

        (void)state;
        buffer_append_text(&json, "{\"operators\":[{\"logs\":[{}");
        for (size_t i = 1; i < num; i++) {
            buffer_append_text(&json, ",{}");
        }
        buffer_append_text(&json, "]}]}");
        assert_int_equal(log_list_parse(&list, buffer_bytes(&json), &err),
                         num == LOG_LIST_LOGS_MAX);
        if (num == LOG_LIST_LOGS_MAX) {
            assert_int_equal(list.num_logs, num);
            assert_string_equal(list.logs[9].problem, "it has no key");
        } else {
            assert_string_equal(err.text,
                                "log list: 4097 logs, over the limit of 4096");
        }
        log_list_cleanup(&list);
        buffer_cleanup(&json);
    }
}

static void names_are_taken_in_many_forms(void **state)
{
    static const char json[] = LIST(ENTRY(
        "Google 'Argon2020' log", KEY_A, ID_A, "https://a.test/logs/argon2020/",
        USABLE) "," ENTRY("Argon2020", KEY_B, ID_B, "gopher://b.test/",
                          ",\"state\":{\"retired\":{}}"));
    static const struct {
        const char *name;
        int selected; // -1: none
        const char *error;
    } cases[] = {
        {"GOOGLE 'argon2020' LOG", 0, ""},
        {"a.test/logs/argon2020", 0, ""},
        {"https://a.test/logs/argon2020", 0, ""},
        {"https://a.test/logs/argon2020/", 0, ""},
        {ID_A, 0, ""},
        {"b21e05cc8ba2cd8a204e8766f92bb98a2520676bdafa70e7b249532def8b905e", 0,
         ""},
        {"B21E05CC8BA2CD8A204E8766F92BB98A2520676BDAFA70E7B249532DEF8B905E", 0,
         ""},
        // A whole name goes before the word of another.
        {"argon2020", -1,
         "Argon2020 cannot be read: its URL is none of http or https"},
        {"Google", 0, ""},
        {"goog", -1, "the list has no log named \"goog\""},
        {"", -1, "the list has no log named \"\""},
        {"\x1b[2J", -1, "the list has no log named \"\\x1b[2J\""},
    };
    struct chosen chosen = {0};
    struct err err = {0};

    (void)state;
    assert_true(log_list_parse(&chosen.list, bytes_from_text(json), &err));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct log_choice choice = {.names = &cases[i].name, .num_names = 1};

        test_case = cases[i].name;
        choose(&chosen, &choice, &err);
        CHECK(strcmp(err.text, cases[i].error) == 0);
        CHECK((chosen.num[LOG_SELECTED] == 1) == (cases[i].selected == 0));
        if (cases[i].selected == 0) CHECK(chosen.verdicts[0] == LOG_SELECTED);
    }
    assert_false(log_list_verify(bytes_from_text(json), bytes_from_text("x"),
                                 bytes_from_text("no key"), &err));
    assert_string_equal(err.text, "log list key: key: neither DER nor PEM nor "
                                  "base64 of a public key");
    close_list(&chosen);
}

static void what_all_leaves_out_is_said_why(void **state)
{
    static const struct {
        const char *state, *reason;
    } cases[] = {
        {"", "it has no state"},
        {",\"state\":{\"pending\":{}}", "its state is pending"},
        {",\"state\":{\"retired\":{}}", "its state is retired"},
        {",\"state\":{\"rejected\":{}}", "its state is rejected"},
        {",\"state\":{\"melted\":{}}", "its state is not a known one"},
        {",\"state\":{\"usable\":{}}", NULL},
        {",\"state\":{\"qualified\":{},\"version\":7}", NULL},
        {",\"state\":{\"readonly\":{}}", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct log_choice choice = {.all = true};
        struct chosen chosen = {0};
        struct err err = {0};
        char json[4096];

        (void)snprintf(json, sizeof json,
                       LIST(ENTRY("B", KEY_B, ID_B, "https://b.test/", "%s")),
                       cases[i].state);
        test_case = cases[i].state;
        CHECK(log_list_parse(&chosen.list, bytes_from_text(json), &err));
        choose(&chosen, &choice, &err);
        CHECK((err.code == ERR_NONE) == (cases[i].reason == NULL));
        CHECK(chosen.reasons[0] == NULL
                  ? cases[i].reason == NULL
                  : strcmp(chosen.reasons[0], cases[i].reason) == 0);
        close_list(&chosen);
    }
}

static void refuses_every_truncation(void **state)
{
    static const char json[] =
        LIST(ENTRY("A", KEY_A, ID_A, "https://a.test/", USABLE));
    struct log_list list;
    struct err err = {0};

    (void)state;
    for (size_t len = 0; len < sizeof json - 1; len++) {
        struct bytes cut = heap_copy(bytes_of(json, len));

        assert_false(log_list_parse(&list, cut, &err));
        free((void *)cut.data);
    }
    assert_true(log_list_parse(&list, bytes_from_text(json), &err));
    assert_string_equal(list.version, "1.2");
    assert_int_equal(list.timestamp, 1787232897);
    log_list_cleanup(&list);
}

static void knows_where_the_signature_lies(void **state)
{
    static const struct {
        const char *url, *signature;
    } cases[] = {
        {"https://h/v3/log_list.json", "https://h/v3/log_list.sig"},
        {"https://h/l.json?x=1.json", "https://h/l.sig?x=1.json"},
        {"https://h/list", "https://h/list.sig"},
        {".json", ".sig"},
        {"", ".sig"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buffer out = {0};

        test_case = cases[i].url;
        log_list_signature_url(&out, cases[i].url);
        CHECK(bytes_equal_text(buffer_bytes(&out), cases[i].signature));
        buffer_cleanup(&out);
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
        cmocka_unit_test(reads_every_real_list),
        cmocka_unit_test(every_real_signature_holds),
        cmocka_unit_test(chooses_from_a_real_list),
        cmocka_unit_test(an_unreadable_entry_costs_only_itself),
        cmocka_unit_test(placeholders_and_test_logs_are_passed_over),
        cmocka_unit_test(refuses_what_is_no_list),
        cmocka_unit_test(a_list_may_be_long_but_not_endless),
        cmocka_unit_test(names_are_taken_in_many_forms),
        cmocka_unit_test(what_all_leaves_out_is_said_why),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(knows_where_the_signature_lies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
