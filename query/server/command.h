// command.h - the commands of RESP and of lines (API.md section 4).
//
// Result    errors are answers: "-ERR …".  An answer that breaks after its
//           first byte is the connection's end, as reply.h says.

#pragma once

#include "query/server/resp.h"
#include "query/server/route.h"

// command_run answers one command of at least one argument; `reply` is reset.
void command_run(struct route *route, const struct resp_command *command,
                 struct reply *reply);
