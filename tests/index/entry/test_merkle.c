// test_merkle.c - the tree of RFC 6962 against its definition and vectors.

#include "tests/support/check.h"

#include <dirent.h>

#include "index/base/json.h"
#include "index/base/text.h"
#include "index/entry/merkle.h"

enum { LEAVES = 300, SMALL = 34 };

static struct sha256_hash leaves[LEAVES];

// The definitions of RFC 6962 section 2.1, word for word: no frontier, no walk.

static struct sha256_hash naive_node(struct sha256_hash l, struct sha256_hash r)
{
    uint8_t both[65] = {1};

    memcpy(both + 1, l.bytes, 32);
    memcpy(both + 33, r.bytes, 32);
    return sha256(bytes_of(both, sizeof both));
}

static uint64_t naive_split(uint64_t n)
{
    uint64_t k = 1;

    while (k * 2 < n) {
        k *= 2;
    }
    return k;
}

static struct sha256_hash naive_root(const struct sha256_hash *d, uint64_t n)
{
    uint64_t k = naive_split(n);

    if (n == 0) return sha256(bytes_of("", 0));
    if (n == 1) return d[0];
    return naive_node(naive_root(d, k), naive_root(d + k, n - k));
}

// The right-hand siblings of a consistency proof.
static bool consistency_right(const struct merkle_proof *proof, uint64_t first,
                              uint64_t second, struct merkle_proof *right)
{
    static const struct sha256_hash not_needed;
    struct merkle_frontier left;

    return merkle_consistency_split(proof, first, second, &not_needed, &left,
                                    right);
}

static void naive_path(struct merkle_proof *out, uint64_t m,
                       const struct sha256_hash *d, uint64_t n)
{
    uint64_t k = naive_split(n);

    if (n == 1) return;
    if (m < k) {
        naive_path(out, m, d, k);
        out->nodes[out->num_nodes++] = naive_root(d + k, n - k);
    } else {
        naive_path(out, m - k, d + k, n - k);
        out->nodes[out->num_nodes++] = naive_root(d, k);
    }
}

static void naive_subproof(struct merkle_proof *out, uint64_t m,
                           const struct sha256_hash *d, uint64_t n, bool whole)
{
    uint64_t k = naive_split(n);

    if (m == n) {
        if (!whole) out->nodes[out->num_nodes++] = naive_root(d, n);
    } else if (m <= k) {
        naive_subproof(out, m, d, k, whole);
        out->nodes[out->num_nodes++] = naive_root(d + k, n - k);
    } else {
        naive_subproof(out, m - k, d + k, n - k, false);
        out->nodes[out->num_nodes++] = naive_root(d, k);
    }
}

static bool same(struct sha256_hash a, struct sha256_hash b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static int fill_leaves(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEAVES; i++) {
        uint8_t name[8];

        bytes_put_uint(name, i, sizeof name);
        leaves[i] = merkle_leaf_hash(bytes_of(name, sizeof name));
    }
    return 0;
}

static struct merkle_frontier frontier_of(uint64_t size)
{
    struct merkle_frontier frontier = {0};

    for (uint64_t i = 0; i < size; i++) {
        merkle_append(&frontier, &leaves[i]);
    }
    return frontier;
}

