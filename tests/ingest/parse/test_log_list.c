// test_log_list.c - log lists, real and malformed, and what is chosen from
// them.

#include "tests/support/check.h"

#include "index/base/text.h"
#include "ingest/parse/log_list.h"
#include "tests/ingest/parse/log_keys.h"
#include "tests/support/signer.h"

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
