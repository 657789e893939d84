// archive.c - see archive.h.
//
//   archive_read -> next part that has it -> read -> unpack -> next part ...
//     last part, or the first good issuer      done

#include "ingest/source/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/text.h"
#include "ingest/parse/tile.h"

enum {
    NAME_MAX_SHOWN = 256,
    BULK_LEVELS = 3,       // data, 0 and 1: nearly all that a zip holds
    BULK_BYTES = 48 << 20, // of directories held, where nothing else is said
    SMALL_MAX = 1 << 20,   // of a checkpoint or a description
    EXTRA_SLACK = 96,      // what is read of a local header's extra field
};

// Full tiles of one level, and where they are.
struct span {
    uint64_t first, last;
    bool any;
};

struct archive_part {
    char name[NAME_MAX_SHOWN];
    int fd;
    bool is_zip;
    struct zip zip;
    struct zip_list rest; // all that is not in `bulk`; held throughout
    struct zip_list bulk; // full tiles of the lowest levels; may be dropped
    bool has_bulk;
    uint64_t used; // when the bulk was
    struct span spans[BULK_LEVELS];
    struct buffer description;
    struct buffer checkpoint;
    struct err checkpoint_err; // it is there and damaged
};

struct range {
    uint64_t first, end;
};

struct archive {
    struct archive_part **parts;
    size_t num_parts;
    bool has_zips, has_folders;
    struct range *ranges; // entries, sorted and apart
    size_t num_ranges, size_ranges;
    size_t bulk_bytes, bulk_max;
    uint64_t clock;
    size_t best; // the part with the largest checkpoint
    bool has_checkpoint;
    uint64_t best_size;
    struct err checkpoint_err;
};

// ---------------------------------------------------------------- one part

static bool read_at(void *context, uint64_t offset, uint8_t *out, size_t len,
                    struct err *err)
{
    const struct archive_part *part = context;

    while (len > 0) {
        ssize_t got = pread(part->fd, out, len, (off_t)offset);

        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return err_set(err, ERR_NETWORK, "%s", strerror(errno));
        if (got == 0) return err_set(err, ERR_MALFORMED, "zip: cut off");
        out += got;
        len -= (size_t)got;
        offset += (uint64_t)got;
    }
    return true;
}

static bool is_bulk(const struct zip_tile *tile)
{
    return tile->level + 1 < BULK_LEVELS && tile->width == TILE_WIDTH;
}

static bool key_is_bulk(uint64_t key)
{
    return key >> 60 < BULK_LEVELS && (key & 255) == 0;
}

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "no memory for a zip's directory");
}

static bool visit_bulk(void *context, const struct zip_member *member,
                       struct err *err)
{
    struct archive_part *part = context;
    struct zip_tile tile;

    if (!zip_parse_tile(&tile, member->name) || !is_bulk(&tile)) return true;
    return zip_list_add(&part->bulk, member,
                        zip_tile_key(tile.level, tile.tile, tile.width)) ||
           no_memory(err);
}

static bool visit_all(void *context, const struct zip_member *member,
                      struct err *err)
{
    static const char names[] = "tile/names/";
    struct archive_part *part = context;
    struct zip_tile tile;
    struct span *span;

    if (!zip_parse_tile(&tile, member->name) || !is_bulk(&tile)) {
        // Names tiles are read by nobody, and as many as data tiles.
        if (bytes_starts_with(member->name, bytes_from_text(names))) {
            return true;
        }
        return zip_list_add(&part->rest, member, zip_key(member->name)) ||
               no_memory(err);
    }
    span = &part->spans[tile.level + 1];
    if (!span->any || tile.tile < span->first) span->first = tile.tile;
    if (!span->any || tile.tile > span->last) span->last = tile.tile;
    span->any = true;
    return visit_bulk(context, member, err);
}

static bool sort_list(struct zip_list *list, struct err *err)
{
    return zip_list_sort(list) ||
           err_set(err, ERR_MALFORMED, "zip: two members of one name");
}

