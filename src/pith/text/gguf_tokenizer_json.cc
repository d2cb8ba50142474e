// A GGUF vocabulary as a tokenizer.json document.
#include <algorithm>
#include <unordered_map>

#include "pith/base/error.h"
#include "pith/text/gguf_vocabulary.h"

namespace pith {
namespace {

// The patterns of the tokenizer.json files that these names stand for. Source: formats.md 3.4.
constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// What llama.cpp does for files that name no pre-tokenizer (llama-vocab.cpp,
// LLAMA_VOCAB_PRE_TYPE_DEFAULT).
constexpr std::string_view kDefaultPatterns[] = {
    R"([\p{P}\$\+<=>\^~\|]+)",
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))",
    R"(\p{N}+)",
    "[0-9][0-9][0-9]"};

enum class PreTokenizerKind { kGpt2, kLlama3, kQwen2, kSmolLm, kDefault };
constexpr std::pair<std::string_view, PreTokenizerKind> kPreTokenizers[] = {
    {"gpt-2", PreTokenizerKind::kGpt2},
    {"gpt2", PreTokenizerKind::kGpt2},
    {"llama-bpe", PreTokenizerKind::kLlama3},
    {"llama3", PreTokenizerKind::kLlama3},
    {"llama-v3", PreTokenizerKind::kLlama3},
    {"qwen2", PreTokenizerKind::kQwen2},
    {"deepseek-r1-qwen", PreTokenizerKind::kQwen2},
    {"smollm", PreTokenizerKind::kSmolLm},
    {"default", PreTokenizerKind::kDefault}};

