// ingest_main.c - sanct-ingest: read logs whole and prove it (CLI.md).
//
//   options -> descriptions -> index -> pipeline -> summary
//
// Nothing is written before the descriptions are known to be usable.

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/base/text.h"
#include "index/place.h"
#include "index/version.h"
#include "ingest/list_watch.h"
#include "ingest/logs.h"
#include "ingest/metrics.h"
#include "ingest/metrics_server.h"
#include "ingest/options.h"
#include "ingest/parse/inflate.h"
#include "ingest/pipeline.h"
#include "ingest/progress.h"
#include "ingest/summary.h"

enum {
    HEAP_STEP = 1 << 20,
    HEAP_BLOCK_MAX = 4 << 20, // larger ones are mapped one by one
    HEAP_SPARE_MAX = 64 << 20,
};

static const char usage[] =
    "usage: sanct ingest [options] SOURCE ...\n"
    "\n"
    "SOURCE: a log's URL, its name in a --log-list, a folder of tiles, or\n"
    "archive zips\n"
    "\n"
    "  -i, --index DIR           the index\n"
    "  --log FILE                one log as JSON\n"
    "  --log-list FILE|URL       log list v3; from a URL it must be signed\n"
    "  --log-list-key FILE       the key that signs it; default Google's\n"
    "  --unsigned-list           take it from a URL without a signature\n"
    "  --log-list-old            take it though it is older than the last\n"
    "  --all                     every qualified, usable, readonly log of it\n"
    "  --operator NAME           only this operator's (repeatable)\n"
    "  --state STATE,...         only in these states\n"
    "  --key FILE|BASE64         the log's public key\n"
    "  --api rfc6962|static      default: as described, else found out\n"
    "  --origin NAME             of checkpoints\n"
    "  --range A:B               only entries A to B - 1\n"
    "  --follow                  keep up after catching up\n"
    "  --poll DURATION           how often a head is asked for (30s)\n"
    "  --partial-after DURATION  when a partial tile is read after all (5m)\n"
    "  --reload DURATION         how often the log list is read again (6h)\n"
    "  --connections N           per log, at most\n"
    "  --rate R                  requests a second per log, at most\n"
    "  --retry DURATION          how long without progress (10m)\n"
    "  --threads N               default: processors\n"
    "  --keep full|facts         what is stored of an entry\n"
    "  --check-archive           read and check every member of the zips\n"
    "  --contact TEXT            for the User-Agent\n"
    "  --ca-file PEM             trust for HTTPS\n"
    "  --tls verify|skip         the data is verified by the log's key anyway\n"
    "  --memory SIZE             bound on the process's own memory (1G)\n"
    "  --bind ADDR               source address (repeatable)\n"
    "  --proxy URL               HTTP proxy; default $HTTPS_PROXY\n"
    "  --metrics SOCKET          Prometheus text over HTTP while it runs\n"
    "  --progress auto|bar|log|json|none\n"
    "  --log-format text|logfmt|json\n"
    "  --json                    a summary on stdout\n"
    "  --help, --version         with -v: what the ring uses too\n"
    "\n"
    "exit: 0 done, 2 usage, 3 log description or log list, 4 network, 5 a\n"
    "      log's data failed verification, 6 index, 130 and 143 interrupted\n";

// ---------------------------------------------------------------- the run

static uint64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct running {
    struct pipeline *pipeline;
    struct rates *rates;
    const struct options *options;
    const sigset_t *signals;
    bool may_grow;
    struct list_watch *watch;
};

