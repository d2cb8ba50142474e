#include "pith/formats/gguf/gguf_names.h"

#include <algorithm>
#include <span>

#include "pith/base/error.h"

namespace pith {
namespace {

struct NamePair {
  std::string_view pith;
  std::string_view gguf;
};

// Outside the layers, and inside a layer without "layers.N." and "blk.N.". A name of Pith without
// ".bias" is the weight.
constexpr NamePair kModelNames[] = {{"embedding", "token_embd"},
                                    {"position", "position_embd"},
                                    {"final_norm", "output_norm"},
                                    {"lm_head", "output"}};
constexpr NamePair kLayerNames[] = {{"attn_norm", "attn_norm"},
                                    {"attn.q", "attn_q"},
                                    {"attn.k", "attn_k"},
                                    {"attn.v", "attn_v"},
                                    {"attn.qkv", "attn_qkv"},
                                    {"attn.o", "attn_output"},
                                    {"attn.q_norm", "attn_q_norm"},
                                    {"attn.k_norm", "attn_k_norm"},
                                    {"mlp_norm", "ffn_norm"},
                                    {"mlp.gate", "ffn_gate"},
                                    {"mlp.up", "ffn_up"},
                                    {"mlp.down", "ffn_down"}};

std::string_view look_up(std::span<const NamePair> names, std::string_view stem) {
  const auto row =
      std::find_if(names.begin(), names.end(), [&](const NamePair& n) { return n.pith == stem; });
  if (row == names.end()) fail<InternalError>("parameter '{}' has no name in GGUF files", stem);
  return row->gguf;
}

}  // namespace

GgufName gguf_name(const Parameter& parameter,
                   const DecoderSpec& spec,
                   std::string_view architecture) {
  constexpr std::string_view kBias = ".bias";
  std::string_view stem = parameter.name;
  const bool bias = stem.ends_with(kBias);
  if (bias) stem.remove_suffix(kBias.size());
  const std::string_view suffix = bias ? ".bias" : ".weight";
  if (parameter.layer < 0) return {fmt::format("{}{}", look_up(kModelNames, stem), suffix), 0};

  const std::string prefix = fmt::format("layers.{}.", parameter.layer);
  const auto index = static_cast<std::size_t>(parameter.layer);
  PITH_CHECK(stem.starts_with(prefix) && index < spec.layers.size());
  stem.remove_prefix(prefix.size());
  GgufName result{fmt::format("blk.{}.{}{}", parameter.layer, look_up(kLayerNames, stem), suffix),
                  0};
  if (architecture != "llama") return result;  // only its converter turns the rows
  if (stem == "attn.q") result.permuted_heads = spec.layers[index].heads;
  if (stem == "attn.k") result.permuted_heads = spec.layers[index].kv_heads;
  return result;
}

std::vector<std::uint32_t> hf_row_order(std::int64_t heads, std::size_t rows) {
  PITH_CHECK(heads > 0 && rows % (2 * static_cast<std::size_t>(heads)) == 0);
  const std::size_t width = rows / static_cast<std::size_t>(heads);
  std::vector<std::uint32_t> order(rows);
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t j = row % width;
    const std::size_t in_head = j < width / 2 ? 2 * j : 2 * (j - width / 2) + 1;
    order[row] = static_cast<std::uint32_t>(row - j + in_head);
  }
  return order;
}

std::vector<std::uint32_t> gguf_row_order(std::int64_t heads, std::size_t rows) {
  const std::vector<std::uint32_t> hf_order = hf_row_order(heads, rows);
  std::vector<std::uint32_t> order(rows);
  for (std::size_t row = 0; row < rows; ++row)
    order[hf_order[row]] = static_cast<std::uint32_t>(row);
  return order;
}

std::size_t head_rows(const PackedMatrix& weight) {
  return weight.rows() == 1 ? weight.cols() : weight.rows();
}

PackedMatrix reorder_head_rows(const PackedMatrix& weight, std::span<const std::uint32_t> order) {
  if (weight.rows() != 1) return reorder_rows(weight, order);
  const auto reshaped = [](const PackedMatrix& matrix, std::size_t rows, std::size_t cols) {
    Buffer buffer = matrix.buffers().front();
    buffer.spec.shape = {static_cast<std::int64_t>(rows), static_cast<std::int64_t>(cols)};
    return PackedMatrix(matrix.encoding(), rows, cols, {std::move(buffer)});
  };
  const std::size_t count = weight.cols();
  return reshaped(reorder_rows(reshaped(weight, count, 1), order), 1, count);
}

}  // namespace pith
