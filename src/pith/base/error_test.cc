#include "pith/base/error.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "pith/base/test_support.h"

namespace pith {
namespace {

TEST(Error, JoinsTheParts) {
  EXPECT_STREQ(UserError({"--bits", "1 to 8", "9", "use 8"}).what(),
               "--bits: expected 1 to 8, found 9; use 8");
  EXPECT_STREQ(UserError({"--bits", "1 to 8", "", ""}).what(), "--bits: expected 1 to 8");
  EXPECT_STREQ(UserError({"a.gguf", "", "a folder", ""}).what(), "a.gguf: found a folder");
  EXPECT_STREQ(UserError({"a.gguf", "", "", "pull it first"}).what(), "a.gguf: pull it first");
  EXPECT_STREQ(UserError({"", "1 to 8", "9", ""}).what(), "expected 1 to 8, found 9");
}

TEST(Error, FailFormats) {
  EXPECT_EQ(message_of<FormatError>([] { fail<FormatError>("{} of {}", 3, "x"); }), "3 of x");
}

TEST(Error, RequireThrowsOnlyWhenBroken) {
  EXPECT_NO_THROW(require(true, "never {}", 1));
  EXPECT_EQ(message_of<UserError>([] { require(false, "bits is {}", 9); }), "bits is 9");
}

TEST(Error, ContextGoesInFrontAndKeepsTheType) {
  const auto inner = [] {
    in_context("while loading 'b'", [] { fail<FormatError>("too short"); });
  };
  EXPECT_EQ(message_of<FormatError>([&] { in_context("in a", inner); }),
            "in a: while loading 'b': too short");
}

TEST(Error, MessagesCannotSteerATerminal) {
  EXPECT_STREQ(FormatError("tensor 'a\x1b[2J\rb\x7f'").what(), "tensor 'a\\x1b[2J\\x0db\\x7f'");
  EXPECT_STREQ(FormatError("\xc2\x9b 2\xc2\xa0\xc3\xa9\n").what(),
               "\\xc2\\x9b 2\xc2\xa0\xc3\xa9\n");
  EXPECT_STREQ(FormatError("\xff \xe4\xbd \xc2").what(), "\\xff \\xe4\\xbd \\xc2");
  FormatError error("inside");
  error.add_context("\b");
  EXPECT_STREQ(error.what(), "\\x08: inside");
}

TEST(Error, LongMessagesKeepTheirEnds) {
  const std::string place(3000, 'p'), remedy(1000, 'r');
  EXPECT_EQ(FormatError(place + remedy).what(), place + remedy);
  EXPECT_EQ(FormatError(place + std::string(5 << 20, 'x') + remedy).what(),
            place + " ... " + remedy);
  // Not inside a character on either side.
  EXPECT_EQ(FormatError(std::string(2999, 'p') + "\xc3\xa9" + std::string(999, 'r')).what(),
            std::string(2999, 'p') + "\xc3\xa9" + std::string(999, 'r'));
  EXPECT_EQ(FormatError(std::string(2999, 'p') + "\xc3\xa9\xc3\xa9" + std::string(999, 'r')).what(),
            std::string(2999, 'p') + " ... " + std::string(999, 'r'));
}

TEST(Error, ContextReturnsTheValue) {
  int value = 3;
  EXPECT_EQ(&in_context("reading", [&]() -> int& { return value; }), &value);
}

TEST(Error, ErrnoIsSpeltOut) {
  errno = ENOSPC;
  EXPECT_EQ(message_of<FormatError>([] { fail_errno("out/a", "cannot write"); }),
            "out/a: cannot write: No space left on device");
}

TEST(Error, CheckPrintsTheConditionAndThePlace) {
  const int rows = 2;
  EXPECT_NO_THROW(PITH_CHECK(rows == 2));
  EXPECT_THAT(message_of<InternalError>([&] { PITH_CHECK(rows == 3); }),
              testing::AllOf(testing::HasSubstr("error_test.cc:"),
                             testing::HasSubstr("rows == 3 does not hold")));
}

}  // namespace
}  // namespace pith
