#include "pith/text/code_points.h"

#include <gtest/gtest.h>

#include "pith/base/random.h"
#include "pith/base/utf8.h"

namespace pith {
namespace {

TEST(CodePoints, EveryOneRoundTrips) {
  for (char32_t point = 0; point < 0x110000; ++point) {
    if (point >= 0xD800 && point < 0xE000) continue;
    std::string text;
    append_utf8(text, point);
    const CodePoint read = code_point_at(text, 0);
    ASSERT_EQ(read.value, point);
    ASSERT_EQ(read.bytes, text.size());
    ASSERT_EQ(valid_utf8_prefix(text), text.size());
  }
}

TEST(ReplaceInvalid, OneForEachMaximalPart) {
  const std::string bad(kReplacementCharacter);
  EXPECT_EQ(replace_invalid_utf8(""), "");
  EXPECT_EQ(replace_invalid_utf8("aé€😀"), "aé€😀");
  // Unicode 15, table 3-8.
  EXPECT_EQ(replace_invalid_utf8("a\xF1\x80\x80\xE1\x80\xC2"
                                 "b\x80"
                                 "c\x80\xBF"
                                 "d"),
            "a" + bad + bad + bad + "b" + bad + "c" + bad + bad + "d");
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF"), bad + bad);            // overlong
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80"), bad + bad + bad);  // a surrogate
  EXPECT_EQ(replace_invalid_utf8("\xF4\x90\x80\x80"), bad + bad + bad + bad);
  EXPECT_EQ(replace_invalid_utf8("\xF0\x9F\x98"), bad);  // cut off
  EXPECT_EQ(replace_invalid_utf8("\xE2\x82"), bad);
}

TEST(ReplaceInvalid, GivesValidTextForAnyBytes) {
  const Random random(7, 1);
  for (std::uint64_t run = 0; run < 2000; ++run) {
    std::string bytes;
    for (std::uint64_t i = 0; i < run % 40; ++i)
      bytes += static_cast<char>(
          random.bits(run * 64 + i) % 3 == 0 ? 'a' : 0x80 + random.bits(run * 64 + i) / 3 % 128);
    const std::string text = replace_invalid_utf8(bytes);
    EXPECT_EQ(valid_utf8_prefix(text), text.size()) << "run " << run;
    if (valid_utf8_prefix(bytes) == bytes.size()) {
      EXPECT_EQ(text, bytes);
    }
  }
}

TEST(IncompleteTail, IsWhatMoreBytesCouldComplete) {
  EXPECT_EQ(incomplete_utf8_tail(""), 0u);
  EXPECT_EQ(incomplete_utf8_tail("a€"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("a\xE2"), 1u);
  EXPECT_EQ(incomplete_utf8_tail("a\xE2\x82"), 2u);
  EXPECT_EQ(incomplete_utf8_tail("a\xF0\x9F\x98"), 3u);
  EXPECT_EQ(incomplete_utf8_tail("\x80\x80\x80"), 0u);  // starts nothing
  EXPECT_EQ(incomplete_utf8_tail("\xE0\x80"), 0u);      // overlong: no byte can save it
  EXPECT_EQ(incomplete_utf8_tail("\xFF"), 0u);
}

TEST(Numeric, IsGeneralCategoryN) {
  for (const char32_t yes : {U'0', U'9', U'½', U'²', U'Ⅷ', U'٣', U'५', U'〇'})
    EXPECT_TRUE(is_numeric(yes)) << std::uint32_t{yes};
  for (const char32_t no : {U'a', U' ', U'/', U':', U'一', U'é'})
    EXPECT_FALSE(is_numeric(no)) << std::uint32_t{no};
}

}  // namespace
}  // namespace pith
