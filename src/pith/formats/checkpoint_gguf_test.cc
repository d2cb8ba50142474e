// Checkpoint over GGUF files. What a GGUF file may hold is tested in gguf_test.cc.
#include <gmock/gmock.h>

#include "pith/formats/gguf/gguf_names.h"
#include "pith/formats/gguf/gguf_test_files.h"
#include "pith/formats/test_models.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr std::uint32_t kF32 = 0, kF16 = 1, kQ8_0 = 8, kIq2Xxs = 16;

std::vector<std::byte> bytes_of_values(const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// Widths of 32, so that blocks fit.
DecoderSpec llama_of_blocks() {
  DecoderSpec spec = tiny_spec(Family::kLlama);
  spec.hidden = 32;
  spec.context = 64;
  spec.norm_epsilon = 0.25;  // exact in F32
  spec.layers.assign(1, LayerSpec{4, 2, 8, 8, 64, 0});
  return spec;
}

GgufBuilder llama_file(const DecoderSpec& spec) {
  const LayerSpec& layer = spec.layers.front();
  GgufBuilder file;
  file.text("general.architecture", "llama");
  file.u32("llama.context_length", static_cast<std::uint32_t>(spec.context));
  file.u32("llama.embedding_length", static_cast<std::uint32_t>(spec.hidden));
  file.u32("llama.block_count", static_cast<std::uint32_t>(spec.layers.size()));
  file.u32("llama.feed_forward_length", static_cast<std::uint32_t>(layer.ffn));
  file.u32("llama.attention.head_count", static_cast<std::uint32_t>(layer.heads));
  file.u32("llama.attention.head_count_kv", static_cast<std::uint32_t>(layer.kv_heads));
  file.f32("llama.attention.layer_norm_rms_epsilon", static_cast<float>(spec.norm_epsilon));
  return file;
}

// The values of a parameter in the order of rows that GGUF files of llama have: 2j is Hugging
// Face's j, 2j + 1 its j + half (formats.md 4.6). `unit` elements move together.
std::vector<float> turned_for_gguf(const std::vector<float>& values,
                                   std::size_t heads,
                                   std::size_t unit) {
  const std::size_t width = values.size() / unit / heads;
  std::vector<float> turned(values.size());
  for (std::size_t head = 0; head < heads; ++head)
    for (std::size_t j = 0; j < width; ++j) {
      const std::size_t in_head = j < width / 2 ? 2 * j : 2 * (j - width / 2) + 1;
      std::copy_n(
          &values[(head * width + j) * unit], unit, &turned[(head * width + in_head) * unit]);
    }
  return turned;
}

std::vector<float> stored_values(const Parameter& parameter) {
  const std::vector<float> values = test_values(parameter);
  const std::size_t unit = parameter.rows == 1 ? 1 : parameter.cols;
  if (parameter.name.find("attn.q") != std::string::npos) return turned_for_gguf(values, 4, unit);
  if (parameter.name.find("attn.k") != std::string::npos) return turned_for_gguf(values, 2, unit);
  return values;
}

std::vector<std::uint64_t> file_dims(const Parameter& parameter) {
  if (parameter.rows == 1) return {parameter.cols};
  return {parameter.cols, parameter.rows};
}

fs::path write_llama(const TestFolder& folder, const DecoderSpec& spec, const GgufBuilder& base) {
  GgufBuilder file = base;
  for (const Parameter& p : parameters_of(spec))
    file.tensor(
        gguf_name(p, spec, "llama").name, file_dims(p), kF32, bytes_of_values(stored_values(p)));
  const auto bytes = file.bytes();
  return folder.write("model.gguf", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

TEST(CheckpointOfGguf, LoadsParametersInHuggingFaceOrder) {
  DecoderSpec spec = llama_of_blocks();
  spec.qkv_bias = true;
  TestFolder folder;
  const fs::path path = write_llama(folder, spec, llama_file(spec));
  const Checkpoint model = Checkpoint::open(path);
  EXPECT_EQ(model.container(), Container::kGguf);
  EXPECT_EQ(model.spec().layers, spec.layers);
  EXPECT_EQ(model.parameters(), parameters_of(spec));
  EXPECT_NE(model.gguf(), nullptr);
  EXPECT_TRUE(model.config().is_null());
  EXPECT_EQ(model.stored_name("layers.0.attn.q"), "blk.0.attn_q.weight");
  EXPECT_EQ(model.file_bytes(), fs::file_size(path));
  for (const Parameter& parameter : model.parameters()) {
    SCOPED_TRACE(parameter.name);
    const PackedMatrix weight = model.load(parameter.name);
    EXPECT_EQ(weight.rows(), parameter.rows);
    EXPECT_EQ(weight.cols(), parameter.cols);
    EXPECT_EQ(weight.dequantize(), test_values(parameter));
  }
}

TEST(CheckpointOfGguf, KeepsBlocksAndMovesThemWithTheirRows) {
  const DecoderSpec spec = llama_of_blocks();
  GgufBuilder file = llama_file(spec);
  TestFolder folder;
  for (const Parameter& p : parameters_of(spec)) {
    const std::vector<float> values = stored_values(p);
    std::vector<std::byte> data = bytes_of_values(values);
    const bool packed = p.kind == ParameterKind::kLinear;
    if (packed) {
      const auto blocks = quantize_ggml(
          source_of(MatrixView<const float>(values.data(), p.rows, p.cols)), {GgmlType::kQ8_0});
      const auto bytes = blocks.buffers().front().bytes;
      data.assign(bytes.begin(), bytes.end());
    }
    file.tensor(gguf_name(p, spec, "llama").name, file_dims(p), packed ? kQ8_0 : kF32, data);
  }
  const auto bytes = file.bytes();
  // the name does not matter, the first bytes do
  const Checkpoint model = Checkpoint::open(
      folder.write("weights.bin", {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  for (const Parameter& p : model.parameters()) {
    if (p.kind != ParameterKind::kLinear) continue;
    SCOPED_TRACE(p.name);
    const std::vector<float> values = test_values(p);
    expect_same(model.load(p.name),
                quantize_ggml(source_of(MatrixView<const float>(values.data(), p.rows, p.cols)),
                              {GgmlType::kQ8_0}));
  }
}

TEST(CheckpointOfGguf, BadTensors) {
  const DecoderSpec spec = llama_of_blocks();
  const auto refusal = [&](const std::string& name,
                           std::vector<std::uint64_t> dims,
                           std::uint32_t type,
                           std::size_t bytes) {
    GgufBuilder file = llama_file(spec);
    for (const Parameter& p : parameters_of(spec))
      if (const std::string stored = gguf_name(p, spec, "llama").name; stored != name)
        file.tensor(stored, file_dims(p), kF32, bytes_of_values(stored_values(p)));
    if (!dims.empty()) file.tensor(name, dims, type, std::vector<std::byte>(bytes));
    const auto all = file.bytes();
    TestFolder folder;
    const fs::path path =
        folder.write("m.gguf", {reinterpret_cast<const char*>(all.data()), all.size()});
    const std::string message = error_of<FormatError>([&] { Checkpoint::open(path); });
    return message.substr(std::min(message.size(), path.string().size()));
  };
  EXPECT_EQ(refusal("blk.0.ffn_up.weight", {}, 0, 0),
            ": tensor 'blk.0.ffn_up.weight': expected shape [64, 32], found no such tensor");
  EXPECT_EQ(refusal("blk.0.ffn_up.weight", {32, 63}, kF16, 32 * 63 * 2),
            ": tensor 'blk.0.ffn_up.weight': expected shape [64, 32], found [63, 32]");
  EXPECT_EQ(
      refusal("blk.0.ffn_norm.weight", {32}, kQ8_0, 34),
      ": tensor 'blk.0.ffn_norm.weight': expected type F32, F16 or BF16 for a vector, found Q8_0");
}

TEST(CheckpointOfGguf, CodebookTypesAreRefusedByName) {
  DecoderSpec spec = llama_of_blocks();
  spec.layers.front().ffn = 256;  // a block of IQ2_XXS
  GgufBuilder file = llama_file(spec);
  for (const Parameter& p : parameters_of(spec)) {
    const std::string stored = gguf_name(p, spec, "llama").name;
    if (stored == "blk.0.ffn_down.weight")
      file.tensor(stored, file_dims(p), kIq2Xxs, std::vector<std::byte>(32 * 66));
    else
      file.tensor(stored, file_dims(p), kF32, bytes_of_values(stored_values(p)));
  }
  const auto all = file.bytes();
  TestFolder folder;
  const fs::path path =
      folder.write("m.gguf", {reinterpret_cast<const char*>(all.data()), all.size()});
  EXPECT_THAT(error_of<FormatError>([&] { Checkpoint::open(path); }),
              AllOf(HasSubstr("tensor 'blk.0.ffn_down.weight': expected type F32, F16, BF16, Q"),
                    HasSubstr("found IQ2_XXS; this version does not decode it")));
}

TEST(CheckpointOfGguf, HasNoSideFiles) {
  const DecoderSpec spec = llama_of_blocks();
  TestFolder folder, target;
  const Checkpoint model = Checkpoint::open(write_llama(folder, spec, llama_file(spec)));
  folder.write("tokenizer.json", "{}");
  EXPECT_TRUE(copy_side_files(model, target.path()).empty());
  EXPECT_TRUE(fs::is_empty(target.path()));
}

TEST(CheckpointOfGguf, ExtensionAloneIsCheckedToo) {
  TestFolder folder;
  EXPECT_THAT(error_of<FormatError>(
                  [&] { Checkpoint::open(folder.write("x.gguf", "PK\3\4 not a model")); }),
              HasSubstr("x.gguf"));
}

}  // namespace
}  // namespace pith
