// ctlog_static.c - the files of a static log (C2SP static-ct-api v1.1.0).

#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>

#include "index/base/text.h"
#include "tests/support/ctlog.h"

enum {
    GZIP_LEVEL = 1, // as fast as it can be: the server shares the machine
    LEVELS_MAX = 6,
    NOTE_LINES = 5,
    BOMB_LEN = 256 << 20,
};

void ctlog_gzip(struct bytes bytes, struct buffer *out)
{
    struct libdeflate_compressor *compressor =
        libdeflate_alloc_compressor(GZIP_LEVEL);
    size_t bound;

    if (compressor == NULL) abort();
    bound = libdeflate_gzip_compress_bound(compressor, bytes.len);
    if (!buffer_reserve(out, bound)) abort();
    out->len += libdeflate_gzip_compress(compressor, bytes.data, bytes.len,
                                         out->data + out->len, bound);
    libdeflate_free_compressor(compressor);
}

void ctlog_data_tile(const struct ctlog_view *view, uint64_t from, uint64_t num,
                     struct buffer *out)
{
    const struct faults *faults = &view->log->faults;
    struct ctlog_reader reader = {.view = view};

    for (uint64_t i = from; i < from + num; i++) {
        struct ctlog_entry entry = ctlog_read(&reader, i);
        struct bytes fingerprints =
            buffer_bytes(&view->log->entries.chains[entry.chain].fingerprints);

        buffer_append(out, bytes_of(entry.leaf.data + 2, entry.leaf.len - 2));
        if (faults->on[FAULT_FLIP_DATA] &&
            faults->value[FAULT_FLIP_DATA] == i && buffer_ok(out)) {
            uint64_t bit = faults->bit[FAULT_FLIP_DATA];

            out->data[out->len - (entry.leaf.len - 2) +
                      bit / 8 % (entry.leaf.len - 2)] ^=
                (uint8_t)(1 << bit % 8);
        }
        if (entry.precert.len != 0) {
            buffer_append_uint(out, entry.precert.len, 3);
            buffer_append(out, entry.precert);
        }
        buffer_append_uint(out, fingerprints.len, 2);
        buffer_append(out, fingerprints);
        if (entry.precert.len == 0 && fingerprints.len != 0 &&
            faults->on[FAULT_FLIP_EXTRA] &&
            faults->value[FAULT_FLIP_EXTRA] == i && buffer_ok(out)) {
            uint64_t bit = faults->bit[FAULT_FLIP_EXTRA];

            out->data[out->len - fingerprints.len +
                      bit / 8 % fingerprints.len] ^= (uint8_t)(1 << bit % 8);
        }
    }
    ctlog_reader_cleanup(&reader);
}

// append_bomb appends 256 MiB of zeros, gzipped.
static void append_bomb(struct buffer *out)
{
    uint8_t *zeros = calloc(1, BOMB_LEN);

    if (zeros == NULL) abort();
    ctlog_gzip(bytes_of(zeros, BOMB_LEN), out);
    free(zeros);
}

static void append_packed(const struct ctlog_view *view, uint64_t from,
                          uint64_t num, struct buffer *out)
{
    const struct faults *faults = &view->log->faults;
    struct buffer plain = {0};

    if (faults->on[FAULT_GZIP_BOMB]) {
        append_bomb(out);
        return;
    }
    ctlog_data_tile(view, from, num, &plain);
    if (!buffer_ok(&plain)) abort();
    if (faults->on[FAULT_NO_GZIP]) {
        buffer_append(out, buffer_bytes(&plain));
    } else {
        ctlog_gzip(buffer_bytes(&plain), out);
        // The trailer: CRC32 and length, four bytes each (RFC 1952).
        if (faults->on[FAULT_GZIP_CRC]) out->data[out->len - 8] ^= 1;
        if (faults->on[FAULT_GZIP_CUT]) out->len -= 9;
    }
    buffer_cleanup(&plain);
}

// packed_otherwise tells whether a fault is in how data tiles are packed.
static bool packed_otherwise(const struct faults *faults)
{
    return faults->on[FAULT_NO_GZIP] || faults->on[FAULT_GZIP_CUT] ||
           faults->on[FAULT_GZIP_CRC] || faults->on[FAULT_GZIP_BOMB] ||
           faults->on[FAULT_FLIP_DATA];
}

struct bytes ctlog_full_tile(const struct ctlog_view *view, uint64_t tile,
                             struct buffer *out)
{
    struct ctlog *log = view->log;
    struct ctlog_body *body = atomic_load(&log->bodies[tile]);
    struct ctlog_body *none = NULL;

