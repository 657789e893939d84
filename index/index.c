// index.c - opening an index, and everything that writes to it.
//
// A write is one LMDB transaction under write_mutex: counts are read, changed
// and put back in it, the position comes from the disk every time.  When a
// commit fails nobody knows what the disk holds, and the handle is dead.

#include "index/index.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/handle.h"
#include "index/store/chunk_content.h"
#include "index/store/posting.h"

enum {
    READERS_CHECK_SECONDS = 10,
    // Issuers wait for the next transaction, but no more than these.
    ISSUERS_WAITING_MAX = 256,
    ISSUERS_WAITING_BYTES_MAX = 1024 * 1024,
    LOCK_TRIES = 100,
    LOCK_PAUSE_MS = 20,
};

// ------------------------------------------------------------ open and close

static bool path_of(char out[PATH_MAX], const struct index *index,
                    const char *name, struct err *err)
{
    int len = snprintf(out, PATH_MAX, "%s/%s", index->dir, name);

    if (len > 0 && len < PATH_MAX - 64) return true;
    return err_set(err, ERR_USAGE, "the index folder's name is too long");
}

static bool fail_errno(const char *path, struct err *err)
{
    enum err_code code = errno == ENOMEM ? ERR_MEMORY : ERR_INDEX;

    return err_set(err, code, "%s: %s", path, strerror(errno));
}

static bool sync_folder(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (!ok) (void)fail_errno(path, err);
    if (fd >= 0) (void)close(fd);
    return ok;
}

// Says who writes to the index; the holder wrote its number there.
static bool fail_locked(const struct index *index, int fd, struct err *err)
{
    char text[32] = "";
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    long pid = len > 0 ? strtol(text, NULL, 10) : 0;

    if (pid > 0) {
        return err_set(err, ERR_INDEX,
                       "%s: process %ld writes to this index; one at a time",
                       index->dir, pid);
    }
    return err_set(err, ERR_INDEX,
                   "%s: another process writes to this index; one at a time",
                   index->dir);
}

// Takes the lock, or waits a little for it: a writer that was killed holds it
// until the kernel has taken its memory apart.
static int wait_for_lock(int fd)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
    int result;

    for (int i = 0;; i++) {
        result = flock(fd, LOCK_EX | LOCK_NB);
        if (result == 0 || errno != EWOULDBLOCK || i == LOCK_TRIES) break;
        (void)nanosleep(&pause, NULL);
    }
    return result;
}

static bool take_lock(struct index *index, struct err *err)
{
    char path[PATH_MAX], text[32];
    int fd, len;

    if (!path_of(path, index, "lock", err)) return false;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return fail_errno(path, err);
    if (wait_for_lock(fd) != 0) {
        bool ok = errno == EWOULDBLOCK ? fail_locked(index, fd, err)
                                       : fail_errno(path, err);

        (void)close(fd);
        return ok;
    }
    index->lock_fd = fd;
    // Only for the sentence above: not written is no harm.
    len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0) {
        ssize_t ignored = pwrite(fd, text, (size_t)len, 0);

        (void)ignored;
    }
    return true;
}

static bool open_tables(struct index *index, bool write, struct err *err)
{
    struct lmdb_txn *txn;

    if (!lmdb_begin(&txn, index->env, write, err)) return false;
    if (!catalogue_open(&index->catalogue, txn, err) ||
        !tail_open(&index->tail, txn, err)) {
        lmdb_abort(txn);
        return false;
    }
    return lmdb_commit(txn, err);
}

