// get_entries.c - see get_entries.h.

#include "ingest/parse/get_entries.h"

#include "index/base/text.h"
#include "ingest/parse/base64.h"

struct scanner {
    uint8_t *start, *at, *end;
    const char *what; // what was wrong first
};

// Every reader below says no through this, so that the first reason stays.
static bool refuse(struct scanner *scan, const char *what)
{
    if (scan->what == NULL) scan->what = what;
    return false;
}

static void skip_blanks(struct scanner *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' ||
                                    *scan->at == '\n' || *scan->at == '\r')) {
        scan->at++;
    }
}

// take skips blanks and takes `byte`, if it is next.
static bool take(struct scanner *scan, uint8_t byte)
{
    skip_blanks(scan);
    if (scan->at == scan->end || *scan->at != byte) return false;
    scan->at++;
    return true;
}

// ---------------------------------------------------------------- strings

static bool read_hex4(struct scanner *scan, uint32_t *value)
{
    uint8_t octets[2];

    if (scan->end - scan->at < 4 ||
        !text_parse_hex(octets, 2, bytes_of(scan->at, 4))) {
        return refuse(scan, "bad \\u escape");
    }
    *value = (uint32_t)octets[0] << 8 | octets[1];
    scan->at += 4;
    return true;
}

// After "\u": one character, from a surrogate pair too.
static bool read_unicode(struct scanner *scan, uint32_t *character)
{
    uint32_t low;

    if (!read_hex4(scan, character)) return false;
    if (*character < 0xd800 || *character > 0xdfff) return true;
    if (*character >= 0xdc00 || scan->end - scan->at < 2 ||
        scan->at[0] != '\\' || scan->at[1] != 'u') {
        return refuse(scan, "lone surrogate");
    }
    scan->at += 2;
    if (!read_hex4(scan, &low)) return false;
    if (low < 0xdc00 || low > 0xdfff) return refuse(scan, "lone surrogate");
    *character = 0x10000 + ((*character - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static uint8_t *put_utf8(uint8_t *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (uint8_t)c;
        return out;
    }
    if (c < 0x800) {
        *out++ = (uint8_t)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *out++ = (uint8_t)(0xe0 | c >> 12);
        } else {
            *out++ = (uint8_t)(0xf0 | c >> 18);
            *out++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        }
        *out++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    }
    *out++ = (uint8_t)(0x80 | (c & 0x3f));
    return out;
}

// After a backslash.  An escape is never shorter than what it stands for.
static bool read_escape(struct scanner *scan, uint8_t **out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *found;
    uint32_t character;

    if (scan->at == scan->end) return refuse(scan, "string does not end");
    if (*scan->at == 'u') {
        scan->at++;
        if (!read_unicode(scan, &character)) return false;
        *out = put_utf8(*out, character);
        return true;
    }
    found = memchr(from, *scan->at, sizeof from - 1);
    if (found == NULL) return refuse(scan, "bad escape");
    *(*out)++ = (uint8_t)to[found - from];
    scan->at++;
    return true;
}

// read_string takes the rest of a string, unescaped in place; the opening
// quote is taken already.
static bool read_string(struct scanner *scan, struct bytes *out)
{
    uint8_t *begin = scan->at;
    uint8_t *to = begin;

    for (;;) {
        if (scan->at == scan->end) return refuse(scan, "string does not end");
        if (*scan->at == '"') break;
        if (*scan->at < 0x20) return refuse(scan, "control byte in a string");
        if (*scan->at == '\\') {
            scan->at++;
            if (!read_escape(scan, &to)) return false;
        } else if (*scan->at < 0x80) {
            *to++ = *scan->at++;
        } else {
            struct bytes rest =
                bytes_of(scan->at, (size_t)(scan->end - scan->at));
            uint32_t character;

            if (!text_utf8_next(&rest, &character)) {
                return refuse(scan, "string is no UTF-8");
            }
            to = put_utf8(to, character);
            scan->at = scan->end - rest.len;
        }
    }
    scan->at++;
    *out = bytes_of(begin, (size_t)(to - begin));
    return true;
}

// The value of leaf_input or extra_data, decoded in place.  Nearly all of an
// answer's bytes pass through here, once: digits are decoded as long as they
// come, the quote is looked for in what is left, and only with a backslash
// there does that go the long way.
static bool read_base64(struct scanner *scan, struct bytes *out)
{
    struct bytes text;
    uint8_t *begin, *rest, *quote;
    size_t num_digits, len;

    if (!take(scan, '"')) return refuse(scan, "string expected");
    begin = scan->at;
    num_digits = base64_decode_begin(
        begin, bytes_of(begin, (size_t)(scan->end - begin)));
    rest = begin + num_digits;
    quote = memchr(rest, '"', (size_t)(scan->end - rest));
    if (quote == NULL) return refuse(scan, "string does not end");
    text = bytes_of(rest, (size_t)(quote - rest));
    if (memchr(rest, '\\', text.len) == NULL) {
        scan->at = quote + 1;
    } else {
        scan->at = rest;
        if (!read_string(scan, &text)) return false;
    }
    num_digits = base64_len_max(num_digits);
    if (!base64_decode(begin + num_digits, &len, text)) {
        return refuse(scan, "bad base64");
    }
    *out = bytes_of(begin, num_digits + len);
    return true;
}

// ------------------------------------------------- what is passed over

static bool is_digit(const struct scanner *scan)
{
    return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

static bool skip_digits(struct scanner *scan)
{
    if (!is_digit(scan)) return refuse(scan, "bad number");
    while (is_digit(scan)) {
        scan->at++;
    }
    return true;
}

static bool skip_number(struct scanner *scan)
{
    if (*scan->at == '-') scan->at++;
    if (scan->at < scan->end && *scan->at == '0') {
        scan->at++;
    } else if (!skip_digits(scan)) {
        return false;
    }
    if (scan->at < scan->end && *scan->at == '.') {
        scan->at++;
        if (!skip_digits(scan)) return false;
    }
    if (scan->at < scan->end && (*scan->at == 'e' || *scan->at == 'E')) {
        scan->at++;
        if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-')) {
            scan->at++;
        }
        return skip_digits(scan);
    }
    return true;
}

static bool skip_word(struct scanner *scan)
{
    static const char *const words[] = {"true", "false", "null"};

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        struct bytes word = bytes_from_text(words[i]);

        if (bytes_starts_with(
                bytes_of(scan->at, (size_t)(scan->end - scan->at)), word)) {
            scan->at += word.len;
            return true;
        }
    }
    return refuse(scan, "no JSON value");
}

