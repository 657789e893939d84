// crtsh_query.h - the parameters of a question as crt.sh's clients ask it.
//
// They come percent-encoded, but for what the clients of crt.sh put on the wire
// raw: a "%" that is no escape is taken as it stands.  Unknown parameters are
// passed over: crt.sh has dozens that only change how its pages look.
//
// Lifetime  what was read lies in the arena.
// Result    pure.  ERR_USAGE: a sentence that begins with the parameter.

#pragma once

#include "query/question.h"
#include "query/shape/crtsh.h"

enum crtsh_search {
    CRTSH_NONE,
    CRTSH_WHAT,     // `what` is a question
    CRTSH_ID,       // `id` is a certificate's
    CRTSH_DOWNLOAD, // `id` or, where that is 0, `hash` is to be downloaded
};

struct crtsh_query {
    enum crtsh_search search;
    struct bytes what;
    uint64_t id;
    bool has_hash; // only the certificate with this hash
    struct sha256_hash hash;
    bool deduplicate;
    bool has_output;
    enum crtsh_output output;
    uint64_t limit; // of rows; 0: none
    uint64_t skip;  // rows of the first issuance that came before
    struct filters filters;
};

// crtsh_query_read reads the query string.
MUST_USE bool crtsh_query_read(struct crtsh_query *out, struct bytes query,
                               struct arena *arena, struct err *err);
