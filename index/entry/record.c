// record.c - see record.h.

#include "index/entry/record.h"

#include <assert.h>

#include "index/base/checksum.h"
#include "index/base/varint.h"
#include "index/entry/der.h"
#include "index/entry/log_form.h"

enum {
    KIND_MASK = 0x0f,
    TYPE_SHIFT = 4,
    TYPE_UNKNOWN = 2, // LEAF_UNKNOWN, in four bits
    BITS_ALL = 0x1f,
    TAG_SEQUENCE = DER_CONSTRUCTED | DER_SEQUENCE,
    KEY_HEAD_LEN = 2,
    CHAIN_NUMBER_LEN_MAX = 10,
};

enum record_form {
    FORM_LEAF = 0,         // the MerkleTreeLeaf as it came
    FORM_CERTIFICATE = 1,  // X509: built around the certificate
    FORM_TBS = 2,          // precertificate: built around the TBSCertificate
    FORM_FROM_PRECERT = 3, // the TBSCertificate comes from the precertificate
    FORM_MASK = 3,
    FORM_HAS_PRECERT = 4,
    FORM_EXTRA_UNREADABLE = 8,
    FORM_BITS_ALL = 15,
};

// ------------------------------------------------------------ writing

static bool is_understood(const struct entry *entry)
{
    return (entry->flags & (FLAG_UNPARSED | FLAG_PRECERT_MISMATCH)) == 0 &&
           entry->leaf.type != LEAF_UNKNOWN && entry->cert.der.len != 0;
}

static void facts_of(struct entry_facts *facts, const struct entry *entry,
                     uint32_t log)
{
    bool has_cert = entry->cert.der.len != 0;

    *facts = (struct entry_facts){
        .log = log,
        .index = entry->bytes.index,
        .timestamp_ms = entry->leaf.timestamp_ms,
        .type = entry->leaf.type,
        .not_before = has_cert ? entry->cert.not_before : CERT_TIME_UNREADABLE,
        .not_after = has_cert ? entry->cert.not_after : CERT_TIME_UNREADABLE,
        .flags = entry->flags,
        .group = entry->leaf_hash,
        .has_tbs = entry->has_tbs_sha256,
    };
    // A precertificate is not authenticated and must not choose the group.
    if (entry->has_tbs_sha256) {
        facts->group = entry->tbs_sha256;
    } else if (entry->leaf.type == LEAF_X509 && entry->has_certificate_sha256) {
        facts->group = entry->certificate_sha256;
    }
}

void record_of(struct record *record, const struct entry *entry, uint32_t log,
               bool facts_only)
{
    *record = (struct record){
        .kind = facts_only && is_understood(entry) ? RECORD_FACTS : RECORD_FULL,
    };
    facts_of(&record->facts, entry, log);
    if (entry->has_tbs_sha256) record->bits |= RECORD_HAS_TBS;
    if (record->kind != RECORD_FACTS) return;
    record->leaf_hash = entry->leaf_hash;
    record->certificate_sha256 = entry->certificate_sha256;
    record->spki_sha256 = entry->spki_sha256;
    if (entry->has_certificate_sha256) record->bits |= RECORD_HAS_CERTIFICATE;
    if (entry->has_spki_sha256) record->bits |= RECORD_HAS_SPKI;
    if (entry->tbs_from_precert) record->bits |= RECORD_TBS_FROM_PRECERT;
}

void record_append_head(struct buffer *out, const struct record *record)
{
    const struct entry_facts *facts = &record->facts;
    unsigned type =
        facts->type == LEAF_UNKNOWN ? TYPE_UNKNOWN : (unsigned)facts->type;

    buffer_append_byte(out, (uint8_t)(record->kind | type << TYPE_SHIFT));
    buffer_append_byte(out, record->bits);
    varint_append(out, facts->log);
    varint_append(out, facts->index);
    varint_append(out, facts->timestamp_ms);
    varint_append(out, varint_fold(facts->not_before));
    // Mostly a round number of days apart; wraps where a date is unreadable.
    varint_append(out, varint_fold((int64_t)((uint64_t)facts->not_after -
                                             (uint64_t)facts->not_before)));
    varint_append(out, facts->flags);
    buffer_append(out, sha256_bytes(&facts->group));
    if (record->kind != RECORD_FACTS) return;
    buffer_append(out, sha256_bytes(&record->leaf_hash));
    if ((record->bits & RECORD_HAS_CERTIFICATE) != 0) {
        buffer_append(out, sha256_bytes(&record->certificate_sha256));
    }
    if ((record->bits & RECORD_HAS_SPKI) != 0) {
        buffer_append(out, sha256_bytes(&record->spki_sha256));
    }
}

