#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "pith/base/error.h"
#include "pith/formats/gguf/gguf.h"
#include "pith/formats/gguf/gguf_names.h"
#include "pith/formats/gguf/gguf_test_files.h"

namespace pith {
namespace {

using ::testing::HasSubstr;

TEST(GgufSpec, ReadsAHandMadeLlama) { EXPECT_EQ(spec_of(small_llama()), small_llama_spec()); }

// Every parameter of the spec is in the file under its name, with its shape, and nothing is left.
TEST(GgufSpec, GoldenFilesHoldWhatTheirSpecsAsk) {
  const nlohmann::json models = golden_json("expected.json").at("models");
  ASSERT_EQ(models.size(), 4u);
  for (const auto& [name, model] : models.items()) {
    SCOPED_TRACE(name);
    const GgufFile file(golden_gguf(name + ".gguf"));
    const DecoderSpec spec = spec_from_gguf(file);
    EXPECT_EQ(spec.vocab, model.at("vocab"));
    std::map<std::string, std::vector<std::int64_t>> expected;
    for (const auto& [hf_name, tensor] : model.at("tensors").items())
      expected[tensor.at("gguf")] = tensor.at("shape").get<std::vector<std::int64_t>>();
    for (const Parameter& parameter : parameters_of(spec)) {
      const GgufName where = gguf_name(parameter, spec, name);
      const auto row = expected.find(where.name);
      ASSERT_NE(row, expected.end()) << where.name;
      const auto rows = static_cast<std::int64_t>(parameter.rows);
      const auto cols = static_cast<std::int64_t>(parameter.cols);
      if (row->second.size() == 1)
        EXPECT_EQ(row->second[0], rows * cols) << where.name;
      else
        EXPECT_EQ(row->second, (std::vector<std::int64_t>{rows, cols})) << where.name;
      EXPECT_EQ(file.find(where.name)->shape, row->second);
      EXPECT_TRUE(file.find(where.name)->encoding.has_value());
      expected.erase(row);
    }
    EXPECT_TRUE(expected.empty()) << expected.begin()->first;
  }
}

TEST(GgufSpec, ReadsTheGoldenFiles) {
  const auto read = [](std::string_view name) {
    return spec_from_gguf(GgufFile(golden_gguf(name)));
  };
  DecoderSpec llama;
  llama.vocab = 267;
  llama.hidden = 32;
  llama.context = 32;
  llama.layers.assign(2, {.heads = 4, .kv_heads = 2, .qk_dim = 8, .v_dim = 8, .ffn = 64});
  llama.norm_epsilon = double{1e-5f};
  llama.rope.theta = 1e5;
  llama.tied_head = true;
  llama.bos_id = 1;
  llama.eos_ids = {2};
  EXPECT_EQ(read("llama.gguf"), llama);

  DecoderSpec qwen3 = llama;
  qwen3.family = Family::kQwen3;
  qwen3.vocab = 265;
  qwen3.layers.assign(1, {.heads = 2, .kv_heads = 1, .qk_dim = 32, .v_dim = 32, .ffn = 64});
  qwen3.norm_epsilon = double{1e-6f};
  qwen3.rope.theta = 1e6;
  qwen3.qk_norm = true;
  qwen3.bos_id = std::nullopt;
  qwen3.eos_ids = {264};
  EXPECT_EQ(read("qwen3.gguf"), qwen3);

  DecoderSpec qwen2 = qwen3;
  qwen2.family = Family::kQwen2;
  qwen2.layers.assign(1, {.heads = 4, .kv_heads = 1, .qk_dim = 8, .v_dim = 8, .ffn = 64});
  qwen2.qk_norm = false;
  qwen2.qkv_bias = true;
  qwen2.tied_head = false;
  EXPECT_EQ(read("qwen2.gguf"), qwen2);

  const DecoderSpec gpt2 = read("gpt2.gguf");
  EXPECT_EQ(gpt2.family, Family::kGpt2);
  EXPECT_EQ(
      gpt2.layers,
      (std::vector<LayerSpec>{{.heads = 4, .kv_heads = 4, .qk_dim = 8, .v_dim = 8, .ffn = 64}}));
  EXPECT_EQ(gpt2.norm, NormKind::kLayerNorm);
  EXPECT_EQ(gpt2.norm_epsilon, double{1e-5f});
  EXPECT_EQ(gpt2.position, PositionKind::kLearned);
  EXPECT_EQ(gpt2.mlp, MlpKind::kPlain);
  EXPECT_EQ(gpt2.activation, Activation::kGeluTanh);
  EXPECT_TRUE(gpt2.fused_qkv && gpt2.qkv_bias && gpt2.output_bias && gpt2.mlp_bias);
  EXPECT_TRUE(gpt2.tied_head);  // output.weight is there, as a copy
  EXPECT_EQ(gpt2.eos_ids, std::vector<std::int64_t>{264});
}

TEST(GgufSpec, ReadsWidthsOfEachLayer) {
  GgufBuilder b = small_llama();
  b.u32s("llama.attention.head_count", {2, 4}).u32s("llama.attention.head_count_kv", {1, 2});
  b.u32s("llama.feed_forward_length", {12, 10});
  const DecoderSpec spec = spec_of(b);
  EXPECT_EQ(spec.layers[0],
            (LayerSpec{.heads = 2, .kv_heads = 1, .qk_dim = 4, .v_dim = 4, .ffn = 12}));
  EXPECT_EQ(spec.layers[1],
            (LayerSpec{.heads = 4, .kv_heads = 2, .qk_dim = 4, .v_dim = 4, .ffn = 10}));
  EXPECT_THAT(spec_error(b.u32s("llama.feed_forward_length", {12})),
              HasSubstr("'llama.feed_forward_length': expected 2 values, one a layer, found 1"));
  EXPECT_THAT(
      spec_error(b.u32s("llama.feed_forward_length", {12, 0})),
      HasSubstr("'llama.feed_forward_length': expected integers from 1 to 16777216, found 0"));
}

TEST(GgufSpec, HeadWidthsWindowsBiasesAndHeadsFollowTheFile) {
  GgufBuilder b = small_llama();
  b.u32("llama.attention.key_length", 6).u32("llama.attention.value_length", 10);
  b.u32("llama.attention.sliding_window", 16);
  const DecoderSpec wide = spec_of(b);
  EXPECT_EQ(wide.family, Family::kMistral);
  EXPECT_EQ(
      wide.layers[1],
      (LayerSpec{.heads = 2, .kv_heads = 1, .qk_dim = 6, .v_dim = 10, .ffn = 12, .window = 16}));

  GgufBuilder biased = small_llama();
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    for (const std::string part : {"attn_q.bias", "attn_output.bias", "ffn_down.bias"})
      biased.f32_tensor(layer + part, {8});
    for (const std::string part : {"attn_k.bias", "attn_v.bias"})
      biased.f32_tensor(layer + part, {4});
    for (const std::string part : {"ffn_gate.bias", "ffn_up.bias"})
      biased.f32_tensor(layer + part, {12});
  }
  DecoderSpec expected = small_llama_spec();
  expected.qkv_bias = expected.output_bias = expected.mlp_bias = true;
  EXPECT_EQ(spec_of(biased), expected);

