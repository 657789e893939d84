// dial.c - see dial.h.

#include "ingest/fetch/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

static void go_on(struct dial *dial);

bool dial_is_busy(const struct dial *dial)
{
    for (size_t i = 0; i < dial->num_begun; i++) {
        if (ring_busy(&dial->attempts[i].op)) return true;
    }
    return ring_busy(&dial->timer);
}

// ---------------------------------------------------------------- the end

// What is still in flight comes back for nobody.
static void end(struct dial *dial)
{
    struct ring *ring = dial->options.ring;

    dial->is_over = true;
    for (size_t i = 0; i < dial->num_begun; i++) {
        ring_cancel(ring, &dial->attempts[i].op);
    }
    ring_cancel(ring, &dial->timer);
}

void dial_cancel(struct dial *dial)
{
    if (!dial->is_over && dial->options.ring != NULL) end(dial);
}

static void end_with(struct dial *dial, int fd, size_t index, int error)
{
    end(dial);
    dial->options.done(dial, fd, index, error);
}

// ---------------------------------------------------------------- sockets

// The next source address of a family; false when there are some, and none of
// this family.
static bool next_bind(struct dial_binds *binds, sa_family_t family,
                      const struct resolve_address **out)
{
    *out = NULL;
    if (binds == NULL || binds->num == 0) return true;
    for (size_t i = 0; i < binds->num; i++) {
        struct resolve_address *one =
            &binds->list[(binds->next + i) % binds->num];

        if (one->address.ss_family != family) continue;
        binds->next = (binds->next + i + 1) % binds->num;
        *out = one;
        return true;
    }
    return false;
}

static int open_socket(const struct dial *dial,
                       const struct resolve_address *to)
{
    const struct resolve_address *from;
    int fd, one = 1, error;

    if (!next_bind(dial->options.binds, to->address.ss_family, &from)) {
        return -EAFNOSUPPORT;
    }
    fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (from == NULL) return fd;
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)&from->address, from->len) == 0) {
        return fd;
    }
    error = errno;
    (void)close(fd);
    return -error;
}

// ---------------------------------------------------------------- attempts

static void on_connect(struct ring_op *op, int result)
{
    struct dial_attempt *attempt = RING_OWNER(op, struct dial_attempt, op);
    struct dial *dial = attempt->dial;
    int fd = attempt->fd;

    attempt->fd = -1;
    if (dial->is_over) {
        (void)close(fd);
        if (!dial_is_busy(dial)) dial->options.idle(dial);
        return;
    }
    if (result >= 0) {
        addresses_connected(dial->options.addresses,
                            &dial->to.list[attempt->index]);
        end_with(dial, fd, attempt->index, 0);
        return;
    }
    (void)close(fd);
    dial->error = attempt->timed_out ? ETIMEDOUT : -result;
    dial->error_index = attempt->index;
    addresses_failed(dial->options.addresses, &dial->to.list[attempt->index],
                     ring_now_ms());
    dial->next_ms = 0;
    go_on(dial);
}

// Tries the next address; false when it cannot even be begun.
static bool begin_next(struct dial *dial, uint64_t now)
{
    struct dial_attempt *attempt = &dial->attempts[dial->num_begun];
    const struct resolve_address *to;
    int fd;

    attempt->index = dial->order[dial->num_begun++];
    attempt->dial = dial;
    to = &dial->to.list[attempt->index];
    fd = open_socket(dial, to);
    if (fd < 0) {
        // What another address said tells more than a family left out.
        if (dial->error != 0 && fd == -EAFNOSUPPORT) return false;
        dial->error = -fd;
        dial->error_index = attempt->index;
        return false;
    }
    attempt->fd = fd;
    attempt->deadline_ms = now + dial->options.timeout_ms;
    ring_connect(dial->options.ring, &attempt->op, fd,
                 (const struct sockaddr *)&to->address, to->len, on_connect);
    return true;
}

static size_t num_under_way(const struct dial *dial)
{
    size_t num = 0;

    for (size_t i = 0; i < dial->num_begun; i++) {
        num += ring_busy(&dial->attempts[i].op);
    }
    return num;
}

static void on_timer(struct ring_op *op, int result)
{
    struct dial *dial = RING_OWNER(op, struct dial, timer);

    (void)result;
    if (!dial->is_over) {
        go_on(dial);
    } else if (!dial_is_busy(dial)) {
        dial->options.idle(dial);
    }
}

// Ends attempts that have had their time, begins those whose time has come,
// and sleeps until either happens next.
static void go_on(struct dial *dial)
{
    struct ring *ring = dial->options.ring;
    uint64_t now = ring_now_ms(), wake = UINT64_MAX;

    for (size_t i = 0; i < dial->num_begun; i++) {
        struct dial_attempt *attempt = &dial->attempts[i];

        if (!ring_busy(&attempt->op) || attempt->timed_out) continue;
        if (attempt->deadline_ms <= now) {
            attempt->timed_out = true;
            ring_cancel(ring, &attempt->op);
        } else if (attempt->deadline_ms < wake) {
            wake = attempt->deadline_ms;
        }
    }
    while (dial->num_begun < dial->num_order && dial->next_ms <= now) {
        if (!begin_next(dial, now)) continue;
        dial->next_ms = now + DIAL_STAGGER_MS;
        if (now + dial->options.timeout_ms < wake) {
            wake = now + dial->options.timeout_ms;
        }
    }
    if (dial->num_begun < dial->num_order && dial->next_ms < wake) {
        wake = dial->next_ms;
    }
    if (num_under_way(dial) == 0) {
        end_with(dial, -1, dial->error_index, dial->error);
        return;
    }
    // A timer that is set goes off early enough: nothing comes sooner than
    // what it was set for, but for attempts begun meanwhile.
    if (wake == UINT64_MAX || ring_busy(&dial->timer)) return;
    ring_timeout(ring, &dial->timer, wake - now + 1, on_timer);
}

// Not inside dial_start, whose caller does not expect `done` yet.
static void on_begin(struct ring_op *op, int result)
{
    on_timer(op, result);
}

void dial_start(struct dial *dial, const struct dial_options *options)
{
    *dial = (struct dial){
        .options = *options,
        .to = options->addresses->found,
    };
    dial->num_order =
        addresses_order(options->addresses, ring_now_ms(), dial->order);
    ring_post(options->ring, &dial->timer, 0, on_begin);
}
