// pith inspect: every check that a load makes, and what the model is made of.
#include "pith/cli/inspect.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "pith/base/error.h"

namespace pith {

void print_json(const Json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

int run_inspect(const InspectOptions& options, const GlobalOptions& global) {
  require(!options.diff || !options.tensor,
          "inspect: --diff compares whole models; leave out --tensor");
  const bool lone_file =
      options.model.extension() == ".safetensors" && !std::filesystem::is_directory(options.model);
  if (lone_file && !options.diff) {
    inspect_safetensors(options, global);
    return 0;
  }
  const Checkpoint model = Checkpoint::open(options.model);
  if (options.diff)
    inspect_diff(model, Checkpoint::open(*options.diff), global);
  else if (options.tensor)
    inspect_tensor(model, *options.tensor, global);
  else
    inspect_model(model, global);
  return 0;
}

}  // namespace pith
