// key_file.c - see key_file.h.

#include "query/key_file.h"

#include <errno.h>
#include <openssl/bytestring.h>
#include <stdio.h>

#include "index/base/text.h"
#include "index/entry/cert.h"

enum { FILE_LEN_MAX = 1024 * 1024 };

// Finds `text` at or behind the front of `file` and takes all up to its end.
static bool skip_to(struct bytes *file, const char *text)
{
    size_t len = strlen(text);

    for (; file->len >= len; (void)bytes_skip(file, 1)) {
        if (memcmp(file->data, text, len) == 0) return bytes_skip(file, len);
    }
    return false;
}

// Decodes the first block of a PEM file (RFC 7468), whatever its label.
static bool decode_pem(struct buffer *der, struct bytes file)
{
    struct buffer base64 = {0};
    bool ok;

    if (!skip_to(&file, "-----BEGIN ") || !skip_to(&file, "-----")) {
        return false;
    }
    while (file.len > 0 && file.data[0] != '-') {
        uint8_t c = file.data[0];

        if (c != '\n' && c != '\r' && c != ' ' && c != '\t') {
            buffer_append_byte(&base64, c);
        }
        (void)bytes_skip(&file, 1);
    }
    ok = bytes_starts_with(file, bytes_from_text("-----END ")) &&
         buffer_ok(&base64) && text_parse_base64(der, buffer_bytes(&base64));
    buffer_cleanup(&base64);
    return ok;
}

// SubjectPublicKeyInfo ::= SEQUENCE { SEQUENCE, BIT STRING } (RFC 5280).
static bool is_spki(struct bytes der)
{
    CBS all, outer;

    CBS_init(&all, der.data, der.len);
    return CBS_get_asn1(&all, &outer, CBS_ASN1_SEQUENCE) &&
           CBS_len(&all) == 0 &&
           CBS_get_asn1(&outer, NULL, CBS_ASN1_SEQUENCE) &&
           CBS_get_asn1(&outer, NULL, CBS_ASN1_BITSTRING) &&
           CBS_len(&outer) == 0;
}

static bool hash_der(struct sha256_hash *hash, struct bytes der)
{
    struct cert cert;

    if (is_spki(der)) {
        *hash = sha256(der);
        return true;
    }
    if (!cert_parse(&cert, der, CERT_FORM_CERTIFICATE, NULL) ||
        cert.spki.len == 0) {
        return false;
    }
    *hash = sha256(cert.spki);
    return true;
}

bool key_file_parse(struct sha256_hash *hash, struct bytes file)
{
    struct buffer der = {0};
    bool ok;

    if (hash_der(hash, file)) return true;
    ok = decode_pem(&der, file) && hash_der(hash, buffer_bytes(&der));
    buffer_cleanup(&der);
    return ok;
}

bool key_file_hash(struct sha256_hash *hash, const char *path, struct err *err)
{
    struct buffer content = {0};
    FILE *file = fopen(path, "rbe");
    char quoted[256];
    bool ok;

    (void)text_escape(quoted, sizeof quoted, bytes_from_text(path));
    if (file == NULL) {
        return err_set(err, ERR_USAGE, "'%s': %s", quoted, strerror(errno));
    }
    if (buffer_reserve(&content, FILE_LEN_MAX)) {
        content.len = fread(content.data, 1, FILE_LEN_MAX, file);
    }
    (void)fclose(file);
    ok = key_file_parse(hash, buffer_bytes(&content));
    buffer_cleanup(&content);
    return ok || err_set(err, ERR_USAGE,
                         "'%s' holds no certificate and no public key", quoted);
}
