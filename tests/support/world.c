// world.c - see world.h.

#include "tests/support/world.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/nid.h>
#include <stdio.h>
#include <stdlib.h>

static const struct certgen_name root_names[WORLD_ROOTS] = {
    {"US", NULL, NULL, "Open Web Research Group", "OWRG Root X1"},
    {"US", NULL, NULL, "Northwind Trust LLC", "Northwind Root R4"},
    {"BE", NULL, NULL, "Meridian nv-sa", "Meridian Root CA"},
};

static const struct {
    struct certgen_name name;
    const char *host;
    unsigned root;
    enum fixed_key_kind kind;
    bool real; // a real key; else a modulus of random bytes
    bool validated;
    int64_t days; // how long it issues for
    unsigned weight;
} issuers[WORLD_ISSUERS] = {
    {{"US", NULL, NULL, "Lattice Encrypt", "R10"},
     "r10.lattice.example",
     0,
     FIXED_KEY_RSA2048,
     false,
     false,
     90,
     22},
    {{"US", NULL, NULL, "Lattice Encrypt", "R11"},
     "r11.lattice.example",
     0,
     FIXED_KEY_RSA2048,
     false,
     false,
     90,
     18},
    {{"US", NULL, NULL, "Lattice Encrypt", "E5"},
     "e5.lattice.example",
     0,
     FIXED_KEY_P384,
     true,
     false,
     90,
     18},
    {{"US", NULL, NULL, "Lattice Encrypt", "E6"},
     "e6.lattice.example",
     0,
     FIXED_KEY_P384,
     true,
     false,
     90,
     16},
    {{"US", NULL, NULL, "Northwind Trust LLC", "NR2"},
     "nr2.northwind.example",
     1,
     FIXED_KEY_P256,
     true,
     false,
     90,
     12},
    {{"US", NULL, NULL, "Bluecloud", "Bluecloud RSA 2048 M03"},
     "m03.bluecloud.example",
     1,
     FIXED_KEY_RSA2048,
     false,
     false,
     396,
     7},
    {{"GB", "Greater Manchester", "Salford", "Harbour CA Limited",
      "Harbour RSA Domain Validation Secure Server CA"},
     "harbour.example",
     2,
     FIXED_KEY_RSA2048,
     false,
     false,
     365,
     4},
    {{"BE", NULL, NULL, "Meridian nv-sa", "Meridian RSA OV SSL CA 2018"},
     "ov.meridian.example",
     2,
     FIXED_KEY_RSA2048,
     false,
     true,
     397,
     3},
};

// points_fill writes x and y of G, 2G, ... from a start of the seed's.
static void points_fill(uint8_t *out, size_t num, size_t len, int curve,
                        struct random *random)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(curve);
    EC_POINT *point = EC_POINT_new(group);
    BIGNUM *x = BN_new(), *y = BN_new(), *start = BN_new();
    BN_CTX *ctx = BN_CTX_new();

    if (!BN_set_word(start, random_next(random) >> 8 | 1) ||
        !EC_POINT_mul(group, point, start, NULL, NULL, ctx)) {
        abort();
    }
    for (size_t i = 0; i < num; i++, out += 2 * len) {
        if (!EC_POINT_get_affine_coordinates_GFp(group, point, x, y, ctx) ||
            !BN_bn2bin_padded(out, len, x) ||
            !BN_bn2bin_padded(out + len, len, y) ||
            !EC_POINT_add(group, point, point, EC_GROUP_get0_generator(group),
                          ctx)) {
            abort();
        }
    }
    BN_free(x);
    BN_free(y);
    BN_free(start);
    BN_CTX_free(ctx);
    EC_POINT_free(point);
    EC_GROUP_free(group);
}

struct world *world_new(uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);
    struct random random = random_for(seed, "points", 0);

    if (world == NULL) return NULL;
    world->seed = seed;
    points_fill(world->p256[0], WORLD_P256_KEYS, 32, NID_X9_62_prime256v1,
                &random);
    points_fill(world->p384[0], WORLD_P384_KEYS, 48, NID_secp384r1, &random);
    for (unsigned i = 0; i < WORLD_ROOTS; i++) {
        world->roots[i].name = root_names[i];
        authority_init(&world->roots[i], FIXED_KEY_P384, true, seed,
                       root_names[i].common_name);
    }
    for (unsigned i = 0; i < WORLD_ISSUERS; i++) {
        world->issuers[i].name = issuers[i].name;
        world->issuers[i].host = issuers[i].host;
        world->issuers[i].validated = issuers[i].validated;
        world->issuers[i].parent = &world->roots[issuers[i].root];
        authority_init(&world->issuers[i], issuers[i].kind, issuers[i].real,
                       seed, issuers[i].host);
    }
    return world;
}

