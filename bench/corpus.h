// corpus.h - entries as real logs have them, made faster than they are indexed.
//
// Every entry is a pure function of options and index: any part of the log can
// be made alone, in any order, on any thread.  Certificates are put together
// from pieces that are made once for each issuer, so that an entry costs less
// than half a microsecond.  What they are like:
//
//   entries      five precertificates to three finals of the same issuances,
//                which follow a few entries later, over CORPUS_DAYS days
//   names        1.9 a certificate: 52 % have one, 36 % two, the rest up to
//   100;
//                a fifth is a lone subdomain, every second of them two labels
//                deep; 8 % are wildcards; 22 % have no common name
//   renewals     a site comes back 60 to 90 days later with the same names,
//                about 6 in 10 issuances are such; then a new site takes over
//   heavy        one in ten issuances carries a second name that it shares with
//                others of its family: the largest family has 5 % of all
//                entries, the next half as many, and so on
//   platforms    one in twenty has a random name below one of few domains: the
//                largest has 2.5 % of all
//   addresses    1 %, in half of them nothing else; half of those in few
//                crowded IPv4 /24 and IPv6 /48
//   issuers      ten: 75 % are signed with ECDSA (half of the log by two
//                intermediates of one CA), 25 % with RSA, 1 % of all are
//                validated organisations
//   keys         under ECDSA issuers P-256 and 3 % P-384, under RSA issuers
//                RSA, a quarter of it 4096 bits
//   sizes        a precertificate some 810 bytes on the average, as on
//                Navigli2025h2 (812 there, with longer names and 12 % of it
//                RSA); a final certificate 250 more
//   random       keys, serials (128 bits), signatures, SCTs: truly random in
//                every certificate, so nothing compresses that would not in
//                life; the subject key identifier is SHA-1 of the key or its
//                left 160 bits of SHA-256, as the issuer does it
//
// Nothing signs: signatures and points are random bytes of the right form, and
// only the issuers' own certificates are really signed.  Readers that look at
// keys refuse such points: for them there are `real_points`, which repeat.
//
// Thread    any, once made.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"
#include "index/base/sha256.h"

enum { CORPUS_DAYS = 300, CORPUS_ISSUERS = 10, CORPUS_NAME_SIZE = 96 };

struct corpus;

struct corpus_options {
    uint64_t entries; // of the whole log, however much of it is made
    uint64_t seed;
    bool real_points; // keys on their curves, of a thousand only
};

struct corpus_entry {
    size_t leaf_len, precert_len; // of what was appended; the leaf is first
    unsigned issuer;              // its chain: corpus_chain
};

// corpus_new makes the issuers; NULL without memory.
struct corpus *corpus_new(const struct corpus_options *options);
void corpus_free(struct corpus *corpus);

// corpus_append appends entry `index`: its MerkleTreeLeaf, with leaf_index, and
// for a precertificate the submitted certificate.  Look at buffer_ok.
void corpus_append(const struct corpus *corpus, uint64_t index,
                   struct buffer *out, struct corpus_entry *entry);

// corpus_chain gives the fingerprints of an issuer's chain, nearest first;
// corpus_chain_wire appends it as an ASN.1CertChain (RFC 6962 section 3.1);
// corpus_issuer gives the issuer's certificate.
const struct sha256_hash *corpus_chain(const struct corpus *corpus,
                                       unsigned issuer, size_t *num);
void corpus_chain_wire(const struct corpus *corpus, unsigned issuer,
                       struct buffer *out);
struct bytes corpus_issuer(const struct corpus *corpus, unsigned issuer);

// What is worth asking for, the largest of its kind first.
enum corpus_heavy {
    CORPUS_FAMILY,   // a name that many certificates share
    CORPUS_PLATFORM, // a domain with many names below it
    CORPUS_IPV4_24,  // a crowded prefix: its first address
    CORPUS_IPV6_48,
};
enum { CORPUS_HEAVY = 8 }; // of each

// corpus_heavy_name writes number `rank` of them, as text.
void corpus_heavy_name(enum corpus_heavy kind, unsigned rank,
                       char out[CORPUS_NAME_SIZE]);

// corpus_first_name writes a dNSName of entry `index`, false when it has none.
bool corpus_first_name(const struct corpus *corpus, uint64_t index,
                       char out[CORPUS_NAME_SIZE]);
