#include "pith/text/tokenizer.h"

#include <gmock/gmock.h>

#include <thread>

#include "pith/base/random.h"
#include "pith/base/test_support.h"
#include "pith/text/text_test_support.h"

namespace pith {
namespace {

using Ids = std::vector<std::int32_t>;
const Pairs kHelloMerges = {{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"Ġ", "hello"}};

Json added_token(int id, const char* content, bool special = true) {
  return {{"id", id}, {"content", content}, {"normalized", false}, {"special", special}};
}

TEST(Tokenizer, ByteLevelRoundTrip) {
  Json document = byte_level_document(kHelloMerges);
  document["added_tokens"] = {added_token(261, "<end>"), added_token(263, "<tool>", false)};
  const Tokenizer tokenizer = Tokenizer::from_json(document, "t.json");
  EXPECT_EQ(tokenizer.encode(""), Ids{});
  EXPECT_EQ(tokenizer.encode("hello hello"), (Ids{259, 260}));
  EXPECT_EQ(tokenizer.encode("hello<end>é<tool>"), (Ids{259, 261, 0xC3, 0xA9, 263}));
  EXPECT_EQ(tokenizer.encode("<end><tool>", {.parse_special = false}),
            (Ids{'<', 'e', 'n', 'd', '>', 263}));
  EXPECT_EQ(tokenizer.decode(Ids{259, 260, 261, 0xC3, 0xA9, 263}), "hello hello<end>é<tool>");
  EXPECT_EQ(tokenizer.decode(Ids{259, 261, 263}, true), "hello<tool>");
  EXPECT_EQ(tokenizer.decode(Ids{}), "");
  EXPECT_EQ(tokenizer.decode(Ids{262, 'a'}), "a");  // 262 is a gap
  EXPECT_EQ(tokenizer.size(), 264u);
  EXPECT_EQ(tokenizer.id_of("<end>"), 261);
  EXPECT_EQ(tokenizer.id_of("Ġhello"), 260);
  EXPECT_EQ(tokenizer.id_of("nope"), std::nullopt);
  EXPECT_EQ(tokenizer.bos_id(), std::nullopt);
  EXPECT_EQ(tokenizer.description(), "byte-level BPE, 263 tokens, 5 merges");
}

TEST(Tokenizer, SentencePieceStyle) {
  const Tokenizer tokenizer = Tokenizer::from_json(
      llama_document({"▁", "a", "b"}, {{"▁", "a"}, {"a", "b"}}), "t.json");  // 259.. then 262, 263
  EXPECT_EQ(tokenizer.encode("a"), (Ids{262}));
  EXPECT_EQ(tokenizer.encode(" a", {.special_ends = true}), (Ids{1, 259, 262}));
  EXPECT_EQ(tokenizer.encode("", {.special_ends = true}), (Ids{1}));
  EXPECT_EQ(tokenizer.encode("é\n"), (Ids{259, 0xC3 + 3, 0xA9 + 3, 13}));
  EXPECT_EQ(tokenizer.encode("a</s>b"),
            (Ids{262, 2, 259, 261}));  // the prefix comes again after an added token
  EXPECT_EQ(tokenizer.decode(Ids{1, 262, 259, 262}), "<s> a  a");
  EXPECT_EQ(tokenizer.decode(Ids{1, 262, 261}, true), "ab");
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_EQ(tokenizer.description(), "BPE with byte fallback, 264 tokens, 2 merges");
}

TEST(Tokenizer, InvalidTextIsReplaced) {
  const Tokenizer tokenizer = Tokenizer::from_json(byte_level_document({}), "t.json");
  EXPECT_EQ(tokenizer.encode("a\xE2\x82z\xFF"), tokenizer.encode("a\ufffdz\ufffd"));
  EXPECT_EQ(tokenizer.decode(Ids{0xE2, 0x82, 'z'}), "\ufffdz");
  const std::string zero("a\0b", 3);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(zero)), zero);
}

TEST(Tokenizer, IdsOutOfRangeAreAnError) {
  const Tokenizer tokenizer = Tokenizer::from_json(byte_level_document({}), "t.json");
  EXPECT_EQ(message_of<UserError>([&] { tokenizer.decode(Ids{256}); }),
            "cannot decode the id 256: expected 0 to 255");
  EXPECT_EQ(message_of<UserError>([&] { tokenizer.decode(Ids{-1}); }),
            "cannot decode the id -1: expected 0 to 255");
}

