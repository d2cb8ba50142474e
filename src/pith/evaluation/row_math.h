// What is computed from rows of logits: the parts of log-softmax and of KL. Source: card 5.1, 5.4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace pith {

struct RowSummary {
  float max = 0;
  std::int32_t argmax = 0;  // the lowest index on ties
  double sum_exp = 0;       // of exp(x - max); at least 1, or not finite if a logit is NaN or +Inf
};

// log softmax(row)[target] in nats.
double log_probability(std::span<const float> row, const RowSummary& summary, std::int32_t target);

// The pieces of the work, one row of this table for each way to compute them; best first, the last
// is the plain reference in double. The others take exp in f32 within 2^-22 relative and add up in
// double, so logarithms of sums are within 3e-7.
struct RowMath {
  std::string_view name;
  bool (*runs_here)();
  RowSummary (*summarize)(const float* row, std::size_t count);  // count >= 1
  // sum over i of exp(p[i] - p_max) * ((p[i] - p_max) - (q[i] - q_max))
  double (*weighted_difference)(
      const float* p, float p_max, const float* q, float q_max, std::size_t count);
};
std::span<const RowMath> row_math_table();
const RowMath& row_math();  // the best that this processor runs

// KL(softmax(p) || softmax(q)) in nats, at least 0; exactly 0 for equal rows. Not finite if a logit
// is not, as for log_probability.
double kl_divergence(std::span<const float> p,
                     const RowSummary& p_summary,
                     std::span<const float> q,
                     const RowSummary& q_summary,
                     const RowMath& math);

}  // namespace pith
