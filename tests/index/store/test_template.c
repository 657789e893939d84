// test_template.c - bodies told by templates come back byte for byte: real
// certificates, mutations of them, bytes that are none.

#include "tests/support/check.h"

#include <dirent.h>

#include "index/base/varint.h"
#include "index/store/template.h"
#include "tests/support/entries.h"
#include "tests/support/random.h"

enum { NUM = 1500, MUTATIONS = 6000, HEAD_LEN = 4 };

// What was told of a body.
struct told {
    struct bytes body;
    struct entry_facts facts;
    uint32_t number;
    struct buffer text, raw;
};

static struct told *all;
static size_t num_all;
static struct template_writer *writer;

static void tell(struct bytes body, const struct entry_facts *facts,
                 uint32_t issuer)
{
    struct told *told;

    all = realloc(all, (num_all + 1) * sizeof *all);
    assert_non_null(all);
    told = &all[num_all++];
    *told = (struct told){.body = heap_copy(body), .facts = *facts};
    told->number = template_encode(writer, facts, issuer, told->body, HEAD_LEN,
                                   &told->text, &told->raw);
    CHECK(buffer_ok(&told->text) && buffer_ok(&told->raw));
}

static struct bytes make_body(struct buffer *out, const struct entry *entry,
                              bool facts_only, struct entry_facts *facts)
{
    struct record record;

    record_of(&record, entry, 7, facts_only);
    *facts = record.facts;
    buffer_reset(out);
    buffer_append_byte(out, (uint8_t)record.kind);
    buffer_append_byte(out, record.bits);
    varint_append(out, 1);
    varint_append(out, 5);
    record_append_payload(out, &record, entry);
    CHECK(buffer_ok(out) && out->len > HEAD_LEN);
    return buffer_bytes(out);
}

static struct templates *load_table(void)
{
    struct templates *templates;
    struct buffer table = {0};
    bool no_memory;

    template_writer_save(writer, &table);
    CHECK(buffer_ok(&table));
    assert_true(templates_read(&templates, buffer_bytes(&table), &no_memory));
    buffer_cleanup(&table);
    return templates;
}

static bool decode(const struct templates *templates, const struct told *told,
                   struct bytes text, struct bytes raw, struct buffer *out)
{
    buffer_reset(out);
    return template_decode(templates, told->number, &told->facts, text, &raw,
                           out) &&
           raw.len == 0;
}

// Every body as it was; then every truncation of what it was told by: refused,
// or another body.
static void check_all(size_t *num_told, size_t *bytes_told)
{
    struct templates *templates = load_table();
    struct buffer out = {0};

    *num_told = *bytes_told = 0;
    for (size_t i = 0; i < num_all; i++) {
        const struct told *told = &all[i];
        struct bytes text = heap_copy(buffer_bytes(&told->text));
        struct bytes raw = heap_copy(buffer_bytes(&told->raw));

        CHECK(decode(templates, told, text, raw, &out));
        CHECK(bytes_equal(buffer_bytes(&out), told->body));
        *num_told += told->number != 0;
        *bytes_told += text.len + raw.len;
        free((void *)(uintptr_t)text.data);
        free((void *)(uintptr_t)raw.data);
    }
    for (size_t i = 0; i < num_all; i += 37) {
        const struct told *told = &all[i];

        if (told->number == 0) continue;
        for (size_t len = 0; len < told->text.len; len++) {
            struct bytes cut = heap_copy(bytes_of(told->text.data, len));

            CHECK(
                !decode(templates, told, cut, buffer_bytes(&told->raw), &out));
            free((void *)(uintptr_t)cut.data);
        }
        for (size_t len = 0; len < told->raw.len; len++) {
            struct bytes cut = heap_copy(bytes_of(told->raw.data, len));

            CHECK(
                !decode(templates, told, buffer_bytes(&told->text), cut, &out));
            free((void *)(uintptr_t)cut.data);
        }
    }
    buffer_cleanup(&out);
    templates_free(templates);
}

static int set_up(void **state)
{
    (void)state;
    return template_writer_new(&writer) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < num_all; i++) {
        free((void *)(uintptr_t)all[i].body.data);
        buffer_cleanup(&all[i].text);
        buffer_cleanup(&all[i].raw);
    }
    free(all);
    all = NULL;
    num_all = 0;
    template_writer_free(writer);
    return 0;
}

// ------------------------------------------------------------ made entries

