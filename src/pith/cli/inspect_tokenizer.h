// What `pith inspect` says about a tokenizer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pith/report/terminal.h"
#include "pith/text/tokenizer_facts.h"

namespace pith {

// Weights without a usable tokenizer are still a model.
struct TokenizerLook {
  std::optional<TokenizerFacts> facts;
  std::string problem;  // why there are none
};
TokenizerLook look_at_tokenizer(const Checkpoint& model);

std::string description_of(const TokenizerLook& tokenizer);
std::vector<Fact> facts_of(const TokenizerLook& tokenizer, const Checkpoint& model);
Json to_json(const TokenizerLook& tokenizer, const Checkpoint& model);  // null if unusable

}  // namespace pith
