// fuzz_keys.c - keys there and back, and their order.
//
// The first byte chooses what is done: a key is read and written again, or
// two names, cut at the first NUL byte of the rest, are compared label by
// label.

#include <assert.h>

#include "index/store/keys.h"

static void check_key(struct bytes key)
{
    struct buffer value = {0}, again = {0};
    enum term_kind kind;

    if (keys_parse(key, &kind, &value)) {
        keys_append(&again, kind, buffer_bytes(&value));
        assert(bytes_equal(buffer_bytes(&again), key));
    } else {
        assert(value.len == 0);
    }
    buffer_cleanup(&value);
    buffer_cleanup(&again);
}

// Takes the last label off.
static struct bytes take_label(struct bytes *name, bool *more)
{
    size_t at = name->len;
    struct bytes label;

    while (at > 0 && name->data[at - 1] != '.') {
        at--;
    }
    label = bytes_of(name->data + at, name->len - at);
    *more = at > 0;
    name->len = at == 0 ? 0 : at - 1;
    return label;
}

static int compare_names(struct bytes a, struct bytes b)
{
    bool more_a = a.len > 0, more_b = b.len > 0;

    while (more_a && more_b) {
        struct bytes label_a = take_label(&a, &more_a);
        struct bytes label_b = take_label(&b, &more_b);
        int order = bytes_compare(label_a, label_b);

        if (order != 0) return order;
    }
    return (int)more_a - (int)more_b;
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static void check_order(struct bytes a, struct bytes b)
{
    struct buffer key_a = {0}, key_b = {0}, value = {0};
    struct buffer first = {0}, end = {0};
    enum term_kind kind;

    keys_append(&key_a, TERM_DNS, a);
    keys_append(&key_b, TERM_DNS, b);
    if (key_a.len < KEYS_LEN_MAX && key_b.len < KEYS_LEN_MAX) {
        assert(sign(compare_names(a, b)) ==
               sign(bytes_compare(buffer_bytes(&key_a), buffer_bytes(&key_b))));
        assert(keys_parse(buffer_bytes(&key_a), &kind, &value));
        assert(kind == TERM_DNS && bytes_equal(buffer_bytes(&value), a));
    }
    // Every name is in its own subtree, also a cut one.
    keys_subtree(&first, &end, a, true);
    assert(bytes_compare(buffer_bytes(&first), buffer_bytes(&key_a)) <= 0);
    assert(bytes_compare(buffer_bytes(&key_a), buffer_bytes(&end)) < 0);
    buffer_cleanup(&key_a);
    buffer_cleanup(&key_b);
    buffer_cleanup(&value);
    buffer_cleanup(&first);
    buffer_cleanup(&end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes rest = bytes_of(data, len);
    const uint8_t *nul;
    uint64_t choice;
    size_t at;

    if (!bytes_read_uint(&rest, &choice, 1)) return 0;
    if (choice % 2 == 0) {
        check_key(rest);
        return 0;
    }
    nul = rest.len == 0 ? NULL : memchr(rest.data, 0, rest.len);
    at = nul == NULL ? rest.len / 2 : (size_t)(nul - rest.data);
    check_order(bytes_of(rest.data, at),
                bytes_of(rest.data + at, rest.len - at));
    return 0;
}
