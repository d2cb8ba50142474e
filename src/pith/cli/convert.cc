// pith convert: a model in another container, its weights dense or as compressed as they were.
#include "pith/cli/output.h"
#include "pith/codec/transcode.h"

namespace pith {
namespace {

Planner dense_planner(std::optional<DType> dtype) {
  return [dtype](const Parameter&, const Encoding& stored) {
    if (dtype) return ParameterPlan{.encoding = DenseEncoding{*dtype}, .round = {}};
    return ParameterPlan{.encoding = is_dense(stored) ? stored : DenseEncoding{DType::kF32},
                         .round = {}};
  };
}

// Rounding what is rounded already loses more than rounding the original once.
void require_no_second_rounding(const Checkpoint& source, GgufPreset preset, bool allowed) {
  if (allowed) return;
  for (const Parameter& parameter : source.parameters()) {
    const ActivationQuantization activation = source.activation(parameter.name);
    require(activation == ActivationQuantization{},
            "'{}' has quantized activations ({}), which GGUF does not have; add --allow-requantize "
            "to leave them out",
            parameter.name,
            to_string(activation));
    const Encoding& stored = source.encoding(parameter.name);
    const Encoding wanted = gguf_encoding_for(parameter, source.spec(), preset);
    if (is_dense(stored) || stored == wanted || equivalent_of(stored) == wanted ||
        wanted == Encoding(DenseEncoding{}))
      continue;
    fail<UserError>(
        "'{}' is {} already and gguf:{} would round it to {} a second time; convert the original "
        "model, or add --allow-requantize",
        parameter.name,
        to_string(stored),
        to_string(preset),
        to_string(wanted));
  }
}

Planner planner_for(const Checkpoint& source,
                    const OutputFormat& format,
                    std::optional<DType> dense,
                    const ConvertOptions& options) {
  require(!options.imatrix || format.preset, "--imatrix goes with --format gguf:TYPE");
  if (format.name == "hf") return dense_planner(dense);
  if (!format.preset) return keeping_planner(source, format, dense);
  require(!dense, "--dtype does not go with --format gguf:TYPE, which says every type");
  std::shared_ptr<const ImportanceMatrix> importance;
  if (options.imatrix) importance = std::make_shared<const ImportanceMatrix>(*options.imatrix);
  require_no_second_rounding(source, *format.preset, options.allow_requantize);
  return gguf_planner(source, *format.preset, std::move(importance));
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
  run.plan = planner_for(source, format, dense, options);
  run.conversion = {.permute_seed = options.permute,
                    .shard_bytes = options.shard_size.bytes,
                    .format = format,
                    .verify = !options.no_verify};
  return run_conversion(run, global);
}

}  // namespace pith
