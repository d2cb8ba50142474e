#include "pith/formats/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>

#include "pith/base/error.h"
#include "pith/formats/gguf_parse.h"
#include "pith/formats/gguf_test_files.h"

namespace pith {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// formats.md 4.1, byte for byte.
constexpr std::string_view kWorkedFile =
    "47475546030000000100000000000000"
    "03000000000000001400000000000000"
    "67656e6572616c2e6172636869746563"
    "74757265080000000500000000000000"
    "6c6c616d6111000000000000006c6c61"
    "6d612e626c6f636b5f636f756e740400"
    "0000020000000800000000000000742e"
    "6d657267657309000000080000000200"
    "00000000000003000000000000006120"
    "620400000000000000616220630800000000000000772e776569676874020000"
    "00200000000000000001000000000000"
    "00080000000000000000000000000000"
    "00000000000000000000000000000000"
    "d0238189919aa2aab2bac3cbd3dbe3ec"
    "f4fc040c141d252d353d464e565e666f"
    "777f0000000000000000000000000000"
    "00000000000000000000000000000000";

std::vector<std::byte> from_hex(std::string_view hex) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

std::string parse_error(std::span<const std::byte> bytes) {
  return message_of<FormatError>([&] { parse_gguf(bytes, "m.gguf"); });
}

GgufBuilder all_values() {
  GgufBuilder b;
  b.entry("u8", 0, GgufBytes().number(std::uint8_t{200}));
  b.entry("i8", 1, GgufBytes().number(std::int8_t{-5}));
  b.entry("u16", 2, GgufBytes().number(std::uint16_t{60000}));
  b.entry("i16", 3, GgufBytes().number(std::int16_t{-300}));
  b.u32("u32", 4000000000u);
  b.entry("i32", 5, GgufBytes().number(std::int32_t{-70000}));
  b.f32("f32", 0.5f);
  b.boolean("yes", true);
  b.text("text", "gr\xc3\xbc\xc3\x9f");
  b.entry("u64", 10, GgufBytes().number(std::uint64_t{1} << 63));
  b.entry("i64", 11, GgufBytes().number(std::int64_t{-1} << 40));
  b.entry("f64", 12, GgufBytes().number(1e300));
  b.texts("texts", {"", "a b", "\xff"});
  b.u32s("u32s", {1, 4000000000u});
  b.entry("f32s", 9,
          GgufBytes().number(std::uint32_t{6}).number(std::uint64_t{2}).number(1.5f).number(-2.0f));
  b.entry("bools", 9,
          GgufBytes().number(std::uint32_t{7}).number(std::uint64_t{2}).number(std::uint16_t{1}));
  b.entry("i8s", 9,
          GgufBytes().number(std::uint32_t{1}).number(std::uint64_t{2}).number(std::uint16_t{0xff02}));
  b.entry("u64s", 9,
          GgufBytes().number(std::uint32_t{10}).number(std::uint64_t{1}).number(std::uint64_t{7}));
  b.entry("empty", 9, GgufBytes().number(std::uint32_t{12}).number(std::uint64_t{0}));
  b.f32_tensor("a", {3, 2}).f32_tensor("b", {5}).f32_tensor("scalar", {});
  return b;
}

GgufFile open(const GgufBuilder& builder) {
  const TemporaryGguf file(builder.bytes());
  return GgufFile(file.path());  // the mapping outlives the name
}

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
  EXPECT_EQ(tensor.bytes.data(), file.file()->bytes().data() + 0xe0);
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
  EXPECT_EQ(error([&] { file.number("text"); }), place + "'text': expected a number, found a string");
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
  EXPECT_THAT(parse_error(std::as_bytes(std::span("PK\x03\x04 and more text", 20))),
              HasSubstr("expected the magic 'GGUF' at the start of the file, found 'PK\\x03\\x04'"));
  GgufBuilder b;
  b.version = 1;
  EXPECT_THAT(parse_error(b.bytes()), HasSubstr("expected GGUF version 2 or 3, found version 1"));
  b.version = 4;
  EXPECT_THAT(parse_error(b.bytes()), HasSubstr("found version 4"));
  b.version = 0;
  EXPECT_THAT(parse_error(b.bytes()), HasSubstr("found version 0"));
  b.version = 0x03000000;
  EXPECT_THAT(parse_error(b.bytes()), HasSubstr("expected a little-endian file, found a big-endian"));
}

