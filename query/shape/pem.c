// pem.c - see pem.h.

#include "query/shape/pem.h"

#include "index/store/keys.h"

// Only bytes that have the hash are what was asked for.
static bool read_bytes(struct snapshot *snapshot, uint64_t id,
                       const struct sha256_hash *hash, enum pem_state *state,
                       struct bytes *der, struct arena *arena, struct err *err)
{
    struct sha256_hash own;
    struct entry entry;
    bool has_bytes;

    arena_reset(arena);
    if (!snapshot_entry(snapshot, id, ENTRY_ALL, &entry, &has_bytes, arena,
                        err)) {
        return false;
    }
    *state = PEM_NOT_KEPT;
    if (!has_bytes) return true;
    *der = entry.leaf.type == LEAF_PRECERT ? entry.bytes.precert
                                           : entry.leaf.certificate;
    own = sha256(*der);
    if (sha256_equal(&own, hash)) *state = PEM_FOUND;
    return true;
}

static bool walk(struct cursor *cursor, struct snapshot *snapshot,
                 const struct sha256_hash *hash, enum pem_state *state,
                 struct bytes *der, struct arena *arena, struct err *err)
{
    while (*state != PEM_FOUND) {
        struct posting posting;
        bool found;

        if (!cursor_next(cursor, &posting, &found, err)) return false;
        if (!found) break;
        if (!read_bytes(snapshot, posting.id, hash, state, der, arena, err)) {
            return false;
        }
    }
    return true;
}

bool pem_find(struct snapshot *snapshot, const struct sha256_hash *hash,
              enum pem_state *state, struct bytes *der, struct arena *arena,
              struct err *err)
{
    struct buffer key = {0};
    struct cursor *cursor = NULL;
    bool ok;

    *state = PEM_ABSENT;
    *der = (struct bytes){0};
    keys_append(&key, TERM_CERT_SHA256, sha256_bytes(hash));
    buffer_append_byte(&key, 0x00);
    ok = buffer_ok(&key) ||
         err_set(err, ERR_MEMORY, "a certificate: no memory left for it");
    ok = ok && cursor_open(&cursor, snapshot, bytes_of(key.data, key.len - 1),
                           buffer_bytes(&key), err);
    ok = ok && walk(cursor, snapshot, hash, state, der, arena, err);
    cursor_close(cursor);
    buffer_cleanup(&key);
    return ok;
}
