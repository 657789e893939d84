// test_answer.c - answers against a naive search of what was planted.

#include "query/answer.h"

#include <arpa/inet.h>

#include "index/base/text.h"
#include "tests/support/planted.h"
#include "tests/support/random.h"

enum {
    NUM_PLANTS = 260,
    SIGHTINGS_MAX = 4,
    FOUND_MAX = 2 * NUM_PLANTS,
    NOW_S = 1900000000,
    DAY = 86400,
};

// ------------------------------------------------------------ planting

// An issuance, and where it was planted.
struct plant {
    struct planted_cert cert;
    char text[PLANTED_NAMES_MAX][40];
    size_t num_sightings;
    struct {
        size_t log;
        bool precert;
        uint64_t timestamp_ms;
        uint64_t id;
    } seen[SIGHTINGS_MAX];
    uint64_t id; // lowest; 0: not yet visible
};

static struct planted planted;
static struct plant plants[NUM_PLANTS];

static void add_name(struct plant *plant, struct random *random)
{
    static const char *const names[] = {
        "example.com",         "www.example.com", "*.example.com",
        "a.b.example.com",     "*.b.example.com", "example-cdn.com",
        "xexample.com",        "example.org",     "com",
        "deep.a.b.example.com"};
    size_t num = 0;
    char *text;

    while (plant->cert.names[num] != NULL) {
        num++;
    }
    if (num + 1 == PLANTED_NAMES_MAX) return;
    text = plant->text[num];
    switch (random_below(random, 4)) {
    case 0:
        (void)snprintf(text, 40, "192.0.%d.%d", (int)random_below(random, 3),
                       (int)random_below(random, 4));
        break;
    case 1:
        (void)snprintf(text, 40, "2001:db8:%d::%d",
                       (int)random_below(random, 3),
                       (int)random_below(random, 3));
        break;
    default:
        (void)snprintf(text, 40, "%s",
                       names[random_below(random, COUNT_OF(names))]);
        break;
    }
    plant->cert.names[num] = text;
}

static void plant_one(struct plant *plant, uint32_t number)
{
    struct random random = random_for(7, "plants", number);
    size_t num = 1 + random_below(&random, 4);

    plant->cert.serial = 0x01000000 + number;
    plant->cert.ca = (enum planted_ca)random_below(&random, PLANTED_CAS);
    plant->cert.not_before =
        1700000000 + (int64_t)random_below(&random, 20) * DAY;
    plant->cert.not_after =
        NOW_S + ((int64_t)random_below(&random, 20) - 10) * DAY;
    for (size_t i = 0; i < num; i++) {
        add_name(plant, &random);
    }
    if (random_below(&random, 8) == 0) {
        plant->cert.common_name = "example.com";
    }
    plant->num_sightings = 1 + random_below(&random, SIGHTINGS_MAX);
    for (size_t i = 0; i < plant->num_sightings; i++) {
        plant->seen[i].log = random_below(&random, PLANTED_LOGS);
        plant->seen[i].precert = random_below(&random, 2) == 0;
        plant->seen[i].timestamp_ms =
            1700000000000 + random_below(&random, 40) * DAY * 1000;
    }
}

// Adds and shows some of the plants' sightings.
static void show_plants(size_t first, size_t end, size_t sighting)
{
    struct plant *added[PLANTED_LOGS][NUM_PLANTS];
    size_t num[PLANTED_LOGS] = {0};

    for (size_t i = first; i < end; i++) {
        struct plant *plant = &plants[i];
        size_t log = plant->seen[sighting].log;

        if (sighting >= plant->num_sightings) continue;
        planted_add(&planted, log, &plant->cert, plant->seen[sighting].precert,
                    plant->seen[sighting].timestamp_ms);
        added[log][num[log]++] = plant;
    }
    for (size_t log = 0; log < PLANTED_LOGS; log++) {
        uint64_t id;

        if (num[log] == 0) continue;
        id = planted_append(&planted, log);
        for (size_t i = 0; i < num[log]; i++, id++) {
            added[log][i]->seen[sighting].id = id;
            if (added[log][i]->id == 0) added[log][i]->id = id;
        }
    }
}

static int open_all(void **state)
{
    (void)state;
    planted_open(&planted, NUM_PLANTS * SIGHTINGS_MAX + 100);
    for (uint32_t i = 0; i < NUM_PLANTS; i++) {
        plant_one(&plants[i], i);
    }
    for (size_t i = 0; i < NUM_PLANTS; i += 65) {
        for (size_t k = 0; k < SIGHTINGS_MAX; k++) {
            show_plants(i, i + 65, k);
        }
    }
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    planted_close(&planted);
    return 0;
}

