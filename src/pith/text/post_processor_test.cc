#include "pith/text/post_processor.h"

#include <gmock/gmock.h>

#include "pith/base/test_support.h"
#include "pith/text/text_test_support.h"

namespace pith {
namespace {

SpecialEnds ends(const Json& document) {
  return special_ends_from_json(JsonCursor(document, "t.json"));
}
Json special(const char* name) { return {{"SpecialToken", {{"id", name}, {"type_id", 0}}}}; }
const Json kText = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
Json template_of(const std::vector<Json>& single) {
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"special_tokens",
           {{"<s>", {{"id", "<s>"}, {"ids", {1, 7}}}},
            {"</s>", {{"id", "</s>"}, {"ids", Json::array({2})}}}}}};
}
using Ids = std::vector<std::int32_t>;

TEST(PostProcessor, TemplatesGiveEnds) {
  EXPECT_TRUE(special_ends_from_json(std::nullopt).before.empty());
  EXPECT_TRUE(ends({{"type", "ByteLevel"}}).before.empty());
  const SpecialEnds both = ends(template_of({special("<s>"), kText, special("</s>")}));
  EXPECT_EQ(both.before, (Ids{1, 7}));  // all ids of a special token
  EXPECT_EQ(both.after, (Ids{2}));
  EXPECT_TRUE(ends(template_of({kText})).before.empty());
}

TEST(PostProcessor, LaterOnesGoAround) {
  const Json steps = {{{"type", "ByteLevel"}},
                      template_of({special("<s>"), kText}),
                      template_of({special("</s>"), kText, special("</s>")})};
  const SpecialEnds nested = ends({{"type", "Sequence"}, {"processors", steps}});
  EXPECT_EQ(nested.before, (Ids{2, 1, 7}));
  EXPECT_EQ(nested.after, (Ids{2}));
}

TEST(PostProcessor, ErrorsNameThePlace) {
  const auto message = [](const Json& document) {
    return message_of<FormatError>([&] { ends(document); });
  };
  EXPECT_EQ(message({{"type", "BertProcessing"}}),
            "t.json: at /type: expected a post-processor that Pith has: ByteLevel, "
            "TemplateProcessing, Sequence, found "
            "\"BertProcessing\"");
  EXPECT_EQ(message(template_of({special("<x>"), kText})),
            "t.json: at /special_tokens: expected a value for '<x>', found none");
  EXPECT_EQ(message(template_of({special("<s>")})),
            "t.json: at /single: expected the sequence A, found none");
  EXPECT_THAT(message(template_of({kText, kText})),
              testing::HasSubstr("at /single/1/Sequence: expected the sequence A, once"));
  EXPECT_THAT(message(template_of({Json{{"Sequence", {{"id", "B"}}}}})),
              testing::HasSubstr("expected the sequence A, once"));
  EXPECT_THAT(message(template_of({Json{{"Other", 1}}})),
              testing::HasSubstr("expected a value for 'Sequence'"));
  EXPECT_THAT(message(template_of(std::vector<Json>(40, special("<s>")))),
              testing::HasSubstr("expected at most 64 special tokens"));
  EXPECT_THAT(message(template_of(std::vector<Json>(66, special("</s>")))),
              testing::HasSubstr("at /single: expected at most 65 parts, found an array of 66"));
  const Json::array_t steps(65, template_of({special("</s>"), kText}));
  EXPECT_EQ(message({{"type", "Sequence"}, {"processors", steps}}),
            "t.json: at /processors/64: expected at most 64 special tokens, found more");
}

}  // namespace
}  // namespace pith
