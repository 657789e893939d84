// sanctd_main.c - sanctd: its command line.

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "index/base/log.h"
#include "index/base/text.h"
#include "index/place.h"
#include "index/version.h"
#include "query/server/listen.h"
#include "query/server/server.h"

enum { THREADS_MAX = 256 };

static const char usage[] =
    "usage: sanctd [options]      (also: sanct serve)\n"
    "\n"
    "Answers questions about certificates on a Unix socket: HTTP/1.1 (its\n"
    "own form, as crt.sh, as SSLMate), RESP and lines, told apart by itself.\n"
    "\n"
    "  -i, --index DIR      the index ($SANCT_INDEX, else the usual place)\n"
    "      --socket PATH    the socket ($XDG_RUNTIME_DIR/sanct.sock, as root\n"
    "                       /run/sanct/sanct.sock); mode 0660\n"
    "      --group NAME     the socket's group\n"
    "      --listen ADDR:PORT  HTTP over TCP too; a loopback address\n"
    "      --listen-public  any address may be listened on\n"
    "      --host NAME      a name that Host may bear over TCP; repeatable\n"
    "      --threads N      default: processors\n"
    "      --busy-poll      spin on a core per thread instead of sleeping\n"
    "  -v, --verbose        also log who connects\n"
    "      --log-format text|logfmt|json\n"
    "      --help, --version\n";

struct options {
    const char *index;
    struct server_options server;
    enum log_format log_format;
    enum log_level log_level;
    bool done; // --help or --version was answered
};

static bool parse_threads(unsigned *threads, const char *text, struct err *err)
{
    uint64_t value;

    if (!text_parse_uint(&value, bytes_from_text(text)) || value < 1 ||
        value > THREADS_MAX) {
        return err_set(err, ERR_USAGE, "--threads %s: 1 to %d are possible",
                       text, THREADS_MAX);
    }
    *threads = (unsigned)value;
    return true;
}

static bool add_host(struct host_rules *rules, const char *name,
                     struct err *err)
{
    if (rules->num_names == HOST_NAMES_MAX) {
        return err_set(err, ERR_USAGE, "--host: at most %d names",
                       HOST_NAMES_MAX);
    }
    rules->names[rules->num_names++] = name;
    return true;
}

static bool parse_option(struct options *options, int option, struct err *err)
{
    switch (option) {
    case 'i':
        options->index = optarg;
        return true;
    case 's':
        options->server.socket_path = optarg;
        return true;
    case 'g':
        options->server.group = optarg;
        return true;
    case 'L':
        options->server.listen_tcp = optarg;
        return true;
    case 'P':
        options->server.listen_public = true;
        return true;
    case 'H':
        return add_host(&options->server.hosts, optarg, err);
    case 'b':
        options->server.busy_poll = true;
        return true;
    case 'v':
        options->log_level = LOG_DEBUG;
        return true;
    case 't':
        return parse_threads(&options->server.threads, optarg, err);
    case 'l':
        if (log_parse_format(&options->log_format, optarg)) return true;
        return err_set(err, ERR_USAGE, "--log-format %s: text, logfmt or json",
                       optarg);
    case 'h':
        (void)fputs(usage, stdout);
        options->done = true;
        return true;
    case 'V':
        version_print("sanctd", NULL);
        options->done = true;
        return true;
    default:
        return err_set(err, ERR_USAGE, "sanctd --help tells the options");
    }
}

static bool parse_options(struct options *options, int argc, char **argv,
                          struct err *err)
{
    static const struct option longs[] = {
        {"index", required_argument, NULL, 'i'},
        {"socket", required_argument, NULL, 's'},
        {"group", required_argument, NULL, 'g'},
        {"listen", required_argument, NULL, 'L'},
        {"listen-public", no_argument, NULL, 'P'},
        {"host", required_argument, NULL, 'H'},
        {"threads", required_argument, NULL, 't'},
        {"busy-poll", no_argument, NULL, 'b'},
        {"verbose", no_argument, NULL, 'v'},
        {"log-format", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0}};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int option;

    options->log_level = LOG_INFO;
    options->server.threads = processors < 1 ? 1 : (unsigned)processors;
    options->server.socket_path = listen_default_path();
    while ((option = getopt_long(argc, argv, "i:v", longs, NULL)) != -1) {
        if (!parse_option(options, option, err)) return false;
        if (options->done) return true;
    }
    if (optind < argc) {
        return err_set(err, ERR_USAGE, "%s: no argument is expected",
                       argv[optind]);
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct index *index = NULL;
    struct err err = {0};
    bool ok = parse_options(&options, argc, argv, &err);

    log_open("sanctd", options.log_format, options.log_level);
    if (ok && !options.done) {
        ok = index_open(&index, place_of_index(options.index), INDEX_READ,
                        &err) &&
             server_run(index, &options.server, &err);
    }
    index_close(index);
    if (!ok) log_line(LOG_ERROR, "%s", err.text);
    return err_exit_code(err.code);
}
