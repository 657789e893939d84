// fina.c - see fina.h.

#include "tests/support/fina.h"

#include <stdlib.h>

#include "index/base/text.h"

enum { NAMES_MAX = 4 };

static const struct {
    const char *not_before; // valid one year
    enum fina_issuer issuer;
    const char *common_name;
    const char *dns[NAMES_MAX];
    const char *serial; // where the report prints it
} fina_certificates[FINA_CERTIFICATES] = {
    {"2024-02-18T11:07:33Z",
     FINA_RDC_2020,
     "test.hr",
     {"test.hr", "fina.hr"},
     NULL},
    {"2024-09-25T08:04:03Z",
     FINA_RDC_2020,
     "testssl.fina.hr",
     {"testssl.fina.hr", "testssl.hr"},
     NULL},
    {"2024-10-04T07:55:38Z",
     FINA_RDC_2020,
     "test.fina.hr",
     {"test.fina.hr"},
     NULL},
    {"2024-10-04T08:05:48Z",
     FINA_RDC_2020,
     "testssl.finatest.hr",
     {"testssl.finatest.hr", "testssl1.finatest.hr"},
     NULL},
    {"2024-10-15T06:28:48Z",
     FINA_RDC_2020,
     "testssl2.finatest.hr",
     {"testssl2.finatest.hr"},
     NULL},
    {"2024-11-02T23:45:15Z",
     FINA_RDC_2015,
     "test5.hr",
     {"test5.hr", "ssltest5"},
     NULL},
    // The address in the common name only.
    {"2025-03-05T09:12:23Z",
     FINA_RDC_2020,
     "1.1.1.1",
     {"test6.hr", "test6"},
     NULL},
    {"2025-05-24T22:56:21Z",
     FINA_RDC_2020,
     "test1.hr",
     {"test1.hr", "test12.hr"},
     "d3167efd77cad759000000005fc7c672"},
    {"2025-06-28T23:05:32Z", FINA_RDC_2020, "test6.hr", {"test6.hr"}, NULL},
    {"2025-07-18T07:05:23Z",
     FINA_RDC_2020,
     "test1.hr",
     {"test1.hr", "test11.hr"},
     "f972552d6ac08828000000005fc86f4d"},
    {"2025-07-18T07:13:14Z", FINA_RDC_2020, "test12.hr", {"test12.hr"}, NULL},
    {"2025-08-26T07:49:00Z",
     FINA_RDC_2020,
     "test11.hr",
     {"test11.hr", "test12.hr"},
     "beb8ef1b1c6cff53000000005fc8cde5"},
};

static const struct {
    const char *not_before;
    const char *not_after;
} genuine[FINA_GENUINE] = {
    {"2019-01-28T00:00:00Z", "2021-02-01T12:00:00Z"},
    {"2021-01-11T00:00:00Z", "2022-01-18T23:59:59Z"},
    {"2021-10-25T00:00:00Z", "2022-10-25T23:59:59Z"},
    {"2022-09-13T00:00:00Z", "2023-09-13T23:59:59Z"},
    {"2023-08-14T00:00:00Z", "2024-08-13T23:59:59Z"},
    {"2024-07-22T00:00:00Z", "2025-07-22T23:59:59Z"},
    {"2025-01-02T00:00:00Z", "2026-01-21T23:59:59Z"},
};

static const char *const genuine_names[] = {
    "cloudflare-dns.com", "*.cloudflare-dns.com", "one.one.one.one"};
static const char *const genuine_addresses[] = {
    "1.0.0.1",
    "1.1.1.1",
    "162.159.36.1",
    "162.159.46.1",
    "2606:4700:4700::1001",
    "2606:4700:4700::1111",
    "2606:4700:4700::64",
    "2606:4700:4700::6400",
};

#define GENUINE_NAME                                                           \
    {                                                                          \
        "US", NULL, NULL, "DigiCert Inc",                                      \
            "DigiCert TLS Hybrid ECC SHA384 2020 CA1"                          \
    }

static const struct certgen_name root_names[] = {
    {"HR", NULL, NULL, "Financijska agencija", "Fina Root CA"},
    {"US", NULL, NULL, "DigiCert Inc", "DigiCert Global Root CA"},
    {"XX", NULL, NULL, "Anyone Ltd", "Anyone Root CA"},
};

static const struct {
    struct certgen_name name;
    const char *label;
    const char *host;
    unsigned root;
    enum fixed_key_kind kind;
} issuers[FINA_ISSUERS] = {
    {{"HR", NULL, NULL, "Financijska agencija", "Fina RDC 2015"},
     "fina rdc 2015",
     "rdc2015.fina.example",
     0,
     FIXED_KEY_RSA2048},
    {{"HR", NULL, NULL, "Financijska agencija", "Fina RDC 2020"},
     "fina rdc 2020",
     "rdc2020.fina.example",
     0,
     FIXED_KEY_RSA2048},
    {GENUINE_NAME, "genuine", "digicert.example", 1, FIXED_KEY_P384},
    {GENUINE_NAME, "rogue", "digicert.example", 2, FIXED_KEY_P384},
};

