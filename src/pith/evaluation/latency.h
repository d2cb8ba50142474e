// How long a token takes, by the documents' protocol. Source: decoding-and-evaluation card 4.1.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pith/base/enum_table.h"
#include "pith/base/json.h"

namespace pith {

// What a model must offer to be timed; model/ and engine/ implement it.
class Stepper {
 public:
  virtual ~Stepper() = default;
  virtual std::int64_t vocab() const = 0;
  virtual std::int64_t context() const = 0;
  virtual std::string engine() const = 0;
  virtual std::string activations() const = 0;
  // Begins anew with `batch` sequences of equal length, ids [batch, length], and fills the caches
  // unless `keep_cache` says that no step follows. Returns the likeliest next token of each.
  enum class KeepCache { kNo, kYes };
  virtual std::vector<std::int32_t> prefill(std::span<const std::int32_t> ids,
                                            std::size_t batch,
                                            KeepCache keep_cache) = 0;
  // One more token for each sequence, ids [batch]; returns the likeliest next ones.
  virtual std::vector<std::int32_t> step(std::span<const std::int32_t> ids) = 0;
};

// kRecompute, as in the sources: the last `context` tokens go through the network for every new
// one. kKv: the prompt once, then single tokens with the cache.
enum class LatencyProtocol { kRecompute, kKv };
constexpr EnumName<LatencyProtocol> kLatencyProtocolNames[] = {
    {LatencyProtocol::kRecompute, "recompute"}, {LatencyProtocol::kKv, "kv"}};
constexpr std::span<const EnumName<LatencyProtocol>> enum_table(LatencyProtocol) {
  return kLatencyProtocolNames;
}

struct LatencyOptions {
  LatencyProtocol protocol = LatencyProtocol::kKv;
  std::int64_t batch = 1;  // the documents: 1 and 12
  std::int64_t context =
      1024;  // tokens; kv: prompt and new tokens together; recompute: of each pass
  std::int64_t new_tokens = 50;  // at least 2
  std::int64_t repeats = 5;      // at least 5, after one that warms up
  std::uint64_t seed = 0;        // of the prompt: uniform token ids
};

// Seconds of one repeat: the first new token, and all of them.
struct LatencyTiming {
  double first_token = 0, total = 0;
};

struct LatencyResult {
  LatencyOptions options;
  std::string engine, activations;
  int threads = 0;
  std::string governor;          // of the processor's clock; empty: not known
  std::uint64_t peak_bytes = 0;  // of the whole process while it ran
  // Seconds a new token, total / new_tokens, over the repeats.
  double median_s_per_token = 0, mean_s_per_token = 0, p10_s_per_token = 0, p90_s_per_token = 0;
  double tokens_per_second = 0;    // batch / median_s_per_token
  double first_token_seconds = 0;  // median
  double next_token_seconds = 0;   // median of (total - first token) / (new_tokens - 1)
};
Json to_json(const LatencyResult& result);

// Throws UserError for options out of range or a context that the model does not take.
LatencyResult measure_latency(Stepper& stepper, const LatencyOptions& options);

// The figures of the repeats alone; for measure_latency and its tests. Pre: `timings` is not empty.
LatencyResult summarize_latency(const LatencyOptions& options,
                                std::span<const LatencyTiming> timings);

}  // namespace pith
