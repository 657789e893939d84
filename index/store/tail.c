// tail.c - see tail.h.

#include "index/store/tail.h"

#include <inttypes.h>
#include <stdlib.h>

#include "index/base/checksum.h"
#include "index/base/varint.h"
#include "index/store/chunk_content.h"
#include "index/store/keys.h"
#include "index/store/posting.h"
#include "index/store/row.h"

enum {
    NUMBER_LEN = 4,
    ISSUER_KEY_MAX = 1 + SHA256_LEN,
    RECORD_BITS_AT = 1, // record.h
};

bool tail_open(struct tail *tail, struct lmdb_txn *txn, struct err *err)
{
    return lmdb_db_open(txn, "entries", LMDB_ORDER_BYTES, &tail->entries,
                        err) &&
           lmdb_db_open(txn, "keys", LMDB_ORDER_ID, &tail->keys, err) &&
           lmdb_db_open(txn, "issuers", LMDB_ORDER_BYTES, &tail->issuers, err);
}

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "index: no memory");
}

// ------------------------------------------------------------ issuers

static struct bytes issuer_key(uint8_t out[ISSUER_KEY_MAX], char table,
                               const struct sha256_hash *fingerprint)
{
    out[0] = (uint8_t)table;
    memcpy(out + 1, fingerprint->bytes, SHA256_LEN);
    return bytes_of(out, ISSUER_KEY_MAX);
}

static struct bytes number_key(uint8_t out[ISSUER_KEY_MAX], uint64_t number)
{
    out[0] = 'n';
    bytes_put_uint(out + 1, number, NUMBER_LEN);
    return bytes_of(out, 1 + NUMBER_LEN);
}

// What 'f' says of a fingerprint; known_from 0: its certificate is not held.
static bool get_issuer(const struct tail *tail, struct lmdb_txn *txn,
                       const struct sha256_hash *fingerprint, uint32_t *number,
                       uint64_t *known_from, bool *found, struct err *err)
{
    uint8_t raw[ISSUER_KEY_MAX];
    struct bytes row;
    uint64_t value;

    if (!row_get(txn, tail->issuers, "issuers",
                 issuer_key(raw, 'f', fingerprint), &row, found, err)) {
        return false;
    }
    if (!*found) return true;
    if (!bytes_read_uint(&row, &value, NUMBER_LEN) ||
        !bytes_read_uint(&row, known_from, 8) || row.len != 0) {
        return row_damaged("issuers", err);
    }
    *number = (uint32_t)value;
    return true;
}

static bool put_issuer(const struct tail *tail, struct lmdb_txn *txn,
                       const struct sha256_hash *fingerprint, uint32_t number,
                       uint64_t known_from, struct err *err)
{
    uint8_t raw[ISSUER_KEY_MAX];
    struct buffer row = {0};
    bool ok;

    row_begin(&row);
    buffer_append_uint(&row, number, NUMBER_LEN);
    buffer_append_uint(&row, known_from, 8);
    ok = row_put(txn, tail->issuers, issuer_key(raw, 'f', fingerprint), &row,
                 err);
    buffer_cleanup(&row);
    return ok;
}

// The number of a fingerprint, which gets one if it has none.
static bool number_issuer(const struct tail *tail, struct lmdb_txn *txn,
                          const struct sha256_hash *fingerprint,
                          uint32_t *number, uint64_t *known_from,
                          struct catalogue_counts *counts, struct err *err)
{
    uint8_t raw[ISSUER_KEY_MAX];
    struct buffer row = {0};
    bool ok, found;

    if (!get_issuer(tail, txn, fingerprint, number, known_from, &found, err)) {
        return false;
    }
    if (found) return true;
    *number = counts->next_issuer++;
    *known_from = 0;
    row_begin(&row);
    buffer_append(&row, sha256_bytes(fingerprint));
    ok = row_put(txn, tail->issuers, number_key(raw, *number), &row, err) &&
         put_issuer(tail, txn, fingerprint, *number, 0, err);
    buffer_cleanup(&row);
    return ok;
}

bool tail_add_issuer(const struct tail *tail, struct lmdb_txn *txn,
                     struct bytes der, struct catalogue_counts *counts,
                     struct err *err)
{
    struct sha256_hash fingerprint = sha256(der);
    uint8_t raw[ISSUER_KEY_MAX];
    struct buffer row = {0};
    uint64_t known_from;
    uint32_t number;
    bool ok;