TEST(Tokenizer, ThreadsMayShareIt) {
  const Tokenizer tokenizer = Tokenizer::from_json(byte_level_document(kHelloMerges), "t.json");
  std::string text;
  for (int i = 0; i < 3000; ++i) text += fmt::format(" hello {} x{}", i % 97, i);
  const Ids expected = tokenizer.encode(text);
  std::vector<std::thread> threads;
  std::vector<int> equal(4);
  for (int& result : equal)
    threads.emplace_back([&] {
      for (int run = 0; run < 5; ++run) result += tokenizer.encode(text) == expected ? 1 : 0;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(equal, testing::Each(5));
}

// Hundreds of thousands of bytes that are one word, one piece, or nearly an added token everywhere:
// all near linear.
TEST(Tokenizer, LongInputsAreNotQuadratic) {
  Json document =
      byte_level_document({{"Ġ", "Ġ"}, {"ĠĠ", "ĠĠ"}, {"a", "a"}, {"aa", "aa"}, {"<", "<"}});
  document["added_tokens"] = {added_token(300, "<|im_start|>"), added_token(301, "<pad>", true)};
  document["added_tokens"][1]["lstrip"] = true;
  const Tokenizer tokenizer = Tokenizer::from_json(document, "t.json");
  for (const std::string unit : {" ", "a", "<|im_star", "'", " \n", "1", "é", "<"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text) << unit;
  }
  EXPECT_EQ(tokenizer.encode(std::string(100'000, ' ') + "<pad>"), (Ids{301}));
}

TEST(Tokenizer, MalformedDocumentsAreRefusedWithThePlace) {
  const auto message = [](const Json& patch) {
    Json document = byte_level_document(kHelloMerges);
    document.merge_patch(patch);
    return message_of<FormatError>([&] { Tokenizer::from_json(document, "t.json"); });
  };
  EXPECT_EQ(message({{"model", nullptr}}), "t.json: expected a value for 'model', found none");
  EXPECT_EQ(message({{"model", {{"vocab", {{"qq", 5}}}}}}),
            "t.json: at /model/vocab/qq: expected an id of its own, found 5, the id of 'ą'");
  EXPECT_EQ(message({{"normalizer", {{"type", "Precompiled"}}}}),
            "t.json: at /normalizer/type: expected a normalizer that Pith has: NFC, NFD, NFKC, "
            "NFKD, Prepend, Replace, Sequence, "
            "found \"Precompiled\"");
  EXPECT_EQ(message({{"added_tokens", {added_token(7, "<x>")}}}),
            "t.json: at /added_tokens: expected the ids of model/vocab, found id 7 for '<x>', "
            "where the vocabulary has 'ć'");
  EXPECT_EQ(message({{"added_tokens", {added_token(900, "hell")}}}),
            "t.json: at /added_tokens: expected the ids of model/vocab, found id 900 for 'hell', "
            "where the vocabulary has 258");
  EXPECT_EQ(
      message({{"post_processor",
                {{"type", "TemplateProcessing"},
                 {"single",
                  Json::array({{{"SpecialToken", {{"id", "s"}}}}, {{"Sequence", {{"id", "A"}}}}})},
                 {"special_tokens", {{"s", {{"ids", Json::array({5000})}}}}}}}}),
      "t.json: at /post_processor: expected ids of tokens, found 5000, which no token has");
  EXPECT_EQ(message_of<FormatError>([] { Tokenizer::from_json(Json::array(), "t.json"); }),
            "t.json: expected an object, found an array of 0");
  EXPECT_EQ(message_of<FormatError>([] {
              Tokenizer::from_json(
                  {{"model", {{"vocab", Json::object()}, {"merges", Json::array()}}}}, "t.json");
            }),
            "t.json: at /model/vocab: expected at least one token, found an empty object");
}

// Every value of a good document, replaced in turn by values of every type: an error or a
// tokenizer, never a crash.
TEST(Tokenizer, SurvivesAnyValueAnywhere) {
  const Json good = llama_document({"▁", "a", "b"}, {{"▁", "a"}, {"a", "b"}});
  const Json flat = good.flatten();
  const Json values = {nullptr,
                       true,
                       -1,
                       4294967296,
                       1.5,
                       "",
                       "x",
                       "ByteLevel",
                       "Sequence",
                       Json::array(),
                       Json::object(),
                       Json::array({1})};
  std::size_t refused = 0, tried = 0;
  for (const auto& [path, ignored] : flat.items()) {
    if (path.starts_with("/model/vocab/<0x") && path != "/model/vocab/<0x41>") continue;
    for (Json::json_pointer pointer(path); !pointer.empty(); pointer.pop_back())
      for (const Json& value : values) {
        Json document = good;
        document[pointer] = value;
        ++tried;
        try {
          const Tokenizer tokenizer = Tokenizer::from_json(document, "t.json");
          tokenizer.decode(tokenizer.encode("a b</s> é", {.special_ends = true}));
        } catch (const FormatError& error) {
          EXPECT_THAT(error.what(), testing::StartsWith("t.json: ")) << pointer.to_string();
          ++refused;
        }
      }
  }
  EXPECT_GT(refused, tried / 3);
}

}  // namespace
}  // namespace pith
