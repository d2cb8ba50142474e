// Recently seen words and their ids: direct-mapped, of fixed size, for one thread at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace pith {

class WordCache {
 public:
  // Gives the ids to `append`; false if the word is not there.
  template <class Append>
  bool find(std::string_view word, const Append& append) const {
    if (!fits(word) || slots_.empty()) return false;
    const Slot& slot = slots_[slot_of(word)];
    if (std::string_view(slot.bytes.data(), slot.num_bytes) != word) return false;
    append(std::span(slot.ids.data(), slot.num_ids));
    return true;
  }

  // Words over kMaxBytes or kMaxIds are not kept.
  void put(std::string_view word, std::span<const std::int32_t> ids) {
    if (!fits(word) || ids.size() > kMaxIds) return;
    if (slots_.empty()) slots_.resize(kNumSlots);
    Slot& slot = slots_[slot_of(word)];
    slot.num_bytes = static_cast<std::uint8_t>(word.size());
    slot.num_ids = static_cast<std::uint8_t>(ids.size());
    std::copy(word.begin(), word.end(), slot.bytes.begin());
    std::copy(ids.begin(), ids.end(), slot.ids.begin());
  }

 private:
  static constexpr std::size_t kMaxBytes = 30, kMaxIds = 8;
  static constexpr std::size_t kNumSlots = std::size_t{1}
                                           << 15;  // 2 MiB: the second-level cache of a core
  struct Slot {
    std::uint8_t num_bytes = 0, num_ids = 0;  // a word has at least one byte, so 0 means empty
    std::array<char, kMaxBytes> bytes{};
    std::array<std::int32_t, kMaxIds> ids{};
  };
  static_assert(sizeof(Slot) == 64, "one cache line a slot");

  static bool fits(std::string_view word) { return !word.empty() && word.size() <= kMaxBytes; }
  static std::size_t slot_of(std::string_view word) {
    return std::hash<std::string_view>{}(word) & (kNumSlots - 1);
  }

  std::vector<Slot> slots_;
};

}  // namespace pith
