// crtsh_query.c - see crtsh_query.h.

#include "query/server/crtsh_query.h"

#include "index/base/text.h"
#include "index/net/http_text.h"

enum {
    ID_DIGITS_MAX = 16, // 2^53 - 1
    SHOWN_MAX = 96,
    ROWS_MAX = 100000, // of a page; a longer one is taken as this
};

// What may be asked for, and how; only one of them at a time.
enum kind {
    KIND_ANY, // q
    KIND_NAME,
    KIND_ADDRESS,
    KIND_COMMON_NAME,
    KIND_SERIAL,
    KIND_SHA256,
    KIND_SHA1,
    KIND_SPKI,
    KIND_ID,
    KIND_DOWNLOAD,
};

static const struct {
    const char *name;
    enum kind kind;
} searches[] = {
    {"q", KIND_ANY},
    {"identity", KIND_ANY},
    {"dnsname", KIND_NAME},
    {"domain", KIND_NAME},
    {"ipaddress", KIND_ADDRESS},
    {"ip", KIND_ADDRESS},
    {"cn", KIND_COMMON_NAME},
    {"serial", KIND_SERIAL},
    {"sha256", KIND_SHA256},
    {"sha1", KIND_SHA1},
    {"spkisha256", KIND_SPKI},
    {"id", KIND_ID},
    {"d", KIND_DOWNLOAD},
};

// What is read in a first pass, before it is known what goes with it.
struct reader {
    struct crtsh_query *out;
    struct arena *arena;
    struct err *err;
    const char *name; // of the search parameter; NULL: none yet
    enum kind kind;
    struct bytes value;
    bool is_exact; // match==
};

static bool refuse(const struct reader *r, const char *name, struct bytes value,
                   const char *wanted)
{
    char shown[SHOWN_MAX];

    return err_set(r->err, ERR_USAGE, "%s: '%s' is no %s", name,
                   text_escape(shown, sizeof shown, value), wanted);
}

static bool no_memory(const struct reader *r)
{
    return err_set(r->err, ERR_MEMORY, "no memory for a question");
}

static bool keep(const struct reader *r, struct buffer *text, struct bytes *out)
{
    bool ok = buffer_ok(text) && arena_copy(r->arena, buffer_bytes(text), out);

    buffer_cleanup(text);
    return ok || no_memory(r);
}

static bool set_filter(const struct reader *r, const char *name,
                       struct bytes value)
{
    return filters_set(&r->out->filters, bytes_from_text(name), value, r->arena,
                       r->err);
}

static bool is_digits(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
    }
    return text.len > 0;
}

static bool is_hex(struct bytes text, size_t octets)
{
    uint8_t plain[SHA256_LEN];

    return text.len == 2 * octets && text_parse_hex(plain, octets, text);
}

// ------------------------------------------------------------- other options

static bool read_match(struct reader *r, struct bytes value)
{
    static const char *const words[] = {"=", "LIKE", "ILIKE", "single", "any"};

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!http_equal(value, words[i])) continue;
        r->is_exact = i == 0;
        return true;
    }
    return refuse(r, "match", value, "one of =, LIKE, ILIKE, single, any");
}

static bool read_output(struct reader *r, struct bytes value)
{
    static const char *const words[] = {
        [CRTSH_JSON] = "json", [CRTSH_CSV] = "csv", [CRTSH_HTML] = "html"};

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!http_equal(value, words[i])) continue;
        r->out->has_output = true;
        r->out->output = (enum crtsh_output)i;
        return true;
    }
    return refuse(r, "output", value, "one of json, csv, html");
}

static bool read_limit(struct reader *r, struct bytes value)
{
    if (!text_parse_uint(&r->out->limit, value) || r->out->limit == 0) {
        return refuse(r, "limit", value, "number of rows");
    }
    if (r->out->limit > ROWS_MAX) r->out->limit = ROWS_MAX;
    return true;
}

// "ISSUANCE-ROWS": the last issuance that came whole, and how many rows of the
// next one.
static bool read_after(struct reader *r, struct bytes value)
{
    const uint8_t *dash =
        value.len == 0 ? NULL : memchr(value.data, '-', value.len);
    struct bytes id = value, rows;
    uint64_t number;

    r->out->skip = 0;
    if (dash != NULL) {
        id.len = (size_t)(dash - value.data);
        rows = bytes_of(dash + 1, value.len - id.len - 1);
        if (!text_parse_uint(&r->out->skip, rows)) {
            return refuse(r, "after", value, "place where a page ended");
        }
    }
    if (!text_parse_uint(&number, id)) {
        return refuse(r, "after", value, "place where a page ended");
    }
    return set_filter(r, "after", id);
}

