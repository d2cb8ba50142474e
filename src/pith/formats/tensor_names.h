// Pith's parameter names <-> Hugging Face tensor names. Source: formats.md 2.2, 2.3.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "pith/formats/spec.h"

namespace pith {

// Where a parameter lies in a folder.
struct TensorName {
  std::string name;        // "model.layers.0.mlp.up_proj.weight", "transformer.h.0.mlp.c_fc.weight"
  bool is_conv1d = false;  // a dense matrix is stored [in, out] (GPT-2's Conv1D)
};

// The name that transformers gives it. InternalError for a name that parameters_of() does not make.
TensorName tensor_name(const Parameter& parameter, Family family);

// GPT-2 files saved from the bare model lack this in front of their names.
constexpr std::string_view kGpt2Prefix = "transformer.";

// Buffers of old files that are no parameters: causal masks, rotary frequencies.
bool is_known_buffer(std::string_view tensor, Family family);

// The number of the layer that a tensor of the family belongs to, if any:
// "model.layers.7.mlp.up_proj.weight" -> 7, "h.3.ln_1.bias" -> 3.
std::optional<std::size_t> layer_of_tensor(std::string_view tensor);

// "GPTQ or AWQ", "bitsandbytes", ... if the tensor is a part of a quantized weight of another
// program; else "".
std::string_view foreign_quantization(std::string_view tensor);

}  // namespace pith
