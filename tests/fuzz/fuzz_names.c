// fuzz_names.c - a name of strangers into terms, and text into a question.
//
// The first byte chooses the kind, the rest is the name.  Whatever it is: what
// a certificate shows of it is found by the question that a person would copy.

#include <assert.h>

#include "index/base/text.h"
#include "index/entry/derive.h"
#include "index/store/keys.h"

static bool holds(const struct terms *terms, const struct term *wanted)
{
    for (size_t i = 0; i < terms->num; i++) {
        if (terms->list[i].kind == wanted->kind &&
            bytes_equal(terms->list[i].value, wanted->value)) {
            return true;
        }
    }
    return false;
}

// Values are those that keys are made of: no trailing dot, never empty.
static void check_terms(const struct terms *terms)
{
    for (size_t i = 0; i < terms->num; i++) {
        const struct term *term = &terms->list[i];
        struct buffer key = {0}, shown = {0};

        assert(term->kind == TERM_IRREGULAR || term->value.len > 0);
        assert(term->kind != TERM_DNS ||
               term->value.data[term->value.len - 1] != '.');
        for (size_t j = 0; j < i; j++) {
            assert(terms->list[j].kind != term->kind ||
                   !bytes_equal(terms->list[j].value, term->value));
        }
        keys_append(&key, term->kind, term->value);
        names_append_term(&shown, term->kind, term->value);
        assert(key.len > 0 && key.len <= KEYS_LEN_MAX);
        buffer_cleanup(&key);
        buffer_cleanup(&shown);
    }
}

// Escaped as it is shown, then unescaped as a question is.
static void check_question(const struct terms *terms, struct bytes name)
{
    struct buffer shown = {0}, text = {0};
    struct arena arena = {0};
    struct term_list list;
    bool found = false;

    text_append_escaped(&shown, name);
    assert(text_unescape(&text, buffer_bytes(&shown)));
    if (!names_from_text(&list, buffer_bytes(&text), &arena, NULL)) {
        assert(terms->num == 0);
        found = true;
    }
    for (size_t i = 0; i < list.num_terms; i++) {
        if (holds(terms, &list.terms[i])) found = true;
    }
    assert(found);
    arena_cleanup(&arena);
    buffer_cleanup(&shown);
    buffer_cleanup(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena arena = {0};
    struct terms terms = {.arena = &arena};
    struct bytes name = bytes_of(data, len);
    uint64_t kind;

    if (!bytes_read_uint(&name, &kind, 1)) return 0;
    kind %= CERT_NAME_SUBJECT_EMAIL + 1;
    derive_name(&terms, (enum cert_name_kind)kind, VIA_SAN_DNS, name);
    assert(terms_finish(&terms));
    check_terms(&terms);
    if (kind == CERT_NAME_DNS) check_question(&terms, name);
    arena_cleanup(&arena);
    return 0;
}
