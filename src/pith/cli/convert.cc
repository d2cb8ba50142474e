// pith convert: a model in another container, its weights dense or as compressed as they were.
#include "pith/cli/output.h"

namespace pith {
namespace {

Planner dense_planner(std::optional<DType> dtype) {
  return [dtype](const Parameter&, const Encoding& stored) {
    if (dtype) return ParameterPlan{.encoding = DenseEncoding{*dtype}, .round = {}};
    return ParameterPlan{.encoding = is_dense(stored) ? stored : DenseEncoding{DType::kF32},
                         .round = {}};
  };
}

}  // namespace

int run_convert(const ConvertOptions& options, const GlobalOptions& global) {
  const OutputFormat format = parse_output_format(options.format, "--format");
  const Checkpoint source = Checkpoint::open(options.model);
  require(
      format.name == "hf" || !options.permute,
      "--permute goes with --format hf: it reorders columns, which share scales in a compressed "
      "weight");
  ConversionRun run{"convert", identity_options(options), source, options.output, {}, {}};
  std::optional<DType> dense;
  if (options.dtype) dense = dtype_of(*options.dtype);
  run.plan = format.name == "hf" ? dense_planner(dense) : keeping_planner(source, format, dense);
  run.conversion = {.permute_seed = options.permute,
                    .shard_bytes = options.shard_size.bytes,
                    .format = format,
                    .verify = !options.no_verify};
  return run_conversion(run, global);
}

}  // namespace pith
