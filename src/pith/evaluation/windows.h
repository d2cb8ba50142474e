// From a token stream to the windows that a perplexity convention scores. Source: decoding-and-evaluation card 5.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pith/base/enum_table.h"

namespace pith {

enum class Convention { kGptq, kChunk, kHfStride, kLlamaCpp, kLmEval, kPerLine };
constexpr EnumName<Convention> kConventionNames[] = {{Convention::kGptq, "gptq"}, {Convention::kChunk, "chunk"},
    {Convention::kHfStride, "hf-stride"}, {Convention::kLlamaCpp, "llama.cpp"}, {Convention::kLmEval, "lm-eval"},
    {Convention::kPerLine, "per-line"}};
constexpr std::span<const EnumName<Convention>> enum_table(Convention) { return kConventionNames; }

enum class BosRule { kNone, kStream, kWindow };
constexpr EnumName<BosRule> kBosRuleNames[] = {
    {BosRule::kNone, "none"}, {BosRule::kStream, "stream"}, {BosRule::kWindow, "window"}};
constexpr std::span<const EnumName<BosRule>> enum_table(BosRule) { return kBosRuleNames; }

// Model input `input`; target t of `targets` is predicted by the logits after input position first_position + t.
struct ScoredWindow {
  std::vector<std::int32_t> input;
  std::vector<std::int32_t> targets;
  std::size_t first_position = 0;
  std::size_t document = 0;  // for per-line means and lm-eval
};

struct WindowOptions {
  Convention convention = Convention::kGptq;
  std::int64_t window = 2048;
  std::optional<std::int64_t> stride;          // hf-stride; default window / 2
  std::optional<std::int64_t> max_tokens;      // cuts the stream before it is windowed
};

// One document of token ids with the counts that lm-eval's word and byte perplexities divide by.
struct Document {
  std::vector<std::int32_t> ids;
  std::size_t words = 0, bytes = 0;  // of the original text
};

// `bos` is the model's BOS id if it uses one (else nullopt): gptq puts it once at the stream's start, llama.cpp in place of each
// window's first token, lm-eval and per-line in front of each document (lm-eval falls back to `eos`). For conventions of one
// stream `documents` holds one. Throws UserError when nothing would be scored (says how many tokens there are and are needed).
std::vector<ScoredWindow> make_windows(std::span<const Document> documents, const WindowOptions& options,
                                       std::optional<std::int32_t> bos, std::optional<std::int32_t> eos);
BosRule bos_rule(Convention convention, bool has_bos);

}  // namespace pith
