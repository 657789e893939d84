// test_evidence.c - what logs did wrong is kept once and proven again.

#include "tests/support/check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/text.h"
#include "index/evidence.h"
#include "tests/support/folder.h"
#include "tests/support/signer.h"

#define ORIGIN "log.example/2026h1"

enum { LEAVES = 40, FORKED_AT = 5, NOW_MS = 1795515285 };

static struct signer *signer, *stranger;
static char dir[FOLDER_LEN];

// Two trees that part at FORKED_AT.
static struct buffer leaf_bytes[2][LEAVES];
static struct bytes leaves[2][LEAVES];
static struct sha256_hash hashes[2][LEAVES];

static int set_up(void **state)
{
    (void)state;
    signer = signer_new_p256();
    stranger = signer_new_p256();
    for (size_t tree = 0; tree < 2; tree++) {
        for (size_t i = 0; i < LEAVES; i++) {
            buffer_printf(&leaf_bytes[tree][i], "leaf %zu%s", i,
                          tree == 1 && i == FORKED_AT ? " of another" : "");
            leaves[tree][i] = buffer_bytes(&leaf_bytes[tree][i]);
            hashes[tree][i] = merkle_leaf_hash(leaves[tree][i]);
        }
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    signer_free(signer);
    signer_free(stranger);
    for (size_t i = 0; i < 2 * LEAVES; i++) {
        buffer_cleanup(&leaf_bytes[i / LEAVES][i % LEAVES]);
    }
    return 0;
}

static int make_index(void **state)
{
    (void)state;
    folder_make(dir);
    return 0;
}

static int remove_index(void **state)
{
    (void)state;
    folder_remove(dir);
    return 0;
}

// RFC 6962 section 2.1, by definition.
static struct sha256_hash root_of(const struct sha256_hash *d, uint64_t n)
{
    uint64_t k = 1;
    struct sha256_hash left, right;

    if (n == 0) return sha256(bytes_of("", 0));
    if (n == 1) return d[0];
    while (k * 2 < n) {
        k *= 2;
    }
    left = root_of(d, k);
    right = root_of(d + k, n - k);
    return merkle_node_hash(&left, &right);
}

static void right_side(struct merkle_proof *out, uint64_t m,
                       const struct sha256_hash *d, uint64_t n)
{
    uint64_t k = 1;

    if (m == n) return;
    while (k * 2 < n) {
        k *= 2;
    }
    if (m > k) {
        right_side(out, m - k, d + k, n - k);
        return;
    }
    right_side(out, m, d, k);
    out->nodes[out->num_nodes++] = root_of(d + k, n - k);
}

static struct merkle_frontier frontier_of(size_t tree, uint64_t size)
{
    struct merkle_frontier frontier = {0};

    for (uint64_t i = 0; i < size; i++) {
        merkle_append(&frontier, &hashes[tree][i]);
    }
    return frontier;
}

static struct head make_head(const struct signer *by, enum head_kind kind,
                             size_t tree, uint64_t size, struct buffer *served)
{
    struct head head = {.kind = kind, .size = size, .timestamp_ms = 7};

    head.root = root_of(hashes[tree], size);
    if (kind == HEAD_STH) {
        signer_sth(by, served, 7, size, &head.root);
    } else {
        signer_checkpoint(by, served, ORIGIN, 7, size, &head.root);
    }
    head.served = buffer_bytes(served);
    return head;
}

static struct evidence begin(enum evidence_kind kind)
{
    return (struct evidence){.kind = kind,
                             .log_name = "Log \\x1b[2J of tests",
                             .origin = ORIGIN,
                             .key_der = signer_key(signer),
                             .time_ms = NOW_MS * 1000ull + 123,
                             .expected = "one thing",
                             .computed = "another"};
}

static void write_evidence(const struct evidence *evidence)
{
    struct err err = {0};

    if (!evidence_write(dir, evidence, &err)) fail_msg("%s", err.text);
}

// What the last walk saw.
static struct {
    size_t num, readable, proven;
    char folder[256], sentence[ERR_TEXT_MAX], log_name[256], time[64];
    uint64_t first, end;
    enum evidence_kind kind;
} seen;

static bool see(void *context, const struct evidence_info *info,
                struct err *err)
{
    (void)context;
    (void)err;
    seen.num++;
    seen.readable += info->readable;
    seen.proven += info->proven;
    seen.kind = info->kind;
    (void)snprintf(seen.folder, sizeof seen.folder, "%s", info->folder);
    (void)snprintf(seen.sentence, sizeof seen.sentence, "%s", info->sentence);
    if (!info->readable) return true;
    seen.first = info->first;
    seen.end = info->end;
    (void)snprintf(seen.log_name, sizeof seen.log_name, "%s", info->log_name);
    (void)snprintf(seen.time, sizeof seen.time, "%s", info->time);
    assert_string_equal(info->expected, "one thing");
    assert_string_equal(info->computed, "another");
    return true;
}

static void check_all(void)
{
    struct err err = {0};

    memset(&seen, 0, sizeof seen);
    if (!evidence_check(dir, see, NULL, &err)) fail_msg("%s", err.text);
}

// Writes one incident into a fresh index and checks it.
static void check_one(const struct evidence *evidence, bool proven,
                      const char *sentence)
{
    folder_empty(dir);
    write_evidence(evidence);
    check_all();
    assert_int_equal(seen.num, 1);
    assert_int_equal(seen.readable, 1);
    assert_int_equal(seen.kind, evidence->kind);
    if (strncmp(seen.sentence, sentence, strlen(sentence)) != 0) {
        fail_msg("%s", seen.sentence);
    }
    assert_int_equal(seen.proven, proven);
}

// ---------------------------------------------------------------- kinds

static void a_head_that_does_not_hold(void **state)
{
    static const enum head_kind kinds[] = {HEAD_STH, HEAD_CHECKPOINT};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct buffer served = {0}, good = {0};
        struct evidence evidence = begin(EVIDENCE_HEAD);

        evidence.num_heads = 1;
        evidence.heads[0] = make_head(stranger, kinds[i], 0, 9, &served);
        check_one(&evidence, true,
                  i == 0 ? "get-sth: the signature is not by the expected key"
                         : "checkpoint: no signature by the expected key");
        evidence.heads[0] = make_head(signer, kinds[i], 0, 9, &good);
        check_one(&evidence, false,
                  "the head holds under the key and the origin");
        evidence.origin = "other.example";
        if (i == 1) {
            check_one(&evidence, true,
                      "checkpoint: expected the origin other.example, it says "
                      "log.example/2026h1");
        }
        evidence.heads[0].served = bytes_from_text("<html>");
        check_one(&evidence, false, i == 0 ? "get-sth: " : "checkpoint: ");
        evidence.num_heads = 0;
        check_one(&evidence, false, "there is no head 0");
        buffer_cleanup(&served);
        buffer_cleanup(&good);
    }
}

