// The layout of llm-compressor and vLLM, `quant_method: compressed-tensors`. Source: formats.md 5.3
// and the package compressed-tensors 0.20.
//
// Read: formats pack-quantized, int-quantized, naive-quantized, float-quantized and dense, mixed or
// not; scales a tensor, channel, group or square block; act-order; activations of 8 bits, int or
// E4M3, a token at run time or a tensor with stored scales.
// Written: integers as pack-quantized, with quantized activations as int-quantized, E4M3 as
// float-quantized. 3, 5, 6 and 7 bits are packed as versions from 0.18 do it.
#pragma once

#include "pith/formats/layouts/ct_scheme.h"
#include "pith/formats/layouts/layout.h"

namespace pith {

// See layout.h.
std::unique_ptr<LayoutReader> make_ct_reader(const JsonCursor& config);
std::unique_ptr<LayoutWriter> make_ct_writer(const DecoderSpec& spec,
                                             const std::vector<LayoutMatrix>& matrices);

}  // namespace pith
