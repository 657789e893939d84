// filters.c - see filters.h.

#include "query/filters.h"

#include <stdio.h>

#include "index/base/text.h"
#include "index/net/http_text.h"

enum {
    SHOWN_LEN_MAX = 64, // of a value that an error sentence quotes
    LIST_FIRST = 4,
};

// A filter as the parameters of a URL call it.
enum filter {
    FILTER_SUBDOMAINS,
    FILTER_COVERING,
    FILTER_SINCE,
    FILTER_UNTIL,
    FILTER_VALID_AT,
    FILTER_UNEXPIRED,
    FILTER_SEEN_SINCE,
    FILTER_ISSUER,
    FILTER_NOT_ISSUER,
    FILTER_ISSUER_KEY,
    FILTER_NOT_ISSUER_KEY,
    FILTER_VIA,
    FILTER_LOG,
    FILTER_TYPE,
    FILTER_LIMIT,
    FILTER_AFTER,
    FILTER_ORDER,
    FILTER_FIELDS,
};

static const struct {
    const char *name;
    bool repeats;
} filter_table[] = {
    [FILTER_SUBDOMAINS] = {"subdomains", false},
    [FILTER_COVERING] = {"covering", false},
    [FILTER_SINCE] = {"since", false},
    [FILTER_UNTIL] = {"until", false},
    [FILTER_VALID_AT] = {"valid_at", false},
    [FILTER_UNEXPIRED] = {"unexpired", false},
    [FILTER_SEEN_SINCE] = {"seen_since", false},
    [FILTER_ISSUER] = {"issuer", true},
    [FILTER_NOT_ISSUER] = {"not_issuer", true},
    [FILTER_ISSUER_KEY] = {"issuer_key", true},
    [FILTER_NOT_ISSUER_KEY] = {"not_issuer_key", true},
    [FILTER_VIA] = {"via", true},
    [FILTER_LOG] = {"log", true},
    [FILTER_TYPE] = {"type", false},
    [FILTER_LIMIT] = {"limit", false},
    [FILTER_AFTER] = {"after", false},
    [FILTER_ORDER] = {"order", false},
    [FILTER_FIELDS] = {"fields", false},
};

static const char *const field_words[] = {
    "id",           "tbs_sha256",   "serial",
    "not_before",   "not_after",    "issuer",
    "subject",      "common_names", "dns_names",
    "ip_addresses", "other_names",  "matched",
    "key",          "spki_sha256",  "signature_algorithm",
    "is_ca",        "eku",          "policies",
    "crl_urls",     "ocsp_urls",    "scts",
    "revocation",   "trust",        "flags",
    "certificates",
};

_Static_assert((1u << COUNT_OF(field_words)) - 1 == FIELDS_ALL,
               "a word for every field");

const char *question_field_word(uint32_t bit)
{
    bool is_one = bit != 0 && (bit & (bit - 1)) == 0 && bit <= FIELDS_ALL;

    return is_one ? field_words[__builtin_ctz(bit)] : NULL;
}

struct shown_name filters_shown_name(const struct filters *filters,
                                     const char *name)
{
    struct shown_name out;

    (void)snprintf(out.text, sizeof out.text, "%s%s",
                   filters->as_options ? "--" : "", name);
    for (char *c = out.text + 1; filters->as_options && *c != '\0'; c++) {
        if (*c == '_') *c = '-';
    }
    return out;
}

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "a question: no memory left for it");
}

// What a filter's value ought to have been.
static bool refuse(const struct filters *filters, enum filter filter,
                   struct bytes value, const char *wanted, struct err *err)
{
    char quoted[SHOWN_LEN_MAX];

    return err_set(err, ERR_USAGE, "%s: '%s' is no %s",
                   filters_shown_name(filters, filter_table[filter].name).text,
                   text_escape(quoted, sizeof quoted, value), wanted);
}

void *list_grow(void *list, size_t num, size_t size, struct arena *arena)
{
    size_t room = LIST_FIRST;
    void *grown;

    while (room < num) {
        room *= 2;
    }
    if (num != 0 && num != room) return list;
    room = num == 0 ? LIST_FIRST : 2 * room;
    grown = arena_zalloc(arena, room, size);
    if (grown != NULL && num > 0) memcpy(grown, list, num * size);
    return grown;
}

static bool text_list_add(struct text_list *list, struct bytes text,
                          struct arena *arena, struct err *err)
{
    struct bytes *texts =
        list_grow(list->texts, list->num, sizeof *texts, arena);

    if (texts == NULL) return no_memory(err);
    list->texts = texts;
    list->texts[list->num++] = text;
    return true;
}

static bool set_issuer(struct filters *filters, enum filter filter,
                       struct bytes value, struct arena *arena, struct err *err)
{
    struct text_list *list =
        filter == FILTER_ISSUER ? &filters->issuers : &filters->not_issuers;

    if (value.len == 0) {
        return refuse(filters, filter, value, "issuer's name", err);
    }
    return text_list_add(list, value, arena, err);
}