static bool skip_scalar(struct scanner *scan)
{
    struct bytes text;

    if (take(scan, '"')) return read_string(scan, &text);
    if (*scan->at == '-' || is_digit(scan)) return skip_number(scan);
    return skip_word(scan);
}

static bool skip_name(struct scanner *scan)
{
    struct bytes name;

    if (!take(scan, '"')) return refuse(scan, "member name expected");
    if (!read_string(scan, &name)) return false;
    if (!take(scan, ':')) return refuse(scan, "':' expected");
    return true;
}

// skip_value passes over one value of any kind, without recursion: `closers`
// holds the bracket that each open array or object ends with.
static bool skip_value(struct scanner *scan)
{
    uint8_t closers[GET_ENTRIES_DEPTH_MAX];
    size_t depth = 0;

    for (;;) {
        skip_blanks(scan);
        if (scan->at == scan->end) return refuse(scan, "value missing");
        if (*scan->at == '{' || *scan->at == '[') {
            uint8_t closer = *scan->at == '{' ? '}' : ']';

            if (depth == COUNT_OF(closers)) {
                return refuse(scan, "nested too deep");
            }
            scan->at++;
            if (!take(scan, closer)) {
                closers[depth++] = closer;
                if (closer == '}' && !skip_name(scan)) return false;
                continue;
            }
        } else if (!skip_scalar(scan)) {
            return false;
        }
        while (depth > 0 && take(scan, closers[depth - 1])) {
            depth--;
        }
        if (depth == 0) return true;
        if (!take(scan, ',')) return refuse(scan, "',' expected");
        if (closers[depth - 1] == '}' && !skip_name(scan)) return false;
    }
}

