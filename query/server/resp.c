// resp.c - see resp.h.

#include "query/server/resp.h"

#include "index/net/http_text.h"

enum {
    NUMBER_LINE_MAX = 32, // "*17\r\n", "$65536\r\n"
    METHOD_MAX = 32,
};

// ------------------------------------------------------------- reading

static enum resp_progress broken(struct err *err, const char *why)
{
    (void)err_set(err, ERR_MALFORMED, "Protocol error: %s", why);
    return RESP_BROKEN;
}

// Takes "<kind>NUMBER\r\n"; `*value` is -1 for a number below zero.
static enum resp_progress read_number(struct bytes *in, char kind,
                                      int64_t *value, struct err *err)
{
    struct bytes line = *in;
    const uint8_t *end;
    bool negative;

    if (line.len == 0) return RESP_MORE;
    if (line.data[0] != (uint8_t)kind) {
        return broken(err, kind == '*' ? "an array is expected"
                                       : "a bulk string is expected");
    }
    if (line.len > NUMBER_LINE_MAX) line.len = NUMBER_LINE_MAX;
    end = memchr(line.data, '\n', line.len);
    if (end == NULL) {
        return line.len == NUMBER_LINE_MAX ? broken(err, "a length is too long")
                                           : RESP_MORE;
    }
    line.len = (size_t)(end - line.data);
    if (line.len < 3 || line.data[line.len - 1] != '\r') {
        return broken(err, "a length is no number");
    }
    (void)bytes_skip(in, line.len + 1);
    line = bytes_of(line.data + 1, line.len - 2);
    negative = line.data[0] == '-';
    if (negative) (void)bytes_skip(&line, 1);
    if (line.len == 0 || line.len > 18) {
        return broken(err, "a length is no number");
    }
    *value = 0;
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] < '0' || line.data[i] > '9') {
            return broken(err, "a length is no number");
        }
        *value = *value * 10 + (line.data[i] - '0');
    }
    if (negative) *value = -1;
    return RESP_COMMAND;
}

static enum resp_progress read_bulk(struct bytes *in, struct bytes *arg,
                                    struct err *err)
{
    enum resp_progress progress;
    int64_t len;

    progress = read_number(in, '$', &len, err);
    if (progress != RESP_COMMAND) return progress;
    if (len < 0 || len > RESP_ARG_MAX) {
        return broken(err, "an argument has at most 65536 bytes");
    }
    if (in->len < (size_t)len + 2) return RESP_MORE;
    (void)bytes_read_take(in, arg, (size_t)len);
    if (in->data[0] != '\r' || in->data[1] != '\n') {
        return broken(err, "a bulk string does not end where it says");
    }
    (void)bytes_skip(in, 2);
    return RESP_COMMAND;
}

static enum resp_progress read_array(struct resp_command *command,
                                     struct bytes *in, struct err *err)
{
    struct bytes rest = *in;
    enum resp_progress progress;
    int64_t num;

    progress = read_number(&rest, '*', &num, err);
    if (progress != RESP_COMMAND) return progress;
    if (num > RESP_ARGS_MAX) {
        return broken(err, "a command has at most 16 arguments");
    }
    command->num_args = num < 0 ? 0 : (size_t)num;
    for (size_t i = 0; i < command->num_args; i++) {
        progress = read_bulk(&rest, &command->args[i], err);
        if (progress != RESP_COMMAND) return progress;
    }
    *in = rest;
    return RESP_COMMAND;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static enum resp_progress split_line(struct resp_command *command,
                                     struct bytes line, struct err *err)
{
    while (line.len > 0) {
        size_t len = 0;

        if (is_blank(line.data[0])) {
            (void)bytes_skip(&line, 1);
            continue;
        }
        while (len < line.len && !is_blank(line.data[len])) {
            len++;
        }
        if (command->num_args == RESP_ARGS_MAX) {
            return broken(err, "a command has at most 16 arguments");
        }
        if (len > RESP_ARG_MAX) {
            return broken(err, "an argument has at most 65536 bytes");
        }
        (void)bytes_read_take(&line, &command->args[command->num_args++], len);
    }
    return RESP_COMMAND;
}

static enum resp_progress read_line(struct resp_command *command,
                                    struct bytes *in, struct err *err)
{
    struct bytes line = *in;
    const uint8_t *end = memchr(line.data, '\n', line.len);

