// A tokenizer.json document -> the vocabulary of a GGUF file.
#include <algorithm>
#include <unordered_set>

#include "pith/base/error.h"
#include "pith/base/log.h"
#include "pith/text/gguf_export.h"
#include "pith/text/tokenizer.h"

namespace pith {
namespace {

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";
constexpr std::size_t kShownBytes = 200;  // of a pipeline in a message

std::string text_or(const Json& object, const char* key, std::string otherwise) {
  const auto row = object.find(key);
  if (row != object.end() && row->is_string()) otherwise = row->get<std::string>();
  return otherwise;
}

bool flag_or(const Json& object, const char* key, bool otherwise) {
  const auto row = object.find(key);
  return row != object.end() && row->is_boolean() ? row->get<bool>() : otherwise;
}

const Json& member(const Json& object, const char* key) {
  static const Json kNothing;
  const auto row = object.find(key);
  return row == object.end() ? kNothing : *row;
}

std::string pattern_text(const Json& step) {
  const Json& pattern = member(step, "pattern");
  return pattern.is_object() && !pattern.empty()
             ? pattern.begin().key() + ":" + pattern.begin().value().dump()
             : pattern.dump();
}

// One normalizer or pre-tokenizer in a form that does not depend on how its file was written:
// defaults filled in, what changes offsets only left out, sequences one after the other.
std::string canonical(const Json& step) {
  if (!step.is_object()) return "";
  const std::string type = text_or(step, "type", "");
  if (type == "Sequence") {
    std::string all;
    for (const char* list : {"normalizers", "pretokenizers"})
      for (const Json& inner : member(step, list)) all += canonical(inner);
    return all;
  }
  std::string fields;
  if (type == "ByteLevel")
    fields = fmt::format("prefix={},regex={}",
                         flag_or(step, "add_prefix_space", true),
                         flag_or(step, "use_regex", true));
  else if (type == "Digits")
    fields = fmt::format("individual={}", flag_or(step, "individual_digits", false));
  else if (type == "Split")
    fields = fmt::format("{},{},{}",
                         pattern_text(step),
                         text_or(step, "behavior", ""),
                         flag_or(step, "invert", false));
  else if (type == "Replace")
    fields = fmt::format("{},{}", pattern_text(step), member(step, "content").dump());
  else if (type == "Prepend")
    fields = member(step, "prepend").dump();
  else if (type != "NFC")
    fields = step.dump();
  return fmt::format("{}({})", type, fields);
}

class Exporter {
 public:
  Exporter(const Json& document, const std::string& place, std::size_t rows)
      : document_(document),
        model_(document.at("model")),
        tokenizer_(Tokenizer::from_json(document, place)),
        rows_(rows) {
    vocabulary_.place = place;
  }
  GgufVocabulary run();

 private:
  [[noreturn]] void fail(std::string_view part, std::string expected, std::string found) const {
    if (found.size() > kShownBytes) found = found.substr(0, kShownBytes) + "...";
    throw UserError(ErrorParts{fmt::format("{}: {}", vocabulary_.place, part),
                               std::move(expected),
                               std::move(found),
                               "GGUF cannot hold this tokenizer"});
  }
  void read_tokens();
  void read_added_tokens();
  void fill_gaps();
  void read_byte_level();
  void read_sentence_piece();
  void read_space_prefix();
  void read_ends();
  std::vector<TokenPair> merges() const;