static void gives_the_reference_roots(void **state)
{
    // CT-PROTOCOLS section 2; the leaves are those of RFC 6962's reference.
    static const char *const data[] = {"",
                                       "00",
                                       "10",
                                       "2021",
                                       "3031",
                                       "40414243",
                                       "5051525354555657",
                                       "606162636465666768696a6b6c6d6e6f"};
    static const struct {
        uint64_t size;
        const char *root;
    } roots[] = {
        {0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
        {2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
        {3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
        {4, "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
        {7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
        {8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(roots); i++) {
        struct merkle_frontier frontier = {0};
        struct bytes want = from_hex(roots[i].root);
        struct sha256_hash root;

        for (uint64_t j = 0; j < roots[i].size; j++) {
            struct bytes leaf = from_hex(data[j]);
            struct sha256_hash hash = merkle_leaf_hash(leaf);

            merkle_append(&frontier, &hash);
            free((void *)leaf.data);
        }
        root = merkle_root(&frontier);
        test_case = roots[i].root;
        CHECK(frontier.size == roots[i].size);
        CHECK(bytes_equal(sha256_bytes(&root), want));
        free((void *)want.data);
    }
}

static void every_root_is_the_defined_one(void **state)
{
    (void)state;
    for (uint64_t n = 0; n <= LEAVES; n++) {
        struct merkle_frontier frontier = frontier_of(n);

        assert_true(same(merkle_root(&frontier), naive_root(leaves, n)));
    }
}

// From every size, a number of leaves at once is what one by one makes.
static void many_appended_are_each_appended(void **state)
{
    (void)state;
    for (uint64_t first = 0; first <= LEAVES; first++) {
        for (uint64_t end = first; end <= LEAVES;
             end += 1 + (end - first) / 7) {
            struct merkle_frontier many = frontier_of(first);
            struct merkle_frontier each = frontier_of(end);

            merkle_append_many(&many, leaves + first, (size_t)(end - first));
            assert_true(many.size == end);
            for (int i = 0; i < __builtin_popcountll(end); i++) {
                assert_true(same(many.nodes[i], each.nodes[i]));
            }
        }
    }
}

// More than are taken at once.
static void appends_a_whole_chunk(void **state)
{
    static struct sha256_hash chunk[4096];
    struct merkle_frontier many = frontier_of(3), each = frontier_of(3);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(chunk); i++) {
        chunk[i] = merkle_node_hash(&leaves[i % LEAVES], &leaves[i / LEAVES]);
        merkle_append(&each, &chunk[i]);
    }
    merkle_append_many(&many, chunk, COUNT_OF(chunk));
    assert_true(many.size == each.size);
    assert_true(same(merkle_root(&many), merkle_root(&each)));
}

static void subtrees_append_where_they_fit(void **state)
{
    (void)state;
    for (uint64_t first = 0; first <= 130; first++) {
        for (unsigned level = 0; level < 8; level++) {
            struct merkle_frontier frontier = frontier_of(first);
            struct merkle_frontier before = frontier;
            uint64_t num = UINT64_C(1) << level;
            struct sha256_hash root = naive_root(leaves + first, num);
            bool fits = merkle_append_subtree(&frontier, &root, level);

            assert_int_equal(fits, first % num == 0);
            if (fits) {
                assert_int_equal(frontier.size, first + num);
                assert_true(same(merkle_root(&frontier),
                                 naive_root(leaves, first + num)));
            } else {
                assert_memory_equal(&frontier, &before, sizeof before);
            }
        }
    }
}

static void subtrees_stop_at_two_to_the_64(void **state)
{
    struct merkle_frontier frontier = {0};

    (void)state;
    assert_false(merkle_append_subtree(&frontier, &leaves[0], 64));
    assert_false(merkle_append_subtree(&frontier, &leaves[0], 4000));
    for (unsigned level = 64; level-- > 0;) {
        assert_true(merkle_append_subtree(&frontier, &leaves[level], level));
    }
    assert_true(frontier.size == UINT64_MAX);
    assert_false(merkle_append_subtree(&frontier, &leaves[0], 0));
}

// ---------------------------------------------------------------- proofs

static bool inclusion_holds(uint64_t m, uint64_t n,
                            const struct sha256_hash *leaf,
                            const struct merkle_proof *path,
                            const struct sha256_hash *root)
{
    struct sha256_hash found;

    return merkle_inclusion_root(leaf, m, n, path, &found) &&
           same(found, *root);
}

static void every_inclusion_holds_and_no_other(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= SMALL; n++) {
        struct sha256_hash root = naive_root(leaves, n);

        for (uint64_t m = 0; m < n; m++) {
            struct merkle_proof path = {0}, longer, shorter;

            naive_path(&path, m, leaves, n);
            assert_true(inclusion_holds(m, n, &leaves[m], &path, &root));
            for (uint64_t other = 0; other < n + 2; other++) {
                if (other == m) continue;
                assert_false(
                    inclusion_holds(other, n, &leaves[m], &path, &root));
            }
            longer = shorter = path;
            longer.num_nodes++;
            longer.nodes[path.num_nodes] = root;
            assert_false(inclusion_holds(m, n, &leaves[m], &longer, &root));
            if (path.num_nodes == 0) continue;
            shorter.num_nodes--;
            assert_false(inclusion_holds(m, n, &leaves[m], &shorter, &root));
        }
    }
}

// RFC 9162 section 2.1.4.2.
static bool consistency_holds(uint64_t first, uint64_t second,
                              const struct merkle_proof *proof,
                              const struct sha256_hash *first_root,
                              const struct sha256_hash *second_root)
{
    struct merkle_frontier left;
    struct merkle_proof right;
    struct sha256_hash root;

    if (first == second) {
        return proof->num_nodes == 0 && sha256_equal(first_root, second_root);
    }
    if (!merkle_consistency_split(proof, first, second, first_root, &left,
                                  &right)) {
        return false;
    }
    root = merkle_root(&left);
    if (!sha256_equal(&root, first_root)) return false;
    return merkle_span_root(&left, &right, second, &root) &&
           sha256_equal(&root, second_root);
}

static void every_consistency_holds_and_no_other(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= SMALL; n++) {
        struct sha256_hash second = naive_root(leaves, n);

        for (uint64_t m = 1; m <= n; m++) {
            struct sha256_hash first = naive_root(leaves, m);
            struct merkle_proof proof = {0};

            naive_subproof(&proof, m, leaves, n, true);
            assert_true(consistency_holds(m, n, &proof, &first, &second));
            assert_false(m != n &&
                         consistency_holds(m, n, &proof, &second, &first));
            first.bytes[31] ^= 1;
            assert_false(consistency_holds(m, n, &proof, &first, &second));
            first.bytes[31] ^= 1;
            proof.nodes[proof.num_nodes++] = second;
            assert_false(consistency_holds(m, n, &proof, &first, &second));
            proof.num_nodes--;
            if (proof.num_nodes > 0) {
                proof.num_nodes--;
                assert_false(consistency_holds(m, n, &proof, &first, &second));
            }
        }
    }
}

// Each bit of each node is flipped in turn.
static void any_flipped_bit_breaks_a_proof(void **state)
{
    static const uint64_t sizes[] = {5, 8, 11, 23};

    (void)state;
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        uint64_t n = sizes[s], m = n * 5 / 7;
        struct sha256_hash first = naive_root(leaves, m);
        struct sha256_hash second = naive_root(leaves, n);
        struct merkle_proof path = {0}, proof = {0};

        naive_path(&path, m, leaves, n);
        naive_subproof(&proof, m, leaves, n, true);
        for (size_t bit = 0; bit < path.num_nodes * 256; bit++) {
            uint8_t *byte = &path.nodes[bit / 256].bytes[bit % 256 / 8];

            *byte ^= (uint8_t)(1 << bit % 8);
            assert_false(inclusion_holds(m, n, &leaves[m], &path, &second));
            *byte ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t bit = 0; bit < proof.num_nodes * 256; bit++) {
            uint8_t *byte = &proof.nodes[bit / 256].bytes[bit % 256 / 8];

            *byte ^= (uint8_t)(1 << bit % 8);
            assert_false(consistency_holds(m, n, &proof, &first, &second));
            *byte ^= (uint8_t)(1 << bit % 8);
        }
        assert_true(inclusion_holds(m, n, &leaves[m], &path, &second));
        assert_true(consistency_holds(m, n, &proof, &first, &second));
    }
}

// ---------------------------------------------------------------- spans

// A consistency proof from `end` gives the right-hand side of every span that
// ends there, and the frontier that it speaks of.
static void consistency_gives_the_right_side(void **state)
{
    (void)state;
    for (uint64_t n = 2; n <= SMALL; n++) {
        struct sha256_hash want = naive_root(leaves, n), root;

        for (uint64_t end = 1; end < n; end++) {
            struct merkle_frontier frontier = frontier_of(end), left;
            struct merkle_proof proof = {0}, right, again;
            struct sha256_hash at_end = naive_root(leaves, end);

            naive_subproof(&proof, end, leaves, n, true);
            assert_true(consistency_right(&proof, end, n, &right));
            assert_true(merkle_span_root(&frontier, &right, n, &root));
            assert_true(same(root, want));
            assert_true(merkle_consistency_split(&proof, end, n, &at_end, &left,
                                                 &again));
            assert_int_equal(left.size, end);
            assert_memory_equal(left.nodes, frontier.nodes,
                                (size_t)__builtin_popcountll(end) * 32);

            proof.num_nodes++;
            assert_false(consistency_right(&proof, end, n, &again));
            proof.num_nodes -= 2;
            assert_false(consistency_right(&proof, end, n, &again));
            right.nodes[right.num_nodes++] = want;
            assert_false(merkle_span_root(&frontier, &right, n, &root));
            right.num_nodes -= 2;
            assert_false(merkle_span_root(&frontier, &right, n, &root));
        }
    }
}

// The path of any leaf of an aligned subtree gives both sides of its span.
static void audit_path_gives_both_sides(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= SMALL; n++) {
        for (uint64_t m = 0; m < n; m++) {
            struct merkle_proof path = {0}, right;
            struct sha256_hash want = naive_root(leaves, n), root;

            naive_path(&path, m, leaves, n);
            for (unsigned level = 0; level < 7; level++) {
                uint64_t num = UINT64_C(1) << level, first = m / num * num;
                struct merkle_frontier left;
                bool fits =
                    merkle_audit_split(&path, m, n, level, &left, &right);

                assert_int_equal(fits, first + num <= n);
                if (!fits) continue;
                assert_int_equal(left.size, first);
                assert_true(
                    same(merkle_root(&left), naive_root(leaves, first)));
                for (uint64_t i = first; i < first + num; i++) {
                    merkle_append(&left, &leaves[i]);
                }
                assert_true(merkle_span_root(&left, &right, n, &root));
                assert_true(same(root, want));
            }
        }
    }
}

// Any range: the frontier at its first leaf, its leaves, and the right side.
static void every_span_gives_the_root(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= SMALL; n++) {
        for (uint64_t end = 1; end <= n; end++) {
            struct merkle_proof proof = {0}, right = {0};

            if (end < n) {
                naive_subproof(&proof, end, leaves, n, true);
                assert_true(consistency_right(&proof, end, n, &right));
            }
            for (uint64_t first = 0; first < end; first++) {
                struct merkle_frontier frontier = frontier_of(first);
                struct sha256_hash root;

                for (uint64_t i = first; i < end; i++) {
                    merkle_append(&frontier, &leaves[i]);
                }
                assert_true(merkle_span_root(&frontier, &right, n, &root));
                assert_true(same(root, naive_root(leaves, n)));
            }
        }
    }
}

