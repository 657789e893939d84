// test_evidence.c - what logs did wrong is proven again, whatever it was.

#include "tests/support/incident.h"

#include "tests/support/check.h"
#include "tests/support/plain_tree.h"

static void a_head_that_does_not_hold(void **state)
{
    static const enum head_kind kinds[] = {HEAD_STH, HEAD_CHECKPOINT};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct buffer served = {0}, good = {0};
        struct evidence evidence = incident_begin(EVIDENCE_HEAD);

        evidence.num_heads = 1;
        evidence.heads[0] =
            incident_head(incident_stranger, kinds[i], 0, 9, &served);
        incident_check(&evidence, true,
                       i == 0
                           ? "get-sth: the signature is not by the expected key"
                           : "checkpoint: no signature by the expected key");
        evidence.heads[0] =
            incident_head(incident_signer, kinds[i], 0, 9, &good);
        incident_check(&evidence, false,
                       "the head holds under the key and the origin");
        evidence.origin = "other.example";
        if (i == 1) {
            incident_check(&evidence, true,
                           "checkpoint: expected the origin other.example, it "
                           "says log.example/2026h1");
        }
        evidence.heads[0].served = bytes_from_text("<html>");
        incident_check(&evidence, false, i == 0 ? "get-sth: " : "checkpoint: ");
        evidence.num_heads = 0;
        incident_check(&evidence, false, "there is no head 0");
        buffer_cleanup(&served);
        buffer_cleanup(&good);
    }
}

static void two_heads_of_one_size(void **state)
{
    struct buffer served[4] = {{0}};
    struct evidence evidence = incident_begin(EVIDENCE_FORK);

    (void)state;
    evidence.num_heads = 2;
    evidence.heads[0] =
        incident_head(incident_signer, HEAD_STH, 0, 9, &served[0]);
    evidence.heads[1] =
        incident_head(incident_signer, HEAD_CHECKPOINT, 1, 9, &served[1]);
    incident_check(&evidence, true,
                   "two heads of 9 entries have different roots");
    evidence.heads[1] =
        incident_head(incident_signer, HEAD_STH, 0, 9, &served[2]);
    incident_check(&evidence, false, "the two heads agree");
    evidence.heads[1] =
        incident_head(incident_stranger, HEAD_STH, 1, 9, &served[3]);
    incident_check(&evidence, false, "head 1 is not signed: get-sth: ");
    evidence.num_heads = 1;
    incident_check(&evidence, false,
                   "head 1 is not signed: there is no head 1");
    for (size_t i = 0; i < COUNT_OF(served); i++) {
        buffer_cleanup(&served[i]);
    }
}

// Every pair of sizes, whichever of the two was accepted first: the frontier
// and right side that prove it are those of the tree of the larger head.
static void two_heads_of_different_sizes(void **state)
{
    static const uint64_t smalls[] = {6, 7, 8, 16}, larges[] = {9, 16, 29};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(smalls) * COUNT_OF(larges) * 2; i++) {
        uint64_t small = smalls[i / 2 % COUNT_OF(smalls)];
        uint64_t large = larges[i / 2 / COUNT_OF(smalls)];
        struct evidence evidence = incident_begin(EVIDENCE_FORK);
        struct buffer served[2] = {{0}};
        struct merkle_frontier left = incident_frontier(0, small);
        struct merkle_frontier other = incident_frontier(1, small);
        struct merkle_proof right = {0};

        if (small >= large) continue;
        incident_right_side(&right, small, incident_hashes[0], large);
        evidence.num_heads = 2;
        evidence.heads[i % 2] =
            incident_head(incident_signer, HEAD_STH, 0, large, &served[0]);
        evidence.heads[1 - i % 2] =
            incident_head(incident_signer, HEAD_STH, 1, small, &served[1]);
        incident_check(&evidence, false, "nothing kept joins the two heads");
        evidence.left = &left;
        evidence.right = &right;
        incident_check(&evidence, true, "the tree of the head of ");
        // Of another size it says nothing, though it leads to the larger.
        left = incident_frontier(0, small - 1);
        right.num_nodes = 0;
        incident_right_side(&right, small - 1, incident_hashes[0], large);
        incident_check(&evidence, false, "nothing kept joins the two heads");
        left = incident_frontier(0, small);
        right.num_nodes = 0;
        incident_right_side(&right, small, incident_hashes[0], large);
        // The smaller head's own frontier proves nothing without entries.
        evidence.left = &other;
        incident_check(&evidence, false, "nothing kept joins the two heads");
        evidence.left = &left;
        right.nodes[0].bytes[0] ^= 1;
        incident_check(&evidence, false,
                       "the nodes kept lead to neither of the two heads");
        buffer_cleanup(&served[0]);
        buffer_cleanup(&served[1]);
    }
}

