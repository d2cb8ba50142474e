#include "pith/codec/ggml_blocks.h"

#include "pith/codec/ggml_test_support.h"

namespace pith {
namespace {

constexpr GgmlType kWritable[] = {GgmlType::kQ4_0,
                                  GgmlType::kQ4_1,
                                  GgmlType::kQ5_0,
                                  GgmlType::kQ5_1,
                                  GgmlType::kQ8_0,
                                  GgmlType::kQ4_K,
                                  GgmlType::kQ5_K,
                                  GgmlType::kQ6_K,
                                  GgmlType::kIQ4_NL};

TEST(GgmlBlocks, EqualTheOwnersCasesByteForByte) {
  const Json golden = read_golden("ggml_block_cases.json");
  std::size_t cases = 0;
  for (const Json& c : golden["cases"]) {
    SCOPED_TRACE(c["type"].get<std::string>() + " " + c["name"].get<std::string>());
    const GgmlType type = ggml_type_of(c["type"].get<std::string>());
    if (!ggml_is_writable(type)) continue;
    const std::vector<float> x = floats_of_hex(c["input_f32_le"].get<std::string>());
    std::vector<float> importance;
    if (c.contains("weights_f32_le"))
      importance = floats_of_hex(c["weights_f32_le"].get<std::string>());
    const PackedMatrix packed = quantize_ggml(source_of_values(x, 1), {type}, importance);
    EXPECT_EQ(bytes_of(packed, "codes"), bytes_of_hex(c["block"].get<std::string>()));
    ++cases;
  }
  EXPECT_EQ(cases, 53u);  // Q8_0 has none with importance
}

constexpr std::size_t kGoldenRows = 16, kGoldenCols = 1024;

float shaped(std::size_t kind, std::size_t i, float v) {
  switch (kind) {
    case 1:
      return std::fabs(v);
    case 2:
      return -std::fabs(v) - 0.5f;
    case 3:
      return i % 41 == 0 ? v * 32 : v;
    case 4:
      return std::floor(v * 8) / 8;
    case 5:
      return i / 32 % 3 == 0 ? 0.0f : v;
    case 6:
      return i / 16 % 2 == 1 ? v * 0x1p-20f : v;
    case 7:
      return i % 7 == 0 ? -0.0f : 0.5f;
    default:
      return v;
  }
}

// As make_ggml_quantized.py makes them.
std::vector<float> golden_rows() {
  std::vector<float> x;
  for (std::size_t r = 0; r < kGoldenRows; ++r) {
    GoldenDraws draws(static_cast<std::uint32_t>(r + 1));
    for (std::size_t i = 0; i < kGoldenCols; ++i) {
      std::int32_t sum = -3 * (1 << 19);
      for (int k = 0; k < 3; ++k) sum += static_cast<std::int32_t>(draws.next() >> 12);
      x.push_back(shaped(r % 8, i, static_cast<float>(sum) * 0x1p-20f));
    }
  }
  return x;
}
std::vector<float> golden_importance() {
  GoldenDraws draws(99);
  std::vector<float> importance;
  for (std::size_t i = 0; i < kGoldenCols; ++i) {
    const float size = static_cast<float>(draws.next() >> 20) * 0x1p-12f;
    const bool nothing = i % 53 == 0 || (i >= 320 && i < 352);
    importance.push_back(nothing ? 0.0f : size * size * (i % 61 == 0 ? 1024.0f : 1.0f));
  }
  return importance;
}

TEST(GgmlBlocks, EqualTheOwnersOnRandomRows) {
  const Json golden = read_golden("ggml_quantized.json");
  const std::vector<float> x = golden_rows(), importance = golden_importance();
  EXPECT_EQ(std::vector<float>(x.begin(), x.begin() + 4),
            floats_of_hex(golden["first"].get<std::string>()));
  EXPECT_EQ(std::vector<float>(importance.begin() + 1, importance.begin() + 5),
            floats_of_hex(golden["first_importance"].get<std::string>()));
  for (const GgmlType type : kWritable) {
    const Json& expected = golden["types"][std::string(to_string(type))];
    for (const std::string variant : {"plain", "weighted"}) {
      const PackedMatrix packed =
          quantize_ggml(source_of_values(x, kGoldenRows),
                        {type},
                        variant == "plain" ? std::span<const float>() : importance);
      const std::span<const std::byte> bytes = packed.buffer("codes").bytes;
      const std::size_t row_bytes = bytes.size() / kGoldenRows;
      for (std::size_t r = 0; r < kGoldenRows; ++r)
        EXPECT_EQ(fnv1a(bytes.subspan(r * row_bytes, row_bytes)),
                  expected[variant][r].get<std::string>())
            << to_string(type) << " " << variant << " row " << r;
    }
  }
}

double weighted_error(const PackedMatrix& packed,
                      const std::vector<float>& x,
                      const std::vector<float>& importance) {
  const std::vector<float> decoded = packed.dequantize();
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double e = static_cast<double>(x[i]) - static_cast<double>(decoded[i]);
    sum += e * e * static_cast<double>(importance[i % importance.size()]);
  }
  return sum;
}

TEST(GgmlBlocks, ImportanceLowersTheErrorThatItWeighs) {
  const std::vector<float> x = normal_values(8 * 512, 1, 4);
  std::vector<float> importance = normal_values(512, 1, 5);
  for (float& q : importance) q = q * q * q * q;
  for (const GgmlType type : kWritable) {
    SCOPED_TRACE(to_string(type));
    const WeightSource source = source_of_values(x, 8);
    const PackedMatrix plain = quantize_ggml(source, {type});
    const PackedMatrix weighted = encode(source, GgmlEncoding{type}, {}, importance);
    const double ratio =
        weighted_error(weighted, x, importance) / weighted_error(plain, x, importance);
    EXPECT_EQ(same_bytes(plain, weighted), type == GgmlType::kQ8_0);
    EXPECT_LE(ratio, type == GgmlType::kQ8_0 ? 1 : 0.97);
  }
}

// An error that a search for good scales reaches on Gaussian weights, from both sides.
TEST(GgmlBlocks, ErrorsOfGaussianWeights) {
  const std::vector<float> x = normal_values(16 * 1024, 1, 6);
  const WeightSource source = source_of_values(x, 16);
  constexpr double kErrors[] = {
      0.0857, 0.080, 0.0427, 0.0385, 0.00537, 0.0711, 0.0365, 0.0182, 0.0775};
  for (std::size_t i = 0; i < std::size(kWritable); ++i) {
    const double error = relative_error(source, quantize_ggml(source, {kWritable[i]}));
    EXPECT_NEAR(error / kErrors[i], 1, 0.04) << to_string(kWritable[i]) << " " << error;
  }
}

TEST(GgmlBlocks, DoNotDependOnThreads) {
  const int threads = num_threads();
  const std::vector<float> x = normal_values(300 * 512, 1, 7), importance(512, 0.5f);
  for (const GgmlType type : {GgmlType::kQ4_0, GgmlType::kQ6_K}) {
    set_num_threads(1);
    const PackedMatrix one = quantize_ggml(source_of_values(x, 300), {type}, importance);
    set_num_threads(3);
    EXPECT_TRUE(same_bytes(one, quantize_ggml(source_of_values(x, 300), {type}, importance)));
  }
  set_num_threads(threads);
}

TEST(GgmlBlocks, KeepsWhatIsAlreadyOnTheGrid) {
  const std::vector<float> w = normal_values(6 * 64, 0.02f, 1);
  for (const GgmlType type : {GgmlType::kQ4_0, GgmlType::kQ8_0}) {
    const PackedMatrix once = quantize_ggml(source_of_values(w, 6), {type});
    const PackedMatrix twice = quantize_ggml(source_of(once), {type});
    EXPECT_LT(relative_error(source_of(once), twice), 1e-3)
        << to_string(type);  // f16 rounding of the scale
  }
}

TEST(GgmlBlocks, ErrorIsAtMostHalfAStep) {
  const std::vector<float> w = normal_values(4 * 96, 1, 2);
  const std::vector<float> q8 =
      quantize_ggml(source_of_values(w, 4), {GgmlType::kQ8_0}).dequantize();
  for (std::size_t b = 0; b < w.size(); b += 32) {
    float largest = 0;
    for (std::size_t i = b; i < b + 32; ++i) largest = std::max(largest, std::fabs(w[i]));
    // half a step, and 127 steps off by the f16 rounding of the scale
    for (std::size_t i = b; i < b + 32; ++i)
      EXPECT_LE(std::fabs(w[i] - q8[i]), largest / 254 + largest * 0x1p-11f * 1.01f);
  }
}

TEST(GgmlBlocks, RefusesWhatF16CannotHold) {
  std::vector<float> w = normal_values(2 * 64, 1, 3);
  w[70] = 1e8f;
  EXPECT_EQ(
      message_of<UserError>([&] { quantize_ggml(source_of_values(w, 2), {GgmlType::kQ8_0}); }),
      "weight [2, 64]: 1 blocks need a scale or minimum beyond the largest f16, 65504, which Q8_0 "
      "stores; use an int "
      "encoding with f32 scales");
  for (const GgmlType type : {GgmlType::kQ4_1, GgmlType::kQ5_0, GgmlType::kIQ4_NL}) {
    w[70] = 1e18f;  // the squares of a search do not overflow yet
    EXPECT_THAT(message_of<UserError>([&] { quantize_ggml(source_of_values(w, 2), {type}); }),
                ::testing::HasSubstr(" 1 blocks need a scale"));
    w[70] = 1e30f;
    const std::vector<float> importance(64, 1.0f);
    EXPECT_THAT(
        message_of<UserError>([&] { quantize_ggml(source_of_values(w, 2), {type}, importance); }),
        ::testing::HasSubstr(" blocks need a scale"));
  }
  std::vector<float> wide = normal_values(2 * 512, 1, 3);
  for (const float beyond : {1e9f, 1e15f, 1e30f}) {
    wide[600] = beyond;
    for (const GgmlType type : {GgmlType::kQ4_K, GgmlType::kQ5_K, GgmlType::kQ6_K})
      EXPECT_THAT(message_of<UserError>([&] { quantize_ggml(source_of_values(wide, 2), {type}); }),
                  ::testing::HasSubstr(" 1 blocks need a scale"));
  }
  w[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(
      message_of<UserError>([&] { quantize_ggml(source_of_values(w, 2), {GgmlType::kQ4_1}); }),
      ::testing::HasSubstr("found 1 that are NaN or infinite"));
}

TEST(GgmlBlocks, RefusesTypesThatAreOnlyRead) {
  const std::vector<float> w = normal_values(256, 1, 3);
  for (const GgmlType type :
       {GgmlType::kQ2_K, GgmlType::kQ3_K, GgmlType::kIQ4_XS, GgmlType::kMXFP4})
    EXPECT_EQ(message_of<UserError>([&] { quantize_ggml(source_of_values(w, 1), {type}); }),
              std::string(to_string(type)) +
                  " encoding: can be read but not written; use one of Q4_0, Q4_1, Q5_0, Q5_1, "
                  "Q8_0, Q4_K, Q5_K, Q6_K, IQ4_NL");
}

TEST(GgmlBlocks, RefusesImpossibleImportance) {
  const std::vector<float> w = normal_values(2 * 64, 1, 3);
  const auto refusal = [&](std::vector<float> importance) {
    return message_of<UserError>(
        [&] { quantize_ggml(source_of_values(w, 2), {GgmlType::kQ4_0}, importance); });
  };
  EXPECT_EQ(refusal(std::vector<float>(128, 1.0f)),
            "weight [2, 64]: expected importance for 64 columns, found it for 128");
  std::vector<float> importance(64, 1.0f);
  for (const auto& [value, text] : {std::pair(-1.0f, "-1"),
                                    {std::numeric_limits<float>::quiet_NaN(), "nan"},
                                    {2e15f, "2e+15"}}) {
    importance[7] = value;
    EXPECT_EQ(
        refusal(importance),
        fmt::format("weight [2, 64]: expected importance from 0 to 1e15, found {} for column 7",
                    text));
  }
}

// llama.cpp has it so: weights that no input ever met may become anything.
TEST(GgmlBlocks, BlocksWithoutImportanceMayVanish) {
  const std::vector<float> w = normal_values(64, 1, 3);
  std::vector<float> importance(64, 1.0f);
  std::fill_n(importance.begin(), 32, 0.0f);
  const std::vector<float> decoded =
      quantize_ggml(source_of_values(w, 1), {GgmlType::kQ5_0}, importance).dequantize();
  const auto nonzero = [](float value) { return value != 0; };
  EXPECT_EQ(std::count_if(decoded.begin(), decoded.begin() + 32, nonzero), 0);
  EXPECT_GT(std::count_if(decoded.begin() + 32, decoded.end(), nonzero), 20);
}

}  // namespace
}  // namespace pith
