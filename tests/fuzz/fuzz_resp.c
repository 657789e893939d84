// fuzz_resp.c - commands give the same whole and cut at any place.

#include <assert.h>
#include <stdlib.h>

#include "query/server/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    struct resp_command command;
    struct err err = {0};

    (void)resp_sniff(in);
    while (in.len > 0) {
        struct bytes before = in, cut;
        enum resp_progress progress = resp_read(&command, &in, &err);

        if (progress != RESP_COMMAND) break;
        assert(command.num_args <= RESP_ARGS_MAX && in.len < before.len);
        for (size_t i = 0; i < command.num_args; i++) {
            assert(command.args[i].len <= RESP_ARG_MAX);
            assert(command.args[i].data >= before.data &&
                   command.args[i].data + command.args[i].len <= in.data);
        }
        // One byte less is never a whole command.
        cut = bytes_of(before.data, before.len - in.len - 1);
        assert(resp_read(&command, &cut, &err) == RESP_MORE);
    }
    return 0;
}
