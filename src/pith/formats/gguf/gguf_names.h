// Pith's parameter names -> GGUF tensor names. Source: formats.md 4.4, 4.6.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/codec/packed_matrix.h"
#include "pith/formats/spec.h"

namespace pith {

struct GgufName {
  std::string name;
  // Not 0: the file keeps the rows of a q or k matrix (the elements of their biases) in pairs that
  // RoPE turns together, head by head; hf_row_order() undoes it. 0: rows as they are.
  std::int64_t permuted_heads = 0;
};

// Where `parameter` of `spec` lies in a file of `architecture` (llama, gpt2, qwen2, qwen3). A tied
// head has no parameter. InternalError for a name that parameters_of() does not make.
GgufName gguf_name(const Parameter& parameter,
                   const DecoderSpec& spec,
                   std::string_view architecture);

// For each row of the Hugging Face matrix, the row of the GGUF matrix that holds it: the order that
// reorder_rows() takes. Pre: `rows` is `heads` times an even head width.
std::vector<std::uint32_t> hf_row_order(std::int64_t heads, std::size_t rows);
// The way back: for each row of the GGUF matrix, the row of the Hugging Face matrix.
std::vector<std::uint32_t> gguf_row_order(std::int64_t heads, std::size_t rows);

// The rows of a q or k matrix, or the elements of their biases (rows() = 1), in another order.
PackedMatrix reorder_head_rows(const PackedMatrix& weight, std::span<const std::uint32_t> order);
// How many that function orders.
std::size_t head_rows(const PackedMatrix& weight);

}  // namespace pith