static bool read_not_before(struct reader *r, struct bytes value)
{
    int64_t seconds;

    if (!text_parse_time(&seconds, value)) {
        return refuse(r, "minNotBefore", value, "date");
    }
    return set_filter(r, "since", value);
}

static bool read_exclude(struct reader *r, struct bytes value)
{
    if (!http_equal(value, "expired")) {
        return refuse(r, "exclude", value, "word but expired");
    }
    return set_filter(r, "unexpired", bytes_from_text("1"));
}

static bool read_deduplicate(struct reader *r, struct bytes value)
{
    r->out->deduplicate = http_equal(value, "Y");
    if (r->out->deduplicate || http_equal(value, "N")) return true;
    return refuse(r, "deduplicate", value, "Y or N");
}

static const struct {
    const char *name;
    bool (*read)(struct reader *r, struct bytes value);
} options[] = {
    {"match", read_match},
    {"output", read_output},
    {"limit", read_limit},
    {"after", read_after},
    {"minnotbefore", read_not_before},
    {"exclude", read_exclude},
    {"deduplicate", read_deduplicate},
};

// ------------------------------------------------------------- what is asked

static bool ask_prefixed(struct reader *r, const char *prefix,
                         struct bytes value)
{
    struct buffer text = {0};

    buffer_append_text(&text, prefix);
    buffer_append(&text, value);
    r->out->search = CRTSH_WHAT;
    return keep(r, &text, &r->out->what);
}

static bool ask_sha256(struct reader *r, struct bytes value)
{
    if (!is_hex(value, SHA256_LEN)) {
        return refuse(r, r->name, value, "SHA-256: 64 hex digits");
    }
    (void)!text_parse_hex(r->out->hash.bytes, SHA256_LEN, value);
    r->out->has_hash = true;
    return ask_prefixed(r, "sha256:", value);
}

static bool ask_id(struct reader *r, struct bytes value)
{
    struct bytes digits = value;

    while (digits.len > 1 && digits.data[0] == '0') {
        (void)bytes_skip(&digits, 1);
    }
    if (digits.len > ID_DIGITS_MAX || !text_parse_uint(&r->out->id, digits)) {
        return refuse(r, r->name, value, "certificate's id");
    }
    r->out->search = CRTSH_ID;
    return true;
}

// crt.sh's own spelling of IPv6 begins with a colon.
static struct bytes without_colon(struct bytes value)
{
    struct bytes rest = value;
    uint8_t octets[16];
    size_t len;

    if (names_parse_ip(value, octets, &len) || value.len < 2 ||
        value.data[0] != ':') {
        return value;
    }
    (void)bytes_skip(&rest, 1);
    return names_parse_ip(rest, octets, &len) ? rest : value;
}

static bool is_address(struct bytes value)
{
    const uint8_t *slash =
        value.len == 0 ? NULL : memchr(value.data, '/', value.len);
    uint8_t octets[16];
    size_t len;

    if (slash != NULL) value.len = (size_t)(slash - value.data);
    return names_parse_ip(value, octets, &len);
}

static bool ask_name(struct reader *r, struct bytes value)
{
    bool is_below = bytes_starts_with(value, bytes_from_text("%."));

    if (is_below) (void)bytes_skip(&value, 2);
    if (value.len == 0) return refuse(r, r->name, value, "name");
    if (memchr(value.data, '%', value.len) != NULL) {
        return err_set(r->err, ERR_USAGE,
                       "%s: a %% stands for something only as the %%. in front "
                       "of a name",
                       r->name);
    }
    if (is_below) {
        return set_filter(r, "subdomains", bytes_from_text("1")) &&
               ask_prefixed(r, "*.", value);
    }
    if (!r->is_exact && !bytes_starts_with(value, bytes_from_text("*.")) &&
        !set_filter(r, "subdomains", bytes_from_text("1"))) {
        return false;
    }
    return ask_prefixed(r, "", value);
}