static void two_heads_of_one_size(void **state)
{
    struct buffer served[4] = {{0}};
    struct evidence evidence = begin(EVIDENCE_FORK);

    (void)state;
    evidence.num_heads = 2;
    evidence.heads[0] = make_head(signer, HEAD_STH, 0, 9, &served[0]);
    evidence.heads[1] = make_head(signer, HEAD_CHECKPOINT, 1, 9, &served[1]);
    check_one(&evidence, true, "two heads of 9 entries have different roots");
    evidence.heads[1] = make_head(signer, HEAD_STH, 0, 9, &served[2]);
    check_one(&evidence, false, "the two heads agree");
    evidence.heads[1] = make_head(stranger, HEAD_STH, 1, 9, &served[3]);
    check_one(&evidence, false, "head 1 is not signed: get-sth: ");
    evidence.num_heads = 1;
    check_one(&evidence, false, "head 1 is not signed: there is no head 1");
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
        struct evidence evidence = begin(EVIDENCE_FORK);
        struct buffer served[2] = {{0}};
        struct merkle_frontier left = frontier_of(0, small);
        struct merkle_frontier other = frontier_of(1, small);
        struct merkle_proof right = {0};

        if (small >= large) continue;
        right_side(&right, small, hashes[0], large);
        evidence.num_heads = 2;
        evidence.heads[i % 2] =
            make_head(signer, HEAD_STH, 0, large, &served[0]);
        evidence.heads[1 - i % 2] =
            make_head(signer, HEAD_STH, 1, small, &served[1]);
        check_one(&evidence, false, "nothing kept joins the two heads");
        evidence.left = &left;
        evidence.right = &right;
        check_one(&evidence, true, "the tree of the head of ");
        // Of another size it says nothing, though it leads to the larger.
        left = frontier_of(0, small - 1);
        right.num_nodes = 0;
        right_side(&right, small - 1, hashes[0], large);
        check_one(&evidence, false, "nothing kept joins the two heads");
        left = frontier_of(0, small);
        right.num_nodes = 0;
        right_side(&right, small, hashes[0], large);
        // The smaller head's own frontier proves nothing without entries.
        evidence.left = &other;
        check_one(&evidence, false, "nothing kept joins the two heads");
        evidence.left = &left;
        right.nodes[0].bytes[0] ^= 1;
        check_one(&evidence, false,
                  "the nodes kept lead to neither of the two heads");
        buffer_cleanup(&served[0]);
        buffer_cleanup(&served[1]);
    }
}

