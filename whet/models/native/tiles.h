/* Registers of 16 rows of 64 bytes, and products of two such (AMX). */
#include "bf16.h"

#if defined(__AMX_BF16__) && defined(__linux__)
#define TILES
#include <immintrin.h>

static const struct {
    uint8_t palette, start, none[14];
    uint16_t bytes[16];
    uint8_t lines[16];
} SHAPE = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

/* Two numbers as products take them: those of two rows, in one column. */
static inline uint32_t both(bf16 low, bf16 high) { return low | (uint32_t)high << 16; }
#endif
