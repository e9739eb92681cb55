// What follows the matrix product of a layer, a row at a time: bias, task term, LayerNorm, activation.
#pragma once

#include "activations.h"

namespace newt {

constexpr int64_t kBlockRows = 32;   // rows whose parameter gradients are summed together
constexpr int64_t kGrain = 1 << 14;  // elements that are worth a thread

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

// Rows `begin..end` of pre-activations `h` (without bias) become the normalized rows in place and the output in `y`;
// `rstd` gets their reciprocal standard deviations.
void rows_forward(const Rows& r, int64_t begin, int64_t end, float* h, float* y, float* rstd);

// The same for bfloat16 in and out (planning only; nothing is kept for a backward pass).
void rows_forward_bf16(const Rows& r, int64_t begin, int64_t end, const uint16_t* h, uint16_t* y, int64_t stride);

// Gradients of rows `begin..end`: `d` holds dy on entry and the gradient of the pre-activation on return;
// partial[0..3] are the sums of the gradients of gamma, beta and bias over these rows.
void rows_backward(const Rows& r, int64_t begin, int64_t end, const float* xhat, const float* y, const float* rstd,
                   const float* dy, float* d, float* partial);

// Sum of rows `begin..end` of `d` into `partial`.
void column_sums(const float* d, int64_t width, int64_t begin, int64_t end, float* partial);

void add_to(float* to, const float* from, int64_t n);

}  // namespace newt
