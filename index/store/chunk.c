// chunk.c - see chunk.h.

#include "index/store/chunk.h"

#include <assert.h>
#include <stdlib.h>

#include "index/base/checksum.h"
#include "index/base/varint.h"
#include "index/entry/record.h"
#include "index/store/chunk_content.h"
#include "index/store/keys.h"
#include "index/store/posting.h"

enum {
    SLOTS_FIRST = 256,     // a power of two
    COMPRESS_LEN_MIN = 32, // below this a frame only gets longer
    RECORD_BITS_AT = 1,    // record.h
};

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "chunk: no memory");
}

bool chunk_new(struct chunk **out, struct err *err)
{
    struct chunk *chunk = calloc(1, sizeof *chunk);

    if (chunk == NULL) return no_memory(err);
    // Offsets into these are 32 bits wide.
    chunk->key_bytes.max = UINT32_MAX;
    chunk->issuer_names.max = UINT32_MAX;
    *out = chunk;
    return true;
}

void chunk_free(struct chunk *chunk)
{
    if (chunk == NULL) return;
    zstd_codec_free(chunk->codec);
    free(chunk->entries);
    free(chunk->keys);
    free(chunk->issuers);
    free(chunk->slots);
    free(chunk->chain_numbers);
    buffer_cleanup(&chunk->bodies);
    buffer_cleanup(&chunk->leaf_hashes);
    buffer_cleanup(&chunk->key_bytes);
    buffer_cleanup(&chunk->issuer_names);
    free(chunk);
}

void chunk_reset(struct chunk *chunk, const struct index_log *log,
                 uint64_t first)
{
    chunk->log = log->number;
    chunk->facts_only = log->keep == KEEP_FACTS;
    chunk->first = first;
    chunk->num_unparsed = 0;
    chunk->num_entries = 0;
    chunk->num_keys = 0;
    chunk->sealed = false;
    chunk->num_issuers = 0;
    chunk->num_chain_numbers = 0;
    if (chunk->num_slots != 0) {
        memset(chunk->slots, 0, chunk->num_slots * sizeof *chunk->slots);
    }
    buffer_reset(&chunk->bodies);
    buffer_reset(&chunk->leaf_hashes);
    buffer_reset(&chunk->key_bytes);
    buffer_reset(&chunk->issuer_names);
}

// Makes room for one more element of an array.
static bool grow(void *array, size_t *size, size_t num, size_t each)
{
    void **slot = array;
    size_t more = *size == 0 ? 256 : *size * 2;
    void *larger;

    if (num < *size) return true;
    if (more > SIZE_MAX / 2 / each) return false;
    larger = realloc(*slot, more * each);
    if (larger == NULL) return false;
    *slot = larger;
    *size = more;
    return true;
}

// ------------------------------------------------------------ chains

static bool slots_grow(struct chunk *chunk)
{
    size_t num = chunk->num_slots == 0 ? SLOTS_FIRST : chunk->num_slots * 2;
    uint32_t *slots = calloc(num, sizeof *slots);

    if (slots == NULL) return false;
    for (size_t i = 0; i < chunk->num_issuers; i++) {
        size_t at =
            checksum(sha256_bytes(&chunk->issuers[i]), (struct bytes){0});

        for (at &= num - 1; slots[at] != 0;) {
            at = (at + 1) & (num - 1);
        }
        slots[at] = (uint32_t)i + 1;
    }
    free(chunk->slots);
    chunk->slots = slots;
    chunk->num_slots = num;
    return true;
}

static bool issuer_number(struct chunk *chunk, const struct sha256_hash *issuer,
                          uint32_t *number)
{
    size_t at;

    if (2 * chunk->num_issuers >= chunk->num_slots && !slots_grow(chunk)) {
        return false;
    }
    at = checksum(sha256_bytes(issuer), (struct bytes){0});
    for (at &= chunk->num_slots - 1; chunk->slots[at] != 0;) {
        *number = chunk->slots[at] - 1;
        if (sha256_equal(&chunk->issuers[*number], issuer)) return true;
        at = (at + 1) & (chunk->num_slots - 1);
    }
    if (!grow(&chunk->issuers, &chunk->size_issuers, chunk->num_issuers,
              sizeof *chunk->issuers)) {
        return false;
    }
    *number = (uint32_t)chunk->num_issuers;
    chunk->issuers[chunk->num_issuers++] = *issuer;
    chunk->slots[at] = *number + 1;
    return true;
}

