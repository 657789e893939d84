// entry.c - see entry.h.

#include "index/entry/entry.h"

#include <assert.h>
#include <stdio.h>

#include "index/entry/cert_walk.h"
#include "index/entry/log_form.h"
#include "index/entry/merkle.h"

enum {
    HASHES_MAX = 4, // of an entry
    ENTRY_HASHES = ENTRY_LEAF_HASH | ENTRY_CERTIFICATE_SHA256 |
                   ENTRY_TBS_SHA256 | ENTRY_SPKI_SHA256,
};

// Flags an entry that could not be read whole; the first reason stays.
static void set_unparsed(struct entry *entry, const char *where,
                         const char *what)
{
    if ((entry->flags & FLAG_UNPARSED) != 0) return;
    entry->flags |= FLAG_UNPARSED;
    (void)snprintf(entry->reason, sizeof entry->reason, "%s%.80s", where, what);
}

// Reads the certificate of a leaf that reads.
static void understand_cert(struct entry *entry)
{
    bool is_precert = entry->leaf.type == LEAF_PRECERT;
    struct cert *cert = &entry->cert;
    struct err err;

    if (!cert_parse(cert, entry->leaf.certificate,
                    is_precert ? CERT_FORM_TBS : CERT_FORM_CERTIFICATE, &err)) {
        set_unparsed(entry, "", err.text);
    } else if (!cert->is_whole) {
        set_unparsed(entry, "certificate: ", cert->reason);
    }
    if (cert->not_before == CERT_TIME_UNREADABLE ||
        cert->not_after == CERT_TIME_UNREADABLE) {
        entry->flags |= FLAG_BAD_DATE;
    }
    if (is_precert) entry->issuer_key_hash = entry->leaf.issuer_key_hash;
}

static void understand_leaf(struct entry *entry)
{
    const struct leaf *leaf = &entry->leaf;
    struct err err;

    if (!leaf_parse(&entry->leaf, entry->bytes.leaf, &err)) {
        set_unparsed(entry, "", err.text);
        // Names are still searched for in all of its bytes.
        entry->leaf = (struct leaf){.timestamp_ms = leaf->timestamp_ms,
                                    .type = LEAF_UNKNOWN};
        entry->cert = (struct cert){.der = entry->bytes.leaf,
                                    .not_before = CERT_TIME_UNREADABLE,
                                    .not_after = CERT_TIME_UNREADABLE};
        (void)snprintf(entry->cert.reason, sizeof entry->cert.reason,
                       "no MerkleTreeLeaf");
        return;
    }
    if (leaf->has_leaf_index
            ? leaf->leaf_index != entry->bytes.index
            : leaf->extensions.len > 0 &&
                  !leaf_parse_extensions(&entry->leaf, leaf->extensions)) {
        entry->flags |= FLAG_WRONG_LEAF_INDEX;
    }
    understand_cert(entry);
}

// The quick way to a precertificate's TBSCertificate: all that is needed where
// it gives the leaf's back.
static struct bytes find_tbs(struct bytes precert)
{
    struct der outer, tbs;

    if (!der_read(&precert, &outer) || !der_read(&outer.content, &tbs)) {
        return (struct bytes){0};
    }
    return tbs.whole;
}

// Steps over the extensions in which a precertificate may differ.
static bool next_compared(struct bytes *view, struct extension *out)
{
    while (extension_next(view, out)) {
        enum extension_id id = extension_id(out->oid);

        if (id != EXTENSION_POISON && id != EXTENSION_SCT_LIST &&
            id != EXTENSION_AUTHORITY_KEY_ID) {
            return true;
        }
    }
    return false;
}

static bool equal_extensions(struct bytes a, struct bytes b)
{
    struct extension in_a, in_b;

    while (next_compared(&a, &in_a)) {
        if (!next_compared(&b, &in_b) || !bytes_equal(in_a.whole, in_b.whole)) {
            return false;
        }
    }
    return a.len == 0 && !next_compared(&b, &in_b) && b.len == 0;
}

// What stands from the validity to the public key.
static struct bytes middle_of(const struct cert *cert)
{
    const uint8_t *start = cert->issuer.data + cert->issuer.len;

    return bytes_of(start, (size_t)(cert->spki.data + cert->spki.len - start));
}