static void any_flipped_bit_breaks_a_span(void **state)
{
    const uint64_t n = 27, end = 13;
    struct merkle_frontier frontier = frontier_of(end);
    struct merkle_proof proof = {0}, right;
    struct sha256_hash want = naive_root(leaves, n), root;

    (void)state;
    naive_subproof(&proof, end, leaves, n, true);
    assert_true(consistency_right(&proof, end, n, &right));
    for (size_t bit = 0; bit < (3 + right.num_nodes) * 256; bit++) {
        size_t node = bit / 256;
        uint8_t *byte = node < 3 ? &frontier.nodes[node].bytes[bit % 256 / 8]
                                 : &right.nodes[node - 3].bytes[bit % 256 / 8];

        *byte ^= (uint8_t)(1 << bit % 8);
        assert_true(merkle_span_root(&frontier, &right, n, &root));
        assert_false(same(root, want));
        *byte ^= (uint8_t)(1 << bit % 8);
    }
}

static void refuses_impossible_sizes(void **state)
{
    struct merkle_frontier none = {0}, three = frontier_of(3), left;
    struct merkle_proof empty = {0}, many = {.num_nodes = 1000}, right;
    struct sha256_hash root;

    (void)state;
    assert_false(merkle_span_root(&none, &empty, 4, &root));
    assert_false(merkle_span_root(&three, &empty, 2, &root));
    assert_false(merkle_span_root(&three, &many, 900, &root));
    assert_true(merkle_span_root(&three, &empty, 3, &root));
    assert_false(consistency_right(&empty, 0, 4, &right));
    assert_false(consistency_right(&empty, 4, 4, &right));
    assert_false(consistency_right(&empty, 5, 4, &right));
    assert_false(consistency_right(&empty, 3, 4, &right));
    assert_false(consistency_right(&many, 3, UINT64_MAX, &right));
    assert_false(merkle_audit_split(&empty, 4, 4, 0, &left, &right));
    assert_false(merkle_audit_split(&empty, 0, 4, 3, &left, &right));
    assert_false(merkle_audit_split(&empty, 0, UINT64_MAX, 64, &left, &right));
    assert_false(merkle_audit_split(&many, 7, UINT64_MAX, 2, &left, &right));
    assert_false(merkle_inclusion_root(&leaves[0], 0, 0, &empty, &root));
    assert_false(
        merkle_inclusion_root(&leaves[0], UINT64_MAX, 1, &empty, &root));
}