PreTokenizerKind pre_tokenizer_kind(const GgufVocabulary& vocabulary) {
  std::string names;
  for (const auto& [name, kind] : kPreTokenizers) {
    if (name == vocabulary.pre) return kind;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  fail<FormatError>("{}: tokenizer.ggml.pre is '{}', which Pith does not know; it knows {}",
                    vocabulary.place,
                    vocabulary.pre,
                    names);
}

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

Json isolating_split(std::string_view regex) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", regex}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

Json pre_tokenizer_json(PreTokenizerKind kind) {
  Json steps = Json::array();
  switch (kind) {
    case PreTokenizerKind::kGpt2:
      return byte_level(true);
    case PreTokenizerKind::kLlama3:
      steps = {isolating_split(kLlama3Pattern), byte_level(false)};
      break;
    case PreTokenizerKind::kQwen2:
      steps = {isolating_split(kQwen2Pattern), byte_level(false)};
      break;
    case PreTokenizerKind::kSmolLm:
      steps = {Json{{"type", "Digits"}, {"individual_digits", true}}, byte_level(true)};
      break;
    case PreTokenizerKind::kDefault:
      for (const std::string_view pattern : kDefaultPatterns)
        steps.push_back(isolating_split(pattern));
      steps.push_back(byte_level(false));
      break;
  }
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

constexpr std::size_t kMaxAddedTokens = std::size_t{1} << 17;  // each becomes some 450 bytes

Json added_tokens_json(const GgufVocabulary& vocabulary) {
  Json added = Json::array();
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const GgufTokenType type = vocabulary.types[id];
    const bool is_special = type == GgufTokenType::kControl || type == GgufTokenType::kUnknown;
    if (!is_special && type != GgufTokenType::kUserDefined) continue;
    if (added.size() == kMaxAddedTokens)
      fail<FormatError>("{}: expected at most {} control and user-defined tokens, found more",
                        vocabulary.place,
                        kMaxAddedTokens);
    added.push_back({{"id", id},
                     {"content", vocabulary.tokens[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", is_special}});
  }
  return added;
}

// Every token has its place here, the added ones too: `tokenizers` numbers added tokens that are
// not in it anew.
Json vocab_json(const GgufVocabulary& vocabulary) {
  std::unordered_map<std::string_view, std::size_t> ids;
  ids.reserve(vocabulary.tokens.size());
  Json::object_t vocab;
  vocab.reserve(vocabulary.tokens.size());
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::string& token = vocabulary.tokens[id];
    const auto [first, is_new] = ids.emplace(token, id);
    if (!is_new)
      fail<FormatError>("{}: tokenizer.ggml.tokens[{}] is '{}', which is token {} already",
                        vocabulary.place,
                        id,
                        token,
                        first->second);
    vocab.emplace_back(
        token, Json(id));  // the vector's: ordered_map's emplace would look for the key among all
  }
  return Json(std::move(vocab));
}

Json merges_json(const GgufVocabulary& vocabulary) {
  Json::array_t merges;
  if (vocabulary.model == "llama") {
    for (TokenPair& pair : merges_from_scores(vocabulary))
      merges.push_back(Json::array({std::move(pair.left), std::move(pair.right)}));
    return Json(std::move(merges));
  }
  merges.reserve(vocabulary.merges.size());
  for (const std::string& merge : vocabulary.merges) {
    const std::size_t space = merge.find(' ', 1);  // a part may begin with one
    if (space == std::string::npos)
      fail<FormatError>(
          "{}: tokenizer.ggml.merges[{}] is '{}', expected two tokens with a space between",
          vocabulary.place,
          merges.size(),
          merge);
    merges.push_back(Json::array({merge.substr(0, space), merge.substr(space + 1)}));
  }
  return Json(std::move(merges));
}

Json model_json(const GgufVocabulary& vocabulary) {
  const bool is_llama = vocabulary.model == "llama";
  const bool takes_whole_words =
      !is_llama && pre_tokenizer_kind(vocabulary) == PreTokenizerKind::kLlama3;
  Json model = {{"type", "BPE"},
                {"dropout", nullptr},
                {"unk_token", nullptr},
                {"continuing_subword_prefix", nullptr},
                {"end_of_word_suffix", nullptr},
                {"fuse_unk", is_llama},
                {"byte_fallback", is_llama},
                {"ignore_merges", takes_whole_words}};
  if (is_llama && vocabulary.unknown_id)
    model["unk_token"] = vocabulary.tokens[static_cast<std::size_t>(*vocabulary.unknown_id)];
  model["vocab"] = vocab_json(vocabulary);
  model["merges"] = merges_json(vocabulary);
  return model;
}

Json post_processor_json(const GgufVocabulary& vocabulary) {
  if (!vocabulary.add_bos && !vocabulary.add_eos) return nullptr;
  Json single = Json::array(), special_tokens = Json::object();
  const auto add_special = [&](std::int32_t id) {
    const std::string& token = vocabulary.tokens[static_cast<std::size_t>(id)];
    single.push_back({{"SpecialToken", {{"id", token}, {"type_id", 0}}}});
    special_tokens[token] = {
        {"id", token}, {"ids", Json::array({id})}, {"tokens", Json::array({token})}};
  };
  if (vocabulary.add_bos) add_special(*vocabulary.bos_id);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  if (vocabulary.add_eos) add_special(*vocabulary.eos_id);
  Json pair = single;
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", special_tokens}};
}

Json replace_json(std::string_view from, std::string_view to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";

Json normalizer_json(PreTokenizerKind kind) {
  return kind == PreTokenizerKind::kQwen2 ? Json{{"type", "NFC"}} : Json(nullptr);
}

Json normalizer_json(const GgufVocabulary& vocabulary) {
  if (vocabulary.model == "llama") {
    Json steps = Json::array();
    if (vocabulary.add_space_prefix)
      steps.push_back({{"type", "Prepend"}, {"prepend", kSpaceSymbol}});
    steps.push_back(replace_json(" ", kSpaceSymbol));
    return {{"type", "Sequence"}, {"normalizers", steps}};
  }
  return normalizer_json(pre_tokenizer_kind(vocabulary));
}

Json decoder_json(const GgufVocabulary& vocabulary) {
  if (vocabulary.model == "gpt2") return byte_level(true);
  Json steps = {
      replace_json(kSpaceSymbol, " "), Json{{"type", "ByteFallback"}}, Json{{"type", "Fuse"}}};
  if (vocabulary.add_space_prefix)
    steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return {{"type", "Sequence"}, {"decoders", steps}};
}

}  // namespace

std::vector<GgufPreTokenizer> gguf_pre_tokenizers() {
  std::vector<GgufPreTokenizer> all;
  std::optional<PreTokenizerKind> last;
  for (const auto& [name, kind] : kPreTokenizers) {
    if (kind == last) continue;  // a synonym
    last = kind;
    all.push_back(
        {name, normalizer_json(kind), pre_tokenizer_json(kind), kind == PreTokenizerKind::kLlama3});
  }
  return all;
}

Json tokenizer_json(const GgufVocabulary& vocabulary) {
  Json document = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
  document["added_tokens"] = added_tokens_json(vocabulary);
  document["normalizer"] = normalizer_json(vocabulary);
  document["pre_tokenizer"] = vocabulary.model == "llama"
                                  ? Json(nullptr)
                                  : pre_tokenizer_json(pre_tokenizer_kind(vocabulary));
  document["post_processor"] = post_processor_json(vocabulary);
  document["decoder"] = decoder_json(vocabulary);
  document["model"] = model_json(vocabulary);
  return document;
}

}  // namespace pith
