// `quantization_config` of compressed-tensors: which modules are stored how. Source: formats.md
// 5.3 and the package compressed-tensors 0.20.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pith/codec/packed_matrix.h"
#include "pith/formats/layouts/name_pattern.h"

namespace pith {

enum class CtFormat { kDense, kNaive, kInt, kFloat, kPacked };
constexpr EnumName<CtFormat> kCtFormatNames[] = {{CtFormat::kDense, "dense"},
                                                 {CtFormat::kNaive, "naive-quantized"},
                                                 {CtFormat::kInt, "int-quantized"},
                                                 {CtFormat::kFloat, "float-quantized"},
                                                 {CtFormat::kPacked, "pack-quantized"}};
constexpr std::span<const EnumName<CtFormat>> enum_table(CtFormat) { return kCtFormatNames; }

enum class CtStrategy { kTensor, kChannel, kGroup, kBlock };
constexpr EnumName<CtStrategy> kCtStrategyNames[] = {{CtStrategy::kTensor, "tensor"},
                                                     {CtStrategy::kChannel, "channel"},
                                                     {CtStrategy::kGroup, "group"},
                                                     {CtStrategy::kBlock, "block"}};
constexpr std::span<const EnumName<CtStrategy>> enum_table(CtStrategy) { return kCtStrategyNames; }

struct CtWeights {
  bool is_float = false;  // E4M3, else integers
  int bits = 8;           // 8 if is_float
  bool symmetric = true;
  CtStrategy strategy = CtStrategy::kTensor;
  std::size_t group_size = 0;  // of kGroup
  std::size_t block = 0;       // of kBlock
  bool column_groups = false;
  bool operator==(const CtWeights&) const = default;
};

// One entry of config_groups.
struct CtScheme {
  CtFormat format = CtFormat::kDense;
  std::optional<CtWeights> weights{};  // nullopt: the weights are dense
  ActivationScheme activation = ActivationScheme::kNone;
  bool symmetric_activation = true;  // of kStaticInt8Tensor
  bool operator==(const CtScheme&) const = default;
};

struct CtConfig {
  struct Target {
    std::string text;                    // of exact names and classes; "re:..." too, for messages
    std::optional<NamePattern> pattern;  // of "re:..."
    std::size_t group = 0;
  };
  std::vector<CtScheme> groups;
  std::vector<std::string> group_names;
  std::vector<Target> targets, ignore;  // exact names and classes first, each kind sorted
  std::string place{};                  // of the configuration, for errors
  bool dense_words = false;             // what packs 3, 5, 6 and 7 bits without gaps (version 0.18)
};

// FormatError for what is malformed, contradictory or not known to Pith.
CtConfig ct_config_from_json(const JsonCursor& config);

// The size b of a block that stands as [b, b]; also of layout fp8.
std::size_t square_block_at(const JsonCursor& at);

// The index of the target that decides on a module of this class ("Linear", "Embedding"): an exact
// name beats an expression, which beats a class. nullopt: none, or it is ignored. The targets that
// match, ignored or not, are set in `matched` [targets]. `time` is that of all modules.
std::optional<std::size_t> ct_target_of(const CtConfig& config,
                                        std::string_view module,
                                        std::string_view module_class,
                                        MatchTime& time,
                                        std::vector<bool>& matched);

}  // namespace pith
