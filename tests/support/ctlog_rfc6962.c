// ctlog_rfc6962.c - ct/v1/... as CTFE answers it (RFC 6962 section 4).

#include <stdio.h>
#include <stdlib.h>

#include "index/base/text.h"
#include "tests/support/ctlog.h"

// base64_pairs are the two digits of each 12 bits: half the steps.
static uint16_t base64_pairs[4096];
static pthread_once_t base64_once = PTHREAD_ONCE_INIT;

static void base64_init(void)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrs"
                                 "tuvwxyz0123456789+/";

    for (unsigned i = 0; i < COUNT_OF(base64_pairs); i++) {
        uint8_t pair[2] = {(uint8_t)digits[i >> 6], (uint8_t)digits[i & 63]};

        memcpy(&base64_pairs[i], pair, sizeof pair);
    }
}

static void append_base64(struct buffer *out, struct bytes bytes)
{
    size_t whole = bytes.len / 3;
    const uint8_t *from = bytes.data;
    uint8_t *to;

    (void)pthread_once(&base64_once, base64_init);
    if (!buffer_reserve(out, whole * 4 + 4)) return;
    to = out->data + out->len;
    for (size_t i = 0; i < whole; i++, from += 3, to += 4) {
        memcpy(to, &base64_pairs[from[0] << 4 | from[1] >> 4], 2);
        memcpy(to + 2, &base64_pairs[(from[1] & 15) << 8 | from[2]], 2);
    }
    out->len += whole * 4;
    text_append_base64(out, bytes_of(from, bytes.len - whole * 3));
}

static void append_member(struct buffer *out, const char *before,
                          struct bytes bytes)
{
    buffer_append_text(out, before);
    append_base64(out, bytes);
    buffer_append_byte(out, '"');
}

// parameter finds NAME=VALUE in a query.
static bool parameter(const char *query, const char *name, struct bytes *value)
{
    size_t len = strlen(name);

    while (*query != '\0') {
        size_t part = strcspn(query, "&");

        if (part > len && strncmp(query, name, len) == 0 && query[len] == '=') {
            *value = bytes_of(query + len + 1, part - len - 1);
            return true;
        }
        query += part;
        if (*query == '&') query++;
    }
    return false;
}

static bool number_parameter(const char *query, const char *name,
                             uint64_t *number)
{
    struct bytes value;

    return parameter(query, name, &value) && text_parse_uint(number, value);
}

static void get_sth(const struct ctlog_view *view, struct buffer *out)
{
    const char *quote = view->log->faults.on[FAULT_STH_SIZE_TEXT] ? "\"" : "";
    struct ctlog_head head;

    ctlog_tree_head(view, TESTLOG_RFC6962, &head);
    if (view->log->faults.on[FAULT_STH_SIZE]) {
        head.size = view->log->faults.value[FAULT_STH_SIZE];
    }
    buffer_printf(out, "{\"tree_size\":%s%llu%s,\"timestamp\":%llu,", quote,
                  (unsigned long long)head.size, quote,
                  (unsigned long long)head.timestamp_ms);
    append_member(out, "\"sha256_root_hash\":\"", sha256_bytes(&head.root));
    append_member(out, ",\"tree_head_signature\":\"",
                  buffer_bytes(&head.signature));
    buffer_append_text(out, "}");
    buffer_cleanup(&head.signature);
}

// append_proof appends an array, with what faults make of it.
static void append_proof(const struct ctlog_view *view,
                         struct sha256_hash *hashes, size_t num,
                         struct buffer *out)
{
    const struct faults *faults = &view->log->faults;

    if (faults->on[FAULT_BAD_PROOFS] && num > 0) hashes[0].bytes[7] ^= 0x10;
    if (faults->on[FAULT_LONG_PROOFS])
        hashes[num++] = sha256((struct bytes){0});
    if (faults->on[FAULT_SHORT_PROOFS] && num > 0) num--;
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < num; i++) {
        append_member(out, i == 0 ? "\"" : ",\"", sha256_bytes(&hashes[i]));
    }
    buffer_append_byte(out, ']');
}

static void get_sth_consistency(const struct ctlog_view *view,
                                const char *query, struct serve_answer *answer)
{
    struct ctlog *log = view->log;
    struct sha256_hash hashes[HASH_TREE_PATH_MAX + 1];
    uint64_t first, second;
    size_t num = 0;

    if (!number_parameter(query, "first", &first) ||
        !number_parameter(query, "second", &second) || first > second) {
        ctlog_refuse(answer, 400, "get-sth-consistency: bad first or second");
        return;
    }
    if (second > view->size) {
        ctlog_refuse(answer, 400, "get-sth-consistency: second beyond tree");
        return;
    }
    if (first > 0) {
        num = hash_tree_consistency(view->tree, first, second, hashes);
    }
    buffer_append_text(&answer->body, "{\"consistency\":");
    append_proof(view, hashes, num, &answer->body);
    buffer_append_byte(&answer->body, '}');
    if (!log->faults.on[FAULT_CACHED_CONSISTENCY]) return;
    (void)pthread_mutex_lock(&log->table_lock);
    if (log->first_consistency.len == 0) {
        buffer_append(&log->first_consistency, buffer_bytes(&answer->body));
    }
    buffer_reset(&answer->body);
    buffer_append(&answer->body, buffer_bytes(&log->first_consistency));
    (void)pthread_mutex_unlock(&log->table_lock);
}

