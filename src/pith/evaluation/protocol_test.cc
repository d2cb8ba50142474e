#include "pith/evaluation/protocol.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "pith/base/error.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

// Letters and a few signs, one token each, from id 3; no BOS is added.
constexpr const char* kTokenizerJson = R"({
  "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
  "pre_tokenizer": null, "post_processor": null, "decoder": null,
  "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
    "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
    "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "a": 3, "b": 4, "c": 5, "d": 6, "e": 7, "f": 8,
      "g": 9, "h": 10, "i": 11, "j": 12, " ": 13, "=": 14, "\n": 15},
    "merges": []}})";

// The llama of tests/golden/model (bos 1, eos 2, context 64) with that tokenizer.
class PrepareTextTest : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path golden = PITH_SOURCE_DIR "/tests/golden/model/llama";
    for (const char* name : {"config.json", "model.safetensors"})
      fs::copy_file(golden / name, folder_ / name);
    write_plainly(folder_ / "tokenizer.json", kTokenizerJson);
  }
  PreparedText prepare(std::string_view text, const ProtocolOptions& options) {
    write_plainly(folder_ / "text.raw", text);
    return prepare_text(folder_ / "text.raw", options, Checkpoint::open(folder_.path()), 64);
  }
  TestFolder folder_;
};

TEST_F(PrepareTextTest, OneStreamBeginsAsTheTokenizerDoes) {
  const auto prepared = prepare("abcde", {.window = 4});
  ASSERT_EQ(prepared.windows.size(), 1u);
  EXPECT_THAT(prepared.windows[0].input, ElementsAre(3, 4, 5, 6));
  EXPECT_EQ(prepared.bos, BosRule::kNone);
  EXPECT_EQ(prepared.documents.size(), 1u);
}

TEST_F(PrepareTextTest, LinesAndPagesBeginWithTheModelsBos) {
  const auto lines = prepare("ab\n\nc\n", {.convention = Convention::kPerLine});
  ASSERT_EQ(lines.windows.size(), 2u);
  EXPECT_THAT(lines.windows[0].input, ElementsAre(1, 3, 4, 15));
  EXPECT_THAT(lines.windows[1].input, ElementsAre(1, 5, 15));
  EXPECT_EQ(lines.bos, BosRule::kWindow);

  const auto pages = prepare(" = a = \n bc \n = d = \n e", {.convention = Convention::kLmEval});
  ASSERT_EQ(pages.windows.size(), 2u);
  EXPECT_EQ(pages.windows[0].input.front(), 1);
  EXPECT_EQ(pages.windows[1].document, 1u);
  EXPECT_EQ(pages.documents[0].bytes, 12u);
  EXPECT_EQ(pages.documents[0].words, 6u);
  EXPECT_EQ(pages.bos, BosRule::kStream);
}

TEST_F(PrepareTextTest, EosStandsInForAMissingBosInLmEval) {
  Json config = read_json_file(folder_ / "config.json");
  config["bos_token_id"] = nullptr;
  write_plainly(folder_ / "config.json", config.dump());
  const auto pages = prepare("abc", {.convention = Convention::kLmEval});
  EXPECT_EQ(pages.windows[0].input.front(), 2);
  EXPECT_EQ(pages.bos, BosRule::kStream);
  const auto lines = prepare("abc", {.convention = Convention::kPerLine});
  EXPECT_THAT(lines.windows[0].input, ElementsAre(3, 4, 5));
  EXPECT_EQ(lines.bos, BosRule::kNone);
}

TEST_F(PrepareTextTest, RecordsOfJsonlAreDocuments) {
  write_plainly(folder_ / "text.jsonl", "{\"text\": \"ab\"}\n{\"ids\": [7, 8, 9]}\n");
  const auto checkpoint = Checkpoint::open(folder_.path());
  const auto apart =
      prepare_text(folder_ / "text.jsonl", {.convention = Convention::kPerLine}, checkpoint, 64);
  ASSERT_EQ(apart.windows.size(), 2u);
  EXPECT_THAT(apart.windows[1].input, ElementsAre(1, 7, 8, 9));
  const auto joined = prepare_text(folder_ / "text.jsonl", {.window = 5}, checkpoint, 64);
  ASSERT_EQ(joined.windows.size(), 1u);
  EXPECT_THAT(joined.windows[0].input, ElementsAre(3, 4, 7, 8, 9));
}

TEST_F(PrepareTextTest, WindowIsAtMostTheContext) {
  EXPECT_EQ(prepare(std::string(70, 'a'), {}).options.window, 64);
  EXPECT_EQ(message_of<UserError>([&] { prepare("abc", {.window = 65}); }),
            "--window is 65, expected at most the model's context of 64");
}

}  // namespace
}  // namespace pith
