// addresses.c - see addresses.h.

#include "ingest/fetch/addresses.h"

static bool is_same(const struct resolve_address *a,
                    const struct resolve_address *b)
{
    return a->len == b->len && memcmp(&a->address, &b->address, a->len) == 0;
}

void addresses_set(struct addresses *addresses,
                   const struct resolve_addresses *found)
{
    struct addresses next = {.found = *found};

    for (size_t i = 0; i < found->num; i++) {
        for (size_t k = 0; k < addresses->found.num; k++) {
            if (!is_same(&found->list[i], &addresses->found.list[k])) continue;
            next.dead_until_ms[i] = addresses->dead_until_ms[k];
            next.num_failures[i] = addresses->num_failures[k];
            if (k == addresses->last_good) next.last_good = i;
        }
    }
    *addresses = next;
}

// Appends those of `from` that are dead, or those that are not, the families
// by turn: first that of the first one.
static size_t append_by_turn(const struct addresses *addresses,
                             const size_t *from, size_t num, bool dead,
                             uint64_t now_ms, size_t *order, size_t num_order)
{
    size_t start = num_order;
    bool taken[RESOLVE_ADDRESSES_MAX] = {false};
    sa_family_t last = AF_UNSPEC;

    for (;;) {
        size_t best = num;

        for (size_t i = 0; i < num; i++) {
            size_t index = from[i];

            if (taken[i] || (addresses->dead_until_ms[index] > now_ms) != dead)
                continue;
            if (best == num) best = i;
            if (num_order == start ||
                addresses->found.list[index].address.ss_family != last) {
                best = i;
                break;
            }
        }
        if (best == num) return num_order;
        taken[best] = true;
        last = addresses->found.list[from[best]].address.ss_family;
        order[num_order++] = from[best];
    }
}

size_t addresses_order(const struct addresses *addresses, uint64_t now_ms,
                       size_t order[RESOLVE_ADDRESSES_MAX])
{
    size_t all[RESOLVE_ADDRESSES_MAX], num = addresses->found.num, at = 0;
    size_t num_order;

    if (num == 0) return 0;
    all[at++] = addresses->last_good;
    for (size_t i = 0; i < num; i++) {
        if (i != addresses->last_good) all[at++] = i;
    }
    num_order = append_by_turn(addresses, all, num, false, now_ms, order, 0);
    return append_by_turn(addresses, all, num, true, now_ms, order, num_order);
}

static size_t find(const struct addresses *addresses,
                   const struct resolve_address *one)
{
    size_t i = 0;

    while (i < addresses->found.num &&
           !is_same(&addresses->found.list[i], one)) {
        i++;
    }
    return i;
}

void addresses_connected(struct addresses *addresses,
                         const struct resolve_address *one)
{
    size_t index = find(addresses, one);

    if (index == addresses->found.num) return;
    addresses->last_good = index;
    addresses->dead_until_ms[index] = 0;
    addresses->num_failures[index] = 0;
}

void addresses_failed(struct addresses *addresses,
                      const struct resolve_address *one, uint64_t now_ms)
{
    size_t index = find(addresses, one);
    uint64_t dead_ms = ADDRESSES_DEAD_FIRST_MS;

    if (index == addresses->found.num) return;
    for (unsigned i = 0;
         i < addresses->num_failures[index] && dead_ms < ADDRESSES_DEAD_MAX_MS;
         i++) {
        dead_ms *= 2;
    }
    if (dead_ms > ADDRESSES_DEAD_MAX_MS) dead_ms = ADDRESSES_DEAD_MAX_MS;
    addresses->num_failures[index]++;
    addresses->dead_until_ms[index] = now_ms + dead_ms;
}