static bool add_chain(struct chunk *chunk, struct chunk_entry *out,
                      const struct entry *entry)
{
    if (chunk->num_chain_numbers > UINT32_MAX - ENTRY_CHAIN_MAX ||
        entry->bytes.num_chain > ENTRY_CHAIN_MAX) {
        return false;
    }
    out->chain_at = (uint32_t)chunk->num_chain_numbers;
    out->num_chain = (uint32_t)entry->bytes.num_chain;
    for (size_t i = 0; i < entry->bytes.num_chain; i++) {
        uint32_t number;

        if (!issuer_number(chunk, &entry->bytes.chain[i], &number) ||
            !grow(&chunk->chain_numbers, &chunk->size_chain_numbers,
                  chunk->num_chain_numbers, sizeof *chunk->chain_numbers)) {
            return false;
        }
        chunk->chain_numbers[chunk->num_chain_numbers++] = number;
    }
    return true;
}

// A final certificate's issuer is looked for when it is appended.
static void add_issuer_name(struct chunk *chunk, struct chunk_entry *out,
                            const struct entry *entry)
{
    struct buffer *names = &chunk->issuer_names;
    struct bytes name = entry->cert.issuer;

    if (entry->leaf.type != LEAF_X509 || entry->bytes.num_chain == 0 ||
        name.len == 0) {
        return;
    }
    out->issuer_at = (uint32_t)names->len;
    out->issuer_len = (uint32_t)name.len;
    if (chunk->num_entries > 0) {
        const struct chunk_entry *before = out - 1;

        if (before->issuer_len == name.len &&
            memcmp(names->data + before->issuer_at, name.data, name.len) == 0) {
            out->issuer_at = before->issuer_at;
            return;
        }
    }
    buffer_append(names, name);
}

// ------------------------------------------------------------ keys

struct adding {
    struct chunk *chunk;
    uint32_t entry;
};

static bool add_key(void *context, enum term_kind kind, struct bytes value,
                    uint32_t via)
{
    const struct adding *adding = context;
    struct chunk *chunk = adding->chunk;
    size_t at = chunk->key_bytes.len;

    keys_append(&chunk->key_bytes, kind, value);
    if (!buffer_ok(&chunk->key_bytes) ||
        !grow(&chunk->keys, &chunk->size_keys, chunk->num_keys,
              sizeof *chunk->keys)) {
        return false;
    }
    chunk->keys[chunk->num_keys++] = (struct chunk_key){
        .at = (uint32_t)at,
        .len = (uint16_t)(chunk->key_bytes.len - at),
        .via = (uint16_t)via,
        .entry = adding->entry,
    };
    return true;
}

static int compare_keys(const void *a, const void *b, void *context)
{
    const struct chunk *chunk = context;
    const struct chunk_key *x = a, *y = b;
    int order = bytes_compare(bytes_of(chunk->key_bytes.data + x->at, x->len),
                              bytes_of(chunk->key_bytes.data + y->at, y->len));

    if (order != 0) return order;
    return x->entry < y->entry ? -1 : x->entry > y->entry;
}

void chunk_seal(struct chunk *chunk)
{
    size_t kept = 0;

    if (chunk->sealed) return;
    chunk->sealed = true;
    if (chunk->num_keys == 0) return;
    qsort_r(chunk->keys, chunk->num_keys, sizeof *chunk->keys, compare_keys,
            chunk);
    for (size_t i = 1; i < chunk->num_keys; i++) {
        if (compare_keys(&chunk->keys[kept], &chunk->keys[i], chunk) == 0) {
            chunk->keys[kept].via |= chunk->keys[i].via;
        } else {
            chunk->keys[++kept] = chunk->keys[i];
        }
    }
    chunk->num_keys = kept + 1;
}

