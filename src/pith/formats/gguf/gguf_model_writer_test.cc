#include "pith/formats/gguf/gguf_model_writer.h"

#include <gmock/gmock.h>

#include <map>
#include <string>

#include "pith/codec/quantize.h"
#include "pith/formats/gguf/gguf_keys.h"
#include "pith/formats/test_files.h"
#include "pith/formats/test_models.h"

namespace pith {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

const Encoding kF32 = DenseEncoding{DType::kF32};

// Matrices in `encoding`, what GGUF keeps as f32 in that.
Chooser matrices_in(const Encoding& encoding) {
  return [encoding](const Parameter& parameter) {
    const bool matrix = parameter.kind == ParameterKind::kLinear ||
                        parameter.kind == ParameterKind::kHead ||
                        parameter.kind == ParameterKind::kEmbedding;
    return StoredParameter{parameter.name, matrix ? encoding : kF32};
  };
}

Weights write_gguf(const fs::path& path,
                   const DecoderSpec& spec,
                   const Chooser& choose,
                   const GgufModelOptions& options = {}) {
  std::vector<StoredParameter> stored;
  for (const Parameter& parameter : parameters_of(spec)) stored.push_back(choose(parameter));
  GgufModelWriter writer(path, spec, stored, options);
  Weights weights;
  for (const Parameter& parameter : parameters_of(spec)) {
    const std::vector<float> values = test_values(parameter);
    PackedMatrix packed =
        encode(source_of(MatrixView<const float>(values.data(), parameter.rows, parameter.cols)),
               choose(parameter).encoding);
    writer.write(parameter.name, packed);
    weights.emplace(parameter.name, std::move(packed));
  }
  writer.finish();
  std::uint64_t bytes = 0;
  for (const fs::path& file : writer.files()) bytes += fs::file_size(file);
  EXPECT_EQ(bytes, writer.file_bytes());
  return weights;
}

// The file keeps these numbers in 32 bits, and what YaRN multiplies by as one number.
DecoderSpec as_stored(DecoderSpec spec) {
  const auto rounded = [](double value) { return static_cast<double>(static_cast<float>(value)); };
  spec.norm_epsilon = rounded(spec.norm_epsilon);
  spec.rope.theta = rounded(spec.rope.theta);
  spec.rope.factor = rounded(spec.rope.factor);
  return spec;
}

DecoderSpec wide_spec(Family family) {
  DecoderSpec spec = tiny_spec(family);
  spec.hidden = 64;
  for (LayerSpec& layer : spec.layers) {
    layer.qk_dim = layer.v_dim = 32;
    layer.ffn = 96;
  }
  return spec;
}

TEST(GgufModelWriter, EveryFamilyComesBack) {
  for (const Family family : kAllFamilies)
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      SCOPED_TRACE(fmt::format("{} {}", to_string(family), to_string(dtype)));
      const TestFolder folder;
      const DecoderSpec spec = tiny_spec(family);
      const Weights weights =
          write_gguf(folder.path() / "m.gguf", spec, matrices_in(DenseEncoding{dtype}));
      const Checkpoint model = Checkpoint::open(folder.path() / "m.gguf");
      EXPECT_EQ(model.spec(), as_stored(spec));
      EXPECT_EQ(model.container(), Container::kGguf);
      expect_holds(model, weights);
      EXPECT_FALSE(model.gguf()->has("general.quantization_version"));
    }
}

TEST(GgufModelWriter, BlocksAndTiedHeadsComeBack) {
  for (const Family family : kAllFamilies)
    for (const GgmlType type : {GgmlType::kQ8_0, GgmlType::kQ4_0, GgmlType::kQ4_1}) {
      SCOPED_TRACE(fmt::format("{} {}", to_string(family), to_string(type)));
      const TestFolder folder;
      DecoderSpec spec = wide_spec(family);
      spec.tied_head = true;
      const Weights weights =
          write_gguf(folder.path() / "m.gguf", spec, matrices_in(GgmlEncoding{type}));
      const Checkpoint model = Checkpoint::open(folder.path() / "m.gguf");
      EXPECT_EQ(model.spec(), as_stored(spec));
      expect_holds(model, weights);
      EXPECT_EQ(model.gguf()->integer("general.quantization_version", 0, 9), 2);
      EXPECT_EQ(model.gguf()->find("output.weight") != nullptr, family == Family::kGpt2);
    }
}

