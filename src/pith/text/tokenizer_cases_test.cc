// The case files of tests/golden/tokenizers against the real vocabularies, and speed on them.
#include <gmock/gmock.h>

#include <chrono>

#include "pith/base/mapped_file.h"
#include "pith/base/test_support.h"
#include "pith/text/gpt2_files.h"
#include "pith/text/text_test_support.h"
#include "pith/text/tokenizer.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int32_t>;

Json golden(const std::string& name) {
  return read_json_file(fs::path(PITH_SOURCE_DIR) / "tests/golden/tokenizers" / name);
}

Tokenizer load(const std::string& name) {
  if (name == "smollm2")
    return Tokenizer::from_json(tokenizer_json_from_gguf(GgufFile(demo_gguf())), "smollm2");
  const fs::path path = fetched_tokenizer(name);
  return Tokenizer::from_json(read_json_file(path), path.string());
}

std::string streamed(const Tokenizer& tokenizer, const Ids& ids) {
  StreamDecoder decoder(tokenizer);
  std::string text;
  for (const std::int32_t id : ids) text += decoder.push(id);
  return text + decoder.finish();
}

class SharedCases : public testing::TestWithParam<const char*> {};

TEST_P(SharedCases, AllEqual) {
  const Tokenizer tokenizer = load(GetParam());
  const Json file = golden(std::string(GetParam()) + "_tokenizer_cases.json");
  ASSERT_GT(file["cases"].size(), 40u);
  for (const Json& entry : file["cases"]) {
    const auto text = entry["text"].get<std::string>();
    const Ids ids = entry["ids"].get<Ids>();
    EXPECT_EQ(tokenizer.encode(text), ids) << text;
    if (entry.contains("ids_without_special_parsing")) {
      EXPECT_EQ(tokenizer.encode(text, {.parse_special = false}),
                entry["ids_without_special_parsing"].get<Ids>())
          << text;
    }
    const auto decoded = entry.value("decoded", text);
    EXPECT_EQ(tokenizer.decode(ids), decoded);
    EXPECT_EQ(streamed(tokenizer, ids), decoded);
  }
}
INSTANTIATE_TEST_SUITE_P(Vocabularies,
                         SharedCases,
                         testing::Values("gpt2", "llama2", "llama3", "qwen3"));

class RandomCases : public testing::TestWithParam<const char*> {};

TEST_P(RandomCases, AllEqual) {
  const Tokenizer tokenizer = load(GetParam());
  const Json file = golden("random_cases.json");
  const Json& cases = file["tokenizers"][GetParam()];
  ASSERT_GE(cases.size(), 100u);
  for (const Json& entry : cases) {
    const auto text = entry["text"].get<std::string>();
    const Ids ids = entry["ids"].get<Ids>();
    EXPECT_EQ(tokenizer.encode(text), ids) << text;
    EXPECT_EQ(tokenizer.encode(text, {.parse_special = false}), entry.value("plain", ids)) << text;
    const auto decoded = entry.value("decoded", text);
    EXPECT_EQ(tokenizer.decode(ids), decoded);
    EXPECT_EQ(tokenizer.decode(ids, true), entry.value("skipped", decoded));
    EXPECT_EQ(streamed(tokenizer, ids), decoded);
  }
}
INSTANTIATE_TEST_SUITE_P(Vocabularies,
                         RandomCases,
                         testing::Values("gpt2", "llama2", "llama3", "qwen3", "smollm2"));

TEST(Gpt2Files, SayTheSameAsTokenizerJson) {
  const fs::path folder = fetched_tokenizer("gpt2").parent_path();
  const Tokenizer tokenizer = Tokenizer::from_json(
      tokenizer_json_from_gpt2_files(folder / "vocab.json", folder / "merges.txt"), "gpt2");
  EXPECT_EQ(tokenizer.description(), "byte-level BPE, 50257 tokens, 50000 merges");
  const Json cases = golden("gpt2_tokenizer_cases.json");
  for (const Json& entry : cases["cases"])
    EXPECT_EQ(tokenizer.encode(entry["text"].get<std::string>()), entry["ids"].get<Ids>());
}

TEST(WikiText, SmolLm2GivesThePublishedIds) {
  const Tokenizer tokenizer = load("smollm2");
  EXPECT_EQ(tokenizer.description(), "byte-level BPE, 49152 tokens, 48900 merges");
  const std::string text = read_text_file(
      fs::path(PITH_SOURCE_DIR) / "data/wikitext2/wiki.test.raw", std::size_t{1} << 24);
  const Ids ids = tokenizer.encode(text);
  EXPECT_EQ(ids.size(), 303415u);
  EXPECT_EQ(tokenizer.decode(ids), text);
}

}  // namespace
}  // namespace pith