    if (!number_issuer(tail, txn, &fingerprint, &number, &known_from, counts,
                       err)) {
        return false;
    }
    if (known_from != 0) return true;
    row_begin(&row);
    buffer_append(&row, der);
    ok = row_put(txn, tail->issuers, issuer_key(raw, 'd', &fingerprint), &row,
                 err) &&
         put_issuer(tail, txn, &fingerprint, number, counts->next_id, err);
    buffer_cleanup(&row);
    return ok;
}

bool tail_issuer(const struct tail *tail, struct lmdb_txn *txn,
                 const struct sha256_hash *fingerprint, struct bytes *der,
                 uint64_t *known_from, bool *found, struct err *err)
{
    uint8_t raw[ISSUER_KEY_MAX];
    uint32_t number;

    if (!get_issuer(tail, txn, fingerprint, &number, known_from, found, err)) {
        return false;
    }
    *found = *found && *known_from != 0;
    if (!*found) return true;
    if (!row_get(txn, tail->issuers, "issuers",
                 issuer_key(raw, 'd', fingerprint), der, found, err)) {
        return false;
    }
    return *found || row_damaged("issuers", err);
}

bool tail_issuer_key(const struct tail *tail, struct lmdb_txn *txn,
                     const struct sha256_hash *fingerprint,
                     struct bytes issuer_name, struct sha256_hash *key_sha256,
                     uint64_t *known_from, bool *found, struct err *err)
{
    struct bytes der;
    struct cert cert;

    if (!tail_issuer(tail, txn, fingerprint, &der, known_from, found, err)) {
        return false;
    }
    if (!*found) return true;
    (void)!cert_parse(&cert, der, CERT_FORM_CERTIFICATE, NULL);
    *found = cert.spki.len != 0 && issuer_name.len != 0 &&
             bytes_equal(cert.subject, issuer_name);
    if (*found) *key_sha256 = sha256(cert.spki);
    return true;
}

// ------------------------------------------------------------ append

struct appending {
    const struct tail *tail;
    struct lmdb_txn *txn;
    struct chunk *chunk;
    struct catalogue_counts *counts;
    uint64_t first_id;
    uint32_t *numbers; // the index's, of the chunk's issuers
    struct buffer row;
};

bool tail_number_issuer(const struct tail *tail, struct lmdb_txn *txn,
                        const struct sha256_hash *fingerprint,
                        struct catalogue_counts *counts, uint32_t *number,
                        struct err *err)
{
    uint64_t known_from;

    return number_issuer(tail, txn, fingerprint, number, &known_from, counts,
                         err);
}

bool tail_number_issuers(const struct tail *tail, struct lmdb_txn *txn,
                         const struct chunk *chunk,
                         struct catalogue_counts *counts, uint32_t **numbers,
                         struct err *err)
{
    *numbers = calloc(chunk->num_issuers + 1, sizeof **numbers);
    if (*numbers == NULL) return no_memory(err);
    for (size_t i = 0; i < chunk->num_issuers; i++) {
        if (!tail_number_issuer(tail, txn, &chunk->issuers[i], counts,
                                &(*numbers)[i], err)) {
            return false;
        }
    }
    return true;
}

static bool append_entry(struct appending *a, const struct chunk_entry *entry,
                         uint64_t id, struct err *err)
{
    const uint8_t *body = a->chunk->bodies.data + entry->at;
    struct buffer *row = &a->row;
    uint8_t key[LMDB_ID_LEN], *space, bits;

    buffer_reset(row);
    buffer_append(row, bytes_of(body, entry->head_len));
    varint_append(row, entry->num_chain);
    for (size_t i = 0; i < entry->num_chain; i++) {
        varint_append(row,
                      a->numbers[a->chunk->chain_numbers[entry->chain_at + i]]);
    }
    if (!chunk_compress(a->chunk, entry, row, &bits, err)) return false;
    row->data[RECORD_BITS_AT] = bits;
    bytes_put_uint(key, id, sizeof key);
    if (!lmdb_append(a->txn, a->tail->entries, bytes_of(key, sizeof key),
                     CHECKSUM_LEN + row->len, &space, err)) {
        return false;
    }
    memcpy(space + CHECKSUM_LEN, row->data, row->len);
    bytes_put_uint(space,
                   checksum(bytes_of(key, sizeof key),
                            bytes_of(space + CHECKSUM_LEN, row->len)),
                   CHECKSUM_LEN);
    return true;
}

