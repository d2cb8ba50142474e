#include "pith/conversion/forward_probe.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "pith/base/error.h"
#include "pith/base/threads.h"

namespace pith {
namespace {

constexpr std::size_t kTokens = ForwardProbe::kTokens;

std::size_t width(std::int64_t value) { return static_cast<std::size_t>(value); }

// Partial sums in a fixed order that compilers turn into vectors.
float dot(const float* a, const float* b, std::size_t n) {
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> lanes{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (std::size_t j = 0; j < kLanes; ++j) lanes[j] += a[i + j] * b[i + j];
  float sum = 0;
  for (; i < n; ++i) sum += a[i] * b[i];
  for (const float lane : lanes) sum += lane;
  return sum;
}

// x [T, cols] times the weight turned: [T, rows].
std::vector<float> multiply(const PackedMatrix& weight, const std::vector<float>& x) {
  const std::size_t rows = weight.rows(), cols = weight.cols();
  PITH_CHECK(x.size() == kTokens * cols);
  std::vector<float> out(kTokens * rows);
  constexpr std::size_t kPiece = 16;  // rows that are decoded at a time
  parallel_for(rows, kPiece, [&](std::size_t first, std::size_t last) {
    std::vector<float> values(kPiece * cols);
    for (std::size_t begin = first; begin < last; begin += kPiece) {
      const std::size_t count = std::min(kPiece, last - begin);
      weight.dequantize_rows(begin, count, std::span(values).first(count * cols));
      for (std::size_t r = 0; r < count; ++r)
        for (std::size_t t = 0; t < kTokens; ++t)
          out[t * rows + begin + r] = dot(values.data() + r * cols, x.data() + t * cols, cols);
    }
  });
  return out;
}

std::vector<float> vector_of(const PackedMatrix& weight) {
  PITH_CHECK(weight.rows() == 1);
  std::vector<float> values(weight.cols());
  weight.dequantize_rows(0, 1, values);
  return values;
}

// Adds a vector to each of the rows.
void add_to_rows(const PackedMatrix& bias, std::vector<float>& rows) {
  const std::vector<float> values = vector_of(bias);
  PITH_CHECK(rows.size() % values.size() == 0);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] += values[i % values.size()];
}

void add(const std::vector<float>& y, std::vector<float>& x) {
  PITH_CHECK(x.size() == y.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

// x / sqrt(mean square + epsilon) * weight, the mean taken off before by LayerNorm.
void normalize_row(std::span<float> x,
                   std::span<const float> weight,
                   double epsilon,
                   bool centred) {
  const double n = static_cast<double>(x.size());
  double mean = 0, square = 0;
  if (centred)
    for (const float value : x) mean += static_cast<double>(value) / n;
  for (const float value : x) {
    const double apart = static_cast<double>(value) - mean;
    square += apart * apart / n;
  }
  const double scale = 1 / std::sqrt(square + epsilon);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>((static_cast<double>(x[i]) - mean) * scale) * weight[i];
}

float activated(Activation kind, float x) {
  switch (kind) {
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kGeluTanh: {
      const float inner = std::sqrt(2 / std::numbers::pi_v<float>) * (x + 0.044715f * x * x * x);
      return 0.5f * x * (1 + std::tanh(inner));
    }
    case Activation::kGeluErf:
      return 0.5f * x * (1 + std::erf(x / std::numbers::sqrt2_v<float>));
    case Activation::kRelu:
      return std::max(x, 0.0f);
    case Activation::kTanh:
      return std::tanh(x);
  }
  throw InternalError("activation without a formula");
}

}  // namespace

ForwardProbe::ForwardProbe(DecoderSpec spec)
    : spec_(std::move(spec)), expected_(parameters_of(spec_)) {}

void ForwardProbe::take(const Parameter& parameter, const PackedMatrix& weight) {
  PITH_CHECK(next_ < expected_.size() && expected_[next_] == parameter);
  PITH_CHECK(weight.rows() == parameter.rows && weight.cols() == parameter.cols);
  ++next_;
  const std::string_view name = parameter.name;
  if (parameter.layer >= 0) {
    layer_ = static_cast<std::size_t>(parameter.layer);
    const std::string_view part = name.substr(name.find('.', name.find('.') + 1) + 1);
    return part.starts_with("attn") ? take_of_attention(part, weight) : take_of_mlp(part, weight);
  }
  if (name == "embedding") return embed(weight);
  if (name == "position") return add_positions(weight);
  if (name == "final_norm") return normalize(weight);
  if (name == "final_norm.bias") return add_to_rows(weight, h_);
  PITH_CHECK(name == "lm_head");
  logits_ = multiply(weight, h_);
}

std::span<const float> ForwardProbe::result() const {
  PITH_CHECK(next_ == expected_.size());
  return spec_.tied_head ? h_ : logits_;
}

const LayerSpec& ForwardProbe::layer() const { return spec_.layers[layer_]; }

void ForwardProbe::take_of_attention(std::string_view part, const PackedMatrix& weight) {
  if (part == "attn_norm") return normalize(weight);
  if (part == "attn_norm.bias") return add_to_rows(weight, h_);
  if (part == "attn.q" || part == "attn.qkv") q_ = multiply(weight, h_);
  if (part == "attn.k") k_ = multiply(weight, h_);
  if (part == "attn.v") v_ = multiply(weight, h_);
  if (part == "attn.q.bias" || part == "attn.qkv.bias") add_to_rows(weight, q_);
  if (part == "attn.k.bias") add_to_rows(weight, k_);
  if (part == "attn.v.bias") add_to_rows(weight, v_);
  if (part == "attn.q_norm") normalize_heads(weight, q_);
  if (part == "attn.k_norm") normalize_heads(weight, k_);
  if (part == "attn.o") {
    attend();
    add(multiply(weight, mixed_), x_);
  }
  if (part == "attn.o.bias") add_to_rows(weight, x_);
}

void ForwardProbe::take_of_mlp(std::string_view part, const PackedMatrix& weight) {
  if (part == "mlp_norm") return normalize(weight);
  if (part == "mlp_norm.bias") return add_to_rows(weight, h_);
  if (part == "mlp.gate") gate_ = multiply(weight, h_);
  if (part == "mlp.gate.bias") add_to_rows(weight, gate_);
  if (part == "mlp.up") up_ = multiply(weight, h_);
  if (part == "mlp.up.bias") add_to_rows(weight, up_);
  if (part == "mlp.down") {
    activate();
    add(multiply(weight, up_), x_);
  }
  if (part == "mlp.down.bias") add_to_rows(weight, x_);
}

// Tokens far apart, the first and the last row of the table among them.
void ForwardProbe::embed(const PackedMatrix& weight) {
  const std::size_t cols = weight.cols();
  x_.resize(kTokens * cols);
  for (std::size_t t = 0; t < kTokens; ++t)
    weight.dequantize_rows(
        (weight.rows() - 1) * t / (kTokens - 1), 1, std::span(x_).subspan(t * cols, cols));
}

void ForwardProbe::add_positions(const PackedMatrix& weight) {
  const std::size_t cols = weight.cols();
  std::vector<float> row(cols);
  for (std::size_t t = 0; t < kTokens; ++t) {
    weight.dequantize_rows(std::min(t, weight.rows() - 1), 1, row);
    for (std::size_t c = 0; c < cols; ++c) x_[t * cols + c] += row[c];
  }
}

void ForwardProbe::normalize(const PackedMatrix& weight) {
  const std::vector<float> scale = vector_of(weight);
  h_ = x_;
  for (std::size_t t = 0; t < kTokens; ++t)
    normalize_row(std::span(h_).subspan(t * scale.size(), scale.size()),
                  scale,
                  spec_.norm_epsilon,
                  spec_.norm == NormKind::kLayerNorm);
}

void ForwardProbe::normalize_heads(const PackedMatrix& weight, std::vector<float>& heads) {
  const std::vector<float> scale = vector_of(weight);
  for (std::size_t begin = 0; begin < heads.size(); begin += scale.size())
    normalize_row(std::span(heads).subspan(begin, scale.size()), scale, spec_.norm_epsilon, false);
}

void ForwardProbe::split_qkv() {
  const std::size_t q = width(layer().heads * layer().qk_dim),
                    k = width(layer().kv_heads * layer().qk_dim),
                    v = width(layer().kv_heads * layer().v_dim);
  const std::vector<float> all = std::move(q_);
  q_.clear(), k_.clear(), v_.clear();
  for (std::size_t t = 0; t < kTokens; ++t) {
    const float* row = all.data() + t * (q + k + v);
    q_.insert(q_.end(), row, row + q);
    k_.insert(k_.end(), row + q, row + q + k);
    v_.insert(v_.end(), row + q + k, row + q + k + v);
  }
}

// Rotates each head of [T, heads * qk_dim]; pairs are half a head apart.
void ForwardProbe::rotate(std::vector<float>& heads) const {
  const RopeFrequencies rope = rope_frequencies(
      spec_.rope, layer().qk_dim, spec_.context, static_cast<std::int64_t>(kTokens));
  const std::size_t dim = width(layer().qk_dim), half = dim / 2, row = heads.size() / kTokens;
  for (std::size_t begin = 0; begin < heads.size(); begin += dim) {
    const std::size_t token = begin / row;
    const auto position = static_cast<double>(token);
    for (std::size_t i = 0; i < half; ++i) {
      const double angle = position * rope.inv_freq[i];
      const double cosine = std::cos(angle) * rope.attention_factor,
                   sine = std::sin(angle) * rope.attention_factor;
      float &low = heads[begin + i], &high = heads[begin + half + i];
      const double a = low, b = high;
      low = static_cast<float>(a * cosine - b * sine);
      high = static_cast<float>(b * cosine + a * sine);
    }
  }
}

void ForwardProbe::attend() {
  if (spec_.fused_qkv) split_qkv();
  if (spec_.position == PositionKind::kRotary) rotate(q_), rotate(k_);
  const std::size_t heads = width(layer().heads), shared = heads / width(layer().kv_heads);
  const std::size_t qk = width(layer().qk_dim), v = width(layer().v_dim);
  double scale = spec_.scale_scores ? 1 / std::sqrt(static_cast<double>(qk)) : 1;
  if (spec_.scale_scores_by_layer) scale /= static_cast<double>(layer_ + 1);
  const std::size_t window = layer().window == 0 ? kTokens : width(layer().window);
  mixed_.assign(kTokens * heads * v, 0);
  for (std::size_t t = 0; t < kTokens; ++t)
    for (std::size_t h = 0; h < heads; ++h) {
      const float* query = q_.data() + (t * heads + h) * qk;
      float* out = mixed_.data() + (t * heads + h) * v;
      const std::size_t first = t + 1 > window ? t + 1 - window : 0;
      std::array<double, kTokens> weights{};
      for (std::size_t s = first; s <= t; ++s)
        weights[s] =
            scale * static_cast<double>(dot(query, k_.data() + (s * heads + h) / shared * qk, qk));
      const double highest =
          *std::max_element(weights.begin() + static_cast<std::ptrdiff_t>(first),
                            weights.begin() + static_cast<std::ptrdiff_t>(t + 1));
      double total = 0;
      for (std::size_t s = first; s <= t; ++s) total += weights[s] = std::exp(weights[s] - highest);
      for (std::size_t s = first; s <= t; ++s) {
        const float share = static_cast<float>(weights[s] / total);
        const float* value = v_.data() + (s * heads + h) / shared * v;
        for (std::size_t i = 0; i < v; ++i) out[i] += share * value[i];
      }
    }
}

void ForwardProbe::activate() {
  for (std::size_t i = 0; i < up_.size(); ++i)
    up_[i] = spec_.mlp == MlpKind::kPlain ? activated(spec_.activation, up_[i])
                                          : activated(spec_.activation, gate_[i]) * up_[i];
}

}  // namespace pith
