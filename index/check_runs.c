// check_runs.c - verify: every block of every run.  See check.h.

#include <inttypes.h>

#include "index/check_parts.h"

struct run_walk {
    struct check *check;
    const struct index_file *file;
    struct buffer row, last; // key and id
    uint64_t keys, postings;
};

static void check_order(struct run_walk *walk, struct bytes key)
{
    struct bytes row = buffer_bytes(&walk->row);
    struct bytes last = buffer_bytes(&walk->last), last_key = last;
    int order = -1;

    if (last.len > 0) {
        last_key.len -= LMDB_ID_LEN;
        order = bytes_compare(last_key, key);
    }
    if (order != 0) walk->keys++;
    if (order > 0 || (order == 0 && bytes_compare(last, row) >= 0)) {
        check_say(walk->check,
                  "index damaged: run %" PRIu64 ": postings out of order",
                  walk->file->info.number);
    }
}

static bool check_hit(struct run_walk *walk, struct bytes key,
                      const struct hit *hit, struct err *err)
{
    const struct catalogue_file *info = &walk->file->info;
    struct buffer row;

    buffer_reset(&walk->row);
    posting_row(&walk->row, key, hit->id);
    if (!buffer_ok(&walk->row)) return err_set(err, ERR_MEMORY, "no memory");
    walk->postings++;
    if (hit->id < info->first_id || hit->id >= info->end_id ||
        hit->id >= walk->check->snapshot->counts.next_id) {
        check_say(walk->check,
                  "index damaged: a posting of entry %" PRIu64
                  ", which is not held",
                  hit->id);
    }
    check_order(walk, key);
    if (!run_may_have(walk->file->run, key)) {
        check_say(walk->check,
                  "index damaged: run %" PRIu64 ": its filter lacks a key",
                  info->number);
    }
    if (walk->check->options->deep) {
        check_add_posting(walk->check, &walk->check->held_runs,
                          buffer_bytes(&walk->row), hit->via, true);
    }
    row = walk->last;
    walk->last = walk->row;
    walk->row = row;
    return true;
}

static bool check_run(struct run_walk *walk, struct run_cursor *cursor,
                      struct err *err)
{
    static const struct bytes all = {0};
    const struct catalogue_file *info = &walk->file->info;
    struct bytes key;
    struct hit hit;
    bool found;

    if (!run_cursor_range(cursor, all, all, err)) return false;
    for (;;) {
        if (!run_cursor_next(cursor, &key, &hit, &found, err)) return false;
        if (!found) break;
        if (!check_hit(walk, key, &hit, err)) return false;
    }
    if (walk->keys != info->keys || walk->postings != info->postings) {
        check_say(walk->check,
                  "index damaged: run %" PRIu64 ": %" PRIu64 " keys in %" PRIu64
                  " postings where %" PRIu64 " in %" PRIu64 " are noted",
                  info->number, walk->keys, walk->postings, info->keys,
                  info->postings);
    }
    return true;
}

bool check_runs(struct check *check, struct err *err)
{
    struct snapshot *snapshot = check->snapshot;
    bool ok = true;

    for (size_t i = 0; ok && i < snapshot->num_runs; i++) {
        struct run_walk walk = {.check = check, .file = snapshot->runs[i].file};
        struct run_cursor *cursor = NULL;

        ok = run_check_filters(walk.file->run, err) &&
             run_cursor_open(&cursor, walk.file->run, err) &&
             check_run(&walk, cursor, err);
        run_cursor_close(cursor);
        buffer_cleanup(&walk.row);
        buffer_cleanup(&walk.last);
        ok = ok || check_go_on(check, err);
    }
    return ok;
}
