// postgres.c - see postgres.h.

#include "bench/postgres.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/measure.h"
#include "index/base/buffer.h"

enum { PROTOCOL = 3 << 16, READ_SIZE = 1 << 16, MESSAGE_HEAD = 5 };

struct postgres {
    int fd;
    struct buffer out, in;
};

static size_t message_open(struct buffer *out, char type)
{
    buffer_append_byte(out, (uint8_t)type);
    buffer_append_uint(out, 0, 4);
    return out->len - 4;
}

static void message_close(struct buffer *out, size_t mark)
{
    bytes_put_uint(out->data + mark, out->len - mark, 4);
}

static void append_string(struct buffer *out, const char *text)
{
    buffer_append(out, bytes_of(text, strlen(text) + 1));
}

static void send_all(struct postgres *postgres)
{
    if (write(postgres->fd, postgres->out.data, postgres->out.len) !=
        (ssize_t)postgres->out.len) {
        die("PostgreSQL: cannot be written to");
    }
    buffer_reset(&postgres->out);
}

// Reads until the server is ready for more; counts rows.
static uint64_t read_answer(struct postgres *postgres)
{
    uint64_t rows = 0;

    for (;;) {
        struct buffer *in = &postgres->in;
        uint64_t len = 0;
        ssize_t got;

        while (in->len >= MESSAGE_HEAD) {
            struct bytes head = bytes_of(in->data + 1, 4);
            uint8_t type = in->data[0];

            (void)bytes_read_uint(&head, &len, 4);
            if (in->len < len + 1) break;
            if (type == 'E') die("PostgreSQL: %s", (char *)in->data + 6);
            rows += type == 'D';
            buffer_consume(in, len + 1);
            if (type == 'Z') return rows;
        }
        if (!buffer_reserve(in, READ_SIZE)) die("no memory");
        got = read(postgres->fd, in->data + in->len, READ_SIZE);
        if (got <= 0) die("PostgreSQL: the connection ended");
        in->len += (size_t)got;
    }
}

struct postgres *postgres_open(const char *socket_path, const char *query)
{
    struct postgres *postgres = calloc(1, sizeof *postgres);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct buffer *out;
    size_t mark;

    if (postgres == NULL) die("no memory");
    out = &postgres->out;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s",
                   socket_path);
    postgres->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (postgres->fd < 0 || connect(postgres->fd, (struct sockaddr *)&address,
                                    sizeof address) != 0) {
        die("%s: cannot be connected to", socket_path);
    }
    buffer_append_uint(out, 0, 4);
    buffer_append_uint(out, PROTOCOL, 4);
    append_string(out, "user");
    append_string(out, "postgres");
    append_string(out, "");
    message_close(out, 0);
    send_all(postgres);
    (void)read_answer(postgres);
    mark = message_open(out, 'P');
    append_string(out, "q");
    append_string(out, query);
    buffer_append_uint(out, 0, 2);
    message_close(out, mark);
    message_close(out, message_open(out, 'S'));
    send_all(postgres);
    (void)read_answer(postgres);
    return postgres;
}

void postgres_close(struct postgres *postgres)
{
    (void)close(postgres->fd);
    buffer_cleanup(&postgres->out);
    buffer_cleanup(&postgres->in);
    free(postgres);
}

uint64_t postgres_ask(struct postgres *postgres, struct bytes parameter)
{
    struct buffer *out = &postgres->out;
    size_t mark = message_open(out, 'B');

    append_string(out, "");
    append_string(out, "q");
    buffer_append_uint(out, 0, 2); // parameters are text
    buffer_append_uint(out, 1, 2);
    buffer_append_uint(out, parameter.len, 4);
    buffer_append(out, parameter);
    buffer_append_uint(out, 0, 2); // and so are results
    message_close(out, mark);
    mark = message_open(out, 'E');
    append_string(out, "");
    buffer_append_uint(out, 0, 4);
    message_close(out, mark);
    message_close(out, message_open(out, 'S'));
    send_all(postgres);
    return read_answer(postgres);
}
