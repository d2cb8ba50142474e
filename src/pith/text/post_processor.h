// Post-processors of tokenizer.json: ids around a text. Source: formats.md 3.7.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pith/base/json.h"

namespace pith {

// What special_ends puts before and after the ids of a text.
struct SpecialEnds {
  std::vector<std::int32_t> before, after;
};

// Of the value under "post_processor"; nullopt for none. Ids are below kMaxVocabulary; whether they
// exist is for the caller to see. Throws FormatError.
SpecialEnds special_ends_from_json(const std::optional<JsonCursor>& cursor);

}  // namespace pith
