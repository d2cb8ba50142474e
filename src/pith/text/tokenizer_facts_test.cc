#include "pith/text/tokenizer_facts.h"

#include <gmock/gmock.h>

#include "pith/base/sha256.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

std::string sha256_of(std::string_view text) { return sha256_hex(std::as_bytes(std::span(text))); }

Json small_document() {
  const Json special = {{"id", 4}, {"content", "<end>"}, {"special", true}};
  const Json plain = {{"id", 3}, {"content", "<tab>"}, {"special", false}};
  return {{"added_tokens", Json::array({special, plain})},
          {"pre_tokenizer",
           {{"type", "Sequence"},
            {"pretokenizers",
             Json::array({{{"type", "Digits"}, {"individual_digits", true}},
                          {{"type", "ByteLevel"}, {"add_prefix_space", false}}})}}},
          {"model", {{"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}}}, {"merges", {"a b"}}}}};
}

class Folder {
 public:
  Folder() {
    for (const char* name : {"config.json", "model.safetensors"})
      fs::copy_file(PITH_SOURCE_DIR "/tests/golden/model/llama/" + std::string(name),
                    folder_ / name);
  }
  void write(const char* name, const Json& json) const {
    write_plainly(folder_ / name, json.dump());
  }
  TokenizerFacts facts() const { return tokenizer_facts(Checkpoint::open(folder_.path())); }

 private:
  TestFolder folder_;
};

TEST(TokenizerFactsTest, OfATokenizerJson) {
  const Folder folder;
  folder.write("tokenizer.json", small_document());
  const TokenizerFacts facts = folder.facts();
  EXPECT_EQ(facts.description, "byte-level BPE, 5 tokens, 1 merges");
  EXPECT_EQ(facts.pre_tokenizer, "Digits, ByteLevel");
  EXPECT_THAT(facts.tokens, ElementsAre("a", "b", "ab", "<tab>", "<end>"));
  EXPECT_THAT(facts.special, ElementsAre(SpecialToken{4, "<end>"}));
  EXPECT_EQ(facts.merges, 1u);
  EXPECT_EQ(facts.merges_sha256, sha256_of("a b\n"));
  EXPECT_FALSE(facts.chat_template);
}

TEST(TokenizerFactsTest, MergesAsPairsAreTheSame) {
  const Folder folder;
  Json document = small_document();
  document["model"]["merges"] = Json::array({Json::array({"a", "b"})});
  folder.write("tokenizer.json", document);
  EXPECT_EQ(folder.facts().merges_sha256, sha256_of("a b\n"));
}

TEST(TokenizerFactsTest, ChatTemplates) {
  const Folder folder;
  folder.write("tokenizer.json", small_document());
  folder.write("tokenizer_config.json", {{"chat_template", nullptr}});
  EXPECT_FALSE(folder.facts().chat_template);
  folder.write("tokenizer_config.json", {{"chat_template", "{{ messages }}"}});
  EXPECT_TRUE(folder.facts().chat_template);
}

TEST(TokenizerFactsTest, OfGgufFiles) {
  const auto facts =
      tokenizer_facts(Checkpoint::open(PITH_SOURCE_DIR "/tests/golden/gguf/qwen2.gguf"));
  EXPECT_EQ(facts.pre_tokenizer, "Split, ByteLevel (qwen2)");
  EXPECT_EQ(facts.merges, 8u);
  EXPECT_EQ(facts.tokens.size(), 265u);
  const auto llama =
      tokenizer_facts(Checkpoint::open(PITH_SOURCE_DIR "/tests/golden/gguf/llama.gguf"));
  EXPECT_EQ(llama.special.size(), 3u);
  EXPECT_EQ(llama.pre_tokenizer, "");  // SentencePiece cuts nothing
  EXPECT_EQ(llama.tokens.size(), 267u);
}

TEST(TokenizerFactsTest, FailsAsTheTokenizerDoes) {
  const Folder folder;
  EXPECT_THAT(message_of<FormatError>([&] { folder.facts(); }),
              testing::HasSubstr("there is no tokenizer"));
  folder.write("tokenizer.json", {{"model", {{"vocab", {{"a", 96}}}, {"merges", Json::array()}}}});
  EXPECT_THAT(message_of<FormatError>([&] { folder.facts(); }),
              testing::HasSubstr("the largest token id is 96"));
}

}  // namespace
}  // namespace pith