static bool damaged(const struct archive_part *part, const char *member,
                    struct err *err)
{
    if (err == NULL) return false;
    if (err->code != ERR_MEMORY && err->code != ERR_NETWORK) {
        err->code = ERR_VERIFY;
    }
    if (member != NULL) (void)err_wrap(err, "%s", member);
    return err_wrap(err, "%s", part->name);
}

// What stands behind a local header, unpacked and checked.
static bool unpack(struct inflater *inflater, const struct zip_member *member,
                   struct buffer *packed, size_t header_len,
                   struct buffer *body, struct err *err)
{
    struct bytes raw =
        bytes_of(packed->data + header_len, (size_t)member->packed_len);

    if (member->is_encrypted ||
        (member->method != ZIP_STORED && member->method != ZIP_DEFLATED)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "zip: a member encrypted or of another method than "
                       "stored and deflate");
    }
    if (member->method == ZIP_DEFLATED) {
        if (!inflate_raw(inflater, body, raw, (size_t)member->len, err)) {
            return false;
        }
    } else {
        buffer_reset(body);
        buffer_append(body, raw);
        if (!buffer_ok(body)) {
            return err_set(err, ERR_MEMORY, "no memory for a member");
        }
    }
    return inflate_crc32(buffer_bytes(body)) == member->crc ||
           err_set(err, ERR_MALFORMED, "zip: its CRC-32 does not fit");
}

static bool fits(const struct zip_member *member, size_t len_max,
                 struct err *err)
{
    return (member->len <= len_max && member->packed_len <= len_max) ||
           err_set(err, ERR_MALFORMED, "zip: a member of more than %zu bytes",
                   len_max);
}

bool archive_part_read(const struct archive_part *part,
                       const struct zip_member *member, size_t len_max,
                       struct inflater *inflater, struct buffer *packed,
                       struct buffer *body, struct err *err)
{
    uint8_t head[ZIP_LOCAL_MIN];
    size_t header_len, len;

    if (!fits(member, len_max, err) ||
        !read_at((void *)(uintptr_t)part, member->offset, head, sizeof head,
                 err) ||
        !zip_local_len(&header_len, bytes_of(head, sizeof head), err)) {
        return false;
    }
    len = header_len + (size_t)member->packed_len;
    buffer_reset(packed);
    if (!buffer_reserve(packed, len)) {
        return err_set(err, ERR_MEMORY, "no memory for a member");
    }
    packed->len = len;
    return read_at((void *)(uintptr_t)part, member->offset, packed->data, len,
                   err) &&
           zip_local_check(member, bytes_of(packed->data, header_len), err) &&
           unpack(inflater, member, packed, header_len, body, err);
}

// Reads a small file now; it may be missing.
static bool read_small(struct archive_part *part, const char *path,
                       struct buffer *out, struct err *err)
{
    const struct zip_slot *slot =
        zip_list_find(&part->rest, zip_key(bytes_from_text(path)));
    struct inflater *inflater = NULL;
    struct zip_member member;
    struct buffer packed = {0};
    bool ok;

    if (slot == NULL) return true;
    member = zip_list_member(slot, bytes_from_text(path));
    ok = inflater_new(&inflater, err) &&
         archive_part_read(part, &member, SMALL_MAX, inflater, &packed, out,
                           err);
    inflater_free(inflater);
    buffer_cleanup(&packed);
    if (!ok) buffer_reset(out);
    return ok || damaged(part, path, err);
}

