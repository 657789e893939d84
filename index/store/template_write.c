// template_write.c - templates, learnt and used; see template.h.
//
// The second body of a shape becomes its template: what is known to differ
// (names, dates, keys) is a hole from the first.  A body that differs elsewhere
// makes another template with more holes; each is tried, the strictest first,
// until it has missed too often.

#include <stdlib.h>

#include "index/base/varint.h"
#include "index/entry/der.h"
#include "index/store/template_hole.h"
#include "index/store/template_match.h"

enum {
    FAMILY_MODELS_MAX = 8,
    FAMILY_SLOTS = 2 * TEMPLATES_MAX, // a power of two
    SEEN_SLOTS = 16384,               // a power of two
    EXAMPLES_BYTES_MAX = 16 * 1024 * 1024,
    MISSES_MAX = 64,
    HITS_PER_MISS = 16,
    RECENT_FAMILIES = 4,
    RECENT_BITS = 10,
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

// The families that an issuer's bodies of one form were of last, in front the
// last of all: what one of their templates takes needs not be taken apart.
struct recent {
    uint64_t key; // 0: none
    size_t num;
    const struct family *families[RECENT_FAMILIES];
};

struct template_writer {
    struct model models[TEMPLATES_MAX];
    size_t num_models, num_families;
    size_t table_bytes, example_bytes;
    struct family families[FAMILY_SLOTS];
    uint64_t seen[SEEN_SLOTS];
    struct recent recent[1 << RECENT_BITS];
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

static bool reserve(size_t num_tokens, size_t len, size_t uints_len,
                    struct buffer *text, struct buffer *raw)
{
    // A list's elements have two bytes that make up for what texts need.
    return buffer_reserve(text, 2 * len + TEXT_A_TOKEN * num_tokens) &&
           buffer_reserve(raw, len + uints_len);
}

static bool encode(struct template_writer *writer, const struct model *model,
                   const struct entry_facts *facts, struct bytes body,
                   size_t head_len, struct buffer *text, struct buffer *raw)
{
    struct coder c = {.facts = facts, .logs = &writer->logs};

    if (!reserve(model->num_tokens, body.len, model->uints_len, text, raw)) {
        return false;
    }
    c.text = text->data + text->len;
    c.raw = raw->data + raw->len;
    if (!template_match(&c, model->ops, model->num_ops, model->example, body,
                        head_len)) {
        return false;
    }
    text->len = (size_t)(c.text - text->data);
    raw->len = (size_t)(c.raw - raw->data);
    return true;
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
            last->len = token->end - last->at;
        } else {
            last = &model->ops[model->num_ops++];
            *last = model->slots[i];
            if (holes == 0) {
                *last = (struct op){.kind = OP_CONST,
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
    return reserve(writer->tokens.num, len, UINT_LEN_MAX, &writer->text,
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
            hole_choose(&model->slots[i], &c, &place, model->example, token);
        }
        coder_note_key(&c, body.data, token->header, token->tag, token);
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
    return hole_put(c, &model->slots[i], model->example, body, token);
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
            hole_widen(&model->slots[i], from->example, &from->tokens[i],
                       body.data, token);
        }
        coder_note_key(&c, body.data, token->header, token->tag, token);
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

// Notes that model `used` of a family took a body, and those before it did not.
static void note_tried(struct template_writer *writer,
                       const struct family *family, size_t used)
{
    for (size_t i = 0; i < used; i++) {
        struct model *model = &writer->models[family->models[i]];

        if (i + 1 == family->num || !is_given_up(model)) model->misses++;
    }
    if (used < family->num) writer->models[family->models[used]].hits++;
}

// The number of the family's template by which the body was written; 0: none.
static uint32_t use_models(struct template_writer *writer,
                           const struct family *family,
                           const struct entry_facts *facts, struct bytes body,
                           size_t head_len, struct buffer *text,
                           struct buffer *raw)
{
    for (size_t i = 0; i < family->num; i++) {
        const struct model *model = &writer->models[family->models[i]];

        if (i + 1 < family->num && is_given_up(model)) continue;
        if (!encode(writer, model, facts, body, head_len, text, raw)) continue;
        note_tried(writer, family, i);
        return family->models[i] + 1;
    }
    return 0;
}

// The same of the family that the body belongs to; makes a template if need be.
static uint32_t use_family(struct template_writer *writer,
                           struct family *family,
                           const struct entry_facts *facts, struct bytes body,
                           size_t head_len, struct buffer *text,
                           struct buffer *raw)
{
    uint32_t number =
        use_models(writer, family, facts, body, head_len, text, raw);
    const struct model *last;
    bool more;

    if (number != 0) return number;
    note_tried(writer, family, family->num);
    if (family->num == FAMILY_MODELS_MAX) return 0;
    more = family->num == 0
               ? make_first(writer, family, facts, body)
               : make_wider(writer, family,
                            &writer->models[family->models[family->num - 1]],
                            facts, body);
    if (!more) return 0;
    number = family->models[family->num - 1];
    last = &writer->models[number];
    if (!encode(writer, last, facts, body, head_len, text, raw)) return 0;
    writer->models[number].hits++;
    return number + 1;
}

// ------------------------------------------------------------ recent ones

static struct recent *find_recent(struct template_writer *writer,
                                  uint64_t issuer, uint8_t form)
{
    uint64_t key = (issuer << 8 | form) + 1;
    struct recent *recent =
        &writer->recent[(key * UINT64_C(0x9e3779b97f4a7c15)) >>
                        (64 - RECENT_BITS)];

    if (recent->key != key) *recent = (struct recent){.key = key};
    return recent;
}

// Puts a family in front; it was at `i`, or is new to them.
static void keep_recent(struct recent *recent, size_t i,
                        const struct family *family)
{
    if (i == recent->num && recent->num < RECENT_FAMILIES) recent->num++;
    if (i == RECENT_FAMILIES) i--;
    for (; i > 0; i--) {
        recent->families[i] = recent->families[i - 1];
    }
    recent->families[0] = family;
}

static uint32_t use_recent(struct template_writer *writer,
                           struct recent *recent,
                           const struct entry_facts *facts, struct bytes body,
                           size_t head_len, struct buffer *text,
                           struct buffer *raw)
{
    for (size_t i = 0; i < recent->num; i++) {
        const struct family *family = recent->families[i];
        uint32_t number =
            use_models(writer, family, facts, body, head_len, text, raw);

        if (number == 0) continue;
        keep_recent(recent, i, family);
        return number;
    }
    return 0;
}

// By its shape, which takes longer to find.
static uint32_t use_shape(struct template_writer *writer, uint32_t issuer,
                          struct recent *recent,
                          const struct entry_facts *facts, struct bytes body,
                          size_t head_len, struct buffer *text,
                          struct buffer *raw)
{
    struct family *family;
    uint32_t number;
    uint64_t key;
    size_t i = 0;

    if (!tokens_read(&writer->tokens, body, head_len)) return 0;
    key = (writer->tokens.shape ^ issuer) * UINT64_C(0x9e3779b97f4a7c15);
    family = find_family(writer, key | 1);
    if (family == NULL) return 0;
    number = use_family(writer, family, facts, body, head_len, text, raw);
    while (i < recent->num && recent->families[i] != family) {
        i++;
    }
    if (number != 0) keep_recent(recent, i, family);
    return number;
}

uint32_t template_encode(struct template_writer *writer,
                         const struct entry_facts *facts, uint32_t issuer,
                         struct bytes body, size_t head_len,
                         struct buffer *text, struct buffer *raw)
{
    uint32_t number = 0;

    if (head_len < body.len && body.len <= TEMPLATE_BODY_MAX) {
        struct recent *recent =
            find_recent(writer, issuer, body.data[head_len]);

        number = use_recent(writer, recent, facts, body, head_len, text, raw);
        if (number == 0) {
            number = use_shape(writer, issuer, recent, facts, body, head_len,
                               text, raw);
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