// A Precertificate Signing Certificate has its own name and key identifier in
// the precertificate, the final issuer's stand in the leaf (RFC 6962 section
// 3.2): all else must be equal.
static bool is_by_signing_certificate(const struct cert *leaf,
                                      const struct cert *precert)
{
    return leaf->is_whole && precert->is_whole &&
           bytes_equal(leaf->serial, precert->serial) &&
           bytes_equal(leaf->signature_algorithm,
                       precert->signature_algorithm) &&
           bytes_equal(middle_of(leaf), middle_of(precert)) &&
           equal_extensions(leaf->extensions, precert->extensions);
}

// Compares the precertificate that was served with the leaf.
static void understand_precert(struct entry *entry)
{
    struct bytes der = entry->bytes.precert;
    struct cert precert;

    if (der.len == 0) return;
    if (entry->leaf.type == LEAF_PRECERT) {
        entry->tbs_from_precert =
            entry->bytes.leaf_from_precert ||
            log_form_equals(find_tbs(der), entry->leaf.certificate);
        if (entry->tbs_from_precert) return;
    }
    if (!cert_parse(&precert, der, CERT_FORM_CERTIFICATE, NULL) ||
        !is_by_signing_certificate(&entry->cert, &precert)) {
        entry->flags |= FLAG_PRECERT_MISMATCH;
    }
}

// Derives the leaf's terms, then those that the precertificate alone has.
static bool derive_names(struct entry *entry, struct arena *arena)
{
    struct bytes der = entry->bytes.precert;
    struct term_list names = {0};
    struct cert precert;

    if (!names_derive(&entry->names, &entry->cert, 0, arena)) return false;
    entry->flags |= entry->names.flags;
    if (der.len == 0 ||
        (entry->leaf.type == LEAF_PRECERT && entry->tbs_from_precert)) {
        return true;
    }
    (void)!cert_parse(&precert, der, CERT_FORM_CERTIFICATE, NULL);
    return names_derive(&names, &precert, VIA_UNAUTHENTICATED, arena) &&
           names_join(&entry->names, &names, arena);
}

// What the hashes of one entry are made of.
struct hashing {
    struct sha256_message *messages; // the next one; there is room for four
    struct bytes pieces[5];          // of those that are not a log form
    struct log_form form;
    size_t num_pieces;
};

static void hash_pieces(struct hashing *hashing, const struct bytes *pieces,
                        size_t num_pieces, struct sha256_hash *out)
{
    *hashing->messages++ = (struct sha256_message){pieces, num_pieces, out};
}

static bool hash_whole(struct hashing *hashing, struct bytes bytes,
                       struct sha256_hash *out)
{
    struct bytes *piece = &hashing->pieces[hashing->num_pieces++];

    *piece = bytes;
    hash_pieces(hashing, piece, 1, out);
    return true;
}

static bool hash_log_form(struct hashing *hashing, struct bytes tbs,
                          struct sha256_hash *out)
{
    if (!log_form_collect(&hashing->form, tbs)) {
        return log_form_sha256(tbs, out);
    }
    hash_pieces(hashing, hashing->form.pieces, hashing->form.num_pieces, out);
    return true;
}

// The longest first.
static void collect_messages(struct hashing *hashing, struct entry *entry,
                             unsigned parts)
{
    const struct leaf *leaf = &entry->leaf;
    bool is_precert = leaf->type == LEAF_PRECERT;
    struct bytes certificate =
        is_precert ? entry->bytes.precert : leaf->certificate;

    hashing->num_pieces = 0;
    if ((parts & ENTRY_LEAF_HASH) != 0) {
        merkle_leaf_pieces(hashing->pieces, entry->bytes.leaf);
        hashing->num_pieces = MERKLE_LEAF_PIECES;
        hash_pieces(hashing, hashing->pieces, MERKLE_LEAF_PIECES,
                    &entry->leaf_hash);
    }
    if (leaf->type == LEAF_UNKNOWN) return;
    if ((parts & ENTRY_CERTIFICATE_SHA256) != 0 &&
        (!is_precert || certificate.len > 0)) {
        entry->has_certificate_sha256 =
            hash_whole(hashing, certificate, &entry->certificate_sha256);
    }
    if ((parts & ENTRY_TBS_SHA256) != 0) {
        entry->has_tbs_sha256 =
            is_precert
                ? hash_whole(hashing, leaf->certificate, &entry->tbs_sha256)
                : hash_log_form(hashing, entry->cert.tbs, &entry->tbs_sha256);
    }
    if ((parts & ENTRY_SPKI_SHA256) != 0 && entry->cert.spki.len > 0) {
        entry->has_spki_sha256 =
            hash_whole(hashing, entry->cert.spki, &entry->spki_sha256);
    }
}

