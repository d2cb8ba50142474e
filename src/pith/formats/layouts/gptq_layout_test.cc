#include "pith/formats/layouts/gptq_layout.h"

#include <gmock/gmock.h>

#include "pith/formats/layouts/layout_test_support.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

const std::string kDown = "model.layers.0.mlp.down_proj";
constexpr GroupIntEncoding kInt4{4, Granularity::kGroup, 32, ZeroPoints::kNone, DType::kF16};
constexpr GroupIntEncoding kAffine4{4, Granularity::kGroup, 32, ZeroPoints::kPacked, DType::kF16};

std::vector<std::uint32_t> words_of(const Buffer& buffer) {
  std::vector<std::uint32_t> words(buffer.bytes.size() / 4);
  std::memcpy(words.data(), buffer.bytes.data(), buffer.bytes.size());
  return words;
}

// A [32, 32] weight of which every row has the given codes, written.
std::vector<Buffer> pack_rows_of(const GroupIntEncoding& encoding,
                                 const std::vector<std::uint8_t>& row,
                                 std::uint8_t zero) {
  std::vector<std::uint8_t> codes;
  for (int r = 0; r < 32; ++r) codes.insert(codes.end(), row.begin(), row.end());
  std::vector<Buffer> buffers;
  for (BufferSpec& spec : buffer_specs(encoding, 32, 32)) {
    OwnedBuffer owned = allocate_buffer(std::move(spec));
    std::ranges::fill(owned.writable, std::byte{0});
    const CodeRows zeros{32, 1, encoding.bits};
    if (owned.buffer.spec.part == "codes")
      pack_rows({32, 32, encoding.bits}, codes, owned.writable);
    if (owned.buffer.spec.part == "zeros")
      pack_rows(zeros, std::vector<std::uint8_t>(32, zero), owned.writable);
    buffers.push_back(std::move(owned.buffer));
  }
  const LayoutMatrix matrix{kDown + ".weight", ParameterKind::kLinear, 32, 32, encoding, {}};
  return make_gptq_writer(words_spec(), {matrix})
      ->pack(matrix, PackedMatrix(encoding, 32, 32, std::move(buffers)));
}

TEST(GptqWriter, WorkedExamples) {
  std::vector<std::uint8_t> row(32, 0);
  const std::vector<std::uint8_t> start = {1, 2, 3, 4, 5, 6, 7, 15};
  std::ranges::copy(start, row.begin());
  const std::vector<Buffer> symmetric = pack_rows_of(kInt4, row, 0);
  ASSERT_EQ(symmetric.size(), 4u);
  EXPECT_EQ(symmetric[0].spec.shape, (std::vector<std::int64_t>{4, 32}));
  EXPECT_EQ(words_of(symmetric[0])[0], 0xf7654321u);
  EXPECT_EQ(words_of(symmetric[0])[31], 0xf7654321u);
  EXPECT_EQ(words_of(symmetric[0])[32], 0u);
  EXPECT_THAT(words_of(symmetric[1]), testing::Each(0x77777777u));
  EXPECT_THAT(words_of(pack_rows_of(kAffine4, row, 8)[1]), testing::Each(0x88888888u));

  for (std::size_t t = 0; t < 32; ++t) row[t] = static_cast<std::uint8_t>(t % 8);
  GroupIntEncoding three = kInt4;
  three.bits = 3;
  const std::vector<std::uint32_t> words = words_of(pack_rows_of(three, row, 0)[0]);
  EXPECT_EQ(words[0], 0x88fac688u);
  EXPECT_EQ(words[32], 0xc688fac6u);
  EXPECT_EQ(words[64], 0xfac688fau);
}

