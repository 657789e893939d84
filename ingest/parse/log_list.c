// log_list.c - log lists of version 3; see log_list.h.

#include "ingest/parse/log_list.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "index/base/text.h"

enum { SHOWN_MAX = 100 }; // of a stranger's text in a sentence

// The key of Google's log lists (log_list_pubkey.pem beside them), RSA-4096.
static const uint8_t google_key[] = {
    0x30, 0x82, 0x02, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
    0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x82, 0x02, 0x0f, 0x00,
    0x30, 0x82, 0x02, 0x0a, 0x02, 0x82, 0x02, 0x01, 0x00, 0xb2, 0xed, 0x01,
    0x1c, 0x69, 0xd0, 0xfb, 0xe5, 0xb6, 0x09, 0x37, 0x72, 0x67, 0x2c, 0x6f,
    0x1c, 0x74, 0x40, 0x2c, 0xe6, 0x4f, 0x96, 0x7b, 0xbf, 0x54, 0xc5, 0x60,
    0xa3, 0x69, 0xbe, 0x25, 0x9f, 0x0c, 0x35, 0xb0, 0x0e, 0x1f, 0x67, 0x20,
    0x5d, 0xbf, 0x26, 0xbc, 0xe8, 0xfc, 0x7e, 0x5b, 0x17, 0xfe, 0xa3, 0xcc,
    0xb8, 0xa2, 0x1a, 0x6a, 0xe3, 0xbe, 0x3f, 0x04, 0x4e, 0x32, 0x38, 0xaa,
    0x7d, 0x4a, 0x5c, 0x16, 0x6f, 0x34, 0x2a, 0x5e, 0xe2, 0xf7, 0xb6, 0x50,
    0xc8, 0x10, 0xd8, 0x2a, 0x6d, 0xcc, 0x90, 0x46, 0x18, 0xa4, 0x63, 0x7e,
    0xb2, 0x40, 0x11, 0xd8, 0xe7, 0x9b, 0x5f, 0xd1, 0xb6, 0x0d, 0xf0, 0xea,
    0x15, 0x8f, 0x3e, 0x8d, 0x4a, 0x4e, 0x39, 0x6b, 0x41, 0x36, 0xbd, 0xcb,
    0xae, 0x65, 0x5c, 0xc3, 0x1f, 0x85, 0x70, 0x57, 0x4c, 0x8c, 0x60, 0xe5,
    0xad, 0x9e, 0x49, 0x46, 0x6a, 0x09, 0xfd, 0x27, 0x86, 0x2a, 0x23, 0x91,
    0x91, 0xb6, 0xee, 0xf5, 0xe6, 0x35, 0x59, 0xdd, 0x2e, 0x56, 0x1c, 0xff,
    0xc4, 0x8e, 0x5b, 0x41, 0xbd, 0x0e, 0x80, 0x82, 0x3b, 0x84, 0x48, 0xfe,
    0x8b, 0xf2, 0x0f, 0x6c, 0x9a, 0x8e, 0x1e, 0x00, 0x7c, 0xc5, 0x0e, 0x73,
    0x58, 0x02, 0x49, 0xd0, 0x39, 0x86, 0xf8, 0x53, 0x3a, 0xa3, 0xb8, 0x24,
    0xe3, 0x4d, 0xef, 0xe9, 0x6d, 0xd2, 0xf2, 0xa4, 0x58, 0x89, 0x1f, 0x38,
    0x73, 0x9d, 0x0a, 0xa6, 0x91, 0xb0, 0x7b, 0x86, 0x2a, 0x48, 0xc9, 0x05,
    0x6c, 0xb0, 0xe5, 0x78, 0x64, 0x16, 0x2e, 0x86, 0x83, 0x4a, 0x91, 0x16,
    0xb4, 0x44, 0xa2, 0xb1, 0xbe, 0x09, 0x88, 0xb6, 0x98, 0xe0, 0x7f, 0x8a,
    0x93, 0x41, 0x32, 0x02, 0x13, 0xd2, 0x6f, 0xee, 0x3d, 0x25, 0xf5, 0x28,
    0xcd, 0x89, 0x7e, 0x95, 0xfe, 0xe2, 0x14, 0xdd, 0xea, 0x46, 0xaf, 0xd2,
    0x21, 0x75, 0xd3, 0x87, 0xac, 0xf4, 0x4b, 0xb4, 0x1a, 0xf0, 0x46, 0x03,
    0x84, 0xa1, 0x82, 0xae, 0x92, 0x34, 0xdf, 0xff, 0xaa, 0xa6, 0xbc, 0x32,
    0xfa, 0x6c, 0xba, 0x7e, 0x95, 0x87, 0x8b, 0xa6, 0x94, 0x22, 0x4e, 0x21,
    0xa2, 0x55, 0x02, 0x99, 0x6b, 0xc5, 0xc5, 0x90, 0xdf, 0x8b, 0x1a, 0x31,
    0x2b, 0x44, 0x65, 0xa9, 0xb1, 0x43, 0x97, 0x62, 0x57, 0x30, 0x1a, 0xae,
    0xc2, 0x54, 0x29, 0x9b, 0xcb, 0xb9, 0xc2, 0xbb, 0x22, 0x73, 0x59, 0x2c,
    0x22, 0xff, 0x73, 0xf3, 0x1f, 0x73, 0x87, 0x83, 0xc9, 0xa8, 0xda, 0x42,
    0x6a, 0x1d, 0x1c, 0x89, 0xe9, 0x88, 0xdd, 0x81, 0x91, 0x42, 0xa4, 0x9e,
    0xfe, 0x64, 0x51, 0x5c, 0x18, 0x92, 0x9f, 0xd6, 0x10, 0x05, 0x43, 0xdc,
    0x69, 0xea, 0x82, 0x61, 0xa9, 0xfe, 0xb2, 0x71, 0x80, 0x0c, 0x5c, 0x07,
    0xb9, 0x70, 0x9d, 0xf7, 0x12, 0x00, 0x74, 0x50, 0x68, 0x97, 0x0f, 0x51,
    0xf4, 0x74, 0xde, 0x74, 0x71, 0x94, 0x7d, 0x55, 0xcf, 0x24, 0x38, 0x85,
    0xe1, 0x5b, 0xac, 0x7d, 0x7e, 0x81, 0x45, 0x1f, 0xea, 0x69, 0xa7, 0x41,
    0xf9, 0xba, 0x84, 0x02, 0xb1, 0x7f, 0x4f, 0x3b, 0x83, 0x52, 0xbe, 0x85,
    0xbc, 0xe4, 0x78, 0xa3, 0xc9, 0x54, 0x53, 0x18, 0x0b, 0xb9, 0x9f, 0xfb,
    0x1c, 0xef, 0x9b, 0x1e, 0x76, 0x8f, 0x14, 0xa6, 0x07, 0x1d, 0x29, 0xbe,
    0xfb, 0x3d, 0x65, 0x54, 0x38, 0x61, 0x62, 0xe4, 0x99, 0xf1, 0xac, 0x77,
    0x4f, 0x40, 0xb7, 0x15, 0x9a, 0x5b, 0xec, 0x73, 0x23, 0x66, 0xda, 0x44,
    0xa2, 0xb4, 0x95, 0xe4, 0x49, 0x4a, 0x24, 0x42, 0x70, 0xae, 0x1a, 0xc1,
    0x08, 0xc3, 0x83, 0xf0, 0xbd, 0x35, 0x12, 0x84, 0x8f, 0xac, 0x69, 0x52,
    0xd7, 0x0d, 0xb6, 0x8b, 0xdb, 0x86, 0x1c, 0xc9, 0xff, 0xb8, 0x64, 0x0a,
    0xa3, 0x6f, 0x2e, 0xec, 0x0b, 0x02, 0x03, 0x01, 0x00, 0x01,
};

