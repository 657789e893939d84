// test_testlog_certificates.c - what the test log holds, by BoringSSL's X509
// and by the issue's own words about the incident.

#include "tests/support/testlog.h"

#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "index/base/text.h"
#include "tests/support/folder.h"
#include "tests/support/visitor.h"

static X509 *parse_certificate(struct bytes der)
{
    const uint8_t *at = der.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)der.len);

    assert_non_null(certificate);
    assert_ptr_equal(at, der.data + der.len);
    return certificate;
}

// certificate_of is the precertificate, or the leaf's certificate.
static X509 *certificate_of(const struct testlog_entry *entry)
{
    struct bytes rest = entry->leaf, der;

    if (entry->precert.len > 0) return parse_certificate(entry->precert);
    assert_true(bytes_skip(&rest, 12));
    assert_true(bytes_read_vector(&rest, &der, 3));
    return parse_certificate(der);
}

static int64_t seconds_of(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days, seconds;

    assert_int_equal(ASN1_TIME_diff(&days, &seconds, epoch, time), 1);
    ASN1_TIME_free(epoch);
    return (int64_t)days * 86400 + seconds;
}

static void check_names(X509 *certificate, const struct testlog_truth *truth)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t dns = 0, addresses = 0;
    char cn[256];
    int len;

    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        const ASN1_STRING *value = name->d.ia5;
        struct bytes bytes = bytes_of(ASN1_STRING_get0_data(value),
                                      (size_t)ASN1_STRING_length(value));

        if (name->type == GEN_DNS) {
            assert_true(bytes_equal_text(bytes, truth->dns[dns++]));
        } else {
            assert_int_equal(name->type, GEN_IPADD);
            assert_true(bytes_equal(bytes, truth->addresses[addresses++]));
        }
    }
    assert_int_equal(dns, truth->num_dns);
    assert_int_equal(addresses, truth->num_addresses);
    GENERAL_NAMES_free(names);
    len = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate),
                                    NID_commonName, cn, sizeof cn);
    assert_int_equal(len >= 0, truth->common_name != NULL);
    if (len >= 0) assert_string_equal(cn, truth->common_name);
    assert_int_equal(seconds_of(X509_get0_notBefore(certificate)),
                     truth->not_before);
    assert_int_equal(seconds_of(X509_get0_notAfter(certificate)),
                     truth->not_after);
}

// logged_form is the TBSCertificate without poison or SCT list, as BoringSSL
// encodes it.
static struct sha256_hash logged_form(X509 *certificate)
{
    static const char *const ct[] = {"1.3.6.1.4.1.11129.2.4.2",
                                     "1.3.6.1.4.1.11129.2.4.3"};
    struct sha256_hash hash;
    uint8_t *der = NULL;
    int len;

    for (size_t i = 0; i < COUNT_OF(ct); i++) {
        ASN1_OBJECT *oid = OBJ_txt2obj(ct[i], 1);
        int at = X509_get_ext_by_OBJ(certificate, oid, -1);

        if (at >= 0) X509_EXTENSION_free(X509_delete_ext(certificate, at));
        ASN1_OBJECT_free(oid);
    }
    len = i2d_re_X509_tbs(certificate, &der);
    assert_true(len > 0);
    hash = sha256(bytes_of(der, (size_t)len));
    OPENSSL_free(der);
    return hash;
}