// Every kind of weight comes back as it was, also where a row's last group is shorter.
TEST(GptqLayout, HoldsEveryKindBitForBit) {
  struct Group {
    Granularity granularity;
    std::size_t size;
    bool act_order;
  };
  constexpr Group kGroups[] = {{Granularity::kRow, 0, false},
                               {Granularity::kGroup, 32, false},
                               {Granularity::kGroup, 24, false},
                               {Granularity::kGroup, 128, false},
                               {Granularity::kGroup, 16, true},
                               {Granularity::kGroup, 40, true}};
  for (const int bits : {2, 3, 4, 8})
    for (const ZeroPoints zeros : {ZeroPoints::kNone, ZeroPoints::kPacked})
      for (const Group& group : kGroups) {
        const DType scales = bits == 8 ? DType::kBF16 : DType::kF16;
        const GroupIntEncoding encoding{
            bits, group.granularity, group.size, zeros, scales, group.act_order};
        SCOPED_TRACE(to_string(encoding));
        TestFolder folder;
        const Weights weights =
            write_random(folder.path(), words_spec(), linears_as(encoding), "gptq");
        const Checkpoint model = Checkpoint::open(folder.path());
        EXPECT_EQ(model.layout(), "gptq");
        expect_holds(model, weights);
        EXPECT_EQ(model.stored_name("layers.0.mlp.down"), kDown + ".qweight");
      }
}

TEST(GptqLayout, ServesAllFamilies) {
  for (const Family family : kAllFamilies) {
    SCOPED_TRACE(to_string(family));
    TestFolder folder;
    const Weights weights =
        write_random(folder.path(), words_spec(family), linears_as(kAffine4), "gptq");
    expect_holds(Checkpoint::open(folder.path()), weights);
  }
}

TEST(GptqLayout, HoldsMixedModels) {
  TestFolder folder;
  GroupIntEncoding act_order = kInt4;
  act_order.column_groups = true;
  const GroupIntEncoding eight{8, Granularity::kRow, 0, ZeroPoints::kPacked, DType::kBF16};
  const auto encoding_of = [&](const Parameter& parameter) -> Encoding {
    if (parameter.kind != ParameterKind::kLinear || parameter.name == "layers.1.mlp.down")
      return DenseEncoding{DType::kBF16};
    if (parameter.name == "layers.0.attn.o") return eight;
    return parameter.name == "layers.1.mlp.up" ? act_order : kInt4;
  };
  const Weights weights =
      write_random(folder.path(), words_spec(Family::kLlama, 2), encoding_of, "gptq");
  expect_holds(Checkpoint::open(folder.path()), weights);
  const Json json = read_json_file(folder.path() / "quantize_config.json");
  EXPECT_EQ(json, read_json_file(folder.path() / "config.json")["quantization_config"]);
  EXPECT_EQ(json["dynamic"].size(), 3u);
}

// A written folder that a test spoils or changes.
class GptqFolder : public testing::Test {
 protected:
  void write(const Encoding& encoding) {
    weights_ = write_random(folder_.path(), words_spec(), linears_as(encoding), "gptq");
  }
  void configure(const std::function<void(Json&)>& change) const {
    edit_config(folder_.path(), [&](Json& config) { change(config["quantization_config"]); });
  }
  void edit(const std::function<void(RawTensors&)>& change) const {
    edit_tensors(folder_.path(), change);
  }
  Checkpoint open() const { return Checkpoint::open(folder_.path()); }
  PackedMatrix down() const { return open().load("layers.0.mlp.down"); }
  std::string refusal() const {
    const std::string message = error_of<FormatError>([&] { open(); });
    EXPECT_THAT(message, testing::StartsWith(folder_.path().string() + ": "));
    return message.substr(std::min(message.size(), folder_.path().string().size() + 2));
  }
  std::string load_refusal() const {
    return error_of<FormatError>([&] { down(); });
  }

  TestFolder folder_;
  Weights weights_;
};

void fill_zeros(RawTensors& tensors, char byte) {
  for (auto& [name, tensor] : tensors)
    if (name.ends_with(".qzeros")) std::ranges::fill(tensor.bytes, byte);
}

TEST_F(GptqFolder, SymmetricFilesThatSayV1AndStoreV2) {
  write(kInt4);
  edit([](RawTensors& tensors) {
    EXPECT_EQ(tensors[kDown + ".qzeros"].bytes[0], 0x77);
    fill_zeros(tensors, static_cast<char>(0x88));
  });
  expect_holds(open(), weights_);
  configure([](Json& config) { config["checkpoint_format"] = config["format"] = "gptq_v2"; });
  expect_holds(open(), weights_);
  edit([](RawTensors& tensors) { fill_zeros(tensors, 0x77); });
  EXPECT_EQ(load_refusal(),
            "while loading 'layers.0.mlp.down': " + folder_.path().string() + ": tensor '" + kDown +
                ".qzeros': expected 8 everywhere, since the quantization configuration says "
                "\"sym\": true, found 7 at group 0, output 0; write \"sym\": false there to read "
                "them as they are");
}

