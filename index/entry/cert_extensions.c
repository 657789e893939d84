// cert_extensions.c - what the extensions of a certificate list.

#include "index/entry/cert_walk.h"

#define OID_AUTHORITY_INFO "\x2b\x06\x01\x05\x05\x07\x01\x01"
#define OID_OCSP "\x2b\x06\x01\x05\x05\x07\x30\x01"

enum { GENERAL_URI = 6, LOG_ID_LEN = 32 };

// Where the value of an extension belongs; NULL: to no list.
static struct bytes *place_of(struct cert_lists *lists, struct bytes oid)
{
    if (oid.len == 3 && oid.data[0] == 0x55 && oid.data[1] == 0x1d) {
        switch (oid.data[2]) {
        case 0x1f:
            return &lists->crl_points;
        case 0x20:
            return &lists->policies;
        case 0x25:
            return &lists->ext_key_usage;
        default:
            return NULL;
        }
    }
    if (oid_is(oid, OID_AUTHORITY_INFO)) return &lists->authority_info;
    return oid_is(oid, OID_SCT_LIST) ? &lists->scts : NULL;
}

void cert_find_lists(struct cert_lists *lists, const struct cert *cert)
{
    struct bytes view = cert->extensions;
    struct extension extension;

    *lists = (struct cert_lists){0};
    while (extension_next(&view, &extension)) {
        struct bytes *place = place_of(lists, extension.oid);

        if (place == NULL || place->data != NULL) continue;
        *place = extension.value;
        // One without a value is the first all the same.
        if (place->data == NULL) place->data = extension.whole.data;
    }
}

// Opens the list that an extension's value is; empty where there is none.
static struct bytes open_list(struct bytes value)
{
    struct der list;

    return der_read(&value, &list) ? list.content : (struct bytes){0};
}

static bool visit_oid(struct bytes oid, cert_text_visit *visit, void *context)
{
    char text[DER_OID_TEXT_MAX];

    return visit(context, bytes_from_text(der_oid_text(text, oid)));
}

// The purposes of RFC 5280 section 4.2.1.12 by the last arc of id-kp.
static const char *purpose_word(struct bytes oid)
{
    static const char *const words[] = {
        [1] = "server-auth",      [2] = "client-auth",   [3] = "code-signing",
        [4] = "email-protection", [8] = "time-stamping", [9] = "ocsp-signing",
    };
    static const char id_kp[] = "\x2b\x06\x01\x05\x05\x07\x03";

    if (oid_is(oid, "\x55\x1d\x25\x00")) return "any";
    if (oid.len != sizeof id_kp ||
        memcmp(oid.data, id_kp, sizeof id_kp - 1) != 0 ||
        oid.data[oid.len - 1] >= COUNT_OF(words)) {
        return NULL;
    }
    return words[oid.data[oid.len - 1]];
}

bool cert_each_eku(const struct cert_lists *lists, cert_text_visit *visit,
                   void *context)
{
    struct bytes view = open_list(lists->ext_key_usage);
    struct der oid;

    while (der_read(&view, &oid)) {
        const char *word = purpose_word(oid.content);
        bool more = word != NULL ? visit(context, bytes_from_text(word))
                                 : visit_oid(oid.content, visit, context);

        if (!more) return false;
    }
    return true;
}

bool cert_each_policy(const struct cert_lists *lists, cert_text_visit *visit,
                      void *context)
{
    struct bytes view = open_list(lists->policies);
    struct der policy, oid;

    while (der_read(&view, &policy)) {
        if (der_read(&policy.content, &oid) &&
            !visit_oid(oid.content, visit, context)) {
            return false;
        }
    }
    return true;
}

static bool is_uri(uint8_t tag)
{
    return (tag & DER_CLASS_MASK) == DER_CONTEXT &&
           der_number(tag) == GENERAL_URI;
}

bool cert_each_crl_url(const struct cert_lists *lists, cert_text_visit *visit,
                       void *context)
{
    struct bytes view = open_list(lists->crl_points);
    struct der point, place, full, name;

    // DistributionPoint { [0] { [0] fullName { GeneralName ... } } ... }
    while (der_read(&view, &point)) {
        if (!der_read(&point.content, &place) || der_number(place.tag) != 0 ||
            !der_read(&place.content, &full) || der_number(full.tag) != 0) {
            continue;
        }
        while (der_read(&full.content, &name)) {
            if (is_uri(name.tag) && !visit(context, name.content)) {
                return false;
            }
        }
    }
    return true;
}

bool cert_each_ocsp_url(const struct cert_lists *lists, cert_text_visit *visit,
                        void *context)
{
    struct bytes view = open_list(lists->authority_info);
    struct der access, method, name;

    while (der_read(&view, &access)) {
        if (der_read(&access.content, &method) &&
            oid_is(method.content, OID_OCSP) &&
            der_read(&access.content, &name) && is_uri(name.tag) &&
            !visit(context, name.content)) {
            return false;
        }
    }
    return true;
}

bool cert_each_sct(const struct cert_lists *lists, cert_sct_visit *visit,
                   void *context)
{
    struct bytes list = open_list(lists->scts);
    struct bytes view, wire;
    uint64_t version;

    if (!bytes_read_vector(&list, &view, 2)) return true;
    while (bytes_read_vector(&view, &wire, 2)) {
        struct cert_sct sct;

        if (!bytes_read_uint(&wire, &version, 1) || version != 0 ||
            !bytes_read_take(&wire, &sct.log_id, LOG_ID_LEN) ||
            !bytes_read_uint(&wire, &sct.timestamp_ms, 8)) {
            continue;
        }
        if (!visit(context, &sct)) return false;
    }
    return true;
}
