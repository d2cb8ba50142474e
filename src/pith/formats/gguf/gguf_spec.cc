// spec_from_gguf: metadata and the tensors that are there -> DecoderSpec. Source:
// formats.md 4.3, 4.4.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <unordered_set>

#include "pith/base/error.h"
#include "pith/formats/gguf/gguf.h"
#include "pith/formats/gguf/gguf_names.h"
#include "pith/formats/gguf/gguf_reader.h"
#include "pith/formats/gguf/gguf_rope.h"

namespace pith {
namespace {

constexpr std::string_view kArchitectures[] = {"gpt2", "llama", "qwen2", "qwen3"};
constexpr std::int64_t kMaxWidth = std::int64_t{1} << 24;  // check_spec() is stricter and knows why

// Keys that change the computation in relatives, with the value that leaves it as it is.
struct NeutralValue {
  std::string_view key;
  double neutral;
};
constexpr NeutralValue kNeutralNumbers[] = {{"expert_count", 0},
                                            {"logit_scale", 1},
                                            {"embedding_scale", 1},
                                            {"residual_scale", 1},
                                            {"attn_logit_softcapping", 0},
                                            {"final_logit_softcapping", 0},
                                            {"attention.scale", 0},
                                            {"attention.output_scale", 1},
                                            {"attention.clamp_kqv", 0},
                                            {"attention.max_alibi_bias", 0},
                                            {"attention.temperature_length", 0},
                                            {"attention.temperature_scale", 0},
                                            {"attention.shared_kv_layers", 0}};

class SpecReader {
 public:
  explicit SpecReader(const GgufFile& gguf) : gguf_(gguf) {}
  DecoderSpec read();

 private:
  std::string key(std::string_view name) const { return fmt::format("{}.{}", architecture_, name); }
  std::int64_t width(std::string_view name) const { return gguf_.integer(key(name), 1, kMaxWidth); }
  bool any_layer_has(std::string_view suffix) const;
  std::vector<std::int64_t> per_layer(std::string_view name,
                                      std::optional<std::vector<std::int64_t>> otherwise) const;
  std::optional<std::int64_t> token_id(std::string_view name) const;
  bool tied() const;

  void read_architecture();
  void refuse_relatives() const;
  void read_sizes();
  std::int64_t head_width(std::string_view name, std::int64_t heads) const;
  void read_layers();
  void read_gpt2();
  void read_llama_like();
  void read_special_tokens();
  void refuse_other_tensors() const;

