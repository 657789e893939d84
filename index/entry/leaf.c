// leaf.c - see leaf.h.

#include "index/entry/leaf.h"

enum {
    VERSION_V1 = 0,
    TYPE_TIMESTAMPED_ENTRY = 0,
    EXTENSION_LEAF_INDEX = 0, // C2SP static-ct-api, "SCT Extension"
    LEAF_INDEX_LEN = 5,
};

bool leaf_parse_extensions(struct leaf *leaf, struct bytes wire)
{
    uint8_t seen[256 / 8] = {0};

    leaf->has_leaf_index = false;
    leaf->leaf_index = 0;
    while (wire.len > 0) {
        struct bytes data;
        uint64_t type, index;

        if (!bytes_read_uint(&wire, &type, 1) ||
            !bytes_read_vector(&wire, &data, 2) ||
            (seen[type / 8] & 1 << type % 8) != 0) {
            leaf->has_leaf_index = false;
            return false;
        }
        seen[type / 8] = (uint8_t)(seen[type / 8] | 1 << type % 8);
        if (type != EXTENSION_LEAF_INDEX) continue;
        if (data.len != LEAF_INDEX_LEN) return false;
        (void)bytes_read_uint(&data, &index, LEAF_INDEX_LEN);
        leaf->has_leaf_index = true;
        leaf->leaf_index = index;
    }
    return true;
}

// Reads the signed_entry of RFC 6962 section 3.4.
static bool read_signed_entry(struct leaf *leaf, struct bytes *wire,
                              struct err *err)
{
    if (leaf->type == LEAF_PRECERT &&
        !bytes_read_take(wire, &leaf->issuer_key_hash, SHA256_LEN)) {
        return err_set(err, ERR_MALFORMED, "leaf: issuer_key_hash truncated");
    }
    if (!bytes_read_vector(wire, &leaf->certificate, 3)) {
        return err_set(err, ERR_MALFORMED, "leaf: %s truncated",
                       leaf->type == LEAF_PRECERT ? "tbs_certificate"
                                                  : "certificate");
    }
    if (!bytes_read_vector(wire, &leaf->extensions, 2)) {
        return err_set(err, ERR_MALFORMED, "leaf: extensions truncated");
    }
    return true;
}

bool leaf_parse(struct leaf *leaf, struct bytes wire, struct err *err)
{
    uint64_t version, type, kind;

    *leaf = (struct leaf){.type = LEAF_UNKNOWN};
    if (!bytes_read_uint(&wire, &version, 1) ||
        !bytes_read_uint(&wire, &type, 1) ||
        !bytes_read_uint(&wire, &leaf->timestamp_ms, 8) ||
        !bytes_read_uint(&wire, &kind, 2)) {
        return err_set(err, ERR_MALFORMED, "leaf: header truncated");
    }
    if (version != VERSION_V1 || type != TYPE_TIMESTAMPED_ENTRY) {
        return err_set(err, ERR_UNSUPPORTED, "leaf: version %u type %u",
                       (unsigned)version, (unsigned)type);
    }
    if (kind != LEAF_X509 && kind != LEAF_PRECERT) {
        return err_set(err, ERR_UNSUPPORTED, "leaf: entry type %u",
                       (unsigned)kind);
    }
    leaf->type = kind == LEAF_X509 ? LEAF_X509 : LEAF_PRECERT;
    if (!read_signed_entry(leaf, &wire, err)) return false;
    if (wire.len != 0) {
        return err_set(err, ERR_MALFORMED, "leaf: %zu trailing bytes",
                       wire.len);
    }
    // What cannot be read has no leaf_index; RFC 6962 leaves the field opaque.
    (void)!leaf_parse_extensions(leaf, leaf->extensions);
    return true;
}

static size_t sum_pieces(const struct bytes *pieces, size_t num)
{
    size_t len = 0;

    for (size_t i = 0; i < num; i++) {
        len += pieces[i].len;
    }
    return len;
}

size_t leaf_len_pieces(const struct leaf *leaf, const struct bytes *pieces,
                       size_t num)
{
    return 1 + 1 + 8 + 2 +
           (leaf->type == LEAF_PRECERT ? leaf->issuer_key_hash.len : 0) + 3 +
           sum_pieces(pieces, num) + 2 + leaf->extensions.len;
}

void leaf_append(struct buffer *out, const struct leaf *leaf)
{
    leaf_append_pieces(out, leaf, &leaf->certificate, 1);
}

void leaf_append_pieces(struct buffer *out, const struct leaf *leaf,
                        const struct bytes *pieces, size_t num)
{
    buffer_append_byte(out, VERSION_V1);
    buffer_append_byte(out, TYPE_TIMESTAMPED_ENTRY);
    buffer_append_uint(out, leaf->timestamp_ms, 8);
    buffer_append_uint(out, (uint64_t)leaf->type, 2);
    if (leaf->type == LEAF_PRECERT) buffer_append(out, leaf->issuer_key_hash);
    buffer_append_uint(out, sum_pieces(pieces, num), 3);
    for (size_t i = 0; i < num; i++) {
        buffer_append(out, pieces[i]);
    }
    buffer_append_uint(out, leaf->extensions.len, 2);
    buffer_append(out, leaf->extensions);
}

// What a leaf was read from is where it was.
static bool take_equal(struct bytes *wire, struct bytes part)
{
    struct bytes taken;

    return bytes_read_take(wire, &taken, part.len) &&
           (taken.data == part.data || bytes_equal(taken, part));
}

static bool take_uint_equal(struct bytes *wire, uint64_t value, size_t width)
{
    uint64_t taken;

    return bytes_read_uint(wire, &taken, width) && taken == value;
}

bool leaf_is_written_as(const struct leaf *leaf, struct bytes wire)
{
    return take_uint_equal(&wire, VERSION_V1, 1) &&
           take_uint_equal(&wire, TYPE_TIMESTAMPED_ENTRY, 1) &&
           take_uint_equal(&wire, leaf->timestamp_ms, 8) &&
           take_uint_equal(&wire, (uint64_t)leaf->type, 2) &&
           (leaf->type != LEAF_PRECERT ||
            take_equal(&wire, leaf->issuer_key_hash)) &&
           take_uint_equal(&wire, leaf->certificate.len, 3) &&
           take_equal(&wire, leaf->certificate) &&
           take_uint_equal(&wire, leaf->extensions.len, 2) &&
           take_equal(&wire, leaf->extensions) && wire.len == 0;
}
