// merkle.c - see merkle.h.
//
// Every proof here walks one path: from a node at some level, `at` among the
// nodes of that level, whose last is `last`, up to the root.  At each level
//
//   at odd              a sibling on the left
//   at even, at < last  a sibling on the right
//   at even, at = last  none: the node stands for its parent, too
//
// so that the sizes alone say how many siblings there are and on which side.

#include "index/entry/merkle.h"

#include <assert.h>

enum {
    NODE_LEN = 2 * SHA256_LEN, // of what a node is made of
    LEAVES_AT_ONCE = 256,      // a power of two
    LEVEL_AT_ONCE = LEAVES_AT_ONCE / 2,
};

// RFC 6962 section 2.1.
static const uint8_t leaf_prefix = 0x00, node_prefix = 0x01;

enum side { SIDE_NONE, SIDE_LEFT, SIDE_RIGHT };

struct walk {
    uint64_t at, last;
};

// Starts at the largest complete subtree that ends with leaf `end` - 1.
static unsigned walk_start(struct walk *walk, uint64_t end, uint64_t size)
{
    unsigned level = (unsigned)__builtin_ctzll(end);

    walk->at = (end - 1) >> level;
    walk->last = (size - 1) >> level;
    return level;
}

// Says which sibling the node has, and goes up; false at the root.
static bool walk_up(struct walk *walk, enum side *side)
{
    if (walk->last == 0) return false;
    *side = (walk->at & 1) != 0       ? SIDE_LEFT
            : (walk->at < walk->last) ? SIDE_RIGHT
                                      : SIDE_NONE;
    walk->at >>= 1;
    walk->last >>= 1;
    return true;
}

static size_t num_frontier_nodes(uint64_t size)
{
    return (size_t)__builtin_popcountll(size);
}

static bool is_power_of_two(uint64_t size)
{
    return (size & (size - 1)) == 0;
}

void merkle_leaf_pieces(struct bytes pieces[MERKLE_LEAF_PIECES],
                        struct bytes leaf)
{
    pieces[0] = bytes_of(&leaf_prefix, 1);
    pieces[1] = leaf;
}

struct sha256_hash merkle_leaf_hash(struct bytes leaf)
{
    struct bytes pieces[MERKLE_LEAF_PIECES];
    struct sha256_hash out;

    merkle_leaf_pieces(pieces, leaf);
    sha256_many(&(struct sha256_message){pieces, MERKLE_LEAF_PIECES, &out}, 1);
    return out;
}

struct sha256_hash merkle_node_hash(const struct sha256_hash *left,
                                    const struct sha256_hash *right)
{
    uint8_t node[1 + NODE_LEN];

    node[0] = node_prefix;
    memcpy(node + 1, left->bytes, SHA256_LEN);
    memcpy(node + 1 + SHA256_LEN, right->bytes, SHA256_LEN);
    return sha256(bytes_of(node, sizeof node));
}

// The parents of `num` pairs, which stand one behind the other.
static void hash_pairs(const struct sha256_hash *pairs, size_t num,
                       struct sha256_hash *parents)
{
    struct sha256_message messages[LEVEL_AT_ONCE];
    struct bytes pieces[LEVEL_AT_ONCE][2];

    for (size_t i = 0; i < num; i++) {
        pieces[i][0] = bytes_of(&node_prefix, 1);
        pieces[i][1] = bytes_of(pairs[2 * i].bytes, NODE_LEN);
        messages[i] = (struct sha256_message){pieces[i], 2, &parents[i]};
    }
    sha256_many(messages, num);
}

void merkle_append(struct merkle_frontier *frontier,
                   const struct sha256_hash *leaf)
{
    bool fits = merkle_append_subtree(frontier, leaf, 0);

    assert(fits); // 2^64 leaves
    (void)fits;
}

bool merkle_append_subtree(struct merkle_frontier *frontier,
                           const struct sha256_hash *root, unsigned level)
{
    size_t num_nodes = num_frontier_nodes(frontier->size);
    struct sha256_hash node = *root;
    uint64_t leaves, higher;

    if (level >= MERKLE_DEPTH_MAX) return false;
    leaves = UINT64_C(1) << level;
    if ((frontier->size & (leaves - 1)) != 0) return false;
    if (frontier->size > UINT64_MAX - leaves) return false;
    // Each bit set from here on is a complete subtree as large as `node`.
    for (higher = frontier->size >> level; (higher & 1) != 0; higher >>= 1) {
        node = merkle_node_hash(&frontier->nodes[--num_nodes], &node);
    }
    frontier->nodes[num_nodes] = node;
    frontier->size += leaves;
    return true;
}

// Folds 2^level leaves.
static struct sha256_hash complete_root(const struct sha256_hash *leaves,
                                        unsigned level)
{
    struct sha256_hash rows[2][LEVEL_AT_ONCE];
    const struct sha256_hash *below = leaves;

    for (size_t row = 0; level > 0; row ^= 1) {
        level--;
        hash_pairs(below, (size_t)1 << level, rows[row]);
        below = rows[row];
    }
    return below[0];
}