static void read_small_file(const struct archive_part *part, const char *path,
                            struct buffer *out)
{
    int fd = openat(part->fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 0;

    if (fd < 0) return;
    while (out->len < SMALL_MAX && buffer_reserve(out, 65536) &&
           (got = read(fd, out->data + out->len, 65536)) > 0) {
        out->len += (size_t)got;
    }
    if (got < 0) buffer_reset(out);
    (void)close(fd);
}

static bool open_zip(struct archive_part *part, uint64_t size, struct err *err)
{
    part->is_zip = true;
    part->zip = (struct zip){.read = read_at, .context = part, .size = size};
    if (!zip_open(&part->zip, err) ||
        !zip_walk(&part->zip, visit_all, part, err) ||
        !sort_list(&part->rest, err) || !sort_list(&part->bulk, err)) {
        return damaged(part, NULL, err);
    }
    part->has_bulk = true;
    if (!read_small(part, "log.v3.json", &part->description, err)) return false;
    (void)read_small(part, "checkpoint", &part->checkpoint,
                     &part->checkpoint_err);
    return true;
}

bool archive_part_open(struct archive_part **out, const char *path,
                       struct err *err)
{
    struct archive_part *part = calloc(1, sizeof *part);
    struct stat status;
    bool ok;

    if (part == NULL) return err_set(err, ERR_MEMORY, "no memory");
    (void)text_escape(part->name, sizeof part->name, bytes_from_text(path));
    part->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (part->fd < 0 || fstat(part->fd, &status) != 0) {
        ok = err_set(err, ERR_VERIFY, "%s: %s", part->name, strerror(errno));
    } else if (S_ISDIR(status.st_mode)) {
        read_small_file(part, "log.v3.json", &part->description);
        read_small_file(part, "checkpoint", &part->checkpoint);
        ok = true;
    } else {
        ok = open_zip(part, (uint64_t)status.st_size, err);
    }
    if (ok) {
        *out = part;
    } else {
        archive_part_close(part);
    }
    return ok;
}

void archive_part_close(struct archive_part *part)
{
    if (part == NULL) return;
    if (part->fd >= 0) (void)close(part->fd);
    zip_list_cleanup(&part->rest);
    zip_list_cleanup(&part->bulk);
    buffer_cleanup(&part->description);
    buffer_cleanup(&part->checkpoint);
    free(part);
}

struct bytes archive_part_description(const struct archive_part *part)
{
    return buffer_bytes(&part->description);
}

const char *archive_part_name(const struct archive_part *part)
{
    return part->name;
}

const struct zip *archive_part_zip(const struct archive_part *part)
{
    return part->is_zip ? &part->zip : NULL;
}

// ---------------------------------------------------------------- the parts

bool archive_new(struct archive **out, struct err *err)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL) return err_set(err, ERR_MEMORY, "no memory");
    (*out)->bulk_max = BULK_BYTES;
    return true;
}

void archive_free(struct archive *archive)
{
    if (archive == NULL) return;
    for (size_t i = 0; i < archive->num_parts; i++) {
        archive_part_close(archive->parts[i]);
    }
    free(archive->parts);
    free(archive->ranges);
    free(archive);
}

// Adds [first, end), joining it with what it touches.
static bool add_range(struct archive *archive, uint64_t first, uint64_t end)
{
    size_t from = 0, to;

    while (from < archive->num_ranges && archive->ranges[from].end < first) {
        from++;
    }
    for (to = from;
         to < archive->num_ranges && archive->ranges[to].first <= end; to++) {
        if (archive->ranges[to].first < first)
            first = archive->ranges[to].first;
        if (archive->ranges[to].end > end) end = archive->ranges[to].end;
    }
    if (to == from && archive->num_ranges == archive->size_ranges) {
        size_t size = archive->size_ranges == 0 ? 16 : archive->size_ranges * 2;
        struct range *ranges = realloc(archive->ranges, size * sizeof *ranges);

        if (ranges == NULL) return false;
        archive->ranges = ranges;
        archive->size_ranges = size;
    }
    memmove(archive->ranges + from + 1, archive->ranges + to,
            (archive->num_ranges - to) * sizeof *archive->ranges);
    archive->ranges[from] = (struct range){first, end};
    archive->num_ranges += 1 + from - to;
    return true;
}

