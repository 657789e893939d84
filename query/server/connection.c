// connection.c - see connection.h.

#include "query/server/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "query/server/clock.h"
#include "query/server/connection_parts.h"

enum {
    TURN_MS = 2,          // then others are answered
    IDLE_MS = 60000,      // before it may be shed
    LINGER_MS = 2000,     // that a client has to read an error
    LINGER_MAX = 8 << 20, // bytes of it that are thrown away meanwhile
    KEEP_MAX = 64 << 10,  // of a buffer while nothing is asked
};

static void connection_step(struct connection *c);
static void on_recv(struct ring_op *op, int result);
static void on_send(struct ring_op *op, int result);

// ------------------------------------------------------------- life

static void free_if_gone(struct connection *c)
{
    struct connection_world *world = c->world;

    if (!c->dead || ring_busy(&c->recv) || ring_busy(&c->send) ||
        ring_busy(&c->turn) || cold_is_reading(&c->cold)) {
        return;
    }
    cold_cleanup(&c->cold);
    *c->link = c->next;
    if (c->next != NULL) c->next->link = c->link;
    http_request_cleanup(&c->request);
    reply_cleanup(&c->reply);
    buffer_cleanup(&c->line);
    buffer_cleanup(&c->in);
    buffer_cleanup(&c->out);
    (void)close(c->fd);
    free(c);
    world->on_gone(world->context);
}

static void die(struct connection *c)
{
    if (c->dead) return;
    c->dead = true;
    ring_cancel(c->world->ring, &c->recv);
    ring_cancel(c->world->ring, &c->send);
}

void connection_enter(struct connection *c, enum connection_state state)
{
    assert(c->state < STATE_CLOSE || state >= c->state);
    c->state = state;
    c->read_deadline_ms = 0;
}

void connection_await_rest(struct connection *c)
{
    if (c->read_deadline_ms == 0) {
        c->read_deadline_ms = ring_now_ms() + DEADLINE_MS;
    }
}

void connection_end_reply(struct connection *c)
{
    metrics_add(c->world->metrics, c->counted, c->reply.status,
                clock_ns() - c->begun_ns);
    reply_reset(&c->reply);
    cold_end(&c->cold);
}

// ------------------------------------------------------------- states

static bool step_sniff(struct connection *c)
{
    struct bytes in = connection_unread(c);

    switch (resp_sniff(in)) {
    case DIALECT_UNKNOWN:
        if (in.len > 0) connection_await_rest(c);
        return false;
    case DIALECT_HTTP:
        connection_enter(c, STATE_HEAD);
        break;
    case DIALECT_RESP:
        c->is_resp = true;
        connection_enter(c, STATE_COMMAND);
        break;
    }
    return true;
}

// The only switch.  False: the client must send something.
static bool step(struct connection *c)
{
    switch (c->state) {
    case STATE_SNIFF:
        return step_sniff(c);
    case STATE_HEAD:
        return !c->finishing && http_step_head(c);
    case STATE_AGAIN:
        return http_step_again(c);
    case STATE_SKIP:
        return http_step_skip(c);
    case STATE_LINES:
        return http_step_lines(c);
    case STATE_COMMAND:
        return !c->finishing && resp_step_command(c);
    case STATE_REPLY:
        return c->is_resp ? resp_step_reply(c) : http_step_reply(c);
    case STATE_CLOSE:
    case STATE_LINGER:
        break;
    }
    return false;
}

// Goes on until the client must send or take something, or blocks must be read;
// false when only this turn is over.
static bool advance(struct connection *c)
{
    uint64_t now_ms = ring_now_ms(), end_ms = now_ms + TURN_MS;
    bool more = true, in_turn = true;

    cold_answer(c->world->cold, &c->cold, now_ms);
    while (more && in_turn && c->out.len < OUT_MAX && buffer_ok(&c->out) &&
           !c->broken_off) {
        more = step(c) && !cold_is_wanted(&c->cold);
        in_turn = !more || ring_now_ms() < end_ms;
    }
    cold_answer(c->world->cold, NULL, 0);
    route_idle(c->world->route);
    return in_turn;
}

static void on_turn(struct ring_op *op, int result)
{
    struct connection *c = RING_OWNER(op, struct connection, turn);

    (void)result;
    connection_step(c);
    free_if_gone(c);
}

// The blocks are there: the question is asked again.
static void on_blocks(struct cold_wait *wait)
{
    struct connection *c = RING_OWNER(wait, struct connection, cold);

    if (!ring_busy(&c->send)) connection_step(c);
    free_if_gone(c);
}

static void receive(struct connection *c)
{
    buffer_consume(&c->in, c->in_taken);
    c->in_taken = 0;
    if (c->in.len == 0 && c->in.size > KEEP_MAX) buffer_cleanup(&c->in);
    if (!buffer_reserve(&c->in, RECV_SIZE)) {
        die(c);
        return;
    }
    ring_recv(c->world->ring, &c->recv, c->fd, c->in.data + c->in.len,
              RECV_SIZE, on_recv);
}

