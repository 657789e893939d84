// postgres.h - a prepared question to PostgreSQL, over its Unix socket.
//
// As much of protocol 3.0 as that takes, so that nothing but the server stands
// in the figures.
//
// Result    what fails ends the program (die).

#pragma once

#include "index/base/bytes.h"

struct postgres;

// postgres_open connects to database postgres as user postgres, without a
// password, and prepares a query of one text parameter.
struct postgres *postgres_open(const char *socket_path, const char *query);
void postgres_close(struct postgres *postgres);

// postgres_ask runs it and counts the rows.
uint64_t postgres_ask(struct postgres *postgres, struct bytes parameter);
