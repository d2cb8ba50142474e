// The tables of bitsandbytes (version 0.50.2), equal to its own bit for bit:
// tests/golden/codec/make_bitsandbytes.py.
#include <algorithm>
#include <array>

#include "pith/base/error.h"
#include "pith/codec/quantize.h"
#include "pith/codec/vector_ops.h"

namespace pith {
namespace {

constexpr std::array<float, 16> kNf4Levels = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

// 3 bits of magnitude and the sign in bit 3; not the E2M1 of the OCP standard.
constexpr std::array<float, 16> kFp4Levels = {
    0.0f,
    0.0625f / 12,
    8.0f / 12,
    1.0f,
    4.0f / 12,
    6.0f / 12,
    2.0f / 12,
    3.0f / 12,
    0.0f,
    -0.0625f / 12,
    -8.0f / 12,
    -1.0f,
    -4.0f / 12,
    -6.0f / 12,
    -2.0f / 12,
    -3.0f / 12,
};
constexpr std::array<std::uint8_t, 8> kFp4MagnitudeCodes = {0, 1, 6, 7, 4, 5, 2, 3};

// The positive part of the signed dynamic map, codes 128 to 255. Code 127 is 0; codes 126 down to 0
// are the negatives of 128 to 254. A table, since its last bits depend on how torch's linspace
// rounds.
constexpr std::array<float, 128> kDynamicPositive = {
    // clang-format off
    5.5000004e-07f, 3.2500002e-06f, 7.75e-06f, 2.1249998e-05f, 4.375e-05f, 6.625e-05f, 8.875e-05f,
    1.5625001e-04f, 2.6875004e-04f, 3.8125002e-04f, 4.9375003e-04f, 6.062501e-04f, 7.1875006e-04f,
    8.3125e-04f, 9.437501e-04f, 0.0012812499f, 0.00184375f, 0.00240625f, 0.00296875f,
    0.0035312497f, 0.00409375f, 0.0046562497f, 0.0052187503f, 0.00578125f, 0.00634375f,
    0.00690625f, 0.00746875f, 0.00803125f, 0.00859375f, 0.009156249f, 0.00971875f, 0.01140625f,
    0.01421875f, 0.01703125f, 0.019843752f, 0.02265625f, 0.02546875f, 0.028281251f, 0.03109375f,
    0.03390625f, 0.036718752f, 0.03953125f, 0.042343747f, 0.04515625f, 0.04796875f, 0.05078125f,
    0.05359375f, 0.05640625f, 0.059218753f, 0.06203125f, 0.06484375f, 0.067656256f, 0.070468746f,
    0.07328125f, 0.07609375f, 0.07890625f, 0.08171876f, 0.08453125f, 0.08734375f, 0.09015625f,
    0.092968754f, 0.09578126f, 0.09859375f, 0.107031256f, 0.12109375f, 0.13515624f, 0.14921875f,
    0.16328125f, 0.17734376f, 0.19140625f, 0.20546874f, 0.21953125f, 0.23359375f, 0.24765624f,
    0.26171875f, 0.27578127f, 0.28984374f, 0.30390626f, 0.31796873f, 0.33203125f, 0.34609374f,
    0.36015624f, 0.37421876f, 0.38828123f, 0.40234375f, 0.41640624f, 0.43046874f, 0.44453126f,
    0.45859373f, 0.47265625f, 0.4867187f, 0.50078124f, 0.5148437f, 0.5289062f, 0.54296875f,
    0.5570313f, 0.5710938f, 0.58515626f, 0.5992187f, 0.61328125f, 0.6273438f, 0.6414063f,
    0.65546876f, 0.6695312f, 0.68359375f, 0.6976563f, 0.7117188f, 0.72578126f, 0.7398437f,
    0.75390625f, 0.7679688f, 0.78203124f, 0.79609376f, 0.8101562f, 0.82421875f, 0.8382813f,
    0.85234374f, 0.86640626f, 0.8804687f, 0.89453125f, 0.9085938f, 0.92265624f, 0.93671876f,
    0.9507812f, 0.96484375f, 0.9789063f, 0.99296874f, 1.0f,
    // clang-format on
};

constexpr std::array<float, 256> make_dynamic_map() {
  std::array<float, 256> map{};
  for (std::size_t i = 0; i < 128; ++i) map[128 + i] = kDynamicPositive[i];
  for (std::size_t i = 0; i < 127; ++i) map[126 - i] = -kDynamicPositive[i];
  return map;
}
constexpr std::array<float, 256> kDynamicMap = make_dynamic_map();

// Midpoints of neighbours, summed before halving as the owner does.
template <std::size_t N>
constexpr std::array<float, N - 1> midpoints(const std::array<float, N>& ascending) {
  std::array<float, N - 1> middle{};
  for (std::size_t i = 0; i + 1 < N; ++i) middle[i] = (ascending[i] + ascending[i + 1]) / 2;
  return middle;
}

constexpr std::array<float, 8> fp4_magnitudes() {
  std::array<float, 8> ascending{};
  for (std::size_t i = 0; i < 8; ++i) ascending[i] = kFp4Levels[kFp4MagnitudeCodes[i]];
  return ascending;
}

constexpr std::array<float, 15> kNf4Thresholds = midpoints(kNf4Levels);
constexpr std::array<float, 7> kFp4Thresholds = midpoints(fp4_magnitudes());

}  // namespace

std::span<const float, 16> codebook_levels(CodebookTable table) {
  switch (table) {
    case CodebookTable::kNf4:
      return kNf4Levels;
    case CodebookTable::kFp4:
      return kFp4Levels;
  }
  throw InternalError("codebook table out of range");
}

std::span<const float, 256> dynamic_map() { return kDynamicMap; }

std::span<const float, 15> nf4_thresholds() { return kNf4Thresholds; }
std::span<const float, 7> fp4_thresholds() { return kFp4Thresholds; }
std::span<const std::uint8_t, 8> fp4_magnitude_codes() { return kFp4MagnitudeCodes; }

}  // namespace pith
