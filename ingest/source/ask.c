// ask.c - see ask.h.
//
//   asker_ask -> queue -> pump: pace allows it -> fetch or archive -> judge
//     200                read it, or have a worker do so
//       readable         done: ASK_ANSWERED
//     no answer          queue again, not before the pause has passed
//     optional and 4xx   done: ASK_REFUSED
//     --retry has passed done: ASK_GIVEN_UP

#include "ingest/source/ask.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    // Bodies that were read leave their memory to those that come next: warm,
    // and without asking the kernel for pages.
    SPARES_MAX = 8,
    SPARE_LEN_MAX = 8 << 20,
};

struct asker {
    struct ring *ring;
    struct fetch *fetch; // NULL: an archive
    struct archive *archive;
    struct pool_door *door;
    struct pace pace;
    struct host *host; // NULL: an archive
    struct limit_place place;
    uint64_t held_ms; // since when the host's limit holds a question up; 0: not
    struct live *live;
    uint64_t retry_ms;
    bool has_other;
    uint64_t progress_ms;      // since when --retry counts
    struct ask *first, **last; // waiting
    struct ask *flight;        // asked
    struct buffer spares[SPARES_MAX];
    unsigned num_spares;
    struct ring_op timer;
    struct ring_op post; // brings canceled questions back
    bool pumping;
    bool closing, fetch_gone;
    bool close_next;           // once `post` is back
    uint64_t bytes_from_files; // and before
    fetch_closed *closed;
    void *context;
};

static void pump(struct asker *asker);
static void on_close(struct ring_op *op, int result);
static void close_if_idle(struct asker *asker);

bool asker_open(struct asker **out, struct ring *ring,
                struct fetch_shared *shared,
                const struct asker_options *options, struct err *err)
{
    struct asker *asker = calloc(1, sizeof *asker);
    uint64_t now = ring_now_ms();

    if (asker == NULL) return err_set(err, ERR_MEMORY, "no memory");
    asker->ring = ring;
    asker->archive = options->archive;
    asker->door = options->door;
    asker->live = options->live;
    asker->retry_ms = options->retry_ms;
    asker->has_other = options->has_other;
    asker->bytes_from_files = options->bytes_before;
    asker->progress_ms = now;
    asker->last = &asker->first;
    pace_init(&asker->pace, options->rate, options->connections,
              now ^ (uint64_t)(uintptr_t)asker, now);
    if (options->url != NULL) {
        struct fetch_options fetch = {
            .url = options->url,
            .binds = options->binds,
            .num_binds = options->num_binds,
            .connections_max = options->connections,
        };

        if (options->retry_ms > 0 &&
            options->retry_ms < FETCH_IDLE_TIMEOUT_MS) {
            fetch.idle_timeout_ms = options->retry_ms;
        }
        if (options->retry_ms > 0 &&
            options->retry_ms < FETCH_CONNECT_TIMEOUT_MS) {
            fetch.connect_timeout_ms = options->retry_ms;
        }
        if (!fetch_open(&asker->fetch, ring, shared, &fetch, err)) {
            free(asker);
            return false;
        }
        asker->host = fetch_host(asker->fetch);
    }
    *out = asker;
    return true;
}

void ask_cleanup(struct ask *ask)
{
    assert(!ask->under_way);
    buffer_cleanup(&ask->body);
    archive_file_cleanup(&ask->file);
    buffer_cleanup(&ask->request.body);
}

// ---------------------------------------------------------------- the queue

static void push(struct asker *asker, struct ask *ask)
{
    ask->next = NULL;
    *asker->last = ask;
    asker->last = &ask->next;
}

// Takes the first question whose pause is over; `wait_ms` lowers to the
// shortest pause of the others.
static struct ask *pop_due(struct asker *asker, uint64_t now, uint64_t *wait_ms)
{
    for (struct ask **at = &asker->first; *at != NULL; at = &(*at)->next) {
        struct ask *ask = *at;

        if (ask->not_before_ms > now) {
            uint64_t wait = ask->not_before_ms - now;

            if (wait < *wait_ms) *wait_ms = wait;
            continue;
        }
        *at = ask->next;
        if (asker->last == &ask->next) asker->last = at;
        return ask;
    }
    return NULL;
}

