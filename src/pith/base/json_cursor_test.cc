#include <gmock/gmock.h>

#include <cstdint>
#include <limits>

#include "pith/base/error.h"
#include "pith/base/json.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

class JsonCursorTest : public testing::Test {
 protected:
  const Json json_ = parse_json(
      R"({"s":"text","b":true,"n":2.5,"i":7,"whole":1e6,"neg":-3,"big":18446744073709551615,"null":null,
          "list":[1,"two",null],"map":{"x/y":{"z~":[0]}},"empty":{}})",
      "config.json");
  const JsonCursor root_{json_, "config.json"};

  template <class Body>
  static std::string failure(Body body) {
    return message_of<FormatError>(body);
  }
};

TEST_F(JsonCursorTest, ReadsValues) {
  EXPECT_EQ(root_.at("s").string(), "text");
  EXPECT_TRUE(root_.at("b").boolean());
  EXPECT_EQ(root_.at("n").number(), 2.5);
  EXPECT_EQ(root_.at("i").number(), 7.0);
  EXPECT_EQ(root_.at("i").integer(0, 7), 7);
  EXPECT_EQ(root_.at("neg").integer(-3, 7), -3);
  EXPECT_EQ(root_.at("whole").integer(0, INT64_MAX), 1000000);
  EXPECT_EQ(root_.at("list").items()[1].string(), "two");
  const auto members = root_.at("map").members();
  ASSERT_EQ(members.size(), 1u);
  EXPECT_EQ(members[0].first, "x/y");
  EXPECT_EQ(members[0].second.at("z~").items()[0].pointer(), "/map/x~1y/z~0/0");
  EXPECT_EQ(&root_.at("s").json(), &json_["s"]);
  EXPECT_EQ(root_.at("s").place(), "config.json");
}

TEST_F(JsonCursorTest, NullCountsAsAbsent) {
  EXPECT_TRUE(root_.has("s"));
  EXPECT_FALSE(root_.has("null"));
  EXPECT_FALSE(root_.has("none"));
  EXPECT_FALSE(root_.find("null").has_value());
  EXPECT_EQ(failure([&] { root_.at("null"); }),
            "config.json: expected a value for 'null', found none");
  EXPECT_EQ(failure([&] { root_.at("map").at("q"); }),
            "config.json: at /map: expected a value for 'q', found none");
}

TEST_F(JsonCursorTest, DefaultsServeAbsentValuesOnly) {
  EXPECT_EQ(root_.string_or("null", "d"), "d");
  EXPECT_EQ(root_.string_or("s", "d"), "text");
  EXPECT_TRUE(root_.boolean_or("none", true));
  EXPECT_TRUE(root_.boolean_or("b", false));
  EXPECT_EQ(root_.number_or("none", 0.5), 0.5);
  EXPECT_EQ(root_.number_or("n", 0.5), 2.5);
  EXPECT_EQ(root_.integer_or("none", 99, 0, 10), 99);
  EXPECT_EQ(root_.integer_or("i", 99, 0, 10), 7);
  EXPECT_EQ(failure([&] { root_.string_or("i", "d"); }),
            "config.json: at /i: expected a string, found 7");
  EXPECT_EQ(failure([&] { root_.boolean_or("i", true); }),
            "config.json: at /i: expected true or false, found 7");
  EXPECT_EQ(failure([&] { root_.number_or("s", 1); }),
            "config.json: at /s: expected a number, found \"text\"");
  EXPECT_EQ(failure([&] { root_.integer_or("i", 1, 8, 10); }),
            "config.json: at /i: expected an integer from 8 to 10, found 7");
}

TEST_F(JsonCursorTest, WrongKindsSayWhatIsThere) {
  EXPECT_EQ(failure([&] { root_.string(); }), "config.json: expected a string, found an object");
  EXPECT_EQ(failure([&] { root_.at("list").boolean(); }),
            "config.json: at /list: expected true or false, found an array of 3");
  EXPECT_EQ(failure([&] { root_.at("empty").items(); }),
            "config.json: at /empty: expected an array, found an empty object");
  EXPECT_EQ(failure([&] { root_.at("list").members(); }),
            "config.json: at /list: expected an object, found an array of 3");
  EXPECT_EQ(failure([&] { root_.at("s").find("x"); }),
            "config.json: at /s: expected an object, found \"text\"");
  EXPECT_EQ(failure([&] { root_.at("list").items()[2].string(); }),
            "config.json: at /list/2: expected a string, found null");
  EXPECT_EQ(failure([&] { root_.at("b").number(); }),
            "config.json: at /b: expected a number, found true");
}

TEST_F(JsonCursorTest, IntegersAreExactAndInRange) {
  EXPECT_EQ(failure([&] { root_.at("n").integer(0, 9); }),
            "config.json: at /n: expected an integer from 0 to 9, found 2.5");
  EXPECT_EQ(failure([&] { root_.at("big").integer(0, INT64_MAX); }),
            "config.json: at /big: expected an integer, at least 0, found 18446744073709551615");
  EXPECT_EQ(failure([&] { root_.at("s").integer(0, 9); }),
            "config.json: at /s: expected an integer from 0 to 9, found \"text\"");
  for (const double real :
       {1e19, -1e19, 1e300, std::numeric_limits<double>::infinity(), std::nan("")})
    EXPECT_THROW(JsonCursor(Json(real), "x").integer(INT64_MIN, INT64_MAX), FormatError) << real;
  const Json lowest = parse_json("-9223372036854775808", "x");
  EXPECT_EQ(JsonCursor(lowest, "x").integer(INT64_MIN, 0), INT64_MIN);
}

TEST_F(JsonCursorTest, NumbersAreFinite) {
  const Json infinite(std::numeric_limits<double>::infinity());
  EXPECT_THROW(JsonCursor(infinite, "x").number(), FormatError);
}

TEST_F(JsonCursorTest, LongAndBrokenTextIsShortened) {
  const Json text(std::string(39, 'a') + "\u00e9" +
                  std::string(1000, 'b'));  // the cut falls into the two bytes
  EXPECT_EQ(failure([&] { JsonCursor(text, "x").boolean(); }),
            "x: expected true or false, found \"" + std::string(39, 'a') + "...\"");
  const Json broken("\xff\n");
  EXPECT_EQ(failure([&] { JsonCursor(broken, "x").boolean(); }),
            "x: expected true or false, found \"\uFFFD\\n\"");
}

TEST_F(JsonCursorTest, CallersMayFailWithTheirOwnWords) {
  EXPECT_EQ(failure([&] { root_.at("i").fail("a multiple of 4", "7 heads", "use 8"); }),
            "config.json: at /i: expected a multiple of 4, found 7 heads; use 8");
}

}  // namespace
}  // namespace pith
