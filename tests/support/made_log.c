// made_log.c - see made_log.h.

#include "tests/support/made_log.h"

#include "tests/support/make_der.h"

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

enum { PARTS_MAX = 3 };

static void add_dns(struct buffer *names, const char *format, uint64_t number)
{
    char text[64];

    (void)snprintf(text, sizeof text, format, (unsigned long long)number);
    make_element(names, 0x82, bytes_from_text(text));
}

static void make_names(struct buffer *names, const char *name, uint64_t index)
{
    uint64_t random = mix(index + 1) ^ mix(strlen(name));

    add_dns(names, "common.example", 0);
    add_dns(names, "h%llu.hosts.example", random % 7);
    add_dns(names, "e%llu.own.example", index);
    if (random % 3 == 0) add_dns(names, "*.w%llu.example", random % 5);
    if (random % 4 == 0) {
        uint8_t address[4] = {192, 0, 2, (uint8_t)(random >> 8)};

        make_element(names, 0x87, bytes_of(address, sizeof address));
    }
}

static void make_extensions(struct buffer *out, const char *name,
                            uint64_t index, bool poison)
{
    static const uint8_t null[] = {5, 0};
    struct buffer names = {0};

    make_names(&names, name, index);
    make_san(out, buffer_bytes(&names));
    if (poison) {
        make_extension(out, "2b06010401d679020403",
                       bytes_of(null, sizeof null));
    }
    buffer_cleanup(&names);
}

static void make_leaf(struct made_log *log, uint64_t index)
{
    struct buffer extensions = {0}, poisoned = {0}, cert = {0};
    struct make_cert what = {.issuer = "Made CA 0"};
    struct leaf leaf = {.timestamp_ms = 1700000000000 + index * 1000};

    make_extensions(&extensions, log->log.name, index, false);
    make_extensions(&poisoned, log->log.name, index, true);
    what.extensions = buffer_bytes(&extensions);
    if (index % 3 == 1) {
        make_tbs(&cert, &what);
        leaf.type = LEAF_PRECERT;
        leaf.issuer_key_hash = sha256_bytes(&log->key_hash);
        what.extensions = buffer_bytes(&poisoned);
        make_certificate(&log->precerts[index], &what);
    } else {
        leaf.type = LEAF_X509;
        make_certificate(&cert, &what);
        if (index % 50 == 17) cert.len -= 3; // cannot be read whole
    }
    leaf.certificate = buffer_bytes(&cert);
    leaf_append(&log->leaves[index], &leaf);
    buffer_cleanup(&extensions);
    buffer_cleanup(&poisoned);
    buffer_cleanup(&cert);
}

void made_log_new(struct made_log *log, const char *name, uint64_t num)
{
    struct cert issuer;

    *log = (struct made_log){.num = num, .signer = signer_new_p256()};
    (void)snprintf(log->log.name, sizeof log->log.name, "%s", name);
    (void)snprintf(log->log.url, sizeof log->log.url, "https://%s/", name);
    log->log.id = sha256(signer_key(log->signer));
    log->log.api = LOG_API_RFC6962;
    log->log.keep = KEEP_FULL;
    log->log.mmd_seconds = 86400;
    log->leaves = calloc(num + 1, sizeof *log->leaves);
    log->precerts = calloc(num + 1, sizeof *log->precerts);
    log->hashes = calloc(num + 1, sizeof *log->hashes);
    assert_true(log->leaves != NULL && log->precerts != NULL &&
                log->hashes != NULL);
    for (unsigned i = 0; i < 2; i++) {
        char cn[32];
        struct buffer rdn = {0};
        struct make_cert what = {0};

        (void)snprintf(cn, sizeof cn, "Made CA %u", i);
        make_rdn(&rdn, 3, 0x0c, bytes_from_text(cn));
        what.subject = buffer_bytes(&rdn);
        make_certificate(&log->issuers[i], &what);
        log->chain[i] = sha256(buffer_bytes(&log->issuers[i]));
        buffer_cleanup(&rdn);
    }
    CHECK(cert_parse(&issuer, buffer_bytes(&log->issuers[0]),
                     CERT_FORM_CERTIFICATE, NULL));
    log->key_hash = sha256(issuer.spki);
    for (uint64_t i = 0; i < num; i++) {
        uint8_t prefix = 0;
        struct buffer hashed = {0};

        make_leaf(log, i);
        buffer_append_byte(&hashed, prefix);
        buffer_append(&hashed, buffer_bytes(&log->leaves[i]));
        log->hashes[i] = sha256(buffer_bytes(&hashed));
        buffer_cleanup(&hashed);
    }
}