static void append_vector(struct buffer *out, struct bytes bytes)
{
    varint_append(out, bytes.len);
    buffer_append(out, bytes);
}

// Whether the leaf is exactly what leaf_append would build: else it is kept as
// it came, whatever the reason.
static bool is_rebuilt(const struct entry *entry)
{
    return (entry->leaf.type == LEAF_X509 ||
            entry->leaf.type == LEAF_PRECERT) &&
           entry->leaf.certificate.len != 0 &&
           leaf_is_written_as(&entry->leaf, entry->bytes.leaf);
}

static unsigned choose_form(const struct entry *entry)
{
    if (!is_rebuilt(entry)) return FORM_LEAF;
    if (entry->leaf.type == LEAF_X509) return FORM_CERTIFICATE;
    return entry->tbs_from_precert && entry->bytes.precert.len != 0
               ? FORM_FROM_PRECERT
               : FORM_TBS;
}

static void append_full(struct buffer *out, const struct entry *entry)
{
    unsigned form = choose_form(entry), bits = form;

    if (entry->bytes.precert.len != 0) bits |= FORM_HAS_PRECERT;
    if (entry->bytes.extra_unreadable) bits |= FORM_EXTRA_UNREADABLE;
    buffer_append_byte(out, (uint8_t)bits);
    if (form == FORM_TBS || form == FORM_FROM_PRECERT) {
        append_vector(out, entry->leaf.issuer_key_hash);
    }
    if (form != FORM_LEAF) append_vector(out, entry->leaf.extensions);
    if (entry->bytes.extra_unreadable) append_vector(out, entry->bytes.extra);
    if (entry->bytes.precert.len != 0) append_vector(out, entry->bytes.precert);
    if (form == FORM_LEAF) buffer_append(out, entry->bytes.leaf);
    if (form == FORM_CERTIFICATE || form == FORM_TBS) {
        buffer_append(out, entry->leaf.certificate);
    }
}

// ------------------------------------------------------------ the skeleton

// Sets `part`, which lies in the original, to zero in its copy.
static void blank(uint8_t *copy, struct bytes original, struct bytes part)
{
    size_t offset;

    if (part.len == 0 || part.data < original.data ||
        part.data > original.data + original.len) {
        return;
    }
    offset = (size_t)(part.data - original.data);
    if (part.len <= original.len - offset) memset(copy + offset, 0, part.len);
}

// Whether an element is primitive and of definite length: zeros in it cannot
// be taken for an end of contents.
static bool is_plain(const struct der *element, uint8_t tag)
{
    return element->tag == tag &&
           element->content.data + element->content.len ==
               element->whole.data + element->whole.len;
}

// The modulus, but for its highest bit, which tells its size.
static void blank_rsa(uint8_t *copy, struct bytes original, struct bytes bits)
{
    struct der key, modulus;
    struct bytes view = bits, n;

    if (!bytes_skip(&view, 1) || !der_read(&view, &key) ||
        !is_plain(&key, TAG_SEQUENCE) || !der_read(&key.content, &modulus) ||
        !is_plain(&modulus, DER_INTEGER)) {
        return;
    }
    n = modulus.content;
    while (n.len > 0 && n.data[0] == 0) {
        (void)bytes_skip(&n, 1);
    }
    if (n.len == 0) return;
    blank(copy, original, n);
    copy[n.data - original.data] =
        (uint8_t)(0x80u >> (__builtin_clz(n.data[0]) - 24));
}

// The first octets tell what form a point has.
static void blank_key(uint8_t *copy, const struct cert *cert)
{
    static const uint8_t rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                  0x0d, 0x01, 0x01, 0x01};
    struct bytes view = cert->spki;
    struct der spki, algorithm, oid, key;

    if (!der_read(&view, &spki) || !der_read(&spki.content, &algorithm) ||
        !der_read(&algorithm.content, &oid) || !der_read(&spki.content, &key) ||
        !is_plain(&key, DER_BIT_STRING)) {
        return;
    }
    if (bytes_equal(oid.content, bytes_of(rsa, sizeof rsa))) {
        blank_rsa(copy, cert->der, key.content);
    } else if (bytes_skip(&key.content, KEY_HEAD_LEN)) {
        blank(copy, cert->der, key.content);
    }
}

