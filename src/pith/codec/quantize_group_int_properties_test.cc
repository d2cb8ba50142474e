// What holds for every group_int weight.
#include <cmath>
#include <limits>

#include "pith/codec/group_int_test_support.h"
#include "pith/codec/unit_fit.h"

namespace pith {
namespace {

using ::testing::HasSubstr;

// Every combination that is allowed, over odd shapes and sizes of values.
struct Case {
  GroupIntEncoding encoding;
  RoundOptions options;
};
std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (int bits = 1; bits <= 8; ++bits) {
    for (const std::size_t group : {0, 7, 32}) {
      for (const SymmetricRange range :
           {SymmetricRange::kAbsmax, SymmetricRange::kFull, SymmetricRange::kSigned})
        if (bits > 1 || range != SymmetricRange::kAbsmax)
          cases.push_back({ints(bits, ZeroPoints::kNone, group), {.symmetric_range = range}});
      cases.push_back({ints(bits, ZeroPoints::kPacked, group), {}});
      cases.push_back({ints(bits, ZeroPoints::kInt32, group), {}});
      cases.push_back(
          {ints(bits, ZeroPoints::kInt32, group), {.affine_range = AffineRange::kFree}});
    }
  }
  return cases;
}

std::string describe(const Case& c) {
  return fmt::format("{} {} {}",
                     to_string(Encoding(c.encoding)),
                     to_string(c.options.symmetric_range),
                     to_string(c.options.affine_range));
}

TEST(QuantizeGroupInt, ErrorIsAtMostHalfAStepUnlessClipped) {
  for (const Case& c : all_cases()) {
    for (const float size : {1e-43f, 1e-3f, 1.0f, 1e36f}) {
      SCOPED_TRACE(fmt::format("{} size={}", describe(c), size));
      const std::vector<float> w = normal_values(5 * 45, size, 11);
      const PackedMatrix m = quantize_group_int(source_of_values(w, 5), c.encoding, c.options);
      const std::vector<float> decoded = m.dequantize(), scales = scales_of(m);
      const std::vector<int> codes = codes_of(m);
      const std::size_t step = c.encoding.group_size == 0 ? 45 : c.encoding.group_size;
      const int highest = (1 << c.encoding.bits) - 1;
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double scale = std::fabs(scales[i / 45 * ((45 + step - 1) / step) + i % 45 / step]);
        ASSERT_LE(codes[i], highest);
        // Half a step; a clipped extreme is off by at most a step more for a zero point that was
        // rounded or the missing highest code. Then one rounding of w / scale and one of code *
        // scale, each within an ulp of w.
        const bool at_an_end = codes[i] == 0 || codes[i] == highest;
        const double allowed = scale * (at_an_end ? 1.0 : 0.5);
        ASSERT_LE(std::fabs(static_cast<double>(w[i]) - static_cast<double>(decoded[i])),
                  allowed + 2.4e-7 * std::fabs(static_cast<double>(w[i])) + 1e-45)
            << i;
      }
    }
  }
}

TEST(QuantizeGroupInt, ASecondTimeChangesNoCode) {
  const std::vector<float> w = normal_values(6 * 45, 1, 12);
  for (const ZeroPoints zeros : {ZeroPoints::kNone, ZeroPoints::kPacked}) {
    for (int bits = 2; bits <= 8; ++bits) {
      const GroupIntEncoding e = ints(bits, zeros, 16);
      const PackedMatrix once = quantize_group_int(source_of_values(w, 6), e);
      EXPECT_EQ(codes_of(quantize_group_int(source_of(once), e)), codes_of(once))
          << to_string(Encoding(e));
    }
  }
}

