// probe.c - which protocol a URL speaks, where nobody has said so; see state.h.
//
//   get-sth answers             RFC 6962
//   the checkpoint answers      static
//   neither, but one may yet    it is asked until --retry has passed: silence,
//                               403, 408, 425, 429 and 5xx are no word
//   neither                     no log: what was asked, what came, and what to
//                               give instead
//
// The last is also said of a log whose protocol is known and whose head never
// came, where what came is a word.

#include <stdio.h>
#include <string.h>

#include "ingest/reader/state.h"

static bool is_word(unsigned status)
{
    return status != 0 && status != 403 && status != 408 && status != 425 &&
           status != 429 && status < 500;
}

static void set_api(struct reader *reader, enum log_api api)
{
    reader->log.api = api;
    source_init(&reader->source, api);
}

// Notes what came.
static void note(struct probe_answer *answer, const struct ask *ask)
{
    const char *path = ask->path, *location = ask->request.location;
    size_t path_len = strlen(path), len = strlen(location);

    *answer = (struct probe_answer){.status = ask->status};
    (void)snprintf(answer->path, sizeof answer->path, "%.31s", path);
    if (ask->status / 100 == 3) {
        (void)snprintf(answer->said, sizeof answer->said,
                       "redirected to '%.110s'", location);
        if (len > path_len && strcmp(location + len - path_len, path) == 0) {
            (void)snprintf(answer->moved_to, sizeof answer->moved_to, "%.*s/",
                           (int)(len - path_len), location);
        }
    } else if (ask->status == 200) {
        (void)snprintf(answer->said, sizeof answer->said,
                       "gave status 200 but %.110s", ask->err.text);
    } else if (ask->status != 0) {
        (void)snprintf(answer->said, sizeof answer->said, "gave status %u",
                       ask->status);
    } else {
        (void)snprintf(answer->said, sizeof answer->said, "gave no answer");
    }
}

// There is no log: says so in a sentence.
static void say_no_log(const struct reader *reader, struct err *err)
{
    const struct probe_answer *answers = reader->probed;
    const char *moved_to = answers[0].moved_to;
    struct buffer text = {0};

    for (unsigned i = 0; i < reader->num_probed; i++) {
        buffer_printf(&text, "%s%s %s", i > 0 ? ", " : "", answers[i].path,
                      answers[i].said);
        if (moved_to[0] == '\0') moved_to = answers[i].moved_to;
    }
    buffer_append_byte(&text, '\0');
    if (moved_to[0] != '\0') {
        (void)err_set(err, ERR_NETWORK, "no log at %.120s: %.220s; give %s",
                      reader->log.url, (const char *)text.data, moved_to);
    } else {
        (void)err_set(err, ERR_NETWORK,
                      "no log at %.100s: %.220s; give the url of an RFC 6962 "
                      "log (all before ct/v1/) or the monitoring_url of a "
                      "static one (all before checkpoint)",
                      reader->log.url, (const char *)text.data);
    }
    buffer_cleanup(&text);
}

// No word came: it may be a log, and the way to it closed.
static void say_no_word(const struct reader *reader, const struct ask *ask,
                        struct err *err)
{
    bool is_plain = strncmp(reader->log.url, "http://", 7) == 0;

    *err = ask->err;
    if (ask->status != 0 || !is_plain || reader->log.has_head) return;
    (void)err_set(err, ERR_NETWORK, "%.400s; is it https:// that it answers?",
                  ask->err.text);
}

// Asks for the other one, or once more for the one that may yet come.
static bool go_on(struct reader *reader)
{
    const struct probe_answer *sth = &reader->probed[0],
                              *checkpoint = &reader->probed[1];

    switch (reader->probe) {
    case PROBE_STH:
        reader->probe = PROBE_CHECKPOINT;
        set_api(reader, LOG_API_STATIC);
        return true;
    case PROBE_CHECKPOINT:
        reader->probe = PROBE_LAST;
        if (!is_word(sth->status)) {
            set_api(reader, LOG_API_RFC6962);
            return true;
        }
        return !is_word(checkpoint->status);
    case PROBE_NONE:
    case PROBE_LAST:
        return false;
    }
    return false;
}

void probe_begin(struct reader *reader)
{
    reader->num_probed = 0;
    reader->probe = PROBE_NONE;
    if (reader->config.api_known) return;
    reader->probe = PROBE_STH;
    set_api(reader, LOG_API_RFC6962);
}

bool probe_is_optional(const struct reader *reader)
{
    return reader->probe == PROBE_STH || reader->probe == PROBE_CHECKPOINT;
}

bool probe_failed(struct reader *reader, const struct ask *ask)
{
    bool is_second =
        reader->num_probed > 0 && reader->log.api == LOG_API_STATIC;
    struct err err;

    note(&reader->probed[is_second], ask);
    if (reader->num_probed <= is_second) reader->num_probed = is_second + 1u;
    if (reader->probe != PROBE_NONE && go_on(reader)) return true;
    if (!reader->log.has_head &&
        (is_word(reader->probed[0].status) ||
         (reader->num_probed > 1 && is_word(reader->probed[1].status)))) {
        say_no_log(reader, &err);
    } else {
        say_no_word(reader, ask, &err);
    }
    reader_end(reader, READER_PARTIAL, &err);
    return false;
}