// Makes the environment under another name: until it is whole and on the disk
// there is no index.
static bool create_tail(struct index *index, const char *tail, struct err *err)
{
    char fresh[PATH_MAX], file[PATH_MAX + 16];
    bool ok;

    if (!path_of(fresh, index, "tail.new", err)) return false;
    (void)snprintf(file, sizeof file, "%s/data.mdb", fresh);
    (void)unlink(file);
    (void)snprintf(file, sizeof file, "%s/lock.mdb", fresh);
    (void)unlink(file);
    if (mkdir(fresh, 0777) != 0 && errno != EEXIST) {
        return fail_errno(fresh, err);
    }
    if (!lmdb_open(&index->env, fresh, LMDB_CREATE, err)) return false;
    ok = open_tables(index, true, err);
    lmdb_close(index->env);
    index->env = NULL;
    if (!ok || !sync_folder(fresh, err)) return false;
    if (rename(fresh, tail) != 0) return fail_errno(tail, err);
    return sync_folder(index->dir, err);
}

// Reads the secret of groups; a writer removes what no catalogue names.
static bool open_files(struct index *index, struct err *err)
{
    struct catalogue_file *list = NULL;
    struct lmdb_txn *txn;
    size_t num;
    bool ok;

    if (!lmdb_begin(&txn, index->env, false, err)) return false;
    ok = catalogue_seed(&index->catalogue, txn, &index->group_seed, err);
    if (ok && index->mode == INDEX_WRITE) {
        ok = catalogue_list_files(&index->catalogue, txn, &list, &num, err) &&
             files_clean(&index->files, list, num, &index->bulk.next_number,
                         err) &&
             sync_folder(index->dir, err);
        free(list);
    }
    lmdb_abort(txn);
    return ok;
}

static bool open_dir(struct index *index, struct err *err)
{
    char tail[PATH_MAX], file[PATH_MAX + 16];
    bool write = index->mode == INDEX_WRITE;

    if (write && mkdir(index->dir, 0777) != 0 && errno != EEXIST) {
        return fail_errno(index->dir, err);
    }
    if (write && !take_lock(index, err)) return false;
    if (!path_of(tail, index, "tail", err)) return false;
    (void)snprintf(file, sizeof file, "%s/data.mdb", tail);
    if (access(tail, F_OK) != 0) {
        if (!write) {
            return err_set(err, ERR_INDEX, "%s: there is no index here",
                           index->dir);
        }
        if (!create_tail(index, tail, err)) return false;
    }
    return lmdb_open(&index->env, tail, write ? LMDB_WRITE : LMDB_READ, err) &&
           open_tables(index, write, err) && open_files(index, err);
}

bool index_open(struct index **out, const char *dir, enum index_mode mode,
                struct err *err)
{
    struct index *index = calloc(1, sizeof *index);

    if (index != NULL) index->dir = strdup(dir);
    if (index == NULL || index->dir == NULL) {
        free(index);
        return err_set(err, ERR_MEMORY, "%s: no memory", dir);
    }
    index->mode = mode;
    index->lock_fd = -1;
    (void)pthread_mutex_init(&index->write_mutex, NULL);
    bulk_init(&index->bulk);
    if (!files_init(&index->files, dir, err) || !open_dir(index, err)) {
        index_close(index);
        return false;
    }
    *out = index;
    return true;
}

void index_allow_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

const char *index_dir(const struct index *index)
{
    return index->dir;
}

// ------------------------------------------------------------ writing

static bool flush_issuers(struct writing *w, struct err *err)
{
    struct bytes waiting = buffer_bytes(&w->index->issuers), der;

    while (bytes_read_vector(&waiting, &der, 4)) {
        if (!tail_add_issuer(&w->index->tail, w->txn, der, &w->counts, err)) {
            return false;
        }
    }
    return true;
}

static bool write_start(struct writing *w, struct err *err)
{
    struct index *index = w->index;
    time_t now = time(NULL);

    if (index->mode != INDEX_WRITE) {
        return err_set(err, ERR_INDEX, "%s: open for reading only", index->dir);
    }
    if (index->dead) {
        return err_set(err, ERR_INDEX,
                       "%s: an earlier write failed; open the index again",
                       index->dir);
    }
    if (now - index->readers_checked >= READERS_CHECK_SECONDS ||
        now < index->readers_checked) {
        index->readers_checked = now;
        lmdb_check_readers(index->env);
    }
    if (!lmdb_begin(&w->txn, index->env, true, err)) return false;
    if (catalogue_get_counts(&index->catalogue, w->txn, &w->before, err)) {
        w->counts = w->before;
        if (index->issuers_wait || flush_issuers(w, err)) return true;
    }
    lmdb_abort(w->txn);
    return false;
}

