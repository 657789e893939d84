// ctlog.c - see ctlog.h: the tree, its sizes and heads, and what every request
// goes through; the two protocols are in ctlog_rfc6962.c and ctlog_static.c.

#include "tests/support/ctlog.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "index/base/text.h"

enum {
    THREADS_MAX = 16,
    DAYS_2_MS = 2 * 86400 * 1000,
    UNKNOWN_ENTRY_TYPE = 9,
    TIMESTAMP_LAST_BYTE = 9, // offsets into a MerkleTreeLeaf
    ENTRY_TYPE_LAST_BYTE = 11,
};

static const size_t memory_default = (size_t)1536 << 20;

static const char *const counted[CTLOG_COUNTERS] = {
    "",
    "get-sth?",
    "get-sth-consistency",
    "get-entries",
    "get-proof-by-hash",
    "get-entry-and-proof",
    "get-roots",
    "checkpoint",
    "tile/",
    "tile/data",
    "tile/0/",
    "issuer/",
    "log.v3.json",
    ".p/",
    "/rfc6962/",
    "/static/",
};

static int64_t now_ms(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// ---------------------------------------------------------------- making it

struct making {
    struct ctlog *log;
    _Atomic uint64_t next;
};

static void *make_thread(void *argument)
{
    struct making *making = argument;
    struct ctlog *log = making->log;
    struct entry_block scratch = {0};
    struct ctlog_view view = {log, &log->honest, false, log->entries.size,
                              true};
    struct buffer body = {0};
    uint64_t number;

    while ((number = atomic_fetch_add(&making->next, 1)) <
           log->entries.num_blocks) {
        const struct entry_block *block =
            entries_block(&log->entries, number, &scratch);

        for (size_t i = 0; i < block->num; i++) {
            log->honest.levels[0][number * ENTRY_BLOCK + i] =
                hash_tree_leaf(entry_leaf(block, i));
        }
        if (block == &scratch &&
            atomic_fetch_add(&log->memory, scratch.data.len) +
                    scratch.data.len <=
                log->options.memory_max) {
            entries_keep(&log->entries, number, block);
        }
        if (block->num == ENTRY_BLOCK &&
            atomic_load(&log->memory) < log->options.memory_max) {
            buffer_reset(&body);
            (void)ctlog_full_tile(&view, number, &body);
        }
    }
    buffer_cleanup(&body);
    buffer_cleanup(&scratch.data);
    return NULL;
}

// make_tree makes, hashes and packs all entries on every processor.
static void make_tree(struct ctlog *log)
{
    struct making making = {.log = log};
    pthread_t threads[THREADS_MAX];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned num = 0;

    hash_tree_init(&log->honest, log->entries.size);
    for (long i = 1; i < processors && i < THREADS_MAX; i++) {
        if (log->entries.num_blocks < 4) break;
        if (pthread_create(&threads[num], NULL, make_thread, &making) == 0) {
            num++;
        }
    }
    (void)make_thread(&making);
    while (num > 0) {
        (void)pthread_join(threads[--num], NULL);
    }
    hash_tree_build(&log->honest);
}

static void make_keys(struct ctlog *log)
{
    static const char *const labels[] = {"log rfc6962", "log static"};

    for (unsigned i = 0; i < TESTLOG_NUM_APIS; i++) {
        log->keys[i] = fixed_key_new(
            log->options.rsa ? FIXED_KEY_RSA2048 : FIXED_KEY_P256,
            log->options.seed, labels[log->options.same_key ? 0 : i]);
        if (log->keys[i] == NULL) abort();
    }
}

bool ctlog_open(struct ctlog **out, const struct testlog_options *options,
                struct err *err)
{
    struct ctlog *log = calloc(1, sizeof *log);
    bool ok;

    if (log == NULL) return err_set(err, ERR_MEMORY, "no memory");
    log->options = *options;
    if (log->options.batch == 0) log->options.batch = 256;
    if (log->options.memory_max == 0) log->options.memory_max = memory_default;
    (void)pthread_rwlock_init(&log->lock, NULL);
    (void)pthread_mutex_init(&log->sizes_lock, NULL);
    (void)pthread_mutex_init(&log->table_lock, NULL);
    ok = options->read != NULL ? entries_read(&log->entries, options->read, err)
                               : entries_generate(&log->entries, options, err);
    if (ok && options->size > log->entries.size) {
        ok = err_set(err, ERR_USAGE, "size %llu, but only %llu entries",
                     (unsigned long long)options->size,
                     (unsigned long long)log->entries.size);
    }
    if (ok) {
        log->bodies =
            calloc((size_t)log->entries.num_blocks + 1, sizeof *log->bodies);
        if (log->bodies == NULL) abort();
        make_tree(log);
        make_keys(log);
        ctlog_set_size(log,
                       options->size == 0 ? log->entries.size : options->size);
        ok = ctlog_set_faults(log, options->faults, err);
    }
    if (!ok) {
        ctlog_close(log);
        return false;
    }
    *out = log;
    return true;
}

void ctlog_close(struct ctlog *log)
{
    if (log == NULL) return;
    for (uint64_t i = 0; log->bodies != NULL && i < log->entries.num_blocks;
         i++) {
        free(log->bodies[i]);
    }
    free(log->bodies);
    free(log->table);
    for (unsigned i = 0; i < TESTLOG_NUM_APIS; i++) {
        fixed_key_free(log->keys[i]);
        buffer_cleanup(&log->descriptions[i]);
    }
    buffer_cleanup(&log->ca_pem);
    buffer_cleanup(&log->first_consistency);
    hash_tree_cleanup(&log->honest);
    hash_tree_cleanup(&log->altered);
    entries_cleanup(&log->entries);
    (void)pthread_rwlock_destroy(&log->lock);
    (void)pthread_mutex_destroy(&log->sizes_lock);
    (void)pthread_mutex_destroy(&log->table_lock);
    free(log);
}

static void describe(struct ctlog *log, enum testlog_api api)
{
    struct buffer *out = &log->descriptions[api];

    buffer_reset(out);
    buffer_printf(out, "{\n  \"description\": \"sanct test log, %s\",\n",
                  api == TESTLOG_STATIC ? "static" : "rfc6962");
    buffer_append_text(out, "  \"log_id\": \"");
    text_append_base64(out, sha256_bytes(&log->keys[api]->spki_id));
    buffer_append_text(out, "\",\n  \"key\": \"");
    text_append_base64(out, buffer_bytes(&log->keys[api]->spki));
    if (api == TESTLOG_STATIC) {
        buffer_printf(out,
                      "\",\n  \"submission_url\": \"%s\",\n"
                      "  \"monitoring_url\": \"%s\",\n  \"mmd\": 60,\n",
                      log->submission, log->url[api]);
    } else {
        buffer_printf(out, "\",\n  \"url\": \"%s\",\n  \"mmd\": 86400,\n",
                      log->url[api]);
    }
    buffer_append_text(out, "  \"state\": {\"usable\": {\"timestamp\": "
                            "\"2024-01-01T00:00:00Z\"}}\n}\n");
}

void ctlog_describe(struct ctlog *log, const char *base, const char *submission)
{
    const char *origin = strstr(submission, "://");

    (void)snprintf(log->url[TESTLOG_RFC6962], CTLOG_TEXT, "%s/rfc6962/", base);
    (void)snprintf(log->url[TESTLOG_STATIC], CTLOG_TEXT, "%s/static/", base);
    (void)snprintf(log->submission, CTLOG_TEXT, "%s", submission);
    (void)snprintf(log->origin, CTLOG_TEXT, "%s",
                   origin == NULL ? submission : origin + 3);
    if (log->origin[0] != '\0') log->origin[strlen(log->origin) - 1] = '\0';
    describe(log, TESTLOG_RFC6962);
    describe(log, TESTLOG_STATIC);
}

// ---------------------------------------------------------------- sizes

static void publish(struct ctlog *log, uint64_t size)
{
    if (log->num_published > 0 &&
        log->published[log->num_published - 1] == size) {
        return;
    }
    if (log->num_published == CTLOG_PUBLISHED_MAX) {
        log->num_published--;
        memmove(log->published, log->published + 1,
                log->num_published * sizeof *log->published);
    }
    log->published[log->num_published++] = size;
}

uint64_t ctlog_size(struct ctlog *log)
{
    uint64_t size;

    (void)pthread_mutex_lock(&log->sizes_lock);
    size = log->size;
    if (log->options.growth != 0) {
        size += log->options.growth *
                (uint64_t)(now_ms(CLOCK_MONOTONIC) - log->size_since_ms) / 1000;
    }
    if (size > log->entries.size) size = log->entries.size;
    (void)pthread_mutex_unlock(&log->sizes_lock);
    return size;
}

void ctlog_set_size(struct ctlog *log, uint64_t size)
{
    (void)pthread_mutex_lock(&log->sizes_lock);
    log->size = size > log->entries.size ? log->entries.size : size;
    log->size_since_ms = now_ms(CLOCK_MONOTONIC);
    publish(log, log->size);
    (void)pthread_mutex_unlock(&log->sizes_lock);
}

bool ctlog_was_published(struct ctlog *log, unsigned level, uint64_t tile,
                         uint64_t width)
{
    bool found = false;

    (void)pthread_mutex_lock(&log->sizes_lock);
    for (size_t i = 0; i < log->num_published && !found; i++) {
        uint64_t at_level = log->published[i] >> 8 * level;

        found = at_level / 256 == tile && at_level % 256 == width;
    }
    (void)pthread_mutex_unlock(&log->sizes_lock);
    return found;
}

// ---------------------------------------------------------------- faults

// alter changes what the altered tree's leaf `index` holds; false when it is
// as it was.
static bool alter(const struct faults *faults, uint64_t index, uint8_t *leaf,
                  size_t len)
{
    bool changed = false;

    if (index == 0 &&
        (faults->on[FAULT_FORK] || faults->on[FAULT_FORK_SAME_SIZE])) {
        leaf[TIMESTAMP_LAST_BYTE] ^= 1;
        changed = true;
    }
    if (faults->on[FAULT_UNKNOWN_TYPE] &&
        faults->value[FAULT_UNKNOWN_TYPE] == index) {
        leaf[ENTRY_TYPE_LAST_BYTE] = UNKNOWN_ENTRY_TYPE;
        changed = true;
    }
    if (faults->on[FAULT_LEAF_INDEX] &&
        faults->value[FAULT_LEAF_INDEX] == index) {
        leaf[len - 1] ^= 1;
        changed = true;
    }
    return changed;
}

static void alter_tree(struct ctlog *log, uint64_t index)
{
    struct entry_block scratch = {0};
    const struct entry_block *block;
    struct buffer leaf = {0};
    struct sha256_hash hash;

    if (index >= log->entries.size) return;
    block = entries_block(&log->entries, index / ENTRY_BLOCK, &scratch);
    buffer_append(&leaf, entry_leaf(block, index % ENTRY_BLOCK));
    if (alter(&log->faults, index, leaf.data, leaf.len)) {
        hash = hash_tree_leaf(buffer_bytes(&leaf));
        hash_tree_set(&log->altered, index, &hash);
    }
    buffer_cleanup(&leaf);
    buffer_cleanup(&scratch.data);
}

static void make_altered(struct ctlog *log)
{
    static const enum fault altering[] = {FAULT_FORK, FAULT_FORK_SAME_SIZE,
                                          FAULT_UNKNOWN_TYPE, FAULT_LEAF_INDEX,
                                          FAULT_FLIP_HASH};
    const struct faults *faults = &log->faults;
    bool any = false;

    hash_tree_cleanup(&log->altered);
    for (size_t i = 0; i < COUNT_OF(altering); i++) {
        any = any || faults->on[altering[i]];
    }
    if (!any) return;
    hash_tree_copy(&log->altered, &log->honest);
    alter_tree(log, 0);
    if (faults->on[FAULT_UNKNOWN_TYPE]) {
        alter_tree(log, faults->value[FAULT_UNKNOWN_TYPE]);
    }
    if (faults->on[FAULT_LEAF_INDEX]) {
        alter_tree(log, faults->value[FAULT_LEAF_INDEX]);
    }
    if (faults->on[FAULT_FLIP_HASH] &&
        faults->value[FAULT_FLIP_HASH] < log->entries.size) {
        uint64_t index = faults->value[FAULT_FLIP_HASH];
        struct sha256_hash hash = log->altered.levels[0][index];

        hash.bytes[0] ^= 1;
        hash_tree_set(&log->altered, index, &hash);
    }
}

bool ctlog_set_faults(struct ctlog *log, const char *text, struct err *err)
{
    struct faults faults = {0};

    if (!faults_parse(&faults, text, err)) return false;
    (void)pthread_rwlock_wrlock(&log->lock);
    log->faults = faults;
    atomic_store(&log->heads, 0);
    buffer_reset(&log->first_consistency);
    make_altered(log);
    (void)pthread_rwlock_unlock(&log->lock);
    return true;
}

static struct ctlog_view view_of(struct ctlog *log)
{
    struct ctlog_view view = {.log = log, .size = ctlog_size(log)};

    view.altered = log->altered.size != 0 &&
                   !log->faults.on[FAULT_FORK_SAME_SIZE] &&
                   atomic_load(&log->heads) >= log->faults.value[FAULT_FORK];
    view.tree = view.altered ? &log->altered : &log->honest;
    return view;
}

bool ctlog_tampered(const struct ctlog_view *view, uint64_t from, uint64_t to)
{
    static const struct {
        enum fault fault;
        unsigned reach; // entries beyond K that it touches
        bool tree;      // only where the altered tree is seen
    } touching[] = {
        {FAULT_FLIP_ENTRY, 0, false},  {FAULT_FLIP_EXTRA, 0, false},
        {FAULT_UNKNOWN_TYPE, 0, true}, {FAULT_LEAF_INDEX, 0, true},
        {FAULT_SWAP, 1, false},        {FAULT_DUP, 1, false},
    };
    const struct faults *faults = &view->log->faults;

    if (view->honest) return false;
    if (view->altered && faults->on[FAULT_FORK] && from == 0) return true;
    if (faults->on[FAULT_DROP] && to > faults->value[FAULT_DROP]) return true;
    for (size_t i = 0; i < COUNT_OF(touching); i++) {
        uint64_t at = faults->value[touching[i].fault];

        if (faults->on[touching[i].fault] &&
            (view->altered || !touching[i].tree) && at < to &&
            at + touching[i].reach >= from) {
            return true;
        }
    }
    return false;
}

// served_as tells which entry stands at `index`.
static uint64_t served_as(const struct ctlog *log, uint64_t index)
{
    const struct faults *faults = &log->faults;
    uint64_t at = faults->value[FAULT_SWAP];

    if (faults->on[FAULT_DUP] && index == faults->value[FAULT_DUP] + 1) {
        return index - 1;
    }
    if (faults->on[FAULT_DROP] && index >= faults->value[FAULT_DROP] &&
        index + 1 < log->entries.size) {
        return index + 1;
    }
    if (faults->on[FAULT_SWAP] && at + 1 < log->entries.size) {
        if (index == at) return at + 1;
        if (index == at + 1) return at;
    }
    return index;
}

static void flip(const struct faults *faults, enum fault fault, uint64_t index,
                 uint8_t *data, size_t len)
{
    uint64_t bit = faults->bit[fault];

    if (!faults->on[fault] || faults->value[fault] != index || len == 0) return;
    data[bit / 8 % len] ^= (uint8_t)(1 << bit % 8);
}

struct ctlog_entry ctlog_read(struct ctlog_reader *reader, uint64_t index)
{
    struct ctlog *log = reader->view->log;
    const struct faults *faults = &log->faults;
    uint64_t from = ctlog_tampered(reader->view, index, index + 1)
                        ? served_as(log, index)
                        : index;
    uint64_t number = from / ENTRY_BLOCK;
    size_t slot = from % ENTRY_BLOCK;
    const struct entry_block *block = log->entries.kept[number];
    struct ctlog_entry entry;
    uint8_t *leaf;

    if (block == NULL) {
        // The same block as before is in the scratch still.
        if (reader->scratch.num == 0 || reader->scratch_number != number) {
            (void)entries_block(&log->entries, number, &reader->scratch);
            reader->scratch_number = number;
        }
        block = &reader->scratch;
    }
    entry.leaf = entry_leaf(block, slot);
    entry.precert = entry_precert(block, slot);
    entry.chain = block->slots[slot].chain;
    if (!ctlog_tampered(reader->view, index, index + 1)) return entry;
    buffer_reset(&reader->memory);
    buffer_append(&reader->memory, entry.leaf);
    buffer_append(&reader->memory, entry.precert);
    if (!buffer_ok(&reader->memory)) abort();
    leaf = reader->memory.data;
    if (reader->view->altered) (void)alter(faults, from, leaf, entry.leaf.len);
    flip(faults, FAULT_FLIP_ENTRY, index, leaf, entry.leaf.len);
    flip(faults, FAULT_FLIP_EXTRA, index, leaf + entry.leaf.len,
         entry.precert.len);
    entry.leaf.data = leaf;
    entry.precert.data = leaf + entry.leaf.len;
    return entry;
}

void ctlog_reader_cleanup(struct ctlog_reader *reader)
{
    buffer_cleanup(&reader->scratch.data);
    buffer_cleanup(&reader->memory);
}

void ctlog_extra(struct ctlog *log, const struct ctlog_entry *entry,
                 struct buffer *out)
{
    if (entry->precert.len != 0) {
        buffer_append_uint(out, entry->precert.len, 3);
        buffer_append(out, entry->precert);
    }
    buffer_append(out, buffer_bytes(&log->entries.chains[entry->chain].wire));
}

// ---------------------------------------------------------------- heads

static uint64_t head_time(const struct ctlog *log)
{
    uint64_t now = log->options.time_ms != 0 ? log->options.time_ms
                                             : (uint64_t)now_ms(CLOCK_REALTIME);

    if (log->faults.on[FAULT_STH_TIME]) {
        return log->faults.value[FAULT_STH_TIME];
    }
    if (log->faults.on[FAULT_STALE]) now -= DAYS_2_MS;
    if (log->faults.on[FAULT_FUTURE]) now += DAYS_2_MS;
    return now;
}

void ctlog_tree_head(const struct ctlog_view *view, enum testlog_api api,
                     struct ctlog_head *head)
{
    struct ctlog *log = view->log;
    const struct faults *faults = &log->faults;
    const struct fixed_key *key = log->keys[api];
    uint64_t before = atomic_fetch_add(&log->heads, 1);
    const struct hash_tree *tree = view->tree;
    struct buffer input = {0}, signature = {0};

    *head = (struct ctlog_head){.size = view->size};
    if (faults->on[FAULT_STH_SHRINK] && before > 0) {
        uint64_t by = faults->value[FAULT_STH_SHRINK];

        head->size -= by < head->size ? by : head->size;
    }
    if (faults->on[FAULT_FORK_SAME_SIZE] && before % 2 == 1) {
        tree = &log->altered;
    }
    if (faults->on[FAULT_WRONG_KEY]) key = log->keys[1 - api];
    (void)pthread_mutex_lock(&log->sizes_lock);
    publish(log, head->size);
    (void)pthread_mutex_unlock(&log->sizes_lock);
    head->timestamp_ms = head_time(log);
    head->root = hash_tree_range(tree, 0, head->size);
    buffer_append_uint(&input, 1, 2); // v1, tree_hash
    buffer_append_uint(&input, head->timestamp_ms, 8);
    buffer_append_uint(&input, head->size, 8);
    buffer_append(&input, sha256_bytes(&head->root));
    fixed_key_sign(key, buffer_bytes(&input), &signature);
    if (faults->on[FAULT_STH_BADSIG]) signature.data[signature.len - 1] ^= 1;
    buffer_append_uint(&head->signature,
                       key->kind == FIXED_KEY_RSA2048 ? 0x0401 : 0x0403, 2);
    buffer_append_uint(&head->signature, signature.len, 2);
    buffer_append(&head->signature, buffer_bytes(&signature));
    buffer_cleanup(&input);
    buffer_cleanup(&signature);
}

// ---------------------------------------------------------------- answering

void ctlog_refuse(struct serve_answer *answer, int status, const char *text)
{
    answer->status = status;
    answer->type = "text/plain; charset=utf-8";
    buffer_reset(&answer->body);
    answer->shared = (struct bytes){0};
    buffer_printf(&answer->body, "%s\n", text);
}

static bool is_every(const struct faults *faults, enum fault fault,
                     uint64_t number)
{
    return faults->on[fault] && number % faults->value[fault] == 0;
}

// retry_after takes all forms by turn: none, seconds, a date, and a date in a
// zone that HTTP does not know.
static void retry_after(struct serve_answer *answer, uint64_t number)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT",
                                        "%a, %d %b %Y %H:%M:%S UTC"};
    char text[64];
    time_t then = time(NULL) + 1;
    struct tm tm;

    if (number % 4 == 0) return;
    if (number % 4 == 1) {
        buffer_append_text(&answer->headers, "Retry-After: 1\r\n");
        return;
    }
    (void)gmtime_r(&then, &tm);
    (void)strftime(text, sizeof text, forms[number % 2], &tm);
    buffer_printf(&answer->headers, "Retry-After: %s\r\n", text);
}

