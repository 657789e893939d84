// choice.c - see choice.h.

#include "ingest/choice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/json.h"
#include "index/base/log.h"
#include "index/base/text.h"
#include "ingest/download.h"

enum {
    KEY_LEN_MAX = 64 << 10,
    SIGNATURE_LEN_MAX = 64 << 10,
};

// A folder or a file, as against a URL or a log's name.
static bool is_on_disk(const char *source)
{
    struct stat status;

    return !download_is_url(source) && stat(source, &status) == 0 &&
           (S_ISDIR(status.st_mode) || S_ISREG(status.st_mode));
}

static bool is_zip(const char *path)
{
    char start[4] = "";
    FILE *file = fopen(path, "re");
    bool found;

    if (file == NULL) return false;
    found = fread(start, sizeof start, 1, file) == 1 &&
            memcmp(start, "PK\003\004", sizeof start) == 0;
    (void)fclose(file);
    return found;
}

static struct chosen_log *add_log(struct choice *choice, struct err *err)
{
    struct chosen_log *logs =
        realloc(choice->logs, (choice->num_logs + 1) * sizeof *logs);

    if (logs == NULL) {
        (void)err_set(err, ERR_MEMORY, "no memory for logs");
        return NULL;
    }
    choice->logs = logs;
    logs[choice->num_logs] = (struct chosen_log){0};
    return &logs[choice->num_logs++];
}

// ---------------------------------------------------------------- one log

static bool read_key(struct log_description *log, const char *key,
                     struct err *err)
{
    struct buffer bytes = {0};
    bool ok;

    // A file where there is one of that name, else the key itself.
    if (access(key, R_OK) == 0) {
        ok = download_read_file(&bytes, key, KEY_LEN_MAX, err);
    } else {
        buffer_append_text(&bytes, key);
        ok = buffer_ok(&bytes) || err_set(err, ERR_MEMORY, "no memory");
    }
    ok = ok && log_description_set_key(log, buffer_bytes(&bytes), err);
    buffer_cleanup(&bytes);
    return ok;
}

static bool read_description(struct log_description *log, const char *path,
                             struct err *err)
{
    struct buffer json = {0};
    struct archive_part *part = NULL;
    bool ok;

    if (is_zip(path)) {
        ok = archive_part_open(&part, path, err);
        if (ok) buffer_append(&json, archive_part_description(part));
        archive_part_close(part);
    } else {
        ok = download_read_file(&json, path, JSON_DOCUMENT_MAX, err);
    }
    ok = ok && log_description_parse(log, buffer_bytes(&json), err);
    buffer_cleanup(&json);
    return ok || err_wrap(err, "--log");
}

// Takes a part of a log, which is closed where that fails.
static bool take_part(struct chosen_log *log, struct archive_part *part,
                      struct err *err)
{
    if ((log->archive != NULL || archive_new(&log->archive, err)) &&
        archive_take(log->archive, part, err)) {
        return true;
    }
    archive_part_close(part);
    return false;
}

// The log id that a part says it is of; false where it says none.
static bool told_id(const struct archive_part *part, struct sha256_hash *id)
{
    struct log_description told;
    struct bytes json = archive_part_description(part);

    if (json.len == 0 || !log_description_parse(&told, json, NULL)) {
        return false;
    }
    *id = told.id;
    return told.has_id;
}

static bool take_source(struct chosen_log *log, const char *source,
                        struct err *err)
{
    struct archive_part *part;
    struct sha256_hash id;
    char shown[200];

    if (download_is_url(source)) {
        return log_description_set_url(&log->description, source, err);
    }
    if (!is_on_disk(source)) {
        return err_set(
            err, ERR_USAGE,
            "%s: neither a URL (http:// or https://) nor a folder or zip",
            text_escape(shown, sizeof shown, bytes_from_text(source)));
    }
    if (!archive_part_open(&part, source, err)) return false;
    if (log->description.has_id && told_id(part, &id) &&
        !sha256_equal(&id, &log->description.id)) {
        (void)err_set(err, ERR_CONFIG,
                      "%s: its log.v3.json has another log_id than the key",
                      archive_part_name(part));
        archive_part_close(part);
        return false;
    }
    return take_part(log, part, err);
}

