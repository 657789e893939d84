// cert.c - see cert.h.

#include "index/entry/cert.h"

#include <stdarg.h>
#include <stdio.h>

#include "index/entry/cert_walk.h"

static void note(struct cert *cert, const char *format, ...) PRINTF_LIKE(2, 3);

// Remembers what was wrong first.
static void note(struct cert *cert, const char *format, ...)
{
    va_list args;

    if (!cert->is_whole) return;
    cert->is_whole = false;
    va_start(args, format);
    (void)vsnprintf(cert->reason, sizeof cert->reason, format, args);
    va_end(args);
}

// Takes an element off the front that holds others; one that claims more than
// there is gets what there is.
static bool take_outer(struct cert *cert, struct bytes *view, struct der *out,
                       const char *what)
{
    struct der_header header;

    if (!der_read(view, out)) {
        if (!der_read_header(*view, &header)) return false;
        out->tag = header.tag;
        out->whole = *view;
        out->content = *view;
        (void)bytes_skip(&out->content, header.header_len);
        (void)bytes_skip(view, view->len);
        note(cert, "%s: longer than its bytes", what);
    }
    return (out->tag & DER_CONSTRUCTED) != 0;
}

static int64_t read_time(struct bytes *view, bool *whole)
{
    struct der time;
    int64_t seconds;

    if (!der_read(view, &time)) {
        *whole = false;
        return CERT_TIME_UNREADABLE;
    }
    if (!der_parse_time(time.tag, time.content, &seconds)) {
        return CERT_TIME_UNREADABLE;
    }
    return seconds;
}

// Reads Validity.  A date that is none hides nothing.
static void read_validity(struct cert *cert, struct bytes view)
{
    bool whole = true;

    cert->not_before = read_time(&view, &whole);
    cert->not_after = read_time(&view, &whole);
    if (!whole || view.len > 0) note(cert, "validity: not two dates");
}

static bool reads_as_ca(struct bytes value)
{
    struct der outer, flag;

    return der_read(&value, &outer) && der_read(&outer.content, &flag) &&
           der_number(flag.tag) == DER_BOOLEAN && flag.content.len > 0 &&
           flag.content.data[0] != 0;
}

static void look_at_extensions(struct cert *cert, struct name_walk *walk)
{
    struct bytes view = cert->extensions;
    struct extension extension;

    while (extension_next(&view, &extension)) {
        if (!extension.is_whole) note(cert, "an extension cannot be read");
        switch (extension_id(extension.oid)) {
        case EXTENSION_SUBJECT_ALT_NAME:
            if (cert->num_subject_alt_names++ == 0) {
                cert->subject_alt_name = extension.value;
            }
            name_walk_san(walk, extension.value);
            if (walk->is_broken) note(cert, "subjectAltName cannot be read");
            break;
        case EXTENSION_POISON:
            cert->has_poison = true;
            break;
        case EXTENSION_BASIC_CONSTRAINTS:
            if (reads_as_ca(extension.value)) cert->is_ca = true;
            break;
        default:
            break;
        }
    }
    if (view.len > 0) {
        note(cert, "extensions: %zu bytes cannot be read", view.len);
    }
}

static void open_extensions(struct cert *cert, struct bytes wrapper)
{
    struct der list;

    if (!take_outer(cert, &wrapper, &list, "extensions")) {
        note(cert, "extensions: not a SEQUENCE");
        return;
    }
    if (wrapper.len > 0) {
        note(cert, "extensions: %zu bytes behind them", wrapper.len);
    }
    cert->extensions = list.content;
}

// Reads what follows subjectPublicKeyInfo: unique identifiers and extensions.
static void read_tail(struct cert *cert, struct bytes view)
{
    struct der part;
    bool has_extensions = false;

    while (view.len > 0) {
        unsigned number;

        if (!der_read(&view, &part)) {
            struct der_header header;

            // An extension that claims too much does not hide those before.
            if (!has_extensions && der_read_header(view, &header) &&
                der_number(header.tag) == 3) {
                (void)bytes_skip(&view, header.header_len);
                open_extensions(cert, view);
            }
            note(cert, "tbsCertificate: %zu bytes cannot be read", view.len);
            return;
        }
        number = der_number(part.tag);
        if ((part.tag & DER_CLASS_MASK) != 0 && number == 3 &&
            !has_extensions) {
            has_extensions = true;
            open_extensions(cert, part.content);
        } else if ((part.tag & DER_CLASS_MASK) == 0 ||
                   (number != 1 && number != 2)) {
            note(cert, "tbsCertificate: unexpected element %02x", part.tag);
        }
    }
}

