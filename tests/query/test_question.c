// test_question.c - WHAT and its filters: what is read and what is refused.

#include "query/question.h"

#include "index/base/text.h"
#include "index/store/keys.h"
#include "tests/support/check.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static struct arena arena;

// ------------------------------------------------------------ filters

static const struct {
    const char *query;
    const char *error; // NULL: accepted
} query_cases[] = {
    {"", NULL},
    {"&&", NULL},
    {"q=a.example", NULL},
    {"q=a.example&subdomains=1&covering=0", NULL},
    {"q=a.example&since=2024-01-01&until=2024-02-29T12:00:00Z", NULL},
    {"valid_at=2024-01-01T00:00:00%2B01:00&seen_since=2024-01-01", NULL},
    {"unexpired=1", NULL},
    {"issuer=a&issuer=b&not_issuer=%3DCN%3DX+Y&log=x&log=y", NULL},
    {"via=cn&via=san-ip&via=unauthenticated", NULL},
    {"issuer_key=" ZEROS "&issuer_key=" ZEROS, NULL},
    {"type=precert&limit=18446744073709551615&after=5&order=key", NULL},
    {"fields=id,serial,certificates", NULL},
    {"order=not-before", NULL},
    {"q=a&q=b", "q: given twice"},
    {"limit=2&limit=3", "limit: given twice"},
    {"subdomains=0&subdomains=0", "subdomains: given twice"},
    {"subdomian=1", "subdomian: no such parameter"},
    {"Limit=1", "Limit: no such parameter"},
    {"--limit=1", "--limit: no such parameter"},
    {"a%00b=1", "a\\x00b: no such parameter"},
    {"subdomains=yes", "subdomains: 'yes' is no flag: 1 or 0"},
    {"subdomains", "subdomains: '' is no flag: 1 or 0"},
    {"unexpired=2", "unexpired: '2' is no flag: 1 or 0"},
    {"subdomains=1&covering=1", "subdomains cannot be together with covering"},
    {"covering=1&subdomains=1", "subdomains cannot be together with covering"},
    {"since=tomorrow", "since: 'tomorrow' is no time: RFC 3339 or a date"},
    {"since=2025-02-00", "since: '2025-02-00' is no time: RFC 3339 or a date"},
    {"until=2025-02-29", "until: '2025-02-29' is no time: RFC 3339 or a date"},
    {"valid_at=", "valid_at: '' is no time: RFC 3339 or a date"},
    {"seen_since=1", "seen_since: '1' is no time: RFC 3339 or a date"},
    {"limit=0", "limit: '0' is no limit: a number from 1 upwards"},
    {"limit=ten", "limit: 'ten' is no limit: a number from 1 upwards"},
    {"limit=-1", "limit: '-1' is no limit: a number from 1 upwards"},
    {"limit=18446744073709551616",
     "limit: '18446744073709551616' is no limit: a number from 1 upwards"},
    {"type=both", "type: 'both' is no type: precert or final"},
    {"order=up", "order: 'up' is no order: not-before, found or key"},
    {"issuer_key=12", "issuer_key: '12' is no SHA-256 of a key: 64 hex digits"},
    {"not_issuer_key=zz",
     "not_issuer_key: 'zz' is no SHA-256 of a key: 64 hex digits"},
    {"issuer=", "issuer: '' is no issuer's name"},
    {"log=", "log: '' is no log's name or id"},
    {"via=san", "via: 'san' is no kind of match"},
    {"via=", "via: '' is no kind of match"},
    {"fields=serial,colour", "fields: 'colour' is no member of an issuance"},
    {"fields=", "fields: '' is no member of an issuance"},
    {"fields=id,,key", "fields: '' is no member of an issuance"},
    {"q=50%zz.example",
     "q: '50%zz.example' has a % that is no escape; it is written %25"},
    {"q=a%", "q: 'a%' has a % that is no escape; it is written %25"},
    {"q=a%4", "q: 'a%4' has a % that is no escape; it is written %25"},
    {"%zz=1", "%zz: '%zz' has a % that is no escape; it is written %25"},
    {"order=not-before&limit=1",
     "order: not-before cannot be together with limit"},
    {"order=not-before&after=1",
     "order: not-before cannot be together with after"},
};

