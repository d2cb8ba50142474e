#include "pith/conversion/size_report.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "pith/base/error.h"

namespace pith {
namespace {

std::string_view part_of(ParameterKind kind) {
  switch (kind) {
    case ParameterKind::kEmbedding:
    case ParameterKind::kPosition:
      return "embedding";
    case ParameterKind::kHead:
      return "head";
    case ParameterKind::kLinear:
      return "linears";
    case ParameterKind::kNorm:
    case ParameterKind::kBias:
      return "norms_and_biases";
  }
  throw InternalError("parameter kind without a part");
}

}  // namespace

std::uint64_t weight_file_bytes(const Checkpoint& checkpoint) {
  std::uint64_t bytes = 0;
  for (const std::filesystem::path& file : checkpoint.weight_files())
    bytes += std::filesystem::file_size(file);
  return bytes;
}

SizeReport size_report(const Checkpoint& checkpoint) {
  SizeReport report;
  for (const char* part :
       {"embedding", "head", "linears", "norms_and_biases", "headers", "tokenizer", "config"})
    report.parts[part] = 0;
  std::uint64_t weight_bytes = 0;
  for (const Parameter& parameter : checkpoint.parameters()) {
    const std::uint64_t bytes =
        storage_bytes(checkpoint.encoding(parameter.name), parameter.rows, parameter.cols);
    report.parts[std::string(part_of(parameter.kind))] += bytes;
    report.parameters += parameter.rows * parameter.cols;
    weight_bytes += bytes;
  }
  const std::uint64_t weight_files = weight_file_bytes(checkpoint);
  // Statistics that are stored quantized in a way that no encoding has count as floats.
  report.parts["headers"] = weight_files - std::min(weight_files, weight_bytes);
  report.total_bytes = weight_files;
  const std::vector<std::filesystem::path> files = checkpoint.files();
  for (std::size_t i = checkpoint.weight_files().size(); i < files.size(); ++i) {
    const std::uint64_t bytes = std::filesystem::file_size(files[i]);
    report.total_bytes += bytes;
    report.parts[files[i].filename() == "config.json" ? "config" : "tokenizer"] += bytes;
  }
  report.bits_per_weight =
      8.0 * static_cast<double>(report.total_bytes) / static_cast<double>(report.parameters);
  return report;
}

}  // namespace pith
