#include "pith/codec/ggml_blocks.h"

#include "pith/codec/test_support.h"

namespace pith {
namespace {

TEST(GgmlBlocks, EqualTheOwnersByteForByte) {
  const Json golden = read_golden("ggml_block_cases.json");
  std::size_t cases = 0;
  for (const Json& c : golden["cases"]) {
    SCOPED_TRACE(c["type"].get<std::string>() + " " + c["name"].get<std::string>());
    std::string name = c["type"].get<std::string>();
    for (char& letter : name) letter = static_cast<char>(std::toupper(letter));
    const GgmlType type = parse_enum<GgmlType>(name, "golden");
    if (!ggml_is_writable(type) || c.contains("weights_f32_le")) continue;
    const std::vector<float> x = floats_of_hex(c["input_f32_le"].get<std::string>());
    const PackedMatrix packed = quantize_ggml(source_of_values(x, 1), {type});
    EXPECT_EQ(bytes_of(packed, "codes"), bytes_of_hex(c["block"].get<std::string>()));
    ++cases;
  }
  EXPECT_EQ(cases, 15u);
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
  w[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(
      message_of<UserError>([&] { quantize_ggml(source_of_values(w, 2), {GgmlType::kQ4_1}); }),
      ::testing::HasSubstr("found 1 that are NaN or infinite"));
}

}  // namespace
}  // namespace pith