static void hash_entry(struct entry *entry, unsigned parts)
{
    struct sha256_message messages[HASHES_MAX];
    struct hashing hashing;

    hashing.messages = messages;
    collect_messages(&hashing, entry, parts);
    sha256_many(messages, (size_t)(hashing.messages - messages));
}

static size_t message_len(const struct sha256_message *message)
{
    size_t len = 0;

    for (size_t i = 0; i < message->num_pieces; i++) {
        len += message->pieces[i].len;
    }
    return len;
}

static void sort_by_len(struct sha256_message *messages, size_t num)
{
    for (size_t i = 1; i < num; i++) {
        struct sha256_message moved = messages[i];
        size_t len = message_len(&moved), at = i;

        for (; at > 0 && message_len(&messages[at - 1]) < len; at--) {
            messages[at] = messages[at - 1];
        }
        messages[at] = moved;
    }
}

void entry_hash_many(struct entry *const *entries, const unsigned *parts,
                     size_t num)
{
    struct sha256_message messages[ENTRY_HASHED_MAX * HASHES_MAX];
    struct sha256_message *next = messages;
    struct hashing hashings[ENTRY_HASHED_MAX];

    assert(num <= ENTRY_HASHED_MAX);
    for (size_t i = 0; i < num; i++) {
        unsigned missing = parts[i] & ENTRY_HASHES & ~entries[i]->parts;

        entries[i]->parts |= missing;
        hashings[i].messages = next;
        collect_messages(&hashings[i], entries[i], missing);
        next = hashings[i].messages;
    }
    sort_by_len(messages, (size_t)(next - messages));
    sha256_many(messages, (size_t)(next - messages));
}

bool entry_understand_parts(struct entry *entry,
                            const struct entry_bytes *bytes, unsigned parts,
                            struct arena *arena)
{
    *entry = (struct entry){.bytes = *bytes};
    understand_leaf(entry);
    if (bytes->extra_unreadable) entry->flags |= FLAG_CHAIN_UNREADABLE;
    understand_precert(entry);
    return entry_understand_more(entry, parts, arena);
}

bool entry_understand_more(struct entry *entry, unsigned parts,
                           struct arena *arena)
{
    parts &= ~entry->parts;
    entry->parts |= parts;
    hash_entry(entry, parts);
    return (parts & ENTRY_NAMES) == 0 || derive_names(entry, arena);
}

bool entry_understand(struct entry *entry, const struct entry_bytes *bytes,
                      struct arena *arena)
{
    return entry_understand_parts(entry, bytes, ENTRY_ALL, arena);
}

// Takes a TimestampedEntry off the front of a tile (RFC 6962 section 3.4).
static bool take_timestamped_entry(struct bytes *tile, uint64_t *kind,
                                   struct bytes *out, struct err *err)
{
    struct bytes rest = *tile, skipped;
    uint64_t timestamp_ms;

    if (!bytes_read_uint(&rest, &timestamp_ms, 8) ||
        !bytes_read_uint(&rest, kind, 2)) {
        return err_set(err, ERR_MALFORMED, "tile: header truncated");
    }
    if (*kind != LEAF_X509 && *kind != LEAF_PRECERT) {
        return err_set(err, ERR_UNSUPPORTED,
                       "tile: entry type %u has no known end", (unsigned)*kind);
    }
    if (*kind == LEAF_PRECERT && !bytes_skip(&rest, SHA256_LEN)) {
        return err_set(err, ERR_MALFORMED, "tile: issuer_key_hash truncated");
    }
    if (!bytes_read_vector(&rest, &skipped, 3)) {
        return err_set(err, ERR_MALFORMED, "tile: certificate truncated");
    }
    if (!bytes_read_vector(&rest, &skipped, 2)) {
        return err_set(err, ERR_MALFORMED, "tile: extensions truncated");
    }
    *out = bytes_of(tile->data, tile->len - rest.len);
    *tile = rest;
    return true;
}

