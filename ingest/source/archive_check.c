// archive_check.c - see archive_check.h.
//
//   each zip: all but full tiles -> full data tiles -> full hash tiles
//
// Full tiles are proven from the top down as verify/tiles.h does it; a data
// tile stands for the level 0 tile of its leaf hashes.

#include "ingest/source/archive_check.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "index/base/text.h"
#include "ingest/verify/tiles.h"

enum { MEMBER_MAX = 128 << 20 };

struct archive_check {
    struct archive *archive;
    struct ring *ring;
    uint64_t size;
    struct sha256_hash root;
    archive_checked *done;
    void *context;
    pthread_t thread;
    struct ring_op op;
    int event;
    uint64_t told;
    atomic_bool stop;
    struct err err; // of the thread; ERR_NONE: all well

    // The thread's own.
    struct inflater *inflater;
    struct archive_part *part;
    struct zip_list full; // its full tiles
    struct buffer packed, body;
    struct arena arena;
    struct entry_bytes entries[TILE_WIDTH];
};

// ---------------------------------------------------------------- members

static bool wrong(struct archive_check *check, const char *member,
                  const char *what)
{
    return err_set(&check->err, ERR_VERIFY, "%s: %.200s: %s",
                   archive_part_name(check->part), member, what);
}

static bool go_on(struct archive_check *check)
{
    return !atomic_load(&check->stop) ||
           err_set(&check->err, ERR_INTERRUPTED, "interrupted");
}

// Reads a member of this part into `body`.
static bool read_member(struct archive_check *check,
                        const struct zip_member *member)
{
    char shown[200];

    if (!go_on(check)) return false;
    if (archive_part_read(check->part, member, MEMBER_MAX, check->inflater,
                          &check->packed, &check->body, &check->err)) {
        return true;
    }
    if (check->err.code != ERR_MEMORY && check->err.code != ERR_NETWORK) {
        check->err.code = ERR_VERIFY;
    }
    return err_wrap(&check->err, "%s: %s", archive_part_name(check->part),
                    text_escape(shown, sizeof shown, member->name));
}

static bool check_issuer(struct archive_check *check, struct bytes name)
{
    static const char folder[] = "issuer/";
    struct sha256_hash hash, named;

    if (!bytes_starts_with(name, bytes_from_text(folder)) ||
        !bytes_skip(&name, sizeof folder - 1) ||
        !text_parse_hex(named.bytes, sizeof named.bytes, name)) {
        return true;
    }
    hash = sha256(buffer_bytes(&check->body));
    return sha256_equal(&hash, &named) ||
           wrong(check, "issuer", "not the certificate of its name");
}

static bool visit(void *context, const struct zip_member *member,
                  struct err *err)
{
    struct archive_check *check = context;
    struct zip_tile tile;

    (void)err; // check->err, which this is
    if (zip_parse_tile(&tile, member->name) && tile.width == TILE_WIDTH) {
        return zip_list_add(&check->full, member,
                            zip_tile_key(tile.level, tile.tile, tile.width)) ||
               err_set(&check->err, ERR_MEMORY, "no memory for a zip");
    }
    return read_member(check, member) && check_issuer(check, member->name);
}

// ---------------------------------------------------------------- tiles

// Reads a tile of this part, else of any other.  False with ERR_NONE: no part
// has it.
static bool get_tile(struct archive_check *check, int level, uint64_t tile,
                     unsigned width)
{
    char path[TILE_PATH_MAX + 1] = "/";
    bool found;

    (void)tile_path(path + 1, level, tile, width);
    if (!go_on(check)) return false;
    return archive_get(check->archive, check->part, path, MEMBER_MAX,
                       check->inflater, &check->packed, &check->body, &found,
                       &check->err) &&
           found;
}

// Several side by side take half the time.
static void hash_leaves(const struct entry_bytes *entries, size_t num,
                        struct sha256_hash *hashes)
{
    struct sha256_message messages[TILE_WIDTH];
    struct bytes pieces[TILE_WIDTH][MERKLE_LEAF_PIECES];

    for (size_t i = 0; i < num; i++) {
        merkle_leaf_pieces(pieces[i], entries[i].leaf);
        messages[i] =
            (struct sha256_message){pieces[i], MERKLE_LEAF_PIECES, &hashes[i]};
    }
    sha256_many(messages, num);
}

// The hashes of a tile as it lies there; `from_data`: of the entries.
static bool get_hashes(struct archive_check *check, const struct tile_id *id,
                       bool from_data, struct sha256_hash *hashes)
{
    int level = from_data && id->level == 0 ? TILE_DATA : (int)id->level;
    char path[TILE_PATH_MAX];
    struct err why = {0};

    if (!get_tile(check, level, id->tile, id->width)) return false;
    (void)tile_path(path, level, id->tile, id->width);
    if (level != TILE_DATA) {
        return tile_parse_hashes(hashes, id->width, buffer_bytes(&check->body),
                                 &why) ||
               wrong(check, path, why.text);
    }
    arena_reset(&check->arena);
    if (!tile_parse_data(check->entries, id->width, id->tile * TILE_WIDTH,
                         buffer_bytes(&check->body), &check->arena, &why)) {
        return wrong(check, path, why.text);
    }
    hash_leaves(check->entries, id->width, hashes);
    return true;
}

