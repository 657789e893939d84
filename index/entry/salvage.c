// salvage.c - names out of bytes whose structure is broken.
//
// One pass from front to back.  Behind the OID of a commonName its string is
// taken.  Behind the OID of a SubjectAltName, up to the end of its OCTET STRING
// where that can be told, else of everything, what carries the tag of a
// dNSName, iPAddress, rfc822Name or URI is taken.  Headers of anything else are
// stepped over, so that a length octet is not taken for a tag; contents are
// not, so that nothing hides in them.

#include "index/entry/cert_walk.h"

enum {
    OID_LEN = 3,
    // A commonName that claims more would swallow what stands behind it.
    COMMON_NAME_MAX = 65535,
};

struct salvage {
    struct name_walk *walk;
    const uint8_t *data; // all bytes
    size_t len;
    size_t at;
    size_t san_end;       // names are taken before it
    bool san_is_bounded;  // san_end is the end of an OCTET STRING
    size_t control_first; // the first control byte at or behind control_from
    size_t control_from;
    bool has_control; // the two above are meant
};

// Tells whether a range holds a control character other than NUL.  The next
// one is remembered: asked with rising positions, the cost is linear.
static bool holds_control(struct salvage *salvage, size_t from, size_t end)
{
    if (!salvage->has_control || from > salvage->control_first ||
        from < salvage->control_from) {
        size_t i = from;

        while (i < salvage->len &&
               (salvage->data[i] >= 0x20 || salvage->data[i] == 0)) {
            i++;
        }
        salvage->control_first = i;
        salvage->has_control = true;
    }
    salvage->control_from = from;
    return salvage->control_first < end;
}

// Reads a header at `at`; false also when its content does not fit.
static bool read_fitting(const struct salvage *salvage, size_t at,
                         struct der_header *header)
{
    struct bytes view = bytes_of(salvage->data + at, salvage->len - at);

    return der_read_header(view, header) && !header->indefinite &&
           header->content_len <= view.len - header->header_len;
}

static bool is_oid_at(const struct salvage *salvage, const char *oid)
{
    return salvage->len - salvage->at > OID_LEN &&
           salvage->data[salvage->at] == OID_LEN &&
           memcmp(salvage->data + salvage->at + 1, oid, OID_LEN) == 0;
}

// Stands behind the OID: steps over `critical`, and finds where the names end.
static void enter_san(struct salvage *salvage)
{
    struct der_header header;

    salvage->at += 1 + OID_LEN;
    salvage->san_end = salvage->len;
    salvage->san_is_bounded = false;
    if (read_fitting(salvage, salvage->at, &header) &&
        der_number(header.tag) == DER_BOOLEAN && header.content_len == 1) {
        salvage->at += header.header_len + 1;
    }
    if (read_fitting(salvage, salvage->at, &header) &&
        der_number(header.tag) == DER_OCTET_STRING) {
        salvage->at += header.header_len;
        salvage->san_end = salvage->at + (size_t)header.content_len;
        salvage->san_is_bounded = true;
    }
}

static void take_common_name(struct salvage *salvage)
{
    struct der_header header;

    salvage->at += 1 + OID_LEN;
    if (!read_fitting(salvage, salvage->at, &header)) return;
    salvage->at += header.header_len;
    if ((header.tag & DER_CONSTRUCTED) != 0) {
        // Wrapped once more: its first string, if that fits.
        if (!read_fitting(salvage, salvage->at, &header)) return;
        salvage->at += header.header_len;
    }
    if (header.content_len > COMMON_NAME_MAX) return;
    name_walk_visit(
        salvage->walk, CERT_NAME_CN, (uint8_t)der_number(header.tag), true,
        bytes_of(salvage->data + salvage->at, (size_t)header.content_len));
    salvage->at += (size_t)header.content_len;
}

static bool kind_of(uint8_t tag, enum cert_name_kind *kind)
{
    switch (tag) {
    case DER_CONTEXT | 1:
        *kind = CERT_NAME_EMAIL;
        return true;
    case DER_CONTEXT | 2:
        *kind = CERT_NAME_DNS;
        return true;
    case DER_CONTEXT | 6:
        *kind = CERT_NAME_URI;
        return true;
    case DER_CONTEXT | 7:
        *kind = CERT_NAME_IP;
        return true;
    default:
        return false;
    }
}

// Behind an OCTET STRING whose end cannot be told there is also what is no
// name: keys, signatures.  There only what could be one is taken.
static bool could_be_name(struct salvage *salvage, enum cert_name_kind kind,
                          size_t from, size_t len)
{
    if (salvage->san_is_bounded) return true;
    if (kind == CERT_NAME_IP) return len == 4 || len == 16;
    return len > 0 && !holds_control(salvage, from, from + len);
}

// Takes the general name at `at`, or steps over a header, or over one byte.
static void step_in_san(struct salvage *salvage)
{
    struct der_header header;
    enum cert_name_kind kind;
    size_t from;

    if (!read_fitting(salvage, salvage->at, &header) ||
        header.content_len > salvage->san_end - salvage->at) {
        salvage->at++;
        return;
    }
    from = salvage->at + header.header_len;
    if (kind_of(header.tag, &kind) &&
        could_be_name(salvage, kind, from, (size_t)header.content_len)) {
        struct bytes raw =
            bytes_of(salvage->data + from, (size_t)header.content_len);

        name_walk_visit(salvage->walk, kind, 0, true, raw);
        salvage->at = from + raw.len;
        return;
    }
    salvage->at = from;
}

// Steps behind a part that was read already.
static bool step_over(struct salvage *salvage, const struct bytes *skip,
                      size_t num_skip)
{
    const uint8_t *here = salvage->data + salvage->at;

    for (size_t i = 0; i < num_skip; i++) {
        if (here >= skip[i].data && here < skip[i].data + skip[i].len) {
            salvage->at += (size_t)(skip[i].data + skip[i].len - here);
            return true;
        }
    }
    return false;
}

void name_salvage(struct name_walk *walk, struct bytes haystack,
                  const struct bytes *skip, size_t num_skip)
{
    struct salvage salvage = {
        .walk = walk, .data = haystack.data, .len = haystack.len};

    while (salvage.at < salvage.len && !walk->is_stopped) {
        if (step_over(&salvage, skip, num_skip)) continue;
        if (is_oid_at(&salvage, OID_SUBJECT_ALT_NAME)) {
            enter_san(&salvage);
        } else if (is_oid_at(&salvage, OID_COMMON_NAME)) {
            take_common_name(&salvage);
        } else if (salvage.at < salvage.san_end) {
            step_in_san(&salvage);
        } else {
            salvage.at++;
        }
    }
}
