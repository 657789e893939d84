// trial.c - see trial.h.

#include "tests/support/trial.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/check.h"
#include "index/handle.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"
#include "tests/support/naive.h"

enum { NUM_LOGS = 2, LOG_SIZE = 260 };

static char folder[FOLDER_LEN];
static struct made_log logs[NUM_LOGS];
static struct naive naive;
static struct sha256_hash digest;

struct step {
    size_t log;
    uint64_t first, end;
};
static struct step steps[NUM_LOGS * LOG_SIZE];
static size_t num_steps;

// Few and more entries in turn: to the tail, and to files.
static void plan(void)
{
    uint64_t positions[NUM_LOGS] = {0}, id = 1;

    for (size_t i = 0; positions[i % NUM_LOGS] < LOG_SIZE; i++) {
        struct step *step = &steps[num_steps++];

        step->log = i % NUM_LOGS;
        step->first = positions[step->log];
        step->end = step->first + (i / NUM_LOGS % 3 == 0 ? 5 : 24);
        if (step->end > LOG_SIZE) step->end = LOG_SIZE;
        positions[step->log] = step->end;
        naive_add(&naive, &logs[step->log], step->first, step->end, id);
        id += step->end - step->first;
    }
    naive_sort(&naive);
}

// Appends what is not held yet.
static bool load(struct index *index, struct err *err)
{
    struct snapshot *snapshot;
    uint64_t next_id;

    for (size_t i = 0; i < NUM_LOGS; i++) {
        logs[i].log.number = 0;
        if (!index_add_log(index, &logs[i].log, signer_key(logs[i].signer),
                           err)) {
            return false;
        }
    }
    if (!snapshot_open(&snapshot, index, err)) return false;
    next_id = snapshot_next_id(snapshot);
    snapshot_close(snapshot);
    for (size_t i = 0, id = 1; i < num_steps; i++) {
        const struct step *step = &steps[i];

        if (id >= next_id &&
            !made_log_append(&logs[step->log], index, step->first, step->end,
                             LOG_SIZE, err)) {
            return false;
        }
        id += step->end - step->first;
    }
    return index_flush(index, err);
}

bool trial_work(struct err *err)
{
    struct index *index;
    bool ok;

    if (!index_open(&index, folder, INDEX_WRITE, err)) return false;
    index->bulk.tail_max = index->bulk.load_min = 20;
    index->bulk.tail_full = 30;
    ok = index_set_memory(index, 1, err) && load(index, err) &&
         index_compact(index, NULL, NULL, err);
    index_close(index);
    return ok;
}

// ------------------------------------------------------------ what is left

static void on_fault(void *context, const char *sentence)
{
    (void)context;
    print_error("%s\n", sentence);
}

static void check_answers(struct snapshot *snapshot)
{
    uint64_t end_id = snapshot_next_id(snapshot);
    struct bytes all = {0};
    struct cursor *cursor;
    struct posting posting;
    bool found = true;

    CHECK(cursor_open(&cursor, snapshot, all, all, NULL));
    for (size_t at = 0; found;) {
        const struct naive_row *row;

        do {
            CHECK(cursor_next(cursor, &posting, &found, NULL));
        } while (found && naive_is_short(posting.key));
        at = naive_next(&naive, at, all, all, end_id, false);
        CHECK(found == (at < naive.num));
        if (!found) break;
        row = &naive.rows[at++];
        CHECK(bytes_equal(posting.key, bytes_of(row->key, row->len)));
        CHECK(posting.id == row->id && posting.via == row->via);
    }
    cursor_close(cursor);
}

// Whether ids below `next_id` are those of whole chunks.
static bool is_whole(uint64_t next_id)
{
    uint64_t id = 1;

    for (size_t i = 0; i < num_steps && id < next_id; i++) {
        id += steps[i].end - steps[i].first;
    }
    return id == next_id;
}

void trial_check(bool done)
{
    struct check_options options = {.deep = true, .fault = on_fault};
    struct sha256_hash authenticated;
    struct snapshot *snapshot;
    struct index *index;
    struct err err = {0};
    uint64_t num_faults;

    // Where the first transaction failed there is no index.
    if (!done && !index_open(&index, folder, INDEX_READ, &err)) {
        CHECK(strstr(err.text, "there is no index here") != NULL);
        return;
    }
    if (done && !index_open(&index, folder, INDEX_READ, &err)) {
        fail_msg("%s", err.text);
    }
    CHECK(snapshot_open(&snapshot, index, &err));
    CHECK(is_whole(snapshot_next_id(snapshot)));
    CHECK(check_verify(snapshot, &options, &num_faults, &err));
    CHECK(num_faults == 0);
    check_answers(snapshot);
    if (done) {
        CHECK(snapshot_next_id(snapshot) == NUM_LOGS * LOG_SIZE + 1);
        CHECK(check_digest(snapshot, &authenticated, NULL, &err));
        CHECK(sha256_equal(&authenticated, &digest));
        CHECK(snapshot->num_runs == 1 && snapshot->num_segments == 1);
    }
    snapshot_close(snapshot);
    index_close(index);
}

// ------------------------------------------------------------ begin and end

void trial_reset(void)
{
    folder_remove(folder);
}

void trial_begin(void)
{
    static const char *const names[NUM_LOGS] = {"trial", "another"};
    struct snapshot *snapshot;
    struct index *index;
    struct err err = {0};

    folder_make(folder);
    for (size_t i = 0; i < NUM_LOGS; i++) {
        made_log_new(&logs[i], names[i], LOG_SIZE);
    }
    plan();
    if (!trial_work(&err)) fail_msg("%s", err.text);
    CHECK(index_open(&index, folder, INDEX_READ, &err));
    CHECK(snapshot_open(&snapshot, index, &err));
    CHECK(check_digest(snapshot, &digest, NULL, &err));
    snapshot_close(snapshot);
    index_close(index);
    trial_check(true);
    trial_reset();
}

void trial_end(void)
{
    trial_reset();
    for (size_t i = 0; i < NUM_LOGS; i++) {
        made_log_free(&logs[i]);
    }
    naive_cleanup(&naive);
}

int trial_fork(void (*child)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        child();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status)) fail_msg("ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}
