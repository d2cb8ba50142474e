#include "pith/text/pre_tokenizer.h"

#include <gmock/gmock.h>

#include "pith/base/test_support.h"
#include "pith/text/text_test_support.h"

namespace pith {
namespace {

using Strings = std::vector<std::string>;

Strings words(const Json& document, std::string_view text, bool at_start = true) {
  RegexScratch scratch;
  Strings found;
  PreTokenizer::from_json(JsonCursor(document, "t.json"))
      .split({text, at_start}, scratch, [&](std::string_view word) { found.emplace_back(word); });
  return found;
}
Json split(const char* regex, const char* behavior, bool invert = false) {
  return {{"type", "Split"},
          {"pattern", {{"Regex", regex}}},
          {"behavior", behavior},
          {"invert", invert}};
}
Json sequence(const std::vector<Json>& steps) {
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}
const Json kByteLevel = {{"type", "ByteLevel"}, {"add_prefix_space", false}};

TEST(PreTokenizer, NoneGivesTheWholeText) {
  RegexScratch scratch;
  Strings found;
  PreTokenizer::from_json(std::nullopt).split({"a b", true}, scratch, [&](std::string_view word) {
    found.emplace_back(word);
  });
  EXPECT_EQ(found, (Strings{"a b"}));
  EXPECT_EQ(words(kByteLevel, ""), Strings{});
}

TEST(PreTokenizer, ByteLevelSplitsAsGpt2) {
  EXPECT_EQ(words(kByteLevel, "I'm here,  you're 12½ \n x"),
            (Strings{"I", "'m", " here", ",", " ", " you", "'re", " 12½", " \n", " x"}));
  EXPECT_EQ(words(kByteLevel, "IT'S a\u200bb\u0301 \u00a0b"),
            (Strings{"IT", "'", "S", " a", "\u200b", "b", "\u0301", " ", "\u00a0", "b"}));
  EXPECT_EQ(words({{"type", "ByteLevel"}}, "a b"),
            (Strings{" a", " b"}));  // the default adds a space
  EXPECT_EQ(words({{"type", "ByteLevel"}}, " a"), (Strings{" a"}));
  EXPECT_EQ(
      words({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}, "a b"),
      (Strings{"a b"}));
}

TEST(PreTokenizer, ByteLevelMapsBytesWhereStepsFollow) {
  EXPECT_TRUE(PreTokenizer::from_json(JsonCursor(kByteLevel, "")).ends_in_bytes());
  const Json then_split = sequence({kByteLevel, split("Ġ", "Isolated")});
  EXPECT_FALSE(PreTokenizer::from_json(JsonCursor(then_split, "")).ends_in_bytes());
  EXPECT_EQ(words(then_split, "a é"), (Strings{"a", "Ġ", "Ã©"}));
}

TEST(PreTokenizer, SplitHasFiveBehaviors) {
  EXPECT_EQ(words(split("-", "Isolated"), "a--b-"), (Strings{"a", "-", "-", "b", "-"}));
  EXPECT_EQ(words(split("-", "Removed"), "a--b-"), (Strings{"a", "b"}));
  EXPECT_EQ(words(split("-", "MergedWithPrevious"), "-a--b-"), (Strings{"-", "a-", "-", "b-"}));
  EXPECT_EQ(words(split("-", "MergedWithNext"), "-a--b-"), (Strings{"-a", "-", "-b", "-"}));
  EXPECT_EQ(words(split("-", "Contiguous"), "-a--b-"), (Strings{"-", "a", "--", "b", "-"}));
  EXPECT_EQ(words(split("\\p{L}+", "Removed", true), "a--b-"), (Strings{"a", "b"}));
  EXPECT_EQ(words(split("\\p{L}+", "Isolated", true), "a-b"), (Strings{"a", "-", "b"}));
  EXPECT_EQ(words(split("(?=b)", "Isolated"), "abb"),
            (Strings{"a", "b", "b"}));  // empty matches cut too
  EXPECT_EQ(
      words({{"type", "Split"}, {"pattern", {{"String", "."}}}, {"behavior", "Removed"}}, "a.b"),
      (Strings{"a", "b"}));
}

TEST(PreTokenizer, DigitsAloneOrInRuns) {
  EXPECT_EQ(words({{"type", "Digits"}, {"individual_digits", true}}, "a12½b३"),
            (Strings{"a", "1", "2", "½", "b", "३"}));
  EXPECT_EQ(words({{"type", "Digits"}}, "12a3"), (Strings{"12", "a", "3"}));
  EXPECT_EQ(words(sequence({Json{{"type", "Digits"}, {"individual_digits", true}}, kByteLevel}),
                  "in 1990s"),
            (Strings{"in", " ", "1", "9", "9", "0", "s"}));
}

TEST(PreTokenizer, MetaspaceHasThreeSchemes) {
  const auto metaspace = [](const char* scheme, bool splits) {
    return Json{
        {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}, {"split", splits}};
  };
  EXPECT_EQ(words(metaspace("always", true), "a  b ", false), (Strings{"▁a", "▁", "▁b", "▁"}));
  EXPECT_EQ(words(metaspace("first", false), "a b", true), (Strings{"▁a▁b"}));
  EXPECT_EQ(words(metaspace("first", false), "a b", false), (Strings{"a▁b"}));
  EXPECT_EQ(words(metaspace("never", true), "a b"), (Strings{"a", "▁b"}));
  EXPECT_EQ(words(metaspace("always", true), " a"), (Strings{"▁a"}));
  EXPECT_EQ(words({{"type", "Metaspace"}, {"add_prefix_space", false}}, "a b"),
            (Strings{"a", "▁b"}));  // old files
  // `first` holds for the first piece of the text, not of every step.
  EXPECT_EQ(words(sequence({split("-", "Removed"), metaspace("first", true)}), "a-b"),
            (Strings{"▁a", "b"}));
}

TEST(PreTokenizer, StepsAreBounded) {
  const auto times = [](std::size_t count, const Json& step) {
    return Json{{"type", "Sequence"}, {"pretokenizers", Json::array_t(count, step)}};
  };
  EXPECT_EQ(words(times(64, split("-", "Removed")), "a-b"), (Strings{"a", "b"}));
  EXPECT_EQ(message_of<FormatError>([&] { words(times(100'000, split("-", "Removed")), "a-b"); }),
            "t.json: at /pretokenizers/64: expected at most 64 pre-tokenizers, found more");
  EXPECT_EQ(message_of<FormatError>([&] {
              words(times(3, {{"type", "ByteLevel"}}), "a");
            }),
            "t.json: at /pretokenizers/2: expected at most 2 ByteLevel pre-tokenizers, found more");
}

TEST(PreTokenizer, ErrorsNameThePlace) {
  const auto message = [](const Json& document) {
    return message_of<FormatError>([&] { words(document, ""); });
  };
  EXPECT_EQ(message({{"type", "Whitespace"}}),
            "t.json: at /type: expected a pre-tokenizer that Pith has: ByteLevel, Split, Digits, "
            "Metaspace, Sequence, "
            "found \"Whitespace\"");
  EXPECT_EQ(message(sequence({split("[", "Isolated")})),
            "t.json: at /pretokenizers/0/pattern/Regex: the pattern '[' has a class without its "
            "']' at byte 1, which is not "
            "supported");
  EXPECT_THAT(message(split("a", "Sideways")),
              testing::HasSubstr("at /behavior: expected Isolated, Removed"));
  EXPECT_THAT(message({{"type", "Metaspace"}, {"replacement", "ab"}}),
              testing::HasSubstr("at /replacement: expected one character"));
  EXPECT_THAT(message({{"type", "Metaspace"}, {"replacement", ""}}),
              testing::HasSubstr("at /replacement: expected one character"));
  EXPECT_THAT(message({{"type", "Metaspace"}, {"prepend_scheme", "x"}}),
              testing::HasSubstr("expected always, first or never"));
  EXPECT_THAT(message({{"type", "Digits"}, {"individual_digits", 1}}),
              testing::HasSubstr("expected true or false, found 1"));
}

}  // namespace
}  // namespace pith