TEST_F(GptqFolder, ZeroPointsThatAreNotSymmetric) {
  write(kInt4);
  edit([](RawTensors& tensors) { tensors[kDown + ".qzeros"].bytes[4 * 8 + 3] = 0x57; });
  EXPECT_THAT(load_refusal(), HasSubstr("says \"sym\": true, found 5 at group 1, output 7; "));
  configure([](Json& config) { config["sym"] = false; });
  const PackedMatrix weight = down();
  const auto zeros = unpack_rows({64, 3, 4}, weight.buffer("zeros").bytes);
  EXPECT_EQ(zeros[0], 8);
  EXPECT_EQ(zeros[7 * 3 + 1], 6);
  EXPECT_EQ(weight.encoding(), Encoding(kAffine4));
}

// v1: what AutoGPTQ and what GPTQModel make of a zero point of 0 beside one of 5.
TEST_F(GptqFolder, V1ZeroPoints) {
  write(kAffine4);
  const auto store = [&](const std::string& first_word) {
    edit([&](RawTensors& tensors) {
      fill_zeros(tensors, 0x33);
      tensors[kDown + ".qzeros"].bytes.replace(0, 4, first_word);
    });
  };
  const auto first_zeros = [&] {
    const auto zeros = unpack_rows({64, 3, 4}, down().buffer("zeros").bytes);
    std::vector<int> first;
    for (std::size_t n = 0; n < 8; ++n) first.push_back(zeros[n * 3]);
    return first;
  };
  configure([](Json& config) { config["checkpoint_format"] = config["format"] = "gptq"; });
  store("\x4f\x43\x33\x33");
  EXPECT_EQ(first_zeros(), (std::vector<int>{0, 5, 4, 5, 4, 4, 4, 4}));
  // 0x33334350 - 0x11111111 with the borrows of GPTQModel
  configure([](Json& config) { config["meta"]["quantizer"] = {"gptqmodel:5.0.0"}; });
  store("\x3f\x32\x22\x22");
  EXPECT_EQ(first_zeros(), (std::vector<int>{0, 5, 3, 4, 3, 3, 3, 3}));
}

TEST_F(GptqFolder, ThreeBitV1ZeroPointsAreFields) {
  GroupIntEncoding three = kAffine4;
  three.bits = 3;
  write(three);
  configure([](Json& config) {
    config["checkpoint_format"] = config["format"] = "gptq";
    config["meta"]["quantizer"] = {"gptqmodel:5.0.0"};
  });
  const auto zeros = unpack_rows({64, 3, 3}, down().buffer("zeros").bytes);
  const auto stored =
      unpack_rows({64, 3, 3}, weights_.at("layers.0.mlp.down").buffer("zeros").bytes);
  for (std::size_t i = 0; i < zeros.size(); ++i) EXPECT_EQ(zeros[i], (stored[i] + 1) % 8);
}

TEST_F(GptqFolder, GroupsWithoutGIdxAreInOrder) {
  write(kAffine4);
  edit([](RawTensors& tensors) { tensors.erase(kDown + ".g_idx"); });
  expect_holds(open(), weights_);
  configure([](Json& config) { config["desc_act"] = true; });
  EXPECT_EQ(refusal(),
            "tensor '" + kDown +
                ".g_idx': expected the group of each column, since the "
                "configuration says \"desc_act\": true, found no such tensor");
}

TEST_F(GptqFolder, GroupsThatAreNotThere) {
  write(kAffine4);
  const auto set_group = [&](int group) {
    edit([&](RawTensors& tensors) {
      std::memcpy(tensors[kDown + ".g_idx"].bytes.data() + 4 * 5, &group, 4);
    });
  };
  set_group(3);
  EXPECT_EQ(refusal(),
            "tensor '" + kDown + ".g_idx': expected groups from 0 to 2, found 3 at column 5");
  set_group(-1);
  EXPECT_THAT(refusal(), HasSubstr("found -1 at column 5"));
  set_group(2);
  EXPECT_EQ(to_string(down().encoding()), "int4 g32 affine f16 act-order");
}

