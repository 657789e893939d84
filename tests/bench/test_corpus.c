#include <openssl/mem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "bench/corpus.h"
#include "index/entry/entry.h"
#include "tests/support/check.h"

enum { ENTRIES = 40000 };

static const struct corpus_options options = {.entries = ENTRIES, .seed = 3};

// What was made, and how an index would understand it.
struct made {
    struct corpus_entry entry;
    struct buffer bytes;
    struct arena arena;
    struct entry understood;
};

static void make(const struct corpus *corpus, uint64_t index, struct made *made)
{
    struct entry_bytes bytes = {.index = index};

    buffer_reset(&made->bytes);
    arena_reset(&made->arena);
    corpus_append(corpus, index, &made->bytes, &made->entry);
    CHECK(buffer_ok(&made->bytes));
    CHECK(made->entry.leaf_len + made->entry.precert_len == made->bytes.len);
    bytes.leaf = bytes_of(made->bytes.data, made->entry.leaf_len);
    bytes.precert = bytes_of(made->bytes.data + made->entry.leaf_len,
                             made->entry.precert_len);
    bytes.chain = corpus_chain(corpus, made->entry.issuer, &bytes.num_chain);
    CHECK(entry_understand(&made->understood, &bytes, &made->arena));
}

static void cleanup(struct made *made)
{
    buffer_cleanup(&made->bytes);
    arena_cleanup(&made->arena);
}

static void entries_are_what_logs_accept(void **state)
{
    struct corpus *corpus = corpus_new(&options);
    struct made made = {0};

    (void)state;
    CHECK(corpus != NULL);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        const struct entry *entry = &made.understood;

        make(corpus, i, &made);
        CHECK((entry->flags & ~(uint32_t)FLAG_IP_IN_CN) == 0);
        CHECK(entry->leaf.has_leaf_index && entry->leaf.leaf_index == i);
        CHECK((entry->leaf.type == LEAF_PRECERT) ==
              (made.entry.precert_len > 0));
        CHECK(entry->leaf.type == LEAF_X509 || entry->tbs_from_precert);
        CHECK(entry->names.num_terms > 0);
    }
    cleanup(&made);
    corpus_free(corpus);
}

// A library that has nothing of ours reads them, and writes them back alike.
static void certificates_are_der(void **state)
{
    struct corpus_options real = options;
    struct corpus *corpus;
    struct made made = {0};

    (void)state;
    real.real_points = true;
    corpus = corpus_new(&real);
    CHECK(corpus != NULL);
    for (uint64_t i = 0; i < 2000; i++) {
        struct bytes der;
        const uint8_t *at;
        uint8_t *again = NULL;
        X509 *x509;
        EVP_PKEY *key;
        int len;

        make(corpus, i, &made);
        der = made.entry.precert_len > 0 ? made.understood.bytes.precert
                                         : made.understood.leaf.certificate;
        at = der.data;
        x509 = d2i_X509(NULL, &at, (long)der.len);
        CHECK(x509 != NULL && at == der.data + der.len);
        key = X509_get_pubkey(x509);
        CHECK(key != NULL);
        len = i2d_X509(x509, &again);
        CHECK(bytes_equal(bytes_of(again, (size_t)len), der));
        OPENSSL_free(again);
        EVP_PKEY_free(key);
        X509_free(x509);
    }
    cleanup(&made);
    corpus_free(corpus);
}

static void any_part_is_made_alone(void **state)
{
    struct corpus *first = corpus_new(&options), *second = corpus_new(&options);
    struct corpus_options other = {.entries = ENTRIES, .seed = 4};
    struct corpus *different = corpus_new(&other);
    struct buffer a = {0}, b = {0}, c = {0};
    struct corpus_entry entry;

    (void)state;
    for (uint64_t i = 0; i < 500; i++) {
        corpus_append(first, i, &a, &entry);
    }
    for (uint64_t i = 500; i > 0; i--) { // the other way round
        struct buffer one = {0};

        corpus_append(second, i - 1, &one, &entry);
        corpus_append(different, i - 1, &c, &entry);
        CHECK(bytes_equal(buffer_bytes(&one),
                          bytes_of(a.data + a.len - b.len - one.len, one.len)));
        buffer_append(&b, buffer_bytes(&one));
        buffer_cleanup(&one);
    }
    CHECK(a.len == b.len && !bytes_equal(buffer_bytes(&a), buffer_bytes(&c)));
    buffer_cleanup(&a);
    buffer_cleanup(&b);
    buffer_cleanup(&c);
    corpus_free(first);
    corpus_free(second);
    corpus_free(different);
}

