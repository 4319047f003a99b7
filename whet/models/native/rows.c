/* What a training step does to single numbers and rows of them, each in one pass over memory.
 *
 * Arrays lie without gaps unless strides (in numbers) are named. Compiled by whet/models/kernels.py, which holds each
 * function against torch's own before it is used.
 */
#include "bf16.h"

/* x / sqrt(mean(x^2) + eps) * w, per row of h; `scale` keeps 1 / sqrt(...) of each row. */
void norm_forward(const bf16 *x, const bf16 *w, float eps, bf16 *out, float *scale, long n, long h, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long row = 0; row < n; row++) {
        const bf16 *in = x + row * h;
        bf16 *to = out + row * h;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (long i = 0; i < h; i++) sum += wide(in[i]) * wide(in[i]);
        float by = 1.0f / sqrtf(sum / h + eps);
        scale[row] = by;
#pragma omp simd
        for (long i = 0; i < h; i++) to[i] = narrow(rounded(wide(in[i]) * by) * wide(w[i]));
    }
}

void norm_backward(const bf16 *grad, const bf16 *x, const bf16 *w, const float *scale, bf16 *out, long n, long h,
                   int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long row = 0; row < n; row++) {
        const bf16 *from = grad + row * h, *in = x + row * h;
        bf16 *to = out + row * h;
        float sum = 0, by = scale[row];
#pragma omp simd reduction(+ : sum)
        for (long i = 0; i < h; i++) sum += wide(from[i]) * wide(w[i]) * wide(in[i]);
        float along = -sum * by * by * by / h;
#pragma omp simd
        for (long i = 0; i < h; i++) to[i] = narrow(wide(from[i]) * wide(w[i]) * by + wide(in[i]) * along);
    }
}

/* silu(gate) * up. */
void gate_forward(const bf16 *gate, const bf16 *up, bf16 *out, long n, int threads) {
#pragma omp parallel for simd num_threads(threads) schedule(static)
    for (long i = 0; i < n; i++) {
        float g = wide(gate[i]);
        out[i] = narrow(rounded(g / (1.0f + power(-g))) * wide(up[i]));
    }
}

void gate_backward(const bf16 *gate, const bf16 *up, const bf16 *grad, bf16 *to_gate, bf16 *to_up, long n,
                   int threads) {
#pragma omp parallel for simd num_threads(threads) schedule(static)
    for (long i = 0; i < n; i++) {
        float g = wide(gate[i]), back = wide(grad[i]);
        float s = 1.0f / (1.0f + power(-g));
        to_up[i] = narrow(rounded(g * s) * back);
        to_gate[i] = narrow(back * wide(up[i]) * s * (1.0f + g * (1.0f - s)));
    }
}

/* Pairs (x[i], x[i + d/2]) turned by the angle of their token, or back by it. x and out: n tokens of `heads` heads. */
void rotate(const bf16 *x, const bf16 *cosine, const bf16 *sine, bf16 *out, long n, long heads, long d, long by_token,
            long by_head, int back, int threads) {
    long half = d / 2;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long token = 0; token < n; token++) {
        const bf16 *c = cosine + token * d, *s = sine + token * d;
        for (long head = 0; head < heads; head++) {
            const bf16 *in = x + token * by_token + head * by_head;
            bf16 *to = out + (token * heads + head) * d;
#pragma omp simd
            for (long i = 0; i < half; i++) {
                float a = wide(in[i]), b = wide(in[i + half]);
                float low = wide(s[back ? i + half : i]), high = wide(s[back ? i : i + half]);
                to[i] = narrow(a * wide(c[i]) - (back ? -b : b) * low);
                to[i + half] = narrow(b * wide(c[i + half]) + (back ? -a : a) * high);
            }
        }
    }
}

/* The log-probability of each row's target; with `keep`, the row becomes the probabilities of all. */
void choose(bf16 *logits, const int64_t *targets, float *out, long n, long v, int keep, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long row = 0; row < n; row++) {
        bf16 *in = logits + row * v;
        float most = -INFINITY, sum = 0;
#pragma omp simd reduction(max : most)
        for (long i = 0; i < v; i++) most = fmaxf(most, wide(in[i]));
#pragma omp simd reduction(+ : sum)
        for (long i = 0; i < v; i++) sum += power(wide(in[i]) - most);
        float all = most + logf(sum);
        out[row] = wide(in[targets[row]]) - all;
        if (!keep) continue;
#pragma omp simd
        for (long i = 0; i < v; i++) in[i] = narrow(power(wide(in[i]) - all));
    }
}
