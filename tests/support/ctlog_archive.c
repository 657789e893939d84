// ctlog_archive.c - see ctlog_archive.h.

#include "tests/support/ctlog_archive.h"

#include <errno.h>
#include <sys/stat.h>

#include "index/base/text.h"
#include "tests/support/zip_write.h"

enum { PER_ZIP = 1 << 24, SHARED_LEVEL = 3 };

static void add_data(struct zip_writer *zip, const struct ctlog_view *view,
                     uint64_t tile, uint64_t width)
{
    char path[CTLOG_TEXT], name[2 * CTLOG_TEXT];
    struct buffer plain = {0};

    ctlog_data_tile(view, tile * 256, width, &plain);
    ctlog_tile_path(path, tile, width % 256);
    (void)snprintf(name, sizeof name, "tile/data/%s", path);
    zip_write_add(zip, name, buffer_bytes(&plain), true);
    buffer_cleanup(&plain);
}

static void add_hashes(struct zip_writer *zip, const struct ctlog_view *view,
                       unsigned level, uint64_t tile, uint64_t width)
{
    char path[CTLOG_TEXT], name[2 * CTLOG_TEXT];
    struct buffer body = {0};

    ctlog_hash_tile(view, level, tile, width, &body);
    ctlog_tile_path(path, tile, width % 256);
    (void)snprintf(name, sizeof name, "tile/%u/%s", level, path);
    zip_write_add(zip, name, buffer_bytes(&body), false);
    buffer_cleanup(&body);
}

// Full tiles that overlap [first, end), those of level 3 and above, and the
// right edge.
static void add_tiles(struct zip_writer *zip, const struct ctlog_view *view,
                      uint64_t first, uint64_t end)
{
    for (uint64_t tile = first / 256; (tile + 1) * 256 <= end; tile++) {
        add_data(zip, view, tile, 256);
    }
    if (view->size % 256 != 0) {
        add_data(zip, view, view->size / 256, view->size % 256);
    }
    for (unsigned level = 0; view->size >> 8 * level != 0; level++) {
        uint64_t num = view->size >> 8 * level, span = 256ull << 8 * level;

        for (uint64_t tile = 0; tile < num / 256; tile++) {
            if (level >= SHARED_LEVEL ||
                (tile * span < end && (tile + 1) * span > first)) {
                add_hashes(zip, view, level, tile, 256);
            }
        }
        if (num % 256 != 0) {
            add_hashes(zip, view, level, num / 256, num % 256);
        }
    }
}

static void add_issuers(struct zip_writer *zip, const struct ctlog *log)
{
    struct bytes rest = buffer_bytes(&log->entries.issuers), der;

    while (bytes_read_vector(&rest, &der, 3)) {
        struct sha256_hash hash = sha256(der);
        struct buffer name = {0};

        buffer_append_text(&name, "issuer/");
        text_append_hex(&name, sha256_bytes(&hash));
        buffer_append_byte(&name, '\0');
        zip_write_add(zip, (const char *)name.data, der, false);
        buffer_cleanup(&name);
    }
}

bool ctlog_write_archive(const struct ctlog_view *view, const char *dir,
                         uint64_t per_zip, struct err *err)
{
    struct buffer checkpoint = {0};
    bool ok = true;

    if (per_zip == 0) per_zip = PER_ZIP;
    if (per_zip % 256 != 0) {
        return err_set(err, ERR_USAGE, "a zip holds whole tiles: 256 entries");
    }
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
        return err_set(err, ERR_USAGE, "cannot make %s", dir);
    }
    ctlog_checkpoint(view, &checkpoint);
    for (uint64_t i = 0; ok && (i == 0 || i * per_zip < view->size); i++) {
        uint64_t first = i * per_zip, end = first + per_zip;
        enum zip_style style = (enum zip_style)((i + 1) % ZIP_NUM_STYLES);
        struct zip_writer zip;
        char path[4096];

        (void)snprintf(path, sizeof path, "%s/%03u.zip", dir, (unsigned)i);
        ok = zip_write_open(&zip, path, style) ||
             err_set(err, ERR_USAGE, "cannot write %s", path);
        if (!ok) break;
        zip_write_add(&zip, "README.txt",
                      bytes_from_text("An archived log of our own.\n"), true);
        zip_write_add(&zip, "checkpoint", buffer_bytes(&checkpoint), false);
        zip_write_add(&zip, "log.v3.json",
                      buffer_bytes(&view->log->descriptions[TESTLOG_STATIC]),
                      true);
        add_issuers(&zip, view->log);
        add_tiles(&zip, view, first, end < view->size ? end : view->size);
        zip_write_close(&zip);
    }
    buffer_cleanup(&checkpoint);
    return ok;
}
