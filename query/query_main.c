// query_main.c - sanct-query: asks an index, or a server over its socket.
//
//   options -> questions -> [index: answer, native JSON] -> report -> stdout
//                           [server: the same JSON     ]
//
// Exit codes (CLI.md): 2 before 6 before 7 before 1; without a server 4.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "index/base/json.h"
#include "index/base/text.h"
#include "index/place.h"
#include "index/version.h"
#include "query/client.h"
#include "query/lines.h"
#include "query/options.h"
#include "query/report.h"
#include "query/requests.h"
#include "query/shape/native.h"
#include "query/shape/pem.h"
#include "query/sieve.h"

enum {
    EXIT_NOTHING = 1,
    EXIT_USAGE = 2,
    EXIT_INDEX = 6,
    EXIT_COVERAGE = 7,
    PIECE_LEN = 64 * 1024,
    COUNTING_MAX = 256, // counts under way
};

// One run of the program.
struct run {
    struct options *options;
    uint64_t now_ms;
    struct index *index; // NULL: a server is asked
    struct snapshot *snapshot;
    struct client client;
    struct report report;
    struct native native;
    struct buffer out;
    bool is_partial;       // some log is not complete and fresh
    struct buffer partial; // which
};

static uint64_t clock_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "a question: no memory left for it");
}

// ------------------------------------------------------------- the index

static bool feed_answer(struct run *run, struct answer *answer, struct err *err)
{
    bool done = false;

    native_begin(&run->native);
    while (!done) {
        buffer_reset(&run->out);
        if (!native_next(&run->native, answer, run->snapshot, run->now_ms,
                         &run->out, &done, err) ||
            !report_feed(&run->report, buffer_bytes(&run->out), err)) {
            return false;
        }
    }
    return true;
}

static bool count_answer(struct run *run, struct answer *answer,
                         const struct question *question, struct err *err)
{
    enum answer_step step = ANSWER_WORKING;
    const struct issuance *issuance;

    while (step != ANSWER_END) {
        if (!answer_next(answer, run->snapshot, &step, &issuance, err)) {
            return false;
        }
    }
    return report_count(&run->report, question->text, answer_count(answer),
                        err);
}

static bool ask_index(struct run *run, const struct question *question,
                      struct err *err)
{
    bool counts = run->options->count;
    struct answer *answer = NULL;
    bool ok;

    ok = counts
             ? answer_open_count(&answer, question, run->snapshot, run->now_ms,
                                 err)
             : answer_open(&answer, question, run->snapshot, run->now_ms, err);
    ok = ok && (counts ? count_answer(run, answer, question, err)
                       : feed_answer(run, answer, err));
    answer_close(answer);
    return ok;
}

static bool fetch_from_index(struct run *run, const struct sha256_hash *hash,
                             struct buffer *out, struct err *err)
{
    struct arena arena = {0};
    enum pem_state state;
    struct bytes der;
    bool ok = pem_find(run->snapshot, hash, &state, &der, &arena, err);

    if (ok && state == PEM_FOUND) {
        buffer_append(out, der);
    } else if (ok) {
        ok = err_set(err, ERR_INDEX,
                     "the index was kept as facts: it has no certificates to"
                     " give as PEM or DER");
    }
    arena_cleanup(&arena);
    return ok;
}

// ------------------------------------------------------------- the server

static bool take_answer(void *context, struct bytes part, struct err *err)
{
    struct run *run = context;

    return report_feed(&run->report, part, err);
}

static bool take_part(void *context, struct bytes part, struct err *err)
{
    struct buffer *out = context;

    buffer_append(out, part);
    return (buffer_ok(out) && out->len <= JSON_DOCUMENT_MAX) || no_memory(err);
}

