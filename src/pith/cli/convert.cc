// pith convert: a GGUF file or a quantized folder -> a complete dense Hugging Face folder.
#include "pith/cli/output.h"

namespace pith {

int run_convert(const ConvertOptions& options, const GlobalOptions& global) {
  require(options.format == "hf",
          "--format is '{}', expected hf; the other formats are not built yet",
          options.format);
  ConversionRun run{"convert", identity_options(options), options.model, options.output, {}, {}};
  run.plan = [dtype = options.dtype](const Parameter&, const Encoding& stored) {
    ParameterPlan plan;
    if (dtype) {
      plan.encoding = DenseEncoding{dtype_of(*dtype)};
    } else {
      plan.encoding = is_dense(stored) ? stored : DenseEncoding{DType::kF32};
    }
    return plan;
  };
  run.conversion = {.permute_seed = options.permute,
                    .shard_bytes = options.shard_size.bytes,
                    .verify = !options.no_verify};
  return run_conversion(run, global);
}

}  // namespace pith
