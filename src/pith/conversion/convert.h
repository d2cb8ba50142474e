// Checkpoint -> checkpoint without data, streamed: one weight at a time, pieces of rows at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pith/codec/quantize.h"
#include "pith/conversion/output_format.h"
#include "pith/conversion/result.h"
#include "pith/formats/checkpoint.h"

namespace pith {

struct ConversionOptions {
  std::optional<std::uint64_t> permute_seed{};  // reorder units; see permute.h
  std::uint64_t shard_bytes = CheckpointWriter::kDefaultShardBytes;
  OutputFormat format{};
  bool verify = true;              // reread what was written and compare; see verify.h
  std::optional<Cost> forecast{};  // made before; otherwise convert_checkpoint makes it first
  // Where the forecast measures the speed of writing: on the disk of the output.
  std::filesystem::path probe_folder = ".";
};

struct ConversionResult {
  std::vector<MatrixReport> matrices;  // every matrix, and every vector that is not dense
  SizeReport size;
  std::string verified;
  Cost forecast, measured;
};

// Bytes, memory and time before anything runs. Also refuses what cannot be: UserError or
// FormatError.
Cost forecast_conversion(const Checkpoint& source,
                         const Planner& plan,
                         const ConversionOptions& options);

// Writes the model to `folder` (an AtomicFolder's path), side files included. A weight whose
// encoding stays the same is copied bit for bit. NaN or Inf in a weight: FormatError that names the
// parameter and the count.
ConversionResult convert_checkpoint(const Checkpoint& source,
                                    const std::filesystem::path& folder,
                                    const Planner& plan,
                                    const ConversionOptions& options);

}  // namespace pith