    if (ctlog_tampered(view, tile * 256, tile * 256 + 256) ||
        packed_otherwise(&log->faults)) {
        append_packed(view, tile * 256, 256, out);
        return (struct bytes){0};
    }
    if (body != NULL) return bytes_of(body->data, body->len);
    append_packed(view, tile * 256, 256, out);
    if (atomic_fetch_add(&log->memory, out->len) + out->len >
            log->options.memory_max ||
        (body = malloc(sizeof *body + out->len)) == NULL) {
        return (struct bytes){0};
    }
    body->len = out->len;
    memcpy(body->data, out->data, out->len);
    if (!atomic_compare_exchange_strong(&log->bodies[tile], &none, body)) {
        free(body); // another thread was as fast
        body = none;
    }
    buffer_reset(out);
    return bytes_of(body->data, body->len);
}

void ctlog_hash_tile(const struct ctlog_view *view, unsigned level,
                     uint64_t tile, uint64_t num, struct buffer *out)
{
    const struct faults *faults = &view->log->faults;
    const struct sha256_hash *hashes =
        view->tree->levels[8 * level] + tile * 256;
    uint64_t flipped = faults->value[FAULT_FLIP_TILE];

    buffer_append(out, bytes_of(hashes, (size_t)num * SHA256_LEN));
    if (!buffer_ok(out)) abort();
    if (faults->on[FAULT_FLIP_TILE] && level == 0 && flipped / 256 == tile &&
        flipped % 256 < num) {
        out->data[flipped % 256 * SHA256_LEN] ^= 1;
    }
    if (faults->on[FAULT_TILE_SHORT]) out->len -= SHA256_LEN;
}

// key_id is the first four bytes of SHA-256(name || LF || type || key).
static void append_key_id(struct buffer *out, const char *name, uint8_t type,
                          struct bytes key)
{
    struct buffer message = {0};
    struct sha256_hash hash;

    buffer_append_text(&message, name);
    buffer_append_byte(&message, '\n');
    buffer_append_byte(&message, type);
    buffer_append(&message, key);
    hash = sha256(buffer_bytes(&message));
    buffer_append(out, bytes_of(hash.bytes, 4));
    buffer_cleanup(&message);
}

static void append_random(struct buffer *out, struct random *random, size_t len)
{
    uint8_t bytes[128];

    random_fill(random, bytes, len);
    buffer_append(out, bytes_of(bytes, len));
}

static void append_line(struct buffer *out, const char *name,
                        struct bytes signature)
{
    buffer_printf(out, "\xe2\x80\x94 %s ", name);
    text_append_base64(out, signature);
    buffer_append_byte(out, '\n');
}

// append_other appends a line that is not the log's signature: grease under
// another name and under its own, and what witnesses add.
static void append_other(struct ctlog *log, unsigned which,
                         struct random *random, struct buffer *out)
{
    struct buffer signature = {0};
    const char *name = log->origin;

    if (which == 0) {
        name = "grease.invalid";
        append_random(&signature, random, 5 + random_below(random, 100));
    } else if (which == 1) {
        append_random(&signature, random, 5 + random_below(random, 20));
    } else if (which == 2) { // an Ed25519 key under the log's own name
        append_key_id(&signature, name, 1, bytes_from_text("not a key"));
        append_random(&signature, random, 64);
    } else {
        name = "witness.example/w1";
        append_key_id(&signature, name, 4, bytes_from_text("not a key"));
        append_random(&signature, random, 72);
    }
    append_line(out, name, buffer_bytes(&signature));
    buffer_cleanup(&signature);
}

void ctlog_checkpoint(const struct ctlog_view *view, struct buffer *out)
{
    struct ctlog *log = view->log;
    struct random random =
        random_for(log->options.seed, "checkpoint", atomic_load(&log->heads));
    const char *suffix = log->faults.on[FAULT_WRONG_ORIGIN] ? "x" : "";
    unsigned ours = (unsigned)random_below(&random, NOTE_LINES);
    unsigned turn = (unsigned)random_below(&random, NOTE_LINES - 1);
    struct buffer signature = {0};
    char origin[CTLOG_TEXT + 1];
    struct ctlog_head head;

    ctlog_tree_head(view, TESTLOG_STATIC, &head);
    (void)snprintf(origin, sizeof origin, "%s%s", log->origin, suffix);
    buffer_printf(out, "%s\n%llu\n", origin, (unsigned long long)head.size);
    text_append_base64(out, sha256_bytes(&head.root));
    buffer_append_text(out, "\n\n");
    append_key_id(&signature, origin, 5,
                  sha256_bytes(&log->keys[TESTLOG_STATIC]->spki_id));
    buffer_append_uint(&signature, head.timestamp_ms, 8);
    buffer_append(&signature, buffer_bytes(&head.signature));
    for (unsigned i = 0; i < NOTE_LINES; i++) {
        if (i == ours) {
            append_line(out, origin, buffer_bytes(&signature));
        } else {
            append_other(log, turn++ % (NOTE_LINES - 1), &random, out);
        }
    }
    buffer_cleanup(&signature);
    buffer_cleanup(&head.signature);
}

