// Fused layers of Newt for the CPU, as torch autograd functions.
//
// A layer is y = act(norm(x W' + b + table[row])), where `table` carries what a task's language adds to the first layer
// of a network. libtorch alone needs six to ten passes over memory for what follows the matrix product; here it is one
// forward and one backward. Weight gradients are accumulated straight into the parameters' own `.grad`.
// Every sum over rows is taken in blocks of fixed size, so that results do not depend on the number of threads.
//
// `composed.rs` says the same in plain libtorch operations; a test holds the two together.

#include "rows.h"
#include "tensors.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <vector>

extern "C" void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*, const float*,
                       const int*, const float*, const int*, const float*, float*, const int*);

namespace newt {
namespace {

using torch::autograd::Node;
using torch::autograd::variable_list;

// Matrix products on row-major views: c = beta c + op(a) op(b).

struct View {
  float* data;
  int64_t stride;
};

void gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, View a, View b, float beta, View c) {
  if (m == 0 || n == 0) return;
  const char* op[] = {"N", "T"};
  const int M = static_cast<int>(n), N = static_cast<int>(m), K = static_cast<int>(k);
  const int lda = static_cast<int>(b.stride), ldb = static_cast<int>(a.stride), ldc = static_cast<int>(c.stride);
  const float one = 1.0f;
  sgemm_(op[tb], op[ta], &M, &N, &K, &one, b.data, &lda, a.data, &ldb, &beta, c.data, &ldc);
}

// Does the last axis lie contiguous, and do the axes before it form evenly spaced rows?
View rows_of(const Tensor& t) { return {ptr(t), t.size(-1)}; }

// A weight of one head, [out, in].
View head(const Tensor& w, int64_t h) {
  if (w.dim() == 2) return {ptr(w), w.stride(0)};
  return {ptr(w) + h * w.stride(0), w.stride(1)};
}

float* head_vec(const Tensor& v, int64_t h) { return v.dim() == 1 ? ptr(v) : ptr(v) + h * v.stride(0); }

View columns(View v, int64_t from) { return {v.data + from, v.stride}; }

struct Shape {
  int64_t heads, rows, in1, in2, out;
};

// The gradient tensor of a leaf, if its owner prepared one: results are accumulated there and none is returned.
Tensor own_grad(const Tensor& leaf) {
  if (!leaf.defined() || !leaf.is_leaf() || !leaf.grad().defined()) return Tensor();
  return leaf.grad();
}

// Tensors of a layer. x1 [.., in1] and x2 [.., in2] are its columns of input (either may be undefined); with heads, w is
// [q, out, in] and x is shared by the heads ([rows, in]) or one per head ([q, rows, in]). gamma and table may be undefined.
struct LayerTensors {
  Tensor x1, x2, w, b, gamma, beta, table, index;
  int64_t repeat, act, group;
  bool per_head;

  Shape shape() const {
    Shape s;
    s.heads = w.dim() == 3 ? w.size(0) : 1;
    s.out = w.size(-2);
    const Tensor& any = x1.defined() ? x1 : x2;
    s.rows = any.numel() / any.size(-1) / (per_head ? s.heads : 1);
    s.in2 = x2.defined() ? x2.size(-1) : 0;
    s.in1 = w.size(-1) - s.in2;
    return s;
  }

  Rows rows(const Shape& s, int64_t i) const { return rows_with(s, i, table); }

  Rows rows_with(const Shape& s, int64_t i, const Tensor& table) const {
    Rows r{};
    r.width = s.out;
    r.group = group;
    r.act = act;
    r.bias = head_vec(b, i);
    if (gamma.defined()) {
      r.gamma = head_vec(gamma, i);
      r.beta = head_vec(beta, i);
    }
    if (table.defined()) {
      r.table = ptr(table) + (table.dim() == 3 ? i * table.stride(0) : 0);
      r.index = index.data_ptr<int64_t>();
      r.index_len = index.numel();
      r.repeat = repeat;
    }
    return r;
  }
};

struct LayerBackward final : Node {
  LayerTensors t;       // inputs
  Tensor xhat, y, rstd;  // normalized rows; output, for SimNorm; reciprocal standard deviations

  std::string name() const override { return "NewtLayerBackward"; }

  void release_variables() override {
    t = LayerTensors{};
    xhat = y = rstd = Tensor();
  }

