// head.c - see head.h.

#include "index/entry/head.h"

#include <stdlib.h>

#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>

#include "index/base/json.h"
#include "index/base/text.h"

enum {
    KEY_INPUT_MAX = 64 * 1024,
    RSA_BITS_MIN = 2048, // RFC 6962 section 2.1.4
    RSA_BITS_MAX = 8192, // a verification takes longer with each bit
    // RFC 5246 section 7.4.1.4.1, as RFC 6962 section 2.1.4 picks them.
    HASH_SHA256 = 4,
    SIGNATURE_RSA = 1,
    SIGNATURE_ECDSA = 3,
    TREE_HEAD_LEN = 50,   // RFC 6962 section 3.5
    KEY_ID_LEN = 4,       // C2SP signed-note
    NOTE_KEY_TYPE = 0x05, // C2SP static-ct-api: an RFC 6962 tree head
    NOTE_OWN_LINES_MAX = 16,
    SHOWN_MAX = 160, // of a stranger's text in a sentence
};

static const uint64_t SIZE_MAX_LEAVES = UINT64_C(1) << 53;

struct log_key {
    EVP_PKEY *key;
    struct buffer der;
    struct sha256_hash id;
    uint8_t signature_algorithm;
};

// ---------------------------------------------------------------- keys

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool append_base64_with_blanks(struct buffer *out, struct bytes text)
{
    struct buffer packed = {0};
    bool ok;

    for (size_t i = 0; i < text.len; i++) {
        if (!is_blank(text.data[i])) buffer_append_byte(&packed, text.data[i]);
    }
    ok = buffer_ok(&packed) && packed.len > 0 &&
         text_parse_base64(out, buffer_bytes(&packed));
    buffer_cleanup(&packed);
    return ok;
}

// What stands between the lines of a PEM block; false when there is none.
static bool find_pem(struct bytes text, struct bytes *inner)
{
    static const char begin[] = "-----BEGIN PUBLIC KEY-----";
    static const char end[] = "-----END PUBLIC KEY-----";
    const uint8_t *from, *to;

    if (text.len == 0) return false;
    from = memmem(text.data, text.len, begin, sizeof begin - 1);
    if (from == NULL) return false;
    from += sizeof begin - 1;
    to = memmem(from, (size_t)(text.data + text.len - from), end,
                sizeof end - 1);
    if (to == NULL) return false;
    *inner = bytes_of(from, (size_t)(to - from));
    return true;
}

static bool read_der(struct buffer *der, struct bytes input)
{
    struct bytes inner = input;

    if (input.len == 0 || input.len > KEY_INPUT_MAX) return false;
    if (input.data[0] == 0x30) { // SEQUENCE; base64 of one begins with M
        buffer_append(der, input);
        return buffer_ok(der);
    }
    (void)find_pem(input, &inner);
    return append_base64_with_blanks(der, inner);
}

// Fits the key to what RFC 6962 section 2.1.4 allows.
static bool is_log_key(struct log_key *key)
{
    if (EVP_PKEY_id(key->key) == EVP_PKEY_EC) {
        const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key->key);

        key->signature_algorithm = SIGNATURE_ECDSA;
        return EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) ==
               NID_X9_62_prime256v1;
    }
    key->signature_algorithm = SIGNATURE_RSA;
    return EVP_PKEY_id(key->key) == EVP_PKEY_RSA &&
           EVP_PKEY_bits(key->key) >= RSA_BITS_MIN &&
           EVP_PKEY_bits(key->key) <= RSA_BITS_MAX;
}

static bool load_key(struct log_key *key, struct bytes spki, struct err *err)
{
    CBS cbs;

    if (!read_der(&key->der, spki)) {
        return err_set(err, ERR_CONFIG,
                       "key: neither DER nor PEM nor base64 of a public key");
    }
    CBS_init(&cbs, key->der.data, key->der.len);
    key->key = EVP_parse_public_key(&cbs);
    ERR_clear_error();
    if (key->key == NULL || CBS_len(&cbs) != 0) {
        return err_set(err, ERR_CONFIG, "key: no SubjectPublicKeyInfo");
    }
    if (!is_log_key(key)) {
        return err_set(err, ERR_CONFIG,
                       "key: neither ECDSA P-256 nor RSA of %d to %d bits "
                       "(RFC 6962 section 2.1.4)",
                       RSA_BITS_MIN, RSA_BITS_MAX);
    }
    key->id = sha256(buffer_bytes(&key->der));
    return true;
}

