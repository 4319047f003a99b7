/* bfloat16 is read as such, computed with in float32 and rounded to the nearest even when written. */
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t bf16;

static inline float wide(bf16 x) {
    uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static inline bf16 narrow(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    uint32_t near = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return (bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : near;
}

static inline float rounded(float x) { return wide(narrow(x)); }

/* e to the x, to 2 units in the last place, for x between -87 and 88 and held to those; what is no number stays none.
 * The polynomial is that of Cephes' expf. */
static inline float power(float x) {
    float within = x < -87.0f ? -87.0f : x;
    within = within > 88.0f ? 88.0f : within;
    float whole = rintf(within * 1.44269504f);
    float rest = within - whole * 0.693359375f + whole * 2.12194440e-4f;
    float sum = 1.9875691500e-4f;
    sum = sum * rest + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = sum * rest * rest + rest + 1.0f;
    int32_t bits = ((int32_t)whole + 127) << 23;
    float two;
    memcpy(&two, &bits, 4);
    return sum * two;
}

