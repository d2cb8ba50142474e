#include "pith/text/gguf_vocabulary.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "pith/base/error.h"
#include "pith/base/utf8.h"
#include "pith/text/tokenizer.h"
#include "pith/text/vocabulary.h"

namespace pith {
namespace {

constexpr std::string_view kPrefix = "tokenizer.ggml.";
// Of finding merges: bytes compared, and bytes of the merges. Vocabularies of 256,000 tokens come
// to a tenth of either; tokens that are all prefixes of each other would fill memory.
constexpr std::size_t kMaxGgufTokens = std::size_t{1} << 20;
constexpr std::size_t kMaxComparedBytes = std::size_t{1} << 27;
constexpr std::size_t kMaxMergeBytes = std::size_t{1} << 25;

std::string key(std::string_view name) { return std::string(kPrefix) + std::string(name); }

std::vector<GgufTokenType> read_types(const GgufFile& gguf, std::size_t count) {
  const auto* numbers = gguf.find_integers(key("token_type"));
  if (numbers == nullptr) return std::vector<GgufTokenType>(count, GgufTokenType::kNormal);
  if (numbers->size() != count)
    fail<FormatError>("{}: {} has {} entries for {} tokens",
                      gguf.place(),
                      key("token_type"),
                      numbers->size(),
                      count);
  std::vector<GgufTokenType> types;
  types.reserve(count);
  for (const std::int64_t number : *numbers) {
    if (number < 1 || number > 6)
      fail<FormatError>("{}: {}[{}] is {}, expected 1 to 6",
                        gguf.place(),
                        key("token_type"),
                        types.size(),
                        number);
    types.push_back(static_cast<GgufTokenType>(number));
  }
  return types;
}

std::vector<double> read_scores(const GgufFile& gguf, std::size_t count) {
  const auto* scores = gguf.find_numbers(key("scores"));
  const std::size_t found = scores == nullptr ? 0 : scores->size();
  if (found != count)
    fail<FormatError>(
        "{}: {} has {} entries for {} tokens", gguf.place(), key("scores"), found, count);
  const auto bad = std::find_if_not(
      scores->begin(), scores->end(), [](double score) { return std::isfinite(score); });
  if (bad != scores->end())
    fail<FormatError>("{}: {}[{}] is {}, expected a finite number",
                      gguf.place(),
                      key("scores"),
                      bad - scores->begin(),
                      *bad);
  return *scores;
}

// Texts that go into JSON must be UTF-8; GGUF itself asks that of strings outside of arrays only.
void check_utf8(const GgufFile& gguf,
                std::string_view name,
                const std::vector<std::string>& texts) {
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (valid_utf8_prefix(texts[i]) != texts[i].size())
      fail<FormatError>("{}: {}[{}] is '{}', expected UTF-8", gguf.place(), key(name), i, texts[i]);
}

void read_special_ids(const GgufFile& gguf, GgufVocabulary& vocabulary) {
  const auto last = static_cast<std::int64_t>(vocabulary.tokens.size()) - 1;
  const auto id = [&](std::string_view name) -> std::optional<std::int32_t> {
    const auto found = gguf.find_token_id(key(name), last);
    return found ? std::optional(static_cast<std::int32_t>(*found)) : std::nullopt;
  };
  vocabulary.bos_id = id("bos_token_id");
  vocabulary.eos_id = id("eos_token_id");
  vocabulary.unknown_id = id("unknown_token_id");
  vocabulary.padding_id = id("padding_token_id");
  if (vocabulary.model == "llama" && last >= 2) {  // the defaults of llama.cpp
    vocabulary.bos_id = vocabulary.bos_id.value_or(1);
    vocabulary.eos_id = vocabulary.eos_id.value_or(2);
    vocabulary.unknown_id = vocabulary.unknown_id.value_or(0);
  }
  for (const auto& end : {vocabulary.eos_id, id("eot_token_id"), id("eom_token_id")})
    if (end && std::find(vocabulary.end_ids.begin(), vocabulary.end_ids.end(), *end) ==
                   vocabulary.end_ids.end())
      vocabulary.end_ids.push_back(*end);
}

void read_switches(const GgufFile& gguf, GgufVocabulary& vocabulary) {
  const bool is_llama = vocabulary.model == "llama";
  const bool is_llama3 =
      vocabulary.pre == "llama-bpe" || vocabulary.pre == "llama3" || vocabulary.pre == "llama-v3";
  vocabulary.add_bos = gguf.boolean_or(key("add_bos_token"), is_llama || is_llama3);
  vocabulary.add_eos = gguf.boolean_or(key("add_eos_token"), false);
  vocabulary.add_space_prefix = gguf.boolean_or(key("add_space_prefix"), is_llama);
  if (vocabulary.add_bos && !vocabulary.bos_id)
    fail<FormatError>("{}: texts are to begin with a BOS token, but there is no {}",
                      gguf.place(),
                      key("bos_token_id"));
  if (vocabulary.add_eos && !vocabulary.eos_id)
    fail<FormatError>("{}: texts are to end with an EOS token, but there is no {}",
                      gguf.place(),
                      key("eos_token_id"));
}

}  // namespace

GgufVocabulary read_gguf_vocabulary(const GgufFile& gguf) {
  GgufVocabulary vocabulary{.place = gguf.place(), .model = gguf.string(key("model"))};
  if (vocabulary.model != "gpt2" && vocabulary.model != "llama")
    fail<FormatError>("{}: {} is '{}'; expected gpt2 (byte-level BPE) or llama (SentencePiece BPE)",
                      gguf.place(),
                      key("model"),
                      vocabulary.model);
  const auto* tokens = gguf.find_strings(key("tokens"));
  if (tokens == nullptr || tokens->empty() || tokens->size() > kMaxGgufTokens)
    fail<FormatError>("{}: {} has {} entries, expected 1 to {}",
                      gguf.place(),
                      key("tokens"),
                      tokens == nullptr ? 0 : tokens->size(),
                      kMaxGgufTokens);
  check_utf8(gguf, "tokens", *tokens);
  vocabulary.tokens = *tokens;
  vocabulary.types = read_types(gguf, tokens->size());
  vocabulary.pre = gguf.find_string(key("pre")).value_or("default");
  if (vocabulary.model == "llama") {
    vocabulary.scores = read_scores(gguf, tokens->size());
  } else {
    const auto* merges = gguf.find_strings(key("merges"));
    if (merges == nullptr) fail<FormatError>("{}: there is no {}", gguf.place(), key("merges"));
    check_utf8(gguf, "merges", *merges);
    vocabulary.merges = *merges;
  }
  read_special_ids(gguf, vocabulary);
  read_switches(gguf, vocabulary);
  return vocabulary;
}

std::vector<TokenPair> merges_from_scores(const GgufVocabulary& vocabulary) {
  std::unordered_map<std::string_view, std::size_t> ids;
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id)
    if (vocabulary.types[id] == GgufTokenType::kNormal) ids.emplace(vocabulary.tokens[id], id);
  struct Split {
    std::size_t left, right;  // ids
    double score;
  };
  std::vector<Split> splits;
  std::size_t compared_bytes = 0, merge_bytes = 0;
  for (const auto& [token, id] : ids)
    for (std::size_t cut = 1; cut < token.size(); ++cut) {
      compared_bytes += token.size();
      if (compared_bytes > kMaxComparedBytes || merge_bytes > kMaxMergeBytes)
        fail<FormatError>(
            "{}: the tokens are too long to find their merges; the longest may have some hundred "
            "bytes",
            vocabulary.place);
      const auto left = ids.find(token.substr(0, cut)), right = ids.find(token.substr(cut));
      if (left == ids.end() || right == ids.end()) continue;
      splits.push_back({left->second, right->second, vocabulary.scores[id]});
      merge_bytes += token.size();
    }
  std::sort(splits.begin(), splits.end(), [](const Split& a, const Split& b) {
    return a.score != b.score ? a.score > b.score
                              : std::tie(a.left, a.right) < std::tie(b.left, b.right);
  });
  std::vector<TokenPair> merges;
  merges.reserve(splits.size());
  for (const Split& split : splits)
    merges.push_back({vocabulary.tokens[split.left], vocabulary.tokens[split.right]});
  return merges;
}

Json tokenizer_json_from_gguf(const GgufFile& gguf) {
  if (const auto whole = gguf.find_string("tokenizer.huggingface.json"))
    return parse_json(*whole, gguf.place() + ": tokenizer.huggingface.json");
  return tokenizer_json(read_gguf_vocabulary(gguf));
}

}  // namespace pith