// refuse_by_turn answers with a fault of every Nth request.
static bool refuse_by_turn(const struct faults *faults, uint64_t number,
                           struct serve_answer *answer)
{
    answer->drop = is_every(faults, FAULT_DROP_CONNECTION_EVERY, number);
    if (answer->drop) return true;
    if (is_every(faults, FAULT_HTTP_429_EVERY, number)) {
        ctlog_refuse(answer, 429, "too many requests");
        retry_after(answer, number / faults->value[FAULT_HTTP_429_EVERY]);
    } else if (is_every(faults, FAULT_HTTP_500_EVERY, number)) {
        ctlog_refuse(answer, 500, "backend: deadline exceeded");
    } else if (is_every(faults, FAULT_HTTP_503_EVERY, number)) {
        ctlog_refuse(answer, 503, "no capacity");
        retry_after(answer, number / faults->value[FAULT_HTTP_503_EVERY]);
    } else if (is_every(faults, FAULT_HTML_200_EVERY, number)) {
        ctlog_refuse(answer, 200,
                     "<!DOCTYPE html><title>Just a moment</title>");
        answer->type = "text/html";
    } else if (is_every(faults, FAULT_REDIRECT_EVERY, number)) {
        ctlog_refuse(answer, 302, "moved");
        buffer_append_text(&answer->headers, "Location: /static/\r\n");
    } else {
        return false;
    }
    return true;
}