static bool ends_with(struct bytes value, const char *text)
{
    size_t len = strlen(text);

    return value.len >= len &&
           memcmp(value.data + value.len - len, text, len) == 0;
}

// The shares that corpus.h promises.
static void statistics_are_those_of_the_header(void **state)
{
    struct corpus *corpus = corpus_new(&options);
    double precerts = 0, precert_bytes = 0, dns = 0, family = 0, platform = 0;
    double addresses = 0, rsa = 0;
    struct made made = {0};

    (void)state;
    for (uint64_t i = 0; i < ENTRIES; i++) {
        bool has_address = false;

        make(corpus, i, &made);
        precerts += made.entry.precert_len > 0;
        precert_bytes += (double)made.entry.precert_len;
        rsa += made.entry.issuer >= 5;
        for (size_t k = 0; k < made.understood.names.num_terms; k++) {
            const struct term *term = &made.understood.names.terms[k];

            dns += term->kind == TERM_DNS;
            has_address |= term->kind == TERM_IPV4 || term->kind == TERM_IPV6;
            family += bytes_equal_text(term->value, "shared.cdn0.example.net");
            platform += ends_with(term->value, ".apps0.example.com");
        }
        addresses += has_address;
    }
    CHECK(precerts == ENTRIES * 5 / 8);
    CHECK(precert_bytes / precerts > 790 && precert_bytes / precerts < 830);
    CHECK(dns / ENTRIES > 1.8 && dns / ENTRIES < 2.0);
    CHECK(family / ENTRIES > 0.04 && family / ENTRIES < 0.06);
    CHECK(platform / ENTRIES > 0.02 && platform / ENTRIES < 0.03);
    CHECK(addresses / ENTRIES > 0.008 && addresses / ENTRIES < 0.012);
    CHECK(rsa / ENTRIES > 0.23 && rsa / ENTRIES < 0.27);
    cleanup(&made);
    corpus_free(corpus);
}

struct seen {
    char name[CORPUS_NAME_SIZE];
    double day;
};

static int by_name(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order != 0 ? order : (x->day > y->day) - (x->day < y->day);
}

static void sites_come_back_after_60_to_90_days(void **state)
{
    struct corpus *corpus = corpus_new(&options);
    struct seen *seen = calloc(ENTRIES, sizeof *seen);
    size_t num = 0, renewals = 0, others = 0;

    (void)state;
    for (uint64_t i = 0; i < ENTRIES; i++) {
        if (i % 8 >= 5 || !corpus_first_name(corpus, i, seen[num].name) ||
            strlen(seen[num].name) < 16) { // short ones meet by chance
            continue;
        }
        seen[num++].day = (double)i * CORPUS_DAYS / ENTRIES;
    }
    qsort(seen, num, sizeof *seen, by_name);
    for (size_t i = 1; i < num; i++) {
        double days = seen[i].day - seen[i - 1].day;

        if (strcmp(seen[i].name, seen[i - 1].name) != 0) continue;
        if (days > 59.5 && days < 90.5) {
            renewals++;
        } else {
            others++;
        }
    }
    // A first quarter of the time renews nothing.
    CHECK(renewals > num * 35 / 100 && renewals < num * 55 / 100);
    CHECK(others < num / 50);
    free(seen);
    corpus_free(corpus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_what_logs_accept),
        cmocka_unit_test(certificates_are_der),
        cmocka_unit_test(any_part_is_made_alone),
        cmocka_unit_test(statistics_are_those_of_the_header),
        cmocka_unit_test(sites_come_back_after_60_to_90_days),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