// The accepted head is of tree 0; the larger one of tree 1, and what was
// served between does not join them.
static void entries_that_do_not_join_two_heads(void **state)
{
    struct evidence evidence = begin(EVIDENCE_FORK);
    struct buffer served[3] = {{0}};
    struct merkle_frontier left = frontier_of(0, 9);
    struct merkle_proof right = {0};

    (void)state;
    evidence.num_heads = 2;
    evidence.heads[0] = make_head(signer, HEAD_STH, 0, 9, &served[0]);
    evidence.heads[1] = make_head(signer, HEAD_STH, 1, 20, &served[1]);
    evidence.left = &left;
    evidence.right = &right;
    evidence.first = 9;
    evidence.end = 20;
    evidence.leaves = &leaves[1][9];
    evidence.num_leaves = 11;
    check_one(&evidence, true,
              "what was served from 9 to 20 does not lead from the head of 9 "
              "to the head of 20");
    evidence.heads[1] = make_head(signer, HEAD_STH, 0, 20, &served[2]);
    check_one(&evidence, false, "the two heads are consistent");
    evidence.num_leaves = 10;
    check_one(&evidence, false, "nothing kept joins the two heads");
    for (size_t i = 0; i < COUNT_OF(served); i++) {
        buffer_cleanup(&served[i]);
    }
}

// The head is of tree 0, what was served of tree 1.
static void entries_that_are_not_those_signed(void **state)
{
    for (size_t with = 0; with < 2; with++) {
        struct evidence evidence = begin(EVIDENCE_ENTRIES);
        struct buffer served = {0};
        struct merkle_frontier left = frontier_of(0, 4);
        struct merkle_frontier demanded = frontier_of(0, 12);
        struct merkle_proof right = {0};

        (void)state;
        right_side(&right, 12, hashes[0], 33);
        evidence.num_heads = 1;
        evidence.heads[0] = make_head(signer, HEAD_CHECKPOINT, 0, 33, &served);
        evidence.first = 4;
        evidence.end = 12;
        evidence.left = &left;
        evidence.right = &right;
        evidence.leaves = &leaves[1][4];
        evidence.num_leaves = 8;
        if (with) evidence.demanded = &demanded;
        check_one(&evidence, true,
                  "what was served for 4..12 is not what the head of 33 signs");
        assert_int_equal(seen.first, 4);
        assert_int_equal(seen.end, 12);
        evidence.leaves = &leaves[0][4];
        check_one(&evidence, false, "what was kept is what was signed");
        evidence.leaves = NULL;
        evidence.num_leaves = 0;
        evidence.nodes = &hashes[1][4];
        evidence.num_nodes = 8;
        check_one(&evidence, true, "what was served for 4..12 is not");
        evidence.num_nodes = 7;
        check_one(&evidence, false, "what was kept is not the range");
        evidence.num_nodes = 8;
        evidence.left = NULL;
        check_one(&evidence, false,
                  "the frontier kept is not that of the range");
        evidence.left = &left;
        right.num_nodes--;
        check_one(&evidence, false,
                  with ? "what is said to be demanded does not lead"
                       : "the nodes kept are not those between the range");
        right.num_nodes++;
        if (with) {
            right.nodes[0].bytes[3] ^= 1;
            check_one(&evidence, false,
                      "what is said to be demanded does not lead");
        }
        buffer_cleanup(&served);
    }
}

