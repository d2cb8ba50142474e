#include "pith/formats/checkpoint.h"

#include <algorithm>

#include "pith/formats/checkpoint_state.h"
#include "pith/formats/config.h"
#include "pith/formats/gguf/gguf_names.h"
#include "pith/formats/layouts/quantization_file.h"

namespace pith {
namespace fs = std::filesystem;
namespace {

constexpr const char* kConfigName = "config.json";
constexpr const char* kExpectedModel =
    "a model: a folder with config.json and safetensors files, or a .gguf file";

[[noreturn]] void fail_no_model(const fs::path& path, std::string found, std::string remedy = "") {
  throw FormatError(ErrorParts{path.string(), kExpectedModel, std::move(found), std::move(remedy)});
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The GGUF file of a folder that has no config.json: the only one, or the first part of the only
// split one. Empty if there is none.
fs::path gguf_in(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(folder / kConfigName, error))) return {};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    const std::size_t part = name.find("-of-");
    const bool later_part = part != std::string::npos && part >= 5 &&
                            std::string_view(name).substr(part - 5, 5) != "00001";
    if (entry.path().extension() == ".gguf" && !later_part) files.push_back(entry.path());
  }
  if (files.size() > 1)
    fail_no_model(folder, "several .gguf files", "give one of them: " + files.front().string());
  return files.empty() ? fs::path{} : files.front();
}

void check_has_config(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(folder / kConfigName, error))) return;
  if (error && error != std::errc::no_such_file_or_directory)
    fail_no_model(folder, error.message());
  const bool empty = fs::is_empty(folder, error);
  if (error) fail_no_model(folder, "a folder that cannot be read: " + error.message());
  fail_no_model(folder, empty ? "an empty folder" : "a folder without config.json");
}

// Stop set of formats.md 2.6.
std::vector<std::int64_t> read_stop_ids(const fs::path& folder, const DecoderSpec& spec) {
  const fs::path path = folder / "generation_config.json";
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return spec.eos_ids;
  constexpr std::int64_t kMaxId = std::int64_t{1} << 31;
  const Json json = read_json_file(path);
  const auto eos = JsonCursor(json, path.string()).find("eos_token_id");
  if (!eos) return spec.eos_ids;
  if (!eos->json().is_array()) return {eos->integer(0, kMaxId)};
  std::vector<std::int64_t> ids;
  for (const JsonCursor& id : eos->items()) ids.push_back(id.integer(0, kMaxId));
  return ids;
}

// `weights` is one file of the folder; empty: what the folder's own names say.
void open_folder(const fs::path& folder, const fs::path& weights, Checkpoint::State& state) {
  state.folder = folder;
  state.config = read_json_file(folder / kConfigName);
  const JsonCursor config(state.config, (folder / kConfigName).string());
  state.spec = spec_from_config(config);
  std::unique_ptr<LayoutReader> layout;
  const auto describe = [&](const JsonCursor& quantization) {
    const Layout& kind = layout_of(quantization);
    layout = kind.make_reader(quantization);
    state.layout = kind.name;
  };
  if (const auto quantization = config.find("quantization_config")) describe(*quantization);
  const SafetensorsReader reader = weights.empty() ? SafetensorsReader::open_folder(folder)
                                                   : SafetensorsReader::open_file(weights);
  std::optional<QuantizationFile> file;
  if (!layout) file = find_quantization_file(folder, reader);
  if (file) describe(JsonCursor(file->config, file->path.string()));
  state.parameters = parameters_of(state.spec);
  state.located =
      locate_in_folder(state.spec, state.parameters, reader, layout.get(), folder.string());
  state.stop_ids = read_stop_ids(folder, state.spec);
  state.files = reader.files();
  state.weight_files = state.files.size();
  state.files.push_back(folder / kConfigName);
  if (file) state.files.push_back(file->path);
  for (fs::path& side_file : side_files_to_run(folder)) state.files.push_back(std::move(side_file));
}

void open_gguf(const fs::path& path, Checkpoint::State& state) {
  state.gguf = std::make_shared<const GgufFile>(path);
  state.container = Container::kGguf;
  state.spec = spec_from_gguf(*state.gguf);
  state.parameters = parameters_of(state.spec);
  state.located = locate_in_gguf(state.spec, state.parameters, *state.gguf);
  state.stop_ids = state.spec.eos_ids;
  state.files = state.gguf->paths();
  state.weight_files = state.files.size();
}

