// The layout of bitsandbytes: NF4 and FP4 blocks (load_in_4bit), LLM.int8() rows (load_in_8bit).
// Source: formats.md 5.4 and bitsandbytes 0.50.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "pith/formats/layouts/layout.h"

namespace pith {

// 4 bits: a CodebookEncoding whose codes are a view of the file. Second-level statistics that are
// not those of dynamic_map() in blocks of 256 become f32 absmax values, computed as bitsandbytes
// does. 8 bits: GroupIntEncoding rows with scale SCB / 127 and the activations of LLM.int8(), or
// int8 a token where llm_int8_threshold is 0.
std::unique_ptr<LayoutReader> make_bitsandbytes_reader(const JsonCursor& config);

// Holds nf4 and fp4 linears of one table, or symmetric 8-bit rows with f32 scales whose activations
// are all llm-int8 of one threshold or all dynamic-int8-token: bitsandbytes always quantizes the
// activations that meet 8-bit weights, so int8 weights alone would become another function.
// UserError for all else, and in pack() for a row scale that is no f32 divided by 127.
std::unique_ptr<LayoutWriter> make_bitsandbytes_writer(const DecoderSpec& spec,
                                                       const std::vector<LayoutMatrix>& matrices);

// The SCB with SCB / 127 == scale in f32. About one scale in 127 has none; max|w| / 127 has.
std::optional<float> row_maximum_of(float scale);

// Names of parts, after the weight's name "NAME.weight" or its module's "NAME".
namespace bitsandbytes {
constexpr std::string_view kAbsmax = ".absmax", kQuantMap = ".quant_map",
                           kNestedAbsmax = ".nested_absmax", kNestedMap = ".nested_quant_map",
                           kStatePrefix = ".quant_state.bitsandbytes__";  // then "nf4" or "fp4"
constexpr std::string_view kRowMaxima = ".SCB", kWeightFormat = ".weight_format";  // of the module
constexpr std::size_t kNestedBlock = 256;
}  // namespace bitsandbytes

}  // namespace pith