const char *log_state_word(enum log_state state)
{
    static const char *const words[] = {
        [LOG_STATE_NONE] = "",
        [LOG_STATE_PENDING] = "pending",
        [LOG_STATE_QUALIFIED] = "qualified",
        [LOG_STATE_USABLE] = "usable",
        [LOG_STATE_READONLY] = "readonly",
        [LOG_STATE_RETIRED] = "retired",
        [LOG_STATE_REJECTED] = "rejected",
        [LOG_STATE_OTHER] = "",
    };

    return words[state];
}

// ---------------------------------------------------------------- reading

static size_t count_logs(const struct json *operators)
{
    size_t num = 0;

    for (size_t i = 0; i < json_size(operators); i++) {
        const struct json *one = json_at(operators, i);

        num += json_size(json_member(one, "logs"));
        num += json_size(json_member(one, "tiled_logs"));
    }
    return num;
}

static void set_problem(struct log_description *log, const char *problem)
{
    if (log->problem[0] != '\0') return;
    (void)snprintf(log->problem, sizeof log->problem, "%s", problem);
}

static bool read_logs(struct log_list *list, const struct json *logs,
                      struct bytes operator_name, struct err *err)
{
    if (logs != NULL && !json_is_array(logs)) {
        return err_set(err, ERR_CONFIG, "its logs are no array");
    }
    for (size_t i = 0; i < json_size(logs); i++) {
        struct log_description *log = &list->logs[list->num_logs];

        if (!log_description_read(log, json_at(logs, i), err)) return false;
        (void)text_escape(log->operator_name, sizeof log->operator_name,
                          operator_name);
        if (log->key_len == 0) set_problem(log, "it has no key");
        if (log->url[0] == '\0') {
            set_problem(log, "it has no URL to read from");
        }
        if (log->has_id && log_list_find(list, &log->id) != NULL) {
            set_problem(log, "its log id stands in the list twice");
        }
        list->num_logs++;
    }
    return true;
}

