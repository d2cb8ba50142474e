#include "pith/report/table.h"

#include <gtest/gtest.h>

#include "pith/base/error.h"

namespace pith {
namespace {

const Table kTable{.caption = "WikiText-2, windows of 2048",
                   .header = {"model", "MB", "change"},
                   .rows = {{"f32", "538.1", ""}, {"int4 g128", "85", "+1.25 %"}}};

TEST(ToText, AlignsNumbersToTheRight) {
  EXPECT_EQ(to_text(kTable),
            "WikiText-2, windows of 2048\n"
            "model         MB   change\n"
            "---------  -----  -------\n"
            "f32        538.1        -\n"
            "int4 g128     85  +1.25 %\n");
}

TEST(ToMarkdown, AlignsNumbersToTheRight) {
  EXPECT_EQ(to_markdown(kTable),
            "WikiText-2, windows of 2048\n"
            "\n"
            "| model     |    MB |  change |\n"
            "|-----------|------:|--------:|\n"
            "| f32       | 538.1 |       - |\n"
            "| int4 g128 |    85 | +1.25 % |\n");
}

TEST(ToText, CountsCodePoints) {
  EXPECT_EQ(to_text({.header = {"naïve", "n"}, .rows = {{"日本", "1"}, {"abcdef", "22"}}}),
            "naïve    n\n"
            "------  --\n"
            "日本       1\n"
            "abcdef  22\n");
}

TEST(ToText, AColumnWithAWordStaysToTheLeft) {
  EXPECT_EQ(to_text({.header = {"bits"}, .rows = {{"4"}, {"mixed"}}}), "bits\n-----\n4\nmixed\n");
  EXPECT_EQ(to_text({.header = {"missing"}, .rows = {{""}}}), "missing\n-------\n-\n");
}

TEST(ToText, KnowsNumbersWithUnits) {
  for (const char* number : {"1", "-0.5", "1,024", "1e-3", "98.2 %", "3.1x", "50%", "1.50 GiB"})
    EXPECT_EQ(to_text({.header = {"a wide header"}, .rows = {{number}}}),
              "a wide header\n-------------\n" + std::string(13 - std::string(number).size(), ' ') +
                  number + "\n");
  for (const char* word : {"int4", "x1", "4 of 5", ".", "2:4", "1.2.3a"})
    EXPECT_EQ(to_text({.header = {"a wide header"}, .rows = {{word}}}),
              std::string("a wide header\n-------------\n") + word + "\n");
}

TEST(ToMarkdown, KeepsCellsInTheirColumns) {
  EXPECT_EQ(to_markdown({.header = {"a|b"}, .rows = {{"x\ny"}}}),
            "| a\\|b |\n|------|\n| x y  |\n");
}

TEST(ToText, WithoutRowsIsAHeader) { EXPECT_EQ(to_text({.header = {"a", "b"}}), "a  b\n-  -\n"); }

TEST(Tables, RefuseARowOfAnotherLength) {
  EXPECT_THROW(to_text({.header = {"a", "b"}, .rows = {{"1"}}}), InternalError);
  EXPECT_THROW(to_markdown({.header = {"a"}, .rows = {{"1", "2"}}}), InternalError);
}

}  // namespace
}  // namespace pith
