// Writes a model as a GGUF file that llama.cpp loads. Source: formats.md 4.3, 4.4, 4.6.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pith/formats/checkpoint.h"
#include "pith/formats/gguf/gguf_metadata.h"

namespace pith {

// What a complete file needs besides network and weights.
struct GgufModelOptions {
  GgufMetadata metadata{};                     // of the tokenizer, ready-made
  std::string name{};                          // general.name; "": none
  std::optional<std::uint32_t> file_type{};    // general.file_type; see gguf_file_type()
  std::optional<std::uint64_t> shard_bytes{};  // split into files of about this size
};

// The counterpart of CheckpointWriter. Opening it refuses, with a UserError that names parameter
// and property, what GGUF cannot express (see check_gguf_expresses), encodings that are neither
// dense nor ggml blocks, and vectors that are not F32. q and k rows of llama models are put into
// GGUF's order, which leaves blocks whole; GPT-2's tied head is written as a copy of the embedding,
// and llama3 scaling as rope_freqs.weight. Weights come in any order; nothing is held.
class GgufModelWriter final : public ModelWriter {
 public:
  GgufModelWriter(std::filesystem::path path,
                  const DecoderSpec& spec,
                  const std::vector<StoredParameter>& parameters,
                  const GgufModelOptions& options);
  ~GgufModelWriter() override;
  void write(std::string_view name, const PackedMatrix& weight) override;
  void finish() override;
  std::uint64_t file_bytes() const override;
  const std::vector<std::filesystem::path>& files() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pith
