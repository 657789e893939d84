// names.h - one name, one address: every form it must be found by.
//
// The derivation table of FAULTS.md section 3.3.  The same functions make the
// terms of a certificate at ingest and of a question at query, so what is
// stored one way is asked for the same way.
//
// A term is a kind and normalised bytes:
//
//   TERM_DNS          a DNS name: labels in A-label lower case, joined by dots,
//                     no trailing dot; bytes that no DNS name holds stay as
//                     they are.  "*.example.com" keeps its star label.
//   TERM_IPV4/6       4 or 16 octets.  An IPv4-mapped IPv6 address is TERM_IPV4
//                     on both sides.
//   TERM_IRREGULAR    the parent of a name with a label that is a wildcard of
//                     no regular form or cannot be read ("f*.example.com",
//                     "?.example.com", "*.*.com"): what stands right of its
//                     last such label, as TERM_DNS text; "" where nothing
//                     does ("*.*"), none for a name of one label.  Covering
//                     questions ask for it, one per parent.
//   TERM_CN_TEXT      a common name that is no host, as UTF-8.  What has a
//                     blank inside is one; what has none and yet bytes that
//                     no host has is TERM_DNS and TERM_CN_TEXT.
//   TERM_IP_OCTETS    an iPAddress of a length that is none.
//
// Lifetime  values lie in the arena, none points into the certificate.
// Order     terms come in certificate order of first appearance.
// Result    each (kind, value) once, its `via` all the ways that led to it.
// Limit     time and memory are linear in the certificate, but for the
//           removal of equal terms in n log n comparisons.

#pragma once

#include "index/base/arena.h"
#include "index/base/err.h"
#include "index/entry/cert.h"

enum term_kind {
    TERM_DNS = 1,
    TERM_IPV4,
    TERM_IPV6,
    TERM_IRREGULAR,
    TERM_CN_TEXT,
    TERM_IP_OCTETS,
    // Not derived from names; here so that there is one list of key kinds.
    TERM_CERT_SHA256 = 16,
    TERM_TBS_SHA256,
    TERM_SPKI_SHA256,
    TERM_SERIAL,     // content octets, leading zero octets dropped
    TERM_ISSUER_KEY, // SHA-256 of the issuer's SubjectPublicKeyInfo
};

// How a name matched: the words of `via` in answers (names_via_word), a bit
// each so that a term may have several.
enum name_via {
    VIA_SAN_DNS = 1 << 0,         // san-dns
    VIA_SAN_IP = 1 << 1,          // san-ip
    VIA_CN = 1 << 2,              // cn
    VIA_SAN_EMAIL = 1 << 3,       // san-email: host of a mailbox
    VIA_SAN_URI = 1 << 4,         // san-uri: host of a URI
    VIA_SAN_OTHER = 1 << 5,       // san-other: host of UPN, SmtpUTF8Mailbox
    VIA_SAN_DIRECTORY = 1 << 6,   // san-directory: CN of a directoryName
    VIA_SUBJECT_EMAIL = 1 << 7,   // subject-email
    VIA_SALVAGED = 1 << 8,        // salvaged from broken bytes
    VIA_UNAUTHENTICATED = 1 << 9, // only in bytes that the tree does not cover
    VIA_DERIVED = 1 << 10,   // not as it stands: IP literal in a DNS name, part
                             // before NUL, host of host:port, other reading
    VIA_WILDCARD = 1 << 11,  // set at query: matched by a wildcard
    VIA_IRREGULAR = 1 << 12, // set at query: by an irregular wildcard
};

