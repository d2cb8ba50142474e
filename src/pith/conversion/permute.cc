#include "pith/conversion/permute.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "pith/base/error.h"
#include "pith/base/random.h"

namespace pith {
namespace {

using Order = std::vector<std::uint32_t>;

// Order of rows and of columns; empty: as they are.
struct Orders {
  Order rows, cols;
};

Order shuffled(std::size_t count, std::uint64_t seed, std::string_view stream) {
  return random_permutation(count, Random(seed, stream_of(stream)));
}

// Each kv head keeps its place; the dimensions inside it change theirs.
Order shuffled_values(const LayerSpec& layer, std::uint64_t seed, int index) {
  const auto dims = static_cast<std::uint32_t>(layer.v_dim);
  Order order;
  for (std::uint32_t head = 0; head < static_cast<std::uint32_t>(layer.kv_heads); ++head)
    for (const std::uint32_t dim :
         shuffled(dims, seed, fmt::format("layers.{}.values.{}", index, head)))
      order.push_back(head * dims + dim);
  return order;
}

// The columns of attn.o: every query head reads the values of the kv head that its group shares.
Order query_values(const LayerSpec& layer, const Order& values) {
  const auto dims = static_cast<std::uint32_t>(layer.v_dim);
  const auto group = static_cast<std::uint32_t>(layer.heads / layer.kv_heads);
  Order order;
  for (std::uint32_t head = 0; head < static_cast<std::uint32_t>(layer.heads); ++head) {
    const std::uint32_t kv_head = head / group;
    for (std::uint32_t dim = 0; dim < dims; ++dim)
      order.push_back(head * dims + values[kv_head * dims + dim] - kv_head * dims);
  }
  return order;
}

// q and k stay as they are, v follows.
Order fused_values(const LayerSpec& layer, const Order& values) {
  Order order(static_cast<std::size_t>((layer.heads + layer.kv_heads) * layer.qk_dim));
  std::iota(order.begin(), order.end(), 0u);
  const auto first = static_cast<std::uint32_t>(order.size());
  for (const std::uint32_t value : values) order.push_back(first + value);
  return order;
}

std::string_view without_prefix(const Parameter& parameter, const std::string& prefix) {
  PITH_CHECK(parameter.name.starts_with(prefix));
  return std::string_view(parameter.name).substr(prefix.size());
}

// What a parameter of a layer reads and writes: hidden units, neurons or values. The bias of a
// matrix lies along its rows.
Orders layer_orders(const Parameter& parameter,
                    const LayerSpec& layer,
                    const Order& hidden,
                    const Order& neurons,
                    const Order& values) {
  std::string_view part = without_prefix(parameter, fmt::format("layers.{}.", parameter.layer));
  if (part == "attn.q_norm" || part == "attn.k_norm") return {};
  if (parameter.kind == ParameterKind::kNorm) return {.rows = {}, .cols = hidden};
  const bool bias = parameter.kind == ParameterKind::kBias;
  if (bias) part.remove_suffix(std::string_view(".bias").size());
  Orders orders;
  if (part == "attn.q" || part == "attn.k")
    orders = {{}, hidden};
  else if (part == "attn.v")
    orders = {values, hidden};
  else if (part == "attn.qkv")
    orders = {fused_values(layer, values), hidden};
  else if (part == "attn.o")
    orders = {hidden, query_values(layer, values)};
  else if (part == "mlp.gate" || part == "mlp.up")
    orders = {neurons, hidden};
  else if (part == "mlp.down")
    orders = {hidden, neurons};
  else if (part == "attn_norm" || part == "mlp_norm")
    orders = {hidden, {}};
  else
    fail<InternalError>("no permutation is known for parameter '{}'", parameter.name);
  return bias ? Orders{.rows = {}, .cols = std::move(orders.rows)} : orders;
}

WeightSource reordered(const WeightSource& weight, Orders orders) {
  WeightSource result{weight.rows, weight.cols, {}};
  result.read_rows = [weight, orders = std::make_shared<const Orders>(std::move(orders))](
                         std::size_t first, std::size_t count, std::span<float> out) {
    std::vector<float> row(weight.cols);
    for (std::size_t r = 0; r < count; ++r) {
      weight.read_rows(orders->rows.empty() ? first + r : orders->rows[first + r], 1, row);
      const std::span<float> target = out.subspan(r * weight.cols, weight.cols);
      if (orders->cols.empty()) {
        std::copy(row.begin(), row.end(), target.begin());
        continue;
      }
      for (std::size_t c = 0; c < weight.cols; ++c) target[c] = row[orders->cols[c]];
    }
  };
  return result;
}

}  // namespace

ModelPermutation::ModelPermutation(const DecoderSpec& spec, std::uint64_t seed)
    : spec_(spec), hidden_(shuffled(static_cast<std::size_t>(spec.hidden), seed, "hidden")) {
  for (int index = 0; index < static_cast<int>(spec.layers.size()); ++index) {
    const LayerSpec& layer = spec.layers[static_cast<std::size_t>(index)];
    neurons_.push_back(shuffled(
        static_cast<std::size_t>(layer.ffn), seed, fmt::format("layers.{}.neurons", index)));
    values_.push_back(shuffled_values(layer, seed, index));
  }
}

WeightSource ModelPermutation::apply(const Parameter& parameter, const WeightSource& weight) const {
  PITH_CHECK(weight.rows == parameter.rows && weight.cols == parameter.cols);
  Orders orders{{}, hidden_};  // embedding, position, final_norm and its bias, lm_head
  if (parameter.layer >= 0) {
    const auto index = static_cast<std::size_t>(parameter.layer);
    orders = layer_orders(parameter, spec_.layers[index], hidden_, neurons_[index], values_[index]);
  }
  if (orders.rows.empty() && orders.cols.empty()) return weight;
  return reordered(weight, std::move(orders));
}

}  // namespace pith