// ------------------------------------------------------------ the oracle

static bool is_below(const char *name, const char *zone)
{
    size_t len = strlen(name), zone_len = strlen(zone);

    return len > zone_len && name[len - zone_len - 1] == '.' &&
           strcmp(name + len - zone_len, zone) == 0;
}

static size_t parse_address(const char *text, uint8_t octets[16])
{
    if (inet_pton(AF_INET, text, octets) == 1) return 4;
    if (inet_pton(AF_INET6, text, octets) == 1) return 16;
    return 0;
}

static bool in_prefix(const char *name, const char *prefix)
{
    char text[64];
    uint8_t a[16], b[16];
    char *slash;
    unsigned bits;
    size_t len;

    (void)snprintf(text, sizeof text, "%s", prefix);
    slash = strchr(text, '/');
    *slash = '\0';
    bits = (unsigned)atoi(slash + 1);
    len = parse_address(text, a);
    if (len == 0 || parse_address(name, b) != len) return false;
    for (unsigned i = 0; i < bits; i++) {
        if (((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1) != 0) return false;
    }
    return true;
}

static bool name_matches(const char *name, const char *what,
                         enum question_scope scope)
{
    const char *parent = strchr(what, '.');

    if (strchr(what, '/') != NULL) return in_prefix(name, what);
    if (scope == SCOPE_SUBDOMAINS && strncmp(what, "*.", 2) == 0) {
        return is_below(name, what + 2);
    }
    if (strcmp(name, what) == 0) return true;
    if (scope == SCOPE_SUBDOMAINS) return is_below(name, what);
    return scope == SCOPE_COVERING && parent != NULL &&
           strncmp(name, "*.", 2) == 0 && strcmp(name + 2, parent + 1) == 0;
}

static bool plant_matches(const struct plant *plant, const char *what,
                          const struct filters *filters)
{
    const char *cn = plant->cert.common_name;
    bool san = false, common = false;

    for (size_t i = 0; plant->cert.names[i] != NULL; i++) {
        if (name_matches(plant->cert.names[i], what, filters->scope)) {
            san = true;
        }
    }
    common = cn != NULL && name_matches(cn, what, filters->scope);
    if (filters->via == 0) return san || common;
    return ((filters->via & (VIA_SAN_DNS | VIA_SAN_IP)) != 0 && san) ||
           ((filters->via & VIA_CN) != 0 && common);
}

static bool is_proven(const struct plant *plant)
{
    for (size_t i = 0; i < plant->num_sightings; i++) {
        // The second log's chains are Birch's, the first's Amber's: a final
        // is proven where its chain is its issuer's.
        if (plant->seen[i].precert) return true;
        if (plant->seen[i].log == (size_t)plant->cert.ca) return true;
    }
    return false;
}

static bool key_passes(const struct plant *plant, const struct filters *filters)
{
    const struct sha256_hash *key = &planted.cas[plant->cert.ca].spki_id;
    bool wanted = filters->issuer_keys.num == 0;

    if (!is_proven(plant)) return true;
    for (size_t i = 0; i < filters->issuer_keys.num; i++) {
        if (sha256_equal(key, &filters->issuer_keys.hashes[i])) wanted = true;
    }
    for (size_t i = 0; i < filters->not_issuer_keys.num; i++) {
        if (sha256_equal(key, &filters->not_issuer_keys.hashes[i])) {
            return false;
        }
    }
    return wanted;
}

static bool plant_passes(const struct plant *plant,
                         const struct filters *filters)
{
    const struct planted_cert *cert = &plant->cert;
    bool seen = false;

    if (filters->has_since && cert->not_before < filters->since) return false;
    if (filters->has_until && cert->not_before > filters->until) return false;
    if (filters->has_valid_at && (cert->not_before > filters->valid_at ||
                                  cert->not_after < filters->valid_at)) {
        return false;
    }
    if (filters->unexpired && cert->not_after < NOW_S) return false;
    for (size_t i = 0; i < plant->num_sightings; i++) {
        bool precert = plant->seen[i].precert;

        if (filters->type == TYPE_PRECERT && !precert) continue;
        if (filters->type == TYPE_FINAL && precert) continue;
        if (filters->has_seen_since &&
            (int64_t)plant->seen[i].timestamp_ms < filters->seen_since * 1000) {
            continue;
        }
        if (filters->logs.num > 0 &&
            !bytes_equal_text(filters->logs.texts[0],
                              planted.logs[plant->seen[i].log].log.name)) {
            continue;
        }
        seen = true;
    }
    if (filters->issuers.num > 0 && cert->ca == CA_BIRCH) return false;
    return seen && key_passes(plant, filters);
}

static size_t expect(uint64_t *ids, const char *what,
                     const struct filters *filters)
{
    size_t num = 0;

    for (size_t i = 0; i < NUM_PLANTS; i++) {
        if (plants[i].id == 0 || !plant_matches(&plants[i], what, filters) ||
            !plant_passes(&plants[i], filters)) {
            continue;
        }
        ids[num++] = plants[i].id;
    }
    return num;
}

// ------------------------------------------------------------ asking

struct found {
    uint64_t ids[FOUND_MAX];
    int64_t dates[FOUND_MAX];
    struct sha256_hash hashes[FOUND_MAX];
    size_t num;
    bool order_found;
    bool has_count;
    uint64_t count;
    char cursor[2048];
};

static struct arena arena;

static void parse(struct question *question, struct filters *filters,
                  const char *query)
{
    struct err err = {0};
    struct bytes what;

    *filters = (struct filters){0};
    if (!filters_from_query(filters, &what, bytes_from_text(query), &arena,
                            &err) ||
        !question_parse(question, filters, what, "q", &arena, &err)) {
        fail_msg("%s: %s", query, err.text);
    }
}

// Renews the snapshot between any two steps, as a server does.
static void collect(struct found *found, struct answer *answer,
                    struct snapshot *snapshot)
{
    enum answer_step step = ANSWER_WORKING;
    struct err err = {0};
    struct bytes cursor;

    found->num = 0;
    while (step != ANSWER_END) {
        const struct issuance *issuance;
        bool changed;

        if (!answer_next(answer, snapshot, &step, &issuance, &err)) {
            fail_msg("%s", err.text);
        }
        if (step == ANSWER_ISSUANCE) {
            CHECK(found->num < FOUND_MAX);
            found->ids[found->num] = issuance->id;
            found->hashes[found->num] = issuance->tbs;
            found->dates[found->num++] = issuance->shown->facts.not_before;
        }
        answer_park(answer);
        CHECK(snapshot_renew(snapshot, &changed, &err));
    }
    found->order_found = answer_order_found(answer);
    found->has_count = answer_has_count(answer);
    found->count = answer_count(answer);
    cursor = answer_cursor(answer);
    CHECK(cursor.len < sizeof found->cursor);
    if (cursor.len > 0) memcpy(found->cursor, cursor.data, cursor.len);
    found->cursor[cursor.len] = '\0';
}

static size_t sorted_max; // 0: as it is

static void ask(struct found *found, const char *query)
{
    struct snapshot *snapshot = planted_snapshot(&planted);
    struct question question;
    struct filters filters;
    struct answer *answer;
    struct err err = {0};

    parse(&question, &filters, query);
    if (!answer_open(&answer, &question, snapshot, NOW_S * UINT64_C(1000),
                     &err)) {
        fail_msg("%s: %s", query, err.text);
    }
    if (sorted_max != 0) answer_set_sorted_max(answer, sorted_max);
    collect(found, answer, snapshot);
    answer_close(answer);
    snapshot_close(snapshot);
}

static uint64_t count(const char *query)
{
    struct snapshot *snapshot = planted_snapshot(&planted);
    struct question question;
    struct filters filters;
    struct answer *answer;
    struct err err = {0};
    struct found found;

    parse(&question, &filters, query);
    if (!answer_open_count(&answer, &question, snapshot, NOW_S * UINT64_C(1000),
                           &err)) {
        fail_msg("%s: %s", query, err.text);
    }
    if (sorted_max != 0) answer_set_sorted_max(answer, sorted_max);
    collect(&found, answer, snapshot);
    CHECK(found.num == 0 && found.has_count);
    answer_close(answer);
    snapshot_close(snapshot);
    return found.count;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

static bool same_ids(const struct found *found, uint64_t *ids, size_t num)
{
    uint64_t copy[FOUND_MAX];

    if (found->num != num) return false;
    if (num == 0) return true;
    memcpy(copy, found->ids, num * sizeof *copy);
    qsort(copy, num, sizeof *copy, compare_ids);
    qsort(ids, num, sizeof *ids, compare_ids);
    return memcmp(copy, ids, num * sizeof *copy) == 0;
}

// What is asked, as the oracle has it and as parameters.
static const struct {
    const char *what;
    const char *scope;
} whats[] = {
    {"example.com", ""},
    {"www.example.com", ""},
    {"*.example.com", ""},
    {"none.example.com", ""},
    {"com", ""},
    {"example.com", "&subdomains=1"},
    {"*.example.com", "&subdomains=1"},
    {"com", "&subdomains=1"},
    {"b.example.com", "&subdomains=1"},
    {"example-cdn.com", "&subdomains=1"},
    {"www.example.com", "&covering=1"},
    {"x.b.example.com", "&covering=1"},
    {"b.example.com", "&covering=1"},
    {"192.0.1.2", ""},
    {"2001:db8:1::2", ""},
    {"192.0.1.0/24", ""},
    {"192.0.0.0/22", ""},
    {"192.0.2.2/31", ""},
    {"0.0.0.0/0", ""},
    {"::/0", ""},
    {"2001:db8::/47", ""},
};

static const char *const filter_rows[] = {
    "",
    "&since=2023-11-20T22:13:20Z",
    "&until=2023-11-20T22:13:20Z",
    "&valid_at=2030-03-15T17:46:40Z",
    "&valid_at=2023-11-20T22:13:20Z",
    "&unexpired=1",
    "&type=precert",
    "&type=final",
    "&seen_since=2023-12-01",
    "&log=amber+log",
    "&log=birch+log&type=final&seen_since=2023-12-01",
    "&issuer=aMBER",
    "&issuer=%3DCN%3DAmber+CA%2CC%3DNZ&unexpired=1",
    "&not_issuer=birch%5C%2C",
    "&via=cn",
    "&via=san-dns&via=san-ip",
};

static void encode(char *out, size_t size, const char *what)
{
    struct buffer text = {0};

    for (; *what != '\0'; what++) {
        if (*what == '/') {
            buffer_append_text(&text, "%2F");
        } else {
            buffer_append_byte(&text, (uint8_t)*what);
        }
    }
    (void)snprintf(out, size, "%.*s", (int)text.len, (const char *)text.data);
    buffer_cleanup(&text);
}

static void check_order(const struct found *found)
{
    for (size_t i = 1; i < found->num; i++) {
        CHECK(found->dates[i - 1] <= found->dates[i]);
        if (found->dates[i - 1] != found->dates[i]) continue;
        CHECK(memcmp(&found->hashes[i - 1], &found->hashes[i],
                     sizeof found->hashes[i]) < 0);
    }
}

static void finds_what_was_planted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(whats); i++) {
        for (size_t k = 0; k < COUNT_OF(filter_rows); k++) {
            char query[512], what[64];
            struct filters filters;
            struct question question;
            uint64_t ids[FOUND_MAX];
            static struct found found;
            size_t num;

            encode(what, sizeof what, whats[i].what);
            (void)snprintf(query, sizeof query, "q=%s%s%s", what,
                           whats[i].scope, filter_rows[k]);
            test_case = query;
            parse(&question, &filters, query);
            // The oracle knows one form of the filter only.
            if (filters.not_issuers.num > 0) filters.issuers.num = 1;
            num = expect(ids, whats[i].what, &filters);
            ask(&found, query);
            CHECK(same_ids(&found, ids, num));
            CHECK(found.has_count && found.count == num);
            CHECK(found.cursor[0] == '\0');
            check_order(&found);
            CHECK(count(query) == num);
            arena_reset(&arena);
        }
    }
}

