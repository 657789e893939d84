// json.c - see json.h.

#include "index/base/json.h"

#include <jansson.h>
#include <pthread.h>

#include "index/base/text.h"

// jansson has macros of these names; here they are functions.
#undef json_is_object
#undef json_is_array

// A struct json is jansson's json_t under our name.
static const json_t *inner(const struct json *value)
{
    return (const json_t *)(const void *)value;
}

static const struct json *outer(const json_t *value)
{
    return (const struct json *)(const void *)value;
}

// Where memory fails jansson may cut a string and go on: what its allocator
// refuses is noticed here.
static json_malloc_t outer_malloc;
static _Thread_local bool no_memory;

static void *take(size_t size)
{
    void *memory = outer_malloc(size);

    if (memory == NULL) no_memory = true;
    return memory;
}

static void watch_memory(void)
{
    json_free_t give_back;

    json_get_alloc_funcs(&outer_malloc, &give_back);
    json_set_alloc_funcs(take, give_back);
}

bool json_parse(struct json **out, struct bytes text, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char why[64];
    json_error_t error;
    json_t *document;

    if (text.len > JSON_DOCUMENT_MAX) {
        return err_set(err, ERR_MALFORMED, "JSON: %zu bytes, over the limit",
                       text.len);
    }
    (void)pthread_once(&once, watch_memory);
    no_memory = false;
    document = json_loadb((const char *)text.data, text.len,
                          JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (no_memory) {
        json_decref(document);
        return err_set(err, ERR_MEMORY, "JSON: no memory for it");
    }
    if (document == NULL) {
        return err_set(
            err, ERR_MALFORMED, "JSON: line %d: %s", error.line,
            text_escape(why, sizeof why, bytes_from_text(error.text)));
    }
    *out = (struct json *)(void *)document;
    return true;
}

void json_free(struct json *document)
{
    json_decref((json_t *)(void *)document);
}

const struct json *json_member(const struct json *object, const char *name)
{
    return outer(json_object_get(inner(object), name));
}

size_t json_size(const struct json *value)
{
    return json_is_array(value) ? json_array_size(inner(value))
                                : json_object_size(inner(value));
}

const struct json *json_at(const struct json *array, size_t index)
{
    return outer(json_array_get(inner(array), index));
}

bool json_is_object(const struct json *value)
{
    return value != NULL && json_typeof(inner(value)) == JSON_OBJECT;
}

bool json_is_array(const struct json *value)
{
    return value != NULL && json_typeof(inner(value)) == JSON_ARRAY;
}

bool json_text(const struct json *value, struct bytes *out)
{
    if (!json_is_string(inner(value))) return false;
    *out = bytes_of(json_string_value(inner(value)),
                    json_string_length(inner(value)));
    return true;
}

bool json_uint(const struct json *value, uint64_t *out)
{
    json_int_t number;

    if (!json_is_integer(inner(value))) return false;
    number = json_integer_value(inner(value));
    if (number < 0) return false;
    *out = (uint64_t)number;
    return true;
}

bool json_base64(const struct json *value, struct buffer *out)
{
    struct bytes text;

    return json_text(value, &text) && text_parse_base64(out, text);
}

// Appends what is printable UTF-8 already; of that JSON escapes two characters.
static void append_printable(struct buffer *out, struct bytes text)
{
    size_t start = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '"' && text.data[i] != '\\') continue;
        buffer_append(out, bytes_of(text.data + start, i - start));
        buffer_append_byte(out, '\\');
        start = i;
    }
    buffer_append(out, bytes_of(text.data + start, text.len - start));
}

// Of eight bytes: the top bit of each that is less than `n`, at most 128; and
// of each that is `c`.  Exact where no byte has its top bit set.
static uint64_t below(uint64_t word, uint8_t n)
{
    return (word - UINT64_MAX / 255 * n) & ~word;
}

static uint64_t equals(uint64_t word, uint8_t c)
{
    return below(word ^ UINT64_MAX / 255 * c, 1);
}

// Of eight bytes at `at`: whether one is not plain.
static bool has_odd(const uint8_t *at)
{
    uint64_t word, odd;

    memcpy(&word, at, sizeof word);
    odd = word | below(word, 0x20) | equals(word, '"') | equals(word, '\\') |
          equals(word, 0x7f);
    return (odd & UINT64_MAX / 255 * 0x80) != 0;
}

bool json_is_plain(struct bytes bytes)
{
    enum { STEP = 8 };

    if (bytes.len >= STEP) {
        const uint8_t *last = bytes.data + bytes.len - STEP;

        for (const uint8_t *at = bytes.data; at < last; at += STEP) {
            if (has_odd(at)) return false;
        }
        return !has_odd(last); // some of them for the second time
    }
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = bytes.data[i];

        if (byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\') {
            return false;
        }
    }
    return true;
}

static void append_plain(struct buffer *out, struct bytes bytes)
{
    uint8_t *to;

    if (!buffer_reserve(out, bytes.len + 2)) return;
    to = out->data + out->len;
    to[0] = '"';
    if (bytes.len > 0) memcpy(to + 1, bytes.data, bytes.len);
    to[bytes.len + 1] = '"';
    out->len += bytes.len + 2;
}

void json_append_string(struct buffer *out, struct bytes bytes)
{
    struct buffer escaped = {0};

    if (json_is_plain(bytes)) {
        append_plain(out, bytes);
        return;
    }
    text_append_escaped(&escaped, bytes);
    if (!buffer_ok(&escaped)) out->failed = true;
    buffer_append_byte(out, '"');
    append_printable(out, buffer_bytes(&escaped));
    buffer_append_byte(out, '"');
    buffer_cleanup(&escaped);
}

bool json_append_verbatim(struct buffer *out, struct bytes bytes)
{
    struct bytes rest = bytes;
    uint32_t character;

    if (json_is_plain(bytes)) {
        append_plain(out, bytes);
        return true;
    }
    while (rest.len > 0) {
        if (!text_utf8_next(&rest, &character) || character == 0) return false;
    }
    buffer_append_byte(out, '"');
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = bytes.data[i];

        if (byte == '\n') {
            buffer_append_text(out, "\\n");
        } else if (byte < 0x20) {
            buffer_printf(out, "\\u%04x", byte);
        } else {
            if (byte == '"' || byte == '\\') buffer_append_byte(out, '\\');
            buffer_append_byte(out, byte);
        }
    }
    buffer_append_byte(out, '"');
    return true;
}
