// archive.h - a log in files: zips of its tiles, folders of them, or both.
//
//   archive_part_open   one zip or folder: its directory, what it says it is
//   archive_take        parts of one log, however named and split
//   archive_read        a file, as if it had been asked for
//
// The checkpoint is that of the largest tree among the parts; all of them are
// looked at.  A file that several zips hold is read from each: what one of them
// has wrong, or otherwise than another, is found.  Of the zips' directories
// those of full tiles are kept for a few zips at a time and read again when
// they are needed.
//
// Lifetime  as of a fetch_request: a file belongs to the archive until `done`.
// Order     `done` runs only inside ring_run().  Parts are taken before the
//           first read.
// Result    status 200 and the body; 404 where no part has it; else 0 and
//           `err`: ERR_VERIFY where a zip has it and it is not what the zip
//           says, and then the sentence names the zip.
// Thread    the ring's, once reading has begun; archive_check.h any other.
// Limit     `body_max` bytes of a file.

#pragma once

#include "ingest/parse/inflate.h"
#include "ingest/parse/zip.h"
#include "ingest/source/directory.h"

struct archive;      // opaque
struct archive_part; // opaque
struct archive_file;
typedef void archive_done(struct archive_file *file);

struct archive_file {
    // Set by the caller; the rest {0}.
    size_t body_max;
    bool may_stay_packed; // for archive_unpack, on any thread
    archive_done *done;

    // The result.
    unsigned status;
    struct err err;
    struct buffer body; // empty when it has stayed packed
    bool is_packed;

    // The archive's own.
    struct archive *archive;
    struct ring *ring;
    struct inflater *inflater;
    const char *path;
    uint64_t key;
    size_t part; // to be looked at next
    struct archive_part *from;
    struct archive_part *before; // where an earlier copy was, and its CRC-32
    uint32_t crc_before;
    struct zip_slot slot;
    struct ring_op op;
    struct buffer packed; // a local header and what follows it
    size_t header_len;
    size_t wanted;
    struct directory_file plain;
};

// archive_part_open opens a zip or a folder; archive_part_close() it, unless
// an archive takes it.  ERR_VERIFY: a zip that cannot be opened.
MUST_USE bool archive_part_open(struct archive_part **out, const char *path,
                                struct err *err);
void archive_part_close(struct archive_part *part);

// archive_part_description is its log.v3.json, not trusted; empty: none.
struct bytes archive_part_description(const struct archive_part *part);

// archive_part_name is the path as given, escaped.
const char *archive_part_name(const struct archive_part *part);

// archive_new makes an archive without parts; archive_free() it.
MUST_USE bool archive_new(struct archive **out, struct err *err);
void archive_free(struct archive *archive);

// archive_take takes a part; false (no memory) leaves it the caller's.
MUST_USE bool archive_take(struct archive *archive, struct archive_part *part,
                           struct err *err);

// archive_limit says how many bytes of directories may be held at a time
// (48 MiB until then); that of one zip always is.
void archive_limit(struct archive *archive, size_t bytes);

// archive_num_parts, archive_part_at: the parts, in the order given.
size_t archive_num_parts(const struct archive *archive);
struct archive_part *archive_part_at(const struct archive *archive, size_t at);

// archive_has_zips tells zips, which do not change, from folders, which may.
bool archive_has_zips(const struct archive *archive);

// archive_range gives the first range of entries from `first` on that has its
// data tiles here; of folders that is not known: everything.  False: none.
bool archive_range(const struct archive *archive, uint64_t first,
                   uint64_t *range_first, uint64_t *range_end);

// archive_num_ranges counts those ranges.
size_t archive_num_ranges(const struct archive *archive);

// archive_holder names the zip that has `path` (begins with "/"), or NULL.
const char *archive_holder(struct archive *archive, const char *path);

// archive_read reads the file at `path` (begins with "/"), which stays as it
// is until `done`.
void archive_read(struct archive *archive, struct ring *ring,
                  struct inflater *inflater, const char *path,
                  struct archive_file *file);

// archive_unpack unpacks and checks what has stayed packed; false sets `status`
// to 0 and the file's `err` as archive_read does, and `err` too.
MUST_USE bool archive_unpack(struct archive_file *file,
                             struct inflater *inflater, struct buffer *body,
                             struct err *err);

// archive_file_len is how many bytes of body there are, packed or not.
size_t archive_file_len(const struct archive_file *file);

// archive_file_cleanup frees what a file holds.
void archive_file_cleanup(struct archive_file *file);

// ------------------------------------------------------- for archive_check.c

// archive_part_zip is the zip of a part; NULL: a folder.
const struct zip *archive_part_zip(const struct archive_part *part);

// archive_get reads a file from `first` if that has it, else from any other
// zip.
MUST_USE bool archive_get(struct archive *archive, struct archive_part *first,
                          const char *path, size_t len_max,
                          struct inflater *inflater, struct buffer *packed,
                          struct buffer *body, bool *found, struct err *err);

// archive_part_read reads a member whole and checks it, without a ring.
MUST_USE bool archive_part_read(const struct archive_part *part,
                                const struct zip_member *member, size_t len_max,
                                struct inflater *inflater,
                                struct buffer *packed, struct buffer *body,
                                struct err *err);
