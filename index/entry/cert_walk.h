// cert_walk.h - the walks that the cert_*.c files share.
//
// A walk goes on behind what it cannot read as far as the lengths around it
// carry, and says afterwards whether it read everything.

#pragma once

#include "index/entry/cert.h"
#include "index/entry/der.h"

// Content octets of the OIDs that more than one file asks for.
#define OID_SUBJECT_ALT_NAME "\x55\x1d\x11"
#define OID_SCT_LIST "\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02"
#define OID_COMMON_NAME "\x55\x04\x03"
#define OID_ORGANISATION "\x55\x04\x0a"

// oid_is compares an OID's content octets with one of the literals above.
#define oid_is(oid, literal)                                                   \
    ((oid).len == sizeof(literal) - 1 &&                                       \
     memcmp((oid).data, (literal), sizeof(literal) - 1) == 0)

// The extensions that are looked for in every certificate.
enum extension_id {
    EXTENSION_OTHER,
    EXTENSION_SUBJECT_ALT_NAME,
    EXTENSION_BASIC_CONSTRAINTS,
    EXTENSION_AUTHORITY_KEY_ID,
    EXTENSION_POISON,
    EXTENSION_SCT_LIST,
};

// extension_id tells which an OID's content octets are.
static inline enum extension_id extension_id(struct bytes oid)
{
    static const uint8_t of_log[] = {0x2b, 0x06, 0x01, 0x04,
                                     0x01, 0xd6, 0x79, 0x02};

    if (oid.len == 3 && oid.data[0] == 0x55 && oid.data[1] == 0x1d) {
        switch (oid.data[2]) {
        case 0x11:
            return EXTENSION_SUBJECT_ALT_NAME;
        case 0x13:
            return EXTENSION_BASIC_CONSTRAINTS;
        case 0x23:
            return EXTENSION_AUTHORITY_KEY_ID;
        default:
            return EXTENSION_OTHER;
        }
    }
    if (oid.len != sizeof of_log + 2 || oid.data[8] != 0x04 ||
        memcmp(oid.data, of_log, sizeof of_log) != 0) {
        return EXTENSION_OTHER;
    }
    return oid.data[9] == 0x03   ? EXTENSION_POISON
           : oid.data[9] == 0x02 ? EXTENSION_SCT_LIST
                                 : EXTENSION_OTHER;
}

struct extension {
    struct bytes whole;
    struct bytes oid;
    struct bytes value; // content of the OCTET STRING
    bool critical;
    bool is_whole; // else oid and value are what could be read, or empty
};

// extension_next takes one Extension off the front.  False at the end, and
// where no element can be read: then `view` is not empty.
static inline bool extension_next(struct bytes *view, struct extension *out)
{
    struct der whole, oid, value;
    struct bytes rest;

    if (view->len == 0 || !der_read(view, &whole)) return false;
    *out = (struct extension){.whole = whole.whole};
    rest = whole.content;
    if (!der_read(&rest, &oid)) return true;
    out->oid = oid.content;
    if (!der_read(&rest, &value)) return true;
    if (der_number(value.tag) == DER_BOOLEAN) {
        out->critical = value.content.len > 0 && value.content.data[0] != 0;
        if (!der_read(&rest, &value)) return true;
    }
    out->value = value.content;
    out->is_whole = rest.len == 0 && (value.tag & DER_CONSTRUCTED) == 0;
    return true;
}

struct attribute {
    struct bytes oid;
    struct der value;
    bool begins_rdn; // the first of its RelativeDistinguishedName
};

// A place in a Name: {.rdns = content of the Name}.
struct name_cursor {
    struct bytes rdns;
    struct bytes attributes; // of the current RDN
    bool is_broken;          // something was skipped
};

// name_open begins at a Name, tag and length included.
struct name_cursor name_open(struct bytes name);

// name_next gives the next attribute of any RDN; those that cannot be read are
// skipped and marked in `is_broken`.
bool name_next(struct name_cursor *cursor, struct attribute *out);

struct name_walk {
    cert_name_visit *visit; // NULL: only look whether all can be read
    void *context;
    bool is_stopped;
    bool is_broken;
};

// name_walk_subject visits the names of a subject.
void name_walk_subject(struct name_walk *walk, struct bytes subject);

// name_walk_san visits the names of a SubjectAltName extension's value.
void name_walk_san(struct name_walk *walk, struct bytes value);

// name_walk_visit hands one name to the visitor.
void name_walk_visit(struct name_walk *walk, enum cert_name_kind kind,
                     uint8_t tag, bool salvaged, struct bytes raw);

// name_salvage searches bytes for names without trusting their structure
// (FAULTS.md section 3.4): subject common names by their OID, and what looks
// like a dNSName, iPAddress, rfc822Name or URI behind the OID of a
// SubjectAltName.  `skip` are parts of `haystack`, in order, that were read.
// One pass: linear in the bytes, and so are the names that it visits.
void name_salvage(struct name_walk *walk, struct bytes haystack,
                  const struct bytes *skip, size_t num_skip);
