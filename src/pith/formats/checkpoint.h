// Checkpoint: a model on disk, whatever its container: spec, lazy weights, tokenizer files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/json.h"
#include "pith/codec/packed_matrix.h"
#include "pith/formats/gguf/gguf.h"
#include "pith/formats/model_writer.h"
#include "pith/formats/safetensors.h"
#include "pith/formats/spec.h"

namespace pith {

enum class Container { kHuggingFace, kGguf };
constexpr EnumName<Container> kContainerNames[] = {{Container::kHuggingFace, "hf"},
                                                   {Container::kGguf, "gguf"}};
constexpr std::span<const EnumName<Container>> enum_table(Container) { return kContainerNames; }

// Opens a folder, a .gguf file, or one .safetensors file with its config.json beside it, and makes
// every check that a load makes: spec, presence, shapes, types and encodings of all parameters,
// without reading the weights. Cheap to copy. Safe for concurrent load().
class Checkpoint {
 public:
  static Checkpoint open(const std::filesystem::path& path);

  const std::filesystem::path& path() const;
  const std::filesystem::path& folder() const;  // of config.json and tokenizer; empty for GGUF
  Container container() const;
  // Of the compressed weights of a folder ("pith", "gptq", ...; see layout.h), else "".
  std::string_view layout() const;
  std::string format() const;  // "gguf", a layout's name, or "hf"
  const DecoderSpec& spec() const;
  const std::vector<Parameter>& parameters() const;         // parameters_of(spec())
  const Parameter& parameter(std::string_view name) const;  // InternalError if unknown
  const Encoding& encoding(std::string_view name) const;    // as stored
  const ActivationQuantization& activation(std::string_view name) const;
  // The weight as [out, in]: views of the mapped file where the bytes are as Pith has them, else
  // (Conv1D, GGUF's order of q and k rows) an owned turned copy. Integer GGUF blocks stay what they
  // are.
  PackedMatrix load(std::string_view name) const;

  // Ids that end a text: those of generation_config.json if it names any, else of the spec.
  const std::vector<std::int64_t>& stop_ids() const;

  // Name of the first buffer's tensor in the file ("model.layers.0.self_attn.q_proj.weight"), for
  // messages and reports.
  std::string stored_name(std::string_view name) const;
  // All files that are needed to run the model: weights (with the index of shards) first, then
  // config and tokenizer.
  std::vector<std::filesystem::path> files() const;
  std::vector<std::filesystem::path> weight_files() const;
  std::uint64_t file_bytes() const;  // their sum: what `size_bytes` reports

  const std::shared_ptr<const GgufFile>& gguf() const;  // null unless container() is kGguf
  const Json& config() const;                           // config.json; null for GGUF

  struct State;

 private:
  explicit Checkpoint(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// Writes an ordinary Hugging Face folder: config.json, weights in shards. If any parameter is not
// dense, config.json gets a `quantization_config` that describes `layout`; UserError if that cannot
// hold a weight as it is. Dense GPT-2 matrices are written as Conv1D again. `folder` exists already
// (an AtomicFolder's path). Weights come in any order; nothing is held.
class CheckpointWriter final : public ModelWriter {
 public:
  CheckpointWriter(std::filesystem::path folder,
                   const DecoderSpec& spec,
                   std::vector<StoredParameter> parameters,
                   std::uint64_t shard_bytes = kDefaultShardBytes,
                   std::string_view layout = "pith");
  ~CheckpointWriter() override;
  void write(std::string_view name, const PackedMatrix& weight) override;
  void finish() override;
  std::uint64_t file_bytes() const override;

  static constexpr std::uint64_t kDefaultShardBytes =
      std::uint64_t{5} * 1000 * 1000 * 1000;  // as transformers

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Copies every file of the source that is not weights, config or report (tokenizer files,
// generation_config.json, chat template) to `folder`; nothing for GGUF (text/ writes those).
// Returns the names copied.
std::vector<std::string> copy_side_files(const Checkpoint& source,
                                         const std::filesystem::path& folder);

}  // namespace pith
