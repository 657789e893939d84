// test_zip.c - zips made by python's zipfile and by a writer from the APPNOTE.

#include "ingest/parse/inflate.h"
#include "ingest/parse/tile.h"
#include "ingest/parse/zip.h"
#include "tests/support/check.h"
#include "tests/support/zip_write.h"

#include <unistd.h>

// python3's zipfile, all with the same two members: "checkpoint", stored, and
// "tile/data/000", deflated.
#define PYTHON_PLAIN                                                           \
    "504b03041400000000000000215cc40f56d904000000040000000a000000636865636b"   \
    "706f696e746c6f670a504b03041400000008000000215c3f63106f0a0000002d000000"   \
    "0d00000074696c652f646174612f3030302b4ecc4b2e2926920000504b010214031400"   \
    "000000000000215cc40f56d904000000040000000a0000000000000000000000800100"   \
    "000000636865636b706f696e74504b010214031400000008000000215c3f63106f0a00"   \
    "00002d0000000d000000000000000000000080012c00000074696c652f646174612f30"   \
    "3030504b0506000000000200020073000000610000000000"

#define PYTHON_ZIP64                                                           \
    "504b03042d00000000000000215cc40f56d9ffffffffffffffff0a001400636865636b"   \
    "706f696e7401001000040000000000000004000000000000006c6f670a504b03042d00"   \
    "000008000000215c3f63106fffffffffffffffff0d00140074696c652f646174612f30"   \
    "3030010010002d000000000000000a000000000000002b4ecc4b2e2926920000504b01"   \
    "022d032d00000000000000215cc40f56d904000000040000000a000000000000000000"   \
    "0000800100000000636865636b706f696e74504b01022d032d00000008000000215c3f"   \
    "63106f0a0000002d0000000d000000000000000000000080014000000074696c652f64"   \
    "6174612f303030504b0506000000000200020073000000890000000000"

#define PYTHON_COMMENT                                                         \
    "504b03041400000000000000215cc40f56d904000000040000000a000000636865636b"   \
    "706f696e746c6f670a504b03041400000008000000215c3f63106f0a0000002d000000"   \
    "0d00000074696c652f646174612f3030302b4ecc4b2e2926920000504b010214031400"   \
    "000000000000215cc40f56d904000000040000000a0000000000000000000000800100"   \
    "000000636865636b706f696e74504b010214031400000008000000215c3f63106f0a00"   \
    "00002d0000000d000000000000000000000080012c00000074696c652f646174612f30"   \
    "3030504b0506000000000200020073000000610000000d00504b0506206e6f74206865"   \
    "7265"

#define PYTHON_STREAM                                                          \
    "504b03041400080000000000215c0000000000000000000000000a000000636865636b"   \
    "706f696e746c6f670a504b0708c40f56d90400000004000000504b0304140008000800"   \
    "0000215c0000000000000000000000000d00000074696c652f646174612f3030302b4e"   \
    "cc4b2e2926920000504b07083f63106f0a0000002d000000504b010214031400080000"   \
    "000000215cc40f56d904000000040000000a0000000000000000000000800100000000"   \
    "636865636b706f696e74504b010214031400080008000000215c3f63106f0a0000002d"   \
    "0000000d000000000000000000000080013c00000074696c652f646174612f30303050"   \
    "4b0506000000000200020073000000810000000000"

#define TEXT_STORED "log\n"
#define TEXT_DEFLATED "sanctsanctsanctsanctsanctsanctsanctsanctsanct"

static struct inflater *inflater;

static int open_inflater(void **state)
{
    (void)state;
    return inflater_new(&inflater, NULL) ? 0 : -1;
}

static int close_inflater(void **state)
{
    (void)state;
    inflater_free(inflater);
    return 0;
}

static bool read_memory(void *context, uint64_t offset, uint8_t *out,
                        size_t len, struct err *err)
{
    const struct bytes *file = context;

    if (offset > file->len || len > file->len - offset) {
        return err_set(err, ERR_MALFORMED, "zip: cut off");
    }
    memcpy(out, file->data + offset, len);
    return true;
}

