// cold.c - see cold.h.

#include "query/server/cold.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>

enum {
    PAGE = 4096,
    SPAN_PAGES = 64,
    SPAN = SPAN_PAGES * PAGE,
    SLOTS = 1 << 14, // spans that are known at a time: 4 GiB
    TRUST_MIN_MS = 100,
    TRUST_MAX_MS = 10000,
    TRUST_MORE_MS = 5, // for each time that it was right
    READ_MAX = 64 << 10,
    // Memory that blocks are read into: pages are touched when they are used.
    COPY_SIZE = 4 * PAGE,
    COPIES_MAX = 1024,
    WANTED = 1 << 16, // blocks that were read past the page cache last
    // Of what was not: one in so many is brought in all the same.
    BRING_IN = 8,
    SPARE_PART = 16,    // of the memory: so much must be free to spare it
    SPARE_MS = 1000,    // how long that is believed
    GONE_MS = 60 << 10, // after something warm was found gone
    READY_MAX = 4,      // that go on before others are heard
};

// What is known of the pages of a span of addresses.
struct span {
    uintptr_t start; // 0: none
    uint64_t warm;
    uint64_t seen_ms;
};

struct cold_read {
    struct ring_op op;
    struct cold_wait *wait;
    struct lmdb *env;
    const uint8_t *at; // page by page
    size_t len, done;
    int fd, direct_fd; // past the page cache; -1: through it
    uint64_t offset;
    uint64_t moment; // of the files
    uint8_t *copy;   // NULL: it is brought into the page cache, no more
    int error;       // errno; -1: the file ends before the block
    bool is_whole;
};

struct cold {
    struct gate gate;
    struct ring *ring;
    struct metrics *metrics;
    struct cold_wait *wait; // who is being answered
    struct cold_wait *ready, **last_ready;
    struct ring_op going_on;
    uint64_t now_ms, trust_ms;
    struct span spans[SLOTS];
    uint64_t moment; // counts what cold_forget was told
    uint8_t *copies; // COPIES_MAX of COPY_SIZE
    uint16_t free[COPIES_MAX];
    unsigned num_free;
    uint32_t wanted[WANTED]; // by hash
    unsigned num_direct;
    bool is_short, is_told; // memory is; it was said so for good
    uint64_t looked_ms, gone_ms;
    // What is read in here goes nowhere: that it was read is what matters.
    uint8_t scratch[READ_MAX];
};

// ------------------------------------------------------------- what is warm

// Asks which pages of a span, as far as the file goes, are in memory.
static uint64_t ask_span(uintptr_t start, const struct lmdb_place *place)
{
    uintptr_t map = (uintptr_t)place->map, end = map + place->map_size;
    uintptr_t first = start < map ? map : start;
    uintptr_t last = start + SPAN < end ? start + SPAN : end;
    unsigned char pages[SPAN_PAGES] = {0};
    uint64_t warm = 0;

    if (mincore((void *)first, last - first, pages) != 0) return 0;
    for (uintptr_t at = first; at < last; at += PAGE) {
        if ((pages[(at - first) / PAGE] & 1) != 0) {
            warm |= UINT64_C(1) << ((at - start) / PAGE);
        }
    }
    return warm;
}

// mincore tells the truth to a file's owner alone; others try to read a byte.
static bool ask_page(uintptr_t page, const struct lmdb_place *place)
{
    unsigned char state = 0;
    uint8_t byte;
    struct iovec to = {&byte, 1};

    if (place->is_ours) {
        return mincore((void *)page, 1, &state) == 0 && (state & 1) != 0;
    }
    return preadv2(place->fd, &to, 1, (off_t)(page - (uintptr_t)place->map),
                   RWF_NOWAIT) == 1;
}

static void note_gone(struct cold *cold)
{
    cold->trust_ms = TRUST_MIN_MS;
    cold->gone_ms = cold->now_ms;
}

static struct span *find_span(struct cold *cold, uintptr_t start,
                              const struct lmdb_place *place)
{
    struct span *span = &cold->spans[start / SPAN % SLOTS];
    uint64_t warm;

    if (span->start == start && cold->now_ms - span->seen_ms < cold->trust_ms) {
        return span;
    }
    warm = place->is_ours ? ask_span(start, place) : 0;
    if (span->start == start && place->is_ours) {
        if ((span->warm & ~warm) != 0) {
            note_gone(cold);
        } else if (span->warm != 0 && cold->trust_ms < TRUST_MAX_MS) {
            cold->trust_ms += TRUST_MORE_MS;
        }
    }
    *span = (struct span){start, warm, cold->now_ms};
    return span;
}

