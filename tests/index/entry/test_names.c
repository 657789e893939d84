// test_names.c - names of certificates and names of questions.

#include "tests/support/check.h"

#include <jansson.h>

#include "index/base/text.h"
#include "index/entry/der.h"
#include "index/entry/derive.h"
#include "tests/support/terms.h"

#define DNS CERT_NAME_DNS
#define CN CERT_NAME_CN

// ------------------------------------------------ questions

static void questions_read_as_certificates_do(void **state)
{
    static const struct {
        const char *text, *terms; // NULL: refused
    } rows[] = {
        {"Example.com.", "dns:example.com"},
        {" example.com ", "dns:example.com"},
        {"*.example.com", "dns:*.example.com"},
        {"f*.example.com", "dns:f*.example.com"},
        {"b\\xc3\\xbccher.de", "dns:b\xc3\xbc"
                               "cher.de ~dns:xn--bcher-kva.de"},
        {"b\\xfccher.de", "dns:b\\xfccher.de ~dns:xn--bcher-kva.de"},
        {"xn--bcher-kva.de", "dns:xn--bcher-kva.de"},
        {"nul.example\\x00.evil.com", "dns:nul.example\\x00.evil.com"},
        {"https://example.com/x", "dns:https://example.com/x"},
        {"example.com:443", "dns:example.com:443"},
        {"::FFFF:0101:0101", "ip:1.1.1.1"},
        {"[2001:db8::1]", "ip:2001:db8::1"},
        {"192.0.2.1.", "ip:192.0.2.1"},
        {"", NULL},
        {" ", NULL},
        {"..", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bytes text = unescaped(rows[i].text);
        struct arena arena = {0};
        struct term_list list;
        struct buffer shown = {0};
        struct err err = {0};

        test_case = rows[i].text;
        CHECK(names_from_text(&list, text, &arena, &err) ==
              (rows[i].terms != NULL));
        append_terms(&shown, list.terms, list.num_terms);
        check_text(&shown, rows[i].terms == NULL ? "" : rows[i].terms);
        if (rows[i].terms == NULL) {
            CHECK(err.code == ERR_USAGE);
            CHECK(strcmp(err.text, "a name has nothing but blanks and dots") ==
                  0);
        }
        buffer_cleanup(&shown);
        arena_cleanup(&arena);
        free((void *)(uintptr_t)text.data);
    }
}

static bool holds(const struct term *terms, size_t num,
                  const struct term *wanted)
{
    for (size_t i = 0; i < num; i++) {
        if (terms[i].kind == wanted->kind &&
            bytes_equal(terms[i].value, wanted->value)) {
            return true;
        }
    }
    return false;
}

// Asked as it stands, it must be found.
static bool finds(const struct term *terms, size_t num, struct bytes text)
{
    struct arena arena = {0};
    struct term_list list;
    bool found = false;

    CHECK(names_from_text(&list, text, &arena, NULL));
    for (size_t i = 0; i < list.num_terms; i++) {
        if (holds(terms, num, &list.terms[i])) found = true;
    }
    arena_cleanup(&arena);
    return found;
}

static void three_spellings_find_one_another(void **state)
{
    static const char *const rows[] = {"xn--bcher-kva.de", "b\\xc3\\xbccher.de",
                                       "b\\xfccher.de"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t j = 0; j < COUNT_OF(rows); j++) {
            struct bytes name = unescaped(rows[i]);
            struct bytes text = unescaped(rows[j]);
            struct arena arena = {0};
            struct terms terms = {.arena = &arena};

            test_case = rows[j];
            derive_name(&terms, DNS, VIA_SAN_DNS, name);
            CHECK(finds(terms.list, terms.num, text));
            arena_cleanup(&arena);
            free((void *)(uintptr_t)name.data);
            free((void *)(uintptr_t)text.data);
        }
    }
}

// ------------------------------------------------ many and large

static void equal_names_become_one(void **state)
{
    static const size_t numbers[] = {2, 15, 16, 17, 18, 65535};

    (void)state;
    for (size_t n = 0; n < COUNT_OF(numbers); n++) {
        struct arena arena = {.max = 32 * 1024 * 1024};
        struct terms terms = {.arena = &arena};

        test_case = "equal names";
        for (size_t i = 0; i < numbers[n]; i++) {
            derive_name(&terms, i == 1 ? CN : DNS,
                        i == 1 ? VIA_CN : VIA_SAN_DNS,
                        bytes_from_text("same.example"));
        }
        CHECK(terms_finish(&terms));
        CHECK(terms.num == 1);
        CHECK((terms.list[0].via & 0xffff) == (VIA_CN | VIA_SAN_DNS));
        arena_cleanup(&arena);
    }
}