// Closing with bytes unread would be a reset, and on its way the error that
// the client has not read yet would be lost.
static void linger(struct connection *c)
{
    if (c->state != STATE_LINGER) {
        connection_enter(c, STATE_LINGER);
        (void)shutdown(c->fd, SHUT_WR);
        c->read_deadline_ms = ring_now_ms() + LINGER_MS;
    }
    c->lingered += c->in.len;
    c->in_taken = c->in.len;
    if (c->eof || c->lingered > LINGER_MAX) {
        die(c);
    } else if (!ring_busy(&c->recv)) {
        receive(c);
    }
}

// Either a receive, a send, a turn or reads are in flight (or a send beside
// reads), so `in` and `out` may grow and move here.  (A head that came too
// slowly is answered beside the receive; nothing is taken from `in` after
// that.)
static void connection_step(struct connection *c)
{
    bool in_turn;

    if (c->dead) return;
    in_turn = advance(c);
    if (cold_is_wanted(&c->cold)) cold_read(&c->cold, on_blocks);
    if (c->out.len > 0 && buffer_ok(&c->out)) {
        c->send_deadline_ms = ring_now_ms() + DEADLINE_MS;
        ring_send(c->world->ring, &c->send, c->fd, buffer_bytes(&c->out),
                  on_send);
    } else if (c->broken_off || !buffer_ok(&c->out)) {
        die(c);
    } else if (cold_is_reading(&c->cold)) {
        return;
    } else if (!in_turn) {
        ring_post(c->world->ring, &c->turn, 0, on_turn);
    } else if (c->state >= STATE_CLOSE && c->lingers && !c->eof) {
        linger(c);
    } else if (c->state >= STATE_CLOSE || c->eof || c->finishing) {
        die(c);
    } else if (!ring_busy(&c->recv)) {
        receive(c);
    }
}

static void on_recv(struct ring_op *op, int result)
{
    struct connection *c = RING_OWNER(op, struct connection, recv);

    if (result > 0) {
        c->in.len += (size_t)result;
        c->last_ms = ring_now_ms();
    } else if (result == 0) {
        c->eof = true; // what was asked before is still answered
    } else if (result != -EINTR && result != -EAGAIN) {
        die(c);
    }
    if (!ring_busy(&c->send)) connection_step(c);
    free_if_gone(c);
}

static void on_send(struct ring_op *op, int result)
{
    struct connection *c = RING_OWNER(op, struct connection, send);

    if (result > 0) {
        buffer_consume(&c->out, (size_t)result);
        c->send_deadline_ms = 0;
        c->last_ms = ring_now_ms();
    } else if (result != -EINTR && result != -EAGAIN) {
        die(c);
    }
    if (!cold_is_reading(&c->cold)) connection_step(c);
    free_if_gone(c);
}

// ------------------------------------------------------------- from outside

bool connection_new(struct connection_world *world, int fd,
                    const struct host_rules *rules)
{
    struct connection *c = calloc(1, sizeof *c);

    if (c == NULL) {
        (void)close(fd);
        return false;
    }
    c->fd = fd;
    c->world = world;
    c->last_ms = ring_now_ms();
    c->rules = rules;
    if (rules != NULL) {
        c->local = host_local_of(fd);
        c->state = STATE_HEAD;
    }
    c->next = world->connections;
    c->link = &world->connections;
    if (c->next != NULL) c->next->link = &c->next;
    world->connections = c;
    receive(c);
    free_if_gone(c);
    return true;
}

static void trim(struct buffer *buffer)
{
    if (buffer->len == 0 && buffer->size > KEEP_MAX) buffer_cleanup(buffer);
}

// While nothing is asked a connection keeps little memory.
static void rest(struct connection *c)
{
    if (c->state != STATE_HEAD && c->state != STATE_COMMAND) return;
    trim(&c->out);
    trim(&c->line);
    trim(&c->reply.body);
    trim(&c->request.head);
}

void connection_tick(struct connection *c, uint64_t now_ms)
{
    if (c->dead) return;
    if (ring_busy(&c->send)) {
        if (now_ms >= c->send_deadline_ms) die(c);
    } else if (c->read_deadline_ms == 0) {
        rest(c);
    } else if (now_ms >= c->read_deadline_ms) {
        if (c->state == STATE_HEAD) {
            http_refuse(c, 408, "timeout",
                        "the request's head was not whole in 10 s");
            c->lingers = false;
            connection_step(c);
        } else {
            die(c);
        }
    }
    free_if_gone(c);
}

void connection_finish(struct connection *c, bool now)
{
    bool is_idle = c->state == STATE_SNIFF || c->state == STATE_HEAD ||
                   c->state == STATE_COMMAND || c->state == STATE_LINGER;

    c->finishing = true;
    if (now || (is_idle && c->out.len == 0 && !cold_is_reading(&c->cold))) {
        die(c);
    }
    free_if_gone(c);
}

bool connection_shed(struct connection_world *world, uint64_t now_ms)
{
    struct connection *oldest = NULL;

    for (struct connection *c = world->connections; c != NULL; c = c->next) {
        if (c->dead || ring_busy(&c->send) || c->out.len > 0 ||
            ring_busy(&c->turn) || cold_is_reading(&c->cold)) {
            continue;
        }
        if (oldest == NULL || c->last_ms < oldest->last_ms) oldest = c;
    }
    if (oldest == NULL || now_ms < oldest->last_ms + IDLE_MS) return false;
    die(oldest);
    free_if_gone(oldest);
    return true;
}

struct connection *connection_next(const struct connection *c)
{
    return c->next;
}