// What a walk found.
struct found {
    struct bytes file;
    size_t num, num_good; // read whole, with a CRC-32 that fits
    bool has_wrong;       // such a one with another text than it had
};

static bool visit(void *context, const struct zip_member *member,
                  struct err *err)
{
    struct found *found = context;
    struct bytes rest = found->file, header, raw;
    struct buffer body = {0};
    size_t len;
    bool ok;

    (void)err;
    found->num++;
    if (!bytes_skip(&rest, member->offset) ||
        !zip_local_len(&len, rest, NULL) ||
        !bytes_read_take(&rest, &header, len) ||
        !bytes_read_take(&rest, &raw, member->packed_len) ||
        member->is_encrypted || member->len > 1000 ||
        !zip_local_check(member, header, NULL)) {
        return true;
    }
    if (member->method == ZIP_DEFLATED) {
        ok = inflate_raw(inflater, &body, raw, member->len, NULL);
    } else {
        buffer_append(&body, raw);
        ok = member->method == ZIP_STORED;
    }
    if (ok && inflate_crc32(buffer_bytes(&body)) == member->crc) {
        found->num_good++;
        if (!bytes_equal_text(buffer_bytes(&body),
                              bytes_equal_text(member->name, "checkpoint")
                                  ? TEXT_STORED
                                  : TEXT_DEFLATED)) {
            found->has_wrong = true;
        }
    }
    buffer_cleanup(&body);
    return true;
}

static bool read_zip(struct found *found, struct bytes file, struct err *err)
{
    struct zip zip = {
        .read = read_memory,
        .context = &file,
        .size = file.len,
    };

    *found = (struct found){.file = file};
    return zip_open(&zip, err) && zip_walk(&zip, visit, found, err);
}

static void free_bytes(struct bytes bytes)
{
    free((void *)(uintptr_t)bytes.data);
}

// Every truncation is refused; no flipped bit changes a member unnoticed.
static void damage(struct bytes whole)
{
    struct found found;

    for (size_t len = 0; len < whole.len; len++) {
        struct bytes cut = heap_copy(bytes_of(whole.data, len));

        CHECK(!read_zip(&found, cut, NULL));
        free_bytes(cut);
    }
    for (size_t bit = 0; bit < whole.len * 8; bit++) {
        struct bytes flipped = heap_copy(whole);

        ((uint8_t *)(uintptr_t)flipped.data)[bit / 8] ^=
            (uint8_t)(1 << bit % 8);
        (void)read_zip(&found, flipped, NULL);
        CHECK(!found.has_wrong);
        free_bytes(flipped);
    }
}

static void reads_what_python_writes(void **state)
{
    static const struct {
        const char *name, *hex;
    } cases[] = {
        {"plain", PYTHON_PLAIN},
        {"zip64", PYTHON_ZIP64},
        {"comment with an end record's signature", PYTHON_COMMENT},
        {"sizes behind the members", PYTHON_STREAM},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes file = from_hex(cases[i].hex);
        struct err err = {0};
        struct found found;

        test_case = cases[i].name;
        CHECK(read_zip(&found, file, &err));
        CHECK(found.num == 2 && found.num_good == 2 && !found.has_wrong);
        damage(file);
        free_bytes(file);
    }
}

static struct bytes written(enum zip_style style)
{
    char path[] = "/tmp/test_zip_XXXXXX";
    struct zip_writer zip;
    struct bytes file;
    int fd = mkstemp(path);

    CHECK(fd >= 0 && close(fd) == 0);
    CHECK(zip_write_open(&zip, path, style));
    zip_write_add(&zip, "checkpoint", bytes_from_text(TEXT_STORED), false);
    zip_write_add(&zip, "tile/data/000", bytes_from_text(TEXT_DEFLATED), true);
    zip_write_close(&zip);
    file = read_file(path);
    CHECK(unlink(path) == 0);
    return file;
}

