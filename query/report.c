// report.c - see report.h.

#include "query/report.h"

#include <errno.h>
#include <time.h>

#include "index/base/json.h"
#include "index/base/text.h"
#include "query/shape/native.h"
#include "query/shape/table.h"

static uint64_t clock_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

// ------------------------------------------------------------- holding

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "an answer: no memory left for it");
}

// What does not fit into memory waits in a file without a name.
static bool spill(struct report *report, struct err *err)
{
    struct buffer *held = &report->held;

    if (!buffer_ok(held)) return no_memory(err);
    if (held->len < REPORT_HELD_MAX) return true;
    if (report->spilled == NULL) report->spilled = tmpfile();
    if (report->spilled == NULL ||
        fwrite(held->data, 1, held->len, report->spilled) != held->len) {
        return err_set(err, ERR_MEMORY, "a temporary file: %s",
                       strerror(errno));
    }
    buffer_reset(held);
    return true;
}

static bool hold(struct report *report, struct bytes bytes, struct err *err)
{
    buffer_append(&report->held, bytes);
    return spill(report, err);
}

static bool hold_text(struct report *report, const char *text, struct err *err)
{
    return hold(report, bytes_from_text(text), err);
}

static void drop(struct report *report)
{
    if (report->spilled != NULL) (void)fclose(report->spilled);
    report->spilled = NULL;
    buffer_reset(&report->held);
}

static void print(struct report *report, struct bytes bytes)
{
    if (bytes.len > 0 &&
        fwrite(bytes.data, 1, bytes.len, stdout) != bytes.len) {
        report->failed = true;
    }
}

// Prints what is held.
static bool release(struct report *report, struct err *err)
{
    uint8_t piece[64 * 1024];
    size_t len;

    if (report->spilled != NULL) {
        rewind(report->spilled);
        while ((len = fread(piece, 1, sizeof piece, report->spilled)) > 0) {
            print(report, bytes_of(piece, len));
        }
        if (ferror(report->spilled)) {
            return err_set(err, ERR_MEMORY, "a temporary file: %s",
                           strerror(errno));
        }
    }
    print(report, buffer_bytes(&report->held));
    drop(report);
    return true;
}

// ------------------------------------------------------------- answers

// What stands before an answer in JSON: an array's bracket or comma.
static bool hold_separator(struct report *report, struct err *err)
{
    bool first = !report->has_answer;

    report->has_answer = true;
    if (report->format != OUTPUT_JSON || !report->is_array) return true;
    return hold_text(report, first ? "[" : ",\n", err);
}

static bool take_bytes(void *context, struct bytes bytes, struct err *err)
{
    struct report *report = context;

    if (report->format != OUTPUT_JSON && report->format != OUTPUT_NDJSON) {
        return true;
    }
    if (!report->in_answer && !hold_separator(report, err)) return false;
    report->in_answer = true;
    return hold(report, bytes, err);
}

static bool take_certificate(struct report *report,
                             const struct json *certificate, struct err *err)
{
    struct sha256_hash hash;
    struct buffer der = {0};
    struct bytes hex = {0};
    bool ok;

    // What has no hash has no bytes: a precertificate that no log gave.
    if (!json_text(json_member(certificate, "sha256"), &hex)) return true;
    if (!text_parse_hex(hash.bytes, sizeof hash.bytes, hex)) {
        return err_set(err, ERR_MALFORMED, "the answer: a hash is none");
    }
    ok = report->fetch(report->context, &hash, &der, err);
    if (ok && report->format == OUTPUT_DER) {
        buffer_append(&report->held, buffer_bytes(&der));
    } else if (ok) {
        text_append_pem(&report->held, buffer_bytes(&der));
    }
    if (!buffer_ok(&der)) report->held.failed = true;
    buffer_cleanup(&der);
    return ok && spill(report, err);
}

static bool take_certificates(struct report *report, struct bytes issuance,
                              struct err *err)
{
    const struct json *list;
    struct json *json;
    bool ok = true;

    if (!json_parse(&json, issuance, err)) return err_wrap(err, "the answer");
    list = json_member(json, "certificates");
    for (size_t i = 0; ok && i < json_size(list); i++) {
        ok = take_certificate(report, json_at(list, i), err);
    }
    json_free(json);
    return ok;
}

static bool take_issuance(void *context, struct bytes json, struct err *err)
{
    struct report *report = context;
    bool ok;

    if (report->format != OUTPUT_TABLE) {
        return take_certificates(report, json, err);
    }
    if (!report->in_answer) table_append_head(&report->held);
    report->in_answer = true;
    ok = table_append_row(&report->held, json, err);
    if (!ok || report->held.len < REPORT_HELD_MAX) return ok;
    return release(report, err);
}

