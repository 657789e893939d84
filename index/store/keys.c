// keys.c - see keys.h.

#include "index/store/keys.h"

#include <assert.h>

enum { CLOSE = 0x00, ESCAPE = 0x01, ESCAPED_00 = 0x01, ESCAPED_01 = 0x02 };

// What each kind's value is made into.
enum shape { SHAPE_NONE, SHAPE_LABELS, SHAPE_CLOSED, SHAPE_PLAIN };

static enum shape shape_of(enum term_kind kind, size_t *len)
{
    *len = SHA256_LEN;
    switch (kind) {
    case TERM_DNS:
    case TERM_IRREGULAR:
        return SHAPE_LABELS;
    case TERM_CN_TEXT:
    case TERM_IP_OCTETS:
    case TERM_SERIAL:
        return SHAPE_CLOSED;
    case TERM_IPV4:
        *len = 4;
        return SHAPE_PLAIN;
    case TERM_IPV6:
        *len = 16;
        return SHAPE_PLAIN;
    case TERM_CERT_SHA256:
    case TERM_TBS_SHA256:
    case TERM_SPKI_SHA256:
    case TERM_ISSUER_KEY:
        return SHAPE_PLAIN;
    }
    return SHAPE_NONE;
}

static void append_closed(struct buffer *out, struct bytes label)
{
    if (label.len == 0) buffer_append_byte(out, ESCAPE);
    while (label.len > 0) {
        size_t len = 0;

        while (len < label.len && label.data[len] > ESCAPE) {
            len++;
        }
        buffer_append(out, bytes_of(label.data, len));
        (void)bytes_skip(&label, len);
        if (label.len == 0) break;
        buffer_append_byte(out, ESCAPE);
        buffer_append_byte(out, label.data[0] == 0 ? ESCAPED_00 : ESCAPED_01);
        (void)bytes_skip(&label, 1);
    }
    buffer_append_byte(out, CLOSE);
}

static bool needs_escape(struct bytes value)
{
    return memchr(value.data, 0x00, value.len) != NULL ||
           memchr(value.data, ESCAPE, value.len) != NULL;
}

// The name "" has no labels at all.
static void append_labels(struct buffer *out, struct bytes name)
{
    size_t end = name.len;
    uint8_t *to;
    bool plain;

    if (name.len == 0 || !buffer_reserve(out, 2 * name.len + 2)) return;
    plain = !needs_escape(name);
    for (bool more = true; more;) {
        const uint8_t *dot = memrchr(name.data, '.', end);
        size_t start = dot == NULL ? 0 : (size_t)(dot - name.data) + 1;
        struct bytes label = bytes_of(name.data + start, end - start);

        if (plain && label.len > 0) {
            to = out->data + out->len;
            memcpy(to, label.data, label.len);
            to[label.len] = CLOSE;
            out->len += label.len + 1;
        } else {
            append_closed(out, label);
        }
        more = dot != NULL;
        if (more) end = start - 1;
    }
}

static void append_whole(struct buffer *out, enum term_kind kind,
                         struct bytes value)
{
    size_t len;

    buffer_append_byte(out, (uint8_t)kind);
    switch (shape_of(kind, &len)) {
    case SHAPE_LABELS:
        append_labels(out, value);
        return;
    case SHAPE_CLOSED:
        append_closed(out, value);
        return;
    default:
        buffer_append(out, value);
        return;
    }
}

void keys_append(struct buffer *out, enum term_kind kind, struct bytes value)
{
    size_t start = out->len;
    struct sha256_hash hash;

    append_whole(out, kind, value);
    if (!buffer_ok(out) || out->len - start < KEYS_LEN_MAX) return;
    hash = sha256(bytes_of(out->data + start, out->len - start));
    out->len = start + KEYS_CUT_LEN;
    buffer_append(out, sha256_bytes(&hash));
}

// The first key that does not begin as `prefix` does.  A prefix begins with a
// kind, of which none is 0xff.
static void append_end(struct buffer *out, struct bytes prefix)
{
    size_t len = prefix.len;

    while (len > 0 && prefix.data[len - 1] == 0xff) {
        len--;
    }
    if (len == 0) return;
    buffer_append(out, bytes_of(prefix.data, len));
    if (buffer_ok(out)) out->data[out->len - 1]++;
}

