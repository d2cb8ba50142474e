// pith quantize: a model in fewer bits, by the methods that need no data.
#include "pith/cli/output.h"

namespace pith {

int run_quantize(const QuantizeCommandOptions& options, const GlobalOptions& global) {
  const OutputFormat format = parse_output_format(options.format, "--format");
  require(format.name != "hf", "--format: expected one that holds compressed weights, found 'hf'");
  require(!format.preset,
          "--format {} says every type itself: use 'pith convert --format {}'",
          to_string(format),
          to_string(format));
  const QuantizeMethod& method = find_quantize_method(options.quantize.method);
  const Checkpoint source = Checkpoint::open(options.model);
  ConversionRun run{"quantize", identity_options(options), source, options.output, {}, {}};
  run.plan = method.make_planner(options.quantize, source.spec());
  run.conversion.shard_bytes = options.shard_size.bytes;
  run.conversion.format = format;
  return run_conversion(run, global);
}

}  // namespace pith
