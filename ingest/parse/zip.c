// zip.c - see zip.h; section numbers are those of PKWARE's APPNOTE 6.3.10.

#include "ingest/parse/zip.h"

#include <inttypes.h>
#include <stdlib.h>

#include "index/base/sha256.h"
#include "ingest/parse/tile.h"

enum {
    END_LEN = 22, // without the comment (section 4.3.16)
    END_COMMENT_MAX = 65535,
    LOCATOR_LEN = 20, // section 4.3.15
    END64_LEN = 56,   // section 4.3.14
    CENTRAL_LEN = 46, // section 4.3.12
    WINDOW_LEN = 1 << 18,
    EXTRA_ZIP64 = 1,
    FLAG_ENCRYPTED = 1,
    FLAG_DESCRIPTOR = 8, // sizes and CRC stand behind the member
    KEY_TILE_BITS = 52,
};

static const uint32_t SIGNATURE_END = 0x06054b50;
static const uint32_t SIGNATURE_LOCATOR = 0x07064b50;
static const uint32_t SIGNATURE_END64 = 0x06064b50;
static const uint32_t SIGNATURE_CENTRAL = 0x02014b50;
static const uint32_t SIGNATURE_LOCAL = 0x04034b50;

// Zip's integers are little-endian.
static uint64_t get(const uint8_t *at, size_t width)
{
    uint64_t sum = 0;

    while (width > 0) {
        sum = sum << 8 | at[--width];
    }
    return sum;
}

static bool malformed(struct err *err, const char *what)
{
    return err_set(err, ERR_MALFORMED, "zip: %s", what);
}

// ---------------------------------------------------------------- the end

// The last place where an end record fits exactly to the end of the file.
static bool find_end(const struct bytes *tail, size_t *out)
{
    for (size_t at = tail->len - END_LEN + 1; at-- > 0;) {
        const uint8_t *end = tail->data + at;

        if (get(end, 4) == SIGNATURE_END &&
            at + END_LEN + get(end + 20, 2) == tail->len) {
            *out = at;
            return true;
        }
    }
    return false;
}

// Reads a Zip64 end record at `offset`, if there is one that is whole.
static bool read_end64(const struct zip *zip, uint64_t offset, uint64_t end,
                       uint8_t *out)
{
    return end >= END64_LEN && offset <= end - END64_LEN &&
           zip->read(zip->context, offset, out, END64_LEN, NULL) &&
           get(out, 4) == SIGNATURE_END64;
}

// The Zip64 end record of an end record at `end`: where the locator says, else
// right before the place of the locator, else right before the end record.
static bool find_end64(const struct zip *zip, uint64_t end, uint8_t *out,
                       uint64_t *where)
{
    uint8_t locator[LOCATOR_LEN];

    if (end >= LOCATOR_LEN &&
        zip->read(zip->context, end - LOCATOR_LEN, locator, LOCATOR_LEN,
                  NULL) &&
        get(locator, 4) == SIGNATURE_LOCATOR) {
        *where = get(locator + 8, 8);
        if (read_end64(zip, *where, end, out)) return true;
        *where = end - LOCATOR_LEN - END64_LEN;
        return end >= LOCATOR_LEN + END64_LEN &&
               read_end64(zip, *where, end, out);
    }
    *where = end - END64_LEN;
    return end >= END64_LEN && read_end64(zip, *where, end, out);
}

// A value of the end record, and of Zip64's where it is all ones.  False when
// both are there and differ.
static bool widen(uint64_t *value, uint64_t all_ones, const uint8_t *wide)
{
    if (wide == NULL) return true;
    if (*value != all_ones && *value != get(wide, 8)) return false;
    *value = get(wide, 8);
    return true;
}

