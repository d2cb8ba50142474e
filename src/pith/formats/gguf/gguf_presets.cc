#include "pith/formats/gguf/gguf_presets.h"

#include <string_view>
#include <variant>

#include "pith/base/error.h"
#include "pith/formats/gguf/gguf_types.h"

namespace pith {
namespace {

constexpr Encoding kF32 = DenseEncoding{DType::kF32};
constexpr Encoding kF16 = DenseEncoding{DType::kF16};

struct PresetRow {
  GgufPreset preset;
  Encoding base;  // of most matrices
  std::uint32_t file_type;
};
constexpr Encoding blocks(GgmlType type) { return GgmlEncoding{type}; }
constexpr PresetRow kPresets[] = {{GgufPreset::kF32, kF32, 0},
                                  {GgufPreset::kF16, kF16, 1},
                                  {GgufPreset::kBF16, DenseEncoding{DType::kBF16}, 32},
                                  {GgufPreset::kQ8_0, blocks(GgmlType::kQ8_0), 7},
                                  {GgufPreset::kQ4_0, blocks(GgmlType::kQ4_0), 2},
                                  {GgufPreset::kQ4_1, blocks(GgmlType::kQ4_1), 3},
                                  {GgufPreset::kQ5_0, blocks(GgmlType::kQ5_0), 8},
                                  {GgufPreset::kQ5_1, blocks(GgmlType::kQ5_1), 9},
                                  {GgufPreset::kIQ4_NL, blocks(GgmlType::kIQ4_NL), 25},
                                  {GgufPreset::kQ4_K_S, blocks(GgmlType::kQ4_K), 14},
                                  {GgufPreset::kQ4_K_M, blocks(GgmlType::kQ4_K), 15},
                                  {GgufPreset::kQ5_K_S, blocks(GgmlType::kQ5_K), 16},
                                  {GgufPreset::kQ5_K_M, blocks(GgmlType::kQ5_K), 17},
                                  {GgufPreset::kQ6_K, blocks(GgmlType::kQ6_K), 18},
                                  {GgufPreset::kQ4_K, blocks(GgmlType::kQ4_K), 15},
                                  {GgufPreset::kQ5_K, blocks(GgmlType::kQ5_K), 17}};

const PresetRow& row_of(GgufPreset preset) {
  for (const PresetRow& row : kPresets)
    if (row.preset == preset) return row;
  throw InternalError("GGUF preset without a row");
}

GgufPreset without_synonym(GgufPreset preset) {
  if (preset == GgufPreset::kQ4_K) return GgufPreset::kQ4_K_M;
  return preset == GgufPreset::kQ5_K ? GgufPreset::kQ5_K_M : preset;
}

bool fits(const Parameter& parameter, GgmlType type) {
  return parameter.cols % gguf_type_of(GgmlEncoding{type}).block_elements == 0;
}

// What takes the place of a type whose blocks do not divide the width.
Encoding fitting(const Parameter& parameter, GgmlType type) {
  if (fits(parameter, type)) return GgmlEncoding{type};
  GgmlType smaller = type;
  if (type == GgmlType::kQ4_K) smaller = GgmlType::kQ5_0;
  if (type == GgmlType::kQ5_K) smaller = GgmlType::kQ5_1;
  if (type == GgmlType::kQ6_K) smaller = GgmlType::kQ8_0;
  return fits(parameter, smaller) ? Encoding(GgmlEncoding{smaller}) : kF16;
}

// The choice of one matrix of a layer.
class LayerMix {
 public:
  LayerMix(const DecoderSpec& spec, int layer, GgufPreset preset, const GgufTypeOptions& options)
      : spec_(spec),
        preset_(preset),
        has_imatrix_(options.has_imatrix),
        layer_(layer),
        layers_(static_cast<int>(spec.layers.size())) {}

  GgmlType values(GgmlType base) const {
    const LayerSpec& first = spec_.layers[0];
    const bool shared = first.heads >= 4 * first.kv_heads;
    if (preset_ == GgufPreset::kIQ4_NL && shared) base = GgmlType::kQ5_K;
    if (is_medium() && more_bits()) base = GgmlType::kQ6_K;
    if (preset_ == GgufPreset::kQ4_K_S && layer_ < 4) base = GgmlType::kQ5_K;
    // Models of 70 billion parameters have small matrices of values: eight heads share one.
    if (is_70b() && base == GgmlType::kQ4_K) base = GgmlType::kQ5_K;
    return base;
  }
  GgmlType down(GgmlType base) const {
    if (is_medium() && more_bits()) return GgmlType::kQ6_K;
    if (layer_ >= layers_ / 8) return base;
    if (preset_ == GgufPreset::kQ4_K_S) return GgmlType::kQ5_K;
    if (preset_ == GgufPreset::kIQ4_NL && !has_imatrix_) return GgmlType::kQ5_K;
    if (preset_ == GgufPreset::kQ4_0 && has_imatrix_) return GgmlType::kQ4_1;
    if (preset_ == GgufPreset::kQ5_0 && has_imatrix_) return GgmlType::kQ5_1;
    return base;
  }

 private:
  bool is_medium() const {
    return preset_ == GgufPreset::kQ4_K_M || preset_ == GgufPreset::kQ5_K_M;
  }
  // The first and the last eighth of the layers, and every third between.
  bool more_bits() const {
    return layer_ < layers_ / 8 || layer_ >= 7 * layers_ / 8 || (layer_ - layers_ / 8) % 3 == 2;
  }
  bool is_70b() const {
    if (layers_ != 80) return false;
    if (spec_.family == Family::kQwen2) return true;
    const bool llama = spec_.family == Family::kLlama || spec_.family == Family::kMistral;
    return llama && spec_.layers[0].heads != spec_.layers[0].kv_heads;
  }

  const DecoderSpec& spec_;
  GgufPreset preset_;
  bool has_imatrix_;
  int layer_, layers_;
};

GgmlType mixed(const Parameter& parameter,
               const DecoderSpec& spec,
               GgmlType base,
               GgufPreset preset,
               const GgufTypeOptions& options) {
  const bool is_head = parameter.kind == ParameterKind::kHead ||
                       (parameter.kind == ParameterKind::kEmbedding && spec.tied_head);
  if (is_head)
    return base == GgmlType::kQ8_0 || !fits(parameter, base) ? GgmlType::kQ8_0 : GgmlType::kQ6_K;
  const std::string_view name = parameter.name;
  const LayerMix mix(spec, parameter.layer, preset, options);
  if (name.ends_with(".attn.v") || name.ends_with(".attn.qkv")) return mix.values(base);
  return name.ends_with(".mlp.down") ? mix.down(base) : base;
}

}  // namespace

std::uint32_t gguf_file_type(GgufPreset preset) { return row_of(preset).file_type; }

Encoding gguf_encoding_for(const Parameter& parameter,
                           const DecoderSpec& spec,
                           GgufPreset preset,
                           const GgufTypeOptions& options) {
  const bool is_matrix = parameter.kind == ParameterKind::kLinear ||
                         parameter.kind == ParameterKind::kHead ||
                         parameter.kind == ParameterKind::kEmbedding;
  // ggml takes a matrix of one row for a vector.
  if (!is_matrix || parameter.rows == 1) return kF32;
  const Encoding& base = row_of(preset).base;
  const auto* type = std::get_if<GgmlEncoding>(&base);
  if (type == nullptr) return base;
  if (options.pure) return fitting(parameter, type->type);
  return fitting(parameter, mixed(parameter, spec, type->type, without_synonym(preset), options));
}

}  // namespace pith