// Oddities of a certificate's names: the words of `flags` in answers
// (names_flag_word).
enum name_flag {
    FLAG_IP_IN_DNS_NAME = 1 << 0,   // ip-in-dns-name
    FLAG_IP_IN_CN = 1 << 1,         // ip-in-cn
    FLAG_IP_BAD_LENGTH = 1 << 2,    // ip-bad-length
    FLAG_NUL_IN_NAME = 1 << 3,      // nul-in-name
    FLAG_UNPRINTABLE_NAME = 1 << 4, // unprintable-name
    FLAG_EMPTY_NAME = 1 << 5,       // empty-name
    FLAG_LONG_NAME = 1 << 6,        // long-name: over 253 bytes, label over 63
    FLAG_ODD_WILDCARD = 1 << 7,     // odd-wildcard
    FLAG_NAME_NOT_ASCII = 1 << 8,   // name-not-ascii: UTF-8 or Latin-1
    FLAG_URL_IN_NAME = 1 << 9,      // url-in-name: scheme, port, path, CIDR
    FLAG_DUPLICATE_SAN = 1 << 10,   // duplicate-san: several SAN extensions
    FLAG_SALVAGED = 1 << 11,        // salvaged
    FLAG_NO_NAMES = 1 << 12,        // no-names
    FLAG_CN_NOT_IN_SAN = 1 << 13,   // cn-not-in-san: a CN that is a host
    // Set by entry_understand:
    FLAG_UNPARSED = 1 << 16,         // unparsed
    FLAG_PRECERT_MISMATCH = 1 << 17, // precert-mismatch: extra_data's
                                     // precertificate is not the leaf's
    FLAG_WRONG_LEAF_INDEX = 1 << 18, // wrong-leaf-index
    FLAG_BAD_DATE = 1 << 19,         // bad-date
    FLAG_CHAIN_UNREADABLE = 1 << 20, // chain-unreadable
    // Set at query:
    FLAG_ISSUER_UNVERIFIED = 1 << 24, // issuer-unverified
    FLAG_SERIAL_REUSED = 1 << 25, // serial-reused: same issuer and serial with
                                  // another TBSCertificate
};

struct term {
    enum term_kind kind;
    uint32_t via; // bits of enum name_via
    struct bytes value;
};

struct term_list {
    struct term *terms;
    size_t num_terms;
    uint32_t flags; // bits of enum name_flag
};

// names_derive makes every term of a certificate's names, in `arena`.
// `via_more` is or-ed into each (VIA_UNAUTHENTICATED).  False: no memory.
MUST_USE bool names_derive(struct term_list *out, const struct cert *cert,
                           uint32_t via_more, struct arena *arena);

// names_join appends those terms of `more` that `list` lacks, whatever their
// `via`, and or-s the flags.  False: no memory.
MUST_USE bool names_join(struct term_list *list, const struct term_list *more,
                         struct arena *arena);

// names_from_text makes the terms that a DNS name or address of a question
// stands for (several where it has more than one reading, e.g. U-label): the
// name as a whole, so "example.com:443" asks for that and not for its host.
// `text` is unescaped.  ERR_USAGE when nothing but blanks and dots is in it.
MUST_USE bool names_from_text(struct term_list *out, struct bytes text,
                              struct arena *arena, struct err *err);

// names_parse_ip reads an IPv4 or IPv6 address in any spelling a person may
// use, also [v6]; 4 or 16 octets into `octets`.  IPv4-mapped gives 4.
MUST_USE bool names_parse_ip(struct bytes text, uint8_t octets[16],
                             size_t *len);

// names_unmap_ip makes 4 octets of an IPv4-mapped IPv6 address.
void names_unmap_ip(uint8_t octets[16], size_t *len);

// names_append_ip appends RFC 5952 text of 4 or 16 octets.
void names_append_ip(struct buffer *out, struct bytes octets);

// names_cn_text is the value of TERM_CN_TEXT for `text` (UTF-8), both of a
// certificate and of a question: without blanks around it, else as it stands.
struct bytes names_cn_text(struct bytes text);

// names_is_text tells whether the value of such a term is its text.
bool names_is_text(enum term_kind kind);

// names_append_term appends a term as answers show it, not yet escaped: a DNS
// name, an address, a common name; hex for what has no text.
void names_append_term(struct buffer *out, enum term_kind kind,
                       struct bytes value);

// names_via_word, names_flag_word name one bit; NULL when it has none.
const char *names_via_word(uint32_t bit);
const char *names_flag_word(uint32_t bit);