static bool check_place(const struct zip *zip, uint64_t end, struct err *err)
{
    if (zip->num_members > ZIP_MEMBERS_MAX) {
        return err_set(err, ERR_UNSUPPORTED, "zip: more than %d members",
                       ZIP_MEMBERS_MAX);
    }
    if (zip->directory > end || zip->directory_len > end - zip->directory ||
        zip->num_members > zip->directory_len / CENTRAL_LEN) {
        return malformed(err, "the end record points outside of the file");
    }
    return true;
}

static bool read_end(struct zip *zip, uint64_t at, const uint8_t *end,
                     struct err *err)
{
    uint64_t where, limit = at;
    uint8_t end64[END64_LEN];
    const uint8_t *wide = NULL;

    if ((get(end + 4, 2) != 0 && get(end + 4, 2) != 0xffff) ||
        get(end + 4, 2) != get(end + 6, 2) ||
        get(end + 8, 2) != get(end + 10, 2)) {
        return err_set(err, ERR_UNSUPPORTED, "zip: of several disks");
    }
    zip->num_members = get(end + 10, 2);
    zip->directory_len = get(end + 12, 4);
    zip->directory = get(end + 16, 4);
    if (find_end64(zip, at, end64, &where)) {
        wide = end64;
        limit = where;
    }
    if (!widen(&zip->num_members, 0xffff, wide ? wide + 32 : NULL) ||
        !widen(&zip->directory_len, 0xffffffff, wide ? wide + 40 : NULL) ||
        !widen(&zip->directory, 0xffffffff, wide ? wide + 48 : NULL)) {
        return malformed(err, "its two end records differ");
    }
    if (wide == NULL && zip->directory == 0xffffffff &&
        zip->directory_len < at) {
        // No Zip64 record: the directory ends where the end record begins.
        zip->directory = at - zip->directory_len;
    }
    return check_place(zip, limit, err);
}

bool zip_open(struct zip *zip, struct err *err)
{
    size_t len = END_LEN + END_COMMENT_MAX, at;
    struct bytes tail;
    uint8_t *data;
    bool ok;

    if (zip->size < END_LEN || zip->size >> 56 != 0) {
        return malformed(err, "too short for an end record");
    }
    if (len > zip->size) len = (size_t)zip->size;
    data = malloc(len);
    if (data == NULL) return err_set(err, ERR_MEMORY, "no memory for a zip");
    tail = bytes_of(data, len);
    ok = zip->read(zip->context, zip->size - len, data, len, err);
    if (ok) {
        ok = find_end(&tail, &at)
                 ? read_end(zip, zip->size - len + at, data + at, err)
                 : malformed(err, "no end record: not a zip, or cut off");
    }
    free(data);
    return ok;
}

// ---------------------------------------------------------------- Zip64 extra

// Three values of a header; those that are all ones stand in the extra field.
struct wide {
    uint64_t len, packed_len, offset;
    bool has_offset; // a local header has none
};

static bool find_extra(struct bytes extra, struct bytes *out)
{
    while (extra.len >= 4) {
        size_t kind = get(extra.data, 2), len = get(extra.data + 2, 2);

        if (len > extra.len - 4) return false;
        if (kind == EXTRA_ZIP64) {
            *out = bytes_of(extra.data + 4, len);
            return true;
        }
        extra = bytes_of(extra.data + 4 + len, extra.len - 4 - len);
    }
    return false;
}

// All values there, wanted or not: those that are not must agree.
static bool read_all(struct wide *wide, struct bytes extra)
{
    uint64_t *values[] = {&wide->len, &wide->packed_len, &wide->offset};
    size_t num = wide->has_offset ? 3 : 2;

    for (size_t i = 0; i < num; i++) {
        uint64_t value = get(extra.data + i * 8, 8);

        if (*values[i] != 0xffffffff && *values[i] != value) return false;
    }
    for (size_t i = 0; i < num; i++) {
        *values[i] = get(extra.data + i * 8, 8);
    }
    return true;
}

