// Which type each tensor of a GGUF file gets: the mixes of llama-quantize. Source: formats.md 4.7;
// checked against llama-quantize's own choices (tests/golden/gguf/llama_quantize.json).
#pragma once

#include <cstdint>
#include <span>

#include "pith/base/enum_table.h"
#include "pith/codec/encoding.h"
#include "pith/formats/spec.h"

namespace pith {

// Under the names of llama-quantize. kQ4_K and kQ5_K are its synonyms of the medium mixes.
enum class GgufPreset {
  kF32,
  kF16,
  kBF16,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kIQ4_NL,
  kQ4_K_S,
  kQ4_K_M,
  kQ5_K_S,
  kQ5_K_M,
  kQ6_K,
  kQ4_K,
  kQ5_K
};
constexpr EnumName<GgufPreset> kGgufPresetNames[] = {{GgufPreset::kF32, "F32"},
                                                     {GgufPreset::kF16, "F16"},
                                                     {GgufPreset::kBF16, "BF16"},
                                                     {GgufPreset::kQ8_0, "Q8_0"},
                                                     {GgufPreset::kQ4_0, "Q4_0"},
                                                     {GgufPreset::kQ4_1, "Q4_1"},
                                                     {GgufPreset::kQ5_0, "Q5_0"},
                                                     {GgufPreset::kQ5_1, "Q5_1"},
                                                     {GgufPreset::kIQ4_NL, "IQ4_NL"},
                                                     {GgufPreset::kQ4_K_S, "Q4_K_S"},
                                                     {GgufPreset::kQ4_K_M, "Q4_K_M"},
                                                     {GgufPreset::kQ5_K_S, "Q5_K_S"},
                                                     {GgufPreset::kQ5_K_M, "Q5_K_M"},
                                                     {GgufPreset::kQ6_K, "Q6_K"},
                                                     {GgufPreset::kQ4_K, "Q4_K"},
                                                     {GgufPreset::kQ5_K, "Q5_K"}};
constexpr std::span<const EnumName<GgufPreset>> enum_table(GgufPreset) { return kGgufPresetNames; }

struct GgufTypeOptions {
  bool pure = false;         // every matrix in the preset's own type, where its width allows
  bool has_imatrix = false;  // importance weights change the mix of a few layers
};

// The value of general.file_type.
std::uint32_t gguf_file_type(GgufPreset preset);

// Vectors and position embeddings are F32. Of matrices, the head (a tied one: the embedding), the
// values, what leaves the MLP and GPT-2's qkv get more bits in some presets and layers; where a
// width does not divide into blocks of 256, a type of blocks of 32 takes the place, and F16 where
// that does not either.
Encoding gguf_encoding_for(const Parameter& parameter,
                           const DecoderSpec& spec,
                           GgufPreset preset,
                           const GgufTypeOptions& options = {});

}  // namespace pith
