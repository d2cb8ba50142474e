// What convert and quantize share: a source checkpoint, an output folder, a report.
#pragma once

#include <string>

#include "pith/base/json.h"
#include "pith/cli/commands.h"
#include "pith/conversion/convert.h"

namespace pith {

struct ConversionRun {
  std::string command;
  Json options;  // identity of the run
  Checkpoint source;
  std::filesystem::path output;
  Planner plan;
  ConversionOptions conversion;
};

// Converts into a new folder with tokenizer files and report.json, or finds that this was done
// before; prints the result.
int run_conversion(const ConversionRun& run, const GlobalOptions& global);

// Options as the identity of a run: every field but where the result goes.
template <class Options>
Json identity_options(const Options& options) {
  Json json = options_to_json(options);
  for (const char* key : {"model", "output", "recipe"}) json.erase(key);
  return json;
}

}  // namespace pith