void merkle_append_many(struct merkle_frontier *frontier,
                        const struct sha256_hash *leaves, size_t num)
{
    while (num > 0) {
        uint64_t aligned = frontier->size | LEAVES_AT_ONCE;
        unsigned level = (unsigned)__builtin_ctzll(aligned);
        struct sha256_hash root;
        bool fits;

        while ((size_t)1 << level > num) {
            level--;
        }
        root = complete_root(leaves, level);
        fits = merkle_append_subtree(frontier, &root, level);
        assert(fits); // 2^64 leaves
        (void)fits;
        leaves += (size_t)1 << level;
        num -= (size_t)1 << level;
    }
}

struct sha256_hash merkle_root(const struct merkle_frontier *frontier)
{
    size_t num_nodes = num_frontier_nodes(frontier->size);
    struct sha256_hash root;

    if (num_nodes == 0) return sha256(bytes_of(NULL, 0));
    root = frontier->nodes[--num_nodes];
    while (num_nodes > 0) {
        root = merkle_node_hash(&frontier->nodes[--num_nodes], &root);
    }
    return root;
}

bool merkle_span_root(const struct merkle_frontier *frontier,
                      const struct merkle_proof *right, uint64_t size,
                      struct sha256_hash *root)
{
    size_t num_left = num_frontier_nodes(frontier->size), num_right = 0;
    struct sha256_hash node;
    struct walk walk;
    enum side side;

    if (frontier->size == 0 || frontier->size > size) return false;
    (void)walk_start(&walk, frontier->size, size);
    node = frontier->nodes[--num_left];
    while (walk_up(&walk, &side)) {
        if (side == SIDE_LEFT) {
            node = merkle_node_hash(&frontier->nodes[--num_left], &node);
        } else if (side == SIDE_RIGHT) {
            if (num_right == right->num_nodes) return false;
            node = merkle_node_hash(&node, &right->nodes[num_right++]);
        }
    }
    *root = node;
    return num_right == right->num_nodes;
}

// Sorts a proof's nodes from `num_used` on by side, from the bottom up; false
// unless there are exactly as many as the walk needs.
static bool sort_by_side(struct walk walk, const struct merkle_proof *proof,
                         size_t num_used, struct merkle_proof *left,
                         struct merkle_proof *right)
{
    enum side side;

    if (proof->num_nodes > MERKLE_PROOF_MAX) return false;
    while (walk_up(&walk, &side)) {
        struct merkle_proof *to = side == SIDE_LEFT ? left : right;

        if (side == SIDE_NONE) continue;
        if (num_used >= proof->num_nodes) return false;
        to->nodes[to->num_nodes++] = proof->nodes[num_used++];
    }
    return num_used == proof->num_nodes;
}

// A frontier has its largest subtree first, a path its smallest.
static void frontier_from_path(struct merkle_frontier *out, uint64_t size,
                               const struct merkle_proof *path)
{
    out->size = size;
    for (size_t i = 0; i < path->num_nodes; i++) {
        out->nodes[i] = path->nodes[path->num_nodes - 1 - i];
    }
}

bool merkle_consistency_split(const struct merkle_proof *consistency,
                              uint64_t first, uint64_t second,
                              const struct sha256_hash *first_root,
                              struct merkle_frontier *left,
                              struct merkle_proof *right)
{
    struct merkle_proof lefts = {0}, rights = {0};
    size_t num_used = 0;
    struct walk walk;

    if (first == 0 || second <= first) return false;
    // The proof begins with the node that the walk begins with, unless that
    // is the whole of the first tree, which the verifier knows.
    lefts.nodes[lefts.num_nodes++] = *first_root;
    if (!is_power_of_two(first)) {
        if (consistency->num_nodes == 0) return false;
        lefts.nodes[0] = consistency->nodes[num_used++];
    }
    (void)walk_start(&walk, first, second);
    if (!sort_by_side(walk, consistency, num_used, &lefts, &rights)) {
        return false;
    }
    frontier_from_path(left, first, &lefts);
    *right = rights;
    return true;
}

bool merkle_audit_split(const struct merkle_proof *path, uint64_t index,
                        uint64_t size, unsigned level,
                        struct merkle_frontier *left,
                        struct merkle_proof *right)
{
    struct merkle_proof lefts = {0}, rights = {0};
    uint64_t first, leaves;
    struct walk walk;

    if (index >= size || level >= MERKLE_DEPTH_MAX) return false;
    leaves = UINT64_C(1) << level;
    first = index & ~(leaves - 1);
    if (size - first < leaves) return false; // not complete
    walk = (struct walk){index >> level, (size - 1) >> level};
    if (!sort_by_side(walk, path, level, &lefts, &rights)) return false;
    frontier_from_path(left, first, &lefts);
    *right = rights;
    return true;
}

bool merkle_inclusion_root(const struct sha256_hash *leaf, uint64_t index,
                           uint64_t size, const struct merkle_proof *path,
                           struct sha256_hash *root)
{
    struct merkle_frontier frontier;
    struct merkle_proof right;

    if (!merkle_audit_split(path, index, size, 0, &frontier, &right)) {
        return false;
    }
    merkle_append(&frontier, leaf);
    return merkle_span_root(&frontier, &right, size, root);
}