void world_free(struct world *world)
{
    if (world == NULL) return;
    for (unsigned i = 0; i < WORLD_ROOTS; i++) {
        authority_cleanup(&world->roots[i]);
    }
    for (unsigned i = 0; i < WORLD_ISSUERS; i++) {
        authority_cleanup(&world->issuers[i]);
    }
    free(world);
}

struct world_place world_place(const struct world *world, uint64_t number)
{
    uint64_t block = number / WORLD_BLOCK;
    struct random random = random_for(world->seed, "plan", block);
    uint8_t order[WORLD_BLOCK];
    uint8_t slot;

    for (uint8_t i = 0; i < WORLD_BLOCK; i++) {
        uint8_t other = (uint8_t)random_below(&random, i + 1u);

        order[i] = order[other];
        order[other] = i;
    }
    slot = order[number % WORLD_BLOCK];
    return (struct world_place){
        .issuance = block * WORLD_ISSUANCES + slot % WORLD_ISSUANCES,
        .precert = slot < WORLD_ISSUANCES,
    };
}

// number_of_names is 1.9 on the average.
static unsigned number_of_names(struct random *random)
{
    uint64_t part = random_below(random, 10000);

    if (part < 5200) return 1;
    if (part < 8800) return 2;
    if (part < 9500) return 3;
    if (part < 9820) return 4 + (unsigned)random_below(random, 3);
    if (part < 9970) return 7 + (unsigned)random_below(random, 9);
    if (part < 9995) return 16 + (unsigned)random_below(random, 45);
    return 61 + (unsigned)random_below(random, 40);
}

// site_domain names a site's registered domain.
static void site_domain(const struct world *world, uint64_t site,
                        char out[ISSUANCE_NAME_SIZE])
{
    static const char *const syllables[] = {
        "ba",  "ko",  "mi", "ra",   "to", "le",  "sun", "net", "vi",  "do",
        "pan", "gre", "lu", "shop", "ne", "co",  "tek", "ma",  "fi",  "ster",
        "web", "pro", "al", "un",   "ge", "bel", "ri",  "hau", "mon", "sy"};
    static const char *const endings[] = {
        "com", "com",    "com",    "com",   "com",     "net",
        "org", "de",     "de",     "co.uk", "nl",      "fr",
        "it",  "hr",     "com.br", "io",    "co.jp",   "pl",
        "xyz", "shop",   "online", "info",  "eu",      "example",
        "in",  "com.au", "ch",     "dev",   "xn--p1ai"};
    struct random random = random_for(world->seed, "site", site);
    unsigned num = 2 + (unsigned)random_below(&random, 3);
    size_t len = 0;

    for (unsigned i = 0; i < num; i++) {
        len += (size_t)snprintf(
            out + len, ISSUANCE_NAME_SIZE - len, "%s",
            syllables[random_below(&random, COUNT_OF(syllables))]);
    }
    if (random_below(&random, 3) == 0) {
        len += (size_t)snprintf(out + len, ISSUANCE_NAME_SIZE - len, "%u",
                                (unsigned)random_below(&random, 1000));
    }
    (void)snprintf(out + len, ISSUANCE_NAME_SIZE - len, ".%s",
                   endings[random_below(&random, COUNT_OF(endings))]);
}

static void add_joined(struct issuance *out, const char *label,
                       const char *domain)
{
    char name[ISSUANCE_NAME_SIZE];

    (void)snprintf(name, sizeof name, "%.30s.%.45s", label, domain);
    issuance_add_name(out, name);
}

// site_names gives a site the same names at every renewal.
static void site_names(const struct world *world, uint64_t site,
                       struct issuance *out)
{
    static const char *const labels[] = {
        "www",     "mail",    "api",           "cdn",
        "dev",     "shop",    "app",           "autodiscover",
        "cpanel",  "webmail", "webdisk",       "cpcontacts",
        "m",       "blog",    "static",        "vpn",
        "staging", "_dmarc",  "xn--bcher-kva", "WWW"};
    struct random random = random_for(world->seed, "names", site);
    unsigned num = number_of_names(&random);
    uint64_t style = random_below(&random, 100);
    unsigned which;
    char domain[ISSUANCE_NAME_SIZE], label[32];

    site_domain(world, site, domain);
    if (style < 20) { // a subdomain on its own
        which = (unsigned)random_below(&random, COUNT_OF(labels));
        (void)snprintf(label, sizeof label, "%s%u", labels[which],
                       (unsigned)random_below(&random, 40));
        add_joined(out, label, domain);
    } else if (style < 28) {
        add_joined(out, "*", domain);
    } else {
        issuance_add_name(out, domain);
    }
    for (unsigned i = 1; i < num; i++) {
        if (style < 28 && i == 1) {
            issuance_add_name(out, domain);
        } else if (style < 85 && i <= COUNT_OF(labels)) {
            add_joined(out, labels[i - 1], domain);
        } else if (style < 93) {
            (void)snprintf(label, sizeof label, "host%u", i);
            add_joined(out, label, domain);
        } else { // several sites in one certificate
            site_domain(world, random_next(&random) % (site + 1000), domain);
            issuance_add_name(out, domain);
        }
    }
}

