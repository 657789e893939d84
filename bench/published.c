#include "bench/published.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "index/base/text.h"

// Bytes an entry where a row has none: published medians of October 2026.
enum { BYTES_RFC6962 = 5947, BYTES_TILES = 719, BYTES_ARCHIVE = 779 };

enum { GIGABIT_BYTES_PER_S = 125000000, CELL = 16 };

enum column {
    NAME,
    OPERATOR,
    API,
    ENTRIES,
    AS_OF,
    PRECISION,
    STATE,
    BYTES,
    PER_REQUEST,
    REQUESTS_PER_S,
    GROWTH,
    SOURCE,
    LIMIT_SOURCE,
    NUM_COLUMNS,
};

// Cuts at the next `separator`, which is dropped; false when nothing is left.
static bool next_part(struct bytes *rest, struct bytes *part, uint8_t separator)
{
    size_t len = 0;

    if (rest->data == NULL) return false;
    while (len < rest->len && rest->data[len] != separator) {
        len++;
    }
    *part = bytes_of(rest->data, len);
    *rest = len == rest->len
                ? (struct bytes){0}
                : bytes_of(rest->data + len + 1, rest->len - len - 1);
    return true;
}

// A whole number; an empty field is 0 where that is allowed.
static bool read_number(double *out, struct bytes field, bool optional)
{
    uint64_t value = 0;

    if (!(optional && field.len == 0) && !text_parse_uint(&value, field)) {
        return false;
    }
    *out = (double)value;
    return true;
}

static bool is_one_of(struct bytes field, const char *a, const char *b,
                      const char *c)
{
    return bytes_equal_text(field, a) || bytes_equal_text(field, b) ||
           bytes_equal_text(field, c);
}

bool published_read_log(struct published_log *log, struct bytes line,
                        struct err *err)
{
    struct bytes fields[NUM_COLUMNS], rest = line, extra;
    int64_t seconds;

    *log = (struct published_log){0};
    for (size_t i = 0; i < NUM_COLUMNS; i++) {
        if (!next_part(&rest, &fields[i], ',')) {
            return err_set(err, ERR_MALFORMED, "%zu fields, not %d", i,
                           NUM_COLUMNS);
        }
    }
    if (next_part(&rest, &extra, ',')) {
        return err_set(err, ERR_MALFORMED, "more than %d fields", NUM_COLUMNS);
    }
    log->name = fields[NAME];
    log->operator= fields[OPERATOR];
    log->as_of = fields[AS_OF];
    log->precision = fields[PRECISION];
    log->is_static = bytes_equal_text(fields[API], "static");
    log->is_live = bytes_equal_text(fields[STATE], "live");
    log->is_archived = bytes_equal_text(fields[STATE], "archived");
    if (!is_one_of(fields[API], "static", "rfc6962", "static") ||
        !is_one_of(fields[STATE], "live", "retired", "archived") ||
        !is_one_of(fields[PRECISION], "exact", "estimate", "bound") ||
        log->name.len == 0 ||
        log->operator.len == 0 || fields[SOURCE].len == 0 ||
        log->as_of.len != strlen("2026-10-07") ||
        !text_parse_time(&seconds, log->as_of) ||
        !read_number(&log->entries, fields[ENTRIES], false) ||
        !read_number(&log->bytes, fields[BYTES], true) ||
        !read_number(&log->per_request, fields[PER_REQUEST], true) ||
        !read_number(&log->requests_per_s, fields[REQUESTS_PER_S], true) ||
        !read_number(&log->growth_per_s, fields[GROWTH], true)) {
        return err_set(err, ERR_MALFORMED, "not a row of a log");
    }
    return true;
}

static bool read_member(double *out, const struct json *object,
                        const char *name, double unit, struct err *err)
{
    uint64_t value;

    if (!json_uint(json_member(object, name), &value)) {
        return err_set(err, ERR_MALFORMED, "figures: no %s", name);
    }
    *out = (double)value * unit;
    return true;
}

static bool read_figures(struct published_figures *out, const struct json *json,
                         const char *name, struct err *err)
{
    const struct json *way = json_member(json, name);

    if (!read_member(&out->entries_per_s, way, "entries_per_s", 1, err) ||
        !read_member(&out->cpu_us, way, "cpu_ns", 1e-3, err) ||
        !read_member(&out->read_bytes, way, "read_bytes", 1, err) ||
        !read_member(&out->disk_bytes, way, "disk_bytes", 1, err) ||
        !read_member(&out->written_bytes, way, "written_bytes", 1, err) ||
        !read_member(&out->names, way, "names_per_1000", 1e-3, err)) {
        return false;
    }
    return out->entries_per_s > 0 ||
           err_set(err, ERR_MALFORMED, "figures: %s read nothing", name);
}