static bool read_count(uint64_t *count, struct bytes body, struct err *err)
{
    struct json *json = NULL;
    bool ok = json_parse(&json, body, err);

    if (ok && !json_uint(json_member(json, "count"), count)) {
        ok = err_set(err, ERR_NETWORK, "the server's count is none");
    }
    json_free(json);
    return ok;
}

static bool get_count(struct run *run, struct bytes target, struct bytes what,
                      struct err *err)
{
    struct buffer body = {0};
    uint64_t count = 0;
    bool ok = client_get(&run->client, target, take_part, &body, err) &&
              read_count(&count, buffer_bytes(&body), err);

    buffer_cleanup(&body);
    return ok && report_count(&run->report, what, count, err);
}

static bool append_target(struct buffer *target, const struct run *run,
                          struct bytes what, struct err *err)
{
    buffer_printf(target, "/v1/%s?q=", run->options->count ? "count" : "certs");
    options_append_encoded(target, what);
    buffer_append(target, buffer_bytes(&run->options->parameters));
    return buffer_ok(target) || no_memory(err);
}

static bool ask_server(struct run *run, struct bytes what, struct err *err)
{
    struct buffer target = {0};
    bool ok = append_target(&target, run, what, err);

    if (ok && run->options->count) {
        ok = get_count(run, buffer_bytes(&target), what, err);
    } else if (ok) {
        ok = client_get(&run->client, buffer_bytes(&target), take_answer, run,
                        err);
    }
    buffer_cleanup(&target);
    return ok;
}

// Sends lines: `body`, or what comes from stdin.
static bool stream_to_server(struct run *run, int fd, struct bytes body,
                             struct err *err)
{
    struct buffer target = {0};
    struct bytes parameters = buffer_bytes(&run->options->parameters);
    bool ok;

    buffer_append_text(&target, "/v1/certs");
    if (parameters.len > 0) {
        buffer_append_byte(&target, '?');
        (void)bytes_skip(&parameters, 1);
    }
    buffer_append(&target, parameters);
    ok = buffer_ok(&target) || no_memory(err);
    ok = ok && client_post(&run->client, buffer_bytes(&target), fd, body,
                           take_answer, run, err);
    buffer_cleanup(&target);
    return ok;
}

static bool fetch_from_server(struct run *run, const struct sha256_hash *hash,
                              struct buffer *out, struct err *err)
{
    struct buffer target = {0};
    struct client client;
    bool ok;

    buffer_append_text(&target, "/v1/cert/");
    text_append_hex(&target, sha256_bytes(hash));
    buffer_append_text(&target, ".der");
    // The answer that names the certificate is still coming over the other.
    client_open(&client, run->options->socket);
    ok = buffer_ok(&target) || no_memory(err);
    ok = ok && client_get(&client, buffer_bytes(&target), take_part, out, err);
    client_close(&client);
    buffer_cleanup(&target);
    return ok;
}

static bool fetch(void *context, const struct sha256_hash *hash,
                  struct buffer *der, struct err *err)
{
    struct run *run = context;

    return run->index != NULL ? fetch_from_index(run, hash, der, err)
                              : fetch_from_server(run, hash, der, err);
}

// ------------------------------------------------------------- coverage

static void note_log(struct run *run, struct bytes name, struct bytes status)
{
    if (bytes_equal_text(status, "complete")) return;
    run->is_partial = true;
    if (run->partial.len > 0) buffer_append_text(&run->partial, ", ");
    text_append_escaped(&run->partial, name);
    buffer_append_text(&run->partial, " (");
    text_append_escaped(&run->partial, status);
    buffer_append_byte(&run->partial, ')');
}

static void note_empty(struct run *run)
{
    run->is_partial = true;
    buffer_append_text(&run->partial, "the index has no logs");
}

