// sslmate.c - see sslmate.h.

#include "query/shape/sslmate.h"

#include "index/base/json.h"
#include "index/base/text.h"

static const char *const expand_words[] = {
    "dns_names", "issuer", "revocation", "problem_reporting", "cert_der",
};

uint32_t sslmate_expand_bit(struct bytes word)
{
    for (size_t i = 0; i < COUNT_OF(expand_words); i++) {
        if (bytes_equal_text(word, expand_words[i])) return UINT32_C(1) << i;
    }
    return 0;
}

static void append_hash(struct buffer *out, const char *name, bool has,
                        const struct sha256_hash *hash)
{
    buffer_printf(out, "\"%s\":", name);
    if (!has) {
        buffer_append_text(out, "null");
        return;
    }
    buffer_append_byte(out, '"');
    text_append_hex(out, sha256_bytes(hash));
    buffer_append_byte(out, '"');
}

static void append_time(struct buffer *out, const char *name, int64_t seconds)
{
    char text[TEXT_TIME_LEN_MAX] = "";

    if (seconds != CERT_TIME_UNREADABLE) (void)text_time_utc(text, seconds);
    if (text[0] == '\0') {
        buffer_printf(out, ",\"%s\":null", name);
    } else {
        buffer_printf(out, ",\"%s\":\"%s\"", name, text);
    }
}

// Host names of SANs and CNs, once each.
static void append_dns_names(struct buffer *out, const struct entry *entry)
{
    struct buffer name = {0};
    bool any = false;

    buffer_append_text(out, ",\"dns_names\":[");
    for (size_t i = 0; i < entry->names.num_terms; i++) {
        const struct term *term = &entry->names.terms[i];

        if (term->kind != TERM_DNS ||
            (term->via & (VIA_SAN_DNS | VIA_CN)) == 0) {
            continue;
        }
        buffer_reset(&name);
        names_append_term(&name, term->kind, term->value);
        if (any) buffer_append_byte(out, ',');
        any = true;
        json_append_string(out, buffer_bytes(&name));
    }
    buffer_append_byte(out, ']');
    if (!buffer_ok(&name)) out->failed = true;
    buffer_cleanup(&name);
}

static void append_issuer(struct buffer *out, const struct issuance *issuance)
{
    struct bytes name = issuance->shown->entry->cert.issuer;
    struct buffer text = {0};

    cert_append_organisation(&text, name);
    if (text.len == 0) cert_append_common_name(&text, name);
    buffer_append_text(out, ",\"issuer\":{\"friendly_name\":");
    if (text.len == 0) {
        buffer_append_text(out, "null");
    } else {
        json_append_string(out, buffer_bytes(&text));
    }
    buffer_append_text(out, ",\"caa_domains\":null,");
    append_hash(out, "pubkey_sha256", issuance->has_issuer_key,
                &issuance->issuer_key);
    buffer_append_text(out, ",\"name\":");
    buffer_reset(&text);
    cert_append_name_plain(&text, name);
    json_append_string(out, buffer_bytes(&text));
    buffer_append_byte(out, '}');
    if (!buffer_ok(&text)) out->failed = true;
    buffer_cleanup(&text);
}

static void append_der(struct buffer *out, const struct issuance *issuance)
{
    struct bytes der;

    buffer_append_text(out, ",\"cert_der\":");
    if (!sighting_der(issuance->shown, &der)) {
        buffer_append_text(out, "null");
        return;
    }
    buffer_append_byte(out, '"');
    text_append_base64(out, der);
    buffer_append_byte(out, '"');
}

void sslmate_append(struct buffer *out, const struct issuance *issuance,
                    uint32_t expand)
{
    const struct entry *entry = issuance->shown->entry;

    buffer_printf(out, "{\"id\":\"%llu\",", (unsigned long long)issuance->id);
    append_hash(out, "tbs_sha256", issuance->has_tbs, &issuance->tbs);
    buffer_append_byte(out, ',');
    append_hash(out, "cert_sha256", entry->has_certificate_sha256,
                &entry->certificate_sha256);
    if ((expand & EXPAND_DNS_NAMES) != 0) append_dns_names(out, entry);
    buffer_append_byte(out, ',');
    append_hash(out, "pubkey_sha256", issuance->has_spki, &issuance->spki);
    if ((expand & EXPAND_ISSUER) != 0) append_issuer(out, issuance);
    append_time(out, "not_before", issuance->shown->facts.not_before);
    append_time(out, "not_after", issuance->shown->facts.not_after);
    buffer_append_text(out, ",\"revoked\":null");
    if ((expand & EXPAND_REVOCATION) != 0) {
        buffer_append_text(out, ",\"revocation\":null");
    }
    if ((expand & EXPAND_PROBLEM_REPORTING) != 0) {
        buffer_append_text(out, ",\"problem_reporting\":null");
    }
    if ((expand & EXPAND_CERT_DER) != 0) append_der(out, issuance);
    buffer_append_byte(out, '}');
}
