// make_der.c - see make_der.h.

#include "tests/support/make_der.h"

#include "index/entry/der.h"
#include "index/entry/log_form.h"
#include "tests/support/check.h"

void make_wrap(struct buffer *out, uint8_t tag, size_t at)
{
    uint8_t header[DER_HEADER_MAX];
    size_t content_len = out->len - at;
    size_t len = der_put_header(header, tag, content_len);

    assert_true(buffer_reserve(out, len));
    memmove(out->data + at + len, out->data + at, content_len);
    memcpy(out->data + at, header, len);
    out->len += len;
}

void make_element(struct buffer *out, uint8_t tag, struct bytes content)
{
    size_t at = out->len;

    buffer_append(out, content);
    make_wrap(out, tag, at);
}

void make_hex(struct buffer *out, const char *hex)
{
    struct bytes octets = from_hex(hex);

    buffer_append(out, octets);
    free((void *)octets.data);
}

void make_rdn(struct buffer *out, uint8_t type, uint8_t tag, struct bytes text)
{
    const uint8_t oid[] = {0x55, 0x04, type};
    size_t at = out->len;

    make_element(out, 0x06, bytes_of(oid, sizeof oid));
    make_element(out, tag, text);
    make_wrap(out, 0x30, at);
    make_wrap(out, 0x31, at);
}

static void make_name(struct buffer *out, const char *common_name)
{
    size_t at = out->len;

    make_rdn(out, 3, 0x0c, bytes_from_text(common_name));
    make_wrap(out, 0x30, at);
}

void make_tbs(struct buffer *out, const struct make_cert *what)
{
    size_t start = out->len, at;

    make_hex(out, "a003020102 02020801 300a06082a8648ce3d040302");
    make_name(out, what->issuer != NULL ? what->issuer : "Test CA");
    at = out->len;
    make_element(out, 0x17,
                 bytes_from_text(what->not_before != NULL ? what->not_before
                                                          : "240101000000Z"));
    make_element(out, 0x17, bytes_from_text("250101000000Z"));
    make_wrap(out, 0x30, at);
    if (what->subject.len > 0) {
        make_element(out, 0x30, what->subject);
    } else {
        make_name(out, "subject.example");
    }
    make_hex(out, "3013 300b 06072a8648ce3d0201 0500 0304 00010203");
    if (what->extensions.len > 0) {
        at = out->len;
        make_element(out, 0x30, what->extensions);
        make_wrap(out, 0xa3, at);
    }
    make_wrap(out, 0x30, start);
}

void make_certificate(struct buffer *out, const struct make_cert *what)
{
    size_t at = out->len;

    make_tbs(out, what);
    make_hex(out, "300a06082a8648ce3d040302 0303 000102");
    make_wrap(out, 0x30, at);
}

void make_extension(struct buffer *out, const char *oid, struct bytes value)
{
    size_t at = out->len, oid_at;

    oid_at = out->len;
    make_hex(out, oid);
    make_wrap(out, 0x06, oid_at);
    make_element(out, 0x04, value);
    make_wrap(out, 0x30, at);
}

void make_san(struct buffer *out, struct bytes general_names)
{
    struct buffer list = {0};

    make_element(&list, 0x30, general_names);
    make_extension(out, "551d11", buffer_bytes(&list));
    buffer_cleanup(&list);
}

static bool append_piece(void *context, struct bytes piece)
{
    buffer_append(context, piece);
    return true;
}

bool make_log_form(struct buffer *out, struct bytes tbs)
{
    return log_form_visit(tbs, append_piece, out);
}
