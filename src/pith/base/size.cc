#include "pith/base/size.h"

#include <array>
#include <charconv>
#include <cmath>

#include "pith/base/error.h"

namespace pith {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t bytes;
};
constexpr std::array<Unit, 3> kUnits{
    {{"GiB", std::uint64_t{1} << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}};

[[noreturn]] void fail_size(std::string_view text, std::string_view place, std::string remedy) {
  throw UserError(ErrorParts{.place = std::string(place),
                             .expected = "a size such as 4096, 512MiB or 1.5GiB",
                             .found = fmt::format("'{}'", text),
                             .remedy = std::move(remedy)});
}

// The bytes of a unit; "" is 1.
std::uint64_t unit_bytes(std::string_view unit, std::string_view text, std::string_view place) {
  if (unit.empty()) return 1;
  for (const Unit& known : kUnits)
    if (unit == known.name) return known.bytes;
  fail_size(text, place, "units are KiB, MiB and GiB, powers of 1024");
}

std::uint64_t whole_bytes(std::string_view digits,
                          std::uint64_t unit,
                          std::string_view text,
                          std::string_view place) {
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  if (error != std::errc{} || count > UINT64_MAX / unit)
    fail_size(text, place, "the number is too large");
  if (end != digits.data() + digits.size()) fail_size(text, place, "");
  return count * unit;
}

std::uint64_t part_bytes(std::string_view digits,
                         std::uint64_t unit,
                         std::string_view text,
                         std::string_view place) {
  double count = 0;
  const auto [end, error] = std::from_chars(
      digits.data(), digits.data() + digits.size(), count, std::chars_format::fixed);
  if (error != std::errc{} || end != digits.data() + digits.size()) fail_size(text, place, "");
  if (unit == 1) fail_size(text, place, "a number of bytes is whole");
  const double bytes = std::round(count * static_cast<double>(unit));
  if (!(bytes < 0x1p63)) fail_size(text, place, "the number is too large");
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace

std::uint64_t parse_size(std::string_view text, std::string_view place) {
  const std::size_t digits_end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view digits = text.substr(0, digits_end);
  if (digits.empty()) fail_size(text, place, "");
  std::string_view unit = text.substr(digits_end);
  if (unit.size() > 1 && unit.front() == ' ') unit.remove_prefix(1);
  const std::uint64_t factor = unit_bytes(unit, text, place);
  const bool whole = digits.find('.') == std::string_view::npos;
  const std::uint64_t bytes =
      whole ? whole_bytes(digits, factor, text, place) : part_bytes(digits, factor, text, place);
  if (bytes == 0) fail_size(text, place, "at least one byte");
  return bytes;
}

std::string format_size(std::uint64_t bytes) {
  for (const Unit& unit : kUnits) {
    if (bytes < unit.bytes) continue;
    const double value = static_cast<double>(bytes) / static_cast<double>(unit.bytes);
    const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;  // three figures
    return fmt::format("{:.{}f} {}", value, decimals, unit.name);
  }
  return fmt::format("{} B", bytes);
}

}  // namespace pith
