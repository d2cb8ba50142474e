#include "pith/formats/gguf/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "pith/base/error.h"
#include "pith/codec/ggml_blocks.h"
#include "pith/formats/gguf/gguf_parse.h"
#include "pith/formats/gguf/gguf_test_files.h"
#include "pith/formats/gguf/gguf_types.h"

namespace pith {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Gguf, ReadsTheWorkedFile) {
  const std::vector<std::byte> bytes = from_hex(kWorkedFile);
  ASSERT_EQ(bytes.size(), 288u);
  const TemporaryGguf temporary(bytes);
  const GgufFile file(temporary.path());
  EXPECT_EQ(file.version(), 3u);
  ASSERT_EQ(file.metadata().size(), 3u);
  EXPECT_EQ(file.metadata()[0].first, "general.architecture");
  EXPECT_EQ(file.string("general.architecture"), "llama");
  EXPECT_EQ(file.integer("llama.block_count", 0, 10), 2);
  EXPECT_EQ(*file.find_strings("t.merges"), (std::vector<std::string>{"a b", "ab c"}));
  ASSERT_EQ(file.tensors().size(), 1u);
  const GgufTensor& tensor = *file.find("w.weight");
  EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{1, 32}));
  EXPECT_EQ(tensor.type_id, 8u);
  EXPECT_EQ(tensor.type_name, "Q8_0");
  EXPECT_EQ(tensor.encoding, Encoding{GgmlEncoding{GgmlType::kQ8_0}});
  ASSERT_EQ(tensor.bytes.size(), 34u);
  EXPECT_EQ(tensor.bytes.data(), file.tensors()[0].file->bytes().data() + 0xe0);
  EXPECT_EQ(tensor.bytes[0], std::byte{0xd0});
  EXPECT_EQ(tensor.bytes[33], std::byte{0x7f});
  EXPECT_EQ(file.find("w"), nullptr);
}

TEST(Gguf, BuilderOfTheseTestsWritesTheWorkedFile) {
  GgufBuilder b;
  b.text("general.architecture", "llama").u32("llama.block_count", 2);
  b.texts("t.merges", {"a b", "ab c"});
  const std::vector<std::byte> worked = from_hex(kWorkedFile);
  b.tensor("w.weight", {32, 1}, 8, {worked.begin() + 0xe0, worked.begin() + 0xe0 + 34});
  EXPECT_EQ(b.bytes(), worked);
}