// As section 4.5.3 says: only those that are all ones, in this order.
static bool read_wanted(struct wide *wide, struct bytes extra)
{
    uint64_t *values[] = {&wide->len, &wide->packed_len, &wide->offset};

    for (size_t i = 0; i < (wide->has_offset ? 3 : 2); i++) {
        if (*values[i] != 0xffffffff) continue;
        if (extra.len < 8) return false;
        *values[i] = get(extra.data, 8);
        extra = bytes_of(extra.data + 8, extra.len - 8);
    }
    return true;
}

static bool read_wide(struct wide *wide, struct bytes extra)
{
    struct bytes zip64;

    // Without the field all ones may be meant: what is there tells.
    if (!find_extra(extra, &zip64)) return true;
    // Longer than all that a standard field may have to say: the lenient form.
    if (zip64.len >= (wide->has_offset ? 3 : 2) * sizeof(uint64_t)) {
        return read_all(wide, zip64);
    }
    return read_wanted(wide, zip64);
}

// ---------------------------------------------------------------- directory

static bool read_member(struct zip_member *member, const uint8_t *at,
                        const struct zip *zip, struct err *err)
{
    size_t name_len = get(at + 28, 2);
    struct wide wide = {
        .len = get(at + 24, 4),
        .packed_len = get(at + 20, 4),
        .offset = get(at + 42, 4),
        .has_offset = true,
    };

    *member = (struct zip_member){
        .name = bytes_of(at + CENTRAL_LEN, name_len),
        .crc = (uint32_t)get(at + 16, 4),
        .method = (unsigned)get(at + 10, 2),
        .is_encrypted = (get(at + 8, 2) & FLAG_ENCRYPTED) != 0,
    };
    if (!read_wide(&wide,
                   bytes_of(at + CENTRAL_LEN + name_len, get(at + 30, 2)))) {
        return malformed(err, "a Zip64 field too short, or of other sizes");
    }
    member->len = wide.len;
    member->packed_len = wide.packed_len;
    member->offset = wide.offset;
    if (name_len > ZIP_NAME_MAX) return malformed(err, "a name too long");
    if (member->offset >= zip->directory ||
        member->packed_len > zip->directory - member->offset ||
        zip->directory - member->offset - member->packed_len <
            ZIP_LOCAL_MIN + name_len) {
        return malformed(err, "a member outside of the file");
    }
    if (member->method == ZIP_STORED && member->len != member->packed_len) {
        return malformed(err, "a stored member of two lengths");
    }
    return true;
}

// A window that slides over the directory.
struct window {
    uint8_t *data;
    size_t at, len;
    uint64_t next, rest; // of the file
};

// Has at least `need` bytes at `at`, or all that are left.
static bool slide(const struct zip *zip, struct window *window, size_t need,
                  struct err *err)
{
    size_t more;

    if (window->len - window->at >= need || window->rest == 0) return true;
    memmove(window->data, window->data + window->at, window->len - window->at);
    window->len -= window->at;
    window->at = 0;
    more = WINDOW_LEN - window->len;
    if (more > window->rest) more = (size_t)window->rest;
    if (!zip->read(zip->context, window->next, window->data + window->len, more,
                   err)) {
        return false;
    }
    window->len += more;
    window->next += more;
    window->rest -= more;
    return true;
}

static bool walk_next(const struct zip *zip, struct window *window,
                      zip_visit *visit, void *context, struct err *err)
{
    struct zip_member member;
    const uint8_t *at;
    size_t len;

    if (!slide(zip, window, CENTRAL_LEN + 3 * (size_t)0xffff, err)) {
        return false;
    }
    at = window->data + window->at;
    if (window->len - window->at < CENTRAL_LEN ||
        get(at, 4) != SIGNATURE_CENTRAL) {
        return malformed(err, "its directory is damaged");
    }
    len = CENTRAL_LEN + get(at + 28, 2) + get(at + 30, 2) + get(at + 32, 2);
    if (len > window->len - window->at) {
        return malformed(err, "its directory is cut off");
    }
    window->at += len;
    return read_member(&member, at, zip, err) && visit(context, &member, err);
}

