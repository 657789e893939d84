// question.c - see question.h.

#include "query/question.h"

#include <stdlib.h>

#include "index/base/text.h"
#include "index/store/keys.h"

enum {
    SHOWN_LEN_MAX = 64,      // of a value that an error sentence quotes
    COVERED_NAME_MAX = 1024, // one key per parent is asked for: no host's name
                             // comes near
};

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "a question: no memory left for it");
}

// What question_parse works with.
struct parser {
    struct question *question;
    const struct filters *filters;
    const char *label;
    struct bytes what;
    struct arena *arena;
    struct err *err;
};

static bool refuse_what(const struct parser *parser, const char *wanted)
{
    char quoted[SHOWN_LEN_MAX];

    return err_set(parser->err, ERR_USAGE, "%s: '%s' is no %s", parser->label,
                   text_escape(quoted, sizeof quoted, parser->what), wanted);
}

// Copies a buffer's content into the arena and empties it.
static bool keep_buffer(const struct parser *parser, struct buffer *buffer,
                        struct bytes *out)
{
    bool ok = buffer_ok(buffer) &&
              arena_copy(parser->arena, buffer_bytes(buffer), out);

    buffer_cleanup(buffer);
    return ok || no_memory(parser->err);
}

static bool add_range(const struct parser *parser,
                      const struct question_range *range)
{
    struct question *question = parser->question;
    struct question_range *ranges = list_grow(
        question->ranges, question->num_ranges, sizeof *ranges, parser->arena);

    if (ranges == NULL) return no_memory(parser->err);
    question->ranges = ranges;
    question->ranges[question->num_ranges++] = *range;
    return true;
}

// The postings of one key: nothing lies between it and the key that 00 is
// appended to.
static bool add_exact(const struct parser *parser, enum term_kind kind,
                      struct bytes value, uint32_t via_only, uint32_t via_more)
{
    struct question_range range = {.kind = kind,
                                   .exact = true,
                                   .value = value,
                                   .via_only = via_only,
                                   .via_more = via_more};
    struct buffer key = {0};
    struct bytes both;

    keys_append(&key, kind, value);
    buffer_append_byte(&key, 0x00);
    if (!keep_buffer(parser, &key, &both)) return false;
    range.first = bytes_of(both.data, both.len - 1);
    range.end = both;
    return add_range(parser, &range);
}

static bool add_subtree(const struct parser *parser, struct bytes name)
{
    struct question_range range = {.kind = TERM_DNS, .below_self = true};
    struct buffer first = {0}, end = {0};
    bool alone, kept;

    if (bytes_starts_with(name, bytes_from_text("*.")) && name.len > 2) {
        range.below_self = false;
        (void)bytes_skip(&name, 2);
    }
    alone = keys_subtree(&first, &end, name, range.below_self);
    if (!alone) range.below = name;
    kept = keep_buffer(parser, &first, &range.first);
    if (!keep_buffer(parser, &end, &range.end) || !kept) {
        return no_memory(parser->err);
    }
    return add_range(parser, &range);
}

// The name's parent: what stands right of its first dot; empty at the end.
static struct bytes parent_of(struct bytes name)
{
    while (name.len > 0 && name.data[0] != '.') {
        (void)bytes_skip(&name, 1);
    }
    (void)bytes_skip(&name, 1);
    return name;
}

// Every name that some client takes for this one: itself, the wildcard one
// label up, and what irregular wildcards stand under any of its parents.
static bool add_covering(const struct parser *parser, struct bytes name)
{
    bool is_wildcard = bytes_starts_with(name, bytes_from_text("*."));
    struct bytes parent = parent_of(name);

    if (name.len > COVERED_NAME_MAX) {
        return err_set(
            parser->err, ERR_USAGE, "%s: a name of %zu bytes is no host's",
            filters_shown_name(parser->filters, "covering").text, name.len);
    }
    if (!add_exact(parser, TERM_DNS, name, 0, 0)) return false;
    if (!is_wildcard && parent.len > 0) {
        struct buffer text = {0};
        struct bytes wildcard;

        buffer_append_text(&text, "*.");
        buffer_append(&text, parent);
        if (!keep_buffer(parser, &text, &wildcard) ||
            !add_exact(parser, TERM_DNS, wildcard, 0, VIA_WILDCARD)) {
            return false;
        }
    }
    for (;; parent = parent_of(parent)) {
        if (!add_exact(parser, TERM_IRREGULAR, parent, 0, VIA_IRREGULAR)) {
            return false;
        }
        if (parent.len == 0) return true;
    }
}

