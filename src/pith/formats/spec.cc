#include "pith/formats/spec.h"

#include <cmath>
#include <limits>

#include "pith/base/error.h"

namespace pith {
namespace {

// Far above every published model, and low enough that no number of bytes or parameters leaves 63
// bits.
constexpr std::int64_t kMaxWidth = std::int64_t{1} << 22;
constexpr std::int64_t kMaxHeads = std::int64_t{1} << 16;
constexpr std::int64_t kMaxVocab = std::int64_t{1} << 28;
constexpr std::int64_t kMaxContext = std::int64_t{1} << 31;
constexpr std::size_t kMaxLayers = 10000;

std::size_t to_size(std::int64_t value) { return static_cast<std::size_t>(value); }

// Collects the parameters of one spec in the order of a forward pass.
class ParameterList {
 public:
  explicit ParameterList(const DecoderSpec& spec) : spec_(spec) {}

  void add(const std::string& name, ParameterKind kind, std::int64_t rows, std::int64_t cols) {
    list_.push_back({prefix_ + name, kind, layer_, to_size(rows), to_size(cols)});
  }
  void norm(const std::string& name, std::int64_t width) {
    add(name, ParameterKind::kNorm, 1, width);
    if (spec_.norm == NormKind::kLayerNorm) add(name + ".bias", ParameterKind::kBias, 1, width);
  }
  void linear(const std::string& name, std::int64_t out, std::int64_t in, bool bias) {
    add(name, ParameterKind::kLinear, out, in);
    if (bias) add(name + ".bias", ParameterKind::kBias, 1, out);
  }
  void layer(std::size_t index) {
    layer_ = static_cast<int>(index);
    prefix_ = fmt::format("layers.{}.", index);
    attention(spec_.layers[index]);
    mlp(spec_.layers[index]);
    layer_ = -1;
    prefix_.clear();
  }
  std::vector<Parameter> take() { return std::move(list_); }

 private:
  void attention(const LayerSpec& layer) {
    const std::int64_t q = layer.heads * layer.qk_dim;
    const std::int64_t k = layer.kv_heads * layer.qk_dim;
    const std::int64_t v = layer.kv_heads * layer.v_dim;
    norm("attn_norm", spec_.hidden);
    if (spec_.fused_qkv) {
      linear("attn.qkv", q + k + v, spec_.hidden, spec_.qkv_bias);
    } else {
      linear("attn.q", q, spec_.hidden, spec_.qkv_bias);
      linear("attn.k", k, spec_.hidden, spec_.qkv_bias);
      linear("attn.v", v, spec_.hidden, spec_.qkv_bias);
    }
    if (spec_.qk_norm) {
      add("attn.q_norm", ParameterKind::kNorm, 1, layer.qk_dim);
      add("attn.k_norm", ParameterKind::kNorm, 1, layer.qk_dim);
    }
    linear("attn.o", spec_.hidden, layer.heads * layer.v_dim, spec_.output_bias);
  }
  void mlp(const LayerSpec& layer) {
    norm("mlp_norm", spec_.hidden);
    if (spec_.mlp == MlpKind::kGated) linear("mlp.gate", layer.ffn, spec_.hidden, spec_.mlp_bias);
    linear("mlp.up", layer.ffn, spec_.hidden, spec_.mlp_bias);
    linear("mlp.down", spec_.hidden, layer.ffn, spec_.mlp_bias);
  }

  const DecoderSpec& spec_;
  std::vector<Parameter> list_;
  std::string prefix_;
  int layer_ = -1;
};

// Checks of one spec; every failure names the place and the field.
class SpecCheck {
 public:
  SpecCheck(const DecoderSpec& spec, const std::string& place) : spec_(spec), place_(place) {}

  void run() {
    range("vocabulary", spec_.vocab, 1, kMaxVocab);
    range("hidden width", spec_.hidden, 1, kMaxWidth);
    range("context", spec_.context, 1, kMaxContext);
    range("number of layers", static_cast<std::int64_t>(spec_.layers.size()), 1, kMaxLayers);
    if (!(spec_.norm_epsilon > 0 && spec_.norm_epsilon <= 1))
      fail("norm epsilon above 0 and at most 1", fmt::format("{}", spec_.norm_epsilon));
    for (std::size_t i = 0; i < spec_.layers.size(); ++i) layer(i);
    if (spec_.position == PositionKind::kRotary) rope();
  }

