// tarpit.c - see tarpit.h.

#include "tests/support/tarpit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "index/base/bytes.h"

void tarpit_open(struct tarpit *tarpit)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    tarpit->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(tarpit->listener, (void *)&address, len) != 0 ||
        listen(tarpit->listener, 0) != 0 ||
        getsockname(tarpit->listener, (void *)&address, &len) != 0) {
        abort();
    }
    tarpit->port = ntohs(address.sin_port);
    for (size_t i = 0; i < COUNT_OF(tarpit->filler); i++) {
        tarpit->filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(tarpit->filler[i], (void *)&address, len);
    }
}

void tarpit_close(struct tarpit *tarpit)
{
    for (size_t i = 0; i < COUNT_OF(tarpit->filler); i++) {
        (void)close(tarpit->filler[i]);
    }
    (void)close(tarpit->listener);
}
