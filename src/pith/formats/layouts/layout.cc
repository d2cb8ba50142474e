#include "pith/formats/layouts/layout.h"

#include "pith/base/error.h"
#include "pith/formats/layouts/awq_layout.h"
#include "pith/formats/layouts/bitsandbytes_layout.h"
#include "pith/formats/layouts/ct_layout.h"
#include "pith/formats/layouts/fp8_layout.h"
#include "pith/formats/layouts/gptq_layout.h"
#include "pith/formats/layouts/pith_layout.h"

namespace pith {
namespace {

constexpr Layout kLayouts[] = {
    {"pith", "Pith's own: every encoding", make_pith_reader, make_pith_writer, true, true},
    {"gptq", "GPTQ: int2 to int8, for vLLM and GPTQModel", make_gptq_reader, make_gptq_writer},
    {"awq", "AWQ (GEMM): int4 by group, for vLLM and AutoAWQ", make_awq_reader, make_awq_writer},
    {"compressed-tensors",
     "llm-compressor's and vLLM's: int 1 to 8 bits, int8 and fp8 with activations",
     make_ct_reader,
     make_ct_writer,
     true},
    {"fp8", "E4M3 in blocks of 128 x 128 (DeepSeek's)", make_fp8_reader, make_fp8_writer, true},
    {"bitsandbytes",
     "transformers' NF4, FP4 and LLM.int8()",
     make_bitsandbytes_reader,
     make_bitsandbytes_writer,
     true},
};

const Layout* find(std::string_view name) {
  for (const Layout& layout : kLayouts)
    if (layout.name == name) return &layout;
  return nullptr;
}

std::string names() {
  std::vector<std::string_view> all;
  for (const Layout& layout : kLayouts) all.push_back(layout.name);
  return join_names(all);
}

}  // namespace

std::span<const Layout> layouts() { return kLayouts; }

const Layout& find_layout(std::string_view name) {
  if (const Layout* layout = find(name)) return *layout;
  fail<UserError>("layout: expected one of {}, found '{}'", names(), name);
}

const Layout& layout_of(const JsonCursor& quantization_config) {
  const JsonCursor method = quantization_config.at("quant_method");
  if (const Layout* layout = find(method.string())) return *layout;
  method.fail("one of " + names(),
              "'" + method.string() + "'",
              "Pith does not read this layout; give it the unquantized model or a GGUF file");
}

void fail_inexpressible(std::string_view layout,
                        const LayoutMatrix& matrix,
                        std::string_view property,
                        std::string_view remedy) {
  fail<UserError>("{} cannot hold '{}' as {}: {}{}{}",
                  layout,
                  matrix.name,
                  to_string(matrix.encoding),
                  property,
                  remedy.empty() ? "" : "; ",
                  remedy);
}

std::string module_of(std::string_view weight_name) {
  constexpr std::string_view kSuffix = ".weight";
  PITH_CHECK(weight_name.ends_with(kSuffix));
  return std::string(weight_name.substr(0, weight_name.size() - kSuffix.size()));
}

}  // namespace pith
