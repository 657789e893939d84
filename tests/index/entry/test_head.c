// test_head.c - tree heads and checkpoints, real, forged and broken.

#include "tests/support/check.h"

#include "index/base/json.h"
#include "index/base/text.h"
#include "index/entry/head.h"
#include "tests/support/signer.h"

#define ORIGIN "log.example/2026h1"
#define DASH "\xe2\x80\x94 "

static struct signer *own; // ECDSA
static struct log_key *own_key;
static struct sha256_hash some_root;

static int make_keys(void **state)
{
    struct err err = {0};

    (void)state;
    own = signer_new_p256();
    some_root = sha256(bytes_from_text("some tree"));
    return log_key_new(&own_key, signer_key(own), &err) ? 0 : -1;
}

static int free_keys(void **state)
{
    (void)state;
    log_key_free(own_key);
    signer_free(own);
    return 0;
}

// The text of an error, "" for none.
static const char *sth_error(struct bytes served, const struct log_key *key,
                             enum err_code *code)
{
    static struct err err;
    struct bytes exact = heap_copy(served);
    struct head head;
    bool ok;

    err = (struct err){0};
    ok = head_parse_sth(&head, exact, key, &err);
    CHECK(ok == (err.code == ERR_NONE));
    if (code != NULL) *code = err.code;
    free((void *)exact.data);
    return err.text;
}

static const char *note_error(struct bytes served, const char *origin,
                              const struct log_key *key, enum err_code *code)
{
    static struct err err;
    struct bytes exact = heap_copy(served);
    struct head head;
    bool ok;

    err = (struct err){0};
    ok = head_parse_checkpoint(&head, exact, origin, key, &err);
    CHECK(ok == (err.code == ERR_NONE));
    if (code != NULL) *code = err.code;
    free((void *)exact.data);
    return err.text;
}

// ---------------------------------------------------------------- keys

static struct log_key *key_of(struct bytes spki)
{
    struct log_key *key = NULL;
    struct err err = {0};

    if (!log_key_new(&key, spki, &err)) fail_msg("%s", err.text);
    return key;
}

static struct log_key *key_of_description(const char *path)
{
    struct bytes text = read_file(path);
    struct buffer der = {0};
    struct json *json = NULL;
    struct err err = {0};
    struct log_key *key;

    assert_true(json_parse(&json, text, &err));
    assert_true(json_base64(json_member(json, "key"), &der));
    key = key_of(buffer_bytes(&der));
    buffer_cleanup(&der);
    json_free(json);
    free((void *)text.data);
    return key;
}

static void reads_a_key_in_every_form(void **state)
{
    struct buffer base64 = {0}, pem = {0};
    struct sha256_hash id = sha256(signer_key(own));
    struct bytes forms[3];

    (void)state;
    text_append_base64(&base64, signer_key(own));
    buffer_append_text(&pem, "a comment\n-----BEGIN PUBLIC KEY-----\r\n");
    buffer_append(&pem, bytes_of(base64.data, 64));
    buffer_append_text(&pem, "\r\n");
    buffer_append(&pem, bytes_of(base64.data + 64, base64.len - 64));
    buffer_append_text(&pem, "\r\n-----END PUBLIC KEY-----\r\n");
    buffer_append_text(&base64, "\n");
    forms[0] = signer_key(own);
    forms[1] = buffer_bytes(&base64);
    forms[2] = buffer_bytes(&pem);
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        struct bytes exact = heap_copy(forms[i]);
        struct log_key *key = key_of(exact);

        assert_true(sha256_equal(log_key_id(key), &id));
        assert_true(bytes_equal(log_key_der(key), signer_key(own)));
        log_key_free(key);
        free((void *)exact.data);
    }
    buffer_cleanup(&base64);
    buffer_cleanup(&pem);
}

static void reads_the_key_of_the_log_lists(void **state)
{
    struct log_key *key;
    struct bytes pem;

    (void)state;
    SKIP_WITHOUT_DATA();
    pem = read_file(test_data("loglist/log_list_pubkey.pem"));
    key = key_of(pem);
    assert_int_equal(log_key_der(key).len, 550);
    log_key_free(key);
    free((void *)pem.data);
}

