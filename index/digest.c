// digest.c - the logical content in canonical order.  See check.h.
//
// Of each entry, in the order of (log id, index), numbers big-endian:
//
//   authenticated    log id, index(8), leaf hash, number of names(4); of each
//                    name, sorted: kind(1), length(4), value
//   unauthenticated  log id, index(8), length of the chain(4), fingerprints,
//                    1 and SHA-256 of the precertificate, or 0

#include <inttypes.h>
#include <stdlib.h>

#include "index/check.h"
#include "index/handle.h"

enum { ARENA_KEEP_MAX = 4 * 1024 * 1024 };

struct digest {
    struct snapshot *snapshot;
    const struct index_log *log;
    SHA256_CTX authenticated;
    SHA256_CTX unauthenticated;
    struct arena arena;
};

static void add(SHA256_CTX *sum, struct bytes bytes)
{
    SHA256_Update(sum, bytes.data, bytes.len);
}

static void add_uint(SHA256_CTX *sum, uint64_t value, size_t width)
{
    uint8_t bytes[8];

    bytes_put_uint(bytes, value, width);
    add(sum, bytes_of(bytes, width));
}

static int compare_terms(const void *a, const void *b)
{
    const struct term *x = a, *y = b;

    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    return bytes_compare(x->value, y->value);
}

static void add_authenticated(struct digest *digest, struct entry *entry)
{
    SHA256_CTX *sum = &digest->authenticated;
    struct term *terms = entry->names.terms;
    size_t num = 0;

    for (size_t i = 0; i < entry->names.num_terms; i++) {
        if ((terms[i].via & VIA_UNAUTHENTICATED) == 0) terms[num++] = terms[i];
    }
    if (num > 0) qsort(terms, num, sizeof *terms, compare_terms);
    add(sum, sha256_bytes(&digest->log->id));
    add_uint(sum, entry->bytes.index, 8);
    add(sum, sha256_bytes(&entry->leaf_hash));
    add_uint(sum, num, 4);
    for (size_t i = 0; i < num; i++) {
        add_uint(sum, terms[i].kind, 1);
        add_uint(sum, terms[i].value.len, 4);
        add(sum, terms[i].value);
    }
}

static void add_unauthenticated(struct digest *digest,
                                const struct entry *entry)
{
    SHA256_CTX *sum = &digest->unauthenticated;
    bool has_precert =
        entry->leaf.type == LEAF_PRECERT && entry->has_certificate_sha256;

    add(sum, sha256_bytes(&digest->log->id));
    add_uint(sum, entry->bytes.index, 8);
    add_uint(sum, entry->bytes.num_chain, 4);
    for (size_t i = 0; i < entry->bytes.num_chain; i++) {
        add(sum, sha256_bytes(&entry->bytes.chain[i]));
    }
    add_uint(sum, has_precert, 1);
    if (has_precert) add(sum, sha256_bytes(&entry->certificate_sha256));
}

static bool add_chunk(void *context, const struct chunk_info *chunk,
                      struct err *err)
{
    struct digest *digest = context;

    for (uint64_t i = 0; i < chunk->num_entries; i++) {
        struct entry entry;
        bool has_bytes;

        if (!snapshot_entry(digest->snapshot, chunk->id + i, ENTRY_ALL, &entry,
                            &has_bytes, &digest->arena, err)) {
            return false;
        }
        add_authenticated(digest, &entry);
        add_unauthenticated(digest, &entry);
        if (digest->arena.total > ARENA_KEEP_MAX) {
            arena_cleanup(&digest->arena);
        } else {
            arena_reset(&digest->arena);
        }
    }
    return true;
}

static int compare_logs(const void *a, const void *b)
{
    const struct index_log *x = a, *y = b;

    return memcmp(x->id.bytes, y->id.bytes, SHA256_LEN);
}

bool check_digest(struct snapshot *snapshot, struct sha256_hash *authenticated,
                  struct sha256_hash *unauthenticated, struct err *err)
{
    struct digest digest = {.snapshot = snapshot};
    struct index_log *logs = calloc(snapshot->num_logs + 1, sizeof *logs);
    bool ok = true;

    if (logs == NULL) return err_set(err, ERR_MEMORY, "no memory");
    for (size_t i = 0; i < snapshot->num_logs; i++) {
        logs[i] = snapshot->logs[i];
    }
    qsort(logs, snapshot->num_logs, sizeof *logs, compare_logs);
    SHA256_Init(&digest.authenticated);
    SHA256_Init(&digest.unauthenticated);
    for (size_t i = 0; ok && i < snapshot->num_logs; i++) {
        digest.log = &logs[i];
        ok = snapshot_each_chunk(snapshot, logs[i].number, add_chunk, &digest,
                                 err);
    }
    SHA256_Final(authenticated->bytes, &digest.authenticated);
    if (unauthenticated != NULL) {
        SHA256_Final(unauthenticated->bytes, &digest.unauthenticated);
    }
    arena_cleanup(&digest.arena);
    free(logs);
    return ok;
}
