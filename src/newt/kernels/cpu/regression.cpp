// Discrete regression, forward and backward (see math.rs for the definitions).

#include "rows.h"
#include "tensors.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace newt {
namespace {

using torch::autograd::Node;
using torch::autograd::variable_list;

struct Bins {
  int64_t count;
  float low, high;
  INLINE float width() const { return (high - low) / static_cast<float>(count - 1); }
};

// Sum over rows of weight * cross entropy between softmax(logits) and the two-hot target; d becomes its gradient.
MULTIVERSION double cross_entropy_rows(const Bins& bins, int64_t begin, int64_t end, const float* logits,
                                       const float* target, const float* weight, int64_t targets, float* d) {
  const int64_t k = bins.count;
  double total = 0.0;
  for (int64_t row = begin; row < end; ++row) {
    const float* l = logits + row * k;
    float* g = d + row * k;
    float top = l[0];
    for (int64_t c = 1; c < k; ++c) top = l[c] > top ? l[c] : top;
    float sum = 0.0f;
    for (int64_t c = 0; c < k; ++c) {
      const float e = fast_exp(l[c] - top);
      g[c] = e;
      sum += e;
    }
    const float value = target[row % targets], scale = weight[row % targets];
    float s = std::copysign(std::log1p(std::fabs(value)), value);
    s = std::fmin(std::fmax(s, bins.low), bins.high);
    const float place = (s - bins.low) / bins.width();
    const int64_t lower = static_cast<int64_t>(std::floor(place));
    const int64_t upper = (lower + 1) % k;
    const float f = place - static_cast<float>(lower);
    const float lse = top + std::log(sum);
    total += static_cast<double>(scale) * (lse - (1.0f - f) * l[lower] - f * l[upper]);
    const float factor = scale / sum;
    for (int64_t c = 0; c < k; ++c) g[c] *= factor;
    g[lower] -= scale * (1.0f - f);
    g[upper] -= scale * f;
  }
  return total;
}

struct CrossEntropyBackward final : Node {
  Tensor d;

  std::string name() const override { return "NewtCrossEntropyBackward"; }
  void release_variables() override { d = Tensor(); }
  variable_list apply(variable_list&& grads) override { return {d * grads[0]}; }
};

Tensor cross_entropy(const Tensor& input, const Tensor& targets, const Tensor& weights, double low, double high) {
  const Tensor logits = rows_alone(input), target = rows_alone(targets), weight = rows_alone(weights);
  const Bins bins{logits.size(-1), static_cast<float>(low), static_cast<float>(high)};
  const int64_t rows = logits.numel() / bins.count;
  Tensor d = at::empty_like(logits);
  const int64_t blocks = (rows + kBlockRows - 1) / kBlockRows;
  std::vector<double> partial(static_cast<size_t>(blocks));
  at::parallel_for(0, blocks, 4, [&](int64_t from, int64_t to) {
    for (int64_t k = from; k < to; ++k)
      partial[k] = cross_entropy_rows(bins, k * kBlockRows, std::min(rows, (k + 1) * kBlockRows), ptr(logits),
                                      ptr(target), ptr(weight), target.numel(), ptr(d));
  });
  double total = 0.0;
  for (double p : partial) total += p;
  Tensor out = at::empty({}, logits.options());
  *ptr(out) = static_cast<float>(total);
  if (at::GradMode::is_enabled() && input.requires_grad()) {
    auto node = std::shared_ptr<CrossEntropyBackward>(new CrossEntropyBackward, torch::autograd::deleteNode);
    node->d = d;
    record(out, std::move(node), input);
  }
  return out;
}

// The scalar behind logits, symexp(center) with center = softmax(logits) . bins; p, unless null, becomes the softmax.
MULTIVERSION void decode_rows(const Bins& bins, int64_t begin, int64_t end, const float* logits, float* value,
                              float* center, float* p) {
  const int64_t k = bins.count;
  const float width = bins.width();
  for (int64_t row = begin; row < end; ++row) {
    const float* l = logits + row * k;
    float top = l[0];
    for (int64_t c = 1; c < k; ++c) top = l[c] > top ? l[c] : top;
    float sum = 0.0f, dot = 0.0f;
    for (int64_t c = 0; c < k; ++c) {
      const float v = fast_exp(l[c] - top);
      sum += v;
      dot += v * (bins.low + width * static_cast<float>(static_cast<int32_t>(c)));
    }
    const float s = dot / sum;
    center[row] = s;
    if (p != nullptr)
      for (int64_t c = 0; c < k; ++c) p[row * k + c] = fast_exp(l[c] - top) / sum;
    value[row] = std::copysign(std::expm1(std::fabs(s)), s);
  }
}

struct DecodeBackward final : Node {
  Bins bins;
  Tensor center, p;  // softmax . bins, and the softmax

  std::string name() const override { return "NewtDecodeBackward"; }
  void release_variables() override { center = p = Tensor(); }

  variable_list apply(variable_list&& grads) override {
    const Tensor g = grads[0].contiguous();
    Tensor d = at::empty_like(p);
    const int64_t k = bins.count, rows = p.numel() / k;
    const float *gp = ptr(g), *cp = ptr(center), *pp = ptr(p);
    float* dp = ptr(d);
    at::parallel_for(0, rows, 128, [&](int64_t from, int64_t to) {
      for (int64_t row = from; row < to; ++row) {
        const float scale = gp[row] * std::exp(std::fabs(cp[row]));
        for (int64_t c = 0; c < k; ++c)
          dp[row * k + c] = scale * pp[row * k + c] * (bins.low + bins.width() * static_cast<float>(c) - cp[row]);
      }
    });
    return {d};
  }
};

Tensor decode(const Tensor& input, double low, double high) {
  const Tensor logits = rows_alone(input);
  const Bins bins{logits.size(-1), static_cast<float>(low), static_cast<float>(high)};
  const int64_t rows = logits.numel() / bins.count;
  const bool wanted = at::GradMode::is_enabled() && input.requires_grad();
  Tensor value = at::empty(logits.sizes().slice(0, logits.dim() - 1), logits.options());
  Tensor center = at::empty({rows}, logits.options());
  Tensor p = wanted ? at::empty_like(logits) : Tensor();
  at::parallel_for(0, rows, 128, [&](int64_t from, int64_t to) {
    decode_rows(bins, from, to, ptr(logits), ptr(value), ptr(center), wanted ? ptr(p) : nullptr);
  });
  if (wanted) {
    auto node = std::shared_ptr<DecodeBackward>(new DecodeBackward, torch::autograd::deleteNode);
    node->bins = bins;
    node->center = center;
    node->p = p;
    record(value, std::move(node), input);
  }
  return value;
}

}  // namespace
}  // namespace newt

using at::Tensor;
using namespace newt;

extern "C" {

Tensor* newt_cross_entropy(const Tensor* logits, const Tensor* target, const Tensor* weight, double low, double high) {
  return guarded([&] { return cross_entropy(*logits, *target, *weight, low, high); });
}

Tensor* newt_decode(const Tensor* logits, double low, double high) {
  return guarded([&] { return decode(*logits, low, high); });
}

}  // extern "C"
