// template_read.c - a table of templates, and bodies made by it; see
// template.h.

#include <stdlib.h>

#include "index/base/varint.h"
#include "index/entry/der.h"
#include "index/store/template_parts.h"

enum {
    OP_HEAD_LEN = 6,
    OP_LEN_MIN = OP_HEAD_LEN + 2,
    OPS_DEPTH_MAX = TOKEN_DEPTH_MAX + 4,
    HEADER_LEN_MAX = 4,
    // A body is longer than it will be while headers are guessed.
    BODY_ROOM = TEMPLATE_BODY_MAX + UINT_LEN_MAX + 256,
    UTC_TIME_LEN = 13,
    STEP_END = OP_KINDS, // of a template
    STEPS_MAX = TOKENS_MAX + 1,
};

// What is done after another in one pass over a template: `run_len` bytes that
// are always the same are copied, headers and all, then a hole is filled or
// (OP_OPEN) an element ends.  Its header is then of the length that the
// template's has, and is put right where the content is of another.
struct step {
    uint8_t kind; // enum op_kind or STEP_END
    uint8_t header, tag;
    uint8_t guess;    // the header's length in the run
    bool is_fixed;    // the header is right as it stands
    uint8_t prefix;   // OP_LIST, OP_MIXED: as in struct op
    uint8_t suffix;   // the same
    uint8_t item_tag; // the same
    uint16_t begin;   // OP_OPEN: the step in whose run it begins
    uint32_t len;     // OP_FIXED, OP_UINT: as in struct op
    uint32_t before;  // bytes of that run before the header
    uint32_t run, run_len;
    uint32_t item; // OP_LIST, OP_MIXED: where prefix and suffix are
};

struct template
{
    size_t first, num; // steps
};

struct templates {
    struct buffer runs;
    struct step *steps;
    struct template *list;
    size_t num;
    size_t room; // of steps
    struct sct_logs logs;
};

// ------------------------------------------------------------ the table

size_t templates_bytes(const struct templates *templates)
{
    return sizeof *templates + templates->runs.size +
           templates->room * sizeof *templates->steps +
           templates->num * sizeof *templates->list;
}

void templates_free(struct templates *templates)
{
    if (templates == NULL) return;
    buffer_cleanup(&templates->runs);
    free(templates->steps);
    free(templates->list);
    free(templates);
}

static bool read_op(struct bytes *view, struct op *op)
{
    struct bytes head;
    uint64_t num, len;

    if (!bytes_read_take(view, &head, OP_HEAD_LEN) ||
        !varint_read(view, &num) || num > TOKENS_MAX ||
        !varint_read(view, &len) || len > TEMPLATE_BODY_MAX) {
        return false;
    }
    *op = (struct op){.kind = head.data[0],
                      .header = head.data[1],
                      .tag = head.data[2],
                      .prefix = head.data[3],
                      .item_tag = head.data[4],
                      .suffix = head.data[5],
                      .num = (uint16_t)num,
                      .len = (uint32_t)len};
    return op->kind < OP_KINDS && op->header <= HEADER_DER &&
           (op->kind != OP_UINT || (len > 0 && len <= UINT_LEN_MAX)) &&
           (op->kind == OP_LIST || op->suffix == 0) &&
           (op->kind == OP_OPEN || num == 0);
}

// What is open holds what it says, and not too deep.
static bool is_tree(const struct op *ops, size_t num, unsigned depth)
{
    if (depth > OPS_DEPTH_MAX) return false;
    for (size_t i = 0; i < num; i++) {
        size_t below = ops[i].num;

        if (ops[i].kind != OP_OPEN) continue;
        if (below > num - i - 1 || !is_tree(ops + i + 1, below, depth + 1)) {
            return false;
        }
        i += below;
    }
    return true;
}

// ------------------------------------------------------------ steps

static size_t header_len(unsigned kind, size_t len)
{
    switch (kind) {
    case HEADER_NONE:
        return 0;
    case HEADER_VARINT:
        return len < 0x80 ? 1 : len < 0x4000 ? 2 : 3;
    default:
        return len < 0x80 ? 2 : len < 0x100 ? 3 : HEADER_LEN_MAX;
    }
}

static void write_header(uint8_t *out, unsigned kind, uint8_t tag, size_t len,
                         size_t header)
{
    if (kind == HEADER_VARINT) {
        for (size_t i = 0; i < header; i++, len >>= 7) {
            out[i] = (uint8_t)((len & 0x7f) | (i + 1 < header ? 0x80 : 0));
        }
    } else if (kind == HEADER_DER) {
        out[0] = tag;
        out[1] = (uint8_t)(header == 2 ? len : 0x80 + header - 2);
        for (size_t i = header - 1; i > 1; i--, len >>= 8) {
            out[i] = (uint8_t)len;
        }
    }
}

