// Normal draws: a counter-based generator (two rounds of SplitMix64's finalizer over seed and counter) and Box and Muller.

#include "elementary.h"
#include "rows.h"

#include <ATen/Parallel.h>

namespace newt {
namespace {

INLINE uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
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

}  // namespace
}  // namespace newt

using namespace newt;

extern "C" {

// Fills `out[0..n]` with standard normal draws; uses counters `counter .. counter + (n + 1) / 2`.
void newt_normal(uint64_t key, uint64_t counter, int64_t n, float* out) {
  const int64_t half = (n + 1) / 2;
  at::parallel_for(0, half, kGrain / 4,
                   [&](int64_t from, int64_t to) { normal_pairs(key, counter, from, to, half, n, out); });
}

}  // extern "C"