static void many_names_keep_their_order(void **state)
{
    enum { NUM = 100000 };
    struct arena arena = {.max = 64 * 1024 * 1024};
    struct terms terms = {.arena = &arena};

    (void)state;
    test_case = "100000 names, each twice";
    for (uint32_t i = 0; i < 2 * NUM; i++) {
        char name[64];
        // Neither sorted nor in the order of their first appearance.
        uint32_t number =
            i < NUM ? (uint32_t)(i * UINT64_C(48271) % NUM) : i - NUM;

        snprintf(name, sizeof name, "n%u.example.com", number);
        derive_name(&terms, DNS, i < NUM ? VIA_SAN_DNS : VIA_SALVAGED,
                    bytes_from_text(name));
    }
    CHECK(terms_finish(&terms));
    CHECK(terms.num == NUM);
    for (uint32_t i = 0; i < NUM; i++) {
        char name[64];

        snprintf(name, sizeof name, "n%u.example.com",
                 (uint32_t)(i * UINT64_C(48271) % NUM));
        CHECK(bytes_equal_text(terms.list[i].value, name));
        CHECK(terms.list[i].via == (VIA_SAN_DNS | VIA_SALVAGED));
    }
    arena_cleanup(&arena);
}

static void large_names_take_linear_memory(void **state)
{
    static const struct {
        const char *piece;
        size_t num;
        size_t num_terms;
    } rows[] = {
        {"a", 1000000, 1},        {"a.", 400000, 1},    {"*.", 400000, 2},
        {"\xc3\xbc.", 400000, 3}, {"\xfc.", 400000, 3}, {"@", 1000000, 1},
        {"/", 1000000, 1},        {":", 1000000, 1},    {"xn--", 250000, 1},
        {"xn--a.", 200000, 1},    {"::1.", 200000, 1},  {"\x01", 1000000, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct arena arena = {.max = 16 * 1024 * 1024};
        struct terms terms = {.arena = &arena};
        struct buffer name = {0};

        test_case = rows[i].piece;
        for (size_t j = 0; j < rows[i].num; j++) {
            buffer_append_text(&name, rows[i].piece);
        }
        derive_name(&terms, DNS, VIA_SAN_DNS, buffer_bytes(&name));
        CHECK(terms_finish(&terms));
        CHECK(terms.num == rows[i].num_terms);
        CHECK(finds(terms.list, terms.num, buffer_bytes(&name)));
        buffer_cleanup(&name);
        arena_cleanup(&arena);
    }
}

static void says_when_memory_runs_out(void **state)
{
    static const char *const names[] = {"example.com", "\xc3\xbc.de", "1.1.1.1",
                                        "https://a.b/c"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct arena arena = {.max = 8};
        struct terms terms = {.arena = &arena};
        struct term_list list;
        struct err err = {0};

        test_case = names[i];
        derive_name(&terms, DNS, VIA_SAN_DNS, bytes_from_text(names[i]));
        CHECK(!terms_finish(&terms));
        CHECK(!names_from_text(&list, bytes_from_text(names[i]), &arena, &err));
        CHECK(err.code == ERR_MEMORY);
        arena_cleanup(&arena);
    }
}

static void joins_what_is_not_there_yet(void **state)
{
    struct term old[] = {{TERM_DNS, VIA_SAN_DNS, bytes_from_text("b")},
                         {TERM_DNS, VIA_CN, bytes_from_text("a")}};
    struct term more[] = {
        {TERM_CN_TEXT, VIA_UNAUTHENTICATED, bytes_from_text("a")},
        {TERM_DNS, VIA_UNAUTHENTICATED, bytes_from_text("a")},
        {TERM_DNS, VIA_UNAUTHENTICATED, bytes_from_text("0")}};
    struct term_list list = {old, 2, FLAG_IP_IN_CN};
    struct term_list others = {more, 3, FLAG_LONG_NAME};
    struct arena arena = {0};
    struct buffer shown = {0};

    (void)state;
    test_case = "join";
    CHECK(names_join(&list, &others, &arena));
    append_terms(&shown, list.terms, list.num_terms);
    check_text(&shown, "dns:b dns:a cn:a dns:0");
    CHECK(list.terms[1].via == VIA_CN);
    CHECK(list.terms[3].via == VIA_UNAUTHENTICATED);
    CHECK(list.flags == (FLAG_IP_IN_CN | FLAG_LONG_NAME));
    buffer_cleanup(&shown);
    arena_cleanup(&arena);
}

// ------------------------------------------------ certificates

static void append_tlv(struct buffer *out, uint8_t tag, struct bytes content)
{
    buffer_append_byte(out, tag);
    if (content.len < 128) {
        buffer_append_byte(out, (uint8_t)content.len);
    } else {
        buffer_append_byte(out, 0x82);
        buffer_append_uint(out, content.len, 2);
    }
    buffer_append(out, content);
}

static void wrap(struct buffer *content, uint8_t tag)
{
    struct buffer out = {0};

    append_tlv(&out, tag, buffer_bytes(content));
    buffer_cleanup(content);
    *content = out;
}

// A TBSCertificate's parts as far as names go: "cn=TEXT", "dns=TEXT",
// "ip=4 letters", "mail=TEXT", "uri=TEXT", "wd=BMPString, escaped", and "san"
// begins another extension.
static struct cert certificate(struct buffer *subject, struct buffer *sans,
                               const char *const *parts, size_t num)
{
    static const uint8_t cn_oid[] = {0x06, 0x03, 0x55, 0x04, 0x03};
    static const uint8_t san_oid[] = {0x06, 0x03, 0x55, 0x1d, 0x11};
    struct buffer san = {0};
    struct bytes view;
    struct cert cert;
    struct der first;

    cert = (struct cert){.is_whole = true};
    for (size_t i = 0; i <= num; i++) {
        const char *part = i < num ? parts[i] : "san";

        if (strncmp(part, "cn=", 3) == 0 || strncmp(part, "wd=", 3) == 0) {
            uint8_t tag = part[0] == 'c' ? 0x0c : 0x1e;
            struct bytes text = unescaped(part + 3);
            struct buffer attribute = {0};

            buffer_append(&attribute, bytes_of(cn_oid, sizeof cn_oid));
            append_tlv(&attribute, tag, text);
            free((void *)(uintptr_t)text.data);
            wrap(&attribute, 0x30);
            append_tlv(subject, 0x31, buffer_bytes(&attribute));
            buffer_cleanup(&attribute);
        } else if (strncmp(part, "dns=", 4) == 0) {
            append_tlv(&san, 0x82, bytes_from_text(part + 4));
        } else if (strncmp(part, "ip=", 3) == 0) {
            append_tlv(&san, 0x87, bytes_from_text(part + 3));
        } else if (strncmp(part, "mail=", 5) == 0) {
            append_tlv(&san, 0x81, bytes_from_text(part + 5));
        } else if (strncmp(part, "uri=", 4) == 0) {
            append_tlv(&san, 0x86, bytes_from_text(part + 4));
        } else if (san.len > 0) {
            struct buffer extension = {0};

            wrap(&san, 0x30);
            wrap(&san, 0x04);
            buffer_append(&extension, bytes_of(san_oid, sizeof san_oid));
            buffer_append(&extension, buffer_bytes(&san));
            append_tlv(sans, 0x30, buffer_bytes(&extension));
            cert.num_subject_alt_names++;
            buffer_cleanup(&extension);
            buffer_cleanup(&san);
        }
    }
    wrap(subject, 0x30);
    cert.subject = buffer_bytes(subject);
    cert.extensions = buffer_bytes(sans);
    view = cert.extensions;
    if (der_read(&view, &first)) { // SEQUENCE { OID, OCTET STRING }
        view = first.content;
        assert_true(bytes_skip(&view, sizeof san_oid));
        assert_true(der_read(&view, &first));
        cert.subject_alt_name = first.content;
    }
    return cert;
}

static void derives_certificates(void **state)
{
    static const struct {
        const char *parts[5];
        const char *terms, *flags;
    } rows[] = {
        {{"dns=a.example"}, "dns:a.example", ""},
        {{"cn=a.example", "dns=b.example", "dns=a.example"},
         "dns:a.example dns:b.example",
         ""},
        {{"cn=A.example."}, "dns:a.example", "cn-not-in-san"},
        {{"cn=a.example", "dns=b.example"},
         "dns:a.example dns:b.example",
         "cn-not-in-san"},
        {{"cn=Acme Ltd", "dns=b.example"}, "cn:Acme Ltd dns:b.example", ""},
        {{"cn=49.49.49.49", "ip=1111"}, "ip:49.49.49.49", "ip-in-cn"},
        {{"cn=49.49.49.48", "ip=1111"},
         "ip:49.49.49.48 ip:49.49.49.49",
         "ip-in-cn cn-not-in-san"},
        {{"cn=b\xc3\xbc"
          "cher.de",
          "dns=xn--bcher-kva.de"},
         "cn:b\xc3\xbc"
         "cher.de dns:b\xc3\xbc"
         "cher.de ~dns:xn--bcher-kva.de",
         "name-not-ascii"},
        {{"cn=b\xc3\xbc"
          "cher.de",
          "dns=b.example"},
         "cn:b\xc3\xbc"
         "cher.de dns:b\xc3\xbc"
         "cher.de ~dns:xn--bcher-kva.de dns:b.example",
         "name-not-ascii cn-not-in-san"},
        {{"dns=a.example", "san", "dns=b.example"},
         "dns:a.example dns:b.example",
         "duplicate-san"},
        {{"wd=\\x00a\\x00.\\x00b"}, "dns:a.b", "cn-not-in-san"},
        {{"wd=\\x00\\xfc\\x00.\\x00b"},
         "cn:\xc3\xbc.b dns:\xc3\xbc.b ~dns:xn--tda.b",
         "name-not-ascii cn-not-in-san"},
        // ASCII under a wide tag: other letters, and what was meant.
        {{"wd=w.b.de", "dns=w.b.de"},
         "cn:眮戮摥 dns:眮戮摥 ~dns:xn--qou42cf93a ~dns:w.b.de",
         "name-not-ascii cn-not-in-san"},
        {{"san"}, "", "no-names"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buffer subject = {0}, sans = {0}, shown = {0}, flags = {0};
        struct arena arena = {0};
        struct term_list list;
        struct cert cert;
        size_t num = 0;

        test_case = rows[i].parts[0];
        while (num < COUNT_OF(rows[i].parts) && rows[i].parts[num] != NULL) {
            num++;
        }
        cert = certificate(&subject, &sans, rows[i].parts, num);
        CHECK(names_derive(&list, &cert, VIA_UNAUTHENTICATED, &arena));
        append_terms(&shown, list.terms, list.num_terms);
        check_text(&shown, rows[i].terms);
        append_flags(&flags, list.flags);
        check_text(&flags, rows[i].flags);
        for (size_t j = 0; j < list.num_terms; j++) {
            CHECK((list.terms[j].via & VIA_UNAUTHENTICATED) != 0);
            CHECK((list.terms[j].via & DERIVE_VIA_CN_ITSELF) == 0);
        }
        buffer_cleanup(&subject);
        buffer_cleanup(&sans);
        buffer_cleanup(&shown);
        buffer_cleanup(&flags);
        arena_cleanup(&arena);
    }
}

static void says_where_a_name_stood(void **state)
{
    static const char *const parts[] = {
        "cn=a.example",     "dns=a.example",
        "mail=x@a.example", "uri=https://a.example:80/",
        "ip=1111",          "dns=49.49.49.49"};
    struct buffer subject = {0}, sans = {0};
    struct arena arena = {0};
    struct term_list list;
    struct cert cert;

    (void)state;
    test_case = "via";
    cert = certificate(&subject, &sans, parts, COUNT_OF(parts));
    CHECK(names_derive(&list, &cert, 0, &arena));
    CHECK(list.num_terms == 2);
    CHECK(list.terms[0].via ==
          (VIA_CN | VIA_SAN_DNS | VIA_SAN_EMAIL | VIA_SAN_URI));
    CHECK(list.terms[1].via == (VIA_SAN_IP | VIA_SAN_DNS | VIA_DERIVED));
    buffer_cleanup(&subject);
    buffer_cleanup(&sans);
    arena_cleanup(&arena);
}

// As the manifest's maker tells hosts: letters that print, no path, no port.
static bool is_host(struct bytes text)
{
    bool is_more = false;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];

        if (c < 33 || c > 126 || strchr("/:\\", c) != NULL) return false;
        if (c != '.') is_more = true;
    }
    return is_more && text.len < 254;
}

