// test_proof.c - recorded proofs of a real log, and what is none.

#include "ingest/parse/proof.h"
#include "tests/support/check.h"

#define H1 "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""
#define H2 "\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""

static const struct {
    const char *name, *text;
    size_t num_nodes;
    const char *error; // NULL: accepted
} cases[] = {
    {"none", "{\"consistency\":[]}", 0, NULL},
    {"two", "{\"consistency\":[" H1 "," H2 "],\"more\":1}", 2, NULL},
    {"missing", "{}", 0, "proof: no list of hashes"},
    {"no array", "{\"consistency\":" H1 "}", 0, "proof: no list of hashes"},
    {"null", "{\"consistency\":null}", 0, "proof: no list of hashes"},
    {"short hash", "{\"consistency\":[\"AAAA\"]}", 0,
     "proof: no list of hashes"},
    {"long hash",
     "{\"consistency\":[\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]}", 0,
     "proof: no list of hashes"},
    {"number", "{\"consistency\":[1]}", 0, "proof: no list of hashes"},
    {"twice", "{\"consistency\":[],\"consistency\":[]}", 0,
     "JSON: line 1: duplicate object key near '\"consistency\"'"},
};

static void accepts_and_rejects(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct merkle_proof proof;
        struct err err = {0};

        test_case = cases[i].name;
        CHECK(proof_parse_consistency(&proof, bytes_from_text(cases[i].text),
                                      &err) == (cases[i].error == NULL));
        if (strcmp(err.text, cases[i].error ? cases[i].error : "") != 0) {
            print_error("'%s'\n", err.text);
            CHECK(false);
        }
        CHECK(cases[i].error != NULL || proof.num_nodes == cases[i].num_nodes);
    }
}

static void bounds_the_number_of_nodes(void **state)
{
    (void)state;
    for (size_t num = MERKLE_PROOF_MAX; num <= MERKLE_PROOF_MAX + 1; num++) {
        struct buffer text = {0};
        struct merkle_proof proof;
        uint64_t index = 0;

        buffer_append_text(&text, "{\"leaf_index\":7,\"audit_path\":[");
        for (size_t i = 0; i < num; i++) {
            buffer_append_text(&text, i == 0 ? H1 : "," H2);
        }
        buffer_append_text(&text, "]}");
        test_case = "64 nodes, not 65";
        CHECK(proof_parse_by_hash(&proof, &index, buffer_bytes(&text), NULL) ==
              (num == MERKLE_PROOF_MAX));
        CHECK(index == 7);
        buffer_cleanup(&text);
    }
}

// The inclusion and consistency proofs recorded of Argon2020 hold.
static void reads_recorded_proofs(void **state)
{
    struct merkle_proof proof;
    struct bytes body;
    uint64_t index;

    (void)state;
    SKIP_WITHOUT_DATA();
    body = read_file(test_data("rfc6962/argon2020/get-sth-consistency-first-"
                               "3654490-second-961984011.json"));
    CHECK(proof_parse_consistency(&proof, body, NULL));
    CHECK(proof.num_nodes > 20);
    free((void *)(uintptr_t)body.data);
    body = read_file(test_data(
        "rfc6962/argon2020/get-proof-by-hash-tree-size-961984011-"
        "hash-nCs3mfIydh9x4CKyQ-2Bu2xtmpxmFggA5MLymHwNQSlLg-3D.json"));
    CHECK(proof_parse_by_hash(&proof, &index, body, NULL));
    CHECK(proof.num_nodes == 30 && index == 10000);
    free((void *)(uintptr_t)body.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_and_rejects),
        cmocka_unit_test(bounds_the_number_of_nodes),
        cmocka_unit_test(reads_recorded_proofs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