static const char *first_name(const struct chosen_log *log)
{
    return archive_part_name(archive_part_at(log->archive, 0));
}

// --api of a log that offers both: that one it is, and no other.
static void take_api(struct log_description *log, enum log_api api)
{
    if (api == LOG_API_RFC6962 && log->fallback_url[0] != '\0') {
        memcpy(log->url, log->fallback_url, sizeof log->url);
    }
    log->fallback_url[0] = '\0';
    log->api = api;
}

// What the options say of every log, and what must be known of each.
static bool complete(struct chosen_log *log, const struct options *options,
                     struct err *err)
{
    struct log_description *description = &log->description;

    if (options->api != 0) take_api(description, options->api);
    if (log->archive != NULL) description->api = LOG_API_STATIC;
    log->api_known = description->api != 0;
    if (description->api == 0) description->api = LOG_API_RFC6962;
    if (options->origin != NULL) {
        if (strlen(options->origin) >= sizeof description->origin) {
            return err_set(err, ERR_USAGE, "--origin: too long");
        }
        (void)snprintf(description->origin, sizeof description->origin, "%s",
                       options->origin);
    }
    if (description->key_len == 0) {
        return err_set(err, ERR_CONFIG,
                       "the log has no public key: without one nothing can be "
                       "verified (--log, --log-list or --key)");
    }
    if (description->placeholder || description->problem[0] != '\0') {
        return err_set(err, ERR_CONFIG, "%s: %s", description->name,
                       description->problem);
    }
    if (log->archive == NULL && description->url[0] == '\0') {
        return err_set(err, ERR_USAGE, "%s: no URL is known, and no SOURCE",
                       description->name);
    }
    if (log->archive != NULL) {
        if (description->origin[0] == '\0') {
            return err_set(err, ERR_USAGE,
                           "%s: a folder or zip needs --origin where no --log "
                           "or --log-list gives it",
                           first_name(log));
        }
        (void)snprintf(description->url, sizeof description->url, "%s",
                       first_name(log));
        if (description->name[0] == '\0') {
            (void)snprintf(description->name, sizeof description->name,
                           "%.127s", description->origin);
        }
    }
    return true;
}

static bool choose_one(struct choice *choice, const struct options *options,
                       struct err *err)
{
    struct chosen_log *log = add_log(choice, err);

    if (log == NULL) return false;
    if (options->log_file != NULL &&
        !read_description(&log->description, options->log_file, err)) {
        return false;
    }
    if (options->key != NULL &&
        !read_key(&log->description, options->key, err)) {
        return false;
    }
    for (size_t i = 0; i < options->sources.num; i++) {
        if (options->sources.num > 1 &&
            download_is_url(options->sources.texts[i])) {
            return err_set(err, ERR_USAGE,
                           "several URLs need --log-list: one --log or --key "
                           "describes one log");
        }
        if (!take_source(log, options->sources.texts[i], err)) return false;
    }
    return true;
}

// ---------------------------------------------------------------- a list

static bool fetch_list(struct buffer *json, const struct options *options,
                       const atomic_bool *stop, struct err *err)
{
    struct fetch_shared_options shared = {
        .contact = options->contact,
        .ca_file = options->ca_file,
        .tls_skip = options->tls_skip,
        .proxy = options->proxy,
    };
    struct buffer signature = {0}, url = {0}, key = {0};
    bool ok;

    if (!download_is_url(options->log_list)) {
        return download_read_file(json, options->log_list, JSON_DOCUMENT_MAX,
                                  err);
    }
    ok = download_url(json, options->log_list, JSON_DOCUMENT_MAX, &shared, stop,
                      err);
    if (!ok || options->unsigned_list) return ok;
    log_list_signature_url(&url, options->log_list);
    buffer_append_byte(&url, '\0');
    ok = download_url(&signature, (const char *)url.data, SIGNATURE_LEN_MAX,
                      &shared, stop, err);
    if (!ok) err->code = ERR_CONFIG; // a list that cannot be trusted
    if (ok && options->log_list_key != NULL) {
        ok = download_read_file(&key, options->log_list_key, KEY_LEN_MAX, err);
    }
    ok = ok && log_list_verify(buffer_bytes(json), buffer_bytes(&signature),
                               buffer_bytes(&key), err);
    buffer_cleanup(&signature);
    buffer_cleanup(&url);
    buffer_cleanup(&key);
    return ok;
}

