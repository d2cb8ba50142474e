#include "pith/conversion/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "pith/base/threads.h"
#include "pith/conversion/encode_parameter.h"
#include "pith/conversion/test_models.h"

namespace pith {
namespace {

using testing::HasSubstr;

bool same_bytes(const PackedMatrix& a, const PackedMatrix& b) {
  if (a.encoding() != b.encoding() || a.buffers().size() != b.buffers().size()) return false;
  for (std::size_t i = 0; i < a.buffers().size(); ++i)
    if (!std::ranges::equal(a.buffers()[i].bytes, b.buffers()[i].bytes)) return false;
  return true;
}

std::vector<QuantizeOptions> all_methods() {
  std::vector<QuantizeOptions> result;
  for (const QuantizeMethod& method : quantize_methods())
    result.push_back({.method = std::string(method.name)});
  result.push_back(
      {.method = "rtn", .bits = 3, .group_size = "7", .embedding = EmbeddingWidth::k6});
  result.push_back({.method = "rtn",
                    .bits = 8,
                    .group_size = "32",
                    .embedding = EmbeddingWidth::k8,
                    .dtype = KeptDtype::kBf16});
  result.push_back(
      {.method = "rtn", .bits = 2, .group_size = "16", .symmetric = true, .search_range = true});
  result.push_back({.method = "absmax", .group_size = "tensor"});
  result.push_back({.method = "affine", .group_size = "13"});
  result.push_back({.method = "nf4", .double_quantization = true, .block_size = 32});
  result.push_back({.method = "documents", .lowest_code = -127});
  return result;
}

std::string text_of(const QuantizeOptions& options, const DecoderSpec& spec) {
  return options_to_json(options).dump() + " " + std::string(to_string(spec.family));
}

TEST(ConvertCheckpoint, EveryMethodStoresWhatTheCodecMakes) {
  for (const DecoderSpec& spec : tiny_specs())
    for (const QuantizeOptions& options : all_methods()) {
      SCOPED_TRACE(text_of(options, spec));
      const TestFolder folder;
      const Checkpoint source = random_checkpoint(folder / "source", spec);
      const Planner planner = planner_of(options, spec);
      const ConversionResult result = convert(source, folder / "out", planner);
      const Checkpoint written = Checkpoint::open(folder / "out");
      EXPECT_EQ(written.spec(), spec);
      EXPECT_THAT(result.verified,
                  HasSubstr(fmt::format("{} parameters", source.parameters().size())));
      for (const Parameter& parameter : source.parameters()) {
        const ParameterPlan plan = planner(parameter, source.encoding(parameter.name));
        const PackedMatrix expected =
            encode(source_of(source.load(parameter.name)), plan.encoding, plan.round);
        const PackedMatrix found = written.load(parameter.name);
        EXPECT_TRUE(same_bytes(found, expected)) << parameter.name;
        EXPECT_EQ(found.activation, plan.activation) << parameter.name;
      }
    }
}

TEST(ConvertCheckpoint, ReportsEveryMatrixAndCodedVector) {
  const TestFolder folder;
  const DecoderSpec spec = tiny_gpt2();
  const Checkpoint source = random_checkpoint(folder / "source", spec);
  const ConversionResult rtn =
      convert(source, folder / "rtn", planner_of({.method = "rtn", .group_size = "10"}, spec));
  ASSERT_EQ(rtn.matrices.size(), 10u);  // embedding, position, four linears in each of two layers
  for (const MatrixReport& matrix : rtn.matrices) {
    SCOPED_TRACE(matrix.name);
    const bool kept = matrix.name == "embedding" || matrix.name == "position";
    EXPECT_EQ(is_dense(matrix.encoding), kept);
    EXPECT_TRUE(matrix.fallback.empty());
    const PackedMatrix packed = Checkpoint::open(folder / "rtn").load(matrix.name);
    EXPECT_EQ(matrix.relative_error, relative_error(source_of(source.load(matrix.name)), packed));
    EXPECT_EQ(matrix.relative_error == 0, kept);
    EXPECT_DOUBLE_EQ(matrix.bits,
                     8.0 * static_cast<double>(packed.storage_bytes()) /
                         static_cast<double>(packed.rows() * packed.cols()));
  }
  const ConversionResult documents =
      convert(source, folder / "documents", planner_of({.method = "documents"}, spec));
  EXPECT_EQ(documents.matrices.size(), source.parameters().size());
  EXPECT_GT(documents.measured.seconds, 0);
  EXPECT_GT(documents.measured.peak_bytes, 0u);
  EXPECT_EQ(documents.measured.disk_bytes, Checkpoint::open(folder / "documents").file_bytes());
}

TEST(ConvertCheckpoint, FilesDoNotDependOnTheNumberOfThreads) {
  const int before = num_threads();
  for (const DecoderSpec& spec : {tiny_llama(), tiny_gpt2()})
    for (const QuantizeOptions& options : all_methods()) {
      SCOPED_TRACE(text_of(options, spec));
      const TestFolder folder;
      const Checkpoint source = random_checkpoint(folder / "source", spec);
      std::vector<std::map<std::string, std::string>> files;
      std::vector<std::vector<double>> errors;
      for (const int threads : {1, 2, 5}) {
        set_num_threads(threads);
        const ConversionResult result = convert(source,
                                                folder / std::to_string(threads),
                                                planner_of(options, spec),
                                                {.permute_seed = 3});
        files.push_back(files_of(folder / std::to_string(threads)));
        errors.emplace_back();
        for (const MatrixReport& matrix : result.matrices)
          errors.back().push_back(matrix.relative_error);
      }
      EXPECT_TRUE(files[0] == files[1] && files[0] == files[2]);
      EXPECT_TRUE(errors[0] == errors[1] &&
                  errors[0] == errors[2]);  // report.json is bit-identical too
    }
  set_num_threads(before);
}

TEST(ConvertCheckpoint, SameEncodingIsCopiedBitForBit) {
  const TestFolder folder;
  const DecoderSpec spec = tiny_llama();
  const Checkpoint source = random_checkpoint(folder / "source", spec);
  const Planner planner = planner_of({.method = "rtn", .bits = 3, .group_size = "8"}, spec);
  convert(source, folder / "once", planner);
  // Rounding once more would move codes: the range of a group is that of its rounded values.
  const ConversionResult again =
      convert(Checkpoint::open(folder / "once"), folder / "twice", planner);
  EXPECT_EQ(contents(folder / "once" / "model.safetensors"),
            contents(folder / "twice" / "model.safetensors"));
  for (const MatrixReport& matrix : again.matrices) EXPECT_EQ(matrix.relative_error, 0);
}

TEST(ConvertCheckpoint, GgmlBlocksAreKeptBitForBit) {
  const TestFolder folder;
  DecoderSpec spec = tiny_llama();
  spec.hidden = 64;
  spec.layers.assign(1, {.heads = 2, .kv_heads = 1, .qk_dim = 32, .v_dim = 32, .ffn = 96});
  const Checkpoint source = random_checkpoint(folder / "source", spec);
  for (const GgmlType type : {GgmlType::kQ4_0, GgmlType::kQ4_1, GgmlType::kQ8_0}) {
    SCOPED_TRACE(std::string(to_string(type)));
    const std::string name(to_string(type));
    const Planner blocks = [type](const Parameter& parameter, const Encoding& stored) {
      const bool linear = parameter.kind == ParameterKind::kLinear;
      return ParameterPlan{.encoding = linear ? Encoding(GgmlEncoding{type}) : stored, .round = {}};
    };
    convert(source, folder / name, blocks);
    const Checkpoint quantized = Checkpoint::open(folder / name);
    convert(quantized, folder / (name + " copied"), keep_all);
    EXPECT_EQ(contents(folder / name / "model.safetensors"),
              contents(folder / (name + " copied") / "model.safetensors"));
    // A quantized source becomes f32 where it is not coded anew.
    convert(quantized,
            folder / (name + " dense"),
            planner_of({.method = "rtn", .layers = "mlp.up"}, spec));
    const Checkpoint dense = Checkpoint::open(folder / (name + " dense"));
    EXPECT_EQ(dense.encoding("layers.0.mlp.down"), Encoding(DenseEncoding{DType::kF32}));
    EXPECT_EQ(dense.load("layers.0.mlp.down").dequantize(),
              quantized.load("layers.0.mlp.down").dequantize());
  }
}

TEST(ConvertCheckpoint, PermutingDenseWeightsLosesNothing) {
  const TestFolder folder;
  const DecoderSpec spec = tiny_qwen2();
  const Checkpoint source = random_checkpoint(folder / "source", spec, DType::kBF16);
  const ConversionResult result = convert(source, folder / "out", keep_all, {.permute_seed = 5});
  for (const MatrixReport& matrix : result.matrices)
    EXPECT_EQ(matrix.relative_error, 0) << matrix.name;
  const Checkpoint permuted = Checkpoint::open(folder / "out");
  EXPECT_EQ(permuted.encoding("lm_head"), Encoding(DenseEncoding{DType::kBF16}));
  for (const Parameter& parameter : source.parameters()) {
    std::vector<float> a = source.load(parameter.name).dequantize(),
                       b = permuted.load(parameter.name).dequantize();
    std::ranges::sort(a);
    std::ranges::sort(b);
    EXPECT_EQ(a, b) << parameter.name;
  }
}

TEST(ConvertCheckpoint, ShardsAndSideFiles) {
  const TestFolder folder;
  const Checkpoint source = random_checkpoint(folder / "source", tiny_llama());
  write_plainly(folder / "source" / "tokenizer.json", "{}");
  write_plainly(folder / "source" / "generation_config.json", "{}");
  const ConversionResult result =
      convert(Checkpoint::open(folder / "source"), folder / "out", keep_all, {.shard_bytes = 8000});
  EXPECT_EQ(contents(folder / "out" / "tokenizer.json"), "{}");
  EXPECT_EQ(contents(folder / "out" / "generation_config.json"), "{}");
  EXPECT_TRUE(std::filesystem::exists(folder / "out" / "model.safetensors.index.json"));
  EXPECT_THAT(result.verified, HasSubstr("declared"));
  EXPECT_EQ(weights_of(Checkpoint::open(folder / "out")), weights_of(source));
}

TEST(ConvertCheckpoint, WithoutVerifyNothingIsClaimed) {
  const TestFolder folder;
  const Checkpoint source = random_checkpoint(folder / "source", tiny_llama());
  EXPECT_EQ(convert(source, folder / "out", keep_all, {.verify = false}).verified, "");
}

// Bad numbers in a copied vector, a coded matrix and a matrix of every method.
TEST(ConvertCheckpoint, NonFiniteWeightsAreCountedAndNamed) {
  const DecoderSpec spec = tiny_llama();
  Weights weights = random_weights(spec, 1);
  weights["layers.1.mlp.up"][5] = std::numeric_limits<float>::quiet_NaN();
  weights["layers.1.mlp.up"][500] = std::numeric_limits<float>::quiet_NaN();
  weights["layers.1.mlp.up"][1055] = -std::numeric_limits<float>::infinity();
  const TestFolder folder;
  const Checkpoint source = write_checkpoint(folder / "source", spec, weights, DType::kF32);
  int index = 0;
  for (const QuantizeOptions& options : all_methods()) {
    SCOPED_TRACE(text_of(options, spec));
    const auto out = folder / std::to_string(index++);
    EXPECT_THAT(message_of<FormatError>([&] { convert(source, out, planner_of(options, spec)); }),
                HasSubstr("tensor 'model.layers.1.mlp.up_proj.weight' (layers.1.mlp.up): expected "
                          "finite numbers, found 2 NaN and 1 "
                          "infinite among 1056"));
  }
  EXPECT_THAT(message_of<FormatError>([&] { convert(source, folder / "copy", keep_all); }),
              HasSubstr("found 2 NaN and 1 infinite"));
  EXPECT_THAT(message_of<FormatError>(
                  [&] { convert(source, folder / "permuted", keep_all, {.permute_seed = 1}); }),
              HasSubstr("found 2 NaN and 1 infinite"));
}

TEST(ConvertCheckpoint, ValuesBeyondHalfPrecisionAreRefused) {
  const DecoderSpec spec = tiny_llama();
  Weights weights = random_weights(spec, 1);
  weights["final_norm"][3] = 70000.0f;
  const TestFolder folder;
  const Checkpoint source = write_checkpoint(folder / "source", spec, weights, DType::kF32);
  EXPECT_THAT(message_of<UserError>(
                  [&] { convert(source, folder / "out", planner_of({.method = "fp16"}, spec)); }),
              HasSubstr("(final_norm): weight [1, 24]: 1 values overflow F16; use bf16 or f32"));
  convert(source, folder / "bf16", planner_of({.method = "bf16"}, spec));
}

TEST(ConvertCheckpoint, ImpossibleEncodingsAreRefusedBeforeAnythingIsWritten) {
  const TestFolder folder;
  const Checkpoint source = random_checkpoint(folder / "source", tiny_llama());
  const Planner blocks = [](const Parameter&, const Encoding&) {
    return ParameterPlan{.encoding = GgmlEncoding{GgmlType::kQ8_0},
                         .round = {}};  // 24 columns do not divide by 32
  };
  EXPECT_THAT(message_of<UserError>([&] { convert(source, folder / "out", blocks); }),
              HasSubstr("(embedding)"));
  EXPECT_TRUE(std::filesystem::is_empty(folder / "out"));
  EXPECT_THROW(forecast_conversion(source, blocks, {}), UserError);
}

TEST(ForecastConversion, IsCloseToWhatIsMeasured) {
  DecoderSpec spec = tiny_llama();
  spec.vocab = 2000;
  spec.hidden = 256;
  spec.layers.assign(3, {.heads = 4, .kv_heads = 2, .qk_dim = 64, .v_dim = 64, .ffn = 700});
  const TestFolder folder;
  const Checkpoint source = random_checkpoint(folder / "source", spec);
  for (const QuantizeOptions& options : std::initializer_list<QuantizeOptions>{
           {.method = "rtn"}, {.method = "bf16"}, {.method = "documents"}}) {
    SCOPED_TRACE(options.method);
    const Planner planner = planner_of(options, spec);
    const Cost forecast = forecast_conversion(source, planner, {.probe_folder = folder.path()});
    const ConversionResult result =
        convert(source, folder / options.method, planner, {.forecast = forecast});
    EXPECT_EQ(result.forecast.disk_bytes, forecast.disk_bytes);
    const auto ratio = [](std::uint64_t a, std::uint64_t b) {
      return static_cast<double>(a) / static_cast<double>(b);
    };
    EXPECT_NEAR(ratio(forecast.disk_bytes, result.measured.disk_bytes), 1, 0.01);
    EXPECT_GT(forecast.peak_bytes, result.measured.peak_bytes * 3 / 4);
    EXPECT_GT(forecast.seconds, 0);
    EXPECT_LT(forecast.seconds, 60);
  }
  EXPECT_EQ(folder.names().size(), 4u);  // the probe has gone
}

TEST(CountNonfinite, CountsOverPieces) {
  std::vector<float> values(300 * 1000, 1.0f);
  values[0] = values[299'999] = std::numeric_limits<float>::quiet_NaN();
  values[150'001] = std::numeric_limits<float>::infinity();
  values[7] = std::numeric_limits<float>::max();
  const NonfiniteCount count =
      count_nonfinite(source_of(MatrixView<const float>(values.data(), 300, 1000)));
  EXPECT_EQ(count.nan, 2u);
  EXPECT_EQ(count.infinite, 1u);
}

}  // namespace
}  // namespace pith