// ---------------------------------------------------------------- real data

static struct json *read_json(const char *path)
{
    struct bytes text = read_file(path);
    struct json *json = NULL;
    struct err err = {0};

    if (!json_parse(&json, text, &err)) fail_msg("%s: %s", path, err.text);
    free((void *)text.data);
    return json;
}

// A vector's "wantErr" is true or false.
static bool wants_error(const char *path)
{
    static const char no[] = "\"wantErr\": false";
    struct bytes text = read_file(path);
    bool wants = memmem(text.data, text.len, no, strlen(no)) == NULL;

    free((void *)text.data);
    return wants;
}

static bool read_hash(const struct json *value, struct sha256_hash *out)
{
    struct buffer raw = {0};
    bool ok = json_base64(value, &raw) && raw.len == SHA256_LEN;

    if (ok) memcpy(out->bytes, raw.data, SHA256_LEN);
    buffer_cleanup(&raw);
    return ok;
}

// Some vectors have roots of other lengths, which need only be equal or not:
// a hash stands for them.
static bool read_root(const struct json *value, struct sha256_hash *out)
{
    struct buffer raw = {0};
    bool ok = read_hash(value, out);

    if (!ok && json_base64(value, &raw)) {
        *out = merkle_leaf_hash(buffer_bytes(&raw));
        ok = true;
    }
    buffer_cleanup(&raw);
    return ok;
}