static void reads_and_refuses_parameters(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(query_cases); i++) {
        struct bytes text = heap_copy(bytes_from_text(query_cases[i].query));
        struct filters filters = {0};
        struct bytes what;
        struct err err = {0};
        const char *error = query_cases[i].error;
        bool ok;

        test_case = query_cases[i].query;
        ok = filters_from_query(&filters, &what, text, &arena, &err);
        CHECK(ok == (error == NULL));
        CHECK(strcmp(err.text, error ? error : "") == 0);
        CHECK(err.code == (error ? ERR_USAGE : ERR_NONE));
        free((void *)text.data);
        arena_reset(&arena);
    }
}

static void keeps_what_parameters_say(void **state)
{
    static const char query[] =
        "q=%2A.a+b&subdomains=1&since=1970-01-02&until=1970-01-03"
        "&seen_since=1970-01-01T00:00:05Z&valid_at=1969-12-31T23:59:59Z"
        "&unexpired=1&issuer=Two+Words&issuer=%3D&not_issuer=%2B&issuer_key="
        "AB00000000000000000000000000000000000000000000000000000000000000"
        "&via=cn&via=san-dns&type=final&limit=7&after=&order=found"
        "&fields=key,id&log=l";
    struct filters filters = {0};
    struct bytes what;
    struct err err = {0};

    (void)state;
    test_case = query;
    CHECK(filters_from_query(&filters, &what, bytes_from_text(query), &arena,
                             &err));
    CHECK(bytes_equal_text(what, "*.a b"));
    CHECK(filters.scope == SCOPE_SUBDOMAINS);
    CHECK(filters.has_since && filters.since == 86400);
    CHECK(filters.has_until && filters.until == 2 * 86400);
    CHECK(filters.has_seen_since && filters.seen_since == 5);
    CHECK(filters.has_valid_at && filters.valid_at == -1);
    CHECK(filters.unexpired);
    CHECK(filters.issuers.num == 2);
    CHECK(bytes_equal_text(filters.issuers.texts[0], "Two Words"));
    CHECK(bytes_equal_text(filters.issuers.texts[1], "="));
    CHECK(filters.not_issuers.num == 1);
    CHECK(bytes_equal_text(filters.not_issuers.texts[0], "+"));
    CHECK(filters.issuer_keys.num == 1);
    CHECK(filters.issuer_keys.hashes[0].bytes[0] == 0xab);
    CHECK(filters.via == (VIA_CN | VIA_SAN_DNS));
    CHECK(filters.type == TYPE_FINAL && filters.order == ORDER_FOUND);
    CHECK(filters.limit == 7 && filters.has_after && filters.after.len == 0);
    CHECK(filters.fields == (FIELD_KEY | FIELD_ID));
    CHECK(filters.logs.num == 1);
    arena_reset(&arena);
}

static void takes_any_number_of_values(void **state)
{
    struct filters filters = {0};
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < 100; i++) {
        char text[8];
        struct bytes copy;

        (void)snprintf(text, sizeof text, "ca%zu", i);
        CHECK(arena_copy(&arena, bytes_from_text(text), &copy));
        CHECK(filters_set(&filters, bytes_from_text("issuer"), copy, &arena,
                          &err));
        CHECK(filters.issuers.num == i + 1);
        for (size_t k = 0; k <= i; k++) {
            (void)snprintf(text, sizeof text, "ca%zu", k);
            CHECK(bytes_equal_text(filters.issuers.texts[k], text));
        }
    }
    arena_reset(&arena);
}

