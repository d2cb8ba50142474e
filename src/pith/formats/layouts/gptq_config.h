// quantize_config.json of GPTQ folders: how each module is quantized. Source: formats.md 5.1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pith/base/json.h"
#include "pith/formats/layouts/name_rules.h"

namespace pith {

// How a module is quantized. `act_order` says that the columns' groups are in g_idx.
struct GptqScheme {
  int bits = 4;                   // 2, 3, 4 or 8
  std::int64_t group_size = 128;  // columns; -1: a whole row
  bool symmetric = true;
  bool act_order = false;
  bool operator==(const GptqScheme&) const = default;
};

// How zero points are stored. kMinusOne: z - 1 in each field, 2^bits - 1 standing for 0 (v1).
// kMinusOneWord: the word less one in each field, with borrows, as GPTQModel writes v1: undone by
// an addition to the word; the same but for zero points of 0. kPlain: v2.
enum class GptqZeros { kMinusOne, kMinusOneWord, kPlain };

class GptqConfig {
 public:
  // FormatError for unknown packings ("marlin", ...), values out of range and bad rules.
  explicit GptqConfig(const JsonCursor& config);
  // nullopt: a rule of `dynamic` ("-:...") leaves this module as it is.
  std::optional<GptqScheme> scheme_of(const std::string& module) const;
  GptqZeros zeros() const { return zeros_; }

 private:
  void read_dynamic(const JsonCursor& dynamic);

  GptqScheme base_;
  GptqZeros zeros_ = GptqZeros::kMinusOne;
  NameRules rules_;
  std::vector<std::optional<GptqScheme>> of_rule_;
};

// One module of a model to be written; nullopt: left as it is.
struct GptqModule {
  std::string name;
  std::optional<GptqScheme> scheme;
};
// The configuration of these modules: that of most, and a rule of `dynamic` for each other. Rules
// are read by GPTQModel and vLLM, not by transformers with optimum. Pre: one has a scheme. v2 if
// any is not symmetric, since v1 has no zero point of 0.
Json gptq_config_to_json(const std::vector<GptqModule>& modules);

}  // namespace pith
