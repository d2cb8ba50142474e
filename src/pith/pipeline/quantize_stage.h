// The quantize stage: methods without data, with exceptions for some layers.
#pragma once

#include <utility>
#include <vector>

#include "pith/conversion/quantize_methods.h"
#include "pith/pipeline/stage.h"

namespace pith {

class QuantizeStage final : public Stage {
 public:
  explicit QuantizeStage(const YamlNode& node);
  std::string name() const override { return "quantize"; }
  void check(const Checkpoint& source) const override;
  Cost plan(const Checkpoint& source, const std::filesystem::path& folder) const override;
  ConversionResult run(const Checkpoint& source,
                       const std::filesystem::path& folder,
                       const OutputFormat& format) const override;
  Json options() const override;

 private:
  Planner planner(const DecoderSpec& spec) const;
  std::string place_;  // of the stage in the recipe, for errors that need the model
  QuantizeOptions options_;
  // Each with `layers`; the last that fits a matrix wins.
  struct Override {
    std::string place;
    QuantizeOptions options;
  };
  std::vector<Override> overrides_;
};

}  // namespace pith
