// sandbox.h - what a server gives up once it is set up.
//
//   ... index open, sockets listening, everything else still possible
//   sandbox_enter(dir)     one thread: Landlock, no new privileges, seccomp
//   pthread_create ...
//   sandbox_seal()         each thread, its ring open: no more rings, threads
//
// Three guards, each against what the others do not see.  Landlock: files can
// be opened beneath the index folder, for reading; no TCP connects, no signals
// to strangers where the kernel knows that.  Seccomp: an allow-list of system
// calls, everything else is EPERM.  The ring's own restrictions (ring.c): a
// ring's operations pass by seccomp, so it takes seven and no others; after
// sandbox_seal() no other ring can be had.
//
// What stays writable: standard error, and tail/lock.mdb, where LMDB's readers
// note what they hold.  That file is open and mapped before sandbox_enter(),
// and it alone is: so it cannot be opened anew, and segments have no locks.
//
// Result    nothing here fails: a kernel that lacks a piece is said once, in
//           the log, and the pieces that it has are put in place.
// Thread    sandbox_enter before any other thread is started.

#pragma once

enum sandbox_piece { SANDBOX_LANDLOCK = 1 << 0, SANDBOX_SECCOMP = 1 << 1 };

// sandbox_enter gives up everything but reading beneath `dir` and what threads
// and their rings take; tells which pieces (enum sandbox_piece) hold.
unsigned sandbox_enter(const char *dir);

// sandbox_seal gives up, for the calling thread, what only starting takes.
// Does nothing outside of the sandbox.
void sandbox_seal(void);
