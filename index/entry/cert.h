// cert.h - a certificate's facts, read leniently and in place.
//
// No X509 object is built.  DER is read as BER where that loses nothing
// (indefinite and non-minimal lengths, any tag class): a certificate must not
// hide because somebody broke a rule (FAULTS.md section 3).  What cannot be
// read leaves its slice empty and sets a flag; the rest is still read.
//
// Lifetime  all slices point into the bytes that were read.
// Result    cert_parse fails only where not even the outer SEQUENCE and its
//           serial can be told apart; names are then salvaged from the bytes.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"
#include "index/base/sha256.h"

enum cert_form { CERT_FORM_CERTIFICATE, CERT_FORM_TBS };

// CERT_TIME_UNREADABLE stands for a date that cannot be read.
#define CERT_TIME_UNREADABLE INT64_MIN

struct cert {
    struct bytes der;     // what was given
    struct bytes tbs;     // the TBSCertificate, tag and length included
    struct bytes serial;  // content octets as they stand
    struct bytes issuer;  // Name, tag and length included
    struct bytes subject; // Name, tag and length included
    int64_t not_before;   // seconds since 1970 or CERT_TIME_UNREADABLE
    int64_t not_after;
    struct bytes spki;                // tag and length included
    struct bytes extensions;          // content of the Extensions SEQUENCE
    struct bytes subject_alt_name;    // value of the first such extension
    size_t num_subject_alt_names;     // such extensions
    struct bytes signature_algorithm; // AlgorithmIdentifier of the TBS
    struct bytes signature; // BIT STRING content without its unused-bits octet
    bool has_poison;        // RFC 6962 section 3.1
    bool is_ca;             // basicConstraints
    bool is_whole;   // every part above was read and nothing is left over
    char reason[64]; // where it is not whole: what was wrong first
};

// cert_parse reads a Certificate or a bare TBSCertificate.  Even where it
// returns false the slices read so far are set, and cert_each_name works.
MUST_USE bool cert_parse(struct cert *cert, struct bytes der,
                         enum cert_form form, struct err *err);

// Where a name stood.
enum cert_name_kind {
    CERT_NAME_DNS,           // SAN dNSName
    CERT_NAME_IP,            // SAN iPAddress: 4, 16 or any number of octets
    CERT_NAME_EMAIL,         // SAN rfc822Name
    CERT_NAME_URI,           // SAN uniformResourceIdentifier
    CERT_NAME_UPN,           // SAN otherName: UPN
    CERT_NAME_SMTP_UTF8,     // SAN otherName: SmtpUTF8Mailbox (RFC 8398)
    CERT_NAME_DIRECTORY,     // SAN directoryName: one of its common names
    CERT_NAME_OTHER,         // any other GeneralName: the content octets
    CERT_NAME_CN,            // subject commonName
    CERT_NAME_SUBJECT_EMAIL, // subject emailAddress
};

struct cert_name {
    enum cert_name_kind kind;
    uint8_t tag;      // ASN.1 string type of a CN, UPN ...; else 0
    bool salvaged;    // found by searching broken bytes
    struct bytes raw; // as it stands in the certificate
};

// A visitor returns false to stop.
typedef bool cert_name_visit(void *context, const struct cert_name *name);

// cert_each_name visits every name of the subject and of every SAN extension,
// in certificate order (subject first); where the structure is broken also
// what a search of the bytes finds (FAULTS.md section 3.4).  False when the
// visitor stopped it.
bool cert_each_name(const struct cert *cert, cert_name_visit *visit,
                    void *context);

// cert_text_utf8 appends an ASN.1 string of type `tag` as UTF-8 (BMPString and
// UniversalString decoded, other 8-bit text that is no UTF-8 read as Latin-1).
void cert_text_utf8(struct buffer *out, uint8_t tag, struct bytes raw);

// cert_find_extension finds the first extension of this OID (its DER content
// octets) and gives its extnValue's content.
MUST_USE bool cert_find_extension(const struct cert *cert, struct bytes oid,
                                  struct bytes *value, bool *critical);

// cert_append_name_rfc4514 appends a Name as RFC 4514 text (last RDN first).
void cert_append_name_rfc4514(struct buffer *out, struct bytes name);

// cert_append_name_plain appends a Name as crt.sh and SSLMate show it: the
// certificate's order, ", " between, short names for C ST L O OU CN, values
// that need it in double quotes.
void cert_append_name_plain(struct buffer *out, struct bytes name);

// cert_append_organisation appends the first O of a Name, else nothing.
void cert_append_organisation(struct buffer *out, struct bytes name);

// cert_append_common_name appends the first CN of a Name, else nothing.
void cert_append_common_name(struct buffer *out, struct bytes name);

// cert_append_key_type appends "rsa-2048", "ecdsa-p256", "ed25519" or the
// algorithm's OID in dots.
void cert_append_key_type(struct buffer *out, struct bytes spki);

// cert_append_signature_algorithm appends "ecdsa-sha256", "rsa-sha256", … or
// the OID in dots.
void cert_append_signature_algorithm(struct buffer *out,
                                     struct bytes algorithm);

// The extensions that list something: the value of the first of each kind.
struct cert_lists {
    struct bytes ext_key_usage, policies, crl_points, authority_info, scts;
};

// cert_find_lists looks for all of them; empty where there is none.
void cert_find_lists(struct cert_lists *lists, const struct cert *cert);

// Visitors of what they list: each value is text ready to show (bytes of
// strangers not yet escaped), in certificate order.
typedef bool cert_text_visit(void *context, struct bytes text);
bool cert_each_eku(const struct cert_lists *lists, cert_text_visit *visit,
                   void *context); // "server-auth", … or the OID in dots
bool cert_each_policy(const struct cert_lists *lists, cert_text_visit *visit,
                      void *context); // OIDs in dots
bool cert_each_crl_url(const struct cert_lists *lists, cert_text_visit *visit,
                       void *context);
bool cert_each_ocsp_url(const struct cert_lists *lists, cert_text_visit *visit,
                        void *context);

// One embedded SCT (RFC 6962 section 3.3).
struct cert_sct {
    struct bytes log_id;
    uint64_t timestamp_ms;
};
typedef bool cert_sct_visit(void *context, const struct cert_sct *sct);
bool cert_each_sct(const struct cert_lists *lists, cert_sct_visit *visit,
                   void *context);

// cert_verify_signature checks the certificate's signature by the key of
// `issuer_spki` (BoringSSL); false also for algorithms that it does not know.
MUST_USE bool cert_verify_signature(const struct cert *cert,
                                    struct bytes issuer_spki);
