// chunk.c - see chunk.h.

#include "ingest/verify/chunk.h"

#include <assert.h>
#include <stdlib.h>

uint64_t chunk_end(uint64_t first, uint64_t width, uint64_t end,
                   const uint64_t *cuts, size_t num_cuts)
{
    uint64_t next = (first | (width - 1)) + 1;

    if (next == 0 || next > end) next = end;
    for (size_t i = 0; i < num_cuts; i++) {
        if (cuts[i] > first && cuts[i] < next) next = cuts[i];
    }
    return next;
}

// The root of the ragged end of the tree, from leaf `first` on: the frontier's
// last nodes, folded from the right.
static bool tail_root(const struct merkle_frontier *whole, uint64_t first,
                      struct sha256_hash *out)
{
    size_t at = (size_t)__builtin_popcountll(whole->size);
    uint64_t start = whole->size;

    if (at == 0) return false;
    *out = whole->nodes[--at];
    start &= start - 1;
    while (start > first) {
        if (at == 0) return false;
        *out = merkle_node_hash(&whole->nodes[--at], out);
        start &= start - 1;
    }
    return start == first;
}

// The node right of `at`: complete, or what there is of it.
static bool right_node(unsigned level, uint64_t at,
                       const struct merkle_frontier *whole, span_node *node,
                       void *context, struct sha256_hash *out)
{
    uint64_t leaves = UINT64_C(1) << level;

    if (whole->size >> level > at + 1) {
        return node(context, level, at + 1, out);
    }
    return tail_root(whole, (at + 1) * leaves, out);
}

bool span_path(uint64_t position, const struct merkle_frontier *whole,
               span_node *node, void *context, struct merkle_frontier *left,
               struct merkle_proof *right)
{
    unsigned level = (unsigned)__builtin_ctzll(position);
    uint64_t at = (position - 1) >> level, last = (whole->size - 1) >> level;
    size_t num_left = (size_t)__builtin_popcountll(position);

    assert(position > 0 && position <= whole->size);
    right->num_nodes = 0;
    if (left != NULL) {
        left->size = position;
        if (!node(context, level, at, &left->nodes[--num_left])) return false;
    }
    for (; last > 0; level++, at >>= 1, last >>= 1) {
        if ((at & 1) == 0) {
            if (at == last) continue;
            if (!right_node(level, at, whole, node, context,
                            &right->nodes[right->num_nodes])) {
                return false;
            }
            right->num_nodes++;
        } else if (left != NULL &&
                   !node(context, level, at - 1, &left->nodes[--num_left])) {
            return false;
        }
    }
    return true;
}

void subtrees_init(struct subtrees *trees, unsigned level, uint64_t first)
{
    *trees = (struct subtrees){.level = level, .first = first >> level};
    for (unsigned i = 0; i < MERKLE_DEPTH_MAX; i++) {
        uint64_t below = i == 0 ? trees->first : trees->rows[i - 1].first;

        trees->rows[i].first = i == 0 ? below : (below + 1) / 2;
    }
}

static bool row_append(struct subtrees *trees, unsigned row,
                       const struct sha256_hash *root)
{
    if (trees->rows[row].num == trees->rows[row].size) {
        size_t size =
            trees->rows[row].size == 0 ? 16 : trees->rows[row].size * 2;
        struct sha256_hash *nodes =
            realloc(trees->rows[row].nodes, size * sizeof *nodes);

        if (nodes == NULL) return false;
        trees->rows[row].nodes = nodes;
        trees->rows[row].size = size;
    }
    trees->rows[row].nodes[trees->rows[row].num++] = *root;
    return true;
}

bool subtrees_append(struct subtrees *trees, const struct sha256_hash *root)
{
    struct sha256_hash node = *root;

    for (unsigned row = 0; row < MERKLE_DEPTH_MAX; row++) {
        size_t num;
        uint64_t at;

        if (!row_append(trees, row, &node)) return false;
        num = trees->rows[row].num;
        at = trees->rows[row].first + num - 1;
        // A right child whose left neighbour is held makes a parent.
        if ((at & 1) == 0 || num < 2) return true;
        node = merkle_node_hash(&trees->rows[row].nodes[num - 2],
                                &trees->rows[row].nodes[num - 1]);
    }
    return true;
}

bool subtrees_node(void *context, unsigned level, uint64_t at,
                   struct sha256_hash *out)
{
    const struct subtrees *trees = context;
    unsigned row = level - trees->level;

    if (level < trees->level || row >= MERKLE_DEPTH_MAX) return false;
    if (at < trees->rows[row].first) return false;
    at -= trees->rows[row].first;
    if (at >= trees->rows[row].num) return false;
    *out = trees->rows[row].nodes[at];
    return true;
}

void subtrees_cleanup(struct subtrees *trees)
{
    for (unsigned row = 0; row < MERKLE_DEPTH_MAX; row++) {
        free(trees->rows[row].nodes);
    }
    *trees = (struct subtrees){0};
}

bool bisect_next(const struct bisect *bisect, uint64_t *position)
{
    if (bisect->bad - bisect->good <= 1) return false;
    *position = bisect->good + (bisect->bad - bisect->good) / 2;
    return true;
}
