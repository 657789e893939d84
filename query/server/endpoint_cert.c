// endpoint_cert.c - /v1/cert: an issuance by one of its certificates, or the
// certificate itself.

#include "index/base/text.h"
#include "query/server/route_parts.h"
#include "query/shape/native.h"
#include "query/shape/pem.h"

enum cert_shape { SHAPE_JSON, SHAPE_DER, SHAPE_PEM };

static bool ends_with(struct bytes text, const char *suffix)
{
    size_t len = strlen(suffix);

    return text.len >= len &&
           memcmp(text.data + text.len - len, suffix, len) == 0;
}

bool route_find_certificate(struct route *route, const struct sha256_hash *hash,
                            bool as_pem, struct buffer *out, struct err *err)
{
    struct snapshot *snapshot;
    struct arena arena = {0};
    enum pem_state state = PEM_ABSENT;
    struct bytes der;
    bool ok = route_snapshot(route, &snapshot, err) &&
              pem_find(snapshot, hash, &state, &der, &arena, err);

    if (ok && state == PEM_FOUND && as_pem) {
        text_append_pem(out, der);
    } else if (ok && state == PEM_FOUND) {
        buffer_append(out, der);
    } else if (ok && state == PEM_NOT_KEPT) {
        ok = err_set(err, ERR_UNSUPPORTED,
                     "the bytes of this certificate are not kept");
    } else if (ok) {
        ok = err_set(err, ERR_NOT_FOUND, "no such certificate is held");
    }
    arena_cleanup(&arena);
    return ok;
}

// Compares weakly (RFC 9110 section 13.1.2): W/ makes no difference.
static bool matches_tag(struct bytes fields, const char *tag)
{
    struct bytes name, value;

    while (http_field_next(&fields, &name, &value)) {
        if (!http_equal(name, "If-None-Match")) continue;
        while (value.len > 0) {
            struct bytes item = http_list_next(&value);

            if (bytes_starts_with(item, bytes_from_text("W/"))) {
                (void)bytes_skip(&item, 2);
            }
            if (bytes_equal_text(item, tag) || bytes_equal_text(item, "*")) {
                return true;
            }
        }
    }
    return false;
}

// Sets the fields by which a client may keep what it got, and 304 where it has
// it already.
static void set_caching(const struct request *request, enum cert_shape shape,
                        struct reply *reply)
{
    struct sha256_hash hash = sha256(buffer_bytes(&reply->body));
    struct buffer tag = {0};

    buffer_append_byte(&tag, '"');
    text_append_hex(&tag, bytes_of(hash.bytes, 16));
    buffer_append_text(&tag, "\"");
    buffer_append_byte(&tag, '\0');
    if (buffer_ok(&tag)) reply_field(reply, "ETag", (const char *)tag.data);
    reply_field(reply, "Cache-Control",
                shape == SHAPE_JSON ? "no-cache"
                                    : "max-age=31536000, immutable");
    reply->status = 200;
    reply->whole = true;
    if (buffer_ok(&tag) &&
        matches_tag(request->http->fields, (const char *)tag.data)) {
        buffer_reset(&reply->body);
        reply->status = 304;
    }
    buffer_cleanup(&tag);
}

static bool append_issuance(struct route *route, struct bytes hex,
                            struct reply *reply, struct arena *arena,
                            struct err *err)
{
    enum answer_step step = ANSWER_WORKING;
    const struct issuance *issuance;
    struct answer *answer = NULL;
    struct filters filters = {0};
    struct question question;
    struct snapshot *snapshot;
    struct buffer what = {0};
    bool ok;

    buffer_append_text(&what, "sha256:");
    buffer_append(&what, hex);
    ok = question_parse(&question, &filters, buffer_bytes(&what), "certificate",
                        arena, err) &&
         route_snapshot(route, &snapshot, err) &&
         answer_open(&answer, &question, snapshot, clock_wall_ms(), err);
    while (ok && step == ANSWER_WORKING) {
        ok = answer_next(answer, snapshot, &step, &issuance, err);
    }
    if (ok && step == ANSWER_ISSUANCE) {
        native_append_issuance(&reply->body, issuance, 0);
        buffer_append_byte(&reply->body, '\n');
    } else if (ok) {
        ok = err_set(err, ERR_NOT_FOUND, "no such certificate is held");
    }
    answer_close(answer);
    buffer_cleanup(&what);
    return ok;
}

bool endpoint_cert(struct route *route, const struct request *request,
                   struct reply *reply, struct err *err)
{
    static const char *const types[] = {
        [SHAPE_JSON] = "application/json",
        [SHAPE_DER] = "application/pkix-cert",
        [SHAPE_PEM] = "application/x-pem-file",
    };
    enum cert_shape shape = SHAPE_JSON;
    struct bytes hex = request->path;
    struct sha256_hash hash;
    struct arena arena = {0};
    bool ok;

    if (ends_with(hex, ".der")) shape = SHAPE_DER;
    if (ends_with(hex, ".pem")) shape = SHAPE_PEM;
    if (shape != SHAPE_JSON) hex.len -= 4;
    if (!text_parse_hex(hash.bytes, SHA256_LEN, hex)) {
        return err_set(err, ERR_USAGE,
                       "certificate: 64 hex digits of its SHA-256 are wanted");
    }
    ok = shape == SHAPE_JSON
             ? append_issuance(route, hex, reply, &arena, err)
             : route_find_certificate(route, &hash, shape == SHAPE_PEM,
                                      &reply->body, err);
    arena_cleanup(&arena);
    if (ok) {
        reply->content_type = types[shape];
        set_caching(request, shape, reply);
    } else if (err->code == ERR_UNSUPPORTED) {
        reply_error(reply, 404, "not_kept", err->text);
        return true;
    }
    return ok;
}