static void tell_made(uint64_t seed, bool facts_only)
{
    struct testlog_options options = {.entries = NUM, .seed = seed};
    struct entry_block *scratch = calloc(1, sizeof *scratch);
    struct entries entries = {0};
    struct arena arena = {0};
    struct buffer body = {0};

    assert_non_null(scratch);
    assert_true(entries_generate(&entries, &options, NULL));
    for (uint64_t b = 0; b < entries.num_blocks; b++) {
        const struct entry_block *block = entries_block(&entries, b, scratch);

        for (size_t i = 0; i < block->num; i++) {
            struct entry_bytes bytes = {.index = 256 * b + i,
                                        .leaf = entry_leaf(block, i),
                                        .precert = entry_precert(block, i)};
            struct entry_facts facts;
            struct entry entry;

            assert_true(entry_understand(&entry, &bytes, &arena));
            tell(make_body(&body, &entry, facts_only, &facts), &facts, 5);
            arena_reset(&arena);
        }
    }
    buffer_cleanup(&body);
    arena_cleanup(&arena);
    entries_cleanup(&entries);
    buffer_cleanup(&scratch->data);
    free(scratch);
}

static void made_entries_come_back(void **state)
{
    size_t num, len, whole = 0;

    (void)state;
    tell_made(1, false);
    tell_made(1, true);
    check_all(&num, &len);
    for (size_t i = 0; i < num_all; i++) {
        whole += all[i].body.len;
    }
    print_message("%zu of %zu told by templates, %zu bytes of %zu\n", num,
                  num_all, len, whole);
    CHECK(num > num_all / 2);
}

// ------------------------------------------------------------ mutations

static void mutate(struct random *random, uint8_t *data, size_t *len)
{
    size_t at = HEAD_LEN + random_below(random, *len - HEAD_LEN);

    switch (random_below(random, 6)) {
    case 0: // a bit
        data[at] ^= (uint8_t)(1u << random_below(random, 8));
        break;
    case 1: // a byte
        data[at] = (uint8_t)random_next(random);
        break;
    case 2: // some bytes
        random_fill(random, data + at,
                    random_below(random, *len - at < 40 ? *len - at : 40));
        break;
    case 3: // cut short
        *len = at + 1;
        break;
    case 4: // a byte twice
        memmove(data + at + 1, data + at, *len - at);
        ++*len;
        break;
    default: // none, so that there is what to differ from
        break;
    }
}

static void mutations_come_back(void **state)
{
    struct random random = random_for(1, "mutations", 0);
    struct buffer copy = {0};
    size_t num_first, num, len;

    (void)state;
    tell_made(2, false);
    num_first = num_all;
    for (size_t i = 0; i < MUTATIONS; i++) {
        const struct told *from = &all[random_below(&random, num_first)];
        struct entry_facts facts = from->facts;
        size_t body_len = from->body.len;

        buffer_reset(&copy);
        assert_true(buffer_reserve(&copy, from->body.len + 16));
        memcpy(copy.data, from->body.data, from->body.len);
        for (uint64_t k = random_below(&random, 4); k > 0; k--) {
            mutate(&random, copy.data, &body_len);
        }
        if (random_below(&random, 4) == 0) facts.not_after++;
        if (random_below(&random, 8) == 0) {
            facts.not_before = (int64_t)random_next(&random);
        }
        tell(bytes_of(copy.data, body_len), &facts, 5);
    }
    check_all(&num, &len);
    CHECK(num > num_first / 2 && num < num_all);
    buffer_cleanup(&copy);
}

static void random_bytes_come_back(void **state)
{
    struct random random = random_for(1, "noise", 0);
    const struct entry_facts facts = {.index = 1};
    uint8_t noise[600];
    size_t num, len;

    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        size_t noise_len = HEAD_LEN + random_below(&random, 596);

        random_fill(&random, noise, noise_len);
        // Often a certificate's form, then something like DER.
        if (i % 2 == 0 && noise_len > HEAD_LEN + 8) {
            noise[HEAD_LEN] = 1;
            noise[HEAD_LEN + 1] = 0;
            noise[HEAD_LEN + 2] = 0x30;
            noise[HEAD_LEN + 3] = (uint8_t)(noise_len - HEAD_LEN - 4);
        }
        for (size_t k = i % 3; k < 3; k++) {
            tell(bytes_of(noise, noise_len), &facts, 1);
        }
    }
    check_all(&num, &len);
}

// ------------------------------------------------------------ the corpus

