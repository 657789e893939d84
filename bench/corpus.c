// corpus.c - see corpus.h: certificates put together, and entries of them.

#include "bench/corpus.h"

#include <assert.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "bench/corpus_parts.h"
#include "tests/support/der_write.h"

enum {
    PER_ROUND = 8, // entries that are planned together:
    ISSUANCES = 5, // so many precertificates,
    FINALS = 3,    // then finals of the round before
    DAY_S = 86400,
    BEGIN_S = 1767225600, // 2026-01-01
    TIME_LEN = 15,        // of a UTCTime, tag and length included
    KEY_ID = 20,
    SERIAL = 16,
    SUBJECT_MAX = 256,
    SPKI_MAX = 600,
    FIXED_MAX = 400,
    SIGNATURE_MAX = 530,
    SCTS = 2,
    SCTS_MAX = 300,
    HEAD_MAX = 1400,
    EXTENSIONS_MAX = SITE_SAN_MAX + FIXED_MAX + SCTS_MAX + 64,
    ENTRY_MAX = 2 * (HEAD_MAX + EXTENSIONS_MAX + SIGNATURE_MAX) + 256,
    SEED_ENTRY = 0x656e7472, // what tells the streams of a seed apart
    SEED_ISSUANCE = 0x69737375,
};

struct corpus *corpus_new(const struct corpus_options *options)
{
    struct corpus *corpus = calloc(1, sizeof *corpus);

    if (corpus == NULL) return NULL;
    corpus->seed = options->seed;
    if (options->real_points) {
        corpus->world = world_new(options->seed);
        if (corpus->world == NULL) {
            free(corpus);
            return NULL;
        }
    }
    corpus->issuances = options->entries / PER_ROUND * ISSUANCES + ISSUANCES;
    corpus->plan = site_plan_of(options->seed, corpus->issuances);
    corpus_make_issuers(corpus);
    for (uint64_t i = 0; i < CORPUS_LOGS; i++) {
        struct stream stream = stream_for(0, i);

        stream_fill(&stream, corpus->log_ids[i], SHA256_LEN);
    }
    return corpus;
}

void corpus_free(struct corpus *corpus)
{
    if (corpus == NULL) return;
    corpus_free_issuers(corpus);
    world_free(corpus->world);
    free(corpus);
}

const struct sha256_hash *corpus_chain(const struct corpus *corpus,
                                       unsigned issuer, size_t *num)
{
    *num = COUNT_OF(corpus->pieces[issuer].chain);
    return corpus->pieces[issuer].chain;
}

void corpus_chain_wire(const struct corpus *corpus, unsigned issuer,
                       struct buffer *out)
{
    authority_chain(&corpus->pieces[issuer].authority, out);
}

struct bytes corpus_issuer(const struct corpus *corpus, unsigned issuer)
{
    return buffer_bytes(&corpus->pieces[issuer].authority.certificate);
}

// ------------------------------------------------------------ writing

// Writers take where to write and give where they stopped; the caller has
// ENTRY_MAX bytes.
static uint8_t *put(uint8_t *out, const void *data, size_t len)
{
    if (len > 0) memcpy(out, data, len);
    return out + len;
}

static uint8_t *put_header(uint8_t *out, unsigned tag, size_t len)
{
    *out++ = (uint8_t)tag;
    if (len < 0x80) {
        *out++ = (uint8_t)len;
    } else if (len < 0x100) {
        *out++ = 0x81;
        *out++ = (uint8_t)len;
    } else {
        *out++ = 0x82;
        *out++ = (uint8_t)(len >> 8);
        *out++ = (uint8_t)len;
    }
    return out;
}

static size_t header_len(size_t len)
{
    return len < 0x80 ? 2 : len < 0x100 ? 3 : 4;
}

static uint8_t *put_two(uint8_t *out, unsigned number)
{
    *out++ = (uint8_t)('0' + number / 10 % 10);
    *out++ = (uint8_t)('0' + number % 10);
    return out;
}

