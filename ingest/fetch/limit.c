// limit.c - see limit.h.

#include "ingest/fetch/limit.h"

// Fewer good answers than these in a while say nothing of a rate.
enum {
    GOOD_FEW = 4,
    WHILE_MS = 10 * 1000,
    GOOD_ENOUGH = 2,
    PAUSE_FILLS = 16,
    GOOD_STEADY = 32,
    // What makes a refusal a lone one, or a limit.
    DOUBT_AFTER = 4,
    DOUBT_GOOD = 4,
    DOUBT_REFUSED = 2,
    LONE_FEW = 12,
};

#define RATE_MIN 0.1
#define SHARE_KEPT 0.9
#define SHARE_BELOW 0.95
#define SHARE_STEADY 0.8
#define SHARE_LONE 0.04
#define SHARE_NEAR 0.92
#define SHARE_KEPT_LONE 0.85
// Slower, and too little is under way to tell.
#define DOUBT_RATE 30
// Growth with each good answer, and at most in a second: far from the rate that
// was refused, and near it.
#define GROWTH_FAR (1.0 / 20)
#define GROWTH_FAR_SECOND 0.5
#define GROWTH_NEAR (1.0 / 200)
#define GROWTH_NEAR_SECOND 0.02

void limit_init(struct limit *limit, uint64_t seed)
{
    *limit = (struct limit){.random = seed, .epoch = 1};
}

static double growth(const struct limit *limit)
{
    bool is_near = limit->rate >= limit->refused_at / 2 &&
                   limit->rate <= limit->refused_at * 3 / 2;
    double each = is_near ? GROWTH_NEAR : GROWTH_FAR;
    double in_second = is_near ? GROWTH_NEAR_SECOND : GROWTH_FAR_SECOND;

    return each * limit->rate < in_second ? each : in_second / limit->rate;
}

