#include "pith/evaluation/text_preparation.h"

#include <gmock/gmock.h>

#include "pith/base/json.h"

namespace pith {
namespace {

using ::testing::ElementsAre;

Json golden() { return read_json_file(PITH_SOURCE_DIR "/tests/golden/evaluation/wikitext.json"); }

TEST(DetokenizeWikitext, ExamplesOfTheCard) {
  EXPECT_EQ(detokenize_wikitext(" In 2006 , he starred ( as X ) in \" Herons \" . \n"),
            " In 2006, he starred (as X) in \"Herons\".\n");
  EXPECT_EQ(detokenize_wikitext(" 1 @,@ 250 well @-@ known , 3 @.@ 5 % \n"),
            " 1,250 well-known, 3.5 %\n");
  EXPECT_EQ(detokenize_wikitext(" the band 's second album \n"), " the band's second album\n");
  EXPECT_EQ(detokenize_wikitext(" = = Career = = \n"), " == Career ==\n");
}

TEST(DetokenizeWikitext, BracketsWithoutPartnerStay) {
  EXPECT_EQ(detokenize_wikitext("( a"), "( a");
  EXPECT_EQ(detokenize_wikitext("a ) ( b ( c ) d )"), "a ) (b ( c) d )");
  EXPECT_EQ(detokenize_wikitext("(  )"), "()");
  EXPECT_EQ(detokenize_wikitext("\" a \" b \" c"), "\"a\" b \" c");
  EXPECT_EQ(detokenize_wikitext(""), "");
}

TEST(DetokenizeWikitext, KeepsTheSlipOfTheOriginal) {
  EXPECT_EQ(detokenize_wikitext("x /' 7/ y"), "x /'[0-9]/ y");
  EXPECT_EQ(detokenize_wikitext("/' 7"), "/' 7");
}

TEST(DetokenizeWikitext, EqualsLmEval) {
  const Json cases = golden().at("detokenized");
  ASSERT_EQ(cases.size(), 150u);
  for (const Json& c : cases) {
    const std::string page = c.at("page");
    EXPECT_EQ(detokenize_wikitext(page), c.at("text").get<std::string>()) << c.dump();
    EXPECT_EQ(count_words(page), c.at("words").get<std::size_t>()) << c.dump();
    EXPECT_EQ(page.size(), c.at("bytes").get<std::size_t>()) << c.dump();
  }
}

TEST(CountWords, CountsEmptyPartsAtTheEnds) {
  EXPECT_EQ(count_words(""), 1u);
  EXPECT_EQ(count_words("a"), 1u);
  EXPECT_EQ(count_words(" a  b\n"), 4u);
  EXPECT_EQ(count_words("a\u00A0b\u3000c\u2028d"), 4u);
  EXPECT_EQ(count_words("a\u200Bb"), 1u);  // zero width space is none to Python
  EXPECT_EQ(count_words("\xE2\x80"), 1u);  // cut in a character
}

TEST(WikitextPages, EqualLmEval) {
  const Json cases = golden();
  for (const Json& c : cases.at("pages")) {
    const auto pages = wikitext_pages(c.at("raw").get<std::string>());
    ASSERT_EQ(pages.size(), c.at("pages").size()) << c.dump();
    for (std::size_t p = 0; p < pages.size(); ++p) {
      const Json& expected = c.at("pages").at(p);
      EXPECT_EQ(pages[p].text, expected.at("text").get<std::string>()) << c.dump();
      EXPECT_EQ(pages[p].words, expected.at("words").get<std::size_t>()) << c.dump();
      EXPECT_EQ(pages[p].bytes, expected.at("bytes").get<std::size_t>()) << c.dump();
    }
  }
}

TEST(WikitextPages, BeginAtTitlesOfTheFirstLevel) {
  const auto pages = wikitext_pages(" \n = One = \n \n a \n = = Part = = \n b \n = Two = \n c ");
  ASSERT_EQ(pages.size(), 2u);
  EXPECT_EQ(pages[0].text, " = One =\n\na\n== Part ==\nb ");
  EXPECT_EQ(pages[1].text, " = Two =\nc ");
}

TEST(TextLines, KeepWhatIsNotBlankWithItsNewline) {
  const auto lines = text_lines(" = One = \n \n\n a b\nlast");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].text, " = One = \n");
  EXPECT_EQ(lines[1].text, " a b\n");
  EXPECT_EQ(lines[1].words, 4u);
  EXPECT_EQ(lines[1].bytes, 5u);
  EXPECT_EQ(lines[2].text, "last");
  EXPECT_TRUE(text_lines("\n \n").empty());
}

}  // namespace
}  // namespace pith