bool writing_begin(struct writing *w, struct index *index, struct err *err)
{
    *w = (struct writing){.index = index};
    (void)pthread_mutex_lock(&index->write_mutex);
    if (write_start(w, err)) return true;
    (void)pthread_mutex_unlock(&index->write_mutex);
    return false;
}

void writing_drop(struct writing *w)
{
    lmdb_abort(w->txn);
    (void)pthread_mutex_unlock(&w->index->write_mutex);
}

// Commits when what was done so far is `ok`.
bool writing_end(struct writing *w, bool ok, struct err *err)
{
    struct index *index = w->index;

    ok = ok && catalogue_put_counts(&index->catalogue, w->txn, &w->counts, err);
    if (!ok) {
        lmdb_abort(w->txn);
    } else if (lmdb_commit(w->txn, err)) {
        if (!index->issuers_wait) {
            buffer_reset(&index->issuers);
            index->num_issuers = 0;
        }
    } else {
        index->dead = true;
        ok = false;
    }
    (void)pthread_mutex_unlock(&index->write_mutex);
    return ok;
}

void index_close(struct index *index)
{
    struct writing w;
    struct err err;

    if (index == NULL) return;
    bulk_close(index);
    if (index->num_issuers > 0 && !index->dead) {
        if (!writing_begin(&w, index, &err) || !writing_end(&w, true, &err)) {
            log_line(LOG_WARNING, "issuers' certificates were not kept: %s",
                     err.text);
        }
    }
    lmdb_close(index->env);
    files_cleanup(&index->files);
    buffer_cleanup(&index->issuers);
    (void)pthread_mutex_destroy(&index->write_mutex);
    if (index->lock_fd >= 0) (void)close(index->lock_fd);
    free(index->dir);
    free(index);
}

// ------------------------------------------------------------ logs

static bool find_log(struct writing *w, const struct sha256_hash *id,
                     struct index_log *out, bool *found, struct err *err)
{
    struct index_log *logs;
    size_t num;

    *found = false;
    if (!catalogue_list_logs(&w->index->catalogue, w->txn, &logs, &num, err)) {
        return false;
    }
    for (size_t i = 0; i < num && !*found; i++) {
        if (!sha256_equal(&logs[i].id, id)) continue;
        *out = logs[i];
        *found = true;
    }
    free(logs);
    return true;
}

static void take_text(char *out, const char *text, size_t size)
{
    if (text[0] != '\0') (void)snprintf(out, size, "%s", text);
}

// Puts what describes a log over what was known of it; what is not told stays.
static void describe_log(struct index_log *held, const struct index_log *log)
{
    take_text(held->name, log->name, sizeof held->name);
    take_text(held->url, log->url, sizeof held->url);
    take_text(held->origin, log->origin, sizeof held->origin);
    if (log->api != 0) held->api = log->api;
    if (log->mmd_seconds != 0) held->mmd_seconds = log->mmd_seconds;
    held->ended = log->ended;
    if (!log->has_final) return;
    held->has_final = true;
    held->final_size = log->final_size;
    held->final_root = log->final_root;
}

static bool add_log(struct writing *w, struct index_log *log,
                    struct bytes key_der, struct err *err)
{
    struct index_log held;
    bool found;