// The data tiles of a list, in runs.
static bool add_ranges(struct archive *archive, const struct zip_list *list)
{
    uint64_t first = 0, end = 0;

    for (size_t i = 0; i < list->num; i++) {
        uint64_t key = list->slots[i].key, at;

        if (key >> 60 != TILE_DATA + 1) break;
        at = (key >> 8) * TILE_WIDTH;
        if (at != end) {
            if (end > first && !add_range(archive, first, end)) return false;
            first = at;
        }
        end = at + ((key & 255) == 0 ? TILE_WIDTH : key & 255);
    }
    return end == first || add_range(archive, first, end);
}

// The lines of a checkpoint that say which tree it is of; not verified here.
static bool peek_checkpoint(struct bytes text, uint64_t *size,
                            struct bytes *root)
{
    struct bytes lines[3];

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        const uint8_t *end =
            text.len == 0 ? NULL : memchr(text.data, '\n', text.len);

        if (end == NULL) return false;
        lines[i] = bytes_of(text.data, (size_t)(end - text.data));
        (void)bytes_skip(&text, lines[i].len + 1);
    }
    *root = lines[2];
    return text_parse_uint(size, lines[1]);
}

static void take_checkpoint(struct archive *archive, size_t at)
{
    struct archive_part *part = archive->parts[at];
    struct bytes root, best_root;
    uint64_t size, best_size;

    if (part->checkpoint_err.code != ERR_NONE) {
        archive->checkpoint_err = part->checkpoint_err;
        return;
    }
    if (part->checkpoint.len == 0) return;
    if (!peek_checkpoint(buffer_bytes(&part->checkpoint), &size, &root)) {
        size = 0;
        root = (struct bytes){0};
    }
    if (!archive->has_checkpoint || size > archive->best_size) {
        archive->has_checkpoint = true;
        archive->best = at;
        archive->best_size = size;
        return;
    }
    if (size < archive->best_size ||
        !peek_checkpoint(
            buffer_bytes(&archive->parts[archive->best]->checkpoint),
            &best_size, &best_root)) {
        return;
    }
    if (!bytes_equal(root, best_root)) {
        (void)err_set(&archive->checkpoint_err, ERR_VERIFY,
                      "%.200s: checkpoint: of %" PRIu64
                      " entries, with another root than that of %.200s",
                      part->name, size, archive->parts[archive->best]->name);
    }
}

bool archive_take(struct archive *archive, struct archive_part *part,
                  struct err *err)
{
    struct archive_part **parts =
        realloc(archive->parts, (archive->num_parts + 1) * sizeof *parts);

    if (parts == NULL) return no_memory(err);
    archive->parts = parts;
    if (part->is_zip) {
        archive->has_zips = true;
        if (!add_ranges(archive, &part->bulk) ||
            !add_ranges(archive, &part->rest)) {
            return no_memory(err);
        }
        // Held until the memory for it is used up, in the order given.
        archive->bulk_bytes += part->bulk.size * sizeof *part->bulk.slots;
        if (archive->bulk_bytes > archive->bulk_max) {
            archive->bulk_bytes -= part->bulk.size * sizeof *part->bulk.slots;
            zip_list_cleanup(&part->bulk);
            part->has_bulk = false;
        }
    } else {
        archive->has_folders = true;
    }
    archive->parts[archive->num_parts++] = part;
    take_checkpoint(archive, archive->num_parts - 1);
    return true;
}

size_t archive_num_parts(const struct archive *archive)
{
    return archive->num_parts;
}

struct archive_part *archive_part_at(const struct archive *archive, size_t at)
{
    return archive->parts[at];
}

bool archive_has_zips(const struct archive *archive)
{
    return archive->has_zips;
}