  variable_list apply(variable_list&& grads) override {
    const Tensor &x1 = t.x1, &x2 = t.x2, &w = t.w, &b = t.b, &gamma = t.gamma, &beta = t.beta, &table = t.table;
    const int64_t act = t.act;
    const bool per_head = t.per_head;
    const Shape s = t.shape();
    const Tensor dy = grads[0].contiguous();
    const bool want_x1 = task_should_compute_output(0), want_x2 = task_should_compute_output(1),
               want_w = task_should_compute_output(2), want_table = task_should_compute_output(6);

    variable_list out(7);
    // Gradient of the pre-activation, and of bias, gamma and beta.
    Tensor d = gamma.defined() ? at::empty_like(dy) : dy;
    const int64_t blocks = (s.rows + kBlockRows - 1) / kBlockRows;
    const int64_t sums = gamma.defined() ? 3 : 1;
    std::vector<float> partial(static_cast<size_t>(blocks * sums * s.out));
    Tensor *vec_grads[3] = {&out[4], &out[5], &out[3]};
    const Tensor* vecs[3] = {&gamma, &beta, &b};
    Tensor into[3];
    if (want_w)
      for (int64_t v = 3 - sums; v < 3; ++v) {
        into[v] = own_grad(*vecs[v]);
        if (!into[v].defined()) *vec_grads[v] = into[v] = at::zeros_like(*vecs[v]);
      }
    for (int64_t i = 0; i < s.heads; ++i) {
      const Rows r = t.rows(s, i);
      const int64_t at = i * s.rows * s.out;
      const float* xp = gamma.defined() ? ptr(xhat) + at : nullptr;
      const float* yp = act == kSimNorm ? ptr(y) + at : nullptr;
      const float* dyp = ptr(dy) + at;
      float* dp = ptr(d) + at;
      if (gamma.defined() || want_w)
        at::parallel_for(0, blocks, std::max<int64_t>(1, kGrain / (s.out * kBlockRows)), [&](int64_t from, int64_t to) {
          for (int64_t k = from; k < to; ++k) {
            const int64_t begin = k * kBlockRows, end = std::min(s.rows, begin + kBlockRows);
            float* p = partial.data() + k * sums * s.out;
            if (gamma.defined())
              rows_backward(r, begin, end, xp, yp, ptr(rstd) + i * s.rows, dyp, dp, p);
            else
              column_sums(dp, s.out, begin, end, p);
          }
        });
      if (want_w)
        for (int64_t k = 0; k < blocks; ++k)
          for (int64_t v = 3 - sums; v < 3; ++v)
            add_to(head_vec(into[v], i), partial.data() + (k * sums + v - (3 - sums)) * s.out, s.out);
    }
    // Gradient of the weights: dW += d' x.
    if (want_w) {
      Tensor dw = own_grad(w);
      if (!dw.defined()) out[2] = dw = at::zeros_like(w);
      for (int64_t i = 0; i < s.heads; ++i) {
        const View di{ptr(d) + i * s.rows * s.out, s.out};
        const View to = head(dw, i);
        if (x1.defined()) {
          View a = rows_of(x1);
          if (per_head) a.data += i * s.rows * s.in1;
          gemm(true, false, s.out, s.in1, s.rows, di, a, 1.0f, to);
        }
        if (x2.defined()) gemm(true, false, s.out, s.in2, s.rows, di, rows_of(x2), 1.0f, columns(to, s.in1));
      }
    }
    // Gradient of the input: dx = sum over heads of d W.
    for (int side = 0; side < 2; ++side) {
      const Tensor& x = side == 0 ? x1 : x2;
      if (!(side == 0 ? want_x1 : want_x2)) continue;
      Tensor dx = at::empty_like(x);
      const int64_t in = side == 0 ? s.in1 : s.in2, from = side == 0 ? 0 : s.in1;
      for (int64_t i = 0; i < s.heads; ++i) {
        const View di{ptr(d) + i * s.rows * s.out, s.out};
        View to = rows_of(dx);
        if (per_head) to.data += i * s.rows * in;
        gemm(false, false, s.rows, in, s.out, di, columns(head(w, i), from), per_head || i == 0 ? 0.0f : 1.0f, to);
      }
      out[side] = dx;
    }
    // Gradient of the task term: the rows that used an entry, summed in order.
    if (want_table) {
      Tensor dt = at::zeros_like(table);
      for (int64_t i = 0; i < s.heads; ++i) {
        const Rows r = t.rows_with(s, i, dt);
        const float* dp = ptr(d) + i * s.rows * s.out;
        at::parallel_for(0, s.out, std::max<int64_t>(16, kGrain / s.rows), [&](int64_t from, int64_t to) {
          for (int64_t row = 0; row < s.rows; ++row)
            add_to(const_cast<float*>(r.term(row)) + from, dp + row * s.out + from, to - from);
        });
      }
      out[6] = dt;
    }
    return out;
  }
};

Tensor layer(LayerTensors t) {
  const Tensor in1 = t.x1, in2 = t.x2;  // with their place in the graph
  t.x1 = rows_alone(in1);
  t.x2 = rows_alone(in2);
  const Tensor &x1 = t.x1, &x2 = t.x2, &w = t.w;
  const bool per_head = t.per_head;
  const Shape s = t.shape();

  std::vector<int64_t> size;
  if (w.dim() == 3) size.push_back(s.heads);
  const Tensor& any = x1.defined() ? x1 : x2;
  for (int64_t i = per_head ? 1 : 0; i + 1 < any.dim(); ++i) size.push_back(any.size(i));
  size.push_back(s.out);

  const auto options = at::TensorOptions(at::kFloat);
  const bool norm = t.gamma.defined();
  Tensor h = at::empty(size, options);
  Tensor y = norm ? at::empty(size, options) : h;
  Tensor rstd = at::empty({s.heads * s.rows}, options);
  for (int64_t i = 0; i < s.heads; ++i) {
    const View wi = head(w, i);
    View c{ptr(h) + i * s.rows * s.out, s.out};
    float keep = 0.0f;
    if (x1.defined()) {
      View a = rows_of(x1);
      if (per_head) a.data += i * s.rows * s.in1;
      gemm(false, true, s.rows, s.out, s.in1, a, wi, 0.0f, c);
      keep = 1.0f;
    }
    if (x2.defined()) gemm(false, true, s.rows, s.out, s.in2, rows_of(x2), columns(wi, s.in1), keep, c);
  }
  for (int64_t i = 0; i < s.heads; ++i) {
    const Rows r = t.rows(s, i);
    const int64_t at = i * s.rows;
    float *hp = ptr(h) + at * s.out, *yp = ptr(y) + at * s.out, *rp = ptr(rstd) + at;
    at::parallel_for(0, s.rows, std::max<int64_t>(1, kGrain / s.out),
                     [&](int64_t from, int64_t to) { rows_forward(r, from, to, hp, yp, rp); });
  }

  if (at::GradMode::is_enabled() &&
      torch::autograd::any_variable_requires_grad({in1, in2, w, t.b, t.gamma, t.beta, t.table})) {
    auto node = std::shared_ptr<LayerBackward>(new LayerBackward, torch::autograd::deleteNode);
    node->xhat = norm ? h : Tensor();
    node->y = t.act == kSimNorm ? y.detach() : Tensor();
    node->rstd = rstd;
    node->t = t;
    node->t.table = t.table.defined() ? t.table.detach() : Tensor();
    record(y, std::move(node), in1, in2, w, t.b, t.gamma, t.beta, t.table);
  }
  return y;
}

}  // namespace
}  // namespace newt

