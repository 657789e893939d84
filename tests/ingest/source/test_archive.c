// test_archive.c - zips of one log as parts of it, read through a ring.

#include "ingest/source/archive.h"
#include "tests/support/check.h"
#include "tests/support/zip_write.h"

#include <sys/stat.h>
#include <unistd.h>

#define CHECKPOINT(size, root) "log.example\n" size "\n" root "\n\n- x\n"

struct content {
    const char *name, *text;
    bool deflate;
};

static char folder[] = "/tmp/test_archive_XXXXXX";
static char path[64];
static struct ring *ring;
static struct inflater *inflater;
static bool is_done;

static int open_all(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL && ring_open(&ring, RING_DEPTH_MIN, NULL) &&
                   inflater_new(&inflater, NULL)
               ? 0
               : -1;
}

static int close_all(void **state)
{
    (void)state;
    inflater_free(inflater);
    ring_close(ring);
    return rmdir(folder);
}

static const char *make_zip(const char *name, const struct content *contents,
                            size_t num)
{
    struct zip_writer zip;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK(zip_write_open(&zip, path, ZIP_64));
    for (size_t i = 0; i < num; i++) {
        zip_write_add(&zip, contents[i].name, bytes_from_text(contents[i].text),
                      contents[i].deflate);
    }
    zip_write_close(&zip);
    return path;
}

// Adds a zip of these to an archive; its file is removed, but stays open.
static void add(struct archive *archive, const char *name,
                const struct content *contents, size_t num)
{
    struct archive_part *part;
    struct err err;

    CHECK(archive_part_open(&part, make_zip(name, contents, num), &err));
    CHECK(archive_take(archive, part, &err));
    CHECK(unlink(path) == 0);
}

static void on_done(struct archive_file *file)
{
    (void)file;
    is_done = true;
}

// Reads a file and compares status, text or what the sentence ends in.
static void expect(struct archive *archive, const char *name, unsigned status,
                   const char *text)
{
    struct archive_file file = {.body_max = 100, .done = on_done};
    size_t len = strlen(text);

    test_case = name;
    is_done = false;
    archive_read(archive, ring, inflater, name, &file);
    CHECK(!is_done);
    while (!is_done) {
        CHECK(ring_run(ring, true, NULL));
    }
    CHECK(file.status == status);
    CHECK(status != 0 || file.err.code == ERR_VERIFY);
    if (status == 200) {
        CHECK(bytes_equal_text(buffer_bytes(&file.body), text));
    } else if (status == 0) {
        size_t said = strlen(file.err.text);

        if (said < len || strcmp(file.err.text + said - len, text) != 0) {
            print_error("said: %s\n", file.err.text);
        }
        CHECK(said >= len && strcmp(file.err.text + said - len, text) == 0);
    }
    archive_file_cleanup(&file);
}

static struct archive *start(void)
{
    struct archive *archive;

    CHECK(archive_new(&archive, NULL));
    return archive;
}

static void reads_members_of_several_zips(void **state)
{
    static const struct content first[] = {
        {"checkpoint", CHECKPOINT("5", "AAAA"), false},
        {"log.v3.json", "{}", true},
        {"tile/data/000", "zero", true},
        {"tile/0/000", "ZERO", false},
        {"tile/data/003.p/7", "edge", true},
        {"issuer/aa", "bad issuer", false},
        {"tile/names/000", "unread", true},
    };
    static const struct content second[] = {
        {"checkpoint", CHECKPOINT("900", "BBBB"), false},
        {"tile/data/002", "two", true},
        {"tile/data/003.p/7", "edge", true},
        {"issuer/bb", "b", false},
        {"empty", "", true},
        {"long",
         "0123456789012345678901234567890123456789012345678901234567890"
         "123456789012345678901234567890123456789012345678901",
         true},
    };
    struct archive *archive = start();
    uint64_t from, to;

    (void)state;
    add(archive, "a.zip", first, COUNT_OF(first));
    add(archive, "b.zip", second, COUNT_OF(second));
    for (int round = 0; round < 2; round++) {
        expect(archive, "/checkpoint", 200, CHECKPOINT("900", "BBBB"));
        expect(archive, "/tile/data/000", 200, "zero");
        expect(archive, "/tile/data/002", 200, "two");
        expect(archive, "/tile/0/000", 200, "ZERO");
        expect(archive, "/tile/data/003.p/7", 200, "edge");
        expect(archive, "/tile/data/001", 404, "");
        expect(archive, "/tile/names/000", 404, "");
        expect(archive, "/issuer/bb", 200, "b");
        expect(archive, "/issuer/cc", 404, "");
        expect(archive, "/empty", 200, "");
        expect(archive, "/long", 0,
               "b.zip: long: zip: a member of more than 100 bytes");
        // With no room directories are read again each time.
        archive_limit(archive, 1);
    }
    CHECK(archive_num_parts(archive) == 2);
    CHECK(bytes_equal_text(
        archive_part_description(archive_part_at(archive, 0)), "{}"));
    CHECK(archive_part_description(archive_part_at(archive, 1)).len == 0);
    CHECK(strstr(archive_holder(archive, "/tile/data/002"), "b.zip") != NULL);
    CHECK(strstr(archive_holder(archive, "/checkpoint"), "b.zip") != NULL);
    CHECK(archive_holder(archive, "/tile/data/001") == NULL);

    test_case = "ranges";
    CHECK(archive_num_ranges(archive) == 2);
    CHECK(archive_range(archive, 0, &from, &to) && from == 0 && to == 256);
    CHECK(archive_range(archive, 255, &from, &to) && from == 255 && to == 256);
    CHECK(archive_range(archive, 256, &from, &to) && from == 512 && to == 775);
    CHECK(!archive_range(archive, 775, &from, &to));
    archive_free(archive);
}

