#include "pith/evaluation/latency.h"

#include <chrono>
#include <fstream>

#include "pith/base/error.h"
#include "pith/base/memory.h"
#include "pith/base/random.h"
#include "pith/base/threads.h"
#include "pith/evaluation/statistics.h"

namespace pith {
namespace {

void check(const Stepper& stepper, const LatencyOptions& options) {
  const auto at_least = [](const char* name, std::int64_t found, std::int64_t least) {
    require(found >= least, "{}: expected at least {}, found {}", name, least, found);
  };
  at_least("batch", options.batch, 1);
  at_least("new-tokens", options.new_tokens, 2);
  at_least("repeats", options.repeats, 5);
  const bool kv = options.protocol == LatencyProtocol::kKv;
  at_least("context", options.context, kv ? options.new_tokens + 1 : 1);
  require(options.context <= stepper.context(),
          "context: expected at most the model's {} tokens, found {}",
          stepper.context(),
          options.context);
}

std::vector<std::int32_t> prompt_of(const LatencyOptions& options, std::int64_t vocab) {
  const bool kv = options.protocol == LatencyProtocol::kKv;
  const std::int64_t length = options.context - (kv ? options.new_tokens : 0);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(options.batch * length));
  const Random random(options.seed, stream_of("latency"));
  for (std::size_t i = 0; i < ids.size(); ++i)
    ids[i] = static_cast<std::int32_t>(random.below(i, static_cast<std::uint64_t>(vocab)));
  return ids;
}

// Drops the first token of each sequence of [batch, length] and appends the next.
void slide(std::vector<std::int32_t>& ids, std::span<const std::int32_t> next) {
  const std::size_t length = ids.size() / next.size();
  for (std::size_t b = 0; b < next.size(); ++b) {
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(b * length);
    const auto last = begin + static_cast<std::ptrdiff_t>(length - 1);
    std::copy(begin + 1, last + 1, begin);
    *last = next[b];
  }
}

LatencyTiming run_once(Stepper& stepper,
                       const LatencyOptions& options,
                       std::vector<std::int32_t> ids) {
  const bool kv = options.protocol == LatencyProtocol::kKv;
  const auto keep = kv ? Stepper::KeepCache::kYes : Stepper::KeepCache::kNo;
  const auto batch = static_cast<std::size_t>(options.batch);
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&start] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  LatencyTiming timing;
  std::vector<std::int32_t> next = stepper.prefill(ids, batch, keep);
  timing.first_token = elapsed();
  for (std::int64_t made = 1; made < options.new_tokens; ++made) {
    PITH_CHECK(next.size() == batch);
    if (kv) {
      next = stepper.step(next);
    } else {
      slide(ids, next);
      next = stepper.prefill(ids, batch, keep);
    }
  }
  timing.total = elapsed();
  return timing;
}

std::string clock_governor() {
  std::ifstream file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  std::string name;
  std::getline(file, name);
  return name;
}

}  // namespace

LatencyResult summarize_latency(const LatencyOptions& options,
                                std::span<const LatencyTiming> timings) {
  std::vector<double> per_token, first, next;
  for (const LatencyTiming& timing : timings) {
    per_token.push_back(timing.total / static_cast<double>(options.new_tokens));
    first.push_back(timing.first_token);
    next.push_back((timing.total - timing.first_token) /
                   static_cast<double>(options.new_tokens - 1));
  }
  LatencyResult out;
  out.options = options;
  out.median_s_per_token = quantile(per_token, 0.5);
  out.mean_s_per_token = mean(per_token);
  out.p10_s_per_token = quantile(per_token, 0.1);
  out.p90_s_per_token = quantile(per_token, 0.9);
  out.tokens_per_second = static_cast<double>(options.batch) / out.median_s_per_token;
  out.first_token_seconds = quantile(first, 0.5);
  out.next_token_seconds = quantile(next, 0.5);
  return out;
}

LatencyResult measure_latency(Stepper& stepper, const LatencyOptions& options) {
  check(stepper, options);
  const std::vector<std::int32_t> prompt = prompt_of(options, stepper.vocab());
  start_memory_meter();
  reset_memory_peak();
  run_once(stepper, options, prompt);  // warms up
  std::vector<LatencyTiming> timings;
  for (std::int64_t repeat = 0; repeat < options.repeats; ++repeat)
    timings.push_back(run_once(stepper, options, prompt));

  LatencyResult out = summarize_latency(options, timings);
  out.peak_bytes = memory_peak_bytes();
  out.engine = stepper.engine();
  out.activations = stepper.activations();
  out.threads = num_threads();
  out.governor = clock_governor();
  return out;
}

Json to_json(const LatencyResult& result) {
  return {{"protocol", std::string(to_string(result.options.protocol))},
          {"batch", result.options.batch},
          {"context", result.options.context},
          {"new_tokens", result.options.new_tokens},
          {"repeats", result.options.repeats},
          {"seed", result.options.seed},
          {"median_seconds_per_token", result.median_s_per_token},
          {"mean_seconds_per_token", result.mean_s_per_token},
          {"p10_seconds_per_token", result.p10_s_per_token},
          {"p90_seconds_per_token", result.p90_s_per_token},
          {"tokens_per_second", result.tokens_per_second},
          {"first_token_seconds", result.first_token_seconds},
          {"next_token_seconds", result.next_token_seconds},
          {"peak_bytes", result.peak_bytes},
          {"engine", result.engine},
          {"activations", result.activations},
          {"threads", result.threads},
          {"governor", result.governor.empty() ? Json(nullptr) : Json(result.governor)}};
}

}  // namespace pith
