// figures.h - what benchmarks measured, by name, in a file; and the table.
//
// The programs of one run add to one file, a line "name<TAB>value" each, so
// that yardsticks stand beside what they are for.
//
// Result    what cannot be read or written ends the program (die).

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { FIGURES_MAX = 256, FIGURE_NAME_SIZE = 64 };

struct figures {
    const char *path;
    size_t num;
    struct figure {
        char name[FIGURE_NAME_SIZE];
        double value;
    } list[FIGURES_MAX];
};

// figures_read reads the file, if it is there.
void figures_read(struct figures *figures, const char *path);

// figures_set replaces a figure or adds it, but for one that is no number;
// figures_write puts them into the
// file, and as one JSON object into the file beside it, PATH.json.
void figures_set(struct figures *figures, const char *name, double value);
void figures_write(const struct figures *figures);

// figures_get gives a figure; false when it was not measured.
bool figures_get(const struct figures *figures, const char *name,
                 double *value);

// figures_or gives a figure or, where it was not measured, something else.
double figures_or(const struct figures *figures, const char *name,
                  double otherwise);

// A row of a table: what was measured, the goal, what it is measured against.
enum figure_goal { GOAL_NONE, GOAL_AT_MOST, GOAL_AT_LEAST };
struct figure_row {
    const char *what;
    const char *name; // of the figure
    const char *unit;
    enum figure_goal kind;
    double goal;
    char beside[96]; // yardsticks, as text
};

// table_begin prints a heading, table_row a row with "yes" or "no" for its
// goal; what was not measured says so.
void table_begin(const char *title);
void table_row(const struct figures *figures, const struct figure_row *row);

// TABLE_ROW prints a row whose yardsticks are a format and its arguments.
#define TABLE_ROW(figures, what, name, unit, kind, goal, ...)                  \
    do {                                                                       \
        struct figure_row row_ = {what, name, unit, kind, goal, ""};           \
        (void)snprintf(row_.beside, sizeof row_.beside, __VA_ARGS__);          \
        table_row(figures, &row_);                                             \
    } while (0)
