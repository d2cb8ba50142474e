#include "pith/text/regex.h"

#include <gmock/gmock.h>

#include "pith/base/test_support.h"
#include "pith/text/text_test_support.h"

namespace pith {
namespace {

std::vector<std::string> matches(const std::string& pattern, std::string_view text) {
  RegexScratch scratch;
  std::vector<std::string> found;
  Regex(pattern).for_each(text, scratch, [&](TextRange range) {
    found.emplace_back(text.substr(range.begin, range.end - range.begin));
  });
  return found;
}
using Strings = std::vector<std::string>;

TEST(Regex, FindsUnicodeClasses) {
  EXPECT_EQ(matches(R"(\p{L}+)", "ab é日 1ж"), (Strings{"ab", "é日", "ж"}));
  EXPECT_EQ(matches(R"((?i:'s))", "'s 'S 'ſ"), (Strings{"'s", "'S", "'ſ"}));
  EXPECT_EQ(matches(R"([^\s\p{L}]+)", "a1-\u00a0b"), (Strings{"1-"}));
  EXPECT_EQ(matches("x*", "axxb"),
            (Strings{"", "xx", ""}));  // as the regex crates: no empty match right after a match
}

TEST(Regex, ReadsEscapesAsOnigurumaDoes) {
  EXPECT_EQ(matches(R"(\s)", "a\u180eb\u0085c\u2003"),
            (Strings{"\u0085", "\u2003"}));  // U+180E is not white space
  EXPECT_EQ(matches(R"([\s])", "\u180e\u3000"), (Strings{"\u3000"}));
  EXPECT_EQ(matches(R"(\S)", "\u180e "), (Strings{"\u180e"}));
  EXPECT_EQ(matches(R"(\w+)", "a_1\u0301\u203f-½"), (Strings{"a_1\u0301\u203f"}));
  EXPECT_EQ(matches(R"(\h+)", "1aG f"), (Strings{"1a", "f"}));
  EXPECT_EQ(matches(R"([\h]+|\v)", "bZ\x0b"), (Strings{"b", "\x0b"}));
  EXPECT_EQ(matches(R"(\u00e9|\x{1F600}|\x41)", "é😀A"), (Strings{"é", "😀", "A"}));
  EXPECT_EQ(matches("^b$", "a\nb\nc"), (Strings{"b"}));
  EXPECT_EQ(matches(R"([\d\-\]]+)", "1-]٣a"), (Strings{"1-]٣"}));
  EXPECT_EQ(matches(R"(\p{^L}\P{L}a{2,3}b{1}c{1,})", "12aabcc"), (Strings{"12aabcc"}));
}

TEST(Regex, RefusesWhatTheEnginesReadDifferently) {
  const auto message = [](const std::string& pattern) {
    return message_of<FormatError>([&] { Regex regex(pattern); });
  };
  EXPECT_EQ(message("a{1,3}+"),
            "the pattern 'a{1,3}+' has a '+' after '}' at byte 6, which is not supported");
  for (const char* pattern :
       {"[a[b]]",   "[a&&b]",  "[[:alpha:]]", "(?<name>a)", "(?i)a",   "(?R)",
        "(*FAIL)",  R"(\K)",   R"(\1)",       R"(\R)",      R"([\W])", R"([\H])",
        R"(\Q.\E)", "a{,3}",   "a{",          "[]a]",       "[a",      R"(\p)",
        R"(\pL)",   R"(\u12)", R"(\x{})",     R"(\x{12)",   "\\",      R"(\bword)"})
    EXPECT_THAT(message(pattern), testing::EndsWith("which is not supported")) << pattern;
}

TEST(Regex, ReportsWhatDoesNotCompile) {
  const auto message = [](const std::string& pattern) {
    return message_of<FormatError>([&] { Regex regex(pattern); });
  };
  EXPECT_EQ(message("a("),
            "the pattern 'a(' does not compile: missing closing parenthesis (byte 2 of 'a(')");
  EXPECT_THAT(message("*"), testing::HasSubstr("does not compile"));
  EXPECT_THAT(message(R"(\p{Nonsense})"), testing::HasSubstr("does not compile"));
  EXPECT_THAT(message(std::string(1000, '(') + std::string(1000, ')')),
              testing::HasSubstr("does not compile"));
  EXPECT_EQ(message(std::string(70000, 'a')),
            "expected a pattern of at most 65536 bytes, found 70000");
}

// A million spaces are one match less the last; nothing is cut short by the stack of JIT code.
TEST(Regex, LongRunsAreMatchedWhole) {
  const Regex regex(R"(\s+(?!\S)|\s+)");
  RegexScratch scratch;
  const std::string spaces(1'000'000, ' ');
  EXPECT_EQ(regex.find(spaces, 0, scratch), (TextRange{0, spaces.size()}));
  EXPECT_EQ(regex.find(spaces + "x", 0, scratch), (TextRange{0, spaces.size() - 1}));
  const Regex llama3(R"([^\r\n\p{L}\p{N}]?\p{L}+|\s*[\r\n]+|\s+(?!\S)|\s+)");
  EXPECT_EQ(llama3.find(spaces + "x", 0, scratch), (TextRange{0, spaces.size() - 1}));
  const std::string letters(1'000'000, 'e');
  EXPECT_EQ(llama3.find(letters, 0, scratch), (TextRange{0, letters.size()}));
}

// Groups that repeat need stack for each round: 8 MiB is not enough here, and the interpreter
// finishes the job.
TEST(Regex, InterpreterTakesOverWhenTheStackEnds) {
  const std::string text(300'000, 'a');
  RegexScratch scratch;
  EXPECT_EQ(Regex("(a|b(c))*").find(text, 0, scratch), (TextRange{0, text.size()}));
}

TEST(Regex, GivingUpIsAnError) {
  RegexScratch scratch;
  const Regex regex("(a+a+)+b");
  EXPECT_THAT(
      message_of<FormatError>([&] { regex.find(std::string(60, 'a') + "cb", 0, scratch); }),
      testing::AllOf(
          testing::HasSubstr("the pattern '(a+a+)+b' fails on a text of 62 bytes, after byte 0: "),
          testing::HasSubstr("limit exceeded")));
}

}  // namespace
}  // namespace pith