// Whether the row before the one just put bears another key: then the key is
// new, since a new id is above all others.
static bool count_key(struct appending *a, struct lmdb_cursor *cursor,
                      struct bytes key, struct err *err)
{
    struct bytes row, value;
    bool found;

    if (!lmdb_cursor_move(cursor, LMDB_PREV, &row, &value, &found, err)) {
        return false;
    }
    if (!found || row.len != key.len + LMDB_ID_LEN ||
        memcmp(row.data, key.data, key.len) != 0) {
        a->counts->keys++;
    }
    return true;
}

static bool append_key(struct appending *a, struct lmdb_cursor *cursor,
                       struct bytes key, uint64_t id, uint32_t via, bool first,
                       struct err *err)
{
    uint8_t value[POSTING_VALUE_MAX];
    uint64_t sum;
    size_t len;

    buffer_reset(&a->row);
    posting_row(&a->row, key, id);
    if (!buffer_ok(&a->row)) return no_memory(err);
    len = posting_value(value, buffer_bytes(&a->row), via, &sum);
    if (!lmdb_cursor_put(cursor, buffer_bytes(&a->row), bytes_of(value, len),
                         err)) {
        return false;
    }
    a->counts->postings++;
    a->counts->postings_sum += sum;
    return !first || count_key(a, cursor, key, err);
}

static bool append_keys(struct appending *a, struct lmdb_cursor *cursor,
                        struct err *err)
{
    const struct chunk *chunk = a->chunk;
    struct bytes last = {0};

    for (size_t i = 0; i < chunk->num_keys; i++) {
        const struct chunk_key *k = &chunk->keys[i];
        struct bytes key = bytes_of(chunk->key_bytes.data + k->at, k->len);

        if (!append_key(a, cursor, key, a->first_id + k->entry, k->via,
                        !bytes_equal(key, last), err)) {
            return false;
        }
        last = key;
    }
    return true;
}

// Whether any row bears the key: of an issuer's key the chunk may have put a
// higher id already, so that the row before tells nothing.
static bool key_is_held(struct appending *a, struct lmdb_cursor *cursor,
                        struct bytes key, bool *held, struct err *err)
{
    struct bytes row, value;

    buffer_reset(&a->row);
    posting_row(&a->row, key, 0);
    if (!buffer_ok(&a->row)) return no_memory(err);
    row = buffer_bytes(&a->row);
    if (!lmdb_cursor_move(cursor, LMDB_SEEK, &row, &value, held, err)) {
        return false;
    }
    *held = *held && row.len == key.len + LMDB_ID_LEN &&
            memcmp(row.data, key.data, key.len) == 0;
    return true;
}

// The key by which the issuer of one final certificate is found, if the index
// knows it: a property of (fingerprint, name).
static bool recall_issuer(const struct tail *tail, struct lmdb_txn *txn,
                          const struct chunk *chunk,
                          struct tail_issuer_memory *memory,
                          const struct chunk_entry *entry, bool *found,
                          struct sha256_hash *key_sha256, struct err *err)
{
    const struct sha256_hash *issuer =
        &chunk->issuers[chunk->chain_numbers[entry->chain_at]];
    struct bytes name = bytes_of(chunk->issuer_names.data + entry->issuer_at,
                                 entry->issuer_len);
    size_t at = issuer->bytes[0] % TAIL_ISSUERS_KEPT;
    uint64_t known_from;

    if (memory->kept[at].issuer == NULL ||
        !sha256_equal(memory->kept[at].issuer, issuer) ||
        !bytes_equal(memory->kept[at].name, name)) {
        memory->kept[at].issuer = NULL;
        if (!tail_issuer_key(tail, txn, issuer, name,
                             &memory->kept[at].key_sha256, &known_from,
                             &memory->kept[at].found, err)) {
            return false;
        }
        memory->kept[at].issuer = issuer;
        memory->kept[at].name = name;
    }
    *found = memory->kept[at].found;
    *key_sha256 = memory->kept[at].key_sha256;
    return true;
}

