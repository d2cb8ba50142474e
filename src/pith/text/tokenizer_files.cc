// Tokenizer files of a Hugging Face folder, from a GGUF vocabulary.
#include "pith/base/atomic_file.h"
#include "pith/base/error.h"
#include "pith/base/utf8.h"
#include "pith/text/gguf_vocabulary.h"
#include "pith/text/tokenizer.h"

namespace pith {
namespace {

constexpr std::int64_t kMaxContext = std::int64_t{1} << 40;

const std::string& token_of(const GgufVocabulary& vocabulary, std::int32_t id) {
  return vocabulary.tokens[static_cast<std::size_t>(id)];
}

// bos_token, eos_token, ...: by content.
Json special_tokens_json(const GgufVocabulary& vocabulary) {
  Json special = Json::object();
  if (vocabulary.bos_id) special["bos_token"] = token_of(vocabulary, *vocabulary.bos_id);
  if (vocabulary.eos_id) special["eos_token"] = token_of(vocabulary, *vocabulary.eos_id);
  if (vocabulary.unknown_id) special["unk_token"] = token_of(vocabulary, *vocabulary.unknown_id);
  if (vocabulary.padding_id) special["pad_token"] = token_of(vocabulary, *vocabulary.padding_id);
  return special;
}

// A string, or a list of names and templates where there is more than one; null for none.
Json chat_template_json(const GgufFile& gguf) {
  const auto main = gguf.find_string("tokenizer.chat_template");
  const auto* names = gguf.find_strings("tokenizer.chat_templates");
  if (names == nullptr || names->empty()) return main ? Json(*main) : Json(nullptr);
  Json templates = Json::array();
  if (main) templates.push_back({{"name", "default"}, {"template", *main}});
  for (const std::string& name : *names)
    if (valid_utf8_prefix(name) != name.size())
      fail<FormatError>("{}: tokenizer.chat_templates: '{}' is not UTF-8", gguf.place(), name);
    else if (name != "default")
      templates.push_back(
          {{"name", name}, {"template", gguf.string("tokenizer.chat_template." + name)}});
  return templates;
}

Json tokenizer_config_json(const GgufFile& gguf, const GgufVocabulary& vocabulary) {
  Json config = special_tokens_json(vocabulary);
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  config["clean_up_tokenization_spaces"] = false;
  const std::string context_key = gguf.string("general.architecture") + ".context_length";
  if (const auto context = gguf.find_integer(context_key, 1, kMaxContext))
    config["model_max_length"] = *context;
  if (Json chat_template = chat_template_json(gguf); !chat_template.is_null())
    config["chat_template"] = std::move(chat_template);
  return config;
}

Json generation_config_json(const GgufVocabulary& vocabulary) {
  Json config = Json::object();
  if (vocabulary.bos_id) config["bos_token_id"] = *vocabulary.bos_id;
  if (vocabulary.end_ids.size() == 1) config["eos_token_id"] = vocabulary.end_ids[0];
  if (vocabulary.end_ids.size() > 1) config["eos_token_id"] = vocabulary.end_ids;
  if (vocabulary.padding_id) config["pad_token_id"] = *vocabulary.padding_id;
  return config;
}

}  // namespace

std::vector<std::string> write_tokenizer_files(const GgufFile& gguf,
                                               const std::filesystem::path& folder) {
  const GgufVocabulary vocabulary = read_gguf_vocabulary(gguf);
  const Json tokenizer = tokenizer_json_from_gguf(gguf);
  Tokenizer::from_json(tokenizer, gguf.place());  // a file that does not load is not written
  std::vector<std::string> names;
  const auto write = [&](const std::string& name, const Json& document, int indent) {
    write_file_atomically(folder / name, document.dump(indent) + "\n");
    names.push_back(name);
  };
  write("tokenizer.json", tokenizer, -1);
  write("tokenizer_config.json", tokenizer_config_json(gguf, vocabulary), 2);
  write("special_tokens_map.json", special_tokens_json(vocabulary), 2);
  write("generation_config.json", generation_config_json(vocabulary), 2);
  return names;
}

}  // namespace pith
