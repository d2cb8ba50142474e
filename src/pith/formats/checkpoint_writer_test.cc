#include <gmock/gmock.h>

#include "pith/formats/test_models.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::vector<StoredParameter> dense_parameters(const DecoderSpec& spec, DType dtype = DType::kF32) {
  std::vector<StoredParameter> stored;
  for (const Parameter& parameter : parameters_of(spec))
    stored.push_back({parameter.name, DenseEncoding{dtype}});
  return stored;
}

TEST(CheckpointWriter, ForecastsItsFiles) {
  for (const std::uint64_t shard_bytes :
       {std::uint64_t{300}, CheckpointWriter::kDefaultShardBytes}) {
    TestFolder folder;
    const DecoderSpec spec = tiny_spec(Family::kLlama);
    const std::uint64_t forecast = [&] {
      TestFolder scratch;
      return CheckpointWriter(scratch.path(), spec, dense_parameters(spec), shard_bytes)
          .file_bytes();
    }();
    write_model(folder.path(), spec, all_dense(DType::kF32), shard_bytes);
    std::uint64_t on_disk = 0;
    for (const auto& entry : fs::directory_iterator(folder.path()))
      if (entry.path().filename() != "config.json") on_disk += entry.file_size();
    EXPECT_EQ(forecast, on_disk);
  }
}

TEST(CheckpointWriter, NamesTheDtypeOfMostNumbers) {
  const auto dtype_of = [](const Chooser& choose) {
    TestFolder folder;
    write_model(folder.path(), tiny_spec(Family::kLlama), choose);
    return read_json_file(folder.path() / "config.json")["torch_dtype"].get<std::string>();
  };
  EXPECT_EQ(dtype_of(all_dense(DType::kBF16)), "bfloat16");
  EXPECT_EQ(dtype_of(all_dense(DType::kF16)), "float16");
  EXPECT_EQ(dtype_of([](const Parameter& p) {
              const bool matrix = p.rows > 1;
              return StoredParameter{p.name, DenseEncoding{matrix ? DType::kBF16 : DType::kF32}};
            }),
            "bfloat16");
  EXPECT_EQ(dtype_of([](const Parameter& p) {
              return StoredParameter{p.name, GroupIntEncoding{}};
            }),
            "float32");
}

// A dense weight whose activations are quantized is listed, and lies as any other dense weight.
TEST(CheckpointWriter, ListsDenseWeightsWithActivations) {
  TestFolder folder;
  const Weights weights =
      write_model(folder.path(), tiny_spec(Family::kGpt2), [](const Parameter& p) {
        const bool up = p.name == "layers.0.mlp.up";
        return StoredParameter{p.name,
                               DenseEncoding{DType::kBF16},
                               up ? ActivationQuantization{ActivationScheme::kDynamicInt8Token}
                                  : ActivationQuantization{ActivationScheme::kNone}};
      });
  EXPECT_EQ(SafetensorsReader::open_folder(folder.path())
                .at("transformer.h.0.mlp.c_fc.weight")
                .spec.shape,
            (std::vector<std::int64_t>{8, 6}));
  const Checkpoint model = Checkpoint::open(folder.path());
  EXPECT_EQ(model.load("layers.0.mlp.up").activation,
            ActivationQuantization{ActivationScheme::kDynamicInt8Token});
  expect_holds(model, weights);
}

TEST(CheckpointWriter, RefusesMisuse) {
  TestFolder folder;
  const DecoderSpec spec = tiny_spec(Family::kLlama);
  auto stored = dense_parameters(spec);
  const auto refusal = [&] {
    return error_of<InternalError>([&] { CheckpointWriter(folder.path(), spec, stored); });
  };
  stored.push_back({"position", DenseEncoding{}});
  EXPECT_EQ(refusal(), "the model has no parameter 'position' to write");
  stored.back().name = "embedding";
  EXPECT_EQ(refusal(), "parameter 'embedding' was declared twice to the writer");
  stored.resize(stored.size() - 2);
  EXPECT_EQ(refusal(), "parameter 'lm_head' was not declared to the writer");

  CheckpointWriter writer(folder.path(), spec, dense_parameters(spec));
  const std::vector<float> values(88, 1.0f);
  const PackedMatrix wrong_type =
      pack_dense(source_of(MatrixView<const float>(values.data(), 11, 8)), DType::kBF16);
  const PackedMatrix wrong_shape =
      pack_dense(source_of(MatrixView<const float>(values.data(), 8, 11)), DType::kF32);
  EXPECT_EQ(error_of<InternalError>([&] { writer.write("embedding", wrong_type); }),
            "parameter 'embedding' was declared as f32 [11, 8] and written as bf16 [11, 8]");
  EXPECT_EQ(error_of<InternalError>([&] { writer.write("embedding", wrong_shape); }),
            "parameter 'embedding' was declared as f32 [11, 8] and written as f32 [8, 11]");
  EXPECT_EQ(error_of<InternalError>([&] { writer.write("other", wrong_type); }),
            "parameter 'other' was not declared to the writer");
  EXPECT_THAT(error_of<InternalError>([&] { writer.finish(); }), HasSubstr("0 of "));
  EXPECT_FALSE(fs::exists(folder.path() / "config.json"));
}

TEST(CheckpointWriter, NamesTheParameterThatAnEncodingCannotHold) {
  TestFolder folder;
  const DecoderSpec spec = tiny_spec(Family::kLlama);
  auto stored = dense_parameters(spec);
  stored.front().encoding = GgmlEncoding{GgmlType::kQ8_0};
  EXPECT_THAT(error_of<UserError>([&] { CheckpointWriter(folder.path(), spec, stored); }),
              HasSubstr("parameter 'embedding': "));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(CheckpointWriter, RefusesASpecThatTheFamilyCannotSayBeforeAnyFile) {
  TestFolder folder;
  DecoderSpec spec = tiny_spec(Family::kLlama);
  spec.layers[1].ffn = 5;
  EXPECT_THAT(
      error_of<UserError>([&] { CheckpointWriter(folder.path(), spec, dense_parameters(spec)); }),
      HasSubstr("it has no key for MLP width of a layer"));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace pith