static void tiles_that_are_not_those_signed(void **state)
{
    struct evidence evidence = begin(EVIDENCE_TILES);
    struct buffer served = {0};
    struct sha256_hash nodes[2][4];
    struct merkle_frontier left = frontier_of(0, 16);
    struct merkle_proof right = {0};

    (void)state;
    for (size_t tree = 0; tree < 2; tree++) {
        for (size_t i = 0; i < 4; i++) {
            nodes[tree][i] = root_of(&hashes[0][16 + 4 * i], 4);
        }
    }
    nodes[1][2].bytes[31] ^= 0x80;
    evidence.num_heads = 1;
    evidence.heads[0] = make_head(signer, HEAD_CHECKPOINT, 0, 32, &served);
    evidence.first = 16;
    evidence.end = 32;
    evidence.left = &left;
    evidence.right = &right;
    evidence.level = 2;
    evidence.num_nodes = 4;
    evidence.nodes = nodes[1];
    check_one(&evidence, true, "what was served for 16..32 is not");
    evidence.nodes = nodes[0];
    check_one(&evidence, false, "what was kept is what was signed");
    evidence.level = 5;
    check_one(&evidence, false, "what was kept cannot be read");
    buffer_cleanup(&served);
}

static void heads_beyond_the_final_one(void **state)
{
    struct evidence evidence = begin(EVIDENCE_FINAL);
    struct buffer served = {0};

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] = make_head(signer, HEAD_STH, 0, 20, &served);
    check_one(&evidence, false, "there is no final_tree_head");
    evidence.has_final = true;
    evidence.final_size = 19;
    evidence.final_root = root_of(hashes[0], 19);
    check_one(&evidence, true, "a head of 20 entries, final_tree_head has 19");
    evidence.final_size = 20;
    check_one(&evidence, true, "another root than final_tree_head at 20");
    evidence.final_root = root_of(hashes[0], 20);
    check_one(&evidence, false, "the head agrees with final_tree_head");
    evidence.final_size = 21;
    check_one(&evidence, false, "the head agrees with final_tree_head");
    buffer_cleanup(&served);
}

static void what_was_signed_for_and_not_served(void **state)
{
    struct evidence evidence = begin(EVIDENCE_MISSING);
    struct buffer served = {0}, strange = {0};

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] = make_head(signer, HEAD_CHECKPOINT, 0, 20, &served);
    evidence.first = 0;
    evidence.end = 20;
    check_one(&evidence, true, "the head of 20 covers 0..20; ");
    evidence.end = 21;
    check_one(&evidence, false,
              "the head of 20 entries does not cover the range");
    evidence.end = 0;
    check_one(&evidence, false,
              "the head of 20 entries does not cover the range");
    evidence.end = 20;
    evidence.heads[0] = make_head(stranger, HEAD_CHECKPOINT, 0, 20, &strange);
    check_one(&evidence, false, "head 0 is not signed: checkpoint: ");
    buffer_cleanup(&served);
    buffer_cleanup(&strange);
}

// ---------------------------------------------------------------- folders

static struct bytes read_kept(const char *name)
{
    char path[1024];

    (void)snprintf(path, sizeof path, "%s/evidence/%s/%s", dir, seen.folder,
                   name);
    return read_file(path);
}

static void write_kept(const char *name, struct bytes bytes)
{
    char path[1024];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/evidence/%s/%s", dir, seen.folder,
                   name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
}

