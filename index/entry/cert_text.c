// cert_text.c - a certificate's strings, names and algorithms as text.

#include "index/base/text.h"
#include "index/entry/cert_walk.h"

enum { REPLACEMENT_CHARACTER = 0xfffd };

static bool is_utf8(struct bytes text)
{
    uint32_t character;

    for (;;) {
        // Almost all of it is ASCII.
        while (text.len > 0 && text.data[0] < 0x80) {
            (void)bytes_skip(&text, 1);
        }
        if (text.len == 0) return true;
        if (!text_utf8_next(&text, &character)) return false;
    }
}

static bool is_surrogate(uint64_t unit, uint64_t first)
{
    return unit >= first && unit < first + 0x400;
}

// BMPString, read as UTF-16: some encoders write surrogates.
static void append_utf16(struct buffer *out, struct bytes raw)
{
    uint64_t unit, low;

    while (bytes_read_uint(&raw, &unit, 2)) {
        struct bytes rest = raw;

        if (is_surrogate(unit, 0xd800) && bytes_read_uint(&rest, &low, 2) &&
            is_surrogate(low, 0xdc00)) {
            unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            raw = rest;
        } else if (is_surrogate(unit, 0xd800) || is_surrogate(unit, 0xdc00)) {
            unit = REPLACEMENT_CHARACTER;
        }
        text_utf8_append(out, (uint32_t)unit);
    }
}

static void append_utf32(struct buffer *out, struct bytes raw)
{
    uint64_t unit;

    while (bytes_read_uint(&raw, &unit, 4)) {
        if (unit > 0x10ffff || (unit >= 0xd800 && unit < 0xe000)) {
            unit = REPLACEMENT_CHARACTER;
        }
        text_utf8_append(out, (uint32_t)unit);
    }
}

void cert_text_utf8(struct buffer *out, uint8_t tag, struct bytes raw)
{
    unsigned number = der_number(tag);

    // Of a length that it cannot have, it is 8-bit text under a wrong tag.
    if (number == DER_BMP_STRING && raw.len % 2 == 0) {
        append_utf16(out, raw);
    } else if (number == DER_UNIVERSAL_STRING && raw.len % 4 == 0) {
        append_utf32(out, raw);
    } else if (is_utf8(raw)) {
        buffer_append(out, raw);
    } else {
        for (size_t i = 0; i < raw.len; i++) {
            text_utf8_append(out, raw.data[i]);
        }
    }
}

struct word {
    const char *word;
    const char *oid; // content octets
    size_t oid_len;
};

#define WORD(word, oid)                                                        \
    {                                                                          \
        word, oid, sizeof(oid) - 1                                             \
    }

static const char *find_word(const struct word *words, size_t num_words,
                             struct bytes oid)
{
    for (size_t i = 0; i < num_words; i++) {
        if (bytes_equal(oid, bytes_of(words[i].oid, words[i].oid_len))) {
            return words[i].word;
        }
    }
    return NULL;
}

static void append_word(struct buffer *out, const struct word *words,
                        size_t num_words, struct bytes oid)
{
    const char *word = find_word(words, num_words, oid);
    char dotted[DER_OID_TEXT_MAX];

    buffer_append_text(out, word != NULL ? word : der_oid_text(dotted, oid));
}

// RFC 4514 section 3.
static const struct word attribute_words[] = {
    WORD("CN", "\x55\x04\x03"),
    WORD("L", "\x55\x04\x07"),
    WORD("ST", "\x55\x04\x08"),
    WORD("O", "\x55\x04\x0a"),
    WORD("OU", "\x55\x04\x0b"),
    WORD("C", "\x55\x04\x06"),
    WORD("STREET", "\x55\x04\x09"),
    WORD("DC", "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"),
    WORD("UID", "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"),
};

static bool is_string(uint8_t tag)
{
    if ((tag & (DER_CLASS_MASK | DER_CONSTRUCTED)) != 0) return false;
    switch (der_number(tag)) {
    case DER_UTF8_STRING:
    case DER_BMP_STRING:
    case DER_UNIVERSAL_STRING:
        return true;
    default:
        return der_number(tag) >= DER_NUMERIC_STRING &&
               der_number(tag) < DER_UNIVERSAL_STRING;
    }
}

// The characters that RFC 4514 section 2.4 has escaped wherever they stand.
static bool is_special(uint8_t c)
{
    switch (c) {
    case '\0':
    case '"':
    case '+':
    case ',':
    case ';':
    case '<':
    case '>':
    case '\\':
        return true;
    default:
        return false;
    }
}

