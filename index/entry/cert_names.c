// cert_names.c - the names of a certificate, wherever they stand.
//
// Subject first, then each SubjectAltName; where the structure was broken the
// bytes that could not be read are searched (salvage.c).

#include "index/entry/cert_walk.h"

#define OID_EMAIL_ADDRESS "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"
#define OID_UPN "\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x03"
#define OID_SMTP_UTF8_MAILBOX "\x2b\x06\x01\x05\x05\x07\x08\x09"

// The tag numbers of GeneralName, RFC 5280 section 4.2.1.6.
enum general_name {
    GENERAL_OTHER = 0,
    GENERAL_EMAIL = 1,
    GENERAL_DNS = 2,
    GENERAL_DIRECTORY = 4,
    GENERAL_URI = 6,
    GENERAL_IP = 7,
};

void name_walk_visit(struct name_walk *walk, enum cert_name_kind kind,
                     uint8_t tag, bool salvaged, struct bytes raw)
{
    struct cert_name name = {kind, tag, salvaged, raw};

    if (walk->visit == NULL || walk->is_stopped) return;
    if (!walk->visit(walk->context, &name)) walk->is_stopped = true;
}

struct name_cursor name_open(struct bytes name)
{
    struct name_cursor cursor = {0};
    struct der whole;

    if (name.len == 0) return cursor;
    if (!der_read(&name, &whole)) {
        cursor.is_broken = true;
        return cursor;
    }
    cursor.is_broken = name.len > 0;
    cursor.rdns = whole.content;
    return cursor;
}

bool name_next(struct name_cursor *cursor, struct attribute *out)
{
    struct der part, oid;

    for (;;) {
        *out = (struct attribute){0};
        while (cursor->attributes.len == 0) {
            if (cursor->rdns.len == 0) return false;
            if (!der_read(&cursor->rdns, &part)) {
                cursor->is_broken = true;
                cursor->rdns.len = 0;
                return false;
            }
            cursor->attributes = part.content;
            out->begins_rdn = true;
        }
        if (!der_read(&cursor->attributes, &part)) {
            cursor->is_broken = true;
            cursor->attributes.len = 0;
            continue;
        }
        if (der_read(&part.content, &oid) &&
            der_read(&part.content, &out->value)) {
            if (part.content.len > 0) cursor->is_broken = true;
            out->oid = oid.content;
            return true;
        }
        cursor->is_broken = true;
    }
}

// Visits every primitive element below a constructed string: one cut into
// pieces (BER) or wrapped once more.  A flat walk that steps into whatever is
// constructed, so that no depth stops it.
static void visit_pieces(struct name_walk *walk, enum cert_name_kind kind,
                         bool typed, struct bytes view)
{
    walk->is_broken = true;
    while (view.len > 0 && !walk->is_stopped) {
        struct der_header header;
        struct bytes content;

        if (!der_read_header(view, &header)) return;
        (void)bytes_skip(&view, header.header_len);
        if ((header.tag & DER_CONSTRUCTED) != 0) continue;
        if (header.indefinite || header.content_len > view.len) return;
        (void)bytes_read_take(&view, &content, (size_t)header.content_len);
        if (header.tag == 0 && content.len == 0) continue;
        name_walk_visit(walk, kind, typed ? (uint8_t)der_number(header.tag) : 0,
                        true, content);
    }
}

// Visits a string of its own type: an attribute's, an otherName's.
static void visit_typed(struct name_walk *walk, enum cert_name_kind kind,
                        const struct der *value)
{
    if ((value->tag & DER_CONSTRUCTED) != 0) {
        visit_pieces(walk, kind, true, value->content);
        return;
    }
    name_walk_visit(walk, kind, (uint8_t)der_number(value->tag), false,
                    value->content);
}

void name_walk_subject(struct name_walk *walk, struct bytes subject)
{
    struct name_cursor cursor = name_open(subject);
    struct attribute attribute;

    while (!walk->is_stopped && name_next(&cursor, &attribute)) {
        if (oid_is(attribute.oid, OID_COMMON_NAME)) {
            visit_typed(walk, CERT_NAME_CN, &attribute.value);
        } else if (oid_is(attribute.oid, OID_EMAIL_ADDRESS)) {
            visit_typed(walk, CERT_NAME_SUBJECT_EMAIL, &attribute.value);
        }
    }
    if (cursor.is_broken) walk->is_broken = true;
}

// Visits the common names of a directoryName, or it whole when it has none.
static void visit_directory(struct name_walk *walk, struct bytes name)
{
    struct name_cursor cursor = name_open(name);
    struct attribute attribute;
    bool found = false;

    while (!walk->is_stopped && name_next(&cursor, &attribute)) {
        if (!oid_is(attribute.oid, OID_COMMON_NAME)) continue;
        visit_typed(walk, CERT_NAME_DIRECTORY, &attribute.value);
        found = true;
    }
    if (cursor.is_broken) walk->is_broken = true;
    if (!found) name_walk_visit(walk, CERT_NAME_OTHER, 0, false, name);
}

