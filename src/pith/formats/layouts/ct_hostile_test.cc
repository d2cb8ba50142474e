// Folders in the layout compressed-tensors that contradict themselves: one clear error each.
#include <gmock/gmock.h>

#include "pith/formats/test_models.h"

namespace pith {
namespace {

using testing::HasSubstr;

constexpr const char* kModule = "model.layers.0.mlp.down_proj";

using Edit = std::function<void(RawTensors&)>;

std::filesystem::path golden_folder(const std::string& name) {
  return golden("compressed_tensors/" + name);
}

void copy_model(const std::string& name, const TestFolder& folder) {
  for (const char* file : {"config.json", "model.safetensors"})
    std::filesystem::copy_file(golden_folder(name) / file, folder.path() / file);
}

// The error of opening and loading everything after the edit; its start, the folder, is left out.
std::string refusal(const std::string& name,
                    const Edit& edit,
                    const std::function<void(Json&)>& config = {}) {
  TestFolder folder;
  copy_model(name, folder);
  if (edit) edit_tensors(folder.path(), edit);
  if (config) edit_config(folder.path(), [&](Json& json) { config(json["quantization_config"]); });
  const std::string message = error_of<FormatError>([&] {
    const Checkpoint model = Checkpoint::open(folder.path());
    for (const Parameter& parameter : model.parameters()) model.load(parameter.name);
  });
  const std::size_t place = message.find(folder.path().string());
  return place == std::string::npos ? message
                                    : message.substr(place + folder.path().string().size() + 2);
}

std::string part(std::string_view name) { return fmt::format("{}.{}", kModule, name); }

Edit without(std::string_view name) {
  return [name](RawTensors& tensors) { tensors.erase(part(name)); };
}

Edit reshaped(std::string_view name, std::vector<std::int64_t> shape) {
  return [=](RawTensors& tensors) {
    RawTensor& tensor = tensors.at(part(name));
    tensor.spec.shape = shape;
    tensor.bytes.resize(tensor.spec.bytes());
  };
}

Edit retyped(std::string_view name, DType dtype) {
  return [=](RawTensors& tensors) {
    RawTensor& tensor = tensors.at(part(name));
    tensor.spec.dtype = dtype;
    tensor.bytes.resize(tensor.spec.bytes());
  };
}

Edit with_byte(std::string_view name, std::size_t at, char byte) {
  return [=](RawTensors& tensors) { tensors.at(part(name)).bytes.at(at) = byte; };
}

TEST(CtHostile, MissingTensors) {
  EXPECT_EQ(refusal("w4-g16-affine", without("weight_packed")),
            "tensor 'model.layers.0.mlp.down_proj.weight_packed': expected shape [32, 8], found no "
            "such tensor");
  EXPECT_THAT(refusal("w4-g16-affine", without("weight_shape")),
              HasSubstr("weight_shape': expected shape [2], found no such tensor"));
  EXPECT_THAT(refusal("w4-g16-affine", without("weight_scale")),
              HasSubstr("weight_scale': expected shape [32, 4], found no such tensor"));
  EXPECT_THAT(refusal("w4-g16-affine", without("weight_zero_point")),
              HasSubstr("weight_zero_point': expected shape [4, 4], found no such tensor"));
  EXPECT_THAT(refusal("int8-dynamic", without("weight")),
              HasSubstr("weight': expected shape [32, 64], found no such tensor"));
  EXPECT_THAT(refusal("int8-static", without("input_scale")),
              HasSubstr("input_scale': expected shape [1], found no such tensor"));
  EXPECT_THAT(refusal("int8-static", without("input_zero_point")),
              HasSubstr("input_zero_point': expected shape [1], found no such tensor"));
  EXPECT_THAT(refusal("fp8-block", without("weight_scale")),
              HasSubstr("weight_scale': expected shape [2, 3], found no such tensor"));
}

TEST(CtHostile, WrongShapesAndTypes) {
  EXPECT_THAT(refusal("w4-g16-affine", reshaped("weight_packed", {32, 9})),
              HasSubstr("weight_packed': expected shape [32, 8], found [32, 9]"));
  EXPECT_THAT(refusal("w4-g16-affine", reshaped("weight_packed", {256})),
              HasSubstr("weight_packed': expected shape [32, 8], found [256]"));
  EXPECT_THAT(refusal("w4-g16-affine", reshaped("weight_packed", {0, 8})),
              HasSubstr("weight_packed': expected shape [32, 8], found [0, 8]"));
  EXPECT_THAT(refusal("w4-g16-affine", reshaped("weight_shape", {3})),
              HasSubstr("weight_shape': expected shape [2], found [3]"));
  EXPECT_THAT(refusal("w4-g16-affine", reshaped("weight_zero_point", {32, 4})),
              HasSubstr("weight_zero_point': expected shape [4, 4], found [32, 4]"));
  EXPECT_THAT(refusal("w4-g16-affine", retyped("weight_packed", DType::kF32)),
              HasSubstr("weight_packed': expected I32, found F32"));
  EXPECT_THAT(refusal("w4-g16-affine", retyped("weight_scale", DType::kI16)),
              HasSubstr("weight_scale': expected F32, BF16, F16, found I16"));
  EXPECT_THAT(refusal("fp8-dynamic", retyped("weight", DType::kF8E5M2)),
              HasSubstr("weight': expected F8_E4M3, found F8_E5M2"));
  EXPECT_THAT(refusal("int8-dynamic", reshaped("weight_scale", {1})),
              HasSubstr("weight_scale': expected shape [32, 1], found [1]"));
  EXPECT_THAT(refusal("fp8-static", reshaped("weight_scale", {2})),
              HasSubstr("weight_scale': expected shape [1], found [2]"));
}

TEST(CtHostile, WeightShapeThatLies) {
  EXPECT_THAT(refusal("w4-g16-affine", with_byte("weight_shape", 8, 63)),
              HasSubstr("weight_shape': expected the shape of the weight, [32, 64], found [32, "
                        "63]"));
  EXPECT_THAT(refusal("w4-g16-affine", with_byte("weight_shape", 7, '\x80')),
              HasSubstr("found [-9223372036854775776, 64]"));
}

TEST(CtHostile, ZeroPointsOfSymmetricMatrices) {
  const auto add = [](DType dtype, std::vector<std::int64_t> shape, std::string bytes) {
    return [=](RawTensors& tensors) {
      tensors[part("weight_zero_point")] = {{"", dtype, shape}, bytes};
    };
  };
  const std::string message =
      "tensor 'model.layers.0.mlp.down_proj.weight_zero_point': expected zeros, since the weights "
      "are symmetric, found others";
  std::string bytes(32, '\0');
  TestFolder folder;
  copy_model("int8-dynamic", folder);
  edit_tensors(folder.path(), add(DType::kI8, {32, 1}, bytes));
  EXPECT_EQ(Checkpoint::open(folder.path()).load("layers.0.mlp.down").rows(), 32u);
  bytes[31] = 1;
  EXPECT_EQ(refusal("int8-dynamic", add(DType::kI8, {32, 1}, bytes)), message);
  EXPECT_EQ(refusal("fp8-dynamic", add(DType::kF8E4M3, {32, 1}, bytes)), message);
  // three bits, 32 rows: words of the middle code, 4
  const std::string middle = "\x24\x49\x92\x24\x49\x92\x24\x49\x92\x24\x49\x92";
  TestFolder packed;
  copy_model("w3-channel", packed);
  edit_tensors(packed.path(), add(DType::kI32, {3, 1}, middle));
  EXPECT_EQ(Checkpoint::open(packed.path()).load("layers.0.mlp.down").rows(), 32u);
  EXPECT_EQ(refusal("w3-channel", add(DType::kI32, {3, 1}, std::string(12, '\0'))), message);
}

TEST(CtHostile, StaticScalesThatAreNone) {
  EXPECT_THAT(refusal("int8-static", with_byte("input_scale", 1, '\xff')),
              HasSubstr("input_scale': expected a positive number, found -"));
  const Edit zero = [](RawTensors& tensors) { tensors.at(part("input_scale")).bytes = {0, 0}; };
  EXPECT_THAT(refusal("fp8-static", zero),
              HasSubstr("input_scale': expected a positive number, found 0"));
  EXPECT_THAT(refusal("int8-static",
                      nullptr,
                      [](Json& config) {
                        config["config_groups"]["group_0"]["input_activations"]["symmetric"] = true;
                      }),
              HasSubstr("input_zero_point': expected 0, since the activations are symmetric, found "
                        "-26"));
}

TEST(CtHostile, CodesBeyondTheirWidth) {
  EXPECT_THAT(
      refusal("int8-dynamic",
              nullptr,
              [](Json& config) { config["config_groups"]["group_0"]["weights"]["num_bits"] = 4; }),
      HasSubstr("expected codes from -8 to 7, found one beyond"));
}

TEST(CtHostile, TargetsThatMatchNothing) {
  const auto targets = [](const Json& names) {
    return refusal("int8-dynamic", nullptr, [&](Json& config) {
      config["config_groups"]["other"] = config["config_groups"]["group_0"];
      config["config_groups"]["other"]["targets"] = names;
    });
  };
  EXPECT_EQ(targets({"model.layers.7.mlp.up_proj"}),
            "quantization_config: group 'other': expected targets that are modules of the model, "
            "found 'model.layers.7.mlp.up_proj', which matches none");
  EXPECT_THAT(targets({"re:.*experts.*"}), HasSubstr("found 're:.*experts.*', which matches none"));
  EXPECT_THAT(targets({"Conv2d"}), HasSubstr("found 'Conv2d', which matches none"));
}

TEST(CtHostile, IgnoredMatricesMustBeDense) {
  EXPECT_THAT(refusal("w4-g16-affine",
                      nullptr,
                      [](Json& config) { config["ignore"].push_back("re:.*down_proj"); }),
              HasSubstr("tensor 'model.layers.0.mlp.down_proj.weight': expected shape [32, 64], "
                        "found no such tensor"));
  EXPECT_THAT(refusal("int8-dynamic",
                      nullptr,
                      [](Json& config) { config["ignore"].push_back("re:.*down_proj"); }),
              HasSubstr("tensor 'model.layers.0.mlp.down_proj.weight': expected F32, BF16 or F16, "
                        "found I8"));
}

TEST(CtHostile, GroupsLargerThanTheMatrix) {
  EXPECT_THAT(refusal("w4-g16-affine",
                      nullptr,
                      [](Json& config) {
                        config["config_groups"]["group_0"]["weights"]["group_size"] = 1 << 29;
                      }),
              HasSubstr("weight_scale': expected shape [32, 1], found [32, 2]"));
}

}  // namespace
}  // namespace pith
