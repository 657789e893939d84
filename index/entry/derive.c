// derive.c - see derive.h.
//
// A name goes through in three steps: derive_name looks at the whole and at
// what a C string would hold of it, derive_text picks the host out of what is
// more than a host, add_host adds an address or the readings of a name.

#include "index/entry/derive.h"

#include "index/base/text.h"
#include "index/entry/host.h"
#include "index/entry/idna.h"

enum { NAME_LEN_MAX = 253, LABEL_LEN_MAX = 63 };

// What is known while one name is derived.
struct origin {
    struct terms *terms;
    enum cert_name_kind kind;
    bool is_question; // no parts, no further readings, no flags
    bool is_more;     // it is more than a host: its dots separate no labels
};

static bool is_common_name(const struct origin *origin)
{
    return origin->kind == CERT_NAME_CN || origin->kind == CERT_NAME_DIRECTORY;
}

static void flag(const struct origin *origin, uint32_t bits)
{
    origin->terms->flags |= bits;
}

// What was read in another way is no longer the CN itself.
static uint32_t derived(uint32_t via)
{
    return (via & ~DERIVE_VIA_CN_ITSELF) | VIA_DERIVED;
}

static bool take(struct origin *origin, struct buffer *made, struct bytes *out)
{
    bool ok = buffer_ok(made) &&
              arena_copy(origin->terms->arena, buffer_bytes(made), out);

    if (!ok) origin->terms->failed = true;
    buffer_cleanup(made);
    return ok;
}

static bool copy_lower(struct origin *origin, struct bytes text,
                       struct bytes *out, bool *is_ascii)
{
    uint8_t *lower = arena_alloc(origin->terms->arena, text.len);
    uint8_t all = 0;

    if (lower == NULL) {
        origin->terms->failed = true;
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];

        lower[i] = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
        all |= c;
    }
    *out = bytes_of(lower, text.len);
    *is_ascii = all < 0x80;
    return true;
}

// A label that a client could take for any: a wildcard of no regular form,
// bytes that no name shows, an A-label that says nothing.
static bool is_irregular(struct bytes label, bool is_leftmost)
{
    if (label.len == 1 && label.data[0] == '*') return !is_leftmost;
    if (label.len == 0) return is_leftmost;
    for (size_t i = 0; i < label.len; i++) {
        uint8_t c = label.data[i];

        if (c < 0x20 || c >= 0x7f || c == '*' || c == '?') return true;
    }
    if (!bytes_starts_with(label, bytes_from_text("xn--"))) return false;
    return !idna_is_punycode(bytes_of(label.data + 4, label.len - 4));
}

// Most names have none: a star but in front of a dot, "xn--", an empty label.
static bool may_be_irregular(struct bytes name)
{
    if (!host_is_plain(name) || name.data[0] == '.') return true;
    if (name.data[0] == '*' && name.len > 1 && name.data[1] != '.') return true;
    return memchr(name.data + 1, '*', name.len - 1) != NULL ||
           memmem(name.data, name.len, "xn--", 4) != NULL;
}

// The last irregular label gives the parent.  A name of one label covers no
// host that has a parent, and NULs at the end are a C string's.
static void add_irregular(struct origin *origin, struct bytes name,
                          uint32_t via)
{
    size_t start = 0, parent = SIZE_MAX;

    if (origin->is_question || origin->is_more) return;
    while (name.len > 0 && name.data[name.len - 1] == 0) {
        name.len--;
    }
    if (memchr(name.data, '.', name.len) == NULL || !may_be_irregular(name)) {
        return;
    }
    while (start <= name.len) {
        const uint8_t *dot = start == name.len ? NULL
                                               : memchr(name.data + start, '.',
                                                        name.len - start);
        size_t end = dot == NULL ? name.len : (size_t)(dot - name.data);
        struct bytes label = bytes_of(name.data + start, end - start);

        if (is_irregular(label, start == 0)) parent = end;
        start = end + 1;
    }
    if (parent == SIZE_MAX) return;
    if (parent < name.len) parent++; // the dot
    terms_add(origin->terms, TERM_IRREGULAR, via & ~DERIVE_VIA_CN_ITSELF,
              bytes_of(name.data + parent, name.len - parent));
}

static bool add_address(struct origin *origin, struct bytes text, uint32_t via)
{
    uint8_t octets[16];
    struct bytes value;
    size_t len;

    if (!names_parse_ip(text, octets, &len)) return false;
    if (!arena_copy(origin->terms->arena, bytes_of(octets, len), &value)) {
        origin->terms->failed = true;
        return true;
    }
    if (origin->kind == CERT_NAME_DNS && !origin->is_question) {
        flag(origin, FLAG_IP_IN_DNS_NAME);
        via |= VIA_DERIVED;
    }
    if (origin->kind == CERT_NAME_CN) flag(origin, FLAG_IP_IN_CN);
    terms_add(origin->terms, len == 4 ? TERM_IPV4 : TERM_IPV6, via, value);
    return true;
}

