// planted.h - logs of certificates with chosen names, to be asked for.
//
// Lifetime  planted_open takes a log over; planted_close frees everything.
// Result    what fails ends the test.

#pragma once

#include "tests/support/authority.h"
#include "tests/support/folder.h"
#include "tests/support/made_log.h"

enum { PLANTED_NAMES_MAX = 8, PLANTED_LOGS = 2, PLANTED_CAS = 3 };

// The third authority has the first one's name and a key of its own.
enum planted_ca { CA_AMBER, CA_BIRCH, CA_ROGUE };

struct planted_cert {
    const char *names[PLANTED_NAMES_MAX]; // DNS names and addresses
    const char *common_name;              // NULL: none
    enum planted_ca ca;
    uint32_t serial;
    int64_t not_before, not_after;
};

struct planted {
    char folder[FOLDER_LEN];
    struct index *index;
    struct authority cas[PLANTED_CAS];
    // Chains of the first log are Amber's, of the second Birch's.
    struct made_log logs[PLANTED_LOGS];
    uint64_t appended[PLANTED_LOGS];
    uint64_t next_id;
};

// planted_open makes authorities, logs of at most `room` entries each and an
// empty index in a temporary folder.
void planted_open(struct planted *planted, uint64_t room);
void planted_close(struct planted *planted);

// planted_add adds a certificate to a log, as a precertificate or as final.
void planted_add(struct planted *planted, size_t log,
                 const struct planted_cert *cert, bool precert,
                 uint64_t timestamp_ms);

// planted_rehash hashes the leaf added last anew: a test has changed it.
void planted_rehash(struct planted *planted, size_t log);

// planted_append makes what was added to a log since the last call visible, and
// returns the id of the first entry.  The tree has the size that it has then.
uint64_t planted_append(struct planted *planted, size_t log);

// planted_snapshot opens one.
struct snapshot *planted_snapshot(const struct planted *planted);
