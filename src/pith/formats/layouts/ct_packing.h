// How compressed-tensors lays out integer codes: 32-bit words along the columns, zero points in
// words along the rows, or one signed byte a code. All functions are pure but for using the pool.
// Source: formats.md 5.3.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace pith {

// A matrix of unsigned codes; Pith's own form of it is [rows, packed_bytes(cols, bits)], see
// codec/bit_pack.h.
struct CodeShape {
  std::size_t rows = 0, cols = 0;
  int bits = 8;  // 1 to 8
};

// kDense: code t at bits t * bits of a stream of words. kGapped: floor(32 / bits) codes a word, its
// highest bits unused; written by versions before 0.18. The same for 1, 2, 4 and 8 bits.
enum class WordPacking { kDense, kGapped };

std::size_t words_of(std::size_t codes, int bits, WordPacking packing);

// words [rows, words_of(cols)] u32 to and from Pith's codes. Bits that belong to no code are
// ignored on reading and 0 on writing.
void codes_from_words(std::span<const std::byte> words,
                      const CodeShape& shape,
                      WordPacking packing,
                      std::span<std::byte> codes);
void words_from_codes(std::span<const std::byte> codes,
                      const CodeShape& shape,
                      std::span<std::byte> words);  // kDense

// The same packed along the rows: words [words_of(rows), cols].
void codes_from_tall_words(std::span<const std::byte> words,
                           const CodeShape& shape,
                           WordPacking packing,
                           std::span<std::byte> codes);
void tall_words_from_codes(std::span<const std::byte> codes,
                           const CodeShape& shape,
                           std::span<std::byte> words);  // kDense

// bytes [rows, cols] i8, code - 2^(bits-1). FormatError, `place` first, for one that `bits` bits
// cannot hold.
void codes_from_signed(std::span<const std::byte> bytes,
                       const CodeShape& shape,
                       const std::string& place,
                       std::span<std::byte> codes);
void signed_from_codes(std::span<const std::byte> codes,
                       const CodeShape& shape,
                       std::span<std::byte> bytes);

}  // namespace pith
