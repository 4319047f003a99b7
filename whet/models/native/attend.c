/* Attention among rows in one flat sequence, forth and back, where the processor multiplies tiles of bfloat16 (AMX). */
#include "tiles.h"

#ifdef TILES
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK 64 /* queries at a time: what they give to 1,500 keys stays in a core's own cache */

int multiplies_tiles(void) { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; /* ask for the tiles' registers */ }

/* c (m by n) = a (m by k) b, or c + a b; all of m, n, k are multiples of 32, b lies in pairs of rows. */
static void multiply(const bf16 *a, long by_a, const bf16 *b, float *c, long m, long n, long k, int add) {
    for (long i = 0; i < m; i += 32)
        for (long j = 0; j < n; j += 32) {
            float *to = c + i * n + j;
            if (add) {
                _tile_loadd(0, to, n * 4);
                _tile_loadd(1, to + 16, n * 4);
                _tile_loadd(2, to + 16 * n, n * 4);
                _tile_loadd(3, to + 16 * n + 16, n * 4);
            } else {
                _tile_zero(0);
                _tile_zero(1);
                _tile_zero(2);
                _tile_zero(3);
            }
            for (long l = 0; l < k; l += 32) {
                const bf16 *left = a + i * by_a + l, *right = b + l * n + j * 2;
                _tile_loadd(4, left, by_a * 2);
                _tile_loadd(5, left + 16 * by_a, by_a * 2);
                _tile_loadd(6, right, n * 4);
                _tile_loadd(7, right + 32, n * 4);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
            _tile_stored(0, to, n * 4);
            _tile_stored(1, to + 16, n * 4);
            _tile_stored(2, to + 16 * n, n * 4);
            _tile_stored(3, to + 16 * n + 16, n * 4);
        }
}

/* Rows, `by` numbers apart, as pairs of rows: (n by d) to (n / 2 by d by 2); missing ones up to `full` are 0. */
static void pair(const bf16 *in, long by, bf16 *out, long n, long full, long d) {
    static const bf16 none[512];
    uint32_t *to = (uint32_t *)out;
    for (long i = 0; i < full; i += 2) {
        const bf16 *one = i < n ? in + i * by : none, *other = i + 1 < n ? in + (i + 1) * by : none;
#pragma omp simd
        for (long j = 0; j < d; j++) to[i / 2 * d + j] = both(one[j], other[j]);
    }
}

/* The same of the transpose: (n by d) to (d / 2 by full by 2). */
static void pair_turned(const bf16 *in, long by, bf16 *out, long n, long full, long d) {
    uint32_t *to = (uint32_t *)out;
    memset(out, 0, full * d * 2);
    for (long i = 0; i < n; i++)
        for (long j = 0; j < d; j += 2) to[j / 2 * full + i] = both(in[i * by + j], in[i * by + j + 1]);
}

/* Rows of numbers, `by` apart. */
typedef struct {
    const bf16 *at;
    long by;
} Rows;

static Rows from(Rows rows, long place) { return (Rows){rows.at + place * rows.by, rows.by}; }

/* What one head works in. Shapes: of `full` keys, a multiple of 32, and BLOCK queries. */
typedef struct {
    bf16 *keys, *values, *turned;                    /* (full, d), (full, d), (d, full) */
    bf16 *asked, *back, *asked_turned, *back_turned; /* in pairs: (BLOCK, d) twice, (d, BLOCK) twice */
    bf16 *weights, *to_scores, *paired;              /* (full, BLOCK), the last in pairs */
    float *scores, *slopes, *said;                   /* (full, BLOCK) twice, (d, BLOCK) */
    float *to_key, *to_value;                        /* (full, d) */
} Room;

static void *taken(char **from, long bytes) {
    void *place = *from;
    *from += (bytes + 63) / 64 * 64;
    return place;
}

static long room_of(Room *room, char *from, long full, long d) {
    char *at = from;
    bf16 **kept[] = {&room->keys, &room->values, &room->turned};
    bf16 **small[] = {&room->asked, &room->back, &room->asked_turned, &room->back_turned};
    bf16 **wide[] = {&room->weights, &room->to_scores, &room->paired};
    float **sums[] = {&room->to_key, &room->to_value};
    for (int i = 0; i < 3; i++) *kept[i] = taken(&at, full * d * 2);
    for (int i = 0; i < 4; i++) *small[i] = taken(&at, BLOCK * d * 2);
    for (int i = 0; i < 3; i++) *wide[i] = taken(&at, full * BLOCK * 2);
    for (int i = 0; i < 2; i++) *sums[i] = taken(&at, full * d * 4);
    room->scores = taken(&at, full * BLOCK * 4);
    room->slopes = taken(&at, full * BLOCK * 4);
    room->said = taken(&at, d * BLOCK * 4);
    return at - from;
}

static void gather(Rows in, bf16 *out, long n, long d) {
    for (long i = 0; i < n; i++) memcpy(out + i * d, in.at + i * in.by, d * 2);
}

static void turn_over(const bf16 *in, bf16 *out, long full, long d) {
    for (long j = 0; j < d; j++)
        for (long i = 0; i < full; i++) out[j * full + i] = in[i * d + j];
}

/* What BLOCK queries, the first at place `first`, give to `seen` keys: exp(score - most) and its sum, in pairs. */
static void share(Room *room, float *most, float *sum, long seen, long first, float scale) {
    for (long key = 0; key < seen; key++) {
        const float *score = room->scores + key * BLOCK;
        int from = (int)(key - first);
#pragma omp simd
        for (int i = 0; i < BLOCK; i++) most[i] = i >= from && score[i] > most[i] ? score[i] : most[i];
    }
    for (long key = 0; key < seen; key++) {
        const float *score = room->scores + key * BLOCK;
        bf16 *weight = room->weights + key * BLOCK;
        uint32_t *paired = (uint32_t *)room->paired + key / 2 * BLOCK;
        int from = (int)(key - first);
#pragma omp simd
        for (int i = 0; i < BLOCK; i++) {
            float part = power((score[i] - most[i]) * scale);
            part = i >= from ? part : 0.0f;
            sum[i] += part;
            weight[i] = narrow(part);
        }
        if (key % 2)
#pragma omp simd
            for (int i = 0; i < BLOCK; i++) paired[i] = both(weight[i - BLOCK], weight[i]);
    }
}

/* The same again with known sums, and the slopes of the scores. */
static void weigh(Room *room, const float *sums, const float *means, long seen, long first, float scale) {
    for (long key = 0; key < seen; key++) {
        const float *score = room->scores + key * BLOCK, *slope = room->slopes + key * BLOCK;
        bf16 *weight = room->weights + key * BLOCK, *to = room->to_scores + key * BLOCK;
        uint32_t *paired = (uint32_t *)room->paired + key / 2 * BLOCK;
        int from = (int)(key - first);
#pragma omp simd
        for (int i = 0; i < BLOCK; i++) {
            float part = power(score[i] * scale - sums[i]);
            part = i >= from ? part : 0.0f;
            weight[i] = narrow(part);
            to[i] = narrow(part * (slope[i] - means[i]) * scale);
        }
        if (key % 2)
#pragma omp simd
            for (int i = 0; i < BLOCK; i++) paired[i] = both(to[i - BLOCK], to[i]);
    }
}

/* Some queries and the keys they see: stretches of one flat sequence, the first query at place `before` of the keys.
 * Filled in by whet/models/attention.py. */
typedef struct {
    int64_t begin, count, before, keys[3][2];
} Task;

static long seen_by(const Task *task) {
    long seen = 0;
    for (int i = 0; i < 3; i++) seen += task->keys[i][1] - task->keys[i][0];
    return seen;
}

static long up(long count) { return (count + 31) / 32 * 32; }

/* Keys and values of a task, as products need them. */
static void lay(Room *room, const Task *task, Rows key, Rows value, long d) {
    long seen = 0, full = up(seen_by(task));
    for (int i = 0; i < 3; i++) {
        long begin = task->keys[i][0], count = task->keys[i][1] - begin;
        gather(from(key, begin), room->keys + seen * d, count, d);
        gather(from(value, begin), room->values + seen * d, count, d);
        seen += count;
    }
    memset(room->keys + seen * d, 0, (full - seen) * d * 2);
    memset(room->values + seen * d, 0, (full - seen) * d * 2);
}

/* One head forth. out: rows of d, `by` apart; sums: `by_sum` apart. */
static void forth(Room *room, const Task *task, Rows query, bf16 *out, long by, float *sums, long by_sum, long d,
                  float scale) {
    long full = up(seen_by(task));
    for (long begin = 0; begin < task->count; begin += BLOCK) {
        long part = task->count - begin < BLOCK ? task->count - begin : BLOCK, first = task->before + begin;
        long until = first + part < full ? up(first + part) : full;
        float most[BLOCK], sum[BLOCK] = {0};
        for (int i = 0; i < BLOCK; i++) most[i] = -INFINITY;
        pair_turned(from(query, task->begin + begin).at, query.by, room->asked_turned, part, BLOCK, d);
        multiply(room->keys, d, room->asked_turned, room->scores, until, BLOCK, d, 0);
        share(room, most, sum, until, first, scale);
        multiply(room->turned, full, room->paired, room->said, d, BLOCK, until, 0);
        for (long i = 0; i < part; i++) {
            long place = task->begin + begin + i;
            for (long j = 0; j < d; j++) out[place * by + j] = narrow(room->said[j * BLOCK + i] / sum[i]);
            sums[place * by_sum] = most[i] * scale + logf(sum[i]);
        }
    }
}

/* One head back; adds to room->to_key and to_value, and to `to_query` or writes it. */
static void back(Room *room, const Task *task, Rows query, Rows grad, Rows out, const float *sums, long by_sum,
                 float *to_query, long by, int add, long d, float scale) {
    long full = up(seen_by(task));
    for (long begin = 0; begin < task->count; begin += BLOCK) {
        long part = task->count - begin < BLOCK ? task->count - begin : BLOCK, first = task->before + begin;
        long until = first + part < full ? up(first + part) : full, place = task->begin + begin;
        Rows asked = from(query, place), slope = from(grad, place), said = from(out, place);
        float sum[BLOCK] = {0}, mean[BLOCK] = {0};
        for (long i = 0; i < part; i++) {
            float dot = 0;
#pragma omp simd reduction(+ : dot)
            for (long j = 0; j < d; j++) dot += wide(slope.at[i * slope.by + j]) * wide(said.at[i * said.by + j]);
            mean[i] = dot;
            sum[i] = sums[(place + i) * by_sum];
        }
        pair(asked.at, asked.by, room->asked, part, BLOCK, d);
        pair(slope.at, slope.by, room->back, part, BLOCK, d);
        pair_turned(asked.at, asked.by, room->asked_turned, part, BLOCK, d);
        pair_turned(slope.at, slope.by, room->back_turned, part, BLOCK, d);
        multiply(room->keys, d, room->asked_turned, room->scores, until, BLOCK, d, 0);
        multiply(room->values, d, room->back_turned, room->slopes, until, BLOCK, d, 0);
        weigh(room, sum, mean, until, first, scale);
        multiply(room->weights, BLOCK, room->back, room->to_value, until, d, BLOCK, 1);
        multiply(room->to_scores, BLOCK, room->asked, room->to_key, until, d, BLOCK, 1);
        multiply(room->turned, full, room->paired, room->said, d, BLOCK, until, 0);
        for (long i = 0; i < part; i++)
            for (long j = 0; j < d; j++) {
                float *to = to_query + (place + i) * by + j;
                *to = room->said[j * BLOCK + i] + (add ? *to : 0.0f);
            }
    }
}

static long longest(const Task *tasks, long count) {
    long most = 0;
    for (long i = 0; i < count; i++) most = seen_by(tasks + i) > most ? seen_by(tasks + i) : most;
    return up(most);
}

/* Causal attention of rows in one flat sequence. strides: how far apart heads and tokens of query, key and value lie;
 * out: tokens x heads x d; sums, the logarithm of what a query's weights sum up to: tokens x heads. d is a multiple of
 * 32, up to 512. Returns whether memory was short. */
int attend_forward(const bf16 *query, const bf16 *key, const bf16 *value, const int64_t *strides, const Task *tasks,
                   bf16 *out, float *sums, long count, long heads, long kept, long d, float scale, int threads) {
    long full = longest(tasks, count), groups = heads / kept, fails = 0;
#pragma omp parallel num_threads(threads) reduction(+ : fails)
    {
        char earlier[64];
        Room room;
        char *place = aligned_alloc(64, room_of(&room, 0, full, d));
        _tile_storeconfig(earlier); /* other libraries remember what they set */
        _tile_loadconfig(&SHAPE);
        if (place) room_of(&room, place, full, d);
#pragma omp for schedule(dynamic, 1)
        for (long at = 0; at < count * kept; at++) {
            const Task *task = tasks + at / kept;
            long shared = at % kept;
            fails += !place;
            if (!place) continue;
            lay(&room, task, (Rows){key + shared * strides[2], strides[3]},
                (Rows){value + shared * strides[4], strides[5]}, d);
            turn_over(room.values, room.turned, up(seen_by(task)), d);
            for (long head = shared * groups; head < (shared + 1) * groups; head++)
                forth(&room, task, (Rows){query + head * strides[0], strides[1]}, out + head * d, heads * d, sums + head,
                      heads, d, scale);
        }
        _tile_loadconfig(earlier);
        free(place);
    }
    return (int)fails;
}

/* Its way back (arXiv:2205.14135, algorithm 4). The slopes by what a query sees of several stretches add up, so each task
 * has one stretch of keys here. Tasks stand in turns, `ends` of which are named: in the first every token is a query once
 * and a key once, and those of a later turn neither share a query nor a key. strides: as above, then of grad. to_query:
 * tokens x heads x d; to_key, to_value: tokens x kept x d. */
int attend_backward(const bf16 *query, const bf16 *key, const bf16 *value, const bf16 *grad, const bf16 *out,
                    const int64_t *strides, const Task *tasks, const int64_t *ends, const float *sums, float *to_query,
                    float *to_key, float *to_value, long turns, long heads, long kept, long d, float scale,
                    int threads) {
    long full = longest(tasks, ends[turns - 1]), groups = heads / kept, fails = 0;
#pragma omp parallel num_threads(threads) reduction(+ : fails)
    {
        char earlier[64];
        Room room;
        char *place = aligned_alloc(64, room_of(&room, 0, full, d));
        _tile_storeconfig(earlier);
        _tile_loadconfig(&SHAPE);
        if (place) room_of(&room, place, full, d);
        for (long turn = 0; turn < turns; turn++) {
#pragma omp for schedule(dynamic, 1)
            for (long at = (turn ? ends[turn - 1] : 0) * kept; at < ends[turn] * kept; at++) {
                const Task *task = tasks + at / kept;
                long shared = at % kept, begin = task->keys[0][0], seen = seen_by(task);
                fails += !place;
                if (!place) continue;
                lay(&room, task, (Rows){key + shared * strides[2], strides[3]},
                    (Rows){value + shared * strides[4], strides[5]}, d);
                turn_over(room.keys, room.turned, up(seen), d);
                memset(room.to_key, 0, up(seen) * d * 4);
                memset(room.to_value, 0, up(seen) * d * 4);
                for (long head = shared * groups; head < (shared + 1) * groups; head++)
                    back(&room, task, (Rows){query + head * strides[0], strides[1]},
                         (Rows){grad + head * strides[6], strides[7]}, (Rows){out + head * d, heads * d}, sums + head,
                         heads, to_query + head * d, heads * d, turn > 0, d, scale);
                for (long i = 0; i < seen; i++)
                    for (long j = 0; j < d; j++) {
                        long to = ((begin + i) * kept + shared) * d + j;
                        to_key[to] = room.to_key[i * d + j] + (turn ? to_key[to] : 0.0f);
                        to_value[to] = room.to_value[i * d + j] + (turn ? to_value[to] : 0.0f);
                    }
            }
        }
        _tile_loadconfig(earlier);
        free(place);
    }
    return (int)fails;
}
#else
int multiplies_tiles(void) { return 0; }
#endif
