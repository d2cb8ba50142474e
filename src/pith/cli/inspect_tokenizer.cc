#include "pith/cli/inspect_tokenizer.h"

#include <fmt/format.h>

#include "pith/base/error.h"

namespace pith {
namespace {

// "0 <|endoftext|>"
std::string token_text(const TokenizerFacts& facts, std::int64_t id) {
  const auto place = static_cast<std::size_t>(id);
  if (id < 0 || place >= facts.tokens.size()) return fmt::to_string(id);
  return fmt::format("{} {}", id, terminal_safe(facts.tokens[place]));
}

std::string ends_text(const TokenizerFacts& facts, const Checkpoint& model) {
  std::string text;
  const auto add = [&](std::string_view role, std::int64_t id) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", role, token_text(facts, id));
  };
  if (model.spec().bos_id) add("begin", *model.spec().bos_id);
  for (const std::int64_t id : model.stop_ids()) add("stop", id);
  if (model.spec().pad_id) add("padding", *model.spec().pad_id);
  return text.empty() ? "none named" : text;
}

std::string special_text(const TokenizerFacts& facts) {
  constexpr std::size_t kShown = 8;  // some vocabularies reserve hundreds
  std::string text = fmt::to_string(facts.special.size());
  for (std::size_t i = 0; i < std::min(kShown, facts.special.size()); ++i)
    text += fmt::format("{}{} {}",
                        i == 0 ? ": " : ", ",
                        facts.special[i].id,
                        terminal_safe(facts.special[i].content));
  if (facts.special.size() > kShown)
    text += fmt::format(
        ", … {} {}", facts.special.back().id, terminal_safe(facts.special.back().content));
  return text;
}

}  // namespace

TokenizerLook look_at_tokenizer(const Checkpoint& model) {
  try {
    return {tokenizer_facts(model), ""};
  } catch (const FormatError& error) {
    return {std::nullopt, error.what()};
  }
}

std::string description_of(const TokenizerLook& tokenizer) {
  return tokenizer.facts ? tokenizer.facts->description : "unusable: " + tokenizer.problem;
}

std::vector<Fact> facts_of(const TokenizerLook& tokenizer, const Checkpoint& model) {
  std::vector<Fact> facts;
  facts.push_back({"tokenizer", terminal_safe(description_of(tokenizer))});
  if (!tokenizer.facts) return facts;
  const TokenizerFacts& found = *tokenizer.facts;
  facts.push_back(
      {"  words", found.pre_tokenizer.empty() ? "not cut" : terminal_safe(found.pre_tokenizer)});
  facts.push_back({"  special", special_text(found)});
  facts.push_back({"  ends", ends_text(found, model)});
  facts.push_back({"  chat", found.chat_template ? "with a template" : "no template"});
  return facts;
}

Json to_json(const TokenizerLook& tokenizer, const Checkpoint& model) {
  if (!tokenizer.facts) return nullptr;
  const TokenizerFacts& facts = *tokenizer.facts;
  Json special = Json::array();
  for (const SpecialToken& token : facts.special)
    special.push_back({{"id", token.id}, {"content", token.content}});
  return {{"description", facts.description},
          {"size", facts.tokens.size()},
          {"merges", facts.merges},
          {"pre_tokenizer", facts.pre_tokenizer},
          {"special", special},
          {"stop_ids", model.stop_ids()},
          {"chat_template", facts.chat_template}};
}

}  // namespace pith