static bool read_proof(const struct json *array, struct merkle_proof *out)
{
    *out = (struct merkle_proof){0};
    for (size_t i = 0; i < json_size(array); i++) {
        if (i == MERKLE_PROOF_MAX) return false;
        if (!read_hash(json_at(array, i), &out->nodes[i])) return false;
        out->num_nodes++;
    }
    return true;
}

static uint64_t read_uint(const struct json *json, const char *name)
{
    uint64_t value = 0;

    CHECK(json_uint(json_member(json, name), &value));
    return value;
}

static bool vector_holds(const struct json *json)
{
    struct sha256_hash leaf, root1, root2;
    struct merkle_proof proof;

    if (!read_proof(json_member(json, "proof"), &proof)) return false;
    if (json_member(json, "leafIdx") != NULL) {
        uint64_t index = read_uint(json, "leafIdx");

        return read_hash(json_member(json, "leafHash"), &leaf) &&
               read_root(json_member(json, "root"), &root1) &&
               inclusion_holds(index, read_uint(json, "treeSize"), &leaf,
                               &proof, &root1);
    }
    return read_root(json_member(json, "root1"), &root1) &&
           read_root(json_member(json, "root2"), &root2) &&
           consistency_holds(read_uint(json, "size1"), read_uint(json, "size2"),
                             &proof, &root1, &root2);
}

static size_t num_vectors;

static void visit_vectors(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char path[4096];
        struct json *json;

        if (entry->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (strstr(entry->d_name, ".json") == NULL) {
            visit_vectors(path);
            continue;
        }
        // RFC 9162 does not say what (0,0) with equal roots is.
        if (strcmp(entry->d_name,
                   "sizes-are-equal-zero-and-proof-is-empty.json") == 0) {
            continue;
        }
        num_vectors++;
        // An index of 2^64 - 1 is refused by the reader of JSON.
        if (strcmp(entry->d_name, "leafIdx-sub-@1.json") == 0 &&
            strstr(folder, "inclusion/0") != NULL) {
            continue;
        }
        json = read_json(path);
        test_case = path;
        CHECK(vector_holds(json) != wants_error(path));
        json_free(json);
    }
    (void)closedir(dir);
}

static void agrees_with_transparency_dev(void **state)
{
    char path[4096];

    (void)state;
    SKIP_WITHOUT_DATA();
    (void)snprintf(path, sizeof path, "%s", test_data("proofs"));
    num_vectors = 0;
    visit_vectors(path);
    assert_true(num_vectors >= 105);
}

enum { ARGON_OLD = 3654490, ARGON_NOW = 961984011 };

