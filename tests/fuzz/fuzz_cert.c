// fuzz_cert.c - any bytes as a certificate; everything that can be asked.

#include <stdlib.h>

#include "index/entry/cert.h"
#include "index/entry/log_form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    const struct cert *cert;
    struct buffer text;
};

static bool lies_within(struct bytes part, struct bytes whole)
{
    return part.len == 0 || (part.data >= whole.data &&
                             part.data + part.len <= whole.data + whole.len);
}

static bool on_piece(void *context, struct bytes piece)
{
    buffer_append(context, piece);
    return true;
}

static bool on_name(void *context, const struct cert_name *name)
{
    struct fuzz *fuzz = context;

    if (!lies_within(name->raw, fuzz->cert->der)) abort();
    // What is whole is not searched.
    if (fuzz->cert->is_whole && name->salvaged) abort();
    buffer_reset(&fuzz->text);
    cert_text_utf8(&fuzz->text, name->tag, name->raw);
    return true;
}

static bool on_text(void *context, struct bytes text)
{
    struct fuzz *fuzz = context;

    buffer_append(&fuzz->text, text);
    return true;
}

static bool on_sct(void *context, const struct cert_sct *sct)
{
    struct fuzz *fuzz = context;

    return lies_within(sct->log_id, fuzz->cert->der);
}

static void ask(struct fuzz *fuzz)
{
    const struct cert *cert = fuzz->cert;
    struct bytes parts[] = {cert->tbs,
                            cert->serial,
                            cert->issuer,
                            cert->subject,
                            cert->spki,
                            cert->extensions,
                            cert->signature_algorithm,
                            cert->signature};
    struct buffer again = {0};
    struct cert log_form;
    struct cert_lists lists;

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (!lies_within(parts[i], cert->der)) abort();
    }
    (void)cert_each_name(cert, on_name, fuzz);
    cert_append_name_rfc4514(&fuzz->text, cert->issuer);
    cert_append_name_rfc4514(&fuzz->text, cert->subject);
    cert_append_common_name(&fuzz->text, cert->subject);
    cert_append_key_type(&fuzz->text, cert->spki);
    cert_append_signature_algorithm(&fuzz->text, cert->signature_algorithm);
    cert_find_lists(&lists, cert);
    (void)cert_each_eku(&lists, on_text, fuzz);
    (void)cert_each_policy(&lists, on_text, fuzz);
    (void)cert_each_crl_url(&lists, on_text, fuzz);
    (void)cert_each_ocsp_url(&lists, on_text, fuzz);
    (void)cert_each_sct(&lists, on_sct, fuzz);
    (void)!cert_verify_signature(cert, cert->spki);
    buffer_reset(&fuzz->text);
    // The log form has nothing more to remove.
    if (!log_form_visit(cert->tbs, on_piece, &fuzz->text)) return;
    if (cert_parse(&log_form, buffer_bytes(&fuzz->text), CERT_FORM_TBS, NULL) &&
        (!log_form_visit(log_form.tbs, on_piece, &again) ||
         !bytes_equal(buffer_bytes(&again), buffer_bytes(&fuzz->text)))) {
        abort();
    }
    buffer_cleanup(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum cert_form form = CERT_FORM_CERTIFICATE;
    struct fuzz fuzz = {0};
    struct cert cert;
    struct err err;

    for (int round = 0; round < 2; round++) {
        bool reads = cert_parse(&cert, bytes_of(data, size), form, &err);

        if (!reads && cert.is_whole) abort();
        if (cert.is_whole != (cert.reason[0] == '\0')) abort();
        fuzz.cert = &cert;
        ask(&fuzz);
        form = CERT_FORM_TBS;
    }
    buffer_cleanup(&fuzz.text);
    return 0;
}
