// The bytes that llama-quantize makes of whole models; tests/golden/gguf/README.md says of which.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "pith/base/json.h"
#include "pith/base/sha256.h"
#include "pith/codec/quantize.h"
#include "pith/formats/gguf/gguf_types.h"
#include "pith/formats/gguf/imatrix.h"

namespace pith {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(PITH_SOURCE_DIR) / "tests/golden/gguf";

// The recipe of tiny_models.py: every value follows from a name and an index.
class NamedDraws {
 public:
  explicit NamedDraws(std::string_view name) {
    for (const char c : name)
      seed_ = (seed_ ^ static_cast<unsigned char>(c)) * std::uint64_t{0x100000001B3};
  }
  std::uint64_t at(std::size_t i) const {
    std::uint64_t x = seed_ + (i + 1) * 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
  }

 private:
  std::uint64_t seed_ = 0xCBF29CE484222325u;
};

float bell(const NamedDraws& draws, std::size_t i) {
  const std::uint64_t z = draws.at(i);
  std::int64_t sum = -131070;
  for (int shift = 0; shift < 64; shift += 16)
    sum += static_cast<std::int64_t>(z >> shift & 0xFFFF);
  return static_cast<float>(sum) * (i % 61 == 7 ? 0x1p-17f : 0x1p-20f);
}

std::vector<float> weight_values(std::string_view name, std::size_t rows, std::size_t cols) {
  const NamedDraws draws(name);
  std::vector<float> values(rows * cols);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = bell(draws, i);
  for (std::size_t c = 0; c < cols; ++c) {
    values[c] = 0;
    values[cols + c] = 0.5f;
    values[2 * cols + c] = (static_cast<float>(c) - static_cast<float>(cols / 2)) / 64;
    values[3 * cols + c] *= 0x1p-12f;
  }
  return values;
}

std::vector<float> importance_values(const std::string& name, std::size_t cols) {
  if (!name.starts_with("blk.")) return {};
  const NamedDraws draws(name + ".in_sum2");
  std::vector<float> values(cols);
  for (std::size_t c = 0; c < cols; ++c) {
    const auto k = static_cast<float>(1 + (draws.at(c) >> 52));
    values[c] = c % 64 == 5 ? 0.0f : k * k / 1024;
  }
  return values;
}

Encoding encoding_named(std::string_view name) {
  for (std::uint32_t id = 0; id < 64; ++id)
    if (const GgufType* type = find_gguf_type(id); type != nullptr && type->name == name)
      return encoding_of_gguf_type(id).value();
  throw InternalError("no type " + std::string(name));
}

struct Matrix {
  std::string name;
  std::vector<float> values;
  std::size_t rows, cols;
};

// `blocks`: type -> SHA-256 of the matrix in that type. Returns how many there are.
std::size_t expect_blocks(const Matrix& matrix,
                          const Json& blocks,
                          std::span<const float> importance) {
  const WeightSource source =
      source_of(MatrixView<const float>(matrix.values.data(), matrix.rows, matrix.cols));
  for (const auto& [type, hash] : blocks.items()) {
    SCOPED_TRACE(type);
    const PackedMatrix packed = encode(source, encoding_named(type), {}, importance);
    EXPECT_EQ(packed.buffers().size(), 1u);
    EXPECT_EQ(sha256_hex(packed.buffers()[0].bytes), hash.get<std::string>());
  }
  return blocks.size();
}

std::size_t expect_model(const Json& model) {
  std::size_t checked = 0;
  for (const auto& [name, shape] : model["matrices"].items()) {
    SCOPED_TRACE(name);
    const std::size_t rows = shape[0], cols = shape[1];
    const Matrix matrix{name, weight_values(name, rows, cols), rows, cols};
    EXPECT_EQ(sha256_hex(std::as_bytes(std::span(matrix.values))),
              model["f32"][name].get<std::string>());
    checked += expect_blocks(matrix, model["blocks"][name], {});
    checked +=
        expect_blocks(matrix, model["blocks_with_importance"][name], importance_values(name, cols));
    for (const auto& [file, blocks] : model["blocks_with_collected"].items()) {
      SCOPED_TRACE(file);
      const ImportanceMatrix collected(kGolden / file);
      const std::vector<float>* importance = collected.find(name);
      checked +=
          expect_blocks(matrix, blocks[name], importance ? *importance : std::span<const float>());
    }
  }
  return checked;
}

TEST(LlamaQuantize, MakesTheSameBytes) {
  const Json golden = read_json_file(kGolden / "llama_quantize.json");
  std::size_t checked = 0;
  for (const auto& [name, model] : golden["models"].items()) {
    SCOPED_TRACE(name);
    if (model.contains("blocks")) checked += expect_model(model);
  }
  EXPECT_GT(checked, 500u);
}

}  // namespace
}  // namespace pith