 private:
  [[noreturn]] void fail(std::string expected, std::string found) const {
    throw FormatError(ErrorParts{place_, std::move(expected), std::move(found), ""});
  }
  void range(std::string_view what, std::int64_t value, std::int64_t low, std::int64_t high) const {
    if (value < low || value > high)
      fail(fmt::format("{} from {} to {}", what, low, high), fmt::format("{}", value));
  }
  void layer(std::size_t index) const {
    const LayerSpec& layer = spec_.layers[index];
    const auto named = [index](const char* what) {
      return fmt::format("{} of layer {}", what, index);
    };
    // Names are made for errors only: there are up to 10,000 layers.
    const auto check = [&](const char* what, auto value, std::int64_t low, std::int64_t high) {
      if (value < low || value > high) range(named(what), value, low, high);
    };
    check("heads", layer.heads, 1, kMaxHeads);
    check("kv heads", layer.kv_heads, 1, kMaxHeads);
    check("width of q and k heads", layer.qk_dim, 1, kMaxWidth);
    check("width of v heads", layer.v_dim, 1, kMaxWidth);
    check("all q heads", layer.heads * layer.qk_dim, 1, kMaxWidth);
    check("all v heads", layer.heads * layer.v_dim, 1, kMaxWidth);
    check("MLP width", layer.ffn, 1, kMaxWidth);
    check("attention window", layer.window, 0, kMaxContext);
    if (layer.heads % layer.kv_heads != 0)
      fail(named("kv heads that divide the heads"),
           fmt::format("{} for {} heads", layer.kv_heads, layer.heads));
    if (spec_.position == PositionKind::kRotary && layer.qk_dim % 2 != 0)
      fail(named("an even head width for rotary positions"), fmt::format("{}", layer.qk_dim));
  }
  void positive(std::string_view what, double value) const {
    if (!std::isfinite(value) || value <= 0)
      fail(fmt::format("{} above 0", what), fmt::format("{}", value));
  }
  void rope() const {
    const RopeSpec& rope = spec_.rope;
    if (!std::isfinite(rope.theta) || rope.theta <= 1)
      fail("rope theta above 1", fmt::format("{}", rope.theta));
    positive("rope scaling factor", rope.factor);
    if (rope.original_context)
      range("original context of rope scaling", *rope.original_context, 1, kMaxContext);
    if (rope.scaling == RopeScalingKind::kLlama3) {
      positive("rope low_freq_factor", rope.low_freq_factor);
      if (!std::isfinite(rope.high_freq_factor) || rope.high_freq_factor <= rope.low_freq_factor)
        fail(fmt::format("rope high_freq_factor above low_freq_factor {}", rope.low_freq_factor),
             fmt::format("{}", rope.high_freq_factor));
    }
    if (rope.scaling == RopeScalingKind::kYarn) {
      positive("rope beta_fast", rope.beta_fast);
      positive("rope beta_slow", rope.beta_slow);
      if (rope.attention_factor) positive("rope attention_factor", *rope.attention_factor);
    }
    if (rope.scaling == RopeScalingKind::kDynamic &&
        !(rope.factor >= 1 && rope.factor * static_cast<double>(spec_.context) <= kMaxContext))
      fail(fmt::format("dynamic rope factor from 1 to {}", kMaxContext / spec_.context),
           fmt::format("{}", rope.factor));
    if (rope.scaling == RopeScalingKind::kDynamic)
      for (const LayerSpec& layer : spec_.layers)
        if (layer.qk_dim < 4)
          fail("head width of at least 4 for dynamic rope", fmt::format("{}", layer.qk_dim));
  }

  const DecoderSpec& spec_;
  const std::string& place_;
};

}  // namespace

std::vector<Parameter> parameters_of(const DecoderSpec& spec) {
  ParameterList list(spec);
  list.add("embedding", ParameterKind::kEmbedding, spec.vocab, spec.hidden);
  if (spec.position == PositionKind::kLearned)
    list.add("position", ParameterKind::kPosition, spec.context, spec.hidden);
  for (std::size_t i = 0; i < spec.layers.size(); ++i) list.layer(i);
  list.norm("final_norm", spec.hidden);
  if (!spec.tied_head) list.add("lm_head", ParameterKind::kHead, spec.vocab, spec.hidden);
  return list.take();
}

std::int64_t parameter_count(const DecoderSpec& spec) {
  std::int64_t count = 0;
  for (const Parameter& parameter : parameters_of(spec))
    count += static_cast<std::int64_t>(parameter.rows * parameter.cols);
  return count;
}

void check_spec(const DecoderSpec& spec, const std::string& place) { SpecCheck(spec, place).run(); }

}  // namespace pith