bool tail_each_issuer_key(const struct tail *tail, struct lmdb_txn *txn,
                          const struct chunk *chunk,
                          struct tail_issuer_memory *memory,
                          tail_key_visit *visit, void *context, struct err *err)
{
    struct buffer key = {0};
    bool ok = true;

    for (size_t i = 0; ok && i < chunk->num_entries; i++) {
        const struct chunk_entry *entry = &chunk->entries[i];
        struct sha256_hash key_sha256;
        bool found;

        if (entry->issuer_len == 0) continue;
        ok = recall_issuer(tail, txn, chunk, memory, entry, &found, &key_sha256,
                           err);
        if (!ok || !found) continue;
        buffer_reset(&key);
        keys_append(&key, TERM_ISSUER_KEY, sha256_bytes(&key_sha256));
        ok = (buffer_ok(&key) || no_memory(err)) &&
             visit(context, buffer_bytes(&key), i, err);
    }
    buffer_cleanup(&key);
    return ok;
}

struct issuer_appending {
    struct appending *appending;
    struct lmdb_cursor *cursor;
};

static bool append_issuer_key(void *context, struct bytes key, uint64_t entry,
                              struct err *err)
{
    const struct issuer_appending *i = context;
    struct appending *a = i->appending;
    bool held;

    if (!key_is_held(a, i->cursor, key, &held, err) ||
        !append_key(a, i->cursor, key, a->first_id + entry, VIA_UNAUTHENTICATED,
                    false, err)) {
        return false;
    }
    if (!held) a->counts->keys++;
    return true;
}

static bool append_all_keys(struct appending *a, struct err *err)
{
    struct tail_issuer_memory memory = {0};
    struct lmdb_cursor *cursor;
    bool ok;

    if (!lmdb_cursor_open(&cursor, a->txn, a->tail->keys, err)) return false;
    ok = append_keys(a, cursor, err) &&
         tail_each_issuer_key(
             a->tail, a->txn, a->chunk, &memory, append_issuer_key,
             &(struct issuer_appending){.appending = a, .cursor = cursor}, err);
    lmdb_cursor_close(cursor);
    return ok;
}

bool tail_append(const struct tail *tail, struct lmdb_txn *txn,
                 struct chunk *chunk, struct catalogue_counts *counts,
                 struct err *err)
{
    struct appending a = {.tail = tail,
                          .txn = txn,
                          .chunk = chunk,
                          .counts = counts,
                          .first_id = counts->next_id};
    bool ok;

    chunk_seal(chunk);
    ok = chunk_compress_begin(chunk, err) &&
         tail_number_issuers(tail, txn, chunk, counts, &a.numbers, err);
    for (size_t i = 0; ok && i < chunk->num_entries; i++) {
        ok = append_entry(&a, &chunk->entries[i], a.first_id + i, err);
    }
    ok = ok && append_all_keys(&a, err);
    free(a.numbers);
    buffer_cleanup(&a.row);
    if (!ok) return false;
    counts->next_id += chunk->num_entries;
    counts->tail_entries += chunk->num_entries;
    counts->unparsed += chunk->num_unparsed;
    return true;
}

// ------------------------------------------------------------ reading

bool tail_read(const struct tail *tail, struct lmdb_txn *txn, uint64_t id,
               struct record *record, struct err *err)
{
    uint8_t key[LMDB_ID_LEN];
    struct bytes value;
    bool found;

    bytes_put_uint(key, id, sizeof key);
    if (id > POSTING_ID_MAX) {
        found = false;
    } else if (!lmdb_get(txn, tail->entries, bytes_of(key, sizeof key), &value,
                         &found, err)) {
        return false;
    }
    if (!found) {
        return err_set(err, ERR_NOT_FOUND, "the index has no entry %" PRIu64,
                       id);
    }
    if (record_read(record, bytes_of(key, sizeof key), value, err)) return true;
    return err_wrap(err, "entry %" PRIu64, id);
}

bool tail_issuer_number(const struct tail *tail, struct lmdb_txn *txn,
                        uint64_t number, struct sha256_hash *fingerprint,
                        struct err *err)
{
    uint8_t raw[ISSUER_KEY_MAX];
    struct bytes row;
    bool found;

    if (!row_get(txn, tail->issuers, "issuers", number_key(raw, number), &row,
                 &found, err)) {
        return false;
    }
    if (!found || row.len != SHA256_LEN) return row_damaged("issuers", err);
    memcpy(fingerprint->bytes, row.data, SHA256_LEN);
    return true;
}

// ------------------------------------------------------------ emptying

bool tail_empty(const struct tail *tail, struct lmdb_txn *txn,
                struct catalogue_counts *counts, struct err *err)
{
    counts->tail_entries = 0;
    counts->keys = 0;
    counts->postings = 0;
    counts->postings_sum = 0;
    return lmdb_empty(txn, tail->entries, err) &&
           lmdb_empty(txn, tail->keys, err);
}
