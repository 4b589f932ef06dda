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

/* losses.loss_gradient for one categorical distribution; value_clip < 0: none */
void categorical_loss(int64_t n, int64_t choices, const float *outputs, const int64_t *actions,
                      const float *old_log_probs, const float *old_values, const float *returns,
                      const float *advantages, float clip_coef, float entropy_coef, float value_coef, float value_clip,
                      float *gradient, float *log_probs) {
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
        const float ratio = expf(log_prob - old_log_probs[i]), gain = ratio * advantages[i];
        const float clipped = fminf(fmaxf(ratio, 1.0f - clip_coef), 1.0f + clip_coef) * advantages[i];
        const float by_log_prob = gain > clipped ? 0.0f : -gain;
        for (int64_t a = 0; a < choices; a++)
            gradient[a] *= entropy_coef * (outputs[a] - log_sum + entropy) - by_log_prob;
        gradient[actions[i]] += by_log_prob;

        const float error = outputs[choices] - returns[i], moved = outputs[choices] - old_values[i];
        const float kept = old_values[i] + fminf(fmaxf(moved, -value_clip), value_clip) - returns[i];
        const int held = value_clip >= 0.0f && fabsf(kept) > fabsf(error) && fabsf(moved) > value_clip;
        gradient[choices] = held ? 0.0f : value_coef * error;
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