TEST(Gguf, EveryTruncationIsAnError) {
  for (const auto& whole : {from_hex(kWorkedFile), all_values().bytes()}) {
    EXPECT_NO_THROW(parse_gguf(whole, "m.gguf"));
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_THROW(parse_gguf(part, "m.gguf"), FormatError) << size << " of " << whole.size();
    }
  }
}

// Only FormatError may leave a file with some bytes changed; memory errors show under ASan, since
// every file lies in a heap block of its own size.
TEST(Gguf, ChangedBytesNeverCrash) {
  constexpr std::uint32_t kSeed = 20261;
  constexpr int kRounds = 4000;
  constexpr std::array<unsigned char, 7> kNasty = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x20, 0x09};
  std::mt19937 random(kSeed);
  int refused = 0;
  for (const auto& whole :
       {from_hex(kWorkedFile), all_values().bytes(), read_bytes(golden_gguf("llama.gguf"))}) {
    const std::size_t head = std::min<std::size_t>(whole.size(), 12000);  // metadata and infos
    for (int round = 0; round < kRounds; ++round) {
      std::vector<std::byte> bytes = whole;
      for (std::uint32_t flips = 1 + random() % 4; flips > 0; --flips) {
        const std::size_t at = random() % head;
        bytes[at] = random() % 2 == 0 ? static_cast<std::byte>(kNasty[random() % kNasty.size()])
                                      : bytes[at] ^ static_cast<std::byte>(1u << random() % 8);
      }
      try {
        for (const GgufTensor& tensor : parse_gguf(bytes, "m.gguf").tensors) {
          ASSERT_GE(tensor.bytes.data(), bytes.data());
          ASSERT_LE(tensor.bytes.data() + tensor.bytes.size(), bytes.data() + bytes.size());
        }
      } catch (const FormatError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, kRounds);  // the changes do reach the checks
}

// The worked file with 8 bytes at `offset` replaced.
std::vector<std::byte> with_u64(std::size_t offset, std::uint64_t value) {
  std::vector<std::byte> bytes = from_hex(kWorkedFile);
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
  return bytes;
}

TEST(Gguf, HugeCountsAreRefusedBeforeMemoryIsTaken) {
  for (const std::uint64_t count : {std::uint64_t{20}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    EXPECT_THAT(parse_error(with_u64(0x08, count)), HasSubstr(fmt::format("{} tensor infos", count)));
    EXPECT_THAT(parse_error(with_u64(0x10, count)),
                HasSubstr(fmt::format("expected {} metadata entries, found the end", count)));
  }
  EXPECT_THAT(parse_error(with_u64(0x18, ~std::uint64_t{0})),
              HasSubstr("of metadata entry 0: expected a key of at most 256 bytes, found a length of"));
  EXPECT_THAT(parse_error(with_u64(0x34 + 4, std::uint64_t{1} << 31)),
              HasSubstr("of key 'general.architecture': expected a string of at most"));
  EXPECT_THAT(parse_error(with_u64(0x7e, std::uint64_t{1} << 29)),
              HasSubstr("of key 't.merges': expected 536870912 array elements, found the end"));
  EXPECT_THAT(parse_error(with_u64(0x7e, std::uint64_t{1} << 31)),
              HasSubstr("expected an array of at most 2^30 elements, found 2147483648"));
}

TEST(Gguf, ImpossibleShapesAreRefused) {
  EXPECT_THAT(parse_error(with_u64(0xb1, ~std::uint64_t{0})),
              HasSubstr("of tensor 'w.weight': expected fewer than 2^63 elements, found dimension 0"));
  EXPECT_THAT(parse_error(with_u64(0xb9, std::uint64_t{1} << 60)),
              HasSubstr("fewer than 2^63 elements, found dimension 1 of 1152921504606846976"));
  EXPECT_THAT(parse_error(with_u64(0xb1, 31)),
              HasSubstr("expected rows of whole Q8_0 blocks (32 elements), found rows of 31"));
  EXPECT_THAT(parse_error(with_u64(0xb9, 3)),
              HasSubstr("expected 102 bytes and padding of tensor 'w.weight', found 64 bytes before"));
  EXPECT_THAT(parse_error(with_u64(0xc5, 32)),
              HasSubstr("tensor 'w.weight' at offset 0, after the one before it, found offset 32"));
  // Elements below 2^63 whose bytes are not: F64 [2^62].
  std::vector<std::byte> bytes = with_u64(0xb1, std::uint64_t{1} << 62);
  bytes[0xc1] = std::byte{28};
  EXPECT_THAT(parse_error(bytes), HasSubstr("expected fewer than 2^64 bytes"));
  bytes = from_hex(kWorkedFile);
  bytes[0xad] = std::byte{5};
  EXPECT_THAT(parse_error(bytes), HasSubstr("expected at most 4 dimensions, found 5"));
  GgufBuilder empty;
  EXPECT_EQ(open(empty.f32_tensor("none", {0, 4})).find("none")->bytes.size(), 0u);
}

TEST(Gguf, DuplicatesAreRefused) {
  GgufBuilder tensors;
  tensors.f32_tensor("w", {1}).f32_tensor("w", {1});
  EXPECT_THAT(parse_error(tensors.bytes()),
              HasSubstr("of tensor 'w': expected every tensor name once, found it a second time"));
  std::vector<std::byte> bytes = GgufBuilder().u32("ab", 1).u32("ac", 2).bytes();
  bytes[24 + 10 + 8 + 8 + 1] = std::byte{'b'};
  EXPECT_THAT(parse_error(bytes), HasSubstr("of key 'ab': expected every key once"));
}

TEST(Gguf, OddNamesAndValuesAreRefused) {
  EXPECT_THAT(parse_error(GgufBuilder().u32("", 1).bytes()), HasSubstr("expected a key, found an empty"));
  EXPECT_THAT(parse_error(GgufBuilder().u32("a\xff", 1).bytes()),
              HasSubstr("expected a key in UTF-8, found 'a\\xff'"));
  EXPECT_THAT(parse_error(GgufBuilder().text("k", "\xed\xa0\x80").bytes()),
              HasSubstr("of key 'k': expected a string in UTF-8, found '\\xed\\xa0\\x80'"));
  EXPECT_THAT(parse_error(GgufBuilder().f32_tensor(std::string(64, 'x'), {1}).bytes()),
              HasSubstr("expected a name of at most 63 bytes, found 64"));
  EXPECT_EQ(open(GgufBuilder().f32_tensor(std::string(63, 'x'), {1})).tensors().size(), 1u);
  EXPECT_THAT(parse_error(GgufBuilder().entry("k", 13, GgufBytes().number(0)).bytes()),
              HasSubstr("expected a value type from 0 to 12, found 13"));
  EXPECT_THAT(parse_error(GgufBuilder().entry("k", 7, GgufBytes().number(std::uint64_t{2})).bytes()),
              HasSubstr("expected a boolean of 0 or 1, found 2"));
  const auto nested = GgufBytes().number(std::uint32_t{9}).number(std::uint64_t{0});
  EXPECT_THAT(parse_error(GgufBuilder().entry("k", 9, nested).bytes()),
              HasSubstr("expected array elements that are no arrays, found an array of arrays"));
  const auto large =
      GgufBytes().number(std::uint32_t{10}).number(std::uint64_t{1}).number(~std::uint64_t{0});
  EXPECT_THAT(parse_error(GgufBuilder().entry("k", 9, large).bytes()),
              HasSubstr("expected array elements below 2^63, found 18446744073709551615"));
}

TEST(Gguf, Utf8IsCheckedToItsBorders) {
  for (const char* good : {"\x7f", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf0\x90\x80\x80",
                           "\xf4\x8f\xbf\xbf"})
    EXPECT_EQ(open(GgufBuilder().text("k", good)).string("k"), good);
  for (const char* bad : {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2\x82x", "\xc3"})
    EXPECT_THAT(parse_error(GgufBuilder().text("k", bad).bytes()), HasSubstr("in UTF-8")) << bad;
}

TEST(Gguf, HonoursTheAlignment) {
  for (const std::uint32_t alignment : {1u, 8u, 64u, 4096u}) {
    GgufBuilder b;
    b.alignment = alignment;
    b.u32("general.alignment", alignment).f32_tensor("a", {3}).f32_tensor("b", {1});
    const GgufFile file = open(b);
    const auto* start = file.file()->bytes().data();
    EXPECT_EQ((file.find("a")->bytes.data() - start) % alignment, 0);
    EXPECT_EQ((file.find("b")->bytes.data() - start) % alignment, 0);
  }
  for (const std::uint32_t alignment : {0u, 24u, 0xffffffffu})
    EXPECT_THAT(parse_error(GgufBuilder().u32("general.alignment", alignment).bytes()),
                HasSubstr(fmt::format("general.alignment to be a power of two, found {}", alignment)));
  EXPECT_THAT(parse_error(GgufBuilder().text("general.alignment", "32").bytes()),
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
  for (const TypeCase& c :
       {TypeCase{0, "F32", 1, 4}, {1, "F16", 1, 2}, {2, "Q4_0", 32, 18}, {3, "Q4_1", 32, 20},
        {6, "Q5_0", 32, 22}, {8, "Q8_0", 32, 34}, {12, "Q4_K", 256, 144}, {14, "Q6_K", 256, 210},
        {16, "IQ2_XXS", 256, 66}, {20, "IQ4_NL", 32, 18}, {24, "I8", 1, 1}, {29, "IQ1_M", 256, 56},
        {30, "BF16", 1, 2}, {39, "MXFP4", 32, 17}, {42, "Q2_0", 64, 18}}) {
    GgufBuilder b;
    b.tensor("w", {2 * c.elements, 3}, c.id, std::vector<std::byte>(6 * c.bytes));
    const GgufFile file = open(b.f32_tensor("after", {1}));
    const GgufTensor& tensor = *file.find("w");
    EXPECT_EQ(tensor.type_name, c.name);
    EXPECT_EQ(tensor.bytes.size(), 6 * c.bytes);
    const bool decoded = c.id <= 3 || c.id == 8 || c.id == 30;
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

TEST(Gguf, RemovedAndUnknownTensorTypesAreRefused) {
  const auto error = [](std::uint32_t id) {
    return parse_error(GgufBuilder().tensor("w", {32}, id, std::vector<std::byte>(18)).bytes());
  };
  for (const std::uint32_t id : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u})
    EXPECT_THAT(error(id), HasSubstr(fmt::format("found type {} (", id)));
  EXPECT_THAT(error(4),
              HasSubstr("of tensor 'w': expected a tensor type in use, found type 4 (Q4_2), which was "
                        "removed from GGUF; quantize the model anew"));
  for (const std::uint32_t id : {43u, 1000u, 0xffffffffu})
    EXPECT_THAT(error(id), HasSubstr(fmt::format("expected a known tensor type, found type {}", id)));
}

TEST(Gguf, PathsThatAreNoFilesAreErrors) {
  EXPECT_THROW(GgufFile("/nonexistent/m.gguf"), FormatError);
  EXPECT_THROW(GgufFile(std::filesystem::temp_directory_path()), FormatError);
  const TemporaryGguf empty({});
  EXPECT_THAT(message_of<FormatError>([&] { GgufFile{empty.path()}; }),
              StartsWith(empty.path().string() + ": at byte 0"));
}

}  // namespace
}  // namespace pith