// What follows from the key, mostly.
static void blank_key_identifier(uint8_t *copy, const struct cert *cert)
{
    static const uint8_t oid[] = {0x55, 0x1d, 0x0e};
    struct bytes value;
    struct der identifier;
    bool critical;

    if (cert_find_extension(cert, bytes_of(oid, sizeof oid), &value,
                            &critical) &&
        der_read(&value, &identifier) &&
        is_plain(&identifier, DER_OCTET_STRING)) {
        blank(copy, cert->der, identifier.content);
    }
}

// The signature, but for its unused-bits octet; a bare TBSCertificate has none.
static void blank_signature(uint8_t *copy, const struct cert *cert)
{
    struct bytes view = cert->der;
    struct der outer, part;

    if (cert->signature.len == 0 || !der_read(&view, &outer) ||
        !der_read(&outer.content, &part) || !der_read(&outer.content, &part) ||
        !der_read(&outer.content, &part) || !is_plain(&part, DER_BIT_STRING)) {
        return;
    }
    blank(copy, cert->der, cert->signature);
}

// RFC 6962 section 3.3: a list of serialized SCTs, each ends in its signature.
static void blank_scts(uint8_t *copy, const struct cert *cert)
{
    // 1.3.6.1.4.1.11129.2.4.2
    static const uint8_t oid[] = {0x2b, 0x06, 0x01, 0x04, 0x01,
                                  0xd6, 0x79, 0x02, 0x04, 0x02};
    struct bytes value, scts, sct, part;
    struct der list;
    bool critical;

    if (!cert_find_extension(cert, bytes_of(oid, sizeof oid), &value,
                             &critical) ||
        !der_read(&value, &list) || !is_plain(&list, DER_OCTET_STRING) ||
        !bytes_read_vector(&list.content, &scts, 2)) {
        return;
    }
    while (bytes_read_vector(&scts, &sct, 2)) {
        if (bytes_skip(&sct, 1 + 32 + 8) && bytes_read_vector(&sct, &part, 2) &&
            bytes_skip(&sct, 2) && bytes_read_vector(&sct, &part, 2)) {
            blank(copy, cert->der, part);
        }
    }
}

static void append_skeleton(struct buffer *out, const struct cert *cert)
{
    uint8_t *copy;

    if (!buffer_reserve(out, cert->der.len)) return;
    copy = out->data + out->len;
    buffer_append(out, cert->der);
    blank_signature(copy, cert);
    blank_key(copy, cert);
    blank_key_identifier(copy, cert);
    blank_scts(copy, cert);
}

static void append_facts(struct buffer *out, const struct entry *entry)
{
    bool precert = entry->leaf.type == LEAF_PRECERT;

    buffer_append_byte(out, precert ? FORM_TBS : FORM_CERTIFICATE);
    if (precert) append_vector(out, entry->leaf.issuer_key_hash);
    append_vector(out, entry->leaf.extensions);
    append_skeleton(out, &entry->cert);
}

void record_append_payload(struct buffer *out, const struct record *record,
                           const struct entry *entry)
{
    if (record->kind == RECORD_FACTS) {
        append_facts(out, entry);
    } else {
        append_full(out, entry);
    }
}

bool record_layout_of(struct record_layout *out, uint8_t form)
{
    out->has_issuer_key_hash = form >= FORM_TBS;
    out->is_precert = form == (FORM_FROM_PRECERT | FORM_HAS_PRECERT);
    return form == FORM_CERTIFICATE || form == FORM_TBS || out->is_precert;
}

// ------------------------------------------------------------ reading

static bool damaged(struct err *err, const char *what)
{
    return err_set(err, ERR_INDEX, "index damaged: record: %s", what);
}

static bool read_hash(struct bytes *view, struct sha256_hash *hash)
{
    struct bytes part;

    if (!bytes_read_take(view, &part, SHA256_LEN)) return false;
    memcpy(hash->bytes, part.data, SHA256_LEN);
    return true;
}

