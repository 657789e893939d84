// lmdb.c - transactions, and what is read and written in them.  See lmdb.h.

#include "index/store/lmdb.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "index/store/lmdb_parts.h"

enum { BEGIN_TRIES_MAX = 20 };

// ------------------------------------------------------------ transactions

static void count_txn(struct lmdb *env)
{
    (void)pthread_mutex_lock(&env->mutex);
    env->num_txns++;
    (void)pthread_mutex_unlock(&env->mutex);
}

// Counts one that has ended or could not begin: after `rc`, where the writer
// has made the mapping larger, this process takes over its size as soon as no
// transaction is under way, and EINVAL asks to try again.
static int discount_txn(struct lmdb *env, int rc)
{
    (void)pthread_mutex_lock(&env->mutex);
    env->num_txns--;
    if (rc == MDB_MAP_RESIZED && env->num_txns == 0) {
        int resized;

        LMDB_CALL(resized, mdb_env_set_mapsize(env->env, 0));
        env->map = NULL;
        lmdb_find_map(env);
        rc = resized == 0 ? EINVAL : resized;
    }
    (void)pthread_mutex_unlock(&env->mutex);
    // Another thread's is under way: it will be over in a moment.
    return rc == MDB_MAP_RESIZED ? EINVAL : rc;
}

// The mapping may move only while no transaction is under way.
static void grow_map(struct lmdb *env)
{
    MDB_envinfo info;
    int rc;

    if (env->num_txns != 0) return;
    LMDB_CALL(rc, mdb_env_info(env->env, &info));
    if (rc != 0 ||
        (info.me_last_pgno + 1) * env->page_size < info.me_mapsize / 4 * 3) {
        return;
    }
    LMDB_CALL(rc, mdb_env_set_mapsize(env->env, info.me_mapsize * 2));
    env->map = NULL;
    lmdb_find_map(env);
}

static int begin_once(struct lmdb *env, bool write, MDB_txn **txn)
{
    int rc;

    (void)pthread_mutex_lock(&env->mutex);
    if (write) grow_map(env);
    env->num_txns++;
    (void)pthread_mutex_unlock(&env->mutex);
    LMDB_CALL(rc, mdb_txn_begin(env->env, NULL, write ? 0 : MDB_RDONLY, txn));
    return rc == 0 ? 0 : discount_txn(env, rc);
}

static void end_txn(struct lmdb_txn *txn)
{
    if (!txn->idle) (void)discount_txn(txn->env, 0);
    free(txn);
}

static bool check_present(const struct lmdb *env, struct err *err)
{
    struct stat now;
    int fd;

    if (mdb_env_get_fd(env->env, &fd) == 0 && fstat(fd, &now) == 0 &&
        now.st_nlink == 0) {
        return err_set(err, ERR_INDEX, "%s: was removed while it was in use",
                       env->path);
    }
    return true;
}

static void note_used(struct lmdb_txn *txn)
{
    MDB_envinfo info;
    int rc;

    LMDB_CALL(rc, mdb_env_info(txn->env->env, &info));
    txn->used_bytes =
        rc != 0 ? UINT64_MAX
                : ((uint64_t)info.me_last_pgno + 1) * txn->env->page_size;
}

bool lmdb_begin(struct lmdb_txn **out, struct lmdb *env, bool write,
                struct err *err)
{
    struct lmdb_txn *txn;
    int rc = EINVAL;

    if (write && !env->writable) {
        return err_set(err, ERR_INDEX, "%s: open for reading only", env->dir);
    }
    if ((write && !check_present(env, err)) || !lmdb_check_broken(env, err)) {
        return false;
    }
    txn = calloc(1, sizeof *txn);
    if (txn == NULL) return err_set(err, ERR_MEMORY, "%s: no memory", env->dir);
    // LMDB 0.9.26 to 0.9.31 destroy the lock that another process is about to
    // take, which is EINVAL and passes (ITS#9278).
    for (int i = 0; rc == EINVAL && i < BEGIN_TRIES_MAX; i++) {
        if (i > 0) (void)nanosleep(&(struct timespec){0, 2000000}, NULL);
        rc = begin_once(env, write, &txn->txn);
    }
    if (rc != 0) {
        free(txn);
        return lmdb_fail(env, 0, rc, "begin a transaction", err);
    }
    txn->env = env;
    txn->write = write;
    txn->last_id = mdb_txn_id(txn->txn);
    note_used(txn);
    *out = txn;
    return true;
}

bool lmdb_commit(struct lmdb_txn *txn, struct err *err)
{
    struct lmdb *env = txn->env;
    uint64_t bytes_put = txn->bytes_put;
    bool wrote_file = env->is_file && txn->write;
    int rc;

    LMDB_CALL(rc, mdb_txn_commit(txn->txn));
    end_txn(txn);
    if (rc != 0) return lmdb_fail(env, bytes_put, rc, "commit", err);
    if (wrote_file) lmdb_begin_writing(env);
    return true;
}

