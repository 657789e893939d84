// testlog.c - see testlog.h.

#include "tests/support/testlog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "index/base/text.h"
#include "tests/support/ctlog_archive.h"

struct testlog {
    struct ctlog *ctlog;
};

bool testlog_open(struct testlog **out, const struct testlog_options *options,
                  struct err *err)
{
    struct testlog *log = calloc(1, sizeof *log);

    *out = NULL;
    if (log == NULL) return err_set(err, ERR_MEMORY, "no memory");
    if (!ctlog_open(&log->ctlog, options, err)) {
        free(log);
        return false;
    }
    ctlog_describe(log->ctlog, "https://testlog.example",
                   "https://testlog.example/static/");
    *out = log;
    return true;
}

bool testlog_start(struct testlog **out, const struct testlog_options *options,
                   struct err *err)
{
    struct testlog *log;
    struct ctlog *ctlog;
    char base[64], submission[80];
    unsigned port;

    if (!testlog_open(&log, options, err)) return false;
    ctlog = log->ctlog;
    if (!serve_start(&ctlog->server, options->port,
                     options->tls ? &ctlog->ca_pem : NULL, options->seed,
                     err)) {
        testlog_stop(log);
        *out = NULL;
        return false;
    }
    port = serve_port(ctlog->server);
    (void)snprintf(base, sizeof base, "http%s://127.0.0.1:%u",
                   options->tls ? "s" : "", port);
    // Submitted elsewhere than read, as with most static logs: the origin is
    // from here.
    (void)snprintf(submission, sizeof submission, "%s/submit/", base);
    ctlog_describe(ctlog, base, submission);
    serve_run(ctlog->server, ctlog_answer, ctlog);
    *out = log;
    return true;
}

void testlog_stop(struct testlog *log)
{
    if (log == NULL) return;
    serve_stop(log->ctlog->server);
    ctlog_close(log->ctlog);
    free(log);
}

uint16_t testlog_port(const struct testlog *log)
{
    return log->ctlog->server == NULL ? 0 : serve_port(log->ctlog->server);
}

const char *testlog_url(const struct testlog *log, enum testlog_api api)
{
    return log->ctlog->url[api];
}

struct bytes testlog_description(const struct testlog *log,
                                 enum testlog_api api)
{
    return buffer_bytes(&log->ctlog->descriptions[api]);
}

struct bytes testlog_ca_pem(const struct testlog *log)
{
    return buffer_bytes(&log->ctlog->ca_pem);
}

uint64_t testlog_size(struct testlog *log)
{
    return ctlog_size(log->ctlog);
}

void testlog_set_size(struct testlog *log, uint64_t size)
{
    ctlog_set_size(log->ctlog, size);
}

bool testlog_set_faults(struct testlog *log, const char *faults,
                        struct err *err)
{
    return ctlog_set_faults(log->ctlog, faults, err);
}

struct sha256_hash testlog_root(const struct testlog *log, uint64_t size)
{
    return hash_tree_range(&log->ctlog->honest, 0, size);
}

uint64_t testlog_requests(struct testlog *log, const char *part)
{
    return ctlog_count(log->ctlog, part);
}

// ---------------------------------------------------------------- files

// write_file writes dir/name, and the folders on the way.
static bool write_file(const char *dir, const char *name, struct bytes content,
                       struct err *err)
{
    char path[4096];
    FILE *file;
    bool ok;

    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >=
        sizeof path) {
        return err_set(err, ERR_USAGE, "path too long: %.100s...", dir);
    }
    for (char *slash = strchr(path + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST) {
            return err_set(err, ERR_USAGE, "cannot make %s: %s", path,
                           strerror(errno));
        }
        *slash = '/';
    }
    file = fopen(path, "wb");
    if (file == NULL) {
        return err_set(err, ERR_USAGE, "cannot write %s: %s", path,
                       strerror(errno));
    }
    ok = content.len == 0 || fwrite(content.data, content.len, 1, file) == 1;
    if (fclose(file) != 0 || !ok) {
        return err_set(err, ERR_USAGE, "cannot write %s", path);
    }
    return true;
}