static void refuses_what_is_no_key(void **state)
{
    struct signer *small = signer_new_rsa(1024);
    struct bytes der = signer_key(own);
    struct buffer longer = {0};
    struct log_key *key = NULL;
    struct err err = {0};

    (void)state;
    for (size_t len = 0; len < der.len; len++) {
        struct bytes cut = heap_copy(bytes_of(der.data, len));

        assert_false(log_key_new(&key, cut, &err));
        assert_int_equal(err.code, ERR_CONFIG);
        free((void *)cut.data);
    }
    buffer_append(&longer, der);
    buffer_append_byte(&longer, 0);
    assert_false(log_key_new(&key, buffer_bytes(&longer), &err));
    assert_string_equal(err.text, "key: no SubjectPublicKeyInfo");
    assert_false(log_key_new(&key, bytes_from_text("MFkw!"), &err));
    assert_string_equal(err.text,
                        "key: neither DER nor PEM nor base64 of a public key");
    assert_false(log_key_new(&key, signer_key(small), &err));
    assert_string_equal(err.text,
                        "key: neither ECDSA P-256 nor RSA of 2048 to 8192 "
                        "bits (RFC 6962 section 2.1.4)");
    buffer_cleanup(&longer);
    signer_free(small);
}

// ---------------------------------------------------------------- get-sth

static void reads_a_tree_head(void **state)
{
    struct buffer served = {0};
    struct err err = {0};
    struct head head;

    (void)state;
    signer_sth(own, &served, 1700000000123, 42, &some_root);
    assert_true(head_parse_sth(&head, buffer_bytes(&served), own_key, &err));
    assert_int_equal(head.kind, HEAD_STH);
    assert_int_equal(head.size, 42);
    assert_int_equal(head.timestamp_ms, 1700000000123);
    assert_true(sha256_equal(&head.root, &some_root));
    assert_true(bytes_equal(head.served, buffer_bytes(&served)));
    buffer_cleanup(&served);
}

static void real_tree_heads_hold(void **state)
{
    static const char *const logs[] = {"rfc6962/argon2020",
                                       "rfc6962/yeti2018-sth"};
    struct log_key *keys[2];
    struct bytes heads[2];

    (void)state;
    SKIP_WITHOUT_DATA();
    for (size_t i = 0; i < 2; i++) {
        char path[256];

        (void)snprintf(path, sizeof path, "%s/log.v3.json", logs[i]);
        keys[i] = key_of_description(test_data(path));
        (void)snprintf(path, sizeof path, "%s/get-sth.json", logs[i]);
        heads[i] = read_file(test_data(path));
    }
    assert_string_equal(sth_error(heads[0], keys[0], NULL), "");
    assert_string_equal(sth_error(heads[1], keys[1], NULL), "");
    assert_string_equal(
        sth_error(heads[0], keys[1], NULL),
        "get-sth: the signature is not by the expected key, that of log "
        "wRZK4Kdy0tQ5LcgKwQdw1PDEm96ZGkhAwfoHUWT2M2A=");
    assert_string_equal(
        sth_error(heads[1], keys[0], NULL),
        "get-sth: the signature is not by the expected key, that of log "
        "sh4FzIuizYogTodm+Su5iiUgZ2va+nDnsklTLe+LkF4=");
    for (size_t i = 0; i < 2; i++) {
        log_key_free(keys[i]);
        free((void *)heads[i].data);
    }
}

static void the_fake_tree_head_is_refused(void **state)
{
    struct log_key *argon, *yeti;
    enum err_code code;
    struct bytes fake;

    (void)state;
    SKIP_WITHOUT_DATA();
    argon = key_of_description(test_data("rfc6962/argon2020/log.v3.json"));
    yeti = key_of_description(test_data("rfc6962/yeti2018-sth/log.v3.json"));
    fake = read_file(
        test_data("rfc6962/ctgo-four-entries/get-sth-BOGUS-root-and-sig.json"));
    assert_string_not_equal(sth_error(fake, argon, &code), "");
    assert_true(code == ERR_VERIFY || code == ERR_MALFORMED);
    assert_string_not_equal(sth_error(fake, yeti, NULL), "");
    assert_string_not_equal(sth_error(fake, own_key, NULL), "");
    log_key_free(argon);
    log_key_free(yeti);
    free((void *)fake.data);
}

