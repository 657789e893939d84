// log_description.c - one log; see log_list.h.

#include <stdio.h>
#include <strings.h>

#include "index/base/text.h"
#include "ingest/parse/log_list.h"

enum {
    MMD_MAX_SECONDS = 10 * 366 * 86400,
    SHOWN_MAX = 100, // of a stranger's text in a sentence
};

static const uint64_t SIZE_MAX_LEAVES = UINT64_C(1) << 53;

static void set_problem(struct log_description *log, const char *problem)
{
    if (log->problem[0] != '\0') return;
    (void)snprintf(log->problem, sizeof log->problem, "%s", problem);
}

static bool member_text(const struct json *json, const char *name,
                        struct bytes *text)
{
    return json_text(json_member(json, name), text) && text->len > 0;
}

// Reads base64 of at most `max` bytes.
static bool member_base64(const struct json *json, const char *name,
                          uint8_t *out, size_t max, size_t *len)
{
    struct buffer raw = {0};
    bool ok = json_base64(json_member(json, name), &raw) && raw.len <= max &&
              raw.len > 0;

    if (ok) {
        memcpy(out, raw.data, raw.len);
        *len = raw.len;
    }
    buffer_cleanup(&raw);
    return ok;
}

static void append_id(struct buffer *out, const struct sha256_hash *id)
{
    text_append_base64(out, sha256_bytes(id));
    buffer_append_byte(out, '\0');
}

// ---------------------------------------------------------------- key

// Takes a key; false when it is not the one that the log id stands for.
static bool take_key(struct log_description *log, struct bytes der,
                     struct err *err)
{
    struct sha256_hash id = sha256(der);

    if (log->has_id && !sha256_equal(&id, &log->id)) {
        struct buffer said = {0}, computed = {0};

        append_id(&said, &log->id);
        append_id(&computed, &id);
        (void)err_set(err, ERR_CONFIG,
                      "log_id %s does not fit the key, expected %s",
                      buffer_ok(&said) ? (char *)said.data : "",
                      buffer_ok(&computed) ? (char *)computed.data : "");
        buffer_cleanup(&said);
        buffer_cleanup(&computed);
        return false;
    }
    memcpy(log->key, der.data, der.len);
    log->key_len = der.len;
    log->id = id;
    log->has_id = true;
    return true;
}

static bool read_key(struct log_description *log, const struct json *json,
                     struct err *err)
{
    struct log_key *key = NULL;
    struct err why = {0};
    uint8_t der[LOG_KEY_LEN_MAX];
    size_t len;

    if (json_member(json, "log_id") != NULL) {
        log->has_id =
            member_base64(json, "log_id", log->id.bytes, SHA256_LEN, &len) &&
            len == SHA256_LEN;
        if (!log->has_id) {
            return err_set(err, ERR_CONFIG, "log_id is no base64 of 32 bytes");
        }
    }
    if (json_member(json, "key") == NULL) return true;
    if (!member_base64(json, "key", der, sizeof der, &len)) {
        return err_set(err, ERR_CONFIG, "key is no base64 of at most %d bytes",
                       LOG_KEY_LEN_MAX);
    }
    if (!take_key(log, bytes_of(der, len), err)) return false;
    if (!log_key_new(&key, bytes_of(der, len), &why)) {
        set_problem(log, why.text);
    } else if (log_key_der(key).len != len) {
        set_problem(log, "its key is not DER"); // base64 in base64
    }
    log_key_free(key);
    return true;
}

bool log_description_set_key(struct log_description *log, struct bytes input,
                             struct err *err)
{
    struct log_key *key = NULL;
    bool ok;

    if (!log_key_new(&key, input, err)) return false;
    ok = log_key_der(key).len <= LOG_KEY_LEN_MAX
             ? take_key(log, log_key_der(key), err)
             : err_set(err, ERR_CONFIG, "key: over %d bytes", LOG_KEY_LEN_MAX);
    log_key_free(key);
    return ok;
}

// ---------------------------------------------------------------- URLs

// Where the part after "http://" or "https://" begins; 0: neither.
static size_t scheme_len(const char *url)
{
    if (strncasecmp(url, "https://", 8) == 0) return 8;
    return strncasecmp(url, "http://", 7) == 0 ? 7 : 0;
}

static bool is_url_text(struct bytes url)
{
    for (size_t i = 0; i < url.len; i++) {
        uint8_t c = url.data[i];

        if (c <= ' ' || c >= 0x7f || strchr("?#@\\\"<>", c) != NULL) {
            return false;
        }
    }
    return true;
}

