// version.h - what --version prints: this program, and the libraries it runs
// with.

#pragma once

// version_print writes to stdout; `more` names further libraries ("libdeflate
// 1.14"), NULL for none.
void version_print(const char *program, const char *more);