static bool read_part(struct cert *cert, struct bytes *view, struct der *out,
                      const char *what)
{
    if (der_read(view, out)) return true;
    note(cert, "%s cannot be read", what);
    *out = (struct der){0};
    return false;
}

// Reads TBSCertificate, RFC 5280 section 4.1.  False: not even the serial.
static bool read_tbs(struct cert *cert, struct bytes view)
{
    struct der part;

    if (!der_read(&view, &part)) return false;
    // version, [0]
    if ((part.tag & DER_CLASS_MASK) != 0 && der_number(part.tag) == 0 &&
        !der_read(&view, &part)) {
        return false;
    }
    cert->serial = part.content;
    if (der_number(part.tag) != DER_INTEGER) {
        note(cert, "serial: not an INTEGER");
    }
    if (!read_part(cert, &view, &part, "signature algorithm")) return true;
    cert->signature_algorithm = part.whole;
    if (!read_part(cert, &view, &part, "issuer")) return true;
    cert->issuer = part.whole;
    if (!read_part(cert, &view, &part, "validity")) return true;
    read_validity(cert, part.content);
    if (!read_part(cert, &view, &part, "subject")) return true;
    cert->subject = part.whole;
    if (!read_part(cert, &view, &part, "subjectPublicKeyInfo")) return true;
    cert->spki = part.whole;
    read_tail(cert, view);
    return true;
}

// Reads signatureAlgorithm and signatureValue.
static void read_signature(struct cert *cert, struct bytes view)
{
    struct der part;

    if (!read_part(cert, &view, &part, "signatureAlgorithm") ||
        !read_part(cert, &view, &part, "signature")) {
        return;
    }
    // An empty or odd signature hides nothing.
    (void)bytes_skip(&part.content, part.content.len > 0 ? 1 : 0);
    cert->signature = part.content;
    if (view.len > 0) note(cert, "%zu bytes behind the signature", view.len);
}

bool cert_parse(struct cert *cert, struct bytes der, enum cert_form form,
                struct err *err)
{
    struct name_walk walk = {0};
    struct bytes view = der;
    struct der outer, tbs;

    *cert = (struct cert){.der = der,
                          .not_before = CERT_TIME_UNREADABLE,
                          .not_after = CERT_TIME_UNREADABLE,
                          .is_whole = true};
    if (form == CERT_FORM_CERTIFICATE) {
        if (!take_outer(cert, &view, &outer, "certificate")) {
            note(cert, "certificate: not a SEQUENCE");
            return err_set(err, ERR_MALFORMED, "certificate: not a SEQUENCE");
        }
        if (view.len > 0) {
            note(cert, "%zu bytes behind the certificate", view.len);
        }
        view = outer.content;
    }
    if (!take_outer(cert, &view, &tbs, "tbsCertificate")) {
        note(cert, "tbsCertificate: not a SEQUENCE");
        return err_set(err, ERR_MALFORMED, "tbsCertificate: not a SEQUENCE");
    }
    cert->tbs = tbs.whole;
    if (!read_tbs(cert, tbs.content)) {
        note(cert, "serial cannot be read");
        return err_set(err, ERR_MALFORMED, "tbsCertificate: no serial");
    }
    if (form == CERT_FORM_CERTIFICATE) {
        read_signature(cert, view);
    } else if (view.len > 0) {
        note(cert, "%zu bytes behind the tbsCertificate", view.len);
    }
    name_walk_subject(&walk, cert->subject);
    if (walk.is_broken) note(cert, "subject cannot be read");
    look_at_extensions(cert, &walk);
    return true;
}

bool cert_find_extension(const struct cert *cert, struct bytes oid,
                         struct bytes *value, bool *critical)
{
    struct bytes view = cert->extensions;
    struct extension extension;

    while (extension_next(&view, &extension)) {
        if (!bytes_equal(extension.oid, oid)) continue;
        *value = extension.value;
        *critical = extension.critical;
        return true;
    }
    return false;
}