static bool set_issuer_key(struct filters *filters, enum filter filter,
                           struct bytes value, struct arena *arena,
                           struct err *err)
{
    struct hash_list *list = filter == FILTER_ISSUER_KEY
                                 ? &filters->issuer_keys
                                 : &filters->not_issuer_keys;
    struct sha256_hash hash;
    struct sha256_hash *hashes;

    if (!text_parse_hex(hash.bytes, sizeof hash.bytes, value)) {
        return refuse(filters, filter, value, "SHA-256 of a key: 64 hex digits",
                      err);
    }
    hashes = list_grow(list->hashes, list->num, sizeof *hashes, arena);
    if (hashes == NULL) return no_memory(err);
    list->hashes = hashes;
    list->hashes[list->num++] = hash;
    return true;
}

static bool set_via(struct filters *filters, struct bytes value,
                    struct err *err)
{
    for (uint32_t bit = 1; bit != 0; bit <<= 1) {
        const char *word = names_via_word(bit);

        if (word != NULL && bytes_equal_text(value, word)) {
            filters->via |= bit;
            return true;
        }
    }
    return refuse(filters, FILTER_VIA, value, "kind of match", err);
}

static bool set_flag(struct filters *filters, enum filter filter,
                     struct bytes value, bool *flag, struct err *err)
{
    if (!bytes_equal_text(value, "1") && !bytes_equal_text(value, "0")) {
        return refuse(filters, filter, value, "flag: 1 or 0", err);
    }
    *flag = value.data[0] == '1';
    return true;
}

static bool set_scope(struct filters *filters, enum filter filter,
                      struct bytes value, struct err *err)
{
    enum question_scope scope =
        filter == FILTER_SUBDOMAINS ? SCOPE_SUBDOMAINS : SCOPE_COVERING;
    bool on = false;

    if (!set_flag(filters, filter, value, &on, err)) return false;
    if (!on) return true;
    if (filters->scope != SCOPE_EXACT) {
        return err_set(err, ERR_USAGE, "%s cannot be together with %s",
                       filters_shown_name(filters, "subdomains").text,
                       filters_shown_name(filters, "covering").text);
    }
    filters->scope = scope;
    return true;
}

static bool set_time(struct filters *filters, enum filter filter,
                     struct bytes value, bool *has, int64_t *seconds,
                     struct err *err)
{
    if (!text_parse_time(seconds, value)) {
        return refuse(filters, filter, value, "time: RFC 3339 or a date", err);
    }
    *has = true;
    return true;
}

static bool set_type(struct filters *filters, struct bytes value,
                     struct err *err)
{
    if (bytes_equal_text(value, "precert")) {
        filters->type = TYPE_PRECERT;
    } else if (bytes_equal_text(value, "final")) {
        filters->type = TYPE_FINAL;
    } else {
        return refuse(filters, FILTER_TYPE, value, "type: precert or final",
                      err);
    }
    return true;
}

static bool set_order(struct filters *filters, struct bytes value,
                      struct err *err)
{
    if (bytes_equal_text(value, "not-before")) {
        filters->order = ORDER_NOT_BEFORE;
    } else if (bytes_equal_text(value, "found")) {
        filters->order = ORDER_FOUND;
    } else if (bytes_equal_text(value, "key")) {
        filters->order = ORDER_KEY;
    } else {
        return refuse(filters, FILTER_ORDER, value,
                      "order: not-before, found or key", err);
    }
    return true;
}

static bool set_limit(struct filters *filters, struct bytes value,
                      struct err *err)
{
    if (!text_parse_uint(&filters->limit, value) || filters->limit == 0) {
        return refuse(filters, FILTER_LIMIT, value,
                      "limit: a number from 1 upwards", err);
    }
    return true;
}

static bool set_after(struct filters *filters, struct bytes value)
{
    filters->has_after = true;
    filters->after = value;
    return true;
}

static bool set_log(struct filters *filters, struct bytes value,
                    struct arena *arena, struct err *err)
{
    if (value.len == 0) {
        return refuse(filters, FILTER_LOG, value, "log's name or id", err);
    }
    return text_list_add(&filters->logs, value, arena, err);
}

// Takes the first of a comma-separated list.
static struct bytes take_item(struct bytes *list)
{
    size_t len = 0;
    struct bytes item;

    while (len < list->len && list->data[len] != ',') {
        len++;
    }
    item = bytes_of(list->data, len);
    (void)bytes_skip(list, len < list->len ? len + 1 : len);
    return item;
}

static bool set_fields(struct filters *filters, struct bytes value,
                       struct err *err)
{
    do {
        struct bytes word = take_item(&value);
        uint32_t bit = 0;

        for (size_t i = 0; i < COUNT_OF(field_words); i++) {
            if (bytes_equal_text(word, field_words[i])) bit = 1u << i;
        }
        if (bit == 0) {
            return refuse(filters, FILTER_FIELDS, word, "member of an issuance",
                          err);
        }
        filters->fields |= bit;
    } while (value.len > 0);
    return true;
}

