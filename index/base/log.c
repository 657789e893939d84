// log.c - see log.h.

#include "index/base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "index/base/text.h"

static struct {
    const char *program;
    enum log_format format;
    enum log_level level;
    void (*before)(void);
    pthread_mutex_t lock;
} state = {
    .program = "sanct", .level = LOG_INFO, .lock = PTHREAD_MUTEX_INITIALIZER};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

// A file that is opened where a standard stream was closed would be written to
// as if it were that stream.  Reading and writing there go on to fail.
static void hold_streams(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDONLY);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) (void)close(fd);
}

void log_open(const char *program, enum log_format format, enum log_level level)
{
    hold_streams();
    state.program = program;
    state.format = format;
    state.level = level;
}

bool log_shows(enum log_level level)
{
    return level <= state.level;
}

bool log_parse_format(enum log_format *format, const char *word)
{
    static const char *const words[] = {"text", "logfmt", "json"};

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(word, words[i]) == 0) {
            *format = (enum log_format)i;
            return true;
        }
    }
    return false;
}

void log_set_hook(void (*before)(void))
{
    pthread_mutex_lock(&state.lock);
    state.before = before;
    pthread_mutex_unlock(&state.lock);
}

// Quotes for JSON and logfmt alike: both take \" and \\ inside quotes.
static void append_quoted(struct buffer *line, const char *text)
{
    buffer_append_byte(line, '"');
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') buffer_append_byte(line, '\\');
        if ((unsigned char)*p < 0x20) {
            buffer_printf(line, "\\u%04x", (unsigned)(unsigned char)*p);
        } else {
            buffer_append_byte(line, (uint8_t)*p);
        }
    }
    buffer_append_byte(line, '"');
}

static void append_line(struct buffer *line, enum log_level level,
                        const char *text)
{
    char time_text[TEXT_TIME_LEN_MAX];

    (void)text_time_utc(time_text, (int64_t)time(NULL));
    switch (state.format) {
    case LOG_TEXT:
        buffer_printf(line, "%s: %s%s\n", state.program,
                      level == LOG_WARNING ? "warning: " : "", text);
        break;
    case LOG_LOGFMT:
        buffer_printf(line, "time=%s level=%s program=%s msg=", time_text,
                      level_names[level], state.program);
        append_quoted(line, text);
        buffer_append_byte(line, '\n');
        break;
    case LOG_JSON:
        buffer_printf(line,
                      "{\"time\":\"%s\",\"level\":\"%s\",\"program\":"
                      "\"%s\",\"msg\":",
                      time_text, level_names[level], state.program);
        append_quoted(line, text);
        buffer_append_text(line, "}\n");
        break;
    }
}

void log_line(enum log_level level, const char *format, ...)
{
    struct buffer line = {0};
    char text[1024];
    va_list args;

    if (level > state.level) return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    append_line(&line, level, text);
    pthread_mutex_lock(&state.lock);
    if (state.before != NULL) state.before();
    if (!buffer_ok(&line)) {
        (void)dprintf(STDERR_FILENO, "%s: %s\n", state.program, text);
    } else if (write(STDERR_FILENO, line.data, line.len) < 0) {
        // Nobody reads stderr any more: the work goes on.
    }
    pthread_mutex_unlock(&state.lock);
    buffer_cleanup(&line);
}