// A template that is being made steps of.
struct maker {
    struct templates *out;
    const uint8_t *table; // ops' `at` are places in it
    struct step *steps;
    size_t num;
    uint32_t run; // where the run at hand begins
};

static struct step *end_run(struct maker *m, unsigned kind)
{
    struct step *step = &m->steps[m->num++];

    *step = (struct step){.kind = (uint8_t)kind,
                          .run = m->run,
                          .run_len = (uint32_t)m->out->runs.len - m->run};
    m->run = (uint32_t)m->out->runs.len;
    return step;
}

// How long a hole's content is, behind the prefix; false: that varies.
static bool fixed_len(const struct op *op, size_t *len)
{
    switch (op->kind) {
    case OP_FIXED:
        *len = op->len;
        return true;
    case OP_BEFORE:
    case OP_AFTER:
        *len = op->tag == DER_UTC_TIME ? (size_t)UTC_TIME_LEN
                                       : (size_t)DATE_LEN_MAX;
        return true;
    case OP_INDEX:
        *len = INDEX_EXTENSION_LEN;
        return true;
    case OP_SKI_1:
    case OP_SKI_256:
        *len = SKI_LEN;
        return true;
    default:
        return false;
    }
}

static void append_header(struct maker *m, const struct op *op, size_t len,
                          size_t header)
{
    uint8_t bytes[HEADER_LEN_MAX];

    write_header(bytes, op->header, op->tag, len, header);
    buffer_append(&m->out->runs, bytes_of(bytes, header));
}

static void add_hole(struct maker *m, const struct op *op)
{
    bool is_list = op->kind == OP_LIST || op->kind == OP_MIXED;
    size_t prefix = op->kind == OP_LIST ? 0 : op->prefix, len = op->len;
    // The key's bits are found where a header is put right.
    bool is_fixed = fixed_len(op, &len) && op->tag != DER_BIT_STRING;
    size_t guess = header_len(op->header, len + op->prefix);
    struct step *step;

    append_header(m, op, len + prefix, guess);
    buffer_append(&m->out->runs, bytes_of(m->table + op->at, prefix));
    step = end_run(m, op->kind);
    step->header = op->header;
    step->tag = op->tag;
    step->guess = (uint8_t)guess;
    step->is_fixed = is_fixed;
    step->len = op->len;
    step->begin = (uint16_t)(m->num - 1);
    step->before = step->run_len - (uint32_t)(guess + prefix);
    if (!is_list) return;
    step->prefix = op->prefix;
    step->suffix = op->suffix;
    step->item_tag = op->item_tag;
    step->item = m->run;
    buffer_append(&m->out->runs,
                  bytes_of(m->table + op->at, (size_t)op->prefix + op->suffix));
    m->run = (uint32_t)m->out->runs.len;
}

static void add_ops(struct maker *m, const struct op *op, size_t num);

static void add_open(struct maker *m, const struct op *op)
{
    size_t guess = header_len(op->header, (size_t)op->len + op->prefix);
    size_t begin = m->num, before = m->out->runs.len - m->run;
    struct step *step;

    append_header(m, op, (size_t)op->len + op->prefix, guess);
    buffer_append(&m->out->runs, bytes_of(m->table + op->at, op->prefix));
    add_ops(m, op + 1, op->num);
    step = end_run(m, OP_OPEN);
    step->header = op->header;
    step->tag = op->tag;
    step->guess = (uint8_t)guess;
    step->begin = (uint16_t)begin;
    step->before = (uint32_t)before;
}

// At most a step for each op.
static void add_ops(struct maker *m, const struct op *op, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        if (op[i].kind == OP_CONST) {
            buffer_append(&m->out->runs,
                          bytes_of(m->table + op[i].at, op[i].len));
        } else if (op[i].kind == OP_OPEN) {
            add_open(m, &op[i]);
        } else {
            add_hole(m, &op[i]);
        }
        i += op[i].num;
    }
}

// ------------------------------------------------------------ reading

static bool read_ops(struct op *ops, struct bytes *view, const uint8_t *table,
                     size_t *num_ops)
{
    uint64_t num;

    if (!varint_read(view, &num) || num > TOKENS_MAX) return false;
    for (uint64_t i = 0; i < num; i++) {
        if (!read_op(view, &ops[i])) return false;
    }
    for (uint64_t i = 0; i < num; i++) {
        ops[i].at = (uint32_t)(view->data - table);
        if (!bytes_skip(view, ops[i].kind == OP_CONST
                                  ? ops[i].len
                                  : (size_t)ops[i].prefix + ops[i].suffix)) {
            return false;
        }
    }
    *num_ops = (size_t)num;
    return is_tree(ops, (size_t)num, 0);
}