static double cpu_seconds(void)
{
    struct rusage used = {0};

    (void)getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

// Takes over a list that was read again.
static void update_logs(const struct running *running)
{
    struct choice choice;
    struct err err = {0};

    if (!list_watch_take(running->watch, &choice)) return;
    if (!choice_check_age(&choice, running->options,
                          index_dir(pipeline_index(running->pipeline)), &err)) {
        log_line(LOG_WARNING, "the list from before stands: %s", err.text);
    } else if (!logs_update(running->pipeline,
                            pipeline_index(running->pipeline), &choice,
                            running->options, &err)) {
        pipeline_fail(running->pipeline, &err);
    }
    choice_cleanup(&choice);
}

// Waits for the end; a first signal ends it soon, a second at once.  Returns
// the signal, 0 when there was none.
static int wait_for_end(const struct running *running, struct summary_run *run)
{
    struct pipeline *pipeline = running->pipeline;
    struct timespec tick = {.tv_nsec = PROGRESS_TICK_MS * 1000000};
    uint64_t begun = now_ms();
    int caught = 0;

    while (!pipeline_is_done(pipeline)) {
        int number = sigtimedwait(running->signals, NULL, &tick);
        uint64_t memory = progress_memory_bytes();

        if (memory > run->peak_memory_bytes) run->peak_memory_bytes = memory;
        rates_tick(running->rates, pipeline, now_ms());
        progress_tick(pipeline, running->rates, now_ms());
        if (caught == 0) update_logs(running);
        if (number < 0) continue;
        if (caught != 0) _exit(128 + number);
        caught = number;
        pipeline_stop(pipeline);
    }
    run->seconds = (double)(now_ms() - begun) / 1e3;
    run->cpu_seconds = cpu_seconds();
    return caught;
}

// Reads all logs; returns the exit code.
static int run_pipeline(struct running *running, struct err *err)
{
    struct pipeline *pipeline = running->pipeline;
    const struct options *options = running->options;
    struct summary_run run = {0};
    struct buffer json = {0};
    int number = 0;
    int code;

    progress_open(options->progress);
    if (pipeline_start(pipeline, err) &&
        (!running->may_grow ||
         list_watch_start(&running->watch, options, options->reload_ms, err))) {
        number = wait_for_end(running, &run);
    } else {
        pipeline_fail(pipeline, err);
    }
    list_watch_stop(running->watch);
    progress_close();
    if (!pipeline_join(pipeline, err)) return err_exit_code(err->code);
    summary_say(pipeline);
    code = summary_exit_code(pipeline);
    if (number != 0) {
        code = number == SIGTERM && options->follow ? code : 128 + number;
    }
    if (options->json) {
        if (!summary_write(&json, pipeline, &run, err)) {
            code = err_exit_code(err->code);
        } else if (write(STDOUT_FILENO, json.data, json.len) !=
                   (ssize_t)json.len) {
            log_line(LOG_ERROR, "the summary: %s", strerror(errno));
            if (code == 0) code = err_exit_code(ERR_INDEX);
        }
        buffer_cleanup(&json);
    }
    return code;
}

static bool is_public(const struct choice *choice)
{
    for (size_t i = 0; i < choice->num_logs; i++) {
        const char *url = choice->logs[i].description.url;

        if (choice->logs[i].archive == NULL && strstr(url, "//127.") == NULL &&
            strstr(url, "//localhost") == NULL &&
            strstr(url, "//[::1]") == NULL) {
            return true;
        }
    }
    return false;
}

// What is told to Prometheus; the pipeline once it is there.
struct exposed {
    struct pipeline *_Atomic pipeline;
    struct rates *rates;
    uint64_t memory;
};

static void write_metrics(struct buffer *out, void *context)
{
    struct exposed *exposed = context;
    struct pipeline *pipeline = atomic_load(&exposed->pipeline);

    if (pipeline == NULL) return;
    metrics_append(out, pipeline, exposed->rates, exposed->memory);
}

static bool start_metrics(struct metrics_server **out, struct exposed *exposed,
                          const struct options *options, struct err *err)
{
    return options->metrics == NULL ||
           metrics_server_start(out, options->metrics, write_metrics, exposed,
                                err);
}

static int ingest(const struct options *options, const struct choice *choice,
                  const sigset_t *signals, struct err *err)
{
    struct pipeline_options given = {
        .num_threads = options->threads,
        .connections = options->connections,
        .rate = options->rate,
        .retry_ms = options->retry_ms,
        .memory = options->memory,
        .contact = options->contact,
        .ca_file = options->ca_file,
        .proxy = options->proxy,
        .tls_skip = options->tls_skip,
        .binds = options->binds.texts,
        .num_binds = options->binds.num,
        .follow = options->follow,
        .may_grow = options->follow && choice_may_change(choice),
        .poll_ms = options->poll_ms,
        .partial_after_ms = options->partial_after_ms,
    };
    struct exposed exposed = {.memory = options->memory};
    struct metrics_server *metrics = NULL;
    const char *dir = place_of_index(options->index_dir);
    struct pipeline *pipeline = NULL;
    struct index *index = NULL;
    int code;

    if (!logs_check_keys(choice, err)) return err_exit_code(err->code);
    // A quarter of --memory is for what waits to be written.
    if (rates_new(&exposed.rates, err) &&
        start_metrics(&metrics, &exposed, options, err) &&
        index_open(&index, dir, INDEX_WRITE, err) &&
        index_set_memory(index, options->memory / 4, err) &&
        choice_check_age(choice, options, dir, err) &&
        pipeline_open(&pipeline, index, &given, err) &&
        logs_add(pipeline, index, choice, options, err)) {
        *err = (struct err){0};
        atomic_store(&exposed.pipeline, pipeline);
        code = run_pipeline(&(struct running){.pipeline = pipeline,
                                              .rates = exposed.rates,
                                              .options = options,
                                              .signals = signals,
                                              .may_grow = given.may_grow},
                            err);
        // A zip that cannot be opened counts as a log that failed.
        if (choice->num_unopened > 0 && code < err_exit_code(ERR_VERIFY)) {
            code = err_exit_code(ERR_VERIFY);
        }
    } else {
        code = err_exit_code(err->code);
    }
    metrics_server_stop(metrics);
    rates_free(exposed.rates);
    pipeline_close(pipeline);
    index_close(index);
    return code;
}

static void block_signals(sigset_t *signals)
{
    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGINT);
    (void)sigaddset(signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
}

static int print_version(const struct options *options)
{
    struct ring *ring;
    struct err err;

    version_print("sanct-ingest", inflate_version());
    if (!options->verbose) return 0;
    if (!ring_open(&ring, RING_DEPTH_MIN, &err)) {
        (void)printf("ring: %s\n", err.text);
        return 0;
    }
    (void)printf("ring: %s\n", ring_describe(ring));
    ring_close(ring);
    return 0;
}

// One heap that grows by a megabyte: those that glibc makes for other threads
// grow page by page, one system call for each page that LMDB dirties.  Buffers
// of tiles and answers come from it and stay in it, or each would be mapped,
// cleared page by page and given back.  (Where there is no such thing, nothing
// is lost.)
static void set_up_memory(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_TOP_PAD, HEAP_STEP);
    (void)mallopt(M_MMAP_THRESHOLD, HEAP_BLOCK_MAX);
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_SPARE_MAX);
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct options options;
    struct choice choice;
    sigset_t signals;
    int code;

    set_up_memory();
    log_open("sanct-ingest", LOG_TEXT, LOG_INFO);
    index_allow_files();
    if (!ingest_options_parse(&options, argc, argv, &err)) {
        log_line(LOG_ERROR, "%s", err.text);
        return err_exit_code(err.code);
    }
    if (options.help) {
        (void)fputs(usage, stdout);
        return 0;
    }
    if (options.version) return print_version(&options);
    log_open("sanct-ingest", options.log_format,
             options.progress == PROGRESS_NONE ? LOG_WARNING : LOG_INFO);
    block_signals(&signals);
    if (!choice_make(&choice, &options, &err)) {
        log_line(LOG_ERROR, "%s", err.text);
        return err_exit_code(err.code);
    }
    if (options.contact == NULL && is_public(&choice)) {
        log_line(LOG_WARNING,
                 "public logs are read without --contact: many give strangers "
                 "a lower rate");
    }
    code = ingest(&options, &choice, &signals, &err);
    if (err.code != ERR_NONE) log_line(LOG_ERROR, "%s", err.text);
    choice_cleanup(&choice);
    return code;
}