static bool skip_prefix(const char **text, const char *prefix)
{
    size_t len = strlen(prefix);

    if (strncmp(*text, prefix, len) != 0) return false;
    *text += len;
    return true;
}

// control changes size and faults from a shell: /control/size=N,
// /control/faults=LIST.
static void control(struct ctlog *log, const char *command,
                    struct serve_answer *answer)
{
    struct err err = {0};
    uint64_t size;

    if (skip_prefix(&command, "size=") &&
        text_parse_uint(&size, bytes_from_text(command))) {
        ctlog_set_size(log, size);
    } else if (!skip_prefix(&command, "faults=") ||
               !ctlog_set_faults(log, command, &err)) {
        ctlog_refuse(answer, 400, err.text);
        return;
    }
    buffer_append_text(&answer->body, "ok\n");
}

static void count(struct ctlog *log, const char *target)
{
    for (unsigned i = 0; i < CTLOG_COUNTERS; i++) {
        size_t len = strcspn(counted[i], "?");
        const char *at = strstr(target, counted[i]);

        // "get-sth?" is get-sth alone, not get-sth-consistency.
        if (counted[i][len] == '?') {
            at = strstr(target, "get-sth");
            if (at != NULL && at[len] == '-') at = NULL;
        }
        if (at != NULL) atomic_fetch_add(&log->counters[i], 1);
    }
}

