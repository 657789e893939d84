// memo.c - see memo.h.

#include "index/base/memo.h"

#include <stdlib.h>

#include "index/base/checksum.h"

struct memo_item {
    size_t key_len, value_len;
    uint8_t kind;
    uint8_t data[]; // key, value
};

static size_t slot_of(uint8_t kind, struct bytes key)
{
    return checksum(bytes_of(&kind, 1), key) & (MEMO_SLOTS - 1);
}

static size_t size_of(const struct memo_item *item)
{
    return sizeof *item + item->key_len + item->value_len;
}

bool memo_find(const struct memo *memo, uint8_t kind, struct bytes key,
               struct bytes *value)
{
    const struct memo_item *item = memo->slots[slot_of(kind, key)];

    if (item == NULL || item->kind != kind ||
        !bytes_equal(bytes_of(item->data, item->key_len), key)) {
        return false;
    }
    *value = bytes_of(item->data + item->key_len, item->value_len);
    return true;
}

static void drop(struct memo *memo, size_t slot)
{
    if (memo->slots[slot] == NULL) return;
    memo->bytes -= size_of(memo->slots[slot]);
    free(memo->slots[slot]);
    memo->slots[slot] = NULL;
}

void memo_keep(struct memo *memo, uint8_t kind, struct bytes key,
               struct bytes value)
{
    size_t slot = slot_of(kind, key);
    struct memo_item *item;

    if (key.len > MEMO_ITEM_MAX || value.len > MEMO_ITEM_MAX - key.len) return;
    drop(memo, slot);
    if (memo->bytes + sizeof *item + key.len + value.len > MEMO_BYTES_MAX) {
        memo_cleanup(memo);
    }
    item = malloc(sizeof *item + key.len + value.len);
    if (item == NULL) return;
    *item = (struct memo_item){
        .key_len = key.len, .value_len = value.len, .kind = kind};
    if (key.len > 0) memcpy(item->data, key.data, key.len);
    if (value.len > 0) memcpy(item->data + key.len, value.data, value.len);
    memo->slots[slot] = item;
    memo->bytes += size_of(item);
}

void memo_cleanup(struct memo *memo)
{
    for (size_t i = 0; i < MEMO_SLOTS; i++) {
        drop(memo, i);
    }
}
