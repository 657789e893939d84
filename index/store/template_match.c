// template_match.c - see template_match.h.
//
// The template says what stands where: what is constant is compared, and of an
// element that is or holds a hole the header is read.  So no body has to be
// taken apart for it.

#include "index/store/template_match.h"

#include "index/base/varint.h"
#include "index/store/template_hole.h"

struct match {
    struct coder *c;
    const uint8_t *example, *body;
    size_t head_len;
};

// Reads the header of the element of `op` at `token->start`.
static bool read_header(const struct match *match, const struct op *op,
                        struct token *token, size_t end)
{
    size_t at = token->start, content = at, element = at + 1;
    struct bytes view;
    uint64_t len;
    uint8_t tag;

    switch (op->header) {
    case HEADER_NONE:
        if (at == 0) element = match->head_len;
        break;
    case HEADER_VARINT:
        view = bytes_of(match->body + at, end - at);
        if (!varint_read(&view, &len) || len > view.len) return false;
        content = end - view.len;
        element = content + (size_t)len;
        break;
    default:
        if (!tokens_element(match->body, at, end, &tag, &content, &element) ||
            tag != op->tag) {
            return false;
        }
        break;
    }
    token->content = (uint32_t)content;
    token->end = (uint32_t)element;
    return element <= end;
}

// A number that is far from as long as the template's would be filled up.
static bool is_sized(const struct op *op, const struct token *token)
{
    return op->kind != OP_UINT ||
           tokens_size_class(token->end - token->content) ==
               tokens_size_class(op->len);
}

// Writes what stands in [at, end) by `num` ops.
static bool put_ops(const struct match *match, const struct op *op, size_t num,
                    size_t at, size_t end)
{
    for (const struct op *last = op + num; op < last; op++) {
        struct token token = {.start = (uint32_t)at};

        if (op->kind == OP_CONST) {
            if (op->len > end - at ||
                memcmp(match->body + at, match->example + op->at, op->len) !=
                    0) {
                return false;
            }
            at += op->len;
            continue;
        }
        if (at >= end || !read_header(match, op, &token, end)) return false;
        at = token.end;
        if (op->kind == OP_OPEN) {
            size_t inner = token.content + (size_t)op->prefix;

            if (inner > token.end ||
                memcmp(match->body + token.content, match->example + op->at,
                       op->prefix) != 0 ||
                !put_ops(match, op + 1, op->num, inner, token.end)) {
                return false;
            }
            coder_note_key(match->c, match->body, op->header, op->tag, &token);
            op += op->num;
        } else {
            if (!is_sized(op, &token) ||
                !hole_put(match->c, op, match->example, match->body, &token)) {
                return false;
            }
            coder_note_key(match->c, match->body, op->header, op->tag, &token);
        }
    }
    return at == end;
}

bool template_match(struct coder *c, const struct op *ops, size_t num,
                    const uint8_t *example, struct bytes body, size_t head_len)
{
    const struct match match = {c, example, body.data, head_len};

    return head_len <= body.len && put_ops(&match, ops, num, 0, body.len);
}
