// What quantizing GGUF blocks needs apart from searching for scales. Internal to codec.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pith/codec/ggml_layout.h"

namespace pith {

// Groups whose largest magnitude is below count as all zero.
constexpr float kSmallestMagnitude = 1e-15f;

inline float inverse_of(float d) { return d != 0 ? 1.0f / d : 0.0f; }
bool store_f16(float value, std::uint16_t& out);  // false beyond the largest f16

// Codes of 32 elements, below 16, or 32 where the block has high bits.
template <class Block>
void pack_codes(const std::uint8_t (&codes)[kGgmlBlock], Block& block) {
  constexpr std::size_t kHalf = kGgmlBlock / 2;
  for (std::size_t i = 0; i < kHalf; ++i)
    block.nibbles[i] =
        static_cast<std::uint8_t>((codes[i] & 15) | static_cast<unsigned>(codes[i + kHalf]) << 4);
  if constexpr (requires { block.high_bits; }) {
    for (std::size_t byte = 0; byte < 4; ++byte) {
      unsigned bits = 0;
      for (std::size_t k = 0; k < 8; ++k)
        bits |= static_cast<unsigned>(codes[byte * 8 + k] >> 4) << k;
      block.high_bits[byte] = static_cast<std::uint8_t>(bits);
    }
  }
}

void pack_codes(const std::uint8_t (&codes)[kGgmlSuperBlock], BlockQ4K& block);
void pack_codes(const std::uint8_t (&codes)[kGgmlSuperBlock], BlockQ5K& block);
void pack_codes(const std::uint8_t (&codes)[kGgmlSuperBlock], BlockQ6K& block);

// Eight numbers of a super-block, each about scale * code; codes from 0 to 63.
struct ScaleCodes {
  float scale = 0;
  std::uint8_t codes[8] = {};
};
// The scale is the largest / 63.
ScaleCodes round_scales(const float (&values)[8]);
// The scale is searched for to make the weighted square error small.
ScaleCodes fit_scales(const float (&values)[8], const float (&weights)[8]);

void pack_sub_scales(const ScaleCodes& scales,
                     const ScaleCodes& minima,
                     std::uint8_t (&packed)[12]);

// Nearest even by the bits of value + 1.5 * 2^23, as the owner rounds; right below 2^22.
int nearest_int(float value);

}  // namespace pith
