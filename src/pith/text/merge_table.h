// The merges of a BPE vocabulary by id pair: a flat hash table, built once.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace pith {

struct Merge {
  std::uint32_t rank = 0;  // lower goes first
  std::int32_t merged_id = -1;
};

class MergeTable {
 public:
  explicit MergeTable(std::size_t count = 0) : slots_(std::bit_ceil(2 * count + 2)) {}

  // At most `count` different pairs; a pair that is there already gets the new merge.
  void put(std::int32_t left, std::int32_t right, Merge merge) {
    Slot& slot = slots_[slot_of(key_of(left, right))];
    slot = {key_of(left, right), merge};
  }
  // Null if the pair does not merge.
  const Merge* find(std::int32_t left, std::int32_t right) const {
    const Slot& slot = slots_[slot_of(key_of(left, right))];
    return slot.key == kEmpty ? nullptr : &slot.merge;
  }

 private:
  static constexpr std::uint64_t kEmpty =
      ~std::uint64_t{0};  // ids are not negative, so no pair has it
  struct Slot {
    std::uint64_t key = kEmpty;
    Merge merge;
  };

  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 |
           static_cast<std::uint32_t>(right);
  }
  // Where the key is, or the empty slot where it would go.
  std::size_t slot_of(std::uint64_t key) const {
    std::uint64_t hash = key * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
    hash *= 0xD6E8FEB86659FD93u;
    hash ^= hash >> 32;
    std::size_t slot = hash & (slots_.size() - 1);
    while (slots_[slot].key != kEmpty && slots_[slot].key != key)
      slot = (slot + 1) & (slots_.size() - 1);
    return slot;
  }

  std::vector<Slot> slots_;
};

}  // namespace pith
