// Numbers, lists and pictures for the terminal, at most 100 columns wide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/report/tensor_statistics.h"

namespace pith {

std::string with_commas(std::uint64_t number);  // "134,515,008"
std::string short_number(double number);        // 4 digits: "0.07132", "-1.2e-07", "12"
// "12.3 %"; what is not 0 does not read as 0: "0.0058 %".
std::string percent(double part, double whole);

// Text from a file that is safe to print: control characters and bytes that are not UTF-8 as \xNN.
std::string terminal_safe(std::string_view text);

// Lines "  name    value", values in one column and broken at spaces.
struct Fact {
  std::string name, value;
};
std::string to_text(std::span<const Fact> facts);

// `text` if it has at most `width` columns, else its beginning and an ellipsis.
std::string shortened(std::string_view text, std::size_t width);

// One character a number, its height the share of the largest; more than 64 numbers are summed up
// in neighbours to 32.
std::string sparkline(std::span<const std::uint64_t> numbers);

// A line a bin: its lower edge, a bar, the count; what lies outside comes first and last.
std::string to_text(const Histogram& histogram);

}  // namespace pith