static void finish(struct ask *ask, enum ask_result result)
{
    ask->under_way = false;
    ask->result = result;
    ask->done(ask);
}

// ---------------------------------------------------------------- an answer

// The time that --retry allows has passed without a chunk proven.
static bool is_late(const struct asker *asker, uint64_t now)
{
    if (asker->retry_ms == UINT64_MAX) return false;
    return asker->retry_ms == 0 || now >= asker->progress_ms + asker->retry_ms;
}

// It is not there; see ask.h.
static bool is_missing(const struct asker *asker, const struct ask *ask,
                       uint64_t now)
{
    return asker->has_other &&
           (ask->num_refusals >= ASK_MISSING_TRIES ||
            (ask->failing_ms > 0 && now >= ask->failing_ms + ASK_MISSING_MS));
}

static void count_failure(struct ask *ask, bool is_answer, bool is_refusal,
                          uint64_t now)
{
    if (!is_answer) {
        ask->failing_ms = 0;
    } else if (ask->failing_ms == 0) {
        ask->failing_ms = now;
    }
    if (is_refusal) ask->num_refusals++;
}

// A wait that the host asked for in Retry-After does not count for --retry.
static void allow_wait(struct asker *asker, uint64_t now)
{
    uint64_t until;

    if (asker->held_ms == 0) return;
    until = host_limit(asker->host).asked_until_ms;
    if (until > now) until = now;
    if (until > asker->held_ms) asker->progress_ms += until - asker->held_ms;
    asker->held_ms = 0;
}

// The host took a question, whatever it said.
static void took(struct asker *asker, const struct ask *ask, uint64_t now)
{
    if (asker->host != NULL) host_good(asker->host, ask->turn, now);
}

// Tells whether the host's limit lets a question start; else `wait_ms` lowers
// to when it may.
static bool host_lets_start(struct asker *asker, uint64_t now,
                            uint64_t *wait_ms)
{
    uint64_t at;

    if (asker->host == NULL) return true;
    at = host_reserve(asker->host, &asker->place, now);
    if (at <= now) return true;
    if (asker->held_ms == 0) asker->held_ms = now;
    if (at - now < *wait_ms) *wait_ms = at - now;
    live_limited(asker->live, at);
    return false;
}

// Takes a question out of those that are asked.
static void land(struct asker *asker, struct ask *ask)
{
    struct ask **at = &asker->flight;

    while (*at != ask) {
        at = &(*at)->next;
    }
    *at = ask->next;
}

// The pause before a question is asked again that got no answer of use.
static uint64_t pause_ms(const struct ask *ask)
{
    unsigned doublings = ask->num_tries < 9 ? ask->num_tries - 1 : 8;
    uint64_t pause = (uint64_t)PACE_BACKOFF_FIRST_MS << doublings;

    return pause < PACE_BACKOFF_MAX_MS ? pause : PACE_BACKOFF_MAX_MS;
}

// Asks again, or gives the question up when --retry has passed.
static void ask_again(struct asker *asker, struct ask *ask, uint64_t at_ms,
                      uint64_t now)
{
    if (is_late(asker, now) || is_missing(asker, ask, now)) {
        (void)err_wrap(&ask->err, "%s", ask->path);
        finish(ask, ASK_GIVEN_UP);
        return;
    }
    ask->not_before_ms = at_ms;
    live_failing(asker->live, at_ms);
    push(asker, ask);
}

