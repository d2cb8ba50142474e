// Byte-pair encoding of words. Source: formats.md 3.2; Sennrich et al. 2016, arXiv:1508.07909,
// algorithm 1.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/json.h"
#include "pith/text/merge_table.h"
#include "pith/text/vocabulary.h"
#include "pith/text/word_cache.h"

namespace pith {

// What encoding needs to write to; one for each thread.
struct BpeScratch {
  struct Symbol {
    std::int32_t id = 0;
    std::int32_t previous = -1, next = -1;  // indices; -1: none
    bool is_dead = false;
  };
  struct Candidate {  // merging the symbol at `position` with the next one
    std::uint32_t rank = 0;
    std::int32_t position = 0;
    std::int32_t left_id = 0, right_id = 0, merged_id = 0;
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  WordCache cache;
};

// The model of a tokenizer.json, type BPE. Immutable.
class Bpe {
 public:
  // Of the value under "model". `words_are_bytes`: words come as bytes that stand for GPT-2's byte
  // characters. Throws FormatError.
  static Bpe from_json(const JsonCursor& cursor, bool words_are_bytes);

  // Appends the ids of a word that is not empty; O(n log n) in its length. Unknown characters
  // become bytes, the unknown token, or nothing. UserError for words of 2 GiB.
  void encode(std::string_view word, BpeScratch& scratch, std::vector<std::int32_t>& ids) const;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  std::size_t num_merges() const { return num_merges_; }
  bool has_byte_fallback() const { return byte_fallback_; }

 private:
  void read_vocabulary(const JsonCursor& cursor);
  void read_merges(const JsonCursor& cursor);
  std::int32_t merge_part_id(const JsonCursor& merges,
                             std::size_t rank,
                             std::string_view token) const;
  void read_flags(const JsonCursor& cursor);
  void find_separator();
  void encode_word(std::string_view word,
                   BpeScratch& scratch,
                   std::vector<std::int32_t>& ids) const;
  void start_symbols(std::string_view word, std::vector<BpeScratch::Symbol>& symbols) const;
  bool append_bytes(std::string_view character, std::vector<BpeScratch::Symbol>& symbols) const;
  void merge_symbols(BpeScratch& scratch) const;

  Vocabulary vocabulary_;
  MergeTable merges_;
  std::size_t num_merges_ = 0;
  bool words_are_bytes_ = false;
  bool byte_fallback_ = false, fuse_unknown_ = false, ignore_merges_ = false;
  std::optional<std::int32_t> unknown_id_;
  std::array<std::int32_t, 256>
      byte_ids_{};  // of a byte's character or, with byte fallback, of <0xHH>; -1: none
  std::string
      separator_;  // words may be cut before it where it follows something else; empty: never
};

}  // namespace pith
