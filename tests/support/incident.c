// incident.c - see incident.h.

#include "tests/support/incident.h"

#include "tests/support/check.h"
#include "tests/support/folder.h"
#include "tests/support/plain_tree.h"

enum { NOW_MS = 1795515285 };

struct signer *incident_signer, *incident_stranger;
char incident_dir[FOLDER_LEN];

// Two trees that part at INCIDENT_FORKED_AT.
static struct buffer leaf_bytes[2][INCIDENT_LEAVES];
struct bytes incident_leaves[2][INCIDENT_LEAVES];
struct sha256_hash incident_hashes[2][INCIDENT_LEAVES];

int incident_set_up(void **state)
{
    (void)state;
    incident_signer = signer_new_p256();
    incident_stranger = signer_new_p256();
    for (size_t tree = 0; tree < 2; tree++) {
        for (size_t i = 0; i < INCIDENT_LEAVES; i++) {
            buffer_printf(&leaf_bytes[tree][i], "leaf %zu%s", i,
                          tree == 1 && i == INCIDENT_FORKED_AT ? " of another"
                                                               : "");
            incident_leaves[tree][i] = buffer_bytes(&leaf_bytes[tree][i]);
            incident_hashes[tree][i] =
                merkle_leaf_hash(incident_leaves[tree][i]);
        }
    }
    return 0;
}

int incident_tear_down(void **state)
{
    (void)state;
    signer_free(incident_signer);
    signer_free(incident_stranger);
    for (size_t i = 0; i < 2 * INCIDENT_LEAVES; i++) {
        buffer_cleanup(&leaf_bytes[i / INCIDENT_LEAVES][i % INCIDENT_LEAVES]);
    }
    return 0;
}

int incident_make_index(void **state)
{
    (void)state;
    folder_make(incident_dir);
    return 0;
}

int incident_remove_index(void **state)
{
    (void)state;
    folder_remove(incident_dir);
    return 0;
}

void incident_right_side(struct merkle_proof *out, uint64_t m,
                         const struct sha256_hash *d, uint64_t n)
{
    uint64_t k = 1;

    if (m == n) return;
    while (k * 2 < n) {
        k *= 2;
    }
    if (m > k) {
        incident_right_side(out, m - k, d + k, n - k);
        return;
    }
    incident_right_side(out, m, d, k);
    out->nodes[out->num_nodes++] = plain_root(d + k, n - k);
}

struct merkle_frontier incident_frontier(size_t tree, uint64_t size)
{
    struct merkle_frontier frontier = {0};

    for (uint64_t i = 0; i < size; i++) {
        merkle_append(&frontier, &incident_hashes[tree][i]);
    }
    return frontier;
}

struct head incident_head(const struct signer *by, enum head_kind kind,
                          size_t tree, uint64_t size, struct buffer *served)
{
    struct head head = {.kind = kind, .size = size, .timestamp_ms = 7};

    head.root = plain_root(incident_hashes[tree], size);
    if (kind == HEAD_STH) {
        signer_sth(by, served, 7, size, &head.root);
    } else {
        signer_checkpoint(by, served, INCIDENT_ORIGIN, 7, size, &head.root);
    }
    head.served = buffer_bytes(served);
    return head;
}

struct evidence incident_begin(enum evidence_kind kind)
{
    return (struct evidence){.kind = kind,
                             .log_name = "Log \\x1b[2J of tests",
                             .origin = INCIDENT_ORIGIN,
                             .key_der = signer_key(incident_signer),
                             .time_ms = NOW_MS * 1000ull + 123,
                             .expected = "one thing",
                             .computed = "another"};
}

void incident_write(const struct evidence *evidence)
{
    struct err err = {0};

    if (!evidence_write(incident_dir, evidence, &err)) fail_msg("%s", err.text);
}

// What the last walk saw.
struct incident_seen incident_seen;

bool incident_see(void *context, const struct evidence_info *info,
                  struct err *err)
{
    (void)context;
    (void)err;
    incident_seen.num++;
    incident_seen.readable += info->readable;
    incident_seen.proven += info->proven;
    incident_seen.kind = info->kind;
    (void)snprintf(incident_seen.folder, sizeof incident_seen.folder, "%s",
                   info->folder);
    (void)snprintf(incident_seen.sentence, sizeof incident_seen.sentence, "%s",
                   info->sentence);
    if (!info->readable) return true;
    incident_seen.first = info->first;
    incident_seen.end = info->end;
    (void)snprintf(incident_seen.log_name, sizeof incident_seen.log_name, "%s",
                   info->log_name);
    (void)snprintf(incident_seen.time, sizeof incident_seen.time, "%s",
                   info->time);
    assert_string_equal(info->expected, "one thing");
    assert_string_equal(info->computed, "another");
    return true;
}

void incident_check_all(void)
{
    struct err err = {0};

    memset(&incident_seen, 0, sizeof incident_seen);
    if (!evidence_check(incident_dir, incident_see, NULL, &err)) {
        fail_msg("%s", err.text);
    }
}

// Writes one incident into a fresh index and checks it.
void incident_check(const struct evidence *evidence, bool proven,
                    const char *sentence)
{
    folder_empty(incident_dir);
    incident_write(evidence);
    incident_check_all();
    assert_int_equal(incident_seen.num, 1);
    assert_int_equal(incident_seen.readable, 1);
    assert_int_equal(incident_seen.kind, evidence->kind);
    if (strncmp(incident_seen.sentence, sentence, strlen(sentence)) != 0) {
        fail_msg("%s", incident_seen.sentence);
    }
    assert_int_equal(incident_seen.proven, proven);
}