// Every certificate is what was planted, and the forms of one issuance agree:
// the leaf's TBSCertificate, the precertificate's and the final's.
static void certificates_are_what_was_planted(void **state)
{
    enum { NUM = 40 + 32 * 64 }; // whole blocks: no pair is cut off
    struct testlog *log = visitor_open(
        &(struct testlog_options){.entries = NUM, .seed = 11, .fina = true});
    struct sha256_hash *forms = calloc(NUM, sizeof *forms);
    struct testlog_truth truth;
    struct testlog_entry entry;
    struct buffer memory = {0};
    unsigned names = 0, pairs = 0, finals = 0, bare = 0, most = 0;

    (void)state;
    for (uint64_t i = 0; i < NUM; i++) {
        X509 *certificate;
        struct sha256_hash form;
        size_t slot;

        assert_true(testlog_entry(log, i, &entry, &memory));
        assert_true(testlog_truth(log, i, &truth));
        certificate = certificate_of(&entry);
        check_names(certificate, &truth);
        assert_int_equal(truth.precert, entry.precert.len > 0);
        bare += X509_NAME_entry_count(X509_get_subject_name(certificate)) == 0;
        form = logged_form(certificate);
        if (truth.precert) {
            struct bytes rest = entry.leaf, tbs;
            struct sha256_hash hash;

            assert_true(bytes_skip(&rest, 44));
            assert_true(bytes_read_vector(&rest, &tbs, 3));
            hash = sha256(tbs);
            assert_true(sha256_equal(&hash, &form));
        }
        slot =
            (size_t)(truth.special ? NUM - 1 - truth.issuance : truth.issuance);
        if (forms[slot].bytes[0] != 0 || forms[slot].bytes[1] != 0) {
            assert_true(sha256_equal(&forms[slot], &form));
            pairs++;
        }
        forms[slot] = form;
        finals += !truth.precert;
        if (!truth.special) {
            names += (unsigned)(truth.num_dns + truth.num_addresses);
            if (truth.num_dns > most) most = (unsigned)truth.num_dns;
        }
        X509_free(certificate);
        testlog_truth_cleanup(&truth);
    }
    print_message("%u pairs, %u finals, %u without subject, %.2f names, "
                  "at most %u\n",
                  pairs, finals, bare, (double)names / (NUM - 40), most);
    assert_int_equal(pairs, finals); // no final without its precertificate
    assert_in_range(finals, NUM / 3, NUM / 2);
    assert_in_range(bare, NUM / 10, NUM / 3);
    assert_in_range(names, (NUM - 40) * 17 / 10, (NUM - 40) * 21 / 10);
    assert_in_range(most, 10, 100);
    free(forms);
    buffer_cleanup(&memory);
    testlog_stop(log);
}

// ---------------------------------------------------------------- the incident

static const char *const incident_dates[] = {
    "2024-02-18T11:07:33Z", "2024-09-25T08:04:03Z", "2024-10-04T07:55:38Z",
    "2024-10-04T08:05:48Z", "2024-10-15T06:28:48Z", "2024-11-02T23:45:15Z",
    "2025-03-05T09:12:23Z", "2025-05-24T22:56:21Z", "2025-06-28T23:05:32Z",
    "2025-07-18T07:05:23Z", "2025-07-18T07:13:14Z", "2025-08-26T07:49:00Z"};
static const char *const incident_names[] = {"fina.hr",
                                             "ssltest5",
                                             "test.fina.hr",
                                             "test.hr",
                                             "test1.hr",
                                             "test11.hr",
                                             "test12.hr",
                                             "test5.hr",
                                             "test6",
                                             "test6.hr",
                                             "testssl.fina.hr",
                                             "testssl.finatest.hr",
                                             "testssl.hr",
                                             "testssl1.finatest.hr",
                                             "testssl2.finatest.hr"};

struct incident {
    unsigned precerts[12], finals[12], names[15];
    unsigned rdc2015, rdc2020, in_common_name_only;
    unsigned genuine, rogue, genuine_addresses_8;
};

static X509 *issuer_of(const struct testlog_entry *entry)
{
    struct bytes rest = entry->extra, list, der;

    if (entry->precert.len > 0) assert_true(bytes_read_vector(&rest, &der, 3));
    assert_true(bytes_read_vector(&rest, &list, 3));
    assert_true(bytes_read_vector(&list, &der, 3));
    return parse_certificate(der);
}

static bool signed_by(X509 *certificate, X509 *issuer)
{
    EVP_PKEY *key = X509_get_pubkey(issuer);
    bool ok = key != NULL && X509_verify(certificate, key) == 1;

    EVP_PKEY_free(key);
    return ok;
}

static void text_of(X509_NAME *name, int nid, char out[256])
{
    if (X509_NAME_get_text_by_NID(name, nid, out, 256) < 0) out[0] = '\0';
}

