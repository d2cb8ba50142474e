// pith quantize: a model in fewer bits, by the methods that need no data.
#include "pith/cli/output.h"

namespace pith {

int run_quantize(const QuantizeCommandOptions& options, const GlobalOptions& global) {
  require(options.format == "pith",
          "--format is '{}', expected pith; the other formats are not built yet",
          options.format);
  const QuantizeMethod& method = find_quantize_method(options.quantize.method);
  const DecoderSpec spec = Checkpoint::open(options.model).spec();
  ConversionRun run{"quantize", identity_options(options), options.model, options.output, {}, {}};
  run.plan = method.make_planner(options.quantize, spec);
  run.conversion.shard_bytes = options.shard_size.bytes;
  return run_conversion(run, global);
}

}  // namespace pith
