#include <gmock/gmock.h>

#include "pith/base/test_support.h"
#include "pith/conversion/test_models.h"
#include "pith/report/model_diff.h"

namespace pith {
namespace {

using testing::ElementsAre;

TokenizerFacts facts_of(std::vector<std::string> tokens) {
  TokenizerFacts facts;
  facts.tokens = std::move(tokens);
  return facts;
}

TEST(CompareTokenizers, CountsIdsThatMeanSomethingElse) {
  const TokenizerDiff same = compare_tokenizers(facts_of({"a", "b"}), facts_of({"a", "b"}));
  EXPECT_EQ(same.differing_ids, 0u);
  EXPECT_FALSE(same.first_differing_id);
  EXPECT_TRUE(same.same_merges && same.same_special);
  const TokenizerDiff other =
      compare_tokenizers(facts_of({"a", "b", "c"}), facts_of({"a", "x", "c", "d", "e"}));
  EXPECT_EQ(other.differing_ids, 3u);
  EXPECT_EQ(other.first_differing_id, 1);
}

TEST(CompareTokenizers, MergesAndSpecialTokens) {
  TokenizerFacts a = facts_of({"a"}), b = facts_of({"a"});
  a.merges_sha256 = "1";
  b.special = {{0, "a"}};
  const TokenizerDiff diff = compare_tokenizers(a, b);
  EXPECT_FALSE(diff.same_merges);
  EXPECT_FALSE(diff.same_special);
  EXPECT_EQ(diff.differing_ids, 0u);
}

TEST(CompareSideFiles, ByTheirContent) {
  const TestFolder folder;
  random_checkpoint(folder / "a", tiny_llama());
  random_checkpoint(folder / "b", tiny_llama());
  write_plainly(folder / "a/tokenizer.json", "{}");
  write_plainly(folder / "b/tokenizer.json", "{}");
  write_plainly(folder / "a/merges.txt", "a b");
  write_plainly(folder / "b/merges.txt", "b a");
  write_plainly(folder / "b/vocab.json", "{}");
  std::vector<std::string> lines;
  for (const FileDifference& file :
       compare_side_files(Checkpoint::open(folder / "a"), Checkpoint::open(folder / "b")))
    lines.push_back(fmt::format("{} {} {} {}", file.name, file.in_a, file.in_b, file.same));
  EXPECT_THAT(lines,
              ElementsAre("merges.txt true true false",
                          "tokenizer.json true true true",
                          "vocab.json false true false"));
  const Checkpoint gguf = Checkpoint::open(PITH_SOURCE_DIR "/tests/golden/gguf/llama.gguf");
  EXPECT_TRUE(compare_side_files(gguf, Checkpoint::open(folder / "a")).empty());
}

}  // namespace
}  // namespace pith
