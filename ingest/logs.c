// logs.c - see logs.h.

#include "ingest/logs.h"

#include <stdio.h>

#include "index/base/log.h"

// What the index knew of a log before this run.
static bool find_known(struct index *index, const struct sha256_hash *id,
                       struct index_log *out, bool *found, struct err *err)
{
    struct snapshot *snapshot;

    *found = false;
    if (!snapshot_open(&snapshot, index, err)) return false;
    for (size_t i = 0; i < snapshot_num_logs(snapshot); i++) {
        const struct index_log *log = snapshot_log(snapshot, i);

        if (!sha256_equal(&log->id, id)) continue;
        *out = *log;
        *found = true;
    }
    snapshot_close(snapshot);
    return true;
}

static void describe(struct index_log *log, const struct chosen_log *chosen)
{
    const struct log_description *from = &chosen->description;

    *log = (struct index_log){
        .api = from->api,
        .mmd_seconds = from->has_mmd ? from->mmd_seconds : 86400,
        .ended = from->ended,
        .has_final = from->has_final,
        .final_size = from->final_size,
        .final_root = from->final_root,
    };
    (void)snprintf(log->name, sizeof log->name, "%s", from->name);
    (void)snprintf(log->url, sizeof log->url, "%s", from->url);
    (void)snprintf(log->origin, sizeof log->origin, "%s", from->origin);
}

static bool read_key(struct log_key **key, const struct chosen_log *chosen,
                     struct err *err)
{
    const struct log_description *log = &chosen->description;

    if (log_key_new(key, bytes_of(log->key, log->key_len), err)) return true;
    err->code = ERR_CONFIG;
    return err_wrap(err, "%s: key", log->name);
}

bool logs_check_keys(const struct choice *choice, struct err *err)
{
    for (size_t i = 0; i < choice->num_logs; i++) {
        struct log_key *key;

        if (!read_key(&key, &choice->logs[i], err)) return false;
        log_key_free(key);
    }
    return true;
}

// Tells the index of a log; the pipeline takes it where it is new.
static bool tell_index(struct reader_config *config, struct index *index,
                       const struct chosen_log *chosen,
                       const struct options *options, struct err *err)
{
    struct index_log known;
    bool is_known;

    describe(&config->log, chosen);
    config->log.id = *log_key_id(config->key);
    if (!find_known(index, &config->log.id, &known, &is_known, err)) {
        return false;
    }
    config->log.keep = options->keep != 0 ? options->keep
                       : is_known         ? known.keep
                                          : KEEP_FULL;
    if (is_known && !config->api_known) config->log.api = known.api;
    if (is_known && strcmp(known.url, config->log.url) != 0) {
        log_line(LOG_WARNING, "%s: read from %s, before from %s",
                 config->log.name, config->log.url, known.url);
    }
    return index_add_log(index, &config->log, log_key_der(config->key), err);
}

static bool add_log(struct pipeline *pipeline, struct index *index,
                    const struct chosen_log *chosen,
                    const struct options *options, struct err *err)
{
    struct reader_config config = {
        .api_known = chosen->api_known,
        .archive = chosen->archive,
        .check_archive = options->check_archive && chosen->archive != NULL,
        .has_range = options->has_range,
        .range_first = options->range_first,
        .range_end = options->range_end,
    };

    (void)snprintf(config.fallback_url, sizeof config.fallback_url, "%s",
                   chosen->description.fallback_url);
    if (!read_key(&config.key, chosen, err)) return false;
    if (tell_index(&config, index, chosen, options, err) &&
        pipeline_add(pipeline, &config, err)) {
        return true; // the key is the pipeline's now
    }
    log_key_free(config.key);
    return false;
}

// Logs of the index that a whole list no longer has: their data stays.
static bool mark_gone(struct index *index, const struct choice *choice,
                      struct err *err)
{
    struct snapshot *snapshot;
    bool ok = true;

