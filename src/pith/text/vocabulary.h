// Token strings and their ids.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace pith {

// Largest id plus one; real vocabularies stay below 300,000. Tables by id are made as long as the largest id.
inline constexpr std::int64_t kMaxVocabulary = std::int64_t{1} << 22;

// Ids may have gaps. Strings and ids are one to one.
class Vocabulary {
 public:
  Vocabulary() = default;
  Vocabulary(Vocabulary&&) = default;             // not copied: the views are into its own strings
  Vocabulary& operator=(Vocabulary&&) = default;

  void reserve(std::size_t tokens);
  enum class Added { kNew, kSame, kStringTaken, kIdTaken };
  // kSame: the pair was there already. On kStringTaken and kIdTaken nothing changes. Pre: 0 <= id < kMaxVocabulary.
  Added add(std::string_view token, std::int32_t id);

  std::optional<std::int32_t> find(std::string_view token) const {
    const auto found = ids_.find(token);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }
  // nullopt for gaps and ids out of range.
  std::optional<std::string_view> token(std::int32_t id) const;
  std::size_t size() const { return by_id_.size(); }    // largest id plus one
  std::size_t count() const { return ids_.size(); }     // tokens

 private:
  std::deque<std::string> strings_;                     // stable addresses for the views
  std::unordered_map<std::string_view, std::int32_t> ids_;
  std::vector<std::string_view> by_id_;                 // data() is null for gaps
};

}  // namespace pith
