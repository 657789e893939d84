// hash_tree.c - see hash_tree.h.

#include "tests/support/hash_tree.h"

#include <assert.h>
#include <stdlib.h>

struct sha256_hash hash_tree_leaf(struct bytes leaf)
{
    struct sha256_hash out;
    SHA256_CTX ctx;

    SHA256_Init(&ctx);
    SHA256_Update(&ctx, "\0", 1);
    SHA256_Update(&ctx, leaf.data, leaf.len);
    SHA256_Final(out.bytes, &ctx);
    return out;
}

static struct sha256_hash node_hash(const struct sha256_hash *left,
                                    const struct sha256_hash *right)
{
    uint8_t message[1 + 2 * SHA256_LEN] = {1};

    memcpy(message + 1, left->bytes, SHA256_LEN);
    memcpy(message + 1 + SHA256_LEN, right->bytes, SHA256_LEN);
    return sha256(bytes_of(message, sizeof message));
}

void hash_tree_init(struct hash_tree *tree, uint64_t size)
{
    *tree = (struct hash_tree){.size = size};
    for (unsigned level = 0; level < HASH_TREE_LEVELS && size >> level != 0;
         level++) {
        tree->levels[level] =
            calloc((size_t)(size >> level), sizeof *tree->levels[level]);
        if (tree->levels[level] == NULL) abort();
    }
}

void hash_tree_cleanup(struct hash_tree *tree)
{
    for (unsigned level = 0; level < HASH_TREE_LEVELS; level++) {
        free(tree->levels[level]);
    }
    *tree = (struct hash_tree){0};
}

static void compute(struct hash_tree *tree, unsigned level, uint64_t index)
{
    const struct sha256_hash *below = tree->levels[level - 1] + 2 * index;

    tree->levels[level][index] = node_hash(&below[0], &below[1]);
}

void hash_tree_build(struct hash_tree *tree)
{
    for (unsigned level = 1; tree->size >> level != 0; level++) {
        for (uint64_t i = 0; i < tree->size >> level; i++) {
            compute(tree, level, i);
        }
    }
}

void hash_tree_copy(struct hash_tree *to, const struct hash_tree *from)
{
    hash_tree_init(to, from->size);
    for (unsigned level = 0; from->size >> level != 0; level++) {
        memcpy(to->levels[level], from->levels[level],
               (size_t)(from->size >> level) * sizeof **from->levels);
    }
}

void hash_tree_set(struct hash_tree *tree, uint64_t index,
                   const struct sha256_hash *hash)
{
    assert(index < tree->size);
    tree->levels[0][index] = *hash;
    for (unsigned level = 1; index >> level < tree->size >> level; level++) {
        compute(tree, level, index >> level);
    }
}

// split is the largest power of two below `num`, which is at least 2.
static uint64_t split(uint64_t num)
{
    uint64_t power = 1;

    while (power * 2 < num) {
        power *= 2;
    }
    return power;
}

struct sha256_hash hash_tree_range(const struct hash_tree *tree, uint64_t from,
                                   uint64_t to)
{
    uint64_t num = to - from;
    struct sha256_hash left, right;

    assert(from <= to && to <= tree->size);
    if (num == 0) return sha256((struct bytes){0});
    if ((num & (num - 1)) == 0 && from % num == 0) {
        return tree->levels[__builtin_ctzll(num)][from / num];
    }
    left = hash_tree_range(tree, from, from + split(num));
    right = hash_tree_range(tree, from + split(num), to);
    return node_hash(&left, &right);
}

static size_t path(const struct hash_tree *tree, uint64_t index, uint64_t from,
                   uint64_t to, struct sha256_hash *out)
{
    uint64_t middle;
    size_t len;

    if (to - from <= 1) return 0;
    middle = from + split(to - from);
    if (index < middle) {
        len = path(tree, index, from, middle, out);
        out[len] = hash_tree_range(tree, middle, to);
    } else {
        len = path(tree, index, middle, to, out);
        out[len] = hash_tree_range(tree, from, middle);
    }
    return len + 1;
}

size_t hash_tree_path(const struct hash_tree *tree, uint64_t index,
                      uint64_t size, struct sha256_hash out[HASH_TREE_PATH_MAX])
{
    assert(index < size && size <= tree->size);
    return path(tree, index, 0, size, out);
}

static size_t subproof(const struct hash_tree *tree, uint64_t first,
                       uint64_t from, uint64_t to, bool known,
                       struct sha256_hash *out)
{
    uint64_t middle;
    size_t len;

    if (first == to) {
        if (known) return 0;
        *out = hash_tree_range(tree, from, to);
        return 1;
    }
    middle = from + split(to - from);
    if (first <= middle) {
        len = subproof(tree, first, from, middle, known, out);
        out[len] = hash_tree_range(tree, middle, to);
    } else {
        len = subproof(tree, first, middle, to, false, out);
        out[len] = hash_tree_range(tree, from, middle);
    }
    return len + 1;
}

size_t hash_tree_consistency(const struct hash_tree *tree, uint64_t first,
                             uint64_t size,
                             struct sha256_hash out[HASH_TREE_PATH_MAX])
{
    assert(first > 0 && first <= size && size <= tree->size);
    return subproof(tree, first, 0, size, true, out);
}