#define ROOT64 "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define STH(size, time, root, signature)                                       \
    "{\"tree_size\":" size ",\"timestamp\":" time                              \
    ",\"sha256_root_hash\":" root ",\"tree_head_signature\":" signature "}"
#define SIZE_ERROR "get-sth: tree_size is no whole number from 0 to 2^53"

static void refuses_what_is_no_tree_head(void **state)
{
    static const struct {
        const char *served, *error; // a prefix of it
        enum err_code code;
    } cases[] = {
        {"", "get-sth: JSON: ", ERR_MALFORMED},
        {"<html>502</html>", "get-sth: JSON: ", ERR_MALFORMED},
        {"[1]", "get-sth: no JSON object", ERR_MALFORMED},
        {"{}", SIZE_ERROR, ERR_MALFORMED},
        {STH("-1", "1", "\"\"", "\"\""), SIZE_ERROR, ERR_MALFORMED},
        {STH("12.5", "1", "\"\"", "\"\""), SIZE_ERROR, ERR_MALFORMED},
        {STH("12.0", "1", "\"\"", "\"\""), SIZE_ERROR, ERR_MALFORMED},
        {STH("1e6", "1", "\"\"", "\"\""), SIZE_ERROR, ERR_MALFORMED},
        {STH("\"12\"", "1", "\"\"", "\"\""), SIZE_ERROR, ERR_MALFORMED},
        {STH("null", "1", "\"\"", "\"\""), SIZE_ERROR, ERR_MALFORMED},
        {STH("9007199254740993", "1", "\"\"", "\"\""), SIZE_ERROR,
         ERR_MALFORMED},
        {STH("9223372036854775807", "1", "\"\"", "\"\""), SIZE_ERROR,
         ERR_MALFORMED},
        {STH("9223372036854775808", "1", "\"\"", "\"\""),
         "get-sth: JSON: ", ERR_MALFORMED},
        {STH("18446744073709551615", "1", "\"\"", "\"\""),
         "get-sth: JSON: ", ERR_MALFORMED},
        {STH("1,\"tree_size\":1", "1", "\"" ROOT64 "\"", "\"\""),
         "get-sth: JSON: ", ERR_MALFORMED},
        {STH("1", "-1", "\"\"", "\"\""),
         "get-sth: timestamp is no whole number", ERR_MALFORMED},
        {STH("1", "\"1\"", "\"\"", "\"\""),
         "get-sth: timestamp is no whole number", ERR_MALFORMED},
        {STH("1", "1", "\"\"", "\"\""),
         "get-sth: sha256_root_hash is no base64 of 32 bytes", ERR_MALFORMED},
        {STH("1", "1", "\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=\"",
             "\"\""),
         "get-sth: sha256_root_hash is no base64 of 32 bytes", ERR_MALFORMED},
        {STH("1", "1", "\"" ROOT64 "\"", "\"====\""),
         "get-sth: tree_head_signature is no base64", ERR_MALFORMED},
        {STH("1", "1", "\"" ROOT64 "\"", "7"),
         "get-sth: tree_head_signature is no base64", ERR_MALFORMED},
        {STH("1", "1", "\"" ROOT64 "\"", "\"BAM=\""),
         "get-sth: the signature is no DigitallySigned", ERR_VERIFY},
        {STH("1", "1", "\"" ROOT64 "\"", "\"BAMAAQAA\""),
         "get-sth: the signature is no DigitallySigned", ERR_VERIFY},
        {STH("1", "1", "\"" ROOT64 "\"", "\"BAMAAQA=\""),
         "get-sth: the signature is not by the expected key, that of log ",
         ERR_VERIFY},
        {STH("1", "1", "\"" ROOT64 "\"", "\"BAEAAQA=\""),
         "get-sth: signed with hash 4 and algorithm 1, expected 4 and 3",
         ERR_VERIFY},
        {STH("1", "1", "\"" ROOT64 "\"", "\"AgMAAQA=\""),
         "get-sth: signed with hash 2 and algorithm 3, expected 4 and 3",
         ERR_VERIFY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes served = bytes_from_text(cases[i].served);
        enum err_code code;
        const char *error = sth_error(served, own_key, &code);

        test_case = cases[i].served;
        CHECK(strncmp(error, cases[i].error, strlen(cases[i].error)) == 0);
        CHECK(code == cases[i].code);
    }
}

static void an_empty_tree_has_one_root(void **state)
{
    struct sha256_hash empty = sha256(bytes_of("", 0));
    struct buffer good = {0}, bad = {0}, note = {0};
    enum err_code code;

    (void)state;
    signer_sth(own, &good, 1, 0, &empty);
    signer_sth(own, &bad, 1, 0, &some_root);
    signer_checkpoint(own, &note, ORIGIN, 1, 0, &some_root);
    assert_string_equal(sth_error(buffer_bytes(&good), own_key, NULL), "");
    assert_string_equal(
        sth_error(buffer_bytes(&bad), own_key, &code),
        "get-sth: a root of no entries that is not SHA-256 of nothing");
    assert_int_equal(code, ERR_VERIFY);
    assert_string_equal(
        note_error(buffer_bytes(&note), ORIGIN, own_key, NULL),
        "checkpoint: a root of no entries that is not SHA-256 of nothing");
    buffer_cleanup(&good);
    buffer_cleanup(&bad);
    buffer_cleanup(&note);
}

// Where a field begins in a text, to the end of its value.
static struct bytes field(struct bytes text, const char *from, const char *to)
{
    uint8_t *start = memmem(text.data, text.len, from, strlen(from));
    uint8_t *end;

    assert_non_null(start);
    start += strlen(from);
    end = memmem(start, (size_t)(text.data + text.len - start), to, strlen(to));
    assert_non_null(end);
    return bytes_of(start, (size_t)(end - start));
}

static void any_flipped_bit_of_a_tree_head_is_noticed(void **state)
{
    struct buffer served = {0};
    struct bytes text, fields[4];

    (void)state;
    signer_sth(own, &served, 1700000000123, 4242, &some_root);
    text = buffer_bytes(&served);
    fields[0] = field(text, "\"tree_size\":", ",");
    fields[1] = field(text, "\"timestamp\":", ",");
    fields[2] = field(text, "\"sha256_root_hash\":\"", "\"");
    fields[3] = field(text, "\"tree_head_signature\":\"", "\"");
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        for (size_t bit = 0; bit < fields[i].len * 8; bit++) {
            uint8_t *byte = (uint8_t *)fields[i].data + bit / 8;

            *byte ^= (uint8_t)(1 << bit % 8);
            assert_string_not_equal(sth_error(text, own_key, NULL), "");
            *byte ^= (uint8_t)(1 << bit % 8);
        }
    }
    assert_string_equal(sth_error(text, own_key, NULL), "");
    buffer_cleanup(&served);
}