// formats.md 4.6: GGUF rows 0..7 of a head of 8 are the rows 0 4 1 5 2 6 3 7 of Hugging Face.
TEST(GgufModelWriter, RowsOfLlamaHeadsAreInPairs) {
  const TestFolder folder;
  DecoderSpec spec = tiny_spec(Family::kLlama);
  spec.qkv_bias = true;
  for (LayerSpec& layer : spec.layers) layer.qk_dim = layer.v_dim = 8;
  const Weights weights = write_gguf(folder.path() / "m.gguf", spec, matrices_in(kF32));
  const GgufFile file(folder.path() / "m.gguf");
  const std::string q = bytes_of_matrix(weights.at("layers.1.attn.q"));
  const std::string bias = bytes_of_matrix(weights.at("layers.0.attn.k.bias"));
  const GgufTensor& stored_q = *file.find("blk.1.attn_q.weight");
  const GgufTensor& stored_bias = *file.find("blk.0.attn_k.bias");
  constexpr std::size_t kOrder[] = {0, 4, 1, 5, 2, 6, 3, 7};
  const std::size_t row_bytes = 8 * sizeof(float);
  for (std::size_t row = 0; row < 8; ++row) {
    EXPECT_EQ(std::memcmp(stored_q.bytes.data() + (8 + row) * row_bytes,
                          q.data() + (8 + kOrder[row]) * row_bytes,
                          row_bytes),
              0);
    EXPECT_EQ(std::memcmp(stored_bias.bytes.data() + row * sizeof(float),
                          bias.data() + kOrder[row] * sizeof(float),
                          sizeof(float)),
              0);
  }
  EXPECT_EQ(Checkpoint::open(folder.path() / "m.gguf").spec(), as_stored(spec));
}

TEST(GgufModelWriter, WidthsThatDifferAreArrays) {
  for (const Family family : kAllFamilies) {
    const TestFolder folder;
    DecoderSpec spec = tiny_spec(family);
    spec.layers[1].heads = spec.layers[1].kv_heads = 3;
    spec.layers[1].ffn = 5;
    write_gguf(folder.path() / "m.gguf", spec, matrices_in(kF32));
    const Checkpoint model = Checkpoint::open(folder.path() / "m.gguf");
    EXPECT_EQ(model.spec(), as_stored(spec)) << to_string(family);
    const std::string prefix = fmt::format("{}.", gguf_architecture(family));
    EXPECT_EQ(*model.gguf()->find_integers(prefix + "feed_forward_length"),
              (std::vector<std::int64_t>{6, 5}));
  }
}

TEST(GgufModelWriter, HeadWidthsAreSaid) {
  const TestFolder folder;
  DecoderSpec spec = tiny_spec(Family::kQwen3);
  for (LayerSpec& layer : spec.layers) {
    layer.qk_dim = 10;
    layer.v_dim = 3;
  }
  write_gguf(folder.path() / "m.gguf", spec, matrices_in(kF32));
  const Checkpoint model = Checkpoint::open(folder.path() / "m.gguf");
  EXPECT_EQ(model.spec(), as_stored(spec));
  EXPECT_EQ(model.gguf()->integer("qwen3.attention.key_length", 0, 99), 10);
  EXPECT_EQ(model.gguf()->integer("qwen3.attention.value_length", 0, 99), 3);
  EXPECT_EQ(model.gguf()->integer("qwen3.rope.dimension_count", 0, 99), 10);
}

TEST(GgufModelWriter, RopeScalingsComeBack) {
  RopeSpec linear, llama3, yarn;
  linear.scaling = RopeScalingKind::kLinear;
  linear.factor = 2.5;
  llama3 = {
      .theta = 500000, .scaling = RopeScalingKind::kLlama3, .factor = 8, .original_context = 8192};
  yarn = {.theta = 1e6,
          .scaling = RopeScalingKind::kYarn,
          .factor = 4,
          .beta_fast = 16,
          .beta_slow = 2,
          .attention_factor = 1.25,
          .original_context = 8};
  for (const RopeSpec& rope : {linear, llama3, yarn}) {
    SCOPED_TRACE(to_string(rope.scaling));
    const TestFolder folder;
    DecoderSpec spec = wide_spec(Family::kLlama);
    for (LayerSpec& layer : spec.layers) layer.qk_dim = layer.v_dim = 64;
    spec.context = 32768;
    spec.rope = rope;
    write_gguf(folder.path() / "m.gguf", spec, matrices_in(kF32));
    DecoderSpec got = Checkpoint::open(folder.path() / "m.gguf").spec();
    if (rope.attention_factor) {
      EXPECT_NEAR(*got.rope.attention_factor, *rope.attention_factor, 1e-6);
      got.rope.attention_factor = rope.attention_factor;
    }
    EXPECT_EQ(got, as_stored(spec));
  }
}