  const Json& document_;
  const Json& model_;
  Tokenizer tokenizer_;  // which has checked the document
  std::size_t rows_;
  GgufVocabulary vocabulary_;
};

GgufVocabulary Exporter::run() {
  const bool sentence_piece = flag_or(model_, "byte_fallback", false);
  vocabulary_.model = sentence_piece ? "llama" : "gpt2";
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (const std::string found = text_or(model_, key, ""); !found.empty())
      fail(fmt::format("model.{}", key), "none", "'" + found + "'");
  read_tokens();
  read_added_tokens();
  fill_gaps();
  if (sentence_piece)
    read_sentence_piece();
  else
    read_byte_level();
  read_ends();
  return std::move(vocabulary_);
}

void Exporter::read_tokens() {
  const std::size_t count = std::max(tokenizer_.size(), rows_);
  vocabulary_.tokens.assign(count, "");
  vocabulary_.types.assign(count, GgufTokenType::kUnused);
  for (const auto& [token, id] : model_.at("vocab").items()) {
    const auto index = id.get<std::size_t>();
    vocabulary_.tokens[index] = token;
    const bool is_byte = vocabulary_.model == "llama" && token.size() == 6 &&
                         token.starts_with("<0x") && token.ends_with(">");
    vocabulary_.types[index] = is_byte ? GgufTokenType::kByte : GgufTokenType::kNormal;
  }
}

void Exporter::read_added_tokens() {
  for (const Json& added : member(document_, "added_tokens")) {
    const auto index = added.at("id").get<std::size_t>();
    const auto content = added.at("content").get<std::string>();
    // llama.cpp takes tokens of this look for control tokens whatever the file says.
    const bool looks_special = content.starts_with("<|") && content.ends_with("|>");
    vocabulary_.tokens[index] = content;
    vocabulary_.types[index] = flag_or(added, "special", false) || looks_special
                                   ? GgufTokenType::kControl
                                   : GgufTokenType::kUserDefined;
    for (const char* key : {"single_word", "lstrip", "rstrip"})
      if (flag_or(added, key, false))
        log_warning("[gguf] {}: token '{}' is {}, which GGUF does not say",
                    vocabulary_.place,
                    content,
                    key);
  }
}

// Every row of the embedding has a token of its own.
void Exporter::fill_gaps() {
  std::unordered_set<std::string_view> taken(vocabulary_.tokens.begin(), vocabulary_.tokens.end());
  for (std::size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
    if (vocabulary_.types[id] != GgufTokenType::kUnused) continue;
    std::string name = fmt::format("[PAD{}]", id);
    while (taken.contains(name)) name += "_";
    vocabulary_.tokens[id] = std::move(name);
  }
}

std::vector<TokenPair> Exporter::merges() const {
  std::vector<TokenPair> all;
  for (const Json& merge : member(model_, "merges")) {
    if (merge.is_array()) {
      all.push_back({merge.at(0).get<std::string>(), merge.at(1).get<std::string>()});
      continue;
    }
    const auto text = merge.get<std::string>();
    const std::size_t space = text.find(' ', 1);
    all.push_back({text.substr(0, space), text.substr(space + 1)});
  }
  return all;
}

void Exporter::read_byte_level() {
  const std::string normalizer = canonical(member(document_, "normalizer"));
  const std::string pre_tokenizer = canonical(member(document_, "pre_tokenizer"));
  const bool whole_words = flag_or(model_, "ignore_merges", false);
  vocabulary_.pre.clear();
  std::string names;
  for (const GgufPreTokenizer& known : gguf_pre_tokenizers()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", known.pre);
    if (canonical(known.pre_tokenizer) != pre_tokenizer) continue;
    if (canonical(known.normalizer) != normalizer)
      fail("normalizer",
           fmt::format("{} with the pre-tokenizer of {}",
                       known.normalizer.is_null() ? "none" : canonical(known.normalizer),
                       known.pre),
           normalizer.empty() ? "none" : normalizer);
    if (known.takes_whole_words != whole_words)
      fail("model.ignore_merges",
           fmt::format("{} with the pre-tokenizer of {}", known.takes_whole_words, known.pre),
           fmt::format("{}", whole_words));
    vocabulary_.pre = known.pre;
  }
  if (vocabulary_.pre.empty())
    fail("pre_tokenizer", "one that GGUF has a name for: " + names, pre_tokenizer);
  for (const TokenPair& merge : merges()) {
    if (merge.left.find(' ', 1) != std::string::npos)
      fail("model.merges", "parts without spaces", "'" + merge.left + "'");
    vocabulary_.merges.push_back(merge.left + " " + merge.right);
  }
}

void Exporter::read_sentence_piece() {
  const std::string unknown = text_or(model_, "unk_token", "");
  if (const auto id = tokenizer_.id_of(unknown); !unknown.empty() && id) {
    vocabulary_.unknown_id = *id;
    vocabulary_.types[static_cast<std::size_t>(*id)] = GgufTokenType::kUnknown;
  }
  if (flag_or(model_, "ignore_merges", false))
    fail("model.ignore_merges", "false with byte_fallback", "true");
  read_space_prefix();
  vocabulary_.scores = scores_from_merges(vocabulary_, merges());
}

// How spaces become symbols: by normalizers, or by the pre-tokenizer of newer files.
void Exporter::read_space_prefix() {
  const Json& pre_tokenizer = member(document_, "pre_tokenizer");
  const std::string normalizer = canonical(member(document_, "normalizer"));
  const std::string replace = fmt::format("Replace(String:\" \",\"{}\")", kSpaceSymbol);
  const std::string prepend = fmt::format("Prepend(\"{}\")", kSpaceSymbol);
  if (pre_tokenizer.is_null() && (normalizer == replace || normalizer == prepend + replace)) {
    vocabulary_.add_space_prefix = normalizer != replace;
    return;
  }
  const bool is_metaspace = normalizer.empty() && pre_tokenizer.is_object() &&
                            text_or(pre_tokenizer, "type", "") == "Metaspace" &&
                            text_or(pre_tokenizer, "replacement", "") == kSpaceSymbol &&
                            !flag_or(pre_tokenizer, "split", true);
  if (!is_metaspace)
    fail("normalizer and pre_tokenizer",
         "those of a SentencePiece vocabulary",
         fmt::format("{} {}", normalizer, canonical(pre_tokenizer)));
  vocabulary_.add_space_prefix = text_or(pre_tokenizer, "prepend_scheme", "always") != "never";
  if (vocabulary_.add_space_prefix)
    log_warning("[gguf] {}: Metaspace puts no space before a text that begins with one, GGUF does",
                vocabulary_.place);
}

void Exporter::read_ends() {
  const std::vector<std::int32_t> plain = tokenizer_.encode("a");
  const std::vector<std::int32_t> whole = tokenizer_.encode("a", {.special_ends = true});
  vocabulary_.bos_id = tokenizer_.bos_id();
  vocabulary_.add_bos = vocabulary_.bos_id.has_value();
  const std::size_t front = vocabulary_.add_bos ? 1 : 0;
  const std::size_t extra = whole.size() - plain.size();
  const bool simple =
      whole.size() >= plain.size() && extra <= front + 1 && extra >= front &&
      std::equal(plain.begin(), plain.end(), whole.begin() + static_cast<std::ptrdiff_t>(front));
  if (!simple)
    fail("post_processor",
         "at most one token at each end of a text",
         fmt::format("{} tokens around a text", extra));
  vocabulary_.add_eos = extra > front;
  if (vocabulary_.add_eos) vocabulary_.eos_id = whole.back();
}

}  // namespace

GgufVocabulary gguf_vocabulary_of(const Json& document,
                                  const std::string& place,
                                  std::size_t rows) {
  return Exporter(document, place, rows).run();
}

}  // namespace pith
