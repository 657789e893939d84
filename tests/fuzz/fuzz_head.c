// fuzz_head.c - any bytes as a tree head, a checkpoint, a key.
//
// The key is fixed (Google Argon2020's), so what is new can only be refused:
// with a code that says how and a sentence that prints.

#include <assert.h>
#include <stdlib.h>

#include "index/entry/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ORIGIN "ct.googleapis.com/logs/argon2020"

static const char argon[] =
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE6Tx2p1yKY4015NyIYvdrk36es0uAc1zA4PQ+"
    "TGRY+3ZjUTIYY9Wyu+3q/147JG4vNVKLtDWarZwVqGkg6lAYzA==";

static void check_refusal(const struct err *err)
{
    assert(err->code == ERR_MALFORMED || err->code == ERR_VERIFY);
    assert(err->text[0] != '\0' && strlen(err->text) < ERR_TEXT_MAX);
    for (const char *c = err->text; *c != '\0'; c++) {
        assert((uint8_t)*c >= 0x20 && *c != 0x7f);
    }
}

static void check_heads(const struct log_key *key, struct bytes served)
{
    struct err err = {0};
    struct head head;

    if (!head_parse_sth(&head, served, key, &err)) check_refusal(&err);
    assert(bytes_equal(head.served, served) && head.kind == HEAD_STH);
    err = (struct err){0};
    if (!head_parse_checkpoint(&head, served, ORIGIN, key, &err)) {
        check_refusal(&err);
    }
    assert(bytes_equal(head.served, served) && head.kind == HEAD_CHECKPOINT);
}

// A key that reads gives its DER, which reads as the same key.
static void check_key(struct bytes input)
{
    struct log_key *key = NULL, *again = NULL;
    struct err err = {0};

    if (!log_key_new(&key, input, &err)) {
        assert(err.code == ERR_CONFIG);
        return;
    }
    assert(log_key_new(&again, log_key_der(key), &err));
    assert(sha256_equal(log_key_id(key), log_key_id(again)));
    log_key_free(key);
    log_key_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct log_key *key;
    struct bytes served = bytes_of(data, size);

    if (key == NULL && !log_key_new(&key, bytes_from_text(argon), NULL)) {
        abort();
    }
    check_heads(key, served);
    check_key(served);
    return 0;
}