static void spells_options_as_options(void **state)
{
    static const struct {
        const char *name, *value, *error;
    } cases[] = {
        {"not_issuer_key", "1",
         "--not-issuer-key: '1' is no SHA-256 of a key: 64 hex digits"},
        {"valid_at", "x", "--valid-at: 'x' is no time: RFC 3339 or a date"},
        {"limit", "x", "--limit: 'x' is no limit: a number from 1 upwards"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct filters filters = {.as_options = true};
        struct err err = {0};

        test_case = cases[i].name;
        CHECK(!filters_set(&filters, bytes_from_text(cases[i].name),
                           bytes_from_text(cases[i].value), &arena, &err));
        CHECK(strcmp(err.text, cases[i].error) == 0);
    }
    arena_reset(&arena);
}

// ------------------------------------------------------------ WHAT

// A question's first range as "kind value", its second as ", kind value" …;
// a range that is not exact as "[first,end)" in hex.
static void describe(struct buffer *out, const struct question *question)
{
    for (size_t i = 0; i < question->num_ranges; i++) {
        const struct question_range *range = &question->ranges[i];
        struct buffer value = {0};
        enum term_kind kind;

        if (i > 0) buffer_append_text(out, ", ");
        if (!range->exact) {
            buffer_append_text(out, "[");
            text_append_hex(out, range->first);
            buffer_append_text(out, ",");
            text_append_hex(out, range->end);
            buffer_append_text(out, ")");
            continue;
        }
        CHECK(range->end.len == range->first.len + 1);
        CHECK(keys_parse(range->first, &kind, &value) && kind == range->kind);
        buffer_printf(out, "%d ", (int)kind);
        names_append_term(out, kind, buffer_bytes(&value));
        if (range->via_only != 0) {
            buffer_printf(out, " only %s", names_via_word(range->via_only));
        }
        if (range->via_more != 0) {
            buffer_printf(out, " %s", names_via_word(range->via_more));
        }
        buffer_cleanup(&value);
    }
}

static const struct {
    const char *what;
    enum question_scope scope;
    const char *found; // NULL: refused
    const char *error;
} what_cases[] = {
    {"example.com", SCOPE_EXACT, "1 example.com", NULL},
    {"EXAMPLE.com.", SCOPE_EXACT, "1 example.com", NULL},
    {" example.com ", SCOPE_EXACT, "1 example.com", NULL},
    {"*.example.com", SCOPE_EXACT, "1 *.example.com", NULL},
    {"xn--bcher-kva.de", SCOPE_EXACT, "1 xn--bcher-kva.de", NULL},
    {"1.2.3.4", SCOPE_EXACT, "2 1.2.3.4", NULL},
    {"1.2.3.4", SCOPE_COVERING, "2 1.2.3.4", NULL},
    {"::ffff:1.2.3.4", SCOPE_EXACT, "2 1.2.3.4", NULL},
    {"::FFFF:0102:0304", SCOPE_EXACT, "2 1.2.3.4", NULL},
    {"2606:4700:4700:0:0:0:0:1111", SCOPE_EXACT, "3 2606:4700:4700::1111",
     NULL},
    {"[2606:4700:4700::1111]", SCOPE_EXACT, "3 2606:4700:4700::1111", NULL},
    // Prefixes: host bits are masked.
    {"192.0.2.77/24", SCOPE_EXACT, "[02c0000200,02c00003)", NULL},
    {"0.0.0.0/0", SCOPE_EXACT, "[0200000000,03)", NULL},
    {"255.255.255.255/32", SCOPE_EXACT, "[02ffffffff,03)", NULL},
    {"::/0", SCOPE_EXACT, "[0300000000000000000000000000000000,04)", NULL},
    {"2001:db8::/33", SCOPE_EXACT,
     "[0320010db8000000000000000000000000,0320010db880)", NULL},
    {"::ffff:192.0.2.0/120", SCOPE_EXACT, "[02c0000200,02c00003)", NULL},
    {"::ffff:0:0/96", SCOPE_EXACT, "[0200000000,03)", NULL},
    {"::ffff:0:0/80", SCOPE_EXACT,
     "[0300000000000000000000000000000000,0300000000000000000001)", NULL},
    {"192.0.2.0/33", SCOPE_EXACT, NULL,
     "q: '192.0.2.0/33' is no prefix: its length is wrong"},
    {"192.0.2.0/", SCOPE_EXACT, NULL,
     "q: '192.0.2.0/' is no prefix: its length is wrong"},
    {"192.0.2.0/08", SCOPE_EXACT, NULL,
     "q: '192.0.2.0/08' is no prefix: its length is wrong"},
    {"192.0.2.0/-1", SCOPE_EXACT, NULL,
     "q: '192.0.2.0/-1' is no prefix: its length is wrong"},
    {"192.0.2.0/255.255.255.0", SCOPE_EXACT, NULL,
     "q: '192.0.2.0/255.255.255.0' is no prefix: its length is wrong"},
    {"::/129", SCOPE_EXACT, NULL,
     "q: '::/129' is no prefix: its length is wrong"},
    {"192.0.2.0/24", SCOPE_SUBDOMAINS, NULL,
     "subdomains: '192.0.2.0/24' is no name"},
    {"192.0.2.0/24", SCOPE_COVERING, NULL,
     "covering: '192.0.2.0/24' is no name"},
    {"192.0.2.1", SCOPE_SUBDOMAINS, NULL, "subdomains: '192.0.2.1' is no name"},
    {"sha256:" ZEROS, SCOPE_SUBDOMAINS, NULL,
     "subdomains: 'sha256:00000000000000000000000000000000000000000000000000000"
     "...' is no name"},
    // Hashes and the like.
    {"sha256:" ZEROS, SCOPE_EXACT, "16 " ZEROS, NULL},
    {"tbs:" ZEROS, SCOPE_EXACT, "17 " ZEROS, NULL},
    {"spki:" ZEROS, SCOPE_EXACT, "18 " ZEROS, NULL},
    {"issuer:" ZEROS, SCOPE_EXACT, "20 " ZEROS, NULL},
    {"serial:01:aB", SCOPE_EXACT, "19 01ab", NULL},
    {"serial:0001ab", SCOPE_EXACT, "19 01ab", NULL},
    {"serial:1ab", SCOPE_EXACT, "19 01ab", NULL},
    {"serial:00", SCOPE_EXACT, "19 ", NULL},
    {"serial:00ff", SCOPE_EXACT, "19 ff", NULL},
    {"serial:", SCOPE_EXACT, NULL, "q: 'serial:' is no row of hex digits"},
    {"serial:::", SCOPE_EXACT, NULL, "q: 'serial:::' is no row of hex digits"},
    {"serial:0x1", SCOPE_EXACT, NULL,
     "q: 'serial:0x1' is no row of hex digits"},
    {"sha256:xyz", SCOPE_EXACT, NULL,
     "q: 'sha256:xyz' is no SHA-256: 64 hex digits"},
    {"tbs:", SCOPE_EXACT, NULL, "q: 'tbs:' is no SHA-256: 64 hex digits"},
    {"ip-octets:0102030405", SCOPE_EXACT, "6 0102030405", NULL},
    {"ip-octets:01020304", SCOPE_EXACT, NULL,
     "q: 'ip-octets:01020304' is no odd iPAddress: ask for the address"},
    {"cn:Acme Ltd", SCOPE_EXACT, "1 acme ltd only cn, 5 Acme Ltd", NULL},
    {"cn: ", SCOPE_EXACT, NULL, "q: 'cn: ' is no common name"},
    // Escapes.
    {"nul.example\\x00.evil.com", SCOPE_EXACT, "1 nul.example|.evil.com", NULL},
    {"a\\q.example", SCOPE_EXACT, NULL,
     "q: 'a\\\\q.example' is no escaped form: a backslash is written \\\\, a"
     " byte \\xHH"},
    {"", SCOPE_EXACT, NULL,
     "q: a name, an address, a prefix or a hash is wanted"},
    // Subtrees.
    {"example.com", SCOPE_SUBDOMAINS,
     "[01636f6d006578616d706c6500,01636f6d006578616d706c6501)", NULL},
    {"*.example.com", SCOPE_SUBDOMAINS,
     "[01636f6d006578616d706c650001,01636f6d006578616d706c6501)", NULL},
    // Covering.
    {"a.b.com", SCOPE_COVERING,
     "1 *.b.com wildcard, 1 a.b.com, 4  irregular, 4 com irregular,"
     " 4 b.com irregular",
     NULL},
    {"*.b.com", SCOPE_COVERING,
     "1 *.b.com, 4  irregular, 4 com irregular, 4 b.com irregular", NULL},
    {"host", SCOPE_COVERING, "1 host, 4  irregular", NULL},
};

static void reads_and_refuses_questions(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(what_cases); i++) {
        struct bytes what = heap_copy(bytes_from_text(what_cases[i].what));
        struct filters filters = {.scope = what_cases[i].scope};
        struct question question;
        struct buffer found = {0};
        struct err err = {0};
        bool ok;

        test_case = what_cases[i].what;
        ok = question_parse(&question, &filters, what, "q", &arena, &err);
        CHECK(ok == (what_cases[i].found != NULL));
        if (ok) {
            describe(&found, &question);
            for (size_t k = 0; k < found.len; k++) {
                if (found.data[k] == 0) found.data[k] = '|';
            }
            if (!bytes_equal_text(buffer_bytes(&found), what_cases[i].found)) {
                print_error("%.*s\n", (int)found.len, (const char *)found.data);
            }
            CHECK(bytes_equal_text(buffer_bytes(&found), what_cases[i].found));
        } else {
            if (strcmp(err.text, what_cases[i].error) != 0) {
                print_error("%s\n", err.text);
            }
            CHECK(strcmp(err.text, what_cases[i].error) == 0);
            CHECK(err.code == ERR_USAGE);
        }
        buffer_cleanup(&found);
        free((void *)what.data);
        arena_reset(&arena);
    }
}

