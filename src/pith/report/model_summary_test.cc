#include "pith/report/model_summary.h"

#include <gmock/gmock.h>

#include "pith/base/test_support.h"
#include "pith/conversion/test_models.h"

namespace pith {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(RunsText, FoldsNeighbours) {
  const auto text = [](std::vector<int> numbers) { return runs_text(numbers); };
  EXPECT_EQ(text({}), "");
  EXPECT_EQ(text({4}), "4");
  EXPECT_EQ(text({0, 1, 2, 3, 5, 7, 8}), "0-3, 5, 7-8");
}

TEST(SpecToJson, WidthsOfEqualLayersAndOfOthers) {
  DecoderSpec spec = tiny_llama();
  spec.layers.assign(4, spec.layers.front());
  EXPECT_EQ(spec_to_json(spec)["heads"], 4);
  EXPECT_FALSE(spec_to_json(spec).contains("layer_widths"));
  spec.layers[2].ffn = 20;
  const Json json = spec_to_json(spec);
  EXPECT_FALSE(json.contains("heads"));
  ASSERT_EQ(json["layer_widths"].size(), 3u);
  EXPECT_EQ(json["layer_widths"][0]["layers"], "0-1");
  EXPECT_EQ(json["layer_widths"][1]["layers"], "2");
  EXPECT_EQ(json["layer_widths"][1]["ffn"], 20);
}

TEST(SpecToJson, FieldsOfTheScalingThatIsThere) {
  DecoderSpec spec = tiny_llama();
  EXPECT_FALSE(spec_to_json(spec).contains("rope_factor"));
  spec.rope.scaling = RopeScalingKind::kLlama3;
  spec.rope.factor = 8;
  EXPECT_EQ(spec_to_json(spec)["rope_factor"], 8);
  EXPECT_TRUE(spec_to_json(spec).contains("rope_low_freq_factor"));
  EXPECT_FALSE(spec_to_json(tiny_gpt2()).contains("rope_theta"));
}

std::uint64_t number_of(const std::vector<PartTotal>& totals, std::string_view part) {
  for (const PartTotal& total : totals)
    if (total.part == part) return total.parameters;
  ADD_FAILURE() << part;
  return 0;
}

TEST(TotalsByPart, OfGpt2) {
  const TestFolder folder;
  const Checkpoint model = random_checkpoint(folder / "m", tiny_gpt2(), DType::kBF16);
  const auto totals = totals_by_part(model);
  ASSERT_EQ(totals.size(), 5u);
  EXPECT_EQ(number_of(totals, "embedding"), (41u + 12) * 20);
  EXPECT_EQ(number_of(totals, "attention"), 2u * (60 * 20 + 60 + 20 * 20 + 20));
  EXPECT_EQ(number_of(totals, "mlp"), 2u * (36 * 20 + 36 + 20 * 36 + 20));
  EXPECT_EQ(number_of(totals, "norms"), 5u * 2 * 20);
  EXPECT_EQ(number_of(totals, "head"), 0u);
  std::uint64_t all = 0;
  for (const PartTotal& total : totals) {
    all += total.parameters;
    EXPECT_EQ(total.bytes, 2 * total.parameters) << total.part;
  }
  EXPECT_EQ(all, static_cast<std::uint64_t>(parameter_count(model.spec())));
}

TEST(TotalsByPart, NormsOfHeadsAndAHeadOfItsOwn) {
  const TestFolder folder;
  const auto qwen = totals_by_part(random_checkpoint(folder / "q", tiny_qwen3()));
  EXPECT_EQ(number_of(qwen, "norms"), 24u + 2 * (2 * 24 + 2 * 6));
  const auto llama = totals_by_part(random_checkpoint(folder / "l", tiny_llama()));
  EXPECT_EQ(number_of(llama, "head"), 37u * 24);
}

// Down projections of layers 0, 2 and 3 in 8 bits, the rest of the linears in 4.
Checkpoint mixed_model(const TestFolder& folder) {
  DecoderSpec spec = tiny_llama();
  spec.layers.assign(5, spec.layers.front());
  const Checkpoint dense = random_checkpoint(folder / "dense", spec);
  std::filesystem::create_directory(folder / "mixed");
  std::vector<StoredParameter> stored;
  for (const Parameter& parameter : parameters_of(spec)) {
    const bool wide = parameter.name.ends_with("mlp.down") &&
                      (parameter.layer == 0 || parameter.layer == 2 || parameter.layer == 3);
    const Encoding encoding = GroupIntEncoding{.bits = wide ? 8 : 4};
    const bool linear = parameter.kind == ParameterKind::kLinear;
    stored.push_back({parameter.name, linear ? encoding : DenseEncoding{}});
    if (wide)
      stored.back().activation = ActivationQuantization{ActivationScheme::kDynamicInt8Token};
  }
  CheckpointWriter writer(folder / "mixed", spec, stored);
  for (const StoredParameter& how : stored) {
    PackedMatrix matrix = encode(source_of(dense.load(how.name)), how.encoding);
    matrix.activation = how.activation;
    writer.write(how.name, matrix);
  }
  writer.finish();
  return Checkpoint::open(folder / "mixed");
}

TEST(TensorGroups, FoldEqualLayers) {
  const TestFolder folder;
  std::vector<std::string> lines;
  std::uint64_t parameters = 0, bytes = 0;
  const Checkpoint model = mixed_model(folder);
  for (const TensorGroup& group : tensor_groups(model)) {
    lines.push_back(
        fmt::format("{}|{}|{}", group.stem, runs_text(group.layers), to_string(group.encoding)));
    parameters += group.parameters();
    bytes += group.bytes;
  }
  EXPECT_THAT(lines,
              ElementsAre("embedding||f32",
                          "attn_norm|0-4|f32",
                          "attn.q|0-4|int4 row symmetric f32",
                          "attn.k|0-4|int4 row symmetric f32",
                          "attn.v|0-4|int4 row symmetric f32",
                          "attn.o|0-4|int4 row symmetric f32",
                          "mlp_norm|0-4|f32",
                          "mlp.gate|0-4|int4 row symmetric f32",
                          "mlp.up|0-4|int4 row symmetric f32",
                          "mlp.down|0, 2-3|int8 row symmetric f32",
                          "mlp.down|1, 4|int4 row symmetric f32",
                          "final_norm||f32",
                          "lm_head||f32"));
  EXPECT_EQ(parameters, static_cast<std::uint64_t>(parameter_count(model.spec())));
  std::uint64_t stored = 0;
  for (const Parameter& parameter : model.parameters())
    stored += storage_bytes(model.encoding(parameter.name), parameter.rows, parameter.cols);
  EXPECT_EQ(bytes, stored);
}

TEST(TotalsByEncoding, MostParametersFirst) {
  const TestFolder folder;
  std::vector<std::string> lines;
  for (const EncodingTotal& total : totals_by_encoding(mixed_model(folder)))
    lines.push_back(fmt::format("{} x{}", total.encoding, total.tensors));
  EXPECT_THAT(lines,
              ElementsAre("int4 row symmetric f32 x32",
                          "int8 row symmetric f32, activations dynamic-int8-token x3",
                          "f32 x13"));
}

TEST(FindParameter, ByAnyOfItsNames) {
  const Checkpoint gguf = Checkpoint::open(PITH_SOURCE_DIR "/tests/golden/gguf/llama.gguf");
  for (const char* name :
       {"layers.1.attn.q", "blk.1.attn_q.weight", "model.layers.1.self_attn.q_proj.weight"})
    EXPECT_EQ(find_parameter(gguf, name), "layers.1.attn.q");
}

TEST(FindParameter, OffersTheNearest) {
  const TestFolder folder;
  const Checkpoint model = random_checkpoint(folder / "m", tiny_llama());
  const auto message = [&](const char* name) {
    return message_of<UserError>([&] { find_parameter(model, name); });
  };
  EXPECT_THAT(message("layers.0.atn.q"), HasSubstr("did you mean 'layers.0.attn.q'"));
  EXPECT_THAT(message("mlp.down"),
              HasSubstr("did you mean 'layers.0.mlp.down' or 'layers.1.mlp.down'"));
  EXPECT_THAT(message("wholly.unknown.tensor.name"),
              testing::EndsWith("found 'wholly.unknown.tensor.name'; 'pith inspect' without "
                                "--tensor lists them"));
  EXPECT_THAT(message(""), HasSubstr("expected a tensor of"));
}

}  // namespace
}  // namespace pith
