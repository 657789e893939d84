// native_issuance.c - one issuance as JSON; see native.h.

#include "index/base/json.h"
#include "index/base/text.h"
#include "query/name_text.h"
#include "query/shape/native.h"
#include "query/shape/put.h"

enum { NAMES_KEPT = 32 };

// What one issuance is written with.
struct writer {
    struct buffer *out;
    const struct issuance *issuance;
    const struct cert *cert; // of the entry that is shown
    struct cert_lists lists; // its extensions
    size_t num_names;        // above NAMES_KEPT: they are walked again
    unsigned lists_met;      // a bit of each enum name_list among `names`
    struct cert_name names[NAMES_KEPT];
};

// What stands behind the quote at `start`.
static struct bytes behind_quote(const struct buffer *out, size_t start)
{
    return bytes_of(out->data + start + 1, out->len - start - 1);
}

// Makes a JSON string of it, which it almost always is but for the last quote.
static void close_string(struct buffer *out, size_t start)
{
    struct buffer text = {0};

    if (!buffer_ok(out) || json_is_plain(behind_quote(out, start))) {
        buffer_append_byte(out, '"');
        return;
    }
    buffer_append(&text, behind_quote(out, start));
    if (!buffer_ok(&text)) out->failed = true;
    out->len = start;
    json_append_string(out, buffer_bytes(&text));
    buffer_cleanup(&text);
}

// What a function of cert.h appends, as a JSON string.
static void append_made(struct buffer *out,
                        void (*make)(struct buffer *text, struct bytes from),
                        struct bytes from)
{
    size_t start = out->len;

    buffer_append_byte(out, '"');
    make(out, from);
    close_string(out, start);
}

