// What the layout of bitsandbytes refuses, both ways.
#include <gmock/gmock.h>

#include <cmath>

#include "pith/formats/layouts/bitsandbytes_layout.h"
#include "pith/formats/test_models.h"

namespace pith {
namespace {

using testing::HasSubstr;

const ActivationQuantization kToken{ActivationScheme::kDynamicInt8Token};
const std::string kName = "model.layers.0.mlp.down_proj.weight";  // [8, 6]
const std::string kState = kName + ".quant_state.bitsandbytes__nf4";

using Encodings = std::map<std::string, StoredParameter>;

// The message of a writer for linears of nf4, but for the parameters named.
std::string refusal(const Encodings& others) {
  TestFolder folder;
  return error_of<UserError>([&] {
    write_model(
        folder.path(),
        tiny_spec(Family::kLlama),
        [&](const Parameter& parameter) {
          if (const auto found = others.find(parameter.name); found != others.end()) {
            StoredParameter stored = found->second;
            stored.name = parameter.name;
            return stored;
          }
          if (parameter.kind != ParameterKind::kLinear)
            return StoredParameter{parameter.name, DenseEncoding{DType::kF32}};
          return StoredParameter{parameter.name, CodebookEncoding{}};
        },
        CheckpointWriter::kDefaultShardBytes,
        "bitsandbytes");
  });
}

TEST(BitsandbytesWriter, RefusesWhatItCannotHold) {
  const std::string down = "layers.0.mlp.down";
  const auto as = [&](const Encoding& encoding, const ActivationQuantization& activation = {}) {
    return refusal({{down, StoredParameter{"", encoding, activation}}});
  };
  const std::string cannot = "bitsandbytes cannot hold '" + kName + "' as ";
  EXPECT_EQ(
      as(GroupIntEncoding{4, Granularity::kGroup, 2, ZeroPoints::kPacked, DType::kF16}),
      cannot +
          "int4 g2 affine f16: its integers are symmetric 8-bit rows with f32 scales; use the "
          "method nf4 or dynamic-int8, or another format");
  EXPECT_EQ(as(GroupIntEncoding{}),
            cannot +
                "int8 row symmetric f32: it always meets 8-bit weights with int8 activations a "
                "token, here they "
                "are floats; use the method dynamic-int8, or another format");
  EXPECT_THAT(as(GroupIntEncoding{}, {ActivationScheme::kStaticInt8Tensor, 0.5f, 0, 0}),
              HasSubstr("int8 activations a token, here they are static-int8-tensor 0.5"));
  EXPECT_EQ(as(Float8Encoding{}),
            cannot +
                "e4m3 row: it holds nf4, fp4 and int8 rows only; use the method nf4 or "
                "dynamic-int8, or another format");
  EXPECT_EQ(as(CodebookEncoding{}, kToken),
            cannot +
                "nf4 b64: its activations are dynamic-int8-token, those of 4-bit weights stay "
                "floats; use the format pith");
  EXPECT_EQ(as(DenseEncoding{}, kToken),
            cannot +
                "f32: its activations are dynamic-int8-token, those of unquantized weights stay "
                "floats; use the format pith");
  EXPECT_EQ(
      as(GroupIntEncoding{}, kToken),
      cannot +
          "int8 row symmetric f32: one kind of weights and activations serves the whole model, and "
          "'model.layers.0.self_attn.q_proj.weight' is nf4 b64, activations none; quantize "
          "all linears alike or use the format pith");
  EXPECT_THAT(as(CodebookEncoding{CodebookTable::kFp4, 64, false}),
              HasSubstr("one kind of weights"));
  EXPECT_THAT(refusal({{"embedding", StoredParameter{"", CodebookEncoding{}}}}),
              HasSubstr("'model.embed_tokens.weight' as nf4 b64: it compresses linears and the "
                        "head only; keep it f16, bf16 or f32"));
}

TEST(BitsandbytesWriter, RefusesScalesWithoutRowMaximum) {
  const DecoderSpec spec = tiny_spec(Family::kLlama);
  const LayoutMatrix matrix{kName, ParameterKind::kLinear, 2, 2, GroupIntEncoding{}, kToken};
  const auto writer = make_bitsandbytes_writer(spec, {matrix});
  std::vector<Buffer> buffers;
  for (BufferSpec& part : buffer_specs(matrix.encoding, 2, 2)) {
    OwnedBuffer owned = allocate_buffer(std::move(part));
    const float scales[2] = {1.0f / 127.0f, 0x1.a6848p0f};
    if (owned.buffer.spec.part == "scales")
      std::memcpy(owned.writable.data(), scales, sizeof scales);
    buffers.push_back(owned.buffer);
  }
  const PackedMatrix weight(matrix.encoding, 2, 2, buffers);
  EXPECT_EQ(error_of<UserError>([&] { writer->pack(matrix, weight); }),
            "bitsandbytes cannot hold '" + kName +
                "' as int8 row symmetric f32: row 1 has scale 1.6504593, which no f32 divided by "
                "127 gives; use "
                "the method dynamic-int8 without a search for scales, or another format");
}

// A folder as written, then spoilt.
class Spoilt {
 public:
  explicit Spoilt(const StoredParameter& linear, std::int64_t ffn = 6) {
    DecoderSpec spec = tiny_spec(Family::kLlama);
    for (LayerSpec& layer : spec.layers) layer.ffn = ffn;
    write_model(
        folder_.path(),
        spec,
        [&](const Parameter& parameter) {
          StoredParameter stored = linear;
          stored.name = parameter.name;
          if (parameter.kind != ParameterKind::kLinear) stored = {parameter.name, DenseEncoding{}};
          return stored;
        },
        CheckpointWriter::kDefaultShardBytes,
        "bitsandbytes");
  }
  // What opening and loading everything says, without the folder.
  std::string complaint() const {
    std::string text = error_of<FormatError>([&] {
      const Checkpoint model = Checkpoint::open(folder_.path());
      for (const Parameter& parameter : model.parameters()) model.load(parameter.name).dequantize();
    });
    const std::string place = folder_.path().string() + ": ";
    if (const auto at = text.find(place); at != std::string::npos) text.erase(at, place.size());
    return text;
  }
  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TestFolder folder_;
};

std::string after(const StoredParameter& linear, const std::function<void(RawTensors&)>& edit) {
  const Spoilt model(linear);
  edit_tensors(model.path(), edit);
  return model.complaint();
}

const StoredParameter kBlocks{"", CodebookEncoding{CodebookTable::kNf4, 64, true}};
const StoredParameter kRows{"", GroupIntEncoding{}, kToken};

void set_text(RawTensors& tensors, const std::string& text) {
  RawTensor& tensor = tensors.at(kState);
  tensor.bytes = text;
  tensor.spec.shape = {static_cast<std::int64_t>(text.size())};
}

std::string with_state(const std::function<void(Json&)>& edit) {
  return after(kBlocks, [&](RawTensors& tensors) {
    Json json = Json::parse(tensors.at(kState).bytes);
    edit(json);
    set_text(tensors, json.dump());
  });
}

TEST(BitsandbytesReader, RefusesLyingDescriptions) {
  const std::string at = "tensor '" + kState + "': at ";
  EXPECT_EQ(with_state([](Json& json) { json["blocksize"] = 0; }),
            at + "/blocksize: expected an integer from 32 to 4096, found 0");
  EXPECT_EQ(with_state([](Json& json) { json["blocksize"] = 96; }),
            at + "/blocksize: expected a power of two from 32 to 4096, found 96");
  EXPECT_EQ(with_state([](Json& json) {
              json["shape"] = {8, 7};
            }),
            at + "/shape: expected [8, 6], found [8, 7]");
  EXPECT_EQ(with_state([](Json& json) {
              json["shape"] = {std::int64_t{1} << 62, 4};
            }),
            at + "/shape/0: expected an integer from 0 to 1099511627776, found "
                 "4611686018427387904");
  EXPECT_EQ(with_state([](Json& json) { json["quant_type"] = "fp4"; }),
            at + "/quant_type: expected nf4, found \"fp4\"");
  EXPECT_EQ(with_state([](Json& json) { json["nested_offset"] = 1e39; }),
            at + "/nested_offset: expected a number within the range of f32, found 1e+39");
  EXPECT_EQ(with_state([](Json& json) { json["nested_dtype"] = "float16"; }),
            at + "/nested_dtype: expected float32, found \"float16\"");
  // without a second level the absmax values are floats
  EXPECT_EQ(with_state([](Json& json) { json.erase("nested_blocksize"); }),
            "tensor '" + kName + ".absmax': expected F32, found U8");
  EXPECT_EQ(with_state([](Json& json) { json["blocksize"] = 32; }),
            "tensor '" + kName + ".absmax': expected shape [2], found [1]");
}

TEST(BitsandbytesReader, RefusesDescriptionsThatAreNoJson) {
  const auto with_text = [](const std::string& text) {
    return after(kBlocks, [&](RawTensors& tensors) { set_text(tensors, text); });
  };
  EXPECT_THAT(with_text("nf4"), HasSubstr("tensor '" + kState + "'"));
  EXPECT_THAT(with_text(std::string(2000, '[')), HasSubstr("tensor '" + kState + "'"));
  EXPECT_EQ(with_text(std::string(200000, '[')),
            "tensor '" + kState +
                "': expected JSON text as U8, at most 4096 bytes, found U8 "
                "[200000]");
  EXPECT_EQ(with_text("[]"), "tensor '" + kState + "': expected an object, found an array of 0");
}

TEST(BitsandbytesReader, RefusesTensorsThatDoNotFit) {
  const auto without = [](const std::string& name) {
    return after(kBlocks, [&](RawTensors& tensors) { tensors.erase(name); });
  };
  EXPECT_EQ(without(kName + ".absmax"),
            "tensor '" + kName + ".absmax': expected shape [1], found no such tensor");
  EXPECT_EQ(without(kName + ".quant_map"),
            "tensor '" + kName + ".quant_map': expected shape [16], found no such tensor");
  EXPECT_EQ(without(kState),
            "tensor '" + kState +
                "': expected one description of the 4-bit blocks, of nf4 or of "
                "fp4, found none");
  EXPECT_EQ(without(kName), "tensor '" + kName + "': expected shape [24, 1], found no such tensor");
  EXPECT_EQ(after(kBlocks,
                  [](RawTensors& tensors) {
                    tensors[kName + ".quant_state.bitsandbytes__fp4"] = tensors.at(kState);
                  }),
            "tensor '" + kState +
                "': expected one description of the 4-bit blocks, of nf4 or of "
                "fp4, found both");
  EXPECT_EQ(after(kBlocks,
                  [](RawTensors& tensors) {
                    tensors.at(kName) = {{kName, DType::kF32, {7, 1}}, std::string(28, 'x')};
                  }),
            "tensor '" + kName + "': expected shape [6, 1], found [7, 1]");
  EXPECT_EQ(
      after(kBlocks, [&](RawTensors& tensors) { tensors.at(kName + ".quant_map").bytes[0] ^= 1; }),
      "tensor '" + kName +
          ".quant_map': expected the levels of nf4, found others; Pith "
          "reads the tables of bitsandbytes and no table made to measure");
}

TEST(BitsandbytesReader, ReadsCodesStoredAsOtherTypes) {
  for (const DType dtype : {DType::kI8, DType::kBF16, DType::kF32, DType::kF64}) {
    const Spoilt model(kBlocks);
    const PackedMatrix before = Checkpoint::open(model.path()).load("layers.0.mlp.down");
    edit_tensors(model.path(), [&](RawTensors& tensors) {
      tensors.at(kName).spec.dtype = dtype;
      tensors.at(kName).spec.shape = {24 / static_cast<std::int64_t>(size_of(dtype)), 1};
    });
    expect_same(Checkpoint::open(model.path()).load("layers.0.mlp.down"), before);
  }
}

TEST(BitsandbytesReader, RefusesTypesThatDoNotDivideTheCodes) {
  const Spoilt model(kBlocks, 7);  // 56 weights, 28 bytes
  edit_tensors(model.path(), [&](RawTensors& tensors) {
    tensors.at(kName) = {{kName, DType::kF64, {4, 1}}, std::string(32, 'x')};
  });
  EXPECT_EQ(model.complaint(),
            "tensor '" + kName +
                "': expected 28 bytes of 4-bit codes, found 32; this storage type "
                "does not divide them");
}

TEST(BitsandbytesReader, RefusesInt8ThatDoesNotFit) {
  const std::string module = "model.layers.0.mlp.down_proj";
  const auto spoil = [](const std::function<void(RawTensors&)>& edit) {
    return after(kRows, edit);
  };
  EXPECT_EQ(spoil([&](RawTensors& tensors) { tensors.at(module + ".weight_format").bytes[0] = 2; }),
            "tensor '" + module +
                ".weight_format': expected 0 (rows as they are), found 2; save "
                "the model again with bitsandbytes 0.43 or newer");
  EXPECT_EQ(spoil([&](RawTensors& tensors) { tensors.erase(module + ".SCB"); }),
            "tensor '" + module + ".SCB': expected shape [8], found no such tensor");
  EXPECT_EQ(spoil([&](RawTensors& tensors) {
              const float infinite = INFINITY;
              std::memcpy(tensors.at(module + ".SCB").bytes.data() + 12, &infinite, 4);
            }),
            "while loading 'layers.0.mlp.down': tensor '" + module +
                ".SCB': expected finite row maxima, found inf in row 3");
  EXPECT_EQ(spoil([&](RawTensors& tensors) {
              tensors.at(kName).spec.shape = {6, 8};
            }),
            "tensor '" + kName + "': expected shape [8, 6], found [6, 8]");
}

TEST(BitsandbytesReader, RefusesOtherConfigurations) {
  const auto with = [](const StoredParameter& linear, std::string_view key, const Json& value) {
    const Spoilt model(linear);
    edit_config(model.path(),
                [&](Json& config) { config["quantization_config"][std::string(key)] = value; });
    return model.complaint();
  };
  EXPECT_THAT(with(kBlocks, "load_in_8bit", true),
              HasSubstr("at /quantization_config: expected one of load_in_4bit and load_in_8bit to "
                        "be true, found both"));
  EXPECT_THAT(with(kBlocks, "load_in_4bit", false), HasSubstr("to be true, found neither"));
  EXPECT_THAT(with(kRows, "llm_int8_has_fp16_weight", true),
              HasSubstr("expected false, found true; give the folder of the unquantized model"));
  EXPECT_THAT(with(kRows, "llm_int8_threshold", -1),
              HasSubstr("/llm_int8_threshold: expected a number from 0 up, found -1"));
  const Spoilt blocks(kBlocks);
  edit_config(blocks.path(), [](Json& config) {
    config["quantization_config"]["load_in_4bit"] = false;
    config["quantization_config"]["load_in_8bit"] = true;
  });
  EXPECT_EQ(blocks.complaint(),
            "tensor 'model.layers.0.self_attn.q_proj.weight': expected int8 rows, since "
            "quantization_config says load_in_8bit, found 4-bit blocks");
}

}  // namespace
}  // namespace pith