static void append_entry(struct ctlog_reader *reader, uint64_t index,
                         struct buffer *extra, struct buffer *out)
{
    const struct faults *faults = &reader->view->log->faults;
    struct ctlog_entry entry = ctlog_read(reader, index);

    append_member(out, "\"leaf_input\":\"", entry.leaf);
    buffer_reset(extra);
    ctlog_extra(reader->view->log, &entry, extra);
    if (entry.precert.len == 0 && faults->on[FAULT_FLIP_EXTRA] &&
        faults->value[FAULT_FLIP_EXTRA] == index) {
        uint64_t bit = faults->bit[FAULT_FLIP_EXTRA];

        extra->data[bit / 8 % extra->len] ^= (uint8_t)(1 << bit % 8);
    }
    append_member(out, ",\"extra_data\":\"", buffer_bytes(extra));
}

static void get_entries(const struct ctlog_view *view, const char *query,
                        struct serve_answer *answer)
{
    const struct faults *faults = &view->log->faults;
    uint64_t batch = view->log->options.batch, start, end, num;
    struct ctlog_reader reader = {.view = view};
    struct buffer extra = {0};

    if (!number_parameter(query, "start", &start) ||
        !number_parameter(query, "end", &end) || start > end) {
        ctlog_refuse(answer, 400, "get-entries: bad start or end");
        return;
    }
    if (start >= view->size) {
        ctlog_refuse(answer, 400, "get-entries: need tree size beyond start");
        return;
    }
    if (end >= view->size) end = view->size - 1;
    num = end - start + 1;
    if (num >= batch) { // capped, and cut where the next page begins
        num = batch - start % batch;
    }
    if (faults->on[FAULT_SHORT] && num > faults->value[FAULT_SHORT]) {
        num = faults->value[FAULT_SHORT];
    }
    if (faults->on[FAULT_ZERO]) num = 0;
    if (faults->on[FAULT_MORE] && start + num < view->tree->size) num++;
    if (faults->on[FAULT_WRONG_RANGE] &&
        start + batch + num <= view->tree->size) {
        start += batch;
    }
    buffer_append_text(&answer->body, "{\"entries\":[");
    for (uint64_t i = 0; i < num; i++) {
        buffer_append_text(&answer->body, i == 0 ? "{" : "},{");
        append_entry(&reader, start + i, &extra, &answer->body);
    }
    buffer_append_text(&answer->body, num == 0 ? "]}" : "}]}");
    ctlog_reader_cleanup(&reader);
    buffer_cleanup(&extra);
}

// table_find looks a leaf hash up; of equal leaves it gives the first.
static bool table_find(struct ctlog *log, const struct sha256_hash *hash,
                       uint64_t *index)
{
    const struct sha256_hash *leaves = log->honest.levels[0];
    uint64_t at;

    (void)pthread_mutex_lock(&log->table_lock);
    if (log->table == NULL) {
        log->table_mask = 64;
        while (log->table_mask < 2 * log->entries.size) {
            log->table_mask *= 2;
        }
        log->table = calloc((size_t)log->table_mask, sizeof *log->table);
        log->table_mask--;
        if (log->table == NULL) abort();
        for (uint64_t i = 0; i < log->entries.size; i++) {
            memcpy(&at, leaves[i].bytes, sizeof at);
            while (log->table[at & log->table_mask] != 0) {
                at++;
            }
            log->table[at & log->table_mask] = i + 1;
        }
    }
    memcpy(&at, hash->bytes, sizeof at);
    *index = 0;
    for (; log->table[at & log->table_mask] != 0; at++) {
        uint64_t found = log->table[at & log->table_mask] - 1;

        if (sha256_equal(&leaves[found], hash)) {
            *index = found + 1;
            break;
        }
    }
    (void)pthread_mutex_unlock(&log->table_lock);
    return (*index)-- != 0;
}

// unescape_percent decodes %XX, as a hash has to be sent.
static void unescape_percent(struct buffer *out, struct bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.data[i];

        if (byte == '%' && i + 2 < value.len &&
            text_parse_hex(&byte, 1, bytes_of(value.data + i + 1, 2))) {
            i += 2;
        } else if (byte == '+') {
            byte = ' '; // what a server makes of it
        }
        buffer_append_byte(out, byte);
    }
}

