#include "pith/base/size.h"

#include "pith/base/error.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

TEST(ParseSize, ReadsUnitsAndFractions) {
  EXPECT_EQ(parse_size("4096", "x"), 4096u);
  EXPECT_EQ(parse_size("2GiB", "x"), std::uint64_t{2} << 30);
  EXPECT_EQ(parse_size("512 MiB", "x"), 512u << 20);
  EXPECT_EQ(parse_size("1.5GiB", "x"), std::uint64_t{3} << 29);
  EXPECT_EQ(parse_size(".5KiB", "x"), 512u);
  EXPECT_EQ(parse_size("18446744073709551615", "x"), ~std::uint64_t{0});
}

TEST(ParseSize, SaysWhatIsWrong) {
  const auto message = [](std::string_view text) {
    return message_of<UserError>([&] { parse_size(text, "--max-memory"); });
  };
  const std::string start = "--max-memory: expected a size such as 4096, 512MiB or 1.5GiB, found ";
  EXPECT_EQ(message("2GB"), start + "'2GB'; units are KiB, MiB and GiB, powers of 1024");
  EXPECT_EQ(message("1.5"), start + "'1.5'; a number of bytes is whole");
  EXPECT_EQ(message("18446744073709551616"),
            start + "'18446744073709551616'; the number is too large");
  EXPECT_EQ(message("17179869184GiB"), start + "'17179869184GiB'; the number is too large");
  EXPECT_EQ(message("9999999999999999.9GiB"),
            start + "'9999999999999999.9GiB'; the number is too large");
  EXPECT_EQ(message("0"), start + "'0'; at least one byte");
  EXPECT_EQ(message("0.0MiB"), start + "'0.0MiB'; at least one byte");
  for (const std::string bad : {"",
                                "-1",
                                "GiB",
                                "1.2.3KiB",
                                ".",
                                "1e3",
                                "0x10",
                                "nan",
                                "inf",
                                "1  MiB",
                                "1 ",
                                " 1",
                                "1,5MiB"})
    EXPECT_TRUE(message(bad).starts_with(start + "'" + bad + "'")) << message(bad);
}

TEST(FormatSize, ShowsThreeFigures) {
  EXPECT_EQ(format_size(0), "0 B");
  EXPECT_EQ(format_size(1023), "1023 B");
  EXPECT_EQ(format_size(1024), "1.00 KiB");
  EXPECT_EQ(format_size(std::uint64_t{3} << 29), "1.50 GiB");
  EXPECT_EQ(format_size(214 << 20), "214 MiB");
  EXPECT_EQ(format_size((21 << 20) + (2 << 18)), "21.5 MiB");
  EXPECT_EQ(format_size(~std::uint64_t{0}), "17179869184 GiB");
}

TEST(FormatSize, IsReadBackWithinItsFigures) {
  for (std::uint64_t bytes = 1; bytes < std::uint64_t{1} << 50; bytes = bytes * 3 + 1) {
    const std::string text = format_size(bytes);
    if (text.ends_with(" B")) continue;
    EXPECT_NEAR(static_cast<double>(parse_size(text, "x")),
                static_cast<double>(bytes),
                0.0051 * static_cast<double>(bytes))
        << text;
  }
}

}  // namespace
}  // namespace pith