TEST(QuantizeGroupInt, FollowsSignAndPowersOfTwo) {
  const std::vector<float> w = normal_values(4 * 50, 1, 13);
  std::vector<float> negated(w), larger(w);
  for (float& v : negated) v = -v;
  for (float& v : larger) v *= 32;
  const PackedMatrix m = quantize_group_int(source_of_values(w, 4), ints(8));
  std::vector<int> mirrored =
      centred(codes_of(quantize_group_int(source_of_values(negated, 4), ints(8))), 128);
  for (int& code : mirrored) code = -code;
  EXPECT_EQ(mirrored, centred(codes_of(m), 128));
  const PackedMatrix scaled = quantize_group_int(source_of_values(larger, 4), ints(8));
  EXPECT_EQ(codes_of(scaled), codes_of(m));
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(scales_of(scaled)[i], 32 * scales_of(m)[i]);
}

TEST(QuantizeGroupInt, ResultDoesNotDependOnThreads) {
  const int threads = num_threads();
  const std::vector<float> w = normal_values(300 * 257, 1, 14);
  for (const Granularity granularity :
       {Granularity::kTensor, Granularity::kRow, Granularity::kGroup}) {
    for (const bool search : {false, true}) {
      GroupIntEncoding e{4,
                         granularity,
                         granularity == Granularity::kGroup ? 64u : 0u,
                         ZeroPoints::kPacked,
                         DType::kF16};
      set_num_threads(1);
      const PackedMatrix one =
          quantize_group_int(source_of_values(w, 300), e, {.search_range = search});
      for (const int n : {2, 5}) {
        set_num_threads(n);
        EXPECT_TRUE(same_bytes(
            quantize_group_int(source_of_values(w, 300), e, {.search_range = search}), one))
            << n;
      }
    }
  }
  set_num_threads(threads);
}

TEST(QuantizeGroupInt, GroupsAndRowsAreIndependent) {
  // A matrix as wide as high whose rows and columns differ: a swap of axes would show.
  std::vector<float> w(48 * 48);
  for (std::size_t r = 0; r < 48; ++r)
    for (std::size_t c = 0; c < 48; ++c)
      w[r * 48 + c] = static_cast<float>((r + 1) * (c % 3 == 0 ? 1.0 : 0.3));
  const PackedMatrix m = quantize_group_int(source_of_values(w, 48), ints(8));
  for (std::size_t r = 0; r < 48; ++r)
    EXPECT_FLOAT_EQ(scales_of(m)[r], static_cast<float>(r + 1) / 127);
  const PackedMatrix before =
      quantize_group_int(source_of_values(w, 48), ints(4, ZeroPoints::kNone, 16));
  w[0] = 1000;
  const PackedMatrix after =
      quantize_group_int(source_of_values(w, 48), ints(4, ZeroPoints::kNone, 16));
  const std::vector<float> x = before.dequantize(), y = after.dequantize();
  EXPECT_TRUE(std::equal(x.begin() + 16, x.end(), y.begin() + 16));
  EXPECT_NE(x[0], y[0]);
}

TEST(QuantizeGroupInt, AShortLastGroupIsAGroup) {
  const std::vector<float> w = normal_values(3 * 70, 1, 15);
  const PackedMatrix m =
      quantize_group_int(source_of_values(w, 3), ints(4, ZeroPoints::kPacked, 32));
  std::vector<float> tails;
  for (std::size_t r = 0; r < 3; ++r)
    tails.insert(tails.end(), w.begin() + r * 70 + 64, w.begin() + r * 70 + 70);
  const std::vector<float> expected =
      quantize_group_int(source_of_values(tails, 3), ints(4, ZeroPoints::kPacked)).dequantize();
  const std::vector<float> decoded = m.dequantize();
  for (std::size_t r = 0; r < 3; ++r)
    for (std::size_t c = 0; c < 6; ++c) EXPECT_EQ(decoded[r * 70 + 64 + c], expected[r * 6 + c]);
}