void lmdb_abort(struct lmdb_txn *txn)
{
    if (txn == NULL) return;
    lmdb_inside++;
    mdb_txn_abort(txn->txn);
    lmdb_inside--;
    end_txn(txn);
}

// A look at the file is a system call, and readers are renewed a hundred
// thousand times a second.
static bool check_now_and_then(struct lmdb_txn *txn, struct err *err)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (txn->checked == now.tv_sec) return true;
    txn->checked = now.tv_sec;
    return check_present(txn->env, err);
}

void lmdb_park(struct lmdb_txn *txn)
{
    if (txn->idle) return;
    mdb_txn_reset(txn->txn);
    txn->idle = true;
    (void)discount_txn(txn->env, 0);
}

bool lmdb_renew(struct lmdb_txn *txn, bool *changed, struct err *err)
{
    size_t before = txn->last_id;
    int rc = EINVAL;

    if (!check_now_and_then(txn, err)) return false;
    lmdb_park(txn);
    for (int i = 0; rc == EINVAL && i < BEGIN_TRIES_MAX; i++) {
        if (i > 0) (void)nanosleep(&(struct timespec){0, 2000000}, NULL);
        count_txn(txn->env);
        LMDB_CALL(rc, mdb_txn_renew(txn->txn));
        if (rc != 0) rc = discount_txn(txn->env, rc);
    }
    if (rc != 0) return lmdb_fail(txn->env, 0, rc, "renew a reader", err);
    txn->idle = false;
    txn->last_id = mdb_txn_id(txn->txn);
    *changed = txn->last_id != before;
    if (*changed) note_used(txn);
    return true;
}

// ------------------------------------------------------------ reading, writing

static MDB_val to_val(struct bytes bytes)
{
    return (MDB_val){bytes.len, (void *)(uintptr_t)bytes.data};
}

static int compare_id(const MDB_val *a, const MDB_val *b)
{
    size_t a_len = a->mv_size < LMDB_ID_LEN ? 0 : a->mv_size - LMDB_ID_LEN;
    size_t b_len = b->mv_size < LMDB_ID_LEN ? 0 : b->mv_size - LMDB_ID_LEN;
    int order =
        bytes_compare(bytes_of(a->mv_data, a_len), bytes_of(b->mv_data, b_len));

    if (order != 0) return order;
    return bytes_compare(
        bytes_of((const uint8_t *)a->mv_data + a_len, a->mv_size - a_len),
        bytes_of((const uint8_t *)b->mv_data + b_len, b->mv_size - b_len));
}

bool lmdb_db_open(struct lmdb_txn *txn, const char *name, enum lmdb_order order,
                  lmdb_db *db, struct err *err)
{
    int rc;

    LMDB_CALL(rc,
              mdb_dbi_open(txn->txn, name, txn->write ? MDB_CREATE : 0, db));
    if (rc == 0 && order == LMDB_ORDER_ID) {
        rc = mdb_set_compare(txn->txn, *db, compare_id);
    }
    if (rc != 0) {
        (void)lmdb_fail(txn->env, txn->bytes_put, rc, "open a database", err);
        return err_wrap(err, "%s", name);
    }
    return true;
}

// A damaged page may tell of a value that ends beyond the file: it is not
// touched.  (Pages that a writer changed are on the heap.)
static bool take(const struct lmdb_txn *txn, const MDB_val *val,
                 struct bytes *out, struct err *err)
{
    const uint8_t *map = txn->env->map;
    const uint8_t *at = val->mv_data;

    *out = bytes_of(at, val->mv_size);
    if (txn->write) return true;
    if (val->mv_size <= txn->used_bytes &&
        (map == NULL || (at >= map && (uint64_t)(at - map) <=
                                          txn->used_bytes - val->mv_size))) {
        return true;
    }
    *out = bytes_of(NULL, 0);
    return err_set(err, ERR_INDEX,
                   "index damaged: %s: a value of %zu bytes beyond "
                   "its end",
                   txn->env->path, val->mv_size);
}

struct getting {
    MDB_txn *txn;
    lmdb_db db;
    MDB_val *key, *value;
    int *rc;
};

static bool get(void *context, struct err *err)
{
    const struct getting *g = context;

    (void)err;
    LMDB_CALL(*g->rc, mdb_get(g->txn, g->db, g->key, g->value));
    return true;
}

bool lmdb_get(struct lmdb_txn *txn, lmdb_db db, struct bytes key,
              struct bytes *value, bool *found, struct err *err)
{
    MDB_val k = to_val(key), v = {0};
    int rc = 0;

    if (!lmdb_check_broken(txn->env, err) ||
        !lmdb_touch(get, &(struct getting){txn->txn, db, &k, &v, &rc}, err)) {
        return false;
    }
    *found = rc == 0;
    if (rc == MDB_NOTFOUND) return true;
    if (rc != 0) return lmdb_fail(txn->env, 0, rc, "read", err);
    return take(txn, &v, value, err);
}

bool lmdb_put(struct lmdb_txn *txn, lmdb_db db, struct bytes key,
              struct bytes value, struct err *err)
{
    MDB_val k = to_val(key), v = to_val(value);
    int rc;

