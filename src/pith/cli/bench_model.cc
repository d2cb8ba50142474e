// pith bench decode|prefill: tokens a second of a model, as a share of what this machine can do.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "pith/base/isa.h"
#include "pith/base/random.h"
#include "pith/base/threads.h"
#include "pith/cli/torch_bodies.h"
#include "pith/kernels/machine_peak.h"
#include "pith/model/load.h"
#include "pith/model/torch_stepper.h"

namespace pith {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check(const BenchOptions& options, std::int64_t context) {
  require(options.tokens >= 1, "--tokens is {}, expected 1 or more", options.tokens);
  require(options.batch >= 1, "--batch is {}, expected 1 or more", options.batch);
  require(options.repeats >= 1, "--repeats is {}, expected 1 or more", options.repeats);
  require(options.context >= 0, "--context is {}, expected 0 or more", options.context);
  const std::int64_t longest = std::max<std::int64_t>(1, options.context) + options.tokens;
  require(
      longest <= context,
      "--context and --tokens make a sequence of {}, expected at most the model's context of {}",
      longest,
      context);
}

std::vector<std::int32_t> random_ids(std::int64_t count, std::int64_t vocab, std::uint64_t seed) {
  const Random random(seed, stream_of("bench"));
  std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < ids.size(); ++i)
    ids[i] = static_cast<std::int32_t>(random.below(i, static_cast<std::uint64_t>(vocab)));
  return ids;
}

// Tokens a second of one repeat.
double decode_once(TorchStepper& stepper, const BenchOptions& options, std::uint64_t seed) {
  const std::int64_t context = std::max<std::int64_t>(1, options.context);
  auto next = stepper.prefill(random_ids(options.batch * context, stepper.vocab(), seed),
                              static_cast<std::size_t>(options.batch),
                              Stepper::KeepCache::kYes);
  const Clock::time_point start = Clock::now();
  for (std::int64_t i = 0; i < options.tokens; ++i) next = stepper.step(next);
  return static_cast<double>(options.tokens * options.batch) / seconds_since(start);
}

double prefill_once(TorchStepper& stepper, const BenchOptions& options, std::uint64_t seed) {
  const auto ids = random_ids(options.batch * options.tokens, stepper.vocab(), seed);
  const Clock::time_point start = Clock::now();
  stepper.prefill(ids, static_cast<std::size_t>(options.batch), Stepper::KeepCache::kYes);
  return static_cast<double>(options.tokens * options.batch) / seconds_since(start);
}

// A kernel is never timed before its results are known to be numbers.
void check_result(TorchScorer& scorer) {
  const std::vector<std::int32_t> ids{0};
  std::vector<float> logits(static_cast<std::size_t>(scorer.vocab()));
  scorer.run(ids);
  scorer.logits(0, 1, logits);
  if (!std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); }))
    fail<FormatError>("the model's logits are not finite; 'pith eval' on a text shows more");
}

// The documents' protocol: s/token and tokens/s of 50 new tokens at context 1024, batch 1 and 12
// (evaluation card 4.1).
int run_latency(const BenchOptions& options,
                const GlobalOptions& global,
                const LoadedModel& model) {
  require(options.kind == BenchKind::kDecode, "--protocol goes with 'bench decode'");
  TorchStepper stepper(model.scorer->model());
  const LatencyResult result =
      measure_latency(stepper,
                      {.protocol = *options.protocol,
                       .batch = options.batch,
                       .context = options.context == 0 ? 1024 : options.context,
                       .new_tokens = options.tokens,
                       .repeats = options.repeats,
                       .seed = global.seed});
  if (global.json)
    fmt::print("{}\n", to_json(result).dump(2));
  else
    fmt::print(
        "{}: batch {}, {} new tokens at context {}: {:.4f} s a token median, {:.1f} tokens/s, "
        "first token "
        "{:.3f} s, peak memory {} ({} threads)\n",
        to_string(*options.protocol),
        options.batch,
        options.tokens,
        result.options.context,
        result.median_s_per_token,
        result.tokens_per_second,
        result.first_token_seconds,
        format_size(result.peak_bytes),
        result.threads);
  return 0;
}

// Rates of the repeats, ascending, after one that warms up.
std::vector<double> measure_rates(TorchStepper& stepper,
                                  const BenchOptions& options,
                                  std::uint64_t seed) {
  const auto measure = options.kind == BenchKind::kDecode ? decode_once : prefill_once;
  measure(stepper, options, seed);
  std::vector<double> rates;
  for (int i = 0; i < options.repeats; ++i) rates.push_back(measure(stepper, options, seed));
  std::sort(rates.begin(), rates.end());
  return rates;
}

// Of what bounds it: decoding of reading the weights, prefill of arithmetic.
double share_of_limit(double tokens_per_second,
                      const BenchOptions& options,
                      const LoadedModel& model) {
  if (options.kind == BenchKind::kDecode) {
    const auto bytes = static_cast<double>(model.scorer->weight_bytes());
    return tokens_per_second / static_cast<double>(options.batch) * bytes / 1e9 /
           measure_read_bandwidth();
  }
  const auto operations = 2.0 * static_cast<double>(parameter_count(model.checkpoint.spec()));
  return tokens_per_second * operations / 1e9 / measure_peak().fp32_gflops;
}

}  // namespace

int run_bench_model(const BenchOptions& options, const GlobalOptions& global) {
  set_torch_threads();
  const LoadedModel model = load_model(*options.model);
  if (options.protocol) return run_latency(options, global, model);
  check(options, model.scorer->context());
  check_result(*model.scorer);
  TorchStepper stepper(model.scorer->model());
  const bool decode = options.kind == BenchKind::kDecode;
  const std::vector<double> rates = measure_rates(stepper, options, global.seed);
  const double median = rates[rates.size() / 2];
  const double share = share_of_limit(median, options, model);
  Json json{{"tokens_per_second", median},
            {"best", rates.back()},
            {"repeats", options.repeats},
            {"threads", num_threads()},
            {"isa", isa_name()},
            {"engine", stepper.engine()},
            {"activations", stepper.activations()},
            {"tokens", options.tokens},
            {"context", options.context},
            {"batch", options.batch}};
  if (decode) json["bytes_per_token"] = model.scorer->weight_bytes();
  json[decode ? "share_of_bandwidth" : "share_of_peak"] = share;
  if (global.json) {
    fmt::print("{}\n", json.dump(2));
    return 0;
  }
  fmt::print("{}: {:.1f} tokens/s median, {:.1f} best of {} ({:.0f} % of {}; {} threads, {})\n",
             to_string(options.kind),
             median,
             rates.back(),
             options.repeats,
             100 * share,
             decode ? "read bandwidth" : "fp32 peak",
             num_threads(),
             isa_name());
  return 0;
}

}  // namespace pith
