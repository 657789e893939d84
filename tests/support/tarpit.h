// tarpit.h - a listener on 127.0.0.1 whose backlog is full: whoever connects
// waits for ever.

#pragma once

struct tarpit {
    int listener;
    int filler[8];
    unsigned port;
};

// tarpit_open opens one, and ends the program when it cannot; tarpit_close it.
void tarpit_open(struct tarpit *tarpit);
void tarpit_close(struct tarpit *tarpit);