static bool read_operator(struct log_list *list, const struct json *json,
                          struct err *err)
{
    struct bytes name;
    char shown[SHOWN_MAX];

    if (!json_text(json_member(json, "name"), &name)) {
        name = bytes_from_text("");
    }
    if (!read_logs(list, json_member(json, "logs"), name, err) ||
        !read_logs(list, json_member(json, "tiled_logs"), name, err)) {
        return err_wrap(err, "operator \"%s\"",
                        text_escape(shown, sizeof shown, name));
    }
    return true;
}

static bool read_timestamp(struct log_list *list, const struct json *value,
                           struct err *err)
{
    struct bytes text;

    if (value == NULL) return true; // Apple's has none
    list->has_timestamp =
        json_text(value, &text) && text_parse_time(&list->timestamp, text);
    if (list->has_timestamp) return true;
    return err_set(err, ERR_CONFIG, "log_list_timestamp is no time");
}

static bool read_list(struct log_list *list, const struct json *json,
                      struct err *err)
{
    const struct json *operators = json_member(json, "operators");
    struct bytes version;
    size_t num_logs;

    if (!json_is_array(operators)) {
        return err_set(err, ERR_CONFIG, "no \"operators\": not of version 3");
    }
    if (!read_timestamp(list, json_member(json, "log_list_timestamp"), err)) {
        return false;
    }
    if (json_text(json_member(json, "version"), &version)) {
        (void)text_escape(list->version, sizeof list->version, version);
    }
    num_logs = count_logs(operators);
    if (num_logs > LOG_LIST_LOGS_MAX) {
        return err_set(err, ERR_CONFIG, "%zu logs, over the limit of %d",
                       num_logs, LOG_LIST_LOGS_MAX);
    }
    list->logs = calloc(num_logs + 1, sizeof *list->logs);
    if (list->logs == NULL) return err_set(err, ERR_MEMORY, "no memory");
    for (size_t i = 0; i < json_size(operators); i++) {
        if (!read_operator(list, json_at(operators, i), err)) return false;
    }
    return true;
}

bool log_list_parse(struct log_list *list, struct bytes json, struct err *err)
{
    struct json *document = NULL;
    bool ok;

    *list = (struct log_list){0};
    if (!json_parse(&document, json, err)) {
        if (err != NULL && err->code == ERR_MALFORMED) err->code = ERR_CONFIG;
        return err_wrap(err, "log list");
    }
    ok = read_list(list, document, err);
    json_free(document);
    if (ok) return true;
    log_list_cleanup(list);
    return err_wrap(err, "log list");
}

void log_list_cleanup(struct log_list *list)
{
    free(list->logs);
    *list = (struct log_list){0};
}

const struct log_description *log_list_find(const struct log_list *list,
                                            const struct sha256_hash *id)
{
    for (size_t i = 0; i < list->num_logs; i++) {
        const struct log_description *log = &list->logs[i];

        if (log->has_id && sha256_equal(&log->id, id)) return log;
    }
    return NULL;
}

// ---------------------------------------------------------------- signature

bool log_list_verify(struct bytes json, struct bytes signature,
                     struct bytes key, struct err *err)
{
    struct log_key *list_key = NULL;
    bool holds;

