#include "pith/text/tokenizer_facts.h"

#include <algorithm>
#include <filesystem>

#include "pith/base/sha256.h"
#include "pith/text/tokenizer.h"
#include "pith/text/vocabulary.h"

namespace pith {
namespace {

namespace fs = std::filesystem;

void set_token(TokenizerFacts& facts, std::int64_t id, std::string token) {
  const auto place = static_cast<std::size_t>(id);
  if (facts.tokens.size() <= place) facts.tokens.resize(place + 1);
  facts.tokens[place] = std::move(token);
}

void add_tokens(const JsonCursor& root, TokenizerFacts& facts) {
  // not through members(), which would copy every name into a path of its own
  const JsonCursor vocab = root.at("model").at("vocab");
  for (const auto& [token, id] : vocab.json().items()) {
    if (!id.is_number_integer()) vocab.fail("ids that are whole numbers");
    const auto number = id.get<std::int64_t>();
    if (number < 0 || number >= kMaxVocabulary) vocab.fail("ids of a vocabulary");
    set_token(facts, number, token);
  }
  const auto added = root.find("added_tokens");
  if (!added) return;
  for (const JsonCursor& entry : added->items()) {
    const std::int64_t id = entry.at("id").integer(0, kMaxVocabulary - 1);
    set_token(facts, id, entry.at("content").string());
    if (entry.boolean_or("special", false))
      facts.special.push_back({static_cast<std::int32_t>(id), entry.at("content").string()});
  }
  std::ranges::sort(facts.special, {}, &SpecialToken::id);
}

// Files hold a merge as "left right" or as a pair.
void add_merges(const JsonCursor& root, TokenizerFacts& facts) {
  Sha256 hash;
  const auto merges = root.at("model").find("merges");
  if (merges) {
    for (const Json& merge : merges->json()) {
      const bool pair = merge.is_array() && merge.size() == 2 && merge[0].is_string();
      if (!(pair && merge[1].is_string()) && !merge.is_string())
        merges->fail("merges of two tokens");
      const std::string line =
          (pair ? merge[0].get<std::string>() + " " + merge[1].get<std::string>()
                : merge.get<std::string>()) +
          "\n";
      hash.update(std::as_bytes(std::span(line)));
      ++facts.merges;
    }
  }
  facts.merges_sha256 = hash.hex();
}

std::string step_names(const JsonCursor& step) {
  const auto parts = step.find("pretokenizers");
  if (!parts) return step.at("type").string();
  std::string names;
  for (const JsonCursor& part : parts->items())
    names += (names.empty() ? "" : ", ") + step_names(part);
  return names;
}

bool has_chat_template(const Checkpoint& checkpoint) {
  if (checkpoint.gguf() != nullptr)
    return checkpoint.gguf()->has("tokenizer.chat_template") ||
           checkpoint.gguf()->has("tokenizer.chat_templates");
  if (fs::exists(checkpoint.path() / "chat_template.jinja")) return true;
  const fs::path path = checkpoint.path() / "tokenizer_config.json";
  if (!fs::exists(path)) return false;
  const Json config = read_json_file(path);
  return JsonCursor(config, path.string()).has("chat_template");
}

}  // namespace

TokenizerFacts tokenizer_facts(const Checkpoint& checkpoint) {
  const TokenizerDocument document = tokenizer_document(checkpoint);
  TokenizerFacts facts;
  facts.description = Tokenizer::of(checkpoint, document).description();
  const JsonCursor root(document.json, document.place);
  add_tokens(root, facts);
  add_merges(root, facts);
  if (const auto steps = root.find("pre_tokenizer")) facts.pre_tokenizer = step_names(*steps);
  if (checkpoint.gguf() != nullptr && !facts.pre_tokenizer.empty())
    if (const auto name = checkpoint.gguf()->find_string("tokenizer.ggml.pre"))
      facts.pre_tokenizer += " (" + *name + ")";
  facts.chat_template = has_chat_template(checkpoint);
  return facts;
}

}  // namespace pith