    if (end != NULL) line.len = (size_t)(end - line.data);
    if (line.len > RESP_LINE_MAX) return broken(err, "a line is too long");
    if (end == NULL) return RESP_MORE;
    (void)bytes_skip(in, line.len + 1);
    if (line.len > 0 && line.data[line.len - 1] == '\r') line.len--;
    return split_line(command, line, err);
}

enum resp_progress resp_read(struct resp_command *command, struct bytes *in,
                             struct err *err)
{
    command->num_args = 0;
    if (in->len == 0) return RESP_MORE;
    return in->data[0] == '*' ? read_array(command, in, err)
                              : read_line(command, in, err);
}

// ------------------------------------------------------------- telling apart

enum resp_dialect resp_sniff(struct bytes in)
{
    struct bytes http = bytes_from_text("http://");
    struct bytes word = in;
    size_t len = 0;

    if (in.len == 0) return DIALECT_UNKNOWN;
    while (len < in.len && in.data[len] >= 'A' && in.data[len] <= 'Z') {
        len++;
    }
    if (len > METHOD_MAX) return DIALECT_RESP;
    if (len == in.len) return DIALECT_UNKNOWN;
    if (len == 0 || in.data[len] != ' ') return DIALECT_RESP;
    word.len = len;
    (void)bytes_skip(&in, len + 1);
    if (in.len == 0) return DIALECT_UNKNOWN;
    if (in.data[0] == '/') return DIALECT_HTTP;
    if (in.data[0] == '*' && bytes_equal_text(word, "OPTIONS")) {
        if (in.len == 1) return DIALECT_UNKNOWN;
        return in.data[1] == ' ' ? DIALECT_HTTP : DIALECT_RESP;
    }
    if (bytes_starts_with(in, http)) return DIALECT_HTTP;
    return bytes_starts_with(http, in) ? DIALECT_UNKNOWN : DIALECT_RESP;
}

bool resp_is(struct bytes arg, const char *word)
{
    return http_equal(arg, word);
}

// ------------------------------------------------------------- writing

void resp_write_simple(struct buffer *out, const char *text)
{
    buffer_append_byte(out, '+');
    buffer_append_text(out, text);
    buffer_append_text(out, "\r\n");
}

static void write_number(struct buffer *out, char kind, uint64_t value)
{
    char text[24];
    size_t at = sizeof text;

    text[--at] = '\n';
    text[--at] = '\r';
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    text[--at] = kind;
    buffer_append(out, bytes_of(text + at, sizeof text - at));
}

void resp_write_int(struct buffer *out, uint64_t value)
{
    write_number(out, ':', value);
}

void resp_write_null(struct buffer *out)
{
    buffer_append_text(out, "$-1\r\n");
}

void resp_write_array(struct buffer *out, size_t num)
{
    write_number(out, '*', num);
}

void resp_write_bulk(struct buffer *out, struct bytes bytes)
{
    write_number(out, '$', bytes.len);
    buffer_append(out, bytes);
    buffer_append_text(out, "\r\n");
}

void resp_write_error(struct buffer *out, const char *code, const char *text)
{
    buffer_append_byte(out, '-');
    buffer_append_text(out, code);
    buffer_append_byte(out, ' ');
    for (; *text != '\0'; text++) {
        uint8_t byte = (uint8_t)*text;

        buffer_append_byte(out, byte < 0x20 || byte > 0x7e ? '?' : byte);
    }
    buffer_append_text(out, "\r\n");
}