bool log_key_new(struct log_key **out, struct bytes spki, struct err *err)
{
    struct log_key *key = calloc(1, sizeof *key);

    if (key == NULL) return err_set(err, ERR_MEMORY, "key: no memory");
    if (!load_key(key, spki, err)) {
        log_key_free(key);
        return false;
    }
    *out = key;
    return true;
}

void log_key_free(struct log_key *key)
{
    if (key == NULL) return;
    EVP_PKEY_free(key->key);
    buffer_cleanup(&key->der);
    free(key);
}

const struct sha256_hash *log_key_id(const struct log_key *key)
{
    return &key->id;
}

struct bytes log_key_der(const struct log_key *key)
{
    return buffer_bytes(&key->der);
}

bool log_key_verify(const struct log_key *key, struct bytes message,
                    struct bytes signature)
{
    EVP_MD_CTX context;
    bool ok;

    EVP_MD_CTX_init(&context);
    ok = EVP_DigestVerifyInit(&context, NULL, EVP_sha256(), NULL, key->key) &&
         EVP_DigestVerify(&context, signature.data, signature.len, message.data,
                          message.len);
    EVP_MD_CTX_cleanup(&context);
    ERR_clear_error(); // the thread's queue is not for us to fill
    return ok;
}

// ---------------------------------------------------------------- tree heads

// Writes the log id as log lists do.
static const char *show_id(char out[64], const struct log_key *key)
{
    struct buffer text = {0};

    text_append_base64(&text, sha256_bytes(&key->id));
    out[0] = '\0';
    if (buffer_ok(&text)) (void)text_escape(out, 64, buffer_bytes(&text));
    buffer_cleanup(&text);
    return out;
}

// Checks DigitallySigned (RFC 5246 section 4.7) over TreeHeadSignature.
static bool verify_tree_head(const struct head *head, struct bytes wire,
                             const struct log_key *key, struct err *err)
{
    uint8_t signed_bytes[TREE_HEAD_LEN] = {0, 1}; // v1, tree_hash
    struct bytes signature;
    uint64_t hash, algorithm;
    char id[64];

    if (!bytes_read_uint(&wire, &hash, 1) ||
        !bytes_read_uint(&wire, &algorithm, 1) ||
        !bytes_read_vector(&wire, &signature, 2) || wire.len != 0) {
        return err_set(err, ERR_VERIFY,
                       "the signature is no DigitallySigned (RFC 6962 section "
                       "2.1.4)");
    }
    if (hash != HASH_SHA256 || algorithm != key->signature_algorithm) {
        return err_set(err, ERR_VERIFY,
                       "signed with hash %u and algorithm %u, expected %u and "
                       "%u for the key of log %s",
                       (unsigned)hash, (unsigned)algorithm, HASH_SHA256,
                       key->signature_algorithm, show_id(id, key));
    }
    bytes_put_uint(signed_bytes + 2, head->timestamp_ms, 8);
    bytes_put_uint(signed_bytes + 10, head->size, 8);
    memcpy(signed_bytes + 18, head->root.bytes, SHA256_LEN);
    if (!log_key_verify(key, bytes_of(signed_bytes, sizeof signed_bytes),
                        signature)) {
        return err_set(err, ERR_VERIFY,
                       "the signature is not by the expected key, that of log "
                       "%s",
                       show_id(id, key));
    }
    return true;
}

// A tree of no leaves has one root only (RFC 6962 section 2.1).
static bool check_empty(const struct head *head, struct err *err)
{
    struct sha256_hash empty = sha256(bytes_of(NULL, 0));

    if (head->size != 0 || sha256_equal(&head->root, &empty)) return true;
    return err_set(err, ERR_VERIFY,
                   "a root of no entries that is not SHA-256 of nothing");
}

static bool read_size(const struct json *value, uint64_t *size)
{
    return json_uint(value, size) && *size <= SIZE_MAX_LEAVES;
}

static bool read_root(struct bytes base64, struct sha256_hash *root)
{
    struct buffer raw = {0};
    bool ok = text_parse_base64(&raw, base64) && raw.len == SHA256_LEN;

    if (ok) memcpy(root->bytes, raw.data, SHA256_LEN);
    buffer_cleanup(&raw);
    return ok;
}

