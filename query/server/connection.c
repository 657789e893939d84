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
    TURN_NS = 2000000,    // then others are answered
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

// The clock is read once for each request; what is counted in milliseconds goes
// by what it said last.
static void look_at_clock(struct connection_world *world)
{
    world->now_ns = clock_ns();
}

static uint64_t now_ms(const struct connection *c)
{
    return c->world->now_ns / 1000000;
}

void connection_await_rest(struct connection *c)
{
    if (c->read_deadline_ms == 0) {
        c->read_deadline_ms = now_ms(c) + DEADLINE_MS;
    }
}

void connection_begin_request(struct connection *c)
{
    c->begun_ns = c->world->now_ns;
}

bool connection_recall(struct connection *c, struct bytes request)
{
    uint64_t moment = route_moment(c->world->route);
    unsigned counted;

    c->ticket = (struct recall_ticket){0};
    if (moment == 0 || !recall_find(c->world->recall, moment, request, &c->out,
                                    &counted, &c->ticket)) {
        return false;
    }
    c->counted = (enum metrics_endpoint)counted;
    c->reply.status = 200;
    metrics_count_recalled(c->world->metrics);
    connection_end_reply(c);
    return true;
}

void connection_keep(struct connection *c, struct bytes request, size_t start)
{
    if (!c->ticket.again || !c->reply.of_moment || c->reply.status != 200 ||
        !buffer_ok(&c->out) ||
        route_moment(c->world->route) != c->ticket.moment) {
        return;
    }
    recall_keep(c->world->recall, &c->ticket, request,
                bytes_of(c->out.data + start, c->out.len - start),
                (unsigned)c->counted);
}

void connection_end_reply(struct connection *c)
{
    look_at_clock(c->world);
    metrics_add(c->world->metrics, c->counted, c->reply.status,
                c->world->now_ns - c->begun_ns);
    reply_reset(&c->reply);
    cold_end(&c->cold);
}

// ------------------------------------------------------------- states