// add_addresses gives few sites an address, and some of them nothing else.
static void add_addresses(const struct world *world, uint64_t site,
                          struct issuance *out)
{
    struct random random = random_for(world->seed, "addresses", site);
    uint64_t part = random_below(&random, 1000);
    unsigned n[8];
    char text[48];

    if (part >= 8) return;
    // One call each: arguments are evaluated in any order.
    for (size_t i = 0; i < COUNT_OF(n); i++) {
        n[i] = (unsigned)random_below(&random, 65536);
    }
    (void)snprintf(text, sizeof text, "%u.%u.%u.%u", 20 + n[0] % 180,
                   n[1] % 256, n[2] % 256, 1 + n[3] % 254);
    if (part < 6) issuance_add_address(out, text);
    if (part < 2) out->spec.num_dns = 0;
    if (part < 4) return;
    (void)snprintf(text, sizeof text, "2a0%x:%x:%x::%x", n[4] % 16, n[5], n[6],
                   1 + n[7] % 65535);
    issuance_add_address(out, text);
}

static void set_subject(struct issuance *out, struct random *random,
                        uint64_t site)
{
    static const char *const towns[] = {"Zagreb", "Berlin", "Utrecht", "Lyon",
                                        "San Francisco"};
    static const char *const countries[] = {"HR", "DE", "NL", "FR", "US"};
    struct certgen_name *subject = &out->spec.subject;
    const char *first = out->spec.num_dns > 0 ? out->dns[0] : NULL;
    bool none = random_below(random, 100) < 22;

    if (first != NULL && (!none || out->authority->validated) &&
        strlen(first) <= 64) { // ub-common-name
        (void)snprintf(out->common_name, sizeof out->common_name, "%s", first);
        subject->common_name = out->common_name;
    }
    if (out->authority->validated) {
        size_t town = site % COUNT_OF(towns);

        (void)snprintf(out->organization, sizeof out->organization,
                       "Firma Nr. %u d.o.o.", (unsigned)(site % 100000));
        subject->country = countries[town];
        subject->state = towns[town];
        subject->locality = towns[town];
        subject->organization = out->organization;
    }
}

static void set_key(const struct world *world, struct issuance *out,
                    struct random *random)
{
    static const char p256[] =
        "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86"
        "\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
    static const char p384[] =
        "\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81"
        "\x04\x00\x22\x03\x62\x00\x04";
    uint64_t part = random_below(random, 100);
    size_t len;

    if (part < 45) {
        len = sizeof p256 - 1;
        memcpy(out->spki, p256, len);
        memcpy(out->spki + len,
               world->p256[random_below(random, WORLD_P256_KEYS)], 64);
        len += 64;
    } else if (part < 52) {
        len = sizeof p384 - 1;
        memcpy(out->spki, p384, len);
        memcpy(out->spki + len,
               world->p384[random_below(random, WORLD_P384_KEYS)], 96);
        len += 96;
    } else {
        len = issuance_rsa_spki(out->spki, random, part < 96 ? 2048 : 4096);
    }
    out->spec.spki = bytes_of(out->spki, len);
}

void world_issue(const struct world *world, uint64_t number, int64_t now,
                 struct issuance *out)
{
    struct random random = random_for(world->seed, "issuance", number);
    // Half of what is issued at any time renews an older site.
    uint64_t site = random_below(&random, number + 1);
    unsigned issuer = 0;
    uint64_t part;

    if (site > number / 2) site = number;
    part = random_for(world->seed, "issuer", site).state[0] % 100;
    while (part >= issuers[issuer].weight) {
        part -= issuers[issuer++].weight;
    }
    issuance_begin(out, &world->issuers[issuer], number);
    random_fill(&random, out->serial, ISSUANCE_SERIAL_LEN);
    out->serial[0] = (uint8_t)(out->serial[0] >> 1 | 1);
    out->spec.not_before = now - 3600 + (int64_t)random_below(&random, 60);
    out->spec.not_after =
        out->spec.not_before + issuers[issuer].days * 86400 - 1;
    out->spec.ct_at = (unsigned)random_below(&random, 10);
    site_names(world, site, out);
    add_addresses(world, site, out);
    set_subject(out, &random, site);
    set_key(world, out, &random);
    if (random_below(&random, 50) != 0) { // else the SCTs come by TLS
        issuance_add_scts(out, &random, 2 + (unsigned)(number % 5 == 0));
    }
    out->signatures = random;
}
