// template_scts.c - lists of SCTs; see template_parts.h.
//
//   text   num; each: number of the log, form, SCT_ZEROS: length
//   raw    each: timestamp less the entry's, folded, varint; SCT_INDEX: 5
//          bytes; SCT_P256: 64 bytes

#include "index/base/varint.h"
#include "index/store/template_parts.h"

enum {
    SCTS_MAX = 16,
    TAG_SEQUENCE = 0x30,
    TAG_INTEGER = 2,
    TIMESTAMP_LEN = 8,
    INDEX_LEN = 5,
    SCT_P256 = 0,  // ECDSA with SHA-256, r and s of at most 32 bytes
    SCT_ZEROS = 1, // zeros in its place
    SCT_SIGNATURE_MASK = 1,
    SCT_INDEX = 2, // the extensions of a static log
    SCT_FORMS_ALL = 3,
};

// SHA-256 with ECDSA (RFC 5246 section 7.4.1.4.1), the length's first byte.
static const uint8_t algorithm[] = {4, 3};
// leaf_index: type 0, length 5.
static const uint8_t index_head[] = {0, 8, 0, 0, 5};

struct sct {
    struct bytes log, index, signature;
    uint64_t timestamp;
    unsigned form;
    uint8_t split[2 * SIGNATURE_HALF_LEN]; // SCT_P256
};

static bool split_signature(uint8_t out[2 * SIGNATURE_HALF_LEN],
                            struct bytes signature)
{
    const uint8_t *data = signature.data;
    size_t len = signature.len, r, s;

    if (len < 8 || len > SIGNATURE_LEN_MAX || data[0] != TAG_SEQUENCE ||
        data[1] != len - 2 || data[2] != TAG_INTEGER) {
        return false;
    }
    r = data[3];
    if (r + 6 > len || data[4 + r] != TAG_INTEGER) return false;
    s = data[5 + r];
    return 6 + r + s == len &&
           derive_uint_split(out, SIGNATURE_HALF_LEN, bytes_of(data + 4, r)) &&
           derive_uint_split(out + SIGNATURE_HALF_LEN, SIGNATURE_HALF_LEN,
                             bytes_of(data + 6 + r, s));
}

static size_t join_signature(uint8_t out[SIGNATURE_LEN_MAX],
                             const uint8_t *split)
{
    size_t r = derive_uint_join(out + 4, split, SIGNATURE_HALF_LEN);
    size_t s = derive_uint_join(out + 6 + r, split + SIGNATURE_HALF_LEN,
                                SIGNATURE_HALF_LEN);

    out[0] = TAG_SEQUENCE;
    out[1] = (uint8_t)(4 + r + s);
    out[2] = TAG_INTEGER;
    out[3] = (uint8_t)r;
    out[4 + r] = TAG_INTEGER;
    out[5 + r] = (uint8_t)s;
    return 6 + r + s;
}

static bool is_zeros(struct bytes view)
{
    for (size_t i = 0; i < view.len; i++) {
        if (view.data[i] != 0) return false;
    }
    return true;
}

static bool read_sct(struct sct *sct, struct bytes view)
{
    struct bytes part;
    uint64_t version;

    *sct = (struct sct){0};
    if (!bytes_read_uint(&view, &version, 1) || version != 0 ||
        !bytes_read_take(&view, &sct->log, SHA256_LEN) ||
        !bytes_read_uint(&view, &sct->timestamp, TIMESTAMP_LEN)) {
        return false;
    }
    if (bytes_starts_with(view, bytes_of(index_head, sizeof index_head))) {
        (void)bytes_skip(&view, sizeof index_head);
        if (!bytes_read_take(&view, &sct->index, INDEX_LEN)) return false;
        sct->form |= SCT_INDEX;
    } else if (!bytes_read_vector(&view, &part, 2) || part.len != 0) {
        return false;
    }
    if (!bytes_starts_with(view, bytes_of(algorithm, sizeof algorithm)) ||
        !bytes_skip(&view, sizeof algorithm) ||
        !bytes_read_vector(&view, &sct->signature, 2) || view.len != 0) {
        return false;
    }
    if (split_signature(sct->split, sct->signature)) return true;
    sct->form |= SCT_ZEROS;
    return sct->signature.len <= UINT8_MAX && is_zeros(sct->signature);
}

static bool log_number(struct sct_logs *logs, const uint8_t *id,
                       uint8_t *number)
{
    size_t i = 0;

    while (i < logs->num && memcmp(logs->ids[i], id, SHA256_LEN) != 0) {
        i++;
    }
    if (i == SCT_LOGS_MAX) return false;
    if (i == logs->num) memcpy(logs->ids[logs->num++], id, SHA256_LEN);
    *number = (uint8_t)i;
    return true;
}