// ------------------------------------------------------------ records

static bool add_body(struct chunk *chunk, struct chunk_entry *out,
                     const struct entry *entry)
{
    struct buffer *bodies = &chunk->bodies;
    struct record record;
    size_t plain_at;

    record_of(&record, entry, chunk->log, chunk->facts_only);
    out->at = bodies->len;
    record_append_head(bodies, &record);
    plain_at = bodies->len;
    record_append_payload(bodies, &record, entry);
    if (!buffer_ok(bodies) || bodies->len - plain_at > UINT32_MAX) return false;
    out->head_len = (uint32_t)(plain_at - out->at);
    out->plain_len = (uint32_t)(bodies->len - plain_at);
    return true;
}

bool chunk_compress_begin(struct chunk *chunk, struct err *err)
{
    return chunk->codec != NULL || zstd_codec_new(&chunk->codec, err);
}

bool chunk_compress(struct chunk *chunk, const struct chunk_entry *entry,
                    struct buffer *out, uint8_t *bits, struct err *err)
{
    const uint8_t *body = chunk->bodies.data + entry->at;
    struct bytes plain = bytes_of(body + entry->head_len, entry->plain_len);
    size_t payload_at;

    *bits = body[RECORD_BITS_AT];
    varint_append(out, plain.len);
    payload_at = out->len;
    if (plain.len >= COMPRESS_LEN_MIN) {
        if (!zstd_compress(chunk->codec, NULL, plain, out, err)) {
            return false;
        }
        if (buffer_ok(out) && out->len - payload_at < plain.len) {
            *bits |= RECORD_COMPRESSED;
            return true;
        }
        if (buffer_ok(out)) out->len = payload_at; // what does not shrink
    }
    buffer_append(out, plain);
    return buffer_ok(out) || no_memory(err);
}

void chunk_swap(struct chunk *a, struct chunk *b)
{
    struct chunk other = *a;

    *a = *b;
    *b = other;
}

bool chunk_add(struct chunk *chunk, const struct entry *entry, struct err *err)
{
    struct adding adding = {chunk, (uint32_t)chunk->num_entries};
    struct chunk_entry *out;

    if (chunk->num_entries >= UINT32_MAX ||
        !grow(&chunk->entries, &chunk->size_entries, chunk->num_entries,
              sizeof *chunk->entries)) {
        return no_memory(err);
    }
    chunk->sealed = false;
    out = &chunk->entries[chunk->num_entries];
    *out = (struct chunk_entry){0};
    if (!add_chain(chunk, out, entry)) return no_memory(err);
    add_issuer_name(chunk, out, entry);
    buffer_append(&chunk->leaf_hashes, sha256_bytes(&entry->leaf_hash));
    if (!buffer_ok(&chunk->issuer_names) || !buffer_ok(&chunk->leaf_hashes) ||
        !posting_each_term(entry, add_key, &adding)) {
        return no_memory(err);
    }
    if (!add_body(chunk, out, entry)) return no_memory(err);
    if ((entry->flags & FLAG_UNPARSED) != 0) chunk->num_unparsed++;
    chunk->num_entries++;
    return true;
}

// ------------------------------------------------------------ parts

// Makes room for `more` elements behind `num`.
static bool grow_by(void *array, size_t *size, size_t num, size_t more,
                    size_t each)
{
    void **slot = array;
    size_t room = num + more < 2 * *size ? 2 * *size : num + more;
    void *larger;

    if (more <= *size - num) return true;
    if (room > SIZE_MAX / 2 / each) return false;
    larger = realloc(*slot, room * each);
    if (larger == NULL) return false;
    *slot = larger;
    *size = room;
    return true;
}

