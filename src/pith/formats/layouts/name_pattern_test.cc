#include "pith/formats/layouts/name_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pith/formats/test_files.h"

namespace pith {
namespace {

const Json kNull;

NamePattern pattern(std::string_view text) { return NamePattern(text, JsonCursor(kNull, "c")); }

std::string refusal(std::string_view text) {
  return error_of<FormatError>([&] { pattern(text); });
}

// The expectations are those of Python's re.match.
TEST(NamePattern, MatchesAsPython) {
  struct Case {
    const char *pattern, *name;
    bool matches;
  };
  constexpr Case kCases[] = {
      {".*lm_head", "lm_head", true},
      {"lm_head", "model.lm_head", false},
      {"model.layers.0", "model.layers.01.mlp", true},
      {"model\\.layers\\.[0-3]\\.mlp\\..*_proj$", "model.layers.2.mlp.up_proj", true},
      {"model\\.layers\\.[0-3]\\.mlp\\..*_proj$", "model.layers.4.mlp.up_proj", false},
      {"model\\.layers\\.(0|1|1\\d)\\.", "model.layers.17.mlp", true},
      {"model\\.layers\\.(0|1|1\\d)\\.", "model.layers.27.mlp", false},
      {".*(q|k|v)_proj$", "a.k_proj", true},
      {".*(?:gate|up)_proj", "a.down_proj", false},
      {"^(?!.*vision).*proj", "text.proj", true},
      {"^(?!.*vision).*proj", "vision.proj", false},
      {"a(?=b).", "ab", true},
      {"a(?=b)b", "ac", false},
      {"a{2,3}$", "aaa", true},
      {"a{2,3}$", "aaaa", false},
      {"a{2}$", "aa", true},
      {"a{,2}$", "aaa", false},
      {"a{x}", "a{x}", true},
      {"x*?y", "xxy", true},
      {"[^.]+\\.b", "aa.b", true},
      {"[^.]+\\.b", "a.a.b", false},
      {"[]a-]+$", "a]-", true},
      {"[\\w.]+$", "a_9.b", true},
      {"\\bup\\b", "up.x", true},
      {"up\\b", "up_x", false},
      {"(?P<n>a)b", "ab", true},
      {"", "anything", true},
      {"a||b", "c", true},
      {"(a*)*b", "aaaac", false},
  };
  for (const Case& item : kCases)
    EXPECT_EQ(pattern(item.pattern).matches(item.name), item.matches)
        << item.pattern << " on " << item.name;
}

TEST(NamePattern, TellsWhereMatchesEnd) {
  EXPECT_EQ(pattern("a+").match_ends("aab"), (std::vector<bool>{false, true, true, false}));
  EXPECT_EQ(pattern("x").match_ends(""), std::vector<bool>{false});
}

// A backtracking engine needs 2^100 steps for the first two.
TEST(NamePattern, HostileExpressionsEnd) {
  const std::string name(100, 'a');
  EXPECT_FALSE(pattern("(a+)+$b").matches(name));
  EXPECT_FALSE(pattern("(a|aa|a*)*b").matches(name));
  EXPECT_FALSE(pattern("(((a{0,9}){0,9}){0,9})b").matches(name));
  EXPECT_EQ(refusal("(((a{0,99}){0,99}){0,99})b"),
            "c: expected a regular expression of at most 4096 steps, found more");
  for (const char* empty : {"((((){1000}){1000}){1000}){1000}", "(((a{0}){1000}){1000}){1000}"})
    EXPECT_THAT(refusal(empty), testing::HasSubstr("at most 4096 steps")) << empty;
  EXPECT_EQ(refusal(std::string(40, '(')),
            "c: expected a regular expression that Pith understands, found more than 32 groups "
            "inside each other before character 34; name the modules in another way");
  EXPECT_EQ(refusal(std::string(1025, 'a')),
            "c: expected a regular expression of at most 1024 characters, found 1025");
}

TEST(NamePattern, RefusesWhatItDoesNotKnow) {
  struct Case {
    const char *pattern, *found;
  };
  constexpr Case kCases[] = {
      {"a)", "an unmatched ')' before character 2"},
      {"(a", "a group without its ')' before character 3"},
      {"[a", "a class without its ']' before character 3"},
      {"a\\", "a backslash at the end before character 3"},
      {"(a)\\1", "'\\1', which is not known, before character 6"},
      {"(?<=a)b", "a kind of group that is not known before character 2"},
      {"(?i)b", "a kind of group that is not known before character 2"},
      {"*a", "nothing to repeat before character 1"},
      {"a**", "a double repetition before character 3"},
      {"a{3,2}", "a repetition that ends before it begins before character 7"},
      {"a{9999}", "a repetition beyond 1000 before character 6"},
      {"[z-a]", "a range that ends before it begins before character 5"},
      {"^*", "a repeated assertion before character 3"},
      {"(?=.*(?!a))", "a lookahead inside another before character 9"},
      {"(?:(?!a)b)*", "a repeated assertion before character 12"},
      {"(?=a)(?=a)(?=a)(?=a)(?=a)", "more than 4 lookaheads before character 24"},
      {"(?P<n", "a group with a malformed name before character 6"},
  };
  for (const Case& item : kCases)
    EXPECT_EQ(refusal(item.pattern),
              fmt::format("c: expected a regular expression that Pith understands, found {}; name "
                          "the modules in another way",
                          item.found));
}

}  // namespace
}  // namespace pith