static bool refuse_scope(const struct parser *parser)
{
    enum question_scope scope = parser->filters->scope;
    char quoted[SHOWN_LEN_MAX];

    if (scope == SCOPE_EXACT) return true;
    return err_set(parser->err, ERR_USAGE, "%s: '%s' is no name",
                   filters_shown_name(parser->filters, scope == SCOPE_SUBDOMAINS
                                                           ? "subdomains"
                                                           : "covering")
                       .text,
                   text_escape(quoted, sizeof quoted, parser->what));
}

static bool unescape(const struct parser *parser, struct bytes text,
                     struct bytes *out)
{
    struct buffer plain = {0};

    if (text.len > 0 && memchr(text.data, '\\', text.len) == NULL) {
        *out = text;
        return true;
    }
    if (!text_unescape(&plain, text)) {
        buffer_cleanup(&plain);
        return refuse_what(parser, "escaped form: a backslash is written \\\\,"
                                   " a byte \\xHH");
    }
    return keep_buffer(parser, &plain, out);
}

static bool parse_name(const struct parser *parser)
{
    enum question_scope scope = parser->filters->scope;
    struct term_list list;
    struct bytes text;
    bool is_name = false;

    if (!unescape(parser, parser->what, &text)) return false;
    if (!names_from_text(&list, text, parser->arena, parser->err)) {
        return err_wrap(parser->err, "%s", parser->label);
    }
    for (size_t i = 0; i < list.num_terms; i++) {
        const struct term *term = &list.terms[i];
        bool ok = true;

        if (term->kind == TERM_DNS) is_name = true;
        if (scope == SCOPE_SUBDOMAINS) {
            // Of another reading, as an address, there are none.
            if (term->kind == TERM_DNS) ok = add_subtree(parser, term->value);
        } else if (scope == SCOPE_COVERING && term->kind == TERM_DNS) {
            ok = add_covering(parser, term->value);
        } else {
            ok = add_exact(parser, term->kind, term->value, 0, 0);
        }
        if (!ok) return false;
    }
    parser->question->kind = is_name ? QUESTION_NAME : QUESTION_ADDRESS;
    return is_name || scope != SCOPE_SUBDOMAINS || refuse_scope(parser);
}

static bool parse_prefix(const struct parser *parser, uint8_t octets[16],
                         size_t len, struct bytes address, struct bytes length)
{
    struct question_range range = {.kind = len == 4 ? TERM_IPV4 : TERM_IPV6};
    bool is_mapped = len == 4 && memchr(address.data, ':', address.len);
    struct buffer first = {0}, end = {0};
    uint64_t bits;
    bool kept;

    if (!text_parse_uint(&bits, length) ||
        bits > (len == 4 && !is_mapped ? 32 : 128)) {
        return refuse_what(parser, "prefix: its length is wrong");
    }
    if (!refuse_scope(parser)) return false;
    if (is_mapped && bits >= 96) {
        bits -= 96;
    } else if (is_mapped) {
        // Shorter than the mapping itself: as ::/0, it holds no IPv4.
        memmove(octets + 12, octets, 4);
        memset(octets, 0, 10);
        memset(octets + 10, 0xff, 2);
        range.kind = TERM_IPV6;
        len = 16;
    }
    parser->question->kind = QUESTION_PREFIX;
    keys_prefix(&first, &end, bytes_of(octets, len), (unsigned)bits);
    kept = keep_buffer(parser, &first, &range.first);
    if (!keep_buffer(parser, &end, &range.end) || !kept) {
        return no_memory(parser->err);
    }
    return add_range(parser, &range);
}

// Tells whether WHAT is an address followed by a slash, and then reads it.
static bool try_prefix(const struct parser *parser, bool *is_prefix)
{
    struct bytes what = parser->what;
    uint8_t octets[16] = {0};
    const uint8_t *found = memchr(what.data, '/', what.len);
    size_t len, slash;

    *is_prefix = false;
    if (found == NULL) return true;
    slash = (size_t)(found - what.data);
    if (!names_parse_ip(bytes_of(what.data, slash), octets, &len)) return true;
    *is_prefix = true;
    return parse_prefix(parser, octets, len, bytes_of(what.data, slash),
                        bytes_of(what.data + slash + 1, what.len - slash - 1));
}

static bool parse_hash(const struct parser *parser, enum term_kind kind,
                       struct bytes hex)
{
    uint8_t hash[SHA256_LEN];

    if (!text_parse_hex(hash, sizeof hash, hex)) {
        return refuse_what(parser, "SHA-256: 64 hex digits");
    }
    return add_exact(parser, kind, bytes_of(hash, sizeof hash), 0, 0);
}

// Reads hex digits, colons between them left out; an odd number of digits has
// its leading zero left out.
static bool parse_octets(const struct parser *parser, struct bytes hex,
                         struct bytes *octets)
{
    uint8_t *digits = arena_alloc(parser->arena, hex.len + 1);
    uint8_t *out = arena_alloc(parser->arena, hex.len / 2 + 1);
    size_t len = 1;

