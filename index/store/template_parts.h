// template_parts.h - what writing and reading templates have in common.

#pragma once

#include "index/base/sha256.h"
#include "index/entry/der.h"
#include "index/store/template.h"

// ------------------------------------------------------------ tokens

enum {
    TOKENS_MAX = 512,
    TOKEN_DEPTH_MAX = 20,
};

// What stands before a token's content.
enum token_header {
    HEADER_NONE,
    HEADER_VARINT, // the content's length
    HEADER_DER,    // tag and length, as short as may be
};

enum token_kind {
    TOKEN_LEAF,
    TOKEN_OPEN, // made of the tokens that follow
    TOKEN_LIST, // of primitive elements with tags of context: names, mostly
};

struct token {
    uint8_t kind, header, tag;
    uint8_t prefix; // bytes of the content before the tokens below
    uint16_t num;   // of it and all below
    uint32_t start, content, end;
};

struct tokens {
    struct token list[TOKENS_MAX];
    size_t num;
    uint64_t shape; // equal for bodies with the same tokens
};

// tokens_read takes a body apart; false: it cannot be, or not exactly.  Linear
// in the body, a factor of TOKEN_DEPTH_MAX at worst.
MUST_USE bool tokens_read(struct tokens *out, struct bytes body,
                          size_t head_len);

// tokens_element reads the header of a DER element with the shortest length
// there is, that ends at `end` or before.
MUST_USE static inline bool tokens_element(const uint8_t *data, size_t at,
                                           size_t end, uint8_t *tag,
                                           size_t *content, size_t *content_end)
{
    size_t len, header = 2;

    if (end - at < 2 || der_number(data[at]) == DER_NUMBER_HIGH) return false;
    len = data[at + 1];
    if (len == 0x81 && end - at >= 3) {
        len = data[at + 2];
        header = 3;
        if (len < 0x80) return false;
    } else if (len == 0x82 && end - at >= 4) {
        len = (size_t)data[at + 2] << 8 | data[at + 3];
        header = 4;
        if (len < 0x100) return false;
    } else if (len >= 0x80) {
        return false;
    }
    if (len > end - at - header) return false;
    *tag = data[at];
    *content = at + header;
    *content_end = at + header + len;
    return true;
}

// tokens_item reads an item of a TOKEN_LIST.
MUST_USE static inline bool tokens_item(const uint8_t *data, size_t at,
                                        size_t end, uint8_t *tag,
                                        size_t *content, size_t *content_end)
{
    return at < end &&
           (data[at] & (DER_CLASS_MASK | DER_CONSTRUCTED)) == DER_CONTEXT &&
           tokens_element(data, at, end, tag, content, content_end);
}

// tokens_size_class: numbers and bits of 64 bytes or more are of one class
// throughout a shape.  An ECDSA signature's lengths are in one.
static inline size_t tokens_size_class(size_t len)
{
    return len < 64 ? 0 : (len + 4) / 32;
}

// ------------------------------------------------------------ ops

enum op_kind {
    OP_CONST,   // `len` bytes of the template, header and all
    OP_OPEN,    // `num` ops, one after the other
    OP_TEXT,    // see coder_text
    OP_RAW,     // varint length as text; raw
    OP_FIXED,   // `len` raw bytes
    OP_UINT,    // an INTEGER that is not negative, as `len` raw bytes
    OP_ZEROS,   // varint length as text
    OP_LIST,    // varint count as text; texts, without what begins and ends
                // all of them; all with the item's tag
    OP_MIXED,   // the same, a tag before each
    OP_BEFORE,  // the date that facts.not_before gives
    OP_AFTER,   // facts.not_after
    OP_INDEX,   // a static log's leaf_index extension, of facts.index
    OP_SKI_1,   // SHA-1 of the key's bits
    OP_SKI_256, // the left 160 bits of SHA-256 of them
    OP_SCTS,    // a SignedCertificateTimestampList
    OP_KINDS,
};

