#include "pith/formats/layouts/name_rules.h"

#include <gmock/gmock.h>

#include "pith/formats/test_files.h"

namespace pith {
namespace {

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
  EXPECT_THAT(error_of<FormatError>([] { rules_of({"a("}); }),
              StartsWith("c: expected a regular expression"));
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

TEST(NameRules, TheTimeOfAllMatchesIsBounded) {
  NameRules rules;
  for (int i = 0; i < 200; ++i) rules.add(fmt::format("((a*)*(a?){{30}})*b{}", i), kPlace);
  const std::string name(90, 'a');
  EXPECT_THAT(
      error_of<FormatError>([&] {
        for (int i = 0; i < 100000; ++i) rules.first_match(name);
      }),
      StartsWith("c: matching the names of modules takes more than 0.5 s, last with '((a*)"));
}

}  // namespace
}  // namespace pith
