// figures.c - see figures.h.

#include "bench/figures.h"

#include <math.h>
#include <string.h>

#include "bench/measure.h"

void figures_read(struct figures *figures, const char *path)
{
    FILE *file = fopen(path, "re");
    char name[FIGURE_NAME_SIZE];
    double value;

    *figures = (struct figures){.path = path};
    if (file == NULL) return;
    while (fscanf(file, "%63s %lf", name, &value) == 2) {
        figures_set(figures, name, value);
    }
    (void)fclose(file);
}

static struct figure *find(const struct figures *figures, const char *name)
{
    for (size_t i = 0; i < figures->num; i++) {
        if (strcmp(figures->list[i].name, name) == 0) {
            return (struct figure *)(uintptr_t)&figures->list[i];
        }
    }
    return NULL;
}

void figures_set(struct figures *figures, const char *name, double value)
{
    struct figure *figure = find(figures, name);

    if (!isfinite(value)) return; // of something that was not measured
    if (figure == NULL) {
        if (figures->num == FIGURES_MAX) die("%s: too many", name);
        figure = &figures->list[figures->num++];
        (void)snprintf(figure->name, sizeof figure->name, "%s", name);
    }
    figure->value = value;
}

bool figures_get(const struct figures *figures, const char *name, double *value)
{
    const struct figure *figure = find(figures, name);

    if (figure != NULL) *value = figure->value;
    return figure != NULL;
}

double figures_or(const struct figures *figures, const char *name,
                  double otherwise)
{
    (void)figures_get(figures, name, &otherwise);
    return otherwise;
}

static void write_file(const struct figures *figures, const char *path,
                       const char *before, const char *form, const char *after)
{
    FILE *file = fopen(path, "we");

    if (file == NULL) die("%s: cannot be written", path);
    (void)fputs(before, file);
    for (size_t i = 0; i < figures->num; i++) {
        if (i > 0) (void)fputs(after, file);
        (void)fprintf(file, form, figures->list[i].name,
                      figures->list[i].value);
    }
    (void)fputs(before[0] == '{' ? "}\n" : "", file);
    if (fclose(file) != 0) die("%s: cannot be written", path);
}

void figures_write(const struct figures *figures)
{
    char json[4096];

    (void)snprintf(json, sizeof json, "%s.json", figures->path);
    write_file(figures, figures->path, "", "%s\t%.9g\n", "");
    write_file(figures, json, "{", "\"%s\":%.9g", ",\n");
}

void table_begin(const char *title)
{
    printf("\n%s\n\n  %-50s %22s %14s  %-4s %s\n", title, "figure", "measured",
           "goal", "met", "beside, same run");
}

void table_row(const struct figures *figures, const struct figure_row *row)
{
    char measured[64] = "not measured", goal[64] = "";
    const char *met = "";
    double value;

    if (row->kind != GOAL_NONE) {
        (void)snprintf(goal, sizeof goal, "%s %.6g",
                       row->kind == GOAL_AT_MOST ? "<=" : ">=", row->goal);
    }
    if (figures_get(figures, row->name, &value)) {
        (void)snprintf(measured, sizeof measured,
                       value >= 1000  ? "%.0f %s"
                       : value >= 100 ? "%.1f %s"
                                      : "%.2f %s",
                       value, row->unit);
        if (row->kind == GOAL_AT_MOST) met = value <= row->goal ? "yes" : "no";
        if (row->kind == GOAL_AT_LEAST) met = value >= row->goal ? "yes" : "no";
    }
    printf("  %-50s %22s %14s  %-4s %s\n", row->what, measured, goal, met,
           row->beside);
}