static void excludes_only_proven_keys(void **state)
{
    static const char *const names[] = {"issuer_key", "not_issuer_key"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names) * PLANTED_CAS; i++) {
        struct buffer query = {0};
        struct filters filters;
        struct question question;
        uint64_t ids[FOUND_MAX];
        static struct found found;
        size_t num;

        buffer_printf(&query, "q=com&subdomains=1&%s=", names[i / PLANTED_CAS]);
        text_append_hex(&query,
                        sha256_bytes(&planted.cas[i % PLANTED_CAS].spki_id));
        buffer_append_byte(&query, 0);
        test_case = (const char *)query.data;
        parse(&question, &filters, test_case);
        num = expect(ids, "com", &filters);
        ask(&found, test_case);
        CHECK(same_ids(&found, ids, num));
        CHECK(count(test_case) == num);
        arena_reset(&arena);
        buffer_cleanup(&query);
    }
}

// ------------------------------------------------------------ pages

// Walks a question by pages; `more` shows further plants after each.
static size_t walk(uint64_t *ids, const char *query, unsigned limit,
                   bool ascends, void (*more)(void))
{
    static struct found page;
    size_t num = 0;
    char paged[4096];

    page.cursor[0] = '\0';
    do {
        (void)snprintf(paged, sizeof paged, "%s&limit=%u%s%s", query, limit,
                       page.cursor[0] ? "&after=" : "", page.cursor);
        ask(&page, paged);
        CHECK(page.num <= limit);
        CHECK(page.cursor[0] == '\0' || page.num == limit);
        CHECK(page.has_count == (page.cursor[0] == '\0' && num == 0));
        for (size_t i = 0; i < page.num; i++) {
            CHECK(!ascends || num == 0 || ids[num - 1] < page.ids[i]);
            CHECK(num < FOUND_MAX);
            ids[num++] = page.ids[i];
        }
        if (ascends && page.cursor[0] != '\0') {
            CHECK(strtoull(page.cursor, NULL, 10) == ids[num - 1]);
        }
        if (more != NULL) more();
        arena_reset(&arena);
    } while (page.cursor[0] != '\0');
    return num;
}

