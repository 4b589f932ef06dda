/* What a small network spends most of its time in, besides matrix products. kernel.py says what each function does, and
   the tests hold each equal to the torch code that it stands in for. One thread, no state, float32.

   n observations, places of an observation, width of a layer, P choices. */

#include <math.h>
#include <stdint.h>
#include <string.h>

/* the rows of weight that an observation shows, and how many; -1 if one is beyond the last. Code 0 shows nothing.
   There is no branch on what is shown: none is foreseeable */
static int64_t shown(int64_t places, int64_t total, const uint8_t *codes, const int32_t *offsets, int32_t *rows) {
    int64_t count = 0;
    int beyond = 0;
    for (int64_t p = 0; p < places; p++) {
        rows[count] = offsets[p] + codes[p];
        beyond |= codes[p] != 0 && rows[count] >= total;
        count += codes[p] != 0;
    }
    return beyond ? -1 : count;
}

/* out[i] = bias + the sum of the rows of weight that observation i shows, four at a time; rows: room for places.
   Returns 0; 1 if a code is beyond the total of rows */
int32_t codes_forward(int64_t n, int64_t places, int64_t width, int64_t total, const uint8_t *codes, const int32_t *offsets,
                   const float *weight, const float *bias, float *restrict out, int32_t *rows) {
    for (int64_t i = 0; i < n; i++, codes += places, out += width) {
        const int64_t count = shown(places, total, codes, offsets, rows);
        if (count < 0) return 1;
        memcpy(out, bias, width * sizeof(float));
        int64_t k = 0;
        for (; k + 4 <= count; k += 4) {
            const float *a = weight + rows[k] * width, *b = weight + rows[k + 1] * width;
            const float *c = weight + rows[k + 2] * width, *d = weight + rows[k + 3] * width;
            for (int64_t j = 0; j < width; j++) out[j] += (a[j] + b[j]) + (c[j] + d[j]);
        }
        for (; k < count; k++) {
            const float *a = weight + rows[k] * width;
            for (int64_t j = 0; j < width; j++) out[j] += a[j];
        }
    }
    return 0;
}

/* its transpose: by_weight[row] += the sum of by_out[i] over the observations that show the row */
int32_t codes_backward(int64_t n, int64_t places, int64_t width, int64_t total, const uint8_t *codes, const int32_t *offsets,
                    const float *by_out, float *restrict by_weight, int32_t *rows) {
    for (int64_t i = 0; i < n; i++, codes += places, by_out += width) {
        const int64_t count = shown(places, total, codes, offsets, rows);
        if (count < 0) return 1;
        for (int64_t k = 0; k < count; k++) {
            float *to = by_weight + rows[k] * width;
            for (int64_t j = 0; j < width; j++) to[j] += by_out[j];
        }
    }
    return 0;
}

/* the weights of the loss and its clips; value_clip < 0: none */
struct loss { float clip_coef, entropy_coef, value_coef, value_clip; };

static float by_log_prob(struct loss by, float log_prob, float old_log_prob, float advantage) {
    const float ratio = expf(log_prob - old_log_prob), gain = ratio * advantage;
    const float clipped = fminf(fmaxf(ratio, 1.0f - by.clip_coef), 1.0f + by.clip_coef) * advantage;
    return gain > clipped ? 0.0f : -gain;
}

static float by_value(struct loss by, float value, float old_value, float return_) {
    const float error = value - return_, moved = value - old_value;
    const float kept = old_value + fminf(fmaxf(moved, -by.value_clip), by.value_clip) - return_;
    const int held = by.value_clip >= 0.0f && fabsf(kept) > fabsf(error) && fabsf(moved) > by.value_clip;
    return held ? 0.0f : by.value_coef * error;
}

/* losses.loss_gradient for one categorical distribution */
void categorical_loss(int64_t n, int64_t choices, const float *outputs, const int64_t *actions,
                      const float *old_log_probs, const float *old_values, const float *returns,
                      const float *advantages, struct loss by, float *gradient, float *log_probs) {
    for (int64_t i = 0; i < n; i++, outputs += choices + 1, gradient += choices + 1) {
        float top = outputs[0], sum = 0.0f, entropy = 0.0f;
        for (int64_t a = 1; a < choices; a++) top = fmaxf(top, outputs[a]);
        for (int64_t a = 0; a < choices; a++) sum += gradient[a] = expf(outputs[a] - top);
        const float log_sum = top + logf(sum);
        for (int64_t a = 0; a < choices; a++) {
            gradient[a] /= sum; /* the probability, until it is not needed any more */
            entropy -= gradient[a] * (outputs[a] - log_sum);
        }
        const float log_prob = log_probs[i] = outputs[actions[i]] - log_sum;
        const float way = by_log_prob(by, log_prob, old_log_probs[i], advantages[i]);
        for (int64_t a = 0; a < choices; a++)
            gradient[a] *= by.entropy_coef * (outputs[a] - log_sum + entropy) - way;
        gradient[actions[i]] += way;
        gradient[choices] = by_value(by, outputs[choices], old_values[i], returns[i]);
    }
}

/* the same for normal distributions of so many parts: outputs are means, logarithms of deviations, value */
void gaussian_loss(int64_t n, int64_t parts, const float *outputs, const float *actions, const float *old_log_probs,
                   const float *old_values, const float *returns, const float *advantages, struct loss by,
                   float *gradient, float *log_probs) {
    const int64_t width = 2 * parts + 1;
    for (int64_t i = 0; i < n; i++, outputs += width, gradient += width, actions += parts) {
        float log_prob = 0.0f;
        for (int64_t d = 0; d < parts; d++) {
            const float log_std = outputs[parts + d], deviation = expf(log_std);
            const float z = (actions[d] - outputs[d]) / deviation;
            log_prob -= z * z / 2.0f + log_std + 0.91893853320467274f; /* log(2 pi) / 2 */
            gradient[d] = z / deviation;
            gradient[parts + d] = z * z - 1.0f;
        }
        log_probs[i] = log_prob;
        const float way = by_log_prob(by, log_prob, old_log_probs[i], advantages[i]);
        for (int64_t d = 0; d < parts; d++) {
            gradient[d] *= way;
            gradient[parts + d] = way * gradient[parts + d] - by.entropy_coef;
        }
        gradient[2 * parts] = by_value(by, outputs[2 * parts], old_values[i], returns[i]);
    }
}

