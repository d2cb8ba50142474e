#include "pith/text/vocabulary.h"

#include "pith/base/error.h"

namespace pith {

void Vocabulary::reserve(std::size_t tokens) {
  ids_.reserve(tokens);
  by_id_.reserve(tokens);
}

Vocabulary::Added Vocabulary::add(std::string_view token, std::int32_t id) {
  PITH_CHECK(id >= 0 && id < kMaxVocabulary);
  if (const auto known = find(token)) return *known == id ? Added::kSame : Added::kStringTaken;
  const auto index = static_cast<std::size_t>(id);
  if (index < by_id_.size() && by_id_[index].data() != nullptr) return Added::kIdTaken;
  if (index >= by_id_.size()) by_id_.resize(index + 1);
  const std::string& stored = strings_.emplace_back(token);
  by_id_[index] = stored;
  ids_.emplace(stored, id);
  return Added::kNew;
}

std::optional<std::string_view> Vocabulary::token(std::int32_t id) const {
  const auto index = static_cast<std::size_t>(id);
  if (id < 0 || index >= by_id_.size() || by_id_[index].data() == nullptr) return std::nullopt;
  return by_id_[index];
}

}  // namespace pith
