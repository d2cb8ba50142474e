// Inside of Checkpoint: where each parameter lies, and the finders for the two kinds of container.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pith/formats/checkpoint.h"
#include "pith/formats/layouts/layout.h"

namespace pith {

// What must be done to the stored rows and columns on loading.
enum class Turn {
  kNone,
  kTranspose,
  kHeadRows
};  // kHeadRows: GGUF's order of q and k rows is undone

struct LocatedParameter {
  std::string stored_name;  // of the first buffer's tensor
  Encoding encoding;
  ActivationQuantization activation{};
  Turn turn = Turn::kNone;
  std::int64_t heads = 0;       // of kHeadRows
  std::vector<Buffer> buffers;  // those of buffer_specs() of the stored shape; none with `unpack`
  std::function<PackedMatrix()> unpack;  // of a compressed matrix in a folder
};

struct Checkpoint::State {
  std::filesystem::path path, folder;
  Container container = Container::kHuggingFace;
  std::string_view layout;
  DecoderSpec spec;
  std::vector<Parameter> parameters;
  std::vector<LocatedParameter> located;                       // as parameters
  std::unordered_map<std::string_view, std::size_t> index_of;  // keys view parameters' names
  std::vector<std::int64_t> stop_ids;
  std::vector<std::filesystem::path> files;
  std::size_t weight_files = 0;  // of them, the first ones
  std::shared_ptr<const GgufFile> gguf;
  Json config;
};

// Finds every parameter and checks presence, shapes and types; `layout` is null for a dense folder;
// `place` names the folder in errors. Tensors that are no parameters are named in one warning;
// FormatError if they are parts of compressed weights that nothing describes.
std::vector<LocatedParameter> locate_in_folder(const DecoderSpec& spec,
                                               const std::vector<Parameter>& parameters,
                                               const SafetensorsReader& reader,
                                               LayoutReader* layout,
                                               const std::string& place);
std::vector<LocatedParameter> locate_in_gguf(const DecoderSpec& spec,
                                             const std::vector<Parameter>& parameters,
                                             const GgufFile& gguf);

// The shape of a dense parameter's tensor: [cols] for a vector (a bias, a norm), else [rows, cols].
std::vector<std::int64_t> dense_shape(const Parameter& parameter);

// Files of `folder` that are needed to run the model besides weights and config: tokenizer,
// generation_config.json.
std::vector<std::filesystem::path> side_files_to_run(const std::filesystem::path& folder);

}  // namespace pith
