// names.c - the terms of a certificate; see names.h.

#include "index/entry/names.h"

#include "index/entry/derive.h"

enum { TAG_UNIVERSAL_STRING = 28, TAG_BMP_STRING = 30 };

static const uint32_t via_of_kind[] = {
    [CERT_NAME_DNS] = VIA_SAN_DNS,
    [CERT_NAME_IP] = VIA_SAN_IP,
    [CERT_NAME_EMAIL] = VIA_SAN_EMAIL,
    [CERT_NAME_URI] = VIA_SAN_URI,
    [CERT_NAME_UPN] = VIA_SAN_OTHER,
    [CERT_NAME_SMTP_UTF8] = VIA_SAN_OTHER,
    [CERT_NAME_DIRECTORY] = VIA_SAN_DIRECTORY,
    [CERT_NAME_OTHER] = VIA_SAN_OTHER,
    [CERT_NAME_CN] = VIA_CN,
    [CERT_NAME_SUBJECT_EMAIL] = VIA_SUBJECT_EMAIL,
};

struct visit {
    struct terms terms;
    uint32_t via_more;
};

static bool names_on_name(void *context, const struct cert_name *name)
{
    struct visit *visit = context;
    uint32_t via = visit->via_more | via_of_kind[name->kind];
    struct buffer decoded = {0};
    struct bytes text = name->raw;

    if (name->salvaged) {
        via |= VIA_SALVAGED;
        visit->terms.flags |= FLAG_SALVAGED;
    }
    if (name->tag == TAG_BMP_STRING || name->tag == TAG_UNIVERSAL_STRING) {
        cert_text_utf8(&decoded, name->tag, name->raw);
        if (!buffer_ok(&decoded)) visit->terms.failed = true;
        text = buffer_bytes(&decoded);
    }
    derive_name(&visit->terms, name->kind, via, text);
    buffer_cleanup(&decoded);
    return !visit->terms.failed;
}

// A common name that is a host and stands in no SAN, whichever came first.
static void flag_common_names(struct terms *terms)
{
    for (size_t i = 0; i < terms->num; i++) {
        struct term *term = &terms->list[i];

        if ((term->via & DERIVE_VIA_CN_ITSELF) == 0) continue;
        term->via &= ~DERIVE_VIA_CN_ITSELF;
        if ((term->via & (VIA_SAN_DNS | VIA_SAN_IP)) == 0) {
            terms->flags |= FLAG_CN_NOT_IN_SAN;
        }
    }
}

// Counted where an Extension begins with its OID; whatever its lengths look
// like, the OID is in front.
static bool has_several_sans(const struct cert *cert)
{
    static const uint8_t oid[] = {0x06, 0x03, 0x55, 0x1d, 0x11};
    struct bytes rest = cert->extensions;
    size_t num = 0;

    while (rest.len > 0 && num < 2) {
        const uint8_t *at = memmem(rest.data, rest.len, oid, sizeof oid);

        if (at == NULL) break;
        num++;
        (void)bytes_skip(&rest, (size_t)(at - rest.data) + sizeof oid);
    }
    return num > 1;
}

bool names_derive(struct term_list *out, const struct cert *cert,
                  uint32_t via_more, struct arena *arena)
{
    struct visit visit = {.terms = {.arena = arena}, .via_more = via_more};

    *out = (struct term_list){0};
    (void)cert_each_name(cert, names_on_name, &visit);
    if (!terms_finish(&visit.terms)) return false;
    flag_common_names(&visit.terms);
    if (visit.terms.num == 0) visit.terms.flags |= FLAG_NO_NAMES;
    if (has_several_sans(cert)) visit.terms.flags |= FLAG_DUPLICATE_SAN;
    *out = (struct term_list){visit.terms.list, visit.terms.num,
                              visit.terms.flags};
    return true;
}
