// reply.h - an answer on its way to a client: status, fields, body in pieces.
//
// A route fills `body` and says whether it is all.  What is longer comes in
// pieces: as long as the client has taken what was there, `more` is called and
// appends the next, so a reply has bounded memory whatever its length.  The
// status goes out with the first piece, so until then a reply may still turn
// into an error.  What answers RESP has its bytes in `body` and no status.
//
// Lifetime  valid as {0}; reply_cleanup calls `drop` when pieces are left.

#pragma once

#include "index/base/buffer.h"
#include "index/base/err.h"

enum {
    REPLY_PIECE = 64 << 10, // a body up to here has a Content-Length
    REPLY_STEPS = 64, // of an answer in one `more`, before others have a turn
};

struct reply;

// reply_more appends the next piece to reply->body, perhaps nothing yet, and
// sets reply->whole after the last.  False: it breaks off, and where the status
// is out already the connection is closed; but for ERR_COLD nothing has changed
// and it is called again once blocks were read.
typedef bool reply_more(struct reply *reply, struct err *err);

struct reply {
    unsigned status;
    const char *content_type;
    struct buffer fields; // further header lines, each with its CRLF
    struct buffer body;
    bool whole;     // nothing comes after `body`
    bool for_all;   // Access-Control-Allow-Origin: *, also on its error
    bool of_moment; // who asks the same in this moment gets the same
    bool then_quit; // the client asked for the end
    bool cold;      // none: to be asked for again once blocks were read
    reply_more *more;
    void (*drop)(struct reply *reply); // frees `state`
    void *state;
};

// reply_reset forgets the answer before and keeps the memory.
void reply_reset(struct reply *reply);

// reply_go_on calls `more`.  Where a file of the index cannot be read any more
// the reply is dropped and that is the error.
MUST_USE bool reply_go_on(struct reply *reply, struct err *err);

// reply_cleanup frees everything.
void reply_cleanup(struct reply *reply);

// reply_field appends one header line.
void reply_field(struct reply *reply, const char *name, const char *value);

// reply_json makes `status` with what is in the body a whole JSON answer.
void reply_json(struct reply *reply, unsigned status);

// reply_error is {"code","message"}, whatever was in the body before.
void reply_error(struct reply *reply, unsigned status, const char *code,
                 const char *message);

// reply_fail forgets the answer and makes it the error that `err` is.
void reply_fail(struct reply *reply, const struct err *err);