    if (key_der.len > CATALOGUE_KEY_DER_MAX) {
        return err_set(err, ERR_CONFIG, "%s: a key of %zu bytes", log->name,
                       key_der.len);
    }
    if (!find_log(w, &log->id, &held, &found, err)) return false;
    if (!found) {
        held =
            (struct index_log){.number = w->counts.next_log++,
                               .id = log->id,
                               .api = LOG_API_RFC6962,
                               .keep = log->keep == 0 ? KEEP_FULL : log->keep};
    }
    if (log->keep != 0 && log->keep != held.keep) {
        return err_set(err, ERR_USAGE, "%s: was begun with --keep %s",
                       held.name, held.keep == KEEP_FACTS ? "facts" : "full");
    }
    describe_log(&held, log);
    if (!catalogue_put_log(&w->index->catalogue, w->txn, &held, key_der, err)) {
        return false;
    }
    *log = held;
    return true;
}

bool index_add_log(struct index *index, struct index_log *log,
                   struct bytes key_der, struct err *err)
{
    struct writing w;

    return writing_begin(&w, index, err) &&
           writing_end(&w, add_log(&w, log, key_der, err), err);
}

// Reads a log to change it; its key is copied, since a write moves it.
static bool load_log(struct writing *w, uint32_t number, struct index_log *log,
                     struct buffer *key_der, struct err *err)
{
    struct bytes der;

    if (!catalogue_get_log(&w->index->catalogue, w->txn, number, log, &der,
                           err)) {
        return false;
    }
    buffer_reset(key_der);
    buffer_append(key_der, der);
    return buffer_ok(key_der) || err_set(err, ERR_MEMORY, "index: no memory");
}

static bool store_log(struct writing *w, const struct index_log *log,
                      const struct buffer *key_der, struct err *err)
{
    return catalogue_put_log(&w->index->catalogue, w->txn, log,
                             buffer_bytes(key_der), err);
}

bool index_set_halt(struct index *index, uint32_t number, enum index_halt halt,
                    struct err *err)
{
    struct buffer key_der = {0};
    struct index_log log;
    struct writing w;
    bool ok;

    if (!index_flush(index, err) || !writing_begin(&w, index, err)) {
        return false;
    }
    ok = load_log(&w, number, &log, &key_der, err);
    if (ok) {
        log.halt = halt;
        ok = store_log(&w, &log, &key_der, err);
    }
    buffer_cleanup(&key_der);
    return writing_end(&w, ok, err);
}

bool index_accept_head(struct index *index, uint32_t number,
                       const struct head *head, struct err *err)
{
    struct buffer key_der = {0};
    struct index_log log;
    struct writing w;
    bool ok;

    if (!writing_begin(&w, index, err)) return false;
    ok = load_log(&w, number, &log, &key_der, err) &&
         catalogue_add_head(&index->catalogue, w.txn, &log, head, err) &&
         store_log(&w, &log, &key_der, err);
    buffer_cleanup(&key_der);
    return writing_end(&w, ok, err);
}

// ------------------------------------------------------------ issuers

static bool is_held(struct index *index, struct bytes der, bool *held,
                    struct err *err)
{
    struct bytes waiting = buffer_bytes(&index->issuers), other;
    struct sha256_hash fingerprint = sha256(der);
    struct lmdb_txn *txn;
    uint64_t known_from;
    bool ok;

    while (bytes_read_vector(&waiting, &other, 4)) {
        *held = bytes_equal(other, der);
        if (*held) return true;
    }
    if (!lmdb_begin(&txn, index->env, false, err)) return false;
    ok = tail_issuer(&index->tail, txn, &fingerprint, &other, &known_from, held,
                     err);
    lmdb_abort(txn);
    return ok;
}

bool index_add_issuer(struct index *index, struct bytes der, struct err *err)
{
    struct writing w;
    bool ok, held, full;

    (void)pthread_mutex_lock(&index->write_mutex);
    ok = is_held(index, der, &held, err);
    if (ok && !held) {
        buffer_append_uint(&index->issuers, der.len, 4);
        buffer_append(&index->issuers, der);
        index->num_issuers++;
        ok = buffer_ok(&index->issuers) ||
             err_set(err, ERR_MEMORY, "index: no memory");
    }
    full = !index->issuers_wait &&
           (index->num_issuers >= ISSUERS_WAITING_MAX ||
            index->issuers.len >= ISSUERS_WAITING_BYTES_MAX);
    (void)pthread_mutex_unlock(&index->write_mutex);
    if (!ok || !full) return ok;
    return writing_begin(&w, index, err) && writing_end(&w, true, err);
}