// A common name of several words in ASCII that prints.
static bool is_plain_text(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 32 || text.data[i] > 126) return false;
    }
    return memchr(names_cn_text(text).data, ' ', names_cn_text(text).len) !=
           NULL;
}

static struct bytes json_bytes(const json_t *text)
{
    return bytes_of(json_string_value(text), json_string_length(text));
}

static void check_manifest_line(const json_t *line, size_t counts[3])
{
    char path[256];
    struct bytes der;
    struct arena arena = {0};
    struct term_list list;
    struct cert cert;
    const json_t *item;
    bool is_read;
    size_t i;

    snprintf(path, sizeof path, "certs/%s",
             json_string_value(json_object_get(line, "file")));
    test_case = path;
    der = read_file(test_data(path));
    is_read = cert_parse(&cert, der, CERT_FORM_CERTIFICATE, NULL);
    // What cannot be read has names all the same.
    CHECK(is_read || !cert.is_whole);
    CHECK(names_derive(&list, &cert, 0, &arena));
    json_array_foreach(json_object_get(line, "dns"), i, item)
    {
        struct bytes name = json_bytes(item);

        if (!is_host(name) || list.num_terms > 1000) continue;
        CHECK(finds(list.terms, list.num_terms, name));
        counts[0]++;
    }
    json_array_foreach(json_object_get(line, "ip"), i, item)
    {
        struct bytes hex = json_bytes(item);
        uint8_t octets[16];
        size_t len = hex.len / 2;
        struct term want;

        if (hex.len != 8 && hex.len != 32) continue;
        CHECK(text_parse_hex(octets, len, hex));
        names_unmap_ip(octets, &len);
        want.kind = len == 4 ? TERM_IPV4 : TERM_IPV6;
        want.value = bytes_of(octets, len);
        CHECK(holds(list.terms, list.num_terms, &want));
        counts[1]++;
    }
    json_array_foreach(json_object_get(line, "cn"), i, item)
    {
        struct bytes name = json_bytes(json_array_get(item, 1));
        json_int_t tag = json_integer_value(json_array_get(item, 0));
        struct term want = {TERM_CN_TEXT, 0, names_cn_text(name)};

        if (is_host(name)) {
            CHECK(finds(list.terms, list.num_terms, name));
        } else if ((tag == 12 || tag == 19) && is_plain_text(name)) {
            CHECK(holds(list.terms, list.num_terms, &want));
        } else {
            continue;
        }
        counts[2]++;
    }
    arena_cleanup(&arena);
    free((void *)(uintptr_t)der.data);
}