static bool set_value(struct filters *filters, enum filter filter,
                      struct bytes value, struct arena *arena, struct err *err)
{
    switch (filter) {
    case FILTER_SUBDOMAINS:
    case FILTER_COVERING:
        return set_scope(filters, filter, value, err);
    case FILTER_SINCE:
        return set_time(filters, filter, value, &filters->has_since,
                        &filters->since, err);
    case FILTER_UNTIL:
        return set_time(filters, filter, value, &filters->has_until,
                        &filters->until, err);
    case FILTER_VALID_AT:
        return set_time(filters, filter, value, &filters->has_valid_at,
                        &filters->valid_at, err);
    case FILTER_SEEN_SINCE:
        return set_time(filters, filter, value, &filters->has_seen_since,
                        &filters->seen_since, err);
    case FILTER_UNEXPIRED:
        return set_flag(filters, filter, value, &filters->unexpired, err);
    case FILTER_ISSUER:
    case FILTER_NOT_ISSUER:
        return set_issuer(filters, filter, value, arena, err);
    case FILTER_ISSUER_KEY:
    case FILTER_NOT_ISSUER_KEY:
        return set_issuer_key(filters, filter, value, arena, err);
    case FILTER_VIA:
        return set_via(filters, value, err);
    case FILTER_LOG:
        return set_log(filters, value, arena, err);
    case FILTER_TYPE:
        return set_type(filters, value, err);
    case FILTER_LIMIT:
        return set_limit(filters, value, err);
    case FILTER_AFTER:
        return set_after(filters, value);
    case FILTER_ORDER:
        return set_order(filters, value, err);
    case FILTER_FIELDS:
        return set_fields(filters, value, err);
    }
    return false;
}

bool filters_set(struct filters *filters, struct bytes name, struct bytes value,
                 struct arena *arena, struct err *err)
{
    char quoted[SHOWN_LEN_MAX];

    for (size_t i = 0; i < COUNT_OF(filter_table); i++) {
        uint32_t bit = UINT32_C(1) << i;

        if (!bytes_equal_text(name, filter_table[i].name)) continue;
        if ((filters->given & bit) != 0 && !filter_table[i].repeats) {
            return err_set(
                err, ERR_USAGE, "%s: given twice",
                filters_shown_name(filters, filter_table[i].name).text);
        }
        filters->given |= bit;
        return set_value(filters, (enum filter)i, value, arena, err);
    }
    return err_set(err, ERR_USAGE, "%s: no such parameter",
                   text_escape(quoted, sizeof quoted, name));
}

bool filters_check(const struct filters *filters, struct err *err)
{
    bool paged = filters->limit != 0 || filters->has_after;

    if (paged && filters->order == ORDER_NOT_BEFORE) {
        return err_set(
            err, ERR_USAGE, "%s: not-before cannot be together with %s",
            filters_shown_name(filters, "order").text,
            filters_shown_name(filters, filters->limit != 0 ? "limit" : "after")
                .text);
    }
    return true;
}

// Decodes one name or value of a query string into the arena.
static bool percent_decode(struct bytes *out, struct bytes encoded,
                           struct bytes name, struct arena *arena,
                           struct err *err)
{
    struct buffer plain = {0};
    char shown[SHOWN_LEN_MAX], quoted[SHOWN_LEN_MAX];
    bool ok = http_percent_decode(&plain, encoded, true);

    if (!ok && buffer_ok(&plain)) {
        buffer_cleanup(&plain);
        return err_set(
            err, ERR_USAGE,
            "%s: '%s' has a %% that is no escape; it is written %%25",
            text_escape(shown, sizeof shown, name),
            text_escape(quoted, sizeof quoted, encoded));
    }
    ok =
        ok && buffer_ok(&plain) && arena_copy(arena, buffer_bytes(&plain), out);
    buffer_cleanup(&plain);
    return ok || no_memory(err);
}

bool filters_next_parameter(struct bytes *query_string, struct bytes *name,
                            struct bytes *value, bool *found,
                            struct arena *arena, struct err *err)
{
    struct bytes raw_name, raw_value;

    *found = http_query_next(query_string, &raw_name, &raw_value);
    if (!*found) return true;
    return percent_decode(name, raw_name, raw_name, arena, err) &&
           percent_decode(value, raw_value, raw_name, arena, err);
}

bool filters_from_query(struct filters *filters, struct bytes *what,
                        struct bytes query_string, struct arena *arena,
                        struct err *err)
{
    *what = (struct bytes){0};
    for (;;) {
        struct bytes name, value;
        bool found;

        if (!filters_next_parameter(&query_string, &name, &value, &found, arena,
                                    err)) {
            return false;
        }
        if (!found) return filters_check(filters, err);
        if (!bytes_equal_text(name, "q")) {
            if (!filters_set(filters, name, value, arena, err)) return false;
        } else if (what->data != NULL) {
            return err_set(err, ERR_USAGE, "q: given twice");
        } else {
            *what = value;
        }
    }
}