static void append_name_text(struct buffer *out, struct bytes name)
{
    size_t start = out->len;
    struct buffer text = {0};

    buffer_append_byte(out, '"');
    cert_append_name_rfc4514(out, name);
    if (!buffer_ok(out) || json_is_plain(behind_quote(out, start))) {
        buffer_append_byte(out, '"');
        return;
    }
    out->len = start;
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

typedef bool text_lister(const struct cert_lists *lists, cert_text_visit *visit,
                         void *context);

static void append_list(struct writer *writer, text_lister *list)
{
    struct row row = {.out = writer->out};

    buffer_append_byte(writer->out, '[');
    (void)list(&writer->lists, append_listed, &row);
    buffer_append_byte(writer->out, ']');
}

static void append_eku(struct writer *writer)
{
    append_list(writer, cert_each_eku);
}

static void append_policies(struct writer *writer)
{
    append_list(writer, cert_each_policy);
}

static void append_crl_urls(struct writer *writer)
{
    append_list(writer, cert_each_crl_url);
}

static void append_ocsp_urls(struct writer *writer)
{
    append_list(writer, cert_each_ocsp_url);
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

static void append_scts(struct writer *writer)
{
    struct row row = {.out = writer->out};

    buffer_append_byte(writer->out, '[');
    (void)cert_each_sct(&writer->lists, append_sct, &row);
    buffer_append_byte(writer->out, ']');
}

// ------------------------------------------------------------- names

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

static bool keep_name(void *context, const struct cert_name *name)
{
    struct writer *writer = context;

    if (writer->num_names++ == NAMES_KEPT) return false;
    writer->names[writer->num_names - 1] = *name;
    writer->lists_met |= 1U << name_kinds[name->kind].list;
    return true;
}

struct name_row {
    struct row row;
    enum name_list list;
};

static void append_name_value(struct buffer *out, const struct cert_name *name)
{
    size_t start = out->len;

    if (name->tag == 0 && name->kind != CERT_NAME_IP &&
        name->kind != CERT_NAME_OTHER) {
        json_append_string(out, name->raw);
        return;
    }
    buffer_append_byte(out, '"');
    if (name->kind == CERT_NAME_OTHER) {
        text_append_hex(out, name->raw);
    } else if (name->kind != CERT_NAME_IP) {
        cert_text_utf8(out, name->tag, name->raw);
    } else if (name->raw.len == 4 || name->raw.len == 16) {
        names_append_ip(out, name->raw);
    } else {
        buffer_append_text(out, "ip-octets:");
        text_append_hex(out, name->raw);
    }
    close_string(out, start);
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
    buffer_append_text(out, "{\"type\":\"");
    buffer_append_text(out, name_kinds[name->kind].type);
    buffer_append_text(out, "\",\"value\":");
    append_name_value(out, name);
    buffer_append_byte(out, '}');
    return true;
}

static void append_names(struct writer *writer, enum name_list list)
{
    struct name_row names = {.row = {.out = writer->out}, .list = list};

    buffer_append_byte(writer->out, '[');
    if (writer->num_names > NAMES_KEPT) {
        (void)cert_each_name(writer->cert, append_name, &names);
    } else if ((writer->lists_met & 1U << list) != 0) {
        for (size_t i = 0; i < writer->num_names; i++) {
            (void)append_name(&names, &writer->names[i]);
        }
    }
    buffer_append_byte(writer->out, ']');
}

static void append_common_names(struct writer *writer)
{
    append_names(writer, LIST_COMMON);
}

static void append_dns_names(struct writer *writer)
{
    append_names(writer, LIST_DNS);
}

static void append_ip_addresses(struct writer *writer)
{
    append_names(writer, LIST_IP);
}

static void append_other_names(struct writer *writer)
{
    append_names(writer, LIST_OTHER);
}

static void append_matched(struct writer *writer)
{
    const struct issuance *issuance = writer->issuance;
    struct buffer *out = writer->out;
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

// ------------------------------------------------------------- the issuer

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

static void append_hashes(struct buffer *out, const struct sha256_hash *hashes,
                          size_t num)
{
    struct row row = {.out = out};

    buffer_append_byte(out, '[');
    for (size_t i = 0; i < num; i++) {
        row_next(&row);
        put_hash(out, true, &hashes[i]);
    }
    buffer_append_byte(out, ']');
}

static void append_issuer(struct writer *writer)
{
    static const char *const verified[] = {
        [KEY_NOT_TRIED] = "null",
        [KEY_VERIFIED] = "true",
        [KEY_REFUTED] = "false",
    };
    const struct issuance *issuance = writer->issuance;
    struct buffer *out = writer->out;

    append_issuer_names(out, issuance);
    buffer_append_text(out, ",\"key_sha256\":");
    put_hash(out, issuance->has_issuer_key, &issuance->issuer_key);
    buffer_append_text(out, ",\"key_verified\":");
    buffer_append_text(out, verified[issuance->key_verified]);
    buffer_append_text(out, ",\"certificates_sha256\":");
    append_hashes(out, issuance->issuers, issuance->num_issuers);
    buffer_append_byte(out, '}');
}

// ------------------------------------------------------------- certificates

// There are few logs.
static void append_log(struct buffer *out, const struct issuance *issuance,
                       const struct index_log *log)
{
    struct bytes key = bytes_of(&log->number, sizeof log->number), made;
    size_t start = out->len;

    if (memo_find(issuance->memo, MEMO_LOG, key, &made)) {
        buffer_append(out, made);
        return;
    }
    buffer_append_text(out, "{\"log\":");
    put_text(out, log->name);
    buffer_append_text(out, ",\"log_id\":");
    put_base64(out, sha256_bytes(&log->id));
    buffer_append_text(out, ",\"index\":");
    if (!buffer_ok(out)) return;
    memo_keep(issuance->memo, MEMO_LOG, key,
              bytes_of(out->data + start, out->len - start));
}

static void append_seen(struct buffer *out, const struct issuance *issuance,
                        const struct sighting *sighting)
{
    append_log(out, issuance, sighting->log);
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
    struct row seen = {.out = out};

    buffer_append_text(out, "{\"sha256\":");
    put_hash(out, entry->has_certificate_sha256, &entry->certificate_sha256);
    buffer_append_text(out, ",\"type\":");
    buffer_append_text(out, type_word(sightings[first].facts.type));
    buffer_append_text(out, ",\"chain\":");
    append_hashes(out, entry->bytes.chain, entry->bytes.num_chain);
    buffer_append_text(out, ",\"seen\":[");
    for (size_t i = first; i < end; i++) {
        row_next(&seen);
        append_seen(out, issuance, &sightings[i]);
    }
    buffer_append_text(out, "]}");
}

static void append_certificates(struct writer *writer)
{
    const struct issuance *issuance = writer->issuance;
    struct row row = {.out = writer->out};
    size_t end;

    buffer_append_byte(writer->out, '[');
    for (size_t i = 0; i < issuance->num_sightings; i = end) {
        end = i + 1;
        while (end < issuance->num_sightings &&
               same_certificate(&issuance->sightings[i],
                                &issuance->sightings[end])) {
            end++;
        }
        row_next(&row);
        append_certificate(writer->out, issuance, i, end);
    }
    buffer_append_byte(writer->out, ']');
}

// ------------------------------------------------------------- single values

static void append_id(struct writer *writer)
{
    buffer_append_byte(writer->out, '"');
    put_uint(writer->out, writer->issuance->id);
    buffer_append_byte(writer->out, '"');
}

static void append_tbs(struct writer *writer)
{
    put_hash(writer->out, writer->issuance->has_tbs, &writer->issuance->tbs);
}

static void append_serial(struct writer *writer)
{
    put_hex(writer->out, writer->cert->serial);
}

static void append_not_before(struct writer *writer)
{
    put_time(writer->out, writer->issuance->shown->facts.not_before);
}

static void append_not_after(struct writer *writer)
{
    put_time(writer->out, writer->issuance->shown->facts.not_after);
}

static void append_subject(struct writer *writer)
{
    append_name_text(writer->out, writer->cert->subject);
}

static void append_key(struct writer *writer)
{
    append_made_or_null(writer->out, cert_append_key_type, writer->cert->spki);
}

static void append_spki(struct writer *writer)
{
    put_hash(writer->out, writer->issuance->has_spki, &writer->issuance->spki);
}

static void append_signature_algorithm(struct writer *writer)
{
    append_made_or_null(writer->out, cert_append_signature_algorithm,
                        writer->cert->signature_algorithm);
}

static void append_is_ca(struct writer *writer)
{
    put_bool(writer->out, writer->cert->is_ca);
}

// Nothing is known yet of revocation and trust; never invented (CLI.md).
static void append_null(struct writer *writer)
{
    buffer_append_text(writer->out, "null");
}

static void append_flags(struct writer *writer)
{
    const char *words[32];
    struct row row = {.out = writer->out};
    size_t num = 0;

    for (uint32_t rest = writer->issuance->flags; rest != 0; rest &= rest - 1) {
        const char *word = names_flag_word(rest & -rest);
        size_t at = num;

        if (word == NULL) continue;
        for (; at > 0 && strcmp(words[at - 1], word) > 0; at--) {
            words[at] = words[at - 1];
        }
        words[at] = word;
        num++;
    }
    buffer_append_byte(writer->out, '[');
    for (size_t i = 0; i < num; i++) {
        row_next(&row);
        put_text(writer->out, words[i]);
    }
    buffer_append_byte(writer->out, ']');
}

// ------------------------------------------------------------- an issuance

enum {
    MEMBER_ROOM = 32,
    OF_NAMES = FIELD_COMMON_NAMES | FIELD_DNS_NAMES | FIELD_IP_ADDRESSES |
               FIELD_OTHER_NAMES,
    OF_LISTS = FIELD_EKU | FIELD_POLICIES | FIELD_CRL_URLS | FIELD_OCSP_URLS |
               FIELD_SCTS,
};

struct member {
    char text[MEMBER_ROOM]; // a comma, the name, a colon
    size_t len;
    void (*append)(struct writer *writer);
};

#define MEMBER(name, append)                                                   \
    {                                                                          \
        ",\"" name "\":", sizeof(",\"" name "\":") - 1, append                 \
    }

// By the bits of enum question_field, with the words of question_field_word.
static const struct member members[] = {
    MEMBER("id", append_id),
    MEMBER("tbs_sha256", append_tbs),
    MEMBER("serial", append_serial),
    MEMBER("not_before", append_not_before),
    MEMBER("not_after", append_not_after),
    MEMBER("issuer", append_issuer),
    MEMBER("subject", append_subject),
    MEMBER("common_names", append_common_names),
    MEMBER("dns_names", append_dns_names),
    MEMBER("ip_addresses", append_ip_addresses),
    MEMBER("other_names", append_other_names),
    MEMBER("matched", append_matched),
    MEMBER("key", append_key),
    MEMBER("spki_sha256", append_spki),
    MEMBER("signature_algorithm", append_signature_algorithm),
    MEMBER("is_ca", append_is_ca),
    MEMBER("eku", append_eku),
    MEMBER("policies", append_policies),
    MEMBER("crl_urls", append_crl_urls),
    MEMBER("ocsp_urls", append_ocsp_urls),
    MEMBER("scts", append_scts),
    MEMBER("revocation", append_null),
    MEMBER("trust", append_null),
    MEMBER("flags", append_flags),
    MEMBER("certificates", append_certificates),
};

// Copies a whole row of the table, of a length that the compiler knows.
static void append_member(struct buffer *out, const struct member *member)
{
    if (!buffer_reserve(out, MEMBER_ROOM)) return;
    memcpy(out->data + out->len, member->text, MEMBER_ROOM);
    out->len += member->len;
}

void native_append_issuance(struct buffer *out, const struct issuance *issuance,
                            uint32_t fields)
{
    struct writer writer;
    size_t start = out->len;

    writer.out = out;
    writer.issuance = issuance;
    writer.cert = &issuance->shown->entry->cert;
    writer.num_names = writer.lists_met = 0;
    fields = fields == 0 ? FIELDS_ALL : fields & FIELDS_ALL;
    if ((fields & OF_LISTS) != 0) cert_find_lists(&writer.lists, writer.cert);
    if ((fields & OF_NAMES) != 0) {
        (void)cert_each_name(writer.cert, keep_name, &writer);
    }
    for (uint32_t rest = fields; rest != 0; rest &= rest - 1) {
        const struct member *member = &members[__builtin_ctz(rest)];

        append_member(out, member);
        member->append(&writer);
    }
    // The first comma is where the brace belongs.
    if (buffer_ok(out)) out->data[start] = '{';
    buffer_append_byte(out, '}');
}
