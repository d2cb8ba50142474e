// Tokenizer::of on tiny model folders (vocabularies of 96) and on the demo model.
#include <gmock/gmock.h>

#include "pith/base/test_support.h"
#include "pith/text/lazy_tokenizer.h"
#include "pith/text/text_test_support.h"
#include "pith/text/tokenizer.h"

namespace pith {
namespace {

using Ids = std::vector<std::int32_t>;

// A folder with the golden model of a family, ready for tokenizer files.
class ModelFolder {
 public:
  explicit ModelFolder(const std::string& family) {
    const auto golden = std::filesystem::path(PITH_SOURCE_DIR) / "tests/golden/model" / family;
    for (const char* name : {"config.json", "model.safetensors"})
      std::filesystem::copy_file(golden / name, folder_ / name);
  }
  void write(const char* name, const Json& document) const {
    write_plainly(folder_ / name, document.dump());
  }
  Tokenizer open() const { return Tokenizer::of(Checkpoint::open(folder_.path())); }
  std::string error() const {
    return message_of<FormatError>([this] { open(); });
  }
  const TestFolder& folder() const { return folder_; }

 private:
  TestFolder folder_;
};

// Ids 0 to 2 and one more.
Json abc_document(int last_id) {
  return {
      {"model", {{"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}, {"c", last_id}}}, {"merges", {"a b"}}}}};
}

TEST(TokenizerOf, FolderWithTokenizerJson) {
  const ModelFolder model("llama");
  model.write("tokenizer.json", abc_document(60));
  const Tokenizer tokenizer = model.open();
  EXPECT_EQ(tokenizer.encode("abc"), (Ids{2, 60}));
  EXPECT_EQ(tokenizer.size(), 61u);
  EXPECT_EQ(tokenizer.decode(Ids{2, 95}), "ab");  // the model may make ids that have no token
  EXPECT_EQ(message_of<UserError>([&] { tokenizer.decode(Ids{96}); }),
            "cannot decode the id 96: expected 0 to 95");
}

TEST(TokenizerOf, FolderWithVocabAndMerges) {
  const Json vocab = {{"a", 0}, {"b", 1}, {"ab", 2}};
  const ModelFolder model("gpt2");
  model.write("vocab.json", vocab);
  write_plainly(model.folder() / "merges.txt", "#version: 0.2\na b\n");
  EXPECT_EQ(model.open().encode("ab"), (Ids{2}));
  model.write("tokenizer.json", abc_document(60));  // goes first
  EXPECT_EQ(model.open().encode("c"), (Ids{60}));

  const ModelFolder llama("llama");
  llama.write("vocab.json", vocab);
  write_plainly(llama.folder() / "merges.txt", "a b\n");
  EXPECT_THAT(llama.error(),
              testing::EndsWith("vocab.json and merges.txt do not say how a llama model cuts text "
                                "into words; tokenizer.json is needed"));
}

TEST(TokenizerOf, WhatDoesNotFitIsRefused) {
  const ModelFolder model("llama");
  EXPECT_THAT(model.error(),
              testing::EndsWith(": there is no tokenizer: neither tokenizer.json nor vocab.json "
                                "with merges.txt"));
  model.write("tokenizer.json", abc_document(96));
  EXPECT_THAT(model.error(),
              testing::EndsWith("tokenizer.json: the largest token id is 96, but the model's "
                                "vocabulary has 96 ids"));
  write_plainly(model.folder() / "tokenizer.json", std::string(100'000, '['));
  EXPECT_THAT(model.error(), testing::HasSubstr("nested deeper than"));
  write_plainly(model.folder() / "tokenizer.json", "{\"model\": ");
  EXPECT_THAT(model.error(), testing::HasSubstr("not valid JSON"));
}

TEST(TokenizerOf, LazyOnesOpenWhenAsked) {
  const ModelFolder model("llama");
  const LazyTokenizer missing(Checkpoint::open(model.folder().path()));
  EXPECT_FALSE(missing.opened());
  EXPECT_THROW(missing.get(), FormatError);
  model.write("tokenizer.json", abc_document(3));
  EXPECT_EQ(missing.get().encode("ab"), (Ids{2}));
  EXPECT_TRUE(missing.opened());
}

TEST(TokenizerOf, DemoModel) {
  const Tokenizer tokenizer = Tokenizer::of(Checkpoint::open(demo_gguf()));
  EXPECT_EQ(tokenizer.size(), 49152u);
  EXPECT_EQ(tokenizer.encode("<|im_start|>Hi"), (Ids{1, *tokenizer.id_of("Hi")}));
}

}  // namespace
}  // namespace pith
