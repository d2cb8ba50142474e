#include "pith/codec/ggml_test_support.h"

namespace pith {
namespace {

PackedMatrix blocks_of(GgmlType type, std::vector<std::byte> bytes) {
  const std::size_t rows = bytes.size() / ggml_block_bytes(type);
  OwnedBuffer buffer =
      allocate_buffer(buffer_specs(GgmlEncoding{type}, rows, ggml_block_elements(type)).front());
  std::ranges::copy(bytes, buffer.writable.begin());
  return {GgmlEncoding{type}, rows, ggml_block_elements(type), {buffer.buffer}};
}

TEST(GgmlDequantize, EqualsTheOwnersCases) {
  const Json golden = read_golden("ggml_block_cases.json");
  std::size_t cases = 0;
  for (const Json& c : golden["cases"]) {
    const GgmlType type = ggml_type_of(c["type"].get<std::string>());
    SCOPED_TRACE(c["type"].get<std::string>() + " " + c["name"].get<std::string>());
    const std::vector<float> decoded =
        blocks_of(type, bytes_of_hex(c["block"].get<std::string>())).dequantize();
    const std::vector<std::byte> expected = bytes_of_hex(c["dequant_f32_le"].get<std::string>());
    EXPECT_TRUE(std::ranges::equal(std::as_bytes(std::span(decoded)), expected));
    ++cases;
  }
  EXPECT_EQ(cases, 65u);
}

struct TypeCase {
  GgmlType type;
  std::vector<std::size_t> f16_at;  // as in make_ggml_decoded.py
};
const std::vector<TypeCase>& all_types() {
  static const std::vector<TypeCase> kTypes = {{GgmlType::kQ4_0, {0}},
                                               {GgmlType::kQ4_1, {0, 2}},
                                               {GgmlType::kQ5_0, {0}},
                                               {GgmlType::kQ5_1, {0, 2}},
                                               {GgmlType::kQ8_0, {0}},
                                               {GgmlType::kQ2_K, {80, 82}},
                                               {GgmlType::kQ3_K, {108}},
                                               {GgmlType::kQ4_K, {0, 2}},
                                               {GgmlType::kQ5_K, {0, 2}},
                                               {GgmlType::kQ6_K, {208}},
                                               {GgmlType::kIQ4_NL, {0}},
                                               {GgmlType::kIQ4_XS, {0}},
                                               {GgmlType::kMXFP4, {}}};
  return kTypes;
}

std::vector<std::byte> random_blocks(const TypeCase& c, std::size_t blocks) {
  const std::size_t size = ggml_block_bytes(c.type);
  std::vector<std::byte> bytes(blocks * size);
  GoldenDraws draws(1);
  for (std::byte& b : bytes) b = static_cast<std::byte>(draws.next() >> 24);
  for (std::size_t b = 0; b < bytes.size(); b += size)
    for (const std::size_t at : c.f16_at) {
      std::byte& high = bytes[b + at + 1];
      if ((high & std::byte{0x7c}) == std::byte{0x7c}) high &= std::byte{0xbf};
    }
  return bytes;
}

// 256 blocks of each type, decoded by the Python package gguf.
TEST(GgmlDequantize, EqualsTheOwnersPythonOnRandomBlocks) {
  const Json golden = read_golden("ggml_decoded.json")["types"];
  EXPECT_EQ(golden.size(), all_types().size());
  for (const TypeCase& c : all_types()) {
    SCOPED_TRACE(to_string(c.type));
    const Json& expected = golden[std::string(to_string(c.type))];
    const std::vector<float> decoded = blocks_of(c.type, random_blocks(c, 256)).dequantize();
    const auto bytes = std::as_bytes(std::span(decoded));
    EXPECT_TRUE(
        std::ranges::equal(bytes.first(32), bytes_of_hex(expected["first"].get<std::string>())));
    EXPECT_EQ(fnv1a(bytes), expected["fnv1a"].get<std::string>());
  }
}

TEST(GgmlDequantize, RowsBeginAtTheirOwnBlocks) {
  for (const TypeCase& c : all_types()) {
    SCOPED_TRACE(to_string(c.type));
    const PackedMatrix matrix = blocks_of(c.type, random_blocks(c, 7));
    const std::vector<float> all = matrix.dequantize();
    std::vector<float> part(3 * matrix.cols());
    matrix.dequantize_rows(2, 3, part);
    EXPECT_EQ(std::memcmp(part.data(), all.data() + 2 * matrix.cols(), part.size() * 4), 0);
  }
}

}  // namespace
}  // namespace pith
