// native_issuance.c - one issuance as JSON; see native.h.

#include "index/base/json.h"
#include "index/base/text.h"
#include "query/name_text.h"
#include "query/shape/native.h"
#include "query/shape/put.h"

// What one of the functions of cert.h appends, as a JSON string.
static void append_made(struct buffer *out,
                        void (*make)(struct buffer *text, struct bytes from),
                        struct bytes from)
{
    struct buffer text = {0};

    make(&text, from);
    if (!buffer_ok(&text)) out->failed = true;
    json_append_string(out, buffer_bytes(&text));
    buffer_cleanup(&text);
}

static void append_name_text(struct buffer *out, struct bytes name)
{
    struct buffer text = {0};

    name_text_append(&text, name);
    if (!buffer_ok(&text) || !json_append_verbatim(out, buffer_bytes(&text))) {
        out->failed = true;
    }
    buffer_cleanup(&text);
}

static void append_made_or_null(struct buffer *out,
                                void (*make)(struct buffer *text,
                                             struct bytes from),
                                struct bytes from)
{
    if (from.len == 0) {
        buffer_append_text(out, "null");
    } else {
        append_made(out, make, from);
    }
}

// ------------------------------------------------------------- lists

static bool append_listed(void *context, struct bytes text)
{
    struct row *row = context;

    row_next(row);
    json_append_string(row->out, text);
    return true;
}

typedef bool text_lister(const struct cert *cert, cert_text_visit *visit,
                         void *context);

static void append_list(struct buffer *out, const struct cert *cert,
                        text_lister *list)
{
    struct row row = {.out = out};

    buffer_append_byte(out, '[');
    (void)list(cert, append_listed, &row);
    buffer_append_byte(out, ']');
}

static bool append_sct(void *context, const struct cert_sct *sct)
{
    struct row *row = context;

    row_next(row);
    buffer_append_text(row->out, "{\"log_id\":");
    put_base64(row->out, sct->log_id);
    buffer_append_text(row->out, ",\"timestamp\":");
    put_time_ms(row->out, sct->timestamp_ms);
    buffer_append_byte(row->out, '}');
    return true;
}

static void append_scts(struct buffer *out, const struct cert *cert)
{
    struct row row = {.out = out};

    buffer_append_byte(out, '[');
    (void)cert_each_sct(cert, append_sct, &row);
    buffer_append_byte(out, ']');
}

// Which of the four lists a name belongs to.
enum name_list { LIST_COMMON, LIST_DNS, LIST_IP, LIST_OTHER };

static const struct {
    enum name_list list;
    const char *type; // in other_names
} name_kinds[] = {
    [CERT_NAME_DNS] = {LIST_DNS, NULL},
    [CERT_NAME_IP] = {LIST_IP, NULL},
    [CERT_NAME_EMAIL] = {LIST_OTHER, "email"},
    [CERT_NAME_URI] = {LIST_OTHER, "uri"},
    [CERT_NAME_UPN] = {LIST_OTHER, "upn"},
    [CERT_NAME_SMTP_UTF8] = {LIST_OTHER, "smtp-utf8"},
    [CERT_NAME_DIRECTORY] = {LIST_OTHER, "directory"},
    [CERT_NAME_OTHER] = {LIST_OTHER, "other"},
    [CERT_NAME_CN] = {LIST_COMMON, NULL},
    [CERT_NAME_SUBJECT_EMAIL] = {LIST_OTHER, "subject-email"},
};

struct name_row {
    struct row row;
    enum name_list list;
};

static void append_name_value(struct buffer *out, const struct cert_name *name)
{
    struct buffer text = {0};

    if (name->tag == 0 && name->kind != CERT_NAME_IP &&
        name->kind != CERT_NAME_OTHER) {
        json_append_string(out, name->raw);
        return;
    }
    if (name->kind == CERT_NAME_IP) {
        if (name->raw.len == 4 || name->raw.len == 16) {
            names_append_ip(&text, name->raw);
        } else {
            buffer_append_text(&text, "ip-octets:");
            text_append_hex(&text, name->raw);
        }
    } else if (name->kind == CERT_NAME_OTHER) {
        text_append_hex(&text, name->raw);
    } else {
        cert_text_utf8(&text, name->tag, name->raw);
    }
    if (!buffer_ok(&text)) out->failed = true;
    json_append_string(out, buffer_bytes(&text));
    buffer_cleanup(&text);
}

static bool append_name(void *context, const struct cert_name *name)
{
    struct name_row *names = context;
    struct buffer *out = names->row.out;

    if (name_kinds[name->kind].list != names->list) return true;
    row_next(&names->row);
    if (names->list != LIST_OTHER) {
        append_name_value(out, name);
        return true;
    }
    buffer_printf(out,
                  "{\"type\":\"%s\",\"value\":", name_kinds[name->kind].type);
    append_name_value(out, name);
    buffer_append_byte(out, '}');
    return true;
}