struct op {
    uint8_t kind, header, tag;
    uint8_t prefix;   // bytes of the template that the content begins with,
                      // OP_LIST: an item's
    uint8_t item_tag; // OP_LIST
    uint8_t suffix;   // OP_LIST: bytes that an item ends with, after the prefix
    uint16_t num;     // OP_OPEN: ops below
    uint32_t len;     // OP_OPEN: of the template's content, a guess; OP_LIST:
                      // while writing, of the template's first item
    uint32_t at;      // of constant bytes
};

// ------------------------------------------------------------ what is derived

enum {
    SKI_LEN = 20,
    INDEX_EXTENSION_LEN =
        8, // type 1, length 2, index 5: c2sp.org/static-ct-api
    DATE_LEN_MAX = 15,
    SIGNATURE_HALF_LEN = 32, // r or s of P-256
    SIGNATURE_LEN_MAX = 8 + 2 * SIGNATURE_HALF_LEN,
    UINT_LEN_MAX = 8 * 1024,
};

// derive_date writes a date as `tag` (UTCTime or GeneralizedTime) has it in a
// certificate (RFC 5280 section 4.1.2.5); 0: there is none.
size_t derive_date(uint8_t out[DATE_LEN_MAX], uint8_t tag, int64_t seconds);

// derive_index writes the extensions of an entry of a static log.
void derive_index(uint8_t out[INDEX_EXTENSION_LEN], uint64_t index);

// derive_ski writes the identifier of a key's bits, by op kind.
void derive_ski(uint8_t out[SKI_LEN], unsigned kind, struct bytes key);

// derive_uint_split writes a DER INTEGER's content as `len` bytes; false: it
// is none that derive_uint_join would make, or too large.
MUST_USE bool derive_uint_split(uint8_t *out, size_t len, struct bytes content);

// derive_uint_join writes the content of the INTEGER, of 1 to len + 1 bytes.
size_t derive_uint_join(uint8_t *out, const uint8_t *bytes, size_t len);

// ------------------------------------------------------------ coding

enum {
    TEXT_REPEATED = 0, // in the place of a length and 1
    LITERALS_MAX = 16, // of a body's texts, those that a later one may repeat
    SCT_LOGS_MAX = 64,
};

struct sct_logs {
    uint8_t ids[SCT_LOGS_MAX][SHA256_LEN];
    size_t num;
};

// What is written: there is room for all that a body can need.
struct coder {
    const struct entry_facts *facts;
    struct sct_logs *logs; // grows
    uint8_t *text, *raw;
    struct bytes literals[LITERALS_MAX];
    size_t num_literals;
    struct bytes key; // the first BIT STRING's bits, once it was written
};

// What is read, and what is made of it.
struct decoder {
    const struct entry_facts *facts;
    const struct sct_logs *logs;
    struct bytes text, raw;
    uint8_t *out;
    size_t len, max;
    struct bytes literals[LITERALS_MAX];
    size_t num_literals;
    size_t key_at, key_len; // in `out`
};

static inline void coder_varint(struct coder *c, uint64_t value)
{
    while (value >= 0x80) {
        *c->text++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *c->text++ = (uint8_t)value;
}

static inline void coder_raw(struct coder *c, const uint8_t *data, size_t len)
{
    memcpy(c->raw, data, len);
    c->raw += len;
}

// coder_note_key sees an element that was written and is no constant: the first
// BIT STRING is what both sides take for the key.
static inline void coder_note_key(struct coder *c, const uint8_t *body,
                                  unsigned header, uint8_t tag,
                                  const struct token *token)
{
    if (c->key.len == 0 && header == HEADER_DER && tag == DER_BIT_STRING &&
        token->end > token->content + 1) {
        c->key = bytes_of(body + token->content + 1,
                          token->end - token->content - 1);
    }
}

// decoder_put appends to the body; false: it would be too long.
MUST_USE static inline bool decoder_put(struct decoder *d, const uint8_t *data,
                                        size_t len)
{
    if (len > d->max - d->len) return false;
    if (len > 0) memcpy(d->out + d->len, data, len);
    d->len += len;
    return true;
}

// scts_encode writes the content of an OCTET STRING that is a list of SCTs
// (RFC 6962 section 3.3); false, with nothing written: it is not like those
// that logs give.
MUST_USE bool scts_encode(struct coder *c, struct bytes content);
MUST_USE bool scts_decode(struct decoder *d);
