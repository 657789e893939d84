// cold.c - see cold.h.

#include "query/server/cold.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
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
    READY_MAX = 4, // that go on before others are heard
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
    const struct lmdb *env;
    const uint8_t *at; // page by page
    size_t len, done;
    int fd;
    uint64_t offset;
    int error; // errno; -1: the file ends before the block
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
    // What is read goes nowhere: that it was read is what matters.
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

static struct cold_read *find_read(const struct cold_wait *wait,
                                   const struct lmdb *env, const uint8_t *at)
{
    for (unsigned i = 0; i < wait->num; i++) {
        if (wait->reads[i].env == env && wait->reads[i].at == at) {
            return &wait->reads[i];
        }
    }
    return NULL;
}

// Takes a place for a block; NULL while all are taken by what is not read yet.
static struct cold_read *take_read(struct cold_wait *wait)
{
    if (wait->wanted == COLD_READS_MAX) return NULL;
    if (wait->reads == NULL) {
        wait->reads = calloc(COLD_READS_MAX, sizeof *wait->reads);
        if (wait->reads == NULL) return NULL;
    }
    if (wait->num < COLD_READS_MAX) return &wait->reads[wait->num++];
    while (!wait->reads[wait->next].is_whole) {
        wait->next = (wait->next + 1) % COLD_READS_MAX;
    }
    wait->next = (wait->next + 1) % COLD_READS_MAX;
    return &wait->reads[(wait->next + COLD_READS_MAX - 1) % COLD_READS_MAX];
}

static bool note(struct cold_wait *wait, const struct lmdb *env,
                 const struct lmdb_place *place, const uint8_t *at,
                 struct bytes block)
{
    struct cold_read *read = take_read(wait);

    if (read == NULL) return false;
    *read = (struct cold_read){
        .wait = wait,
        .env = env,
        .at = at,
        .len = (size_t)(block.data + block.len - at),
        .fd = place->fd,
        .offset = (uint64_t)(at - place->map),
    };
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

// `must`: without it nothing goes on.
static bool ask(struct cold *cold, const struct lmdb *env, struct bytes block,
                bool must, struct err *err)
{
    struct cold_wait *wait = cold->wait;
    const uint8_t *at = block.data - (uintptr_t)block.data % PAGE;
    const struct cold_read *read;
    struct lmdb_place place;

    read = find_read(wait, env, at);
    if (read != NULL && read->is_whole) return !must || judge(read, err);
    if (read == NULL) {
        if (!lmdb_place_of(env, at, &place) || is_warm(cold, &place, block)) {
            return true;
        }
        // Where no place is left the others are read first; without memory the
        // block is touched as it is.
        if (!note(wait, env, &place, at, block) && wait->wanted == 0) {
            return true;
        }
    }
    return !must || err_set(err, ERR_COLD, "a block is not in memory");
}

static bool pass(struct gate *gate, const struct lmdb *env, struct bytes block,
                 struct err *err)
{
    struct cold *cold = (struct cold *)gate;

    if (cold->wait == NULL || block.len == 0) return true;
    if (cold->wait->num == 0 && is_known(cold, block)) return true;
    return ask(cold, env, block, true, err);
}

static void expect(struct gate *gate, const struct lmdb *env,
                   struct bytes block)
{
    struct cold *cold = (struct cold *)gate;

    if (cold->wait == NULL || is_known(cold, block)) return;
    (void)!ask(cold, env, block, false, NULL);
}

bool cold_open(struct cold **out, struct ring *ring, struct metrics *metrics,
               struct err *err)
{
    struct cold *cold = calloc(1, sizeof *cold);

    *out = cold;
    if (cold == NULL) return err_set(err, ERR_MEMORY, "no memory");
    cold->gate = (struct gate){pass, expect};
    cold->ring = ring;
    cold->metrics = metrics;
    cold->trust_ms = TRUST_MIN_MS;
    cold->last_ready = &cold->ready;
    return true;
}

void cold_close(struct cold *cold)
{
    free(cold);
}

struct gate *cold_gate(struct cold *cold)
{
    return &cold->gate;
}

void cold_forget(struct cold *cold)
{
    memset(cold->spans, 0, sizeof cold->spans);
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
    size_t left = read->len - read->done;

    ring_read(read->wait->cold->ring, &read->op, read->fd,
              read->wait->cold->scratch, left > READ_MAX ? READ_MAX : left,
              (int64_t)(read->offset + read->done), on_read);
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
    if (result > 0 && read->done < read->len) {
        read_on(read);
        return;
    }
    if (result == 0) read->error = -1;
    if (result < 0 && !is_passing(-result)) read->error = -result;
    read->is_whole = true;
    if (read->error == 0) note_warm(cold, read);
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
    wait->num = wait->next = wait->wanted = 0;
}

void cold_cleanup(struct cold_wait *wait)
{
    free(wait->reads);
    *wait = (struct cold_wait){0};
}