void open_file(const fs::path& path, Checkpoint::State& state) {
  constexpr std::string_view kMagic = "GGUF";
  const bool has_magic = text_of(MappedFile(path).bytes()).starts_with(kMagic);
  if (has_magic || path.extension() == ".gguf") return open_gguf(path, state);
  std::error_code ignored;
  if (path.extension() == ".safetensors") {
    const fs::path folder = fs::absolute(path).parent_path();
    if (!fs::exists(folder / kConfigName, ignored))
      fail_no_model(path,
                    "a single safetensors file without a config.json beside it",
                    "put it into a folder with the config.json of its model");
    return open_folder(folder, path, state);
  }
  fail_no_model(path, fs::is_empty(path, ignored) ? "an empty file" : "a file of another kind");
}

const LocatedParameter& located_at(const Checkpoint::State& state, std::string_view name) {
  const auto found = state.index_of.find(name);
  if (found == state.index_of.end())
    fail<InternalError>("{}: the model has no parameter '{}'", state.path.string(), name);
  return state.located[found->second];
}

}  // namespace

Checkpoint Checkpoint::open(const fs::path& path) {
  auto state = std::make_shared<State>();
  state->path = path;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error && status.type() != fs::file_type::not_found) fail_no_model(path, error.message());
  switch (status.type()) {
    case fs::file_type::directory:
      if (const fs::path gguf = gguf_in(path); !gguf.empty()) {
        open_gguf(gguf, *state);
        break;
      }
      check_has_config(path);
      open_folder(path, {}, *state);
      break;
    case fs::file_type::regular:
      open_file(path, *state);
      break;
    case fs::file_type::not_found:
      fail_no_model(path, "nothing of this name");
    default:
      fail_no_model(path, "a device or pipe");
  }
  for (std::size_t i = 0; i < state->parameters.size(); ++i)
    state->index_of[state->parameters[i].name] = i;
  return Checkpoint(std::move(state));
}

const fs::path& Checkpoint::path() const { return state_->path; }
const fs::path& Checkpoint::folder() const { return state_->folder; }
Container Checkpoint::container() const { return state_->container; }
std::string_view Checkpoint::layout() const { return state_->layout; }
std::string Checkpoint::format() const {
  return std::string(layout().empty() ? to_string(container()) : layout());
}
const DecoderSpec& Checkpoint::spec() const { return state_->spec; }
const std::vector<Parameter>& Checkpoint::parameters() const { return state_->parameters; }
const std::vector<std::int64_t>& Checkpoint::stop_ids() const { return state_->stop_ids; }
std::vector<fs::path> Checkpoint::files() const { return state_->files; }
std::vector<fs::path> Checkpoint::weight_files() const {
  return {state_->files.begin(),
          state_->files.begin() + static_cast<std::ptrdiff_t>(state_->weight_files)};
}
const std::shared_ptr<const GgufFile>& Checkpoint::gguf() const { return state_->gguf; }
const Json& Checkpoint::config() const { return state_->config; }

const Parameter& Checkpoint::parameter(std::string_view name) const {
  return state_
      ->parameters[static_cast<std::size_t>(&located_at(*state_, name) - state_->located.data())];
}

const Encoding& Checkpoint::encoding(std::string_view name) const {
  return located_at(*state_, name).encoding;
}

const ActivationQuantization& Checkpoint::activation(std::string_view name) const {
  return located_at(*state_, name).activation;
}

std::string Checkpoint::stored_name(std::string_view name) const {
  return located_at(*state_, name).stored_name;
}

PackedMatrix Checkpoint::load(std::string_view name) const {
  const LocatedParameter& located = located_at(*state_, name);
  const Parameter& shape = parameter(name);
  return in_context(fmt::format("while loading '{}'", name), [&] {
    if (located.unpack) {
      PackedMatrix weight = located.unpack();
      PITH_CHECK(weight.encoding() == located.encoding);
      weight.activation = located.activation;
      return weight;
    }
    const bool turned = located.turn == Turn::kTranspose;
    PackedMatrix weight(located.encoding,
                        turned ? shape.cols : shape.rows,
                        turned ? shape.rows : shape.cols,
                        located.buffers);
    if (turned) weight = transpose_dense(weight);
    if (located.turn == Turn::kHeadRows)
      weight = reorder_head_rows(weight, hf_row_order(located.heads, head_rows(weight)));
    weight.activation = located.activation;
    return weight;
  });
}

std::uint64_t Checkpoint::file_bytes() const {
  std::uint64_t total = 0;
  for (const fs::path& file : state_->files) {
    std::error_code error;
    const std::uintmax_t bytes = fs::file_size(file, error);
    if (error) fail<FormatError>("{}: cannot tell its size: {}", file.string(), error.message());
    total += bytes;
  }
  return total;
}

}  // namespace pith
