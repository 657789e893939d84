// test_beyond.c - what is found beyond the names that the manifest lists.
//
// For every certificate of the corpus: each term that is not one of the
// manifest's names as it stands has a reason, and the reasons are counted.  A
// term without one is a name too many.

#include "tests/support/check.h"

#include <ctype.h>
#include <jansson.h>

#include "index/base/text.h"
#include "index/entry/names.h"

enum reason {
    REASON_DERIVED,   // another reading of a name: address, host, U-label ...
    REASON_SALVAGED,  // from broken bytes
    REASON_OTHER_SAN, // mailbox, URI, UPN, directoryName
    REASON_SUBJECT_EMAIL,
    REASON_ADDRESS_TEXT, // an address written as text in a DNS name or CN
    REASON_DECODED,      // text of another string type than ASCII
    REASON_IRREGULAR,
    NUM_REASONS,
};

static const char *const reasons[NUM_REASONS] = {
    "another reading of a name that is there",
    "salvaged from broken bytes",
    "mailbox, URI, UPN or directoryName",
    "mailbox of the subject",
    "address written as text in a DNS name or common name",
    "text of a string type that the manifest writes otherwise",
    "parent of an irregular wildcard",
};

static size_t counts[NUM_REASONS], num_listed;

static bool has_high_bytes(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] >= 0x80) return true;
    }
    return false;
}

static bool is_reason(const struct term *term, enum reason *reason)
{
    static const uint32_t other_san =
        VIA_SAN_EMAIL | VIA_SAN_URI | VIA_SAN_OTHER | VIA_SAN_DIRECTORY;

    if (term->kind == TERM_IRREGULAR) {
        *reason = REASON_IRREGULAR;
    } else if ((term->via & VIA_SALVAGED) != 0) {
        *reason = REASON_SALVAGED;
    } else if ((term->via & VIA_DERIVED) != 0) {
        *reason = REASON_DERIVED;
    } else if ((term->via & other_san) != 0) {
        *reason = REASON_OTHER_SAN;
    } else if ((term->via & VIA_SUBJECT_EMAIL) != 0) {
        *reason = REASON_SUBJECT_EMAIL;
    } else if ((term->kind == TERM_IPV4 || term->kind == TERM_IPV6) &&
               (term->via & VIA_SAN_IP) == 0) {
        *reason = REASON_ADDRESS_TEXT;
    } else if (has_high_bytes(term->value)) {
        *reason = REASON_DECODED;
    } else {
        return false;
    }
    return true;
}

// Names are compared in lower case, without what the key drops at their ends.
static struct bytes trim(struct bytes text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.data[0]) != NULL) {
        (void)bytes_skip(&text, 1);
    }
    while (text.len > 0 &&
           strchr(" \t\r\n.", text.data[text.len - 1]) != NULL) {
        text.len--;
    }
    return text;
}

static bool same_name(struct bytes a, struct bytes b)
{
    a = trim(a);
    b = trim(b);
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++) {
        if (tolower(a.data[i]) != tolower(b.data[i])) return false;
    }
    return true;
}

static struct bytes name_of(const json_t *item)
{
    if (json_is_array(item)) item = json_array_get(item, 1);
    return bytes_of(json_string_value(item), json_string_length(item));
}

static bool list_has(const json_t *list, struct bytes value)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (same_name(name_of(item), value)) return true;
    }
    return false;
}

static bool list_has_octets(const json_t *list, struct bytes octets)
{
    struct buffer hex = {0};
    bool has;

    text_append_hex(&hex, octets);
    has = list_has(list, buffer_bytes(&hex));
    // An IPv4-mapped address is asked for as IPv4.
    if (!has && octets.len == 4) {
        buffer_reset(&hex);
        buffer_append_text(&hex, "00000000000000000000ffff");
        text_append_hex(&hex, octets);
        has = list_has(list, buffer_bytes(&hex));
    }
    buffer_cleanup(&hex);
    return has;
}

static bool is_listed(const json_t *line, const struct term *term)
{
    const json_t *ip = json_object_get(line, "ip");

    if (term->kind == TERM_IPV4 || term->kind == TERM_IPV6 ||
        term->kind == TERM_IP_OCTETS) {
        return list_has_octets(ip, term->value);
    }
    return list_has(json_object_get(line, "dns"), term->value) ||
           list_has(json_object_get(line, "cn"), term->value);
}

static void check_line(const json_t *line)
{
    char path[256], shown[256];
    struct arena arena = {0};
    struct term_list list;
    enum reason reason;
    struct bytes der;
    struct cert cert;

    (void)snprintf(path, sizeof path, "certs/%s",
                   json_string_value(json_object_get(line, "file")));
    test_case = path;
    der = read_file(test_data(path));
    if (!cert_parse(&cert, der, CERT_FORM_CERTIFICATE, NULL)) {
        CHECK(!cert.is_whole);
    }
    CHECK(names_derive(&list, &cert, 0, &arena));
    for (size_t i = 0; i < list.num_terms && list.num_terms <= 1000; i++) {
        const struct term *term = &list.terms[i];

        if (is_listed(line, term)) {
            num_listed++;
        } else if (is_reason(term, &reason)) {
            counts[reason]++;
        } else {
            print_error("%s: kind %d via %x: %s\n", path, (int)term->kind,
                        term->via,
                        text_escape(shown, sizeof shown, term->value));
            CHECK(!"a name without a reason");
        }
    }
    arena_cleanup(&arena);
    free((void *)(uintptr_t)der.data);
}

static void everything_beyond_the_manifest_has_a_reason(void **state)
{
    struct bytes manifest;
    size_t start = 0, num_lines = 0;

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
        check_line(json);
        json_decref(json);
        num_lines++;
        start += len + 1;
    }
    print_message("%zu certificates, %zu terms as listed; beyond them:\n",
                  num_lines, num_listed);
    for (size_t i = 0; i < NUM_REASONS; i++) {
        print_message("%6zu %s\n", counts[i], reasons[i]);
    }
    free((void *)(uintptr_t)manifest.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_beyond_the_manifest_has_a_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
