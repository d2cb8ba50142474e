// Tables for the terminal and for README files.
#pragma once

#include <string>
#include <vector>

namespace pith {

struct Table {
  std::string caption;               // printed above; may hold several lines
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};
// Columns aligned (numbers to the right), widths by code points.
std::string to_text(const Table& table);
std::string to_markdown(const Table& table);

}  // namespace pith
