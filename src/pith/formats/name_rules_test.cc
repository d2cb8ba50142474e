#include "pith/formats/name_rules.h"

#include <gmock/gmock.h>

#include <chrono>

#include "pith/formats/test_files.h"

namespace pith {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const Json kNothing = Json::object();
const JsonCursor kPlace(kNothing, "c");

NameRules rules_of(const std::vector<std::string>& patterns) {
  NameRules rules;
  for (const std::string& pattern : patterns) rules.add(pattern, kPlace);
  return rules;
}

TEST(NameRules, TheFirstThatMatchesFromTheStartCounts) {
  const NameRules rules = rules_of({R"(.*\.18\..*(gate|up).*)",
                                    R"(^model\.layers\.3\.mlp\.up_proj$)",
                                    R"(model\.layers\.\d+\.mlp)",
                                    "lm_head",
                                    R"(^(?!.*q_proj).*self_attn)",
                                    R"(^model\.layers\.18\.mlp\.up_proj$)"});
  const auto first = [&](const std::string& name) { return rules.first_match(name); };
  EXPECT_EQ(rules.size(), 6u);
  EXPECT_EQ(first("model.layers.18.mlp.up_proj"), 0u);
  EXPECT_EQ(first("model.layers.3.mlp.up_proj"), 1u);
  EXPECT_EQ(first("model.layers.3.mlp.up_proj_2"), 2u);
  EXPECT_EQ(first("model.layers.18.mlp.down_proj"), 2u);
  EXPECT_EQ(first("lm_head"), 3u);
  EXPECT_EQ(first("the.lm_head"), std::nullopt);
  EXPECT_EQ(first("model.layers.0.self_attn.k_proj"), 4u);
  EXPECT_EQ(first("model.layers.0.self_attn.q_proj"), std::nullopt);
}

TEST(NameRules, ARuleForANameMatchesItAlone) {
  const std::string rule = rule_for_name("model.layers.0.mlp.up_proj");
  EXPECT_EQ(rule, R"(^model\.layers\.0\.mlp\.up_proj$)");
  const NameRules rules = rules_of({rule});
  EXPECT_EQ(rules.first_match("model.layers.0.mlp.up_proj"), 0u);
  EXPECT_EQ(rules.first_match("model.layers.0.mlp.up_proj2"), std::nullopt);
  EXPECT_EQ(rules.first_match("modelxlayers.0.mlp.up_proj"), std::nullopt);
}

TEST(NameRules, RefusesWhatIsMalformedOrWithoutBounds) {
  const auto refusal = [](const std::string& pattern) {
    return error_of<FormatError>([&] { rules_of({pattern}); });
  };
  EXPECT_EQ(refusal("a("),
            "c: expected a regular expression (ECMAScript, no back-references), found 'a('");
  EXPECT_EQ(refusal(R"((a)\1)"),
            "c: expected a regular expression (ECMAScript, no back-references), found '(a)\\1'");
  EXPECT_EQ(refusal(std::string(257, 'a')),
            "c: expected a regular expression of at most 256 bytes, found 257 bytes");
  EXPECT_EQ(refusal("(a{99}b){99}"),
            "c: expected a regular expression with repetitions of at most 1000, found "
            "'(a{99}b){99}'");
  EXPECT_THAT(refusal("a{99999999999999999999999}"), HasSubstr("repetitions of at most 1000"));
  EXPECT_EQ(refusal("(?=a)(?!b)c"),
            "c: expected a regular expression with at most one look-ahead, found '(?=a)(?!b)c'");
  EXPECT_EQ(error_of<FormatError>([] {
              NameRules rules;
              for (int i = 0; i < 257; ++i) rules.add(fmt::format("a+{}", i), kPlace);
            }),
            "c: expected at most 256 regular expressions besides plain names, found more; write "
            "one expression for several modules");
}

TEST(NameRules, AnyNumberOfPlainNamesWillDo) {
  NameRules rules;
  for (int i = 0; i < 20000; ++i) rules.add(rule_for_name(fmt::format("m.{}", i)), kPlace);
  EXPECT_EQ(rules.first_match("m.19999"), 19999u);
}

// Backtracking would take 2^60 steps, nested brackets the stack.
TEST(NameRules, CostlyPatternsEndSoon) {
  const std::string name = std::string(60, 'a') + "!";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(rules_of({"(a*)*b"}).first_match(name), std::nullopt);
  EXPECT_EQ(rules_of({"(a|a?)+(x+x+)+y"}).first_match(name), std::nullopt);
  const std::string nested = std::string(127, '(') + "a" + std::string(127, ')');
  EXPECT_EQ(rules_of({nested}).first_match("a"), 0u);
  EXPECT_EQ(rules_of({"(a?){900}b"}).first_match(name), std::nullopt);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(NameRules, TheTimeOfAllMatchesIsBounded) {
  NameRules rules;
  for (int i = 0; i < 200; ++i) rules.add(fmt::format("((a*)*(a?){{100}})*b{}", i), kPlace);
  const std::string name(90, 'a');
  EXPECT_THAT(error_of<FormatError>([&] {
                for (int i = 0; i < 100000; ++i) rules.first_match(name);
              }),
              StartsWith("c: matching the names of modules takes more than 1 s, last with '((a*)"));
}

}  // namespace
}  // namespace pith
