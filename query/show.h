// show.h - an issuance as a shape needs it: its entries read and understood.
//
// Lifetime  everything lies in the caller's arena, on the shelf and in the
//           snapshot.
// Limit     of many sightings of one certificate a few are kept in memory, the
//           others share one (struct sighting).  For FLAG_SERIAL_REUSED at
//           most SHOW_SERIALS_MAX entries of the same serial number are read.

#pragma once

#include "query/answer.h"
#include "query/group.h"

enum { SHOW_SERIALS_MAX = 1024 };

// show_issuance reads the group's entries; what is at or above `end_id` does
// not count as a serial number's other use.
MUST_USE bool show_issuance(struct issuance *out,
                            const struct question *question,
                            const struct group *group, struct shelf *shelf,
                            uint64_t end_id, struct arena *arena,
                            struct err *err);
