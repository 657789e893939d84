// test_addresses.c - the order in which addresses are tried.

#include <netinet/in.h>

#include "ingest/fetch/addresses.h"
#include "tests/support/check.h"

// Addresses by letters: 'a' to 'h' are IPv4, 'A' to 'H' IPv6.
static struct resolve_address address_of(char letter)
{
    struct resolve_addresses one;
    char text[32];

    if (letter >= 'a') {
        (void)snprintf(text, sizeof text, "192.0.2.%d", letter - 'a' + 1);
    } else {
        (void)snprintf(text, sizeof text, "2001:db8::%d", letter - 'A' + 1);
    }
    assert_true(resolve_literal(&one, text, 443));
    return one.list[0];
}

static void set(struct addresses *addresses, const char *letters)
{
    struct resolve_addresses found = {0};

    for (; *letters != '\0'; letters++) {
        found.list[found.num++] = address_of(*letters);
    }
    addresses_set(addresses, &found);
}

static void write_order(const struct addresses *addresses, uint64_t now_ms,
                        char *out)
{
    size_t order[RESOLVE_ADDRESSES_MAX];
    size_t num = addresses_order(addresses, now_ms, order);

    for (size_t i = 0; i < num; i++) {
        const struct resolve_address *one = &addresses->found.list[order[i]];
        struct resolve_address known;

        for (char letter = 'A'; letter <= 'h'; letter++) {
            if (letter > 'H' && letter < 'a') continue;
            known = address_of(letter);
            if (known.len == one->len &&
                memcmp(&known.address, &one->address, known.len) == 0) {
                *out++ = letter;
            }
        }
    }
    *out = '\0';
}

// What happens: a letter connects, "-" and a letter fails; time goes on by a
// second with each.
static const struct {
    const char *name;
    const char *found;
    const char *happens;
    const char *order;
} cases[] = {
    {"none", "", "", ""},
    {"one", "a", "", "a"},
    {"as they came", "abc", "", "abc"},
    {"families by turn", "ABCabc", "", "AaBbCc"},
    {"the first one's family first", "aBCb", "", "aBbC"},
    {"more of one family", "ABCDa", "", "AaBCD"},
    {"what connected comes first", "ABab", "b", "bAaB"},
    {"what failed comes last", "ABab", "-A", "BabA"},
    {"all failed", "Aa", "-A-a", "Aa"},
    {"it connects again", "ABab", "-A A", "AaBb"},
    {"the good one fails", "ABab", "b-b", "AaBb"},
};

static void orders_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct addresses addresses = {0};
        struct resolve_address one;
        uint64_t now_ms = 1000;
        char order[RESOLVE_ADDRESSES_MAX + 1];

        test_case = cases[i].name;
        set(&addresses, cases[i].found);
        for (const char *at = cases[i].happens; *at != '\0'; at++) {
            bool failed = *at == '-';

            if (*at == ' ') continue;
            if (failed) at++;
            one = address_of(*at);
            now_ms += 1000;
            if (failed) {
                addresses_failed(&addresses, &one, now_ms);
            } else {
                addresses_connected(&addresses, &one);
            }
        }
        write_order(&addresses, now_ms, order);
        CHECK(strcmp(order, cases[i].order) == 0);
    }
}

static void a_dead_address_is_tried_again_later(void **state)
{
    struct addresses addresses = {0};
    struct resolve_address a = address_of('a');
    uint64_t now_ms = 5000, dead_ms = ADDRESSES_DEAD_FIRST_MS;
    char order[RESOLVE_ADDRESSES_MAX + 1];

    (void)state;
    set(&addresses, "ab");
    for (int i = 0; i < 8; i++) {
        addresses_failed(&addresses, &a, now_ms);
        write_order(&addresses, now_ms + dead_ms - 1, order);
        assert_string_equal(order, "ba");
        now_ms += dead_ms;
        write_order(&addresses, now_ms, order);
        assert_string_equal(order, "ab");
        dead_ms = dead_ms * 2 < ADDRESSES_DEAD_MAX_MS ? dead_ms * 2
                                                      : ADDRESSES_DEAD_MAX_MS;
    }
}

static void a_new_answer_keeps_what_is_known(void **state)
{
    struct addresses addresses = {0};
    struct resolve_address a = address_of('a'), c = address_of('c');
    char order[RESOLVE_ADDRESSES_MAX + 1];

    (void)state;
    set(&addresses, "abc");
    addresses_failed(&addresses, &a, 1000);
    addresses_connected(&addresses, &c);
    set(&addresses, "dacb");
    write_order(&addresses, 1000, order);
    assert_string_equal(order, "cdba");
    set(&addresses, "bd");
    addresses_failed(&addresses, &a, 1000); // gone: nothing to remember
    addresses_connected(&addresses, &c);
    write_order(&addresses, 1000, order);
    assert_string_equal(order, "bd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_addresses),
        cmocka_unit_test(a_dead_address_is_tried_again_later),
        cmocka_unit_test(a_new_answer_keeps_what_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
