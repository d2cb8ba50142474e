// A forward pass in double precision for tests: every formula written out, nothing shared with the
// engines. Legend: T tokens, D hidden, V vocab.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

#include "pith/conversion/test_models.h"

namespace pith {

class ReferenceForward {
 public:
  ReferenceForward(const DecoderSpec& spec, const Weights& weights)
      : spec_(spec), weights_(weights) {}

  // Logits [T][V].
  std::vector<std::vector<double>> logits(const std::vector<std::int32_t>& ids) {
    Matrix x;  // [T][D]
    for (std::size_t t = 0; t < ids.size(); ++t) {
      x.push_back(row("embedding", static_cast<std::size_t>(ids[t]), width(spec_.hidden)));
      if (spec_.position == PositionKind::kLearned)
        add(x.back(), row("position", t, width(spec_.hidden)));
    }
    for (std::size_t i = 0; i < spec_.layers.size(); ++i) block(i, x);
    Matrix result;
    for (const Vector& state : x)
      result.push_back(
          multiply(spec_.tied_head ? "embedding" : "lm_head", norm("final_norm", state)));
    return result;
  }

 private:
  using Vector = std::vector<double>;
  using Matrix = std::vector<Vector>;
  struct Heads {
    Matrix q, k, v;  // [T][all heads of a token]
  };

  static std::size_t width(std::int64_t value) { return static_cast<std::size_t>(value); }
  static void add(Vector& x, const Vector& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }
  Vector row(const std::string& name, std::size_t index, std::size_t cols) const {
    const std::vector<float>& values = weights_.at(name);
    return Vector(values.begin() + static_cast<std::ptrdiff_t>(index * cols),
                  values.begin() + static_cast<std::ptrdiff_t>((index + 1) * cols));
  }
  // W x, with its bias if it has one.
  Vector multiply(const std::string& name, const Vector& x) const {
    const std::vector<float>& w = weights_.at(name);
    Vector y(w.size() / x.size());
    for (std::size_t r = 0; r < y.size(); ++r)
      for (std::size_t c = 0; c < x.size(); ++c) y[r] += double{w[r * x.size() + c]} * x[c];
    if (weights_.contains(name + ".bias")) add(y, row(name + ".bias", 0, y.size()));
    return y;
  }
  Vector norm(const std::string& name, const Vector& x) const {
    const Vector w = row(name, 0, x.size());
    const bool centred = weights_.contains(name + ".bias");
    double mean = 0, square = 0;
    for (const double value : x) mean += value / static_cast<double>(x.size());
    if (!centred) mean = 0;
    for (const double value : x)
      square += (value - mean) * (value - mean) / static_cast<double>(x.size());
    Vector y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
      y[i] = (x[i] - mean) / std::sqrt(square + spec_.norm_epsilon) * w[i];
    if (centred) add(y, row(name + ".bias", 0, x.size()));
    return y;
  }
  double activation(double x) const {
    if (spec_.activation == Activation::kSilu) return x / (1 + std::exp(-x));
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
  }
  static Vector head_of(const Vector& x, std::size_t head, std::size_t dim) {
    return Vector(x.begin() + static_cast<std::ptrdiff_t>(head * dim),
                  x.begin() + static_cast<std::ptrdiff_t>((head + 1) * dim));
  }
  // Norm and rotation of one q or k head at position t.
  Vector placed(Vector x, const std::string& norm_name, std::size_t t) const {
    if (spec_.qk_norm) x = norm(norm_name, x);
    if (spec_.position != PositionKind::kRotary) return x;
    const std::size_t half = x.size() / 2;
    for (std::size_t i = 0; i < half; ++i) {
      const double angle =
          static_cast<double>(t) *
          std::pow(spec_.rope.theta, -static_cast<double>(i) / static_cast<double>(half));
      const double a = x[i], b = x[i + half];
      x[i] = a * std::cos(angle) - b * std::sin(angle);
      x[i + half] = b * std::cos(angle) + a * std::sin(angle);
    }
    return x;
  }
  void project(const std::string& prefix,
               const LayerSpec& layer,
               const Vector& x,
               Heads& heads,
               std::size_t t) const {
    Vector &q = heads.q[t], &k = heads.k[t], &v = heads.v[t];
    if (!spec_.fused_qkv) {
      q = multiply(prefix + "q", x), k = multiply(prefix + "k", x), v = multiply(prefix + "v", x);
      return;
    }
    const Vector all = multiply(prefix + "qkv", x);
    const auto q_end = all.begin() + layer.heads * layer.qk_dim;
    const auto k_end = q_end + layer.kv_heads * layer.qk_dim;
    q.assign(all.begin(), q_end), k.assign(q_end, k_end), v.assign(k_end, all.end());
  }
  void block(std::size_t index, Matrix& x) const {
    const LayerSpec& layer = spec_.layers[index];
    const std::string prefix = "layers." + std::to_string(index) + ".";
    Heads heads{Matrix(x.size()), Matrix(x.size()), Matrix(x.size())};
    for (std::size_t t = 0; t < x.size(); ++t)
      project(prefix + "attn.", layer, norm(prefix + "attn_norm", x[t]), heads, t);
    for (std::size_t t = 0; t < x.size(); ++t) {
      Vector mixed;
      for (std::size_t head = 0; head < width(layer.heads); ++head) {
        const Vector part = attend(prefix, layer, heads, t, head);
        mixed.insert(mixed.end(), part.begin(), part.end());
      }
      add(x[t], multiply(prefix + "attn.o", mixed));
    }
    for (Vector& state : x) add(state, mlp(prefix, norm(prefix + "mlp_norm", state)));
  }
  Vector attend(const std::string& prefix,
                const LayerSpec& layer,
                const Heads& heads,
                std::size_t t,
                std::size_t head) const {
    const std::size_t kv_head = head / width(layer.heads / layer.kv_heads);
    const Vector query =
        placed(head_of(heads.q[t], head, width(layer.qk_dim)), prefix + "attn.q_norm", t);
    Vector weights;
    double total = 0;
    for (std::size_t s = 0; s <= t; ++s) {
      const Vector key =
          placed(head_of(heads.k[s], kv_head, width(layer.qk_dim)), prefix + "attn.k_norm", s);
      double score = 0;
      for (std::size_t i = 0; i < query.size(); ++i) score += query[i] * key[i];
      weights.push_back(std::exp(score / std::sqrt(static_cast<double>(query.size()))));
      total += weights.back();
    }
    Vector mixed(width(layer.v_dim));
    for (std::size_t s = 0; s <= t; ++s) {
      const Vector value = head_of(heads.v[s], kv_head, width(layer.v_dim));
      for (std::size_t i = 0; i < mixed.size(); ++i) mixed[i] += weights[s] / total * value[i];
    }
    return mixed;
  }
  Vector mlp(const std::string& prefix, const Vector& x) const {
    Vector up = multiply(prefix + "mlp.up", x);
    if (spec_.mlp == MlpKind::kPlain) {
      for (double& value : up) value = activation(value);
    } else {
      const Vector gate = multiply(prefix + "mlp.gate", x);
      for (std::size_t i = 0; i < up.size(); ++i) up[i] *= activation(gate[i]);
    }
    return multiply(prefix + "mlp.down", up);
  }

  DecoderSpec spec_;
  const Weights& weights_;
};

}  // namespace pith