// A UTCTime of a time after 2000-03-01.
static uint8_t *put_time(uint8_t *out, int64_t seconds)
{
    uint32_t days = (uint32_t)(seconds / DAY_S - 11017); // since 2000-03-01
    uint32_t second = (uint32_t)(seconds % DAY_S);
    uint32_t year = (4 * days + 3) / 1461;
    uint32_t day = days - year * 1461 / 4; // of a year that begins in March
    uint32_t month = (5 * day + 2) / 153;

    day -= (153 * month + 2) / 5;
    if (month >= 10) year++;
    month = month >= 10 ? month - 9 : month + 3;
    *out++ = DER_UTC_TIME;
    *out++ = TIME_LEN - 2;
    out = put_two(put_two(put_two(out, year), month), day + 1);
    out = put_two(put_two(out, second / 3600), second / 60 % 60);
    out = put_two(out, second % 60);
    *out++ = 'Z';
    return out;
}

// What looks like an ECDSA signature of two numbers of `len` bytes.
static uint8_t *put_ecdsa(uint8_t *out, struct stream *stream, size_t len)
{
    uint8_t *begin = out;

    out += 2;
    for (int i = 0; i < 2; i++) {
        uint8_t *number = out + 2;
        size_t pad;

        stream_fill(stream, number + 1, len);
        pad = number[1] >> 7;
        if (number[1] == 0) number[1] = 1; // so that the form stays DER
        if (pad == 0) memmove(number, number + 1, len);
        if (pad == 1) number[0] = 0;
        out[0] = DER_INTEGER;
        out[1] = (uint8_t)(len + pad);
        out = number + len + pad;
    }
    begin[0] = DER_SEQUENCE;
    begin[1] = (uint8_t)(out - begin - 2);
    return out;
}

// One issuance, and what all its certificates share.
struct draft {
    const struct pieces *pieces;
    unsigned issuer;
    int64_t now;
    struct stream stream;
    struct site site;
    size_t head_len, extensions_len;
    uint8_t head[HEAD_MAX]; // version to SubjectPublicKeyInfo
    uint8_t extensions[EXTENSIONS_MAX];
    uint8_t key_id[KEY_ID];
};

static uint8_t *put_subject(uint8_t *out, const struct draft *draft)
{
    static const char common_name[] = "\x06\x03\x55\x04\x03\x0c";
    static const char organization[] =
        "\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02HR"
        "\x31\x0f\x30\x0d\x06\x03\x55\x04\x08\x0c\x06Zagreb"
        "\x31\x1e\x30\x1c\x06\x03\x55\x04\x0a\x0c\x15"
        "Firma Nr. ";
    size_t len = draft->site.first_len;
    bool named = len > 0 && len <= 64 && (draft->site.number >> 7) % 100 >= 22;
    size_t pair = named ? len + 7 : 0;
    uint8_t subject[SUBJECT_MAX], *at = subject;

    if (draft->pieces->authority.validated) {
        unsigned number = (unsigned)(draft->site.number >> 15) % 1000000;

        at = put(at, organization, sizeof organization - 1);
        at =
            put_two(put_two(put_two(at, number / 10000), number / 100), number);
        at = put(at, " d.d.", 5);
    }
    if (named) {
        at = put_header(at, DER_SET, pair + 2);
        at = put_header(at, DER_SEQUENCE, pair);
        at = put(at, common_name, sizeof common_name - 1);
        *at++ = (uint8_t)len;
        at = put(at, draft->site.san + 2, len);
    }
    out = put_header(out, DER_SEQUENCE, (size_t)(at - subject));
    return put(out, subject, (size_t)(at - subject));
}

static size_t subject_is_empty(const uint8_t *subject)
{
    return subject[1] == 0;
}

