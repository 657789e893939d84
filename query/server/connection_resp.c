// connection_resp.c - a connection that speaks RESP or lines.

#include "query/server/command.h"
#include "query/server/connection_parts.h"

static void write_piece(struct connection *c)
{
    struct buffer *body = &c->reply.body;

    buffer_append(&c->out, buffer_bytes(body));
    if (!buffer_ok(body)) c->broken_off = true;
    buffer_reset(body);
}

static void end_command(struct connection *c)
{
    bool quit = c->reply.then_quit;

    connection_end_reply(c);
    connection_enter(c, quit || c->finishing ? STATE_CLOSE : STATE_COMMAND);
}

static void refuse(struct connection *c, const struct err *err)
{
    resp_write_error(&c->out, "ERR", err->text);
    c->lingers = true;
    connection_enter(c, STATE_CLOSE);
}

bool resp_step_command(struct connection *c)
{
    struct bytes in = c->unread, request;
    size_t start = c->out.len;
    struct resp_command command;
    enum resp_progress progress;
    struct err err = {0};

    if (in.len == 0) return false;
    progress = resp_read(&command, &in, &err);
    if (progress == RESP_MORE) {
        connection_await_rest(c);
        return false;
    }
    if (progress == RESP_BROKEN) {
        refuse(c, &err);
        return true;
    }
    c->read_deadline_ms = 0;
    if (command.num_args == 0) {
        c->unread = in;
        return true;
    }
    c->counted = ENDPOINT_COMMAND;
    if (!c->reply.cold) connection_begin_request(c);
    reply_reset(&c->reply);
    request = bytes_of(c->unread.data, (size_t)(in.data - c->unread.data));
    if (connection_recall(c, request)) {
        c->unread = in;
        return true;
    }
    command_run(c->world->route, &command, &c->reply);
    if (c->reply.cold) return true; // and read again
    c->unread = in;
    write_piece(c);
    if (c->reply.whole) {
        connection_keep(c, request, start);
        end_command(c);
    } else {
        connection_enter(c, STATE_REPLY);
    }
    return true;
}

bool resp_step_reply(struct connection *c)
{
    struct err err = {0};

    if (!reply_go_on(&c->reply, &err)) {
        if (err.code == ERR_COLD) return true;
        c->broken_off = true;
        return true;
    }
    write_piece(c);
    if (c->reply.whole) end_command(c);
    return true;
}