static bool needs_escape(struct bytes text)
{
    if (text.len == 0) return false;
    if (text.data[0] == ' ' || text.data[0] == '#' ||
        text.data[text.len - 1] == ' ') {
        return true;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (is_special(text.data[i])) return true;
    }
    return false;
}

static void append_escaped_value(struct buffer *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool is_edge = c == ' ' && (i == 0 || i + 1 == text.len);

        if (c == '\0') {
            buffer_append_text(out, "\\00");
            continue;
        }
        if (is_edge || (c == '#' && i == 0) || is_special(c)) {
            buffer_append_byte(out, '\\');
        }
        buffer_append_byte(out, c);
    }
}

// Appends an attribute's value escaped as RFC 4514 section 2.4 says; few need
// it.
static void append_value(struct buffer *out, const struct der *value)
{
    struct buffer text = {.max = out->max};
    size_t start = out->len;

    if (!is_string(value->tag)) {
        buffer_append_byte(out, '#');
        text_append_hex(out, value->whole);
        return;
    }
    cert_text_utf8(out, value->tag, value->content);
    if (!buffer_ok(out) ||
        !needs_escape(bytes_of(out->data + start, out->len - start))) {
        return;
    }
    buffer_append(&text, bytes_of(out->data + start, out->len - start));
    out->len = start;
    append_escaped_value(out, buffer_bytes(&text));
    if (!buffer_ok(&text)) out->failed = true;
    buffer_cleanup(&text);
}

static void reverse(uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len / 2; i++) {
        uint8_t byte = data[i];

        data[i] = data[len - 1 - i];
        data[len - 1 - i] = byte;
    }
}

// Each RDN is written and turned round in place; turning the whole round at the
// end puts the last RDN first, however many there are.
void cert_append_name_rfc4514(struct buffer *out, struct bytes name)
{
    struct name_cursor cursor = name_open(name);
    struct attribute attribute;
    size_t start = out->len, rdn = start;

    while (name_next(&cursor, &attribute)) {
        bool is_first = out->len == start;

        if (attribute.begins_rdn && !is_first) {
            reverse(out->data + rdn, out->len - rdn);
            buffer_append_byte(out, ',');
            rdn = out->len;
        } else if (!is_first) {
            buffer_append_byte(out, '+');
        }
        append_word(out, attribute_words, COUNT_OF(attribute_words),
                    attribute.oid);
        buffer_append_byte(out, '=');
        append_value(out, &attribute.value);
    }
    if (rdn == start) return; // there is but one, or none
    reverse(out->data + rdn, out->len - rdn);
    reverse(out->data + start, out->len - start);
}

// The attributes that have short names in the plain form.
static const struct word plain_words[] = {
    WORD("CN", OID_COMMON_NAME), WORD("L", "\x55\x04\x07"),
    WORD("ST", "\x55\x04\x08"),  WORD("O", OID_ORGANISATION),
    WORD("OU", "\x55\x04\x0b"),  WORD("C", "\x55\x04\x06"),
};

// Appends an attribute's value, in double quotes where it has a special
// character or a blank at an end.
static void append_quoted_value(struct buffer *out, const struct der *value)
{
    struct buffer text = {.max = out->max};
    bool is_special = false;

    if (!is_string(value->tag)) {
        buffer_append_byte(out, '#');
        text_append_hex(out, value->whole);
        return;
    }
    cert_text_utf8(&text, value->tag, value->content);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool is_edge = i == 0 || i + 1 == text.len;

        if (memchr(",+\"<>;\\", c, 7) != NULL) is_special = true;
        if (is_edge && (c == ' ' || (c == '#' && i == 0))) is_special = true;
    }
    if (is_special) buffer_append_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\') {
            buffer_append_byte(out, '\\');
        }
        buffer_append_byte(out, text.data[i]);
    }
    if (is_special) buffer_append_byte(out, '"');
    if (!buffer_ok(&text)) out->failed = true;
    buffer_cleanup(&text);
}

void cert_append_name_plain(struct buffer *out, struct bytes name)
{
    struct name_cursor cursor = name_open(name);
    struct attribute attribute;
    size_t start = out->len;

    while (name_next(&cursor, &attribute)) {
        if (out->len > start) {
            buffer_append_text(out, attribute.begins_rdn ? ", " : " + ");
        }
        append_word(out, plain_words, COUNT_OF(plain_words), attribute.oid);
        buffer_append_byte(out, '=');
        append_quoted_value(out, &attribute.value);
    }
}

