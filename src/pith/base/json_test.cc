#include "pith/base/json.h"

#include <gmock/gmock.h>

#include <chrono>

#include "pith/base/error.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string parse_failure(std::string_view text, const JsonLimits& limits = {}) {
  return message_of<FormatError>([&] { parse_json(text, "a.json", limits); });
}

TEST(ParseJson, ReadsEveryKind) {
  const std::string text =
      R"({"b":[1,-2,0.5,1e3,true,false,null,"x\u00e9\ud83d\ude00\"\\"],"a":{},"c":[[],{"d":18446744073709551615}]})";
  const Json json = parse_json(text, "a.json");
  EXPECT_EQ(json, Json::parse(text));
  EXPECT_EQ(json.begin().key(), "b");  // in the order written
  EXPECT_EQ(json.dump(), Json::parse(text).dump());
  for (const std::string scalar : {"1", "\"x\"", "null", "true", " [ ] ", "{}", "\xEF\xBB\xBF{}"})
    EXPECT_EQ(parse_json(scalar, "a.json"), Json::parse(scalar)) << scalar;
}

TEST(ParseJson, AcceptsPythonsLiteralsOutsideOfStrings) {
  const Json json = parse_json(
      R"({"NaN":"NaN Infinity","a\"":[NaN,-Infinity,Infinity,-1,"\\"],"b":NaN})", "a.json");
  EXPECT_EQ(json, Json::parse(R"({"NaN":"NaN Infinity","a\"":[null,null,null,-1,"\\"],"b":null})"));
  EXPECT_EQ(parse_json("NaN", "a.json"), Json());
  EXPECT_THAT(parse_failure("[-NaN]"), HasSubstr("not valid JSON"));
  EXPECT_THAT(parse_failure("[NaN1]"), HasSubstr("not valid JSON"));
  EXPECT_THAT(parse_failure("[Nan]"), HasSubstr("not valid JSON"));
}

TEST(ParseJson, SyntaxErrorsSayWhere) {
  EXPECT_THAT(
      parse_failure("{\n  \"a\": x\n}"),
      StartsWith("a.json:2:8: not valid JSON: syntax error while parsing value - invalid literal"));
  EXPECT_THAT(parse_failure("[1,2"),
              StartsWith("a.json:1:5: not valid JSON: syntax error while parsing array - "
                         "unexpected end of input"));
  EXPECT_THAT(parse_failure(""), StartsWith("a.json:1:1: not valid JSON"));
  EXPECT_THAT(parse_failure("{} x"), StartsWith("a.json:1:4: not valid JSON"));
  EXPECT_THAT(parse_failure("{}\n{}"), StartsWith("a.json:2:1: not valid JSON"));
  EXPECT_THAT(parse_failure("[NaN,\n NaN, NaN, x]"),
              StartsWith("a.json:2:12: not valid JSON"));  // columns of the original
  EXPECT_THAT(parse_failure("[Infinity, x]"), StartsWith("a.json:1:12: not valid JSON"));
  EXPECT_EQ(parse_failure(std::string_view("{}\n \0x", 6)),
            "a.json:2:2: not valid JSON: a zero byte");
  EXPECT_THAT(parse_failure("[1e999]"), HasSubstr("number overflow"));
}

TEST(ParseJson, RefusesWhatIsNoJson) {
  for (const std::string bad : {"{'a':1}",
                                "[1,]",
                                "{\"a\":1,}",
                                "// c\n1",
                                "[01]",
                                "[+1]",
                                "[.5]",
                                "{1:2}",
                                "\"\t\"",
                                "\"\\x\"",
                                "\"\xff\"",
                                "\"\xc0\x80\"",
                                "\"\xed\xa0\x80\"",
                                "\"\\ud800\"",
                                "[",
                                "\"",
                                "{\"a\"",
                                "-",
                                "]",
                                "\"\\"})
    EXPECT_THAT(parse_failure(bad), HasSubstr("not valid JSON")) << bad;
}

TEST(ParseJson, RefusesDuplicateKeys) {
  EXPECT_EQ(parse_failure(R"({"a":1,"b":2,"a":1})"), "a.json: the key 'a' occurs twice");
  EXPECT_EQ(parse_failure(R"({"x":[0,{"a/b":{"c":1,"c":2}}]})"),
            "a.json: at /x/1/a~1b: the key 'c' occurs twice");
  EXPECT_NO_THROW(parse_json(R"({"a":{"a":1},"b":{"a":1}})", "a.json"));
}