static void refuses_every_truncation(void **state)
{
    struct buffer sth = {0}, note = {0};

    (void)state;
    signer_sth(own, &sth, 1700000000123, 4242, &some_root);
    signer_checkpoint(own, &note, ORIGIN, 1700000000123, 4242, &some_root);
    for (size_t len = 0; len < sth.len; len++) {
        assert_string_not_equal(
            sth_error(bytes_of(sth.data, len), own_key, NULL), "");
    }
    for (size_t len = 0; len < note.len; len++) {
        assert_string_not_equal(
            note_error(bytes_of(note.data, len), ORIGIN, own_key, NULL), "");
    }
    buffer_cleanup(&sth);
    buffer_cleanup(&note);
}

static void an_rsa_log_is_read_too(void **state)
{
    struct signer *rsa = signer_new_rsa(2048);
    struct log_key *key = key_of(signer_key(rsa));
    struct buffer sth = {0}, note = {0};

    (void)state;
    assert_int_equal(signer_key(rsa).len, 294);
    signer_sth(rsa, &sth, 1, 7, &some_root);
    signer_checkpoint(rsa, &note, ORIGIN, 1, 7, &some_root);
    assert_string_equal(sth_error(buffer_bytes(&sth), key, NULL), "");
    assert_string_equal(note_error(buffer_bytes(&note), ORIGIN, key, NULL), "");
    assert_non_null(strstr(sth_error(buffer_bytes(&sth), own_key, NULL),
                           "algorithm 1, expected 4 and 3"));
    sth.data[strlen("{\"tree_size\":")] = '8';
    assert_non_null(strstr(sth_error(buffer_bytes(&sth), key, NULL),
                           "not by the expected key"));
    buffer_cleanup(&sth);
    buffer_cleanup(&note);
    log_key_free(key);
    signer_free(rsa);
}