uint64_t ctlog_count(struct ctlog *log, const char *part)
{
    for (unsigned i = 0; i < CTLOG_COUNTERS; i++) {
        size_t len = strcspn(counted[i], "?");

        if (strncmp(counted[i], part, len) == 0 && part[len] == '\0') {
            return atomic_load(&log->counters[i]);
        }
    }
    abort(); // a test counts what is not counted
}

static void dispatch(struct ctlog *log, const char *target,
                     struct serve_answer *answer)
{
    struct ctlog_view view = view_of(log);
    char path[CTLOG_TEXT];
    const char *query = strchr(target, '?'), *name = path;
    size_t len = query == NULL ? strlen(target) : (size_t)(query - target);

    (void)snprintf(path, sizeof path, "%.*s", (int)len, target);
    if (skip_prefix(&name, "/rfc6962/ct/v1/")) {
        ctlog_rfc6962(&view, name, query == NULL ? "" : query + 1, answer);
    } else if (skip_prefix(&name, "/static/")) {
        ctlog_static(&view, name, answer);
    } else {
        ctlog_refuse(answer, 404, "nothing here");
    }
}

void ctlog_answer(void *context, const char *method, const char *target,
                  struct serve_answer *answer)
{
    struct ctlog *log = context;
    const struct faults *faults = &log->faults;
    const char *command = target;
    uint64_t number;

    if (skip_prefix(&command, "/control/")) {
        control(log, command, answer);
        return;
    }
    count(log, target);
    number = atomic_fetch_add(&log->requests, 1) + 1;
    if (log->options.delay_ms != 0) {
        (void)usleep(log->options.delay_ms * 1000);
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        ctlog_refuse(answer, 405, "only GET");
        return;
    }
    (void)pthread_rwlock_rdlock(&log->lock);
    if (!refuse_by_turn(faults, number, answer)) {
        dispatch(log, target, answer);
        answer->truncate = is_every(faults, FAULT_TRUNCATE_EVERY, number);
        answer->stall = is_every(faults, FAULT_STALL_EVERY, number);
        answer->trail = is_every(faults, FAULT_TRAIL_EVERY, number);
        answer->trickle = is_every(faults, FAULT_TRICKLE_EVERY, number);
        answer->chunked = faults->on[FAULT_CHUNKED];
    }
    (void)pthread_rwlock_unlock(&log->lock);
}