static struct sha256_hash argon_root(void)
{
    struct json *sth = read_json(test_data("rfc6962/argon2020/get-sth.json"));
    struct sha256_hash root;

    assert_true(read_hash(json_member(sth, "sha256_root_hash"), &root));
    json_free(sth);
    return root;
}

static void argon_2020_inclusion_holds(void **state)
{
    struct json *entries, *answer;
    struct buffer leaf = {0};
    struct sha256_hash hash, root, found;
    struct merkle_proof path, right;
    struct merkle_frontier left;

    (void)state;
    SKIP_WITHOUT_DATA();
    root = argon_root();
    entries = read_json(
        test_data("rfc6962/argon2020/get-entries-start-10000-end-10000.json"));
    answer = read_json(test_data(
        "rfc6962/argon2020/get-proof-by-hash-tree-size-961984011-hash-"
        "nCs3mfIydh9x4CKyQ-2Bu2xtmpxmFggA5MLymHwNQSlLg-3D.json"));
    assert_true(json_base64(
        json_member(json_at(json_member(entries, "entries"), 0), "leaf_input"),
        &leaf));
    hash = merkle_leaf_hash(buffer_bytes(&leaf));
    assert_true(read_proof(json_member(answer, "audit_path"), &path));
    assert_int_equal(path.num_nodes, 30);
    assert_true(inclusion_holds(10000, ARGON_NOW, &hash, &path, &root));
    assert_false(inclusion_holds(10001, ARGON_NOW, &hash, &path, &root));
    assert_true(merkle_audit_split(&path, 10000, ARGON_NOW, 0, &left, &right));
    merkle_append(&left, &hash);
    assert_true(merkle_span_root(&left, &right, ARGON_NOW, &found));
    assert_true(same(found, root));
    buffer_cleanup(&leaf);
    json_free(entries);
    json_free(answer);
}

static void argon_2020_consistency_holds(void **state)
{
    struct sha256_hash old, root, found;
    struct buffer raw = {0};
    struct merkle_proof proof, right;
    struct merkle_frontier left;
    struct bytes text;
    struct json *answer;

    (void)state;
    SKIP_WITHOUT_DATA();
    root = argon_root();
    text = read_file(test_data("rfc6962/argon2020/old-root-3654490.txt"));
    assert_true(text_parse_base64(&raw, bytes_of(text.data, 44)));
    memcpy(old.bytes, raw.data, SHA256_LEN);
    answer = read_json(
        test_data("rfc6962/argon2020/"
                  "get-sth-consistency-first-3654490-second-961984011.json"));
    assert_true(read_proof(json_member(answer, "consistency"), &proof));
    assert_true(consistency_holds(ARGON_OLD, ARGON_NOW, &proof, &old, &root));
    assert_false(
        consistency_holds(ARGON_OLD + 1, ARGON_NOW, &proof, &old, &root));
    assert_true(merkle_consistency_split(&proof, ARGON_OLD, ARGON_NOW, &old,
                                         &left, &right));
    assert_true(same(merkle_root(&left), old));
    assert_true(merkle_span_root(&left, &right, ARGON_NOW, &found));
    assert_true(same(found, root));
    json_free(answer);
    buffer_cleanup(&raw);
    free((void *)text.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_reference_roots),
        cmocka_unit_test(every_root_is_the_defined_one),
        cmocka_unit_test(many_appended_are_each_appended),
        cmocka_unit_test(appends_a_whole_chunk),
        cmocka_unit_test(subtrees_append_where_they_fit),
        cmocka_unit_test(subtrees_stop_at_two_to_the_64),
        cmocka_unit_test(every_inclusion_holds_and_no_other),
        cmocka_unit_test(every_consistency_holds_and_no_other),
        cmocka_unit_test(any_flipped_bit_breaks_a_proof),
        cmocka_unit_test(consistency_gives_the_right_side),
        cmocka_unit_test(audit_path_gives_both_sides),
        cmocka_unit_test(every_span_gives_the_root),
        cmocka_unit_test(any_flipped_bit_breaks_a_span),
        cmocka_unit_test(refuses_impossible_sizes),
        cmocka_unit_test(agrees_with_transparency_dev),
        cmocka_unit_test(argon_2020_inclusion_holds),
        cmocka_unit_test(argon_2020_consistency_holds),
    };

    return cmocka_run_group_tests(tests, fill_leaves, NULL);
}