static bool read_facts(struct bytes *view, struct entry_facts *facts)
{
    uint64_t log, not_before, period, flags;

    if (!varint_read(view, &log) || log > UINT32_MAX ||
        !varint_read(view, &facts->index) ||
        !varint_read(view, &facts->timestamp_ms) ||
        !varint_read(view, &not_before) || !varint_read(view, &period) ||
        !varint_read(view, &flags) || flags > UINT32_MAX ||
        !read_hash(view, &facts->group)) {
        return false;
    }
    facts->log = (uint32_t)log;
    facts->flags = (uint32_t)flags;
    facts->not_before = varint_unfold(not_before);
    facts->not_after = (int64_t)((uint64_t)facts->not_before +
                                 (uint64_t)varint_unfold(period));
    return true;
}

static bool read_hashes(struct bytes *view, struct record *record)
{
    if (record->kind != RECORD_FACTS) return true;
    return read_hash(view, &record->leaf_hash) &&
           ((record->bits & RECORD_HAS_CERTIFICATE) == 0 ||
            read_hash(view, &record->certificate_sha256)) &&
           ((record->bits & RECORD_HAS_SPKI) == 0 ||
            read_hash(view, &record->spki_sha256));
}

static bool read_chain(struct bytes *view, struct record *record)
{
    struct bytes start;
    uint64_t num, number;

    if (!varint_read(view, &num) || num > view->len) return false;
    start = *view;
    for (uint64_t i = 0; i < num; i++) {
        if (!varint_read(view, &number)) return false;
    }
    record->num_chain = (size_t)num;
    record->chain = bytes_of(start.data, start.len - view->len);
    return true;
}

static bool read_kind(struct bytes *view, struct record *record)
{
    uint64_t kind, bits;

    if (!bytes_read_uint(view, &kind, 1) || !bytes_read_uint(view, &bits, 1) ||
        bits > BITS_ALL || kind >> TYPE_SHIFT > TYPE_UNKNOWN) {
        return false;
    }
    record->kind = (enum record_kind)(kind & KIND_MASK);
    record->bits = (uint8_t)bits;
    record->facts.has_tbs = (bits & RECORD_HAS_TBS) != 0;
    record->facts.type = kind >> TYPE_SHIFT == TYPE_UNKNOWN
                             ? LEAF_UNKNOWN
                             : (enum leaf_type)(kind >> TYPE_SHIFT);
    return record->kind == RECORD_FULL || record->kind == RECORD_FACTS;
}

bool record_read_head(struct record *record, struct bytes head)
{
    *record = (struct record){0};
    return read_kind(&head, record) && read_facts(&head, &record->facts) &&
           read_hashes(&head, record) && read_chain(&head, record) &&
           head.len == 0;
}

bool record_read(struct record *record, struct bytes key, struct bytes value,
                 struct err *err)
{
    uint64_t sum, plain_len;

    *record = (struct record){0};
    if (!bytes_read_uint(&value, &sum, CHECKSUM_LEN)) {
        return damaged(err, "cut short");
    }
    if (sum != checksum(key, value)) return damaged(err, "checksum differs");
    if (!read_kind(&value, record)) return damaged(err, "of an unknown kind");
    if (!read_facts(&value, &record->facts) || !read_hashes(&value, record) ||
        !read_chain(&value, record) || !varint_read(&value, &plain_len) ||
        plain_len > UINT32_MAX) {
        return damaged(err, "its head cannot be read");
    }
    record->plain_len = (size_t)plain_len;
    record->payload = value;
    if ((record->bits & RECORD_COMPRESSED) == 0 && value.len != plain_len) {
        return damaged(err, "its length differs");
    }
    return true;
}

static bool read_vector(struct bytes *view, struct bytes *out)
{
    uint64_t len;

    return varint_read(view, &len) && len <= view->len &&
           bytes_read_take(view, out, (size_t)len);
}

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "record: no memory");
}

// Builds the leaf around a certificate that lies in pieces.
static bool build_leaf(struct entry_bytes *out, const struct leaf *leaf,
                       const struct bytes *pieces, size_t num,
                       struct arena *arena, struct err *err)
{
    size_t len = leaf_len_pieces(leaf, pieces, num);
    struct buffer wire = {.data = arena_alloc(arena, len), .size = len};

