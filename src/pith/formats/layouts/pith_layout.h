// Pith's own layout of compressed weights inside a Hugging Face folder.
//
// config.json: "quantization_config": {"quant_method": "pith", "version": 1,
//   "encodings": [{"kind": "group_int", "bits": 4, "granularity": "group", "group_size": 128,
//   "zero_points": "packed",
//                  "scale_dtype": "F16"}, ...],
//   "matrices": {"model.layers.0.self_attn.q_proj.weight": {"encoding": 0, "rows": 576, "cols":
//   576,
//                "activation": "dynamic-int8-token"}, ...}}        ("activation" is left out when
//                none)
// A matrix NAME is stored as tensors NAME.PART, PART as in codec/encoding.h ("codes", "scales",
// ...). Parameters that are not listed are ordinary dense tensors. NAME is the family's Hugging
// Face name; packed matrices are [out, in] also for GPT-2.
#pragma once

#include <map>
#include <string>

#include "pith/formats/layouts/layout.h"

namespace pith {

constexpr int kPithLayoutVersion = 1;

struct LayoutEntry {
  Encoding encoding;
  std::size_t rows = 0, cols = 0;
  ActivationQuantization activation{};
  bool operator==(const LayoutEntry&) const = default;
};
using PithLayout = std::map<std::string, LayoutEntry>;  // by tensor name

Json encoding_to_json(const Encoding& encoding);
Encoding encoding_from_json(
    const JsonCursor& json);  // FormatError for unknown kinds and fields out of range

Json layout_to_json(const PithLayout& layout);
// Reads a `quantization_config`. FormatError if the version is newer.
PithLayout layout_from_json(const JsonCursor& quantization_config);

// See layout.h.
std::unique_ptr<LayoutReader> make_pith_reader(const JsonCursor& config);
std::unique_ptr<LayoutWriter> make_pith_writer(const DecoderSpec& spec,
                                               const std::vector<LayoutMatrix>& matrices);

}  // namespace pith