static uint8_t *put_ec_key(uint8_t *out, const struct world *world,
                           struct stream *stream, bool p384)
{
    static const char p256_form[] =
        "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86"
        "\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
    static const char p384_form[] =
        "\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81"
        "\x04\x00\x22\x03\x62\x00\x04";
    size_t len = p384 ? 96 : 64;

    out = p384 ? put(out, p384_form, sizeof p384_form - 1)
               : put(out, p256_form, sizeof p256_form - 1);
    if (world == NULL) return stream_fill(stream, out, len);
    return put(out,
               p384 ? world->p384[stream_below(stream, WORLD_P384_KEYS)]
                    : world->p256[stream_below(stream, WORLD_P256_KEYS)],
               len);
}

static uint8_t *put_rsa_key(uint8_t *out, struct stream *stream, size_t modulus)
{
    static const char form[] = "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01"
                               "\x01\x01\x05\x00";
    uint8_t *key;

    out = put_header(out, DER_SEQUENCE, modulus + 34);
    out = put(out, form, sizeof form - 1);
    out = put_header(out, DER_BIT_STRING, modulus + 15);
    *out++ = 0;
    out = put_header(out, DER_SEQUENCE, modulus + 10);
    out = put_header(out, DER_INTEGER, modulus + 1);
    *out++ = 0;
    key = out;
    out = stream_fill(stream, out, modulus);
    key[0] |= 0x80;
    key[modulus - 1] |= 1;
    return put(out, "\x02\x03\x01\x00\x01", 5);
}

// The SubjectPublicKeyInfo, and the identifier of its BIT STRING.
static uint8_t *put_key(uint8_t *out, const struct corpus *corpus,
                        struct draft *draft)
{
    bool is_rsa = draft->pieces->kind == FIXED_KEY_RSA2048;
    uint64_t part = stream_below(&draft->stream, 100);
    size_t skip = is_rsa ? 24 : 26; // to the bits
    uint8_t *begin = out;

    if (is_rsa) {
        out = put_rsa_key(out, &draft->stream, part < 75 ? 256 : 512);
    } else {
        if (part < 3) skip = 23;
        out = put_ec_key(out, corpus->world, &draft->stream, part < 3);
    }
    if (draft->pieces->key_id == KEY_ID_SHA1) {
        SHA1(begin + skip, (size_t)(out - begin) - skip, draft->key_id);
    } else {
        struct sha256_hash hash =
            sha256(bytes_of(begin + skip, (size_t)(out - begin) - skip));

        memcpy(draft->key_id, hash.bytes, KEY_ID);
    }
    return out;
}

static uint8_t *put_names(uint8_t *out, const struct site *site, bool critical)
{
    size_t list = header_len(site->san_len) + site->san_len;
    size_t whole = 5 + 3 * (size_t)critical + header_len(list) + list;

    out = put_header(out, DER_SEQUENCE, whole);
    out = put(out, "\x06\x03\x55\x1d\x11", 5);
    if (critical) out = put(out, "\x01\x01\xff", 3);
    out = put_header(out, DER_OCTET_STRING, list);
    out = put_header(out, DER_SEQUENCE, site->san_len);
    return put(out, site->san, site->san_len);
}

