// corpus_site.c - see corpus_site.h.

#include "bench/corpus_site.h"

#include <stdio.h>

enum {
    WINDOWS = 5, // of 15 days: a site moves inside one, so 75 +- 15
    RENEW_DAYS = 75,
    LIFE_MAX = 6, // renewals of a site
    // Sites of 1,000; the rest is ordinary.
    KIND_FAMILY = 100,
    KIND_PLATFORM = 150,
    KIND_ADDRESS = 160,
    DNS_NAME = 0x82,
    IP_ADDRESS = 0x87,
};

struct site_plan site_plan_of(uint64_t seed, uint64_t issuances)
{
    uint64_t window = issuances * RENEW_DAYS / CORPUS_DAYS / WINDOWS + 1;

    return (struct site_plan){seed, window, window * WINDOWS};
}

void site_of(struct site *site, const struct site_plan *plan, uint64_t issuance)
{
    // Primes above any window: k * prime + b runs through all of it.
    static const uint64_t primes[] = {2654435761, 4294967291, 3266489917,
                                      2246822519, 4294967279};
    uint64_t cycle = issuance / plan->renewed;
    uint64_t place = issuance % plan->renewed;
    uint64_t k = place % plan->window;
    uint64_t number, hash, life;

    k = (k * primes[cycle % COUNT_OF(primes)] + cycle * 40503) % plan->window;
    number = place / plan->window * plan->window + k;
    hash = stream_mix(plan->seed ^ stream_mix(number + 1));
    life = 1 + hash % LIFE_MAX;
    site->kind = (hash >> 20) % 1000;
    site->number = stream_mix(hash + (cycle + (hash >> 8) % life) / life);
}

// ------------------------------------------------------------ names

static char *put_text(char *out, const char *text)
{
    size_t len = strlen(text);

    memcpy(out, text, len);
    return out + len;
}

