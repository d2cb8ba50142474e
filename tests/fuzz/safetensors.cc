// A safetensors file; an input that starts with '{' is the index of a folder with two good shards.
#include <cstring>

#include "fuzz.h"
#include "pith/formats/safetensors.h"
#include "pith/formats/safetensors_header.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace pith {
namespace {

void use(const SafetensorsReader& reader) {
  for (const auto& [name, tensor] : reader.tensors()) {
    PITH_CHECK(tensor.bytes.size() == tensor.spec.bytes());
    fuzz::touch(tensor.bytes);
  }
}

std::string shard_of(const std::string& name) {
  const HeaderTensor tensor{{name, DType::kF32, {1}}, 0, 4};
  return safetensors_prologue(std::span(&tensor, 1), name) + "1234";
}

void open_index(std::string_view index) {
  static const fuzz::Folder folder;
  static const bool has_shards = [] {
    folder.write("1.safetensors", shard_of("a"));
    folder.write("2.safetensors", shard_of("b"));
    return true;
  }();
  PITH_CHECK(has_shards);
  folder.write("model.safetensors.index.json", index);
  use(SafetensorsReader::open_folder(folder.path()));
}

void open_file(std::string_view bytes) {
  static const fuzz::MemoryFile file;
  use(SafetensorsReader::open_file(file.holding(bytes)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = fuzz::text_of(data, size);
  return fuzz::run([&] { input.starts_with('{') ? open_index(input) : open_file(input); });
}

// Changes the header of a file and keeps its length right, without which no change is looked at;
// one time in four anything.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data,
                                               std::size_t size,
                                               std::size_t max_size,
                                               unsigned int seed) {
  std::uint64_t length = 0;
  if (size >= kHeaderLengthBytes) std::memcpy(&length, data, kHeaderLengthBytes);
  const bool is_file = size >= kHeaderLengthBytes && length <= size - kHeaderLengthBytes;
  if (seed % 4 == 0 || !is_file) return LLVMFuzzerMutate(data, size, max_size);
  const std::string buffer(reinterpret_cast<const char*>(data) + kHeaderLengthBytes + length,
                           size - kHeaderLengthBytes - length);
  if (max_size < kHeaderLengthBytes + buffer.size()) return size;
  length = LLVMFuzzerMutate(
      data + kHeaderLengthBytes, length, max_size - kHeaderLengthBytes - buffer.size());
  std::memcpy(data, &length, kHeaderLengthBytes);
  std::memcpy(data + kHeaderLengthBytes + length, buffer.data(), buffer.size());
  return kHeaderLengthBytes + length + buffer.size();
}

}  // namespace pith