static bool is_warm_page(struct cold *cold, uintptr_t page,
                         const struct lmdb_place *place)
{
    struct span *span = find_span(cold, page - page % SPAN, place);
    uint64_t bit = UINT64_C(1) << (page % SPAN / PAGE);

    if ((span->warm & bit) == 0 && ask_page(page, place)) span->warm |= bit;
    return (span->warm & bit) != 0;
}

// Of a short block that is believed to be warm nothing else is looked at.
static bool is_known(const struct cold *cold, struct bytes block)
{
    uintptr_t at = (uintptr_t)block.data, page = at - at % PAGE;
    const struct span *span = &cold->spans[page / SPAN % SLOTS];

    return at + block.len <= page + PAGE && span->start == page - page % SPAN &&
           cold->now_ms - span->seen_ms < cold->trust_ms &&
           (span->warm >> (page % SPAN / PAGE) & 1) != 0;
}

static bool is_warm(struct cold *cold, const struct lmdb_place *place,
                    struct bytes block)
{
    uintptr_t at = (uintptr_t)block.data, end = at + block.len;

    for (uintptr_t page = at - at % PAGE; page < end; page += PAGE) {
        if (!is_warm_page(cold, page, place)) return false;
    }
    return true;
}

// ------------------------------------------------------------- the gate

// `in_place`: one that is not read elsewhere.
static struct cold_read *find_read(const struct cold_wait *wait,
                                   const struct lmdb *env, const uint8_t *at,
                                   bool in_place)
{
    for (unsigned i = 0; i < wait->num; i++) {
        struct cold_read *read = &wait->reads[i];

        if (read->at == at && read->env == env &&
            read->moment == wait->cold->moment &&
            (!in_place || read->copy == NULL)) {
            return read;
        }
    }
    return NULL;
}

static void drop_copy(struct cold *cold, struct cold_read *read)
{
    if (read->copy == NULL) return;
    cold->free[cold->num_free++] =
        (uint16_t)((read->copy - cold->copies) / COPY_SIZE);
    read->copy = NULL;
}

// Whether nobody needs it any more: what was brought into the page cache is
// likely still there, a copy is nowhere else.
static bool is_spent(const struct cold_read *read)
{
    return read->is_whole &&
           (read->copy == NULL || read->moment != read->wait->cold->moment);
}

// Takes a place for a block; NULL while all are taken by what is not read yet.
static struct cold_read *take_read(struct cold_wait *wait)
{
    if (wait->reads == NULL) {
        wait->reads = calloc(COLD_READS_MAX, sizeof *wait->reads);
        if (wait->reads == NULL) return NULL;
    }
    if (wait->num < COLD_READS_MAX) return &wait->reads[wait->num++];
    for (unsigned i = 0; i < COLD_READS_MAX; i++) {
        struct cold_read *read = &wait->reads[wait->next];

        wait->next = (wait->next + 1) % COLD_READS_MAX;
        if (is_spent(read)) {
            drop_copy(wait->cold, read);
            return read;
        }
    }
    return NULL;
}

static uint8_t *take_copy(struct cold_wait *wait, size_t len)
{
    struct cold *cold = wait->cold;

    if (len > COPY_SIZE || cold->num_free == 0 ||
        wait->num_copies == COLD_COPIES_MAX) {
        return NULL;
    }
    wait->num_copies++;
    return cold->copies + (size_t)cold->free[--cold->num_free] * COPY_SIZE;
}

// Whether what is brought into the page cache drives something else out: of the
// machine's memory little is free, or a limit of our own was met.
static bool is_memory_short(struct cold *cold)
{
    struct sysinfo info;

    if (cold->is_told) return true;
    if (cold->gone_ms > 0 && cold->now_ms - cold->gone_ms < GONE_MS) {
        return true;
    }
    if (cold->now_ms - cold->looked_ms >= SPARE_MS) {
        cold->looked_ms = cold->now_ms;
        cold->is_short =
            sysinfo(&info) != 0 || info.freeram < info.totalram / SPARE_PART;
    }
    return cold->is_short;
}

// Whether a block is to be in the page cache from now on.  Where memory is
// short: one that is wanted for the second time before WANTED others were, and
// of all others a few, so that an index that memory holds is there at last.
static bool is_worth_keeping(struct cold *cold, const uint8_t *at)
{
    uint64_t hash =
        (uint64_t)(uintptr_t)at / PAGE * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t mark = (uint32_t)hash | 1;
    uint32_t *slot = &cold->wanted[hash >> 48];

    if (!is_memory_short(cold)) return true;
    if (*slot == mark || ++cold->num_direct % BRING_IN == 0) {
        *slot = 0;
        return true;
    }
    *slot = mark;
    return false;
}

