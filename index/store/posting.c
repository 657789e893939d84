// posting.c - see posting.h.

#include "index/store/posting.h"

#include "index/base/checksum.h"

enum { CHECK_LEN = 2, VIA_LEN = 2 };

void posting_row(struct buffer *out, struct bytes key, uint64_t id)
{
    buffer_append(out, key);
    buffer_append_uint(out, id, LMDB_ID_LEN);
}

static uint64_t row_sum(struct bytes row, uint32_t via)
{
    uint8_t bytes[VIA_LEN];

    bytes_put_uint(bytes, via, sizeof bytes);
    return checksum(bytes_of(bytes, sizeof bytes), row);
}

size_t posting_value(uint8_t out[POSTING_VALUE_MAX], struct bytes row,
                     uint32_t via, uint64_t *sum)
{
    *sum = row_sum(row, via & UINT16_MAX);
    bytes_put_uint(out, *sum & UINT16_MAX, CHECK_LEN);
    if ((via & UINT16_MAX) == 0) return CHECK_LEN;
    bytes_put_uint(out + CHECK_LEN, via & UINT16_MAX, VIA_LEN);
    return CHECK_LEN + VIA_LEN;
}

bool posting_read(struct posting *posting, struct bytes row, struct bytes value,
                  uint64_t *sum)
{
    struct bytes id, key = row;
    uint64_t check, via = 0;

    if (row.len <= LMDB_ID_LEN) return false;
    key.len -= LMDB_ID_LEN;
    id = bytes_of(row.data + key.len, LMDB_ID_LEN);
    if (!bytes_read_uint(&value, &check, CHECK_LEN) ||
        (value.len != 0 && !bytes_read_uint(&value, &via, VIA_LEN)) ||
        value.len != 0 || !bytes_read_uint(&id, &posting->id, LMDB_ID_LEN)) {
        return false;
    }
    posting->key = key;
    posting->via = (uint32_t)via;
    *sum = row_sum(row, posting->via);
    return (*sum & UINT16_MAX) == check;
}

static struct bytes without_leading_zeros(struct bytes serial)
{
    while (serial.len > 0 && serial.data[0] == 0) {
        (void)bytes_skip(&serial, 1);
    }
    return serial;
}

bool posting_each_term(const struct entry *entry, posting_visit *visit,
                       void *context)
{
    // Of a precertificate that is not the leaf's the tree says nothing.
    uint32_t via = entry->leaf.type == LEAF_PRECERT && !entry->tbs_from_precert
                       ? VIA_UNAUTHENTICATED
                       : 0;

    for (size_t i = 0; i < entry->names.num_terms; i++) {
        const struct term *term = &entry->names.terms[i];

        if (!visit(context, term->kind, term->value, term->via)) return false;
    }
    return (!entry->has_certificate_sha256 ||
            visit(context, TERM_CERT_SHA256,
                  sha256_bytes(&entry->certificate_sha256), via)) &&
           (!entry->has_tbs_sha256 ||
            visit(context, TERM_TBS_SHA256, sha256_bytes(&entry->tbs_sha256),
                  0)) &&
           (!entry->has_spki_sha256 ||
            visit(context, TERM_SPKI_SHA256, sha256_bytes(&entry->spki_sha256),
                  0)) &&
           (entry->cert.serial.len == 0 ||
            visit(context, TERM_SERIAL,
                  without_leading_zeros(entry->cert.serial), 0)) &&
           (entry->issuer_key_hash.len != SHA256_LEN ||
            visit(context, TERM_ISSUER_KEY, entry->issuer_key_hash, 0));
}
