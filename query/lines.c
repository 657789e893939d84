// lines.c - see lines.h.

#include "query/lines.h"

#include "query/question.h"

enum { LINE_LEN_MAX = QUESTION_LEN_MAX + 1 };

static void add_part(struct lines *lines, struct bytes bytes)
{
    size_t room = LINE_LEN_MAX - lines->part.len;

    if (bytes.len > room) bytes.len = room;
    buffer_append(&lines->part, bytes);
}

// Takes the CR off the end; false when nothing but blanks is left.
static bool settle(struct bytes *line)
{
    if (line->len > 0 && line->data[line->len - 1] == '\r') line->len--;
    if (line->len > LINE_LEN_MAX) line->len = LINE_LEN_MAX;
    for (size_t i = 0; i < line->len; i++) {
        if (line->data[i] != ' ' && line->data[i] != '\t') return true;
    }
    return false;
}

static void forget_taken(struct lines *lines)
{
    if (lines->is_taken) buffer_reset(&lines->part);
    lines->is_taken = false;
}

bool lines_next(struct lines *lines, struct bytes *in, struct bytes *line)
{
    forget_taken(lines);
    while (in->len > 0) {
        const uint8_t *end = memchr(in->data, '\n', in->len);
        size_t len = end == NULL ? in->len : (size_t)(end - in->data);

        *line = bytes_of(in->data, len);
        if (end == NULL || lines->part.len > 0) add_part(lines, *line);
        (void)bytes_skip(in, end == NULL ? len : len + 1);
        if (end == NULL) break;
        if (lines->part.len > 0) {
            *line = buffer_bytes(&lines->part);
            lines->is_taken = true;
        }
        if (settle(line)) return true;
        forget_taken(lines);
    }
    return false;
}

bool lines_last(struct lines *lines, struct bytes *line)
{
    forget_taken(lines);
    *line = buffer_bytes(&lines->part);
    lines->is_taken = true;
    return settle(line);
}

void lines_cleanup(struct lines *lines)
{
    buffer_cleanup(&lines->part);
    lines->is_taken = false;
}