bool keys_subtree(struct buffer *first, struct buffer *end, struct bytes name,
                  bool self)
{
    struct buffer whole = {0};
    struct bytes prefix;
    bool is_exact;

    append_whole(&whole, TERM_DNS, name);
    prefix = buffer_bytes(&whole);
    is_exact = prefix.len <= KEYS_CUT_LEN;
    if (!is_exact) prefix.len = KEYS_CUT_LEN;
    buffer_append(first, prefix);
    if (is_exact && !self) buffer_append_byte(first, ESCAPE);
    append_end(end, prefix);
    if (!buffer_ok(&whole)) first->failed = end->failed = true;
    buffer_cleanup(&whole);
    return is_exact;
}

void keys_prefix(struct buffer *first, struct buffer *end, struct bytes octets,
                 unsigned prefix_len)
{
    enum term_kind kind = octets.len == 4 ? TERM_IPV4 : TERM_IPV6;
    uint8_t key[1 + 16];
    size_t num_whole;

    assert(octets.len == 4 || octets.len == 16);
    num_whole = prefix_len / 8;
    key[0] = (uint8_t)kind;
    memcpy(key + 1, octets.data, octets.len);
    for (size_t i = num_whole; i < octets.len; i++) {
        unsigned kept = i == num_whole ? prefix_len % 8 : 0;

        key[1 + i] &= (uint8_t)(0xff00u >> kept);
    }
    buffer_append(first, bytes_of(key, 1 + octets.len));
    for (size_t i = num_whole; i < octets.len; i++) {
        unsigned kept = i == num_whole ? prefix_len % 8 : 0;

        key[1 + i] |= (uint8_t)(0xffu >> kept);
    }
    append_end(end, bytes_of(key, 1 + octets.len));
}

// Takes one closed label off the front.
static bool read_closed(struct bytes *key, struct buffer *out)
{
    bool is_empty = true;

    while (key->len > 0) {
        uint8_t c = key->data[0];

        (void)bytes_skip(key, 1);
        if (c == CLOSE) return !is_empty;
        if (c != ESCAPE) {
            buffer_append_byte(out, c);
        } else if (key->len == 0) {
            return false;
        } else if (key->data[0] == CLOSE && is_empty) {
            return bytes_skip(key, 1);
        } else if (key->data[0] == ESCAPED_00 || key->data[0] == ESCAPED_01) {
            buffer_append_byte(out, key->data[0] == ESCAPED_00 ? 0x00 : 0x01);
            (void)bytes_skip(key, 1);
        } else {
            return false;
        }
        is_empty = false;
    }
    return false;
}

static void reverse(uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len / 2; i++) {
        uint8_t c = data[i];

        data[i] = data[len - 1 - i];
        data[len - 1 - i] = c;
    }
}

// Each label is turned around as it comes, all of them at the end.
static bool read_labels(struct bytes key, struct buffer *out)
{
    size_t start = out->len;

    for (size_t num = 0; key.len > 0; num++) {
        size_t label;

        if (num > 0) buffer_append_byte(out, '.');
        label = out->len;
        if (!read_closed(&key, out)) return false;
        for (size_t i = label; i < out->len; i++) {
            if (out->data[i] == '.') return false;
        }
        if (buffer_ok(out) && out->len > label) {
            reverse(out->data + label, out->len - label);
        }
        // One empty label is no name: as text it is the one without labels.
        if (num == 0 && key.len == 0 && out->len == start) return false;
    }
    if (buffer_ok(out) && out->len > start) {
        reverse(out->data + start, out->len - start);
    }
    return true;
}

bool keys_parse(struct bytes key, enum term_kind *kind, struct buffer *value)
{
    uint64_t first;
    size_t start = value->len, len;
    bool ok = false;

    if (key.len >= KEYS_LEN_MAX || !bytes_read_uint(&key, &first, 1)) {
        return false;
    }
    switch (shape_of((enum term_kind)first, &len)) {
    case SHAPE_LABELS:
        ok = read_labels(key, value);
        break;
    case SHAPE_CLOSED:
        ok = read_closed(&key, value) && key.len == 0;
        break;
    case SHAPE_PLAIN:
        ok = key.len == len;
        if (ok) buffer_append(value, key);
        break;
    case SHAPE_NONE:
        break;
    }
    if (!ok || !buffer_ok(value)) {
        value->len = start;
        return false;
    }
    *kind = (enum term_kind)first;
    return true;
}
