#include "pith/text/gpt2_files.h"

#include <string_view>

#include "pith/base/error.h"
#include "pith/base/mapped_file.h"
#include "pith/base/utf8.h"

namespace pith {
namespace {

constexpr std::size_t kMaxMergesBytes = std::size_t{256} << 20;
constexpr std::string_view kEndOfText = "<|endoftext|>";

// Lines starting with "#version" are comments; those with a mere "#" are merges.
Json read_merges(const std::filesystem::path& path) {
  const std::string text = read_text_file(path, kMaxMergesBytes);
  require_utf8(text, path.string());
  Json::array_t merges;
  std::size_t line_number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    begin = end + 1;
    ++line_number;
    if (line.empty() || line.starts_with("#version")) continue;
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
      fail<FormatError>(
          "{}:{}: expected two tokens with a space between", path.string(), line_number);
    merges.push_back(Json::array({line.substr(0, space), line.substr(space + 1)}));
  }
  return Json(std::move(merges));
}

}  // namespace

Json tokenizer_json_from_gpt2_files(const std::filesystem::path& vocab,
                                    const std::filesystem::path& merges) {
  Json tokens = read_json_file(vocab);
  if (!tokens.is_object())
    fail<FormatError>("{}: expected an object of tokens and ids", vocab.string());
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  Json document = {{"version", "1.0"}};
  document["added_tokens"] = Json::array();
  if (const auto end = tokens.find(kEndOfText); end != tokens.end())
    document["added_tokens"].push_back(
        {{"id", *end}, {"content", kEndOfText}, {"normalized", false}, {"special", true}});
  document["pre_tokenizer"] = byte_level;
  document["decoder"] = byte_level;
  document["model"] = {{"type", "BPE"}};
  document["model"]["vocab"] = std::move(tokens);
  document["model"]["merges"] = read_merges(merges);
  return document;
}

}  // namespace pith
