// segment_file.c - see segment_file.h.

#include "index/store/segment_file.h"

#include "index/base/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { FORMAT = 2 };

bool segment_dbs_open(struct segment_dbs *dbs, struct lmdb_txn *txn,
                      struct err *err)
{
    return lmdb_db_open(txn, "records", LMDB_ORDER_BYTES, &dbs->records, err) &&
           lmdb_db_open(txn, "facts", LMDB_ORDER_BYTES, &dbs->facts, err) &&
           lmdb_db_open(txn, "meta", LMDB_ORDER_BYTES, &dbs->meta, err);
}

bool segment_no_memory(const char *path, struct err *err)
{
    return err_set(err, ERR_MEMORY, "%s: no memory", path);
}

bool segment_damaged(const char *path, const char *what, struct err *err)
{
    return err_set(err, ERR_INDEX, "index damaged: %s: %s", path, what);
}

uint64_t segment_group(uint64_t group_seed, const struct sha256_hash *group)
{
    uint64_t first;

    memcpy(&first, group->bytes, sizeof first);
    return first ^ XXH3_64bits_withSeed(group->bytes + sizeof first,
                                        SEGMENT_GROUP_LEN, group_seed);
}

void segment_group_whole(struct sha256_hash *group, uint64_t group_seed,
                         uint64_t mark, struct bytes rest)
{
    uint64_t first =
        mark ^ XXH3_64bits_withSeed(rest.data, SEGMENT_GROUP_LEN, group_seed);

    memcpy(group->bytes, &first, sizeof first);
    memcpy(group->bytes + sizeof first, rest.data, SEGMENT_GROUP_LEN);
}

struct bytes segment_id_key(uint8_t out[LMDB_ID_LEN], uint64_t id)
{
    bytes_put_uint(out, id, LMDB_ID_LEN);
    return bytes_of(out, LMDB_ID_LEN);
}

// ------------------------------------------------------------ meta

void segment_meta_write(uint8_t out[SEGMENT_META_LEN],
                        const struct segment_stat *stat)
{
    const uint64_t numbers[] = {stat->first_id,      stat->end_id,
                                stat->group_seed,    stat->plain_bytes,
                                stat->record_blocks, stat->fact_blocks};

    out[CHECKSUM_LEN] = FORMAT;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        bytes_put_uint(out + CHECKSUM_LEN + 1 + 8 * i, numbers[i], 8);
    }
    block_seal(bytes_from_text(SEGMENT_META), out, SEGMENT_META_LEN);
}

bool segment_meta_read(const char *path, struct bytes block,
                       struct segment_stat *stat, struct err *err)
{
    struct bytes view;
    uint64_t format;

    if (!block_open(bytes_from_text(SEGMENT_META), block, &view)) {
        return segment_damaged(path, "the checksum of its head differs", err);
    }
    if (!bytes_read_uint(&view, &format, 1) || format != FORMAT) {
        return err_set(err, ERR_INDEX, "%s: a segment of another format", path);
    }
    if (!bytes_read_uint(&view, &stat->first_id, 8) ||
        !bytes_read_uint(&view, &stat->end_id, 8) ||
        !bytes_read_uint(&view, &stat->group_seed, 8) ||
        !bytes_read_uint(&view, &stat->plain_bytes, 8) ||
        !bytes_read_uint(&view, &stat->record_blocks, 8) ||
        !bytes_read_uint(&view, &stat->fact_blocks, 8) || view.len != 0 ||
        stat->first_id > stat->end_id) {
        return segment_damaged(path, "its head cannot be read", err);
    }
    return true;
}