static bool is_range(size_t i)
{
    return strstr(whats[i].scope, "subdomains") != NULL ||
           strchr(whats[i].what, '/') != NULL;
}

static void pages_are_the_whole(void **state)
{
    static const unsigned limits[] = {1, 2, 3, 7, 64, 1000};
    static const char *const orders[] = {"", "&order=found", "&order=key"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(whats) * COUNT_OF(orders); i++) {
        size_t k = i % COUNT_OF(whats), order = i / COUNT_OF(whats);
        char query[256], what[64];
        uint64_t ids[FOUND_MAX], walked[FOUND_MAX];
        struct filters filters;
        struct question question;
        size_t num;

        encode(what, sizeof what, whats[k].what);
        (void)snprintf(query, sizeof query, "q=%s%s%s&type=final", what,
                       whats[k].scope, orders[order]);
        test_case = query;
        parse(&question, &filters, query);
        num = expect(ids, whats[k].what, &filters);
        qsort(ids, num, sizeof *ids, compare_ids);
        for (size_t m = 0; m < COUNT_OF(limits); m++) {
            bool ascends = order == 1 || (order == 0 && !is_range(k));

            // Small pages of large answers tell nothing that others do not.
            if (num > 40 && limits[m] < 3) continue;
            CHECK(walk(walked, query, limits[m], ascends, NULL) == num);
            qsort(walked, num, sizeof *walked, compare_ids);
            CHECK(num == 0 || memcmp(ids, walked, num * sizeof *ids) == 0);
        }
    }
}

