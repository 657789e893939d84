// plain_tree.c - see plain_tree.h.

#include "tests/support/plain_tree.h"

#include "tests/support/check.h"

struct sha256_hash plain_leaf(struct bytes leaf)
{
    struct buffer message = {0};
    struct sha256_hash hash;

    buffer_append_byte(&message, 0);
    buffer_append(&message, leaf);
    hash = sha256(buffer_bytes(&message));
    buffer_cleanup(&message);
    return hash;
}

struct sha256_hash plain_node(const struct sha256_hash *left,
                              const struct sha256_hash *right)
{
    struct buffer message = {0};
    struct sha256_hash hash;

    buffer_append_byte(&message, 1);
    buffer_append(&message, sha256_bytes(left));
    buffer_append(&message, sha256_bytes(right));
    hash = sha256(buffer_bytes(&message));
    buffer_cleanup(&message);
    return hash;
}

struct sha256_hash plain_root(const struct sha256_hash *leaves, size_t num)
{
    struct sha256_hash left, right;
    size_t k = 1;

    if (num == 0) return sha256((struct bytes){0});
    if (num == 1) return leaves[0];
    while (k * 2 < num) {
        k *= 2;
    }
    left = plain_root(leaves, k);
    right = plain_root(leaves + k, num - k);
    return plain_node(&left, &right);
}

struct sha256_hash *plain_leaves(struct testlog *log, uint64_t num)
{
    struct sha256_hash *leaves = calloc((size_t)num + 1, sizeof *leaves);
    struct buffer memory = {0};
    struct testlog_entry entry;

    for (uint64_t i = 0; i < num; i++) {
        assert_true(testlog_entry(log, i, &entry, &memory));
        leaves[i] = plain_leaf(entry.leaf);
    }
    buffer_cleanup(&memory);
    return leaves;
}

bool plain_included(struct sha256_hash hash, uint64_t index, uint64_t size,
                    const struct sha256_hash *path, size_t num,
                    const struct sha256_hash *root)
{
    uint64_t fn = index, sn = size - 1;

    if (index >= size) return false;
    for (size_t i = 0; i < num; i++) {
        if (sn == 0) return false;
        if (fn % 2 == 1 || fn == sn) {
            hash = plain_node(&path[i], &hash);
            while (fn % 2 == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            hash = plain_node(&hash, &path[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && sha256_equal(&hash, root);
}

bool plain_consistent(uint64_t first, uint64_t second,
                      const struct sha256_hash *root1,
                      const struct sha256_hash *root2,
                      const struct sha256_hash *path, size_t num)
{
    struct sha256_hash whole[66], fr, sr;
    uint64_t fn = first - 1, sn = second - 1;

    if (first == second) return num == 0 && sha256_equal(root1, root2);
    if (num == 0) return false;
    if ((first & (first - 1)) == 0) {
        whole[0] = *root1;
        memcpy(whole + 1, path, num * sizeof *path);
        num++;
    } else {
        memcpy(whole, path, num * sizeof *path);
    }
    while (fn % 2 == 1) {
        fn >>= 1;
        sn >>= 1;
    }
    fr = sr = whole[0];
    for (size_t i = 1; i < num; i++) {
        if (sn == 0) return false;
        if (fn % 2 == 1 || fn == sn) {
            fr = plain_node(&whole[i], &fr);
            sr = plain_node(&whole[i], &sr);
            while (fn % 2 == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            sr = plain_node(&sr, &whole[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && sha256_equal(&fr, root1) && sha256_equal(&sr, root2);
}