// `num_steps` are there; there is room for STEPS_MAX more.
static bool read_template(struct templates *out, struct template *template,
                          struct bytes *view, const uint8_t *table,
                          size_t num_steps)
{
    struct op ops[TOKENS_MAX];
    struct maker maker = {.out = out,
                          .table = table,
                          .steps = out->steps + num_steps,
                          .run = (uint32_t)out->runs.len};
    size_t num;

    if (!read_ops(ops, view, table, &num)) return false;
    add_ops(&maker, ops, num);
    (void)end_run(&maker, STEP_END);
    *template = (struct template){num_steps, maker.num};
    return true;
}

static bool make_room(struct templates *out, size_t used)
{
    size_t wanted = 2 * (out->room + STEPS_MAX);
    struct step *steps;

    if (out->room - used >= STEPS_MAX) return true;
    steps = realloc(out->steps, wanted * sizeof *steps);
    if (steps == NULL) return false;
    out->steps = steps;
    out->room = wanted;
    return true;
}

static void give_room_back(struct templates *out, size_t used)
{
    struct step *steps = realloc(out->steps, (used + 1) * sizeof *steps);

    if (steps == NULL) return;
    out->steps = steps;
    out->room = used + 1;
}

static bool read_table(struct templates *out, struct bytes view,
                       bool *no_memory)
{
    const uint8_t *table = view.data;
    size_t num_steps = 0;
    struct bytes ids;
    uint64_t num;

    if (!varint_read(&view, &num) || num > SCT_LOGS_MAX ||
        !bytes_read_take(&view, &ids, (size_t)num * SHA256_LEN)) {
        return false;
    }
    out->logs.num = (size_t)num;
    memcpy(out->logs.ids, ids.data, ids.len);
    if (!varint_read(&view, &num) || num > TEMPLATES_MAX) return false;
    out->num = (size_t)num;
    out->list = calloc(out->num + 1, sizeof *out->list);
    *no_memory = out->list == NULL || !buffer_reserve(&out->runs, view.len + 1);
    for (size_t i = 0; !*no_memory && i < out->num; i++) {
        *no_memory = !make_room(out, num_steps);
        if (*no_memory ||
            !read_template(out, &out->list[i], &view, table, num_steps)) {
            return false;
        }
        num_steps += out->list[i].num;
    }
    *no_memory = *no_memory || !buffer_ok(&out->runs);
    if (!*no_memory) give_room_back(out, num_steps);
    return !*no_memory && view.len == 0;
}

bool templates_read(struct templates **out, struct bytes table, bool *no_memory)
{
    struct templates *templates = calloc(1, sizeof *templates);

    *no_memory = templates == NULL;
    if (templates == NULL) return false;
    if (table.len > TEMPLATE_TABLE_MAX ||
        !read_table(templates, table, no_memory)) {
        templates_free(templates);
        return false;
    }
    *out = templates;
    return true;
}

// ------------------------------------------------------------ decoding

static bool take_varint(struct decoder *d, size_t *value)
{
    uint64_t read;

    if (!varint_read(&d->text, &read) || read > TEMPLATE_BODY_MAX) return false;
    *value = (size_t)read;
    return true;
}

static bool take_text(struct decoder *d)
{
    struct bytes text;
    uint64_t number;
    size_t len;

    if (!take_varint(d, &len)) return false;
    if (len == TEXT_REPEATED) {
        if (!bytes_read_uint(&d->text, &number, 1) ||
            number >= d->num_literals) {
            return false;
        }
        text = d->literals[number];
    } else {
        if (!bytes_read_take(&d->text, &text, len - 1)) return false;
        if (d->num_literals < LITERALS_MAX) {
            d->literals[d->num_literals++] = text;
        }
    }
    return decoder_put(d, text.data, text.len);
}

static bool take_list(struct decoder *d, const struct step *step,
                      const uint8_t *item)
{
    static const uint8_t room[HEADER_LEN_MAX];
    size_t num;

    if (!take_varint(d, &num)) return false;
    for (size_t i = 0; i < num; i++) {
        size_t at = d->len, header, len;
        uint64_t tag = step->item_tag;

        if (step->kind == OP_MIXED && !bytes_read_uint(&d->text, &tag, 1)) {
            return false;
        }
        if (!decoder_put(d, room, 2) || !decoder_put(d, item, step->prefix) ||
            !take_text(d) ||
            !decoder_put(d, item + step->prefix, step->suffix)) {
            return false;
        }
        len = d->len - at - 2;
        header = header_len(HEADER_DER, len);
        if (header > 2) {
            if (!decoder_put(d, room, header - 2)) return false;
            memmove(d->out + at + header, d->out + at + 2, len);
        }
        write_header(d->out + at, HEADER_DER, (uint8_t)tag, len, header);
    }
    return true;
}

