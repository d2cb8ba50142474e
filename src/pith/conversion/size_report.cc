#include "pith/conversion/size_report.h"

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

bool holds_weights(const std::filesystem::path& file) {
  return file.extension() == ".safetensors" || file.extension() == ".gguf" ||
         file.filename() == "model.safetensors.index.json";
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
  std::uint64_t weight_file_bytes = 0;
  for (const std::filesystem::path& file : checkpoint.files()) {
    const std::uint64_t bytes = std::filesystem::file_size(file);
    report.total_bytes += bytes;
    if (holds_weights(file))
      weight_file_bytes += bytes;
    else
      report.parts[file.filename() == "config.json" ? "config" : "tokenizer"] += bytes;
  }
  PITH_CHECK(weight_file_bytes >= weight_bytes);
  report.parts["headers"] = weight_file_bytes - weight_bytes;
  report.bits_per_weight =
      8.0 * static_cast<double>(report.total_bytes) / static_cast<double>(report.parameters);
  return report;
}

}  // namespace pith