static void append_names(struct buffer *out, const struct cert *cert,
                         enum name_list list)
{
    struct name_row names = {.row = {.out = out}, .list = list};

    buffer_append_byte(out, '[');
    (void)cert_each_name(cert, append_name, &names);
    buffer_append_byte(out, ']');
}

static void append_matches(struct buffer *out, const struct issuance *issuance)
{
    struct row row = {.out = out};

    buffer_append_byte(out, '[');
    for (size_t i = 0; i < issuance->num_matches; i++) {
        const struct match *match = &issuance->matches[i];

        row_next(&row);
        buffer_append_text(out, "{\"name\":");
        json_append_string(out, match->name);
        buffer_append_text(out, ",\"via\":\"");
        buffer_append_text(out, names_via_word(match->via));
        buffer_append_text(out, "\"}");
    }
    buffer_append_byte(out, ']');
}

static void append_flags(struct buffer *out, uint32_t flags)
{
    const char *words[32];
    struct row row = {.out = out};
    size_t num = 0;

    for (uint32_t bit = 1; bit != 0; bit <<= 1) {
        const char *word = names_flag_word(bit);
        size_t at = num;

        if ((flags & bit) == 0 || word == NULL) continue;
        for (; at > 0 && strcmp(words[at - 1], word) > 0; at--) {
            words[at] = words[at - 1];
        }
        words[at] = word;
        num++;
    }
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < num; i++) {
        row_next(&row);
        put_text(out, words[i]);
    }
    buffer_append_byte(out, ']');
}

// ------------------------------------------------------------- an issuance

// There are few issuers.
static void append_issuer_names(struct buffer *out,
                                const struct issuance *issuance)
{
    struct bytes name = issuance->shown->entry->cert.issuer, made;
    size_t start = out->len;

    if (memo_find(issuance->memo, MEMO_ISSUER, name, &made)) {
        buffer_append(out, made);
        return;
    }
    buffer_append_text(out, "{\"name\":");
    append_name_text(out, name);
    buffer_append_text(out, ",\"common_name\":");
    append_made(out, cert_append_common_name, name);
    if (!buffer_ok(out)) return;
    memo_keep(issuance->memo, MEMO_ISSUER, name,
              bytes_of(out->data + start, out->len - start));
}

static void append_issuer(struct buffer *out, const struct issuance *issuance)
{
    static const char *const verified[] = {
        [KEY_NOT_TRIED] = "null",
        [KEY_VERIFIED] = "true",
        [KEY_REFUTED] = "false",
    };
    struct row row = {.out = out};

    append_issuer_names(out, issuance);
    buffer_append_text(out, ",\"key_sha256\":");
    put_hash(out, issuance->has_issuer_key, &issuance->issuer_key);
    buffer_append_text(out, ",\"key_verified\":");
    buffer_append_text(out, verified[issuance->key_verified]);
    buffer_append_text(out, ",\"certificates_sha256\":[");
    for (size_t i = 0; i < issuance->num_issuers; i++) {
        row_next(&row);
        put_hash(out, true, &issuance->issuers[i]);
    }
    buffer_append_text(out, "]}");
}

static void append_seen(struct buffer *out, const struct sighting *sighting)
{
    buffer_append_text(out, "{\"log\":");
    put_text(out, sighting->log->name);
    buffer_append_text(out, ",\"log_id\":");
    put_base64(out, sha256_bytes(&sighting->log->id));
    buffer_append_text(out, ",\"index\":");
    put_uint(out, sighting->facts.index);
    buffer_append_text(out, ",\"timestamp\":");
    put_time_ms(out, sighting->facts.timestamp_ms);
    buffer_append_byte(out, '}');
}

static const char *type_word(enum leaf_type type)
{
    switch (type) {
    case LEAF_PRECERT:
        return "\"precert\"";
    case LEAF_X509:
        return "\"final\"";
    case LEAF_UNKNOWN:
        break;
    }
    return "null";
}

static bool same_certificate(const struct sighting *a, const struct sighting *b)
{
    return a->entry->has_certificate_sha256 &&
           b->entry->has_certificate_sha256 &&
           sha256_equal(&a->entry->certificate_sha256,
                        &b->entry->certificate_sha256);
}