static bool take_raw(struct decoder *d, size_t len)
{
    struct bytes raw;

    return bytes_read_take(&d->raw, &raw, len) &&
           decoder_put(d, raw.data, raw.len);
}

static bool take_uint(struct decoder *d, size_t len)
{
    struct bytes raw;

    if (len + 1 > d->max - d->len || !bytes_read_take(&d->raw, &raw, len)) {
        return false;
    }
    d->len += derive_uint_join(d->out + d->len, raw.data, len);
    return true;
}

static bool take_zeros(struct decoder *d)
{
    size_t len;

    if (!take_varint(d, &len) || len > d->max - d->len) return false;
    memset(d->out + d->len, 0, len);
    d->len += len;
    return true;
}

static bool make_date(struct decoder *d, const struct step *step)
{
    uint8_t date[DATE_LEN_MAX];
    size_t len = derive_date(date, step->tag,
                             step->kind == OP_BEFORE ? d->facts->not_before
                                                     : d->facts->not_after);

    return len > 0 && decoder_put(d, date, len);
}

static bool make_ski(struct decoder *d, const struct step *step)
{
    uint8_t ski[SKI_LEN];

    if (d->key_len == 0) return false;
    derive_ski(ski, step->kind, bytes_of(d->out + d->key_at, d->key_len));
    return decoder_put(d, ski, sizeof ski);
}

static bool fill(struct decoder *d, const struct templates *templates,
                 const struct step *step)
{
    uint8_t extension[INDEX_EXTENSION_LEN];
    size_t len;

    switch (step->kind) {
    case OP_TEXT:
        return take_text(d);
    case OP_RAW:
        return take_varint(d, &len) && take_raw(d, len);
    case OP_FIXED:
        return take_raw(d, step->len);
    case OP_UINT:
        return take_uint(d, step->len);
    case OP_ZEROS:
        return take_zeros(d);
    case OP_LIST:
    case OP_MIXED:
        return take_list(d, step, templates->runs.data + step->item);
    case OP_BEFORE:
    case OP_AFTER:
        return make_date(d, step);
    case OP_INDEX:
        derive_index(extension, d->facts->index);
        return decoder_put(d, extension, sizeof extension);
    case OP_SKI_1:
    case OP_SKI_256:
        return make_ski(d, step);
    case OP_SCTS:
        return scts_decode(d);
    default:
        return false;
    }
}

// Puts the header of the element right that begins at `at` and ends here.
static bool end_element(struct decoder *d, const struct step *step, size_t at)
{
    static const uint8_t room[HEADER_LEN_MAX];
    size_t guess = step->guess, len = d->len - at - guess;
    size_t header = header_len(step->header, len);

    if (header != guess) {
        if (header > guess && !decoder_put(d, room, header - guess)) {
            return false;
        }
        memmove(d->out + at + header, d->out + at + guess, len);
        d->len = at + header + len;
        if (d->key_at > at) d->key_at += header - guess;
    }
    write_header(d->out + at, step->header, step->tag, len, header);
    if (step->tag == DER_BIT_STRING && d->key_len == 0 &&
        step->header == HEADER_DER && len > 1) {
        d->key_at = at + header + 1;
        d->key_len = len - 1;
    }
    return true;
}

// What is open began before: nothing that moves since moves that.
static bool take_steps(struct decoder *d, const struct templates *templates,
                       const struct step *steps)
{
    uint32_t runs_at[STEPS_MAX]; // in the body

    for (size_t i = 0;; i++) {
        const struct step *step = &steps[i];

        runs_at[i] = (uint32_t)d->len;
        if (!decoder_put(d, templates->runs.data + step->run, step->run_len)) {
            return false;
        }
        if (step->kind == STEP_END) return true;
        if (step->kind != OP_OPEN && !fill(d, templates, step)) return false;
        if (!step->is_fixed &&
            !end_element(d, step, runs_at[step->begin] + step->before)) {
            return false;
        }
    }
}

bool template_decode(const struct templates *templates, uint32_t number,
                     const struct entry_facts *facts, struct bytes text,
                     struct bytes *raw, struct buffer *out)
{
    struct decoder d;

    if (number == 0) {
        buffer_append(out, text);
        return buffer_ok(out);
    }
    if (number > templates->num || !buffer_reserve(out, BODY_ROOM)) {
        return false;
    }
    d.facts = facts;
    d.logs = &templates->logs;
    d.text = text;
    d.raw = *raw;
    d.out = out->data + out->len;
    d.len = d.key_at = d.key_len = d.num_literals = 0;
    d.max = BODY_ROOM;
    if (!take_steps(&d, templates,
                    templates->steps + templates->list[number - 1].first) ||
        d.text.len != 0) {
        return false;
    }
    *raw = d.raw;
    out->len += d.len;
    return true;
}