static void limits_its_length(void **state)
{
    static char text[QUESTION_LEN_MAX + 2];
    struct filters filters = {0};
    struct question question;
    struct err err = {0};

    (void)state;
    memset(text, 'a', sizeof text);
    test_case = "64 KiB";
    CHECK(question_parse(&question, &filters, bytes_of(text, QUESTION_LEN_MAX),
                         "WHAT", &arena, &err));
    CHECK(!question_parse(&question, &filters,
                          bytes_of(text, QUESTION_LEN_MAX + 1), "WHAT", &arena,
                          &err));
    CHECK(strcmp(err.text, "WHAT: longer than 64 KiB") == 0);
    filters.scope = SCOPE_COVERING;
    CHECK(!question_parse(&question, &filters, bytes_of(text, 2000), "WHAT",
                          &arena, &err));
    CHECK(strcmp(err.text, "covering: a name of 2000 bytes is no host's") == 0);
    arena_reset(&arena);
}

// Both readings of a U-label lead to the certificate that has the A-label.
static void finds_u_labels(void **state)
{
    struct filters filters = {0};
    struct question question;
    struct buffer key = {0};
    struct err err = {0};

    (void)state;
    test_case = "bücher.de";
    CHECK(question_parse(&question, &filters, bytes_from_text("bücher.de"), "q",
                         &arena, &err));
    keys_append(&key, TERM_DNS, bytes_from_text("xn--bcher-kva.de"));
    CHECK(question_find_range(&question, buffer_bytes(&key)) != NULL);
    buffer_cleanup(&key);
    arena_reset(&arena);
}

