#include "pith/report/terminal.h"

#include <gmock/gmock.h>

namespace pith {
namespace {

TEST(Numbers, ForPeople) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(134515008), "134,515,008");
  EXPECT_EQ(short_number(0.0713249), "0.07132");
  EXPECT_EQ(percent(1, 4), "25.0 %");
  EXPECT_EQ(percent(1, 400), "0.25 %");
  EXPECT_EQ(percent(1, 1e6), "0.0001 %");
  EXPECT_EQ(percent(0, 4), "0 %");
  EXPECT_EQ(percent(0, 0), "0 %");
}

TEST(TerminalSafe, HidesWhatATerminalWouldObey) {
  EXPECT_EQ(terminal_safe("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(terminal_safe("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
  EXPECT_EQ(terminal_safe("\xff-\xc3"), "\\xff-\\xc3");
}

TEST(Facts, StandInTwoColumnsAndBreakAtSpaces) {
  std::string words;
  for (int i = 0; i < 40; ++i) words += "words ";
  const std::string text = to_text(std::vector<Fact>{{"a", "one"}, {"long", words}});
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    lines.push_back(text.substr(begin, end - begin));
    EXPECT_LE(lines.back().size(), 100u);
    begin = end + 1;
  }
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0], "  a     one");
  EXPECT_TRUE(lines[1].starts_with("  long  words words"));
  EXPECT_TRUE(lines[2].starts_with("        words words"));
}

TEST(Shortened, CountsCodePoints) {
  EXPECT_EQ(shortened("abcdef", 6), "abcdef");
  EXPECT_EQ(shortened("abcdef", 4), "abc…");
  EXPECT_EQ(shortened("äöüäöü", 4), "äöü…");
}

TEST(Sparkline, HeightsAreShares) {
  EXPECT_EQ(sparkline(std::vector<std::uint64_t>{0, 1, 50, 100}), " ▁▄█");
  EXPECT_EQ(sparkline(std::vector<std::uint64_t>{0, 0}), "  ");
  EXPECT_EQ(sparkline(std::vector<std::uint64_t>{}), "");
  std::vector<std::uint64_t> many(256, 1);
  std::string flat;
  for (int i = 0; i < 32; ++i) flat += "█";
  EXPECT_EQ(sparkline(many), flat);
}

TEST(HistogramText, DrawsALineABin) {
  std::string full;
  for (int i = 0; i < 56; ++i) full += "█";
  const std::string text =
      to_text(Histogram{.low = -1, .high = 2, .bins = {1, 2000, 0}, .below = 0, .above = 1000});
  EXPECT_EQ(text,
            "           -1 │▏ 1\n"
            "            0 │" +
                full +
                " 2,000\n"
                "            1 │0\n"
                "        above │" +
                full.substr(0, 28 * 3) + " 1,000\n");
  EXPECT_EQ(to_text(Histogram{}), "");
}

}  // namespace
}  // namespace pith