static uint32_t num_late;

// A new issuance whose name comes before, and a new sighting of an old one.
static void show_more(void)
{
    static const char *const names[] = {"a.example.com", "0.example.com",
                                        "zz.example.com"};
    struct planted_cert late = {
        .names = {names[num_late % COUNT_OF(names)], "example.com"},
        .serial = 0x02000000 + num_late,
        .not_before = 1700000000,
        .not_after = NOW_S,
    };

    if (num_late >= 40) return;
    planted_add(&planted, 0, &late, false, 1700000000000);
    planted_add(&planted, 0, &plants[num_late * 5].cert, false, 1700000000000);
    (void)planted_append(&planted, 0);
    num_late++;
}

static void pages_hold_while_data_arrives(void **state)
{
    static const char *const queries[] = {"q=example.com&subdomains=1",
                                          "q=example.com",
                                          "q=com&subdomains=1&order=found"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        static struct found whole;
        uint64_t walked[FOUND_MAX];
        size_t num, held = 0;

        test_case = queries[i];
        ask(&whole, queries[i]);
        num = walk(walked, queries[i], 9, i != 0, show_more);
        // Pages by key stay at what was there when the first was asked.
        CHECK(i == 0 ? num == whole.num : num >= whole.num);
        for (size_t k = 0; k < num; k++) {
            for (size_t m = 0; m < k; m++) {
                CHECK(walked[k] != walked[m]);
            }
            for (size_t m = 0; m < whole.num; m++) {
                if (whole.ids[m] == walked[k]) held++;
            }
        }
        CHECK(held == whole.num);
        arena_reset(&arena);
    }
}

static void refuses_what_is_no_cursor(void **state)
{
    static const struct {
        const char *query, *error;
    } cases[] = {
        {"q=example.com&limit=2&after=@@",
         "after: '@@' is no cursor of a page in the order found"},
        {"q=example.com&after=",
         "after: '' is no cursor of a page in the order found"},
        {"q=example.com&after=9007199254740992",
         "after: '9007199254740992' is no cursor of a page in the order found"},
        {"q=example.com&after=-1",
         "after: '-1' is no cursor of a page in the order found"},
        {"q=example.com&subdomains=1&after=5",
         "after: '5' is no cursor of a page in key order"},
        {"q=example.com&subdomains=1&after=k",
         "after: 'k' is no cursor of a page in key order"},
        {"q=example.com&subdomains=1&after=k01zz",
         "after: 'k01zz' is no cursor of a page in key order"},
        {"q=example.com&log=nowhere", "log: the index has no log 'nowhere'"},
    };
    struct snapshot *snapshot = planted_snapshot(&planted);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct question question;
        struct filters filters;
        struct answer *answer;
        struct err err = {0};

        test_case = cases[i].query;
        parse(&question, &filters, cases[i].query);
        CHECK(!answer_open(&answer, &question, snapshot, 0, &err));
        CHECK(err.code == ERR_USAGE);
        CHECK(strcmp(err.text, cases[i].error) == 0);
    }
    snapshot_close(snapshot);
    arena_reset(&arena);
}

