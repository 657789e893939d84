// fuzz_log_list.c - any bytes as a log list, a log's description, a signature.

#include <assert.h>
#include <stdlib.h>

#include "ingest/parse/log_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size)
{
    assert(memchr(text, '\0', size) != NULL);
    for (; *text != '\0'; text++) {
        assert((uint8_t)*text >= 0x20 && *text != 0x7f);
    }
}

static void check_log(const struct log_description *log)
{
    size_t len = strlen(log->url);

    check_text(log->name, sizeof log->name);
    check_text(log->operator_name, sizeof log->operator_name);
    check_text(log->url, sizeof log->url);
    check_text(log->origin, sizeof log->origin);
    check_text(log->problem, sizeof log->problem);
    assert(log->key_len <= LOG_KEY_LEN_MAX);
    assert(log->key_len == 0 || log->has_id);
    assert(len == 0 || (len > 8 && log->url[len - 1] == '/'));
    if (log->key_len > 0) {
        struct sha256_hash id = sha256(bytes_of(log->key, log->key_len));

        assert(sha256_equal(&id, &log->id));
    }
}

static void check_list(const struct log_list *list)
{
    struct log_choice choice = {.all = true};
    enum log_verdict *verdicts = calloc(list->num_logs + 1, sizeof *verdicts);
    const char **reasons = calloc(list->num_logs + 1, sizeof *reasons);

    assert(verdicts != NULL && reasons != NULL);
    check_text(list->version, sizeof list->version);
    for (size_t i = 0; i < list->num_logs; i++) {
        check_log(&list->logs[i]);
    }
    (void)!log_list_select(list, &choice, verdicts, reasons, NULL);
    for (size_t i = 0; i < list->num_logs; i++) {
        const struct log_description *log = &list->logs[i];
        const char *name = log->name;

        if (verdicts[i] == LOG_SELECTED) {
            assert(!log->placeholder && log->problem[0] == '\0');
            assert(log->key_len > 0 && log->url[0] != '\0');
        }
        choice = (struct log_choice){.names = &name, .num_names = 1};
        (void)!log_list_select(list, &choice, verdicts, reasons, NULL);
        if (i == 8) break; // each looks at the whole list
    }
    free(verdicts);
    free(reasons);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes json = bytes_of(data, size);
    struct log_description log;
    struct log_list list;
    struct err err = {0};

    if (log_description_parse(&log, json, &err)) {
        check_log(&log);
        assert(log.problem[0] == '\0');
    } else {
        assert(err.code == ERR_CONFIG);
        check_text(err.text, sizeof err.text);
    }
    err = (struct err){0};
    if (log_list_parse(&list, json, &err)) {
        check_list(&list);
        log_list_cleanup(&list);
    } else {
        assert(err.code == ERR_CONFIG);
        check_text(err.text, sizeof err.text);
    }
    assert(!log_list_verify(json, json, bytes_of(NULL, 0), &err));
    return 0;
}