// Visits an otherName: { type-id OID, [0] EXPLICIT value }.
static void visit_other(struct name_walk *walk, struct bytes content)
{
    struct bytes rest = content;
    struct der oid, wrapper, value;
    enum cert_name_kind kind = CERT_NAME_OTHER;

    if (!der_read(&rest, &oid) || der_number(oid.tag) != DER_OID) {
        walk->is_broken = true;
    } else if (oid_is(oid.content, OID_UPN)) {
        kind = CERT_NAME_UPN;
    } else if (oid_is(oid.content, OID_SMTP_UTF8_MAILBOX)) {
        kind = CERT_NAME_SMTP_UTF8;
    }
    if (kind == CERT_NAME_OTHER) {
        name_walk_visit(walk, CERT_NAME_OTHER, 0, false, content);
        return;
    }
    if (!der_read(&rest, &wrapper)) {
        walk->is_broken = true;
        name_walk_visit(walk, CERT_NAME_OTHER, 0, true, content);
        return;
    }
    // Some leave the explicit tag's inner string out.
    if ((wrapper.tag & DER_CONSTRUCTED) == 0) {
        name_walk_visit(walk, kind, DER_UTF8_STRING, false, wrapper.content);
        return;
    }
    rest = wrapper.content;
    if (der_read(&rest, &value) && rest.len == 0) {
        visit_typed(walk, kind, &value);
    } else {
        visit_pieces(walk, kind, true, wrapper.content);
    }
}

static enum cert_name_kind kind_of(unsigned number)
{
    switch (number) {
    case GENERAL_EMAIL:
        return CERT_NAME_EMAIL;
    case GENERAL_DNS:
        return CERT_NAME_DNS;
    case GENERAL_URI:
        return CERT_NAME_URI;
    case GENERAL_IP:
        return CERT_NAME_IP;
    default:
        return CERT_NAME_OTHER;
    }
}

static void visit_general_name(struct name_walk *walk, const struct der *name)
{
    bool is_context = (name->tag & DER_CLASS_MASK) == DER_CONTEXT;
    bool is_constructed = (name->tag & DER_CONSTRUCTED) != 0;
    unsigned number = der_number(name->tag);
    enum cert_name_kind kind = kind_of(number);

    if (!is_context) walk->is_broken = true;
    if (is_constructed && is_context && number == GENERAL_DIRECTORY) {
        visit_directory(walk, name->content);
    } else if (is_constructed && is_context && number == GENERAL_OTHER) {
        visit_other(walk, name->content);
    } else if (is_constructed && is_context && kind != CERT_NAME_OTHER) {
        visit_pieces(walk, kind, false, name->content);
    } else if (!is_constructed || is_context) {
        name_walk_visit(walk, kind, 0, !is_context, name->content);
    }
}

// Zero bytes behind a SubjectAltName are common and hide nothing.
static bool is_all_zero(struct bytes view)
{
    for (size_t i = 0; i < view.len; i++) {
        if (view.data[i] != 0) return false;
    }
    return true;
}

void name_walk_san(struct name_walk *walk, struct bytes value)
{
    struct der list, name;

    if (!der_read(&value, &list) || (list.tag & DER_CONSTRUCTED) == 0 ||
        der_number(list.tag) != DER_SEQUENCE) {
        walk->is_broken = true;
        return;
    }
    if (!is_all_zero(value)) walk->is_broken = true;
    while (list.content.len > 0 && !walk->is_stopped) {
        if (!der_read(&list.content, &name)) {
            walk->is_broken = true;
            return;
        }
        visit_general_name(walk, &name);
    }
}

// Walks all SubjectAltName extensions; whether everything could be read.
static bool walk_extensions(const struct cert *cert, struct name_walk *walk)
{
    struct bytes view = cert->extensions;
    struct extension extension;

    while (!walk->is_stopped && extension_next(&view, &extension)) {
        if (!extension.is_whole) walk->is_broken = true;
        if (extension_id(extension.oid) == EXTENSION_SUBJECT_ALT_NAME) {
            name_walk_san(walk, extension.value);
        }
    }
    return view.len == 0 && !walk->is_broken;
}

static bool reads_as_name(struct bytes name)
{
    struct name_cursor cursor = name_open(name);
    struct attribute attribute;

    while (name_next(&cursor, &attribute)) {
    }
    return name.len > 0 && !cursor.is_broken;
}

bool cert_each_name(const struct cert *cert, cert_name_visit *visit,
                    void *context)
{
    struct name_walk walk = {visit, context, false, false};
    struct bytes skip[3];
    size_t num_skip = 0;
    bool subject_whole, extensions_whole;

    name_walk_subject(&walk, cert->subject);
    if (cert->is_whole && cert->num_subject_alt_names <= 1) {
        if (cert->num_subject_alt_names == 1 && !walk.is_stopped) {
            name_walk_san(&walk, cert->subject_alt_name);
        }
        return !walk.is_stopped;
    }
    subject_whole = cert->subject.len > 0 && !walk.is_broken;
    walk.is_broken = false;
    extensions_whole = walk_extensions(cert, &walk);
    if (walk.is_stopped) return false;
    if (cert->is_whole) return true;
    // An issuer is passed over only where the fields stand as they should.
    if (subject_whole && reads_as_name(cert->issuer)) {
        skip[num_skip++] = cert->issuer;
    }
    if (subject_whole) skip[num_skip++] = cert->subject;
    if (extensions_whole && cert->extensions.len > 0) {
        skip[num_skip++] = cert->extensions;
    }
    name_salvage(&walk, cert->der, skip, num_skip);
    return !walk.is_stopped;
}