// Writes a base URL with one "/" at its end.
static bool put_url(char *out, size_t size, struct bytes url)
{
    size_t scheme;

    while (url.len > 0 && url.data[url.len - 1] == '/') {
        url.len--;
    }
    if (url.len + 2 > size || !is_url_text(url)) return false;
    memcpy(out, url.data, url.len);
    out[url.len] = '\0';
    scheme = scheme_len(out);
    if (scheme == 0 || out[scheme] == '\0' || out[scheme] == '/' ||
        out[scheme] == ':') {
        out[0] = '\0';
        return false;
    }
    out[url.len] = '/';
    out[url.len + 1] = '\0';
    return true;
}

// The origin is the submission URL without scheme and closing slash.
static bool put_origin(struct log_description *log, const char *url)
{
    const char *from = url + scheme_len(url);
    size_t len = strlen(from) - 1;

    if (len >= sizeof log->origin) return false;
    memcpy(log->origin, from, len);
    log->origin[len] = '\0';
    return true;
}

// RFC 2606 hosts stand for no log.
static bool is_example_host(const char *url)
{
    static const char example[] = "example.com";
    const char *host = url + scheme_len(url);
    size_t len = strcspn(host, "/:"), example_len = sizeof example - 1;

    if (len > 0 && host[len - 1] == '.') len--;
    return len >= example_len &&
           strncasecmp(host + len - example_len, example, example_len) == 0 &&
           (len == example_len || host[len - example_len - 1] == '.');
}

bool log_description_set_url(struct log_description *log, const char *url,
                             struct err *err)
{
    char shown[SHOWN_MAX];

    if (!put_url(log->url, sizeof log->url, bytes_from_text(url)) ||
        (log->origin[0] == '\0' && !put_origin(log, log->url))) {
        return err_set(err, ERR_USAGE, "no URL of a log: %s",
                       text_escape(shown, sizeof shown, bytes_from_text(url)));
    }
    log->fallback_url[0] = '\0';
    if (is_example_host(log->url)) log->placeholder = true;
    if (log->name[0] == '\0') {
        (void)text_escape(log->name, sizeof log->name,
                          bytes_from_text(log->origin));
    }
    return true;
}

// Finds a URL under the name of the log list, else of CT Log Metadata.
static bool find_url(const struct json *json, const char *name,
                     const char *endpoint, struct bytes *url)
{
    return member_text(json, name, url) ||
           member_text(json_member(json, endpoint), "url", url);
}

// True: an RFC 6962 log that also offers tiles.  They are what is read, fewer
// and cheaper, and get-entries where they are missing; it is signed for by the
// name of the log itself.
static bool read_urls(struct log_description *log, const struct json *json)
{
    struct bytes rfc6962, submission, monitoring;
    bool has_rfc6962 = find_url(json, "url", "endpoint", &rfc6962);
    bool has_submission =
        find_url(json, "submission_url", "submission_endpoint", &submission);
    bool has_monitoring =
        find_url(json, "monitoring_url", "monitoring_endpoint", &monitoring);
    char origin_url[sizeof log->url];

    if (has_monitoring || has_submission) {
        log->api = LOG_API_STATIC;
    } else if (has_rfc6962) {
        log->api = LOG_API_RFC6962;
        monitoring = submission = rfc6962;
        has_monitoring = has_submission = true;
    }
    if (has_monitoring && !put_url(log->url, sizeof log->url, monitoring)) {
        set_problem(log, "its URL is none of http or https");
    }
    if (has_monitoring && log->api == LOG_API_STATIC && has_rfc6962 &&
        !put_url(log->fallback_url, sizeof log->fallback_url, rfc6962)) {
        set_problem(log, "its URL is none of http or https");
    }
    if (!has_submission) submission = has_rfc6962 ? rfc6962 : monitoring;
    if ((has_submission || has_monitoring) &&
        (!put_url(origin_url, sizeof origin_url, submission) ||
         !put_origin(log, origin_url))) {
        set_problem(log, "its submission URL is none of http or https");
    } else if (has_submission || has_monitoring) {
        log->placeholder |= is_example_host(origin_url);
    }
    if (log->url[0] != '\0') log->placeholder |= is_example_host(log->url);
    return log->api == LOG_API_STATIC && has_rfc6962;
}

// CT Log Metadata says the protocol in a word of its own.
static void read_api(struct log_description *log, const struct json *json)
{
    struct bytes word;

    if (!member_text(json, "log_spec", &word) &&
        !member_text(json, "log_type", &word)) {
        return;
    }
    if (bytes_equal_text(word, "rfc6962")) log->api = LOG_API_RFC6962;
    if (bytes_equal_text(word, "static-ct-api") ||
        bytes_equal_text(word, "tiled")) {
        log->api = LOG_API_STATIC;
    }
}

// ---------------------------------------------------------------- the rest