// What the converter makes of transformers' own frequencies.
TEST(GgufModelWriter, Llama3ScalingIsATensorOfDivisors) {
  EXPECT_TRUE(rope_divisors(wide_spec(Family::kLlama)).empty());
  const Json golden =
      read_json_file(fs::path(PITH_SOURCE_DIR) / "tests/golden/gguf/rope_factors.json");
  ASSERT_GT(golden.size(), 1u);
  for (const Json& entry : golden) {
    SCOPED_TRACE(entry["name"].get<std::string>());
    const auto expected = entry["factors"].get<std::vector<float>>();
    DecoderSpec spec = wide_spec(Family::kLlama);
    for (LayerSpec& layer : spec.layers)
      layer.qk_dim = 2 * static_cast<std::int64_t>(expected.size());
    spec.rope.scaling = RopeScalingKind::kLlama3;
    spec.rope.theta = entry["theta"];
    spec.rope.factor = entry["factor"];
    spec.rope.low_freq_factor = entry["low_freq_factor"];
    spec.rope.high_freq_factor = entry["high_freq_factor"];
    spec.rope.original_context = entry["original_context"].get<std::int64_t>();
    const std::vector<float> divisors = rope_divisors(spec);
    ASSERT_EQ(divisors.size(), expected.size());
    // Its float32 arithmetic moves a divisor at the steep end of the blend by some 1e-6.
    for (std::size_t j = 0; j < expected.size(); ++j)
      EXPECT_NEAR(divisors[j], expected[j], 2e-6f * expected[j]) << j;
  }
}

TEST(GgufModelWriter, SaysWhatItIsGiven) {
  const TestFolder folder;
  DecoderSpec spec = tiny_spec(Family::kLlama);
  spec.eos_ids = {2, 5, 7};
  spec.pad_id = 9;
  GgufModelOptions options;
  options.name = "tiny";
  options.file_type = 1;
  options.metadata.set_text("tokenizer.ggml.model", "gpt2");
  write_gguf(folder.path() / "m.gguf", spec, matrices_in(kF32), options);
  const Checkpoint model = Checkpoint::open(folder.path() / "m.gguf");
  EXPECT_EQ(model.spec(), as_stored(spec));
  const GgufFile& file = *model.gguf();
  EXPECT_EQ(file.string("general.name"), "tiny");
  EXPECT_EQ(file.string("general.type"), "model");
  EXPECT_EQ(file.string("tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(file.integer("general.file_type", 0, 99), 1);
  EXPECT_EQ(file.integer("llama.vocab_size", 0, 99), 11);
  EXPECT_EQ(file.integer("tokenizer.ggml.eot_token_id", 0, 99), 5);

  // Ids that the tokenizer brings along are left alone, all of them.
  GgufModelOptions with_ids;
  with_ids.metadata.set_u32("tokenizer.ggml.eos_token_id", 4);
  write_gguf(folder.path() / "n.gguf", spec, matrices_in(kF32), with_ids);
  const DecoderSpec got = Checkpoint::open(folder.path() / "n.gguf").spec();
  EXPECT_EQ(got.eos_ids, std::vector<std::int64_t>{4});
  EXPECT_EQ(got.bos_id, std::nullopt);
}

TEST(GgufModelWriter, SplitsWhenAsked) {
  const TestFolder folder;
  const DecoderSpec spec = tiny_spec(Family::kGpt2);
  GgufModelOptions options;
  options.shard_bytes = 600;
  const Weights weights = write_gguf(folder.path() / "m.gguf", spec, matrices_in(kF32), options);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder.path())) files.push_back(entry.path());
  ASSERT_GT(files.size(), 3u);
  for (const fs::path& file : files) {
    const Checkpoint model = Checkpoint::open(file);
    EXPECT_EQ(model.files().size(), files.size());
    EXPECT_EQ(model.spec(), as_stored(spec));
    expect_holds(model, weights);
  }
}

// A model of the golden folders, as transformers wrote it, as GGUF. Matrices keep their type.
Checkpoint exported(const Checkpoint& source, const fs::path& path) {
  std::vector<StoredParameter> stored;
  for (const Parameter& parameter : source.parameters()) {
    StoredParameter how = matrices_in(source.encoding(parameter.name))(parameter);
    stored.push_back(std::move(how));
  }
  GgufModelWriter writer(path, source.spec(), stored, {});
  for (const StoredParameter& how : stored)
    writer.write(how.name, encode(source_of(source.load(how.name)), how.encoding));
  writer.finish();
  return Checkpoint::open(path);
}