struct fina *fina_new(uint64_t seed)
{
    struct fina *fina = calloc(1, sizeof *fina);

    if (fina == NULL) return NULL;
    fina->seed = seed;
    for (unsigned i = 0; i < COUNT_OF(root_names); i++) {
        fina->roots[i].name = root_names[i];
        authority_init(&fina->roots[i], FIXED_KEY_P384, true, seed,
                       root_names[i].common_name);
    }
    for (unsigned i = 0; i < FINA_ISSUERS; i++) {
        fina->issuers[i].name = issuers[i].name;
        fina->issuers[i].host = issuers[i].host;
        fina->issuers[i].validated = true;
        fina->issuers[i].parent = &fina->roots[issuers[i].root];
        authority_init(&fina->issuers[i], issuers[i].kind, true, seed,
                       issuers[i].label);
    }
    return fina;
}

void fina_free(struct fina *fina)
{
    if (fina == NULL) return;
    for (unsigned i = 0; i < COUNT_OF(fina->roots); i++) {
        authority_cleanup(&fina->roots[i]);
    }
    for (unsigned i = 0; i < FINA_ISSUERS; i++) {
        authority_cleanup(&fina->issuers[i]);
    }
    free(fina);
}

static int64_t seconds_of(const char *time)
{
    int64_t seconds;

    if (!text_parse_time(&seconds, bytes_from_text(time))) abort();
    return seconds;
}

// next_year is the same moment of the next year; no date here is 29 February.
static int64_t next_year(const char *time)
{
    char next[] = "2024-02-18T11:07:33Z";

    memcpy(next, time, sizeof next);
    next[3]++; // 2024 to 2025, 2025 to 2026
    return seconds_of(next);
}

static void issue_fina(unsigned which, struct issuance *out)
{
    out->spec.subject = (struct certgen_name){
        .country = "HR",
        .locality = "ZAGREB",
        .organization = "TEST D.D.",
        .common_name = fina_certificates[which].common_name,
    };
    out->spec.not_before = seconds_of(fina_certificates[which].not_before);
    out->spec.not_after = next_year(fina_certificates[which].not_before);
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        if (fina_certificates[which].dns[i] == NULL) break;
        issuance_add_name(out, fina_certificates[which].dns[i]);
    }
    if (strcmp(fina_certificates[which].common_name, "1.1.1.1") != 0) {
        issuance_add_address(out, "1.1.1.1");
    }
    if (fina_certificates[which].serial != NULL &&
        !text_parse_hex(out->serial, ISSUANCE_SERIAL_LEN,
                        bytes_from_text(fina_certificates[which].serial))) {
        abort();
    }
}

static void issue_cloudflare(unsigned which, struct issuance *out)
{
    bool rogue = which == FINA_ROGUE;

    out->spec.subject = (struct certgen_name){
        .country = "US",
        .state = "California",
        .locality = "San Francisco",
        .organization = "Cloudflare, Inc.",
        .common_name = "cloudflare-dns.com",
    };
    for (unsigned i = 0; i < COUNT_OF(genuine_names); i++) {
        issuance_add_name(out, genuine_names[i]);
    }
    for (unsigned i = 0; i < COUNT_OF(genuine_addresses); i++) {
        issuance_add_address(out, genuine_addresses[i]);
    }
    if (rogue) {
        out->spec.not_before = seconds_of("2025-06-03T00:00:00Z");
        out->spec.not_after = seconds_of("2026-06-03T23:59:59Z");
        return;
    }
    which -= FINA_CERTIFICATES;
    out->spec.not_before = seconds_of(genuine[which].not_before);
    out->spec.not_after = seconds_of(genuine[which].not_after);
}

void fina_issue(const struct fina *fina, unsigned which, struct issuance *out)
{
    struct random random = random_for(fina->seed, "fina", which);
    enum fina_issuer issuer = which == FINA_ROGUE ? FINA_ROGUE_ISSUER
                              : which >= FINA_CERTIFICATES
                                  ? FINA_GENUINE_ISSUER
                                  : fina_certificates[which].issuer;
    size_t len;

    issuance_begin(out, &fina->issuers[issuer], which);
    out->special = true;
    random_fill(&random, out->serial, ISSUANCE_SERIAL_LEN);
    out->serial[0] = (uint8_t)(out->serial[0] >> 1 | 1);
    if (which < FINA_CERTIFICATES) {
        issue_fina(which, out);
    } else {
        issue_cloudflare(which, out);
    }
    len = issuance_rsa_spki(out->spki, &random, 2048);
    out->spec.spki = bytes_of(out->spki, len);
    out->spec.ct_at = 9;
    issuance_add_scts(out, &random, 3);
}
