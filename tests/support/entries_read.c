// entries_read.c - entries of a real log from disk, for entries.h.

#include <dirent.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "index/base/json.h"
#include "index/base/text.h"
#include "tests/support/ctlog.h"

enum { INFLATED_MAX = 64 << 20 };

// read_whole reads a file; false when it is not there.
static bool read_whole(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "rb");
    size_t num = 1;

    if (file == NULL) return false;
    buffer_reset(out);
    while (num > 0 && buffer_reserve(out, 65536)) {
        num = fread(out->data + out->len, 1, 65536, file);
        out->len += num;
    }
    (void)fclose(file);
    return buffer_ok(out);
}

// gunzip inflates in place what begins as gzip does.
static bool gunzip(struct buffer *body)
{
    struct libdeflate_decompressor *decompressor;
    struct buffer plain = {0};
    size_t len = 0;
    bool ok;

    if (body->len < 2 || body->data[0] != 0x1f || body->data[1] != 0x8b) {
        return true;
    }
    decompressor = libdeflate_alloc_decompressor();
    ok = decompressor != NULL && buffer_reserve(&plain, INFLATED_MAX) &&
         libdeflate_gzip_decompress(decompressor, body->data, body->len,
                                    plain.data, INFLATED_MAX,
                                    &len) == LIBDEFLATE_SUCCESS;
    if (decompressor != NULL) libdeflate_free_decompressor(decompressor);
    plain.len = len;
    buffer_cleanup(body);
    *body = plain;
    return ok;
}

// chain_on_disk puts together what the issuer folder has of a chain.
static uint32_t chain_on_disk(struct entries *entries, const char *dir,
                              struct bytes fingerprints)
{
    struct buffer wire = {0}, der = {0}, name = {0};
    struct bytes rest = fingerprints, one;
    bool whole = true;
    uint32_t chain;

    buffer_append_uint(&wire, 0, 3);
    while (bytes_read_take(&rest, &one, SHA256_LEN)) {
        buffer_reset(&name);
        buffer_printf(&name, "%s/issuer/", dir);
        text_append_hex(&name, one);
        buffer_append_byte(&name, '\0');
        if (!buffer_ok(&name) || !read_whole((const char *)name.data, &der)) {
            whole = false;
            break;
        }
        buffer_append_uint(&wire, der.len, 3);
        buffer_append(&wire, buffer_bytes(&der));
    }
    if (buffer_ok(&wire)) bytes_put_uint(wire.data, wire.len - 3, 3);
    chain = entries_add_chain(entries, fingerprints,
                              whole ? buffer_bytes(&wire) : (struct bytes){0});
    buffer_cleanup(&wire);
    buffer_cleanup(&der);
    buffer_cleanup(&name);
    return chain;
}

// known_chain avoids the disk for a chain that was seen.
static uint32_t known_chain(struct entries *entries, const char *dir,
                            struct bytes fingerprints)
{
    for (size_t i = 0; i < entries->num_chains; i++) {
        if (bytes_equal(buffer_bytes(&entries->chains[i].fingerprints),
                        fingerprints)) {
            return (uint32_t)i;
        }
    }
    return chain_on_disk(entries, dir, fingerprints);
}

// read_tile takes a data tile apart: TileLeafs, one after the other.
static bool read_tile(struct entries *entries, const char *dir,
                      struct bytes tile)
{
    struct buffer leaf = {0};
    bool ok = true;

    while (ok && tile.len > 0) {
        struct bytes begin = tile, certificate, precert = {0}, extensions;
        struct bytes fingerprints;
        uint64_t type;

        ok = bytes_skip(&tile, 8) && bytes_read_uint(&tile, &type, 2) &&
             type <= 1 && (type == 0 || bytes_skip(&tile, SHA256_LEN)) &&
             bytes_read_vector(&tile, &certificate, 3) &&
             bytes_read_vector(&tile, &extensions, 2);
        if (!ok) break;
        buffer_reset(&leaf);
        buffer_append_uint(&leaf, 0, 2);
        buffer_append(&leaf, bytes_of(begin.data, begin.len - tile.len));
        ok = (type == 0 || bytes_read_vector(&tile, &precert, 3)) &&
             bytes_read_vector(&tile, &fingerprints, 2) &&
             fingerprints.len % SHA256_LEN == 0;
        if (!ok) break;
        entries_append(entries, buffer_bytes(&leaf), precert,
                       known_chain(entries, dir, fingerprints));
    }
    buffer_cleanup(&leaf);
    return ok;
}

