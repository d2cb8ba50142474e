#include "pith/model/load.h"

#include <ATen/Parallel.h>

#include <utility>

#include "pith/base/memory.h"
#include "pith/base/threads.h"

namespace pith {

void set_torch_threads() { at::set_num_threads(num_threads()); }

LoadedModel load_model(const std::filesystem::path& path) {
  const std::uint64_t before = memory_now().resident_bytes;
  Checkpoint checkpoint = Checkpoint::open(path);
  auto scorer = std::make_unique<TorchScorer>(checkpoint);
  const std::uint64_t after = memory_now().resident_bytes;
  return {std::move(checkpoint), std::move(scorer), after > before ? after - before : 0};
}

}  // namespace pith
