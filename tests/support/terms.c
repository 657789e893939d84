// terms.c - see terms.h.

#include "tests/support/terms.h"

#include "index/base/text.h"
#include "tests/support/check.h"

struct bytes unescaped(const char *text)
{
    struct buffer raw = {0};
    struct bytes exact;

    assert_true(text_unescape(&raw, bytes_from_text(text)));
    exact = heap_copy(buffer_bytes(&raw));
    buffer_cleanup(&raw);
    return exact;
}

static const char *kind_word(enum term_kind kind)
{
    switch (kind) {
    case TERM_DNS:
        return "dns:";
    case TERM_IPV4:
    case TERM_IPV6:
        return "ip:";
    case TERM_IRREGULAR:
        return "irr:";
    case TERM_CN_TEXT:
        return "cn:";
    case TERM_IP_OCTETS:
        return "oct:";
    default:
        return "?";
    }
}

void append_terms(struct buffer *out, const struct term *terms, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        struct buffer raw = {0};

        if (i > 0) buffer_append_byte(out, ' ');
        if ((terms[i].via & VIA_DERIVED) != 0) buffer_append_byte(out, '~');
        buffer_append_text(out, kind_word(terms[i].kind));
        names_append_term(&raw, terms[i].kind, terms[i].value);
        text_append_escaped(out, buffer_bytes(&raw));
        buffer_cleanup(&raw);
    }
}

void append_flags(struct buffer *out, uint32_t flags)
{
    for (unsigned i = 0; i < 32; i++) {
        if ((flags >> i & 1) == 0) continue;
        if (out->len > 0) buffer_append_byte(out, ' ');
        buffer_append_text(out, names_flag_word(UINT32_C(1) << i));
    }
}

void check_text(const struct buffer *got, const char *want)
{
    if (!bytes_equal_text(buffer_bytes(got), want)) {
        print_error("case '%s':\n  got  '%.*s'\n  want '%s'\n", test_case,
                    (int)got->len, (const char *)got->data, want);
        fail();
    }
}