    if (key.len == 0) key = bytes_of(google_key, sizeof google_key);
    if (!log_key_new(&list_key, key, err)) {
        return err_wrap(err, "log list key");
    }
    holds = log_key_verify(list_key, json, signature);
    log_key_free(list_key);
    if (holds) return true;
    return err_set(err, ERR_CONFIG,
                   "log list: the signature does not hold under the log list "
                   "key");
}

void log_list_signature_url(struct buffer *out, const char *url)
{
    static const char json[] = ".json";
    size_t len = strcspn(url, "?#"), json_len = sizeof json - 1;

    if (len >= json_len && memcmp(url + len - json_len, json, json_len) == 0) {
        buffer_append(out, bytes_of(url, len - json_len));
    } else {
        buffer_append(out, bytes_of(url, len));
    }
    buffer_append_text(out, ".sig");
    buffer_append_text(out, url + len);
}

// ---------------------------------------------------------------- choosing

static const unsigned states_of_all = 1u << LOG_STATE_QUALIFIED |
                                      1u << LOG_STATE_USABLE |
                                      1u << LOG_STATE_READONLY;

// Reads "usable,readonly" into bits of enum log_state.
static bool parse_states(unsigned *bits, const char *text, struct err *err)
{
    *bits = 0;
    for (;;) {
        size_t len = strcspn(text, ",");
        struct bytes word = bytes_of(text, len);
        int state = LOG_STATE_PENDING;
        char shown[SHOWN_MAX];

        while (state < LOG_STATE_OTHER &&
               !bytes_equal_text(word, log_state_word((enum log_state)state))) {
            state++;
        }
        if (state == LOG_STATE_OTHER) {
            return err_set(err, ERR_USAGE, "--state: there is no state \"%s\"",
                           text_escape(shown, sizeof shown, word));
        }
        *bits |= 1u << state;
        if (text[len] == '\0') return true;
        text += len + 1;
    }
}

static bool has_operator(const struct log_choice *choice,
                         const struct log_description *log)
{
    for (size_t i = 0; i < choice->num_operators; i++) {
        if (strcasecmp(choice->operators[i], log->operator_name) == 0) {
            return true;
        }
    }
    return choice->num_operators == 0;
}

static bool check_operators(const struct log_list *list,
                            const struct log_choice *choice, struct err *err)
{
    for (size_t i = 0; i < choice->num_operators; i++) {
        const char *name = choice->operators[i];
        bool found = false;
        char shown[SHOWN_MAX];

        for (size_t j = 0; j < list->num_logs && !found; j++) {
            found = strcasecmp(name, list->logs[j].operator_name) == 0;
        }
        if (!found) {
            return err_set(
                err, ERR_USAGE, "--operator: the list has none named \"%s\"",
                text_escape(shown, sizeof shown, bytes_from_text(name)));
        }
    }
    return true;
}

// Why a log is not read although its operator is asked for; NULL: it is.
static const char *why_not(const struct log_description *log)
{
    if (log->placeholder) return "it is a placeholder";
    if (log->problem[0] != '\0') return log->problem;
    if (log->type != LOG_TYPE_PROD) return "its log_type is not prod";
    switch (log->state) {
    case LOG_STATE_QUALIFIED:
    case LOG_STATE_USABLE:
    case LOG_STATE_READONLY:
        return NULL;
    case LOG_STATE_PENDING:
        return "its state is pending";
    case LOG_STATE_RETIRED:
        return "its state is retired";
    case LOG_STATE_REJECTED:
        return "its state is rejected";
    case LOG_STATE_NONE:
        return "it has no state";
    case LOG_STATE_OTHER:
        break;
    }
    return "its state is not a known one";
}

