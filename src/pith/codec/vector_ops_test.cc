// Every vector path against the scalar reference, bit for bit, with guard bytes behind the output.
#include "pith/codec/vector_ops.h"

#include <bit>
#include <limits>

#include "pith/codec/ggml_blocks.h"
#include "pith/codec/test_support.h"

namespace pith {
namespace {

constexpr std::size_t kLengths[] = {1, 2, 7, 8, 9, 15, 31, 32, 33, 39, 40, 63, 64, 65, 100, 257};
constexpr std::byte kGuard{0xa5};

// Calls `run` for each implementation that works here with a fresh output of `count` T; all must
// write the same bytes and none may write behind the end.
template <class T, class Run>
void expect_same(std::size_t count, Run&& run) {
  constexpr std::size_t kGuards = 64;
  std::vector<std::byte> expected;
  for (const VectorOps* ops : {&scalar_ops(), vector_ops_impls().front()}) {
    if (!ops->runs_here()) continue;
    std::vector<std::byte> storage(count * sizeof(T) + kGuards, kGuard);
    run(*ops, reinterpret_cast<T*>(storage.data()));
    for (std::size_t i = count * sizeof(T); i < storage.size(); ++i)
      ASSERT_EQ(storage[i], kGuard) << ops->name;
    if (expected.empty()) expected = storage;
    ASSERT_EQ(storage, expected) << ops->name;
  }
}

std::vector<float> special_values(std::size_t count, std::uint64_t seed) {
  std::vector<float> x = normal_values(count, 1, seed);
  const float specials[] = {
      0.0f, -0.0f, 0.5f, 1.5f, -2.5f, 1e-42f, -1e-42f, 3e38f, -3e38f, 65520.0f, 448.0f, 464.1f};
  for (std::size_t i = 0; i < count; i += 3) x[i] = specials[(i / 3 + seed) % std::size(specials)];
  return x;
}

TEST(VectorOps, AnImplementationRunsHere) {
  EXPECT_TRUE(vector_ops().runs_here());
  EXPECT_EQ(vector_ops_impls().back(), &scalar_ops());
}

TEST(VectorOps, RangeAndFiniteness) {
  for (const VectorOps* ops : vector_ops_impls()) {
    if (!ops->runs_here()) continue;
    for (const std::size_t n : kLengths) {
      SCOPED_TRACE(fmt::format("{} n={}", ops->name, n));
      std::vector<float> x = normal_values(n, 1, n);
      const ValueRange range = ops->range(x.data(), n);
      EXPECT_EQ(range.low, *std::ranges::min_element(x));
      EXPECT_EQ(range.high, *std::ranges::max_element(x));
      EXPECT_TRUE(range.finite);
      for (const float bad :
           {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
        for (std::size_t i = 0; i < n; ++i) {
          std::vector<float> broken = x;
          broken[i] = bad;
          EXPECT_FALSE(ops->range(broken.data(), n).finite) << i;
        }
      }
    }
  }
}

TEST(VectorOps, RoundingAndExpanding) {
  for (const std::size_t n : kLengths) {
    const std::vector<float> x = special_values(n, n);
    for (const UnitRound unit :
         {UnitRound{0.1f, 8, 0, 15}, UnitRound{-0.03f, 128, 0, 255}, UnitRound{1, 3, 1, 7}}) {
      expect_same<std::uint8_t>(n, [&](const VectorOps& ops, std::uint8_t* out) {
        ops.round_codes(x.data(), n, unit, out);
      });
      expect_same<float>(1, [&](const VectorOps& ops, float* out) {
        *out = ops.power_error(x.data(), n, unit, 0.25f);
      });
    }
    expect_same<std::int8_t>(n, [&](const VectorOps& ops, std::int8_t* out) {
      ops.round_int8(x.data(), n, 0.02f, out);
    });
    std::vector<std::uint8_t> codes(n);
    for (std::size_t i = 0; i < n; ++i) codes[i] = static_cast<std::uint8_t>(i * 37);
    for (const std::int32_t zero : {0, 8, -1275, std::numeric_limits<std::int32_t>::min()})
      expect_same<float>(n, [&](const VectorOps& ops, float* out) {
        ops.expand_codes(codes.data(), n, 0.3f, zero, out);
      });
    expect_same<double>(2, [&](const VectorOps& ops, double* out) {
      const std::vector<float> y = normal_values(n, 1, n + 1);
      const SquareSums sums = ops.square_sums(x.data(), y.data(), n);
      out[0] = sums.error;
      out[1] = sums.total;
    });
  }
}

TEST(VectorOps, PowerErrorIsThePowerOfTheCard) {
  const std::vector<float> x = normal_values(203, 1, 9);
  const UnitRound unit{0.2f, 8, 0, 15};
  double expected = 0;
  for (const float v : x) {
    const float value = (std::clamp(std::nearbyint(v / 0.2f) + 8, 0.0f, 15.0f) - 8) * 0.2f;
    expected += std::pow(std::fabs((v - value) * 0.5), 2.4);
  }
  EXPECT_NEAR(scalar_ops().power_error(x.data(), x.size(), unit, 0.5f) / expected, 1, 1e-5);
  EXPECT_EQ(scalar_ops().power_error(std::vector<float>(5, 0.0f).data(), 5, unit, 1), 0);
}

TEST(VectorOps, BitStreams) {
  for (const std::size_t n : kLengths) {
    for (int bits = 1; bits <= 8; ++bits) {
      std::vector<std::uint8_t> codes(n);
      for (std::size_t i = 0; i < n; ++i)
        codes[i] = static_cast<std::uint8_t>((i * 73 + n) & ((1u << bits) - 1));
      const std::size_t bytes = packed_bytes(n, bits);
      expect_same<std::byte>(bytes, [&](const VectorOps& ops, std::byte* out) {
        ops.pack(codes.data(), n, bits, out);
      });
      std::vector<std::byte> packed(bytes);
      scalar_ops().pack(codes.data(), n, bits, packed.data());
      expect_same<std::uint8_t>(n, [&](const VectorOps& ops, std::uint8_t* out) {
        ops.unpack(packed.data(), n, bits, out);
      });
      if (bits != 4) continue;
      expect_same<std::byte>(bytes, [&](const VectorOps& ops, std::byte* out) {
        ops.pack_high_first(codes.data(), n, out);
      });
      expect_same<std::uint8_t>(n, [&](const VectorOps& ops, std::uint8_t* out) {
        ops.unpack_high_first(packed.data(), n, out);
      });
    }
  }
}

TEST(VectorOps, Codebooks) {
  for (const CodebookTable table : {CodebookTable::kNf4, CodebookTable::kFp4}) {
    std::vector<float> x = normal_values(1000, 0.4f, 3);
    for (const float t : nf4_thresholds()) {  // on, just below and just above each threshold
      x.insert(x.end(), {t, std::nextafter(t, -2.0f), std::nextafter(t, 2.0f)});
    }
    for (const float t : fp4_thresholds()) {
      x.insert(
          x.end(),
          {t, -t, std::nextafter(t, 2.0f), std::nextafter(-t, -2.0f), std::nextafter(t, 0.0f)});
    }
    x.insert(x.end(), {0.0f, -0.0f, 1e-42f, -1e-42f, 1.0f, -1.0f, 1.0001f, -1.0001f});
    expect_same<std::uint8_t>(x.size(), [&](const VectorOps& ops, std::uint8_t* out) {
      ops.encode_codebook(table, x.data(), x.size(), 1.0f, out);
    });
    for (const std::size_t n : kLengths) {
      std::vector<std::uint8_t> codes(n);
      for (std::size_t i = 0; i < n; ++i) codes[i] = static_cast<std::uint8_t>(i % 16);
      expect_same<float>(n, [&](const VectorOps& ops, float* out) {
        ops.decode_levels(codes.data(), n, codebook_levels(table).data(), 1.7f, out);
      });
    }
  }
}

// Blocks with every oddity of values; one of 32 elements is beyond f16.
std::vector<float> odd_blocks(std::size_t count, std::uint64_t seed) {
  std::vector<float> x = normal_values(std::max<std::size_t>(count, 224), 1, seed);
  for (std::size_t i = 0; i < 32; ++i) x[i] = i % 2 == seed % 2 ? 0.0f : -0.0f;  // signs of zeros
  for (std::size_t i = 32; i < 64; ++i) x[i] = i % 3 == 0 ? -2.0f : 2.0f;  // ties of the extreme
  for (std::size_t i = 64; i < 96; ++i) x[i] = static_cast<float>(i) / 2 - 47.5f;  // half steps
  for (std::size_t i = 96; i < 128; ++i) x[i] *= 1e-42f;
  for (std::size_t i = 128; i < 160; ++i) x[i] *= 1e9f;
  for (std::size_t i = 160; i < 192; ++i) x[i] = std::fabs(x[i]) * (i % 4 == 0 ? 0.0f : 1.0f);
  for (std::size_t i = 192; i < 224; ++i) x[i] *= 1e-16f;
  x.resize(count);
  return x;
}

std::vector<float> odd_importance(std::size_t count, std::uint64_t seed) {
  std::vector<float> importance = normal_values(count, 1, seed);
  for (float& q : importance) q *= q;
  for (std::size_t i = 0; i < count; i += 5) importance[i] = i % 2 == 0 ? 0.0f : 1e12f;
  for (std::size_t i = 256; i < std::min<std::size_t>(count, 320); ++i) importance[i] = 0;
  return importance;
}

TEST(VectorOps, GgmlBlocks) {
  for (const auto& [type, name] : kGgmlTypeNames) {
    if (!ggml_is_writable(type)) continue;
    SCOPED_TRACE(name);
    for (const std::size_t blocks : {1, 2, 7, 8, 9, 17, 50}) {
      const std::size_t count = blocks * ggml_block_elements(type);
      const std::vector<float> x = odd_blocks(count, blocks);
      const std::vector<float> importance = odd_importance(count, blocks);
      for (const std::span<const float> weights : {std::span<const float>(), std::span(importance)})
        expect_same<std::byte>(
            blocks * ggml_block_bytes(type), [&](const VectorOps& ops, std::byte* out) {
              const std::size_t beyond = ops.quantize_ggml(type, x.data(), blocks, weights, out);
              EXPECT_EQ(beyond, count > 128 ? 1u : 0u) << ops.name;
            });
    }
  }
}

TEST(VectorOps, GgmlValues) {
  const Random random(5, 6);
  for (const auto& [type, name] : kGgmlTypeNames) {
    SCOPED_TRACE(name);
    for (const std::size_t blocks : {1, 2, 7, 64}) {
      std::vector<std::byte> bytes(blocks * ggml_block_bytes(type));
      for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::byte>(random.bits(i) >> 24);
      const std::size_t count = blocks * ggml_block_elements(type);
      expect_same<float>(count, [&](const VectorOps& ops, float* out) {
        ops.dequantize_ggml(type, bytes.data(), blocks, out);
        for (std::size_t i = 0; i < count; ++i)  // which NaN a scale of NaN gives is left open
          if (std::isnan(out[i])) out[i] = 0;
      });
    }
  }
}

TEST(VectorOps, NarrowFloats) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF8E4M3, DType::kF8E5M2}) {
    SCOPED_TRACE(to_string(dtype));
    std::vector<std::uint16_t> words(1 << 16);
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = static_cast<std::uint16_t>(i);
    const auto* bytes = reinterpret_cast<const std::byte*>(words.data());
    const std::size_t count = words.size() * 2 / size_of(dtype);
    expect_same<float>(
        count, [&](const VectorOps& ops, float* out) { ops.widen(dtype, bytes, count, out); });
    std::vector<float> x(1 << 18);
    const Random random(1, 2);
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = std::bit_cast<float>(random.bits(i));  // NaN, Inf, subnormals and all
    for (std::size_t i = 0; i < x.size(); i += 2)
      x[i] = random.normal(i) * std::ldexp(1.0f, static_cast<int>(i % 48) - 30);
    expect_same<std::byte>(x.size() * size_of(dtype), [&](const VectorOps& ops, std::byte* out) {
      ops.narrow(dtype, x.data(), x.size(), out);
    });
    for (const std::size_t n : kLengths)
      expect_same<std::byte>(n * size_of(dtype), [&](const VectorOps& ops, std::byte* out) {
        ops.narrow(dtype, x.data(), n, out);
      });
  }
}

}  // namespace
}  // namespace pith
