#include "pith/formats/gguf/gguf_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pith/base/error.h"
#include "pith/formats/gguf/gguf_test_files.h"

namespace pith {
namespace {

using ::testing::HasSubstr;

TEST(GgufNames, AreThoseOfTheCards) {
  const DecoderSpec spec = small_llama_spec();
  const auto name = [&](std::string parameter, int layer, std::string_view architecture) {
    return gguf_name({.name = std::move(parameter), .layer = layer}, spec, architecture);
  };
  EXPECT_EQ(name("embedding", -1, "llama").name, "token_embd.weight");
  EXPECT_EQ(name("position", -1, "gpt2").name, "position_embd.weight");
  EXPECT_EQ(name("final_norm.bias", -1, "gpt2").name, "output_norm.bias");
  EXPECT_EQ(name("lm_head", -1, "llama").name, "output.weight");
  EXPECT_EQ(name("layers.1.attn.o", 1, "llama").name, "blk.1.attn_output.weight");
  EXPECT_EQ(name("layers.0.mlp.down.bias", 0, "gpt2").name, "blk.0.ffn_down.bias");
  EXPECT_EQ(name("layers.0.attn.q_norm", 0, "qwen3").name, "blk.0.attn_q_norm.weight");
  // Query rows by heads, key rows by key heads, their biases too; nothing else, and llama only.
  EXPECT_EQ(name("layers.0.attn.q", 0, "llama").permuted_heads, 2);
  EXPECT_EQ(name("layers.0.attn.q.bias", 0, "llama").permuted_heads, 2);
  EXPECT_EQ(name("layers.0.attn.k", 0, "llama").permuted_heads, 1);
  EXPECT_EQ(name("layers.0.attn.v", 0, "llama").permuted_heads, 0);
  EXPECT_EQ(name("layers.0.attn.q", 0, "qwen2").permuted_heads, 0);
  EXPECT_EQ(name("layers.0.attn.k", 0, "qwen3").permuted_heads, 0);
  EXPECT_THAT(message_of<InternalError>([&] { name("layers.0.attn.z", 0, "llama"); }),
              HasSubstr("parameter 'attn.z' has no name in GGUF files"));
  EXPECT_THROW(name("layers.2.attn.q", 2, "llama"), InternalError);
}

TEST(GgufNames, RowOrderIsThatOfTheCard) {
  // formats.md 4.6: GGUF rows 0..7 are HF rows 0 4 1 5 2 6 3 7.
  const std::vector<std::uint32_t> gguf_to_hf = {0, 4, 1, 5, 2, 6, 3, 7};
  const std::vector<std::uint32_t> order = hf_row_order(1, 8);
  for (std::uint32_t row = 0; row < 8; ++row) EXPECT_EQ(order[gguf_to_hf[row]], row);
  EXPECT_EQ(hf_row_order(2, 8), (std::vector<std::uint32_t>{0, 2, 1, 3, 4, 6, 5, 7}));
  EXPECT_EQ(hf_row_order(3, 6), (std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_THROW(hf_row_order(2, 6), InternalError);
  EXPECT_THROW(hf_row_order(0, 6), InternalError);
}

}  // namespace
}  // namespace pith