// The accepted head is of tree 0; the larger one of tree 1, and what was
// served between does not join them.
static void entries_that_do_not_join_two_heads(void **state)
{
    struct evidence evidence = incident_begin(EVIDENCE_FORK);
    struct buffer served[3] = {{0}};
    struct merkle_frontier left = incident_frontier(0, 9);
    struct merkle_proof right = {0};

    (void)state;
    evidence.num_heads = 2;
    evidence.heads[0] =
        incident_head(incident_signer, HEAD_STH, 0, 9, &served[0]);
    evidence.heads[1] =
        incident_head(incident_signer, HEAD_STH, 1, 20, &served[1]);
    evidence.left = &left;
    evidence.right = &right;
    evidence.first = 9;
    evidence.end = 20;
    evidence.leaves = &incident_leaves[1][9];
    evidence.num_leaves = 11;
    incident_check(&evidence, true,
                   "what was served from 9 to 20 does not lead from the head "
                   "of 9 to the head of 20");
    evidence.heads[1] =
        incident_head(incident_signer, HEAD_STH, 0, 20, &served[2]);
    incident_check(&evidence, false, "the two heads are consistent");
    evidence.num_leaves = 10;
    incident_check(&evidence, false, "nothing kept joins the two heads");
    for (size_t i = 0; i < COUNT_OF(served); i++) {
        buffer_cleanup(&served[i]);
    }
}

// The head is of tree 0, what was served of tree 1.
static void entries_that_are_not_those_signed(void **state)
{
    for (size_t with = 0; with < 2; with++) {
        struct evidence evidence = incident_begin(EVIDENCE_ENTRIES);
        struct buffer served = {0};
        struct merkle_frontier left = incident_frontier(0, 4);
        struct merkle_frontier demanded = incident_frontier(0, 12);
        struct merkle_proof right = {0};

        (void)state;
        incident_right_side(&right, 12, incident_hashes[0], 33);
        evidence.num_heads = 1;
        evidence.heads[0] =
            incident_head(incident_signer, HEAD_CHECKPOINT, 0, 33, &served);
        evidence.first = 4;
        evidence.end = 12;
        evidence.left = &left;
        evidence.right = &right;
        evidence.leaves = &incident_leaves[1][4];
        evidence.num_leaves = 8;
        if (with) evidence.demanded = &demanded;
        incident_check(&evidence, true,
                       "what was served for 4..12 is not what the head of 33 "
                       "signs");
        assert_int_equal(incident_seen.first, 4);
        assert_int_equal(incident_seen.end, 12);
        evidence.leaves = &incident_leaves[0][4];
        incident_check(&evidence, false, "what was kept is what was signed");
        evidence.leaves = NULL;
        evidence.num_leaves = 0;
        evidence.nodes = &incident_hashes[1][4];
        evidence.num_nodes = 8;
        incident_check(&evidence, true, "what was served for 4..12 is not");
        evidence.num_nodes = 7;
        incident_check(&evidence, false, "what was kept is not the range");
        evidence.num_nodes = 8;
        evidence.left = NULL;
        incident_check(&evidence, false,
                       "the frontier kept is not that of the range");
        evidence.left = &left;
        right.num_nodes--;
        incident_check(&evidence, false,
                       with ? "what is said to be demanded does not lead"
                            : "the nodes kept are not those between the range");
        right.num_nodes++;
        if (with) {
            right.nodes[0].bytes[3] ^= 1;
            incident_check(&evidence, false,
                           "what is said to be demanded does not lead");
        }
        buffer_cleanup(&served);
    }
}