static void reads_every_style(void **state)
{
    static const char *const names[ZIP_NUM_STYLES] = {
        [ZIP_PLAIN] = "plain",
        [ZIP_64] = "zip64",
        [ZIP_64_GO] = "as Go writes it",
        [ZIP_64_BAD] = "bad zip64",
    };

    (void)state;
    for (unsigned style = 0; style < ZIP_NUM_STYLES; style++) {
        struct bytes file = written((enum zip_style)style);
        struct found found;

        test_case = names[style];
        CHECK(read_zip(&found, file, NULL));
        CHECK(found.num == 2 && found.num_good == 2 && !found.has_wrong);
        damage(file);
        free_bytes(file);
    }
}

static const uint64_t FAR = UINT64_C(5) << 30;

// A file of which the first 5 GiB are left out.
static bool read_far(void *context, uint64_t offset, uint8_t *out, size_t len,
                     struct err *err)
{
    if (offset < FAR) {
        size_t zeros = FAR - offset < len ? FAR - offset : len;

        memset(out, 0, zeros);
        out += zeros;
        offset += zeros;
        len -= zeros;
    }
    if (len == 0) return true;
    return read_memory(context, offset - FAR, out, len, err);
}

static void add_far(uint8_t *at)
{
    at[3] = (uint8_t)(at[3] + (FAR >> 24 & 255));
    at[4] = (uint8_t)(at[4] + (FAR >> 32));
}

static bool visit_far(void *context, const struct zip_member *member,
                      struct err *err)
{
    struct zip_member near = *member;

    near.offset -= FAR;
    return member->offset >= FAR && visit(context, &near, err);
}

static void reads_beyond_4_gib(void **state)
{
    struct bytes file = written(ZIP_64);
    uint8_t *data = (uint8_t *)(uintptr_t)file.data;
    struct zip zip = {
        .read = read_far,
        .context = &file,
        .size = FAR + file.len,
    };
    struct found found = {.file = file};

    (void)state;
    test_case = "far";
    for (size_t i = 0; i + 4 < file.len; i++) {
        // Offset of a member, of the directory, of its Zip64 end record.
        if (memcmp(data + i, "PK\001\002", 4) == 0) {
            add_far(data + i + 46 + data[i + 28] + 4 + 16);
        } else if (memcmp(data + i, "PK\006\006", 4) == 0) {
            add_far(data + i + 48);
        } else if (memcmp(data + i, "PK\006\007", 4) == 0) {
            add_far(data + i + 8);
        }
    }
    CHECK(zip_open(&zip, NULL) && zip.directory > FAR);
    CHECK(zip_walk(&zip, visit_far, &found, NULL));
    CHECK(found.num == 2 && found.num_good == 2 && !found.has_wrong);
    free_bytes(file);
}

