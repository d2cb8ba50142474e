#include "pith/text/normalizer.h"

#include <gmock/gmock.h>

#include "pith/base/test_support.h"
#include "pith/text/text_test_support.h"

namespace pith {
namespace {

std::string normalized(const Json& document, std::string_view text) {
  RegexScratch scratch;
  std::string storage;
  return std::string(
      Normalizer::from_json(JsonCursor(document, "t.json")).apply(text, storage, scratch));
}

TEST(NormalForm, ComposesAndDecomposes) {
  EXPECT_EQ(normal_form("e\u0301", NormalForm::kNfc), "é");
  EXPECT_EQ(normal_form("é", NormalForm::kNfd), "e\u0301");
  EXPECT_EQ(normal_form("ﬁ²", NormalForm::kNfc), "ﬁ²");
  EXPECT_EQ(normal_form("ﬁ²", NormalForm::kNfkc), "fi2");
  EXPECT_EQ(normal_form("ﬁé", NormalForm::kNfkd), "fie\u0301");
  EXPECT_EQ(normal_form("\u212b\u2126", NormalForm::kNfc), "Å\u03a9");   // singletons
  EXPECT_EQ(normal_form("\u1100\u1161\u11a8", NormalForm::kNfc), "각");  // Hangul
  EXPECT_EQ(normal_form("각", NormalForm::kNfd), "\u1100\u1161\u11a8");
  EXPECT_EQ(normal_form("\u0958", NormalForm::kNfc), "\u0915\u093c");  // a composition exclusion
  EXPECT_EQ(normal_form("a\u0315\u0316", NormalForm::kNfc),
            "a\u0316\u0315");  // marks in canonical order
  EXPECT_EQ(normal_form("a\u0316\u0301", NormalForm::kNfc),
            "á\u0316");  // not blocked by a lower class
  EXPECT_EQ(normal_form("\u0301", NormalForm::kNfc), "\u0301");
}

TEST(NormalForm, ASecondTimeChangesNothing) {
  const std::string text =
      "q\u0307\u0323 \u1e0b\u0323 \u0344 \u0f73 \uac00\u11a8 \u2f00 \U0001d15e ﬃ";
  for (const auto form :
       {NormalForm::kNfc, NormalForm::kNfd, NormalForm::kNfkc, NormalForm::kNfkd}) {
    const std::string once = normal_form(text, form);
    EXPECT_EQ(normal_form(once, form), once);
  }
}

// Half a million marks in the wrong order: quadratic sorting would take an hour.
TEST(NormalForm, LongRunsOfMarksAreSortedQuickly) {
  std::string text = "a", expected = "a";
  constexpr int kMarks = 250'000;
  for (int i = 0; i < kMarks; ++i) text += "\u0315\u0316";
  for (int i = 0; i < kMarks; ++i) expected += "\u0316";
  for (int i = 0; i < kMarks; ++i) expected += "\u0315";
  EXPECT_TRUE(normal_form(text, NormalForm::kNfc) == expected);
}

TEST(Normalizer, StepsActInOrder) {
  EXPECT_EQ(normalized({{"type", "NFC"}}, "e\u0301"), "é");
  const Json prepend = {{"type", "Prepend"}, {"prepend", "▁"}};
  EXPECT_EQ(normalized(prepend, "a"), "▁a");
  EXPECT_EQ(normalized(prepend, ""), "");
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}};
  EXPECT_EQ(
      normalized({{"type", "Sequence"}, {"normalizers", Json::array({prepend, replace})}}, " a  b"),
      "▁▁a▁▁b");
  EXPECT_EQ(normalized({{"type", "Replace"}, {"pattern", {{"Regex", "\\d+"}}}, {"content", "#"}},
                       "a12b3"),
            "a#b#");
  EXPECT_EQ(normalized({{"type", "Sequence"}, {"normalizers", Json::array()}}, "a"), "a");
}

TEST(Normalizer, GrowthIsBounded) {
  const Json doubling = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};
  const auto times = [&](std::size_t count) {
    return Json{{"type", "Sequence"}, {"normalizers", Json::array_t(count, doubling)}};
  };
  EXPECT_EQ(normalized(times(5), "ab").size(), 33u);
  EXPECT_EQ(message_of<FormatError>([&] { normalized(times(64), "ab"); }),
            "a replacement by 'aa' makes more than 320 bytes of a text of 257");
  EXPECT_EQ(message_of<FormatError>([&] { normalized(times(65), ""); }),
            "t.json: at /normalizers/64: expected at most 64 normalizers, found more");
  const Json prepend = {{"type", "Prepend"}, {"prepend", std::string(300, 'x')}};
  EXPECT_EQ(message_of<FormatError>([&] { normalized(prepend, "a"); }),
            "the normalizer makes more than 288 bytes of a text");
}

TEST(Normalizer, ErrorsNameThePlace) {
  const auto message = [](const Json& document) {
    return message_of<FormatError>([&] { normalized(document, ""); });
  };
  EXPECT_EQ(message({{"type", "Lowercase"}}),
            "t.json: at /type: expected a normalizer that Pith has: NFC, NFD, NFKC, NFKD, Prepend, "
            "Replace, Sequence, "
            "found \"Lowercase\"");
  EXPECT_EQ(message({{"type", "Replace"}, {"content", ""}, {"pattern", {{"Regex", "("}}}}),
            "t.json: at /pattern/Regex: the pattern '(' does not compile: missing closing "
            "parenthesis (byte 1 of '(')");
  EXPECT_EQ(message({{"type", "Replace"}, {"content", ""}, {"pattern", {{"String", ""}}}}),
            "t.json: at /pattern/String: expected a string that is not empty, found \"\"");
  EXPECT_EQ(
      message({{"type", "Replace"}, {"content", ""}, {"pattern", Json::object()}}),
      "t.json: at /pattern: expected an object with 'String' or 'Regex', found an empty object");
  EXPECT_EQ(message({{"type", "Sequence"}, {"normalizers", Json::array({Json{{"type", 3}}})}}),
            "t.json: at /normalizers/0/type: expected a string, found 3");
  EXPECT_EQ(message({{"type", "Prepend"}}), "t.json: expected a value for 'prepend', found none");
}

}  // namespace
}  // namespace pith