using at::Tensor;
using namespace newt;

extern "C" {

Tensor* newt_layer(const Tensor* x1, const Tensor* x2, const Tensor* w, const Tensor* b, const Tensor* gamma,
                   const Tensor* beta, const Tensor* table, const Tensor* index, int64_t repeat, int64_t act,
                   int64_t group, bool per_head) {
  return guarded([&] {
    return layer({opt(x1), opt(x2), *w, *b, opt(gamma), opt(beta), opt(table), opt(index), repeat, act, group, per_head});
  });
}

// What follows the product of a bfloat16 layer: h is [q?, .., out] in bfloat16, all else float32. No gradients.
Tensor* newt_rows_bf16(const Tensor* product, const Tensor* b, const Tensor* gamma, const Tensor* beta,
                       const Tensor* table, const Tensor* index, int64_t repeat, int64_t act, int64_t group) {
  return guarded([&] {
    const Tensor h = product->contiguous();
    const LayerTensors t{Tensor(), Tensor(),   Tensor(), *b,  opt(gamma), opt(beta),
                         opt(table), opt(index), repeat,   act, group,      false};
    Shape s{};
    s.heads = b->dim() == 2 ? b->size(0) : 1;
    s.out = h.size(-1);
    s.rows = h.numel() / s.out / s.heads;
    Tensor y = at::empty_like(h);
    for (int64_t i = 0; i < s.heads; ++i) {
      const Rows r = t.rows(s, i);
      const uint16_t* hp = reinterpret_cast<const uint16_t*>(h.data_ptr()) + i * s.rows * s.out;
      uint16_t* yp = reinterpret_cast<uint16_t*>(y.data_ptr()) + i * s.rows * s.out;
      at::parallel_for(0, s.rows, std::max<int64_t>(1, kGrain / s.out),
                       [&](int64_t from, int64_t to) { rows_forward_bf16(r, from, to, hp, yp, s.out); });
    }
    return y;
  });
}

}  // extern "C"
