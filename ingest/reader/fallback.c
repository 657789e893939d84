// fallback.c - a log whose tiles are missing, read by get-entries; see state.h.
//
// Of an RFC 6962 log that also offers tiles these are what is read.  They are
// missing when, of a checkpoint, a hash tile or a data tile,
//
//   it is refused by 4xx (404, 410; not 403, 408, 425, 429) or cannot be read
//   (HTML, another length, bad gzip), ASK_MISSING_TRIES times, 16 s in all;
//   403 or 5xx is all that comes for ASK_MISSING_MS;
//   it is redirected;
//   --retry gives it up, for whatever reason;
//   it is wrong, twice, the second time over a new connection: the checkpoint
//   is not signed by the log under its name, a hash tile does not lead to the
//   signed root, a data tile not to its hash.  The evidence is kept.
//
// Not when nothing answers, or a limit does: it may be the network, or a host
// that both come from, and --retry decides.  Nor when it is the log that lies,
// by a signed head that forks or lies beyond its final tree: it is halted.
//
// What is proven by then is held, so the next round goes on from there by
// get-sth, get-entries and proofs.  Tiles are tried again at the next start.

#include "index/base/log.h"
#include "ingest/reader/state.h"

static void on_closed(void *context)
{
    struct reader *reader = context;
    struct err err;

    if (reader_returned(reader, &reader->num_asked)) return;
    if (!reader_reload(reader, &err)) {
        reader_fail(reader, &err);
        return;
    }
    head_ask(reader);
}

// All is settled: the asker changes, and with it what is asked.
static void go_on(struct reader *reader)
{
    struct asker *before = reader->asker;
    struct err err;

    read_stop(reader);
    reader->log.api = LOG_API_RFC6962;
    reader->has_suspect = false;
    reader->fresh = false;
    reader->num_searches = 0;
    reader->search_start = false;
    reader->bytes_per_entry = 0;
    reader_set_source(reader);
    if (!reader_open_asker(reader, &err)) {
        reader_fail(reader, &err);
        return;
    }
    reader_show(reader);
    reader->num_asked++;
    asker_close(before, on_closed, reader);
}

bool fallback_begin(struct reader *reader, const struct err *why)
{
    const struct reader_config *config = &reader->config;

    if (config->fallback_url[0] == '\0' || config->archive != NULL ||
        reader->fell_back || reader->ending) {
        return false;
    }
    reader->fell_back = true;
    log_line(LOG_WARNING,
             "%s: no tiles at %s (%s): going on by get-entries at %s; tiles "
             "are tried again at the next start",
             reader->log.name, config->log.url, why->text,
             config->fallback_url);
    reader_settle(reader, false, go_on);
    return true;
}
