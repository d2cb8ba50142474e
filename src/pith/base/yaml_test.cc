#include "pith/base/yaml.h"

#include <gmock/gmock.h>

#include <chrono>

#include "pith/base/error.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Kind = YamlNode::Kind;

constexpr std::string_view kRecipe = R"(model: models/smollm2   # a comment
seed: 0
max_memory: 2GiB
fraction: 2.5e-1
fast: true
nothing:
stages:
  - prune:    {method: wanda, pattern: "2:4"}
  - quantize: {method: gptq, bits: 4, ids: ["7", 8]}
)";

class YamlTest : public testing::Test {
 protected:
  const YamlNode root_ = parse_yaml(kRecipe, "r.yaml");
  template <class Body>
  static std::string failure(Body body) {
    return message_of<UserError>(body);
  }
};

std::string parse_failure(std::string_view text) {
  return message_of<UserError>([&] { parse_yaml(text, "r.yaml"); });
}

TEST_F(YamlTest, ReadsValues) {
  EXPECT_EQ(root_.kind(), Kind::kMap);
  EXPECT_EQ(root_.at("model").string(), "models/smollm2");
  EXPECT_EQ(root_.at("max_memory").string(), "2GiB");
  EXPECT_EQ(root_.at("seed").integer(0, 9), 0);
  EXPECT_EQ(root_.at("seed").string(), "0");
  EXPECT_EQ(root_.at("fraction").number(), 0.25);
  EXPECT_TRUE(root_.at("fast").boolean());
  EXPECT_EQ(root_.at("nothing").kind(), Kind::kNull);
  EXPECT_FALSE(root_.find("none").has_value());
  const auto stages = root_.at("stages").items();
  ASSERT_EQ(stages.size(), 2u);
  const auto members = stages[1].members();
  ASSERT_EQ(members.size(), 1u);
  EXPECT_EQ(members[0].first, "quantize");
  EXPECT_EQ(members[0].second.at("ids").items()[0].string(), "7");
  EXPECT_EQ(parse_yaml("", "r.yaml").kind(), Kind::kNull);
  EXPECT_EQ(parse_yaml("[]", "r.yaml").kind(), Kind::kList);
  EXPECT_EQ(parse_yaml("--- x\n", "r.yaml").string(), "x");
  EXPECT_EQ(parse_yaml("a: |\n  one\n  two\n", "r.yaml").at("a").string(), "one\ntwo\n");
  EXPECT_EQ(parse_yaml("a: x  # ends here", "r.yaml").at("a").string(), "x");
}

TEST_F(YamlTest, NodesKnowTheirPlaceAndOutliveTheRoot) {
  const YamlNode bits =
      parse_yaml(kRecipe, "r.yaml").at("stages").items()[1].at("quantize").at("bits");
  EXPECT_EQ(bits.path(), "stages[1].quantize.bits");
  EXPECT_EQ(bits.place(), "r.yaml:9:36");
  EXPECT_EQ(bits.integer(1, 8), 4);
  EXPECT_EQ(failure([&] { bits.integer(1, 3); }),
            "r.yaml:9:36: at stages[1].quantize.bits: expected an integer from 1 to 3, found '4'");
}

TEST_F(YamlTest, WrongKindsSayWhatIsThere) {
  EXPECT_EQ(failure([&] { root_.string(); }), "r.yaml:1:1: expected text, found a map");
  EXPECT_EQ(failure([&] { root_.at("stages").members(); }),
            "r.yaml:8:3: at stages: expected a map, found a list of 2");
  EXPECT_EQ(failure([&] { root_.at("seed").items(); }),
            "r.yaml:2:7: at seed: expected a list, found '0'");
  EXPECT_EQ(failure([&] { root_.at("seed").boolean(); }),
            "r.yaml:2:7: at seed: expected true or false, found '0'");
  EXPECT_EQ(failure([&] { root_.at("model").number(); }),
            "r.yaml:1:8: at model: expected a number, found 'models/smollm2'");
  EXPECT_THAT(failure([&] { root_.at("nothing").string(); }),
              testing::EndsWith("at nothing: expected text, found nothing"));
  EXPECT_EQ(failure([&] { root_.at("seed").find("x"); }),
            "r.yaml:2:7: at seed: expected a map, found '0'");
  EXPECT_EQ(failure([&] { root_.at("stages").items()[0].at("prune").at("x"); }),
            "r.yaml:8:15: at stages[0].prune: expected the key 'x', found none");
  EXPECT_EQ(failure([&] { root_.at("seed").fail("a prime", "0", "try 7"); }),
            "r.yaml:2:7: at seed: expected a prime, found 0; try 7");
}

