// template_write.c - templates, learnt and used; see template.h.
//
// The second body of a shape becomes its template: what is known to differ
// (names, dates, keys) is a hole from the first.  A body that differs elsewhere
// makes another template with more holes; each is tried, the strictest first,
// until it has missed too often.

#include <stdlib.h>

#include "index/base/varint.h"
#include "index/entry/cert_walk.h"
#include "index/entry/der.h"
#include "index/store/template_parts.h"

#define OID_SUBJECT_KEY_ID "\x55\x1d\x0e"
#define OID_CRL_POINTS "\x55\x1d\x1f"

enum {
    FAMILY_MODELS_MAX = 8,
    FAMILY_SLOTS = 2 * TEMPLATES_MAX, // a power of two
    SEEN_SLOTS = 16384,               // a power of two
    EXAMPLES_BYTES_MAX = 16 * 1024 * 1024,
    SHORT_LEN_MAX = 4, // integers and bits of so few bytes are no secret
    UINT_GROWTH_MAX = 8,
    BLANKED_HEAD_LEN = 2,
    MISSES_MAX = 64,
    HITS_PER_MISS = 16,
    TEXT_A_TOKEN = 12, // bytes beside what it tells, at most
};

// A template as its writer knows it.
struct model {
    uint8_t *example;
    struct token *tokens;
    struct op *slots; // one a token
    struct op *ops;   // made of them
    size_t num_tokens, num_ops, len;
    size_t uints_len; // of all OP_UINT
    uint32_t hits, misses;
};

struct family {
    uint64_t key; // 0: none
    size_t num;
    uint32_t models[FAMILY_MODELS_MAX];
};

struct template_writer {
    struct model models[TEMPLATES_MAX];
    size_t num_models, num_families;
    size_t table_bytes, example_bytes;
    struct family families[FAMILY_SLOTS];
    uint64_t seen[SEEN_SLOTS];
    struct sct_logs logs;
    struct tokens tokens;    // of the body at hand
    struct buffer text, raw; // thrown away
};

bool template_writer_new(struct template_writer **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL;
}

static void model_cleanup(struct model *model)
{
    free(model->example);
    free(model->tokens);
    free(model->slots);
    free(model->ops);
    *model = (struct model){0};
}

void template_writer_free(struct template_writer *writer)
{
    if (writer == NULL) return;
    for (size_t i = 0; i < writer->num_models; i++) {
        model_cleanup(&writer->models[i]);
    }
    buffer_cleanup(&writer->text);
    buffer_cleanup(&writer->raw);
    free(writer);
}

// ------------------------------------------------------------ coding

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

        (void)!tokens_element(body, at, end, &tag, &content, &element);
        item = bytes_of(body + content, element - content);
        if (!is_item(op, example, tag, &item)) return false;
    }
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

// Fills the hole `op` with a token; false, and nothing is written that counts:
// it does not fit.
static bool put_hole(struct coder *c, const struct op *op,
                     const uint8_t *example, const uint8_t *body,
                     const struct token *token)
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

// What both sides take for the key: the bits of the first BIT STRING that is
// no constant.
static void note_key(struct coder *c, const uint8_t *body,
                     const struct token *token)
{
    if (c->key.len == 0 && token->header == HEADER_DER &&
        token->tag == DER_BIT_STRING && token->end > token->content + 1) {
        c->key = bytes_of(body + token->content + 1,
                          token->end - token->content - 1);
    }
}

static bool is_alike(const struct op *op, const struct token *token)
{
    unsigned kind = op->kind == OP_OPEN                           ? TOKEN_OPEN
                    : op->kind == OP_LIST || op->kind == OP_MIXED ? TOKEN_LIST
                                                                  : TOKEN_LEAF;

    return token->kind == kind && token->header == op->header &&
           token->tag == op->tag;
}

// Writes the tokens of [*at, end) by ops.
static bool put_ops(struct coder *c, const struct model *model,
                    const struct op *op, size_t num,
                    const struct tokens *tokens, const uint8_t *body,
                    size_t *at, size_t end)
{
    for (size_t i = 0; i < num; i++, op++) {
        const struct token *token = &tokens->list[*at];
        size_t next;

        if (*at >= end) return false;
        if (op->kind == OP_CONST) {
            next = *at + op->num;
            if (next > end ||
                tokens->list[next - 1].end - token->start != op->len ||
                memcmp(body + token->start, model->example + op->at, op->len) !=
                    0) {
                return false;
            }
            *at = next;
            continue;
        }
        if (!is_alike(op, token)) return false;
        next = *at + token->num;
        ++*at;
        if (op->kind == OP_OPEN) {
            if (token->prefix != op->prefix || next > end ||
                !put_ops(c, model, op + 1, op->num, tokens, body, at, next)) {
                return false;
            }
            i += op->num;
            op += op->num;
        } else if (!put_hole(c, op, model->example, body, token)) {
            return false;
        }
        note_key(c, body, token);
    }
    return *at == end;
}