    if (!choice->whole) return true;
    if (!snapshot_open(&snapshot, index, err)) return false;
    for (size_t i = 0; ok && i < snapshot_num_logs(snapshot); i++) {
        struct index_log log = *snapshot_log(snapshot, i);
        struct bytes key;

        if (log.ended || log_list_find(&choice->list, &log.id) != NULL) {
            continue;
        }
        log_line(LOG_WARNING, "%s: has left the list; its data stays",
                 log.name);
        log.ended = true;
        ok = snapshot_key(snapshot, log.number, &key, err) &&
             index_add_log(index, &log, key, err);
    }
    snapshot_close(snapshot);
    return ok;
}

bool logs_add(struct pipeline *pipeline, struct index *index,
              const struct choice *choice, const struct options *options,
              struct err *err)
{
    for (size_t i = 0; i < choice->num_logs; i++) {
        if (!add_log(pipeline, index, &choice->logs[i], options, err)) {
            return false;
        }
    }
    return mark_gone(index, choice, err);
}

// ---------------------------------------------------------------- updating

// The position of a log in the pipeline; the number of logs: not there.
static size_t find_running(const struct pipeline *pipeline,
                           const struct sha256_hash *id)
{
    size_t num = pipeline_num_logs(pipeline), i = 0;

    while (i < num &&
           !sha256_equal(&pipeline_config(pipeline, i)->log.id, id)) {
        i++;
    }
    return i;
}

// What a list may say anew of a log that is being read: that it has ended, and
// how large it is in the end.
static bool update_log(struct pipeline *pipeline, struct index *index,
                       size_t position, const struct log_description *now,
                       struct err *err)
{
    const struct reader_config *config = pipeline_config(pipeline, position);
    struct index_log log;
    bool is_known;

    if (!find_known(index, &config->log.id, &log, &is_known, err)) return false;
    if (!is_known) return true;
    if (strcmp(log.url, now->url) != 0) {
        log_line(LOG_WARNING,
                 "%s: the list has it at %s now; it is read from %s until the "
                 "next start",
                 log.name, now->url, log.url);
    }
    if (log.ended == now->ended && log.has_final == now->has_final &&
        (!now->has_final ||
         (log.final_size == now->final_size &&
          sha256_equal(&log.final_root, &now->final_root)))) {
        return true;
    }
    log.ended = now->ended;
    log.has_final = now->has_final;
    log.final_size = now->final_size;
    log.final_root = now->final_root;
    log_line(LOG_INFO, "%s: %s%s", log.name, log_state_word(now->state),
             now->has_final ? ", with a final tree head" : "");
    if (!index_add_log(index, &log, log_key_der(config->key), err)) {
        return false;
    }
    pipeline_set_final(pipeline, position, &log);
    return true;
}

static bool begin_log(struct pipeline *pipeline, struct index *index,
                      const struct chosen_log *chosen,
                      const struct options *options, struct err *err)
{
    const char *name = chosen->description.name;

    if (!pipeline_has_room(pipeline)) {
        log_line(LOG_WARNING,
                 "%s: new in the list; --memory leaves no room for it before "
                 "the next start",
                 name);
        return true;
    }
    log_line(LOG_INFO, "%s: new in the list", name);
    if (add_log(pipeline, index, chosen, options, err)) return true;
    if (err->code != ERR_CONFIG && err->code != ERR_USAGE) return false;
    log_line(LOG_WARNING, "%s: %s", name, err->text);
    return true;
}

bool logs_update(struct pipeline *pipeline, struct index *index,
                 const struct choice *choice, const struct options *options,
                 struct err *err)
{
    size_t num_running = pipeline_num_logs(pipeline);

    // A log that is no longer chosen may still be in the list, as retired.
    for (size_t i = 0; i < num_running; i++) {
        const struct log_description *now =
            log_list_find(&choice->list, &pipeline_config(pipeline, i)->log.id);

        if (now != NULL && !update_log(pipeline, index, i, now, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < choice->num_logs; i++) {
        const struct chosen_log *chosen = &choice->logs[i];

        if (find_running(pipeline, &chosen->description.id) ==
                pipeline_num_logs(pipeline) &&
            !begin_log(pipeline, index, chosen, options, err)) {
            return false;
        }
    }
    return mark_gone(index, choice, err);
}