    txn->bytes_put += key.len + value.len;
    LMDB_CALL(rc, mdb_put(txn->txn, db, &k, &v, 0));
    return rc == 0 || lmdb_fail(txn->env, txn->bytes_put, rc, "write", err);
}

bool lmdb_append(struct lmdb_txn *txn, lmdb_db db, struct bytes key, size_t len,
                 uint8_t **space, struct err *err)
{
    MDB_val k = to_val(key), v = {len, NULL};
    int rc;

    txn->bytes_put += key.len + len;
    LMDB_CALL(rc, mdb_put(txn->txn, db, &k, &v, MDB_APPEND | MDB_RESERVE));
    if (rc == MDB_KEYEXIST) {
        return err_set(err, ERR_INDEX,
                       "index damaged: %s: holds a key above its "
                       "newest",
                       txn->env->path);
    }
    if (rc != 0) return lmdb_fail(txn->env, txn->bytes_put, rc, "write", err);
    *space = v.mv_data;
    return true;
}

bool lmdb_delete(struct lmdb_txn *txn, lmdb_db db, struct bytes key,
                 struct err *err)
{
    MDB_val k = to_val(key);
    int rc;

    LMDB_CALL(rc, mdb_del(txn->txn, db, &k, NULL));
    return rc == 0 || rc == MDB_NOTFOUND ||
           lmdb_fail(txn->env, txn->bytes_put, rc, "write", err);
}

bool lmdb_empty(struct lmdb_txn *txn, lmdb_db db, struct err *err)
{
    int rc;

    LMDB_CALL(rc, mdb_drop(txn->txn, db, 0));
    return rc == 0 || lmdb_fail(txn->env, txn->bytes_put, rc, "write", err);
}

bool lmdb_cursor_open(struct lmdb_cursor **out, struct lmdb_txn *txn,
                      lmdb_db db, struct err *err)
{
    struct lmdb_cursor *cursor = calloc(1, sizeof *cursor);
    int rc = ENOMEM;

    if (cursor != NULL) {
        cursor->txn = txn;
        LMDB_CALL(rc, mdb_cursor_open(txn->txn, db, &cursor->cursor));
    }
    if (rc != 0) {
        free(cursor);
        return lmdb_fail(txn->env, 0, rc, "open a cursor", err);
    }
    *out = cursor;
    return true;
}

void lmdb_cursor_close(struct lmdb_cursor *cursor)
{
    if (cursor == NULL) return;
    mdb_cursor_close(cursor->cursor);
    free(cursor);
}

struct moving {
    MDB_cursor *cursor;
    MDB_cursor_op op;
    MDB_val *key, *value;
    int *rc;
};

static bool move_it(void *context, struct err *err)
{
    const struct moving *m = context;

    (void)err;
    LMDB_CALL(*m->rc, mdb_cursor_get(m->cursor, m->key, m->value, m->op));
    return true;
}

bool lmdb_cursor_move(struct lmdb_cursor *cursor, enum lmdb_move move,
                      struct bytes *key, struct bytes *value, bool *found,
                      struct err *err)
{
    static const MDB_cursor_op ops[] = {
        [LMDB_FIRST] = MDB_FIRST,    [LMDB_LAST] = MDB_LAST,
        [LMDB_NEXT] = MDB_NEXT,      [LMDB_PREV] = MDB_PREV,
        [LMDB_SEEK] = MDB_SET_RANGE,
    };
    MDB_val k = {0}, v = {0};
    int rc = 0;

    if (!lmdb_check_broken(cursor->txn->env, err)) return false;
    if (move == LMDB_SEEK) k = to_val(*key);
    if (!lmdb_touch(move_it,
                    &(struct moving){cursor->cursor, ops[move], &k, &v, &rc},
                    err)) {
        return false;
    }
    *found = rc == 0;
    if (rc == MDB_NOTFOUND) return true;
    if (rc != 0) return lmdb_fail(cursor->txn->env, 0, rc, "read", err);
    return take(cursor->txn, &k, key, err) && take(cursor->txn, &v, value, err);
}

bool lmdb_cursor_put(struct lmdb_cursor *cursor, struct bytes key,
                     struct bytes value, struct err *err)
{
    struct lmdb_txn *txn = cursor->txn;
    MDB_val k = to_val(key), v = to_val(value);
    int rc;

    txn->bytes_put += key.len + value.len;
    LMDB_CALL(rc, mdb_cursor_put(cursor->cursor, &k, &v, 0));
    return rc == 0 || lmdb_fail(txn->env, txn->bytes_put, rc, "write", err);
}

bool lmdb_db_size(struct lmdb_txn *txn, lmdb_db db, uint64_t *items,
                  uint64_t *bytes, struct err *err)
{
    MDB_stat stat;
    int rc;

    LMDB_CALL(rc, mdb_stat(txn->txn, db, &stat));
    if (rc != 0) return lmdb_fail(txn->env, 0, rc, "count", err);
    *items = stat.ms_entries;
    *bytes =
        (uint64_t)stat.ms_psize *
        (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages);
    return true;
}