TEST(QuantizeGroupInt, ZerosAndConstantsAreExact) {
  const std::vector<float> zeros(2 * 10);
  for (const Case& c : all_cases()) {
    const PackedMatrix m = quantize_group_int(source_of_values(zeros, 2), c.encoding, c.options);
    EXPECT_EQ(m.dequantize(), zeros) << describe(c);
    EXPECT_EQ(scales_of(m)[0], 1.0f) << describe(c);
    if (c.options.affine_range != AffineRange::kFree) continue;
    for (const float value : {0.7f, -1e-40f, 3e38f}) {
      const std::vector<float> constant(2 * 10, value);
      EXPECT_EQ(
          quantize_group_int(source_of_values(constant, 2), c.encoding, c.options).dequantize(),
          constant)
          << describe(c) << " " << value;
    }
  }
  const std::vector<float> one = {-0.3f};
  EXPECT_FLOAT_EQ(quantize_group_int(source_of_values(one, 1), ints(8)).dequantize()[0], -0.3f);
}

TEST(QuantizeGroupInt, ZeroStaysZeroWherePromised) {
  std::vector<float> w = normal_values(4 * 40, 1, 16);
  for (std::size_t i = 0; i < w.size(); i += 3) w[i] = 0;
  for (const Case& c : all_cases()) {
    if (c.options.affine_range == AffineRange::kFree) continue;
    const std::vector<float> decoded =
        quantize_group_int(source_of_values(w, 4), c.encoding, c.options).dequantize();
    for (std::size_t i = 0; i < w.size(); i += 3) ASSERT_EQ(decoded[i], 0.0f) << describe(c);
  }
}

TEST(QuantizeGroupInt, AHugeOutlierAndTheWholeRangeOfF32) {
  const std::vector<float> w = {1e-3f, 3.4e38f, -3.4e38f, 1};
  for (const Case& c : all_cases()) {
    if (c.encoding.bits == 1) continue;  // one step from end to end is beyond f32
    const std::vector<float> decoded =
        quantize_group_int(source_of_values(w, 1), c.encoding, c.options).dequantize();
    for (const float v : decoded) EXPECT_FALSE(std::isnan(v)) << describe(c);
  }
  const PackedMatrix affine =
      quantize_group_int(source_of_values(w, 1), ints(8, ZeroPoints::kPacked));
  EXPECT_NEAR(affine.dequantize()[1] / 3.4e38, 1, 0.01);
}

TEST(QuantizeGroupInt, FreeRangeFarFromZero) {
  const std::vector<float> w = {
      1e6f, 1e6f + 0.25f, 1e6f + 0.5f};  // steps near the resolution of f32
  const PackedMatrix m = quantize_group_int(
      source_of_values(w, 1), ints(8, ZeroPoints::kInt32), {.affine_range = AffineRange::kFree});
  const std::vector<float> decoded = m.dequantize();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(decoded[i], w[i], scales_of(m)[0] + 0.0625) << i;
}

TEST(QuantizeGroupInt, CodesFitTheStoredScale) {
  const std::vector<float> w = normal_values(8 * 64, 1, 17);
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    const PackedMatrix m =
        quantize_group_int(source_of_values(w, 8), ints(8, ZeroPoints::kNone, 64, dtype));
    const std::vector<float> decoded = m.dequantize();
    for (std::size_t i = 0; i < w.size(); ++i) {
      const float largest = std::fabs(*std::ranges::max_element(
          w.begin() + i / 64 * 64, w.begin() + (i / 64 + 1) * 64, {}, [](float v) {
            return std::fabs(v);
          }));
      EXPECT_LE(std::fabs(w[i] - decoded[i]),
                largest / 127 / 2 * 1.01f);  // bf16 moves the step by up to 2^-9
    }
  }
}

