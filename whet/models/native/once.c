/* One new token of each row attends to all that the row remembers, in pages of 16 tokens, and to what `first` says that it
 * got from elsewhere, the weights there summing up to exp(sums).
 *
 * query: heads and rows `by_head` and `by_row` apart; keys, values: slots x kept x d; table: rows x most, the pages of each
 * row; lengths: tokens of each row; first, out: rows x heads x d; sums: rows x heads; room: `by_thread` numbers for each
 * thread, at least what stands beside each function; window: how many tokens are seen, 0 for all. */
#include "tiles.h"
#include <omp.h>

#define PAGE 16

/* Some tokens of a row: from the page of the first that is seen. */
typedef struct {
    long from, hidden, count;
} Span;

static Span span(long length, long window) {
    long begin = window && length > window ? length - window : 0;
    return (Span){begin - begin % PAGE, begin % PAGE, length - (begin - begin % PAGE)};
}

/* Scores to exp(score - highest), the first `hidden` to 0; returns what they sum up to, and `before`, the share of what
 * comes from elsewhere, exp(sums - highest). */
static float weigh(float *scores, Span span, const float *sums, float *before) {
    float highest = sums ? *sums : -INFINITY, sum = 0;
    for (long at = 0; at < span.hidden; at++) scores[at] = -INFINITY;
    for (long at = 0; at < span.count; at++) highest = scores[at] > highest ? scores[at] : highest;
#pragma omp simd reduction(+ : sum)
    for (long at = 0; at < span.count; at++) sum += scores[at] = power(scores[at] - highest);
    *before = sums ? power(*sums - highest) : 0.0f;
    return sum + *before;
}

/* room: heads x (2 d + tokens) */
void attend_once_float(const float *query, long by_head, long by_row, const float *keys, const float *values,
                       const int64_t *table, const int64_t *lengths, const float *first, const float *sums, float *out,
                       float *room, long by_thread, long rows, long most, long heads, long kept, long d, long window,
                       float scale, int threads) {
    long groups = heads / kept;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (long row = 0; row < rows; row++) {
        float *asked = room + omp_get_thread_num() * by_thread, *said = asked + heads * d, *weights = said + heads * d;
        const int64_t *pages = table + row * most;
        Span seen = span(lengths[row], window);
        for (long head = 0; head < heads; head++)
            for (long j = 0; j < d; j++) asked[head * d + j] = query[head * by_head + row * by_row + j] * scale;
        for (long at = 0; at < seen.count; at++) {
            long slot = pages[(seen.from + at) / PAGE] * PAGE + at % PAGE;
            for (long head = 0; head < heads; head++) {
                const float *key = keys + (slot * kept + head / groups) * d;
                float dot = 0;
#pragma omp simd reduction(+ : dot)
                for (long j = 0; j < d; j++) dot += asked[head * d + j] * key[j];
                weights[head * seen.count + at] = dot;
            }
        }
        for (long head = 0; head < heads; head++) {
            float before, *weight = weights + head * seen.count;
            float sum = weigh(weight, seen, sums ? sums + row * heads + head : NULL, &before);
            for (long at = 0; at < seen.count; at++) weight[at] /= sum;
            for (long j = 0; j < d; j++)
                said[head * d + j] = sums ? before / sum * first[(row * heads + head) * d + j] : 0.0f;
        }
        for (long at = 0; at < seen.count; at++) {
            long slot = pages[(seen.from + at) / PAGE] * PAGE + at % PAGE;
            for (long head = 0; head < heads; head++) {
                const float *value = values + (slot * kept + head / groups) * d;
                float weight = weights[head * seen.count + at];
#pragma omp simd
                for (long j = 0; j < d; j++) said[head * d + j] += weight * value[j];
            }
        }
        memcpy(out + row * heads * d, said, heads * d * 4);
    }
}

#ifdef TILES
static long even(long count) { return (count + 2 * PAGE - 1) / (2 * PAGE) * (2 * PAGE); }

/* What one thread works in. Shapes: asked (d / 2, 16, 2), tile (16, 16), scores (16, count), weights the same,
 * paired (16, d, 2), said (16, d); count even. */
typedef struct {
    float *tile, *scores, *said;
    bf16 *asked, *weights, *paired;
} Room;

static Room room_of(float *from, long count, long d) {
    Room room = {from, from + 256, from + 256 + 16 * count, NULL, NULL, NULL};
    room.asked = (bf16 *)(room.said + 16 * d);
    room.weights = room.asked + 16 * d;
    room.paired = room.weights + 16 * count;
    return room;
}

