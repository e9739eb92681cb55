// Adam.

#include "rows.h"
#include "tensors.h"

#include <ATen/Parallel.h>

#include <cmath>

namespace newt {
namespace {

// One step over a stretch of a flat buffer. `clip` is the factor of gradient clipping. Gradients are left at zero.
MULTIVERSION void adam_range(int64_t n, float* p, float* g, float* m, float* v, float clip, float step_size,
                             float inv_sqrt_bias2, float eps, float beta1, float beta2) {
  for (int64_t i = 0; i < n; ++i) {
    const float gi = g[i] * clip;
    const float mi = m[i] + (1.0f - beta1) * (gi - m[i]);
    const float vi = beta2 * v[i] + (1.0f - beta2) * gi * gi;
    m[i] = mi;
    v[i] = vi;
    p[i] -= step_size * mi / (__builtin_sqrtf(vi) * inv_sqrt_bias2 + eps);
    g[i] = 0.0f;
  }
}

}  // namespace
}  // namespace newt

using at::Tensor;
using namespace newt;

extern "C" {

// One Adam step over contiguous float32 buffers of one length.
void newt_adam(Tensor* p, Tensor* g, Tensor* m, Tensor* v, const Tensor* clip, double lr, double eps, double beta1,
               double beta2, int64_t step) {
  const double bias1 = 1.0 - std::pow(beta1, static_cast<double>(step));
  const double bias2 = 1.0 - std::pow(beta2, static_cast<double>(step));
  const float c = *ptr(*clip), size = static_cast<float>(lr / bias1),
              inv = static_cast<float>(1.0 / std::sqrt(bias2));
  float *pp = ptr(*p), *gp = ptr(*g), *mp = ptr(*m), *vp = ptr(*v);
  at::parallel_for(0, p->numel(), kGrain, [&](int64_t from, int64_t to) {
    adam_range(to - from, pp + from, gp + from, mp + from, vp + from, c, size, inv, static_cast<float>(eps),
               static_cast<float>(beta1), static_cast<float>(beta2));
  });
}

}  // extern "C"