static bool note(struct cold_wait *wait, struct lmdb *env,
                 const struct lmdb_place *place, const uint8_t *at,
                 struct bytes block, bool in_place)
{
    struct cold_read *read = take_read(wait);

    if (read == NULL) return false;
    *read = (struct cold_read){
        .wait = wait,
        .env = env,
        .at = at,
        .len = (size_t)(block.data + block.len - at),
        .fd = place->fd,
        .direct_fd = -1,
        .offset = (uint64_t)(at - place->map),
        .moment = wait->cold->moment,
    };
    if (!in_place) read->copy = take_copy(wait, read->len);
    if (read->copy != NULL && !is_worth_keeping(wait->cold, at)) {
        read->direct_fd = lmdb_direct_fd(env);
    }
    wait->wanted++;
    // What comes from the disk now may not be what was checked before.
    lmdb_forget_sound(env, block);
    return true;
}

static bool judge(const struct cold_read *read, struct err *err)
{
    if (read->error == 0) return true;
    return err_set(err, ERR_INDEX,
                   "index damaged: %s: a block at byte %llu cannot be read: %s",
                   lmdb_path(read->env), (unsigned long long)read->offset,
                   read->error < 0 ? "the file is cut short"
                                   : strerror(read->error));
}

// How a block is asked for.
enum asking {
    ASK_IN_PLACE,
    ASK_ANYWHERE,
    ASK_AHEAD, // anywhere, and nobody needs it yet
};

static bool ask(struct cold *cold, struct lmdb *env, struct bytes *block,
                enum asking how, struct err *err)
{
    struct cold_wait *wait = cold->wait;
    const uint8_t *at = block->data - (uintptr_t)block->data % PAGE;
    bool in_place = how == ASK_IN_PLACE;
    const struct cold_read *read = find_read(wait, env, at, in_place);
    struct lmdb_place place;

    if (read != NULL && read->is_whole) {
        if (read->copy != NULL && read->done >= read->len) {
            block->data = read->copy + (block->data - at);
        }
        return how == ASK_AHEAD || judge(read, err);
    }
    if (read == NULL) {
        if (!lmdb_place_of(env, at, &place) || is_warm(cold, &place, *block)) {
            return true;
        }
        // Where no place is left the others are read first; without memory the
        // block is touched as it is.
        if (!note(wait, env, &place, at, *block, in_place) &&
            wait->wanted == 0) {
            return true;
        }
    }
    return how == ASK_AHEAD ||
           err_set(err, ERR_COLD, "a block is not in memory");
}

static bool pass(struct gate *gate, struct lmdb *env, struct bytes block,
                 struct err *err)
{
    struct cold *cold = (struct cold *)gate;

    if (cold->wait == NULL || block.len == 0) return true;
    if (cold->wait->num == 0 && is_known(cold, block)) return true;
    return ask(cold, env, &block, ASK_IN_PLACE, err);
}

static bool fetch(struct gate *gate, struct lmdb *env, struct bytes *block,
                  struct err *err)
{
    struct cold *cold = (struct cold *)gate;

    if (cold->wait == NULL || block->len == 0) return true;
    if (cold->wait->num == 0 && is_known(cold, *block)) return true;
    return ask(cold, env, block, ASK_ANYWHERE, err);
}

static void expect(struct gate *gate, struct lmdb *env, struct bytes block)
{
    struct cold *cold = (struct cold *)gate;

    if (cold->wait == NULL || is_known(cold, block)) return;
    (void)!ask(cold, env, &block, ASK_AHEAD, NULL);
}

bool cold_open(struct cold **out, struct ring *ring, struct metrics *metrics,
               struct err *err)
{
    struct cold *cold = calloc(1, sizeof *cold);

