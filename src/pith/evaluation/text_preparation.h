// Texts as the conventions want them. Source: decoding-and-evaluation card 5.2.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pith {

// The text of one document, ready for the tokenizer, with the counts of the original text that word
// and byte perplexities divide by.
struct PageText {
  std::string text;
  std::size_t words =
      0;  // parts that runs of white space separate, empty ones at the ends included
  std::size_t bytes = 0;
};

// lm-eval's `wikitext`: the raw file cut before each title line " = Title = ", each page
// detokenized.
std::vector<PageText> wikitext_pages(std::string_view raw);

// One document for each line that is not blank, its newline included: the rows of the Hugging Face
// data set, for convention per-line.
std::vector<PageText> text_lines(std::string_view raw);

// lm-eval's wikitext_detokenizer, its slips included: they are part of published numbers.
std::string detokenize_wikitext(std::string_view page);

// What Python's len(re.split(r"\s+", text)) gives.
std::size_t count_words(std::string_view text);

}  // namespace pith
