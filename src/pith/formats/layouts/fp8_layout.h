// DeepSeek's layout of 8-bit floats, `quant_method: fp8`: NAME.weight F8_E4M3 [out, in] and
// NAME.weight_scale_inv F32 [ceil(out / b), ceil(in / b)], by which the weights are multiplied
// despite its name. Source: formats.md 5.6 and transformers 5.24 (finegrained_fp8).
//
// Read: square blocks of any size, and one scale a tensor (weight_scale_inv or weight_scale). The
// tensors tell which matrices are compressed. `activation_scheme: dynamic` with blocks means, on
// the GPUs that have it, scales for 128 columns of a token; Pith reads it as no quantization of
// activations, which is what transformers does elsewhere.
// Written: square blocks, the same for all matrices.
#pragma once

#include "pith/formats/layouts/layout.h"

namespace pith {

// See layout.h.
std::unique_ptr<LayoutReader> make_fp8_reader(const JsonCursor& config);
std::unique_ptr<LayoutWriter> make_fp8_writer(const DecoderSpec& spec,
                                              const std::vector<LayoutMatrix>& matrices);

}  // namespace pith