static void joins_ranges_in_any_order(void **state)
{
    static const struct content tiles[] = {
        {"tile/data/000", "", true}, {"tile/data/001", "", true},
        {"tile/data/002", "", true}, {"tile/data/003", "", true},
        {"tile/data/004", "", true}, {"tile/data/005", "", true},
    };
    static const unsigned orders[][6] = {{0, 1, 2, 3, 4, 5},
                                         {5, 4, 3, 2, 1, 0},
                                         {0, 2, 4, 1, 3, 5},
                                         {3, 0, 5, 4, 1, 2},
                                         {1, 1, 3, 5, 0, 3}};

    (void)state;
    for (size_t order = 0; order < COUNT_OF(orders); order++) {
        struct archive *archive = start();
        bool has[7] = {false};

        for (size_t i = 0; i < 6; i++) {
            unsigned at = orders[order][i];
            size_t num = 0;

            add(archive, "x.zip", &tiles[at], 1);
            has[at] = true;
            for (size_t j = 0; j < 6; j++) {
                uint64_t from, to;
                bool found = archive_range(archive, j * 256, &from, &to);

                CHECK((found && from == j * 256) == has[j]);
                if (has[j] && !has[j + 1]) num++;
            }
            CHECK(archive_num_ranges(archive) == num);
        }
        archive_free(archive);
    }
}

static void finds_what_differs(void **state)
{
    static const struct content one[] = {
        {"checkpoint", CHECKPOINT("5", "AAAA"), false},
        {"tile/1/000.p/2", "ab", false},
    };
    static const struct content other[] = {
        {"checkpoint", CHECKPOINT("5", "AAAB"), false},
        {"tile/1/000.p/2", "ac", false},
    };
    struct archive *archive = start();

    (void)state;
    add(archive, "a.zip", one, COUNT_OF(one));
    expect(archive, "/checkpoint", 200, CHECKPOINT("5", "AAAA"));
    add(archive, "b.zip", other, COUNT_OF(other));
    expect(archive, "/tile/1/000.p/2", 0, "a.zip");
    archive_free(archive);

    archive = start();
    add(archive, "a.zip", one, 1);
    add(archive, "b.zip", other, 1);
    expect(archive, "/checkpoint", 0, "a.zip");
    archive_free(archive);
}

static void refuses_what_is_no_zip(void **state)
{
    static const struct content twice[] = {
        {"checkpoint", "a", false},
        {"checkpoint", "b", false},
    };
    struct archive_part *part;
    struct err err = {0};

    (void)state;
    test_case = "two of one name";
    CHECK(!archive_part_open(&part, make_zip("x.zip", twice, 2), &err));
    CHECK(err.code == ERR_VERIFY);
    CHECK(strstr(err.text, "x.zip: zip: two members of one name") != NULL);
    CHECK(truncate(path, 30) == 0);
    test_case = "cut off";
    CHECK(!archive_part_open(&part, path, &err));
    CHECK(err.code == ERR_VERIFY && strstr(err.text, "x.zip: ") != NULL);
    CHECK(unlink(path) == 0);
    test_case = "not there";
    CHECK(!archive_part_open(&part, path, &err) && err.code == ERR_VERIFY);
    archive_part_close(NULL);
    archive_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_members_of_several_zips),
        cmocka_unit_test(joins_ranges_in_any_order),
        cmocka_unit_test(finds_what_differs),
        cmocka_unit_test(refuses_what_is_no_zip),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
