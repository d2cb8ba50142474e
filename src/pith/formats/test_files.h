// Folders, files and tiny networks for the tests of this room.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/error.h"
#include "pith/formats/spec.h"

namespace pith {

// In memory where the system has such a place: these tests sync thousands of small files.
inline std::filesystem::path folder_for_tests() {
  constexpr const char* kMemory = "/dev/shm";
  return ::access(kMemory, W_OK) == 0 ? kMemory : std::filesystem::temp_directory_path();
}

// A fresh folder that goes with the object.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (folder_for_tests() / "pith-formats-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw InternalError("no temporary folder");
    path_ = pattern;
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, std::string_view text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::string file_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(PITH_SOURCE_DIR) / "tests/golden/formats" / name;
}

// The message of the E that `body` throws; "" with a failed test if it does not.
template <class E, class Body>
std::string error_of(Body&& body) {
  try {
    body();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "an exception of another kind: " << error.what();
    return {};
  }
  ADD_FAILURE() << "no exception";
  return {};
}

// A safetensors file: length, header, bytes.
inline std::string safetensors_text(std::string_view header, std::string_view buffer = {}) {
  std::string file;
  for (std::size_t i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return file.append(header).append(buffer);
}

// Two layers of odd small widths, every family with what sets it apart.
inline DecoderSpec tiny_spec(Family family) {
  DecoderSpec spec;
  spec.family = family;
  spec.vocab = 11;
  spec.hidden = 8;
  spec.context = 16;
  spec.bos_id = 1;
  spec.eos_ids = {2};
  spec.layers.assign(2, LayerSpec{2, 1, 4, 4, 6, 0});
  spec.qkv_bias = family == Family::kQwen2;
  spec.qk_norm = family == Family::kQwen3;
  spec.tied_head = family == Family::kQwen3;
  if (family == Family::kMistral)
    for (LayerSpec& layer : spec.layers) layer.window = 5;
  if (family != Family::kGpt2) return spec;
  for (LayerSpec& layer : spec.layers) layer.kv_heads = 2;
  spec.norm = NormKind::kLayerNorm;
  spec.norm_epsilon = 1e-5;
  spec.position = PositionKind::kLearned;
  spec.mlp = MlpKind::kPlain;
  spec.activation = Activation::kGeluTanh;
  spec.fused_qkv = spec.qkv_bias = spec.output_bias = spec.mlp_bias = spec.tied_head = true;
  return spec;
}

constexpr Family kAllFamilies[] = {
    Family::kGpt2, Family::kLlama, Family::kMistral, Family::kQwen2, Family::kQwen3};

}  // namespace pith