// ---------------------------------------------------------------- checkpoints

static void a_real_checkpoint_with_grease_holds(void **state)
{
    static const char *const names[] = {
        "static-ct-dev.cloudflareresearch.com/logs/dev2024h2b",
        "willow.ct.letsencrypt.org/2025h1b",
        "log.twig.ct.letsencrypt.org/2026h1",
        "log.sycamore.ct.letsencrypt.org/2026h1"};
    struct bytes text, note;
    struct json *json = NULL;
    struct err err = {0};

    (void)state;
    SKIP_WITHOUT_DATA();
    text = read_file(test_data("static/checkpoints/keys.json"));
    note = read_file(
        test_data("static/checkpoints/static-ct-dev.cloudflareresearch.com_"
                  "logs_dev2024h2b.txt"));
    assert_true(json_parse(&json, text, &err));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct buffer der = {0};
        struct log_key *key;
        enum err_code code;
        const char *error;

        assert_true(json_base64(json_member(json, names[i]), &der));
        key = key_of(buffer_bytes(&der));
        error = note_error(note, names[0], key, &code);
        if (i == 0) {
            assert_string_equal(error, "");
        } else {
            assert_int_equal(code, ERR_VERIFY);
            assert_non_null(strstr(error, "no signature by the expected key"));
            error = note_error(note, names[i], key, &code);
            assert_int_equal(code, ERR_VERIFY);
            assert_non_null(strstr(error, names[0]));
            assert_non_null(strstr(error, names[i]));
        }
        log_key_free(key);
        buffer_cleanup(&der);
    }
    json_free(json);
    free((void *)text.data);
    free((void *)note.data);
}

static void reads_a_checkpoint(void **state)
{
    struct buffer note = {0};
    struct err err = {0};
    struct head head;

    (void)state;
    signer_checkpoint(own, &note, ORIGIN, 1700000000123, 42, &some_root);
    assert_true(head_parse_checkpoint(&head, buffer_bytes(&note), ORIGIN,
                                      own_key, &err));
    assert_int_equal(head.kind, HEAD_CHECKPOINT);
    assert_int_equal(head.size, 42);
    assert_int_equal(head.timestamp_ms, 1700000000123);
    assert_true(sha256_equal(&head.root, &some_root));
    assert_true(bytes_equal(head.served, buffer_bytes(&note)));
    // One that was accepted under an origin that it had.
    assert_true(head_parse_checkpoint(&head, buffer_bytes(&note), NULL, own_key,
                                      &err));
    assert_int_equal(head.size, 42);
    buffer_cleanup(&note);
}

static void a_time_at_the_end_of_time_is_only_a_number(void **state)
{
    struct buffer note = {0};
    struct err err = {0};
    struct head head;

    (void)state;
    signer_checkpoint(own, &note, ORIGIN, UINT64_MAX, 42, &some_root);
    assert_true(head_parse_checkpoint(&head, buffer_bytes(&note), ORIGIN,
                                      own_key, &err));
    assert_true(head.timestamp_ms == UINT64_MAX);
    buffer_cleanup(&note);
}