static void tiles_that_are_not_those_signed(void **state)
{
    struct evidence evidence = incident_begin(EVIDENCE_TILES);
    struct buffer served = {0};
    struct sha256_hash nodes[2][4];
    struct merkle_frontier left = incident_frontier(0, 16);
    struct merkle_proof right = {0};

    (void)state;
    for (size_t tree = 0; tree < 2; tree++) {
        for (size_t i = 0; i < 4; i++) {
            nodes[tree][i] = plain_root(&incident_hashes[0][16 + 4 * i], 4);
        }
    }
    nodes[1][2].bytes[31] ^= 0x80;
    evidence.num_heads = 1;
    evidence.heads[0] =
        incident_head(incident_signer, HEAD_CHECKPOINT, 0, 32, &served);
    evidence.first = 16;
    evidence.end = 32;
    evidence.left = &left;
    evidence.right = &right;
    evidence.level = 2;
    evidence.num_nodes = 4;
    evidence.nodes = nodes[1];
    incident_check(&evidence, true, "what was served for 16..32 is not");
    evidence.nodes = nodes[0];
    incident_check(&evidence, false, "what was kept is what was signed");
    evidence.level = 5;
    incident_check(&evidence, false, "what was kept cannot be read");
    buffer_cleanup(&served);
}

static void heads_beyond_the_final_one(void **state)
{
    struct evidence evidence = incident_begin(EVIDENCE_FINAL);
    struct buffer served = {0};

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] =
        incident_head(incident_signer, HEAD_STH, 0, 20, &served);
    incident_check(&evidence, false, "there is no final_tree_head");
    evidence.has_final = true;
    evidence.final_size = 19;
    evidence.final_root = plain_root(incident_hashes[0], 19);
    incident_check(&evidence, true,
                   "a head of 20 entries, final_tree_head has 19");
    evidence.final_size = 20;
    incident_check(&evidence, true, "another root than final_tree_head at 20");
    evidence.final_root = plain_root(incident_hashes[0], 20);
    incident_check(&evidence, false, "the head agrees with final_tree_head");
    evidence.final_size = 21;
    incident_check(&evidence, false, "the head agrees with final_tree_head");
    buffer_cleanup(&served);
}

static void what_was_signed_for_and_not_served(void **state)
{
    struct evidence evidence = incident_begin(EVIDENCE_MISSING);
    struct buffer served = {0}, strange = {0};

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] =
        incident_head(incident_signer, HEAD_CHECKPOINT, 0, 20, &served);
    evidence.first = 0;
    evidence.end = 20;
    incident_check(&evidence, true, "the head of 20 covers 0..20; ");
    evidence.end = 21;
    incident_check(&evidence, false,
                   "the head of 20 entries does not cover the range");
    evidence.end = 0;
    incident_check(&evidence, false,
                   "the head of 20 entries does not cover the range");
    evidence.end = 20;
    evidence.heads[0] =
        incident_head(incident_stranger, HEAD_CHECKPOINT, 0, 20, &strange);
    incident_check(&evidence, false, "head 0 is not signed: checkpoint: ");
    buffer_cleanup(&served);
    buffer_cleanup(&strange);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, incident_make_index,                 \
                                    incident_remove_index)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_head_that_does_not_hold),
        TEST(two_heads_of_one_size),
        TEST(two_heads_of_different_sizes),
        TEST(entries_that_do_not_join_two_heads),
        TEST(entries_that_are_not_those_signed),
        TEST(tiles_that_are_not_those_signed),
        TEST(heads_beyond_the_final_one),
        TEST(what_was_signed_for_and_not_served),
    };

    return cmocka_run_group_tests(tests, incident_set_up, incident_tear_down);
}