TEST_F(GptqFolder, WrongShapesAndTypes) {
  write(kAffine4);
  struct Case {
    const char* part;
    std::vector<std::int64_t> shape;
    const char* message;
  };
  const Case cases[] = {{"qweight", {64, 12}, "expected shape [12, 64], found [64, 12]"},
                        {"qzeros", {8, 3}, "expected shape [3, 8], found [8, 3]"},
                        {"scales", {64, 3}, "expected shape [3, 64], found [64, 3]"},
                        {"g_idx", {1, 96}, "expected shape [96], found [1, 96]"}};
  for (const Case& item : cases) {
    const std::string name = kDown + "." + item.part;
    std::vector<std::int64_t> good;
    edit([&](RawTensors& tensors) {
      good = tensors[name].spec.shape;
      tensors[name].spec.shape = item.shape;
    });
    EXPECT_EQ(refusal(), "tensor '" + name + "': " + item.message);
    edit([&](RawTensors& tensors) { tensors[name].spec.shape = good; });
  }
  edit([](RawTensors& tensors) { tensors[kDown + ".qweight"].spec.dtype = DType::kU32; });
  EXPECT_EQ(refusal(), "tensor '" + kDown + ".qweight': expected I32, found U32");
}

TEST_F(GptqFolder, MissingTensors) {
  write(kAffine4);
  for (const char* part : {"scales", "qzeros", "qweight"}) {
    const std::string name = kDown + "." + part;
    edit([&](RawTensors& tensors) { tensors.erase(name); });
    EXPECT_THAT(refusal(),
                AllOf(HasSubstr("tensor '" + name + "': expected shape "),
                      HasSubstr("found no such tensor")));
  }
}

TEST_F(GptqFolder, ContradictionsBetweenConfigAndTensors) {
  write(kAffine4);
  configure([](Json& config) { config["bits"] = 8; });
  EXPECT_THAT(refusal(), HasSubstr(".qweight': expected shape [16, 64], found [8, 64]"));
  configure([](Json& config) {
    config["bits"] = 4;
    config["dynamic"] = {{"-:.*down_proj", Json::object()}};
  });
  EXPECT_EQ(refusal(),
            "tensor '" + kDown +
                ".qweight': expected a dense weight, since a rule of `dynamic` "
                "leaves this module as it is, found a GPTQ weight");
  configure([](Json& config) { config.erase("dynamic"); });
  edit([](RawTensors& tensors) {
    tensors[kDown + ".weight"] = {{"", DType::kF16, {64, 96}}, std::string(64 * 96 * 2, 0)};
  });
  EXPECT_EQ(refusal(),
            "tensor '" + kDown + ".weight': expected either this tensor or '" + kDown +
                ".qweight', found both; remove the one that is not meant");
}

TEST(GptqReader, WeightsThatFillNoWords) {
  TestFolder folder;
  write_model(folder.path(), tiny_spec(Family::kLlama), all_dense(DType::kF16));
  edit_config(folder.path(), [](Json& config) {
    config["quantization_config"] = {{"quant_method", "gptq"}, {"bits", 3}, {"group_size", 4}};
  });
  const std::string place = folder.path().string();
  EXPECT_EQ(error_of<FormatError>([&] { Checkpoint::open(folder.path()); }),
            place +
                ": expected weights of GPTQ, since the quantization configuration says so, found "
                "dense ones "
                "only; remove `quantization_config` from config.json");
  edit_tensors(folder.path(), [](RawTensors& tensors) {
    rename_tensor(tensors, kDown + ".weight", kDown + ".qweight");
  });
  EXPECT_EQ(error_of<FormatError>([&] { Checkpoint::open(folder.path()); }),
            place + ": tensor '" + kDown +
                ".qweight': expected rows and columns whose 3-bit codes "
                "fill words of 32 bits, found a weight [8, 6]");
}

TEST_F(GptqFolder, HeadsAreReadAndEmbeddingsAreNot) {
  write(kAffine4);
  edit_config(folder_.path(), [](Json& config) { config["vocab_size"] = 64; });
  const auto give = [](RawTensors& tensors, const std::string& module) {
    tensors.erase(module + ".weight");
    for (const char* part : {".qweight", ".qzeros", ".scales", ".g_idx"})
      tensors[module + part] = tensors["model.layers.0.self_attn.q_proj" + std::string(part)];
  };
  edit([&](RawTensors& tensors) {
    tensors["model.embed_tokens.weight"] = {{"", DType::kF16, {64, 64}}, std::string(8192, 0)};
    give(tensors, "lm_head");
  });
  configure([](Json& config) { config["lm_head"] = true; });
  expect_same(open().load("lm_head"), weights_.at("layers.0.attn.q"));
  edit([&](RawTensors& tensors) { give(tensors, "model.embed_tokens"); });
  EXPECT_EQ(
      refusal(),
      "tensor 'model.embed_tokens.qweight': expected a dense embedding, found a weight of GPTQ; "
      "Pith reads GPTQ weights of linears only");
}