static bool reserve(struct chunk *chunk, const struct chunk *part)
{
    return chunk->num_entries + part->num_entries <= UINT32_MAX &&
           chunk->num_chain_numbers + part->num_chain_numbers <= UINT32_MAX &&
           grow_by(&chunk->entries, &chunk->size_entries, chunk->num_entries,
                   part->num_entries, sizeof *chunk->entries) &&
           grow_by(&chunk->keys, &chunk->size_keys, chunk->num_keys,
                   part->num_keys, sizeof *chunk->keys) &&
           grow_by(&chunk->chain_numbers, &chunk->size_chain_numbers,
                   chunk->num_chain_numbers, part->num_chain_numbers,
                   sizeof *chunk->chain_numbers) &&
           buffer_reserve(&chunk->bodies, part->bodies.len) &&
           buffer_reserve(&chunk->leaf_hashes, part->leaf_hashes.len) &&
           buffer_reserve(&chunk->key_bytes, part->key_bytes.len) &&
           buffer_reserve(&chunk->issuer_names, part->issuer_names.len);
}

static bool join_chains(struct chunk *chunk, const struct chunk *part)
{
    uint32_t *numbers = malloc((part->num_issuers + 1) * sizeof *numbers);
    bool ok = numbers != NULL;

    for (size_t i = 0; ok && i < part->num_issuers; i++) {
        ok = issuer_number(chunk, &part->issuers[i], &numbers[i]);
    }
    for (size_t i = 0; ok && i < part->num_chain_numbers; i++) {
        chunk->chain_numbers[chunk->num_chain_numbers + i] =
            numbers[part->chain_numbers[i]];
    }
    free(numbers);
    return ok;
}

static void join_entries(struct chunk *chunk, const struct chunk *part)
{
    for (size_t i = 0; i < part->num_entries; i++) {
        struct chunk_entry *entry = &chunk->entries[chunk->num_entries + i];

        *entry = part->entries[i];
        entry->at += chunk->bodies.len;
        entry->chain_at += (uint32_t)chunk->num_chain_numbers;
        entry->issuer_at += (uint32_t)chunk->issuer_names.len;
    }
    for (size_t i = 0; i < part->num_keys; i++) {
        struct chunk_key *key = &chunk->keys[chunk->num_keys + i];

        *key = part->keys[i];
        key->at += (uint32_t)chunk->key_bytes.len;
        key->entry += (uint32_t)chunk->num_entries;
    }
}

bool chunk_join(struct chunk *chunk, const struct chunk *part, struct err *err)
{
    assert(part->first == chunk->first + chunk->num_entries);
    if (!reserve(chunk, part) || !join_chains(chunk, part)) {
        return no_memory(err);
    }
    join_entries(chunk, part);
    buffer_append(&chunk->bodies, buffer_bytes(&part->bodies));
    buffer_append(&chunk->leaf_hashes, buffer_bytes(&part->leaf_hashes));
    buffer_append(&chunk->key_bytes, buffer_bytes(&part->key_bytes));
    buffer_append(&chunk->issuer_names, buffer_bytes(&part->issuer_names));
    chunk->sealed = false;
    chunk->num_entries += part->num_entries;
    chunk->num_keys += part->num_keys;
    chunk->num_chain_numbers += part->num_chain_numbers;
    chunk->num_unparsed += part->num_unparsed;
    return true;
}

const struct sha256_hash *chunk_leaf_hashes(const struct chunk *chunk)
{
    // A hash is 32 octets without alignment: it is read where it stands.
    return (const struct sha256_hash *)chunk->leaf_hashes.data;
}

const struct sha256_hash *chunk_issuers(const struct chunk *chunk, size_t *num)
{
    *num = chunk->num_issuers;
    return chunk->issuers;
}

size_t chunk_size_bytes(const struct chunk *chunk)
{
    return sizeof *chunk + chunk->bodies.size + chunk->leaf_hashes.size +
           chunk->key_bytes.size + chunk->issuer_names.size +
           chunk->size_entries * sizeof *chunk->entries +
           chunk->size_keys * sizeof *chunk->keys +
           chunk->size_issuers * sizeof *chunk->issuers +
           chunk->num_slots * sizeof *chunk->slots +
           chunk->size_chain_numbers * sizeof *chunk->chain_numbers;
}

uint64_t chunk_num_entries(const struct chunk *chunk)
{
    return chunk->num_entries;
}