bool zip_walk(const struct zip *zip, zip_visit *visit, void *context,
              struct err *err)
{
    struct window window = {
        .data = malloc(WINDOW_LEN),
        .next = zip->directory,
        .rest = zip->directory_len,
    };
    bool ok = window.data != NULL ||
              err_set(err, ERR_MEMORY, "no memory for a zip's directory");

    for (uint64_t i = 0; ok && i < zip->num_members; i++) {
        ok = walk_next(zip, &window, visit, context, err);
    }
    if (ok && (window.rest > 0 || window.at < window.len)) {
        ok = malformed(err, "its directory has more than it says");
    }
    free(window.data);
    return ok;
}

// ---------------------------------------------------------------- local header

bool zip_local_len(size_t *len, struct bytes head, struct err *err)
{
    if (head.len < ZIP_LOCAL_MIN || get(head.data, 4) != SIGNATURE_LOCAL) {
        return malformed(err, "no member where its directory says");
    }
    *len = ZIP_LOCAL_MIN + get(head.data + 26, 2) + get(head.data + 28, 2);
    return true;
}

bool zip_local_check(const struct zip_member *member, struct bytes header,
                     struct err *err)
{
    size_t len, name_len;
    struct wide wide;
    unsigned flags;

    if (!zip_local_len(&len, header, err)) return false;
    if (len != header.len) return malformed(err, "a member's header cut off");
    name_len = get(header.data + 26, 2);
    flags = (unsigned)get(header.data + 6, 2);
    if (get(header.data + 8, 2) != member->method ||
        ((flags & FLAG_ENCRYPTED) != 0) != member->is_encrypted ||
        !bytes_equal(bytes_of(header.data + ZIP_LOCAL_MIN, name_len),
                     member->name)) {
        return malformed(err, "a member is not what its directory says");
    }
    if ((flags & FLAG_DESCRIPTOR) != 0) return true;
    wide.len = get(header.data + 22, 4);
    wide.packed_len = get(header.data + 18, 4);
    wide.offset = 0;
    wide.has_offset = false;
    if (!read_wide(&wide, bytes_of(header.data + ZIP_LOCAL_MIN + name_len,
                                   len - ZIP_LOCAL_MIN - name_len)) ||
        wide.len != member->len || wide.packed_len != member->packed_len ||
        get(header.data + 14, 4) != member->crc) {
        return malformed(err, "a member has another size than its directory "
                              "says");
    }
    return true;
}

// ---------------------------------------------------------------- keys

// Reads "x001/x234/067" off the front: the one spelling of a number.
static bool parse_number(struct bytes *path, uint64_t *out)
{
    bool is_last = false, is_first = true;
    uint64_t number = 0;

    while (!is_last) {
        is_last = path->len > 0 && path->data[0] != 'x';
        if (!is_last && !bytes_skip(path, 1)) return false;
        if (path->len < 3 || number > UINT64_C(1) << 40) return false;
        for (size_t i = 0; i < 3; i++) {
            if (path->data[i] < '0' || path->data[i] > '9') return false;
            number = number * 10 + (uint64_t)(path->data[i] - '0');
        }
        (void)bytes_skip(path, 3);
        if (is_last) break;
        if (is_first && number == 0) return false;
        is_first = false;
        if (path->len == 0 || path->data[0] != '/') return false;
        (void)bytes_skip(path, 1);
    }
    *out = number;
    return true;
}

static bool take_text(struct bytes *path, const char *text)
{
    struct bytes start = bytes_from_text(text);

    return bytes_starts_with(*path, start) && bytes_skip(path, start.len);
}