static void check_fina(struct incident *incident, X509 *certificate,
                       const struct testlog_truth *truth)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    char text[256], time[TEXT_TIME_LEN_MAX], end[TEXT_TIME_LEN_MAX];
    bool found = false;

    text_of(subject, NID_organizationName, text);
    assert_string_equal(text, "TEST D.D.");
    text_of(subject, NID_localityName, text);
    assert_string_equal(text, "ZAGREB");
    (void)text_time_utc(time, seconds_of(X509_get0_notBefore(certificate)));
    (void)text_time_utc(end, seconds_of(X509_get0_notAfter(certificate)));
    for (unsigned i = 0; i < 12; i++) {
        if (strcmp(time, incident_dates[i]) != 0) continue;
        found = true;
        if (truth->precert) {
            incident->precerts[i]++;
        } else {
            incident->finals[i]++;
        }
    }
    assert_true(found);
    time[3]++; // valid one year
    assert_string_equal(time, end);
    for (size_t i = 0; i < truth->num_dns; i++) {
        unsigned known = 0;

        for (unsigned j = 0; j < COUNT_OF(incident_names); j++) {
            if (strcmp(truth->dns[i], incident_names[j]) != 0) continue;
            incident->names[j]++;
            known++;
        }
        assert_int_equal(known, 1);
    }
    text_of(subject, NID_commonName, text);
    if (truth->num_addresses == 0) {
        assert_string_equal(text, "1.1.1.1");
        incident->in_common_name_only++;
    } else {
        assert_int_equal(truth->num_addresses, 1);
        assert_memory_equal(truth->addresses[0].data, "\1\1\1\1", 4);
    }
}

// count_special looks at one entry of the replay.
static void count_special(struct incident *incident,
                          const struct testlog_entry *entry,
                          const struct testlog_truth *truth, X509 *genuine)
{
    X509 *certificate = certificate_of(entry), *issuer = issuer_of(entry);
    bool is_genuine;
    char text[256];

    // Each verifies under the key of its own issuer.
    assert_true(signed_by(certificate, issuer));
    assert_int_equal(X509_NAME_cmp(X509_get_issuer_name(certificate),
                                   X509_get_subject_name(issuer)),
                     0);
    is_genuine = signed_by(certificate, genuine);
    text_of(X509_get_issuer_name(certificate), NID_commonName, text);
    if (strncmp(text, "Fina RDC ", 9) == 0) {
        assert_false(is_genuine);
        incident->rdc2015 += strcmp(text, "Fina RDC 2015") == 0;
        incident->rdc2020 += strcmp(text, "Fina RDC 2020") == 0;
        check_fina(incident, certificate, truth);
    } else { // the genuine issuer's name, whoever signed
        assert_int_equal(X509_NAME_cmp(X509_get_issuer_name(certificate),
                                       X509_get_subject_name(genuine)),
                         0);
        incident->genuine += is_genuine;
        incident->rogue += !is_genuine;
        incident->genuine_addresses_8 += truth->num_addresses == 8;
    }
    X509_free(certificate);
    X509_free(issuer);
}

static void the_incident_is_replayed(void **state)
{
    struct testlog *log = visitor_open(
        &(struct testlog_options){.entries = 400, .seed = 1, .fina = true});
    struct incident incident = {0};
    struct buffer memory = {0};
    struct testlog_entry entry;
    struct testlog_truth truth;
    struct bytes pem = {0};
    struct err err = {0};
    char dir[FOLDER_LEN], path[128];
    X509 *genuine;
    BIO *bio;

    (void)state;
    folder_make(dir);
    assert_true(testlog_write_files(log, dir, &err));
    (void)snprintf(path, sizeof path, "%s/genuine-issuer.pem", dir);
    pem = read_file(path);
    bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    genuine = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_non_null(genuine);
    for (uint64_t i = 0; i < 400; i++) {
        assert_true(testlog_entry(log, i, &entry, &memory));
        assert_true(testlog_truth(log, i, &truth));
        if (truth.special) {
            count_special(&incident, &entry, &truth, genuine);
        }
        testlog_truth_cleanup(&truth);
    }
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(incident.precerts[i], 1);
        assert_int_equal(incident.finals[i], 1);
    }
    for (unsigned i = 0; i < 15; i++) {
        assert_true(incident.names[i] > 0);
    }
    assert_true(incident.rdc2015 > 0 && incident.rdc2020 > 0);
    assert_int_equal(incident.rdc2015 + incident.rdc2020, 24);
    assert_int_equal(incident.in_common_name_only, 2);
    assert_int_equal(incident.genuine, 14);
    assert_int_equal(incident.rogue, 2);
    assert_int_equal(incident.genuine_addresses_8, 16);
    folder_remove(dir);
    X509_free(genuine);
    BIO_free(bio);
    free((void *)(uintptr_t)pem.data);
    buffer_cleanup(&memory);
    testlog_stop(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_are_what_was_planted),
        cmocka_unit_test(the_incident_is_replayed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