void made_log_free(struct made_log *log)
{
    for (uint64_t i = 0; i < log->num; i++) {
        buffer_cleanup(&log->leaves[i]);
        buffer_cleanup(&log->precerts[i]);
    }
    free(log->leaves);
    free(log->precerts);
    free(log->hashes);
    buffer_cleanup(&log->issuers[0]);
    buffer_cleanup(&log->issuers[1]);
    signer_free(log->signer);
}

void made_log_entry(const struct made_log *log, uint64_t index,
                    struct entry *entry, struct arena *arena)
{
    struct entry_bytes bytes = {
        .index = index,
        .leaf = buffer_bytes(&log->leaves[index]),
        .precert = buffer_bytes(&log->precerts[index]),
        .chain = log->chain,
        .num_chain = index % 3 == 2 ? 1 : 2,
    };

    assert_true(entry_understand(entry, &bytes, arena));
}

// MTH of RFC 6962 section 2.1 over [first, end).
static struct sha256_hash tree(const struct made_log *log, uint64_t first,
                               uint64_t end)
{
    struct sha256_hash left, right;
    uint8_t node[1 + 2 * SHA256_LEN] = {1};
    uint64_t k = 1;

    if (first == end) return sha256((struct bytes){0});
    if (end - first == 1) return log->hashes[first];
    while (k * 2 < end - first) {
        k *= 2;
    }
    left = tree(log, first, first + k);
    right = tree(log, first + k, end);
    memcpy(node + 1, left.bytes, SHA256_LEN);
    memcpy(node + 1 + SHA256_LEN, right.bytes, SHA256_LEN);
    return sha256(bytes_of(node, sizeof node));
}

struct sha256_hash made_log_root(const struct made_log *log, uint64_t size)
{
    return tree(log, 0, size);
}

// The subtrees right of `end` in the tree over [first, last), lowest first.
static void add_right(const struct made_log *log, uint64_t first, uint64_t last,
                      uint64_t end, struct merkle_proof *right)
{
    uint64_t k = 1;

    if (end >= last) return;
    while (k * 2 < last - first) {
        k *= 2;
    }
    if (end > first + k) {
        add_right(log, first + k, last, end, right);
        return;
    }
    add_right(log, first, first + k, end, right);
    right->nodes[right->num_nodes++] = tree(log, first + k, last);
}

void made_log_proof(const struct made_log *log, uint64_t first, uint64_t end,
                    uint64_t size, struct chunk_proof *proof,
                    struct buffer *served)
{
    uint64_t at = 0;
    size_t num = 0;

    *proof = (struct chunk_proof){0};
    proof->left.size = first;
    for (int bit = 63; bit >= 0; bit--) {
        uint64_t each = UINT64_C(1) << bit;

        if ((first & each) == 0) continue;
        proof->left.nodes[num++] = tree(log, at, at + each);
        at += each;
    }
    add_right(log, 0, size, end, &proof->right);
    proof->head.kind = HEAD_STH;
    proof->head.size = size;
    proof->head.timestamp_ms = 1700000000000 + size;
    proof->head.root = tree(log, 0, size);
    buffer_reset(served);
    signer_sth(log->signer, served, proof->head.timestamp_ms, size,
               &proof->head.root);
    proof->head.served = buffer_bytes(served);
}

static void fill_chunk(const struct made_log *log, struct chunk *chunk,
                       uint64_t first, uint64_t end)
{
    struct arena arena = {0};

    chunk_reset(chunk, &log->log, first);
    for (uint64_t i = first; i < end; i++) {
        struct entry entry;

        made_log_entry(log, i, &entry, &arena);
        assert_true(chunk_add(chunk, &entry, NULL));
        arena_reset(&arena);
    }
    arena_cleanup(&arena);
}

// Every other range comes in parts that are proven as one.
bool made_log_append(const struct made_log *log, struct index *index,
                     uint64_t first, uint64_t end, uint64_t size,
                     struct err *err)
{
    struct chunk *chunks[PARTS_MAX];
    struct buffer served = {0};
    struct chunk_proof proof;
    uint64_t num = first % 2 == 0 || end - first < PARTS_MAX ? 1 : PARTS_MAX;
    bool ok;

    made_log_proof(log, first, end, size, &proof, &served);
    for (uint64_t i = 0; i < num; i++) {
        assert_true(chunk_new(&chunks[i], err));
        fill_chunk(log, chunks[i], first + (end - first) * i / num,
                   first + (end - first) * (i + 1) / num);
    }
    proof.num_parts = (size_t)num;
    ok = index_append(index, chunks, &proof, 1, err);
    for (uint64_t i = 0; i < num; i++) {
        chunk_free(chunks[i]);
    }
    buffer_cleanup(&served);
    return ok;
}
