// names.c - the terms of a certificate; see names.h.

#include "index/entry/names.h"

#include "index/entry/cert_walk.h"
#include "index/entry/derive.h"

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

static bool is_wide(uint8_t tag)
{
    return tag == DER_BMP_STRING || tag == DER_UNIVERSAL_STRING;
}

static bool is_ascii_text(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] >= 0x7f) return false;
    }
    return true;
}

static bool names_on_name(void *context, const struct cert_name *name)
{
    struct visit *visit = context;
    struct terms *terms = &visit->terms;
    uint32_t via = visit->via_more | via_of_kind[name->kind];
    struct buffer decoded;

    if (name->salvaged) {
        via |= VIA_SALVAGED;
        terms->flags |= FLAG_SALVAGED;
    }
    if (!is_wide(name->tag)) {
        derive_name(terms, name->kind, via, name->raw);
        return !terms->failed;
    }
    decoded = (struct buffer){0};
    cert_text_utf8(&decoded, name->tag, name->raw);
    if (!buffer_ok(&decoded)) terms->failed = true;
    derive_name(terms, name->kind, via, buffer_bytes(&decoded));
    buffer_cleanup(&decoded);
    // Some write ASCII under a wide tag; read as it says, it is other letters.
    if (is_ascii_text(name->raw)) {
        derive_name(terms, name->kind, via | VIA_DERIVED, name->raw);
    }
    return !terms->failed;
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

bool names_derive(struct term_list *out, const struct cert *cert,
                  uint32_t via_more, struct arena *arena)
{
    struct visit visit = {.terms = {.arena = arena}, .via_more = via_more};

    *out = (struct term_list){0};
    (void)cert_each_name(cert, names_on_name, &visit);
    if (!terms_finish(&visit.terms)) return false;
    flag_common_names(&visit.terms);
    if (visit.terms.num == 0) visit.terms.flags |= FLAG_NO_NAMES;
    if (cert->num_subject_alt_names > 1)
        visit.terms.flags |= FLAG_DUPLICATE_SAN;
    *out = (struct term_list){visit.terms.list, visit.terms.num,
                              visit.terms.flags};
    return true;
}
