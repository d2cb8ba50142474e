// The methods of `pith quantize` that need no data: one row each, from options to a plan for every
// parameter.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/options.h"
#include "pith/conversion/convert.h"

namespace pith {

enum class EmbeddingWidth { kKeep, k8, k6, k4 };
constexpr EnumName<EmbeddingWidth> kEmbeddingWidthNames[] = {{EmbeddingWidth::kKeep, "keep"},
                                                             {EmbeddingWidth::k8, "8"},
                                                             {EmbeddingWidth::k6, "6"},
                                                             {EmbeddingWidth::k4, "4"}};
constexpr std::span<const EnumName<EmbeddingWidth>> enum_table(EmbeddingWidth) {
  return kEmbeddingWidthNames;
}

enum class KeptDtype { kF32, kBf16, kF16 };
constexpr EnumName<KeptDtype> kKeptDtypeNames[] = {
    {KeptDtype::kF32, "f32"}, {KeptDtype::kBf16, "bf16"}, {KeptDtype::kF16, "f16"}};
constexpr std::span<const EnumName<KeptDtype>> enum_table(KeptDtype) { return kKeptDtypeNames; }
DType dtype_of(KeptDtype kept);

// "128", "row" or "tensor".
struct GroupSize {
  Granularity granularity = Granularity::kGroup;
  std::size_t columns = 128;
};
GroupSize parse_group_size(std::string_view text, std::string_view place);

// Options of `pith quantize` and of a recipe's quantize stage. nullopt: the method's own
// default. The {} keep gcc from warning about designated initializers.
struct QuantizeOptions {
  std::string method{};
  std::optional<int> bits{};
  std::optional<std::string> group_size{};  // columns, row or tensor
  bool symmetric = false, affine = false;   // neither: affine below 8 bits, symmetric at 8
  std::optional<SymmetricRange> range{};    // symmetric units
  std::optional<int> lowest_code{};         // documents: -128 or -127
  bool search_range = false;
  // ECMAScript regular expressions, searched for in canonical names (formats/spec.h). `layers`
  // chooses among what the method codes; `skip` keeps matrices as they are, embedding and head
  // included ('lm_head' is also a name of a tied embedding).
  std::optional<std::string> layers{}, skip{};
  EmbeddingWidth embedding = EmbeddingWidth::kKeep;
  // Of kept tensors; default: the source's, f32 for a quantized source.
  std::optional<KeptDtype> dtype{};
  std::optional<DType> scale_dtype{};
  bool double_quantization = false;         // nf4, fp4
  std::optional<std::size_t> block_size{};  // nf4, fp4: weights; fp8: rows and columns
};
void visit(QuantizeOptions& o, auto&& v) {
  v("method", o.method, "how weights are coded; `pith quantize --help` lists the methods");
  v("bits", o.bits, "bits a code, 1 to 8");
  v("group-size", o.group_size, "columns that share a scale: a number, `row` or `tensor`");
  v("symmetric", o.symmetric, "no zero points");
  v("affine", o.affine, "with zero points");
  v("range", o.range, "integer range of symmetric units");
  v("lowest-code", o.lowest_code, "lowest int8 code of method documents, -128 or -127");
  v("search-range", o.search_range, "shrink each range to the least error");
  v("layers", o.layers, "only matrices whose name this regular expression finds");
  v("skip", o.skip, "keep matrices whose name this regular expression finds");
  v("embedding", o.embedding, "bits of embedding and head, in groups of 32");
  v("dtype", o.dtype, "type of kept tensors (default: the source's)");
  v("scale-dtype", o.scale_dtype, "type of scales: F32, F16 or BF16");
  v("double-quantization", o.double_quantization, "nf4, fp4: quantize the block scales as well");
  v("block-size", o.block_size, "nf4, fp4: weights a block; fp8: rows and columns of one");
}

// One method. `make_planner` checks the options against the method and the model (UserError) and
// says what becomes of each parameter: an option that is not the method's, values out of range, a
// regular expression that finds nothing.
struct QuantizeMethod {
  std::string_view name;
  std::string_view summary;
  Planner (*make_planner)(const QuantizeOptions& options, const DecoderSpec& spec);
};
std::span<const QuantizeMethod> quantize_methods();
// Throws UserError listing the methods; says so if the name is of a method that comes later (gptq,
// awq, ...).
const QuantizeMethod& find_quantize_method(std::string_view name);
// "methods:\n  rtn   round to nearest ...": for --help.
std::string quantize_method_help();

}  // namespace pith