static bool step_sniff(struct connection *c)
{
    switch (resp_sniff(c->unread)) {
    case DIALECT_UNKNOWN:
        if (c->unread.len > 0) connection_await_rest(c);
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

// Why a turn has ended.
enum turn {
    TURN_ASKS,  // the client must send something
    TURN_HELD,  // it must take something, or blocks must be read
    TURN_SHARE, // others must have theirs
};

static bool is_held(const struct connection *c)
{
    return c->out.len >= OUT_MAX || !buffer_ok(&c->out) || c->broken_off ||
           cold_is_wanted(&c->cold);
}

static enum turn advance(struct connection *c)
{
    struct connection_world *world = c->world;
    enum turn turn = TURN_HELD;
    uint64_t end_ns;

    look_at_clock(world);
    c->last_ms = now_ms(c);
    end_ns = world->now_ns + TURN_NS;
    cold_answer(world->cold, &c->cold, now_ms(c));
    while (turn == TURN_HELD && !is_held(c)) {
        uint64_t before_ns = world->now_ns;

        if (!step(c)) {
            turn = TURN_ASKS;
        } else if (world->now_ns == before_ns) {
            look_at_clock(world); // of a step that ended no request
        }
        if (turn == TURN_HELD && world->now_ns >= end_ns) turn = TURN_SHARE;
    }
    cold_answer(world->cold, NULL, 0);
    return turn == TURN_SHARE && is_held(c) ? TURN_HELD : turn;
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
    if (ring_busy(&c->recv)) return;
    ring_receive(c->world->ring, &c->recv, c->fd, on_recv);
}

// Puts what has come behind what is not taken yet.
static void add_unread(struct connection *c, struct bytes more)
{
    if (c->unread.len == 0) {
        c->unread = more;
        c->is_lent = true;
        return;
    }
    buffer_consume(&c->in, (size_t)(c->unread.data - c->in.data));
    buffer_append(&c->in, more);
    c->unread = buffer_bytes(&c->in);
}

// Memory is lent for one call of on_recv: what was not taken moves.  Who owes
// us nothing costs none.
static void keep_unread(struct connection *c)
{
    if (c->unread.len == 0) {
        c->unread = bytes_of(NULL, 0);
        buffer_cleanup(&c->in);
    } else if (c->is_lent) {
        buffer_reset(&c->in);
        buffer_append(&c->in, c->unread);
        c->unread = buffer_bytes(&c->in);
    }
    c->is_lent = false;
    if (!buffer_ok(&c->in)) die(c);
}

// Closing with bytes unread would be a reset, and on its way the error that
// the client has not read yet would be lost.
static void linger(struct connection *c)
{
    if (c->state != STATE_LINGER) {
        connection_enter(c, STATE_LINGER);
        (void)shutdown(c->fd, SHUT_WR);
        c->read_deadline_ms = now_ms(c) + LINGER_MS;
    }
    c->lingered += c->unread.len;
    c->unread.len = 0;
    if (c->eof || c->lingered > LINGER_MAX) {
        die(c);
    } else {
        receive(c);
    }
}

// Where the client has to speak next, one call of the system sends and waits
// for that.
static void send_out(struct connection *c, enum turn turn)
{
    struct ring *ring = c->world->ring;
    bool is_last =
        turn == TURN_ASKS && c->state < STATE_CLOSE && !c->eof && !c->finishing;

    c->send_deadline_ms = now_ms(c) + DEADLINE_MS;
    if (is_last) {
        ring_send_quietly(ring, &c->send, c->fd, buffer_bytes(&c->out),
                          on_send);
        receive(c);
    } else {
        ring_send(ring, &c->send, c->fd, buffer_bytes(&c->out), on_send);
    }
}

// Either a send, a turn, reads or only a receive are in flight (or a send
// beside reads).  A receive beside them brings one piece, which waits in
// `unread`.
static void connection_step(struct connection *c)
{
    enum turn turn;

    if (c->dead) return;
    turn = advance(c);
    if (cold_is_wanted(&c->cold)) cold_read(&c->cold, on_blocks);
    if (c->out.len > 0 && buffer_ok(&c->out)) {
        send_out(c, turn);
    } else if (c->broken_off || !buffer_ok(&c->out)) {
        die(c);
    } else if (cold_is_reading(&c->cold)) {
        return;
    } else if (turn == TURN_SHARE) {
        ring_post(c->world->ring, &c->turn, 0, on_turn);
    } else if (c->state >= STATE_CLOSE && c->lingers && !c->eof) {
        linger(c);
    } else if (c->state >= STATE_CLOSE || c->eof || c->finishing) {
        die(c);
    } else {
        receive(c);
    }
}

// Whether something is in flight after which it goes on by itself.
static bool is_under_way(const struct connection *c)
{
    return ring_busy(&c->send) || ring_busy(&c->turn) ||
           cold_is_reading(&c->cold);
}

static void on_recv(struct ring_op *op, int result)
{
    struct connection *c = RING_OWNER(op, struct connection, recv);

    if (result > 0) {
        add_unread(c, ring_received(c->world->ring));
    } else if (result == 0) {
        c->eof = true; // what was asked before is still answered
    } else if (result != -EINTR && result != -EAGAIN) {
        die(c);
    }
    if (!is_under_way(c)) connection_step(c);
    keep_unread(c);
    free_if_gone(c);
}

// Whether all is sent that was asked for, and what comes next is waited for.
static bool is_at_rest(const struct connection *c)
{
    return (c->state == STATE_HEAD || c->state == STATE_COMMAND) &&
           c->out.len == 0 && c->unread.len == 0 && ring_busy(&c->recv) &&
           !c->eof && !c->finishing && !c->dead;
}

static void on_send(struct ring_op *op, int result)
{
    struct connection *c = RING_OWNER(op, struct connection, send);

    if (result > 0) {
        buffer_consume(&c->out, (size_t)result);
        c->send_deadline_ms = 0;
        if (is_at_rest(c)) return;
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