static void choose_all(const struct log_list *list,
                       const struct log_choice *choice, unsigned states,
                       enum log_verdict *verdicts, const char **reasons)
{
    for (size_t i = 0; i < list->num_logs; i++) {
        const struct log_description *log = &list->logs[i];

        if (!has_operator(choice, log)) continue;
        if ((states >> log->state & 1) == 0) continue;
        reasons[i] = why_not(log);
        verdicts[i] = reasons[i] == NULL ? LOG_SELECTED : LOG_PASSED_OVER;
    }
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

// Tells whether `name` is one of the words of `text`, any case.
static bool has_word(const char *text, const char *name)
{
    size_t len = strlen(name);

    while (*text != '\0') {
        size_t word = 0;

        while (is_word_char(text[word])) {
            word++;
        }
        if (word == len && strncasecmp(text, name, len) == 0) return true;
        text += word == 0 ? 1 : word;
    }
    return false;
}

static bool is_id(const struct log_description *log, const char *name)
{
    uint8_t id[SHA256_LEN];
    struct buffer raw = {0};
    bool is = false;

    if (!log->has_id) return false;
    if (text_parse_hex(id, sizeof id, bytes_from_text(name))) {
        return memcmp(id, log->id.bytes, sizeof id) == 0;
    }
    is = text_parse_base64(&raw, bytes_from_text(name)) &&
         bytes_equal(buffer_bytes(&raw), sha256_bytes(&log->id));
    buffer_cleanup(&raw);
    return is;
}

static bool is_url(const struct log_description *log, const char *name)
{
    size_t len = strlen(name), url_len = strlen(log->url);

    if (len > 0 && name[len - 1] == '/') len--;
    return url_len == len + 1 && strncasecmp(log->url, name, len) == 0;
}

static bool is_named(const struct log_description *log, const char *name,
                     bool in_full)
{
    if (name[0] == '\0') return false; // an origin may be empty, too
    if (!in_full) return has_word(log->name, name);
    return strcasecmp(log->name, name) == 0 ||
           strcasecmp(log->origin, name) == 0 || is_url(log, name) ||
           is_id(log, name);
}

// Finds the one log of a name; a whole name goes before a word of one.
static bool find_named(const struct log_list *list, const char *name,
                       size_t *position, struct err *err)
{
    char shown[SHOWN_MAX];
    size_t num = 0;

    (void)text_escape(shown, sizeof shown, bytes_from_text(name));
    for (int in_full = 1; in_full >= 0 && num == 0; in_full--) {
        for (size_t i = 0; i < list->num_logs; i++) {
            if (!is_named(&list->logs[i], name, in_full == 1)) continue;
            *position = i;
            num++;
        }
    }
    if (num == 0) {
        return err_set(err, ERR_USAGE, "the list has no log named \"%s\"",
                       shown);
    }
    if (num > 1) {
        return err_set(err, ERR_USAGE,
                       "%zu logs of the list are named \"%s\": give the whole "
                       "name or the log id",
                       num, shown);
    }
    return true;
}

static bool choose_named(const struct log_list *list, const char *name,
                         enum log_verdict *verdicts, const char **reasons,
                         struct err *err)
{
    const struct log_description *log;
    size_t position = 0;

    if (!find_named(list, name, &position, err)) return false;
    log = &list->logs[position];
    if (log->placeholder) {
        return err_set(err, ERR_USAGE,
                       "%s is a placeholder and never connected to", log->name);
    }
    if (log->problem[0] != '\0') {
        return err_set(err, ERR_CONFIG, "%s cannot be read: %s", log->name,
                       log->problem);
    }
    verdicts[position] = LOG_SELECTED;
    reasons[position] = NULL;
    return true;
}

static bool check_selected(const struct log_list *list,
                           const struct log_choice *choice, unsigned states,
                           const enum log_verdict *verdicts, struct err *err)
{
    for (size_t i = 0; i < list->num_logs; i++) {
        if (verdicts[i] == LOG_SELECTED) return true;
    }
    if (choice->states != NULL && (states & ~states_of_all) != 0) {
        return err_set(err, ERR_USAGE,
                       "no log is selected: --state narrows --all, which is "
                       "qualified, usable and readonly; others are read by "
                       "name");
    }
    return err_set(err, ERR_USAGE, "no log of the list is selected");
}

bool log_list_select(const struct log_list *list,
                     const struct log_choice *choice,
                     enum log_verdict *verdicts, const char **reasons,
                     struct err *err)
{
    unsigned states = ~0u;

    for (size_t i = 0; i < list->num_logs; i++) {
        verdicts[i] = LOG_NOT_ASKED;
        reasons[i] = NULL;
    }
    if (choice->states != NULL && !parse_states(&states, choice->states, err)) {
        return false;
    }
    if (!check_operators(list, choice, err)) return false;
    if (choice->all || choice->num_operators > 0 || choice->states != NULL) {
        choose_all(list, choice, states, verdicts, reasons);
    }
    for (size_t i = 0; i < choice->num_names; i++) {
        if (!choose_named(list, choice->names[i], verdicts, reasons, err)) {
            return false;
        }
    }
    return check_selected(list, choice, states, verdicts, err);
}
