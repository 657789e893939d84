// watch.c - see watch.h.

#include "bench/watch.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "bench/measure.h"

enum { LOOK_MS = 5 };

// The process's own memory: mapped files are the kernel's.
static uint64_t own_bytes(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    uint64_t sum = 0;
    char line[256];

    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        unsigned long kib;

        if (sscanf(line, "RssAnon: %lu", &kib) == 1 ||
            sscanf(line, "RssShmem: %lu", &kib) == 1) {
            sum += (uint64_t)kib * 1024;
        }
    }
    if (status != NULL) (void)fclose(status);
    return sum;
}

static bool is_running(const char *task)
{
    char path[300], line[512] = "";
    const char *name_end;
    FILE *stat;

    (void)snprintf(path, sizeof path, "/proc/self/task/%s/stat", task);
    stat = fopen(path, "r");
    if (stat == NULL) return false;
    if (fgets(line, sizeof line, stat) == NULL) line[0] = '\0';
    (void)fclose(stat);
    name_end = strrchr(line, ')');
    return name_end != NULL && strncmp(name_end, ") R", 3) == 0;
}

static uint64_t count_running(void)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    uint64_t num = 0;

    while (tasks != NULL && (task = readdir(tasks)) != NULL) {
        if (task->d_name[0] != '.' && is_running(task->d_name)) num++;
    }
    if (tasks != NULL) (void)closedir(tasks);
    return num > 0 ? num - 1 : 0; // this thread runs too
}

static void *look(void *context)
{
    struct watch *watch = context;

    while (!watch->stop) {
        uint64_t bytes = own_bytes();

        if (bytes > watch->memory_peak_bytes) watch->memory_peak_bytes = bytes;
        watch->running += count_running();
        watch->looks++;
        (void)usleep(LOOK_MS * 1000);
    }
    return NULL;
}

void watch_start(struct watch *watch)
{
    *watch = (struct watch){.begun_ns = measure_now_ns(),
                            .cpu_ns = measure_cpu_ns()};
    if (pthread_create(&watch->thread, NULL, look, watch) != 0) {
        die("no thread");
    }
}

void watch_stop(struct watch *watch)
{
    watch->cores = (double)(measure_cpu_ns() - watch->cpu_ns) /
                   (double)(measure_now_ns() - watch->begun_ns);
    watch->stop = true;
    (void)pthread_join(watch->thread, NULL);
    watch->runnable =
        watch->looks == 0 ? 0 : (double)watch->running / (double)watch->looks;
}