static void clear_extra(struct entry_bytes *out)
{
    out->precert = (struct bytes){0};
    out->leaf_from_precert = false;
    out->chain = NULL;
    out->num_chain = 0;
    out->extra_unreadable = false;
    out->extra = (struct bytes){0};
}

bool entry_parse_tile_leaf(struct entry_bytes *out, struct bytes *tile,
                           struct arena *arena, struct err *err)
{
    static const uint8_t head[] = {0, 0}; // version, leaf type
    struct bytes rest = *tile, entry = {0}, chain;
    uint64_t kind = 0;
    uint8_t *leaf;

    clear_extra(out);
    out->leaf = (struct bytes){0};
    if (!take_timestamped_entry(&rest, &kind, &entry, err)) return false;
    if (kind == LEAF_PRECERT && !bytes_read_vector(&rest, &out->precert, 3)) {
        return err_set(err, ERR_MALFORMED, "tile: pre_certificate truncated");
    }
    if (!bytes_read_vector(&rest, &chain, 2)) {
        return err_set(err, ERR_MALFORMED, "tile: chain truncated");
    }
    leaf = arena_alloc(arena, sizeof head + entry.len);
    if (leaf == NULL) return err_set(err, ERR_MEMORY, "tile: no memory");
    memcpy(leaf, head, sizeof head);
    memcpy(leaf + sizeof head, entry.data, entry.len);
    out->leaf = bytes_of(leaf, sizeof head + entry.len);
    if (chain.len % SHA256_LEN == 0) {
        // A hash is 32 octets without alignment: it is read where it stands.
        out->chain = (const struct sha256_hash *)chain.data;
        out->num_chain = chain.len / SHA256_LEN;
    } else {
        // Its length is certain all the same, and so is the leaf's.
        out->extra_unreadable = true;
        out->extra = chain;
    }
    *tile = rest;
    return true;
}

// Counts the certificates of an ASN.1CertChain without its length.
static bool count_chain(struct bytes chain, size_t *num)
{
    struct bytes certificate;

    *num = 0;
    while (chain.len > 0) {
        if (*num == ENTRY_CHAIN_MAX) return false;
        if (!bytes_read_vector(&chain, &certificate, 3)) return false;
        if (certificate.len == 0) return false;
        ++*num;
    }
    return true;
}

static bool fill_chain(struct entry_bytes *out, struct bytes chain, size_t num,
                       struct chain_cache *cache, struct bytes **certificates,
                       struct arena *arena)
{
    struct bytes rest = chain;
    struct bytes *list;
    struct sha256_hash *hashes;

    if (num == 0) return true;
    list = arena_zalloc(arena, num, sizeof *list);
    hashes = arena_zalloc(arena, num, sizeof *hashes);
    if (list == NULL || hashes == NULL) return false;
    for (size_t i = 0; i < num; i++) {
        (void)bytes_read_vector(&rest, &list[i], 3);
    }
    if (cache == NULL || !chain_cache_find(cache, chain, hashes, num)) {
        for (size_t i = 0; i < num; i++) {
            hashes[i] = sha256(list[i]);
        }
        if (cache != NULL) chain_cache_keep(cache, chain, hashes, num);
    }
    out->chain = hashes;
    out->num_chain = num;
    *certificates = list;
    return true;
}

bool entry_parse_extra(struct entry_bytes *out, enum leaf_type type,
                       struct bytes extra_data, struct chain_cache *cache,
                       struct bytes **certificates, struct arena *arena)
{
    struct bytes rest = extra_data, chain;
    size_t num;

    clear_extra(out);
    *certificates = NULL;
    if (type == LEAF_UNKNOWN && extra_data.len == 0) return true;
    if (type == LEAF_UNKNOWN ||
        (type == LEAF_PRECERT && !bytes_read_vector(&rest, &out->precert, 3)) ||
        !bytes_read_vector(&rest, &chain, 3) || rest.len != 0 ||
        !count_chain(chain, &num)) {
        out->extra_unreadable = true;
        out->extra = extra_data;
        return true;
    }
    return fill_chain(out, chain, num, cache, certificates, arena);
}
