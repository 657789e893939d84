// random.c - see random.h.

#include "tests/support/random.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

struct random random_for(uint64_t seed, const char *label, uint64_t number)
{
    uint64_t state = seed;
    struct random random;

    for (; *label != '\0'; label++) {
        state = splitmix(&state) ^ (uint8_t)*label;
    }
    state = splitmix(&state) ^ number;
    for (size_t i = 0; i < COUNT_OF(random.state); i++) {
        random.state[i] = splitmix(&state);
    }
    return random;
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t limit)
{
    return (uint64_t)((unsigned __int128)random_next(random) * limit >> 64);
}

void random_fill(struct random *random, uint8_t *out, size_t len)
{
    while (len > 0) {
        uint64_t word = random_next(random);
        size_t some = len < 8 ? len : 8;

        memcpy(out, &word, some);
        out += some;
        len -= some;
    }
}
