// The folders of AutoGPTQ, GPTQModel and optimum: `quant_method: "gptq"`. Source: formats.md 5.1.
//
// NAME.qweight I32 [in * bits / 32, out], qzeros I32 [groups, out * bits / 32], scales F16 or BF16
// [groups, out], g_idx I32 [in]. 2, 3, 4 and 8 bits; groups of columns, one group a row, or groups
// by g_idx. Written are block linears; symmetric models as v1, others as v2, since v1 cannot store
// a zero point of 0. Nothing is rounded either way.
#pragma once

#include <memory>
#include <vector>

#include "pith/formats/layouts/layout.h"

namespace pith {

std::unique_ptr<LayoutReader> make_gptq_reader(const JsonCursor& config);
std::unique_ptr<LayoutWriter> make_gptq_writer(const DecoderSpec& spec,
                                               const std::vector<LayoutMatrix>& matrices);

}  // namespace pith