// Reads a decimal below `limit` without leading zeros that ends the path or
// stands before a slash.
static bool parse_small(struct bytes *path, unsigned limit, unsigned *out)
{
    unsigned number = 0;
    size_t len = 0;

    while (len < path->len && path->data[len] >= '0' &&
           path->data[len] <= '9' && len < 4) {
        number = number * 10 + (unsigned)(path->data[len++] - '0');
    }
    if (len == 0 || (len > 1 && path->data[0] == '0') || number >= limit) {
        return false;
    }
    *out = number;
    return bytes_skip(path, len);
}

bool zip_parse_tile(struct zip_tile *out, struct bytes path)
{
    unsigned level;

    *out = (struct zip_tile){.width = TILE_WIDTH};
    if (!take_text(&path, "tile/")) return false;
    if (take_text(&path, "data/")) {
        out->level = TILE_DATA;
    } else if (parse_small(&path, ZIP_KEY_LEVELS, &level) &&
               take_text(&path, "/")) {
        out->level = (int)level;
    } else {
        return false;
    }
    if (!parse_number(&path, &out->tile)) return false;
    if (path.len == 0) return true;
    return take_text(&path, ".p/") &&
           parse_small(&path, TILE_WIDTH, &out->width) && out->width > 0 &&
           path.len == 0;
}

uint64_t zip_tile_key(int level, uint64_t tile, unsigned width)
{
    return (uint64_t)(level + 1) << 60 | tile << 8 | width % TILE_WIDTH;
}

uint64_t zip_key(struct bytes path)
{
    struct sha256_hash hash;
    struct zip_tile tile;
    uint64_t key;

    if (zip_parse_tile(&tile, path)) {
        return zip_tile_key(tile.level, tile.tile, tile.width);
    }
    hash = sha256(path);
    memcpy(&key, hash.bytes, sizeof key);
    return key | UINT64_C(15) << 60;
}

// ---------------------------------------------------------------- lists

bool zip_list_add(struct zip_list *list, const struct zip_member *member,
                  uint64_t key)
{
    bool is_known =
        (member->method == ZIP_STORED || member->method == ZIP_DEFLATED) &&
        !member->is_encrypted && member->len <= INT32_MAX &&
        member->packed_len <= INT32_MAX;

    if (list->num == list->size) {
        size_t size = list->size == 0 ? 64 : list->size * 2;
        struct zip_slot *slots = realloc(list->slots, size * sizeof *slots);

        if (slots == NULL) return false;
        list->slots = slots;
        list->size = size;
    }
    list->slots[list->num++] = (struct zip_slot){
        .key = key,
        .offset = member->offset & 0xffffffffffffff,
        .method = (is_known ? member->method : ZIP_OTHER) & 255,
        .packed_len = is_known ? (uint32_t)member->packed_len : 0,
        .len = is_known ? (uint32_t)member->len : 0,
        .crc = member->crc,
    };
    return true;
}

static int compare_slots(const void *a, const void *b)
{
    const struct zip_slot *left = a, *right = b;

    return left->key < right->key ? -1 : left->key > right->key;
}

bool zip_list_sort(struct zip_list *list)
{
    if (list->num == 0) return true;
    qsort(list->slots, list->num, sizeof *list->slots, compare_slots);
    for (size_t i = 1; i < list->num; i++) {
        if (list->slots[i - 1].key == list->slots[i].key) return false;
    }
    return true;
}

const struct zip_slot *zip_list_find(const struct zip_list *list, uint64_t key)
{
    struct zip_slot wanted = {.key = key};

    if (list->num == 0) return NULL;
    return bsearch(&wanted, list->slots, list->num, sizeof wanted,
                   compare_slots);
}

struct zip_member zip_list_member(const struct zip_slot *slot,
                                  struct bytes name)
{
    return (struct zip_member){
        .name = name,
        .offset = slot->offset,
        .packed_len = slot->packed_len,
        .len = slot->len,
        .crc = slot->crc,
        .method = slot->method,
    };
}

void zip_list_cleanup(struct zip_list *list)
{
    free(list->slots);
    *list = (struct zip_list){0};
}
