// run_file.c - see run_file.h.

#include "index/store/run_file.h"

#include "index/base/checksum.h"
#include "index/base/sha256.h"
#include "index/entry/names.h"

enum { FORMAT = 3 };

bool run_dbs_open(struct run_dbs *dbs, struct lmdb_txn *txn, struct err *err)
{
    return lmdb_db_open(txn, "blocks", LMDB_ORDER_ID, &dbs->blocks, err) &&
           lmdb_db_open(txn, "filters", LMDB_ORDER_BYTES, &dbs->filters, err) &&
           lmdb_db_open(txn, "meta", LMDB_ORDER_BYTES, &dbs->meta, err);
}

bool run_no_memory(const char *path, struct err *err)
{
    return err_set(err, ERR_MEMORY, "%s: no memory", path);
}

bool run_damaged(const char *path, const char *what, struct err *err)
{
    return err_set(err, ERR_INDEX, "index damaged: %s: %s", path, what);
}

// ------------------------------------------------------------ meta

void run_meta_write(uint8_t out[RUN_META_LEN], const struct run_stat *stat,
                    uint64_t seed)
{
    const uint64_t numbers[] = {
        stat->first_id, stat->end_id,       stat->keys, stat->postings,
        stat->blocks,   stat->filter_bytes, seed};

    out[CHECKSUM_LEN] = FORMAT;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        bytes_put_uint(out + CHECKSUM_LEN + 1 + 8 * i, numbers[i], 8);
    }
    block_seal(bytes_from_text(RUN_META), out, RUN_META_LEN);
}

bool run_meta_read(const char *path, struct bytes block, struct run_stat *stat,
                   uint64_t *seed, struct err *err)
{
    struct bytes view;
    uint64_t format;

    if (!block_open(bytes_from_text(RUN_META), block, &view)) {
        return run_damaged(path, "the checksum of its head differs", err);
    }
    if (!bytes_read_uint(&view, &format, 1) || format != FORMAT) {
        return err_set(err, ERR_INDEX, "%s: a run of another format", path);
    }
    if (!bytes_read_uint(&view, &stat->first_id, 8) ||
        !bytes_read_uint(&view, &stat->end_id, 8) ||
        !bytes_read_uint(&view, &stat->keys, 8) ||
        !bytes_read_uint(&view, &stat->postings, 8) ||
        !bytes_read_uint(&view, &stat->blocks, 8) ||
        !bytes_read_uint(&view, &stat->filter_bytes, 8) ||
        !bytes_read_uint(&view, seed, 8) || view.len != 0) {
        return run_damaged(path, "its head cannot be read", err);
    }
    return true;
}

// ------------------------------------------------------------ keys

struct bytes run_key(struct bytes key, uint8_t out[1 + RUN_KEY_HASH_LEN],
                     bool *exact)
{
    uint8_t kind = key.len == 0 ? 0 : key.data[0];

    *exact = false;
    if (kind == TERM_SERIAL) {
        struct sha256_hash hash = sha256(key);

        out[0] = kind;
        memcpy(out + 1, hash.bytes, RUN_KEY_HASH_LEN);
        return bytes_of(out, 1 + RUN_KEY_HASH_LEN);
    }
    if (key.len == 1 + SHA256_LEN &&
        (kind == TERM_CERT_SHA256 || kind == TERM_TBS_SHA256 ||
         kind == TERM_SPKI_SHA256)) {
        memcpy(out, key.data, 1 + RUN_KEY_HASH_LEN);
        return bytes_of(out, 1 + RUN_KEY_HASH_LEN);
    }
    *exact = true;
    return key;
}