static bool put_sct(struct coder *c, const struct sct *sct)
{
    uint64_t late = sct->timestamp - c->facts->timestamp_ms;
    uint8_t number;

    if (!log_number(c->logs, sct->log.data, &number)) return false;
    *c->text++ = number;
    *c->text++ = (uint8_t)sct->form;
    if ((sct->form & SCT_SIGNATURE_MASK) == SCT_ZEROS) {
        *c->text++ = (uint8_t)sct->signature.len;
    }
    for (late = varint_fold((int64_t)late); late >= 0x80; late >>= 7) {
        *c->raw++ = (uint8_t)(late | 0x80);
    }
    *c->raw++ = (uint8_t)late;
    if ((sct->form & SCT_INDEX) != 0) coder_raw(c, sct->index.data, INDEX_LEN);
    if ((sct->form & SCT_SIGNATURE_MASK) == SCT_P256) {
        coder_raw(c, sct->split, sizeof sct->split);
    }
    return true;
}

bool scts_encode(struct coder *c, struct bytes content)
{
    struct coder before = *c;
    struct bytes list, one;
    uint8_t *num = c->text;

    if (!bytes_read_vector(&content, &list, 2) || content.len != 0) {
        return false;
    }
    *c->text++ = 0;
    while (list.len > 0) {
        struct sct sct;

        if (*num == SCTS_MAX || !bytes_read_vector(&list, &one, 2) ||
            !read_sct(&sct, one) || !put_sct(c, &sct)) {
            c->text = before.text;
            c->raw = before.raw;
            return false;
        }
        (*num)++;
    }
    return true;
}

static bool take_form(struct decoder *d, struct sct *sct)
{
    uint64_t number, form;

    if (!bytes_read_uint(&d->text, &number, 1) || number >= d->logs->num ||
        !bytes_read_uint(&d->text, &form, 1) || form > SCT_FORMS_ALL) {
        return false;
    }
    sct->log = bytes_of(d->logs->ids[number], SHA256_LEN);
    sct->form = (unsigned)form;
    return true;
}

static bool take_signature(struct decoder *d, const struct sct *sct,
                           uint8_t out[UINT8_MAX], size_t *len)
{
    struct bytes split;
    uint64_t num;

    if ((sct->form & SCT_SIGNATURE_MASK) == SCT_P256) {
        if (!bytes_read_take(&d->raw, &split, 2 * SIGNATURE_HALF_LEN)) {
            return false;
        }
        *len = join_signature(out, split.data);
        return true;
    }
    if (!bytes_read_uint(&d->text, &num, 1)) return false;
    *len = (size_t)num;
    memset(out, 0, *len);
    return true;
}

static bool take_sct(struct decoder *d)
{
    uint8_t head[2 + 1], rest[TIMESTAMP_LEN + 2 + 2], signature[UINT8_MAX];
    size_t at = d->len, len, index_len = 0;
    uint64_t late;
    struct sct sct = {0};

    if (!take_form(d, &sct) || !varint_read(&d->raw, &late) ||
        ((sct.form & SCT_INDEX) != 0 &&
         !bytes_read_take(&d->raw, &sct.index, INDEX_LEN)) ||
        !take_signature(d, &sct, signature, &len)) {
        return false;
    }
    bytes_put_uint(rest, d->facts->timestamp_ms + (uint64_t)varint_unfold(late),
                   TIMESTAMP_LEN);
    memset(head, 0, sizeof head);
    if (!decoder_put(d, head, sizeof head) ||
        !decoder_put(d, sct.log.data, SHA256_LEN) ||
        !decoder_put(d, rest, TIMESTAMP_LEN)) {
        return false;
    }
    if ((sct.form & SCT_INDEX) != 0) {
        index_len = INDEX_LEN;
        if (!decoder_put(d, index_head, sizeof index_head)) return false;
    } else if (!decoder_put(d, head, 2)) {
        return false;
    }
    memcpy(rest, algorithm, sizeof algorithm);
    bytes_put_uint(rest + sizeof algorithm, len, 2);
    if (!decoder_put(d, sct.index.data, index_len) ||
        !decoder_put(d, rest, sizeof algorithm + 2) ||
        !decoder_put(d, signature, len)) {
        return false;
    }
    bytes_put_uint(d->out + at, d->len - at - 2, 2);
    return true;
}

bool scts_decode(struct decoder *d)
{
    static const uint8_t room[2];
    size_t at = d->len;
    uint64_t num;

    if (!decoder_put(d, room, sizeof room) ||
        !bytes_read_uint(&d->text, &num, 1) || num > SCTS_MAX) {
        return false;
    }
    for (uint64_t i = 0; i < num; i++) {
        if (!take_sct(d)) return false;
    }
    bytes_put_uint(d->out + at, d->len - at - 2, 2);
    return true;
}
