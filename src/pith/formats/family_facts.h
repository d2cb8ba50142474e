// What the configuration classes of transformers take for granted, family by family. Source:
// formats.md 2.1, 2.3.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "pith/formats/spec.h"

namespace pith {

struct FamilyFacts {
  Family family = Family::kLlama;
  std::string_view architecture;  // of config.json's `architectures`
  std::int64_t context = 0;       // default of max_position_embeddings
  std::int64_t kv_heads = 0;      // default of num_key_value_heads; 0: as many as heads
  std::int64_t head_dim = 0;      // default of head_dim; 0: hidden / heads
  std::optional<std::int64_t> bos_id, eos_id;
};

constexpr FamilyFacts kFamilyFacts[] = {
    {Family::kGpt2, "GPT2LMHeadModel", 1024, 0, 0, 50256, 50256},
    {Family::kLlama, "LlamaForCausalLM", 2048, 0, 0, 1, 2},
    {Family::kMistral, "MistralForCausalLM", 131072, 8, 0, 1, 2},
    {Family::kQwen2, "Qwen2ForCausalLM", 32768, 32, 0, std::nullopt, std::nullopt},
    {Family::kQwen3, "Qwen3ForCausalLM", 32768, 32, 128, std::nullopt, std::nullopt},
};

inline const FamilyFacts& facts_of(Family family) {
  for (const FamilyFacts& facts : kFamilyFacts)
    if (facts.family == family) return facts;
  throw InternalError("family without facts");
}

constexpr std::int64_t kDefaultWindow = 4096;         // mistral, qwen2, qwen3
constexpr std::int64_t kDefaultMaxWindowLayers = 28;  // qwen2, qwen3

}  // namespace pith