bool published_read_run(struct published_run *run, const struct json *json,
                        struct err *err)
{
    *run = (struct published_run){0};
    if (!read_figures(&run->rfc6962, json, "rfc6962", err) ||
        !read_figures(&run->tiles, json, "static", err) ||
        !read_figures(&run->archive, json, "archive", err) ||
        !read_member(&run->entries, json, "entries", 1, err) ||
        !read_member(&run->tail_percent, json, "tail_percent", 1, err) ||
        !read_member(&run->facts_bytes, json, "facts_bytes", 1, err) ||
        !read_member(&run->disk_bytes_per_s, json, "disk_bytes_per_s", 1,
                     err)) {
        return false;
    }
    return run->disk_bytes_per_s > 0 ||
           err_set(err, ERR_MALFORMED, "figures: the disk took nothing");
}

static double bytes_an_entry(const struct published_log *log)
{
    if (log->bytes > 0) return log->bytes;
    if (!log->is_live) return BYTES_ARCHIVE;
    return log->is_static ? BYTES_TILES : BYTES_RFC6962;
}

// Seconds until the log is caught up with, at its limit.
static double limit_seconds(const struct published_log *log)
{
    double rate = log->per_request * log->requests_per_s;

    if (rate <= 0) return -1;
    if (rate <= log->growth_per_s) return HUGE_VAL;
    return log->entries / (rate - log->growth_per_s);
}

static enum published_bound bound_of(const struct published_log *log,
                                     const struct published_cost *cost)
{
    double work_s = log->is_live ? cost->network_s : cost->archive_s;
    enum published_bound bound = PUBLISHED_CPU;
    double longest = work_s;

    if (cost->disk_s > longest) {
        bound = PUBLISHED_DISK;
        longest = cost->disk_s;
    }
    if (cost->gigabit_s > longest) {
        bound = PUBLISHED_LINK;
        longest = cost->gigabit_s;
    }
    // An archive lies elsewhere: the log's own limit is none of its.
    if (log->is_live && cost->limit_s > longest) bound = PUBLISHED_LIMIT;
    return bound;
}

static void add_cost(struct published_total *total,
                     const struct published_log *log,
                     const struct published_cost *cost)
{
    total->num_logs++;
    total->entries += log->entries;
    total->read_bytes += cost->read_bytes;
    total->full_bytes += cost->full_bytes;
    total->facts_bytes += cost->facts_bytes;
    total->work_s += log->is_live ? cost->network_s : cost->archive_s;
    if (!log->is_live) return;
    if (cost->limit_s < 0) {
        total->num_unlimited++;
    } else if (isinf(cost->limit_s)) {
        total->num_endless++;
    } else if (cost->limit_s > total->limit_s) {
        total->limit_s = cost->limit_s;
    }
}

struct published_cost published_cost_of(const struct published_log *log,
                                        const struct published_run *run,
                                        struct published_total *total)
{
    const struct published_figures *network =
        log->is_static ? &run->tiles : &run->rfc6962;
    const struct published_figures *way =
        log->is_live ? network : &run->archive;
    struct published_cost cost = {
        .network_s = log->entries / network->entries_per_s,
        .archive_s =
            log->is_live ? -1 : log->entries / run->archive.entries_per_s,
        .limit_s = limit_seconds(log),
        .read_bytes = log->entries * bytes_an_entry(log),
        .full_bytes = log->entries * way->disk_bytes,
        .facts_bytes = log->entries * run->facts_bytes,
        .disk_s = log->entries * way->written_bytes / run->disk_bytes_per_s,
    };

    cost.gigabit_s = cost.read_bytes / GIGABIT_BYTES_PER_S;
    cost.bound = bound_of(log, &cost);
    add_cost(total, log, &cost);
    return cost;
}

// A figure in as few digits as say something; "-" for what is not known.
static const char *cell(char out[CELL], double value)
{
    int digits = value < 0.95 ? 2 : value < 9.5 ? 1 : 0;

    if (value < 0) return "-";
    if (isinf(value)) return "never";
    (void)snprintf(out, CELL, "%.*f", digits, value);
    return out;
}

static void write_way(struct buffer *out, const char *name,
                      const struct published_figures *way)
{
    buffer_printf(out,
                  "  %-14s %8.0f entries/s, %.1f us of CPU, %.0f bytes read, "
                  "%.0f of index, %.0f written, %.2f names an entry\n",
                  name, way->entries_per_s, way->cpu_us, way->read_bytes,
                  way->disk_bytes, way->written_bytes, way->names);
}