// One reading is an address, the other a name: only that has a subtree.
static void takes_the_subtree_of_names_alone(void **state)
{
    struct filters filters = {.scope = SCOPE_SUBDOMAINS};
    struct question question;
    struct err err = {0};

    (void)state;
    test_case = "::ff and two no-break spaces";
    CHECK(question_parse(&question, &filters, bytes_from_text("::ff\xa0\xa0"),
                         "q", &arena, &err));
    CHECK(question.num_ranges > 0);
    for (size_t i = 0; i < question.num_ranges; i++) {
        CHECK(!question.ranges[i].exact);
    }
    arena_reset(&arena);
}

// Of a subtree whose name is cut in its key the names themselves decide.
static void tells_long_subtrees_apart(void **state)
{
    struct filters filters = {.scope = SCOPE_SUBDOMAINS};
    char name[600], below[610], other[610];
    struct question question;
    struct buffer key = {0};
    struct err err = {0};
    uint32_t via;
    struct term term = {.kind = TERM_DNS, .via = VIA_SAN_DNS};

    (void)state;
    test_case = "long subtree";
    memset(name, 'a', sizeof name);
    for (size_t i = 50; i + 1 < sizeof name; i += 50) {
        name[i] = '.';
    }
    memcpy(below, "www.", 4);
    memcpy(below + 4, name, sizeof name);
    memcpy(other, below, sizeof other);
    other[10] = 'b'; // another name, the same first bytes of the key
    CHECK(question_parse(&question, &filters, bytes_of(name, sizeof name), "q",
                         &arena, &err));
    term.value = bytes_of(below, sizeof name + 4);
    keys_append(&key, TERM_DNS, term.value);
    CHECK(question_match(&question, &term, buffer_bytes(&key), &via));
    CHECK(via == VIA_SAN_DNS);
    buffer_reset(&key);
    term.value = bytes_of(other, sizeof name + 4);
    keys_append(&key, TERM_DNS, term.value);
    CHECK(question_find_range(&question, buffer_bytes(&key)) != NULL);
    CHECK(!question_match(&question, &term, buffer_bytes(&key), &via));
    buffer_cleanup(&key);
    arena_reset(&arena);
}

