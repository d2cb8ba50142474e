#include "pith/text/decoder.h"

#include <gmock/gmock.h>

#include "pith/base/test_support.h"
#include "pith/text/text_test_support.h"

namespace pith {
namespace {

std::string decode(const Json& document, const std::vector<std::string>& tokens) {
  return Decoder::from_json(JsonCursor(document, "t.json")).decode(tokens);
}
Json sequence(const std::vector<Json>& steps) {
  return {{"type", "Sequence"}, {"decoders", steps}};
}
const Json kByteLevel = {{"type", "ByteLevel"}};
const Json kByteFallback = {{"type", "ByteFallback"}};
const Json kFuse = {{"type", "Fuse"}};

TEST(Decoder, NoneJoinsBySpaces) {
  EXPECT_EQ(Decoder::from_json(std::nullopt).decode({"a", "b"}), "a b");
}

TEST(Decoder, ByteLevelReplacesMaximalParts) {
  EXPECT_EQ(decode(kByteLevel, {"a", "Ġb", "Ã", "©"}), "a bé");
  EXPECT_EQ(decode(kByteLevel, {"âĤ", "x"}), "\ufffdx");  // E2 82: one part
  EXPECT_EQ(decode(kByteLevel, {"日", "Ġ"}), "日 ");  // unmapped characters stand for themselves
  EXPECT_EQ(decode(kByteLevel, {}), "");
}

TEST(Decoder, ByteFallbackReplacesEachByte) {
  EXPECT_EQ(decode(kByteFallback, {"a", "<0xE2>", "<0x82>", "<0xAC>", "b"}), "a€b");
  EXPECT_EQ(decode(kByteFallback, {"<0xE2>", "<0x82>", "b"}), "\ufffd\ufffdb");
  EXPECT_EQ(decode(kByteFallback, {"<0x41>", "<0xE2>"}), "\ufffd\ufffd");  // the whole run
  EXPECT_EQ(decode(kByteFallback, {"<0x4>", "<0x4G>", "<0x041>", "0x41"}),
            "<0x4><0x4G><0x041>0x41");
  EXPECT_EQ(decode(kByteFallback, {"<0xc3>", "<0xA9>"}), "é");
}

TEST(Decoder, StripCutsUpToSoMany) {
  const auto strip = [](int start, int stop) {
    return Json{{"type", "Strip"}, {"content", " "}, {"start", start}, {"stop", stop}};
  };
  EXPECT_EQ(decode(strip(1, 0), {"  a ", " b"}), " a b");
  EXPECT_EQ(decode(sequence({kFuse, strip(1, 0)}), {" ", " b"}), " b");
  EXPECT_EQ(decode(strip(0, 2), {"a   "}), "a ");
  EXPECT_EQ(decode(strip(3, 3), {"  "}), "");
}

TEST(Decoder, MetaspaceDropsTheFirst) {
  EXPECT_EQ(decode({{"type", "Metaspace"}}, {"▁▁a▁b", "▁c"}), "ab c");
  EXPECT_EQ(decode({{"type", "Metaspace"}, {"prepend_scheme", "never"}}, {"▁a", "▁b"}), " a b");
  EXPECT_EQ(decode({{"type", "Metaspace"}, {"add_prefix_space", false}}, {"▁a"}), " a");
}

TEST(Decoder, ReplaceActsOnEachToken) {
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", "ab"}}}, {"content", "-"}};
  EXPECT_EQ(decode(replace, {"ab", "a", "b"}), "-ab");
  EXPECT_EQ(decode(sequence({kFuse, replace}), {"ab", "a", "b"}), "--");
}

TEST(Decoder, KnowsHowTextGrows) {
  const auto growth = [](const Json& document) {
    return Decoder::from_json(JsonCursor(document, "")).growth();
  };
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "b"}};
  const Json strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  const Json strip_end = {{"type", "Strip"}, {"content", " "}, {"start", 0}, {"stop", 1}};
  EXPECT_EQ(growth(kByteLevel), Decoder::Growth::kBytes);
  EXPECT_EQ(growth(sequence({replace, kByteFallback, kFuse, strip})), Decoder::Growth::kTokens);
  EXPECT_EQ(growth({{"type", "Metaspace"}}), Decoder::Growth::kTokens);
  EXPECT_EQ(growth(sequence({kFuse, replace})), Decoder::Growth::kAtEnd);
  EXPECT_EQ(growth(sequence({kFuse, strip_end})), Decoder::Growth::kAtEnd);
  EXPECT_EQ(growth(sequence({kFuse, kByteFallback})), Decoder::Growth::kAtEnd);
  EXPECT_EQ(growth(sequence({replace, kByteLevel})), Decoder::Growth::kAtEnd);
  EXPECT_EQ(growth(sequence({replace, Json{{"type", "Metaspace"}}})), Decoder::Growth::kAtEnd);
  EXPECT_EQ(Decoder::from_json(std::nullopt).growth(), Decoder::Growth::kAtEnd);
}

TEST(Decoder, GrowthIsBounded) {
  const Json doubling = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}};
  const auto times = [&](std::size_t count) {
    return Json{{"type", "Sequence"}, {"decoders", Json::array_t(count, doubling)}};
  };
  EXPECT_EQ(decode(times(5), {"a", "a"}).size(), 64u);
  EXPECT_THAT(message_of<FormatError>([&] {
                decode(times(64), {"a", "a"});
              }),
              testing::StartsWith("a replacement by 'aa' makes more than "));
  EXPECT_EQ(message_of<FormatError>([&] { decode(times(65), {}); }),
            "t.json: at /decoders/64: expected at most 64 decoders, found more");
}

TEST(Decoder, ErrorsNameThePlace) {
  const auto message = [](const Json& document) {
    return message_of<FormatError>([&] { decode(document, {}); });
  };
  EXPECT_EQ(message({{"type", "WordPiece"}}),
            "t.json: at /type: expected a decoder that Pith has: ByteLevel, ByteFallback, Fuse, "
            "Replace, Strip, Metaspace, "
            "Sequence, found \"WordPiece\"");
  EXPECT_EQ(message(sequence({Json{{"type", "Strip"}, {"content", "ab"}}})),
            "t.json: at /decoders/0/content: expected one character, found \"ab\"");
  EXPECT_EQ(message({{"type", "Strip"}, {"content", "a"}, {"start", -1}}),
            "t.json: at /start: expected an integer from 0 to 1048576, found -1");
  EXPECT_EQ(message({{"type", "Metaspace"}, {"replacement", ""}}),
            "t.json: at /replacement: expected one character, found \"\"");
}

}  // namespace
}  // namespace pith
