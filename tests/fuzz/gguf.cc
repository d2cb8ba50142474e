// A GGUF file and all that is made of it: network, tokenizer, weights.
#include "pith/formats/gguf/gguf.h"
#include "fuzz.h"
#include "pith/formats/checkpoint.h"
#include "use_tokenizer.h"
#include "use_weights.h"

namespace pith {
namespace {

// Also of files that are no network: every type of block.
void dequantize(const GgufTensor& tensor) {
  if (!tensor.encoding || tensor.shape.empty() || tensor.bytes.empty()) return;
  const auto cols = static_cast<std::size_t>(tensor.shape.back());
  std::size_t rows = 1;
  for (std::size_t i = 0; i + 1 < tensor.shape.size(); ++i)
    rows *= static_cast<std::size_t>(tensor.shape[i]);
  const std::vector<BufferSpec> specs = buffer_specs(*tensor.encoding, rows, cols);
  PITH_CHECK(specs.size() == 1);
  fuzz::dequantize(
      PackedMatrix(*tensor.encoding, rows, cols, {Buffer{specs[0], tensor.bytes, nullptr}}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::MemoryFile file;
  const std::filesystem::path path = file.holding(fuzz::text_of(data, size));
  return fuzz::run([&] {
    const GgufFile gguf(path);
    for (const GgufTensor& tensor : gguf.tensors()) {
      fuzz::touch(tensor.bytes);
      fuzz::may_refuse([&] { dequantize(tensor); });
    }
    fuzz::may_refuse([&] {
      spec_from_gguf(gguf);
      fuzz::load_weights(Checkpoint::open(path));
    });
    fuzz::may_refuse([&] {
      const Json tokenizer = tokenizer_json_from_gguf(gguf);
      tokenizer.dump();  // as write_tokenizer_files() does
      fuzz::use(Tokenizer::from_json(tokenizer, gguf.place()));
    });
  });
}

}  // namespace pith
