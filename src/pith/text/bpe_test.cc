#include "pith/text/bpe.h"

#include <gmock/gmock.h>

#include "pith/base/random.h"
#include "pith/base/test_support.h"
#include "pith/text/text_test_support.h"

namespace pith {
namespace {

using Ids = std::vector<std::int32_t>;

Bpe load(const Json& model, bool words_are_bytes = false) {
  return Bpe::from_json(JsonCursor(model, "t.json"), words_are_bytes);
}
Ids encode(const Bpe& bpe, std::string_view word) {
  BpeScratch scratch;
  Ids ids, again;
  bpe.encode(word, scratch, ids);
  bpe.encode(word, scratch, again);  // from the cache, where the word is short enough
  EXPECT_EQ(ids, again);
  return ids;
}
Json abc_model() {
  return {{"vocab", {{"a", 0}, {"b", 1}, {"c", 2}, {"ab", 3}, {"bc", 4}, {"abc", 5}, {"aa", 6}}},
          {"merges", {"b c", "a b", "a bc", "a a"}}};
}

TEST(Vocabulary, IsOneToOneAndHasGaps) {
  Vocabulary vocabulary;
  EXPECT_EQ(vocabulary.find("a"), std::nullopt);
  EXPECT_EQ(vocabulary.add("a", 5), Vocabulary::Added::kNew);
  EXPECT_EQ(vocabulary.add("a", 5), Vocabulary::Added::kSame);
  EXPECT_EQ(vocabulary.add("a", 6), Vocabulary::Added::kStringTaken);
  EXPECT_EQ(vocabulary.add("b", 5), Vocabulary::Added::kIdTaken);
  EXPECT_EQ(vocabulary.add("", 0), Vocabulary::Added::kNew);  // an empty token is a token
  EXPECT_EQ(vocabulary.size(), 6u);
  EXPECT_EQ(vocabulary.count(), 2u);
  EXPECT_EQ(vocabulary.token(0), "");
  EXPECT_EQ(vocabulary.token(3), std::nullopt);
  EXPECT_EQ(vocabulary.token(-1), std::nullopt);
  EXPECT_EQ(vocabulary.token(6), std::nullopt);
  for (int i = 10; i < 5000; ++i) vocabulary.add(std::to_string(i), i);  // the table grows
  for (int i = 10; i < 5000; ++i) ASSERT_EQ(vocabulary.find(std::to_string(i)), i);
}

TEST(Bpe, LowestRankFirstThenLeftmost) {
  const Bpe bpe = load(abc_model());
  EXPECT_EQ(encode(bpe, "abc"), (Ids{5}));  // b c goes before a b
  EXPECT_EQ(encode(bpe, "ab"), (Ids{3}));
  EXPECT_EQ(encode(bpe, "abb"), (Ids{3, 1}));
  EXPECT_EQ(encode(bpe, "aaa"), (Ids{6, 0}));  // leftmost among equals
  EXPECT_EQ(encode(bpe, "aaaa"), (Ids{6, 6}));
  EXPECT_EQ(encode(bpe, "bxa"),
            (Ids{1, 0}));                   // unknown characters vanish without an unknown token,
  EXPECT_EQ(encode(bpe, "axb"), (Ids{3}));  // and what stood at their sides may merge
  EXPECT_EQ(encode(bpe, "x"), Ids{});
  EXPECT_EQ(bpe.num_merges(), 4u);
}

TEST(Bpe, ReadsBothFormsOfMerges) {
  Json model = abc_model();
  model["merges"] = Json::parse(R"([["b", "c"], ["a", "b"], ["a", "bc"], ["a", "a"]])");
  EXPECT_EQ(encode(load(model), "abcab"), (Ids{5, 3}));
  model["vocab"][" "] = 7;
  model["vocab"]["a "] = 8;
  model["merges"] = Json::array({Json::array({"a", " "})});  // only pairs can hold a space
  EXPECT_EQ(encode(load(model), "a b"), (Ids{8, 1}));
}

TEST(Bpe, UnknownCharactersBecomeTheUnknownToken) {
  Json model = abc_model();
  model["vocab"]["?"] = 7;
  model["unk_token"] = "?";
  EXPECT_EQ(encode(load(model), "xyaz"), (Ids{7, 7, 0, 7}));
  model["fuse_unk"] = true;
  EXPECT_EQ(encode(load(model), "xyaz"), (Ids{7, 0, 7}));
}

TEST(Bpe, ByteFallbackNeedsAllBytes) {
  Json model = {{"vocab", {{"?", 0}, {"a", 1}, {"<0xC3>", 2}, {"<0xA9>", 3}}},
                {"merges", Json::array()},
                {"unk_token", "?"},
                {"byte_fallback", true},
                {"fuse_unk", true}};
  EXPECT_EQ(encode(load(model), "aéa"), (Ids{1, 2, 3, 1}));
  EXPECT_EQ(encode(load(model), "aà"), (Ids{1, 0}));  // <0xA0> is missing
  EXPECT_EQ(encode(load(model), "àéa"),
            (Ids{2, 3, 0, 1}));  // as `tokenizers`: bytes do not flush a waiting unknown token
}

TEST(Bpe, WholeWordsSkipMergesOnRequest) {
  Json model = abc_model();
  model["vocab"]["cab"] = 7;
  EXPECT_EQ(encode(load(model), "cab"), (Ids{2, 3}));
  model["ignore_merges"] = true;
  EXPECT_EQ(encode(load(model), "cab"), (Ids{7}));
  EXPECT_EQ(encode(load(model), "cabc"), (Ids{2, 5}));
}

TEST(Bpe, BytesOfWordsWithoutTokenVanish) {
  const Json model = {{"vocab", {{"a", 0}, {"Ġ", 1}, {"Ġa", 2}}}, {"merges", {"Ġ a"}}};
  EXPECT_EQ(encode(load(model, true), " a\x04"), (Ids{2}));
  EXPECT_EQ(encode(load(model, true), "a "), (Ids{0, 1}));
}

// The definition, naively: all pairs looked at anew after each merge.
Ids encode_naively(const Pairs& merges, const Json& vocab, std::string_view word) {
  std::vector<std::string> parts;
  for (const char c : word) parts.emplace_back(1, c);
  while (true) {
    std::size_t best_rank = merges.size(), best = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
      for (std::size_t rank = 0; rank < best_rank; ++rank)
        if (merges[rank].first == parts[i] && merges[rank].second == parts[i + 1]) {
          best_rank = rank;
          best = i;
        }
    if (best_rank == merges.size()) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  Ids ids;
  for (const std::string& part : parts) ids.push_back(vocab.at(part));
  return ids;
}

TEST(Bpe, EqualsTheDefinitionOnRandomVocabularies) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Random random(seed, 3);
    Json vocab = {{"a", 0}, {"b", 1}, {"c", 2}}, list = Json::array();
    std::vector<std::string> tokens = {"a", "b", "c"};
    Pairs merges;
    for (std::uint64_t i = 0; i < 30; ++i) {
      const std::string left = tokens[random.below(2 * i, tokens.size())],
                        right = tokens[random.below(2 * i + 1, tokens.size())];
      if (vocab.contains(left + right) || left.size() + right.size() > 12) continue;
      vocab[left + right] = vocab.size();
      tokens.push_back(left + right);
      merges.emplace_back(left, right);
      list.push_back(left + " " + right);
    }
    const Bpe bpe = load({{"vocab", vocab}, {"merges", list}});
    for (std::uint64_t run = 0; run < 30; ++run) {
      std::string word;
      for (std::uint64_t i = 0; i < 1 + run * 2; ++i)
        word += "abc"[random.below(1000 + run * 100 + i, 3)];
      EXPECT_EQ(encode(bpe, word), encode_naively(merges, vocab, word))
          << "seed " << seed << " word " << word;
    }
  }
}

// With a token that has U+2581 inside, words are not cut; without, they are, and nothing changes.
TEST(Bpe, CuttingAtSpacesChangesNothing) {
  Json model = {
      {"vocab",
       {{"▁", 0}, {"a", 1}, {"b", 2}, {"▁a", 3}, {"▁▁", 4}, {"ab", 5}, {"?", 6}, {"▁ab", 7}}},
      {"merges", {"a b", "▁ ▁", "▁ ab", "▁ a"}},
      {"unk_token", "?"},
      {"fuse_unk", true}};
  Json uncut = model;
  uncut["vocab"]["x▁y"] = 8;
  const Bpe cutting = load(model), whole = load(uncut);
  const Random random(1, 5);
  static constexpr const char* kParts[] = {"▁", "a", "b", "x"};
  for (std::uint64_t run = 0; run < 500; ++run) {
    std::string word;
    for (std::uint64_t i = 0; i < 1 + run % 20; ++i) word += kParts[random.below(run * 20 + i, 4)];
    EXPECT_EQ(encode(cutting, word), encode(whole, word)) << word;
  }
}

TEST(Bpe, MegabyteWordsAreNotQuadratic) {
  const Bpe bpe = load(abc_model());
  EXPECT_EQ(encode(bpe, std::string(1'000'001, 'a')).size(), 500'001u);
}

TEST(Bpe, ErrorsNameThePlace) {
  const auto message = [](const char* change) {
    Json model = abc_model();
    model.merge_patch(Json::parse(change));
    return message_of<FormatError>([&] { load(model); });
  };
  EXPECT_EQ(message(R"({"type": "Unigram"})"),
            "t.json: at /type: expected BPE, the only model that Pith has, found \"Unigram\"");
  EXPECT_EQ(message(R"({"vocab": null})"), "t.json: expected a value for 'vocab', found none");
  EXPECT_EQ(message(R"({"vocab": [1]})"),
            "t.json: at /vocab: expected an object, found an array of 1");
  EXPECT_EQ(message(R"({"vocab": {"a": -1}})"),
            "t.json: at /vocab/a: expected an integer from 0 to 4194303, found -1");
  EXPECT_EQ(message(R"({"vocab": {"a": 4194304}})"),
            "t.json: at /vocab/a: expected an integer from 0 to 4194303, found 4194304");
  EXPECT_EQ(
      message(R"({"vocab": {"a": 18446744073709551615}})"),
      "t.json: at /vocab/a: expected an integer from 0 to 4194303, found 18446744073709551615");
  EXPECT_EQ(message(R"({"vocab": {"a": 1.5}})"),
            "t.json: at /vocab/a: expected an integer from 0 to 4194303, found 1.5");
  EXPECT_EQ(message(R"({"vocab": {"a": 2}})"),
            "t.json: at /vocab/c: expected an id of its own, found 2, the id of 'a'");
  EXPECT_EQ(message(R"({"merges": {}})"),
            "t.json: at /merges: expected an array, found an empty object");
  EXPECT_EQ(
      message(R"({"merges": ["a b", "abc a"]})"),
      "t.json: at /merges/1: expected tokens of the vocabulary, found 'abca', which is not in it");
  EXPECT_EQ(
      message(R"({"merges": ["c a"]})"),
      "t.json: at /merges/0: expected tokens of the vocabulary, found 'ca', which is not in it");
  for (const char* merge : {R"("ab")",
                            R"("a  b")",
                            R"("a b ")",
                            "3",
                            R"(["a"])",
                            R"(["a", "b", "c"])",
                            R"(["a", 1])",
                            "null"})
    EXPECT_THAT(message((std::string("{\"merges\": [") + merge + "]}").c_str()),
                testing::HasSubstr(
                    "at /merges/0: expected \"a b\" with exactly one space, or [\"a\", \"b\"]"))
        << merge;
  EXPECT_THAT(message(R"({"dropout": 0.1})"), testing::HasSubstr("at /dropout: expected null"));
  EXPECT_THAT(message(R"({"end_of_word_suffix": "</w>"})"),
              testing::HasSubstr("at /end_of_word_suffix: expected null"));
  EXPECT_EQ(message(R"({"unk_token": "nope"})"),
            "t.json: at /unk_token: expected a token of the vocabulary, found \"nope\"");
  EXPECT_THAT(
      message_of<FormatError>([] {
        Json model = abc_model();
        model["byte_fallback"] = true;
        load(model, true);
      }),
      testing::HasSubstr("at /byte_fallback: expected false with a ByteLevel pre-tokenizer"));
  Json model = abc_model();
  model["vocab"]["d"] = nullptr;
  EXPECT_EQ(message_of<FormatError>([&] { load(model); }),
            "t.json: at /vocab: expected an id for every token, found null for 'd'");
  EXPECT_EQ(
      encode(
          load(Json::parse(
              R"({"vocab": {"a": 0}, "merges": [], "dropout": null, "continuing_subword_prefix": "", "unk_token": ""})")),
          "a"),
      (Ids{0}));  // the many ways of writing none
}

}  // namespace
}  // namespace pith
