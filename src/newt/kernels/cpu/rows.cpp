#include "rows.h"

#include <vector>

namespace newt {
namespace {

constexpr float kNormEps = 1e-5f;

// One row of pre-activations `h` (without bias) becomes the normalized row in place and the output in `y`.
// Returns the reciprocal standard deviation.
INLINE float row_forward(const Rows& r, int64_t row, float* h, float* y) {
  const int64_t w = r.width;
  if (r.table != nullptr) {
    const float* t = r.term(row);
    for (int64_t c = 0; c < w; ++c) h[c] += r.bias[c] + t[c];
  } else {
    for (int64_t c = 0; c < w; ++c) h[c] += r.bias[c];
  }
  if (r.gamma == nullptr) return 1.0f;
  float sum = 0.0f;
  for (int64_t c = 0; c < w; ++c) sum += h[c];
  const float mean = sum / static_cast<float>(w);
  float square = 0.0f;
  for (int64_t c = 0; c < w; ++c) {
    const float d = h[c] - mean;
    square += d * d;
  }
  const float rstd = 1.0f / __builtin_sqrtf(square / static_cast<float>(w) + kNormEps);
  if (r.act == kMish) {
    for (int64_t c = 0; c < w; ++c) {
      const float x = (h[c] - mean) * rstd;
      h[c] = x;
      y[c] = mish(x * r.gamma[c] + r.beta[c]);
    }
  } else {
    for (int64_t c = 0; c < w; ++c) {
      const float x = (h[c] - mean) * rstd;
      h[c] = x;
      y[c] = x * r.gamma[c] + r.beta[c];
    }
    if (r.act == kSimNorm) softmax_groups(y, w, r.group);
  }
  return rstd;
}

}  // namespace

MULTIVERSION void rows_forward(const Rows& r, int64_t begin, int64_t end, float* h, float* y, float* rstd) {
  for (int64_t row = begin; row < end; ++row) rstd[row] = row_forward(r, row, h + row * r.width, y + row * r.width);
}

MULTIVERSION void rows_forward_bf16(const Rows& r, int64_t begin, int64_t end, const uint16_t* h, uint16_t* y,
                                    int64_t stride) {
  std::vector<float> buffer(2 * r.width);
  float *in = buffer.data(), *out = in + r.width;
  for (int64_t row = begin; row < end; ++row) {
    const uint16_t* src = h + row * r.width;
    uint16_t* dst = y + row * stride;
    for (int64_t c = 0; c < r.width; ++c) in[c] = widen(src[c]);
    row_forward(r, row, in, out);
    const float* result = r.gamma == nullptr ? in : out;
    for (int64_t c = 0; c < r.width; ++c) dst[c] = narrow(result[c]);
  }
}

MULTIVERSION void rows_backward(const Rows& r, int64_t begin, int64_t end, const float* xhat, const float* y,
                                const float* rstd, const float* dy, float* d, float* partial) {
  const int64_t w = r.width;
  float *dgamma = partial, *dbeta = partial + w, *dbias = partial + 2 * w;
  std::memset(partial, 0, sizeof(float) * 3 * w);
  for (int64_t row = begin; row < end; ++row) {
    const float* g = dy + row * w;
    float* out = d + row * w;
    const float* x = xhat + row * w;
    if (r.act == kMish) {
      for (int64_t c = 0; c < w; ++c) out[c] = g[c] * mish_slope(x[c] * r.gamma[c] + r.beta[c]);
    } else {
      for (int64_t c = 0; c < w; ++c) out[c] = g[c];
      if (r.act == kSimNorm) softmax_groups_backward(out, y + row * w, w, r.group);
    }
    float mean_d = 0.0f, mean_dx = 0.0f;
    for (int64_t c = 0; c < w; ++c) {
      dgamma[c] += out[c] * x[c];
      dbeta[c] += out[c];
      const float v = out[c] * r.gamma[c];
      mean_d += v;
      mean_dx += v * x[c];
      out[c] = v;
    }
    mean_d /= static_cast<float>(w);
    mean_dx /= static_cast<float>(w);
    const float s = rstd[row];
    for (int64_t c = 0; c < w; ++c) {
      const float v = s * (out[c] - mean_d - x[c] * mean_dx);
      out[c] = v;
      dbias[c] += v;
    }
  }
}

MULTIVERSION void column_sums(const float* d, int64_t width, int64_t begin, int64_t end, float* partial) {
  std::memset(partial, 0, sizeof(float) * width);
  for (int64_t row = begin; row < end; ++row)
    for (int64_t c = 0; c < width; ++c) partial[c] += d[row * width + c];
}

MULTIVERSION void add_to(float* to, const float* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}

}  // namespace newt