static void write_head(struct buffer *out, const struct published_run *run)
{
    buffer_append_text(out,
                       "\nAgainst published log sizes\n\n"
                       "Measured in this run; a log's server ran on the same "
                       "cores, an archive has none:\n\n");
    write_way(out, "static CT", &run->tiles);
    write_way(out, "RFC 6962", &run->rfc6962);
    write_way(out, "archive", &run->archive);
    buffer_printf(out,
                  "  %-14s %8.0f bytes of index an entry\n"
                  "  %-14s %8.0f MB/s written in sequence and synced\n\n",
                  "--keep facts", run->facts_bytes, "disk",
                  run->disk_bytes_per_s / 1e6);
    buffer_printf(
        out,
        "Assumed: real entries cost what generated ones did, and as much at "
        "10^9 as here.  Bytes an entry on the link, as published where a\n"
        "log's own are not: %d of get-entries, %d of gzip tiles, %d of an "
        "archive.  A limit holds for one address and without a pause; a log's\n"
        "growth counts against it where one was published, else none is "
        "assumed.  Archived logs are read from their archive, retired ones\n"
        "as if there were one; the others from the network, within their "
        "limit.  Sizes are of their date; \">\" is a lower bound, \"~\" an\n"
        "estimate; \"-\" is not published, or no such way.  Sources: "
        "bench/published_logs.csv.\n"
        "The index is taken as %.0f entries left it, %.0f %% of them still in "
        "the tail, which takes more room than segments.\n\n",
        BYTES_RFC6962, BYTES_TILES, BYTES_ARCHIVE, run->entries,
        run->tail_percent);
    buffer_printf(out,
                  "  %-16s %-13s %-7s %10s  %-10s %8s %8s %8s %8s %7s %7s "
                  "%7s %7s  %s\n",
                  "log", "operator", "api", "entries", "as of", "network",
                  "archive", "limit", "limit", "1 Gb/s", "10 Gb/s", "full",
                  "facts", "binds at");
    buffer_printf(out,
                  "  %-16s %-13s %-7s %10s  %-10s %8s %8s %8s %8s %7s %7s "
                  "%7s %7s  %s\n",
                  "", "", "", "million", "", "hours", "hours", "entr./s",
                  "days", "hours", "hours", "GB", "GB", "1 Gb/s");
}

static void write_row(struct buffer *out, const struct published_log *log,
                      const struct published_cost *cost)
{
    static const char *const bounds[] = {"limit", "link", "CPU", "disk"};
    double rate = log->per_request * log->requests_per_s;
    char cells[9][CELL];
    const char *mark = "";

    if (bytes_equal_text(log->precision, "bound")) mark = ">";
    if (bytes_equal_text(log->precision, "estimate")) mark = "~";
    buffer_printf(
        out,
        "  %-16.*s %-13.*s %-7s %1s%9.2f  %-10.*s %8s %8s %8s %8s %7s %7s "
        "%7s %7s  %s\n",
        (int)log->name.len, (const char *)log->name.data,
        (int)log->operator.len, (const char *)log->operator.data,
        log->is_static ? "static" : "rfc6962", mark, log->entries / 1e6,
        (int)log->as_of.len, (const char *)log->as_of.data,
        cell(cells[0], cost->network_s / 3600),
        cell(cells[1], cost->archive_s / 3600),
        cell(cells[2], rate > 0 ? rate : -1),
        cell(cells[3], cost->limit_s / 86400),
        cell(cells[4], cost->gigabit_s / 3600),
        cell(cells[5], cost->gigabit_s / 36000),
        cell(cells[6], cost->full_bytes / 1e9),
        cell(cells[7], cost->facts_bytes / 1e9), bounds[cost->bound]);
}

static void write_total(struct buffer *out, const struct published_total *total)
{
    buffer_printf(
        out,
        "\n  All %zu together: %.2f billion entries; %.1f TB to read (%.1f "
        "days at 1 Gbit/s, %.1f at 10), %.1f TB of index full or %.1f facts;\n"
        "  %.1f days of this machine; and at the live logs' limits, side by "
        "side, %.0f days (%zu have none published, %zu outgrow theirs).\n",
        total->num_logs, total->entries / 1e9, total->read_bytes / 1e12,
        total->read_bytes / GIGABIT_BYTES_PER_S / 86400,
        total->read_bytes / GIGABIT_BYTES_PER_S / 864000,
        total->full_bytes / 1e12, total->facts_bytes / 1e12,
        total->work_s / 86400, total->limit_s / 86400, total->num_unlimited,
        total->num_endless);
}

bool published_write(struct buffer *out, struct bytes csv,
                     const struct published_run *run, struct err *err)
{
    struct published_total total = {0};
    bool has_names = false;
    struct bytes line;

    write_head(out, run);
    for (size_t number = 1; next_part(&csv, &line, '\n'); number++) {
        struct published_log log;
        struct published_cost cost;

        if (line.len == 0 || line.data[0] == '#') continue;
        if (!has_names) {
            has_names = true;
            continue;
        }
        if (!published_read_log(&log, line, err)) {
            return err_wrap(err, "line %zu", number);
        }
        cost = published_cost_of(&log, run, &total);
        write_row(out, &log, &cost);
    }
    write_total(out, &total);
    return buffer_ok(out) || err_set(err, ERR_MEMORY, "no memory");
}