// find_tile reads data tile `number`: the full one, else the widest partial.
static bool find_tile(const char *dir, uint64_t number, struct buffer *out)
{
    char name[CTLOG_TEXT], path[4096];

    for (uint64_t width = 256; width > 0; width--) {
        ctlog_tile_path(name, number, width % 256);
        (void)snprintf(path, sizeof path, "%s/tile/data/%s", dir, name);
        if (read_whole(path, out)) return true;
    }
    return false;
}

static bool read_tiles(struct entries *entries, const char *dir,
                       struct err *err)
{
    struct buffer body = {0};
    bool ok = true;

    while (ok && entries->size % ENTRY_BLOCK == 0 &&
           find_tile(dir, entries->size / ENTRY_BLOCK, &body)) {
        uint64_t before = entries->size;

        ok = gunzip(&body) && read_tile(entries, dir, buffer_bytes(&body));
        if (!ok || entries->size == before) {
            ok = err_set(err, ERR_MALFORMED, "%s: data tile %llu", dir,
                         (unsigned long long)(before / ENTRY_BLOCK));
        }
    }
    buffer_cleanup(&body);
    return ok;
}

// chain_of_wire turns an ASN.1CertChain into fingerprints.
static uint32_t chain_of_wire(struct entries *entries, struct bytes wire)
{
    struct buffer fingerprints = {0};
    struct bytes rest = wire, list = {0}, der;
    uint32_t chain;

    (void)!bytes_read_vector(&rest, &list, 3);
    while (bytes_read_vector(&list, &der, 3)) {
        struct sha256_hash hash = sha256(der);

        buffer_append(&fingerprints, sha256_bytes(&hash));
    }
    chain = entries_add_chain(entries, buffer_bytes(&fingerprints), wire);
    buffer_cleanup(&fingerprints);
    return chain;
}

static bool read_json(struct entries *entries, const char *path,
                      struct err *err)
{
    struct buffer text = {0}, leaf = {0}, extra = {0};
    struct json *document = NULL;
    const struct json *list;
    bool ok = read_whole(path, &text) &&
              json_parse(&document, buffer_bytes(&text), err);

    list = ok ? json_member(document, "entries") : NULL;
    for (size_t i = 0; ok && i < json_size(list); i++) {
        const struct json *entry = json_at(list, i);
        struct bytes rest, precert = {0};

        buffer_reset(&leaf);
        buffer_reset(&extra);
        ok = json_base64(json_member(entry, "leaf_input"), &leaf) &&
             json_base64(json_member(entry, "extra_data"), &extra) &&
             leaf.len > 12;
        rest = buffer_bytes(&extra);
        // The precertificate precedes its chain.
        if (ok && leaf.data[11] == 1) {
            ok = bytes_read_vector(&rest, &precert, 3);
        }
        if (!ok) {
            err_set(err, ERR_MALFORMED, "%s: entry %zu", path, i);
            break;
        }
        entries_append(entries, buffer_bytes(&leaf), precert,
                       chain_of_wire(entries, rest));
    }
    json_free(document);
    buffer_cleanup(&text);
    buffer_cleanup(&leaf);
    buffer_cleanup(&extra);
    return ok;
}

// A get-entries file's name says where it begins: ...start=N-end=M.json.
static uint64_t start_of(const char *name)
{
    const char *start = strstr(name, "start");
    uint64_t number = 0;

    if (start == NULL) return 0;
    for (start += 6; *start >= '0' && *start <= '9'; start++) {
        number = number * 10 + (uint64_t)(*start - '0');
    }
    return number;
}

static int by_start(const struct dirent **a, const struct dirent **b)
{
    uint64_t x = start_of((*a)->d_name), y = start_of((*b)->d_name);

    return x < y ? -1 : x > y;
}

static int is_get_entries(const struct dirent *entry)
{
    const char *end = strstr(entry->d_name, ".json");

    return strncmp(entry->d_name, "get-entries", 11) == 0 && end != NULL &&
           end[5] == '\0';
}

bool entries_read(struct entries *entries, const char *dir, struct err *err)
{
    char path[4096];
    struct dirent **files = NULL;
    struct stat stat_;
    int num;
    bool ok = true;

    *entries = (struct entries){0};
    (void)snprintf(path, sizeof path, "%s/tile/data", dir);
    if (stat(path, &stat_) == 0) {
        ok = read_tiles(entries, dir, err);
    } else {
        num = scandir(dir, &files, is_get_entries, by_start);
        for (int i = 0; i < num; i++) {
            (void)snprintf(path, sizeof path, "%s/%s", dir, files[i]->d_name);
            ok = ok && read_json(entries, path, err);
            free(files[i]);
        }
        free(files);
    }
    if (ok && entries->size == 0) {
        ok = err_set(err, ERR_USAGE, "%s: no entries there", dir);
    }
    return ok;
}