// ---------------------------------------------------------------- the answer

// member_next takes "," (but before the first) and a member's name with its
// colon; `*end` is set at the closing bracket.
static bool member_next(struct scanner *scan, bool is_first, struct bytes *name,
                        bool *end)
{
    *end = take(scan, '}');
    if (*end) return true;
    if (!is_first && !take(scan, ',')) return refuse(scan, "',' expected");
    if (!take(scan, '"')) return refuse(scan, "member name expected");
    if (!read_string(scan, name)) return false;
    if (memchr(name->data, 0, name->len) != NULL) {
        return refuse(scan, "NUL in a member name");
    }
    if (!take(scan, ':')) return refuse(scan, "':' expected");
    return true;
}

static bool read_entry(struct scanner *scan, struct get_entry *entry)
{
    struct bytes name, *value;
    bool has_leaf = false, has_extra = false, end, *has;

    if (!take(scan, '{')) return refuse(scan, "entry is no object");
    for (bool is_first = true;; is_first = false) {
        if (!member_next(scan, is_first, &name, &end)) return false;
        if (end) break;
        if (bytes_equal_text(name, "leaf_input")) {
            value = &entry->leaf_input;
            has = &has_leaf;
        } else if (bytes_equal_text(name, "extra_data")) {
            value = &entry->extra_data;
            has = &has_extra;
        } else {
            if (!skip_value(scan)) return false;
            continue;
        }
        if (*has) return refuse(scan, "duplicate member");
        *has = true;
        if (!read_base64(scan, value)) return false;
    }
    if (!has_leaf) return refuse(scan, "entry without leaf_input");
    if (!has_extra) return refuse(scan, "entry without extra_data");
    return true;
}

static bool read_entries(struct scanner *scan, struct get_entry *entries,
                         size_t max, size_t *num_entries)
{
    if (!take(scan, '[')) return refuse(scan, "entries is no array");
    if (take(scan, ']')) return refuse(scan, "no entries");
    do {
        if (*num_entries == max) return refuse(scan, "more than asked for");
        if (!read_entry(scan, &entries[*num_entries])) return false;
        (*num_entries)++;
    } while (take(scan, ','));
    if (!take(scan, ']')) return refuse(scan, "',' or ']' expected");
    return true;
}

static bool read_answer(struct scanner *scan, struct get_entry *entries,
                        size_t max, size_t *num_entries)
{
    struct bytes name;
    bool has_entries = false, end;

    if (!take(scan, '{')) return refuse(scan, "no JSON object");
    for (bool is_first = true;; is_first = false) {
        if (!member_next(scan, is_first, &name, &end)) return false;
        if (end) break;
        if (!bytes_equal_text(name, "entries")) {
            if (!skip_value(scan)) return false;
            continue;
        }
        if (has_entries) return refuse(scan, "duplicate member");
        has_entries = true;
        if (!read_entries(scan, entries, max, num_entries)) return false;
    }
    if (!has_entries) return refuse(scan, "no member entries");
    skip_blanks(scan);
    return scan->at == scan->end || refuse(scan, "trailing bytes");
}

bool get_entries_parse(struct get_entry *entries, size_t max,
                       size_t *num_entries, uint8_t *body, size_t body_len,
                       struct err *err)
{
    struct scanner scan = {.start = body, .at = body, .end = body + body_len};

    *num_entries = 0;
    if (body_len != 0 && read_answer(&scan, entries, max, num_entries)) {
        return true;
    }
    return err_set(err, ERR_MALFORMED, "get-entries: byte %zu: %s",
                   (size_t)(scan.at - scan.start),
                   scan.what != NULL ? scan.what : "empty");
}
