#include <sys/stat.h>
#include <unistd.h>

#include "bench/process.h"
#include "index/store/lmdb.h"
#include "tests/support/check.h"

enum { VALUES = 3000, BLOCK = 4000, PAGE = 4096 };

// A file of two trees whose values lie in overflow pages, as runs have them.
static void make_file(const char *path, uint64_t bytes[2])
{
    static const char *const names[] = {"blocks", "meta"};
    struct lmdb *env;
    struct lmdb_txn *txn;
    struct err err = {0};

    CHECK(lmdb_file_create(&env, path, &err));
    CHECK(lmdb_begin(&txn, env, true, &err));
    for (unsigned t = 0; t < 2; t++) {
        lmdb_db db;
        uint64_t items;

        CHECK(lmdb_db_open(txn, names[t], LMDB_ORDER_BYTES, &db, &err));
        for (uint64_t i = 0; i < (t == 0 ? VALUES : 3); i++) {
            uint8_t key[8], *space;

            bytes_put_uint(key, i, sizeof key);
            CHECK(lmdb_append(txn, db, bytes_of(key, sizeof key),
                              t == 0 ? BLOCK : 20, &space, &err));
            memset(space, 1, t == 0 ? BLOCK : 20);
        }
        CHECK(lmdb_db_size(txn, db, &items, &bytes[t], &err));
    }
    CHECK(lmdb_commit(txn, &err));
    CHECK(lmdb_file_sync(env, &err));
    lmdb_close(env);
}

static void trees_are_told_from_blocks(void **state)
{
    char dir[] = "/tmp/test_process.XXXXXX", path[64];
    uint64_t bytes[2];
    struct tree_pages pages, again;

    (void)state;
    CHECK(mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/run", dir);
    make_file(path, bytes);
    pages = process_walk_trees(dir);
    CHECK(pages.files == 1 && pages.blocks == VALUES);
    // Two pages of metadata, the main tree's one, and the two trees.
    CHECK(pages.tree == 3 + (bytes[0] + bytes[1]) / PAGE - VALUES);
    CHECK(pages.tree < VALUES / 50);
    process_evict(dir);
    (void)process_walk_trees(dir);
    again = process_walk_trees(dir);
    CHECK(again.tree == pages.tree && again.resident_tree == again.tree);
    CHECK(again.resident_blocks <= pages.blocks);
    CHECK(unlink(path) == 0 && rmdir(dir) == 0);
}

static void memory_is_told(void **state)
{
    enum { MORE = 64 << 20 };
    uint64_t before = process_memory();
    struct watch watch;
    volatile uint8_t *more; // else nothing need be written before free()

    (void)state;
    CHECK(before > 0);
    watch_start(&watch);
    more = malloc(MORE);
    CHECK(more != NULL);
    for (size_t i = 0; i < MORE; i += PAGE) {
        more[i] = 1;
    }
    for (unsigned ms = 0;
         ms < 10000 && atomic_load(&watch.peak) < before + MORE / 2; ms++) {
        (void)usleep(1000);
    }
    CHECK(watch_stop(&watch) >= before + MORE / 2);
    free((void *)more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_are_told_from_blocks),
        cmocka_unit_test(memory_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