// Everything that precertificate and final certificate have in common.
static void make_draft(const struct corpus *corpus, struct draft *draft,
                       uint64_t issuance)
{
    const struct pieces *pieces;
    uint8_t *out, *subject;

    site_of(&draft->site, &corpus->plan, issuance);
    site_names(&draft->site);
    draft->issuer = corpus->by_weight[(draft->site.number >> 40) % 100];
    pieces = draft->pieces = &corpus->pieces[draft->issuer];
    draft->stream = stream_for(corpus->seed ^ SEED_ISSUANCE, issuance);
    draft->now = BEGIN_S + (int64_t)((unsigned __int128)issuance * CORPUS_DAYS *
                                     DAY_S / corpus->issuances);
    out = put(draft->head, "\xa0\x03\x02\x01\x02\x02\x12", 7);
    *out++ = (uint8_t)(3 + draft->issuer); // as CAs mark a data centre
    out = stream_fill(&draft->stream, out, SERIAL + 1);
    out = put(out, pieces->algorithm.data, pieces->algorithm.len);
    out = put(out, pieces->authority.name_der.data,
              pieces->authority.name_der.len);
    out = put_header(out, DER_SEQUENCE, 2 * TIME_LEN);
    out = put_time(out, draft->now - 3600);
    out = put_time(out, draft->now - 3601 + draft->pieces->days * DAY_S);
    subject = out;
    out = put_subject(out, draft);
    out = put_key(out, corpus, draft);
    draft->head_len = (size_t)(out - draft->head);
    out = put(draft->extensions, pieces->before.data, pieces->before.len);
    out = put(out, draft->key_id, KEY_ID);
    out = put(out, pieces->after.data, pieces->after.len);
    out = put_names(out, &draft->site, subject_is_empty(subject));
    draft->extensions_len = (size_t)(out - draft->extensions);
}

static uint8_t *put_tbs(uint8_t *out, const struct draft *draft,
                        struct bytes ct)
{
    size_t list = draft->extensions_len + ct.len;
    size_t outer = header_len(list) + list;

    out = put_header(out, DER_SEQUENCE,
                     draft->head_len + header_len(outer) + outer);
    out = put(out, draft->head, draft->head_len);
    out = put_header(out, DER_CONTEXT_CONSTRUCTED | 3, outer);
    out = put_header(out, DER_SEQUENCE, list);
    out = put(out, draft->extensions, draft->extensions_len);
    return put(out, ct.data, ct.len);
}

// Fills a length field of three bytes before what ends at `end`.
static void put_length(uint8_t *at, const uint8_t *end)
{
    bytes_put_uint(at, (uint64_t)(end - at - 3), 3);
}

static uint8_t *put_certificate(uint8_t *out, const struct draft *draft,
                                struct bytes ct, struct stream *stream)
{
    uint8_t signature[SIGNATURE_MAX], *end = signature, *begin = out;
    size_t len;

    *end++ = 0; // no unused bits
    if (draft->pieces->kind == FIXED_KEY_RSA2048) {
        end = stream_fill(stream, end, 256);
    } else {
        end = put_ecdsa(end, stream,
                        draft->pieces->kind == FIXED_KEY_P384 ? 48 : 32);
    }
    out = put_tbs(out + 4, draft, ct);
    out = put(out, draft->pieces->algorithm.data, draft->pieces->algorithm.len);
    out = put_header(out, DER_BIT_STRING, (size_t)(end - signature));
    out = put(out, signature, (size_t)(end - signature));
    len = (size_t)(out - begin - 4);
    assert(len >= 0x100); // so that its header has four bytes
    (void)put_header(begin, DER_SEQUENCE, len);
    return out;
}

// The SCT list of a final certificate, as an extension.
static size_t make_scts(const struct corpus *corpus, const struct draft *draft,
                        struct stream *stream, uint8_t out[SCTS_MAX])
{
    uint8_t list[SCTS_MAX], *at = list + 2;
    uint64_t first = stream_below(stream, CORPUS_LOGS);
    size_t len;

