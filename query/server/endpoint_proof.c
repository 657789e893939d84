// endpoint_proof.c - /v1/proof/LOG_ID_HEX/INDEX.

#include <stdlib.h>

#include "index/base/json.h"
#include "index/base/text.h"
#include "query/proof.h"
#include "query/server/route_parts.h"

struct proving {
    struct route *route;
    struct proof proof;
    struct buffer log_name;
    struct sha256_hash log_id;
};

static void drop(struct reply *reply)
{
    struct proving *p = reply->state;

    proof_cleanup(&p->proof);
    buffer_cleanup(&p->log_name);
    free(p);
    reply->state = NULL;
    reply->drop = NULL;
}

static void append_base64(struct buffer *out, const struct sha256_hash *hash)
{
    buffer_append_byte(out, '"');
    text_append_base64(out, sha256_bytes(hash));
    buffer_append_byte(out, '"');
}

static void append_proof(struct buffer *out, const struct proving *p)
{
    const struct proof *proof = &p->proof;
    char time_text[TEXT_TIME_LEN_MAX];

    buffer_append_text(out, "{\"log\":");
    json_append_string(out, buffer_bytes(&p->log_name));
    buffer_append_text(out, ",\"log_id\":");
    append_base64(out, &p->log_id);
    buffer_printf(out, ",\"index\":%llu,\"tree_size\":%llu,\"leaf_hash\":",
                  (unsigned long long)proof->index,
                  (unsigned long long)proof->head.size);
    append_base64(out, &proof->leaf);
    buffer_append_text(out, ",\"path\":[");
    for (size_t i = 0; i < proof->path.num_nodes; i++) {
        if (i > 0) buffer_append_byte(out, ',');
        append_base64(out, &proof->path.nodes[i]);
    }
    buffer_append_text(out, "],\"root_hash\":");
    append_base64(out, &proof->head.root);
    buffer_printf(out, ",\"timestamp\":\"%s\",\"head\":",
                  text_time_utc_ms(time_text, proof->head.timestamp_ms));
    if (!json_append_verbatim(out, proof->head.served)) {
        json_append_string(out, proof->head.served);
    }
    buffer_append_text(out, "}\n");
}

static bool more(struct reply *reply, struct err *err)
{
    struct proving *p = reply->state;
    struct snapshot *snapshot;
    bool done;

    if (!route_snapshot(p->route, &snapshot, err) ||
        !proof_next(&p->proof, snapshot, &done, err)) {
        return false;
    }
    if (!done) return true;
    append_proof(&reply->body, p);
    reply->whole = true;
    return true;
}

static const struct index_log *find_log(const struct snapshot *snapshot,
                                        const struct sha256_hash *id)
{
    for (size_t i = 0; i < snapshot_num_logs(snapshot); i++) {
        const struct index_log *log = snapshot_log(snapshot, i);

        if (sha256_equal(&log->id, id)) return log;
    }
    return NULL;
}

bool endpoint_proof(struct route *route, const struct request *request,
                    struct reply *reply, struct err *err)
{
    struct bytes id = request->path, number;
    const uint8_t *slash = id.len == 0 ? NULL : memchr(id.data, '/', id.len);
    const struct index_log *log;
    struct snapshot *snapshot;
    struct sha256_hash hash;
    struct proving *p;
    uint64_t index;

    if (slash == NULL) {
        return err_set(err, ERR_USAGE, "proof: LOG_ID_HEX/INDEX is wanted");
    }
    number = bytes_of(slash + 1, (size_t)(id.data + id.len - slash) - 1);
    id.len = (size_t)(slash - id.data);
    if (!text_parse_hex(hash.bytes, SHA256_LEN, id) ||
        !text_parse_uint(&index, number)) {
        return err_set(err, ERR_USAGE,
                       "proof: the log's id as 64 hex digits and an entry's "
                       "index are wanted");
    }
    if (!route_snapshot(route, &snapshot, err)) return false;
    log = find_log(snapshot, &hash);
    if (log == NULL) {
        return err_set(err, ERR_NOT_FOUND, "the index has no such log");
    }
    p = calloc(1, sizeof *p);
    if (p == NULL) return err_set(err, ERR_MEMORY, "no memory for a proof");
    p->route = route;
    p->log_id = hash;
    buffer_append_text(&p->log_name, log->name);
    reply->state = p;
    reply->drop = drop;
    reply->more = more;
    reply->status = 200;
    reply->content_type = "application/json";
    reply_field(reply, "Cache-Control", "no-store");
    return proof_begin(&p->proof, snapshot, log->number, index, err);
}
