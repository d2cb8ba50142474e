#include "pith/report/table.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "pith/base/error.h"

namespace pith {
namespace {

constexpr std::string_view kMissing = "-";

// Columns of the terminal that a UTF-8 text takes, one a code point.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// "12", "-0.5", "1,024", "1e-3", "98.2 %", "3x", "1.50 GiB".
bool is_number(std::string_view text) {
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) text.remove_prefix(1);
  const std::size_t end = std::min(text.find_first_not_of("0123456789.,eE+-"), text.size());
  const bool digit_first = !text.empty() && text.front() >= '0' && text.front() <= '9';
  const std::string_view unit = text.substr(end);
  return digit_first && (unit.empty() || unit == "%" || unit == "x" ||
                         (unit.front() == ' ' && unit.find(' ', 1) == std::string_view::npos));
}

enum class Align { kLeft, kRight };

struct Column {
  std::size_t width = 0;
  Align align = Align::kLeft;
};

// The header and the rows with missing cells filled in and every cell passed through `prepare`.
template <class Prepare>
std::vector<std::vector<std::string>> cells_of(const Table& table, Prepare&& prepare) {
  std::vector<std::vector<std::string>> lines{table.header};
  lines.insert(lines.end(), table.rows.begin(), table.rows.end());
  for (auto& line : lines) {
    PITH_CHECK(line.size() == table.header.size());
    for (std::string& cell : line) cell = cell.empty() ? std::string(kMissing) : prepare(cell);
  }
  return lines;
}

std::vector<Column> columns_of(const std::vector<std::vector<std::string>>& lines) {
  std::vector<Column> columns(lines.front().size());
  for (std::size_t c = 0; c < columns.size(); ++c) {
    std::size_t numbers = 0, others = 0;
    for (std::size_t l = 0; l < lines.size(); ++l) {
      const std::string& cell = lines[l][c];
      columns[c].width = std::max(columns[c].width, width_of(cell));
      if (l == 0 || cell == kMissing) continue;
      ++(is_number(cell) ? numbers : others);
    }
    if (numbers > 0 && others == 0) columns[c].align = Align::kRight;
  }
  return columns;
}

std::string padded(const std::string& cell, const Column& column) {
  const std::string space(column.width - width_of(cell), ' ');
  return column.align == Align::kRight ? space + cell : cell + space;
}

std::string caption_of(const Table& table, std::string_view after) {
  return table.caption.empty() ? "" : table.caption + std::string(after);
}

}  // namespace

std::string to_text(const Table& table) {
  const auto lines = cells_of(table, [](const std::string& cell) {
    std::string flat = cell;
    std::replace(flat.begin(), flat.end(), '\n', ' ');
    return flat;
  });
  const std::vector<Column> columns = columns_of(lines);
  std::string out = caption_of(table, "\n");
  for (std::size_t l = 0; l < lines.size(); ++l) {
    std::string text, rule;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      text += (c > 0 ? "  " : "") + padded(lines[l][c], columns[c]);
      rule += (c > 0 ? "  " : "") + std::string(columns[c].width, '-');
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
    if (l == 0) out += rule + "\n";
  }
  return out;
}

std::string to_markdown(const Table& table) {
  const auto lines = cells_of(table, [](const std::string& cell) {
    std::string escaped;
    for (const char c : cell) {
      if (c == '|') escaped += '\\';
      escaped += c == '\n' ? ' ' : c;
    }
    return escaped;
  });
  const std::vector<Column> columns = columns_of(lines);
  std::string out = caption_of(table, "\n\n");
  for (std::size_t l = 0; l < lines.size(); ++l) {
    out += "|";
    for (std::size_t c = 0; c < columns.size(); ++c)
      out += " " + padded(lines[l][c], columns[c]) + " |";
    out += "\n";
    if (l > 0) continue;
    out += "|";
    for (const Column& column : columns)
      out += std::string(column.width + 1, '-') + (column.align == Align::kRight ? ":|" : "-|");
    out += "\n";
  }
  return out;
}

}  // namespace pith