// What stands around the log's own line, before and after it.
static void other_lines_are_ignored_whatever_they_hold(void **state)
{
    static const char *const lines[] = {
        DASH
        "grease.invalid DLzQSDHFSzQAoz8nHm/h+UEP9JGkNhwVb9IP1sW3lvI+zQ==\n",
        DASH ORIGIN " AQIDBAU=\n", // 5 bytes, a key id that is not ours
        DASH ORIGIN " AQ==\n",
        DASH ORIGIN " !!!!\n",
        DASH ORIGIN " \n",
        DASH ORIGIN "\n",
        DASH ORIGIN "x AQIDBAU=\n",
        DASH "\n",
        "no dash at all\n",
        "a",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        for (size_t after = 0; after < 2; after++) {
            struct buffer body = {0}, line = {0}, note = {0};
            bool whole = lines[i][strlen(lines[i]) - 1] == '\n';
            const char *error;

            signer_checkpoint(own, &body, ORIGIN, 1, 42, &some_root);
            body.len =
                (size_t)((uint8_t *)memmem(body.data, body.len, "\n\n", 2) -
                         body.data) +
                2;
            signer_line(own, &line, ORIGIN, 1, 42, &some_root);
            buffer_append(&note, buffer_bytes(&body));
            if (!after) buffer_append_text(&note, lines[i]);
            buffer_append(&note, buffer_bytes(&line));
            if (after) buffer_append_text(&note, lines[i]);
            error = note_error(buffer_bytes(&note), ORIGIN, own_key, NULL);
            test_case = lines[i];
            CHECK((error[0] == '\0') == whole);
            buffer_cleanup(&body);
            buffer_cleanup(&line);
            buffer_cleanup(&note);
        }
    }
}

static void every_own_line_must_hold(void **state)
{
    struct buffer note = {0};
    struct err err = {0};
    struct head head;

    (void)state;
    signer_checkpoint(own, &note, ORIGIN, 5, 42, &some_root);
    signer_line(own, &note, ORIGIN, 9, 42, &some_root);
    assert_true(head_parse_checkpoint(&head, buffer_bytes(&note), ORIGIN,
                                      own_key, &err));
    assert_int_equal(head.timestamp_ms, 5);
    signer_line(own, &note, ORIGIN, 9, 43, &some_root);
    assert_non_null(strstr(
        note_error(buffer_bytes(&note), ORIGIN, own_key, NULL),
        "checkpoint: the signature is not by the expected key, that of log "));
    buffer_reset(&note);
    signer_checkpoint(own, &note, ORIGIN, 5, 42, &some_root);
    for (size_t i = 0; i < 16; i++) {
        signer_line(own, &note, ORIGIN, 5, 42, &some_root);
    }
    assert_string_equal(note_error(buffer_bytes(&note), ORIGIN, own_key, NULL),
                        "checkpoint: over 16 lines of the log's own");
    buffer_cleanup(&note);
}

#define SIGNED "\n" DASH ORIGIN " AQIDBAU=\n"
#define THREE "checkpoint: fewer than three lines of text"
#define NO_NOTE "checkpoint: no empty line with whole signature lines after it"
#define CONTROL "checkpoint: control characters or no UTF-8 (C2SP signed-note)"
#define SECOND "checkpoint: the second line is no whole number from 0 to 2^53"
#define THIRD "checkpoint: the third line is no base64 of 32 bytes"
#define EXTENSION                                                              \
    "checkpoint: more than three lines of text (C2SP static-ct-api allows no " \
    "extension lines)"

