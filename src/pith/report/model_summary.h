// What a model is made of, in as few lines as a person wants to read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/json.h"
#include "pith/formats/checkpoint.h"

namespace pith {

// Every field of the spec. Widths stand under "heads", "kv_heads", "head_dim", "ffn" and "window"
// if all layers have the same, else under "layer_widths", a run of equal layers an entry.
Json spec_to_json(const DecoderSpec& spec);

// "attn.q" of "layers.3.attn.q"; a name outside the layers as it is.
std::string stem_of(const Parameter& parameter);

// "0-3, 5, 7-29" of ascending numbers; "" of none.
std::string runs_text(std::span<const int> numbers);

// "embedding" (positions included), "attention", "mlp", "norms" (with their biases and those of
// heads) or "head".
std::string_view part_of(const Parameter& parameter);

struct PartTotal {
  std::string part;
  std::size_t tensors = 0;
  std::uint64_t parameters = 0, bytes = 0;
};
std::vector<PartTotal> totals_by_part(
    const Checkpoint& model);  // in the order of part_of(); all five

// Parameters of one stem that are stored alike.
struct TensorGroup {
  std::string stem;
  std::vector<int> layers;  // ascending; empty outside the layers
  Encoding encoding;
  std::size_t rows = 0, cols = 0;  // of each
  std::uint64_t bytes = 0;         // of all
  std::size_t tensors() const { return layers.empty() ? 1 : layers.size(); }
  std::uint64_t parameters() const { return tensors() * rows * cols; }
};
std::vector<TensorGroup> tensor_groups(const Checkpoint& model);  // in the order of a forward pass

struct EncodingTotal {
  std::string encoding;  // with the quantization of activations, if any
  std::size_t tensors = 0;
  std::uint64_t parameters = 0, bytes = 0;
};
std::vector<EncodingTotal> totals_by_encoding(const Checkpoint& model);  // most parameters first

// The parameter that a person means: by its name, by its name in the file, or by the name that
// transformers gives it. UserError that offers the nearest names.
std::string find_parameter(const Checkpoint& model, std::string_view name);
[[noreturn]] void fail_unknown_tensor(const std::string& place,
                                      std::string_view name,
                                      std::span<const std::string> known);

}  // namespace pith
