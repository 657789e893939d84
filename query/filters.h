// filters.h - what questions are narrowed by, from text.
//
// One table serves the options of sanct-query and the parameters of a URL, so a
// sentence about either differs in nothing but how the filter is spelt.
//
// Lifetime  what was parsed lies in the arena and in the text it came from.
// Result    ERR_USAGE: a sentence that begins with the parameter or option.
// Thread    pure: no I/O, no clock, no index.  Names of logs are looked up
//           later, by answer_open.

#pragma once

#include "index/base/arena.h"
#include "index/base/sha256.h"
#include "index/entry/names.h"

enum question_scope { SCOPE_EXACT, SCOPE_SUBDOMAINS, SCOPE_COVERING };
enum question_type { TYPE_ANY, TYPE_PRECERT, TYPE_FINAL };
enum question_order { ORDER_DEFAULT, ORDER_NOT_BEFORE, ORDER_FOUND, ORDER_KEY };

// Members of an issuance that `fields` may name, a bit each.
enum question_field {
    FIELD_ID = 1 << 0,
    FIELD_TBS_SHA256 = 1 << 1,
    FIELD_SERIAL = 1 << 2,
    FIELD_NOT_BEFORE = 1 << 3,
    FIELD_NOT_AFTER = 1 << 4,
    FIELD_ISSUER = 1 << 5,
    FIELD_SUBJECT = 1 << 6,
    FIELD_COMMON_NAMES = 1 << 7,
    FIELD_DNS_NAMES = 1 << 8,
    FIELD_IP_ADDRESSES = 1 << 9,
    FIELD_OTHER_NAMES = 1 << 10,
    FIELD_MATCHED = 1 << 11,
    FIELD_KEY = 1 << 12,
    FIELD_SPKI_SHA256 = 1 << 13,
    FIELD_SIGNATURE_ALGORITHM = 1 << 14,
    FIELD_IS_CA = 1 << 15,
    FIELD_EKU = 1 << 16,
    FIELD_POLICIES = 1 << 17,
    FIELD_CRL_URLS = 1 << 18,
    FIELD_OCSP_URLS = 1 << 19,
    FIELD_SCTS = 1 << 20,
    FIELD_REVOCATION = 1 << 21,
    FIELD_TRUST = 1 << 22,
    FIELD_FLAGS = 1 << 23,
    FIELD_CERTIFICATES = 1 << 24,
    FIELDS_ALL = (1 << 25) - 1,
};

struct text_list {
    struct bytes *texts;
    size_t num;
};

struct hash_list {
    struct sha256_hash *hashes;
    size_t num;
};

// A filter that repeats holds for any of its values, a not_ one for none.
struct filters {
    bool as_options; // sentences say --not-issuer, not not_issuer; set by the
                     // caller before the first filters_set
    uint32_t given;  // which were set, so that none comes twice
    enum question_scope scope;
    bool has_since, has_until, has_seen_since, has_valid_at;
    int64_t since, until, seen_since, valid_at; // seconds since 1970
    bool unexpired;
    struct text_list issuers, not_issuers; // as given, "=" in front or not
    struct hash_list issuer_keys, not_issuer_keys;
    uint32_t via; // bits of enum name_via; 0: any
    struct text_list logs;
    enum question_type type;
    uint64_t limit; // 0: none
    bool has_after;
    struct bytes after;
    enum question_order order;
    uint32_t fields; // bits of enum question_field; 0: all
};

// filters_set sets one parameter, by the name that it has in a URL, from its
// decoded value; `q` is none of them.  What cannot be together is found by
// filters_check.
MUST_USE bool filters_set(struct filters *filters, struct bytes name,
                          struct bytes value, struct arena *arena,
                          struct err *err);

// filters_check tells whether the filters fit one another; after the last
// filters_set.
MUST_USE bool filters_check(const struct filters *filters, struct err *err);

// filters_from_query reads the query string of a URL, what follows `?`:
// percent-decodes, sets and checks.  `what` is q's value; empty data (NULL)
// where there is no q.
MUST_USE bool filters_from_query(struct filters *filters, struct bytes *what,
                                 struct bytes query_string, struct arena *arena,
                                 struct err *err);

// filters_next_parameter takes the first `name=value` off a query string and
// decodes it in the arena (`+` is a space).  At the end `*found` is false.
MUST_USE bool filters_next_parameter(struct bytes *query_string,
                                     struct bytes *name, struct bytes *value,
                                     bool *found, struct arena *arena,
                                     struct err *err);

// question_field_word names one bit of enum question_field; NULL when none.
const char *question_field_word(uint32_t bit);

// filters_shown_name is a filter's name as the user writes it: not_issuer, or
// --not-issuer where they came as options.
struct shown_name {
    char text[32];
};
struct shown_name filters_shown_name(const struct filters *filters,
                                     const char *name);

// list_grow makes room in the arena for one more element than the `num` of a
// list that only list_grow made; NULL: no memory.
void *list_grow(void *list, size_t num, size_t size, struct arena *arena);