    if (digits == NULL || out == NULL) return no_memory(parser->err);
    digits[0] = '0';
    for (size_t i = 0; i < hex.len; i++) {
        if (hex.data[i] != ':') digits[len++] = hex.data[i];
    }
    *octets = bytes_of(out, len / 2);
    if (len == 1 || !text_parse_hex(out, len / 2,
                                    bytes_of(digits + len % 2, len / 2 * 2))) {
        return refuse_what(parser, "row of hex digits");
    }
    return true;
}

static bool parse_serial(const struct parser *parser, enum term_kind kind,
                         struct bytes hex)
{
    struct bytes octets;

    if (!parse_octets(parser, hex, &octets)) return false;
    while (octets.len > 0 && octets.data[0] == 0) {
        (void)bytes_skip(&octets, 1);
    }
    return add_exact(parser, kind, octets, 0, 0);
}

static bool parse_ip_octets(const struct parser *parser, enum term_kind kind,
                            struct bytes hex)
{
    struct bytes octets;

    if (!parse_octets(parser, hex, &octets)) return false;
    if (octets.len == 4 || octets.len == 16) {
        return refuse_what(parser, "odd iPAddress: ask for the address");
    }
    parser->question->kind = QUESTION_OCTETS;
    return add_exact(parser, kind, octets, 0, 0);
}

// A common name, also one that is a host: found among the names, by its via.
static bool parse_cn(const struct parser *parser, enum term_kind kind,
                     struct bytes escaped)
{
    struct term_list list = {0};
    struct bytes text;
    struct err ignored;

    if (!unescape(parser, escaped, &text)) return false;
    if (names_cn_text(text).len == 0) {
        return refuse_what(parser, "common name");
    }
    parser->question->kind = QUESTION_CN;
    if (!add_exact(parser, kind, names_cn_text(text), 0, 0)) return false;
    if (!names_from_text(&list, text, parser->arena, &ignored)) {
        return ignored.code != ERR_MEMORY || no_memory(parser->err);
    }
    for (size_t i = 0; i < list.num_terms; i++) {
        if (!add_exact(parser, list.terms[i].kind, list.terms[i].value, VIA_CN,
                       0)) {
            return false;
        }
    }
    return true;
}

static const struct {
    const char *prefix;
    enum term_kind kind;
    bool (*parse)(const struct parser *parser, enum term_kind kind,
                  struct bytes text);
} forms[] = {
    {"sha256:", TERM_CERT_SHA256, parse_hash},
    {"tbs:", TERM_TBS_SHA256, parse_hash},
    {"spki:", TERM_SPKI_SHA256, parse_hash},
    {"issuer:", TERM_ISSUER_KEY, parse_hash},
    {"serial:", TERM_SERIAL, parse_serial},
    {"cn:", TERM_CN_TEXT, parse_cn},
    {"ip-octets:", TERM_IP_OCTETS, parse_ip_octets},
};

// Tells whether WHAT begins with the word of a form, and then reads it by that.
static bool try_forms(const struct parser *parser, bool *is_form)
{
    *is_form = false;
    if (memchr(parser->what.data, ':', parser->what.len) == NULL) return true;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        struct bytes rest = parser->what;

        if (!bytes_starts_with(rest, bytes_from_text(forms[i].prefix))) {
            continue;
        }
        *is_form = true;
        (void)bytes_skip(&rest, strlen(forms[i].prefix));
        parser->question->kind = QUESTION_HASH;
        return refuse_scope(parser) &&
               forms[i].parse(parser, forms[i].kind, rest);
    }
    return true;
}

static bool parse_what(const struct parser *parser)
{
    bool is_form, is_prefix;

    if (!try_forms(parser, &is_form)) return false;
    if (is_form) return true;
    if (!try_prefix(parser, &is_prefix)) return false;
    return is_prefix || parse_name(parser);
}

static int compare_ranges(const void *a, const void *b)
{
    const struct question_range *left = a, *right = b;

    return bytes_compare(left->first, right->first);
}

// Sorts the ranges and drops what lies inside another: of two readings of a
// name one may be below the other.
static bool settle_ranges(const struct parser *parser)
{
    struct question *question = parser->question;
    struct question_range *ranges = question->ranges;
    size_t num = 1;

    if (question->num_ranges == 1) return true;
    qsort(ranges, question->num_ranges, sizeof *ranges, compare_ranges);
    for (size_t i = 1; i < question->num_ranges; i++) {
        struct question_range *last = &ranges[num - 1];
        bool apart =
            last->end.len > 0 && bytes_compare(last->end, ranges[i].first) <= 0;

        if (apart || last->below.len > 0) {
            ranges[num++] = ranges[i];
        }
        if (!apart && last->below.len > 0 &&
            !bytes_equal(last->below, ranges[i].below)) {
            return refuse_what(parser, "name that is short enough for a "
                                       "subtree");
        }
    }
    question->num_ranges = num;
    return true;
}

