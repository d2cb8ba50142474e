// Tables for the terminal and for README files.
#pragma once

#include <string>
#include <vector>

namespace pith {

// Every row has as many cells as `header`; an empty cell is missing and printed as "-".
struct Table {
  std::string caption = {};  // printed above; may hold several lines
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows = {};
};

// Columns aligned by code points; those that hold nothing but numbers (a sign, %, x or a unit after
// a space allowed) to the right. InternalError for a row of another length.
std::string to_text(const Table& table);
std::string to_markdown(const Table& table);

}  // namespace pith
