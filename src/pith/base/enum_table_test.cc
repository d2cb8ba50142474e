#include "pith/base/enum_table.h"

#include "pith/base/test_support.h"

namespace pith {
namespace {

enum class Fruit { kApple, kPear, kPlum };
constexpr EnumName<Fruit> kFruitNames[] = {{Fruit::kApple, "apple"}, {Fruit::kPear, "pear"}};
constexpr std::span<const EnumName<Fruit>> enum_table(Fruit) { return kFruitNames; }

TEST(EnumTable, NamesAndValues) {
  EXPECT_EQ(to_string(Fruit::kPear), "pear");
  EXPECT_EQ(parse_enum<Fruit>("apple", "--fruit"), Fruit::kApple);
  EXPECT_EQ(enum_names<Fruit>(), (std::vector<std::string_view>{"apple", "pear"}));
  EXPECT_THROW(to_string(Fruit::kPlum), InternalError);
}

TEST(EnumTable, UnknownNameListsTheChoicesAndOffersTheNearest) {
  EXPECT_EQ(message_of<UserError>([] { parse_enum<Fruit>("aple", "--fruit"); }),
            "--fruit: expected one of apple, pear, found 'aple'; did you mean 'apple'");
  EXPECT_EQ(message_of<UserError>([] { parse_enum<Fruit>("xyz", "--fruit"); }),
            "--fruit: expected one of apple, pear, found 'xyz'");
  EXPECT_EQ(message_of<UserError>([] { parse_enum<Fruit>("", "--fruit"); }),
            "--fruit: expected one of apple, pear, found ''");
}

TEST(NearestName, CountsSwapsAsOneMistake) {
  const std::string_view names[] = {"bits", "group_size", "layers", "symmetric"};
  EXPECT_EQ(nearest_name("bist", names), "bits");
  EXPECT_EQ(nearest_name("group-size", names), "group_size");
  EXPECT_EQ(nearest_name("groupsize", names), "group_size");
  EXPECT_EQ(nearest_name("layer", names), "layers");
  EXPECT_EQ(nearest_name("bits", names), "bits");
}

TEST(NearestName, OffersNothingFar) {
  const std::string_view names[] = {"bits", "a", ""};
  EXPECT_EQ(nearest_name("pruning", names), "");
  EXPECT_EQ(nearest_name("x", names), "");  // one letter replaced is another word
  EXPECT_EQ(nearest_name("", names), "");
  EXPECT_EQ(nearest_name("bits", {}), "");
  EXPECT_EQ(nearest_name(std::string(1 << 20, 'b'), names), "");
}

TEST(NearestName, FirstOfEquallyNearWins) {
  const std::string_view names[] = {"gptq", "gpto"};
  EXPECT_EQ(nearest_name("gptx", names), "gptq");
}

TEST(JoinNames, SeparatesByCommas) {
  const std::string_view names[] = {"a", "b"};
  EXPECT_EQ(join_names(names), "a, b");
  EXPECT_EQ(join_names({}), "");
}

}  // namespace
}  // namespace pith
