// template_walk.c - a body as tokens; see template_parts.h.

#include "index/base/varint.h"
#include "index/entry/der.h"
#include "index/store/template_parts.h"

enum {
    TAG_SEQUENCE = DER_CONSTRUCTED | DER_SEQUENCE,
};

// What is open while its elements are read.
struct frame {
    struct token *token;
    uint64_t shape; // before it
    size_t start, end;
    bool single;          // one element and no more
    bool begins_with_oid; // an AlgorithmIdentifier, an Extension
};

struct walk {
    struct tokens *out;
    const uint8_t *data;
    struct frame frames[TOKEN_DEPTH_MAX];
    size_t depth;
};

static void mix(struct tokens *out, uint64_t value)
{
    out->shape = out->shape * UINT64_C(0x9e3779b97f4a7c15) + value;
}

// The last bytes of an OID.  Different ones make different shapes, mostly;
// where they do not, the bytes differ, and that is seen.
static void mix_oid(struct walk *walk, size_t at, size_t len)
{
    uint64_t word = 0;

    if (len > 0 && at + len >= sizeof word) {
        memcpy(&word, walk->data + at + len - sizeof word, sizeof word);
        if (len < sizeof word) word >>= 8 * (sizeof word - len);
    }
    mix(walk->out, word);
}

static bool is_list(const uint8_t *data, size_t at, size_t end)
{
    uint8_t tag;
    size_t content;

    if (at == end) return false;
    while (at < end) {
        if (!tokens_item(data, at, end, &tag, &content, &at)) return false;
    }
    return true;
}

static struct token *add(struct walk *walk, enum token_header header,
                         uint8_t tag, size_t start, size_t content, size_t end)
{
    struct tokens *out = walk->out;
    struct token *token;

    if (out->num == TOKENS_MAX) return NULL;
    token = &out->list[out->num++];
    *token = (struct token){.kind = TOKEN_LEAF,
                            .header = (uint8_t)header,
                            .tag = tag,
                            .num = 1,
                            .start = (uint32_t)start,
                            .content = (uint32_t)content,
                            .end = (uint32_t)end};
    return token;
}

static void open_frame(struct walk *walk, struct token *token, size_t at,
                       uint64_t shape, bool single)
{
    walk->frames[walk->depth++] = (struct frame){
        .token = token,
        .shape = shape,
        .start = at,
        .end = token->end,
        .single = single,
        .begins_with_oid =
            !single && at < token->end && walk->data[at] == DER_OID,
    };
}

static void close_token(struct walk *walk, struct token *token)
{
    struct tokens *out = walk->out;
    size_t len = token->end - token->content;

    token->num = (uint16_t)(&out->list[out->num] - token);
    mix(out, (uint64_t)token->tag << 8 | token->kind);
    if ((token->tag == DER_INTEGER || token->tag == DER_BIT_STRING) &&
        tokens_size_class(len) != 0) {
        mix(out, tokens_size_class(len));
    } else if (token->tag == DER_OID) {
        mix_oid(walk, token->content, len);
    }
}

// What is open cannot be taken apart after all: it stays one token.
static size_t give_up_frame(struct walk *walk)
{
    struct frame *frame = &walk->frames[--walk->depth];
    struct token *token = frame->token;

    walk->out->num = (size_t)(token - walk->out->list) + 1;
    walk->out->shape = frame->shape;
    token->prefix = 0;
    token->kind = TOKEN_LEAF;
    close_token(walk, token);
    return token->end;
}

// Opens a token that is made of elements, where it may be.
static bool descend(struct walk *walk, struct token *token,
                    const struct frame *in, size_t *at, uint64_t shape)
{
    const uint8_t *data = walk->data;
    size_t content = token->content, len = token->end - content;

    if ((token->tag & DER_CONSTRUCTED) != 0) {
        if (is_list(data, content, token->end)) {
            token->kind = TOKEN_LIST;
            return false;
        }
    } else if (token->tag == DER_BIT_STRING && len > 2 && data[content] == 0 &&
               data[content + 1] == TAG_SEQUENCE) {
        token->prefix = 1; // an RSA key, an ECDSA signature
    } else if (token->tag != DER_OCTET_STRING || len == 0 ||
               !in->begins_with_oid || token->end != in->end ||
               token->start == in->start) {
        return false;
    }
    if (walk->depth == TOKEN_DEPTH_MAX) {
        token->prefix = 0;
        return false;
    }
    token->kind = TOKEN_OPEN;
    *at = content + token->prefix;
    open_frame(walk, token, *at, shape, (token->tag & DER_CONSTRUCTED) == 0);
    return true;
}

// Reads one element of what is open.
static bool add_element(struct walk *walk, size_t *at)
{
    const struct frame *in = &walk->frames[walk->depth - 1];
    uint64_t shape = walk->out->shape;
    size_t content, end;
    struct token *token;
    uint8_t tag;

    if ((in->single && *at != in->start) ||
        !tokens_element(walk->data, *at, in->end, &tag, &content, &end)) {
        return false;
    }
    token = add(walk, HEADER_DER, tag, *at, content, end);
    if (token == NULL) return false;
    *at = end;
    if (!descend(walk, token, in, at, shape)) close_token(walk, token);
    return true;
}

// Reads the element that is all of [at, end), or that `token` holds there.
static bool add_tree(struct walk *walk, size_t at, size_t end)
{
    struct token whole = {.end = (uint32_t)end};

    walk->depth = 0;
    open_frame(walk, &whole, at, 0, true);
    for (;;) {
        while (at == walk->frames[walk->depth - 1].end) {
            if (walk->depth == 1) return true;
            close_token(walk, walk->frames[--walk->depth].token);
        }
        if (add_element(walk, &at)) continue;
        if (walk->depth == 1) return false;
        at = give_up_frame(walk);
    }
}

// A vector of a payload: varint length, bytes.
static bool add_vector(struct walk *walk, size_t *at, size_t end)
{
    struct bytes view = bytes_of(walk->data + *at, end - *at);
    size_t start = *at, content;
    uint64_t len;

    if (!varint_read(&view, &len) || len > view.len) return false;
    content = end - view.len;
    *at = content + (size_t)len;
    return add(walk, HEADER_VARINT, 0, start, content, *at) != NULL;
}

static bool add_payload(struct walk *walk, size_t at, size_t end)
{
    struct record_layout layout;
    struct token *precert;
    size_t first;

    if (at == end || !record_layout_of(&layout, walk->data[at])) return false;
    mix(walk->out, walk->data[at]);
    if (add(walk, HEADER_NONE, 0, at, at, at + 1) == NULL) return false;
    at++;
    if ((layout.has_issuer_key_hash && !add_vector(walk, &at, end)) ||
        !add_vector(walk, &at, end)) {
        return false;
    }
    if (!layout.is_precert) {
        return add_tree(walk, at, end);
    }
    first = walk->out->num;
    if (!add_vector(walk, &at, end) || at != end) return false;
    precert = &walk->out->list[first];
    at = precert->content;
    precert->kind = TOKEN_OPEN;
    if (!add_tree(walk, at, end)) return false;
    precert->num = (uint16_t)(walk->out->num - first);
    return true;
}

bool tokens_read(struct tokens *out, struct bytes body, size_t head_len)
{
    struct walk walk;

    walk.out = out;
    walk.data = body.data;
    out->num = 0;
    out->shape = 0;
    return head_len <= body.len && body.len <= TEMPLATE_BODY_MAX &&
           add(&walk, HEADER_NONE, 0, 0, 0, head_len) != NULL &&
           add_payload(&walk, head_len, body.len);
}
