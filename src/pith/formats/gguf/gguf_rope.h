// Rotary embeddings as GGUF files describe them. Source: formats.md 2.4, 4.3.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "pith/formats/gguf/gguf.h"
#include "pith/formats/spec.h"

namespace pith {

// RoPE of a model of `architecture` with heads of `qk_dim`, trained for `context` tokens: the keys
// `rope.*` and the tensor rope_freqs.weight. FormatError for what Pith does not have: partial or
// sectioned RoPE, longrope, factors that are not those of llama3 scaling.
RopeSpec rope_from_gguf(const GgufFile& gguf,
                        std::string_view architecture,
                        std::int64_t qk_dim,
                        std::int64_t context);

// llama3 scaling that divides the plain inv_freq [factors.size()] by `factors`, to 0.1 %; nullopt
// if none of the parameters in use does (factor: any; low and high frequency factor 1 and 4, and a
// few others; original context: powers of two, 8192 first). Without wavelengths in the blend
// between the factors 1 and `factor` several parameters give the same frequencies: the first of
// them is taken.
std::optional<RopeSpec> fit_llama3(std::span<const float> factors, double theta);

}  // namespace pith
