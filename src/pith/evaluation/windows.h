// From a token stream to the windows that a perplexity convention scores. Source:
// decoding-and-evaluation card 5.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "pith/base/enum_table.h"

namespace pith {

enum class Convention { kGptq, kChunk, kHfStride, kLlamaCpp, kLmEval, kPerLine };
constexpr EnumName<Convention> kConventionNames[] = {{Convention::kGptq, "gptq"},
                                                     {Convention::kChunk, "chunk"},
                                                     {Convention::kHfStride, "hf-stride"},
                                                     {Convention::kLlamaCpp, "llama.cpp"},
                                                     {Convention::kLmEval, "lm-eval"},
                                                     {Convention::kPerLine, "per-line"}};
constexpr std::span<const EnumName<Convention>> enum_table(Convention) { return kConventionNames; }

// Where BOS stands: nowhere, once in front of each stream (each document of lm-eval is one), in
// every window.
enum class BosRule { kNone, kStream, kWindow };
constexpr EnumName<BosRule> kBosRuleNames[] = {
    {BosRule::kNone, "none"}, {BosRule::kStream, "stream"}, {BosRule::kWindow, "window"}};
constexpr std::span<const EnumName<BosRule>> enum_table(BosRule) { return kBosRuleNames; }

// Model input `input`; target t of `targets` is predicted by the logits after input position
// first_position + t.
struct ScoredWindow {
  std::vector<std::int32_t> input;
  std::vector<std::int32_t> targets;
  std::size_t first_position = 0;
  std::size_t document = 0;  // for per-line means and lm-eval
};

struct WindowOptions {
  Convention convention = Convention::kGptq;
  std::int64_t window = 2048;               // most tokens of a model input
  std::optional<std::int64_t> stride = {};  // hf-stride only, 1 to window; default window / 2
  // Cuts the tokens of the text before BOS is added and windows are made.
  std::optional<std::int64_t> max_tokens = {};
};

// One document of token ids with the counts that lm-eval's word and byte perplexities divide by.
struct Document {
  std::vector<std::int32_t> ids = {};
  std::size_t words = 0, bytes = 0;  // of the original text
};

// `bos`: gptq puts it once at the stream's start, llama.cpp in place of each window's first token:
// pass it only for a tokenizer that adds BOS by itself. lm-eval and per-line put it in front of
// each document: pass the model's BOS also when the tokenizer does not add it (lm-eval falls back
// to `eos`; per-line without BOS leaves a line's first token unscored). chunk and hf-stride use
// none. For conventions of one stream `documents` holds one. lm-eval and per-line never cut a
// document to meet `max_tokens`: they end before the first that does not fit. per-line scores at
// most window - 1 tokens of a line, as Hugging Face's evaluate does. Throws UserError for options
// out of range and when nothing would be scored (says how many tokens there are and are needed).
std::vector<ScoredWindow> make_windows(std::span<const Document> documents,
                                       const WindowOptions& options,
                                       std::optional<std::int32_t> bos,
                                       std::optional<std::int32_t> eos);

// `has_bos`: make_windows is given a BOS (for lm-eval: a BOS or an EOS).
BosRule bos_rule(Convention convention, bool has_bos);

// Tokens of the text that make_windows looks at: all, or what `max_tokens` leaves; BOS not counted.
std::uint64_t windowed_tokens(std::span<const Document> documents, const WindowOptions& options);

// The stride in force: nullopt but for hf-stride.
std::optional<std::int64_t> stride_of(const WindowOptions& options);

}  // namespace pith