TEST_F(GptqFolder, BiasesOfZeroThatTheModelDoesNotHave) {
  write(kAffine4);
  edit([](RawTensors& tensors) {
    tensors[kDown + ".bias"] = {{"", DType::kF16, {64}}, std::string(128, 0)};
  });
  testing::internal::CaptureStderr();
  expect_holds(open(), weights_);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  edit([](RawTensors& tensors) { tensors[kDown + ".bias"].bytes[1] = 1; });
  testing::internal::CaptureStderr();
  expect_holds(open(), weights_);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("1 tensors are no parameters of this llama and are ignored: " + kDown));
}

std::string writer_refusal(const Encoding& encoding,
                           ParameterKind kind = ParameterKind::kLinear,
                           std::size_t cols = 96,
                           ActivationScheme scheme = ActivationScheme::kNone) {
  LayoutMatrix matrix{kDown + ".weight", kind, 64, cols, encoding, {}};
  matrix.activation.scheme = scheme;
  const std::string message =
      error_of<UserError>([&] { make_gptq_writer(words_spec(), {matrix}); });
  const std::string start =
      "gptq cannot hold '" + kDown + ".weight' as " + to_string(encoding) + ": ";
  EXPECT_THAT(message, testing::StartsWith(start));
  return message.substr(std::min(message.size(), start.size()));
}

TEST(GptqWriter, RefusesWhatItCannotHold) {
  GroupIntEncoding encoding = kInt4;
  encoding.bits = 5;
  EXPECT_EQ(writer_refusal(encoding), "5 bits, of which it knows 2, 3, 4 and 8");
  encoding = kInt4;
  encoding.scale_dtype = DType::kF32;
  EXPECT_EQ(writer_refusal(encoding), "its scales are F32; quantize with --scale-dtype F16");
  encoding = kInt4;
  encoding.zero_points = ZeroPoints::kInt32;
  EXPECT_EQ(writer_refusal(encoding),
            "its zero points may lie outside the range of the codes; quantize with --method rtn "
            "--affine");
  encoding = {4, Granularity::kTensor, 0, ZeroPoints::kNone, DType::kF16};
  EXPECT_EQ(writer_refusal(encoding),
            "one scale for the whole tensor; quantize with --group-size row or a number");
  EXPECT_EQ(writer_refusal(kInt4, ParameterKind::kLinear, 100),
            "its shape [64, 100] is no multiple of 32 each way; leave it dense with --skip");
  for (const Encoding& other : {Encoding(CodebookEncoding{}),
                                Encoding(Float8Encoding{}),
                                Encoding(GgmlEncoding{GgmlType::kQ4_0})})
    EXPECT_EQ(writer_refusal(other),
              "its codes are no integers with a scale; use --format pith, or quantize anew");
  EXPECT_EQ(writer_refusal(kInt4, ParameterKind::kHead),
            "it is the model's head, and only linears of blocks are compressed; quantize with "
            "--embedding keep");
  EXPECT_EQ(writer_refusal(kInt4, ParameterKind::kLinear, 96, ActivationScheme::kDynamicInt8Token),
            "its activations are quantized (dynamic-int8-token); use --format pith");
}

TEST(GptqWriter, ActOrderWithoutAnyIsRefused) {
  GroupIntEncoding encoding = kInt4;
  encoding.column_groups = true;
  encoding.group_size = 128;  // one group holds all columns
  TestFolder folder;
  EXPECT_THAT(error_of<UserError>(
                  [&] { write_random(folder.path(), words_spec(), linears_as(encoding), "gptq"); }),
              HasSubstr("as int4 g128 symmetric f16 act-order: its columns lie in the order of "
                        "their groups, so there is nothing for g_idx to say; quantize without "
                        "act-order"));
}

}  // namespace
}  // namespace pith