static char *put_number(char *out, unsigned number)
{
    char digits[10];
    size_t len = 0;

    do {
        digits[len++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (len > 0) {
        *out++ = digits[--len];
    }
    return out;
}

static char *put_random(char *out, struct stream *stream, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint64_t word = stream_next(stream);

    for (size_t i = 0; i < len; i++) {
        *out++ = letters[word >> 5 * (i % 12) & 31];
    }
    return out;
}

// A registered domain.
static char *put_domain(char *out, struct stream *stream)
{
    static const char syllables[][5] = {
        "ba",  "ko",  "mi",  "ra",   "to",  "le",   "sun", "net",
        "vi",  "do",  "pan", "gre",  "lu",  "shop", "ne",  "co",
        "tek", "ma",  "fi",  "ster", "web", "pro",  "al",  "un",
        "ge",  "bel", "ri",  "hau",  "mon", "sy",   "ka",  "zen"};
    static const char endings[][8] = {
        ".com",    ".com", ".com", ".com",   ".com",    ".com",  ".com",
        ".com",    ".com", ".com", ".net",   ".net",    ".org",  ".org",
        ".de",     ".de",  ".uk",  ".co.uk", ".nl",     ".fr",   ".it",
        ".com.br", ".io",  ".pl",  ".xyz",   ".online", ".shop", ".com.au",
        ".info",   ".eu",  ".ch",  ".dev"};
    uint64_t word = stream_next(stream);
    unsigned num = 3 + (unsigned)(word >> 60) % 3;

    for (unsigned i = 0; i < num; i++, word >>= 5) {
        out = put_text(out, syllables[word & 31]);
    }
    if ((word & 3) == 0) out = put_number(out, (unsigned)(word >> 2 & 1023));
    return put_text(out, endings[word >> 12 & 31]);
}

// Takes a name, from `name` to `end`, into the list.
static void add_name(struct site *site, const char *name, const char *end)
{
    uint8_t *out = site->san + site->san_len;
    size_t len = (size_t)(end - name);

    if (site->san_len == 0) site->first_len = len;
    *out++ = DNS_NAME;
    *out++ = (uint8_t)len; // below 128: CORPUS_NAME_SIZE
    memcpy(out, name, len);
    site->san_len += 2 + len;
}

static void add_joined(struct site *site, const char *label, unsigned number,
                       const char *domain, const char *end)
{
    char name[CORPUS_NAME_SIZE], *at = put_text(name, label);

    if (number != 0) at = put_number(at, number);
    *at++ = '.';
    memcpy(at, domain, (size_t)(end - domain));
    add_name(site, name, at + (end - domain));
}

static unsigned number_of_names(struct stream *stream)
{
    uint64_t part = stream_below(stream, 10000);

    if (part < 5200) return 1;
    if (part < 8800) return 2;
    if (part < 9500) return 3;
    if (part < 9820) return 4 + (unsigned)stream_below(stream, 3);
    if (part < 9970) return 7 + (unsigned)stream_below(stream, 9);
    if (part < 9995) return 16 + (unsigned)stream_below(stream, 45);
    return 61 + (unsigned)stream_below(stream, SITE_NAMES_MAX - 60);
}

static const char *const labels[] = {
    "www",   "mail", "api",  "cdn",     "dev",     "shop",       "app", "m",
    "blog",  "vpn",  "auth", "cpanel",  "webmail", "cpcontacts", "git", "wiki",
    "stage", "img",  "db",   "webdisk", "admin",   "portal",     "dns", "test"};

static void lone_subdomain(struct site *site, struct stream *stream,
                           const char *domain, const char *end)
{
    uint64_t word = stream_next(stream);
    const char *label = labels[word % COUNT_OF(labels)];
    char name[CORPUS_NAME_SIZE], *at;

    if ((word >> 32 & 1) == 0) {
        add_joined(site, label, (unsigned)(word >> 40) % 40, domain, end);
        return;
    }
    at = put_random(name, stream, 6 + (word >> 33) % 5);
    *at++ = '.';
    at = put_text(at, label);
    *at++ = '.';
    memcpy(at, domain, (size_t)(end - domain));
    add_name(site, name, at + (end - domain));
}

static void ordinary_names(struct site *site, struct stream *stream)
{
    unsigned num = number_of_names(stream);
    uint64_t style = stream_below(stream, 100);
    char domain[CORPUS_NAME_SIZE], *end = put_domain(domain, stream);

    if (style < 20) {
        lone_subdomain(site, stream, domain, end);
    } else if (style < 28) {
        add_joined(site, "*", 0, domain, end);
    } else {
        add_name(site, domain, end);
    }
    for (unsigned i = 1; i < num; i++) {
        if (style < 28 && i == 1) {
            add_name(site, domain, end);
        } else if (style < 85 && i <= COUNT_OF(labels)) {
            add_joined(site, labels[i - 1], 0, domain, end);
        } else if (style < 93) {
            add_joined(site, "host", i, domain, end);
        } else { // several sites in one certificate
            end = put_domain(domain, stream);
            add_name(site, domain, end);
        }
    }
}

// Number 0 of eight with half, 1 with a quarter, and so on.
static unsigned heavy_rank(struct stream *stream)
{
    uint64_t word = stream_next(stream) | 1 << (CORPUS_HEAVY - 1);

    return (unsigned)__builtin_ctzll(word);
}

static void add_address(struct site *site, struct stream *stream)
{
    uint8_t octets[16], *out;
    size_t len = stream_below(stream, 10) < 6 ? 4 : 16;
    unsigned rank = heavy_rank(stream);

    stream_fill(stream, octets, sizeof octets);
    if (len == 4) {
        octets[0] = (uint8_t)(20 + octets[0] % 180);
        if (octets[4] % 2 == 0) { // crowded: corpus_heavy_name
            octets[0] = 198;
            octets[1] = 51;
            octets[2] = (uint8_t)(100 + rank);
        }
    } else {
        memcpy(octets, "\x2a\x06\x98", 3);
        if (octets[15] % 2 == 0) {
            memcpy(octets, "\x2a\x06\x98\xc0\x00", 5);
            octets[5] = (uint8_t)rank;
            memset(octets + 8, 0, 6);
        }
    }
    out = site->san + site->san_len;
    out[0] = IP_ADDRESS;
    out[1] = (uint8_t)len;
    memcpy(out + 2, octets, len);
    site->san_len += 2 + len;
}

void corpus_heavy_name(enum corpus_heavy kind, unsigned rank,
                       char out[CORPUS_NAME_SIZE])
{
    static const char *const forms[] = {
        "shared.cdn%u.example.net",
        "apps%u.example.com",
        "198.51.%u.0",
        "2a06:98c0:%x::",
    };

    if (kind == CORPUS_IPV4_24) rank += 100;
    (void)snprintf(out, CORPUS_NAME_SIZE, forms[kind], rank);
}

void site_names(struct site *site)
{
    struct stream stream = {site->number};
    char name[CORPUS_NAME_SIZE], *at = name;

    site->san_len = site->first_len = 0;
    if (site->kind < KIND_FAMILY) {
        add_name(site, name, put_domain(name, &stream));
        at = put_text(name, "shared.cdn");
        at = put_number(at, heavy_rank(&stream));
        add_name(site, name, put_text(at, ".example.net"));
    } else if (site->kind < KIND_PLATFORM) {
        at = put_random(name, &stream, 8 + stream_below(&stream, 5));
        at = put_text(at, ".apps");
        at = put_number(at, heavy_rank(&stream));
        add_name(site, name, put_text(at, ".example.com"));
    } else if (site->kind < KIND_ADDRESS) {
        if (stream_below(&stream, 2) == 0) {
            add_name(site, name, put_domain(name, &stream));
        }
        add_address(site, &stream);
    } else {
        ordinary_names(site, &stream);
    }
}
