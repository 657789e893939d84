// reply.c - see reply.h.

#include "query/server/reply.h"

#include "index/base/json.h"

void reply_reset(struct reply *reply)
{
    if (reply->drop != NULL) reply->drop(reply);
    buffer_reset(&reply->fields);
    buffer_reset(&reply->body);
    *reply = (struct reply){.fields = reply->fields, .body = reply->body};
}

void reply_cleanup(struct reply *reply)
{
    reply_reset(reply);
    buffer_cleanup(&reply->fields);
    buffer_cleanup(&reply->body);
}

void reply_field(struct reply *reply, const char *name, const char *value)
{
    buffer_printf(&reply->fields, "%s: %s\r\n", name, value);
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