/* e^x = 2^n e^r, with n the whole number nearest to x / log 2, so that |r| <= log(2) / 2, and e^r by its series. Good
   to two units in the last place, and without a branch or a call, so that the compiler does eight at a time */
static inline float exponential(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 87.0f ? 87.0f : x;
    const float rounded = x * 1.44269504f + 12582912.0f, n = rounded - 12582912.0f; /* 1.5 * 2^23: no room for halves */
    const float r = x - n * 0.693145752f - n * 1.42860677e-6f;
    float sum = 1.0f / 5040.0f;
    sum = sum * r + 1.0f / 720.0f;
    sum = sum * r + 1.0f / 120.0f;
    sum = sum * r + 1.0f / 24.0f;
    sum = sum * r + 1.0f / 6.0f;
    sum = sum * r + 0.5f;
    sum = sum * r + 1.0f;
    sum = sum * r + 1.0f;
    const uint32_t bits = (uint32_t)((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return power * sum;
}

static inline float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

static inline float tangent(float x) { return 2.0f / (1.0f + exponential(-2.0f * x)) - 1.0f; }

/* the hyperbolic tangent, in place */
void tangents(int64_t count, float *x) {
    for (int64_t i = 0; i < count; i++) x[i] = tangent(x[i]);
}

/* a step of a memory of a size for n rows, in the notation of memory.py. gates: the sums a, then i f g o; cell: c';
   bent: tanh(c) */
void memory_forward(int64_t n, int64_t size, float *restrict gates, const float *restrict cell,
                    float *restrict cell_after, float *restrict bent, float *restrict output) {
    for (int64_t row = 0; row < n; row++, gates += 4 * size) {
        float *restrict i = gates, *restrict f = gates + size, *restrict g = gates + 2 * size;
        float *restrict o = gates + 3 * size;
        for (int64_t j = 0; j < size; j++, cell++, cell_after++, bent++, output++) {
            i[j] = sigmoid(i[j]);
            f[j] = sigmoid(f[j]);
            g[j] = tangent(g[j]);
            o[j] = sigmoid(o[j]);
            *cell_after = f[j] * *cell + i[j] * g[j];
            *bent = tangent(*cell_after);
            *output = o[j] * *bent;
        }
    }
}

/* its way back. by_next, by_cell: what comes back from the step after to h and c, and by_cell what goes on to the step
   before; starts: where the step after starts an episode, and nothing comes back; by_gates: d L / d a */
void memory_backward(int64_t n, int64_t size, const float *restrict gates, const float *restrict cell,
                     const float *restrict bent, const float *restrict by_output, const float *restrict by_next,
                     const uint8_t *restrict starts, float *restrict by_cell, float *restrict by_gates) {
    for (int64_t row = 0; row < n; row++, gates += 4 * size, by_gates += 4 * size) {
        const float *restrict i = gates, *restrict f = gates + size, *restrict g = gates + 2 * size;
        const float *restrict o = gates + 3 * size;
        float *restrict to_f = by_gates + size, *restrict to_g = by_gates + 2 * size, *restrict to_o = by_gates + 3 * size;
        const float going_on = starts[row] ? 0.0f : 1.0f;
        for (int64_t j = 0; j < size; j++, cell++, bent++, by_output++, by_next++, by_cell++) {
            const float dh = *by_output + going_on * *by_next;
            const float dc = dh * o[j] * (1.0f - *bent * *bent) + going_on * *by_cell;
            by_gates[j] = dc * g[j] * i[j] * (1.0f - i[j]);
            to_f[j] = dc * *cell * f[j] * (1.0f - f[j]);
            to_g[j] = dc * i[j] * (1.0f - g[j] * g[j]);
            to_o[j] = dh * *bent * o[j] * (1.0f - o[j]);
            *by_cell = dc * f[j];
        }
    }
}

/* the length of a gradient, in 32 partial sums */
float norm(int64_t count, const float *gradient) {
    float parts[32] = {0.0f};
    const int64_t whole = count / 32 * 32;
    for (int64_t i = 0; i < whole; i += 32)
        for (int64_t k = 0; k < 32; k++) parts[k] += gradient[i + k] * gradient[i + k];
    double sum = 0.0;
    for (int64_t i = whole; i < count; i++) sum += (double)gradient[i] * gradient[i];
    for (int64_t k = 0; k < 32; k++) sum += parts[k];
    return (float)sqrt(sum);
}

/* a step of Adam with decoupled weight decay along scale times the gradient */
void adam(int64_t count, float *restrict weights, const float *restrict gradient, float *restrict mean,
          float *restrict square, float scale, float lr, float decay, float beta1, float beta2, float eps,
          float correction1, float root_correction2) {
    const float rate = lr / correction1;
    for (int64_t i = 0; i < count; i++) {
        const float g = gradient[i] * scale;
        mean[i] += (1.0f - beta1) * (g - mean[i]);
        square[i] = beta2 * square[i] + (1.0f - beta2) * g * g;
        weights[i] = weights[i] * decay - rate * mean[i] / (sqrtf(square[i]) / root_correction2 + eps);
    }
}
