// The ways in which compressed weights lie in a Hugging Face folder: a class a way, a row a way.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/base/json.h"
#include "pith/codec/packed_matrix.h"
#include "pith/formats/folder_tensors.h"
#include "pith/formats/spec.h"

namespace pith {

// A matrix of a model and how it is held. `name` is its tensor's in a dense folder of the family,
// "model.layers.0.self_attn.q_proj.weight"; rows = out, cols = in, also for GPT-2.
struct LayoutMatrix {
  std::string name;
  ParameterKind kind = ParameterKind::kLinear;
  std::size_t rows = 0, cols = 0;
  Encoding encoding;
  ActivationQuantization activation{};
};

// A matrix that a layout describes. `load` makes the PackedMatrix of `encoding` from the tensors,
// which it keeps alive: codes, scales and zero points as stored, nothing rounded. It throws
// FormatError for contents that contradict `encoding`. Safe for concurrent calls. Empty for a dense
// matrix, stored as any other, that has an `activation`.
struct StoredMatrix {
  std::string first_tensor;  // for messages
  Encoding encoding;
  ActivationQuantization activation{};
  std::function<PackedMatrix()> load;
};

// Finds the compressed matrices of one folder.
class LayoutReader {
 public:
  virtual ~LayoutReader() = default;
  // nullopt: an ordinary dense tensor. FormatError for missing tensors, wrong shapes or types.
  virtual std::optional<StoredMatrix> find(const LayoutMatrix& dense, FolderTensors& tensors) = 0;
  // After all matrices; FormatError if the configuration names what the model does not have.
  virtual void check_all_found(const std::string& /*place*/) const {}
};

struct LayoutFile {
  std::string name, text;
};

// Says how the matrices of one model are stored.
class LayoutWriter {
 public:
  virtual ~LayoutWriter() = default;
  // The tensors that a compressed matrix becomes.
  virtual std::vector<TensorSpec> tensors_of(const LayoutMatrix& matrix) const = 0;
  // Their bytes, in that order: the codes, scales and zero points of `weight`, nothing rounded.
  virtual std::vector<Buffer> pack(const LayoutMatrix& matrix,
                                   const PackedMatrix& weight) const = 0;
  virtual Json quantization_config() const = 0;
  virtual std::vector<LayoutFile> side_files() const { return {}; }
};

struct Layout {
  std::string_view name;     // of --format, and quant_method in config.json
  std::string_view summary;  // for --help
  // `config` is `quantization_config`, whose quant_method is this layout's.
  std::unique_ptr<LayoutReader> (*make_reader)(const JsonCursor& config);
  // All matrices of the model, dense ones too. UserError, naming the matrix and the property, for
  // what the layout cannot hold as it is.
  std::unique_ptr<LayoutWriter> (*make_writer)(const DecoderSpec& spec,
                                               const std::vector<LayoutMatrix>& matrices);
  // Which matrices it holds compressed besides the linears of blocks.
  bool holds_head = false;
  bool holds_tables = false;  // embedding and positions
};
std::span<const Layout> layouts();
const Layout& find_layout(std::string_view name);  // UserError listing the names
// By `quant_method`; FormatError listing the names.
const Layout& layout_of(const JsonCursor& quantization_config);

// "compressed-tensors cannot hold 'NAME' as int4 g48 affine f32: PROPERTY; REMEDY" (UserError).
[[noreturn]] void fail_inexpressible(std::string_view layout,
                                     const LayoutMatrix& matrix,
                                     std::string_view property,
                                     std::string_view remedy = {});

// "model.layers.0.self_attn.q_proj" of "model.layers.0.self_attn.q_proj.weight".
std::string module_of(std::string_view weight_name);

}  // namespace pith