TEST(GgufModelWriter, GoldenModelsComeBack) {
  const std::map<std::string, std::string> kRefusals = {
      {"gpt2-untied-inner",
       "activation: expected gelu_new, as architecture gpt2 has it, found relu"},
      {"llama-rope-dynamic",
       "rope scaling: expected default, linear, llama3 or yarn, found dynamic"},
      {"qwen2-window", "the attention window of layer 1"},
      {"qwen3-tied-bias", "parameter 'layers.0.attn.o.bias': expected none"}};
  std::size_t count = 0;
  for (const auto& entry :
       fs::directory_iterator(fs::path(PITH_SOURCE_DIR) / "tests/golden/model")) {
    if (!entry.is_directory()) continue;
    const std::string name = entry.path().filename();
    SCOPED_TRACE(name);
    const TestFolder folder;
    const Checkpoint source = Checkpoint::open(entry.path());
    ++count;
    if (const auto reason = kRefusals.find(name); reason != kRefusals.end()) {
      EXPECT_THAT(error_of<UserError>([&] { exported(source, folder.path() / "m.gguf"); }),
                  HasSubstr(reason->second));
      continue;
    }
    const Checkpoint model = exported(source, folder.path() / "m.gguf");
    DecoderSpec expected = as_stored(source.spec()), found = model.spec();
    // What GGUF does not tell apart.
    if (name == "mistral-full") expected.family = Family::kLlama;
    // Ids of no token, which the configuration class has by default.
    if (expected.bos_id.value_or(0) >= expected.vocab) expected.bos_id.reset();
    std::erase_if(expected.eos_ids, [&](std::int64_t id) { return id >= expected.vocab; });
    if (expected.position == PositionKind::kRotary) {
      const auto frequencies = [&](const DecoderSpec& spec) {
        return rope_frequencies(spec.rope, spec.layers[0].qk_dim, spec.context, spec.context);
      };
      const RopeFrequencies before = frequencies(expected), after = frequencies(found);
      EXPECT_NEAR(after.attention_factor, before.attention_factor, 1e-6);
      // Of llama3 scaling the file has the divisors; in a tiny model others may give the same.
      for (std::size_t j = 0; j < before.inv_freq.size(); ++j)
        EXPECT_NEAR(after.inv_freq[j], before.inv_freq[j], 1e-3 * before.inv_freq[j]);
      found.rope = expected.rope;
    }
    EXPECT_EQ(found, expected);
    for (const Parameter& parameter : source.parameters()) {
      const PackedMatrix before = source.load(parameter.name), after = model.load(parameter.name);
      EXPECT_EQ(after.dequantize(), before.dequantize()) << parameter.name;
      if (before.encoding() == after.encoding()) {
        EXPECT_EQ(bytes_of_matrix(after), bytes_of_matrix(before)) << parameter.name;
      }
    }
  }
  EXPECT_GE(count, 15u);
}

std::string refusal(const DecoderSpec& spec) {
  return error_of<UserError>([&] { check_gguf_expresses(spec); });
}

TEST(GgufModelWriter, NamesTheSpecThatGgufCannotSay) {
  DecoderSpec llama = tiny_spec(Family::kLlama);
  llama.rope.scaling = RopeScalingKind::kDynamic;
  EXPECT_EQ(refusal(llama),
            "GGUF export: rope scaling: expected default, linear, llama3 or yarn, found dynamic");
  llama.rope.scaling = RopeScalingKind::kYarn;
  llama.rope.truncate = false;
  EXPECT_THAT(refusal(llama), HasSubstr("rope scaling yarn: expected truncate true"));
  llama = tiny_spec(Family::kLlama);
  llama.activation = Activation::kRelu;
  EXPECT_EQ(refusal(llama),
            "GGUF export: activation: expected silu, as architecture llama has it, found relu");
  DecoderSpec gpt2 = tiny_spec(Family::kGpt2);
  gpt2.activation = Activation::kGeluErf;
  EXPECT_THAT(refusal(gpt2), HasSubstr("activation: expected gelu_new, as architecture gpt2"));
  gpt2 = tiny_spec(Family::kGpt2);
  gpt2.scale_scores_by_layer = true;
  EXPECT_THAT(refusal(gpt2), AllOf(HasSubstr("attention scores"), HasSubstr("layer's number")));
  gpt2 = tiny_spec(Family::kGpt2);
  gpt2.mlp_bias = false;
  EXPECT_THAT(refusal(gpt2), HasSubstr("parameter 'layers.0.mlp.up.bias': expected it"));
  gpt2 = tiny_spec(Family::kGpt2);
  gpt2.qkv_bias = false;
  EXPECT_THAT(refusal(gpt2), HasSubstr("parameter 'layers.0.attn.qkv.bias': expected it"));
  DecoderSpec qwen = tiny_spec(Family::kQwen3);
  qwen.output_bias = true;
  EXPECT_EQ(refusal(qwen),
            "GGUF export: parameter 'layers.0.attn.o.bias': expected none, as architecture qwen3 "
            "has none, found it");
  qwen = tiny_spec(Family::kQwen2);
  qwen.layers[1].window = 4;
  EXPECT_EQ(refusal(qwen),
            "GGUF export: the attention window of layer 1: expected 0, as in layer 0, found 4");
  qwen = tiny_spec(Family::kQwen2);
  qwen.layers[1].v_dim = 2;
  EXPECT_THAT(refusal(qwen), HasSubstr("the width of v heads of layer 1: expected 4"));
  qwen = tiny_spec(Family::kQwen2);
  qwen.qk_norm = true;
  EXPECT_THAT(refusal(qwen), HasSubstr("q_norm and k_norm: expected them in qwen3 and only there"));
}