static void refuses_another_questions_cursor(void **state)
{
    static struct found page;
    char query[4096];
    struct snapshot *snapshot = planted_snapshot(&planted);
    struct question question;
    struct filters filters;
    struct answer *answer;
    struct err err = {0};

    (void)state;
    test_case = "another question";
    ask(&page, "q=example.com&subdomains=1&limit=1");
    (void)snprintf(query, sizeof query, "q=com&subdomains=1&after=%s",
                   page.cursor);
    parse(&question, &filters, query);
    CHECK(!answer_open(&answer, &question, snapshot, 0, &err));
    CHECK(strstr(err.text, "another question's cursor") != NULL);
    snapshot_close(snapshot);
    arena_reset(&arena);
}

// Answers too long to be sorted come by id, in as many passes as it takes.
static void comes_as_found_when_long(void **state)
{
    static const size_t mosts[] = {1, 2, 7, 50, 259, 260, 261};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(whats) * COUNT_OF(mosts); i++) {
        size_t k = i % COUNT_OF(whats);
        char query[256], what[64];
        uint64_t ids[FOUND_MAX];
        static struct found found;
        struct filters filters;
        struct question question;
        size_t num;

        encode(what, sizeof what, whats[k].what);
        (void)snprintf(query, sizeof query, "q=%s%s", what, whats[k].scope);
        test_case = query;
        parse(&question, &filters, query);
        num = expect(ids, whats[k].what, &filters);
        sorted_max = mosts[i / COUNT_OF(whats)];
        ask(&found, query);
        CHECK(found.order_found == (num > sorted_max));
        CHECK(found.has_count && found.count == num);
        for (size_t m = 1; m < found.num && found.order_found; m++) {
            CHECK(found.ids[m - 1] < found.ids[m]);
        }
        CHECK(same_ids(&found, ids, num));
        CHECK(count(query) == num);
        sorted_max = 0;
        arena_reset(&arena);
    }
}

// Opens what is asked and takes the first step, as one that is given up.
static struct answer *begin(struct question *question, struct filters *filters,
                            const char *query, struct snapshot *snapshot)
{
    enum answer_step step;
    const struct issuance *issuance;
    struct answer *answer;
    struct err err = {0};

    parse(question, filters, query);
    CHECK(
        answer_open(&answer, question, snapshot, NOW_S * UINT64_C(1000), &err));
    CHECK(answer_next(answer, snapshot, &step, &issuance, &err));
    return answer;
}

static void check_same(const struct found *a, const struct found *b)
{
    CHECK(a->num == b->num && a->count == b->count);
    CHECK(a->has_count == b->has_count && a->order_found == b->order_found);
    CHECK(strcmp(a->cursor, b->cursor) == 0);
    for (size_t i = 0; i < a->num; i++) {
        CHECK(a->ids[i] == b->ids[i] && a->dates[i] == b->dates[i]);
    }
}

// What one snapshot is asked one after the other, and meanwhile, is answered as
// if it were asked alone; an answer may end after its snapshot.
static void answers_of_one_snapshot_are_apart(void **state)
{
    static const char *const filters_of[] = {"", "&limit=2", "&type=final",
                                             "&limit=3&order=found"};
    struct snapshot *snapshot = planted_snapshot(&planted);
    struct question question, others[6];
    struct filters filters, others_filters[6];
    struct answer *answer, *held[6];
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(held); i++) {
        held[i] = begin(&others[i], &others_filters[i],
                        "q=com&subdomains=1&limit=1", snapshot);
        answer_park(held[i]);
    }
    for (size_t i = 0; i < COUNT_OF(whats) * COUNT_OF(filters_of); i++) {
        size_t k = i % COUNT_OF(whats);
        char query[256], what[64];
        static struct found alone, found;

        encode(what, sizeof what, whats[k].what);
        (void)snprintf(query, sizeof query, "q=%s%s%s", what, whats[k].scope,
                       filters_of[i / COUNT_OF(whats)]);
        test_case = query;
        ask(&alone, query);
        answer = begin(&question, &filters, query, snapshot);
        answer_close(answer);
        CHECK(answer_open(&answer, &question, snapshot, NOW_S * UINT64_C(1000),
                          &err));
        collect(&found, answer, snapshot);
        answer_close(answer);
        check_same(&found, &alone);
        if (i < COUNT_OF(held) - 1) answer_close(held[i]);
    }
    snapshot_close(snapshot);
    answer_close(held[COUNT_OF(held) - 1]);
    arena_reset(&arena);
}