TEST_F(YamlTest, QuotedScalarsAreTextOnly) {
  const YamlNode quoted = root_.at("stages").items()[1].at("quantize").at("ids").items()[0];
  EXPECT_EQ(
      failure([&] { quoted.integer(0, 9); }),
      "r.yaml:9:45: at stages[1].quantize.ids[0]: expected an integer from 0 to 9, found \"7\"");
  EXPECT_THROW(quoted.number(), UserError);
  EXPECT_THROW(parse_yaml("'true'", "r").boolean(), UserError);
}

TEST_F(YamlTest, NumbersAreWholeTexts) {
  for (const std::string bad :
       {"1x", "0x10", "1.5", "99999999999999999999", "1e3", "-", "+1", "1_000"})
    EXPECT_THROW(parse_yaml(bad, "r").integer(INT64_MIN, INT64_MAX), UserError) << bad;
  for (const std::string bad : {"1x", "nan", ".nan", "inf", "-.inf", "1e999", "1,5"})
    EXPECT_THROW(parse_yaml(bad, "r").number(), UserError) << bad;
  EXPECT_EQ(parse_yaml("-12", "r").integer(-12, 0), -12);
  EXPECT_EQ(parse_yaml("-12", "r").number(), -12.0);
  EXPECT_EQ(failure([] { parse_yaml("-1", "r").integer(0, INT64_MAX); }),
            "r:1:1: expected an integer, at least 0, found '-1'");
  EXPECT_FALSE(parse_yaml("False", "r").boolean());
  EXPECT_THROW(parse_yaml("yes", "r").boolean(), UserError);
}

TEST_F(YamlTest, UnknownKeysAreRefusedWithTheNearest) {
  const std::string_view allowed[] = {"method", "bits", "group_size"};
  const YamlNode stage = parse_yaml("a:\n  method: x\n  group-size: 4\n", "r.yaml").at("a");
  EXPECT_EQ(failure([&] { stage.allow_keys(allowed); }),
            "r.yaml:3:3: at a: expected one of method, bits, group_size, found 'group-size'; did "
            "you mean 'group_size'");
  EXPECT_EQ(failure([&] { parse_yaml("zzz: 1", "r.yaml").allow_keys(allowed); }),
            "r.yaml:1:1: expected one of method, bits, group_size, found 'zzz'");
  EXPECT_NO_THROW(parse_yaml("{bits: 1, method: 2}", "r.yaml").allow_keys(allowed));
  EXPECT_NO_THROW(parse_yaml("{}", "r.yaml").allow_keys(allowed));
  EXPECT_THROW(parse_yaml("[]", "r.yaml").allow_keys(allowed), UserError);
}

TEST(ParseYaml, RefusesWhatRecipesDoNotNeed) {
  EXPECT_EQ(parse_failure("a: 1\nb: 2\na: 3\n"), "r.yaml:3:1: the key 'a' occurs twice");
  EXPECT_EQ(parse_failure("a: &x 1\nb: 2\n"), "r.yaml:1:4: anchors are not supported");
  EXPECT_THAT(parse_failure("a: *x\n"), StartsWith("r.yaml:1:"));
  EXPECT_EQ(parse_failure("a: !!int \"1\"\n"), "r.yaml:1:4: tags are not supported");
  EXPECT_EQ(parse_failure("a: !mine {}\n"), "r.yaml:1:4: tags are not supported");
  EXPECT_EQ(parse_failure("a: 1\n---\nb: 1\n"), "r.yaml: expected one document, found several");
  EXPECT_EQ(parse_failure("? [a, b]\n: 1\n"), "r.yaml:1:3: expected a key, found a list or a map");
  EXPECT_THAT(parse_failure("{a: 1, : 2}\n"), HasSubstr("expected a key, found null"));
  EXPECT_THAT(parse_failure(std::string(129, 'k') + ": 1\n"),
              HasSubstr("a key of 129 bytes, expected at most 128"));
}

