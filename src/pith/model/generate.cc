#include "pith/model/generate.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "pith/base/error.h"
#include "pith/base/random.h"
#include "pith/evaluation/scorer.h"
#include "pith/model/tensor_bridge.h"
#include "pith/model/torch_scorer.h"

namespace pith {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Logits [V] after the last of `ids`.
at::Tensor step(const Transformer& model, std::span<const std::int32_t> ids, KvCache& cache) {
  const at::Tensor hidden = model.hidden(id_tensor(ids).unsqueeze(0), &cache);  // [1, T, D]
  return model.logits(hidden.select(1, hidden.size(1) - 1)).view({-1}).contiguous();
}

// Also what NaN weights end in, which no choice of a token would show.
void require_finite_logits(std::span<const float> logits) {
  for (const float logit : logits)
    if (!std::isfinite(logit)) throw NonfiniteError("a logit");
}

}  // namespace

std::int32_t sample_token(std::span<const float> logits,
                          const GenerateOptions& options,
                          std::uint64_t index) {
  require(options.temperature >= 0 && std::isfinite(options.temperature),
          "temperature is {}, expected 0 or more",
          options.temperature);
  const auto best = std::max_element(logits.begin(), logits.end());
  const auto greedy = static_cast<std::int32_t>(best - logits.begin());
  if (options.temperature < 1e-5) return greedy;
  std::vector<double> cumulative(logits.size());
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i)
    cumulative[i] = sum += std::exp((double{logits[i]} - double{*best}) / options.temperature);
  const double point = Random(options.seed, stream_of("sample")).uniform(index) * sum;
  const auto chosen = std::upper_bound(cumulative.begin(), cumulative.end(), point);
  return chosen == cumulative.end() ? greedy
                                    : static_cast<std::int32_t>(chosen - cumulative.begin());
}

Generation generate(const Transformer& model,
                    std::span<const std::int32_t> prompt,
                    const GenerateOptions& options,
                    const std::function<void(std::int32_t)>& on_token) {
  const DecoderSpec& spec = model.spec();
  const std::int64_t longest = longest_sequence(spec);
  check_ids(prompt, spec.vocab, longest);
  require(options.max_tokens >= 1, "max-tokens is {}, expected 1 or more", options.max_tokens);
  const std::vector<std::int64_t> stop_ids = options.stop_ids.value_or(spec.eos_ids);
  const c10::InferenceMode guard;
  const auto room = longest - static_cast<std::int64_t>(prompt.size());
  // The last token is never fed back, so one more than the room can come out.
  const std::int64_t limit = std::min(options.max_tokens, room + 1);
  KvCache cache(spec, 1, static_cast<std::int64_t>(prompt.size()) + limit - 1);

  Generation result;
  Clock::time_point start = Clock::now();
  at::Tensor logits = step(model, prompt, cache);
  result.prefill_seconds = seconds_since(start);
  start = Clock::now();
  while (true) {
    require_finite_logits(float_span(logits));
    const std::int32_t id = sample_token(float_span(logits), options, result.ids.size());
    if (!options.ignore_eos && std::ranges::find(stop_ids, id) != stop_ids.end()) break;
    result.ids.push_back(id);
    if (on_token) on_token(id);
    if (static_cast<std::int64_t>(result.ids.size()) == limit) break;
    logits = step(model, {&result.ids.back(), 1}, cache);
  }
  result.decode_seconds = seconds_since(start);
  const auto steps = static_cast<double>(cache.length()) - static_cast<double>(prompt.size());
  if (steps > 0) result.tokens_per_second = steps / result.decode_seconds;
  return result;
}

}  // namespace pith
