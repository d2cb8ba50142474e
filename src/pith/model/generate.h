// Text generation with the torch model: greedy or sampled, with a KV cache.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "pith/model/transformer.h"

namespace pith {

struct GenerateOptions {
  std::int64_t max_tokens = 128;  // new ones
  double temperature = 0;         // 0: the most likely token, lowest id on ties
  std::uint64_t seed = 0;
  bool ignore_eos = false;                              // go on after an end-of-sequence token
  std::optional<std::vector<std::int64_t>> stop_ids{};  // end a text; default: the spec's eos_ids
};

struct Generation {
  std::vector<std::int32_t>
      ids;  // new ones; the end-of-sequence token that stopped it is not among them
  double prefill_seconds = 0;
  double decode_seconds = 0;     // of the tokens after the first
  double tokens_per_second = 0;  // decoding only; 0 if there was at most one token
};

// Continues `prompt` (1 to context ids). Stops at max_tokens, a stop id or the model's
// context. `on_token` sees each new id as it comes. Token i draws from the counter-based stream
// (seed, i), so equal seeds give equal tokens.
Generation generate(const Transformer& model,
                    std::span<const std::int32_t> prompt,
                    const GenerateOptions& options,
                    const std::function<void(std::int32_t)>& on_token = {});

// Picks from logits by options.temperature; `index` is the number of the token. Throws UserError
// for a negative temperature.
std::int32_t sample_token(std::span<const float> logits,
                          const GenerateOptions& options,
                          std::uint64_t index);

}  // namespace pith