void ctlog_tile_path(char out[CTLOG_TEXT], uint64_t tile, uint64_t num)
{
    unsigned groups[7], num_groups = 0;
    size_t len = 0;

    do {
        groups[num_groups++] = (unsigned)(tile % 1000);
        tile /= 1000;
    } while (tile != 0);
    while (num_groups > 0) {
        num_groups--;
        len += (size_t)snprintf(out + len, CTLOG_TEXT - len,
                                num_groups > 0 ? "x%03u/" : "%03u",
                                groups[num_groups]);
    }
    if (num > 0) {
        (void)snprintf(out + len, CTLOG_TEXT - len, ".p/%u", (unsigned)num);
    }
}

// parse_tile reads the path of a tile; only the one spelling of it.
static bool parse_tile(const char *path, uint64_t *tile, uint64_t *width)
{
    const char *partial = strstr(path, ".p/"), *at = path;
    char again[CTLOG_TEXT];
    uint64_t number = 0;

    *width = 0;
    for (; *at != '\0' && at != partial; at++) {
        if (*at >= '0' && *at <= '9') {
            number = number * 10 + (uint64_t)(*at - '0');
        }
        if (number > 1ull << 40) return false;
    }
    if (partial != NULL &&
        (!text_parse_uint(width, bytes_from_text(partial + 3)) || *width == 0 ||
         *width > 255)) {
        return false;
    }
    *tile = number;
    ctlog_tile_path(again, number, *width);
    return strcmp(again, path) == 0;
}

// tile_there tells whether the log has the tile, as full or partial one.
static bool tile_there(const struct ctlog_view *view, unsigned level,
                       uint64_t tile, uint64_t width)
{
    uint64_t at_level = view->size >> 8 * level;
    bool full = tile < at_level / 256;

    if (width == 0) return full;
    if (view->log->faults.on[FAULT_NO_PARTIALS] && full) return false;
    return tile * 256 + width <= at_level &&
           ctlog_was_published(view->log, level, tile, width);
}

static void answer_tile(const struct ctlog_view *view, const char *path,
                        struct serve_answer *answer)
{
    bool data = strncmp(path, "data/", 5) == 0;
    unsigned level = data ? 0 : (unsigned)(path[0] - '0');
    uint64_t tile, width;

    answer->type = "application/octet-stream";
    if (view->log->faults.on[FAULT_NO_TILES] &&
        ctlog_count(view->log, "tile/") >
            view->log->faults.value[FAULT_NO_TILES]) {
        ctlog_refuse(answer, 404, "no tiles");
        return;
    }
    if ((!data && (level >= LEVELS_MAX || path[1] != '/')) ||
        !parse_tile(path + (data ? 5 : 2), &tile, &width) ||
        !tile_there(view, level, tile, width)) {
        ctlog_refuse(answer, 404, "no such tile");
        return;
    }
    if (!data) {
        ctlog_hash_tile(view, level, tile, width == 0 ? 256 : width,
                        &answer->body);
        return;
    }
    if (!view->log->faults.on[FAULT_NO_GZIP]) {
        buffer_append_text(&answer->headers, "Content-Encoding: gzip\r\n");
    }
    if (width == 0) {
        answer->shared = ctlog_full_tile(view, tile, &answer->body);
    } else {
        append_packed(view, tile * 256, width, &answer->body);
    }
}

static void answer_issuer(const struct ctlog_view *view, const char *name,
                          struct serve_answer *answer)
{
    struct bytes rest = buffer_bytes(&view->log->entries.issuers), der;
    uint8_t wanted[SHA256_LEN];

    if (!view->log->faults.on[FAULT_NO_ISSUERS] &&
        text_parse_hex(wanted, SHA256_LEN, bytes_from_text(name))) {
        while (bytes_read_vector(&rest, &der, 3)) {
            struct sha256_hash hash = sha256(der);

            if (memcmp(hash.bytes, wanted, SHA256_LEN) != 0) continue;
            answer->type = "application/pkix-cert";
            buffer_append(&answer->body, der);
            return;
        }
    }
    ctlog_refuse(answer, 404, "no such issuer");
}

void ctlog_static(const struct ctlog_view *view, const char *path,
                  struct serve_answer *answer)
{
    if (strncmp(path, "tile/", 5) == 0) {
        answer_tile(view, path + 5, answer);
    } else if (strncmp(path, "issuer/", 7) == 0) {
        answer_issuer(view, path + 7, answer);
    } else if (strcmp(path, "checkpoint") == 0 &&
               !view->log->faults.on[FAULT_NO_CHECKPOINT]) {
        answer->type = "text/plain; charset=utf-8";
        buffer_append_text(&answer->headers, "Cache-Control: no-store\r\n");
        ctlog_checkpoint(view, &answer->body);
    } else if (strcmp(path, "log.v3.json") == 0) {
        answer->type = "application/json";
        buffer_append(&answer->body,
                      buffer_bytes(&view->log->descriptions[TESTLOG_STATIC]));
    } else {
        ctlog_refuse(answer, 404, "not found");
    }
}