static void judge_status(struct asker *asker, struct ask *ask,
                         const struct pace_answer *answer, uint64_t now)
{
    uint64_t retry_at = now;
    enum pace_verdict verdict =
        pace_ended(&asker->pace, answer, now, &retry_at);

    if (answer->status >= 300 && answer->status < 400) {
        (void)err_set(&ask->err, ERR_NETWORK,
                      "%s: redirected to '%.200s', which is not followed",
                      ask->path, ask->request.location);
        finish(ask, ASK_GIVEN_UP);
        return;
    }
    if (answer->status != 0) {
        (void)err_set(&ask->err, ERR_NETWORK, "status %u", answer->status);
    }
    if (verdict == PACE_LIMITED) {
        retry_at = host_refused(
            asker->host, ask->turn,
            answer->has_retry_after ? answer->retry_after_ms : 0, now);
    } else if (verdict == PACE_REFUSED) {
        took(asker, ask, now);
    }
    if (ask->optional &&
        (verdict == PACE_REFUSED || asker->retry_ms == 0 ||
         ask->num_tries >= (verdict == PACE_LIMITED ? ASK_LIMITED_TRIES
                                                    : ASK_OPTIONAL_TRIES))) {
        finish(ask, ASK_REFUSED);
        return;
    }
    // 403 may be a backend whose messages have a limit (CT-PROTOCOLS 5.1).
    if (ask->refused != NULL &&
        (verdict == PACE_REFUSED || ask->request.fault == FETCH_TOO_LARGE ||
         (answer->status == 403 && ask->num_tries % 2 == 0))) {
        ask->refused(ask);
    }
    if (verdict == PACE_REFUSED) retry_at = now + pause_ms(ask);
    count_failure(ask, answer->status != 0 && verdict != PACE_LIMITED,
                  verdict == PACE_REFUSED, now);
    ask_again(asker, ask, retry_at, now);
}

static void swap_buffers(struct buffer *a, struct buffer *b)
{
    struct buffer other = *a;

    *a = *b;
    *b = other;
}

// What a member of a zip was left packed as is unpacked.
static bool unpack_body(struct ask *ask, struct worker *worker, struct err *err)
{
    ask->content = &ask->body;
    if (!ask->file.is_packed) return true;
    ask->content = &worker->inflated;
    return archive_unpack(&ask->file, worker->inflater, ask->content, err);
}

// Logs send gzip without being asked (CT-PROTOCOLS section 8.6).
static bool inflate_body(struct ask *ask, struct worker *worker,
                         struct err *err)
{
    size_t max = ask->inflated_max > 0 ? ask->inflated_max : ask->body_max;

    if (!inflate_is_gzip(buffer_bytes(ask->content))) return true;
    if (!ask->sniffs_gzip && !ask->request.is_gzip) return true;
    if (ask->content != &ask->body) swap_buffers(&ask->body, ask->content);
    ask->content = &worker->inflated;
    return inflate_gzip(worker->inflater, ask->content,
                        buffer_bytes(&ask->body), max, err);
}

static void read_body(struct job *job, struct worker *worker)
{
    struct ask *ask = JOB_OWNER(job, struct ask, job);

    ask->why = (struct err){0};
    ask->is_read = unpack_body(ask, worker, &ask->why) &&
                   inflate_body(ask, worker, &ask->why) &&
                   (ask->read == NULL || ask->read(ask, worker, &ask->why));
    if (ask->content != &ask->body && (!ask->on_worker || ask->keep_body)) {
        // The bytes stay where slices of them point to.
        swap_buffers(&ask->body, ask->content);
    }
    ask->content = &ask->body;
}

static void judge_reading(struct asker *asker, struct ask *ask)
{
    uint64_t now = ring_now_ms();

    land(asker, ask);
    if (ask->canceled || asker->closing) {
        finish(ask, ASK_CANCELED);
        return;
    }
    if (ask->is_read) {
        finish(ask, ASK_ANSWERED);
        return;
    }
    ask->err = ask->why;
    ask->err.code = ERR_NETWORK;
    if (ask->optional &&
        (asker->retry_ms == 0 || ask->num_tries >= ASK_OPTIONAL_TRIES)) {
        finish(ask, ASK_REFUSED);
        return;
    }
    count_failure(ask, true, true, now);
    ask_again(asker, ask, now + pause_ms(ask), now);
}

