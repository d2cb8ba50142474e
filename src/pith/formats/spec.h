// DecoderSpec: what a decoder network is, free of weights. GPT-2, Llama, Mistral, Qwen2, Qwen3 and
// SmolLM are values of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pith/base/enum_table.h"

namespace pith {

// Which checkpoint conventions (tensor names, config keys) the model is written with.
enum class Family { kGpt2, kLlama, kMistral, kQwen2, kQwen3 };
constexpr EnumName<Family> kFamilyNames[] = {{Family::kGpt2, "gpt2"},
                                             {Family::kLlama, "llama"},
                                             {Family::kMistral, "mistral"},
                                             {Family::kQwen2, "qwen2"},
                                             {Family::kQwen3, "qwen3"}};
constexpr std::span<const EnumName<Family>> enum_table(Family) { return kFamilyNames; }

enum class NormKind { kLayerNorm, kRmsNorm };
enum class PositionKind { kLearned, kRotary };
enum class MlpKind { kPlain, kGated };  // down(act(up x)); down(act(gate x) * up x)
enum class Activation { kGeluTanh, kGeluErf, kSilu, kRelu, kTanh };
enum class RopeScalingKind { kNone, kLinear, kDynamic, kLlama3, kYarn };

constexpr EnumName<NormKind> kNormKindNames[] = {{NormKind::kLayerNorm, "layer_norm"},
                                                 {NormKind::kRmsNorm, "rms_norm"}};
constexpr std::span<const EnumName<NormKind>> enum_table(NormKind) { return kNormKindNames; }
constexpr EnumName<PositionKind> kPositionKindNames[] = {{PositionKind::kLearned, "learned"},
                                                         {PositionKind::kRotary, "rotary"}};
constexpr std::span<const EnumName<PositionKind>> enum_table(PositionKind) {
  return kPositionKindNames;
}
constexpr EnumName<MlpKind> kMlpKindNames[] = {{MlpKind::kPlain, "plain"},
                                               {MlpKind::kGated, "gated"}};
constexpr std::span<const EnumName<MlpKind>> enum_table(MlpKind) { return kMlpKindNames; }
constexpr EnumName<Activation> kActivationNames[] =
    {  // names of Hugging Face; config.cc knows the synonyms
        {Activation::kGeluTanh, "gelu_new"},
        {Activation::kGeluErf, "gelu"},
        {Activation::kSilu, "silu"},
        {Activation::kRelu, "relu"},
        {Activation::kTanh, "tanh"}};
constexpr std::span<const EnumName<Activation>> enum_table(Activation) { return kActivationNames; }
constexpr EnumName<RopeScalingKind> kRopeScalingKindNames[] = {
    {RopeScalingKind::kNone, "default"},
    {RopeScalingKind::kLinear, "linear"},
    {RopeScalingKind::kDynamic, "dynamic"},
    {RopeScalingKind::kLlama3, "llama3"},
    {RopeScalingKind::kYarn, "yarn"}};
constexpr std::span<const EnumName<RopeScalingKind>> enum_table(RopeScalingKind) {
  return kRopeScalingKindNames;
}

// Rotary embedding. Source: formats.md 2.4.
struct RopeSpec {
  double theta = 10000.0;
  RopeScalingKind scaling = RopeScalingKind::kNone;
  double factor = 1.0;
  double low_freq_factor = 1.0, high_freq_factor = 4.0;                  // llama3
  double beta_fast = 32.0, beta_slow = 1.0;                              // yarn
  bool truncate = true;                                                  // yarn
  std::optional<double> attention_factor{}, mscale{}, mscale_all_dim{};  // yarn
  std::optional<std::int64_t> original_context{};                        // llama3, yarn, dynamic
  bool operator==(const RopeSpec&) const = default;
};

// inv_freq [qk_dim / 2] for a sequence of `length` tokens (only `dynamic` depends on it), and what
// cos and sin are multiplied by.
struct RopeFrequencies {
  std::vector<double> inv_freq;
  double attention_factor = 1.0;
};
// What llama3 scaling divides the frequency of a wavelength (in tokens) by, from 1 to rope.factor.
double llama3_divisor(const RopeSpec& rope, double original_context, double wavelength);
RopeFrequencies rope_frequencies(const RopeSpec& rope,
                                 std::int64_t qk_dim,
                                 std::int64_t context,
                                 std::int64_t length);

// Widths of one layer; they differ between the layers of a pruned model.
struct LayerSpec {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;  // divides heads
  std::int64_t qk_dim = 0;    // per head
  std::int64_t v_dim = 0;     // per head
  std::int64_t ffn = 0;       // MLP neurons
  std::int64_t window = 0;    // a query sees the last `window` keys, itself included; 0: all
  bool operator==(const LayerSpec&) const = default;
};

struct DecoderSpec {
  Family family = Family::kLlama;
  std::int64_t vocab = 0;  // rows of the embedding; may exceed the tokenizer's size
  std::int64_t hidden = 0;
  std::int64_t context = 0;  // max_position_embeddings
  std::vector<LayerSpec> layers;
  NormKind norm = NormKind::kRmsNorm;
  double norm_epsilon = 1e-6;
  PositionKind position = PositionKind::kRotary;
  RopeSpec rope;  // of rotary models
  MlpKind mlp = MlpKind::kGated;
  Activation activation = Activation::kSilu;
  bool qk_norm = false;    // RMSNorm over each head of q and of k before RoPE
  bool fused_qkv = false;  // one matrix attn.qkv instead of q, k, v (GPT-2)
  bool qkv_bias = false;
  bool output_bias = false;  // attn.o
  bool mlp_bias = false;
  bool tied_head = false;
  bool scale_scores = true;            // divide scores by sqrt(qk_dim)
  bool scale_scores_by_layer = false;  // and by layer index + 1
  std::optional<std::int64_t> bos_id, pad_id;
  std::vector<std::int64_t> eos_ids;
  bool operator==(const DecoderSpec&) const = default;
};

// What a parameter is for.
enum class ParameterKind { kEmbedding, kPosition, kNorm, kLinear, kBias, kHead };
constexpr EnumName<ParameterKind> kParameterKindNames[] = {{ParameterKind::kEmbedding, "embedding"},
                                                           {ParameterKind::kPosition, "position"},
                                                           {ParameterKind::kNorm, "norm"},
                                                           {ParameterKind::kLinear, "linear"},
                                                           {ParameterKind::kBias, "bias"},
                                                           {ParameterKind::kHead, "head"}};
constexpr std::span<const EnumName<ParameterKind>> enum_table(ParameterKind) {
  return kParameterKindNames;
}

// One parameter of a spec. Names are the same for every family:
//   embedding, position, layers.N.attn_norm[.bias], layers.N.attn.{q,k,v,qkv,o}[.bias],
//   layers.N.attn.{q_norm,k_norm}, layers.N.mlp_norm[.bias], layers.N.mlp.{gate,up,down}[.bias],
//   final_norm[.bias], lm_head
// A matrix is [out, in] always; a vector has rows = 1. A tied head is not listed: it is the
// embedding. The bias of a LayerNorm is kBias.
struct Parameter {
  std::string name;
  ParameterKind kind = ParameterKind::kLinear;
  int layer = -1;  // -1 outside the layers
  std::size_t rows = 0, cols = 0;
  bool operator==(const Parameter&) const = default;
};
constexpr bool is_vector(ParameterKind kind) {
  return kind == ParameterKind::kNorm || kind == ParameterKind::kBias;
}
std::vector<Parameter> parameters_of(const DecoderSpec& spec);  // in the order of a forward pass
std::int64_t parameter_count(const DecoderSpec& spec);

// Throws FormatError (place first) if the numbers contradict each other: widths out of range, kv
// heads not dividing heads, odd rotary dimensions, ...
void check_spec(const DecoderSpec& spec, const std::string& place);

}  // namespace pith
