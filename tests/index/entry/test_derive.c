// test_derive.c - every form that a name must be found by.
//
// A row gives a name as it stands in a certificate, the terms that it must
// have in their order, and the flags.  A-labels were made with Python's
// codecs ("bücher".encode("idna")).

#include "tests/support/check.h"

#include "index/entry/derive.h"
#include "tests/support/terms.h"

#define DNS CERT_NAME_DNS
#define CN CERT_NAME_CN
#define IP CERT_NAME_IP

struct row {
    enum cert_name_kind kind;
    const char *text; // escaped
    const char *terms;
    const char *flags;
};

static void check_rows(const struct row *rows, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        struct bytes text = unescaped(rows[i].text);
        struct arena arena = {0};
        struct terms terms = {.arena = &arena};
        struct buffer shown = {0}, flags = {0};

        test_case = rows[i].text;
        derive_name(&terms, rows[i].kind, 0, text);
        CHECK(terms_finish(&terms));
        append_terms(&shown, terms.list, terms.num);
        check_text(&shown, rows[i].terms);
        append_flags(&flags, terms.flags);
        check_text(&flags, rows[i].flags);
        buffer_cleanup(&shown);
        buffer_cleanup(&flags);
        arena_cleanup(&arena);
        free((void *)(uintptr_t)text.data);
    }
}

#define CHECK_ROWS(rows) check_rows(rows, COUNT_OF(rows))