// Zips and folders are found in the list by the id that their log.v3.json
// tells; the key comes from the list.
static bool add_part(struct choice *choice, struct archive_part *part,
                     struct err *err)
{
    const struct log_description *known;
    struct chosen_log *log = NULL;
    struct sha256_hash id;

    if (!told_id(part, &id)) {
        (void)err_set(err, ERR_CONFIG,
                      "%s: no log.v3.json with a log_id, by which its log "
                      "would be found in the list",
                      archive_part_name(part));
        archive_part_close(part);
        return false;
    }
    known = log_list_find(&choice->list, &id);
    for (size_t i = 0; i < choice->num_logs; i++) {
        if (sha256_equal(&choice->logs[i].description.id, &id)) {
            log = &choice->logs[i];
        }
    }
    if (known == NULL) {
        (void)err_set(err, ERR_USAGE, "%s: its log is not in the list",
                      archive_part_name(part));
    } else if (log == NULL) {
        log = add_log(choice, err);
        if (log != NULL) log->description = *known;
    }
    if (known == NULL || log == NULL) {
        archive_part_close(part);
        return false;
    }
    return take_part(log, part, err);
}

static bool add_selected(struct choice *choice, struct log_choice *asked,
                         struct err *err)
{
    size_t num_logs = choice->list.num_logs;
    enum log_verdict *verdicts = calloc(num_logs + 1, sizeof *verdicts);
    const char **reasons = calloc(num_logs + 1, sizeof *reasons);
    bool ok = (verdicts != NULL && reasons != NULL) ||
              err_set(err, ERR_MEMORY, "no memory for logs");

    ok = ok && log_list_select(&choice->list, asked, verdicts, reasons, err);
    for (size_t i = 0; ok && i < num_logs; i++) {
        const struct log_description *log = &choice->list.logs[i];

        if (verdicts[i] == LOG_PASSED_OVER) {
            if (choice->again) continue;
            log_line(LOG_WARNING, "%s: passed over: %s", log->name, reasons[i]);
        } else if (verdicts[i] == LOG_SELECTED) {
            struct chosen_log *chosen = add_log(choice, err);

            ok = chosen != NULL;
            if (ok) chosen->description = *log;
        }
    }
    free(verdicts);
    free(reasons);
    return ok;
}

static bool choose_from_list(struct choice *choice,
                             const struct options *options, struct err *err)
{
    const char *names[OPTIONS_LIST_MAX];
    struct log_choice asked = {
        .all = options->all,
        .operators = options->operators.texts,
        .num_operators = options->operators.num,
        .states = options->states,
        .names = names,
    };
    struct archive_part *part;
    struct buffer json = {0};
    bool ok = fetch_list(&json, options, choice->stop, err) &&
              log_list_parse(&choice->list, buffer_bytes(&json), err);

    buffer_cleanup(&json);
    if (!ok) return err_wrap(err, "--log-list");
    choice->has_list = true;
    choice->whole =
        options->all && options->operators.num == 0 && options->states == NULL;
    for (size_t i = 0; i < options->sources.num; i++) {
        const char *source = options->sources.texts[i];

        if (!is_on_disk(source)) {
            names[asked.num_names++] = source;
        } else if (archive_part_open(&part, source, err)) {
            if (!add_part(choice, part, err)) return false;
        } else if (err->code != ERR_VERIFY) {
            return false;
        } else {
            // It costs its own log, and which that is it does not say.
            log_line(LOG_ERROR, "%s", err->text);
            choice->num_unopened++;
        }
    }
    if (asked.num_names == 0 && !asked.all && asked.num_operators == 0 &&
        asked.states == NULL) {
        // Zips and folders alone: one of them at least.
        return choice->num_logs > 0 || choice->num_unopened == 0;
    }
    return add_selected(choice, &asked, err);
}