// Proves the tiles on the way to a position.  False with ERR_NONE: one of them
// is in no part.
static bool prove(struct archive_check *check, struct tiles *tiles,
                  uint64_t position, bool from_data)
{
    struct sha256_hash hashes[TILE_WIDTH];
    char path[TILE_PATH_MAX];
    struct tile_id id;

    while (tiles_need(tiles, position, &id)) {
        if (!get_hashes(check, &id, from_data, hashes)) return false;
        if (tiles_put(tiles, &id, hashes)) continue;
        (void)tile_path(path,
                        from_data && id.level == 0 ? TILE_DATA : (int)id.level,
                        id.tile, id.width);
        return wrong(check, path, "does not lead to the signed root");
    }
    return true;
}

// A full tile: proven where the way to the root is here.
static bool check_tile(struct archive_check *check, struct tiles *tiles,
                       const struct zip_slot *slot, bool from_data)
{
    int level = (int)(slot->key >> 60) - 1;
    uint64_t tile = slot->key << 4 >> 12;
    unsigned shift = TILE_BITS * (unsigned)(level == TILE_DATA ? 0 : level);
    char path[TILE_PATH_MAX];
    struct zip_member member;

    if (shift < 48 && tile < check->size >> shift >> TILE_BITS) {
        uint64_t position = (tile * TILE_WIDTH + 1) << shift;

        if (prove(check, tiles, position, from_data)) return true;
        if (check->err.code != ERR_NONE) return false;
    }
    member = zip_list_member(
        slot, bytes_from_text(tile_path(path, level, tile, TILE_WIDTH)));
    return read_member(check, &member);
}

static bool check_tiles(struct archive_check *check, bool from_data)
{
    struct tiles *tiles;
    bool ok = true;

    if (!tiles_new(&tiles, check->size, &check->root)) {
        return err_set(&check->err, ERR_MEMORY, "no memory for tiles");
    }
    // The right edge alone, as far as it is here.
    if (!prove(check, tiles, 0, from_data)) ok = check->err.code == ERR_NONE;
    for (size_t i = 0; ok && i < check->full.num; i++) {
        bool is_data = check->full.slots[i].key >> 60 == TILE_DATA + 1;

        if (is_data == from_data) {
            ok = check_tile(check, tiles, &check->full.slots[i], from_data);
        }
    }
    tiles_free(tiles);
    return ok;
}

static bool check_part(struct archive_check *check, struct archive_part *part)
{
    const struct zip *zip = archive_part_zip(part);
    bool ok;

    if (zip == NULL) return true;
    check->part = part;
    ok = zip_walk(zip, visit, check, &check->err);
    if (!ok && check->err.code == ERR_MALFORMED) {
        check->err.code = ERR_VERIFY;
        (void)err_wrap(&check->err, "%s", archive_part_name(part));
    }
    if (ok && !zip_list_sort(&check->full)) {
        ok = wrong(check, "tile", "two members of one name");
    }
    ok = ok && check_tiles(check, true) && check_tiles(check, false);
    zip_list_cleanup(&check->full);
    return ok;
}

// ---------------------------------------------------------------- the thread

static void *run(void *context)
{
    static const uint64_t one = 1;
    struct archive_check *check = context;

    if (inflater_new(&check->inflater, &check->err)) {
        for (size_t i = 0; i < archive_num_parts(check->archive); i++) {
            if (!check_part(check, archive_part_at(check->archive, i))) break;
        }
    }
    while (write(check->event, &one, sizeof one) < 0 && errno == EINTR) {
    }
    return NULL;
}

static void on_event(struct ring_op *op, int result)
{
    struct archive_check *check = RING_OWNER(op, struct archive_check, op);

    (void)result;
    (void)pthread_join(check->thread, NULL);
    check->done(check->context,
                check->err.code == ERR_NONE ? NULL : &check->err);
}

bool archive_check_start(struct archive_check **out, struct archive *archive,
                         struct ring *ring, const struct head *head,
                         archive_checked *done, void *context, struct err *err)
{
    struct archive_check *check = calloc(1, sizeof *check);

    if (check == NULL) return err_set(err, ERR_MEMORY, "no memory");
    check->archive = archive;
    check->ring = ring;
    check->size = head->size;
    check->root = head->root;
    check->done = done;
    check->context = context;
    check->event = eventfd(0, EFD_CLOEXEC);
    if (check->event < 0 ||
        pthread_create(&check->thread, NULL, run, check) != 0) {
        archive_check_free(check);
        return err_set(err, ERR_MEMORY, "no thread to check zips");
    }
    ring_read(ring, &check->op, check->event, (uint8_t *)&check->told,
              sizeof check->told, -1, on_event);
    *out = check;
    return true;
}

void archive_check_stop(struct archive_check *check)
{
    atomic_store(&check->stop, true);
}

void archive_check_free(struct archive_check *check)
{
    if (check == NULL) return;
    if (check->event >= 0) (void)close(check->event);
    inflater_free(check->inflater);
    zip_list_cleanup(&check->full);
    buffer_cleanup(&check->packed);
    buffer_cleanup(&check->body);
    arena_cleanup(&check->arena);
    free(check);
}
