// An importance matrix in either layout; an input that starts with "GGUF" is the newer.
#include "pith/formats/gguf/imatrix.h"

#include <cmath>

#include "fuzz.h"
#include "pith/formats/gguf/gguf.h"

namespace pith {
namespace {

constexpr std::string_view kTensor = "blk.0.ffn_down.weight";

void use(const ImportanceMatrix& matrix) {
  PITH_CHECK(matrix.size() > 0);
  const std::vector<float>* weights = matrix.find(kTensor);
  if (weights == nullptr) return;
  for (const float weight : *weights) PITH_CHECK(std::isfinite(weight) && weight >= 0);
  DecoderSpec spec;
  spec.layers.resize(1);
  const Parameter down{.name = "layers.0.mlp.down",
                       .kind = ParameterKind::kLinear,
                       .layer = 0,
                       .rows = 2,
                       .cols = 3};
  PITH_CHECK(matrix.for_parameter(down, spec).size() == down.cols);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::MemoryFile file;
  const std::filesystem::path path = file.holding(fuzz::text_of(data, size));
  return fuzz::run([&] { use(ImportanceMatrix(path)); });
}

}  // namespace pith