static bool take_table_end(struct report *report, const struct json *rest,
                           uint64_t num_issuances, struct err *err)
{
    struct bytes query = {0}, cursor = {0};
    struct buffer shown = {0};
    bool is_cut = json_text(json_member(rest, "cursor"), &cursor);

    (void)!json_text(json_member(rest, "query"), &query);
    text_append_escaped(&shown, query);
    table_append_summary(&report->held, buffer_bytes(&shown), num_issuances,
                         is_cut, clock_us() - report->begun_us);
    if (is_cut) {
        buffer_append_text(&report->held, "next page: --after ");
        buffer_append(&report->held, cursor);
        buffer_append_byte(&report->held, '\n');
    }
    if (!buffer_ok(&shown)) report->held.failed = true;
    buffer_cleanup(&shown);
    return (buffer_ok(&report->held) || no_memory(err)) && release(report, err);
}

static bool take_rest(struct report *report, const struct json *rest,
                      uint64_t num_issuances, struct err *err)
{
    struct bytes code = {0};
    const struct json *error = json_member(rest, "error");

    // In a stream a server answers a bad line so.
    if (error != NULL && json_text(json_member(error, "code"), &code)) {
        if (bytes_equal_text(code, "bad_request")) {
            report->any_refused = true;
        } else {
            report->any_damaged = true;
        }
    }
    if (num_issuances > 0) report->any_found = true;
    if (report->format == OUTPUT_TABLE) {
        return take_table_end(report, rest, num_issuances, err);
    }
    return true;
}

static bool take_end(void *context, struct bytes rest, uint64_t num_issuances,
                     struct err *err)
{
    struct report *report = context;
    struct json *json;
    bool ok;

    report->in_answer = false;
    if (!json_parse(&json, rest, err)) return err_wrap(err, "the answer");
    ok = take_rest(report, json, num_issuances, err);
    json_free(json);
    if (!ok || report->format != OUTPUT_NDJSON) return ok;
    return hold_text(report, "\n", err) && release(report, err);
}

// ------------------------------------------------------------- the face

void report_init(struct report *report, enum output_format format,
                 bool is_array, report_fetch *fetch, void *context)
{
    bool is_json = format == OUTPUT_JSON || format == OUTPUT_NDJSON;

    *report = (struct report){
        .format = format,
        .is_array = is_array,
        .scan = {.on_bytes = take_bytes,
                 .on_issuance = is_json ? NULL : take_issuance,
                 .on_end = take_end},
        .fetch = fetch,
        .context = context,
    };
}

void report_cleanup(struct report *report)
{
    drop(report);
    buffer_cleanup(&report->held);
    scan_cleanup(&report->scan);
}

void report_begin(struct report *report)
{
    report->begun_us = clock_us();
}

bool report_feed(struct report *report, struct bytes json, struct err *err)
{
    report->scan.context = report;
    return scan_feed(&report->scan, json, err);
}

bool report_line_error(struct report *report, struct bytes line,
                       const struct err *why, struct err *err)
{
    drop(report);
    scan_reset(&report->scan);
    report->in_answer = false;
    if (why->code == ERR_USAGE) {
        report->any_refused = true;
    } else {
        report->any_damaged = true;
    }
    native_append_line_error(&report->held, line, why);
    buffer_append_byte(&report->held, '\n');
    return (buffer_ok(&report->held) || no_memory(err)) && release(report, err);
}

bool report_count(struct report *report, struct bytes query, uint64_t count,
                  struct err *err)
{
    if (count > 0) report->any_found = true;
    if (!hold_separator(report, err)) return false;
    if (report->format == OUTPUT_JSON || report->format == OUTPUT_NDJSON) {
        native_append_count(&report->held, query, count);
    } else {
        buffer_printf(&report->held, "%llu", (unsigned long long)count);
    }
    if (report->format == OUTPUT_JSON) return spill(report, err);
    buffer_append_byte(&report->held, '\n');
    return spill(report, err) && release(report, err);
}

bool report_end(struct report *report, struct err *err)
{
    if (!scan_is_between(&report->scan)) {
        return err_set(err, ERR_NETWORK, "the answer breaks off");
    }
    if (report->format == OUTPUT_JSON && report->has_answer &&
        !hold_text(report, report->is_array ? "]\n" : "\n", err)) {
        return false;
    }
    if (!release(report, err)) return false;
    if (fflush(stdout) != 0) report->failed = true;
    return !report->failed ||
           err_set(err, ERR_INDEX, "the output: %s", strerror(errno));
}