static bool make(struct choice *choice, const struct options *options,
                 struct err *err)
{
    bool ok = options->log_list != NULL ? choose_from_list(choice, options, err)
                                        : choose_one(choice, options, err);

    for (size_t i = 0; ok && i < choice->num_logs; i++) {
        ok = complete(&choice->logs[i], options, err);
    }
    if (!ok) choice_cleanup(choice);
    return ok;
}

bool choice_make(struct choice *choice, const struct options *options,
                 struct err *err)
{
    *choice = (struct choice){0};
    return make(choice, options, err);
}

bool choice_make_again(struct choice *choice, const struct options *options,
                       const atomic_bool *stop, struct err *err)
{
    *choice = (struct choice){.again = true, .stop = stop};
    return make(choice, options, err);
}

bool choice_may_change(const struct choice *choice)
{
    for (size_t i = 0; i < choice->num_logs; i++) {
        if (choice->logs[i].archive != NULL) return false;
    }
    return choice->has_list;
}

void choice_cleanup(struct choice *choice)
{
    for (size_t i = 0; i < choice->num_logs; i++) {
        archive_free(choice->logs[i].archive);
    }
    if (choice->has_list) log_list_cleanup(&choice->list);
    free(choice->logs);
    *choice = (struct choice){0};
}

// ---------------------------------------------------------------- its age

static bool write_age(const char *path, int64_t timestamp, struct err *err)
{
    char temporary[4200];
    FILE *file;
    bool ok;

    (void)snprintf(temporary, sizeof temporary, "%s.new", path);
    file = fopen(temporary, "we");
    if (file == NULL) {
        return err_set(err, ERR_INDEX, "%s: %s", temporary, strerror(errno));
    }
    ok = fprintf(file, "%lld\n", (long long)timestamp) > 0;
    ok = fflush(file) == 0 && fsync(fileno(file)) == 0 && ok;
    ok = fclose(file) == 0 && ok;
    if (ok && rename(temporary, path) == 0) return true;
    return err_set(err, ERR_INDEX, "%s: %s", path, strerror(errno));
}

bool choice_check_age(const struct choice *choice,
                      const struct options *options, const char *index_dir,
                      struct err *err)
{
    struct sha256_hash place;
    struct buffer name = {0};
    char path[4100], was_text[TEXT_TIME_LEN_MAX], is_text[TEXT_TIME_LEN_MAX];
    long long was = INT64_MIN;
    FILE *file;

    if (!choice->has_list || !choice->list.has_timestamp) return true;
    place = sha256(bytes_from_text(options->log_list));
    text_append_hex(&name, bytes_of(place.bytes, 16));
    buffer_append_byte(&name, '\0');
    if (!buffer_ok(&name)) return err_set(err, ERR_MEMORY, "no memory");
    (void)snprintf(path, sizeof path, "%s/lists", index_dir);
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        buffer_cleanup(&name);
        return err_set(err, ERR_INDEX, "%s: %s", path, strerror(errno));
    }
    (void)snprintf(path, sizeof path, "%s/lists/%s", index_dir,
                   (const char *)name.data);
    buffer_cleanup(&name);
    file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%lld", &was) != 1) was = INT64_MIN;
        (void)fclose(file);
    }
    if (choice->list.timestamp < was) {
        if (options->log_list_old) return true;
        return err_set(err, ERR_CONFIG,
                       "--log-list: of %s, older than the one of %s that was "
                       "last taken from there (--log-list-old takes it)",
                       text_time_utc(is_text, choice->list.timestamp),
                       text_time_utc(was_text, was));
    }
    return choice->list.timestamp == was ||
           write_age(path, choice->list.timestamp, err);
}
