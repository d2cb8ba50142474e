#include "pith/conversion/checksum.h"

#include <array>
#include <bit>
#include <cstring>

namespace pith {
namespace {

// Odd, so that multiplying is a bijection of 64-bit words; the digits are those of the golden ratio
// and of pi.
constexpr std::uint64_t kFactor = 0x9e3779b97f4a7c15, kFinalFactor = 0x243f6a8885a308d3;
// Four chains hide the latency of the multiplication.
constexpr std::size_t kLanes = 4;

// A bijection of `state` for a fixed word and of `word` for a fixed state: no change of one word
// can cancel out.
std::uint64_t absorb(std::uint64_t state, std::uint64_t word) {
  return std::rotl((state ^ word) * kFactor, 29);
}

std::uint64_t load_word(const std::byte* bytes, std::size_t count) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, count);
  return word;
}

}  // namespace

std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t seed) {
  std::array<std::uint64_t, kLanes> lanes{seed, seed + 1, seed + 2, seed + 3};
  std::size_t at = 0;
  for (; at + 8 * kLanes <= bytes.size(); at += 8 * kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = absorb(lanes[lane], load_word(bytes.data() + at + 8 * lane, 8));
  for (; at + 8 <= bytes.size(); at += 8)
    lanes[0] = absorb(lanes[0], load_word(bytes.data() + at, 8));
  if (at < bytes.size())
    lanes[1] = absorb(lanes[1], load_word(bytes.data() + at, bytes.size() - at));
  std::uint64_t state = bytes.size() * kFinalFactor;
  for (const std::uint64_t lane : lanes) state = absorb(state ^ (state >> 32), lane);
  return state ^ (state >> 31);
}

std::uint64_t checksum(const PackedMatrix& weight) {
  std::uint64_t state = 0;
  for (const Buffer& buffer : weight.buffers()) state = checksum(buffer.bytes, state);
  return state;
}

}  // namespace pith
