#include "pith/base/utf8.h"

#include <gtest/gtest.h>

#include <string>

#include "pith/base/error.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

// By arithmetic, as RFC 3629 defines it.
std::string encoded(char32_t c) {
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
  if (c < 0x10000)
    return {static_cast<char>(0xE0 | c >> 12),
            static_cast<char>(0x80 | (c >> 6 & 63)),
            static_cast<char>(0x80 | (c & 63))};
  return {static_cast<char>(0xF0 | c >> 18),
          static_cast<char>(0x80 | (c >> 12 & 63)),
          static_cast<char>(0x80 | (c >> 6 & 63)),
          static_cast<char>(0x80 | (c & 63))};
}

TEST(ValidUtf8Prefix, AcceptsExactlyTheScalarValues) {
  for (char32_t c = 0; c < 0x140000; ++c) {
    const std::string text = encoded(c);
    const bool is_scalar = c < 0xD800 || (c > 0xDFFF && c <= 0x10FFFF);
    ASSERT_EQ(valid_utf8_prefix(text), is_scalar ? text.size() : 0)
        << std::hex << static_cast<unsigned>(c);
  }
}

TEST(ValidUtf8Prefix, RefusesBrokenForms) {
  EXPECT_EQ(valid_utf8_prefix(""), 0u);
  EXPECT_EQ(valid_utf8_prefix("ab\xff"), 2u);
  EXPECT_EQ(valid_utf8_prefix("\xc3\xa9\x80"), 2u);
  for (const std::string bad : {"\x80",
                                "\xc0\x80",
                                "\xc1\xbf",
                                "\xe0\x80\x80",
                                "\xe0\x9f\xbf",
                                "\xf0\x80\x80\x80",
                                "\xf5\x80\x80\x80",
                                "\xc3",
                                "\xe2\x82",
                                "\xf0\x9f\x98",
                                "\xc3"
                                "a",
                                "\xe2\x82"
                                "a",
                                "\xe2"
                                "a\x82",
                                "\xf0\x9f\x98"
                                "a"})
    EXPECT_EQ(valid_utf8_prefix("x" + bad), 1u) << testing::PrintToString(bad);
}

TEST(PositionInText, CountsLinesAndColumns) {
  const auto at = [](std::size_t offset) { return position_in_text("ab\n\ncd", offset); };
  EXPECT_EQ(at(0), (TextPosition{1, 1}));
  EXPECT_EQ(at(2), (TextPosition{1, 3}));  // the line break itself
  EXPECT_EQ(at(3), (TextPosition{2, 1}));
  EXPECT_EQ(at(5), (TextPosition{3, 2}));
  EXPECT_EQ(at(6), (TextPosition{3, 3}));
  EXPECT_EQ(at(99), (TextPosition{3, 3}));
  EXPECT_EQ(position_in_text("", 0), (TextPosition{1, 1}));
  EXPECT_LT(at(2), at(3));
}

TEST(RequireUtf8, NamesTheFirstOtherByte) {
  require_utf8("\xc3\xa9", "t.txt");
  EXPECT_EQ(message_of<FormatError>([] { require_utf8("a\nb\xe9\xff", "t.txt"); }),
            "t.txt:2:2: expected UTF-8 text, found byte 0xe9");
}

}  // namespace
}  // namespace pith
