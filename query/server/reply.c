// reply.c - see reply.h.

#include "query/server/reply.h"

#include "index/base/json.h"
#include "index/store/lmdb.h"

void reply_reset(struct reply *reply)
{
    if (reply->drop != NULL) reply->drop(reply);
    buffer_reset(&reply->fields);
    buffer_reset(&reply->body);
    *reply = (struct reply){.fields = reply->fields, .body = reply->body};
}

static bool call_more(void *context, struct err *err)
{
    struct reply *reply = context;

    return reply->more(reply, err);
}

bool reply_go_on(struct reply *reply, struct err *err)
{
    uint64_t num_faults = lmdb_num_faults();
    bool ok = lmdb_try(call_more, reply, err);

    // What it holds of the files is unsound.
    if (!ok && num_faults != lmdb_num_faults() && reply->drop != NULL) {
        reply->drop(reply);
    }
    return ok;
}

void reply_cleanup(struct reply *reply)
{
    reply_reset(reply);
    buffer_cleanup(&reply->fields);
    buffer_cleanup(&reply->body);
}

void reply_field(struct reply *reply, const char *name, const char *value)
{
    buffer_append_text(&reply->fields, name);
    buffer_append_text(&reply->fields, ": ");
    buffer_append_text(&reply->fields, value);
    buffer_append_text(&reply->fields, "\r\n");
}

void reply_json(struct reply *reply, unsigned status)
{
    reply->status = status;
    reply->content_type = "application/json";
    reply->whole = true;
}

void reply_error(struct reply *reply, unsigned status, const char *code,
                 const char *message)
{
    buffer_reset(&reply->body);
    buffer_append_text(&reply->body, "{\"code\":");
    json_append_string(&reply->body, bytes_from_text(code));
    buffer_append_text(&reply->body, ",\"message\":");
    json_append_string(&reply->body, bytes_from_text(message));
    buffer_append_text(&reply->body, "}\n");
    reply_json(reply, status);
}

void reply_fail(struct reply *reply, const struct err *err)
{
    bool for_all = reply->for_all;

    reply_reset(reply);
    if (for_all) reply_field(reply, "Access-Control-Allow-Origin", "*");
    switch (err->code) {
    case ERR_USAGE:
    case ERR_MALFORMED:
        reply_error(reply, 400, "bad_request", err->text);
        break;
    case ERR_NOT_FOUND:
        reply_error(reply, 404, "not_found", err->text);
        break;
    case ERR_MEMORY:
        reply_field(reply, "Retry-After", "1");
        reply_error(reply, 503, "unavailable", err->text);
        break;
    default:
        reply_error(reply, 500, "index_damaged", err->text);
        break;
    }
}
