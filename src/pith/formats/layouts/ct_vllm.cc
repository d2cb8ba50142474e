// What vLLM takes of a folder in the layout compressed-tensors.
#include <map>

#include "pith/base/error.h"
#include "pith/formats/layouts/ct_layout.h"

namespace pith {
namespace {

std::string objection_to_integers(const CtScheme& scheme, const LayoutMatrix& matrix) {
  constexpr std::size_t kColumns = 128, kRows = 64;
  const CtWeights& weights = *scheme.weights;
  const std::size_t group = weights.group_size;
  if (scheme.format != CtFormat::kPacked) {
    const bool fits = weights.bits == 8 && weights.symmetric && group == 0;
    return fits ? "" : "its int8 products have symmetric weights with a scale a channel or tensor";
  }
  if (weights.bits != 4 && weights.bits != 8) return "its packed weights have 4 or 8 bits";
  if (weights.strategy == CtStrategy::kTensor) return "its packed weights have channels or groups";
  if (group != 0 && group != 32 && group != 64 && group != 128)
    return "its kernels have groups of 32, 64 or 128";
  if (matrix.cols % kColumns != 0 || matrix.rows % kRows != 0)
    return fmt::format("its kernels take multiples of {} columns and {} rows", kColumns, kRows);
  return "";
}

std::string objection_to(const CtScheme& scheme, const LayoutMatrix& matrix) {
  if (!scheme.weights) return "";
  if (matrix.kind == ParameterKind::kHead) return "it keeps the head dense";
  return scheme.weights->is_float ? "" : objection_to_integers(scheme, matrix);
}

// The module into which vLLM fuses this one.
std::string fused_name(const std::string& module) {
  struct Fused {
    std::string_view part, whole;
  };
  constexpr Fused kFused[] = {{".q_proj", ".qkv_proj"},
                              {".k_proj", ".qkv_proj"},
                              {".v_proj", ".qkv_proj"},
                              {".gate_proj", ".gate_up_proj"},
                              {".up_proj", ".gate_up_proj"}};
  for (const Fused& fused : kFused)
    if (module.ends_with(fused.part))
      return module.substr(0, module.size() - fused.part.size()).append(fused.whole);
  return module;
}

}  // namespace

std::string vllm_objection(const std::vector<LayoutMatrix>& matrices,
                           const std::vector<CtScheme>& schemes) {
  PITH_CHECK(matrices.size() == schemes.size());
  std::map<std::string, std::size_t> first_part;
  for (std::size_t i = 0; i < matrices.size(); ++i) {
    const bool is_linear = matrices[i].kind == ParameterKind::kLinear;
    if (!is_linear && !schemes[i].weights) continue;
    const std::string module = module_of(matrices[i].name);
    const auto message = [&](std::string_view why) {
      return fmt::format("'{}' as {}: {}", module, to_string(matrices[i].encoding), why);
    };
    if (const std::string why = objection_to(schemes[i], matrices[i]); !why.empty())
      return message(why);
    const auto [part, fresh] = first_part.emplace(fused_name(module), i);
    if (!fresh && schemes[part->second] != schemes[i])
      return message(fmt::format("it fuses it with '{}', which is stored in another way",
                                 module_of(matrices[part->second].name)));
  }
  return "";
}

}  // namespace pith
