// template_hole.c - see template_hole.h.

#include "index/store/template_hole.h"

#include "index/entry/cert_walk.h"
#include "index/entry/der.h"

#define OID_SUBJECT_KEY_ID "\x55\x1d\x0e"
#define OID_CRL_POINTS "\x55\x1d\x1f"

enum {
    SHORT_LEN_MAX = 4, // integers and bits of so few bytes are no secret
    UINT_GROWTH_MAX = 8,
    BLANKED_HEAD_LEN = 2,
};

// ------------------------------------------------------------ filling

static bool is_zeros(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] != 0) return false;
    }
    return true;
}

// A text: its length and 1 and the bytes, or TEXT_REPEATED and which before it.
static void coder_text(struct coder *c, struct bytes text)
{
    for (size_t i = 0; i < c->num_literals; i++) {
        if (!bytes_equal(c->literals[i], text)) continue;
        *c->text++ = TEXT_REPEATED;
        *c->text++ = (uint8_t)i;
        return;
    }
    coder_varint(c, text.len + 1);
    if (text.len > 0) memcpy(c->text, text.data, text.len);
    c->text += text.len;
    if (c->num_literals < LITERALS_MAX) c->literals[c->num_literals++] = text;
}

// Whether an item of a list is one of `op`, and what is left of it.
static bool is_item(const struct op *op, const uint8_t *example, uint8_t tag,
                    struct bytes *item)
{
    if (op->kind == OP_MIXED) return true;
    if (tag != op->item_tag || item->len < (size_t)op->prefix + op->suffix ||
        memcmp(item->data, example + op->at, op->prefix) != 0 ||
        memcmp(item->data + item->len - op->suffix,
               example + op->at + op->len - op->suffix, op->suffix) != 0) {
        return false;
    }
    *item =
        bytes_of(item->data + op->prefix, item->len - op->prefix - op->suffix);
    return true;
}

static bool put_list(struct coder *c, const struct op *op,
                     const uint8_t *example, const uint8_t *body,
                     const struct token *token)
{
    size_t at, end = token->end, content = 0, element = 0, num = 0;
    uint8_t tag = 0;

    for (at = token->content; at < end; at = element, num++) {
        struct bytes item;

        if (!tokens_item(body, at, end, &tag, &content, &element)) return false;
        item = bytes_of(body + content, element - content);
        if (!is_item(op, example, tag, &item)) return false;
    }
    if (num == 0) return false;
    coder_varint(c, num);
    for (at = token->content; at < end; at = element) {
        struct bytes item;

        (void)!tokens_element(body, at, end, &tag, &content, &element);
        item = bytes_of(body + content, element - content);
        (void)is_item(op, example, tag, &item);
        if (op->kind == OP_MIXED) *c->text++ = tag;
        coder_text(c, item);
    }
    return true;
}

static bool is_date(uint8_t tag, int64_t seconds, struct bytes content)
{
    uint8_t date[DATE_LEN_MAX];
    size_t len = derive_date(date, tag, seconds);

    return len > 0 && bytes_equal(content, bytes_of(date, len));
}

static bool is_index(uint64_t index, struct bytes content)
{
    uint8_t extension[INDEX_EXTENSION_LEN];

    derive_index(extension, index);
    return bytes_equal(content, bytes_of(extension, sizeof extension));
}

static bool is_ski(unsigned kind, struct bytes key, struct bytes content)
{
    uint8_t ski[SKI_LEN];

    if (key.len == 0 || content.len != SKI_LEN) return false;
    derive_ski(ski, kind, key);
    return memcmp(ski, content.data, SKI_LEN) == 0;
}

bool hole_put(struct coder *c, const struct op *op, const uint8_t *example,
              const uint8_t *body, const struct token *token)
{
    const uint8_t *data = body + token->content;
    size_t len = token->end - token->content;
    struct bytes content = bytes_of(data, len);

    if (op->prefix > 0 && op->kind != OP_LIST) {
        if (len < op->prefix ||
            memcmp(data, example + op->at, op->prefix) != 0) {
            return false;
        }
        content = bytes_of(data + op->prefix, len - op->prefix);
    }
    switch (op->kind) {
    case OP_TEXT:
        coder_text(c, content);
        return true;
    case OP_RAW:
        coder_varint(c, content.len);
        coder_raw(c, content.data, content.len);
        return true;
    case OP_FIXED:
        if (content.len != op->len) return false;
        coder_raw(c, content.data, content.len);
        return true;
    case OP_UINT:
        if (!derive_uint_split(c->raw, op->len, content)) return false;
        c->raw += op->len;
        return true;
    case OP_ZEROS:
        if (!is_zeros(content.data, content.len)) return false;
        coder_varint(c, content.len);
        return true;
    case OP_LIST:
    case OP_MIXED:
        return put_list(c, op, example, body, token);
    case OP_BEFORE:
        return is_date(op->tag, c->facts->not_before, content);
    case OP_AFTER:
        return is_date(op->tag, c->facts->not_after, content);
    case OP_INDEX:
        return is_index(c->facts->index, content);
    case OP_SKI_1:
    case OP_SKI_256:
        return is_ski(op->kind, c->key, content);
    case OP_SCTS:
        return scts_encode(c, content);
    default:
        return false;
    }
}