    if (wire.data == NULL) return no_memory(err);
    leaf_append_pieces(&wire, leaf, pieces, num);
    assert(wire.len == len && wire.size == len);
    out->leaf = buffer_bytes(&wire);
    return true;
}

static bool append_piece(void *context, struct bytes piece)
{
    buffer_append(context, piece);
    return true;
}

// A log form in more pieces than anybody makes.
static bool build_from_many(struct entry_bytes *out, const struct leaf *leaf,
                            struct bytes tbs, struct arena *arena,
                            struct err *err)
{
    struct buffer form = {0};
    struct bytes whole;
    bool ok;

    if (!log_form_visit(tbs, append_piece, &form)) {
        buffer_cleanup(&form);
        return damaged(err, "its precertificate gives no TBSCertificate");
    }
    whole = buffer_bytes(&form);
    ok = buffer_ok(&form) ? build_leaf(out, leaf, &whole, 1, arena, err)
                          : no_memory(err);
    buffer_cleanup(&form);
    return ok;
}

// The leaf whose TBSCertificate comes from the precertificate; read as
// entry_understand did when it found that they agree.
static bool build_from_precert(struct entry_bytes *out, const struct leaf *leaf,
                               struct arena *arena, struct err *err)
{
    struct bytes view = out->precert;
    struct der precert, tbs;
    struct log_form form;

    if (!der_read(&view, &precert) || !der_read(&precert.content, &tbs)) {
        return damaged(err, "its precertificate gives no TBSCertificate");
    }
    out->leaf_from_precert = true;
    if (!log_form_collect(&form, tbs.whole)) {
        return build_from_many(out, leaf, tbs.whole, arena, err);
    }
    return build_leaf(out, leaf, form.pieces, form.num_pieces, arena, err);
}

bool record_read_payload(struct entry_bytes *out, const struct record *record,
                         struct bytes plain, struct arena *arena,
                         struct err *err)
{
    struct leaf leaf = {.timestamp_ms = record->facts.timestamp_ms};
    uint64_t bits;
    unsigned form;

    *out = (struct entry_bytes){.index = record->facts.index};
    if (!bytes_read_uint(&plain, &bits, 1) || bits > FORM_BITS_ALL) {
        return damaged(err, "payload of an unknown form");
    }
    form = (unsigned)bits & FORM_MASK;
    out->extra_unreadable = (bits & FORM_EXTRA_UNREADABLE) != 0;
    if ((form >= FORM_TBS && !read_vector(&plain, &leaf.issuer_key_hash)) ||
        (form != FORM_LEAF && !read_vector(&plain, &leaf.extensions)) ||
        (out->extra_unreadable && !read_vector(&plain, &out->extra)) ||
        ((bits & FORM_HAS_PRECERT) != 0 &&
         !read_vector(&plain, &out->precert))) {
        return damaged(err, "payload cut short");
    }
    leaf.type = form == FORM_CERTIFICATE ? LEAF_X509 : LEAF_PRECERT;
    if (form == FORM_FROM_PRECERT) {
        return build_from_precert(out, &leaf, arena, err);
    }
    out->leaf = plain;
    return form == FORM_LEAF || build_leaf(out, &leaf, &plain, 1, arena, err);
}

void record_restore(struct entry *entry, const struct record *record)
{
    const struct entry_facts *facts = &record->facts;

    entry->bytes.leaf = bytes_of(NULL, 0);
    entry->leaf_hash = record->leaf_hash;
    entry->has_tbs_sha256 = facts->has_tbs;
    entry->tbs_sha256 = facts->has_tbs ? facts->group : (struct sha256_hash){0};
    entry->has_certificate_sha256 =
        (record->bits & RECORD_HAS_CERTIFICATE) != 0;
    entry->certificate_sha256 = record->certificate_sha256;
    entry->has_spki_sha256 = (record->bits & RECORD_HAS_SPKI) != 0;
    entry->spki_sha256 = record->spki_sha256;
    entry->tbs_from_precert = (record->bits & RECORD_TBS_FROM_PRECERT) != 0;
    entry->flags = facts->flags;
    entry->parts |= ENTRY_ALL & ~(unsigned)ENTRY_NAMES;
}