  GgufBuilder copied = small_llama();
  EXPECT_TRUE(spec_of(copied.f32_tensor("output.weight", {8, 6})).tied_head);
  GgufBuilder own = small_llama();
  own.tensor("output.weight", {8, 6}, 0, std::vector<std::byte>(8 * 6 * 4, std::byte{1}));
  EXPECT_FALSE(spec_of(own).tied_head);
}

TEST(GgufSpec, ReadsSpecialTokens) {
  GgufBuilder b = small_llama();
  b.u32("tokenizer.ggml.bos_token_id", 0).u32("tokenizer.ggml.eos_token_id", 3);
  b.u32("tokenizer.ggml.eot_token_id", 4).u32("tokenizer.ggml.eom_token_id", 3);
  b.u32("tokenizer.ggml.padding_token_id", 0xffffffff);
  const DecoderSpec spec = spec_of(b);
  EXPECT_EQ(spec.bos_id, 0);
  EXPECT_EQ(spec.eos_ids, (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(spec.pad_id, std::nullopt);
  // As llama.cpp, which warns: real files have ids of tokens that are not there.
  EXPECT_EQ(spec_of(b.u32("tokenizer.ggml.eos_token_id", 6)).eos_ids,
            (std::vector<std::int64_t>{4, 3}));
  GgufBuilder silent = small_llama();
  silent.text("tokenizer.ggml.model", "llama");
  EXPECT_EQ(spec_of(silent).bos_id, 1);
  EXPECT_EQ(spec_of(silent).eos_ids, std::vector<std::int64_t>{2});
  silent.u32("tokenizer.ggml.bos_token_id", 0xffffffff).u32("tokenizer.ggml.eot_token_id", 2);
  EXPECT_EQ(spec_of(silent).bos_id, 1);
  EXPECT_EQ(spec_of(silent).eos_ids, std::vector<std::int64_t>{2});
}

TEST(GgufSpec, RefusesWhatIsNoModelOfTheirs) {
  EXPECT_THAT(
      spec_error(small_llama().text("general.architecture", "mamba\x1b")),
      HasSubstr(
          "general.architecture: expected one of gpt2, llama, qwen2, qwen3, found 'mamba\\x1b'"));
  EXPECT_THAT(spec_error(small_llama().remove("general.architecture")),
              HasSubstr("metadata key 'general.architecture' is missing"));
  EXPECT_THAT(spec_error(small_llama().text("general.type", "imatrix")),
              HasSubstr("expected a model, found general.type 'imatrix'"));
  EXPECT_THAT(spec_error(small_llama().u32("split.count", 3)),
              HasSubstr("metadata key 'split.no' is missing"));
  for (const std::string key : {"context_length",
                                "embedding_length",
                                "block_count",
                                "feed_forward_length",
                                "attention.head_count",
                                "attention.layer_norm_rms_epsilon"})
    EXPECT_THAT(spec_error(small_llama().remove("llama." + key)),
                HasSubstr("metadata key 'llama." + key + "' is missing"));
}

TEST(GgufSpec, RefusesKeysThatChangeTheComputation) {
  EXPECT_NO_THROW(spec_of(small_llama().u32("llama.expert_count", 0).f32("llama.logit_scale", 1)));
  EXPECT_THAT(spec_error(small_llama().u32("llama.expert_count", 8)),
              HasSubstr("metadata key 'llama.expert_count': 8, which changes the computation"));
  EXPECT_THAT(spec_error(small_llama().f32("llama.logit_scale", 0.5f)),
              HasSubstr("'llama.logit_scale': 0.5"));
  EXPECT_THAT(spec_error(small_llama().boolean("llama.attention.causal", false)),
              HasSubstr("'llama.attention.causal': false"));
  EXPECT_THAT(spec_error(small_llama().boolean("llama.use_parallel_residual", true)),
              HasSubstr("'llama.use_parallel_residual': true"));
  EXPECT_THAT(spec_error(small_llama().u32("llama.attention.sliding_window_pattern", 2)),
              HasSubstr("'llama.attention.sliding_window_pattern': present"));
}

TEST(GgufSpec, RefusesContradictions) {
  EXPECT_THAT(spec_error(small_llama().u32("llama.block_count", 2000000)),
              HasSubstr("'llama.block_count': 2000000 layers in a file of 20 tensors"));
  EXPECT_THAT(
      spec_error(small_llama().u32("llama.attention.head_count", 3)),
      HasSubstr(
          "'llama.embedding_length' (8) and 'llama.attention.head_count' (3): the heads do not"));
  EXPECT_THROW(spec_of(small_llama().u32("llama.attention.head_count_kv", 4)), FormatError);
  EXPECT_THAT(spec_error(small_llama().u32("llama.vocab_size", 7)),
              HasSubstr("'token_embd.weight': expected a row for each of 7 tokens, found 6 rows"));
  EXPECT_THAT(
      spec_error(small_llama().texts("tokenizer.ggml.tokens", std::vector<std::string>(8, "t"))),
      HasSubstr("expected a row for each of 8 tokens, found 6 rows"));
  EXPECT_THAT(spec_error(small_llama().remove_tensor("token_embd.weight")),
              HasSubstr("tensor 'token_embd.weight' is missing; the file holds 19 tensors"));
  GgufBuilder flat = small_llama();
  EXPECT_THAT(
      spec_error(flat.remove_tensor("token_embd.weight").f32_tensor("token_embd.weight", {48})),
      HasSubstr("'token_embd.weight': expected 2 dimensions, found 1"));
  EXPECT_THAT(
      spec_error(small_llama().f32_tensor("blk.0.attn_q_norm.weight", {4})),
      HasSubstr("tensor 'blk.0.attn_q_norm.weight' is of no part that a llama model has in Pith"));
}

TEST(GgufSpec, ChangedBytesGiveASpecOrAFormatError) {
  constexpr std::uint32_t kSeed = 77;
  constexpr int kRounds = 400;  // each writes a file
  std::mt19937 random(kSeed);
  for (const auto& whole : {small_llama().bytes(), read_bytes(golden_gguf("gpt2.gguf"))}) {
    int refused = 0;
    for (int round = 0; round < kRounds; ++round) {
      std::vector<std::byte> bytes = whole;
      // The first entries, where the sizes are.
      const std::size_t at = 24 + random() % std::min<std::size_t>(600, bytes.size() - 24);
      bytes[at] ^= static_cast<std::byte>(1u << random() % 8);
      const TemporaryGguf file(bytes);
      try {
        parameters_of(spec_from_gguf(GgufFile(file.path())));
      } catch (const FormatError&) {
        ++refused;
      }
    }
    EXPECT_GT(refused, kRounds / 4);
  }
}

}  // namespace
}  // namespace pith