static bool read_server_coverage(struct run *run, struct err *err)
{
    struct buffer body = {0};
    struct json *json = NULL;
    const struct json *logs;
    bool ok;

    ok = client_get(&run->client, bytes_from_text("/v1/logs"), take_part, &body,
                    err) &&
         json_parse(&json, buffer_bytes(&body), err);
    logs = ok ? json_member(json, "logs") : NULL;
    for (size_t i = 0; i < json_size(logs); i++) {
        const struct json *log = json_at(logs, i);
        struct bytes name = {0}, status = {0};

        (void)!json_text(json_member(log, "name"), &name);
        (void)!json_text(json_member(log, "status"), &status);
        note_log(run, name, status);
    }
    if (ok && json_size(logs) == 0) note_empty(run);
    json_free(json);
    buffer_cleanup(&body);
    return ok;
}

static bool read_coverage(struct run *run, struct err *err)
{
    if (run->index == NULL) return read_server_coverage(run, err);
    for (size_t i = 0; i < snapshot_num_logs(run->snapshot); i++) {
        const struct index_log *log = snapshot_log(run->snapshot, i);

        note_log(
            run, bytes_from_text(log->name),
            bytes_from_text(log_status_word(log_status(log, run->now_ms))));
    }
    if (snapshot_num_logs(run->snapshot) == 0) note_empty(run);
    return true;
}

// ------------------------------------------------------------- asking

static bool ask_line(struct run *run, struct bytes line, struct err *err)
{
    struct arena arena = {0};
    struct question question;
    struct err why = {0};
    bool ok;

    report_begin(&run->report);
    ok = question_parse(&question, &run->options->filters, line, "WHAT", &arena,
                        &why);
    ok = ok && (run->index != NULL ? ask_index(run, &question, &why)
                                   : ask_server(run, line, &why));
    arena_cleanup(&arena);
    if (ok) return true;
    if (why.code == ERR_NETWORK) {
        *err = why;
        return false;
    }
    return report_line_error(&run->report, line, &why, err);
}

// Counts of lines from stdin that a server was asked for and has not given yet.
struct counting {
    struct requests requests;
    struct arena arena; // of the lines
    struct bytes lines[COUNTING_MAX];
    size_t num;
};

static bool receive_count(struct run *run, struct counting *counting,
                          struct bytes line, struct err *err)
{
    struct buffer body = {0};
    struct err why = {0};
    uint64_t count = 0;
    struct bytes part;
    bool end = false, ok = true;

    while (ok && !end) {
        ok = requests_read(&counting->requests, &part, &end, &why) &&
             take_part(&body, part, &why);
    }
    ok = ok && read_count(&count, buffer_bytes(&body), &why);
    buffer_cleanup(&body);
    if (ok) return report_count(&run->report, line, count, err);
    if (why.code != ERR_NETWORK && why.code != ERR_MEMORY) {
        return report_line_error(&run->report, line, &why, err);
    }
    *err = why;
    return false;
}

static bool receive_counts(struct run *run, struct counting *counting,
                           struct err *err)
{
    bool ok = true;

    for (size_t i = 0; ok && i < counting->num; i++) {
        ok = receive_count(run, counting, counting->lines[i], err);
    }
    counting->num = 0;
    arena_reset(&counting->arena);
    return ok;
}

static bool send_count(struct run *run, struct counting *counting,
                       struct bytes line, struct err *err)
{
    struct arena arena = {0};
    struct buffer target = {0};
    struct question question;
    struct err why = {0};
    bool ok = question_parse(&question, &run->options->filters, line, "WHAT",
                             &arena, &why);

    arena_cleanup(&arena);
    if (!ok) {
        return receive_counts(run, counting, err) &&
               report_line_error(&run->report, line, &why, err);
    }
    if (counting->num == COUNTING_MAX && !receive_counts(run, counting, err)) {
        return false;
    }
    ok = (arena_copy(&counting->arena, line, &counting->lines[counting->num]) ||
          no_memory(err)) &&
         append_target(&target, run, line, err) &&
         requests_send(&counting->requests, buffer_bytes(&target), err);
    if (ok) counting->num++;
    buffer_cleanup(&target);
    return ok;
}

