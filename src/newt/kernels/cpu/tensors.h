// Between libtorch's tensors and plain memory.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace newt {

using at::Tensor;

inline float* ptr(const Tensor& t) { return t.data_ptr<float>(); }

// The values of `t` in contiguous rows, outside the graph.
inline Tensor rows_alone(const Tensor& t) { return t.defined() ? t.detach().contiguous() : t; }

// Attaches `node` to `y` if gradients are recorded and one of `inputs` needs them.
template <typename N, typename... In>
void record(Tensor& y, std::shared_ptr<N> node, const In&... inputs) {
  node->set_next_edges(torch::autograd::collect_next_edges(inputs...));
  torch::autograd::set_history(y, std::move(node));
}

inline Tensor opt(const Tensor* t) { return t == nullptr ? Tensor() : *t; }

// What `newt_last_error` tells.
std::string& last_error();

template <typename F>
Tensor* guarded(F&& f) {
  try {
    return new Tensor(f());
  } catch (const std::exception& e) {
    last_error() = e.what();
    return nullptr;
  }
}

}  // namespace newt