TEST(RoundScale, SubnormalsGoUp) {
  EXPECT_EQ(round_scale(1.4 * 0x1p-24, DType::kF16), 0x1p-23f);
  EXPECT_EQ(round_scale(-1e-30, DType::kF16), -0x1p-24f);
  EXPECT_EQ(round_scale(1e-46, DType::kF32), 0x1p-149f);
  EXPECT_EQ(round_scale(0.1, DType::kF32), 0.1f);
  EXPECT_EQ(round_scale(0.1, DType::kBF16), 0.10009765625f);
  const std::vector<float> w =
      normal_values(64, 1e-6f, 18);  // scales below the normal range of f16
  const std::vector<float> decoded =
      quantize_group_int(source_of_values(w, 1), ints(8, ZeroPoints::kNone, 32, DType::kF16))
          .dequantize();
  for (std::size_t i = 0; i < 64; ++i) EXPECT_NEAR(decoded[i], w[i], 0x1p-25 * 1.0001);
}

TEST(QuantizeGroupInt, SearchNeverRaisesTheSearchedError) {
  const std::vector<float> w = normal_values(40 * 64, 1, 19);
  for (const ZeroPoints zeros : {ZeroPoints::kNone, ZeroPoints::kPacked}) {
    for (const int bits : {2, 3, 4}) {
      const GroupIntEncoding e = ints(bits, zeros, 64);
      const std::vector<float> plain = quantize_group_int(source_of_values(w, 40), e).dequantize();
      const PackedMatrix m = quantize_group_int(source_of_values(w, 40), e, {.search_range = true});
      const std::vector<float> searched = m.dequantize();
      for (std::size_t g = 0; g < w.size(); g += 64) {
        double before = 0, after = 0;
        for (std::size_t i = g; i < g + 64; ++i) {
          before += std::pow(std::fabs(static_cast<double>(w[i] - plain[i])), 2.4);
          after += std::pow(std::fabs(static_cast<double>(w[i] - searched[i])), 2.4);
        }
        ASSERT_LE(after, before * (1 + 1e-5));
      }
      EXPECT_LT(mean_square_error(w, searched), mean_square_error(w, plain)) << bits;
    }
  }
}

TEST(QuantizeGroupInt, SearchIsTheBestOfTheEightyRanges) {
  const std::vector<float> w = normal_values(32, 1, 20);
  const PackedMatrix m =
      quantize_group_int(source_of_values(w, 1), ints(3), {.search_range = true});
  float largest = 0;
  for (const float v : w) largest = std::max(largest, std::fabs(v));
  double best = 1e300, best_scale = 0;
  for (int i = 0; i < 80; ++i) {
    const float scale = largest * static_cast<float>(1 - i / 100.0) / 3;
    double error = 0;
    for (const float v : w)
      error +=
          std::pow(std::fabs(v - std::clamp(std::nearbyint(v / scale), -4.0f, 3.0f) * scale), 2.4);
    if (error >= best) continue;
    best = error;
    best_scale = scale;
  }
  EXPECT_FLOAT_EQ(scales_of(m)[0], static_cast<float>(best_scale));
}

// Gaussian oracle of card 9: 20000 blocks of 64 from N(0, 1); 1.28e6 samples put the means within
// about 0.2 %.
TEST(QuantizeGroupInt, GaussianErrorOfTheCard) {
  const std::vector<float> w = normal_values(20000 * 64, 1, 21);
  const auto error = [&](ZeroPoints zeros, SymmetricRange range) {
    return mean_square_error(
        w,
        quantize_group_int(source_of_values(w, 20000), ints(4, zeros), {.symmetric_range = range})
            .dequantize());
  };
  EXPECT_NEAR(error(ZeroPoints::kNone, SymmetricRange::kAbsmax), 0.01161, 0.01161 * 0.01);
  EXPECT_NEAR(error(ZeroPoints::kNone, SymmetricRange::kFull), 0.01059, 0.01059 * 0.01);
  EXPECT_NEAR(error(ZeroPoints::kPacked, SymmetricRange::kAbsmax), 0.00830, 0.00830 * 0.01);
}