static bool reserve(const struct tokens *tokens, size_t len, size_t uints_len,
                    struct buffer *text, struct buffer *raw)
{
    // A list's elements have two bytes that make up for what texts need.
    return buffer_reserve(text, 2 * len + TEXT_A_TOKEN * tokens->num) &&
           buffer_reserve(raw, len + uints_len);
}

static bool encode(struct template_writer *writer, struct model *model,
                   const struct entry_facts *facts, struct bytes body,
                   struct buffer *text, struct buffer *raw)
{
    struct coder c = {.facts = facts, .logs = &writer->logs};
    size_t at = 0;

    if (!reserve(&writer->tokens, body.len, model->uints_len, text, raw)) {
        return false;
    }
    c.text = text->data + text->len;
    c.raw = raw->data + raw->len;
    if (!put_ops(&c, model, model->ops, model->num_ops, &writer->tokens,
                 body.data, &at, writer->tokens.num)) {
        model->misses++;
        return false;
    }
    model->hits++;
    text->len = (size_t)(c.text - text->data);
    raw->len = (size_t)(c.raw - raw->data);
    return true;
}

// ------------------------------------------------------------ holes

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

// Where in a certificate a token is.
struct place {
    struct bytes oid; // the last
    unsigned num_times;
};

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
static void widen_list(struct op *slot, const struct model *from,
                       const struct token *was, const uint8_t *body,
                       const struct token *token)
{
    size_t at = token->content, content = at, element = at;
    struct op kept = *slot;
    struct bytes item;
    uint8_t tag = 0;

    list_slot(slot, from->example, was);
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
    item = bytes_of(from->example + slot->at, slot->len);
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

// What a token of a new template is taken for.
static void first_slot(struct op *slot, struct coder *c, struct place *place,
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

// A slot that takes `token` too.
static void widen(struct op *slot, const struct model *from,
                  const struct token *was, const uint8_t *body,
                  const struct token *token)
{
    struct bytes content =
        bytes_of(body + token->content, token->end - token->content);
    size_t len = was->end - was->content;
    uint8_t split[UINT_LEN_MAX];
    unsigned kind = slot->kind;

    if (token->kind == TOKEN_LIST) {
        widen_list(slot, from, was, body, token);
        return;
    }
    slot->prefix = 0;
    if (token->tag == DER_INTEGER && token->header == HEADER_DER &&
        content.len <= len + UINT_GROWTH_MAX &&
        len <= content.len + UINT_GROWTH_MAX && content.len < UINT_LEN_MAX &&
        derive_uint_split(split, sizeof split, content) &&
        derive_uint_split(split, sizeof split,
                          bytes_of(from->example + was->content, len))) {
        if (kind == OP_CONST) {
            slot->len = 0;
            uint_slot(slot, bytes_of(from->example + was->content, len));
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

// ------------------------------------------------------------ templates

// Makes the ops of a model from its slots: what is constant runs together.
static void compile(struct model *model)
{
    uint16_t open_left[TOKEN_DEPTH_MAX + 4];
    struct op *open[TOKEN_DEPTH_MAX + 4], *last = NULL;
    size_t depth = 0, i = 0;

    model->num_ops = 0;
    model->uints_len = 0;
    while (i < model->num_tokens) {
        const struct token *token = &model->tokens[i];
        size_t holes = 0, num;

        for (size_t j = i; j < i + token->num; j++) {
            holes += model->slots[j].kind != OP_CONST &&
                     model->slots[j].kind != OP_OPEN;
        }
        num = holes == 0 ? token->num : 1;
        if (holes == 0 && last != NULL && last->kind == OP_CONST) {
            last->num = (uint16_t)(last->num + num);
            last->len = token->end - last->at;
        } else {
            last = &model->ops[model->num_ops++];
            *last = model->slots[i];
            if (holes == 0) {
                *last = (struct op){.kind = OP_CONST,
                                    .num = token->num,
                                    .len = token->end - token->start,
                                    .at = token->start};
            } else if (last->kind == OP_UINT) {
                model->uints_len += last->len;
            }
        }
        i += num;
        // Whatever is open has so many tokens less to come.
        for (size_t d = 0; d < depth; d++) {
            open_left[d] = (uint16_t)(open_left[d] - num);
        }
        if (holes != 0 && token->kind == TOKEN_OPEN) {
            open[depth] = last;
            open_left[depth++] = (uint16_t)(token->num - 1);
        }
        while (depth > 0 && open_left[depth - 1] == 0) {
            struct op *closed = open[--depth];

            closed->num = (uint16_t)(&model->ops[model->num_ops] - closed - 1);
            last = NULL;
        }
        if (last != NULL && last->kind != OP_CONST) last = NULL;
    }
}

static size_t table_len(const struct model *model)
{
    size_t len = 2;

    for (size_t i = 0; i < model->num_ops; i++) {
        const struct op *op = &model->ops[i];

        len += 12 + (op->kind == OP_CONST ? op->len
                                          : (size_t)op->prefix + op->suffix);
    }
    return len;
}

// A model with room for the tokens of the example; NULL: none can be made.
static struct model *new_model(struct template_writer *writer,
                               struct bytes example, const struct token *tokens,
                               size_t num)
{
    struct model *model = &writer->models[writer->num_models];

    if (writer->num_models == TEMPLATES_MAX - 1 ||
        writer->example_bytes + example.len > EXAMPLES_BYTES_MAX) {
        return NULL;
    }
    model->example = malloc(example.len);
    model->tokens = malloc(num * sizeof *model->tokens);
    model->slots = calloc(num, sizeof *model->slots);
    model->ops = calloc(num, sizeof *model->ops);
    if (model->example == NULL || model->tokens == NULL ||
        model->slots == NULL || model->ops == NULL) {
        model_cleanup(model);
        return NULL;
    }
    memcpy(model->example, example.data, example.len);
    memcpy(model->tokens, tokens, num * sizeof *tokens);
    model->num_tokens = num;
    model->len = example.len;
    return model;
}

// Takes a model with its slots into the family, if there is room for it.
static bool keep_model(struct template_writer *writer, struct family *family,
                       struct model *model)
{
    size_t len;

    compile(model);
    len = table_len(model);
    if (writer->table_bytes + len > TEMPLATE_TABLE_MAX / 2) {
        model_cleanup(model);
        return false;
    }
    writer->table_bytes += len;
    writer->example_bytes += model->len;
    family->models[family->num++] = (uint32_t)writer->num_models++;
    return true;
}

static void init_slot(struct op *slot, const struct token *token)
{
    *slot = (struct op){.kind = token->kind == TOKEN_OPEN ? OP_OPEN : OP_CONST,
                        .header = token->header,
                        .tag = token->tag,
                        .prefix = token->prefix,
                        .len = token->end - token->content,
                        .at = token->content};
}

// What the coder writes into while slots are chosen counts for nothing.
static bool begin_scratch(struct template_writer *writer, struct coder *c,
                          const struct entry_facts *facts, size_t len)
{
    buffer_reset(&writer->text);
    buffer_reset(&writer->raw);
    *c = (struct coder){.facts = facts, .logs = &writer->logs};
    return reserve(&writer->tokens, len, UINT_LEN_MAX, &writer->text,
                   &writer->raw);
}

static void rewind_scratch(const struct template_writer *writer,
                           struct coder *c)
{
    c->text = writer->text.data;
    c->raw = writer->raw.data;
}

// The first template of a family.
static bool make_first(struct template_writer *writer, struct family *family,
                       const struct entry_facts *facts, struct bytes body)
{
    const struct tokens *tokens = &writer->tokens;
    struct place place = {0};
    struct model *model;
    struct coder c;

    if (!begin_scratch(writer, &c, facts, body.len)) return false;
    model = new_model(writer, body, tokens->list, tokens->num);
    if (model == NULL) return false;
    for (size_t i = 0; i < tokens->num; i++) {
        const struct token *token = &tokens->list[i];

        rewind_scratch(writer, &c);
        init_slot(&model->slots[i], token);
        if (token->kind != TOKEN_OPEN) {
            first_slot(&model->slots[i], &c, &place, model->example, token);
        }
        note_key(&c, body.data, token);
    }
    return keep_model(writer, family, model);
}

static bool is_same_kind(const struct token *a, const struct token *b)
{
    return a->kind == b->kind && a->header == b->header && a->tag == b->tag &&
           a->prefix == b->prefix && a->num == b->num;
}

static bool fits(struct coder *c, const struct model *model, size_t i,
                 const uint8_t *body, const struct token *token)
{
    const struct token *was = &model->tokens[i];
    size_t len = was->end - was->start;

    if (model->slots[i].kind == OP_CONST) {
        return token->end - token->start == len &&
               memcmp(model->example + was->start, body + token->start, len) ==
                   0;
    }
    return put_hole(c, &model->slots[i], model->example, body, token);
}

// A template that takes what `from` takes, and this body too.
static bool make_wider(struct template_writer *writer, struct family *family,
                       const struct model *from,
                       const struct entry_facts *facts, struct bytes body)
{
    const struct tokens *tokens = &writer->tokens;
    struct model *model;
    struct coder c;

    if (tokens->num != from->num_tokens ||
        !begin_scratch(writer, &c, facts, body.len)) {
        return false;
    }
    for (size_t i = 0; i < tokens->num; i++) {
        if (!is_same_kind(&tokens->list[i], &from->tokens[i])) return false;
    }
    model = new_model(writer, bytes_of(from->example, from->len), from->tokens,
                      from->num_tokens);
    if (model == NULL) return false;
    for (size_t i = 0; i < tokens->num; i++) {
        const struct token *token = &tokens->list[i];

        rewind_scratch(writer, &c);
        model->slots[i] = from->slots[i];
        if (token->kind != TOKEN_OPEN && !fits(&c, from, i, body.data, token)) {
            widen(&model->slots[i], from, &from->tokens[i], body.data, token);
        }
        note_key(&c, body.data, token);
    }
    return keep_model(writer, family, model);
}

// ------------------------------------------------------------ families

// The family of a key; NULL: there is none, or no room for another.
static struct family *find_family(struct template_writer *writer, uint64_t key)
{
    size_t at = (size_t)key & (FAMILY_SLOTS - 1);
    uint64_t *seen = &writer->seen[(key >> 20) & (SEEN_SLOTS - 1)];

    while (writer->families[at].key != 0) {
        if (writer->families[at].key == key) return &writer->families[at];
        at = (at + 1) & (FAMILY_SLOTS - 1);
    }
    if (*seen != key || writer->num_families == TEMPLATES_MAX) {
        *seen = key;
        return NULL;
    }
    writer->num_families++;
    writer->families[at].key = key;
    return &writer->families[at];
}

static bool is_given_up(const struct model *model)
{
    return model->misses >= MISSES_MAX &&
           model->hits < model->misses / HITS_PER_MISS;
}

// The number of the template by which the body was written; 0: by none.
static uint32_t use_family(struct template_writer *writer,
                           struct family *family,
                           const struct entry_facts *facts, struct bytes body,
                           struct buffer *text, struct buffer *raw)
{
    bool more;

    for (size_t i = 0; i < family->num; i++) {
        struct model *model = &writer->models[family->models[i]];

        if (i + 1 < family->num && is_given_up(model)) continue;
        if (encode(writer, model, facts, body, text, raw)) {
            return family->models[i] + 1;
        }
    }
    if (family->num == FAMILY_MODELS_MAX) return 0;
    more = family->num == 0
               ? make_first(writer, family, facts, body)
               : make_wider(writer, family,
                            &writer->models[family->models[family->num - 1]],
                            facts, body);
    if (!more ||
        !encode(writer, &writer->models[family->models[family->num - 1]], facts,
                body, text, raw)) {
        return 0;
    }
    return family->models[family->num - 1] + 1;
}

uint32_t template_encode(struct template_writer *writer,
                         const struct entry_facts *facts, uint32_t issuer,
                         struct bytes body, size_t head_len,
                         struct buffer *text, struct buffer *raw)
{
    struct family *family;
    uint32_t number = 0;
    uint64_t key;

    if (tokens_read(&writer->tokens, body, head_len)) {
        key = (writer->tokens.shape ^ issuer) * UINT64_C(0x9e3779b97f4a7c15);
        family = find_family(writer, key | 1);
        if (family != NULL) {
            number = use_family(writer, family, facts, body, text, raw);
        }
    }
    if (number == 0) buffer_append(text, body);
    return number;
}

// ------------------------------------------------------------ the table

static void save_op(struct buffer *out, const struct op *op)
{
    buffer_append_byte(out, op->kind);
    buffer_append_byte(out, op->header);
    buffer_append_byte(out, op->tag);
    buffer_append_byte(out, op->prefix);
    buffer_append_byte(out, op->item_tag);
    buffer_append_byte(out, op->suffix);
    varint_append(out, op->kind == OP_OPEN ? op->num : 0);
    varint_append(out, op->len);
}

void template_writer_save(const struct template_writer *writer,
                          struct buffer *out)
{
    varint_append(out, writer->logs.num);
    buffer_append(out,
                  bytes_of(writer->logs.ids, writer->logs.num * SHA256_LEN));
    varint_append(out, writer->num_models);
    for (size_t i = 0; i < writer->num_models; i++) {
        const struct model *model = &writer->models[i];

        varint_append(out, model->num_ops);
        for (size_t j = 0; j < model->num_ops; j++) {
            save_op(out, &model->ops[j]);
        }
        for (size_t j = 0; j < model->num_ops; j++) {
            const struct op *op = &model->ops[j];

            buffer_append(
                out, bytes_of(model->example + op->at,
                              op->kind == OP_CONST ? op->len : op->prefix));
            buffer_append(
                out, bytes_of(model->example + op->at + op->len - op->suffix,
                              op->suffix));
        }
    }
}