bool archive_range(const struct archive *archive, uint64_t first,
                   uint64_t *range_first, uint64_t *range_end)
{
    if (archive->has_folders) {
        *range_first = first;
        *range_end = UINT64_MAX;
        return true;
    }
    for (size_t i = 0; i < archive->num_ranges; i++) {
        const struct range *range = &archive->ranges[i];

        if (range->end <= first) continue;
        *range_first = range->first > first ? range->first : first;
        *range_end = range->end;
        return true;
    }
    return false;
}

size_t archive_num_ranges(const struct archive *archive)
{
    return archive->has_folders ? 1 : archive->num_ranges;
}

// ---------------------------------------------------------------- finding

// Drops directories, the longest unused first, until the rest fits.
static void make_room(struct archive *archive, const struct archive_part *but)
{
    while (archive->bulk_bytes > archive->bulk_max) {
        struct archive_part *oldest = NULL;

        for (size_t i = 0; i < archive->num_parts; i++) {
            struct archive_part *part = archive->parts[i];

            if (part == but || !part->has_bulk) continue;
            if (oldest == NULL || part->used < oldest->used) oldest = part;
        }
        if (oldest == NULL) return;
        archive->bulk_bytes -= oldest->bulk.size * sizeof *oldest->bulk.slots;
        zip_list_cleanup(&oldest->bulk);
        oldest->has_bulk = false;
    }
}

void archive_limit(struct archive *archive, size_t bytes)
{
    archive->bulk_max = bytes;
    make_room(archive, NULL);
}

static bool load_bulk(struct archive *archive, struct archive_part *part,
                      struct err *err)
{
    part->used = ++archive->clock;
    if (part->has_bulk) return true;
    if (!zip_walk(&part->zip, visit_bulk, part, err) ||
        !sort_list(&part->bulk, err)) {
        zip_list_cleanup(&part->bulk);
        return damaged(part, NULL, err);
    }
    part->has_bulk = true;
    archive->bulk_bytes += part->bulk.size * sizeof *part->bulk.slots;
    make_room(archive, part);
    return true;
}

// A part's slot for a key; NULL: it has none, or with `err` set, damage.
static const struct zip_slot *find(struct archive *archive,
                                   struct archive_part *part, uint64_t key,
                                   struct err *err)
{
    const struct span *span;
    uint64_t tile;

    if (!part->is_zip) return NULL;
    if (!key_is_bulk(key)) return zip_list_find(&part->rest, key);
    span = &part->spans[key >> 60];
    tile = key << 4 >> 12;
    if (!span->any || tile < span->first || tile > span->last) return NULL;
    if (!load_bulk(archive, part, err)) return NULL;
    return zip_list_find(&part->bulk, key);
}

const char *archive_holder(struct archive *archive, const char *path)
{
    uint64_t key = zip_key(bytes_from_text(path + 1));
    struct err err = {0};

    if (strcmp(path, "/checkpoint") == 0) {
        return archive->has_checkpoint ? archive->parts[archive->best]->name
                                       : NULL;
    }
    for (size_t i = 0; i < archive->num_parts; i++) {
        if (find(archive, archive->parts[i], key, &err) != NULL) {
            return archive->parts[i]->name;
        }
    }
    return NULL;
}

bool archive_get(struct archive *archive, struct archive_part *first,
                 const char *path, size_t len_max, struct inflater *inflater,
                 struct buffer *packed, struct buffer *body, bool *found,
                 struct err *err)
{
    uint64_t key = zip_key(bytes_from_text(path + 1));
    const struct zip_slot *slot = find(archive, first, key, err);
    struct archive_part *part = first;
    struct zip_member member;

    for (size_t i = 0;
         slot == NULL && err->code == ERR_NONE && i < archive->num_parts; i++) {
        part = archive->parts[i];
        slot = find(archive, part, key, err);
    }
    *found = slot != NULL;
    if (slot == NULL) return err->code == ERR_NONE;
    member = zip_list_member(slot, bytes_from_text(path + 1));
    return archive_part_read(part, &member, len_max, inflater, packed, body,
                             err) ||
           damaged(part, path + 1, err);
}

// ---------------------------------------------------------------- reading