static void everything_lies_where_the_contract_says(void **state)
{
    static const char page[] = "<html>502</html>\n", tile[] = "tile \0 bytes";
    const struct evidence_file files[] = {
        {"get-entries", bytes_of(page, sizeof page - 1)},
        {"../../tile/0/x001/067.p/3", bytes_of(tile, sizeof tile)}};
    struct evidence evidence = begin(EVIDENCE_FORK);
    struct buffer served[2] = {{0}}, want = {0};
    struct sha256_hash id = sha256(signer_key(signer));
    struct bytes kept;

    (void)state;
    evidence.num_heads = 2;
    evidence.heads[0] = make_head(signer, HEAD_STH, 0, 9, &served[0]);
    evidence.heads[1] = make_head(signer, HEAD_STH, 1, 9, &served[1]);
    evidence.files = files;
    evidence.num_files = 2;
    check_one(&evidence, true, "two heads of 9 entries");
    text_append_hex(&want, sha256_bytes(&id));
    buffer_append_text(&want, "-20261124T101445.123Z-fork");
    assert_true(bytes_equal_text(buffer_bytes(&want), seen.folder));
    assert_string_equal(seen.time, "2026-11-24T10:14:45.123Z");
    assert_string_equal(seen.log_name, "Log \\x1b[2J of tests");
    kept = read_kept("1-get-entries");
    assert_true(bytes_equal(kept, files[0].bytes));
    free((void *)kept.data);
    kept = read_kept("2-.._.._tile_0_x001_067.p_3");
    assert_true(bytes_equal(kept, files[1].bytes));
    free((void *)kept.data);
    // Both roots can be found by whoever looks for them in base64.
    kept = read_kept("incident.json");
    for (size_t i = 0; i < 2; i++) {
        buffer_reset(&want);
        text_append_base64(&want, sha256_bytes(&evidence.heads[i].root));
        assert_non_null(memmem(kept.data, kept.len, want.data, want.len));
    }
    free((void *)kept.data);
    buffer_cleanup(&want);
    buffer_cleanup(&served[0]);
    buffer_cleanup(&served[1]);
}

static void an_incident_is_kept_once(void **state)
{
    struct buffer served[5] = {{0}};
    struct evidence fork = begin(EVIDENCE_FORK);
    struct evidence entries = begin(EVIDENCE_ENTRIES);
    struct evidence head = begin(EVIDENCE_HEAD);

    (void)state;
    fork.num_heads = 2;
    fork.heads[0] = make_head(signer, HEAD_STH, 0, 9, &served[0]);
    fork.heads[1] = make_head(signer, HEAD_STH, 1, 9, &served[1]);
    write_evidence(&fork);
    fork.time_ms += 30000;
    fork.heads[1] = make_head(signer, HEAD_STH, 1, 9, &served[2]);
    write_evidence(&fork);
    check_all();
    assert_int_equal(seen.num, 1);
    fork.heads[1] = make_head(signer, HEAD_STH, 1, 11, &served[3]);
    write_evidence(&fork); // another fork in the same moment
    check_all();
    assert_int_equal(seen.num, 2);

    entries.num_heads = 1;
    entries.heads[0] = fork.heads[0];
    entries.end = 9;
    entries.leaves = leaves[1];
    entries.num_leaves = 9;
    write_evidence(&entries);
    entries.time_ms++;
    write_evidence(&entries);
    check_all();
    assert_int_equal(seen.num, 3);
    entries.first = 1; // no frontier goes with it, and that is told
    write_evidence(&entries);
    check_all();
    assert_int_equal(seen.num, 4);
    assert_int_equal(seen.proven, 2);

    head.num_heads = 1;
    head.heads[0] = make_head(stranger, HEAD_STH, 0, 9, &served[4]);
    write_evidence(&head);
    head.heads[0].served = fork.heads[0].served;
    write_evidence(&head); // the same trouble at the next poll
    check_all();
    assert_int_equal(seen.num, 5);
    for (size_t i = 0; i < COUNT_OF(served); i++) {
        buffer_cleanup(&served[i]);
    }
}