// RFC 6962 section 4.3.
static bool read_sth(struct head *head, struct buffer *signature,
                     const struct json *json, struct err *err)
{
    struct bytes root;

    if (!json_is_object(json)) {
        return err_set(err, ERR_MALFORMED, "no JSON object");
    }
    if (!read_size(json_member(json, "tree_size"), &head->size)) {
        return err_set(err, ERR_MALFORMED,
                       "tree_size is no whole number from 0 to 2^53");
    }
    if (!json_uint(json_member(json, "timestamp"), &head->timestamp_ms)) {
        return err_set(err, ERR_MALFORMED, "timestamp is no whole number");
    }
    if (!json_text(json_member(json, "sha256_root_hash"), &root) ||
        !read_root(root, &head->root)) {
        return err_set(err, ERR_MALFORMED,
                       "sha256_root_hash is no base64 of 32 bytes");
    }
    if (!json_base64(json_member(json, "tree_head_signature"), signature)) {
        return err_set(err, ERR_MALFORMED, "tree_head_signature is no base64");
    }
    return true;
}

static bool parse_sth(struct head *head, const struct log_key *key,
                      struct err *err)
{
    struct buffer signature = {0};
    struct json *json = NULL;
    bool ok;

    if (head->served.len > HEAD_SERVED_MAX) {
        return err_set(err, ERR_MALFORMED, "%zu bytes, over the limit",
                       head->served.len);
    }
    ok = json_parse(&json, head->served, err) &&
         read_sth(head, &signature, json, err) &&
         verify_tree_head(head, buffer_bytes(&signature), key, err) &&
         check_empty(head, err);
    json_free(json);
    buffer_cleanup(&signature);
    return ok;
}

bool head_parse_sth(struct head *head, struct bytes served,
                    const struct log_key *key, struct err *err)
{
    *head = (struct head){.kind = HEAD_STH, .served = served};
    return parse_sth(head, key, err) || err_wrap(err, "get-sth");
}

// ---------------------------------------------------------------- checkpoints

// Takes a line that ends in LF off the front.
static bool take_line(struct bytes *rest, struct bytes *line)
{
    const uint8_t *end =
        rest->len == 0 ? NULL : memchr(rest->data, '\n', rest->len);

    if (end == NULL) return false;
    *line = bytes_of(rest->data, (size_t)(end - rest->data));
    return bytes_skip(rest, line->len + 1);
}

// C2SP signed-note: UTF-8 without control characters other than LF.
static bool is_note_text(struct bytes text)
{
    uint32_t c;

    while (text.len > 0) {
        if (!text_utf8_next(&text, &c)) return false;
        if (c < 0x20 && c != '\n') return false;
    }
    return true;
}

// C2SP signed-note: the last empty line separates text and signatures.
static bool split_note(struct bytes note, struct bytes *text,
                       struct bytes *lines)
{
    for (size_t i = note.len; i >= 2; i--) {
        if (note.data[i - 1] != '\n' || note.data[i - 2] != '\n') continue;
        *text = bytes_of(note.data, i - 1); // with the LF of its last line
        *lines = bytes_of(note.data + i, note.len - i);
        return lines->len > 0 && lines->data[lines->len - 1] == '\n';
    }
    return false;
}

// C2SP tlog-checkpoint: origin, size, root.  A static-ct log adds no lines.
static bool read_text(struct head *head, struct bytes text,
                      struct bytes *origin, struct err *err)
{
    struct bytes size, root;

    if (!take_line(&text, origin) || !take_line(&text, &size) ||
        !take_line(&text, &root)) {
        return err_set(err, ERR_MALFORMED, "fewer than three lines of text");
    }
    if (text.len != 0) {
        return err_set(err, ERR_MALFORMED,
                       "more than three lines of text (C2SP static-ct-api "
                       "allows no extension lines)");
    }
    if (!text_parse_uint(&head->size, size) || head->size > SIZE_MAX_LEAVES) {
        return err_set(err, ERR_MALFORMED,
                       "the second line is no whole number from 0 to 2^53");
    }
    if (!read_root(root, &head->root)) {
        return err_set(err, ERR_MALFORMED,
                       "the third line is no base64 of 32 bytes");
    }
    return true;
}