// Reads lines from stdin; what has been answered is printed before waiting.
// With `counting`, what stands in one read goes to the server together.
static bool ask_stdin(struct run *run, struct counting *counting,
                      struct err *err)
{
    uint8_t *piece = malloc(PIECE_LEN);
    struct lines lines = {0};
    struct bytes line;
    bool ok = piece != NULL || no_memory(err);

    while (ok) {
        ssize_t len = read(STDIN_FILENO, piece, PIECE_LEN);
        struct bytes in;

        if (len < 0 && errno == EINTR) continue;
        if (len < 0) {
            ok = err_set(err, ERR_USAGE, "--stdin: %s", strerror(errno));
            break;
        }
        if (len == 0) break;
        in = bytes_of(piece, (size_t)len);
        while (ok && lines_next(&lines, &in, &line)) {
            ok = counting != NULL ? send_count(run, counting, line, err)
                                  : ask_line(run, line, err);
        }
        if (ok && counting != NULL) ok = receive_counts(run, counting, err);
        if (fflush(stdout) != 0) run->report.failed = true;
    }
    if (ok && lines_last(&lines, &line)) ok = ask_line(run, line, err);
    lines_cleanup(&lines);
    free(piece);
    return ok;
}

static bool count_stdin(struct run *run, struct err *err)
{
    struct counting *counting = calloc(1, sizeof *counting);
    bool ok;

    if (counting == NULL) return no_memory(err);
    requests_open(&counting->requests, run->options->socket);
    ok = ask_stdin(run, counting, err);
    requests_close(&counting->requests);
    arena_cleanup(&counting->arena);
    free(counting);
    return ok;
}

// Several questions to a server go as one stream: so `logs` comes as from an
// index.
static bool ask_server_all(struct run *run, struct err *err)
{
    const struct options *options = run->options;
    struct buffer body = {0};
    bool ok = true;

    for (size_t i = 0; ok && i < options->num_whats; i++) {
        if (strchr(options->whats[i], '\n') != NULL) {
            ok = err_set(err, ERR_USAGE, "WHAT: a newline is written \\x0a");
        }
        buffer_append_text(&body, options->whats[i]);
        buffer_append_byte(&body, '\n');
    }
    if (ok && !buffer_ok(&body)) ok = no_memory(err);
    ok = ok && stream_to_server(run, -1, buffer_bytes(&body), err);
    buffer_cleanup(&body);
    return ok;
}

static bool is_json(const struct options *options)
{
    return options->format == OUTPUT_JSON || options->format == OUTPUT_NDJSON;
}

static bool ask_whats(struct run *run, const struct question *questions,
                      struct err *err)
{
    const struct options *options = run->options;

    if (run->index == NULL && options->num_whats > 1 && is_json(options) &&
        !options->count) {
        return ask_server_all(run, err);
    }
    for (size_t i = 0; i < options->num_whats; i++) {
        struct bytes what = questions[i].text;
        struct err why = {0};

        report_begin(&run->report);
        if (run->index != NULL ? ask_index(run, &questions[i], &why)
                               : ask_server(run, what, &why)) {
            continue;
        }
        *err = why;
        if (why.code != ERR_INDEX || options->format != OUTPUT_NDJSON ||
            !report_line_error(&run->report, what, &why, err)) {
            return false;
        }
    }
    return true;
}

// All questions are read before any is asked: one that is none prints nothing.
static bool ask_all(struct run *run, struct err *err)
{
    struct options *options = run->options;
    struct question *questions =
        arena_zalloc(&options->arena, options->num_whats, sizeof *questions);

    if (questions == NULL) return no_memory(err);
    for (size_t i = 0; i < options->num_whats; i++) {
        if (!question_parse(&questions[i], &options->filters,
                            bytes_from_text(options->whats[i]), "WHAT",
                            &options->arena, err)) {
            return false;
        }
    }
    return ask_whats(run, questions, err);
}

