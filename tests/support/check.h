// check.h - what every test program begins with.
//
// cmocka runs the tests; CHECK names the case of a table that failed.

#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "index/base/buffer.h"

// The row of a table that is being checked; printed when a CHECK fails.
extern const char *test_case;

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            print_error("case '%s': %s\n", test_case, #condition);             \
            _fail(__FILE__, __LINE__);                                         \
        }                                                                      \
    } while (0)

// from_hex decodes hex with blanks between into a heap block of exactly that
// size, so that a reader that runs over it is caught; free `data`.
struct bytes from_hex(const char *hex);

// heap_copy copies bytes into a heap block of exactly that size.
struct bytes heap_copy(struct bytes bytes);

// test_data is a path below the folder of real data ($SANCT_TEST_DATA, else
// ../shared/data), or NULL where that is absent: then the test skips, which
// under $CI is a failure.  The text is good until the next call.
const char *test_data(const char *path);

// SKIP_WITHOUT_DATA ends a test with a message where the data is absent.
#define SKIP_WITHOUT_DATA()                                                    \
    do {                                                                       \
        if (test_data("README.md") == NULL) {                                  \
            print_message("no real data: skipped ($SANCT_TEST_DATA)\n");       \
            skip();                                                            \
        }                                                                      \
    } while (0)

// read_file reads a whole file into a heap block; fails the test if it cannot.
struct bytes read_file(const char *path);