static bool contains_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (; *text != '\0'; text++) {
        if (strncasecmp(text, word, len) == 0) return true;
    }
    return false;
}

static void read_name(struct log_description *log, const struct json *json)
{
    struct bytes name;

    if (!member_text(json, "description", &name) &&
        !member_text(json, "friendly_name", &name)) {
        name = bytes_from_text(log->origin);
    }
    (void)text_escape(log->name, sizeof log->name, name);
    if (contains_word(log->name, "placeholder") ||
        contains_word(log->name, "bogus")) {
        log->placeholder = true;
    }
}

static void read_mmd(struct log_description *log, const struct json *json)
{
    const struct json *value = json_member(json, "mmd");

    if (value == NULL) value = json_member(json, "mmd_seconds");
    if (value == NULL) return;
    log->has_mmd = json_uint(value, &log->mmd_seconds) &&
                   log->mmd_seconds <= MMD_MAX_SECONDS;
    if (!log->has_mmd) set_problem(log, "its mmd cannot be read");
}

static void read_final(struct log_description *log, const struct json *value)
{
    size_t len;

    if (value == NULL || log->has_final) return;
    log->has_final =
        json_uint(json_member(value, "tree_size"), &log->final_size) &&
        log->final_size <= SIZE_MAX_LEAVES &&
        member_base64(value, "sha256_root_hash", log->final_root.bytes,
                      SHA256_LEN, &len) &&
        len == SHA256_LEN;
    if (!log->has_final) set_problem(log, "its final_tree_head cannot be read");
}

// Log lists: an object whose one known member is the state.
static void read_state(struct log_description *log, const struct json *state)
{
    if (state == NULL) return;
    for (int i = LOG_STATE_PENDING; i < LOG_STATE_OTHER; i++) {
        const char *word = log_state_word((enum log_state)i);
        const struct json *value = json_member(state, word);

        if (value == NULL) continue;
        if (log->state != LOG_STATE_NONE) {
            set_problem(log, "it has two states");
        }
        log->state = (enum log_state)i;
        read_final(log, json_member(value, "final_tree_head"));
    }
    if (log->state == LOG_STATE_NONE) log->state = LOG_STATE_OTHER;
    log->ended = log->state == LOG_STATE_READONLY ||
                 log->state == LOG_STATE_RETIRED ||
                 log->state == LOG_STATE_REJECTED;
}

// CT Log Metadata: a word for the log, or one for each endpoint.
static void read_status(struct log_description *log, const struct json *json)
{
    struct bytes word;

    if (!member_text(json, "status", &word) &&
        !member_text(json_member(json, "submission_endpoint"), "status",
                     &word) &&
        !member_text(json_member(json, "endpoint"), "status", &word)) {
        return;
    }
    if (bytes_equal_text(word, "readonly") ||
        bytes_equal_text(word, "inactive")) {
        log->ended = true;
    }
}

static void read_type(struct log_description *log, const struct json *json)
{
    struct bytes word;

    if (member_text(json, "log_type", &word) &&
        !bytes_equal_text(word, "prod") && !bytes_equal_text(word, "tiled") &&
        !bytes_equal_text(word, "rfc6962")) {
        log->type = LOG_TYPE_OTHER;
    }
    if (member_text(json, "intended_use", &word) &&
        !bytes_equal_text(word, "production")) {
        log->type = LOG_TYPE_OTHER;
    }
}

bool log_description_read(struct log_description *log, const struct json *json,
                          struct err *err)
{
    bool offers_both;

    *log = (struct log_description){0};
    if (!json_is_object(json)) {
        return err_set(err, ERR_CONFIG, "a log that is no JSON object");
    }
    offers_both = read_urls(log, json);
    read_name(log, json);
    if (!read_key(log, json, err)) {
        return err_wrap(err, "log \"%s\"", log->name);
    }
    if (!offers_both) read_api(log, json);
    read_mmd(log, json);
    read_state(log, json_member(json, "state"));
    read_status(log, json);
    read_final(log, json_member(json, "final_tree_head"));
    read_type(log, json);
    return true;
}

bool log_description_parse(struct log_description *log, struct bytes json,
                           struct err *err)
{
    struct json *document = NULL;
    bool ok;

    if (!json_parse(&document, json, err)) {
        if (err != NULL && err->code == ERR_MALFORMED) err->code = ERR_CONFIG;
        return err_wrap(err, "log description");
    }
    ok = log_description_read(log, document, err);
    json_free(document);
    if (ok && log->problem[0] != '\0') {
        ok =
            err_set(err, ERR_CONFIG, "log \"%s\": %s", log->name, log->problem);
    }
    return ok || err_wrap(err, "log description");
}
