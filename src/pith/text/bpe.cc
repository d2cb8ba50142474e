#include "pith/text/bpe.h"

#include <algorithm>
#include <limits>

#include "pith/base/error.h"
#include "pith/text/byte_level.h"
#include "pith/text/code_points.h"

namespace pith {
namespace {

using Symbol = BpeScratch::Symbol;
using Candidate = BpeScratch::Candidate;

// Order of a heap whose top is the lowest rank, leftmost among equals.
bool goes_later(const Candidate& a, const Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

// Each symbol follows the one before it.
void link_neighbours(std::vector<Symbol>& symbols) {
  const auto count = static_cast<std::int32_t>(symbols.size());
  for (std::int32_t i = 0; i < count; ++i) {
    symbols[static_cast<std::size_t>(i)].previous = i - 1;
    symbols[static_cast<std::size_t>(i)].next = i + 1 < count ? i + 1 : -1;
  }
}

}  // namespace

void Bpe::encode(std::string_view word, BpeScratch& scratch, std::vector<std::int32_t>& ids) const {
  if (separator_.empty()) return encode_word(word, scratch, ids);
  std::size_t begin = 0;
  while (begin < word.size()) {
    std::size_t end = begin;
    while (word.substr(end).starts_with(separator_)) end += separator_.size();
    end = std::min(word.find(separator_, end), word.size());
    encode_word(word.substr(begin, end - begin), scratch, ids);
    begin = end;
  }
}

void Bpe::encode_word(std::string_view word,
                      BpeScratch& scratch,
                      std::vector<std::int32_t>& ids) const {
  const auto append = [&ids](std::span<const std::int32_t> cached) {
    ids.insert(ids.end(), cached.begin(), cached.end());
  };
  if (scratch.cache.find(word, append)) return;
  const std::size_t first = ids.size();
  const auto whole = !ignore_merges_    ? std::nullopt
                     : words_are_bytes_ ? vocabulary_.find(bytes_to_characters(word))
                                        : vocabulary_.find(word);
  if (whole) {
    ids.push_back(*whole);
  } else {
    require(word.size() < std::numeric_limits<std::int32_t>::max(),
            "a word of {} bytes is too long to tokenize",
            word.size());
    start_symbols(word, scratch.symbols);
    merge_symbols(scratch);
    for (const Symbol& symbol : scratch.symbols)
      if (!symbol.is_dead) ids.push_back(symbol.id);
  }
  scratch.cache.put(word, std::span(ids).subspan(first));
}

void Bpe::start_symbols(std::string_view word, std::vector<Symbol>& symbols) const {
  symbols.clear();
  if (words_are_bytes_ && !unknown_id_) {
    for (const char byte : word)
      if (const auto id = byte_ids_[static_cast<unsigned char>(byte)]; id >= 0)
        symbols.push_back({.id = id});
    return;
  }
  const std::string characters = words_are_bytes_ ? bytes_to_characters(word) : std::string();
  const std::string_view text = words_are_bytes_ ? std::string_view(characters) : word;
  // An unknown token waits until a known character shows that the run of unknown ones is over.
  // Bytes do not end the run: that is how `tokenizers` does it.
  bool unknown_waits = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view character = text.substr(at, code_point_at(text, at).bytes);
    at += character.size();
    if (const auto id = vocabulary_.find(character)) {
      if (unknown_waits) symbols.push_back({.id = *unknown_id_});
      unknown_waits = false;
      symbols.push_back({.id = *id});
    } else if (!append_bytes(character, symbols) && unknown_id_) {
      if (unknown_waits && !fuse_unknown_) symbols.push_back({.id = *unknown_id_});
      unknown_waits = true;
    }
  }
  if (unknown_waits) symbols.push_back({.id = *unknown_id_});
}

// False, and nothing appended, without byte fallback or if a byte has no token.
bool Bpe::append_bytes(std::string_view character, std::vector<Symbol>& symbols) const {
  const auto id_of = [this](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
  if (!byte_fallback_) return false;
  if (std::any_of(character.begin(), character.end(), [&](char byte) { return id_of(byte) < 0; }))
    return false;
  for (const char byte : character) symbols.push_back({.id = id_of(byte)});
  return true;
}

void Bpe::merge_symbols(BpeScratch& scratch) const {
  auto& symbols = scratch.symbols;
  auto& heap = scratch.heap;
  heap.clear();
  const auto candidate = [&](std::int32_t position) {
    const Symbol& left = symbols[static_cast<std::size_t>(position)];
    if (left.next < 0) return;
    const std::int32_t right_id = symbols[static_cast<std::size_t>(left.next)].id;
    const Merge* merge = merges_.find(left.id, right_id);
    if (merge != nullptr)
      heap.push_back({merge->rank, position, left.id, right_id, merge->merged_id});
  };
  link_neighbours(symbols);
  for (std::size_t i = 0; i < symbols.size(); ++i) candidate(static_cast<std::int32_t>(i));
  std::make_heap(heap.begin(), heap.end(), goes_later);
  const auto push = [&](std::int32_t position) {
    const std::size_t before = heap.size();
    if (position >= 0) candidate(position);
    if (heap.size() > before) std::push_heap(heap.begin(), heap.end(), goes_later);
  };
  while (!heap.empty()) {
    const Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end(), goes_later);
    heap.pop_back();
    Symbol& left = symbols[static_cast<std::size_t>(best.position)];
    if (left.is_dead || left.next < 0) continue;
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    if (left.id != best.left_id || right.id != best.right_id)
      continue;  // one of them has grown since
    left.id = best.merged_id;
    right.is_dead = true;
    left.next = right.next;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = best.position;
    push(left.previous);
    push(best.position);
  }
}

}  // namespace pith
