#include "pith/text/added_tokens.h"

#include <gmock/gmock.h>

#include "pith/base/test_support.h"
#include "pith/text/text_test_support.h"

namespace pith {
namespace {

Json token(int id, const char* content, const Json& more = Json::object()) {
  Json token = {{"id", id}, {"content", content}, {"normalized", false}, {"special", true}};
  token.update(more);
  return token;
}
AddedTokens load(const Json& list, const Normalizer& normalizer = {}) {
  return AddedTokens::from_json(JsonCursor(list, "t.json"), normalizer);
}
// "a[7]b": text and ids.
std::string cut(const AddedTokens& added,
                std::string_view text,
                const AddedTokens::Options& options = {}) {
  RegexScratch scratch;
  std::string shown;
  added.split(text, options, scratch, [&](std::string_view part, const AddedToken* found) {
    EXPECT_TRUE(found != nullptr || !part.empty());
    shown += found == nullptr ? "(" + std::string(part) + ")" : fmt::format("[{}]", found->id);
  });
  return shown;
}

TEST(AddedTokens, LeftmostThenLongest) {
  const AddedTokens added =
      load({token(1, "<a>"), token(2, "<a><b>"), token(3, "b>c"), token(4, "<")});
  EXPECT_EQ(cut(added, ""), "");
  EXPECT_EQ(cut(added, "plain"), "(plain)");
  EXPECT_EQ(cut(added, "x<a><b>c"), "(x)[2](c)");  // not 1, and 3 overlaps
  EXPECT_EQ(cut(added, "<a><"), "[1][4]");
  EXPECT_EQ(cut(added, "<a><b"), "[1][4](b)");
  EXPECT_EQ(cut(added, "b>c"), "[3]");
  EXPECT_EQ(cut(load(Json::array()), "x"), "(x)");
}

TEST(AddedTokens, StripsSwallowWhiteSpace) {
  const AddedTokens added = load(
      {token(1, "<l>", {{"lstrip", true}}), token(2, "<r>", {{"rstrip", true}}), token(3, "<n>")});
  EXPECT_EQ(cut(added, "a \u00a0\n<l> b"), "(a)[1]( b)");
  EXPECT_EQ(cut(added, "a <r> \t\u3000b"), "(a )[2](b)");
  EXPECT_EQ(cut(added, "<r>  <l>"), "[2][1]");  // the left one has taken them
  EXPECT_EQ(cut(added, "<n>  <l>"), "[3][1]");
  EXPECT_EQ(cut(added, "  <l>"), "[1]");
  EXPECT_EQ(cut(added, "\u180e<l>"), "(\u180e)[1]");  // not white space
}

TEST(AddedTokens, SingleWordsStandAlone) {
  const AddedTokens added = load(Json::array({token(1, "ab", {{"single_word", true}})}));
  EXPECT_EQ(cut(added, "ab ab-ab"), "[1]( )[1](-)[1]");
  EXPECT_EQ(cut(added, "xab"), "(xab)");
  EXPECT_EQ(cut(added, "abé _ab ab\u0301 ab1"), "(abé _ab ab\u0301 ab1)");
}

TEST(AddedTokens, SpecialOnesCanBePlainText) {
  const AddedTokens added = load({token(1, "<s>"), token(2, "<t>", {{"special", false}})});
  EXPECT_EQ(cut(added, "<s><t>", {.parse_special = false}), "(<s>)[2]");
}

TEST(AddedTokens, NormalizedOnesArePutInNormalForm) {
  const Json nfc = {{"type", "NFC"}};
  const AddedTokens added =
      load({token(1, "e\u0301", {{"normalized", true}}), token(2, "e\u0301e")},
           Normalizer::from_json(JsonCursor(nfc, "")));
  EXPECT_EQ(cut(added, "é", {AddedTokens::Pass::kNormalized, true}), "[1]");
  EXPECT_EQ(cut(added, "e\u0301", {AddedTokens::Pass::kNormalized, true}), "(e\u0301)");
  EXPECT_EQ(cut(added, "e\u0301e", {AddedTokens::Pass::kRaw, true}), "[2]");
  ASSERT_NE(added.find(1), nullptr);
  EXPECT_EQ(added.find(1)->content, "e\u0301");
  EXPECT_EQ(added.find(3), nullptr);
}

TEST(AddedTokens, EqualsATestOfEveryPlace) {
  const std::vector<std::string> needles = {"a", "ab", "abab", "ba", "bb", "abb"};
  Json list = Json::array();
  for (std::size_t i = 0; i < needles.size(); ++i)
    list.push_back(token(static_cast<int>(i), needles[i].c_str()));
  const AddedTokens added = load(list);
  for (unsigned number = 0; number < 3 * 3 * 3 * 3 * 3 * 3 * 3; ++number) {
    std::string text, expected;
    for (unsigned rest = number, i = 0; i < 7; ++i, rest /= 3) text += "abc"[rest % 3];
    for (std::size_t at = 0; at < text.size();) {
      std::size_t best = needles.size();
      for (std::size_t i = 0; i < needles.size(); ++i)
        if (text.substr(at).starts_with(needles[i]) &&
            (best == needles.size() || needles[i].size() > needles[best].size()))
          best = i;
      if (best < needles.size()) {
        expected += fmt::format("[{}]", best);
        at += needles[best].size();
      } else {
        expected += fmt::format("({})", text[at++]);
      }
    }
    for (std::size_t at; (at = expected.find(")(")) != std::string::npos;) expected.erase(at, 2);
    EXPECT_EQ(cut(added, text), expected) << text;
  }
}

TEST(AddedTokens, ErrorsNameThePlace) {
  const auto message = [](const Json& list) {
    return message_of<FormatError>([&] { load(list); });
  };
  EXPECT_EQ(message(Json::array({token(-1, "a")})),
            "t.json: at /0/id: expected an integer from 0 to 4194303, found -1");
  EXPECT_EQ(message({token(1, "a"), token(1, "b")}),
            "t.json: at /1/id: expected an id of its own, found 1, the id of 'a'");
  EXPECT_EQ(message({token(1, "a"), token(2, "a")}),
            "t.json: at /1/content: expected a content of its own, found 'a' again");
  EXPECT_EQ(message(Json::array({token(1, "")})),
            "t.json: at /0/content: expected 1 to 4096 bytes, found 0");
  EXPECT_EQ(message(Json::array({Json{{"id", 1}}})),
            "t.json: at /0: expected a value for 'content', found none");
  EXPECT_EQ(message(3), "t.json: expected an array, found 3");
}

}  // namespace
}  // namespace pith
