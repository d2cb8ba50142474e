#include "pith/base/enum_table.h"

#include <algorithm>
#include <numeric>

namespace pith {
namespace {

constexpr std::size_t kMaxNameBytes =
    128;  // longer words are not misspelt names; keeps the table small

// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours count 1
// each.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string nearest_name(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.empty() || word.size() > kMaxNameBytes) return "";
  std::string_view best;
  std::size_t best_distance =
      std::max<std::size_t>(1, word.size() / 3) + 1;  // a third of the letters may be wrong
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kMaxNameBytes) continue;
    const std::size_t distance = edit_distance(word, candidate);
    if (distance >= best_distance || distance >= candidate.size()) continue;
    best = candidate;
    best_distance = distance;
  }
  return std::string(best);
}

std::string join_names(std::span<const std::string_view> names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

void fail_unknown_name(std::string_view place,
                       std::string_view found,
                       std::span<const std::string_view> choices) {
  const std::string nearest = nearest_name(found, choices);
  throw UserError(
      ErrorParts{.place = std::string(place),
                 .expected = "one of " + join_names(choices),
                 .found = fmt::format("'{}'", found),
                 .remedy = nearest.empty() ? "" : fmt::format("did you mean '{}'", nearest)});
}

}  // namespace pith
