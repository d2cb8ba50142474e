// Opening a model to run it with torch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "pith/formats/checkpoint.h"
#include "pith/model/torch_scorer.h"

namespace pith {

// Gives torch's own pool num_threads() threads. Before the first tensor operation.
void set_torch_threads();

// A model and the memory that loading it took.
struct LoadedModel {
  Checkpoint checkpoint;
  std::unique_ptr<TorchScorer> scorer;
  std::uint64_t loaded_bytes = 0;
};
LoadedModel load_model(const std::filesystem::path& path);

}  // namespace pith
