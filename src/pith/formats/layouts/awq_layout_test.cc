#include "pith/formats/layouts/awq_layout.h"

#include <gmock/gmock.h>

#include "pith/formats/layouts/layout_test_support.h"

namespace pith {
namespace {

using testing::HasSubstr;

const std::string kDown = "model.layers.0.mlp.down_proj";
constexpr GroupIntEncoding kAffine{4, Granularity::kGroup, 32, ZeroPoints::kPacked, DType::kF16};
constexpr GroupIntEncoding kSymmetric{4, Granularity::kGroup, 32, ZeroPoints::kNone, DType::kF16};

LayoutMatrix linear(const Encoding& encoding, std::size_t rows = 64, std::size_t cols = 96) {
  return {kDown + ".weight", ParameterKind::kLinear, rows, cols, encoding, {}};
}

TEST(AwqWriter, WorkedExample) {
  const PackedMatrix weight = [] {
    std::vector<Buffer> buffers;
    for (BufferSpec& spec : buffer_specs(kAffine, 8, 32)) {
      OwnedBuffer owned = allocate_buffer(std::move(spec));
      std::ranges::fill(owned.writable, std::byte{0});
      std::vector<std::uint8_t> codes(8 * 32);
      for (std::size_t n = 0; n < 8; ++n) codes[n * 32 + 1] = static_cast<std::uint8_t>(n);
      if (owned.buffer.spec.part == "codes") pack_rows({8, 32, 4}, codes, owned.writable);
      if (owned.buffer.spec.part == "zeros")
        pack_rows({8, 1, 4}, std::vector<std::uint8_t>{7, 6, 5, 4, 3, 2, 1, 0}, owned.writable);
      buffers.push_back(std::move(owned.buffer));
    }
    return PackedMatrix(kAffine, 8, 32, std::move(buffers));
  }();
  const LayoutMatrix matrix = linear(kAffine, 8, 32);
  const std::vector<Buffer> packed = make_awq_writer(words_spec(), {matrix})->pack(matrix, weight);
  ASSERT_EQ(packed.size(), 3u);
  std::uint32_t words[2] = {}, zeros = 0;
  std::memcpy(words, packed[0].bytes.data(), 8);
  std::memcpy(&zeros, packed[1].bytes.data(), 4);
  EXPECT_EQ(words[0], 0u);
  EXPECT_EQ(words[1], 0x75316420u);
  EXPECT_EQ(zeros, 0x02461357u);
}

TEST(AwqLayout, HoldsWeightsBitForBit) {
  for (const ZeroPoints zeros : {ZeroPoints::kPacked, ZeroPoints::kNone})
    for (const std::size_t group : {std::size_t{32}, std::size_t{1}, std::size_t{16}}) {
      const GroupIntEncoding encoding{4, Granularity::kGroup, group, zeros, DType::kF16};
      for (const Family family : {Family::kLlama, Family::kGpt2, Family::kQwen2}) {
        SCOPED_TRACE(to_string(encoding) + " " + std::string(to_string(family)));
        TestFolder folder;
        const Weights weights =
            write_random(folder.path(), words_spec(family), linears_as(encoding), "awq");
        const Checkpoint model = Checkpoint::open(folder.path());
        EXPECT_EQ(model.layout(), "awq");
        expect_holds(model, weights);
      }
    }
}

// From one layout to the next and back no bit changes.
TEST(AwqLayout, GptqAndAwqHoldTheSame) {
  for (const GroupIntEncoding& encoding : {kAffine, kSymmetric}) {
    TestFolder first, second, third;
    const DecoderSpec spec = words_spec();
    const Weights weights = write_random(first.path(), spec, linears_as(encoding), "gptq");
    const auto copy = [&](const TestFolder& from, const TestFolder& to, std::string_view layout) {
      const Checkpoint model = Checkpoint::open(from.path());
      Weights loaded;
      for (const Parameter& parameter : model.parameters())
        loaded.emplace(parameter.name, model.load(parameter.name));
      write_weights(to.path(), spec, loaded, layout);
    };
    copy(first, second, "awq");
    copy(second, third, "pith");
    expect_holds(Checkpoint::open(second.path()), weights);
    expect_holds(Checkpoint::open(third.path()), weights);
  }
}

TEST(AwqLayout, LeavesSomeLinearsAsTheyAre) {
  TestFolder folder;
  const auto encoding_of = [](const Parameter& parameter) -> Encoding {
    if (parameter.kind != ParameterKind::kLinear || parameter.name == "layers.0.mlp.down")
      return DenseEncoding{DType::kF16};
    return kAffine;
  };
  const Weights weights = write_random(folder.path(), words_spec(), encoding_of, "awq");
  expect_holds(Checkpoint::open(folder.path()), weights);
  EXPECT_EQ(read_json_file(folder.path() / "config.json")["quantization_config"].dump(),
            R"({"quant_method":"awq","bits":4,"group_size":32,"zero_point":true,"version":"gemm",)"
            R"("modules_to_not_convert":["model.layers.0.mlp.down_proj"]})");
}

// vLLM asks for the names of what it runs as one.
TEST(AwqLayout, NamesFusedModulesThatStayAsTheyAre) {
  TestFolder folder;
  const auto encoding_of = [](const Parameter& parameter) -> Encoding {
    const bool is_attention = parameter.name.find("layers.0.attn.") != std::string::npos;
    if (parameter.kind != ParameterKind::kLinear || is_attention) return DenseEncoding{DType::kF16};
    return kAffine;
  };
  write_random(folder.path(), words_spec(), encoding_of, "awq");
  const Json config = read_json_file(folder.path() / "config.json")["quantization_config"];
  const std::string attention = "model.layers.0.self_attn.";
  EXPECT_EQ(config["modules_to_not_convert"],
            Json({attention + "q_proj",
                  attention + "k_proj",
                  attention + "v_proj",
                  attention + "o_proj",
                  attention + "qkv_proj"}));
}

class AwqFolder : public testing::Test {
 protected:
  void write(const Encoding& encoding) {
    weights_ = write_random(folder_.path(), words_spec(), linears_as(encoding), "awq");
  }
  void configure(const Json& replaced) const {
    edit_config(folder_.path(), [&](Json& config) {
      for (const auto& [key, value] : replaced.items()) config["quantization_config"][key] = value;
    });
  }
  void edit(const std::function<void(RawTensors&)>& change) const {
    edit_tensors(folder_.path(), change);
  }
  Checkpoint open() const { return Checkpoint::open(folder_.path()); }
  std::string refusal() const {
    const std::string message = error_of<FormatError>([&] { open(); });
    EXPECT_THAT(message, testing::StartsWith(folder_.path().string()));
    return message.substr(std::min(message.size(), folder_.path().string().size()));
  }

