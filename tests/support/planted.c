// planted.c - see planted.h.

#include "tests/support/planted.h"

#include <arpa/inet.h>
#include <unistd.h>

static const char *const log_names[PLANTED_LOGS] = {"amber log", "birch log"};

static void make_authorities(struct planted *planted)
{
    static const struct certgen_name names[PLANTED_CAS] = {
        [CA_AMBER] = {.country = "NZ", .common_name = "Amber CA"},
        [CA_BIRCH] = {.country = "IS",
                      .organization = "Birch, Ltd.",
                      .common_name = "Birch CA"},
        [CA_ROGUE] = {.country = "NZ", .common_name = "Amber CA"},
    };

    for (unsigned i = 0; i < PLANTED_CAS; i++) {
        planted->cas[i].name = names[i];
        authority_init(&planted->cas[i], FIXED_KEY_P256, true, i + 1,
                       "planted");
    }
}

static void make_log(struct planted *planted, size_t number, uint64_t room)
{
    struct made_log *log = &planted->logs[number];
    struct err err = {0};

    log->signer = signer_new_p256();
    (void)snprintf(log->log.name, sizeof log->log.name, "%s",
                   log_names[number]);
    (void)snprintf(log->log.url, sizeof log->log.url, "http://127.0.0.1/");
    // No key has it: so that logs sort alike in every run.
    log->log.id = sha256(signer_key(log->signer));
    log->log.id.bytes[0] = (uint8_t)number;
    log->log.api = LOG_API_RFC6962;
    log->log.keep = KEEP_FULL;
    log->log.mmd_seconds = 86400;
    log->leaves = calloc(room, sizeof *log->leaves);
    log->precerts = calloc(room, sizeof *log->precerts);
    log->hashes = calloc(room, sizeof *log->hashes);
    assert_true(log->leaves && log->precerts && log->hashes);
    for (size_t i = 0; i < 2; i++) {
        const struct authority *ca = &planted->cas[number];

        buffer_append(&log->issuers[i], buffer_bytes(&ca->certificate));
        log->chain[i] = ca->fingerprint;
    }
    if (!index_add_log(planted->index, &log->log, signer_key(log->signer),
                       &err) ||
        !index_add_issuer(planted->index, buffer_bytes(&log->issuers[0]),
                          &err)) {
        fail_msg("%s", err.text);
    }
}

void planted_open(struct planted *planted, uint64_t room)
{
    struct err err = {0};

    *planted = (struct planted){.next_id = 1};
    folder_make(planted->folder);
    if (!index_open(&planted->index, planted->folder, INDEX_WRITE, &err)) {
        fail_msg("%s", err.text);
    }
    make_authorities(planted);
    for (size_t i = 0; i < PLANTED_LOGS; i++) {
        make_log(planted, i, room);
    }
}

void planted_close(struct planted *planted)
{
    index_close(planted->index);
    for (size_t i = 0; i < PLANTED_LOGS; i++) {
        made_log_free(&planted->logs[i]);
    }
    for (size_t i = 0; i < PLANTED_CAS; i++) {
        authority_cleanup(&planted->cas[i]);
    }
    folder_remove(planted->folder);
}

// A description for certgen; `octets` holds the addresses.
static void describe(struct certgen_spec *spec, const struct planted_cert *cert,
                     const struct authority *ca, const char **dns,
                     uint8_t octets[PLANTED_NAMES_MAX][16],
                     struct bytes *addresses, uint8_t serial[4])
{
    for (size_t i = 0; i < PLANTED_NAMES_MAX && cert->names[i]; i++) {
        uint8_t *to = octets[spec->num_addresses];

        if (inet_pton(AF_INET, cert->names[i], to) == 1) {
            addresses[spec->num_addresses++] = bytes_of(to, 4);
        } else if (inet_pton(AF_INET6, cert->names[i], to) == 1) {
            addresses[spec->num_addresses++] = bytes_of(to, 16);
        } else {
            dns[spec->num_dns++] = cert->names[i];
        }
    }
    bytes_put_uint(serial, cert->serial, 4);
    spec->dns = dns;
    spec->addresses = addresses;
    spec->issuer = buffer_bytes(&ca->name_der);
    spec->subject.common_name = cert->common_name;
    spec->serial = bytes_of(serial, 4);
    spec->not_before = cert->not_before;
    spec->not_after = cert->not_after;
    spec->spki = buffer_bytes(&ca->key->spki);
    spec->algorithm = CERTGEN_ECDSA_SHA256;
}

static void hash_leaf(struct made_log *log, uint64_t index)
{
    struct buffer hashed = {0};

    buffer_append_byte(&hashed, 0);
    buffer_append(&hashed, buffer_bytes(&log->leaves[index]));
    log->hashes[index] = sha256(buffer_bytes(&hashed));
    buffer_cleanup(&hashed);
}

void planted_add(struct planted *planted, size_t log_number,
                 const struct planted_cert *cert, bool precert,
                 uint64_t timestamp_ms)
{
    struct made_log *log = &planted->logs[log_number];
    const struct authority *ca = &planted->cas[cert->ca];
    struct certgen_spec spec = {0};
    const char *dns[PLANTED_NAMES_MAX];
    uint8_t octets[PLANTED_NAMES_MAX][16], serial[4];
    struct bytes addresses[PLANTED_NAMES_MAX];
    struct leaf leaf = {.timestamp_ms = timestamp_ms};
    struct buffer logged = {0};
    uint64_t index = log->num++;

    describe(&spec, cert, ca, dns, octets, addresses, serial);
    if (precert) {
        certgen_tbs(&logged, &spec, CERTGEN_LOGGED);
        certgen_signed(&log->precerts[index], &spec, CERTGEN_PRECERT, ca->key);
        leaf.type = LEAF_PRECERT;
        leaf.issuer_key_hash = sha256_bytes(&ca->spki_id);
    } else {
        certgen_signed(&logged, &spec, CERTGEN_FINAL, ca->key);
        leaf.type = LEAF_X509;
    }
    leaf.certificate = buffer_bytes(&logged);
    leaf_append(&log->leaves[index], &leaf);
    hash_leaf(log, index);
    buffer_cleanup(&logged);
}

void planted_rehash(struct planted *planted, size_t log)
{
    hash_leaf(&planted->logs[log], planted->logs[log].num - 1);
}

uint64_t planted_append(struct planted *planted, size_t number)
{
    struct made_log *log = &planted->logs[number];
    uint64_t first = planted->appended[number], id = planted->next_id;
    struct err err = {0};

    if (!made_log_append(log, planted->index, first, log->num, log->num,
                         &err)) {
        fail_msg("%s", err.text);
    }
    planted->appended[number] = log->num;
    planted->next_id += log->num - first;
    return id;
}

struct snapshot *planted_snapshot(const struct planted *planted)
{
    struct snapshot *snapshot;
    struct err err = {0};

    if (!snapshot_open(&snapshot, planted->index, &err)) {
        fail_msg("%s", err.text);
    }
    return snapshot;
}