static void tell_certificate(const char *path, struct arena *arena)
{
    struct bytes der = read_file(path);
    struct leaf leaf = {.type = LEAF_X509, .timestamp_ms = 1700000000000};
    struct buffer wire = {0}, body = {0};

    leaf.certificate = der;
    leaf_append(&wire, &leaf);
    for (int facts_only = 0; facts_only < 2; facts_only++) {
        struct entry_bytes bytes = {.index = num_all,
                                    .leaf = buffer_bytes(&wire)};
        struct entry_facts facts;
        struct entry entry;

        CHECK(entry_understand(&entry, &bytes, arena));
        (void)make_body(&body, &entry, facts_only != 0, &facts);
        for (int times = 0; times < 3; times++) {
            tell(buffer_bytes(&body), &facts, 1);
        }
    }
    buffer_cleanup(&wire);
    buffer_cleanup(&body);
    free((void *)(uintptr_t)der.data);
}

static void real_certificates_come_back(void **state)
{
    static const char *const folders[] = {"certs/real", "certs/leaf"};
    size_t num, len;

    (void)state;
    SKIP_WITHOUT_DATA();
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        DIR *dir = opendir(test_data(folders[i]));
        struct arena arena = {0};
        struct dirent *file;

        assert_non_null(dir);
        while ((file = readdir(dir)) != NULL) {
            char path[4096];

            if (strstr(file->d_name, ".der") == NULL) continue;
            (void)snprintf(path, sizeof path, "%s/%s", test_data(folders[i]),
                           file->d_name);
            tell_certificate(path, &arena);
            arena_reset(&arena);
        }
        arena_cleanup(&arena);
        (void)closedir(dir);
    }
    check_all(&num, &len);
    print_message("%zu of %zu told by templates\n", num, num_all);
    CHECK(num_all > 6 * 1300 && num > num_all / 4);
}

// ------------------------------------------------------------ sizes

// A payload of a certificate that is one number of `len` random bytes.
static void tell_number(struct random *random, size_t len)
{
    const struct entry_facts facts = {0};
    struct buffer body = {0};
    uint8_t number[512];

    assert_in_range(len, 0x80, sizeof number);
    random_fill(random, number, len);
    number[0] = (number[0] & 0x7f) | 0x40; // positive, as short as may be
    buffer_append(&body, bytes_of("\1\0\1\5", HEAD_LEN));
    buffer_append_uint(&body, 0x0100, 2); // FORM_CERTIFICATE, no extensions
    buffer_append_uint(&body, 0x3082, 2);
    buffer_append_uint(&body, len + 4, 2);
    buffer_append_uint(&body, 0x0282, 2);
    buffer_append_uint(&body, len, 2);
    buffer_append(&body, bytes_of(number, len));
    CHECK(buffer_ok(&body));
    tell(buffer_bytes(&body), &facts, 5);
    buffer_cleanup(&body);
}

// An RSA key of 2048 bits is not told as one of 4096: that would be as long.
static void short_numbers_are_not_filled_up(void **state)
{
    struct random random = random_for(1, "sizes", 0);
    size_t num, len;

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        tell_number(&random, i % 4 < 2 ? 512 : 256);
    }
    check_all(&num, &len);
    CHECK(num == 10); // all but the first of each size
    for (size_t i = 4; i < num_all; i++) {
        CHECK(all[i].raw.len == (i % 4 < 2 ? 512 : 256));
    }
}

// ------------------------------------------------------------ tables

static void damaged_tables_are_refused_or_harmless(void **state)
{
    struct random random = random_for(1, "tables", 0);
    struct buffer table = {0}, out = {0};
    size_t refused = 0;

    (void)state;
    tell_made(3, false);
    template_writer_save(writer, &table);
    for (size_t i = 0; i < 3000; i++) {
        bool cut = i % 2 == 0, no_memory;
        struct bytes damaged = heap_copy(bytes_of(
            table.data, cut ? random_below(&random, table.len) : table.len));
        struct templates *templates;

        if (!cut) {
            ((uint8_t *)(uintptr_t)damaged
                 .data)[random_below(&random, i < 1500 ? 4000 : table.len)] ^=
                (uint8_t)(1u << random_below(&random, 8));
        }
        if (templates_read(&templates, damaged, &no_memory)) {
            CHECK(!cut);
            for (size_t k = 0; k < 20; k++) {
                const struct told *told = &all[random_below(&random, num_all)];

                (void)decode(templates, told, buffer_bytes(&told->text),
                             buffer_bytes(&told->raw), &out);
            }
            templates_free(templates);
        } else {
            CHECK(!no_memory);
            refused++;
        }
        free((void *)(uintptr_t)damaged.data);
    }
    CHECK(refused >= 1500);
    buffer_cleanup(&table);
    buffer_cleanup(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(made_entries_come_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(mutations_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_bytes_come_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(real_certificates_come_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(short_numbers_are_not_filled_up, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(damaged_tables_are_refused_or_harmless,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
