// zip.h - zip files in which retired logs are archived. (pure)
//
// Geomys' layout (CT-PROTOCOLS section 13): members stored or raw deflate,
// Zip64 throughout, no encryption, one disk.  The directory at the end of the
// file is read as a stream; what is kept of a member is a slot of 32 bytes.
//
//   zip_open       end record, Zip64's end record
//   zip_walk       the central directory, member by member
//   zip_list_*     slots sorted by key: path -> where it lies
//   zip_local_*    the header in front of a member's bytes
//
// Zip64 is read leniently where nothing is lost: sizes may stand in the extra
// field though the 32-bit ones hold them as well (and must then agree), the
// locator may be missing, an end record that is not needed may be there.
//
// Result    ERR_MALFORMED: not a zip, cut off or damaged; ERR_UNSUPPORTED; or
//           what the byte reader says.
// Limit     ZIP_MEMBERS_MAX members; ZIP_NAME_MAX bytes of a name.

#pragma once

#include "index/base/err.h"

enum {
    ZIP_MEMBERS_MAX = 1 << 22,
    ZIP_NAME_MAX = 1024,
    ZIP_LOCAL_MIN = 30, // bytes of a local header before the name
    ZIP_STORED = 0,
    ZIP_DEFLATED = 8,
};

// Reads exactly `len` bytes at `offset`.
typedef bool zip_read(void *context, uint64_t offset, uint8_t *out, size_t len,
                      struct err *err);

struct zip {
    zip_read *read;
    void *context;
    uint64_t size; // of the file

    // Set by zip_open.
    uint64_t directory; // where the central directory is, and how long
    uint64_t directory_len;
    uint64_t num_members;
};

struct zip_member {
    struct bytes name;
    uint64_t offset;     // of the local header
    uint64_t packed_len; // as it lies there
    uint64_t len;        // unpacked
    uint32_t crc;
    unsigned method;
    bool is_encrypted;
};

// zip_open finds the central directory; read, context and size are set.
MUST_USE bool zip_open(struct zip *zip, struct err *err);

// Called for each member, whose name is good during the call; false (with
// `err`) ends the walk.
typedef bool zip_visit(void *context, const struct zip_member *member,
                       struct err *err);

// zip_walk visits all members in the directory's order.
MUST_USE bool zip_walk(const struct zip *zip, zip_visit *visit, void *context,
                       struct err *err);

// zip_local_len is how long the local header is of which `head` are the first
// ZIP_LOCAL_MIN bytes.
MUST_USE bool zip_local_len(size_t *len, struct bytes head, struct err *err);

// zip_local_check compares a whole local header with the directory.
MUST_USE bool zip_local_check(const struct zip_member *member,
                              struct bytes header, struct err *err);

// ---------------------------------------------------------------- slots

// The key of a path: tiles by level, number and width, so that they sort as
// they are read; all else by hash.
enum { ZIP_KEY_LEVELS = 12 };

struct zip_tile {
    int level; // TILE_DATA or 0 to ZIP_KEY_LEVELS - 1
    uint64_t tile;
    unsigned width; // 1 to TILE_WIDTH
};

// zip_parse_tile reads "tile/data/x001/234.p/17"; only the one spelling of it.
bool zip_parse_tile(struct zip_tile *out, struct bytes path);

// zip_key is the key of a path, zip_tile_key of a tile.
uint64_t zip_key(struct bytes path);
uint64_t zip_tile_key(int level, uint64_t tile, unsigned width);

struct zip_slot {
    uint64_t key;
    uint64_t offset : 56;
    uint64_t method : 8; // ZIP_STORED, ZIP_DEFLATED or ZIP_OTHER
    uint32_t packed_len, len, crc;
};

enum { ZIP_OTHER = 255 };

// A list of slots; valid as {0}.
struct zip_list {
    struct zip_slot *slots;
    size_t num, size;
};

// zip_list_add takes a member; false: no memory.  zip_list_sort follows the
// last: false when two have one key.
MUST_USE bool zip_list_add(struct zip_list *list,
                           const struct zip_member *member, uint64_t key);
MUST_USE bool zip_list_sort(struct zip_list *list);

// zip_list_find finds a slot, or NULL.
const struct zip_slot *zip_list_find(const struct zip_list *list, uint64_t key);

// zip_list_member gives back what zip_local_check compares.
struct zip_member zip_list_member(const struct zip_slot *slot,
                                  struct bytes name);

// zip_list_cleanup frees it.
void zip_list_cleanup(struct zip_list *list);