static struct sha256_hash fingerprint_of(const char *query)
{
    struct sha256_hash fingerprint;
    struct filters *filters = arena_zalloc(&arena, 1, sizeof *filters);
    struct question question;
    struct bytes what;
    struct err err = {0};

    test_case = query;
    CHECK(filters_from_query(filters, &what, bytes_from_text(query), &arena,
                             &err));
    CHECK(question_parse(&question, filters, what, "q", &arena, &err));
    CHECK(question_fingerprint(&question, &fingerprint));
    return fingerprint;
}

static void tells_questions_apart(void **state)
{
    static const char *const queries[] = {
        "q=a.example",
        "q=b.example",
        "q=a.example&subdomains=1",
        "q=a.example&covering=1",
        "q=a.example&since=2024-01-01",
        "q=a.example&until=2024-01-01",
        "q=a.example&valid_at=2024-01-01",
        "q=a.example&seen_since=2024-01-01",
        "q=a.example&unexpired=1",
        "q=a.example&issuer=x",
        "q=a.example&not_issuer=x",
        "q=a.example&issuer=x&issuer=y",
        "q=a.example&issuer=xy",
        "q=a.example&issuer_key=" ZEROS,
        "q=a.example&not_issuer_key=" ZEROS,
        "q=a.example&via=cn",
        "q=a.example&log=x",
        "q=a.example&type=final",
        "q=a.example&order=key",
    };
    struct sha256_hash hashes[COUNT_OF(queries)], same;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        hashes[i] = fingerprint_of(queries[i]);
        for (size_t k = 0; k < i; k++) {
            CHECK(!sha256_equal(&hashes[i], &hashes[k]));
        }
    }
    same = fingerprint_of("q=A.example.&limit=5&after=x&fields=id");
    CHECK(sha256_equal(&same, &hashes[0]));
    arena_reset(&arena);
}

static void names_every_field(void **state)
{
    (void)state;
    test_case = "fields";
    CHECK(strcmp(question_field_word(FIELD_ID), "id") == 0);
    CHECK(strcmp(question_field_word(FIELD_CERTIFICATES), "certificates") == 0);
    CHECK(question_field_word(FIELD_CERTIFICATES << 1) == NULL);
    CHECK(question_field_word(FIELDS_ALL) == NULL);
}

static int cleanup(void **state)
{
    (void)state;
    arena_cleanup(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_refuses_parameters),
        cmocka_unit_test(keeps_what_parameters_say),
        cmocka_unit_test(takes_any_number_of_values),
        cmocka_unit_test(spells_options_as_options),
        cmocka_unit_test(reads_and_refuses_questions),
        cmocka_unit_test(limits_its_length),
        cmocka_unit_test(finds_u_labels),
        cmocka_unit_test(takes_the_subtree_of_names_alone),
        cmocka_unit_test(tells_long_subtrees_apart),
        cmocka_unit_test(tells_questions_apart),
        cmocka_unit_test(names_every_field),
    };

    return cmocka_run_group_tests(tests, NULL, cleanup);
}
