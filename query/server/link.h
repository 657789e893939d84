// link.h - "Link: <?…>; rel="next"" of a page that something follows.

#pragma once

#include "query/server/reply.h"

// link_add_next adds the field: the query as it was asked, with this `after`.
void link_add_next(struct reply *reply, struct bytes query, const char *after);