/* Scores of a group of heads: the keys of each page as they lie, times the queries. */
static void score(Room *room, const bf16 *keys, const int64_t *pages, Span seen, long full, long by, long groups, long d,
                  float scale) {
    for (long at = 0; at < seen.count; at += PAGE) {
        const bf16 *key = keys + pages[(seen.from + at) / PAGE] * PAGE * by;
        _tile_zero(0);
        for (long j = 0; j < d; j += 32) {
            _tile_loadd(1, key + j, by * 2);
            _tile_loadd(2, room->asked + j * 16, 64);
            _tile_dpbf16ps(0, 1, 2);
        }
        _tile_stored(0, room->tile, 64);
        for (long head = 0; head < groups; head++)
            for (long i = 0; i < PAGE; i++) room->scores[head * full + at + i] = room->tile[i * 16 + head] * scale;
    }
}

/* The weighted sums of the values; those behind the end are taken for 0. */
static void add_up(Room *room, const bf16 *values, const int64_t *pages, Span seen, long full, long by, long d) {
    static const bf16 none[512];
    for (long column = 0; column < d; column += 32) {
        _tile_zero(0);
        _tile_zero(1);
        for (long at = 0; at < full; at += 2 * PAGE) {
            uint32_t *to = (uint32_t *)room->paired;
            for (long i = 0; i < 2 * PAGE; i += 2) {
                const bf16 *value[2] = {none, none};
                for (int k = 0; k < 2 && at + i + k < seen.count; k++)
                    value[k] = values + (pages[(seen.from + at + i) / PAGE] * PAGE + i % PAGE + k) * by + column;
#pragma omp simd
                for (long j = 0; j < 32; j++) to[i * 16 + j] = both(value[0][j], value[1][j]);
            }
            _tile_loadd(2, room->weights + at, full * 2);
            _tile_loadd(3, to, 128);
            _tile_loadd(4, to + 16, 128);
            _tile_dpbf16ps(0, 2, 3);
            _tile_dpbf16ps(1, 2, 4);
        }
        _tile_stored(0, room->said + column, d * 4);
        _tile_stored(1, room->said + column + 16, d * 4);
    }
}

/* d is a multiple of 32, up to 512, and at most 16 heads share a key. room: 256 + 16 (1.5 count + 2.5 d), with count even */
void attend_once_bf16(const bf16 *query, long by_head, long by_row, const bf16 *keys, const bf16 *values,
                      const int64_t *table, const int64_t *lengths, const bf16 *first, const float *sums, bf16 *out,
                      float *room, long by_thread, long rows, long most, long heads, long kept, long d, long window,
                      float scale, int threads) {
    long groups = heads / kept;
#pragma omp parallel num_threads(threads)
    {
        char earlier[64];
        _tile_storeconfig(earlier);
        _tile_loadconfig(&SHAPE);
#pragma omp for schedule(dynamic, 1)
        for (long row = 0; row < rows; row++) {
            const int64_t *pages = table + row * most;
            Span seen = span(lengths[row], window);
            long full = even(seen.count);
            Room own = room_of(room + omp_get_thread_num() * by_thread, full, d);
            for (long shared = 0; shared < kept; shared++) {
                uint32_t *asked = (uint32_t *)own.asked;
                for (long head = 0; head < groups; head++) {
                    const bf16 *one = query + (shared * groups + head) * by_head + row * by_row;
                    for (long j = 0; j < d; j += 2) asked[j / 2 * 16 + head] = both(one[j], one[j + 1]);
                }
                score(&own, keys + shared * d, pages, seen, full, kept * d, groups, d, scale);
                float sum[16], before[16];
                for (long head = 0; head < groups; head++) {
                    float *from = own.scores + head * full;
                    sum[head] = weigh(from, seen, sums ? sums + row * heads + shared * groups + head : NULL,
                                      before + head);
                    for (long at = 0; at < full; at++)
                        own.weights[head * full + at] = at < seen.count ? narrow(from[at]) : 0;
                }
                add_up(&own, values + shared * d, pages, seen, full, kept * d, d);
                for (long head = 0; head < groups; head++) {
                    long place = (row * heads + shared * groups + head) * d;
                    for (long j = 0; j < d; j++) {
                        float rest = sums ? before[head] * wide(first[place + j]) : 0.0f;
                        out[place + j] = narrow((own.said[head * d + j] + rest) / sum[head]);
                    }
                }
            }
        }
        _tile_loadconfig(earlier);
    }
}
#endif
