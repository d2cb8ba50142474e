// The commands: their options, and the bodies that run them. Options are torch-free, so `pith`
// parses every command itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pith/base/options.h"
#include "pith/conversion/quantize_methods.h"
#include "pith/evaluation/latency.h"
#include "pith/evaluation/protocol.h"

namespace pith {

struct GlobalOptions {
  bool json = false;
  std::optional<int> threads;
  std::uint64_t seed = 0;
};
void visit(GlobalOptions& o, auto&& v) {
  v("json", o.json, "print the result as JSON");
  v("threads", o.threads, "threads to use (default: physical cores)");
  v("seed", o.seed, "seed of everything random");
}

enum class EngineKind { kTorch, kNative };
constexpr EnumName<EngineKind> kEngineKindNames[] = {{EngineKind::kTorch, "torch"},
                                                     {EngineKind::kNative, "native"}};
constexpr std::span<const EnumName<EngineKind>> enum_table(EngineKind) { return kEngineKindNames; }

enum class ActivationKind { kF32, kBf16, kInt8 };
constexpr EnumName<ActivationKind> kActivationKindNames[] = {{ActivationKind::kF32, "f32"},
                                                             {ActivationKind::kBf16, "bf16"},
                                                             {ActivationKind::kInt8, "int8"}};
constexpr std::span<const EnumName<ActivationKind>> enum_table(ActivationKind) {
  return kActivationKindNames;
}

// What runs a forward pass; part of the options of every command that does.
struct EngineOptions {
  EngineKind engine = EngineKind::kTorch;
  ActivationKind activations = ActivationKind::kF32;
};
void visit(EngineOptions& o, auto&& v) {
  v("engine", o.engine, "what runs the model");
  v("activations", o.activations, "type of activations (engine native)");
}

struct InspectOptions {
  std::filesystem::path model;
  std::optional<std::string> tensor;
  std::optional<std::filesystem::path> diff;
};
void visit(InspectOptions& o, auto&& v) {
  v("model", o.model, "model: a folder, a .gguf or a .safetensors file");
  v("tensor", o.tensor, "statistics and a histogram of this tensor, named as here or in the file");
  v("diff", o.diff, "another model, in any container: what differs from MODEL to it");
}

struct TokenizeOptions {
  std::filesystem::path model;
  bool decode = false;
  bool special = false;
  std::optional<std::filesystem::path> file, bin;
};
void visit(TokenizeOptions& o, auto&& v) {
  v("model", o.model, "model whose tokenizer is used: a folder or a .gguf file");
  v("decode", o.decode, "from id lists to JSON strings");
  v("special", o.special, "add the tokens of the model at the ends of each text");
  v("file", o.file, "tokenize this whole file; prints count and sha256 of the ids as int32 LE");
  v("bin", o.bin, "with --file: write the ids here, uint16 if the vocabulary allows, else int32");
}

struct ConvertOptions {
  std::filesystem::path model, output;
  std::optional<std::uint64_t> permute;
  std::optional<KeptDtype> dtype;
  std::string format = "hf";
  std::optional<std::filesystem::path> imatrix;
  bool allow_requantize = false;
  ByteSize shard_size{CheckpointWriter::kDefaultShardBytes};
  bool no_verify = false;
};
void visit(ConvertOptions& o, auto&& v) {
  v("model", o.model, "model: a folder or a .gguf file");
  v("output", o.output, "new folder");
  v("permute",
    o.permute,
    "seed; reorders hidden units, FFN neurons and value dimensions within heads");
  v("dtype", o.dtype, "type of the weights (default: the source's; f32 for a quantized source)");
  v("imatrix", o.imatrix, "gguf:TYPE: importance of columns, a file of llama-imatrix");
  v("allow-requantize", o.allow_requantize, "gguf:TYPE of a model that is quantized already");
  v("format",
    o.format,
    "hf: dense; else the layout of compressed weights: " + output_format_names());
  v("shard-size", o.shard_size, "largest size of a weight file, e.g. 2GiB");
  v("no-verify", o.no_verify, "do not read back what was written");
}

struct ScoreOptions {
  std::filesystem::path model, input;
  std::optional<std::filesystem::path> logits;
  bool special = false;
  EngineOptions engine;
};
void visit(ScoreOptions& o, auto&& v) {
  v("model", o.model, "model: a folder or a .gguf file");
  v("input",
    o.input,
    "JSONL file: {\"ids\": [...]} or {\"text\": \"...\"} a line, optionally \"top\": k");
  v("logits", o.logits, "store logits.N [T, V] f32 of line N in this .safetensors file");
  v("special", o.special, "add the tokens of the model at the ends of each text");
  visit(o.engine, v);
}

struct EvalOptions {
  std::filesystem::path model, perplexity;
  ProtocolOptions protocol;
  EngineOptions engine;
};
void visit(EvalOptions& o, auto&& v) {
  v("model", o.model, "model: a folder or a .gguf file");
  v("perplexity", o.perplexity, "TEXT to measure perplexity on: raw UTF-8 or .jsonl");
  visit(o.protocol, v);
  visit(o.engine, v);
}

struct CompareOptions {
  std::filesystem::path base, text;
  std::vector<std::filesystem::path> others;
  ProtocolOptions protocol;
  EngineOptions engine;
};
void visit(CompareOptions& o, auto&& v) {
  v("base", o.base, "model that the others are measured against");
  v("others", o.others, "one or more models");
  v("text", o.text, "TEXT to compare on: raw UTF-8 or .jsonl");
  visit(o.protocol, v);
  visit(o.engine, v);
}

struct GenerateCommandOptions {
  std::filesystem::path model;
  std::string prompt;
  std::int64_t max_tokens = 128;
  double temperature = 0;
  bool ignore_eos = false;
  EngineOptions engine;
};
void visit(GenerateCommandOptions& o, auto&& v) {
  v("model", o.model, "model: a folder or a .gguf file");
  v("prompt", o.prompt, "text to continue");
  v("max-tokens", o.max_tokens, "new tokens at most");
  v("temperature", o.temperature, "0: the most likely token");
  v("ignore-eos", o.ignore_eos, "go on after an end-of-sequence token");
  visit(o.engine, v);
}

struct QuantizeCommandOptions {
  std::filesystem::path model, output;
  QuantizeOptions quantize;
  std::string format = "pith";
  ByteSize shard_size{CheckpointWriter::kDefaultShardBytes};
};
void visit(QuantizeCommandOptions& o, auto&& v) {
  v("model", o.model, "model: a folder or a .gguf file");
  v("output", o.output, "new folder");
  visit(o.quantize, v);
  v("format", o.format, "layout of the compressed weights: " + output_format_names());
  v("shard-size", o.shard_size, "largest size of a weight file, e.g. 2GiB");
}

struct CompressOptions {
  std::filesystem::path recipe;
  std::optional<std::filesystem::path> output;
};
void visit(CompressOptions& o, auto&& v) {
  v("recipe", o.recipe, "recipe (YAML); see docs/recipes.md");
  v("output", o.output, "new folder, instead of the recipe's");
}

enum class BenchKind { kPeak, kDecode, kPrefill, kStart };
constexpr EnumName<BenchKind> kBenchKindNames[] = {{BenchKind::kPeak, "peak"},
                                                   {BenchKind::kDecode, "decode"},
                                                   {BenchKind::kPrefill, "prefill"},
                                                   {BenchKind::kStart, "start"}};
constexpr std::span<const EnumName<BenchKind>> enum_table(BenchKind) { return kBenchKindNames; }

struct BenchOptions {
  BenchKind kind = BenchKind::kPeak;
  std::optional<std::filesystem::path> model;
  std::int64_t tokens = 50;
  std::int64_t context = 0;
  std::int64_t batch = 1;
  int repeats = 5;
  std::optional<LatencyProtocol> protocol;
};
void visit(BenchOptions& o, auto&& v) {
  v("kind", o.kind, "what to measure");
  v("model", o.model, "model for decode, prefill and start");
  v("tokens", o.tokens, "tokens to decode, or of the prompt of prefill");
  v("context", o.context, "tokens in the cache before the measured ones");
  v("batch", o.batch, "sequences at a time");
  v("repeats", o.repeats, "timed runs after one warm-up");
  v("protocol",
    o.protocol,
    "decode by the documents' latency protocol; --context is then the whole window (1024)");
}

// Bodies that need no torch.
int run_inspect(const InspectOptions& options, const GlobalOptions& global);
int run_tokenize(const TokenizeOptions& options, const GlobalOptions& global);
int run_convert(const ConvertOptions& options, const GlobalOptions& global);
int run_quantize(const QuantizeCommandOptions& options, const GlobalOptions& global);
int run_bench_peak(const BenchOptions& options, const GlobalOptions& global);
int run_bench_start(const BenchOptions& options, const GlobalOptions& global);

// Bodies that need torch; `pith` has none of them and hands over to pith-torch.
struct TorchBodies {
  int (*score)(const ScoreOptions&, const GlobalOptions&) = nullptr;
  int (*eval)(const EvalOptions&, const GlobalOptions&) = nullptr;
  int (*compare)(const CompareOptions&, const GlobalOptions&) = nullptr;
  int (*generate)(const GenerateCommandOptions&, const GlobalOptions&) = nullptr;
  int (*compress)(const CompressOptions&, const GlobalOptions&) = nullptr;
  int (*bench_model)(const BenchOptions&, const GlobalOptions&) = nullptr;
  // The message of an error of torch's, without its trace of the stack.
  std::string (*message_of)(const std::exception&) = nullptr;
};

// The whole program: parses, checks, runs or hands over (`torch` null), prints errors. Returns the
// exit code: 0 done, 2 wrong command line or recipe, 1 everything else.
int run_program(int argc, char** argv, const TorchBodies* torch);

}  // namespace pith