static void judge_member(struct asker *asker, struct ask *ask);

static void judge_read(struct asker *asker, struct ask *ask)
{
    if (asker->archive != NULL && archive_has_zips(asker->archive)) {
        judge_member(asker, ask);
    } else {
        judge_reading(asker, ask);
    }
}

// Takes back what is not wanted any more.
static void spare_body(struct asker *asker, struct buffer *body)
{
    if (asker->num_spares < SPARES_MAX && body->size <= SPARE_LEN_MAX &&
        body->size > 0) {
        asker->spares[asker->num_spares++] = *body;
        *body = (struct buffer){0};
    }
    buffer_cleanup(body);
}

static void on_read(struct job *job)
{
    struct ask *ask = JOB_OWNER(job, struct ask, job);
    struct asker *asker = ask->asker;

    if (!ask->keep_body) spare_body(asker, &ask->body);
    judge_read(asker, ask);
    pump(asker);
    close_if_idle(asker);
}

// There is a body: reads it here and now, or has it read.
static void have_read(struct asker *asker, struct ask *ask)
{
    if (ask->on_worker) {
        ask->job = (struct job){.run = read_body, .done = on_read};
        pool_put(asker->door, &ask->job);
        return;
    }
    read_body(&ask->job, &asker->door->worker);
    judge_read(asker, ask);
}

static void judge(struct asker *asker, struct ask *ask,
                  const struct pace_answer *answer)
{
    uint64_t now = ring_now_ms(), retry_at;

    ask->status = answer->status;
    live_answered(asker->live, answer->status, asker_bytes_received(asker));
    if (ask->canceled || asker->closing) {
        land(asker, ask);
        pace_canceled(&asker->pace);
        finish(ask, ASK_CANCELED);
        return;
    }
    if (answer->status != 200) {
        land(asker, ask);
        judge_status(asker, ask, answer, now);
        return;
    }
    (void)pace_ended(&asker->pace, answer, now, &retry_at);
    took(asker, ask, now);
    have_read(asker, ask);
}

static void on_fetched(struct fetch_request *request)
{
    struct ask *ask = request->context;
    struct asker *asker = ask->asker;
    struct pace_answer answer = {
        .status = request->fault == FETCH_ANSWERED ? request->status : 0,
        .has_retry_after = request->has_retry_after,
        .retry_after_ms = request->retry_after_ms,
    };

    buffer_cleanup(&ask->body);
    ask->body = request->body;
    request->body = (struct buffer){0};
    if (answer.status == 0) ask->err = request->err;
    judge(asker, ask, &answer);
    pump(asker);
    close_if_idle(asker);
}

// What zips answer stands: they are the same when they are asked again.
static void give_up_zips(struct ask *ask)
{
    finish(ask, ask->optional ? ASK_REFUSED : ASK_GIVEN_UP);
}

static void judge_member(struct asker *asker, struct ask *ask)
{
    const char *holder;

    land(asker, ask);
    if (ask->canceled || asker->closing) {
        finish(ask, ASK_CANCELED);
        return;
    }
    if (ask->is_read) {
        finish(ask, ASK_ANSWERED);
        return;
    }
    if (ask->file.status == 0) { // the zip itself is damaged there
        ask->err = ask->file.err;
    } else {
        holder = archive_holder(asker->archive, ask->path);
        (void)err_set(&ask->err, ERR_VERIFY, "%s%s%s: %.200s",
                      holder != NULL ? holder : "", holder != NULL ? ": " : "",
                      ask->path + 1, ask->why.text);
    }
    give_up_zips(ask);
}

