#include "pith/evaluation/row_math.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>

#include "pith/base/error.h"

namespace pith {
namespace {

RowSummary summarize_reference(const float* row, std::size_t count) {
  // std::max_element would stay at a leading NaN or pass over a later one; the sum below shows
  // both.
  std::size_t best = 0;
  for (std::size_t i = 1; i < count; ++i)
    if (row[i] > row[best]) best = i;
  RowSummary out{row[best], static_cast<std::int32_t>(best), 0};
  for (std::size_t i = 0; i < count; ++i) out.sum_exp += std::exp(double{row[i]} - double{out.max});
  return out;
}

double weighted_difference_reference(
    const float* p, float p_max, const float* q, float q_max, std::size_t count) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double a = double{p[i]} - double{p_max};
    const double weight = std::exp(a);
    if (weight > 0) sum += weight * (a - (double{q[i]} - double{q_max}));
  }
  return sum;
}

constexpr std::size_t kLanes = 8;
// f32 partial sums of at most 64 terms a lane: their rounding stays below that of the exponentials.
constexpr std::size_t kBlock = 64 * kLanes;

constexpr float kLeastExponent = -87.3f;  // exp of it is still a normal number

// exp(x) for x <= 0, within 2^-22 relative; what lies below kLeastExponent gives its 1e-38. NaN
// stays NaN. Cody-Waite reduction and the polynomial of Cephes' expf.
[[gnu::target("avx2,fma")]] inline __m256 exp_avx2(__m256 x) {
  x = _mm256_max_ps(_mm256_set1_ps(kLeastExponent),
                    x);  // the second operand is returned if one is NaN
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 y = _mm256_set1_ps(1.9875691500e-4f);
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(1.3981999507e-3f));
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(8.3334519073e-3f));
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(4.1665795894e-2f));
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(1.6666665459e-1f));
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(5.0000001201e-1f));
  y = _mm256_fmadd_ps(_mm256_mul_ps(r, r), y, _mm256_add_ps(r, _mm256_set1_ps(1.0f)));
  const __m256i exponent =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(y, _mm256_castsi256_ps(exponent));
}

[[gnu::target("avx2,fma")]] inline double sum_lanes(__m256 v) {
  alignas(32) float lanes[kLanes];
  _mm256_store_ps(lanes, v);
  double sum = 0;
  for (const float lane : lanes) sum += double{lane};
  return sum;
}

// Maximum and the lowest place where it stands; a NaN may be missed, the sum of exponentials shows
// it.
[[gnu::target("avx2,fma")]] RowSummary find_max_avx2(const float* row, std::size_t count) {
  __m256 best = _mm256_set1_ps(-INFINITY);
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) best = _mm256_max_ps(best, _mm256_loadu_ps(row + i));
  alignas(32) float lanes[kLanes];
  _mm256_store_ps(lanes, best);
  float max = *std::max_element(lanes, lanes + kLanes);
  for (; i < count; ++i) max = std::max(max, row[i]);

  const __m256 wanted = _mm256_set1_ps(max);
  for (i = 0; i + kLanes <= count; i += kLanes) {
    const int equal =
        _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(row + i), wanted, _CMP_EQ_OQ));
    if (equal != 0)
      return {max, static_cast<std::int32_t>(i) + __builtin_ctz(static_cast<unsigned>(equal)), 0};
  }
  for (; i < count; ++i)
    if (row[i] == max) break;
  return {max, static_cast<std::int32_t>(i < count ? i : 0), 0};
}

[[gnu::target("avx2,fma")]] RowSummary summarize_avx2(const float* row, std::size_t count) {
  RowSummary out = find_max_avx2(row, count);
  const __m256 max = _mm256_set1_ps(out.max);
  std::size_t i = 0;
  while (i + kLanes <= count) {
    const std::size_t end = std::min(count - kLanes, i + kBlock - kLanes);
    __m256 sum = _mm256_setzero_ps();
    for (; i <= end; i += kLanes)
      sum = _mm256_add_ps(sum, exp_avx2(_mm256_sub_ps(_mm256_loadu_ps(row + i), max)));
    out.sum_exp += sum_lanes(sum);
  }
  for (; i < count; ++i) out.sum_exp += std::exp(double{row[i]} - double{out.max});
  return out;
}

[[gnu::target("avx2,fma")]] double weighted_difference_avx2(
    const float* p, float p_max, const float* q, float q_max, std::size_t count) {
  const __m256 p_top = _mm256_set1_ps(p_max), q_top = _mm256_set1_ps(q_max);
  double total = 0;
  std::size_t i = 0;
  while (i + kLanes <= count) {
    const std::size_t end = std::min(count - kLanes, i + kBlock - kLanes);
    __m256 sum = _mm256_setzero_ps();
    for (; i <= end; i += kLanes) {
      const __m256 a = _mm256_sub_ps(_mm256_loadu_ps(p + i), p_top);
      const __m256 b = _mm256_sub_ps(_mm256_loadu_ps(q + i), q_top);
      const __m256 term = _mm256_mul_ps(exp_avx2(a), _mm256_sub_ps(a, b));
      // A masked token (-Inf in both) counts nothing; a NaN passes.
      const __m256 counts = _mm256_cmp_ps(a, _mm256_set1_ps(kLeastExponent), _CMP_NLT_UQ);
      sum = _mm256_add_ps(sum, _mm256_and_ps(term, counts));
    }
    total += sum_lanes(sum);
  }
  return total + weighted_difference_reference(p + i, p_max, q + i, q_max, count - i);
}

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool always() { return true; }

constexpr RowMath kTable[] = {
    {"avx2", has_avx2, summarize_avx2, weighted_difference_avx2},
    {"reference", always, summarize_reference, weighted_difference_reference}};

}  // namespace

std::span<const RowMath> row_math_table() { return kTable; }

const RowMath& row_math() {
  static const RowMath& best = *std::find_if(
      std::begin(kTable), std::end(kTable), [](const RowMath& math) { return math.runs_here(); });
  return best;
}

double log_probability(std::span<const float> row, const RowSummary& summary, std::int32_t target) {
  PITH_CHECK(target >= 0 && static_cast<std::size_t>(target) < row.size());
  const double below_max = double{row[static_cast<std::size_t>(target)]} - double{summary.max};
  return below_max - std::log(summary.sum_exp);
}

double kl_divergence(std::span<const float> p,
                     const RowSummary& p_summary,
                     std::span<const float> q,
                     const RowSummary& q_summary,
                     const RowMath& math) {
  PITH_CHECK(p.size() == q.size());
  const double difference =
      math.weighted_difference(p.data(), p_summary.max, q.data(), q_summary.max, p.size());
  const double kl =
      difference / p_summary.sum_exp + std::log(q_summary.sum_exp / p_summary.sum_exp);
  // Rounding alone can make it negative; NaN must pass.
  return kl < 0 ? 0 : kl;
}

}  // namespace pith