bool testlog_write_files(struct testlog *log, const char *dir, struct err *err)
{
    struct ctlog *ctlog = log->ctlog;
    struct buffer text = {0};
    bool ok = write_file(dir, "rfc6962.json",
                         testlog_description(log, TESTLOG_RFC6962), err) &&
              write_file(dir, "static.json",
                         testlog_description(log, TESTLOG_STATIC), err);

    if (ok && ctlog->ca_pem.len != 0) {
        ok = write_file(dir, "ca.pem", buffer_bytes(&ctlog->ca_pem), err);
    }
    if (ok && ctlog->entries.fina != NULL) {
        text_append_pem(&text, buffer_bytes(&ctlog->entries.fina
                                                 ->issuers[FINA_GENUINE_ISSUER]
                                                 .certificate));
        ok = write_file(dir, "genuine-issuer.pem", buffer_bytes(&text), err);
    }
    buffer_reset(&text);
    buffer_printf(&text, "%u\n", (unsigned)testlog_port(log));
    ok = ok && write_file(dir, "ready", buffer_bytes(&text), err);
    buffer_cleanup(&text);
    return ok;
}

// write_body writes a tile's file and empties `body`.
static bool write_body(const char *dir, const char *kind, uint64_t tile,
                       uint64_t width, struct bytes content, struct err *err)
{
    char path[CTLOG_TEXT], name[2 * CTLOG_TEXT];

    ctlog_tile_path(path, tile, width);
    (void)snprintf(name, sizeof name, "tile/%s/%s", kind, path);
    return write_file(dir, name, content, err);
}

static bool write_data_tiles(const struct ctlog_view *view, const char *dir,
                             struct err *err)
{
    struct buffer body = {0}, plain = {0};
    bool ok = true;

    for (uint64_t tile = 0; ok && tile * 256 < view->size; tile++) {
        uint64_t width = view->size - tile * 256;
        struct bytes content = {0};

        buffer_reset(&body);
        buffer_reset(&plain);
        if (width >= 256) {
            width = 0;
            content = ctlog_full_tile(view, tile, &body);
        } else {
            ctlog_data_tile(view, tile * 256, width, &plain);
            ctlog_gzip(buffer_bytes(&plain), &body);
        }
        if (content.len == 0) content = buffer_bytes(&body);
        ok = write_body(dir, "data", tile, width, content, err);
    }
    buffer_cleanup(&body);
    buffer_cleanup(&plain);
    return ok;
}

static bool write_hash_tiles(const struct ctlog_view *view, const char *dir,
                             struct err *err)
{
    struct buffer body = {0};
    bool ok = true;

    for (unsigned level = 0; ok && view->size >> 8 * level != 0; level++) {
        uint64_t num = view->size >> 8 * level;
        char kind[2] = {(char)('0' + level), '\0'};

        for (uint64_t tile = 0; ok && tile * 256 < num; tile++) {
            uint64_t width = num - tile * 256 < 256 ? num - tile * 256 : 256;

            buffer_reset(&body);
            ctlog_hash_tile(view, level, tile, width, &body);
            ok = write_body(dir, kind, tile, width % 256, buffer_bytes(&body),
                            err);
        }
    }
    buffer_cleanup(&body);
    return ok;
}

static bool write_issuers(const struct ctlog *ctlog, const char *dir,
                          struct err *err)
{
    struct bytes rest = buffer_bytes(&ctlog->entries.issuers), der;
    bool ok = true;

    while (ok && bytes_read_vector(&rest, &der, 3)) {
        struct sha256_hash hash = sha256(der);
        struct buffer name = {0};

        buffer_append_text(&name, "issuer/");
        text_append_hex(&name, sha256_bytes(&hash));
        buffer_append_byte(&name, '\0');
        ok = write_file(dir, (const char *)name.data, der, err);
        buffer_cleanup(&name);
    }
    return ok;
}