    for (uint64_t i = 0; i < SCTS; i++) {
        uint64_t log = (first + i) % CORPUS_LOGS;
        uint8_t *begin = at, *signature;

        at += 2;
        *at++ = 0; // v1
        at = put(at, corpus->log_ids[log], SHA256_LEN);
        bytes_put_uint(
            at, (uint64_t)draft->now * 1000 + stream_below(stream, 5000), 8);
        bytes_put_uint(at + 8, log % 2 == 0 ? 8 : 0, 2);
        at += 10;
        if (log % 2 == 0) { // a tiled log's leaf_index
            bytes_put_uint(at, 5, 3);
            bytes_put_uint(at + 3, stream_below(stream, UINT32_MAX), 5);
            at += 8;
        }
        bytes_put_uint(at, 0x0403, 2); // sha256, ecdsa
        signature = at + 4;
        at = put_ecdsa(signature, stream, 32);
        bytes_put_uint(signature - 2, (uint64_t)(at - signature), 2);
        bytes_put_uint(begin, (uint64_t)(at - begin - 2), 2);
    }
    bytes_put_uint(list, (uint64_t)(at - list - 2), 2);
    len = (size_t)(at - list);
    at = put_header(out, DER_SEQUENCE,
                    12 + header_len(len + header_len(len)) + header_len(len) +
                        len);
    at = put(at, "\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x02", 12);
    at = put_header(at, DER_OCTET_STRING, header_len(len) + len);
    at = put_header(at, DER_OCTET_STRING, len);
    return (size_t)(put(at, list, len) - out);
}

// ------------------------------------------------------------ entries

// What entry `index` is: of which issuance, and whether its precertificate.
static bool place_of(uint64_t index, uint64_t *issuance)
{
    uint64_t round = index / PER_ROUND, at = index % PER_ROUND;

    if (at < ISSUANCES) {
        *issuance = round * ISSUANCES + at;
        return true;
    }
    *issuance = (round == 0 ? 0 : round - 1) * ISSUANCES + at - ISSUANCES;
    return false;
}

void corpus_append(const struct corpus *corpus, uint64_t index,
                   struct buffer *out, struct corpus_entry *entry)
{
    static const char poison[] = "\x30\x13\x06\x0a\x2b\x06\x01\x04\x01\xd6\x79"
                                 "\x02\x04\x03\x01\x01\xff\x04\x02\x05\x00";
    struct stream stream = stream_for(corpus->seed ^ SEED_ENTRY, index);
    uint8_t scts[SCTS_MAX], *at, *begin, *length;
    struct draft draft;
    uint64_t issuance;
    bool precert = place_of(index, &issuance);

    *entry = (struct corpus_entry){0};
    if (!buffer_reserve(out, ENTRY_MAX)) return;
    make_draft(corpus, &draft, issuance);
    at = begin = out->data + out->len;
    bytes_put_uint(at, 0, 2); // v1, timestamped_entry
    bytes_put_uint(at + 2,
                   (uint64_t)draft.now * 1000 + (precert ? 0 : 97000) +
                       stream_below(&stream, 10000),
                   8);
    bytes_put_uint(at + 10, precert, 2);
    at += 12;
    if (precert) {
        at = put(at, draft.pieces->authority.spki_id.bytes, SHA256_LEN);
        length = at;
        at = put_tbs(at + 3, &draft, (struct bytes){0});
    } else {
        size_t len = make_scts(corpus, &draft, &stream, scts);

        length = at;
        at = put_certificate(at + 3, &draft, bytes_of(scts, len), &stream);
    }
    put_length(length, at);
    at = put(at, "\x00\x08\x00\x00\x05", 5); // leaf_index
    bytes_put_uint(at, index, 5);
    at += 5;
    entry->leaf_len = (size_t)(at - begin);
    if (precert) {
        length = at;
        at = put_certificate(at, &draft, OID(poison), &stream);
        entry->precert_len = (size_t)(at - length);
    }
    entry->issuer = draft.issuer;
    out->len += (size_t)(at - begin);
}

bool corpus_first_name(const struct corpus *corpus, uint64_t index,
                       char out[CORPUS_NAME_SIZE])
{
    struct site site;
    uint64_t issuance;

    (void)place_of(index, &issuance);
    site_of(&site, &corpus->plan, issuance);
    site_names(&site);
    if (site.first_len == 0) return false;
    memcpy(out, site.san + 2, site.first_len);
    out[site.first_len] = '\0';
    return true;
}