// ------------------------------------------------------------ append

// The frontier behind the chunks; false: they do not follow one another, or do
// not lie under the head.
static bool follow(struct merkle_frontier *end, struct chunk *const *chunks,
                   size_t num, const struct chunk_proof *proof)
{
    *end = proof->left;
    for (size_t i = 0; i < num; i++) {
        const struct chunk *chunk = chunks[i];

        if (chunk->log != chunks[0]->log || chunk->first != end->size) {
            return false;
        }
        merkle_append_many(end,
                           (const struct sha256_hash *)chunk->leaf_hashes.data,
                           chunk->leaf_hashes.len / SHA256_LEN);
    }
    return end->size <= proof->head.size;
}

// Counts the entries, and puts them in the tail.
static bool append_entries(struct writing *w, struct chunk *const *chunks,
                           size_t num, struct index_log *log, bool tail,
                           struct err *err)
{
    for (size_t i = 0; i < num; i++) {
        struct chunk *chunk = chunks[i];

        log->unparsed += chunk->num_unparsed;
        if (tail) {
            if (!tail_append(&w->index->tail, w->txn, chunk, &w->counts, err)) {
                return false;
            }
            // One codec does for all.
            if (i + 1 < num && chunks[i + 1]->codec == NULL) {
                chunks[i + 1]->codec = chunk->codec;
                chunk->codec = NULL;
            }
            continue;
        }
        w->counts.next_id += chunk->num_entries;
        w->counts.unparsed += chunk->num_unparsed;
    }
    return true;
}

bool writing_append(struct writing *w, struct chunk *const *chunks, size_t num,
                    const struct chunk_proof *proof, bool tail, struct err *err)
{
    const struct index *index = w->index;
    struct chunk_info info = {.log = chunks[0]->log,
                              .first = chunks[0]->first,
                              .id = w->counts.next_id,
                              .proof = *proof};
    struct merkle_frontier end;
    struct buffer key_der = {0};
    struct index_log log;
    bool ok;

    if (!follow(&end, chunks, num, proof)) {
        return err_set(err, ERR_INDEX,
                       "entries from %" PRIu64 " do not lie under their head",
                       info.first);
    }
    info.num_entries = end.size - info.first;
    if (info.num_entries == 0) return true;
    if (w->counts.next_id + info.num_entries > POSTING_ID_MAX) {
        return err_set(err, ERR_INDEX,
                       "the index holds all that it can number");
    }
    ok = load_log(w, info.log, &log, &key_der, err) &&
         catalogue_add_head(&index->catalogue, w->txn, &log, &proof->head,
                            err) &&
         catalogue_add_chunk(&index->catalogue, w->txn, &log, &info, &end,
                             err) &&
         append_entries(w, chunks, num, &log, tail, err) &&
         store_log(w, &log, &key_der, err);
    buffer_cleanup(&key_der);
    return ok;
}

bool index_append(struct index *index, struct chunk *const *chunks,
                  const struct chunk_proof *proofs, size_t num_proofs,
                  struct err *err)
{
    struct writing w;
    bool ok = true;

    if (index->bulk.memory != 0) {
        return bulk_append(index, chunks, proofs, num_proofs, err);
    }
    if (!writing_begin(&w, index, err)) return false;
    for (size_t i = 0; ok && i < num_proofs; i++) {
        size_t num = chunk_proof_num(&proofs[i]);

        ok = writing_append(&w, chunks, num, &proofs[i], true, err);
        chunks += num;
    }
    return writing_end(&w, ok, err);
}