// What is written is the tree of the present size, with its faults.
static struct ctlog_view view_now(struct ctlog *ctlog)
{
    bool altered = ctlog->altered.size != 0;

    return (struct ctlog_view){
        .log = ctlog,
        .tree = altered ? &ctlog->altered : &ctlog->honest,
        .altered = altered,
        .size = ctlog_size(ctlog),
    };
}

bool testlog_write_archive(struct testlog *log, const char *dir,
                           uint64_t per_zip, struct err *err)
{
    struct ctlog_view view = view_now(log->ctlog);

    return ctlog_write_archive(&view, dir, per_zip, err);
}

bool testlog_write_tiles(struct testlog *log, const char *dir, struct err *err)
{
    struct ctlog *ctlog = log->ctlog;
    struct ctlog_view view = view_now(ctlog);
    struct buffer checkpoint = {0};
    bool ok = write_data_tiles(&view, dir, err) &&
              write_hash_tiles(&view, dir, err) &&
              write_issuers(ctlog, dir, err) &&
              write_file(dir, "log.v3.json",
                         testlog_description(log, TESTLOG_STATIC), err);

    ctlog_checkpoint(&view, &checkpoint);
    ok = ok && write_file(dir, "checkpoint", buffer_bytes(&checkpoint), err);
    buffer_cleanup(&checkpoint);
    return ok;
}

// ---------------------------------------------------------------- truth

bool testlog_entry(struct testlog *log, uint64_t index,
                   struct testlog_entry *out, struct buffer *memory)
{
    struct ctlog *ctlog = log->ctlog;
    struct ctlog_view view = {ctlog, &ctlog->honest, false, ctlog->entries.size,
                              true};
    struct ctlog_reader reader = {.view = &view};
    struct ctlog_entry entry;
    size_t extra;

    *out = (struct testlog_entry){0};
    if (index >= ctlog->entries.size) return false;
    entry = ctlog_read(&reader, index);
    buffer_reset(memory);
    buffer_append(memory, entry.leaf);
    buffer_append(memory, entry.precert);
    extra = memory->len;
    ctlog_extra(ctlog, &entry, memory);
    ctlog_reader_cleanup(&reader);
    if (!buffer_ok(memory)) return false;
    out->leaf = bytes_of(memory->data, entry.leaf.len);
    out->precert = bytes_of(memory->data + entry.leaf.len, entry.precert.len);
    out->extra = bytes_of(memory->data + extra, memory->len - extra);
    out->chain = buffer_bytes(&ctlog->entries.chains[entry.chain].fingerprints);
    return true;
}

bool testlog_truth(struct testlog *log, uint64_t index,
                   struct testlog_truth *out)
{
    const struct entries *entries = &log->ctlog->entries;
    struct issuance *issuance;

    *out = (struct testlog_truth){0};
    if (!entries->generated || index >= entries->size) return false;
    issuance = calloc(1, sizeof *issuance);
    if (issuance == NULL) return false;
    out->memory = (char *)issuance;
    out->precert = entries_issue(entries, index, issuance);
    out->special = issuance->special;
    out->issuance = issuance->number;
    out->not_before = issuance->spec.not_before;
    out->not_after = issuance->spec.not_after;
    out->common_name = issuance->spec.subject.common_name;
    out->issuer = issuance->authority->name.common_name;
    out->num_dns = issuance->spec.num_dns;
    memcpy(out->dns, issuance->dns, out->num_dns * sizeof *out->dns);
    out->num_addresses = issuance->spec.num_addresses;
    memcpy(out->addresses, issuance->addresses,
           out->num_addresses * sizeof *out->addresses);
    return true;
}

void testlog_truth_cleanup(struct testlog_truth *truth)
{
    free(truth->memory);
    *truth = (struct testlog_truth){0};
}
