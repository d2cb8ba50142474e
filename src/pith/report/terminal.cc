#include "pith/report/terminal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pith/base/utf8.h"

namespace pith {
namespace {

constexpr std::size_t kColumns = 100;
constexpr std::size_t kBarColumns = 56;

constexpr std::string_view kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
constexpr std::string_view kHeights[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

// `count` of at most `largest` in eighths of a column; what is not 0 shows.
std::string bar(std::uint64_t count, std::uint64_t largest) {
  if (count == 0) return "";
  const double share = static_cast<double>(count) / static_cast<double>(largest);
  const auto eighths = std::max<std::size_t>(
      1, static_cast<std::size_t>(std::lround(share * static_cast<double>(8 * kBarColumns))));
  std::string text;
  for (std::size_t i = 0; i < eighths / 8; ++i) text += "█";
  return text + std::string(kEighths[eighths % 8]);
}

std::string histogram_line(std::string_view label, std::uint64_t count, std::uint64_t largest) {
  const std::string drawn = bar(count, largest);
  const std::string space(drawn.empty() ? 0 : 1, ' ');
  return fmt::format("{:>13} │{}{}{}\n", label, drawn, space, with_commas(count));
}

// The value broken at spaces into lines of at most `width` columns; a longer word stands alone.
std::vector<std::string> broken(std::string_view value, std::size_t width) {
  std::vector<std::string> lines(1);
  for (std::size_t begin = 0; begin <= value.size();) {
    const std::size_t end = std::min(value.find(' ', begin), value.size());
    const std::string_view word = value.substr(begin, end - begin);
    if (!lines.back().empty() && columns_of(lines.back()) + 1 + columns_of(word) > width)
      lines.emplace_back();
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back() += word;
    begin = end + 1;
  }
  return lines;
}

}  // namespace

std::string with_commas(std::uint64_t number) {
  std::string text = fmt::to_string(number);
  for (std::size_t i = 3; i < text.size(); i += 4) text.insert(text.size() - i, 1, ',');
  return text;
}

std::string short_number(double number) { return fmt::format("{:.4g}", number); }

std::string percent(double part, double whole) {
  if (part == 0 || whole == 0) return "0 %";
  const double share = 100 * part / whole;
  return share < 1 ? fmt::format("{:.2g} %", share) : fmt::format("{:.1f} %", share);
}

std::string terminal_safe(std::string_view text) {
  std::string safe;
  while (!text.empty()) {
    const std::size_t valid = valid_utf8_prefix(text);
    for (const char c : text.substr(0, valid)) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || byte == 0x7f)
        safe += fmt::format("\\x{:02x}", byte);
      else
        safe += c;
    }
    text.remove_prefix(valid);
    if (text.empty()) break;
    safe += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    text.remove_prefix(1);
  }
  return safe;
}

std::string to_text(std::span<const Fact> facts) {
  std::size_t name_columns = 0;
  for (const Fact& fact : facts) name_columns = std::max(name_columns, columns_of(fact.name));
  std::string text;
  for (const Fact& fact : facts) {
    std::string name = fact.name;
    for (const std::string& line : broken(fact.value, kColumns - name_columns - 4)) {
      text += fmt::format("  {}{:{}}  {}\n", name, "", name_columns - columns_of(name), line);
      name.clear();
    }
  }
  return text;
}

std::string shortened(std::string_view text, std::size_t width) {
  if (columns_of(text) <= width) return std::string(text);
  std::string kept;
  std::size_t columns = 0;
  for (const char c : text) {
    if ((c & 0xC0) != 0x80 && ++columns >= width) break;
    kept += c;
  }
  return kept + "…";
}

std::string sparkline(std::span<const std::uint64_t> numbers) {
  constexpr std::size_t kMost = 64, kSummed = 32;
  std::vector<std::uint64_t> sums(numbers.begin(), numbers.end());
  if (numbers.size() > kMost) {
    sums.assign(kSummed, 0);
    for (std::size_t i = 0; i < numbers.size(); ++i)
      sums[i * kSummed / numbers.size()] += numbers[i];
  }
  const std::uint64_t largest = sums.empty() ? 0 : *std::ranges::max_element(sums);
  std::string text;
  for (const std::uint64_t sum : sums) {
    const double share = largest == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(largest);
    const auto height = static_cast<std::size_t>(std::lround(8 * share));
    text += kHeights[sum > 0 ? std::max<std::size_t>(1, height) : 0];
  }
  return text;
}

std::string to_text(const Histogram& histogram) {
  if (histogram.bins.empty()) return "";
  const std::uint64_t largest = std::max({*std::ranges::max_element(histogram.bins),
                                          histogram.below,
                                          histogram.above,
                                          std::uint64_t{1}});
  std::string text;
  if (histogram.below > 0) text += histogram_line("below", histogram.below, largest);
  const double width =
      (histogram.high - histogram.low) / static_cast<double>(histogram.bins.size());
  for (std::size_t b = 0; b < histogram.bins.size(); ++b) {
    double edge = histogram.low + static_cast<double>(b) * width;
    if (std::abs(edge) < width * 1e-9) edge = 0;  // not what rounding left of it
    text += histogram_line(short_number(edge), histogram.bins[b], largest);
  }
  if (histogram.above > 0) text += histogram_line("above", histogram.above, largest);
  return text;
}

}  // namespace pith
