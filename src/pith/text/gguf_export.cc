#include "pith/text/gguf_export.h"

#include <algorithm>
#include <set>

#include "pith/base/error.h"
#include "pith/base/log.h"
#include "pith/base/mapped_file.h"
#include "pith/text/tokenizer.h"

namespace pith {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxTemplateBytes = std::size_t{16} << 20;

std::string key(std::string_view name) { return fmt::format("tokenizer.ggml.{}", name); }

Json json_beside(const fs::path& folder, const char* name) {
  std::error_code ignored;
  return fs::exists(folder / name, ignored) ? read_json_file(folder / name) : Json::object();
}

// The id of "bos_token" and the like in tokenizer_config.json: a string, or an object with one.
std::optional<std::int32_t> configured_id(const Json& config,
                                          const char* name,
                                          const Tokenizer& tokenizer) {
  const auto row = config.find(name);
  if (row == config.end()) return std::nullopt;
  const Json& token = row->is_object() && row->contains("content") ? row->at("content") : *row;
  return token.is_string() ? tokenizer.id_of(token.get<std::string>()) : std::nullopt;
}

// Configurations of small models keep their family's ids, which may be of no token.
bool is_token(std::int64_t id, const GgufVocabulary& vocabulary) {
  return id >= 0 && id < static_cast<std::int64_t>(vocabulary.tokens.size());
}

// Where the vocabulary does not say them itself: the model's ids, else the tokenizer's.
void add_special_ids(const Checkpoint& source,
                     const Tokenizer& tokenizer,
                     const Json& config,
                     GgufVocabulary& vocabulary) {
  const auto choose = [&](std::optional<std::int32_t>& id,
                          const std::optional<std::int64_t>& of_model,
                          const char* name) {
    if (!id && of_model && is_token(*of_model, vocabulary))
      id = static_cast<std::int32_t>(*of_model);
    if (!id) id = configured_id(config, name, tokenizer);
  };
  choose(vocabulary.bos_id, source.spec().bos_id, "bos_token");
  choose(vocabulary.padding_id, source.spec().pad_id, "pad_token");
  choose(vocabulary.unknown_id, std::nullopt, "unk_token");
  if (vocabulary.eos_id) vocabulary.end_ids.push_back(*vocabulary.eos_id);
  for (const std::int64_t stop : source.stop_ids())
    if (const auto id = static_cast<std::int32_t>(stop);
        is_token(stop, vocabulary) &&
        std::find(vocabulary.end_ids.begin(), vocabulary.end_ids.end(), id) ==
            vocabulary.end_ids.end())
      vocabulary.end_ids.push_back(id);
  if (vocabulary.end_ids.empty())
    if (const auto id = configured_id(config, "eos_token", tokenizer))
      vocabulary.end_ids.push_back(*id);
}

void set_special_ids(const GgufVocabulary& vocabulary, GgufMetadata& keys) {
  const auto set = [&](std::string_view name, std::optional<std::int32_t> id) {
    if (id) keys.set_u32(key(name), static_cast<std::uint32_t>(*id));
  };
  constexpr std::string_view kEnds[] = {"eos_token_id", "eot_token_id", "eom_token_id"};
  set("bos_token_id", vocabulary.bos_id);
  for (std::size_t i = 0; i < vocabulary.end_ids.size(); ++i)
    if (i < std::size(kEnds))
      set(kEnds[i], vocabulary.end_ids[i]);
    else
      log_warning("[gguf] token {} ends texts too, but GGUF has room for three that do",
                  vocabulary.end_ids[i]);
  set("unknown_token_id", vocabulary.unknown_id);
  set("padding_token_id", vocabulary.padding_id);
  keys.set_bool(key("add_bos_token"), vocabulary.add_bos);
  keys.set_bool(key("add_eos_token"), vocabulary.add_eos);
}

GgufMetadata keys_of(const GgufVocabulary& vocabulary) {
  GgufMetadata keys;
  const bool is_llama = vocabulary.model == "llama";
  keys.set_text(key("model"), vocabulary.model);
  keys.set_text(key("pre"), is_llama ? "default" : vocabulary.pre);
  keys.set_texts(key("tokens"), vocabulary.tokens);
  std::vector<std::int32_t> types;
  for (const GgufTokenType type : vocabulary.types) types.push_back(static_cast<int>(type));
  keys.set_i32s(key("token_type"), types);
  if (is_llama) {
    const std::vector<float> scores(vocabulary.scores.begin(), vocabulary.scores.end());
    keys.set_f32s(key("scores"), scores);
    keys.set_bool(key("add_space_prefix"), vocabulary.add_space_prefix);
  } else {
    keys.set_texts(key("merges"), vocabulary.merges);
  }
  set_special_ids(vocabulary, keys);
  return keys;
}

// "default" is the template without a name.
void set_template(const std::string& name, const std::string& text, GgufMetadata& keys) {
  const std::string main = "tokenizer.chat_template";
  keys.set_text(name == "default" ? main : fmt::format("{}.{}", main, name), text);
}

void set_chat_templates(const fs::path& folder, const Json& config, GgufMetadata& keys) {
  std::error_code ignored;
  if (fs::exists(folder / "chat_template.jinja", ignored))
    return set_template(
        "default", read_text_file(folder / "chat_template.jinja", kMaxTemplateBytes), keys);
  const JsonCursor root(config, (folder / "tokenizer_config.json").string());
  const auto found = root.find("chat_template");
  if (!found) return;
  if (found->json().is_string()) return set_template("default", found->string(), keys);
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (const JsonCursor& item : found->items()) {
    const std::string name = item.at("name").string();
    if (!seen.insert(name).second) item.at("name").fail("every name once", "'" + name + "' again");
    set_template(name, item.at("template").string(), keys);
    if (name != "default") names.push_back(name);
  }
  if (!names.empty()) keys.set_texts("tokenizer.chat_templates", names);
}

}  // namespace

GgufMetadata gguf_tokenizer_keys(const Checkpoint& source) {
  if (source.gguf() != nullptr) {
    GgufMetadata keys;
    keys.copy(*source.gguf(), "tokenizer.");
    return keys;
  }
  const fs::path& folder = source.path();
  const TokenizerDocument document = tokenizer_document(source);
  const Json config = json_beside(folder, "tokenizer_config.json");
  GgufVocabulary vocabulary = gguf_vocabulary_of(
      document.json, document.place, static_cast<std::size_t>(source.spec().vocab));
  add_special_ids(source, Tokenizer::of(source, document), config, vocabulary);
  GgufMetadata keys = keys_of(vocabulary);
  set_chat_templates(folder, config, keys);
  return keys;
}

}  // namespace pith