// ------------------------------------------------------------ choosing

static bool is_text(uint8_t tag)
{
    switch (tag) {
    case DER_UTF8_STRING:
    case DER_NUMERIC_STRING:
    case DER_PRINTABLE_STRING:
    case DER_T61_STRING:
    case DER_IA5_STRING:
    case DER_UTC_TIME:
    case DER_GENERALIZED_TIME:
        return true;
    default:
        return (tag & DER_CLASS_MASK) == DER_CONTEXT;
    }
}

static void fixed_slot(struct op *slot, const struct token *token,
                       unsigned prefix)
{
    slot->kind = OP_FIXED;
    slot->prefix = (uint8_t)prefix;
    slot->len = token->end - token->content - prefix;
}

static unsigned bits_prefix(const uint8_t *data, size_t len)
{
    // A point that is not compressed, of the three curves.
    if (len > 2 && data[0] == 0 && data[1] == 4 &&
        (len == 66 || len == 98 || len == 134)) {
        return 2;
    }
    return len > 1 && data[0] == 0;
}

// What a skeleton has in the place of a key or a signature (record.h).
static bool is_blanked(const uint8_t *data, size_t len)
{
    return len > BLANKED_HEAD_LEN &&
           is_zeros(data + BLANKED_HEAD_LEN, len - BLANKED_HEAD_LEN);
}

static void bits_slot(struct op *slot, const uint8_t *example,
                      const struct token *token)
{
    const uint8_t *data = example + token->content;
    size_t len = token->end - token->content;

    if (len <= SHORT_LEN_MAX || is_blanked(data, len)) return;
    fixed_slot(slot, token, bits_prefix(data, len));
}

static void uint_slot(struct op *slot, struct bytes content)
{
    size_t len = content.len;

    if (len > 1 && content.data[0] == 0) len--;
    slot->kind = OP_UINT;
    if (len > slot->len) slot->len = (uint32_t)len;
}

// The first item of a list, and whether all have its tag.
static bool first_item(const uint8_t *body, const struct token *token,
                       uint8_t *tag, struct bytes *item)
{
    size_t at = token->content, content = at, element = at;
    uint8_t other = 0;
    bool same = true;

    *tag = body[at];
    for (size_t i = 0; at < token->end; at = element, i++) {
        (void)!tokens_element(body, at, token->end, &other, &content, &element);
        if (i == 0) *item = bytes_of(body + content, element - content);
        same = same && other == *tag;
    }
    return same;
}

static void list_slot(struct op *slot, const uint8_t *example,
                      const struct token *token)
{
    struct bytes item = {0};

    slot->kind =
        first_item(example, token, &slot->item_tag, &item) ? OP_LIST : OP_MIXED;
    slot->prefix = slot->suffix = 0;
    slot->at = (uint32_t)(item.data - example);
    slot->len = (uint32_t)item.len;
}

// Of a list of URLs what is between the last slash and the last dot differs.
static void url_slot(struct op *slot, const uint8_t *example)
{
    const uint8_t *url = example + slot->at;
    const uint8_t *slash = memrchr(url, '/', slot->len);
    const uint8_t *dot = memrchr(url, '.', slot->len);
    size_t prefix, suffix;

    if (slot->kind != OP_LIST || slash == NULL || dot == NULL || dot < slash) {
        return;
    }
    prefix = (size_t)(slash - url) + 1;
    suffix = slot->len - (size_t)(dot - url);
    if (prefix > UINT8_MAX || suffix > UINT8_MAX) return;
    slot->prefix = (uint8_t)prefix;
    slot->suffix = (uint8_t)suffix;
}

static bool is_word(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z');
}

// What two items begin and end with alike, cut where a word begins: next to it
// a third will differ.
static void shorten(struct op *slot, struct bytes item, struct bytes other)
{
    size_t max = item.len < other.len ? item.len : other.len;
    size_t prefix = 0, suffix = 0;

    while (prefix < slot->prefix && prefix < max &&
           item.data[prefix] == other.data[prefix]) {
        prefix++;
    }
    while (prefix > 0 && prefix < item.len && is_word(item.data[prefix - 1])) {
        prefix--;
    }
    while (suffix < slot->suffix && suffix + prefix < max &&
           item.data[item.len - 1 - suffix] ==
               other.data[other.len - 1 - suffix]) {
        suffix++;
    }
    while (suffix > 0 && is_word(item.data[item.len - suffix])) {
        suffix--;
    }
    slot->prefix = (uint8_t)prefix;
    slot->suffix = (uint8_t)suffix;
}

