// Stage: one step of a recipe, from a checkpoint to a checkpoint.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "pith/base/yaml.h"
#include "pith/conversion/convert.h"
#include "pith/formats/checkpoint.h"

namespace pith {

class Stage {
 public:
  virtual ~Stage() = default;
  virtual std::string name() const = 0;
  virtual void check(const Checkpoint& source) const = 0;  // before anything runs; throws UserError
  // `folder` is on the disk of the output.
  virtual Cost plan(const Checkpoint& source, const std::filesystem::path& folder) const = 0;
  // Writes a complete model to `folder`, which exists and is empty.
  virtual ConversionResult run(const Checkpoint& source,
                               const std::filesystem::path& folder,
                               const OutputFormat& format) const = 0;
  virtual Json options() const = 0;
};

// From one entry of `stages:`, a map with one key that names the stage. UserError with line and
// column for unknown names and keys; stages that later versions bring are refused by name.
std::unique_ptr<Stage> make_stage(const YamlNode& entry);

}  // namespace pith