static void next_part(struct archive_file *file);
static void on_read(struct ring_op *op, int result);

static void on_end(struct ring_op *op, int result)
{
    struct archive_file *file = RING_OWNER(op, struct archive_file, op);

    (void)result;
    file->done(file);
}

static void end(struct archive_file *file)
{
    ring_post(file->ring, &file->op, 0, on_end);
}

static void fail(struct archive_file *file, const struct err *err)
{
    file->status = 0;
    file->is_packed = false;
    file->err = *err;
    end(file);
}

static bool is_issuer(const struct archive_file *file)
{
    return strncmp(file->path, "/issuer/", 8) == 0;
}

static void on_plain(struct directory_file *plain)
{
    struct archive_file *file =
        (struct archive_file *)(void *)((char *)plain -
                                        offsetof(struct archive_file, plain));

    if (plain->status == 404) {
        next_part(file);
        return;
    }
    file->status = plain->status;
    file->err = plain->err;
    buffer_cleanup(&file->body);
    file->body = plain->body;
    plain->body = (struct buffer){0};
    file->done(file);
}

static void read_more(struct archive_file *file)
{
    ring_read(file->ring, &file->op, file->from->fd,
              file->packed.data + file->packed.len,
              file->wanted - file->packed.len,
              (int64_t)(file->slot.offset + file->packed.len), on_read);
}

static bool begin_read(struct archive_file *file, struct err *err)
{
    struct archive_part *part = file->from;
    struct bytes name = bytes_from_text(file->path + 1);
    struct zip_member member = zip_list_member(&file->slot, name);
    uint64_t most = part->zip.directory - file->slot.offset;

    if (!fits(&member, file->body_max, err)) return false;
    file->wanted =
        ZIP_LOCAL_MIN + name.len + EXTRA_SLACK + (size_t)file->slot.packed_len;
    if (file->wanted > most) file->wanted = (size_t)most;
    buffer_reset(&file->packed);
    return buffer_reserve(&file->packed, file->wanted) ||
           err_set(err, ERR_MEMORY, "no memory for a member");
}

static struct zip_member member_of(const struct archive_file *file)
{
    return zip_list_member(&file->slot, bytes_from_text(file->path + 1));
}

// Is all of the member there?  False with code ERR_NONE: a little more is to
// be read.
static bool is_whole(struct archive_file *file, struct err *err)
{
    struct zip_member member = member_of(file);
    size_t wanted;

    if (!zip_local_len(&file->header_len, buffer_bytes(&file->packed), err)) {
        return false;
    }
    wanted = file->header_len + (size_t)member.packed_len;
    if (wanted > file->packed.len) {
        if (wanted > file->from->zip.directory - file->slot.offset) {
            return err_set(err, ERR_MALFORMED,
                           "zip: a member that overlaps "
                           "the directory");
        }
        if (!buffer_reserve(&file->packed, wanted - file->packed.len)) {
            return err_set(err, ERR_MEMORY, "no memory for a member");
        }
        file->wanted = wanted;
        return false;
    }
    return zip_local_check(&member,
                           bytes_of(file->packed.data, file->header_len), err);
}

static bool unpack_file(struct archive_file *file, struct inflater *inflater,
                        struct buffer *body, struct err *err)
{
    struct zip_member member = member_of(file);

    return unpack(inflater, &member, &file->packed, file->header_len, body,
                  err);
}

bool archive_unpack(struct archive_file *file, struct inflater *inflater,
                    struct buffer *body, struct err *err)
{
    file->is_packed = false;
    if (unpack_file(file, inflater, body, err)) return true;
    (void)damaged(file->from, file->path + 1, err);
    file->status = 0;
    file->err = *err;
    return false;
}

size_t archive_file_len(const struct archive_file *file)
{
    return file->is_packed ? (size_t)member_of(file).len : file->body.len;
}