static void get_proof_by_hash(const struct ctlog_view *view, const char *query,
                              struct serve_answer *answer)
{
    struct sha256_hash path[HASH_TREE_PATH_MAX + 1], hash;
    struct buffer text = {0}, decoded = {0};
    struct bytes value = {0};
    uint64_t size, index;
    bool ok = parameter(query, "hash", &value) &&
              number_parameter(query, "tree_size", &size) && size > 0 &&
              size <= view->size;

    unescape_percent(&text, value);
    ok = ok && text_parse_base64(&decoded, buffer_bytes(&text)) &&
         decoded.len == SHA256_LEN;
    if (!ok) {
        ctlog_refuse(answer, 400, "get-proof-by-hash: bad hash or tree_size");
    } else {
        memcpy(hash.bytes, decoded.data, SHA256_LEN);
        if (!table_find(view->log, &hash, &index) || index >= size) {
            ctlog_refuse(answer, 404, "get-proof-by-hash: no such leaf");
        } else {
            buffer_printf(&answer->body, "{\"leaf_index\":%llu,\"audit_path\":",
                          (unsigned long long)index);
            append_proof(view, path,
                         hash_tree_path(view->tree, index, size, path),
                         &answer->body);
            buffer_append_byte(&answer->body, '}');
        }
    }
    buffer_cleanup(&text);
    buffer_cleanup(&decoded);
}

static void get_entry_and_proof(const struct ctlog_view *view,
                                const char *query, struct serve_answer *answer)
{
    struct sha256_hash path[HASH_TREE_PATH_MAX + 1];
    struct ctlog_reader reader = {.view = view};
    struct buffer extra = {0};
    uint64_t index, size;

    if (!number_parameter(query, "leaf_index", &index) ||
        !number_parameter(query, "tree_size", &size) || index >= size ||
        size > view->size) {
        ctlog_refuse(answer, 400, "get-entry-and-proof: bad index or size");
        return;
    }
    buffer_append_byte(&answer->body, '{');
    append_entry(&reader, index, &extra, &answer->body);
    buffer_append_text(&answer->body, ",\"audit_path\":");
    append_proof(view, path, hash_tree_path(view->tree, index, size, path),
                 &answer->body);
    buffer_append_byte(&answer->body, '}');
    ctlog_reader_cleanup(&reader);
    buffer_cleanup(&extra);
}

static void get_roots(const struct ctlog_view *view, struct buffer *out)
{
    const struct entries *entries = &view->log->entries;
    struct buffer seen = {0};
    bool first = true;

    buffer_append_text(out, "{\"certificates\":[");
    for (size_t i = 0; i < entries->num_chains; i++) {
        struct bytes wire = buffer_bytes(&entries->chains[i].wire), list, der;
        struct bytes last = {0};

        if (!bytes_read_vector(&wire, &list, 3)) continue;
        while (bytes_read_vector(&list, &der, 3)) {
            last = der;
        }
        if (last.len == 0 ||
            (seen.len > 0 &&
             memmem(seen.data, seen.len, last.data, last.len) != NULL)) {
            continue;
        }
        buffer_append(&seen, last);
        append_member(out, first ? "\"" : ",\"", last);
        first = false;
    }
    buffer_append_text(out, "]}");
    buffer_cleanup(&seen);
}

static void answer_by_name(const struct ctlog_view *view, const char *name,
                           const char *query, struct serve_answer *answer)
{
    const struct faults *faults = &view->log->faults;
    bool proofs = !faults->on[FAULT_NO_PROOFS];

    if (strcmp(name, "get-entries") == 0 && !faults->on[FAULT_NO_ENTRIES]) {
        get_entries(view, query, answer);
    } else if (strcmp(name, "get-sth") == 0) {
        get_sth(view, &answer->body);
    } else if (strcmp(name, "get-roots") == 0) {
        get_roots(view, &answer->body);
    } else if (proofs && strcmp(name, "get-sth-consistency") == 0) {
        get_sth_consistency(view, query, answer);
    } else if (proofs && strcmp(name, "get-proof-by-hash") == 0) {
        get_proof_by_hash(view, query, answer);
    } else if (proofs && strcmp(name, "get-entry-and-proof") == 0) {
        get_entry_and_proof(view, query, answer);
    } else {
        ctlog_refuse(answer, 404, "no such method");
    }
}

void ctlog_rfc6962(const struct ctlog_view *view, const char *name,
                   const char *query, struct serve_answer *answer)
{
    struct buffer packed = {0};

    answer->type = "application/json";
    answer_by_name(view, name, query, answer);
    if (answer->status != 200 || !view->log->faults.on[FAULT_GZIP_JSON]) return;
    ctlog_gzip(buffer_bytes(&answer->body), &packed);
    buffer_cleanup(&answer->body);
    answer->body = packed;
    buffer_append_text(&answer->headers, "Content-Encoding: gzip\r\n");
}
