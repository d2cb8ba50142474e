// The folders of AutoAWQ (GEMM): `quant_method: "awq"`. Source: formats.md 5.2.
//
// NAME.qweight I32 [in, out / 8], qzeros I32 [groups, out / 8], scales F16 [groups, out]: 4 bits,
// eight outputs a word in the order 0 2 4 6 1 3 5 7. The smoothing of AWQ lies in the other weights
// already. Written are block linears by group; all with zero points or all without
// ("zero_point": false, stored as 8). Nothing is rounded either way.
#pragma once

#include <memory>
#include <vector>

#include "pith/formats/layouts/layout.h"

namespace pith {

std::unique_ptr<LayoutReader> make_awq_reader(const JsonCursor& config);
std::unique_ptr<LayoutWriter> make_awq_writer(const DecoderSpec& spec,
                                              const std::vector<LayoutMatrix>& matrices);

}  // namespace pith
