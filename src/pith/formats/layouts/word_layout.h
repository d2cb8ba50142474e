// What the folders of GPTQ and AWQ share: weights as NAME.qweight, NAME.qzeros and NAME.scales.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pith/formats/layouts/layout.h"

namespace pith {

constexpr std::size_t kWordBits = 32;
std::int64_t dim(std::size_t extent);

// The first of these keys that is there.
std::optional<JsonCursor> find_any(const JsonCursor& json,
                                   std::initializer_list<std::string_view> keys);
std::string lower(std::string text);  // ASCII
// "group_size" or its synonym: -1 or 1 to 2^31; FormatError if out of range.
std::int64_t group_size_of(const JsonCursor& value);

// Reading. `title` is the layout's name for people: "GPTQ".

// Whether a matrix is compressed. A block linear that has no weight of either kind counts as
// compressed. FormatError if both are there, or if an embedding is compressed.
bool has_qweight(const LayoutMatrix& dense, const FolderTensors& tensors, std::string_view title);
// Some writers store biases that the model does not have; those of zeros need no warning.
void ignore_zero_bias(const std::string& module, FolderTensors& tensors);
[[noreturn]] void fail_none_found(const std::string& place, std::string_view title);
// FormatError for zero points [groups, rows] that are not all `expected`.
void check_symmetric(std::span<const std::uint8_t> stored,
                     std::size_t rows,
                     int expected,
                     const std::string& tensor,
                     std::string_view key_says,
                     std::string_view remedy);

// Writing: the encoding of a compressed matrix, null for a dense one. UserError for what neither
// layout holds: quantized activations, other parameters than block linears, codes that are no
// integers, one scale a tensor, int32 zero points.
const GroupIntEncoding* int_encoding_of(const LayoutMatrix& matrix, std::string_view layout);

}  // namespace pith
