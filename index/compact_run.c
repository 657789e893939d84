// compact_run.c - see compact_run.h.

#include "index/compact_run.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/index.h"

enum { SIGNAL_EXIT_BASE = 128, BAR_MS = 100, LINE_MS = 5000, BAR_WIDTH = 30 };

static volatile sig_atomic_t stopped_by;

static void on_signal(int number)
{
    stopped_by = number;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGXFSZ, SIG_IGN); // the write tells it
}

struct display {
    enum compact_show show;
    uint64_t shown_ms;
    bool is_open; // a bar stands on the line
};

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void draw_bar(const char *step, uint64_t done, uint64_t total)
{
    unsigned filled =
        total == 0 ? 0 : (unsigned)((double)done / (double)total * BAR_WIDTH);
    char bar[BAR_WIDTH + 1];

    if (filled > BAR_WIDTH) filled = BAR_WIDTH;
    memset(bar, '-', BAR_WIDTH);
    memset(bar, '#', filled);
    bar[BAR_WIDTH] = '\0';
    (void)fprintf(stderr, "\r%-8s [%s] %" PRIu64 " of %" PRIu64 "\033[K", step,
                  bar, done, total);
}

static bool on_progress(void *context, const char *step, uint64_t done,
                        uint64_t total)
{
    struct display *display = context;
    uint64_t now = now_ms();

    if (display->show == COMPACT_NONE ||
        now - display->shown_ms <
            (display->show == COMPACT_BAR ? BAR_MS : LINE_MS)) {
        return stopped_by == 0;
    }
    display->shown_ms = now;
    if (display->show == COMPACT_BAR) {
        draw_bar(step, done, total);
        display->is_open = true;
    } else if (display->show == COMPACT_JSON) {
        (void)fprintf(stderr,
                      "{\"step\":\"%s\",\"done\":%" PRIu64 ",\"total\":%" PRIu64
                      "}\n",
                      step, done, total);
    } else {
        log_line(LOG_INFO, "compact: %s: %" PRIu64 " of %" PRIu64, step, done,
                 total);
    }
    return stopped_by == 0;
}

int compact_run(const char *dir, enum compact_show show)
{
    struct display display = {.show = show, .shown_ms = now_ms()};
    struct index *index = NULL;
    struct err err = {0};
    bool ok;

    if (show == COMPACT_AUTO) {
        display.show = isatty(STDERR_FILENO) != 0 ? COMPACT_BAR : COMPACT_NONE;
    }
    catch_signals();
    // An index that is not there is not made.
    ok = index_open(&index, dir, INDEX_READ, &err);
    index_close(index);
    index = NULL;
    ok = ok && index_open(&index, dir, INDEX_WRITE, &err) &&
         index_compact(index, on_progress, &display, &err);
    index_close(index);
    if (display.is_open) (void)fputs("\r\033[K", stderr);
    if (ok) return 0;
    if (err.code == ERR_INTERRUPTED && stopped_by != 0) {
        return SIGNAL_EXIT_BASE + stopped_by;
    }
    log_line(LOG_ERROR, "%s", err.text);
    return err_exit_code(err.code);
}
