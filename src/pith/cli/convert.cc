// pith convert: a model in another container, its weights dense or as compressed as they were.
#include "pith/cli/output.h"

namespace pith {
namespace {

Planner dense_planner(std::optional<KeptDtype> dtype) {
  return [dtype](const Parameter&, const Encoding& stored) {
    if (dtype) return ParameterPlan{.encoding = DenseEncoding{dtype_of(*dtype)}, .round = {}};
    return ParameterPlan{.encoding = is_dense(stored) ? stored : DenseEncoding{DType::kF32},
                         .round = {}};
  };
}

// Compressed weights stay what they are; `dtype` is for the others.
Planner keeping_planner(const Checkpoint& source, std::optional<KeptDtype> dtype) {
  return [source, dtype](const Parameter& parameter, const Encoding& stored) {
    ParameterPlan plan{.encoding = stored, .round = {}};
    plan.activation = source.activation(parameter.name);
    if (dtype && is_dense(stored)) plan.encoding = DenseEncoding{dtype_of(*dtype)};
    return plan;
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
  run.plan =
      format.name == "hf" ? dense_planner(options.dtype) : keeping_planner(source, options.dtype);
  run.conversion = {.permute_seed = options.permute,
                    .shard_bytes = options.shard_size.bytes,
                    .format = format,
                    .verify = !options.no_verify};
  return run_conversion(run, global);
}

}  // namespace pith
