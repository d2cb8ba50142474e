#include "pith/evaluation/text_preparation.h"

#include <algorithm>
#include <array>
#include <utility>

namespace pith {
namespace {

// White space that takes more than one byte in UTF-8; with kOneByteSpaces it is Python's `\s`.
constexpr std::array<std::string_view, 19> kLongSpaces = {"\u00A0",
                                                          "\u1680",
                                                          "\u2000",
                                                          "\u2001",
                                                          "\u2002",
                                                          "\u2003",
                                                          "\u2004",
                                                          "\u2005",
                                                          "\u2006",
                                                          "\u2007",
                                                          "\u2008",
                                                          "\u2009",
                                                          "\u200A",
                                                          "\u2028",
                                                          "\u2029",
                                                          "\u202F",
                                                          "\u205F",
                                                          "\u3000",
                                                          "\xC2\x85"};
constexpr std::string_view kOneByteSpaces = " \t\n\v\f\r\x1C\x1D\x1E\x1F";

// Bytes of the white space that `text` begins with, or ends with; 0 if there is none.
std::size_t leading_space(std::string_view text) {
  if (text.empty()) return 0;
  if (kOneByteSpaces.find(text.front()) != std::string_view::npos) return 1;
  if (static_cast<unsigned char>(text.front()) < 0xC2) return 0;
  for (const std::string_view space : kLongSpaces)
    if (text.starts_with(space)) return space.size();
  return 0;
}

std::size_t trailing_space(std::string_view text) {
  if (text.empty()) return 0;
  if (kOneByteSpaces.find(text.back()) != std::string_view::npos) return 1;
  if (static_cast<unsigned char>(text.back()) < 0x80) return 0;
  for (const std::string_view space : kLongSpaces)
    if (text.ends_with(space)) return space.size();
  return 0;
}

std::string_view strip(std::string_view text) {
  while (const std::size_t bytes = leading_space(text)) text.remove_prefix(bytes);
  while (const std::size_t bytes = trailing_space(text)) text.remove_suffix(bytes);
  return text;
}

// Python's str.replace: left to right, not overlapping.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size());
  while (true) {
    const std::size_t at = text.find(from);
    out.append(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    out.append(to);
    text.remove_prefix(at + from.size());
  }
}

// re.sub(r"/' [0-9]/", r"/'[0-9]/", text): the replacement is taken literally.
std::string replace_quoted_digit(std::string_view text) {
  constexpr std::string_view kStart = "/' ";
  std::string out;
  while (true) {
    const std::size_t at = text.find(kStart);
    const std::string_view rest = at == std::string_view::npos ? "" : text.substr(at);
    const bool match = rest.size() >= 5 && rest[3] >= '0' && rest[3] <= '9' && rest[4] == '/';
    if (at == std::string_view::npos) return out.append(text);
    out.append(text.substr(0, at));
    out.append(match ? "/'[0-9]/" : rest.substr(0, 1));
    text.remove_prefix(at + (match ? 5 : 1));
  }
}

// re.sub(r"\(\s*([^\)]*?)\s*\)", r"(\1)", text), and alike for other pairs: from an opening sign to
// the next closing one, white space inside at both ends goes.
std::string strip_inside(std::string_view text, char open, char close) {
  std::string out;
  out.reserve(text.size());
  while (true) {
    const std::size_t begin = text.find(open);
    const std::size_t end = begin == std::string_view::npos ? begin : text.find(close, begin + 1);
    if (end == std::string_view::npos) return out.append(text);
    out.append(text.substr(0, begin + 1));
    out.append(strip(text.substr(begin + 1, end - begin - 1)));
    out.push_back(close);
    text.remove_prefix(end + 1);
  }
}

using Replacement = std::pair<std::string_view, std::string_view>;

constexpr Replacement kSeparators[] = {{" @-@ ", "-"},
                                       {" @,@ ", ","},
                                       {" @.@ ", "."},
                                       {" : ", ": "},
                                       {" ; ", "; "},
                                       {" . ", ". "},
                                       {" ! ", "! "},
                                       {" ? ", "? "},
                                       {" , ", ", "}};
constexpr std::pair<char, char> kBrackets[] = {
    {'(', ')'}, {'[', ']'}, {'{', '}'}, {'"', '"'}, {'\'', '\''}};
constexpr Replacement kRest[] = {{"= = = =", "===="},
                                 {"= = =", "==="},
                                 {"= =", "=="},
                                 {" \u00B0 ", "\u00B0"},
                                 {" \n", "\n"},
                                 {"\n ", "\n"},
                                 {" N ", " 1 "},
                                 {" 's", "'s"}};

// A heading of the first level; deeper ones have their signs doubled.
bool is_title(std::string_view line) {
  const std::string joined = replace_all(replace_all(line, "= = =", "==="), "= =", "==");
  const std::string_view heading = strip(joined);
  return heading.starts_with("= ") && heading.ends_with(" =");
}

// Calls `use` with each line, its newline included.
template <class Use>
void for_each_line(std::string_view text, Use&& use) {
  while (!text.empty()) {
    const std::size_t newline = text.find('\n');
    const std::size_t bytes = newline == std::string_view::npos ? text.size() : newline + 1;
    use(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
}

PageText counted(std::string text, std::string_view original) {
  return {std::move(text), count_words(original), original.size()};
}

}  // namespace

std::size_t count_words(std::string_view text) {
  std::size_t words = 1;
  bool in_space = false;
  while (!text.empty()) {
    const std::size_t bytes = leading_space(text);
    if (bytes > 0 && !in_space) ++words;
    in_space = bytes > 0;
    text.remove_prefix(std::max<std::size_t>(bytes, 1));
  }
  return words;
}

std::string detokenize_wikitext(std::string_view page) {
  std::string text = replace_quoted_digit(replace_all(page, "s '", "s'"));
  for (const auto& [from, to] : kSeparators) text = replace_all(text, from, to);
  for (const auto& [open, close] : kBrackets) text = strip_inside(text, open, close);
  for (const auto& [from, to] : kRest) text = replace_all(text, from, to);
  return text;
}

std::vector<PageText> wikitext_pages(std::string_view raw) {
  std::vector<PageText> pages;
  std::size_t begin = 0, end = 0;
  // `page` ends without its last newline when a title follows: pages are lines joined by newlines.
  const auto finish = [&](std::string_view page) {
    if (!strip(page).empty()) pages.push_back(counted(detokenize_wikitext(page), page));
  };
  for_each_line(raw, [&](std::string_view line) {
    if (is_title(line) && end > begin) {
      finish(raw.substr(begin, end - 1 - begin));
      begin = end;
    }
    end += line.size();
  });
  finish(raw.substr(begin));
  return pages;
}

std::vector<PageText> text_lines(std::string_view raw) {
  std::vector<PageText> lines;
  for_each_line(raw, [&](std::string_view line) {
    if (!strip(line).empty()) lines.push_back(counted(std::string(line), line));
  });
  return lines;
}

}  // namespace pith
