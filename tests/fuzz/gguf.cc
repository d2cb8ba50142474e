// A GGUF file and all that is made of it: network, tokenizer, weights.
#include "pith/formats/gguf.h"
#include "fuzz.h"
#include "pith/formats/checkpoint.h"
#include "use_tokenizer.h"

namespace pith {
namespace {

void load_weights(const std::filesystem::path& path) {
  const Checkpoint checkpoint = Checkpoint::open(path);
  for (const Parameter& parameter : checkpoint.parameters()) {
    const PackedMatrix weight = checkpoint.load(parameter.name);
    PITH_CHECK(weight.rows() == parameter.rows && weight.cols() == parameter.cols);
    std::vector<float> row(weight.cols());
    for (std::size_t i = 0; i < weight.rows(); ++i) weight.dequantize_rows(i, 1, row);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::MemoryFile file;
  const std::filesystem::path path = file.holding(fuzz::text_of(data, size));
  return fuzz::run([&] {
    const GgufFile gguf(path);
    for (const GgufTensor& tensor : gguf.tensors()) fuzz::touch(tensor.bytes);
    fuzz::may_refuse([&] {
      spec_from_gguf(gguf);
      load_weights(path);
    });
    fuzz::may_refuse([&] {
      const Json tokenizer = tokenizer_json_from_gguf(gguf);
      tokenizer.dump();  // as write_tokenizer_files() does
      fuzz::use(Tokenizer::from_json(tokenizer, gguf.place()));
    });
  });
}

}  // namespace pith