static void a_log_cannot_fill_the_disk(void **state)
{
    struct evidence evidence = begin(EVIDENCE_MISSING);
    struct buffer served = {0};

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] = make_head(signer, HEAD_STH, 0, 9, &served);
    for (uint64_t i = 0; i < EVIDENCE_INCIDENTS_MAX + 8; i++) {
        evidence.end = i + 1;
        write_evidence(&evidence); // names of one millisecond do not collide
    }
    check_all();
    assert_int_equal(seen.num, EVIDENCE_INCIDENTS_MAX);
    evidence.kind = EVIDENCE_ENTRIES;
    write_evidence(&evidence);
    check_all();
    assert_int_equal(seen.num, EVIDENCE_INCIDENTS_MAX + 1);
    evidence.kind = EVIDENCE_MISSING;
    evidence.key_der = signer_key(stranger); // another log has room of its own
    write_evidence(&evidence);
    check_all();
    assert_int_equal(seen.num, EVIDENCE_INCIDENTS_MAX + 2);
    buffer_cleanup(&served);
}

static void an_index_without_evidence_is_fine(void **state)
{
    struct err err = {0};

    (void)state;
    memset(&seen, 0, sizeof seen);
    assert_true(evidence_list(dir, see, NULL, &err));
    assert_true(evidence_list("/tmp/there/is/none", see, NULL, &err));
    assert_int_equal(seen.num, 0);
}

static void what_a_killed_writer_left_goes(void **state)
{
    struct evidence evidence = begin(EVIDENCE_MISSING);
    struct buffer served = {0};
    char path[256];

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] = make_head(signer, HEAD_STH, 0, 9, &served);
    evidence.end = 9;
    write_evidence(&evidence);
    (void)snprintf(path, sizeof path, "%s/evidence/.tmp-4242", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/evidence/.tmp-4242/leaves", dir);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    check_all();
    assert_int_equal(seen.num, 1);
    write_evidence(&evidence);
    assert_int_not_equal(access(path, F_OK), 0);
    check_all();
    assert_int_equal(seen.num, 1);
    assert_int_equal(seen.proven, 1);
    buffer_cleanup(&served);
}

static void a_disk_that_takes_no_more_leaves_nothing(void **state)
{
    static uint8_t big[65536];
    const struct evidence_file file = {"big", bytes_of(big, sizeof big)};
    struct evidence evidence = begin(EVIDENCE_MISSING);
    struct rlimit limit, small = {32768, RLIM_INFINITY};
    char path[256];
    struct buffer served = {0};
    struct err err = {0};

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] = make_head(signer, HEAD_STH, 0, 9, &served);
    evidence.end = 9;
    evidence.files = &file;
    evidence.num_files = 1;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small.rlim_max = limit.rlim_max;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_false(evidence_write(dir, &evidence, &err));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(err.code, ERR_INDEX);
    assert_string_equal(err.text,
                        "evidence: writing an incident: File too large");
    (void)snprintf(path, sizeof path, "%s/evidence", dir);
    assert_int_equal(rmdir(path), 0); // it is empty
    write_evidence(&evidence);
    check_all();
    assert_int_equal(seen.proven, 1);
    assert_false(evidence_write("/tmp/there/is/none", &evidence, &err));
    assert_string_equal(err.text, "evidence: /tmp/there/is/none/evidence: No "
                                  "such file or directory");
    buffer_cleanup(&served);
}

// ---------------------------------------------------------------- damage

static void damage_is_told_and_proves_nothing(void **state)
{
    struct evidence evidence = begin(EVIDENCE_ENTRIES);
    struct buffer served = {0};
    struct merkle_frontier left = frontier_of(0, 4);
    struct merkle_proof right = {0};
    struct bytes incident, kept;

    (void)state;
    right_side(&right, 12, hashes[0], 33);
    evidence.num_heads = 1;
    evidence.heads[0] = make_head(signer, HEAD_STH, 0, 33, &served);
    evidence.first = 4;
    evidence.end = 12;
    evidence.left = &left;
    evidence.right = &right;
    evidence.leaves = &leaves[1][4];
    evidence.num_leaves = 8;
    check_one(&evidence, true, "what was served for 4..12");
    incident = read_kept("incident.json");
    for (size_t len = 0; len < incident.len - 1; len += 7) {
        write_kept("incident.json", bytes_of(incident.data, len));
        check_all();
        assert_int_equal(seen.num, 1);
        assert_int_equal(seen.readable, 0);
        assert_int_equal(seen.proven, 0);
        assert_string_not_equal(seen.sentence, "");
    }
    write_kept("incident.json", incident);
    kept = read_kept("leaves");
    for (size_t len = 0; len < kept.len; len++) {
        write_kept("leaves", bytes_of(kept.data, len));
        check_all();
        assert_int_equal(seen.readable, 1);
        assert_int_equal(seen.proven, 0);
    }
    write_kept("leaves", kept);
    check_all();
    assert_int_equal(seen.proven, 1);
    free((void *)incident.data);
    free((void *)kept.data);
    buffer_cleanup(&served);
}