    *out = cold;
    if (cold == NULL) return err_set(err, ERR_MEMORY, "no memory");
    cold->gate = (struct gate){pass, fetch, expect};
    // Without them all is brought into the page cache.
    cold->copies =
        mmap(NULL, (size_t)COPIES_MAX * COPY_SIZE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (; cold->copies != MAP_FAILED && cold->num_free < COPIES_MAX;
         cold->num_free++) {
        cold->free[cold->num_free] =
            (uint16_t)(COPIES_MAX - 1 - cold->num_free);
    }
    cold->ring = ring;
    cold->metrics = metrics;
    cold->trust_ms = TRUST_MIN_MS;
    cold->last_ready = &cold->ready;
    return true;
}

void cold_close(struct cold *cold)
{
    if (cold == NULL) return;
    if (cold->copies != MAP_FAILED) {
        (void)munmap(cold->copies, (size_t)COPIES_MAX * COPY_SIZE);
    }
    free(cold);
}

struct gate *cold_gate(struct cold *cold)
{
    return &cold->gate;
}

void cold_save_memory(struct cold *cold)
{
    cold->is_told = true;
}

void cold_forget(struct cold *cold)
{
    memset(cold->spans, 0, sizeof cold->spans);
    cold->moment++;
}

void cold_answer(struct cold *cold, struct cold_wait *wait, uint64_t now_ms)
{
    cold->wait = wait;
    cold->now_ms = now_ms;
    if (wait != NULL) wait->cold = cold;
}

// ------------------------------------------------------------- reading

static void on_read(struct ring_op *op, int result);

static void read_on(struct cold_read *read)
{
    struct cold *cold = read->wait->cold;
    size_t left = read->len - read->done;
    bool is_direct = read->direct_fd >= 0;
    uint8_t *to = read->copy;

    if (is_direct) {
        left += (size_t)-left % PAGE; // so much fits into a copy
    } else if (to == NULL) {
        to = cold->scratch;
        if (left > READ_MAX) left = READ_MAX;
    }
    if (read->copy != NULL) to += read->done;
    ring_read(cold->ring, &read->op, is_direct ? read->direct_fd : read->fd, to,
              left, (int64_t)(read->offset + read->done), on_read);
}

static void note_warm(struct cold *cold, const struct cold_read *read)
{
    uintptr_t first = (uintptr_t)read->at;

    for (uintptr_t page = first; page < first + read->len; page += PAGE) {
        struct span *span = &cold->spans[page / SPAN % SLOTS];

        if (span->start == page - page % SPAN) {
            span->warm |= UINT64_C(1) << (page % SPAN / PAGE);
        }
    }
}

// What passes by itself is no fault of the file's: the block is then touched as
// it is.  (EBADF: it was merged away meanwhile, and nobody asks for it again.)
static bool is_passing(int error)
{
    return error == EINTR || error == EAGAIN || error == ENOMEM ||
           error == ECANCELED || error == EBADF;
}

// Whether a file cannot be read past the page cache, whatever open said.
static bool is_refused(const struct cold_read *read, int error)
{
    return read->direct_fd >= 0 && (error == EINVAL || error == EOPNOTSUPP);
}

static void go_on(struct ring_op *op, int result)
{
    struct cold *cold = RING_OWNER(op, struct cold, going_on);

    (void)result;
    for (int i = 0; i < READY_MAX && cold->ready != NULL; i++) {
        struct cold_wait *wait = cold->ready;

        cold->ready = wait->next_ready;
        if (cold->ready == NULL) cold->last_ready = &cold->ready;
        wait->in_flight = 0;
        wait->done(wait);
    }
    if (cold->ready != NULL && !ring_busy(&cold->going_on)) {
        ring_post(cold->ring, &cold->going_on, 0, go_on);
    }
}

static void make_ready(struct cold_wait *wait)
{
    struct cold *cold = wait->cold;

    wait->next_ready = NULL;
    *cold->last_ready = wait;
    cold->last_ready = &wait->next_ready;
    if (!ring_busy(&cold->going_on)) {
        ring_post(cold->ring, &cold->going_on, 0, go_on);
    }
}

static void on_read(struct ring_op *op, int result)
{
    struct cold_read *read = RING_OWNER(op, struct cold_read, op);
    struct cold_wait *wait = read->wait;
    struct cold *cold = wait->cold;

    if (result > 0) read->done += (size_t)result;
    if (read->done < read->len && (result > 0 || is_refused(read, -result))) {
        read->direct_fd = -1; // the rest need not begin with a page
        read_on(read);
        return;
    }
    if (result == 0) read->error = -1;
    if (result < 0 && !is_passing(-result)) read->error = -result;
    read->is_whole = true;
    if (read->error == 0 && read->direct_fd < 0) note_warm(cold, read);
    metrics_count_cold(cold->metrics);
    // The last one counts until the question goes on.
    if (wait->in_flight > 1) {
        wait->in_flight--;
    } else {
        make_ready(wait);
    }
}

void cold_read(struct cold_wait *wait, cold_done *done)
{
    wait->done = done;
    for (unsigned i = 0; i < wait->num && wait->wanted > 0; i++) {
        struct cold_read *read = &wait->reads[i];

        if (read->is_whole || ring_busy(&read->op)) continue;
        wait->wanted--;
        wait->in_flight++;
        read_on(read);
    }
}

void cold_end(struct cold_wait *wait)
{
    if (wait->in_flight > 0) return;
    for (unsigned i = 0; i < wait->num; i++) {
        drop_copy(wait->cold, &wait->reads[i]);
    }
    wait->num = wait->next = wait->wanted = wait->num_copies = 0;
}

void cold_cleanup(struct cold_wait *wait)
{
    cold_end(wait);
    free(wait->reads);
    *wait = (struct cold_wait){0};
}