TEST(ParseJson, KeepsTheLimits) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_NO_THROW(parse_json(nested(64), "a.json"));
  EXPECT_THAT(parse_failure(nested(65)), testing::EndsWith("/0/0: nested deeper than 64 levels"));
  EXPECT_EQ(parse_failure(R"({"a":[1,{"b":[]}]})", {.max_depth = 3}),
            "a.json: at /a/1/b: nested deeper than 3 levels");
  EXPECT_THAT(parse_failure(std::string(10 << 20, '[')), HasSubstr("nested deeper than 64 levels"));
  EXPECT_EQ(parse_failure("[1,2]", {.max_bytes = 4}),
            "a.json: expected at most 4 bytes of JSON, found 5");
}

TEST(ParseJson, TakesBoundedMemory) {
  EXPECT_EQ(parse_failure("[1,2]", {.max_memory_bytes = 100}),
            "a.json: expected JSON that takes at most 100 bytes of memory, found more");
  EXPECT_NO_THROW(parse_json("[1,2]", "a.json", {.max_memory_bytes = 300}));
  const std::string text = "\"" + std::string(200, 'x') + "\"";
  EXPECT_THAT(parse_failure(text, {.max_memory_bytes = 400}), HasSubstr("at most 400 bytes"));
  EXPECT_THAT(parse_failure("{" + text + ":0}", {.max_memory_bytes = 400}),
              HasSubstr("at most 400 bytes"));
  // Two or three bytes of these cost 32 and more.
  for (const char* unit : {"0,", "[],", "{},", "\"\","}) {
    std::string list = "[";
    while (list.size() < (std::size_t{1} << 20)) list += unit;
    EXPECT_THAT(parse_failure(list, {.max_memory_bytes = std::size_t{8} << 20}),
                HasSubstr("at most 8388608 bytes of memory"))
        << unit;
  }
}

TEST(ParseJson, LongTokensAreRefusedWithAShortMessage) {
  const std::string longest(std::size_t{8} << 20, '1');
  EXPECT_NO_THROW(parse_json("[\"" + longest.substr(2) + "\"]", "a.json"));
  for (const std::string& text : {"[\n\"" + longest + "\"]", "[\n" + longest + "1]"})
    EXPECT_EQ(
        parse_failure(text),
        "a.json:2:1: expected strings and numbers of at most 8388608 bytes, found a longer one");
  EXPECT_LT(parse_failure("\"" + longest.substr(2)).size(), 5000u);
}

TEST(ParseJson, NansAreCounted) {
  std::string list = "[NaN";
  for (int i = 0; i < 1'000'000; ++i) list += ",NaN";
  EXPECT_EQ(parse_failure(list + "]"), "a.json: expected at most 1000000 NaN, found more");
}

TEST(ParseJson, AgreesWithNlohmannOnRandomDamage) {
  const std::string whole =
      R"({"a":[1,-2.5e3,"x\n\u00e9",{"b":null,"c":true}],"d":{"e":"é","f":[[],{}]}} )";
  std::uint32_t state = 1;
  const auto draw = [&state](std::size_t bound) {
    return (state = state * 1664525 + 1013904223) / 65536 % bound;
  };
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = whole;
    for (std::size_t change = draw(3) + 1; change > 0; --change)
      text[draw(text.size())] = whole[draw(whole.size())];
    SCOPED_TRACE(text);
    const Json expected = Json::parse(text, nullptr, false);
    try {
      EXPECT_EQ(parse_json(text, "a.json"), expected);
      ++accepted;
    } catch (const FormatError& error) {
      if (!std::string_view(error.what()).ends_with("occurs twice")) {
        EXPECT_TRUE(expected.is_discarded()) << error.what();
      }
    }
  }
  EXPECT_GT(accepted, 100);
}

// A builder that looks for each key among all before it needs minutes here.
TEST(ParseJson, LargeVocabulariesTakeLinearTime) {
  std::string text = R"({"nan":NaN,"vocab":{)";
  for (int i = 0; i < 200000; ++i) text += fmt::format("\"token{}\":{},", i, i);
  text += R"("last":0},"merges":[]})";
  const auto start = std::chrono::steady_clock::now();
  const Json json = parse_json(text, "a.json");
  EXPECT_EQ(json["vocab"].size(), 200001u);
  EXPECT_LT(std::chrono::steady_clock::now() - start,
            std::chrono::seconds(20));  // 0.06 s here; sanitizers are slow
}

TEST(ReadJsonFile, NamesTheFile) {
  const TestFolder folder;
  write_plainly(folder / "a.json", "{\"a\":1}");
  EXPECT_EQ(read_json_file(folder / "a.json")["a"], 1);
  EXPECT_THAT(message_of<FormatError>([&] { read_json_file(folder / "none"); }),
              HasSubstr("none: cannot open: No such file"));
  EXPECT_THAT(message_of<FormatError>([&] { read_json_file(folder / "a.json", {.max_bytes = 3}); }),
              HasSubstr("a.json: expected at most 3 bytes, found 7 bytes"));
}

}  // namespace
}  // namespace pith