static void strips_and_lowers(void **state)
{
    static const struct row rows[] = {
        {DNS, "example.com", "dns:example.com", ""},
        {DNS, "WWW.Example.COM", "dns:www.example.com", ""},
        {DNS, "example.com.", "dns:example.com", ""},
        {DNS, "example.com..", "dns:example.com", ""},
        {DNS, " example.com ", "dns:example.com", ""},
        {DNS, "\\x09example.com\\x0d\\x0a", "dns:example.com",
         "unprintable-name"},
        {DNS, "example.com. .", "dns:example.com", ""},
        {DNS, "_dmarc.has_underscores.test", "dns:_dmarc.has_underscores.test",
         ""},
        {DNS, "www. foo.com", "dns:www. foo.com", ""},
        {DNS, "Not a dns", "dns:not a dns", ""},
        {DNS, "totally$fake.net", "dns:totally$fake.net", ""},
        {DNS, "a..b", "dns:a..b", ""},
        {DNS, "localhost", "dns:localhost", ""},
        {DNS, ".co.uk", "dns:.co.uk irr:co.uk", ""},
        {DNS, "", "", "empty-name"},
        {DNS, ".", "", "empty-name"},
        {DNS, "..", "", "empty-name"},
        {DNS, " \\x09. ", "", "unprintable-name empty-name"},
        {DNS, "a\\\\b", "dns:a\\\\b", "unprintable-name"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void keeps_wildcards_and_marks_odd_ones(void **state)
{
    static const struct row rows[] = {
        {DNS, "*.example.com", "dns:*.example.com", ""},
        {DNS, "*.com", "dns:*.com", ""},
        {DNS, "*", "dns:*", "odd-wildcard"},
        {DNS, "*.*.com", "dns:*.*.com irr:com", "odd-wildcard"},
        {DNS, "f*.example.com", "dns:f*.example.com irr:example.com",
         "odd-wildcard"},
        {DNS, "a.*.example.com", "dns:a.*.example.com irr:example.com",
         "odd-wildcard"},
        {DNS, "**.example.com", "dns:**.example.com irr:example.com",
         "odd-wildcard"},
        {DNS, "*a.example.com", "dns:*a.example.com irr:example.com",
         "odd-wildcard"},
        {DNS, "f*.example.com:443",
         "dns:f*.example.com:443 ~dns:f*.example.com ~irr:example.com",
         "odd-wildcard url-in-name"},
        {DNS, "?.example.com", "dns:?.example.com irr:example.com", ""},
        {DNS, "?.*.example.com", "dns:?.*.example.com irr:example.com",
         "odd-wildcard"},
        {DNS, "top.?.example.com", "dns:top.?.example.com irr:example.com", ""},
        {DNS, "f*", "dns:f*", "odd-wildcard"},
        {DNS, "*.*", "dns:*.* irr:", "odd-wildcard"},
        {DNS, "a.\\x01", "dns:a.\\x01 irr:", "unprintable-name"},
        {DNS, "a\\x07b.example.com", "dns:a\\x07b.example.com irr:example.com",
         "unprintable-name"},
        {DNS, "\\x7f.example.com", "dns:\\x7f.example.com irr:example.com",
         "unprintable-name"},
        // Punycode: one that decodes, one with a digit that is none, one cut
        // short, none at all, a surrogate (RFC 3492 of U+D800), beyond
        // U+10FFFF.
        {DNS, "xn--bcher-kva.de", "dns:xn--bcher-kva.de", ""},
        {DNS, "XN--BCHER-KVA.de", "dns:xn--bcher-kva.de", ""},
        {DNS, "xn--ls8h.la", "dns:xn--ls8h.la", ""},
        {DNS, "xn--mgberp4a5d4ar.test", "dns:xn--mgberp4a5d4ar.test", ""},
        {DNS, "xn--b_.de", "dns:xn--b_.de irr:de", ""},
        {DNS, "xn--bcher-kv.de", "dns:xn--bcher-kv.de irr:de", ""},
        {DNS, "xn--.de", "dns:xn--.de irr:de", ""},
        {DNS, "xn--abc-.de", "dns:xn--abc-.de irr:de", ""},
        {DNS, "xn--ib9b.de", "dns:xn--ib9b.de irr:de", ""},
        {DNS, "xn--99999999.de", "dns:xn--99999999.de irr:de", ""},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void reads_names_beyond_ascii_both_ways(void **state)
{
    static const struct row rows[] = {
        // UTF-8; as Latin-1 it is "bÃ¼cher", which no IDN can be.
        {DNS, "b\\xc3\\xbccher.de",
         "dns:b\xc3\xbc"
         "cher.de ~dns:xn--bcher-kva.de",
         "name-not-ascii"},
        {DNS, "B\\xc3\\x9cCHER.DE.",
         "dns:b\xc3\x9c"
         "cher.de ~dns:xn--bcher-kva.de",
         "name-not-ascii"},
        // Decomposed: u and U+0308.
        {DNS,
         "bu\\xcc\\x88"
         "cher.de",
         "dns:bu\xcc\x88"
         "cher.de ~dns:xn--bcher-kva.de",
         "name-not-ascii"},
        // Latin-1.
        {DNS, "b\\xfccher.de", "dns:b\\xfccher.de ~dns:xn--bcher-kva.de",
         "unprintable-name name-not-ascii"},
        {DNS, "*.b\\xfccher.de", "dns:*.b\\xfccher.de ~dns:*.xn--bcher-kva.de",
         "unprintable-name name-not-ascii"},
        // One label each way.
        {DNS, "\\xfc.\\xc3\\xbc.de",
         "dns:\\xfc.\xc3\xbc.de ~dns:xn--tda.xn--tda.de "
         "~dns:xn--tda.\xc3\xbc.de",
         "unprintable-name name-not-ascii"},
        // sharp s stays: non-transitional.
        {DNS, "fu\\xc3\\x9f.de", "dns:fu\xc3\x9f.de ~dns:xn--fu-hia.de",
         "name-not-ascii"},
        {DNS, "\\xe8\\x8a\\xb1\\xe5\\xad\\x90.co.jp",
         "dns:\xe8\x8a\xb1\xe5\xad\x90.co.jp ~dns:xn--i8s592g.co.jp",
         "name-not-ascii"},
        // Full-width digits and an ideographic full stop.
        {DNS, "\\xef\\xbc\\x91.1.1.1", "dns:\xef\xbc\x91.1.1.1 ~ip:1.1.1.1",
         "ip-in-dns-name name-not-ascii"},
        {DNS,
         "b\\xc3\\xbc\\xe3\\x80\\x82"
         "de",
         "dns:b\xc3\xbc\xe3\x80\x82"
         "de ~dns:xn--b-eha.de",
         "name-not-ascii"},
        {DNS, "\\xc3\\xbc.de\\xe3\\x80\\x82",
         "dns:\xc3\xbc.de\xe3\x80\x82 ~dns:xn--tda.de", "name-not-ascii"},
        {DNS, "\\xc3\\xbc\\x00.evil.com",
         "dns:\xc3\xbc\\x00.evil.com irr:evil.com ~dns:\xc3\xbc"
         " ~dns:xn--tda",
         "nul-in-name unprintable-name name-not-ascii"},
        // What cannot be converted stays, and no client can be trusted to
        // read it.
        {DNS, "\\xff\\xfe.example.com",
         "dns:\\xff\\xfe.example.com ~dns:xn--vdab.example.com",
         "unprintable-name name-not-ascii"},
        {DNS, "\\x80.example.com", "dns:\\x80.example.com irr:example.com",
         "unprintable-name name-not-ascii"},
        {DNS, "x\\xc3\\xbc\\x01.example.com",
         "dns:x\xc3\xbc\\x01.example.com irr:example.com",
         "unprintable-name name-not-ascii"},
        {DNS, "f*\\xc3\\xbc.example.com",
         "dns:f*\xc3\xbc.example.com irr:example.com",
         "odd-wildcard name-not-ascii"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void finds_hosts_in_what_is_more(void **state)
{
    static const struct row rows[] = {
        {DNS, "good.com\\x00.evil.com",
         "dns:good.com\\x00.evil.com irr:evil.com ~dns:good.com",
         "nul-in-name unprintable-name"},
        {DNS, "\\x00.evil.com", "dns:\\x00.evil.com irr:evil.com",
         "nul-in-name unprintable-name"},
        {DNS, "good.com\\x00", "dns:good.com\\x00 ~dns:good.com",
         "nul-in-name unprintable-name"},
        {DNS, "https://Example.com/x",
         "dns:https://example.com/x ~dns:example.com", "url-in-name"},
        {DNS, "https://u:p@example.com:8443?q#f",
         "dns:https://u:p@example.com:8443?q#f"
         " ~dns:example.com",
         "url-in-name"},
        {DNS, "//example.com/x", "dns://example.com/x ~dns:example.com",
         "url-in-name"},
        {DNS, "example.com/x", "dns:example.com/x ~dns:example.com",
         "url-in-name"},
        {DNS, "example.com/", "dns:example.com/ ~dns:example.com",
         "url-in-name"},
        {DNS, "example.com:443", "dns:example.com:443 ~dns:example.com",
         "url-in-name"},
        {DNS, "*.example.com:443", "dns:*.example.com:443 ~dns:*.example.com",
         "url-in-name"},
        {DNS, "john@example.com", "dns:john@example.com ~dns:example.com", ""},
        {DNS, "https://example.com/\\x00.evil.com",
         "dns:https://example.com/\\x00.evil.com"
         " ~dns:example.com ~dns:https://example.com/",
         "nul-in-name unprintable-name url-in-name"},
        {DNS, "a:b:80", "dns:a:b:80", ""},
        {DNS, ":80", "dns::80", ""},
        {DNS, "https://", "dns:https://", "url-in-name"},
        {DNS, "/", "dns:/", "url-in-name"},
        {DNS, "@", "dns:@", ""},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void finds_addresses_in_names(void **state)
{
    static const struct row rows[] = {
        {DNS, "192.0.2.1", "~ip:192.0.2.1", "ip-in-dns-name"},
        {DNS, "192.0.2.1.", "~ip:192.0.2.1", "ip-in-dns-name"},
        {DNS, "192.000.002.001", "~ip:192.0.2.1", "ip-in-dns-name"},
        {DNS, "::1", "~ip:::1", "ip-in-dns-name"},
        {DNS, "::ffff:192.0.2.1", "~ip:192.0.2.1", "ip-in-dns-name"},
        {DNS, "[::1]", "~ip:::1", "ip-in-dns-name"},
        {DNS, "[2001:db8::1]:443", "dns:[2001:db8::1]:443 ~ip:2001:db8::1",
         "ip-in-dns-name url-in-name"},
        {DNS, "192.0.2.1:443", "dns:192.0.2.1:443 ~ip:192.0.2.1",
         "ip-in-dns-name url-in-name"},
        {DNS, "https://192.0.2.1/x", "dns:https://192.0.2.1/x ~ip:192.0.2.1",
         "ip-in-dns-name url-in-name"},
        {DNS, "https://[2001:db8::1]:8443/",
         "dns:https://[2001:db8::1]:8443/ ~ip:2001:db8::1",
         "ip-in-dns-name url-in-name"},
        {DNS, "192.0.2.0/24", "dns:192.0.2.0/24 ~ip:192.0.2.0",
         "ip-in-dns-name url-in-name"},
        {DNS, "2001:db8::/32",
         "dns:2001:db8::/32 ~ip:2001:db8::", "ip-in-dns-name url-in-name"},
        {DNS, "192.0.2.1\\x00.evil.com",
         "dns:192.0.2.1\\x00.evil.com irr:evil.com ~ip:192.0.2.1",
         "ip-in-dns-name nul-in-name unprintable-name"},
        {CN, "192.0.2.1", "ip:192.0.2.1", "ip-in-cn"},
        {CN, " 2001:DB8::1 ", "ip:2001:db8::1", "ip-in-cn"},
        {CN, "192.0.2.1:443",
         "cn:192.0.2.1:443 dns:192.0.2.1:443 ~ip:192.0.2.1",
         "ip-in-cn url-in-name"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void reads_octets_of_any_length(void **state)
{
    static const struct row rows[] = {
        {IP, "\\x01\\x01\\x01\\x01", "ip:1.1.1.1", ""},
        {IP,
         "&\\x06G\\x00G\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"
         "\\x11\\x11",
         "ip:2606:4700:4700::1111", ""},
        {IP,
         "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xff\\xff"
         "\\xcb\\x00q\\x09",
         "ip:203.0.113.9", ""},
        {IP, "\\x00\\x00\\x00\\x00\\xff\\xff\\xff\\x00",
         "oct:00000000ffffff00 ~ip:0.0.0.0", "ip-bad-length"},
        {IP, "\\x0a\\x00\\x00\\x01\\xff\\xff\\xff\\xff",
         "oct:0a000001ffffffff ~ip:10.0.0.1", "ip-bad-length"},
        {IP,
         "\\x20\\x01\\x0d\\xb8\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"
         "\\x00\\x00\\x00\\x01\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff"
         "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff",
         "oct:20010db8000000000000000000000001"
         "ffffffffffffffffffffffffffffffff ~ip:2001:db8::1",
         "ip-bad-length"},
        {IP, "192.0.2.1", "oct:3139322e302e322e31 ~ip:192.0.2.1",
         "ip-bad-length"},
        {IP, "2001:db8::1", "oct:323030313a6462383a3a31 ~ip:2001:db8::1",
         "ip-bad-length"},
        // 16 octets that are text, too.
        {IP, "2001:db8::1:2:33",
         "ip:3230:3031:3a64:6238:3a3a:313a:323a:3333"
         " ~ip:2001:db8::1:2:33",
         ""},
        {IP, "a.example.com",
         "oct:612e6578616d706c652e636f6d ~dns:a.example.com", "ip-bad-length"},
        {IP, ".ebc", "ip:46.101.98.99", ""},
        {IP, "\\x01\\x02\\x03", "oct:010203", "ip-bad-length"},
        {IP, "", "", "ip-bad-length"},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void tells_common_names_from_hosts(void **state)
{
    static const struct row rows[] = {
        {CN, "Example.com", "dns:example.com", ""},
        {CN, "*.example.com", "dns:*.example.com", ""},
        {CN, "Acme Ltd", "cn:Acme Ltd", ""},
        {CN, "  Acme  Ltd\\x0a", "cn:Acme  Ltd", "unprintable-name"},
        {CN, "Jo\\xc3\\xa3o Gilberto", "cn:Jo\xc3\xa3o Gilberto", ""},
        {CN, "Jo\\xe3o Gilberto", "cn:Jo\xc3\xa3o Gilberto",
         "unprintable-name"},
        {CN, "M\\xc3\\xbcller",
         "cn:M\xc3\xbcller dns:m\xc3\xbcller"
         " ~dns:xn--mller-kva",
         "name-not-ascii"},
        {CN, "good.com\\x00 evil", "cn:good.com\\x00 evil ~dns:good.com",
         "nul-in-name unprintable-name"},
        {CN, "Acme\\x00 Ltd", "cn:Acme\\x00 Ltd ~dns:acme",
         "nul-in-name unprintable-name"},
        {CN, "john@example.com",
         "cn:john@example.com dns:john@example.com ~dns:example.com", ""},
        {CN, "", "", "empty-name"},
        {CERT_NAME_DIRECTORY, "Some Name", "cn:Some Name", ""},
        {CERT_NAME_DIRECTORY, "host.example.com", "dns:host.example.com", ""},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void takes_the_hosts_of_mailboxes_and_uris(void **state)
{
    static const struct row rows[] = {
        {CERT_NAME_EMAIL, "john@Example.com", "dns:example.com", ""},
        {CERT_NAME_EMAIL, "\"a@b\"@example.com.", "dns:example.com", ""},
        {CERT_NAME_EMAIL, "example.com", "dns:example.com", ""},
        {CERT_NAME_EMAIL, "a@[192.0.2.1]", "ip:192.0.2.1", ""},
        {CERT_NAME_EMAIL, "a@good.com\\x00@evil.com",
         "dns:evil.com ~dns:good.com", "nul-in-name unprintable-name"},
        {CERT_NAME_EMAIL, "a@", "", ""},
        {CERT_NAME_EMAIL, "", "", ""},
        {CERT_NAME_UPN, "a@corp.example.com", "dns:corp.example.com", ""},
        {CERT_NAME_SMTP_UTF8, "\\xc3\\xbc@b\\xc3\\xbccher.de",
         "dns:b\xc3\xbc"
         "cher.de ~dns:xn--bcher-kva.de",
         ""},
        {CERT_NAME_SUBJECT_EMAIL, "a@example.com", "dns:example.com", ""},
        {CERT_NAME_URI, "https://Example.com/x?y=a@b.com", "dns:example.com",
         ""},
        {CERT_NAME_URI, "https://u@example.com:8443/", "dns:example.com", ""},
        {CERT_NAME_URI, "https://example.com?a@b.com", "dns:example.com", ""},
        {CERT_NAME_URI, "https://[2001:db8::1]:8443/x", "ip:2001:db8::1", ""},
        {CERT_NAME_URI, "ldap://192.0.2.1", "ip:192.0.2.1", ""},
        {CERT_NAME_URI, "spiffe://cluster.local/ns", "dns:cluster.local", ""},
        {CERT_NAME_URI, "sip:a@example.com;transport=tcp", "dns:example.com",
         ""},
        {CERT_NAME_URI, "sip:example.com", "dns:example.com", ""},
        {CERT_NAME_URI, "mailto:a@example.com?subject=b@c.d", "dns:example.com",
         ""},
        {CERT_NAME_URI, "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "",
         ""},
        {CERT_NAME_URI, "urn:x", "", ""},
        {CERT_NAME_URI, "example.com:443", "dns:example.com", ""},
        {CERT_NAME_URI, "example.com/x", "dns:example.com", ""},
        {CERT_NAME_URI, "file:///etc", "", ""},
        {CERT_NAME_URI, "", "", ""},
        {CERT_NAME_OTHER, "example.com", "", ""},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void flags_long_names(void **state)
{
    char name[300], row_terms[310];
    struct row row = {DNS, name, row_terms, ""};

    (void)state;
    for (size_t len = 60; len < 66; len++) {
        memset(name, 'a', len);
        strcpy(name + len, ".com");
        sprintf(row_terms, "dns:%s", name);
        row.flags = len > 63 ? "long-name" : "";
        check_rows(&row, 1);
    }
    for (size_t len = 250; len < 257; len++) {
        for (size_t i = 0; i < len; i++) {
            name[i] = i % 2 == 0 ? 'a' : '.';
        }
        name[len - 2] = name[len - 1] = 'b';
        name[len] = 0;
        sprintf(row_terms, "dns:%s", name);
        row.flags = len > 253 ? "long-name" : "";
        check_rows(&row, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strips_and_lowers),
        cmocka_unit_test(keeps_wildcards_and_marks_odd_ones),
        cmocka_unit_test(reads_names_beyond_ascii_both_ways),
        cmocka_unit_test(finds_hosts_in_what_is_more),
        cmocka_unit_test(finds_addresses_in_names),
        cmocka_unit_test(reads_octets_of_any_length),
        cmocka_unit_test(tells_common_names_from_hosts),
        cmocka_unit_test(takes_the_hosts_of_mailboxes_and_uris),
        cmocka_unit_test(flags_long_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