static void add_number(struct buffer *out, uint64_t number)
{
    buffer_append_uint(out, number, 8);
}

static void add_bytes(struct buffer *out, struct bytes bytes)
{
    add_number(out, bytes.len);
    buffer_append(out, bytes);
}

static void add_texts(struct buffer *out, const struct text_list *list)
{
    add_number(out, list->num);
    for (size_t i = 0; i < list->num; i++) {
        add_bytes(out, list->texts[i]);
    }
}

static void add_hashes(struct buffer *out, const struct hash_list *list)
{
    add_number(out, list->num);
    for (size_t i = 0; i < list->num; i++) {
        buffer_append(out, sha256_bytes(&list->hashes[i]));
    }
}

static void add_time(struct buffer *out, bool has, int64_t seconds)
{
    buffer_append_byte(out, has);
    add_number(out, has ? (uint64_t)seconds : 0);
}

// Everything that decides what is found and in which order.
bool question_fingerprint(const struct question *question,
                          struct sha256_hash *out)
{
    const struct filters *filters = question->filters;
    struct buffer all = {0};
    bool ok;

    for (size_t i = 0; i < question->num_ranges; i++) {
        const struct question_range *range = &question->ranges[i];

        add_bytes(&all, range->first);
        add_bytes(&all, range->end);
        add_bytes(&all, range->below);
        add_number(&all, (uint64_t)range->via_only << 32 | range->via_more);
    }
    add_time(&all, filters->has_since, filters->since);
    add_time(&all, filters->has_until, filters->until);
    add_time(&all, filters->has_seen_since, filters->seen_since);
    add_time(&all, filters->has_valid_at, filters->valid_at);
    add_number(&all, filters->unexpired);
    add_texts(&all, &filters->issuers);
    add_texts(&all, &filters->not_issuers);
    add_hashes(&all, &filters->issuer_keys);
    add_hashes(&all, &filters->not_issuer_keys);
    add_number(&all, filters->via);
    add_texts(&all, &filters->logs);
    add_number(&all, (uint64_t)filters->type);
    add_number(&all, (uint64_t)filters->order);
    ok = buffer_ok(&all);
    if (ok) *out = sha256(buffer_bytes(&all));
    buffer_cleanup(&all);
    return ok;
}

bool question_parse(struct question *question, const struct filters *filters,
                    struct bytes what, const char *label, struct arena *arena,
                    struct err *err)
{
    struct parser parser = {.question = question,
                            .filters = filters,
                            .label = label,
                            .what = what,
                            .arena = arena,
                            .err = err};

    *question = (struct question){.text = what, .filters = filters};
    if (what.len == 0) {
        return err_set(err, ERR_USAGE,
                       "%s: a name, an address, a prefix or a hash is wanted",
                       label);
    }
    if (what.len > QUESTION_LEN_MAX) {
        return err_set(err, ERR_USAGE, "%s: longer than 64 KiB", label);
    }
    if (!parse_what(&parser)) return false;
    if (question->num_ranges == 0) return refuse_what(&parser, "question");
    return settle_ranges(&parser);
}

bool question_is_range(const struct question *question)
{
    return !question->ranges[0].exact;
}

const struct question_range *
question_find_range(const struct question *question, struct bytes key)
{
    for (size_t i = 0; i < question->num_ranges; i++) {
        const struct question_range *range = &question->ranges[i];

        if (bytes_compare(key, range->first) < 0) return NULL;
        if (range->exact
                ? bytes_equal(key, range->first)
                : range->end.len == 0 || bytes_compare(key, range->end) < 0) {
            return range;
        }
    }
    return NULL;
}

// Tells whether a name lies in the subtree of `below`.
static bool is_below(struct bytes name, struct bytes below, bool self)
{
    size_t len;

    if (name.len <= below.len) return self && bytes_equal(name, below);
    len = name.len - below.len;
    return name.data[len - 1] == '.' &&
           bytes_equal(bytes_of(name.data + len, below.len), below);
}

bool question_match(const struct question *question, const struct term *term,
                    struct bytes key, uint32_t *via)
{
    const struct question_range *range = question_find_range(question, key);

    if (range == NULL) return false;
    if (range->below.len > 0 &&
        !is_below(term->value, range->below, range->below_self)) {
        return false;
    }
    if (range->via_only != 0 && (term->via & range->via_only) == 0) {
        return false;
    }
    *via = term->via | range->via_more;
    return question->filters->via == 0 || (*via & question->filters->via) != 0;
}