static void append_first(struct buffer *out, struct bytes name,
                         struct bytes oid)
{
    struct name_cursor cursor = name_open(name);
    struct attribute attribute;

    while (name_next(&cursor, &attribute)) {
        if (!bytes_equal(attribute.oid, oid)) continue;
        cert_text_utf8(out, attribute.value.tag, attribute.value.content);
        return;
    }
}

void cert_append_common_name(struct buffer *out, struct bytes name)
{
    append_first(out, name, bytes_from_text(OID_COMMON_NAME));
}

void cert_append_organisation(struct buffer *out, struct bytes name)
{
    append_first(out, name, bytes_from_text(OID_ORGANISATION));
}

#define OID_RSA "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
#define OID_EC "\x2a\x86\x48\xce\x3d\x02\x01"

static const struct word curve_words[] = {
    WORD("ecdsa-p256", "\x2a\x86\x48\xce\x3d\x03\x01\x07"),
    WORD("ecdsa-p384", "\x2b\x81\x04\x00\x22"),
    WORD("ecdsa-p521", "\x2b\x81\x04\x00\x23"),
    WORD("ecdsa-p224", "\x2b\x81\x04\x00\x21"),
    WORD("ecdsa-secp256k1", "\x2b\x81\x04\x00\x0a"),
};

static const struct word key_words[] = {
    WORD("ed25519", "\x2b\x65\x70"),
    WORD("ed448", "\x2b\x65\x71"),
};

// Counts the bits of the modulus in the BIT STRING of an RSA key; 0: no key.
static size_t rsa_bits(struct bytes bit_string)
{
    struct der key, modulus;
    struct bytes n;
    size_t bits;

    if (!bytes_skip(&bit_string, 1) || !der_read(&bit_string, &key) ||
        !der_read(&key.content, &modulus)) {
        return 0;
    }
    n = modulus.content;
    while (n.len > 0 && n.data[0] == 0) {
        (void)bytes_skip(&n, 1);
    }
    if (n.len == 0) return 0;
    bits = 8 * n.len;
    for (unsigned top = n.data[0]; (top & 0x80) == 0; top <<= 1) {
        bits--;
    }
    return bits;
}

void cert_append_key_type(struct buffer *out, struct bytes spki)
{
    struct der outer, algorithm, oid, parameters, key;
    size_t bits;

    if (!der_read(&spki, &outer) || !der_read(&outer.content, &algorithm) ||
        !der_read(&algorithm.content, &oid)) {
        return;
    }
    if (oid_is(oid.content, OID_RSA)) {
        bits = der_read(&outer.content, &key) ? rsa_bits(key.content) : 0;
        if (bits > 0) {
            buffer_printf(out, "rsa-%zu", bits);
            return;
        }
    }
    if (oid_is(oid.content, OID_EC) &&
        der_read(&algorithm.content, &parameters) &&
        der_number(parameters.tag) == DER_OID) {
        if (find_word(curve_words, COUNT_OF(curve_words), parameters.content) ==
            NULL) {
            buffer_append_text(out, "ecdsa-");
        }
        append_word(out, curve_words, COUNT_OF(curve_words),
                    parameters.content);
        return;
    }
    append_word(out, key_words, COUNT_OF(key_words), oid.content);
}

static const struct word signature_words[] = {
    WORD("rsa-sha256", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"),
    WORD("rsa-sha384", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"),
    WORD("rsa-sha512", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"),
    WORD("rsa-sha224", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e"),
    WORD("rsa-sha1", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"),
    WORD("rsa-md5", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04"),
    WORD("rsa-pss", "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"),
    WORD("ecdsa-sha1", "\x2a\x86\x48\xce\x3d\x04\x01"),
    WORD("ecdsa-sha224", "\x2a\x86\x48\xce\x3d\x04\x03\x01"),
    WORD("ecdsa-sha256", "\x2a\x86\x48\xce\x3d\x04\x03\x02"),
    WORD("ecdsa-sha384", "\x2a\x86\x48\xce\x3d\x04\x03\x03"),
    WORD("ecdsa-sha512", "\x2a\x86\x48\xce\x3d\x04\x03\x04"),
    WORD("ed25519", "\x2b\x65\x70"),
    WORD("ed448", "\x2b\x65\x71"),
};

void cert_append_signature_algorithm(struct buffer *out, struct bytes algorithm)
{
    struct der whole, oid;

    if (!der_read(&algorithm, &whole) || !der_read(&whole.content, &oid)) {
        return;
    }
    append_word(out, signature_words, COUNT_OF(signature_words), oid.content);
}