TEST(ParseYaml, SyntaxErrorsSayWhere) {
  EXPECT_THAT(parse_failure("a: 1\nb: [1, 2\n"),
              StartsWith("r.yaml:3:1: not valid YAML: end of sequence flow not found"));
  EXPECT_THAT(parse_failure("a: 1\n b: 2\n"), StartsWith("r.yaml:2:"));
  for (const std::string open : {"a: \"x", "a: \"x\n", "a: 'x\n\n", "a: {b: 'x\n"})
    EXPECT_THAT(parse_failure(open), HasSubstr("not valid YAML: ")) << open;
  EXPECT_EQ(parse_failure("a: 1\nb: \xff\n"),
            "r.yaml:2:4: expected UTF-8 text, found another byte");
  EXPECT_EQ(parse_failure(std::string_view("a:\0", 3)),
            "r.yaml:1:3: expected UTF-8 text, found another byte");
}

TEST(ParseYaml, KeepsTheLimits) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_NO_THROW(parse_yaml(nested(64), "r.yaml"));
  EXPECT_EQ(parse_failure(nested(65)), "r.yaml:1:65: nested deeper than 64 levels");
  EXPECT_THAT(parse_failure(std::string((1 << 20) + 1, ' ')),
              HasSubstr("expected at most 1048576 bytes of YAML, found 1048577"));
}

TEST(ParseYaml, HostileTextEndsSoon) {
  const auto start = std::chrono::steady_clock::now();
  constexpr std::size_t kBytes = 1 << 18;
  for (const std::string unit : {"[",
                                 "{",
                                 "- ",
                                 "? ",
                                 "[a,",
                                 "{a:",
                                 "a: ",
                                 "- - -\n",
                                 "\"",
                                 "!",
                                 "&a ",
                                 "*",
                                 "|",
                                 "%",
                                 "\t",
                                 "\n",
                                 ": ",
                                 "#",
                                 "a\n"}) {
    std::string text;
    while (text.size() + unit.size() <= kBytes) text += unit;
    try {
      parse_yaml(text, "r.yaml");
    } catch (const UserError&) {
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

TEST(ParseYaml, DamageNeverEscapesAsAnotherError) {
  std::uint32_t state = 1;
  const auto draw = [&state](std::size_t bound) {
    return (state = state * 1664525 + 1013904223) / 65536 % bound;
  };
  constexpr std::string_view kOdd = "{}[]:-?&*!|>'\"%@`#,\t\n \\~<0a\xff";
  int accepted = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string text(kRecipe);
    for (std::size_t change = draw(4) + 1; change > 0; --change)
      text[draw(text.size())] = kOdd[draw(kOdd.size())];
    SCOPED_TRACE(text);
    try {
      parse_yaml(text, "r.yaml");
      ++accepted;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), StartsWith("r.yaml:"));
    }
  }
  EXPECT_GT(accepted, 100);
}

TEST(ReadYamlFile, NamesTheFile) {
  const TestFolder folder;
  write_plainly(folder / "r.yaml", "a: [");
  EXPECT_THAT(message_of<UserError>([&] { read_yaml_file(folder / "r.yaml"); }),
              StartsWith((folder / "r.yaml").string() + ":1:"));
  EXPECT_THAT(message_of<FormatError>([&] { read_yaml_file(folder / "none"); }),
              HasSubstr("none: cannot open: No such file"));
}

}  // namespace
}  // namespace pith
