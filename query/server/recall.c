// recall.c - see recall.h.

#include "query/server/recall.h"

#include <stdlib.h>

#include "index/base/checksum.h"

struct slot {
    uint64_t moment; // 0: empty
    uint64_t hash;
    unsigned label;
    size_t request_len;
    struct buffer bytes; // the request, then its answer
};

struct recall {
    struct slot slots[RECALL_SLOTS];
    uint64_t seen[RECALL_SEEN]; // hash and moment of what was asked last
};

bool recall_new(struct recall **out, struct err *err)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL || err_set(err, ERR_MEMORY, "no memory");
}

void recall_free(struct recall *recall)
{
    if (recall == NULL) return;
    for (size_t i = 0; i < RECALL_SLOTS; i++) {
        buffer_cleanup(&recall->slots[i].bytes);
    }
    free(recall);
}

static struct slot *slot_of(struct recall *recall, uint64_t hash)
{
    return &recall->slots[hash % RECALL_SLOTS];
}

// Whether the request was seen in this moment; it is from now on.
static bool see(struct recall *recall, const struct recall_ticket *ticket)
{
    uint64_t mark = ticket->hash ^ ticket->moment;
    uint64_t *seen = &recall->seen[ticket->hash % RECALL_SEEN];
    bool again = *seen == mark;

    *seen = mark;
    return again;
}

bool recall_find(struct recall *recall, uint64_t moment, struct bytes request,
                 struct buffer *out, unsigned *label,
                 struct recall_ticket *ticket)
{
    const struct slot *slot;

    *ticket = (struct recall_ticket){0};
    if (request.len > RECALL_REQUEST_MAX) return false;
    ticket->moment = moment;
    ticket->hash = checksum(bytes_of(NULL, 0), request);
    slot = slot_of(recall, ticket->hash);
    if (slot->moment == moment && slot->hash == ticket->hash &&
        bytes_equal(bytes_of(slot->bytes.data, slot->request_len), request)) {
        buffer_append(out, bytes_of(slot->bytes.data + slot->request_len,
                                    slot->bytes.len - slot->request_len));
        *label = slot->label;
        return true;
    }
    ticket->again = see(recall, ticket);
    return false;
}

void recall_keep(struct recall *recall, const struct recall_ticket *ticket,
                 struct bytes request, struct bytes answer, unsigned label)
{
    struct slot *slot = slot_of(recall, ticket->hash);

    if (!ticket->again || answer.len > RECALL_ANSWER_MAX) return;
    slot->moment = 0;
    buffer_reset(&slot->bytes);
    buffer_append(&slot->bytes, request);
    buffer_append(&slot->bytes, answer);
    if (!buffer_ok(&slot->bytes)) return;
    slot->moment = ticket->moment;
    slot->hash = ticket->hash;
    slot->request_len = request.len;
    slot->label = label;
}
