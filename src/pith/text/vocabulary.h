// Token strings and their ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pith {

// Largest id plus one; real vocabularies stay below 300,000. Tables by id are made as long as the
// largest id.
inline constexpr std::int64_t kMaxVocabulary = std::int64_t{1} << 22;

// Ids may have gaps. Strings and ids are one to one. Strings lie in one block and the hash table
// holds ids only, since a tokenizer looks up three strings for every merge when it is loaded.
class Vocabulary {
 public:
  void reserve(std::size_t tokens);
  enum class Added { kNew, kSame, kStringTaken, kIdTaken };
  // kSame: the pair was there already. On kStringTaken and kIdTaken nothing changes. Pre: 0 <= id <
  // kMaxVocabulary.
  Added add(std::string_view token, std::int32_t id);

  std::optional<std::int32_t> find(std::string_view token) const;
  // nullopt for gaps and ids out of range. The view lives until the next add().
  std::optional<std::string_view> token(std::int32_t id) const;
  std::size_t size() const { return by_id_.size(); }  // largest id plus one
  std::size_t count() const { return count_; }        // tokens

 private:
  struct Place {
    std::size_t begin = 0;
    std::int64_t bytes = -1;  // -1: no such token
  };
  struct Slot {
    std::uint32_t hash = 0;
    std::int32_t id = -1;  // -1: empty
  };
  // Where the token is, or the empty slot where it would go.
  std::size_t slot_of(std::string_view token, std::uint32_t hash) const;
  void grow_table(std::size_t tokens);

  std::string text_;
  std::vector<Place> by_id_;
  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

}  // namespace pith
