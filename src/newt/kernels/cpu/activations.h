// Mish, and SimNorm: a softmax inside each group of columns.
#pragma once

#include "elementary.h"

namespace newt {

enum Activation : int64_t { kNone = 0, kMish = 1, kSimNorm = 2 };

// mish(u) = u tanh(ln(1 + e^u)); with t = e^u and n = t (t + 2) the tanh is n / (n + 2).
INLINE float mish(float u) {
  const float t = fast_exp(u > 20.0f ? 20.0f : u);
  const float n = t * (t + 2.0f);
  return u * (n / (n + 2.0f));
}

INLINE float mish_slope(float u) {
  const float t = fast_exp(u > 20.0f ? 20.0f : u);
  const float n = t * (t + 2.0f);
  const float inv = 1.0f / (n + 2.0f);
  return n * inv + u * (4.0f * t * (t + 1.0f)) * inv * inv;
}

typedef float v8 __attribute__((vector_size(32), aligned(4)));
typedef int32_t v8i __attribute__((vector_size(32)));

INLINE v8 max8(v8 a) {
  v8 b = __builtin_shuffle(a, v8i{4, 5, 6, 7, 0, 1, 2, 3});
  a = a > b ? a : b;
  b = __builtin_shuffle(a, v8i{2, 3, 0, 1, 6, 7, 4, 5});
  a = a > b ? a : b;
  b = __builtin_shuffle(a, v8i{1, 0, 3, 2, 5, 4, 7, 6});
  return a > b ? a : b;
}

INLINE v8 sum8(v8 a) {
  a += __builtin_shuffle(a, v8i{4, 5, 6, 7, 0, 1, 2, 3});
  a += __builtin_shuffle(a, v8i{2, 3, 0, 1, 6, 7, 4, 5});
  return a + __builtin_shuffle(a, v8i{1, 0, 3, 2, 5, 4, 7, 6});
}

// Softmax inside each group of `group` columns, in place.
INLINE void softmax_groups(float* u, int64_t width, int64_t group) {
  if (group == 8) {
    for (int64_t c = 0; c < width; c += 8) {
      v8* v = reinterpret_cast<v8*>(u + c);
      *v -= max8(*v);
    }
    for (int64_t c = 0; c < width; ++c) u[c] = fast_exp(u[c]);
    for (int64_t c = 0; c < width; c += 8) {
      v8* v = reinterpret_cast<v8*>(u + c);
      *v /= sum8(*v);
    }
    return;
  }
  for (int64_t c = 0; c < width; c += group) {
    float top = u[c], total = 0.0f;
    for (int64_t i = 1; i < group; ++i) top = u[c + i] > top ? u[c + i] : top;
    for (int64_t i = 0; i < group; ++i) total += u[c + i] = fast_exp(u[c + i] - top);
    for (int64_t i = 0; i < group; ++i) u[c + i] /= total;
  }
}

// g <- y (g - sum of g y in the group)
INLINE void softmax_groups_backward(float* g, const float* y, int64_t width, int64_t group) {
  if (group == 8) {
    for (int64_t c = 0; c < width; c += 8) {
      v8* gv = reinterpret_cast<v8*>(g + c);
      const v8 yv = *reinterpret_cast<const v8*>(y + c);
      *gv = yv * (*gv - sum8(*gv * yv));
    }
    return;
  }
  for (int64_t c = 0; c < width; c += group) {
    float dot = 0.0f;
    for (int64_t i = 0; i < group; ++i) dot += g[c + i] * y[c + i];
    for (int64_t i = 0; i < group; ++i) g[c + i] = y[c + i] * (g[c + i] - dot);
  }
}

}  // namespace newt