// Puts `to` in place of `from` in incident.json and gives the sentence.
static const char *sentence_after(struct bytes incident, const char *from,
                                  const char *to)
{
    uint8_t *at = memmem(incident.data, incident.len, from, strlen(from));
    struct buffer out = {0};
    size_t before;

    assert_non_null(at);
    before = (size_t)(at - incident.data);
    buffer_append(&out, bytes_of(incident.data, before));
    buffer_append_text(&out, to);
    buffer_append(&out, bytes_of(at + strlen(from),
                                 incident.len - before - strlen(from)));
    write_kept("incident.json", buffer_bytes(&out));
    buffer_cleanup(&out);
    check_all();
    assert_int_equal(seen.num, 1);
    assert_int_equal(seen.proven, 0);
    return seen.sentence;
}

static void a_forged_folder_is_told(void **state)
{
    struct evidence evidence = begin(EVIDENCE_MISSING);
    struct merkle_frontier left = frontier_of(0, 3);
    struct buffer served = {0}, key = {0}, other = {0};
    struct bytes incident;

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] = make_head(signer, HEAD_STH, 0, 9, &served);
    evidence.end = 9;
    evidence.left = &left;
    check_one(&evidence, true, "the head of 9 covers 0..9");
    incident = read_kept("incident.json");
    text_append_base64(&key, signer_key(signer));
    text_append_base64(&other, signer_key(stranger));
    buffer_append_byte(&key, 0);
    buffer_append_byte(&other, 0);
    assert_string_equal(
        sentence_after(incident, (char *)key.data, (char *)other.data),
        "incident.json: the key is not that of the folder's log id");
    assert_string_equal(
        sentence_after(incident, "\"kind\": \"missing\"", "\"kind\": \"fork\""),
        "incident.json: the kind is not that of the folder's name");
    assert_string_equal(sentence_after(incident, "[0, 9]", "[9, 0]"),
                        "incident.json: \"range\" cannot be read");
    assert_string_equal(sentence_after(incident, "[0, 9]", "[0, -9]"),
                        "incident.json: \"range\" cannot be read");
    assert_string_equal(sentence_after(incident, "\"size\": 3", "\"size\": 7"),
                        "incident.json: \"left\" cannot be read");
    assert_string_equal(
        sentence_after(incident, "\"heads\": [", "\"heads\": [7, 8, "),
        "incident.json: \"heads\" cannot be read");
    assert_string_equal(
        sentence_after(incident, "\"log\": \"", "\"log\": \"\\\\q"),
        "incident.json: \"log\" cannot be read");
    assert_string_equal(
        sentence_after(incident, "\"heads\": [", "\"heads\": [7, "),
        "incident.json: \"heads\" cannot be read");
    assert_string_equal(sentence_after(incident, "\"key\": \"", "\"key\": \"="),
                        "incident.json: \"key\" cannot be read");
    assert_string_equal(
        sentence_after(incident, "\"range\"", "\"right\": 7, \"range\""),
        "incident.json: \"right\" cannot be read");
    assert_string_equal(
        sentence_after(incident, "\"range\"", "\"level\": 64, \"range\""),
        "incident.json: \"level\" cannot be read");
    assert_string_equal(sentence_after(incident, "\"range\"",
                                       "\"final_tree_head\": {}, \"range\""),
                        "incident.json: \"final_tree_head\" cannot be read");
    write_kept("incident.json", incident);
    check_all();
    assert_int_equal(seen.proven, 1);
    free((void *)incident.data);
    buffer_cleanup(&key);
    buffer_cleanup(&other);
    buffer_cleanup(&served);
}