static void judge_zips(struct asker *asker, struct ask *ask,
                       const struct archive_file *file)
{
    const struct pace_answer good = {.status = 200};
    uint64_t retry_at;

    (void)pace_ended(&asker->pace, &good, ring_now_ms(), &retry_at);
    ask->status = file->status;
    if (file->status == 200 && !ask->canceled && !asker->closing) {
        have_read(asker, ask);
        return;
    }
    land(asker, ask);
    if (ask->canceled || asker->closing) {
        finish(ask, ASK_CANCELED);
        return;
    }
    if (file->status == 404 && ask->refused != NULL && ask->num_tries == 1) {
        ask->refused(ask);
        push(asker, ask);
        return;
    }
    if (file->status == 404) {
        if (ask->num_tries > 1) ask->refused(ask);
        if (ask->prepare != NULL) ask->prepare(ask);
        (void)err_set(&ask->err, ERR_NETWORK, "%s: in no zip that was given",
                      ask->path + 1);
    } else {
        ask->err = file->err;
    }
    give_up_zips(ask);
}

static void on_file(struct archive_file *file)
{
    struct ask *ask =
        (struct ask *)(void *)((char *)file - offsetof(struct ask, file));
    struct asker *asker = ask->asker;
    struct pace_answer answer = {.status = file->status};

    buffer_cleanup(&ask->body);
    ask->body = file->body;
    file->body = (struct buffer){0};
    asker->bytes_from_files += archive_file_len(file);
    if (answer.status == 0) ask->err = file->err;
    if (archive_has_zips(asker->archive)) {
        judge_zips(asker, ask, file);
    } else {
        judge(asker, ask, &answer);
    }
    pump(asker);
    close_if_idle(asker);
}

// ---------------------------------------------------------------- asking

static void start(struct asker *asker, struct ask *ask, uint64_t now)
{
    if (ask->prepare != NULL) ask->prepare(ask);
    live_requested(asker->live, ask->num_tries > 0);
    allow_wait(asker, now);
    ask->turn = asker->place.turn;
    asker->place = (struct limit_place){0};
    ask->num_tries++;
    ask->next = asker->flight;
    asker->flight = ask;
    pace_started(&asker->pace, now);
    if (asker->fetch == NULL) {
        ask->file.body_max = ask->body_max;
        ask->file.may_stay_packed = ask->on_worker;
        ask->file.done = on_file;
        archive_read(asker->archive, asker->ring, asker->door->worker.inflater,
                     ask->path, &ask->file);
        return;
    }
    buffer_cleanup(&ask->request.body);
    ask->request = (struct fetch_request){
        .path = ask->path,
        .body_max = ask->body_max,
        .total_timeout_ms =
            asker->retry_ms == 0 || asker->retry_ms > FETCH_TOTAL_TIMEOUT_MS
                ? 0
                : asker->retry_ms,
        .fresh = ask->fresh,
        .done = on_fetched,
        .context = ask,
    };
    if (ask->on_worker && asker->num_spares > 0) {
        ask->request.body = asker->spares[--asker->num_spares];
    }
    fetch_start(asker->fetch, &ask->request);
}

static void on_timer(struct ring_op *op, int result)
{
    struct asker *asker = RING_OWNER(op, struct asker, timer);

    (void)result;
    pump(asker);
    close_if_idle(asker);
}

static void pump(struct asker *asker)
{
    uint64_t now = ring_now_ms(), wait_ms = UINT64_MAX, pace_wait_ms;
    struct ask *ask;

    if (asker->pumping || asker->closing) return;
    asker->pumping = true;
    while (asker->first != NULL) {
        if (!pace_may_start(&asker->pace, now, &pace_wait_ms)) {
            if (pace_wait_ms < wait_ms) wait_ms = pace_wait_ms;
            break;
        }
        if (!host_lets_start(asker, now, &wait_ms)) break;
        ask = pop_due(asker, now, &wait_ms);
        if (ask == NULL) break;
        start(asker, ask, now);
    }
    asker->pumping = false;
    if (wait_ms == UINT64_MAX || asker->first == NULL) return;
    // A timer that is set fires soon enough: pauses are looked at again then.
    if (ring_busy(&asker->timer)) return;
    if (wait_ms > 1000) wait_ms = 1000;
    ring_timeout(asker->ring, &asker->timer, wait_ms, on_timer);
}

