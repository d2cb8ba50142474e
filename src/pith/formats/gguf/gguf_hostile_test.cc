// Files that are damaged or made to do harm.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "pith/base/error.h"
#include "pith/formats/gguf/gguf_parse.h"
#include "pith/formats/gguf/gguf_test_files.h"

namespace pith {
namespace {

using ::testing::HasSubstr;

TEST(Gguf, EveryTruncationIsAnError) {
  // The padding behind the last tensor may be missing: 30 bytes after one block of Q8_0, 28 after
  // one number.
  for (const auto& [whole, padding] :
       {std::pair(from_hex(kWorkedFile), 30), std::pair(all_values().bytes(), 28)}) {
    const std::size_t needed = whole.size() - static_cast<std::size_t>(padding);
    for (std::size_t size = needed; size <= whole.size(); ++size)
      EXPECT_NO_THROW(parse_gguf(std::span(whole).first(size), "m.gguf")) << size;
    for (std::size_t size = 0; size < needed; ++size) {
      const std::vector<std::byte> part(whole.begin(),
                                        whole.begin() + static_cast<std::ptrdiff_t>(size));
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
    EXPECT_THAT(parse_error(with_u64(0x08, count)),
                HasSubstr(fmt::format("{} tensor infos", count)));
    EXPECT_THAT(parse_error(with_u64(0x10, count)),
                HasSubstr(fmt::format("expected {} metadata entries, found the end", count)));
  }
  EXPECT_THAT(
      parse_error(with_u64(0x18, ~std::uint64_t{0})),
      HasSubstr("of metadata entry 0: expected a key of at most 256 bytes, found a length of"));
  EXPECT_THAT(parse_error(with_u64(0x34 + 4, std::uint64_t{1} << 31)),
              HasSubstr("of key 'general.architecture': expected a string of at most"));
  EXPECT_THAT(parse_error(with_u64(0x7e, std::uint64_t{1} << 29)),
              HasSubstr("of key 't.merges': expected 536870912 array elements, found the end"));
  EXPECT_THAT(parse_error(with_u64(0x7e, std::uint64_t{1} << 31)),
              HasSubstr("expected an array of at most 2^30 elements, found 2147483648"));
}

// Files that are large enough for what they announce, so that only the limits stand between them
// and memory of many times their size.
TEST(Gguf, ListsAreBounded) {
  std::vector<std::byte> bytes = with_u64(0x08, (1 << 18) + 1);
  bytes.resize(((1 << 18) + 1) * 24 + bytes.size());
  EXPECT_THAT(parse_error(bytes), HasSubstr("expected at most 262144 tensors, found 262145"));
  bytes = with_u64(0x10, (1 << 16) + 1);
  bytes.resize(((1 << 16) + 1) * 14 + bytes.size());
  EXPECT_THAT(parse_error(bytes),
              HasSubstr("expected at most 65536 metadata entries, found 65537"));

  const auto array = [](std::uint32_t type, std::uint64_t count, std::size_t bytes_each) {
    GgufBytes value;
    value.number(type).number(count).raw(std::vector<std::byte>(count * bytes_each));
    return parse_error(GgufBuilder().entry("k", 9, std::move(value)).bytes());
  };
  constexpr const char* kRefusal =
      "of key 'k': expected metadata that take at most 100663296 bytes of memory, found more";
  EXPECT_THAT(array(8, std::uint64_t{13} << 19, 8), HasSubstr(kRefusal));  // empty strings
  EXPECT_THAT(array(0, std::uint64_t{25} << 20, 1), HasSubstr(kRefusal));  // kept as 64 bits
  GgufBuilder texts;
  for (const char* key : {"a", "b", "c"}) texts.text(key, std::string(std::size_t{40} << 20, 'x'));
  EXPECT_THAT(parse_error(texts.bytes()), HasSubstr("of key 'c': expected metadata that take"));
}

TEST(Gguf, LengthsThatWrapAreRefused) {
  constexpr std::size_t kFirstLength = 0x18;
  for (const std::uint64_t length :
       {std::uint64_t{1} << 63, (std::uint64_t{1} << 63) - 1, ~std::uint64_t{0} - kFirstLength - 7})
    EXPECT_THAT(parse_error(with_u64(kFirstLength, length)),
                HasSubstr(fmt::format("found a length of {}", length)));
  for (const std::uint64_t offset : {std::uint64_t{1} << 63, ~std::uint64_t{31}})
    EXPECT_THAT(parse_error(with_u64(0xc5, offset)),
                HasSubstr(fmt::format("found offset {}", offset)));
}

TEST(Gguf, ImpossibleShapesAreRefused) {
  EXPECT_THAT(
      parse_error(with_u64(0xb1, ~std::uint64_t{0})),
      HasSubstr("of tensor 'w.weight': expected fewer than 2^63 elements, found dimension 0"));
  EXPECT_THAT(parse_error(with_u64(0xb9, std::uint64_t{1} << 60)),
              HasSubstr("fewer than 2^63 elements, found dimension 1 of 1152921504606846976"));
  EXPECT_THAT(parse_error(with_u64(0xb1, 31)),
              HasSubstr("expected rows of whole Q8_0 blocks (32 elements), found rows of 31"));
  EXPECT_THAT(
      parse_error(with_u64(0xb9, 3)),
      HasSubstr("expected 102 bytes of tensor 'w.weight' and its padding, found 64 bytes before"));
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
  EXPECT_THAT(parse_error(GgufBuilder().u32("", 1).bytes()),
              HasSubstr("expected a key, found an empty"));
  EXPECT_THAT(parse_error(GgufBuilder().u32("a\xff", 1).bytes()),
              HasSubstr("expected a key in UTF-8, found 'a\\xff'"));
  EXPECT_THAT(parse_error(GgufBuilder().text("k", "\xed\xa0\x80").bytes()),
              HasSubstr("of key 'k': expected a string in UTF-8, found '\\xed\\xa0\\x80'"));
  EXPECT_THAT(parse_error(GgufBuilder().f32_tensor(std::string(64, 'x'), {1}).bytes()),
              HasSubstr("expected a name of at most 63 bytes, found 64"));
  EXPECT_EQ(open(GgufBuilder().f32_tensor(std::string(63, 'x'), {1})).tensors().size(), 1u);
  EXPECT_THAT(parse_error(GgufBuilder().entry("k", 13, GgufBytes().number(0)).bytes()),
              HasSubstr("expected a value type from 0 to 12, found 13"));
  EXPECT_THAT(
      parse_error(GgufBuilder().entry("k", 7, GgufBytes().number(std::uint64_t{2})).bytes()),
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
  for (const char* good :
       {"\x7f", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_EQ(open(GgufBuilder().text("k", good)).string("k"), good);
  for (const char* bad : {"\x80",
                          "\xc1\xbf",
                          "\xe0\x9f\xbf",
                          "\xed\xa0\x80",
                          "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80",
                          "\xf5\x80\x80\x80",
                          "\xe2\x82",
                          "\xe2\x82x",
                          "\xc3"})
    EXPECT_THAT(parse_error(GgufBuilder().text("k", bad).bytes()), HasSubstr("in UTF-8")) << bad;
}

}  // namespace
}  // namespace pith