static bool ask(struct run *run, struct err *err)
{
    bool ok;

    if (!run->options->from_stdin) {
        ok = ask_all(run, err);
    } else if (run->index == NULL && !run->options->count) {
        ok = stream_to_server(run, STDIN_FILENO, (struct bytes){0}, err);
    } else if (run->index == NULL) {
        ok = count_stdin(run, err);
    } else {
        ok = ask_stdin(run, NULL, err);
    }
    return ok && report_end(&run->report, err);
}

// ------------------------------------------------------------- the run

// A log that the index has not is said before any question is asked.
static bool check_logs(struct run *run, struct err *err)
{
    struct sieve sieve = {0};
    bool ok = sieve_init(&sieve, &run->options->filters, run->snapshot,
                         run->now_ms, err);

    sieve_cleanup(&sieve);
    return ok;
}

static bool open_source(struct run *run, struct err *err)
{
    if (run->options->socket != NULL) {
        client_open(&run->client, run->options->socket);
        return true;
    }
    if (!index_open(&run->index, place_of_index(run->options->index),
                    INDEX_READ, err) ||
        !snapshot_open(&run->snapshot, run->index, err)) {
        return false;
    }
    snapshot_trust(run->snapshot);
    return check_logs(run, err);
}

static int exit_code(struct run *run, struct err *err)
{
    const struct options *options = run->options;
    const struct report *report = &run->report;
    bool found = report->any_found || options->filters.has_after;
    bool warns = options->strict || !found ||
                 (options->format == OUTPUT_TABLE && !options->count);

    if (warns && !report->any_refused && !read_coverage(run, err)) {
        log_line(LOG_ERROR, "%s", err->text);
        return err_exit_code(err->code);
    }
    if (run->is_partial) {
        buffer_append_byte(&run->partial, '\0');
        log_line(LOG_WARNING,
                 "coverage is partial, more may have been issued:"
                 " %s",
                 buffer_ok(&run->partial) ? (const char *)run->partial.data
                                          : "");
    }
    if (report->any_refused) return EXIT_USAGE;
    if (report->any_damaged) return EXIT_INDEX;
    if (options->strict && run->is_partial) return EXIT_COVERAGE;
    return found ? 0 : EXIT_NOTHING;
}

static int run_options(struct options *options)
{
    enum output_format format =
        options->from_stdin ? OUTPUT_NDJSON : options->format;
    bool is_array = options->num_whats > 1;
    struct run run = {.options = options, .now_ms = clock_ms()};
    struct err err = {0};
    int code;

    run.native.stream =
        options->from_stdin || is_array || options->format == OUTPUT_NDJSON;
    report_init(&run.report, format, is_array, fetch, &run);
    if (open_source(&run, &err) && ask(&run, &err)) {
        code = exit_code(&run, &err);
    } else {
        log_line(LOG_ERROR, "%s", err.text);
        code = err_exit_code(err.code);
    }
    report_cleanup(&run.report);
    native_cleanup(&run.native);
    buffer_cleanup(&run.out);
    buffer_cleanup(&run.partial);
    client_close(&run.client);
    snapshot_close(run.snapshot);
    index_close(run.index);
    return code;
}

int main(int argc, char **argv)
{
    struct options options;
    struct err err = {0};
    bool ok = options_parse(&options, argc, argv, &err);
    int code = 0;

    log_open("sanct-query", options.log_format, LOG_INFO);
    index_allow_files();
    if (!ok) {
        log_line(LOG_ERROR, "%s", err.text);
        code = err_exit_code(err.code);
    } else if (options.help) {
        (void)fputs(options_usage, stdout);
    } else if (options.version) {
        version_print("sanct-query", NULL);
    } else {
        code = run_options(&options);
    }
    options_cleanup(&options);
    return code;
}