// ------------------------------------------------------------ single ones

static void check_issuance(const char *query,
                           void (*check)(const struct issuance *issuance))
{
    struct snapshot *snapshot = planted_snapshot(&planted);
    enum answer_step step = ANSWER_WORKING;
    const struct issuance *issuance;
    struct question question;
    struct filters filters;
    struct answer *answer;
    struct err err = {0};
    size_t num = 0;

    test_case = query;
    parse(&question, &filters, query);
    CHECK(answer_open(&answer, &question, snapshot, 0, &err));
    while (step != ANSWER_END) {
        CHECK(answer_next(answer, snapshot, &step, &issuance, &err));
        if (step != ANSWER_ISSUANCE) continue;
        check(issuance);
        num++;
    }
    CHECK(num == 1);
    answer_close(answer);
    snapshot_close(snapshot);
    arena_reset(&arena);
}

static void is_plant_17(const struct issuance *issuance)
{
    const struct plant *plant = &plants[17];
    bool later = issuance->num_sightings > plant->num_sightings;

    CHECK(issuance->id == plant->id);
    CHECK(issuance->has_tbs && issuance->num_matches == 0);
    CHECK(later || issuance->num_sightings == plant->num_sightings);
    for (size_t i = 1; i < issuance->num_sightings; i++) {
        const struct sighting *s = &issuance->sightings[i];

        CHECK(memcmp(&s[-1].entry->certificate_sha256,
                     &s->entry->certificate_sha256, SHA256_LEN) <= 0);
    }
}

// Whole issuances, whichever of their hashes is asked for.
static void finds_by_hashes(void **state)
{
    struct snapshot *snapshot = planted_snapshot(&planted);
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < plants[17].num_sightings; i++) {
        struct buffer query = {0};
        struct entry entry;
        bool has_bytes;

        CHECK(snapshot_entry(snapshot, plants[17].seen[i].id, ENTRY_ALL, &entry,
                             &has_bytes, &arena, &err));
        buffer_append_text(&query, "q=sha256:");
        text_append_hex(&query, sha256_bytes(&entry.certificate_sha256));
        buffer_append_byte(&query, 0);
        check_issuance((const char *)query.data, is_plant_17);
        buffer_reset(&query);
        buffer_append_text(&query, "q=tbs:");
        CHECK(snapshot_entry(snapshot, plants[17].seen[i].id, ENTRY_ALL, &entry,
                             &has_bytes, &arena, &err));
        text_append_hex(&query, sha256_bytes(&entry.tbs_sha256));
        buffer_append_byte(&query, 0);
        check_issuance((const char *)query.data, is_plant_17);
        buffer_cleanup(&query);
    }
    check_issuance("q=serial:01:00:00:11", is_plant_17);
    snapshot_close(snapshot);
}

static void is_unauthenticated(const struct issuance *issuance)
{
    CHECK(issuance->num_matches == 2);
    CHECK(issuance->matches[0].via == VIA_SAN_DNS);
    CHECK(issuance->matches[1].via == VIA_UNAUTHENTICATED);
    CHECK((issuance->flags & FLAG_PRECERT_MISMATCH) != 0);
}

static void is_flagged(const struct issuance *issuance)
{
    CHECK((issuance->flags & FLAG_SERIAL_REUSED) != 0);
}

static void is_not_flagged(const struct issuance *issuance)
{
    CHECK((issuance->flags & FLAG_SERIAL_REUSED) == 0);
}

// The same serial number of the same issuer is an incident, of another issuer
// none.
static void flags_serials_used_twice(void **state)
{
    struct planted_cert cert = {.names = {"reused-1.example"},
                                .serial = 0x7f000001,
                                .not_after = NOW_S};

    (void)state;
    planted_add(&planted, 0, &cert, false, 1);
    cert.names[0] = "reused-2.example";
    planted_add(&planted, 0, &cert, true, 1);
    cert.names[0] = "reused-3.example";
    cert.ca = CA_BIRCH;
    planted_add(&planted, 0, &cert, true, 1);
    (void)planted_append(&planted, 0);
    check_issuance("q=reused-1.example", is_flagged);
    check_issuance("q=reused-2.example", is_flagged);
    check_issuance("q=reused-3.example", is_not_flagged);
}

