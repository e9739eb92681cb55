// Fused layers of Newt for the CPU, as torch autograd functions.
//
// A layer is y = act(norm(x W' + b + table[row])), where `table` carries what a task's language adds to the first layer
// of a network. libtorch alone needs six to ten passes over memory for what follows the matrix product; here it is one
// forward and one backward. Weight gradients are accumulated straight into the parameters' own `.grad`.
// Every sum over rows is taken in blocks of fixed size, so that results do not depend on the number of threads.
//
// `composed.rs` says the same in plain libtorch operations; a test holds the two together.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/CPUAllocator.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <dlfcn.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

using at::Tensor;
using torch::autograd::Node;
using torch::autograd::variable_list;

extern "C" void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*, const float*,
                       const int*, const float*, const int*, const float*, float*, const int*);

namespace {

#if defined(__x86_64__)
#define MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), flatten))
#else
#define MULTIVERSION
#endif
#define INLINE __attribute__((always_inline)) inline

enum Activation : int64_t { kNone = 0, kMish = 1, kSimNorm = 2 };

constexpr int64_t kBlockRows = 32;    // rows whose parameter gradients are summed together
constexpr int64_t kGrain = 1 << 14;   // elements that are worth a thread
constexpr float kNormEps = 1e-5f;

// ---------------------------------------------------------------------------------------------------------------------
// Elementary functions that the compiler can vectorize.

// e^x to 2 ulp (polynomial of Cephes' expf).
INLINE float fast_exp(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float n = __builtin_rintf(x * 1.44269504088896341f);
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}

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

// bfloat16 <-> float, rounding to nearest even.
INLINE float widen(uint16_t v) {
  const uint32_t bits = static_cast<uint32_t>(v) << 16;
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

INLINE uint16_t narrow(float v) {
  uint32_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// ---------------------------------------------------------------------------------------------------------------------
// Rows of a layer.

struct Rows {
  int64_t width, group;
  int64_t act;
  const float *bias, *gamma, *beta;  // gamma == nullptr: no norm
  const float* table;                // nullptr: no task term
  const int64_t* index;
  int64_t index_len, repeat;

  INLINE const float* term(int64_t row) const {
    return table + index[(row / repeat) % index_len] * width;
  }
};

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

MULTIVERSION void rows_forward(const Rows& r, int64_t begin, int64_t end, float* h, float* y, float* rstd) {
  for (int64_t row = begin; row < end; ++row) rstd[row] = row_forward(r, row, h + row * r.width, y + row * r.width);
}

// The same for bfloat16 in and out (planning only; nothing is kept for a backward pass).
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

// Gradients of rows `begin..end`: `d` holds dy on entry and the gradient of the pre-activation on return;
// partial[0..3] are the sums of the gradients of gamma, beta and bias over these rows.
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

// Sum of rows `begin..end` of `d` into `partial`.
MULTIVERSION void column_sums(const float* d, int64_t width, int64_t begin, int64_t end, float* partial) {
  std::memset(partial, 0, sizeof(float) * width);
  for (int64_t row = begin; row < end; ++row)
    for (int64_t c = 0; c < width; ++c) partial[c] += d[row * width + c];
}

MULTIVERSION void add_to(float* to, const float* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}

// ---------------------------------------------------------------------------------------------------------------------
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

float* ptr(const Tensor& t) { return t.data_ptr<float>(); }

// Does the last axis lie contiguous, and do the axes before it form evenly spaced rows?
View rows_of(const Tensor& t) { return {ptr(t), t.size(-1)}; }

// A weight of one head, [out, in].
View head(const Tensor& w, int64_t h) {
  if (w.dim() == 2) return {ptr(w), w.stride(0)};
  return {ptr(w) + h * w.stride(0), w.stride(1)};
}

float* head_vec(const Tensor& v, int64_t h) { return v.dim() == 1 ? ptr(v) : ptr(v) + h * v.stride(0); }

View columns(View v, int64_t from) { return {v.data + from, v.stride}; }

// ---------------------------------------------------------------------------------------------------------------------
// The layer.

struct Shape {
  int64_t heads, rows, in1, in2, out;
};

// The gradient tensor of a leaf, if its owner prepared one: results are accumulated there and none is returned.
Tensor own_grad(const Tensor& leaf) {
  if (!leaf.defined() || !leaf.is_leaf() || !leaf.grad().defined()) return Tensor();
  return leaf.grad();
}

// Attaches `node` to `y` if gradients are recorded and one of `inputs` needs them.
template <typename N, typename... In>
void record(Tensor& y, std::shared_ptr<N> node, const In&... inputs) {
  node->set_next_edges(torch::autograd::collect_next_edges(inputs...));
  torch::autograd::set_history(y, std::move(node));
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

// The values of `t` in contiguous rows, outside the graph.
Tensor rows_alone(const Tensor& t) { return t.defined() ? t.detach().contiguous() : t; }

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

// ---------------------------------------------------------------------------------------------------------------------
// Discrete regression (see math.rs for the definitions).

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

// ---------------------------------------------------------------------------------------------------------------------
// Adam over a stretch of a flat buffer. `clip` is the factor of gradient clipping. Gradients are left at zero.

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

// ---------------------------------------------------------------------------------------------------------------------
// Normal draws: a counter-based generator (two rounds of SplitMix64's finalizer over seed and counter) and Box and Muller.

INLINE uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

INLINE float fast_log(float x) {  // natural logarithm for normal positive x (Cephes' logf)
  int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  int32_t e = (bits >> 23) - 126;
  bits = (bits & 0x007fffff) | 0x3f000000;
  float m;
  std::memcpy(&m, &bits, sizeof m);
  const bool small = m < 0.707106781f;
  e = small ? e - 1 : e;
  m = small ? m + m - 1.0f : m - 1.0f;
  const float z = m * m;
  float p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  p = p * m * z;
  const float fe = static_cast<float>(e);
  p += fe * -2.12194440e-4f - 0.5f * z;
  return m + p + fe * 0.693359375f;
}

// sin and cos of 2 pi t for t in [-1/8, 1/8].
INLINE void small_sincos(float t, float* s, float* c) {
  const float a = t * 6.28318530717958648f, z = a * a;
  *s = a + a * z * (-1.6666654611e-1f + z * (8.3321608736e-3f + z * -1.9515295891e-4f));
  *c = 1.0f - 0.5f * z + z * z * (4.166664568298827e-2f + z * (-1.388731625493765e-3f + z * 2.443315711809948e-5f));
}

// Pairs `begin..end` of the stream: out[i] and out[i + half] for pair i.
MULTIVERSION void normal_pairs(uint64_t key, uint64_t counter, int64_t begin, int64_t end, int64_t half, int64_t n,
                               float* out) {
  for (int64_t i = begin; i < end; ++i) {
    const uint64_t bits = mix(mix((counter + static_cast<uint64_t>(i)) * 0x9e3779b97f4a7c15ull + key) ^ key);
    const float u = (static_cast<float>(static_cast<int32_t>(bits >> 40)) + 1.0f) * 5.9604644775390625e-8f;  // (0, 1]
    const float angle = static_cast<float>(static_cast<int32_t>(bits & 0xffffff)) * 5.9604644775390625e-8f;  // [0, 1)
    const float radius = __builtin_sqrtf(-2.0f * fast_log(u));
    const float quarter = __builtin_rintf(angle * 4.0f);
    float s, c;
    small_sincos(angle - quarter * 0.25f, &s, &c);
    const int32_t q = static_cast<int32_t>(quarter);
    const float sq = (q & 1) ? c : s, cq = (q & 1) ? s : c;
    out[i] = radius * ((q & 2) ? -sq : sq);
    if (i + half < n) out[i + half] = radius * (((q + 1) & 2) ? -cq : cq);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Memory. Blocks of a tensor's size that are freed are kept for the next tensor: mapping fresh pages each time costs more
// than the arithmetic on them. Sizes are rounded up to an eighth of a power of two.

class KeepingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t n) override {
    if (n == 0) return {nullptr, nullptr, &release, c10::Device(c10::DeviceType::CPU)};
    const size_t size = rounded(n + kHeader);
    void* base = nullptr;
    if (size >= kKept) {
      std::lock_guard<std::mutex> lock(mutex());
      auto& list = free_blocks()[size];
      if (!list.empty()) {
        base = list.back();
        list.pop_back();
      }
    }
    if (base == nullptr && posix_memalign(&base, kHeader, size) != 0) throw std::bad_alloc();
    *static_cast<size_t*>(base) = size;
    void* data = static_cast<char*>(base) + kHeader;
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void* to, const void* from, size_t n) const override { default_copy_data(to, from, n); }

 private:
  static constexpr size_t kHeader = 64;        // keeps data aligned to a cache line
  static constexpr size_t kKept = 32 * 1024;   // below this malloc keeps blocks itself

  static size_t rounded(size_t n) {
    if (n < kKept) return n;
    size_t step = 1;
    while (step * 16 <= n) step *= 2;
    return (n + step - 1) / step * step;
  }

  // Never destroyed: tensors in static storage may be freed after everything else.
  static std::mutex& mutex() {
    static auto* m = new std::mutex;
    return *m;
  }

  static std::unordered_map<size_t, std::vector<void*>>& free_blocks() {
    static auto* blocks = new std::unordered_map<size_t, std::vector<void*>>;
    return *blocks;
  }

  static void release(void* data) {
    if (data == nullptr) return;
    void* base = static_cast<char*>(data) - kHeader;
    const size_t size = *static_cast<size_t*>(base);
    if (size < kKept) {
      std::free(base);
      return;
    }
    std::lock_guard<std::mutex> lock(mutex());
    free_blocks()[size].push_back(base);
  }
};

thread_local std::string last_error;

template <typename F>
Tensor* guarded(F&& f) {
  try {
    return new Tensor(f());
  } catch (const std::exception& e) {
    last_error = e.what();
    return nullptr;
  }
}

Tensor opt(const Tensor* t) { return t == nullptr ? Tensor() : *t; }

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// What Rust calls. A null result means that `newt_last_error` has a message.

extern "C" {

const char* newt_last_error() { return last_error.c_str(); }

// Makes `grad` the gradient of the leaf `param`.
void newt_bind_grad(Tensor* param, const Tensor* grad) { param->mutable_grad() = *grad; }

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

Tensor* newt_cross_entropy(const Tensor* logits, const Tensor* target, const Tensor* weight, double low, double high) {
  return guarded([&] { return cross_entropy(*logits, *target, *weight, low, high); });
}

Tensor* newt_decode(const Tensor* logits, double low, double high) {
  return guarded([&] { return decode(*logits, low, high); });
}

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

// Fills `out[0..n]` with standard normal draws; uses counters `counter .. counter + (n + 1) / 2`.
void newt_normal(uint64_t key, uint64_t counter, int64_t n, float* out) {
  const int64_t half = (n + 1) / 2;
  at::parallel_for(0, half, kGrain / 4,
                   [&](int64_t from, int64_t to) { normal_pairs(key, counter, from, to, half, n, out); });
}

// Keeps freed tensor memory for the next tensors.
void newt_keep_memory() {
  static const bool done = [] {
    c10::SetCPUAllocator(new KeepingAllocator, /*priority=*/1);
    return true;
  }();
  (void)done;
}

void newt_allow_tf32(bool allowed) {
  at::globalContext().setAllowTF32CuBLAS(allowed);
  at::globalContext().setAllowTF32CuDNN(allowed);
}

// The folder that libtorch was loaded from.
const char* newt_library_dir() {
  static const std::string dir = [] {
    Dl_info info;
    if (dladdr(reinterpret_cast<const void*>(&at::get_num_threads), &info) == 0) return std::string(".");
    const std::string path = info.dli_fname;
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string(".") : path.substr(0, slash);
  }();
  return dir.c_str();
}

}  // extern "C"