// Steele, Lea, Flood 2014: SplitMix64.
static uint64_t next_random(struct limit *limit)
{
    uint64_t z = limit->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

// What the host took in a second.  A pause counts as far as it may have filled
// a bucket that the first answers then emptied: the more answers there were,
// the less it says.
static double rate_taken(const struct limit *limit, uint64_t now_ms)
{
    double time_ms = (double)(now_ms - limit->since_ms), taken;

    if (limit->num_good > PAUSE_FILLS) {
        time_ms -=
            (double)limit->paused_ms * (1 - PAUSE_FILLS / limit->num_good);
    }
    // The burst of the first moment says little of a second.
    taken = limit->num_good * 1000 / (time_ms < 1000 ? 1000 : time_ms);
    // What was taken at that rate for long enough, it bears but for little.
    if (limit->num_good >= GOOD_STEADY && taken < limit->rate * SHARE_STEADY) {
        taken = limit->rate * SHARE_STEADY;
    }
    return taken;
}

// A host that took many requests at a rate well below that which it last
// refused has another reason now: were it believed each time, a refusal here
// and there would slow a log to a crawl.  One that goes on has a lower limit:
// it is believed when half and half again have led down to the rate.
static bool is_odd(const struct limit *limit)
{
    return limit->rate > 0 && limit->num_pauses == 1 &&
           limit->num_good >= GOOD_STEADY &&
           limit->rate < limit->refused_at * SHARE_BELOW;
}

static void learn_rate(struct limit *limit, uint64_t asked_ms, uint64_t now_ms)
{
    uint64_t time_ms = now_ms - limit->since_ms;
    double taken = rate_taken(limit, now_ms);

    // A host that was hardly asked anything refuses for another reason, unless
    // it goes on.
    if (is_odd(limit)) {
        limit->refused_at = (limit->refused_at + limit->rate) / 2;
    } else if (limit->rate > 0 || limit->num_good >= GOOD_FEW ||
               time_ms < WHILE_MS || limit->num_pauses > 1) {
        limit->refused_at = limit->rate > taken ? limit->rate : taken;
        limit->rate = taken * SHARE_KEPT;
        if (asked_ms >= LIMIT_ASKED_MIN_MS && limit->num_good >= GOOD_ENOUGH &&
            limit->rate < SHARE_KEPT * 1000 / (double)asked_ms) {
            limit->rate = SHARE_KEPT * 1000 / (double)asked_ms;
        }
        if (limit->rate < RATE_MIN) limit->rate = RATE_MIN;
    }
    limit->since_ms = now_ms;
    limit->num_good = 0;
    limit->paused_ms = 0;
}

static uint64_t pause_ms(struct limit *limit)
{
    uint64_t pause = LIMIT_PAUSE_FIRST_MS;

    for (unsigned i = 1; i < limit->num_pauses && pause < LIMIT_PAUSE_MAX_MS;
         i++) {
        pause *= 2;
    }
    if (pause > LIMIT_PAUSE_MAX_MS) pause = LIMIT_PAUSE_MAX_MS;
    return pause + next_random(limit) % (pause / 2 + 1);
}

static void pause_until(struct limit *limit, uint64_t until_ms)
{
    if (until_ms <= limit->not_before_ms) return;
    limit->not_before_ms = until_ms;
    limit->paused_ms = until_ms - limit->since_ms;
    limit->next_ms = (double)until_ms;
    limit->epoch++;
}

// It is a limit.
static void believe(struct limit *limit, uint64_t asked_ms, uint64_t now_ms)
{
    limit->doubt_ms = 0;
    limit->num_lone = 0;
    limit->was_odd = false;
    limit->num_pauses++;
    learn_rate(limit, asked_ms, now_ms);
    if (asked_ms < LIMIT_ASKED_MIN_MS) {
        pause_until(limit, now_ms + pause_ms(limit));
    }
}

// ---------------------------------------------------------------- the doubt

static bool is_at_refused(const struct limit *limit)
{
    return limit->rate >= limit->refused_at * SHARE_NEAR;
}

static bool may_be_lone(const struct limit *limit)
{
    return limit->num_good >= DOUBT_AFTER && limit->num_pauses == 0 &&
           (limit->rate == 0 || limit->rate >= DOUBT_RATE);
}

static void doubt_ends(struct limit *limit, uint64_t now_ms)
{
    limit->doubt_ms = 0;
    limit->num_lone += 1 + limit->doubt_refused;
    if (limit->num_lone >= LONE_FEW &&
        limit->num_lone > limit->num_good * SHARE_LONE) {
        believe(limit, 0, now_ms);
    } else if (limit->rate > 0 && !is_at_refused(limit)) {
        limit->was_odd = true;
    } else if (limit->rate > 0 && !limit->was_odd) {
        limit->refused_at = limit->rate;
        limit->rate *= SHARE_KEPT_LONE;
    }
}

// What was under way tells nothing any more.
static void look_again(struct limit *limit, uint64_t now_ms)
{
    if (limit->doubt_ms > 0 && now_ms >= limit->doubt_ms + LIMIT_DOUBT_MS) {
        believe(limit, 0, now_ms);
    }
}

// ---------------------------------------------------------------- outside

uint64_t limit_reserve(struct limit *limit, struct limit_place *place,
                       uint64_t now_ms)
{
    double at;

    look_again(limit, now_ms);
    if (place->epoch == limit->epoch) return place->at_ms;
    if (limit->since_ms == 0) limit->since_ms = now_ms;
    at = (double)now_ms;
    if (now_ms < limit->not_before_ms) at = (double)limit->not_before_ms;
    if (limit->rate > 0) {
        if (limit->next_ms > at) at = limit->next_ms;
        limit->next_ms = at + 1000 / limit->rate;
    }
    // Rounded up: a millisecond early may be one too many.
    *place = (struct limit_place){(uint64_t)at + (at > (double)(uint64_t)at),
                                  limit->epoch, ++limit->num_turns};
    return place->at_ms;
}

void limit_good(struct limit *limit, uint64_t turn, uint64_t now_ms)
{
    look_again(limit, now_ms);
    limit->num_good++;
    limit->num_pauses = 0;
    if (now_ms >= limit->since_ms + LIMIT_WINDOW_MS) {
        limit->since_ms += (now_ms - limit->since_ms) / 2;
        limit->num_good /= 2;
        limit->num_lone /= 2;
        limit->paused_ms = 0;
    }
    if (limit->rate > 0) limit->rate *= 1 + growth(limit);
    if (limit->doubt_ms == 0 || turn <= limit->doubt_turn) return;
    limit->doubt_good++;
    if (limit->doubt_good >= DOUBT_GOOD * (1 + limit->doubt_refused)) {
        doubt_ends(limit, now_ms);
    }
}

uint64_t limit_refused(struct limit *limit, uint64_t turn, uint64_t asked_ms,
                       uint64_t now_ms)
{
    look_again(limit, now_ms);
    if (asked_ms > LIMIT_ASKED_MAX_MS) asked_ms = LIMIT_ASKED_MAX_MS;
    if (asked_ms >= LIMIT_ASKED_MIN_MS) {
        uint64_t until = now_ms + asked_ms;

        if (now_ms >= limit->not_before_ms) believe(limit, asked_ms, now_ms);
        if (until > limit->asked_until_ms) limit->asked_until_ms = until;
        pause_until(limit, until);
        return limit->not_before_ms;
    }
    if (now_ms < limit->not_before_ms) return limit->not_before_ms;
    if (limit->doubt_ms == 0 && may_be_lone(limit)) {
        limit->doubt_ms = now_ms;
        limit->doubt_turn = turn;
        limit->doubt_good = limit->doubt_refused = 0;
        return now_ms;
    }
    if (limit->doubt_ms > 0 &&
        (turn <= limit->doubt_turn || ++limit->doubt_refused < DOUBT_REFUSED)) {
        return now_ms;
    }
    believe(limit, 0, now_ms);
    return limit->not_before_ms;
}