// A list that takes all items of `token` too.
static void widen_list(struct op *slot, const uint8_t *example,
                       const struct token *was, const uint8_t *body,
                       const struct token *token)
{
    size_t at = token->content, content = at, element = at;
    struct op kept = *slot;
    struct bytes item;
    uint8_t tag = 0;

    list_slot(slot, example, was);
    if (slot->kind == OP_MIXED || kept.kind == OP_MIXED) {
        slot->kind = OP_MIXED;
        return;
    }
    slot->prefix = slot->suffix =
        slot->len < UINT8_MAX ? (uint8_t)slot->len : UINT8_MAX;
    if (kept.kind == OP_LIST) {
        slot->prefix = kept.prefix;
        slot->suffix = kept.suffix;
    }
    item = bytes_of(example + slot->at, slot->len);
    for (; at < token->end; at = element) {
        (void)!tokens_element(body, at, token->end, &tag, &content, &element);
        if (tag != slot->item_tag) {
            slot->kind = OP_MIXED;
            slot->prefix = slot->suffix = 0;
            return;
        }
        shorten(slot, item, bytes_of(body + content, element - content));
    }
}

static void octets_slot(struct op *slot, struct coder *c,
                        const uint8_t *example, const struct token *token,
                        struct bytes oid)
{
    struct bytes content =
        bytes_of(example + token->content, token->end - token->content);

    if (oid_is(oid, OID_SUBJECT_KEY_ID) && content.len == SKI_LEN) {
        if (is_ski(OP_SKI_1, c->key, content)) {
            slot->kind = OP_SKI_1;
        } else if (is_ski(OP_SKI_256, c->key, content)) {
            slot->kind = OP_SKI_256;
        } else if (!is_zeros(content.data, content.len)) {
            fixed_slot(slot, token, 0);
        }
    } else if (oid_is(oid, OID_SCT_LIST)) {
        slot->kind = OP_SCTS;
        if (!scts_encode(c, content)) slot->kind = OP_RAW;
    }
}

static void time_slot(struct op *slot, const struct coder *c,
                      struct place *place, struct bytes content)
{
    bool first = place->num_times++ == 0;

    slot->kind = OP_TEXT;
    if (is_date(slot->tag, first ? c->facts->not_before : c->facts->not_after,
                content)) {
        slot->kind = first ? OP_BEFORE : OP_AFTER;
    }
}

void hole_choose(struct op *slot, struct coder *c, struct place *place,
                 const uint8_t *example, const struct token *token)
{
    struct bytes content =
        bytes_of(example + token->content, token->end - token->content);

    if (token->kind == TOKEN_LIST) {
        if (oid_is(place->oid, OID_SUBJECT_ALT_NAME)) {
            list_slot(slot, example, token);
        } else if (oid_is(place->oid, OID_CRL_POINTS)) {
            list_slot(slot, example, token);
            url_slot(slot, example);
        }
    } else if (token->header == HEADER_VARINT) {
        if (is_index(c->facts->index, content)) slot->kind = OP_INDEX;
    } else if (token->header != HEADER_DER) {
        return;
    } else if (token->tag == DER_OID) {
        place->oid = content;
    } else if (token->tag == DER_INTEGER && content.len > SHORT_LEN_MAX &&
               !is_blanked(content.data, content.len)) {
        slot->len = 0;
        uint_slot(slot, content);
    } else if (token->tag == DER_BIT_STRING) {
        bits_slot(slot, example, token);
    } else if (token->tag == DER_OCTET_STRING) {
        octets_slot(slot, c, example, token, place->oid);
    } else if (token->tag == DER_UTC_TIME ||
               token->tag == DER_GENERALIZED_TIME) {
        time_slot(slot, c, place, content);
    } else if (is_text(token->tag) && place->num_times >= 2 &&
               oid_is(place->oid, OID_COMMON_NAME)) {
        slot->kind = OP_TEXT;
    }
}

void hole_widen(struct op *slot, const uint8_t *example,
                const struct token *was, const uint8_t *body,
                const struct token *token)
{
    struct bytes content =
        bytes_of(body + token->content, token->end - token->content);
    size_t len = was->end - was->content;
    uint8_t split[UINT_LEN_MAX];
    unsigned kind = slot->kind;

    if (token->kind == TOKEN_LIST) {
        widen_list(slot, example, was, body, token);
        return;
    }
    slot->prefix = 0;
    if (token->tag == DER_INTEGER && token->header == HEADER_DER &&
        content.len <= len + UINT_GROWTH_MAX &&
        len <= content.len + UINT_GROWTH_MAX && content.len < UINT_LEN_MAX &&
        derive_uint_split(split, sizeof split, content) &&
        derive_uint_split(split, sizeof split,
                          bytes_of(example + was->content, len))) {
        if (kind == OP_CONST) {
            slot->len = 0;
            uint_slot(slot, bytes_of(example + was->content, len));
        }
        uint_slot(slot, content);
    } else if (token->header == HEADER_NONE ||
               (token->header == HEADER_DER && is_text(token->tag))) {
        slot->kind = OP_TEXT;
    } else if (is_zeros(content.data, content.len)) {
        slot->kind = OP_ZEROS;
    } else if (kind != OP_FIXED && kind != OP_SCTS && len == content.len) {
        fixed_slot(slot, token, 0);
    } else {
        slot->kind = OP_RAW;
    }
}