void asker_ask(struct asker *asker, struct ask *ask)
{
    assert(!ask->under_way);
    ask->asker = asker;
    ask->under_way = true;
    ask->canceled = false;
    ask->num_tries = ask->num_refusals = 0;
    ask->failing_ms = 0;
    ask->not_before_ms = 0;
    ask->status = 0;
    ask->err = (struct err){0};
    push(asker, ask);
    pump(asker);
    if (asker->closing) asker_cancel(asker);
}

void asker_progressed(struct asker *asker)
{
    uint64_t now = ring_now_ms();

    if (asker->progress_ms < now) asker->progress_ms = now;
}

void asker_drop_idle(struct asker *asker)
{
    if (asker->fetch != NULL) fetch_drop_idle(asker->fetch);
}

struct archive *asker_archive(const struct asker *asker)
{
    return asker->archive;
}

uint64_t asker_bytes_received(const struct asker *asker)
{
    if (asker->fetch == NULL) return asker->bytes_from_files;
    return asker->bytes_from_files + fetch_bytes_received(asker->fetch);
}

// ---------------------------------------------------------------- the end

static void on_canceled(struct ring_op *op, int result)
{
    struct asker *asker = RING_OWNER(op, struct asker, post);
    struct ask *ask = asker->first;

    (void)result;
    asker->first = NULL;
    asker->last = &asker->first;
    while (ask != NULL) {
        struct ask *next = ask->next;

        if (ask->canceled || asker->closing) {
            finish(ask, ASK_CANCELED);
        } else {
            push(asker, ask);
        }
        ask = next;
    }
    if (asker->close_next) {
        asker->close_next = false;
        ring_post(asker->ring, &asker->post, 0, on_close);
        return;
    }
    pump(asker);
    close_if_idle(asker);
}

void asker_cancel(struct asker *asker)
{
    for (struct ask *ask = asker->first; ask != NULL; ask = ask->next) {
        ask->canceled = true;
    }
    for (struct ask *ask = asker->flight; ask != NULL; ask = ask->next) {
        ask->canceled = true;
        if (asker->fetch != NULL) fetch_cancel(asker->fetch, &ask->request);
    }
    if (asker->first != NULL && !ring_busy(&asker->post)) {
        ring_post(asker->ring, &asker->post, 0, on_canceled);
    }
}

static void close_if_idle(struct asker *asker)
{
    fetch_closed *closed = asker->closed;
    void *context = asker->context;

    if (!asker->closing || !asker->fetch_gone || asker->flight != NULL ||
        asker->first != NULL || ring_busy(&asker->timer) ||
        ring_busy(&asker->post)) {
        return;
    }
    while (asker->num_spares > 0) {
        buffer_cleanup(&asker->spares[--asker->num_spares]);
    }
    free(asker);
    if (closed != NULL) closed(context);
}

static void on_fetch_closed(void *context)
{
    struct asker *asker = context;

    asker->fetch_gone = true;
    close_if_idle(asker);
}

// Asked for from inside a `done` too: what follows happens in ring_run.
static void on_close(struct ring_op *op, int result)
{
    struct asker *asker = RING_OWNER(op, struct asker, post);

    if (asker->fetch != NULL) {
        struct fetch *fetch = asker->fetch;

        asker->fetch = NULL;
        fetch_close(fetch, on_fetch_closed, asker);
    } else {
        asker->fetch_gone = true;
    }
    on_canceled(op, result);
}

void asker_close(struct asker *asker, fetch_closed *closed, void *context)
{
    asker->closing = true;
    asker->closed = closed;
    asker->context = context;
    if (ring_busy(&asker->timer)) ring_cancel(asker->ring, &asker->timer);
    if (ring_busy(&asker->post)) {
        asker->close_next = true;
    } else {
        ring_post(asker->ring, &asker->post, 0, on_close);
    }
}