// Of the first member's directory entry, in a zip that says all in both places.
static void wants_zip64_to_agree(void **state)
{
    static const struct {
        const char *name;
        size_t at; // in the entry; its name has 10 bytes
        const char *hex;
        bool good;
    } cases[] = {
        {"as it is", 42, "00000000", true},
        {"length in the field alone", 24, "ffffffff", true},
        {"packed length in the field alone", 20, "ffffffff", true},
        {"offset in the field alone", 42, "ffffffff", true},
        {"another length", 60, "05", false},
        {"another packed length", 68, "05", false},
        {"another offset", 76, "01", false},
        {"a field cut that nobody needs", 58, "0c00", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes file = written(ZIP_64_BAD);
        struct bytes change = from_hex(cases[i].hex);
        uint8_t *central = (uint8_t *)(uintptr_t)file.data;
        struct found found;

        test_case = cases[i].name;
        while (memcmp(central, "PK\001\002", 4) != 0) {
            central++;
        }
        memcpy(central + cases[i].at, change.data, change.len);
        CHECK(read_zip(&found, file, NULL) == cases[i].good);
        CHECK(!cases[i].good || found.num_good == 2);
        free_bytes(file);
        free_bytes(change);
    }
}

static void refuses_in_these_words(void **state)
{
    // A change of PYTHON_PLAIN: `len` bytes at `at` (from the end if below 0).
    static const struct {
        const char *name;
        int at;
        const char *hex;
        const char *error;
    } cases[] = {
        {"no end record", -22, "51",
         "zip: no end record: not a zip, or cut off"},
        {"a second disk", -18, "0100", "zip: of several disks"},
        {"one disk of two", -14, "0100", "zip: of several disks"},
        {"more members", -14, "03000300",
         "zip: the end record points outside of the file"},
        {"fewer members", -14, "01000100",
         "zip: its directory has more than it says"},
        {"directory too long", -10, "ff000000",
         "zip: the end record points outside of the file"},
        {"directory elsewhere", -6, "60000000",
         "zip: its directory is damaged"},
        {"no directory", 97, "51", "zip: its directory is damaged"},
        {"a name to the end", 125, "ff00", "zip: its directory is cut off"},
        {"a member behind the directory", 139, "61000000",
         "zip: a member outside of the file"},
        {"a member too long", 117, "60000000",
         "zip: a member outside of the file"},
        {"stored of two lengths", 121, "05000000",
         "zip: a stored member of two lengths"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes file = from_hex(PYTHON_PLAIN);
        struct bytes change = from_hex(cases[i].hex);
        size_t at = cases[i].at < 0 ? file.len - (size_t)-cases[i].at
                                    : (size_t)cases[i].at;
        struct err err = {0};
        struct found found;

        test_case = cases[i].name;
        memcpy((uint8_t *)(uintptr_t)file.data + at, change.data, change.len);
        CHECK(!read_zip(&found, file, &err));
        if (strcmp(err.text, cases[i].error) != 0) {
            print_error("said: %s\n", err.text);
        }
        CHECK(strcmp(err.text, cases[i].error) == 0);
        free_bytes(file);
        free_bytes(change);
    }
}

static void compares_local_headers(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        uint8_t flip;
        const char *error; // NULL: of no account
    } cases[] = {
        {"as it is", 0, 0, NULL},
        {"signature", 0, 1, "zip: no member where its directory says"},
        {"version", 4, 1, NULL},
        {"encrypted", 6, 1, "zip: a member is not what its directory says"},
        {"sizes behind", 6, 8, NULL},
        {"method", 8, 8, "zip: a member is not what its directory says"},
        {"time", 10, 1, NULL},
        {"crc", 14, 1,
         "zip: a member has another size than its directory says"},
        {"packed", 18, 1,
         "zip: a member has another size than its directory says"},
        {"length", 22, 1,
         "zip: a member has another size than its directory says"},
        {"name", 30, 1, "zip: a member is not what its directory says"},
        {"name's length", 26, 1, "zip: a member's header cut off"},
    };
    struct zip_member member = {
        .name = bytes_from_text("checkpoint"),
        .packed_len = 4,
        .len = 4,
        .crc = 0xd9560fc4,
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes file = from_hex(PYTHON_PLAIN);
        struct bytes header = heap_copy(bytes_of(file.data, 40));
        struct err err = {0};

        test_case = cases[i].name;
        ((uint8_t *)(uintptr_t)header.data)[cases[i].at] ^= cases[i].flip;
        CHECK(zip_local_check(&member, header, &err) ==
              (cases[i].error == NULL));
        CHECK(strcmp(err.text, cases[i].error ? cases[i].error : "") == 0);
        free_bytes(file);
        free_bytes(header);
    }
}

static void parses_paths_of_tiles(void **state)
{
    static const struct {
        const char *path;
        int level; // -2: none
        uint64_t tile;
        unsigned width;
    } cases[] = {
        {"tile/data/000", TILE_DATA, 0, 256},
        {"tile/0/999", 0, 999, 256},
        {"tile/0/x001/000", 0, 1000, 256},
        {"tile/1/x001/x234/067", 1, 1234067, 256},
        {"tile/0/x001/x234/067.p/112", 0, 1234067, 112},
        {"tile/data/003.p/1", TILE_DATA, 3, 1},
        {"tile/5/000.p/255", 5, 0, 255},
        {"tile/11/000", 11, 0, 256},
        {"tile/12/000", -2, 0, 0},
        {"tile/00/000", -2, 0, 0},
        {"tile/x/000", -2, 0, 0},
        {"tile/0/x000/001", -2, 0, 0},
        {"tile/0/1", -2, 0, 0},
        {"tile/0/0001", -2, 0, 0},
        {"tile/0/x001", -2, 0, 0},
        {"tile/0/x001/", -2, 0, 0},
        {"tile/0/x001000", -2, 0, 0},
        {"tile/0/001/000", -2, 0, 0},
        {"tile/0/0a1", -2, 0, 0},
        {"tile/0/000.p/0", -2, 0, 0},
        {"tile/0/000.p/256", -2, 0, 0},
        {"tile/0/000.p/01", -2, 0, 0},
        {"tile/0/000.p/", -2, 0, 0},
        {"tile/0/000.p/1/", -2, 0, 0},
        {"tile/0/x999/x999/x999/x999/x999/x999/000", -2, 0, 0},
        {"tile/names/000", -2, 0, 0},
        {"tile/", -2, 0, 0},
        {"/tile/0/000", -2, 0, 0},
        {"checkpoint", -2, 0, 0},
        {"", -2, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes path = heap_copy(bytes_from_text(cases[i].path));
        char again[TILE_PATH_MAX];
        struct zip_tile tile;

        test_case = cases[i].path;
        CHECK(zip_parse_tile(&tile, path) == (cases[i].level != -2));
        CHECK((zip_key(path) >> 60 == 15) == (cases[i].level == -2));
        if (cases[i].level != -2) {
            CHECK(tile.level == cases[i].level && tile.tile == cases[i].tile &&
                  tile.width == cases[i].width);
            CHECK(bytes_equal_text(
                path, tile_path(again, tile.level, tile.tile, tile.width)));
            CHECK(zip_key(path) ==
                  zip_tile_key(tile.level, tile.tile, tile.width));
        }
        free_bytes(path);
    }
}

static void finds_slots(void **state)
{
    enum { NUM = 1000 };
    struct zip_list list = {0};

    (void)state;
    test_case = "slots";
    CHECK(zip_list_sort(&list) && zip_list_find(&list, 1) == NULL);
    for (uint64_t i = 0; i < NUM; i++) {
        struct zip_member member = {
            .offset = i * 1000, .packed_len = i, .len = 2 * i, .method = 8};

        CHECK(zip_list_add(&list, &member,
                           zip_tile_key(0, i * 7919 % NUM, TILE_WIDTH)));
    }
    CHECK(zip_list_sort(&list));
    for (uint64_t i = 0; i < NUM; i++) {
        const struct zip_slot *slot =
            zip_list_find(&list, zip_tile_key(0, i * 7919 % NUM, TILE_WIDTH));
        struct zip_member member;

        CHECK(slot != NULL);
        member = zip_list_member(slot, bytes_from_text("x"));
        CHECK(member.offset == i * 1000 && member.packed_len == i &&
              member.len == 2 * i && member.method == ZIP_DEFLATED);
    }
    CHECK(zip_list_find(&list, zip_tile_key(0, NUM, TILE_WIDTH)) == NULL);
    CHECK(zip_list_find(&list, zip_tile_key(0, 0, 5)) == NULL);
    CHECK(zip_list_add(&list, &(struct zip_member){0},
                       zip_tile_key(0, 5, TILE_WIDTH)));
    CHECK(!zip_list_sort(&list));
    zip_list_cleanup(&list);

    // What cannot be read is known to be there, and by its method.
    CHECK(zip_list_add(&list, &(struct zip_member){.method = 12}, 1));
    CHECK(zip_list_add(
        &list, &(struct zip_member){.method = 8, .is_encrypted = true}, 2));
    CHECK(zip_list_add(
        &list, &(struct zip_member){.method = 8, .len = UINT64_C(1) << 33}, 3));
    CHECK(zip_list_sort(&list));
    for (uint64_t key = 1; key <= 3; key++) {
        CHECK(zip_list_find(&list, key)->method == ZIP_OTHER);
    }
    zip_list_cleanup(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_python_writes),
        cmocka_unit_test(reads_every_style),
        cmocka_unit_test(wants_zip64_to_agree),
        cmocka_unit_test(reads_beyond_4_gib),
        cmocka_unit_test(refuses_in_these_words),
        cmocka_unit_test(compares_local_headers),
        cmocka_unit_test(parses_paths_of_tiles),
        cmocka_unit_test(finds_slots),
    };

    return cmocka_run_group_tests(tests, open_inflater, close_inflater);
}