// An incident whose file is missing, a folder, or too large.
static void an_unreadable_incident_is_told(void **state)
{
    struct evidence evidence = begin(EVIDENCE_MISSING);
    struct buffer served = {0};
    struct bytes incident;
    char path[1024];

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] = make_head(signer, HEAD_STH, 0, 9, &served);
    evidence.end = 9;
    check_one(&evidence, true, "the head of 9 covers 0..9");
    incident = read_kept("incident.json");
    (void)snprintf(path, sizeof path, "%s/evidence/%s/incident.json", dir,
                   seen.folder);
    assert_int_equal(truncate(path, 17 * 1024 * 1024), 0);
    check_all();
    assert_int_equal(seen.readable, 0);
    assert_string_equal(seen.sentence, "incident.json: too long");
    assert_int_equal(unlink(path), 0);
    check_all();
    assert_string_equal(seen.sentence,
                        "incident.json: No such file or directory");
    assert_int_equal(mkdir(path, 0700), 0);
    check_all();
    assert_string_equal(seen.sentence, "incident.json: Is a directory");
    assert_int_equal(seen.num, 1);
    assert_int_equal(rmdir(path), 0);
    write_kept("incident.json", incident);
    check_all();
    assert_int_equal(seen.proven, 1);
    free((void *)incident.data);
    buffer_cleanup(&served);
}

static void other_names_are_none_of_ours(void **state)
{
    static const char *const names[] = {
        "notes",
        "x-head",
        "-head",
        "0000000000000000000000000000000000000000000000000000000000000000-head",
        "0000000000000000000000000000000000000000000000000000000000000000-t-"
        "odd",
        "g000000000000000000000000000000000000000000000000000000000000000-t-"
        "head"};
    struct err err = {0};
    char path[1024];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/evidence", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)snprintf(path, sizeof path, "%s/evidence/%s", dir, names[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    check_all();
    assert_int_equal(seen.num, 0);
    (void)snprintf(path, sizeof path, "%s/evidence", dir);
    folder_remove(path);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    assert_false(evidence_check(dir, see, NULL, &err));
    assert_int_equal(err.code, ERR_INDEX);
    assert_non_null(strstr(err.text, "/evidence: Not a directory"));
}

static bool stop(void *context, const struct evidence_info *info,
                 struct err *err)
{
    (void)info;
    ++*(int *)context;
    return err_set(err, ERR_INTERRUPTED, "enough");
}

static void a_visitor_ends_the_walk(void **state)
{
    struct evidence evidence = begin(EVIDENCE_MISSING);
    struct buffer served = {0};
    struct err err = {0};
    int num = 0;

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] = make_head(signer, HEAD_STH, 0, 9, &served);
    for (evidence.end = 1; evidence.end < 4; evidence.end++) {
        write_evidence(&evidence);
    }
    assert_false(evidence_list(dir, stop, &num, &err));
    assert_string_equal(err.text, "enough");
    assert_int_equal(num, 1);
    memset(&seen, 0, sizeof seen);
    assert_true(evidence_list(dir, see, NULL, &err));
    assert_int_equal(seen.num, 3);
    assert_int_equal(seen.proven, 0); // a list proves nothing
    assert_string_equal(seen.sentence, "");
    buffer_cleanup(&served);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, make_index, remove_index)

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
        TEST(everything_lies_where_the_contract_says),
        TEST(an_incident_is_kept_once),
        TEST(a_log_cannot_fill_the_disk),
        TEST(an_index_without_evidence_is_fine),
        TEST(what_a_killed_writer_left_goes),
        TEST(a_disk_that_takes_no_more_leaves_nothing),
        TEST(damage_is_told_and_proves_nothing),
        TEST(a_forged_folder_is_told),
        TEST(an_unreadable_incident_is_told),
        TEST(other_names_are_none_of_ours),
        TEST(a_visitor_ends_the_walk),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