static void refuses_what_is_no_checkpoint(void **state)
{
    static const struct {
        const char *served, *error; // a prefix of it
        enum err_code code;
    } cases[] = {
        {"", NO_NOTE, ERR_MALFORMED},
        {"\n\n", NO_NOTE, ERR_MALFORMED},
        {"<html>\n\n</html>\n", THREE, ERR_MALFORMED},
        {"\n\n\n", NO_NOTE, ERR_MALFORMED},
        {ORIGIN "\n5\n" ROOT64 "\n", NO_NOTE, ERR_MALFORMED},
        {ORIGIN "\n5\n" ROOT64 "\n\n", NO_NOTE, ERR_MALFORMED},
        {ORIGIN "\n5\n" ROOT64 "\n\nx", NO_NOTE, ERR_MALFORMED},
        {ORIGIN "\n5" SIGNED, NO_NOTE, ERR_MALFORMED},
        {ORIGIN "\n5\n" SIGNED, THREE, ERR_MALFORMED},
        {ORIGIN "\n-5\n" ROOT64 "\n" SIGNED, SECOND, ERR_MALFORMED},
        {ORIGIN "\n05\n" ROOT64 "\n" SIGNED, SECOND, ERR_MALFORMED},
        {ORIGIN "\n 5\n" ROOT64 "\n" SIGNED, SECOND, ERR_MALFORMED},
        {ORIGIN "\n\n" ROOT64 "\n" SIGNED, SECOND, ERR_MALFORMED},
        {ORIGIN "\n9007199254740993\n" ROOT64 "\n" SIGNED, SECOND,
         ERR_MALFORMED},
        {ORIGIN "\n18446744073709551616\n" ROOT64 "\n" SIGNED, SECOND,
         ERR_MALFORMED},
        {ORIGIN "\n5\n\n" SIGNED, THIRD, ERR_MALFORMED},
        {ORIGIN "\n5\nAAAA\n" SIGNED, THIRD, ERR_MALFORMED},
        {ORIGIN "\n5\n" ROOT64 " \n" SIGNED, THIRD, ERR_MALFORMED},
        {ORIGIN "\n5\n" ROOT64 "\nextension\n" SIGNED, EXTENSION,
         ERR_MALFORMED},
        // The last empty line separates: what stands above it is text.
        {ORIGIN "\n5\n" ROOT64 "\n" SIGNED SIGNED, EXTENSION, ERR_MALFORMED},
        {ORIGIN "\n5\n" ROOT64 "\n\n" SIGNED, EXTENSION, ERR_MALFORMED},
        {ORIGIN "\r\n5\r\n" ROOT64 "\r\n" SIGNED, CONTROL, ERR_MALFORMED},
        {ORIGIN "\t\n5\n" ROOT64 "\n" SIGNED, CONTROL, ERR_MALFORMED},
        {ORIGIN "\n5\n" ROOT64 "\n" SIGNED "\x1b[2J\n", CONTROL, ERR_MALFORMED},
        {ORIGIN "\n5\n" ROOT64 "\n" SIGNED "\xff\n", CONTROL, ERR_MALFORMED},
        {"\xed\xa0\x80\n5\n" ROOT64 "\n" SIGNED, CONTROL, ERR_MALFORMED},
        {"other.example\n5\n" ROOT64 "\n" SIGNED,
         "checkpoint: expected the origin " ORIGIN ", it says other.example",
         ERR_VERIFY},
        {"\n5\n" ROOT64 "\n" SIGNED,
         "checkpoint: expected the origin " ORIGIN ", it says ", ERR_VERIFY},
        {"log.example/2026h1/\n5\n" ROOT64 "\n" SIGNED,
         "checkpoint: expected the origin " ORIGIN
         ", it says log.example/2026h1/",
         ERR_VERIFY},
        {ORIGIN "\n5\n" ROOT64 "\n" SIGNED,
         "checkpoint: no signature by the expected key: none of " ORIGIN
         " with key id ",
         ERR_VERIFY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes served = bytes_from_text(cases[i].served);
        enum err_code code;
        const char *error = note_error(served, ORIGIN, own_key, &code);

        test_case = cases[i].served;
        CHECK(strncmp(error, cases[i].error, strlen(cases[i].error)) == 0);
        CHECK(code == cases[i].code);
    }
    {
        static const char nul[] = ORIGIN "\n5\n" ROOT64 "\n" SIGNED "\0\n";

        assert_string_equal(
            note_error(bytes_of(nul, sizeof nul - 1), ORIGIN, own_key, NULL),
            CONTROL);
    }
}

// The log's own line is cut and lengthened behind its key id.
static void a_matching_line_must_be_a_signature(void **state)
{
    struct buffer line = {0}, blob = {0};
    size_t start = strlen(DASH ORIGIN " ");

    (void)state;
    signer_line(own, &line, ORIGIN, 1, 42, &some_root);
    assert_true(text_parse_base64(
        &blob, bytes_of(line.data + start, line.len - start - 1)));
    for (size_t len = 4; len <= blob.len + 1; len++) {
        struct buffer note = {0}, changed = {0};
        enum err_code code;
        const char *error;

        buffer_append(&changed, buffer_bytes(&blob));
        buffer_append_byte(&changed, 0);
        buffer_append_text(&note, ORIGIN "\n42\n");
        text_append_base64(&note, sha256_bytes(&some_root));
        buffer_append_text(&note, "\n\n" DASH ORIGIN " ");
        text_append_base64(&note, bytes_of(changed.data, len));
        buffer_append_text(&note, "\n");
        error = note_error(buffer_bytes(&note), ORIGIN, own_key, &code);
        assert_int_equal(error[0] == '\0', len == blob.len);
        if (len != blob.len) assert_int_equal(code, ERR_VERIFY);
        buffer_cleanup(&note);
        buffer_cleanup(&changed);
    }
    buffer_cleanup(&line);
    buffer_cleanup(&blob);
}

static void any_flipped_bit_of_a_checkpoint_is_noticed(void **state)
{
    struct buffer note = {0};

    (void)state;
    signer_checkpoint(own, &note, ORIGIN, 1700000000123, 4242, &some_root);
    for (size_t bit = 0; bit < note.len * 8; bit++) {
        note.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_string_not_equal(
            note_error(buffer_bytes(&note), ORIGIN, own_key, NULL), "");
        assert_string_not_equal(
            note_error(buffer_bytes(&note), NULL, own_key, NULL), "");
        note.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_string_equal(note_error(buffer_bytes(&note), ORIGIN, own_key, NULL),
                        "");
    buffer_cleanup(&note);
}

static void an_oversized_head_is_no_answer(void **state)
{
    struct buffer big = {0};
    enum err_code code;

    (void)state;
    assert_true(buffer_reserve(&big, HEAD_SERVED_MAX + 1));
    memset(big.data, ' ', HEAD_SERVED_MAX + 1);
    big.len = HEAD_SERVED_MAX + 1;
    assert_string_equal(sth_error(buffer_bytes(&big), own_key, &code),
                        "get-sth: 1048577 bytes, over the limit");
    assert_int_equal(code, ERR_MALFORMED);
    assert_string_equal(note_error(buffer_bytes(&big), ORIGIN, own_key, &code),
                        "checkpoint: 1048577 bytes, over the limit");
    assert_int_equal(code, ERR_MALFORMED);
    buffer_cleanup(&big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_key_in_every_form),
        cmocka_unit_test(reads_the_key_of_the_log_lists),
        cmocka_unit_test(refuses_what_is_no_key),
        cmocka_unit_test(reads_a_tree_head),
        cmocka_unit_test(real_tree_heads_hold),
        cmocka_unit_test(the_fake_tree_head_is_refused),
        cmocka_unit_test(refuses_what_is_no_tree_head),
        cmocka_unit_test(an_empty_tree_has_one_root),
        cmocka_unit_test(any_flipped_bit_of_a_tree_head_is_noticed),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(an_rsa_log_is_read_too),
        cmocka_unit_test(a_real_checkpoint_with_grease_holds),
        cmocka_unit_test(reads_a_checkpoint),
        cmocka_unit_test(a_time_at_the_end_of_time_is_only_a_number),
        cmocka_unit_test(other_lines_are_ignored_whatever_they_hold),
        cmocka_unit_test(every_own_line_must_hold),
        cmocka_unit_test(refuses_what_is_no_checkpoint),
        cmocka_unit_test(a_matching_line_must_be_a_signature),
        cmocka_unit_test(any_flipped_bit_of_a_checkpoint_is_noticed),
        cmocka_unit_test(an_oversized_head_is_no_answer),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
