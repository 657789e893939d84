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
};

struct template
{
    size_t first_op, num_ops;
};

struct templates {
    uint8_t *consts; // the table's copy: ops' `at` are places in it
    struct op *ops;
    struct template *list;
    size_t num;
    struct sct_logs logs;
};

// ------------------------------------------------------------ the table

void templates_free(struct templates *templates)
{
    if (templates == NULL) return;
    free(templates->consts);
    free(templates->ops);
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

static bool read_template(struct templates *out, struct template *template,
                          struct bytes *view, size_t first_op, size_t max_ops)
{
    struct op *ops = out->ops + first_op;
    uint64_t num;

    if (!varint_read(view, &num) || num > TOKENS_MAX || num > max_ops) {
        return false;
    }
    *template = (struct template){first_op, (size_t)num};
    for (uint64_t i = 0; i < num; i++) {
        if (!read_op(view, &ops[i])) return false;
    }
    for (uint64_t i = 0; i < num; i++) {
        ops[i].at = (uint32_t)(view->data - out->consts);
        if (!bytes_skip(view, ops[i].kind == OP_CONST
                                  ? ops[i].len
                                  : (size_t)ops[i].prefix + ops[i].suffix)) {
            return false;
        }
    }
    return is_tree(ops, (size_t)num, 0);
}

static bool read_table(struct templates *out, struct bytes view, size_t max_ops)
{
    size_t num_ops = 0;
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
    for (size_t i = 0; i < out->num; i++) {
        if (!read_template(out, &out->list[i], &view, num_ops,
                           max_ops - num_ops)) {
            return false;
        }
        num_ops += out->list[i].num_ops;
    }
    return view.len == 0;
}

bool templates_read(struct templates **out, struct bytes table, bool *no_memory)
{
    struct templates *templates = calloc(1, sizeof *templates);
    size_t max_ops = table.len / OP_LEN_MIN + 1;
    bool ok = false;

    *no_memory = true;
    if (templates != NULL) {
        templates->consts = malloc(table.len + 1);
        templates->ops = calloc(max_ops, sizeof *templates->ops);
        templates->list = calloc(TEMPLATES_MAX, sizeof *templates->list);
    }
    if (templates != NULL && templates->consts != NULL &&
        templates->ops != NULL && templates->list != NULL) {
        *no_memory = false;
        if (table.len > 0) memcpy(templates->consts, table.data, table.len);
        ok = table.len <= TEMPLATE_TABLE_MAX &&
             read_table(templates, bytes_of(templates->consts, table.len),
                        max_ops);
    }
    if (!ok) {
        templates_free(templates);
        return false;
    }
    *out = templates;
    return true;
}

// ------------------------------------------------------------ decoding

static size_t header_len(const struct op *op, size_t len)
{
    switch (op->header) {
    case HEADER_NONE:
        return 0;
    case HEADER_VARINT:
        return len < 0x80 ? 1 : len < 0x4000 ? 2 : 3;
    default:
        return len < 0x80 ? 2 : len < 0x100 ? 3 : HEADER_LEN_MAX;
    }
}

static void write_header(uint8_t *out, const struct op *op, size_t len,
                         size_t header)
{
    if (op->header == HEADER_VARINT) {
        for (size_t i = 0; i < header; i++, len >>= 7) {
            out[i] = (uint8_t)((len & 0x7f) | (i + 1 < header ? 0x80 : 0));
        }
    } else if (op->header == HEADER_DER) {
        out[0] = op->tag;
        out[1] = (uint8_t)(header == 2 ? len : 0x80 + header - 2);
        for (size_t i = header - 1; i > 1; i--, len >>= 8) {
            out[i] = (uint8_t)len;
        }
    }
}

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

static bool take_list(struct decoder *d, const struct op *op,
                      const uint8_t *consts)
{
    static const uint8_t room[HEADER_LEN_MAX];
    size_t num;

    if (!take_varint(d, &num)) return false;
    for (size_t i = 0; i < num; i++) {
        struct op item = {.header = HEADER_DER, .tag = op->item_tag};
        size_t at = d->len, header, len;
        uint64_t tag;

        if (op->kind == OP_MIXED) {
            if (!bytes_read_uint(&d->text, &tag, 1)) return false;
            item.tag = (uint8_t)tag;
        }
        if (!decoder_put(d, room, 2) ||
            !decoder_put(d, consts + op->at, op->prefix) || !take_text(d) ||
            !decoder_put(d, consts + op->at + op->prefix, op->suffix)) {
            return false;
        }
        len = d->len - at - 2;
        header = header_len(&item, len);
        if (header > 2) {
            if (!decoder_put(d, room, header - 2)) return false;
            memmove(d->out + at + header, d->out + at + 2, len);
        }
        write_header(d->out + at, &item, len, header);
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

static bool make_date(struct decoder *d, const struct op *op)
{
    uint8_t date[DATE_LEN_MAX];
    size_t len = derive_date(date, op->tag,
                             op->kind == OP_BEFORE ? d->facts->not_before
                                                   : d->facts->not_after);

    return len > 0 && decoder_put(d, date, len);
}

static bool make_ski(struct decoder *d, const struct op *op)
{
    uint8_t ski[SKI_LEN];

    if (d->key_len == 0) return false;
    derive_ski(ski, op->kind, bytes_of(d->out + d->key_at, d->key_len));
    return decoder_put(d, ski, sizeof ski);
}

static bool make_content(struct decoder *d, const struct templates *templates,
                         const struct op *op);

// Header and content.  The header is of the length that the template's has,
// until the content's length is known.
static bool make_element(struct decoder *d, const struct templates *templates,
                         const struct op *op)
{
    static const uint8_t room[HEADER_LEN_MAX];
    size_t at = d->len, prefix = op->kind == OP_LIST ? 0 : op->prefix;
    size_t guess = header_len(op, op->len + op->prefix);
    size_t len, header;

    if (!decoder_put(d, room, guess) ||
        !decoder_put(d, templates->consts + op->at, prefix) ||
        !make_content(d, templates, op)) {
        return false;
    }
    len = d->len - at - guess;
    header = header_len(op, len);
    if (header != guess) {
        if (header > guess && !decoder_put(d, room, header - guess)) {
            return false;
        }
        memmove(d->out + at + header, d->out + at + guess, len);
        d->len = at + header + len;
        if (d->key_at > at) d->key_at += header - guess;
    }
    write_header(d->out + at, op, len, header);
    if (d->key_len == 0 && op->header == HEADER_DER &&
        op->tag == DER_BIT_STRING && len > 1) {
        d->key_at = at + header + 1;
        d->key_len = len - 1;
    }
    return true;
}

static bool make_all(struct decoder *d, const struct templates *templates,
                     const struct op *op, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        bool ok = op[i].kind == OP_CONST
                      ? decoder_put(d, templates->consts + op[i].at, op[i].len)
                      : make_element(d, templates, &op[i]);

        if (!ok) return false;
        i += op[i].num;
    }
    return true;
}

static bool make_content(struct decoder *d, const struct templates *templates,
                         const struct op *op)
{
    uint8_t extension[INDEX_EXTENSION_LEN];
    size_t len;

    switch (op->kind) {
    case OP_OPEN:
        return make_all(d, templates, op + 1, op->num);
    case OP_TEXT:
        return take_text(d);
    case OP_RAW:
        return take_varint(d, &len) && take_raw(d, len);
    case OP_FIXED:
        return take_raw(d, op->len);
    case OP_UINT:
        return take_uint(d, op->len);
    case OP_ZEROS:
        return take_zeros(d);
    case OP_LIST:
    case OP_MIXED:
        return take_list(d, op, templates->consts);
    case OP_BEFORE:
    case OP_AFTER:
        return make_date(d, op);
    case OP_INDEX:
        derive_index(extension, d->facts->index);
        return decoder_put(d, extension, sizeof extension);
    case OP_SKI_1:
    case OP_SKI_256:
        return make_ski(d, op);
    case OP_SCTS:
        return scts_decode(d);
    default:
        return false;
    }
}

bool template_decode(const struct templates *templates, uint32_t number,
                     const struct entry_facts *facts, struct bytes text,
                     struct bytes *raw, struct buffer *out)
{
    const struct template *template;
    struct decoder d = {.facts = facts,
                        .logs = &templates->logs,
                        .text = text,
                        .raw = *raw,
                        .max = BODY_ROOM};

    if (number == 0) {
        buffer_append(out, text);
        return buffer_ok(out);
    }
    if (number > templates->num || !buffer_reserve(out, BODY_ROOM)) {
        return false;
    }
    template = &templates->list[number - 1];
    d.out = out->data + out->len;
    if (!make_all(&d, templates, templates->ops + template->first_op,
                  template->num_ops) ||
        d.text.len != 0) {
        return false;
    }
    *raw = d.raw;
    out->len += d.len;
    return true;
}