TEST(Gguf, ReadsEveryValueType) {
  for (const std::uint32_t version : {2u, 3u}) {
    GgufBuilder b = all_values();
    b.version = version;
    const GgufFile file = open(b);
    EXPECT_EQ(file.version(), version);
    EXPECT_EQ(file.integer("u8", 0, 255), 200);
    EXPECT_EQ(file.integer("i8", -5, 0), -5);
    EXPECT_EQ(file.integer("u16", 0, 60000), 60000);
    EXPECT_EQ(file.integer("i16", -300, 0), -300);
    EXPECT_EQ(file.integer("u32", 0, 4000000000), 4000000000);
    EXPECT_EQ(file.integer("i32", -70000, 0), -70000);
    EXPECT_EQ(file.number("f32"), 0.5);
    EXPECT_EQ(file.number("u32"), 4e9);
    EXPECT_EQ(file.number("i8"), -5);
    EXPECT_TRUE(file.boolean_or("yes", false));
    EXPECT_TRUE(file.boolean_or("absent", true));
    EXPECT_EQ(file.string("text"), "gr\xc3\xbc\xc3\x9f");
    EXPECT_EQ(std::get<std::uint64_t>(file.metadata()[9].second), std::uint64_t{1} << 63);
    EXPECT_EQ(file.integer("i64", INT64_MIN, 0), std::int64_t{-1} << 40);
    EXPECT_EQ(file.number("f64"), 1e300);
    EXPECT_EQ(*file.find_strings("texts"), (std::vector<std::string>{"", "a b", "\xff"}));
    EXPECT_EQ(*file.find_integers("u32s"), (std::vector<std::int64_t>{1, 4000000000}));
    EXPECT_EQ(*file.find_numbers("f32s"), (std::vector<double>{1.5, -2.0}));
    EXPECT_EQ(std::get<std::vector<bool>>(file.metadata()[15].second),
              (std::vector<bool>{true, false}));
    EXPECT_EQ(*file.find_integers("i8s"), (std::vector<std::int64_t>{2, -1}));
    EXPECT_EQ(*file.find_integers("u64s"), (std::vector<std::int64_t>{7}));
    EXPECT_TRUE(file.find_numbers("empty")->empty());
    EXPECT_EQ(file.find("a")->shape, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(file.find("scalar")->bytes.size(), 4u);
    EXPECT_EQ(file.find("b")->bytes.data() - file.find("a")->bytes.data(), 32);
  }
}

TEST(Gguf, KeysThatAreMissingOrOfAnotherTypeAreNamed) {
  const GgufFile file = open(all_values());
  EXPECT_FALSE(file.has("absent"));
  EXPECT_EQ(file.find_integer("absent", 0, 1), std::nullopt);
  EXPECT_EQ(file.find_number("absent"), std::nullopt);
  EXPECT_EQ(file.find_string("absent"), std::nullopt);
  EXPECT_EQ(file.find_strings("absent"), nullptr);
  EXPECT_EQ(file.find_integers("absent"), nullptr);
  EXPECT_EQ(file.find_numbers("absent"), nullptr);
  const auto error = [](auto&& body) { return message_of<FormatError>(body); };
  const std::string place = file.place() + ": metadata key ";
  EXPECT_EQ(error([&] { file.string("absent"); }), place + "'absent' is missing");
  EXPECT_EQ(error([&] { file.integer("absent", 0, 1); }), place + "'absent' is missing");
  EXPECT_EQ(error([&] { file.number("absent"); }), place + "'absent' is missing");
  EXPECT_EQ(error([&] { file.string("u8"); }), place + "'u8': expected a string, found an integer");
  EXPECT_EQ(error([&] { file.integer("u8", 0, 100); }),
            place + "'u8': expected an integer from 0 to 100, found 200");
  EXPECT_EQ(error([&] { file.integer("i8", 0, 100); }),
            place + "'i8': expected an integer from 0 to 100, found -5");
  EXPECT_EQ(error([&] { file.integer("u64", 0, 9); }),
            place + "'u64': expected an integer from 0 to 9, found 9223372036854775808");
  EXPECT_EQ(error([&] { file.integer("f32", 0, 9); }),
            place + "'f32': expected an integer from 0 to 9, found a float");
  EXPECT_EQ(error([&] { file.number("text"); }),
            place + "'text': expected a number, found a string");
  EXPECT_EQ(error([&] { file.boolean_or("texts", true); }),
            place + "'texts': expected a boolean, found an array of strings");
  EXPECT_EQ(error([&] { file.find_strings("u32s"); }),
            place + "'u32s': expected an array of strings, found an array of integers");
  EXPECT_EQ(error([&] { file.find_integers("f32s"); }),
            place + "'f32s': expected an array of integers, found an array of floats");
  EXPECT_EQ(error([&] { file.find_numbers("bools"); }),
            place + "'bools': expected an array of floats, found an array of booleans");
  EXPECT_EQ(error([&] { file.find_string("yes"); }),
            place + "'yes': expected a string, found a boolean");
  GgufBuilder b;
  b.f32("nan", NAN);
  const GgufFile not_finite = open(b);
  EXPECT_THAT(error([&] { not_finite.number("nan"); }), HasSubstr("expected a finite number"));
}

TEST(Gguf, HeadersOfOtherFilesAreRefusedByName) {
  EXPECT_EQ(parse_error({}),
            "m.gguf: at byte 0: expected the magic 'GGUF' of 4 bytes, found the end of the file "
            "after 0 bytes; the file is truncated or damaged");
  EXPECT_THAT(
      parse_error(std::as_bytes(std::span("PK\x03\x04 and more text", 20))),
      HasSubstr("expected the magic 'GGUF' at the start of the file, found 'PK\\x03\\x04'"));
  GgufBuilder b;
  b.version = 1;
  EXPECT_THAT(parse_error(b.bytes()), HasSubstr("expected GGUF version 2 or 3, found version 1"));
  b.version = 4;
  EXPECT_THAT(parse_error(b.bytes()), HasSubstr("found version 4"));
  b.version = 0;
  EXPECT_THAT(parse_error(b.bytes()), HasSubstr("found version 0"));
  b.version = 0x03000000;
  EXPECT_THAT(parse_error(b.bytes()),
              HasSubstr("expected a little-endian file, found a big-endian"));
}

TEST(Gguf, HonoursTheAlignment) {
  for (const std::uint32_t alignment : {1u, 8u, 64u, 4096u}) {
    GgufBuilder b;
    b.alignment = alignment;
    b.u32("general.alignment", alignment).f32_tensor("a", {3}).f32_tensor("b", {1});
    const GgufFile file = open(b);
    const auto* start = file.tensors()[0].file->bytes().data();
    EXPECT_EQ((file.find("a")->bytes.data() - start) % alignment, 0);
    EXPECT_EQ((file.find("b")->bytes.data() - start) % alignment, 0);
  }
  for (const std::uint32_t alignment : {0u, 24u, 0xffffffffu})
    EXPECT_THAT(
        parse_error(GgufBuilder().u32("general.alignment", alignment).bytes()),
        HasSubstr(fmt::format("general.alignment to be a power of two, found {}", alignment)));
  EXPECT_THAT(
      parse_error(GgufBuilder().text("general.alignment", "32").bytes()),
      HasSubstr("of key 'general.alignment': expected a value of type 4 (u32), found type 8"));
  GgufBuilder far;  // legal, but the data would start behind the end
  far.u32("general.alignment", 1u << 31).f32_tensor("a", {1});
  EXPECT_THAT(parse_error(far.bytes()), HasSubstr("expected tensor data from byte 2147483648 on"));
}

struct TypeCase {
  std::uint32_t id;
  std::string_view name;
  std::uint64_t elements, bytes;
};

// A sample of formats.md 4.2, types that Pith does not decode among them.
TEST(Gguf, KnowsTheSizesOfAllTensorTypes) {
  for (const TypeCase& c : {TypeCase{0, "F32", 1, 4},
                            {1, "F16", 1, 2},
                            {2, "Q4_0", 32, 18},
                            {3, "Q4_1", 32, 20},
                            {6, "Q5_0", 32, 22},
                            {8, "Q8_0", 32, 34},
                            {12, "Q4_K", 256, 144},
                            {14, "Q6_K", 256, 210},
                            {16, "IQ2_XXS", 256, 66},
                            {20, "IQ4_NL", 32, 18},
                            {24, "I8", 1, 1},
                            {29, "IQ1_M", 256, 56},
                            {30, "BF16", 1, 2},
                            {39, "MXFP4", 32, 17},
                            {42, "Q2_0", 64, 18}}) {
    GgufBuilder b;
    b.tensor("w", {2 * c.elements, 3}, c.id, std::vector<std::byte>(6 * c.bytes));
    const GgufFile file = open(b.f32_tensor("after", {1}));
    const GgufTensor& tensor = *file.find("w");
    EXPECT_EQ(tensor.type_name, c.name);
    EXPECT_EQ(tensor.bytes.size(), 6 * c.bytes);
    const bool decoded = c.id != 16 && c.id != 24 && c.id != 29 && c.id != 42;
    EXPECT_EQ(tensor.encoding.has_value(), decoded) << c.name;
  }
  const auto encoding = [](std::uint32_t id, std::uint64_t block) {
    GgufBuilder b;
    return *open(b.tensor("w", {32}, id, std::vector<std::byte>(block))).find("w")->encoding;
  };
  EXPECT_EQ(encoding(0, 128), Encoding{DenseEncoding{DType::kF32}});
  EXPECT_EQ(encoding(1, 64), Encoding{DenseEncoding{DType::kF16}});
  EXPECT_EQ(encoding(30, 64), Encoding{DenseEncoding{DType::kBF16}});
  EXPECT_EQ(encoding(2, 18), Encoding{GgmlEncoding{GgmlType::kQ4_0}});
  EXPECT_EQ(encoding(3, 20), Encoding{GgmlEncoding{GgmlType::kQ4_1}});
}

TEST(Gguf, DecodedTypesHaveTheSizesOfTheCodec) {
  for (const auto& [type, name] : kGgmlTypeNames) {
    const auto id = static_cast<std::uint32_t>(type);
    const GgufType* row = find_gguf_type(id);
    ASSERT_NE(row, nullptr) << name;
    EXPECT_EQ(row->name, name);
    EXPECT_EQ(row->block_elements, ggml_block_elements(type)) << name;
    EXPECT_EQ(row->block_bytes, ggml_block_bytes(type)) << name;
    EXPECT_EQ(encoding_of_gguf_type(id), Encoding{GgmlEncoding{type}});
  }
}

TEST(Gguf, RemovedAndUnknownTensorTypesAreRefused) {
  const auto error = [](std::uint32_t id) {
    return parse_error(GgufBuilder().tensor("w", {32}, id, std::vector<std::byte>(18)).bytes());
  };
  for (const std::uint32_t id : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u})
    EXPECT_THAT(error(id), HasSubstr(fmt::format("found type {} (", id)));
  EXPECT_THAT(
      error(4),
      HasSubstr("of tensor 'w': expected a tensor type in use, found type 4 (Q4_2), which was "
                "removed from GGUF; quantize the model anew"));
  for (const std::uint32_t id : {43u, 1000u, 0xffffffffu})
    EXPECT_THAT(error(id),
                HasSubstr(fmt::format("expected a known tensor type, found type {}", id)));
}

TEST(Gguf, PathsThatAreNoFilesAreErrors) {
  EXPECT_THROW(GgufFile{"/nonexistent/m.gguf"}, FormatError);
  EXPECT_THROW(GgufFile{std::filesystem::temp_directory_path()}, FormatError);
  const TemporaryGguf empty({});
  EXPECT_THAT(message_of<FormatError>([&] { GgufFile{empty.path()}; }),
              StartsWith(empty.path().string() + ": at byte 0"));
}

}  // namespace
}  // namespace pith