// One reading of a name that is not ASCII.
static void add_reading(struct origin *origin, struct bytes name, uint32_t via,
                        enum idna_reading reading, bool is_first)
{
    struct buffer made = {0};
    struct bytes value;

    if (!idna_append_name(&made, name, reading)) made.failed = true;
    if (!take(origin, &made, &value)) return;
    value = host_trim(value);
    if (value.len == 0) return;
    if (!bytes_equal(value, name) &&
        !add_address(origin, value, via | VIA_DERIVED)) {
        terms_add(origin->terms, TERM_DNS, via | VIA_DERIVED, value);
    }
    if (is_first) add_irregular(origin, value, via);
}

static void add_host(struct origin *origin, struct bytes text, uint32_t via)
{
    struct bytes name;
    bool is_ascii;

    text = host_trim(text);
    if (text.len == 0 || add_address(origin, text, via) ||
        !copy_lower(origin, text, &name, &is_ascii)) {
        return;
    }
    if (is_ascii) {
        terms_add(origin->terms, TERM_DNS, via, name);
        add_irregular(origin, name, via);
        return;
    }
    terms_add(origin->terms, TERM_DNS, via & ~DERIVE_VIA_CN_ITSELF, name);
    // The A-labels are what the CN means.
    add_reading(origin, name, via, IDNA_UTF8, true);
    if (origin->is_question) return;
    add_reading(origin, name, derived(via), IDNA_LATIN1, false);
}

static void flag_wildcards(struct origin *origin, struct bytes host)
{
    const uint8_t *star = memchr(host.data, '*', host.len);

    if (star == NULL) return;
    if (host.len > 2 && star == host.data && host.data[1] == '.' &&
        memchr(host.data + 1, '*', host.len - 1) == NULL) {
        return;
    }
    flag(origin, FLAG_ODD_WILDCARD);
}

static void flag_lengths(struct origin *origin, struct bytes host)
{
    size_t label_len = 0;

    if (host.len <= LABEL_LEN_MAX) return;
    if (host.len > NAME_LEN_MAX) flag(origin, FLAG_LONG_NAME);
    for (size_t i = 0; i < host.len; i++) {
        label_len = host.data[i] == '.' ? 0 : label_len + 1;
        if (label_len > LABEL_LEN_MAX) flag(origin, FLAG_LONG_NAME);
    }
}

// Names with bytes that answers must escape (CLI.md).
static void flag_bytes(struct origin *origin, struct bytes text)
{
    struct buffer shown = {0};
    bool is_ascii = true, is_printable = true;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];

        if (c == 0) flag(origin, FLAG_NUL_IN_NAME);
        if (c < 0x20 || c == 0x7f || c == '\\') is_printable = false;
        if (c >= 0x80) is_ascii = false;
    }
    if (!is_ascii && is_printable) {
        text_append_escaped(&shown, text);
        is_printable = bytes_equal(buffer_bytes(&shown), text);
        if (!buffer_ok(&shown)) origin->terms->failed = true;
        buffer_cleanup(&shown);
    }
    if (!is_printable) flag(origin, FLAG_UNPRINTABLE_NAME);
    if (!is_ascii && origin->kind == CERT_NAME_DNS) {
        flag(origin, FLAG_NAME_NOT_ASCII);
    }
}

static void flag_not_ascii(struct origin *origin, struct bytes host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (host.data[i] >= 0x80) flag(origin, FLAG_NAME_NOT_ASCII);
    }
}

static void add_cn_text(struct origin *origin, struct bytes text, uint32_t via)
{
    struct buffer made = {0};
    struct bytes value;

    text = names_cn_text(text);
    // As cert_text_utf8 has it: what is no UTF-8 is Latin-1.
    if (idna_is_utf8(text)) {
        buffer_append(&made, text);
    } else {
        for (size_t i = 0; i < text.len; i++) {
            text_utf8_append(&made, text.data[i]);
        }
    }
    if (!take(origin, &made, &value)) return;
    terms_add(origin->terms, TERM_CN_TEXT, via & ~DERIVE_VIA_CN_ITSELF, value);
}

// A dNSName, or a common name that may be a host.
static void derive_host_name(struct origin *origin, struct bytes text,
                             uint32_t via)
{
    struct bytes host = host_trim(text), part;
    uint8_t octets[16];
    bool is_plain, is_url;
    size_t len;

    if (host.len == 0) {
        flag(origin, FLAG_EMPTY_NAME);
        return;
    }
    is_plain = host_is_plain(host);
    if (is_common_name(origin) && !is_plain) {
        if (host_has_blank(host)) {
            add_cn_text(origin, text, via);
            return;
        }
        if (!names_parse_ip(host, octets, &len)) {
            add_cn_text(origin, text, via);
            flag_not_ascii(origin, host);
        }
    }
    flag_wildcards(origin, host);
    flag_lengths(origin, host);
    if (is_plain) {
        add_host(origin, host, via);
        return;
    }
    part = host_of_name(host, &is_url);
    if (is_url) flag(origin, FLAG_URL_IN_NAME);
    origin->is_more = part.len > 0 && part.len < host.len;
    add_host(origin, host, via);
    if (!origin->is_more) return;
    origin->is_more = false;
    add_host(origin, part, derived(via));
}