  const GgufFile& gguf_;
  std::string architecture_;
  DecoderSpec spec_;
};

DecoderSpec SpecReader::read() {
  read_architecture();
  refuse_relatives();
  read_sizes();
  read_layers();
  if (architecture_ == "gpt2")
    read_gpt2();
  else
    read_llama_like();
  spec_.tied_head = tied();
  read_special_tokens();
  check_spec(spec_, gguf_.place());
  refuse_other_tensors();
  return spec_;
}

void SpecReader::read_architecture() {
  const std::string type = gguf_.find_string("general.type").value_or("model");
  if (type != "model")
    fail<FormatError>(
        "{}: expected a model, found general.type {}", gguf_.place(), printable(type));
  architecture_ = gguf_.string("general.architecture");
  if (std::ranges::find(kArchitectures, architecture_) == std::end(kArchitectures))
    throw FormatError(ErrorParts{fmt::format("{}: general.architecture", gguf_.place()),
                                 fmt::format("one of {}", join_names(kArchitectures)),
                                 printable(architecture_),
                                 {}});
}

void SpecReader::refuse_relatives() const {
  const auto refuse = [&](const std::string& name, const std::string& found) {
    fail<FormatError>(
        "{}: metadata key '{}': {}, which changes the computation in a way that Pith does not have",
        gguf_.place(),
        name,
        found);
  };
  for (const auto& [name, neutral] : kNeutralNumbers) {
    const double found = gguf_.find_number(key(name)).value_or(neutral);
    if (found != neutral && found != 0) refuse(key(name), fmt::format("{}", found));
  }
  if (!gguf_.boolean_or(key("attention.causal"), true)) refuse(key("attention.causal"), "false");
  if (gguf_.boolean_or(key("use_parallel_residual"), false))
    refuse(key("use_parallel_residual"), "true");
  if (const std::string name = key("attention.sliding_window_pattern"); gguf_.has(name))
    refuse(name, "present");
}

void SpecReader::read_sizes() {
  spec_.hidden = width("embedding_length");
  spec_.context = gguf_.integer(key("context_length"), 1, INT32_MAX);
  const GgufTensor* embedding = gguf_.find("token_embd.weight");
  if (embedding == nullptr)
    fail<FormatError>("{}: tensor 'token_embd.weight' is missing; the file holds {} tensors",
                      gguf_.place(),
                      gguf_.tensors().size());
  if (embedding->shape.size() != 2)
    fail<FormatError>("{}: tensor 'token_embd.weight': expected 2 dimensions, found {}",
                      gguf_.place(),
                      embedding->shape.size());
  spec_.vocab = embedding->shape[0];
  const std::int64_t said =
      gguf_.find_integer(key("vocab_size"), 1, INT32_MAX).value_or(spec_.vocab);
  const auto* tokens = gguf_.find_strings("tokenizer.ggml.tokens");
  const auto token_count = tokens == nullptr ? 0 : static_cast<std::int64_t>(tokens->size());
  if (said != spec_.vocab || token_count > spec_.vocab)
    throw FormatError(
        ErrorParts{fmt::format("{}: tensor 'token_embd.weight'", gguf_.place()),
                   fmt::format("a row for each of {} tokens", std::max(said, token_count)),
                   fmt::format("{} rows", spec_.vocab),
                   {}});
}

// A number for all layers, or an array with one for each; `otherwise` when the key is absent.
std::vector<std::int64_t> SpecReader::per_layer(
    std::string_view name, std::optional<std::vector<std::int64_t>> otherwise) const {
  const std::string full = key(name);
  const std::size_t layers = spec_.layers.size();
  if (!gguf_.has(full) && otherwise) return *std::move(otherwise);
  const bool is_array = std::ranges::any_of(gguf_.metadata(), [&](const auto& entry) {
    return entry.first == full && std::holds_alternative<std::vector<std::int64_t>>(entry.second);
  });
  if (!is_array) return std::vector<std::int64_t>(layers, width(name));
  const std::vector<std::int64_t>& values = *gguf_.find_integers(full);
  if (values.size() != layers)
    fail<FormatError>("{}: metadata key '{}': expected {} values, one a layer, found {}",
                      gguf_.place(),
                      full,
                      layers,
                      values.size());
  for (const std::int64_t value : values)
    if (value < 1 || value > kMaxWidth)
      fail<FormatError>("{}: metadata key '{}': expected integers from 1 to {}, found {}",
                        gguf_.place(),
                        full,
                        kMaxWidth,
                        value);
  return values;
}

// Of keys or values: what the file says, else what the heads leave each other.
std::int64_t SpecReader::head_width(std::string_view name, std::int64_t heads) const {
  if (const auto given = gguf_.find_integer(key(name), 0, kMaxWidth); given && *given > 0)
    return *given;
  if (spec_.hidden % heads != 0)
    fail<FormatError>(
        "{}: metadata keys '{}' ({}) and '{}' ({}): the heads do not divide the width",
        gguf_.place(),
        key("embedding_length"),
        spec_.hidden,
        key("attention.head_count"),
        heads);
  return spec_.hidden / heads;
}

void SpecReader::read_layers() {
  const std::string count_key = key("block_count");
  const std::int64_t count = gguf_.integer(count_key, 1, kMaxWidth);
  // Each layer has tensors, so this bounds what a hostile count can make us allocate.
  if (static_cast<std::size_t>(count) > gguf_.tensors().size())
    fail<FormatError>("{}: metadata key '{}': {} layers in a file of {} tensors",
                      gguf_.place(),
                      count_key,
                      count,
                      gguf_.tensors().size());
  spec_.layers.resize(static_cast<std::size_t>(count));
  const auto heads = per_layer("attention.head_count", std::nullopt);
  const auto kv_heads = per_layer("attention.head_count_kv", heads);
  std::optional<std::vector<std::int64_t>> usual_ffn;
  if (architecture_ == "gpt2") usual_ffn.emplace(spec_.layers.size(), 4 * spec_.hidden);
  const auto ffn = per_layer("feed_forward_length", usual_ffn);
  const std::int64_t qk_dim = head_width("attention.key_length", heads[0]);
  const std::int64_t v_dim = head_width("attention.value_length", heads[0]);
  const std::int64_t window =
      gguf_.find_integer(key("attention.sliding_window"), 0, INT32_MAX).value_or(0);
  for (std::size_t i = 0; i < spec_.layers.size(); ++i)
    spec_.layers[i] = {.heads = heads[i],
                       .kv_heads = kv_heads[i],
                       .qk_dim = qk_dim,
                       .v_dim = v_dim,
                       .ffn = ffn[i],
                       .window = window};
}

void SpecReader::read_gpt2() {
  spec_.family = Family::kGpt2;
  spec_.norm = NormKind::kLayerNorm;
  spec_.norm_epsilon = gguf_.number(key("attention.layer_norm_epsilon"));
  spec_.position = PositionKind::kLearned;
  spec_.mlp = MlpKind::kPlain;
  spec_.activation = Activation::kGeluTanh;
  spec_.fused_qkv = spec_.qkv_bias = spec_.output_bias = spec_.mlp_bias = true;
}

// Biases are not in the metadata: they are there when their tensors are.
bool SpecReader::any_layer_has(std::string_view suffix) const {
  return std::ranges::any_of(gguf_.tensors(), [&](const GgufTensor& tensor) {
    return tensor.name.starts_with("blk.") && tensor.name.ends_with(suffix);
  });
}

void SpecReader::read_llama_like() {
  spec_.norm = NormKind::kRmsNorm;
  spec_.norm_epsilon = gguf_.number(key("attention.layer_norm_rms_epsilon"));
  spec_.position = PositionKind::kRotary;
  spec_.rope = rope_from_gguf(gguf_, architecture_, spec_.layers[0].qk_dim, spec_.context);
  spec_.mlp = MlpKind::kGated;
  spec_.activation = Activation::kSilu;
  spec_.qk_norm = architecture_ == "qwen3";
  spec_.qkv_bias = architecture_ == "qwen2" || any_layer_has(".attn_q.bias");
  spec_.output_bias = any_layer_has(".attn_output.bias");
  spec_.mlp_bias = any_layer_has(".ffn_up.bias");
  if (architecture_ == "qwen2") spec_.family = Family::kQwen2;
  if (architecture_ == "qwen3") spec_.family = Family::kQwen3;
  // Converters call Mistral llama; only Mistral's config can express a window.
  if (architecture_ == "llama")
    spec_.family = spec_.layers[0].window > 0 ? Family::kMistral : Family::kLlama;
}

// Without output.weight, or with a copy of the embedding there (what converters write for GPT-2).
bool SpecReader::tied() const {
  const GgufTensor* output = gguf_.find("output.weight");
  if (output == nullptr) return true;
  const GgufTensor& embedding = *gguf_.find("token_embd.weight");
  return output->type_id == embedding.type_id && output->shape == embedding.shape &&
         std::memcmp(output->bytes.data(), embedding.bytes.data(), embedding.bytes.size()) == 0;
}

std::optional<std::int64_t> SpecReader::token_id(std::string_view name) const {
  return gguf_.find_token_id(fmt::format("tokenizer.ggml.{}_token_id", name), spec_.vocab - 1);
}

void SpecReader::read_special_tokens() {
  spec_.bos_id = token_id("bos");
  spec_.pad_id = token_id("padding");
  // llama.cpp ends a text at any of the three.
  for (const std::string_view name : {"eos", "eot", "eom"}) {
    const std::optional<std::int64_t> id = token_id(name);
    if (id && std::ranges::find(spec_.eos_ids, *id) == spec_.eos_ids.end())
      spec_.eos_ids.push_back(*id);
  }
  // SentencePiece vocabularies have these ids when the file is silent.
  if (gguf_.find_string("tokenizer.ggml.model") != "llama" || spec_.vocab < 3) return;
  spec_.bos_id = spec_.bos_id.value_or(1);
  constexpr std::int64_t kUsualEos = 2;
  if (!token_id("eos") && std::ranges::find(spec_.eos_ids, kUsualEos) == spec_.eos_ids.end())
    spec_.eos_ids.insert(spec_.eos_ids.begin(), kUsualEos);
}

// A tensor that no parameter stands for would be left out of the computation in silence.
void SpecReader::refuse_other_tensors() const {
  std::unordered_set<std::string> known = {"output.weight"};  // of a tied head: a copy
  if (spec_.position == PositionKind::kRotary) known.insert("rope_freqs.weight");
  for (const Parameter& parameter : parameters_of(spec_))
    known.insert(gguf_name(parameter, spec_, architecture_).name);
  for (const GgufTensor& tensor : gguf_.tensors())
    if (!known.contains(tensor.name))
      fail<FormatError>("{}: tensor {} is of no part that a {} model has in Pith",
                        gguf_.place(),
                        printable(tensor.name),
                        architecture_);
}

}  // namespace

DecoderSpec spec_from_gguf(const GgufFile& gguf) { return SpecReader(gguf).read(); }

}  // namespace pith
