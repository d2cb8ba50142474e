#include <gmock/gmock.h>

#include "pith/base/random.h"
#include "pith/base/test_support.h"
#include "pith/base/utf8.h"
#include "pith/text/text_test_support.h"
#include "pith/text/tokenizer.h"

namespace pith {
namespace {

using Ids = std::vector<std::int32_t>;

struct Streamed {
  std::vector<std::string> parts;
  std::string text;
};
Streamed stream(const Tokenizer& tokenizer, const Ids& ids, bool skip_special = false) {
  StreamDecoder decoder(tokenizer, skip_special);
  Streamed streamed;
  for (const std::int32_t id : ids) streamed.parts.push_back(decoder.push(id));
  streamed.parts.push_back(decoder.finish());
  for (const std::string& part : streamed.parts) streamed.text += part;
  return streamed;
}
Tokenizer llama() {
  return Tokenizer::from_json(llama_document({"▁", "a", "b"}, {{"▁", "a"}, {"▁", "▁"}}), "t.json");
}
using Parts = std::vector<std::string>;

TEST(StreamDecoder, HoldsBackIncompleteCharacters) {
  const Tokenizer tokenizer = Tokenizer::from_json(byte_level_document({}), "t.json");
  EXPECT_EQ(stream(tokenizer, {'a', 0xE2, 0x82, 0xAC, 'b'}).parts,
            (Parts{"a", "", "", "€", "b", ""}));
  EXPECT_EQ(stream(tokenizer, {0xE2, 0x82, 'b'}).parts, (Parts{"", "", "\ufffdb", ""}));
  EXPECT_EQ(stream(tokenizer, {'a', 0xE2}).parts, (Parts{"a", "", "\ufffd"}));
  EXPECT_EQ(stream(tokenizer, {}).parts, (Parts{""}));
}

TEST(StreamDecoder, HoldsBackRunsOfByteTokens) {
  EXPECT_EQ(stream(llama(), {262, 0xC3 + 3, 0xA9 + 3, 260}).parts, (Parts{"a", "", "", "éa", ""}));
  EXPECT_EQ(stream(llama(), {262, 0xC3 + 3, 0xA9 + 3, 0xFF + 3}).parts,
            (Parts{"a", "", "", "", "\ufffd\ufffd\ufffd"}));
}

TEST(StreamDecoder, StripsTheSpaceAtTheStartOnly) {
  EXPECT_EQ(stream(llama(), {259, 262, 262}).parts, (Parts{"", " a", " a", ""}));
  EXPECT_EQ(stream(llama(), {262, 259, 262}).parts, (Parts{"a", " ", " a", ""}));
}

TEST(StreamDecoder, LeavesOutSpecialTokensOnRequest) {
  EXPECT_EQ(stream(llama(), {1, 262, 2, 262}, true).text, "a a");
  EXPECT_EQ(stream(llama(), {1, 262, 2}).text, "<s> a</s>");
}

TEST(StreamDecoder, PartsAreDecodeOfTheWhole) {
  Json all_at_end = llama_document({"▁", "a", "b"}, {{"▁", "a"}, {"▁", "▁"}});
  all_at_end["decoder"]["decoders"].push_back(
      {{"type", "Strip"}, {"content", " "}, {"start", 0}, {"stop", 1}});
  Json metaspace = llama_document({"▁", "a", "b"}, {{"▁", "a"}, {"▁", "▁"}});
  metaspace["decoder"] = {{"type", "Metaspace"}};
  Json none = llama_document({"▁", "a", "b"}, {{"▁", "a"}, {"▁", "▁"}});
  none.erase("decoder");
  const Tokenizer tokenizers[] = {
      Tokenizer::from_json(byte_level_document({{"Ã", "©"}, {"©", "Ã"}}), ""),
      llama(),
      Tokenizer::from_json(all_at_end, ""),
      Tokenizer::from_json(metaspace, ""),
      Tokenizer::from_json(none, "")};
  const Random random(3, 9);
  std::uint64_t draw = 0;
  for (const Tokenizer& tokenizer : tokenizers)
    for (int run = 0; run < 400; ++run) {
      Ids ids;
      const auto length = random.below(draw++, 25);
      while (ids.size() < length) {  // mostly the tokens above the bytes
        const bool is_byte = random.below(draw++, 3) == 0;
        ids.push_back(
            static_cast<std::int32_t>(is_byte ? 0x80 + random.below(draw++, 0x80)
                                              : tokenizer.size() - 1 - random.below(draw++, 5)));
      }
      const Streamed streamed = stream(tokenizer, ids);
      EXPECT_EQ(streamed.text, tokenizer.decode(ids)) << testing::PrintToString(ids);
      for (const std::string& part : streamed.parts)
        EXPECT_EQ(valid_utf8_prefix(part), part.size());
    }
}

}  // namespace
}  // namespace pith
