// scan.c - see scan.h.

#include "query/scan.h"

bool scan_is_between(const struct scan *scan)
{
    return scan->depth == 0;
}

void scan_reset(struct scan *scan)
{
    scan->depth = 0;
    scan->in_string = false;
    scan->is_escaped = false;
    scan->in_issuances = false;
}

void scan_cleanup(struct scan *scan)
{
    buffer_cleanup(&scan->part);
    buffer_cleanup(&scan->rest);
}

static bool malformed(struct err *err, const char *why)
{
    return err_set(err, ERR_NETWORK, "the answer: %s", why);
}

// Keeps the last string at depth 1: before a `[` it is the member's name.
static void note_key(struct scan *scan, uint8_t c)
{
    if (scan->depth != 1) return;
    if (scan->key_len < SCAN_KEY_MAX) scan->key[scan->key_len++] = (char)c;
}

static bool is_issuances(const struct scan *scan)
{
    return bytes_equal_text(bytes_of(scan->key, scan->key_len), "issuances");
}

// Where a byte goes: an issuance's, or the rest's.
static bool keep(struct scan *scan, uint8_t c, struct err *err)
{
    // Depth 2 within the array is the array itself: its commas are nobody's.
    bool in_part = scan->in_issuances && scan->depth >= 3;
    struct buffer *to = in_part ? &scan->part : &scan->rest;

    if (scan->in_issuances && !in_part) return true;
    if (in_part && scan->on_issuance == NULL) return true;
    if (to->len == SCAN_PART_MAX) return malformed(err, "a part is too long");
    buffer_append_byte(to, c);
    return buffer_ok(to) ||
           err_set(err, ERR_MEMORY, "the answer: no memory left for it");
}

static bool open_bracket(struct scan *scan, uint8_t c, struct err *err)
{
    scan->depth++;
    if (scan->depth == 1) {
        if (c != '{') return malformed(err, "an object is expected");
        scan->num_issuances = 0;
        buffer_reset(&scan->rest);
    }
    if (scan->depth == 3 && scan->in_issuances) {
        scan->num_issuances++;
        buffer_reset(&scan->part);
    }
    if (!keep(scan, c, err)) return false;
    if (scan->depth == 2 && c == '[' && is_issuances(scan)) {
        scan->in_issuances = true;
    }
    return true;
}

static bool close_bracket(struct scan *scan, uint8_t c, struct err *err)
{
    if (scan->depth == 0) return malformed(err, "a bracket too many");
    if (scan->depth == 2) scan->in_issuances = false;
    if (!keep(scan, c, err)) return false;
    scan->depth--;
    if (scan->depth == 2 && scan->in_issuances && scan->on_issuance != NULL) {
        return scan->on_issuance(scan->context, buffer_bytes(&scan->part), err);
    }
    return true;
}

static bool take_string_byte(struct scan *scan, uint8_t c, struct err *err)
{
    if (scan->is_escaped) {
        scan->is_escaped = false;
    } else if (c == '\\') {
        scan->is_escaped = true;
    } else if (c == '"') {
        scan->in_string = false;
    }
    if (scan->in_string) note_key(scan, c);
    return keep(scan, c, err);
}

static bool take(struct scan *scan, uint8_t c, struct err *err)
{
    if (scan->in_string) return take_string_byte(scan, c, err);
    switch (c) {
    case '{':
    case '[':
        return open_bracket(scan, c, err);
    case '}':
    case ']':
        return close_bracket(scan, c, err);
    case '"':
        scan->in_string = scan->depth > 0;
        if (scan->depth == 1) scan->key_len = 0;
        break;
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        return scan->depth == 0 || keep(scan, c, err);
    default:
        break;
    }
    if (scan->depth == 0) return malformed(err, "an object is expected");
    return keep(scan, c, err);
}

bool scan_feed(struct scan *scan, struct bytes bytes, struct err *err)
{
    size_t from = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        bool was_between = scan->depth == 0;

        if (!take(scan, bytes.data[i], err)) return false;
        if (was_between && scan->depth == 0) from = i + 1;
        if (was_between || scan->depth > 0) continue;
        if (!scan->on_bytes(scan->context,
                            bytes_of(bytes.data + from, i + 1 - from), err) ||
            !scan->on_end(scan->context, buffer_bytes(&scan->rest),
                          scan->num_issuances, err)) {
            return false;
        }
        from = i + 1;
    }
    if (from == bytes.len) return true;
    return scan->on_bytes(scan->context,
                          bytes_of(bytes.data + from, bytes.len - from), err);
}