static uint64_t id_of(uint64_t first, uint64_t offset)
{
    return first + offset;
}

// The same TBSCertificate under two issuer keys: two issuances, and a final
// joins the one that its signature proves or stands alone.
static void keeps_issuer_keys_apart(void **state)
{
    struct planted_cert cert = {
        .names = {"split.example"}, .serial = 0x7f000002, .not_after = NOW_S};
    struct made_log *log = &planted.logs[0];
    static struct found found;
    uint64_t first;

    (void)state;
    test_case = "split.example";
    // A final first: alone until a precertificate comes, then one with it.
    planted_add(&planted, 0, &cert, false, 1);
    first = planted_append(&planted, 0);
    ask(&found, "q=split.example");
    CHECK(found.num == 1 && found.ids[0] == id_of(first, 0));
    planted_add(&planted, 0, &cert, true, 2);
    (void)planted_append(&planted, 0);
    ask(&found, "q=split.example");
    CHECK(found.num == 1 && found.ids[0] == id_of(first, 0));
    // The same leaf but for its issuer_key_hash (octets 12 to 43).
    planted_add(&planted, 0, &cert, true, 3);
    log->leaves[log->num - 1].data[12] ^= 0xff;
    planted_rehash(&planted, 0);
    (void)planted_append(&planted, 0);
    ask(&found, "q=split.example&order=found");
    CHECK(found.num == 2);
    CHECK(found.ids[0] == id_of(first, 0) && found.ids[1] == id_of(first, 2));
    CHECK(count("q=split.example") == 2);
    ask(&found, "q=split.example&limit=1&after=1");
    CHECK(found.num == 1 && found.ids[0] == id_of(first, 0));
    // In the other log its chain does not prove it: it stands alone.
    planted_add(&planted, 1, &cert, false, 4);
    first = planted_append(&planted, 1);
    CHECK(count("q=split.example") == 3);
    ask(&found, "q=split.example&order=found");
    CHECK(found.num == 3 && found.ids[2] == first);
}

// What is only in an unproven precertificate is found, and marked.
static void marks_what_is_not_authenticated(void **state)
{
    struct planted_cert cert = {
        .names = {"leaf.example"}, .serial = 0x7f000003, .not_after = NOW_S};
    struct planted_cert other = {.names = {"only-extra.example"},
                                 .serial = 0x7f000004,
                                 .not_after = NOW_S};
    struct made_log *log = &planted.logs[0];
    struct buffer swapped;
    static struct found found;

    (void)state;
    planted_add(&planted, 0, &cert, true, 1);
    planted_add(&planted, 0, &cert, true, 2);
    planted_add(&planted, 0, &other, true, 3);
    swapped = log->precerts[log->num - 2];
    log->precerts[log->num - 2] = log->precerts[log->num - 1];
    log->precerts[log->num - 1] = swapped;
    (void)planted_append(&planted, 0);
    test_case = "only-extra.example";
    check_issuance("q=leaf.example&via=unauthenticated", is_unauthenticated);
    ask(&found, "q=only-extra.example");
    CHECK(found.num == 2);
    ask(&found, "q=only-extra.example&limit=1");
    CHECK(found.num == 1);
    ask(&found, "q=only-extra.example&subdomains=1&limit=5");
    CHECK(found.num == 2);
    ask(&found, "q=only-extra.example&via=unauthenticated");
    CHECK(found.num == 1);
}

static void tells_coverage(void **state)
{
    struct snapshot *snapshot = planted_snapshot(&planted);

    (void)state;
    test_case = "coverage";
    CHECK(coverage_is_whole(snapshot, 1700000000000));
    CHECK(!coverage_is_whole(snapshot, 1700000000000 + 3 * DAY * 1000LL));
    snapshot_close(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_planted),
        cmocka_unit_test(excludes_only_proven_keys),
        cmocka_unit_test(pages_are_the_whole),
        cmocka_unit_test(comes_as_found_when_long),
        cmocka_unit_test(tells_coverage),
        cmocka_unit_test(answers_of_one_snapshot_are_apart),
        cmocka_unit_test(finds_by_hashes),
        cmocka_unit_test(refuses_what_is_no_cursor),
        cmocka_unit_test(refuses_another_questions_cursor),
        cmocka_unit_test(flags_serials_used_twice),
        cmocka_unit_test(keeps_issuer_keys_apart),
        cmocka_unit_test(marks_what_is_not_authenticated),
        cmocka_unit_test(pages_hold_while_data_arrives),
    };
    int failed = cmocka_run_group_tests(tests, open_all, close_all);

    arena_cleanup(&arena);
    return failed;
}
