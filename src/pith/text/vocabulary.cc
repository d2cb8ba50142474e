#include "pith/text/vocabulary.h"

#include <bit>
#include <functional>

#include "pith/base/error.h"

namespace pith {
namespace {

std::uint32_t hash_of(std::string_view token) {
  const std::size_t hash = std::hash<std::string_view>{}(token);
  return static_cast<std::uint32_t>(hash ^ hash >> 32);
}

}  // namespace

void Vocabulary::reserve(std::size_t tokens) {
  by_id_.reserve(tokens);
  grow_table(tokens);
}

void Vocabulary::grow_table(std::size_t tokens) {
  const std::size_t size = std::bit_ceil(2 * tokens + 16);
  if (size <= slots_.size()) return;
  slots_.assign(size, {});
  for (std::size_t id = 0; id < by_id_.size(); ++id) {
    const auto known = token(static_cast<std::int32_t>(id));
    if (!known) continue;
    const std::uint32_t hash = hash_of(*known);
    slots_[slot_of(*known, hash)] = {hash, static_cast<std::int32_t>(id)};
  }
}

std::size_t Vocabulary::slot_of(std::string_view token, std::uint32_t hash) const {
  std::size_t slot = hash & (slots_.size() - 1);
  while (slots_[slot].id >= 0 &&
         (slots_[slot].hash != hash || this->token(slots_[slot].id) != token))
    slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

std::optional<std::int32_t> Vocabulary::find(std::string_view token) const {
  if (slots_.empty()) return std::nullopt;
  const std::int32_t id = slots_[slot_of(token, hash_of(token))].id;
  return id < 0 ? std::nullopt : std::optional(id);
}

Vocabulary::Added Vocabulary::add(std::string_view token, std::int32_t id) {
  PITH_CHECK(id >= 0 && id < kMaxVocabulary);
  if (2 * (count_ + 1) > slots_.size()) grow_table(2 * count_ + 1);
  const std::uint32_t hash = hash_of(token);
  Slot& slot = slots_[slot_of(token, hash)];
  if (slot.id >= 0) return slot.id == id ? Added::kSame : Added::kStringTaken;
  if (this->token(id)) return Added::kIdTaken;
  const auto index = static_cast<std::size_t>(id);
  if (index >= by_id_.size()) by_id_.resize(index + 1);
  by_id_[index] = {text_.size(), static_cast<std::int64_t>(token.size())};
  text_ += token;
  slot = {hash, id};
  ++count_;
  return Added::kNew;
}

std::optional<std::string_view> Vocabulary::token(std::int32_t id) const {
  const auto index = static_cast<std::size_t>(id);
  if (id < 0 || index >= by_id_.size() || by_id_[index].bytes < 0) return std::nullopt;
  return std::string_view(text_).substr(by_id_[index].begin,
                                        static_cast<std::size_t>(by_id_[index].bytes));
}

}  // namespace pith