// C2SP static-ct-api: the key id that a log's own line bears.
static void compute_key_id(uint8_t out[KEY_ID_LEN], struct bytes origin,
                           const struct log_key *key)
{
    static const uint8_t type[2] = {'\n', NOTE_KEY_TYPE};
    struct sha256_hash hash;
    SHA256_CTX context;

    SHA256_Init(&context);
    SHA256_Update(&context, origin.data, origin.len);
    SHA256_Update(&context, type, sizeof type);
    SHA256_Update(&context, key->id.bytes, SHA256_LEN);
    SHA256_Final(hash.bytes, &context);
    memcpy(out, hash.bytes, KEY_ID_LEN);
}

// Tells whether a line is the log's own, and decodes what follows the key id.
static bool is_own_line(struct bytes line, struct bytes origin,
                        const uint8_t key_id[KEY_ID_LEN], struct buffer *blob)
{
    static const char dash[] = "\xe2\x80\x94 ";

    buffer_reset(blob);
    if (!bytes_starts_with(line, bytes_from_text(dash))) return false;
    (void)bytes_skip(&line, sizeof dash - 1);
    if (!bytes_starts_with(line, origin)) return false;
    (void)bytes_skip(&line, origin.len);
    if (line.len == 0 || line.data[0] != ' ') return false;
    (void)bytes_skip(&line, 1);
    if (!text_parse_base64(blob, line) || blob->len < KEY_ID_LEN) return false;
    if (memcmp(blob->data, key_id, KEY_ID_LEN) != 0) return false;
    buffer_consume(blob, KEY_ID_LEN);
    return true;
}

static bool verify_line(struct head *head, struct bytes blob,
                        const struct log_key *key, struct err *err)
{
    if (!bytes_read_uint(&blob, &head->timestamp_ms, 8)) {
        return err_set(err, ERR_VERIFY, "the log's own line holds no time");
    }
    return verify_tree_head(head, blob, key, err);
}

// Every line of the log's own must hold; the time is that of the first.
static bool verify_lines(struct head *head, struct bytes lines,
                         struct bytes origin, const struct log_key *key,
                         struct err *err)
{
    uint8_t key_id[KEY_ID_LEN];
    struct buffer blob = {0};
    struct head other = *head;
    size_t num_own = 0;
    struct bytes line;
    bool ok = true;

    compute_key_id(key_id, origin, key);
    while (ok && take_line(&lines, &line)) {
        if (!is_own_line(line, origin, key_id, &blob)) continue;
        if (++num_own > NOTE_OWN_LINES_MAX) {
            ok = err_set(err, ERR_MALFORMED, "over %d lines of the log's own",
                         NOTE_OWN_LINES_MAX);
        } else {
            ok = verify_line(num_own == 1 ? head : &other, buffer_bytes(&blob),
                             key, err);
        }
    }
    buffer_cleanup(&blob);
    if (ok && num_own == 0) {
        char shown[SHOWN_MAX], id[64];

        return err_set(
            err, ERR_VERIFY,
            "no signature by the expected key: none of %s with key id "
            "%02x%02x%02x%02x, that of log %s",
            text_escape(shown, sizeof shown, origin), key_id[0], key_id[1],
            key_id[2], key_id[3], show_id(id, key));
    }
    return ok;
}

static bool parse_checkpoint(struct head *head, const char *origin,
                             const struct log_key *key, struct err *err)
{
    struct bytes text, lines, came;

    if (head->served.len > HEAD_SERVED_MAX) {
        return err_set(err, ERR_MALFORMED, "%zu bytes, over the limit",
                       head->served.len);
    }
    if (!is_note_text(head->served)) {
        return err_set(err, ERR_MALFORMED,
                       "control characters or no UTF-8 (C2SP signed-note)");
    }
    if (!split_note(head->served, &text, &lines)) {
        return err_set(err, ERR_MALFORMED,
                       "no empty line with whole signature lines after it");
    }
    if (!read_text(head, text, &came, err)) return false;
    if (origin != NULL && !bytes_equal_text(came, origin)) {
        char expected[SHOWN_MAX], shown[SHOWN_MAX];

        return err_set(
            err, ERR_VERIFY, "expected the origin %s, it says %s",
            text_escape(expected, sizeof expected, bytes_from_text(origin)),
            text_escape(shown, sizeof shown, came));
    }
    return verify_lines(head, lines, came, key, err) && check_empty(head, err);
}

bool head_parse_checkpoint(struct head *head, struct bytes served,
                           const char *origin, const struct log_key *key,
                           struct err *err)
{
    *head = (struct head){.kind = HEAD_CHECKPOINT, .served = served};
    return parse_checkpoint(head, origin, key, err) ||
           err_wrap(err, "checkpoint");
}