static bool ask_common_name(struct reader *r, struct bytes value)
{
    if (!set_filter(r, "via", bytes_from_text("cn"))) return false;
    if (memchr(value.data, ' ', value.len) != NULL) {
        return ask_prefixed(r, "cn:", value);
    }
    return is_address(value) ? ask_prefixed(r, "", value) : ask_name(r, value);
}

static bool ask_any(struct reader *r, struct bytes value)
{
    if (is_digits(value)) return ask_id(r, value);
    if (is_hex(value, SHA256_LEN)) return ask_sha256(r, value);
    if (is_hex(value, 20)) {
        return err_set(r->err, ERR_USAGE,
                       "%s: that is a SHA-1, and SHA-1 is not kept; ask by the "
                       "SHA-256",
                       r->name);
    }
    return is_address(value) ? ask_prefixed(r, "", value) : ask_name(r, value);
}

static bool ask_download(struct reader *r, struct bytes value)
{
    bool ok =
        is_hex(value, SHA256_LEN) ? ask_sha256(r, value) : ask_id(r, value);

    r->out->search = CRTSH_DOWNLOAD;
    return ok;
}

static bool ask(struct reader *r)
{
    struct bytes value = without_colon(r->value);

    if (value.len == 0) return refuse(r, r->name, value, "question");
    switch (r->kind) {
    case KIND_ANY:
        return ask_any(r, value);
    case KIND_NAME:
        if (is_address(value)) return refuse(r, r->name, value, "name");
        return ask_name(r, value);
    case KIND_ADDRESS:
        if (!is_address(value)) {
            return refuse(r, r->name, value, "address or prefix");
        }
        return ask_prefixed(r, "", value);
    case KIND_COMMON_NAME:
        return ask_common_name(r, value);
    case KIND_SERIAL:
        return ask_prefixed(r, "serial:", value);
    case KIND_SHA256:
        return ask_sha256(r, value);
    case KIND_SHA1:
        return err_set(r->err, ERR_USAGE,
                       "sha1: SHA-1 is not kept; ask by the SHA-256");
    case KIND_SPKI:
        return ask_prefixed(r, "spki:", value);
    case KIND_ID:
        return ask_id(r, value);
    case KIND_DOWNLOAD:
        return ask_download(r, value);
    }
    return false;
}

// ------------------------------------------------------------- reading

static struct bytes trim(struct bytes text)
{
    while (text.len > 0 && text.data[0] == ' ') {
        (void)bytes_skip(&text, 1);
    }
    while (text.len > 0 && text.data[text.len - 1] == ' ') {
        text.len--;
    }
    return text;
}

static bool read_parameter(struct reader *r, struct bytes name,
                           struct bytes value)
{
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (http_equal(name, options[i].name)) {
            return options[i].read(r, value);
        }
    }
    for (size_t i = 0; i < COUNT_OF(searches); i++) {
        if (!http_equal(name, searches[i].name)) continue;
        if (r->name != NULL) {
            return err_set(r->err, ERR_USAGE,
                           "%s: %s is asked for already, and only one can be",
                           searches[i].name, r->name);
        }
        r->name = searches[i].name;
        r->kind = searches[i].kind;
        r->value = trim(value);
    }
    return true;
}

static bool decode(const struct reader *r, struct bytes encoded,
                   struct bytes *out)
{
    struct buffer plain = {0};

    http_percent_decode_loosely(&plain, encoded, true);
    return keep(r, &plain, out);
}

bool crtsh_query_read(struct crtsh_query *out, struct bytes query,
                      struct arena *arena, struct err *err)
{
    struct reader r = {.out = out, .arena = arena, .err = err};
    struct bytes raw_name, raw_value, name, value;

    *out = (struct crtsh_query){0};
    while (http_query_next(&query, &raw_name, &raw_value)) {
        if (!decode(&r, raw_name, &name) || !decode(&r, raw_value, &value) ||
            !read_parameter(&r, name, value)) {
            return false;
        }
    }
    if (r.name == NULL) {
        return err_set(err, ERR_USAGE,
                       "q: no question is asked; ?q=NAME does, an address or a "
                       "hash too");
    }
    if (r.out->limit != 0 || r.out->filters.has_after) {
        r.out->filters.order = ORDER_FOUND;
        // One more shows that something follows.
        if (r.out->limit != 0) r.out->filters.limit = r.out->limit + 1;
    }
    return ask(&r);
}