TEST(QuantizeGroupInt, MoreBitsAndSmallerGroupsHelp) {
  const std::vector<float> w = normal_values(64 * 256, 1, 22);
  double last = 1e9;
  for (int bits = 2; bits <= 8; ++bits) {
    const double error = mean_square_error(
        w,
        quantize_group_int(source_of_values(w, 64), ints(bits, ZeroPoints::kPacked, 64))
            .dequantize());
    EXPECT_LT(error, last);
    last = error;
  }
  last = 1e9;
  for (const std::size_t group : {256, 64, 16}) {
    const double error = mean_square_error(
        w,
        quantize_group_int(source_of_values(w, 64), ints(4, ZeroPoints::kPacked, group))
            .dequantize());
    EXPECT_LT(error, last);
    last = error;
  }
}

std::string refusal(const std::vector<float>& w,
                    const GroupIntEncoding& e,
                    const RoundOptions& options = {}) {
  return message_of<UserError>([&] { quantize_group_int(source_of_values(w, 2), e, options); });
}

TEST(QuantizeGroupInt, RefusesNanAndInfWithTheirCount) {
  std::vector<float> w = normal_values(2 * 40, 1, 23);
  w[0] = std::numeric_limits<float>::quiet_NaN();
  w[41] = -std::numeric_limits<float>::infinity();
  const std::string expected =
      "weight [2, 40]: expected finite values, found 2 that are NaN or infinite; repair the "
      "checkpoint or leave this weight "
      "out";
  EXPECT_EQ(refusal(w, ints(8)), expected);
  EXPECT_EQ(refusal(w, ints(4, ZeroPoints::kPacked, 16), {.search_range = true}), expected);
  EXPECT_EQ(refusal(w, ints(8, ZeroPoints::kInt32), {.affine_range = AffineRange::kFree}),
            expected);
  EXPECT_EQ(refusal(w, {.granularity = Granularity::kTensor}), expected);
}

TEST(QuantizeGroupInt, RefusesAScaleThatOverflows) {
  std::vector<float> w = normal_values(2 * 64, 1, 24);
  w[70] = 1e7f;
  w[127] = -2e7f;
  EXPECT_EQ(refusal(w, ints(4, ZeroPoints::kNone, 32, DType::kF16)),
            "weight [2, 64]: 2 scales overflow F16 (the first, of unit 2, would be 1.42857e+06); "
            "store scales as f32 or bf16");
  const GroupIntEncoding tensor{8, Granularity::kTensor, 0, ZeroPoints::kNone, DType::kF16};
  EXPECT_THAT(refusal(w, tensor),
              HasSubstr("1 scales overflow F16 (the first, of unit 0, would be 157480)"));
}

TEST(QuantizeGroupInt, RefusesARangeBeyondF32) {
  const std::vector<float> w = {3.4e38f, -3.4e38f, 0, 0};
  EXPECT_THAT(refusal(w, ints(1, ZeroPoints::kPacked)),
              HasSubstr("would be 6.8e+38); use more bits"));
}

TEST(QuantizeGroupInt, RefusesOptionsThatContradict) {
  const std::vector<float> w(8, 1.0f);
  EXPECT_EQ(refusal(w, ints(8), {.lowest_code = 2}),
            "lowest code: expected 0, or 1 with at least 2 bits, found 2 with 8");
  EXPECT_EQ(refusal(w, ints(8, ZeroPoints::kPacked), {.affine_range = AffineRange::kFree}),
            "affine range free: expected zero points int32, found packed; use range with-zero");
  EXPECT_THAT(refusal(w,
                      ints(8, ZeroPoints::kInt32),
                      {.affine_range = AffineRange::kFree, .search_range = true}),
              HasSubstr("it cannot be searched"));
  EXPECT_THAT(refusal(w, ints(1)), HasSubstr("expected at least 2 bits, found 1"));
  EXPECT_THAT(refusal(w, ints(8), {.symmetric_range = SymmetricRange::kSigned, .lowest_code = 1}),
              HasSubstr("it needs the lowest code"));
  EXPECT_THAT(refusal(w, ints(9)), HasSubstr("expected 1 to 8 bits, found 9"));
}

}  // namespace
}  // namespace pith