// One certificate: the sightings [first, end) are all of it.
static void append_certificate(struct buffer *out,
                               const struct issuance *issuance, size_t first,
                               size_t end)
{
    const struct sighting *sightings = issuance->sightings;
    const struct entry *entry = sightings[first].entry;
    struct row chain = {.out = out}, seen = {.out = out};

    buffer_append_text(out, "{\"sha256\":");
    put_hash(out, entry->has_certificate_sha256, &entry->certificate_sha256);
    buffer_append_text(out, ",\"type\":");
    buffer_append_text(out, type_word(sightings[first].facts.type));
    buffer_append_text(out, ",\"chain\":[");
    for (size_t i = 0; i < entry->bytes.num_chain; i++) {
        row_next(&chain);
        put_hash(out, true, &entry->bytes.chain[i]);
    }
    buffer_append_text(out, "],\"seen\":[");
    for (size_t i = first; i < end; i++) {
        row_next(&seen);
        append_seen(out, &sightings[i]);
    }
    buffer_append_text(out, "]}");
}

static void append_certificates(struct buffer *out,
                                const struct issuance *issuance)
{
    struct row row = {.out = out};
    size_t end;

    buffer_append_byte(out, '[');
    for (size_t i = 0; i < issuance->num_sightings; i = end) {
        end = i + 1;
        while (end < issuance->num_sightings &&
               same_certificate(&issuance->sightings[i],
                                &issuance->sightings[end])) {
            end++;
        }
        row_next(&row);
        append_certificate(out, issuance, i, end);
    }
    buffer_append_byte(out, ']');
}

static void append_id(struct buffer *out, uint64_t id)
{
    buffer_append_byte(out, '"');
    put_uint(out, id);
    buffer_append_byte(out, '"');
}

// What is a list in the certificate.
static void append_list_field(struct buffer *out, const struct cert *cert,
                              enum question_field field)
{
    switch (field) {
    case FIELD_COMMON_NAMES:
        append_names(out, cert, LIST_COMMON);
        break;
    case FIELD_DNS_NAMES:
        append_names(out, cert, LIST_DNS);
        break;
    case FIELD_IP_ADDRESSES:
        append_names(out, cert, LIST_IP);
        break;
    case FIELD_OTHER_NAMES:
        append_names(out, cert, LIST_OTHER);
        break;
    case FIELD_EKU:
        append_list(out, cert, cert_each_eku);
        break;
    case FIELD_POLICIES:
        append_list(out, cert, cert_each_policy);
        break;
    case FIELD_CRL_URLS:
        append_list(out, cert, cert_each_crl_url);
        break;
    case FIELD_OCSP_URLS:
        append_list(out, cert, cert_each_ocsp_url);
        break;
    case FIELD_SCTS:
        append_scts(out, cert);
        break;
    default:
        break;
    }
}

static void append_field(struct buffer *out, const struct issuance *issuance,
                         enum question_field field)
{
    const struct entry *entry = issuance->shown->entry;
    const struct cert *cert = &entry->cert;

    switch (field) {
    case FIELD_ID:
        append_id(out, issuance->id);
        break;
    case FIELD_TBS_SHA256:
        put_hash(out, issuance->has_tbs, &issuance->tbs);
        break;
    case FIELD_SERIAL:
        put_hex(out, cert->serial);
        break;
    case FIELD_NOT_BEFORE:
        put_time(out, issuance->shown->facts.not_before);
        break;
    case FIELD_NOT_AFTER:
        put_time(out, issuance->shown->facts.not_after);
        break;
    case FIELD_ISSUER:
        append_issuer(out, issuance);
        break;
    case FIELD_SUBJECT:
        append_name_text(out, cert->subject);
        break;
    case FIELD_MATCHED:
        append_matches(out, issuance);
        break;
    case FIELD_KEY:
        append_made_or_null(out, cert_append_key_type, cert->spki);
        break;
    case FIELD_SPKI_SHA256:
        put_hash(out, issuance->has_spki, &issuance->spki);
        break;
    case FIELD_SIGNATURE_ALGORITHM:
        append_made_or_null(out, cert_append_signature_algorithm,
                            cert->signature_algorithm);
        break;
    case FIELD_IS_CA:
        put_bool(out, cert->is_ca);
        break;
    case FIELD_REVOCATION:
    case FIELD_TRUST:
        // Nothing is known yet of either; never invented (CLI.md).
        buffer_append_text(out, "null");
        break;
    case FIELD_FLAGS:
        append_flags(out, issuance->flags);
        break;
    case FIELD_CERTIFICATES:
        append_certificates(out, issuance);
        break;
    default:
        append_list_field(out, cert, field);
        break;
    }
}

void native_append_issuance(struct buffer *out, const struct issuance *issuance,
                            uint32_t fields)
{
    struct row row = {.out = out};

    if (fields == 0) fields = FIELDS_ALL;
    buffer_append_byte(out, '{');
    for (uint32_t bit = 1; bit <= FIELDS_ALL; bit <<= 1) {
        if ((fields & bit) == 0) continue;
        row_member(&row, question_field_word(bit));
        append_field(out, issuance, (enum question_field)bit);
    }
    buffer_append_byte(out, '}');
}
