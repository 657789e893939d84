// asker.c - see asker.h.

#include "bench/asker.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/measure.h"

enum { TRIES = 200, TRY_US = 50000, PATH_SIZE = 4096 };

int asker_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    for (int i = 0; i < TRIES; i++) {
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
            return fd;
        }
        (void)usleep(TRY_US);
    }
    die("%s: %s", path, strerror(errno));
}

void asker_open(struct asker *asker, const char *path)
{
    *asker = (struct asker){.fd = asker_connect(path)};
}

void asker_close(struct asker *asker)
{
    (void)close(asker->fd);
    http_response_cleanup(&asker->response);
}

void asker_send_all(int fd, struct bytes bytes)
{
    while (bytes.len > 0) {
        ssize_t len = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);

        if (len <= 0) die("send");
        (void)bytes_skip(&bytes, (size_t)len);
    }
}

void asker_get(struct asker *asker, const char *target)
{
    struct buffer request = {0};

    buffer_append_text(&request, "GET ");
    buffer_append_text(&request, target);
    buffer_append_text(&request, " HTTP/1.1\r\nHost: sanct\r\n\r\n");
    asker_send_all(asker->fd, buffer_bytes(&request));
    buffer_cleanup(&request);
}

void asker_target(struct buffer *out, struct bytes name)
{
    static const char hex[] = "0123456789abcdef";

    buffer_append_text(out, "/v1/certs?q=");
    for (size_t i = 0; i < name.len; i++) {
        uint8_t byte = name.data[i];
        bool is_plain = (byte >= 'a' && byte <= 'z') ||
                        (byte >= '0' && byte <= '9') || byte == '.' ||
                        byte == '-';

        if (is_plain) {
            buffer_append_byte(out, byte);
        } else {
            buffer_append_byte(out, '%');
            buffer_append_byte(out, (uint8_t)hex[byte >> 4]);
            buffer_append_byte(out, (uint8_t)hex[byte & 15]);
        }
    }
}

void asker_ask(struct asker *asker, struct bytes name)
{
    struct buffer target = {0};

    asker_target(&target, name);
    buffer_append_byte(&target, '\0');
    asker_get(asker, (const char *)target.data);
    buffer_cleanup(&target);
}

bool asker_take(struct asker *asker, struct buffer *body)
{
    static uint8_t piece[65536];
    ssize_t len = recv(asker->fd, piece, sizeof piece, 0);
    struct bytes in = bytes_of(piece, len > 0 ? (size_t)len : 0), part;
    enum http_progress progress = HTTP_PART;
    struct err err = {0};

    if (len <= 0) die("the server closed the connection");
    if (!asker->in_body) {
        progress = http_response_head(&asker->response, &in, &err);
        asker->in_body = progress != HTTP_MORE;
    }
    while (asker->in_body && progress == HTTP_PART) {
        progress = http_body_read(&asker->response.body, &in, &part, &err);
        if (progress == HTTP_PART && body != NULL) buffer_append(body, part);
    }
    if (progress == HTTP_BROKEN) die("%s", err.text);
    if (progress != HTTP_END) return false;
    if (asker->response.status != 200) {
        die("status %u", asker->response.status);
    }
    http_response_reset(&asker->response);
    asker->in_body = false;
    return true;
}

void asker_wait(struct asker *asker, struct buffer *body)
{
    while (!asker_take(asker, body)) {
    }
}

pid_t asker_start_server(const char *build, const char *index, const char *path,
                         bool awake)
{
    char program[PATH_SIZE];
    pid_t pid;

    (void)fflush(stdout);
    pid = fork();
    if (pid < 0) die("fork");
    if (pid > 0) {
        (void)close(asker_connect(path));
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)snprintf(program, sizeof program, "%s/sanctd", build);
    execl(program, program, "-i", index, "--socket", path, "--threads", "1",
          awake ? "--busy-poll" : (char *)NULL, (char *)NULL);
    die("cannot start %s", program);
}