static void finds_every_name_of_the_manifest(void **state)
{
    struct bytes manifest;
    size_t counts[3] = {0}, start = 0;

    (void)state;
    SKIP_WITHOUT_DATA();
    manifest = read_file(test_data("certs/manifest.jsonl"));
    while (start < manifest.len) {
        const uint8_t *line = manifest.data + start;
        const uint8_t *end = memchr(line, '\n', manifest.len - start);
        size_t len = end == NULL ? manifest.len - start : (size_t)(end - line);
        json_t *json =
            json_loadb((const char *)line, len, JSON_ALLOW_NUL, NULL);

        assert_non_null(json);
        check_manifest_line(json, counts);
        json_decref(json);
        start += len + 1;
    }
    print_message("found %zu DNS names, %zu addresses, %zu common names\n",
                  counts[0], counts[1], counts[2]);
    CHECK(counts[0] > 1000 && counts[1] > 50 && counts[2] > 500);
    free((void *)(uintptr_t)manifest.data);
}

static void every_bit_has_its_word(void **state)
{
    (void)state;
    test_case = "words";
    CHECK(strcmp(names_via_word(VIA_SAN_IP), "san-ip") == 0);
    CHECK(strcmp(names_via_word(VIA_IRREGULAR), "irregular") == 0);
    CHECK(strcmp(names_flag_word(FLAG_IP_IN_DNS_NAME), "ip-in-dns-name") == 0);
    CHECK(strcmp(names_flag_word(FLAG_SERIAL_REUSED), "serial-reused") == 0);
    for (unsigned i = 0; i < 13; i++) {
        CHECK(names_via_word(UINT32_C(1) << i) != NULL);
    }
    CHECK(names_via_word(UINT32_C(1) << 13) == NULL);
    CHECK(names_via_word(0) == NULL);
    CHECK(names_flag_word(UINT32_C(1) << 14) == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_read_as_certificates_do),
        cmocka_unit_test(three_spellings_find_one_another),
        cmocka_unit_test(equal_names_become_one),
        cmocka_unit_test(many_names_keep_their_order),
        cmocka_unit_test(large_names_take_linear_memory),
        cmocka_unit_test(says_when_memory_runs_out),
        cmocka_unit_test(joins_what_is_not_there_yet),
        cmocka_unit_test(derives_certificates),
        cmocka_unit_test(says_where_a_name_stood),
        cmocka_unit_test(finds_every_name_of_the_manifest),
        cmocka_unit_test(every_bit_has_its_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