TEST(GgufModelWriter, NamesTheParameterThatGgufCannotHold) {
  const TestFolder folder;
  const auto refuse = [&](const std::string& name, const StoredParameter& how) {
    return error_of<UserError>([&] {
      write_gguf(folder.path() / "m.gguf", tiny_spec(Family::kGpt2), [&](const Parameter& p) {
        return p.name == name ? StoredParameter{name, how.encoding, how.activation}
                              : StoredParameter{p.name, kF32};
      });
    });
  };
  EXPECT_THAT(refuse("layers.1.mlp.up", {"", GroupIntEncoding{}}),
              AllOf(HasSubstr("parameter 'layers.1.mlp.up': GGUF: expected an encoding that it "
                              "has: f32, f16, bf16, Q"),
                    HasSubstr("found int8 row symmetric f32")));
  EXPECT_THAT(refuse("layers.1.mlp.up", {"", GgmlEncoding{GgmlType::kQ8_0}}),
              HasSubstr("parameter 'layers.1.mlp.up': Q8_0 encoding: 8 columns do not divide"));
  EXPECT_THAT(refuse("final_norm", {"", DenseEncoding{DType::kBF16}}),
              HasSubstr("parameter 'final_norm': GGUF keeps vectors as f32, found bf16"));
  EXPECT_THAT(refuse("layers.0.attn.qkv.bias", {"", DenseEncoding{DType::kF16}}),
              HasSubstr("GGUF keeps vectors as f32, found f16"));
  EXPECT_THAT(refuse("layers.0.attn.o",
                     {"", kF32, ActivationQuantization{ActivationScheme::kDynamicInt8Token}}),
              HasSubstr("parameter 'layers.0.attn.o': GGUF has no quantized activations, found "
                        "dynamic-int8-token"));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(GgufModelWriter, RefusesMisuse) {
  const TestFolder folder;
  const DecoderSpec spec = tiny_spec(Family::kLlama);
  std::vector<StoredParameter> all;
  for (const Parameter& parameter : parameters_of(spec)) all.push_back({parameter.name, kF32});
  const auto misuse = [&](std::vector<StoredParameter> stored, auto&& use) {
    return error_of<InternalError>([&] {
      GgufModelWriter writer(folder.path() / "m.gguf", spec, stored, {});
      use(writer);
    });
  };
  const auto nothing = [](GgufModelWriter&) {};
  auto fewer = all, more = all, twice = all;
  fewer.pop_back();
  more.push_back({"x", kF32});
  twice.push_back(all[0]);
  EXPECT_THAT(misuse(fewer, nothing), HasSubstr("parameter 'lm_head' was not declared"));
  EXPECT_THAT(misuse(more, nothing), HasSubstr("parameters were declared to the writer"));
  EXPECT_THAT(misuse(twice, nothing), HasSubstr("parameter 'embedding' was declared twice"));
  EXPECT_THAT(misuse(all, [](GgufModelWriter& w) { w.write("x", {}); }),
              HasSubstr("parameter 'x' was not declared"));
  EXPECT_THAT(misuse(all, [](GgufModelWriter& w) { w.write("embedding", {}); }),
              HasSubstr("'embedding' was declared as f32 [11, 8] and written as f32 [0, 0]"));
  EXPECT_THAT(misuse(all, [](GgufModelWriter& w) { w.finish(); }), HasSubstr("0 of"));
}

}  // namespace
}  // namespace pith