// What a client may take for the host of a name that is `text`.
static void derive_text(struct origin *origin, struct bytes text, uint32_t via)
{
    switch (origin->kind) {
    case CERT_NAME_DNS:
    case CERT_NAME_CN:
    case CERT_NAME_DIRECTORY:
        derive_host_name(origin, text, via);
        return;
    case CERT_NAME_EMAIL:
    case CERT_NAME_UPN:
    case CERT_NAME_SMTP_UTF8:
    case CERT_NAME_SUBJECT_EMAIL:
        add_host(origin, host_of_mailbox(text), via);
        return;
    case CERT_NAME_URI:
        add_host(origin, host_of_uri(text), via);
        return;
    case CERT_NAME_IP:
    case CERT_NAME_OTHER:
        return;
    }
}

static void add_octets(struct origin *origin, struct bytes raw, uint32_t via)
{
    uint8_t octets[16];
    struct bytes value;
    size_t len = raw.len;

    memcpy(octets, raw.data, len);
    names_unmap_ip(octets, &len);
    if (!arena_copy(origin->terms->arena, bytes_of(octets, len), &value)) {
        origin->terms->failed = true;
        return;
    }
    terms_add(origin->terms, len == 4 ? TERM_IPV4 : TERM_IPV6, via, value);
}

// An iPAddress: an address, an address and a mask, or text where octets should
// be.  Four octets are never text: 46.101.98.99 is ".ebc".
static void derive_address(struct origin *origin, struct bytes raw,
                           uint32_t via)
{
    struct bytes value;

    if (raw.len == 4 || raw.len == 16) {
        add_octets(origin, raw, via);
    } else {
        flag(origin, FLAG_IP_BAD_LENGTH);
        if (raw.len == 0) return;
        if (!arena_copy(origin->terms->arena, raw, &value)) {
            origin->terms->failed = true;
            return;
        }
        terms_add(origin->terms, TERM_IP_OCTETS, via, value);
        if (raw.len == 8 || raw.len == 32) {
            add_octets(origin, bytes_of(raw.data, raw.len / 2),
                       via | VIA_DERIVED);
        }
    }
    if (raw.len == 4 || add_address(origin, raw, via | VIA_DERIVED)) return;
    if (!host_is_plain(raw) || memchr(raw.data, '.', raw.len) == NULL) return;
    add_host(origin, raw, via | VIA_DERIVED);
}

// Nearly every name is its own term and nothing else: plain bytes, no address,
// no A-label, no star but in front, no dot at an end.
static bool add_ordinary(struct origin *origin, struct bytes text, uint32_t via)
{
    struct terms *terms = origin->terms;
    unsigned seen;
    uint8_t *lower, last;

    if (text.len == 0) return false;
    last = text.data[text.len - 1];
    // An address in plain bytes ends in a digit.
    if (last == '.' || (last >= '0' && last <= '9') || text.data[0] == '.') {
        return false;
    }
    lower = arena_alloc(terms->arena, text.len);
    if (lower == NULL) {
        terms->failed = true;
        return true;
    }
    seen = host_lower(lower, text);
    if ((seen & (HOST_NOT_PLAIN | HOST_TWO_HYPHENS)) != 0) return false;
    if ((seen & HOST_STAR) != 0 &&
        (text.len < 2 || lower[0] != '*' || lower[1] != '.' ||
         memchr(lower + 1, '*', text.len - 1) != NULL)) {
        return false;
    }
    flag_lengths(origin, text);
    terms_add(terms, TERM_DNS, via, bytes_of(lower, text.len));
    return true;
}

static bool is_host_name(enum cert_name_kind kind)
{
    return kind == CERT_NAME_DNS || kind == CERT_NAME_CN ||
           kind == CERT_NAME_DIRECTORY;
}

void derive_name(struct terms *terms, enum cert_name_kind kind, uint32_t via,
                 struct bytes text)
{
    struct origin origin = {terms, kind, false, false};
    const uint8_t *nul;

    if (kind == CERT_NAME_OTHER) return;
    if (kind == CERT_NAME_IP) {
        derive_address(&origin, text, via);
        return;
    }
    if (kind == CERT_NAME_CN) via |= DERIVE_VIA_CN_ITSELF;
    if (is_host_name(kind) && add_ordinary(&origin, text, via)) return;
    if (host_is_plain(text)) {
        derive_text(&origin, text, via);
        return;
    }
    flag_bytes(&origin, text);
    derive_text(&origin, text, via);
    // What a C string would hold of it.
    nul = text.len == 0 ? NULL : memchr(text.data, 0, text.len);
    if (nul == NULL || nul == text.data) return;
    derive_text(&origin, bytes_of(text.data, (size_t)(nul - text.data)),
                derived(via));
}

void derive_question(struct terms *terms, struct bytes text)
{
    struct origin origin = {terms, CERT_NAME_DNS, true, false};

    add_host(&origin, text, 0);
}