  TestFolder folder_;
  Weights weights_;
};

TEST_F(AwqFolder, NativeKeysMeanTheSame) {
  write(kAffine);
  edit_config(folder_.path(), [](Json& config) {
    config["quantization_config"] = {{"quant_method", "awq"},
                                     {"w_bit", 4},
                                     {"q_group_size", 32},
                                     {"zero_point", true},
                                     {"version", "GEMM"}};
  });
  expect_holds(open(), weights_);
}

TEST_F(AwqFolder, AWholeRowMayBeAGroup) {
  write(kAffine);
  configure({{"group_size", -1}});
  edit([](RawTensors& tensors) {  // the first group of each
    for (auto& [name, tensor] : tensors)
      if (name.ends_with(".qzeros") || name.ends_with(".scales")) {
        tensor.bytes.resize(tensor.bytes.size() / static_cast<std::size_t>(tensor.spec.shape[0]));
        tensor.spec.shape[0] = 1;
      }
  });
  const PackedMatrix weight = open().load("layers.0.mlp.down");
  EXPECT_EQ(to_string(weight.encoding()), "int4 row affine f16");
  const auto zeros = [](const PackedMatrix& matrix, std::size_t groups) {
    return unpack_rows({64, groups, 4}, matrix.buffer("zeros").bytes);
  };
  EXPECT_EQ(zeros(weight, 1)[5], zeros(weights_.at("layers.0.mlp.down"), 3)[15]);
}

TEST_F(AwqFolder, SymmetricFilesStoreEights) {
  write(kSymmetric);
  edit([](RawTensors& tensors) {
    EXPECT_EQ(tensors[kDown + ".qzeros"].bytes, std::string(3 * 8 * 4, static_cast<char>(0x88)));
    tensors["model.layers.0.mlp.up_proj.qzeros"].bytes[37] = static_cast<char>(0x86);
    tensors.erase(kDown + ".qzeros");
  });
  expect_same(open().load("layers.0.mlp.down"), weights_.at("layers.0.mlp.down"));
  // byte 37: the word 9 of 12 a group, nibble 2, which holds output 8 * 9 + 4
  EXPECT_THAT(
      error_of<FormatError>([&] { open().load("layers.0.mlp.up"); }),
      HasSubstr("tensor 'model.layers.0.mlp.up_proj.qzeros': expected 8 everywhere, since the "
                "quantization configuration says \"zero_point\": false, found 6 at group 0, output "
                "76; write \"zero_point\": true there to read them as they are"));
}

TEST_F(AwqFolder, RefusesOtherPackingsAndNumbersOutOfRange) {
  write(kAffine);
  const auto with = [&](const std::string& key, const Json& value) {
    const Json before = read_json_file(folder_.path() / "config.json")["quantization_config"];
    configure({{key, value}});
    const std::string message = refusal();
    edit_config(folder_.path(), [&](Json& config) { config["quantization_config"] = before; });
    return message;
  };
  const std::string at = "/config.json: at /quantization_config/";
  for (const char* version : {"gemv", "gemv_fast", "marlin", "exllama"})
    EXPECT_EQ(with("version", version),
              at + "version: expected gemm, found '" + version +
                  "'; Pith does not read this packing of AWQ; give the unquantized model");
  EXPECT_THAT(with("format", "llm-awq"), HasSubstr("format: expected gemm, found 'llm-awq'"));
  EXPECT_THAT(with("backend", "llm-awq"), HasSubstr("backend: expected gemm, found 'llm-awq'"));
  EXPECT_EQ(with("bits", 8), at + "bits: expected 4 bits, found 8");
  EXPECT_EQ(with("group_size", 0),
            at + "group_size: expected -1 or a group of at least 1, found 0");
  EXPECT_THAT(with("group_size", -7), HasSubstr("expected an integer from -1 to 2147483648"));
  EXPECT_EQ(with("modules_to_not_convert", {1}),
            at + "modules_to_not_convert/0: expected a string, found 1");
  EXPECT_EQ(with("group_size", 40),
            ": tensor 'model.layers.0.self_attn.q_proj.qweight': expected a weight of 8 n rows and "
            "40 n columns, found [64, 64]");
  edit_config(folder_.path(), [](Json& config) { config["quantization_config"].erase("bits"); });
  EXPECT_THAT(refusal(), HasSubstr("expected a value for 'bits', found none"));
}

TEST_F(AwqFolder, RefusesBadTensors) {
  write(kAffine);
  edit([](RawTensors& tensors) { tensors[kDown + ".qweight"].spec.shape = {8, 96}; });
  EXPECT_EQ(refusal(), ": tensor '" + kDown + ".qweight': expected shape [96, 8], found [8, 96]");
  edit([](RawTensors& tensors) {
    tensors[kDown + ".qweight"].spec.shape = {96, 8};
    tensors.erase(kDown + ".qzeros");
  });
  EXPECT_EQ(refusal(),
            ": tensor '" + kDown + ".qzeros': expected shape [3, 8], found no such tensor");
  edit([](RawTensors& tensors) {
    tensors["model.layers.0.mlp.act.scales"] = {{"", DType::kF16, {96}}, std::string(192, 0)};
  });
  EXPECT_EQ(
      refusal(),
      ": tensor 'model.layers.0.mlp.act.scales': expected activations without scales of their "
      "own, found a scaled activation of AWQ; give the unquantized model");
}

std::string writer_refusal(const std::vector<LayoutMatrix>& matrices) {
  const std::string message = error_of<UserError>([&] { make_awq_writer(words_spec(), matrices); });
  const std::string start =
      "awq cannot hold '" + kDown + ".weight' as " + to_string(matrices.back().encoding) + ": ";
  EXPECT_THAT(message, testing::StartsWith(start));
  return message.substr(std::min(message.size(), start.size()));
}

TEST(AwqWriter, RefusesWhatItCannotHold) {
  GroupIntEncoding encoding = kAffine;
  encoding.bits = 8;
  EXPECT_EQ(writer_refusal({linear(encoding)}), "8 bits, of which it knows only 4");
  encoding = kAffine;
  encoding.scale_dtype = DType::kBF16;
  EXPECT_EQ(writer_refusal({linear(encoding)}),
            "its scales are BF16; quantize with --scale-dtype F16");
  encoding = kAffine;
  encoding.column_groups = true;
  EXPECT_EQ(writer_refusal({linear(encoding)}),
            "its groups are not runs of columns; quantize without act-order");
  encoding = {4, Granularity::kRow, 0, ZeroPoints::kNone, DType::kF16};
  EXPECT_EQ(writer_refusal({linear(encoding)}),
            "one scale for a whole row; quantize with --group-size 128");
  EXPECT_EQ(writer_refusal({linear(kAffine, 60)}),
            "its 60 rows are no multiple of 8; leave it dense with --skip");
  EXPECT_EQ(writer_refusal({linear(kAffine, 64, 80)}),
            "its 80 columns are no multiple of the group; use another --group-size, or leave it "
            "dense with --skip");
  EXPECT_EQ(writer_refusal({linear(CodebookEncoding{})}),
            "its codes are no integers with a scale; use --format pith, or quantize anew");
  LayoutMatrix first = linear(kAffine);
  first.name = "model.layers.0.mlp.up_proj.weight";
  EXPECT_EQ(writer_refusal({first, linear(kSymmetric)}),
            "it has one group size and one kind of zero points for all, and "
            "'model.layers.0.mlp.up_proj.weight' is int4 g32 affine f16; quantize all in one way, "
            "or use --format gptq");
}

}  // namespace
}  // namespace pith
