#include "pith/base/random.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "pith/base/error.h"

namespace pith {
namespace {

__extension__ using Uint128 = unsigned __int128;

constexpr std::uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;  // golden ratio, sqrt(3) - 1
constexpr int kRounds = 10;

constexpr std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
constexpr std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

std::uint64_t bits64(const std::array<std::uint32_t, 4>& block, std::size_t half) {
  return block[2 * half] | std::uint64_t{block[2 * half + 1]} << 32;
}

double unit_interval(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace

std::array<std::uint32_t, 4> Random::block(std::uint64_t counter) const {
  std::array<std::uint32_t, 4> x{low(counter), high(counter), low(stream_), high(stream_)};
  std::uint32_t key0 = low(seed_), key1 = high(seed_);
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = std::uint64_t{kMultiplier0} * x[0];
    const std::uint64_t product1 = std::uint64_t{kMultiplier1} * x[2];
    x = {high(product1) ^ x[1] ^ key0, low(product1), high(product0) ^ x[3] ^ key1, low(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return x;
}

std::uint32_t Random::bits(std::uint64_t index) const { return block(index / 4)[index % 4]; }

double Random::uniform(std::uint64_t index) const {
  return unit_interval(bits64(block(index / 2), index % 2));
}

float Random::normal(std::uint64_t index) const {
  const auto words = block(index / 2);
  const double radius_draw =
      1.0 - unit_interval(bits64(words, 0));  // (0, 1]: the logarithm stays finite
  const double angle = 2 * std::numbers::pi * unit_interval(bits64(words, 1));
  const double radius = std::sqrt(-2 * std::log(radius_draw));
  return static_cast<float>(radius * (index % 2 == 0 ? std::cos(angle) : std::sin(angle)));
}

std::uint64_t Random::below(std::uint64_t index, std::uint64_t bound) const {
  PITH_CHECK(bound > 0);
  return static_cast<std::uint64_t>(Uint128{bits64(block(index / 2), index % 2)} * bound >> 64);
}

std::vector<std::uint32_t> random_permutation(std::size_t count, const Random& random) {
  PITH_CHECK(count <= std::size_t{1} << 32);
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i - 1, i)]);
  return order;
}

std::uint64_t stream_of(std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

}  // namespace pith