// Copies in several zips are one file.
static bool is_as_before(const struct archive_file *file, struct err *err)
{
    return file->before == NULL || file->slot.crc == file->crc_before ||
           err_set(err, ERR_MALFORMED, "differs from that of %.200s",
                   file->before->name);
}

static void judge(struct archive_file *file)
{
    struct err err = {0};
    bool is_good = is_whole(file, &err);

    // Of what fills the zips one copy is enough, and any thread may unpack it.
    file->is_packed = file->may_stay_packed && key_is_bulk(file->key);
    if (is_good && !file->is_packed) {
        is_good = unpack_file(file, file->inflater, &file->body, &err);
    }
    if (is_good && is_as_before(file, &err)) {
        file->status = 200;
        file->before = file->from;
        file->crc_before = file->slot.crc;
        if (is_issuer(file)) {
            end(file);
        } else {
            next_part(file);
        }
        return;
    }
    if (err.code == ERR_NONE) {
        read_more(file);
        return;
    }
    (void)damaged(file->from, file->path + 1, &err);
    if (is_issuer(file)) {
        file->err = err;
        next_part(file);
        return;
    }
    fail(file, &err);
}

static void on_read(struct ring_op *op, int result)
{
    struct archive_file *file = RING_OWNER(op, struct archive_file, op);
    struct err err = {0};

    if (result > 0) {
        file->packed.len += (size_t)result;
        if (file->packed.len < file->wanted) {
            read_more(file);
        } else {
            judge(file);
        }
        return;
    }
    if (result == 0) {
        (void)err_set(&err, ERR_MALFORMED, "zip: cut off");
    } else {
        (void)err_set(&err, ERR_NETWORK, "%s", strerror(-result));
    }
    (void)damaged(file->from, file->path + 1, &err);
    fail(file, &err);
}

// Looks into the next part that has it; none is left: that is the end.
static void next_part(struct archive_file *file)
{
    struct archive *archive = file->archive;
    struct err err = {0};

    while (file->part < archive->num_parts) {
        struct archive_part *part = archive->parts[file->part++];
        const struct zip_slot *slot;

        if (!part->is_zip && file->status != 200) {
            file->plain.body_max = file->body_max;
            file->plain.done = on_plain;
            directory_read(file->ring, part->fd, file->path, &file->plain);
            return;
        }
        // One copy of what fills the zips is enough.
        if (file->status == 200 && key_is_bulk(file->key)) break;
        slot = find(archive, part, file->key, &err);
        if (slot == NULL && err.code == ERR_NONE) continue;
        file->from = part;
        if (slot != NULL) {
            file->slot = *slot;
            if (begin_read(file, &err)) {
                read_more(file);
                return;
            }
            (void)damaged(part, file->path + 1, &err);
        }
        fail(file, &err);
        return;
    }
    end(file);
}

void archive_read(struct archive *archive, struct ring *ring,
                  struct inflater *inflater, const char *path,
                  struct archive_file *file)
{
    file->archive = archive;
    file->ring = ring;
    file->inflater = inflater;
    file->path = path;
    file->key = zip_key(bytes_from_text(path + 1));
    file->part = 0;
    file->before = NULL;
    file->is_packed = false;
    file->status = 404;
    file->err = (struct err){0};
    buffer_reset(&file->body);
    if (!archive->has_zips || strcmp(path, "/checkpoint") != 0) {
        next_part(file);
        return;
    }
    if (archive->checkpoint_err.code != ERR_NONE) {
        fail(file, &archive->checkpoint_err);
        return;
    }
    if (archive->has_checkpoint) {
        buffer_append(&file->body,
                      buffer_bytes(&archive->parts[archive->best]->checkpoint));
        file->status = buffer_ok(&file->body) ? 200 : 0;
    }
    end(file);
}

void archive_file_cleanup(struct archive_file *file)
{
    buffer_cleanup(&file->body);
    buffer_cleanup(&file->packed);
    buffer_cleanup(&file->plain.body);
}
