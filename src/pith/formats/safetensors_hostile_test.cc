// Every rule of formats.md 1.4 and 1.7, broken once.
#include <gmock/gmock.h>

#include "pith/formats/safetensors.h"
#include "pith/formats/test_files.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::string entry(std::string_view shape,
                  std::string_view offsets,
                  std::string_view dtype = "F32") {
  return fmt::format(R"({{"dtype":"{}","shape":{},"data_offsets":{}}})", dtype, shape, offsets);
}

// The message for a file of these bytes; always begins with its path.
std::string refusal(std::string_view file) {
  TestFolder folder;
  const fs::path path = folder.write("x.safetensors", file);
  const std::string message = error_of<FormatError>([&] { SafetensorsReader::open_file(path); });
  EXPECT_THAT(message, StartsWith(path.string()));
  return message.substr(std::min(message.size(), path.string().size()));
}
std::string refusal_of_header(const std::string& header, std::string_view buffer = "") {
  return refusal(safetensors_text(header, buffer));
}

TEST(HostileSafetensors, SmallestLegalFileIsLegal) {
  TestFolder folder;
  const fs::path path = folder.write("x.safetensors", std::string_view("\x02\0\0\0\0\0\0\0{}", 10));
  EXPECT_TRUE(SafetensorsReader::open_file(path).tensors().empty());
}

TEST(HostileSafetensors, LengthsAreBounded) {
  EXPECT_EQ(refusal(""), ": expected at least 8 bytes, found 0; not a safetensors file");
  EXPECT_EQ(refusal("1234567"), ": expected at least 8 bytes, found 7; not a safetensors file");
  EXPECT_EQ(refusal(std::string_view("\x03\0\0\0\0\0\0\0{}", 10)),
            ": expected a header of at most 2 bytes, found a length of 3; cut off, or not a "
            "safetensors file");
  EXPECT_THAT(refusal(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)),
              HasSubstr("found a length of 18446744073709551615"));
  EXPECT_EQ(
      refusal(std::string_view("\0\0\0\0\0\0\0\0", 8)),
      ": expected a header that begins with '{', found something else; not a safetensors file");
}

TEST(HostileSafetensors, HeaderAboveTheLimitIsRefusedBeforeItIsRead) {
  TestFolder folder;
  const fs::path path =
      folder.write("x.safetensors", std::string_view("\x01\xe1\xf5\x05\0\0\0\0{}", 10));  // 1e8 + 1
  fs::resize_file(path, 200'000'000);                                                     // sparse
  EXPECT_THAT(
      error_of<FormatError>([&] { SafetensorsReader::open_file(path); }),
      HasSubstr("expected a header of at most 100000000 bytes, found a length of 100000001"));
}

TEST(HostileSafetensors, HeaderMustBeJson) {
  EXPECT_THAT(refusal_of_header("{\"a\":"), HasSubstr(":1:"));
  EXPECT_THAT(refusal_of_header(" {}"), HasSubstr("begins with '{'"));
  EXPECT_THAT(refusal_of_header("{}x"), HasSubstr(":1:3"));
  EXPECT_THAT(refusal_of_header("{\"\xff\":1}"), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal_of_header("{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}"),
              HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(refusal_of_header(R"({"\ud800":1})"), HasSubstr("surrogate"));
}

TEST(HostileSafetensors, NamesMustBeUniqueAndPrintable) {
  const std::string a = entry("[1]", "[0,4]");
  EXPECT_THAT(refusal_of_header("{\"a\":" + a + ",\"a\":" + a + "}", "1234"),
              HasSubstr("'a' occurs twice"));
  EXPECT_EQ(refusal_of_header(R"({"a\u0000b":)" + a + "}", "1234"),
            R"(: expected tensor names without control characters, not empty, found "a\u0000b")");
  EXPECT_EQ(refusal_of_header(R"({"":)" + a + "}", "1234"),
            R"(: expected tensor names without control characters, not empty, found "")");
}

TEST(HostileSafetensors, EntriesMustHaveTheRightTypes) {
  EXPECT_EQ(refusal_of_header(R"({"a":7})"), ": at /a: expected an object, found 7");
  EXPECT_EQ(refusal_of_header(R"({"a":{"shape":[],"data_offsets":[0,0]}})"),
            ": at /a: expected a value for 'dtype', found none");
  EXPECT_EQ(refusal_of_header(R"({"a":{"dtype":"F32","data_offsets":[0,0]}})"),
            ": at /a: expected a value for 'shape', found none");
  EXPECT_EQ(refusal_of_header(R"({"a":{"dtype":"F32","shape":[]}})"),
            ": at /a: expected a value for 'data_offsets', found none");
  EXPECT_THAT(refusal_of_header("{\"a\":" + entry("[1]", "[0,4]", "F4") + "}", "1234"),
              AllOf(HasSubstr(": at /a/dtype: expected one of BOOL, U8,"), EndsWith("found 'F4'")));
  EXPECT_EQ(refusal_of_header("{\"a\":" + entry("4", "[0,4]") + "}"),
            ": at /a/shape: expected an array, found 4");
  EXPECT_EQ(refusal_of_header("{\"a\":" + entry("[1]", "[0,4,8]") + "}"),
            ": at /a/data_offsets: expected two integers, found an array of 3");
  EXPECT_EQ(refusal_of_header(R"({"__metadata__":{"format":3}})"),
            ": at /__metadata__/format: expected a string, found 3");
  EXPECT_EQ(refusal_of_header(R"({"__metadata__":[]})"),
            ": at /__metadata__: expected an object, found an array of 0");
}

TEST(HostileSafetensors, NumbersMustBePlainIntegers) {
  for (const char* number :
       {"-1", "1.0", "1e0", "18446744073709551616", "\"1\"", "true", "null", "NaN"}) {
    SCOPED_TRACE(number);
    EXPECT_THAT(
        refusal_of_header("{\"a\":" + entry(fmt::format("[{}]", number), "[0,4]") + "}", "1234"),
        HasSubstr(": at /a/shape/0: expected a plain non-negative integer, found "));
    EXPECT_THAT(
        refusal_of_header("{\"a\":" + entry("[1]", fmt::format("[0,{}]", number)) + "}", "1234"),
        HasSubstr(": at /a/data_offsets/1: expected a plain non-negative integer, found "));
  }
  EXPECT_EQ(refusal_of_header("{\"a\":" + entry("[9223372036854775808]", "[0,4]") + "}", "1234"),
            ": at /a/shape/0: expected a dimension, found 9223372036854775808");
}

TEST(HostileSafetensors, ShapesMustNotOverflow) {
  const auto overflow =
      HasSubstr(": at /a/shape: expected a shape whose size in bytes fits 64 bits");
  EXPECT_THAT(refusal_of_header("{\"a\":" + entry("[4294967296,4294967296]", "[0,0]") + "}"),
              overflow);
  EXPECT_THAT(refusal_of_header("{\"a\":" + entry("[4294967296,4294967296,0]", "[0,0]") + "}"),
              overflow);
  EXPECT_THAT(refusal_of_header("{\"a\":" + entry("[4611686018427387904]", "[0,0]") + "}"),
              overflow);  // 2^62 * 4
}

TEST(HostileSafetensors, BytesMustBeThoseOfTheShape) {
  EXPECT_EQ(refusal_of_header("{\"a\":" + entry("[2]", "[0,4]") + "}", "1234"),
            ": at /a/data_offsets: expected 8 bytes for this dtype and shape, found 4");
  EXPECT_EQ(
      refusal_of_header("{\"a\":" + entry("[1]", "[4,0]") + "}", "1234"),
      ": at /a/data_offsets: expected an end that is not before the begin, found an array of 2");
}

TEST(HostileSafetensors, TensorsMustFillTheFile) {
  const auto two = [](std::string_view a, std::string_view b) {
    return "{\"a\":" + entry("[1]", a) + ",\"b\":" + entry("[1]", b) + "}";
  };
  const std::string rule = "; tensors must fill the file without holes or overlaps";
  EXPECT_EQ(refusal_of_header(two("[0,4]", "[5,9]"), "123456789"),
            ": tensor 'b': expected its bytes to begin at 4, found 5" + rule);
  EXPECT_EQ(refusal_of_header(two("[0,4]", "[2,6]"), "123456"),
            ": tensor 'b': expected its bytes to begin at 4, found 2" + rule);
  EXPECT_EQ(refusal_of_header(two("[0,4]", "[0,4]"), "1234"),
            ": tensor 'b': expected its bytes to begin at 4, found 0" + rule);
  EXPECT_EQ(refusal_of_header("{\"a\":" + entry("[1]", "[4,8]") + "}", "12345678"),
            ": tensor 'a': expected its bytes to begin at 0, found 4" + rule);
  EXPECT_EQ(refusal_of_header(two("[0,4]", "[4,8]"), "1234567"),
            ": expected 8 bytes of tensors after the header, found 7; the file is cut off");
  EXPECT_EQ(refusal_of_header(two("[4,8]", "[0,4]"), "123456789"),
            ": expected 8 bytes of tensors after the header, found 9; the file has bytes too many");
}

TEST(HostileSafetensors, UnknownKeysAndOddLengthsAreFine) {
  TestFolder folder;
  const fs::path path = folder.write(
      "x.safetensors",
      safetensors_text(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"extra":{"b":[]}} })",
                       "x"));
  EXPECT_EQ(SafetensorsReader::open_file(path).at("a").bytes.size(), 1u);
}

TEST(HostileSafetensors, MissingAndWrongFiles) {
  TestFolder folder;
  EXPECT_THAT(error_of<FormatError>(
                  [&] { SafetensorsReader::open_file(folder.path() / "none.safetensors"); }),
              HasSubstr("none.safetensors: cannot open: No such file or directory"));
  EXPECT_THAT(error_of<FormatError>([&] { SafetensorsReader::open_file(folder.path()); }),
              HasSubstr("expected a file, found a folder"));
}

// A folder with an index over two shards, of which a test spoils something.
class HostileIndex : public testing::Test {
 protected:
  HostileIndex() {
    folder_.write("one.safetensors",
                  safetensors_text("{\"a\":" + entry("[1]", "[0,4]") + "}", "1234"));
    folder_.write("two.safetensors",
                  safetensors_text("{\"b\":" + entry("[1]", "[0,4]") + "}", "5678"));
    map(R"({"a":"one.safetensors","b":"two.safetensors"})");
  }
  void map(const std::string& weight_map) const {
    folder_.write("model.safetensors.index.json",
                  R"({"metadata":{"total_size":8.0},"weight_map":)" + weight_map + "}");
  }
  std::string refusal() const {
    const std::string place = folder_.path().string();
    const std::string message =
        error_of<FormatError>([&] { SafetensorsReader::open_folder(folder_.path()); });
    EXPECT_THAT(message, StartsWith(place));
    return message.substr(std::min(message.size(), place.size()));
  }
  TestFolder folder_;
};

TEST_F(HostileIndex, IsFineUnspoilt) {
  EXPECT_EQ(SafetensorsReader::open_folder(folder_.path()).tensors().size(), 2u);
}

TEST_F(HostileIndex, MissingShardIsNamed) {
  fs::remove(folder_.path() / "two.safetensors");
  EXPECT_EQ(refusal(),
            ": expected the shard two.safetensors that model.safetensors.index.json names, found "
            "no such file; "
            "the download may be incomplete");
}

TEST_F(HostileIndex, NameInTheMapButNotInTheFile) {
  map(R"({"a":"one.safetensors","b":"two.safetensors","c":"two.safetensors"})");
  EXPECT_EQ(
      refusal(),
      "/model.safetensors.index.json: at /weight_map/c: expected the tensor in two.safetensors, "
      "found no such tensor there");
}

TEST_F(HostileIndex, TensorThatTheMapDoesNotNameOrElsewhere) {
  map(R"({"a":"one.safetensors"})");
  EXPECT_EQ(SafetensorsReader::open_folder(folder_.path()).tensors().size(),
            1u);  // a shard nobody names is not read
  folder_.write(
      "one.safetensors",
      safetensors_text("{\"a\":" + entry("[1]", "[0,4]") + ",\"b\":" + entry("[1]", "[4,8]") + "}",
                       "12345678"));
  const std::string expected =
      "/one.safetensors: tensor 'b': expected model.safetensors.index.json to name this file for "
      "it, found nothing or "
      "another file; shard and index are not of the same model";
  EXPECT_EQ(refusal(), expected);
  map(R"({"a":"one.safetensors","b":"two.safetensors"})");
  EXPECT_EQ(refusal(), expected);
}

TEST_F(HostileIndex, NamesThatLeadElsewhereAreRefused) {
  for (const char* name :
       {"../one.safetensors", "/etc/passwd", "a/b", "a\\\\b", ".hidden", "", "x\\u0000y"}) {
    SCOPED_TRACE(name);
    map(fmt::format(R"({{"a":"{}"}})", name));
    EXPECT_THAT(
        refusal(),
        HasSubstr(": at /weight_map/a: expected the name of a file in the same folder, found "));
  }
}

TEST_F(HostileIndex, LinksMustNotLeadElsewhere) {
  TestFolder elsewhere;
  fs::rename(folder_.path() / "two.safetensors", elsewhere.path() / "two.safetensors");
  fs::create_symlink(elsewhere.path() / "two.safetensors", folder_.path() / "two.safetensors");
  EXPECT_EQ(refusal(),
            fmt::format("/two.safetensors: expected a file in the folder itself or in a download "
                        "cache, found a link to "
                        "{}; put the file in its place if you trust it",
                        fs::canonical(elsewhere.path() / "two.safetensors").string()));
  fs::remove(folder_.path() / "two.safetensors");
  fs::create_symlink("none.safetensors", folder_.path() / "two.safetensors");
  EXPECT_THAT(refusal(), HasSubstr("found no such file"));
}

TEST_F(HostileIndex, LinksInsideTheFolderAndOfADownloadCacheAreFine) {
  fs::rename(folder_.path() / "two.safetensors", folder_.path() / "2");
  fs::create_symlink("2", folder_.path() / "two.safetensors");
  EXPECT_EQ(SafetensorsReader::open_folder(folder_.path()).tensors().size(), 2u);

  TestFolder cache;
  const fs::path snapshot = cache.path() / "snapshots/4f8e";
  fs::create_directories(snapshot);
  fs::create_directory(cache.path() / "blobs");
  for (const char* name : {"one.safetensors", "two.safetensors", "model.safetensors.index.json"}) {
    fs::copy_file(folder_.path() / name, cache.path() / "blobs" / name);
    fs::create_symlink(fs::path("../../blobs") / name, snapshot / name);
  }
  EXPECT_EQ(SafetensorsReader::open_folder(snapshot).tensors().size(), 2u);
}

// Each of these is a file of some megabytes that would take hundreds.
TEST(HostileSafetensors, ListsAreBounded) {
  std::string header = "{";
  for (std::size_t i = 0; i <= (std::size_t{1} << 18); ++i)
    header += fmt::format("{}\"{}\":{}", i == 0 ? "" : ",", i, entry("[0]", "[0,0]"));
  EXPECT_THAT(refusal_of_header(header + "}"),
              HasSubstr("expected at most 262144 tensors, found 262145"));
  std::string zeros = "[0";
  for (int i = 0; i < 10'000'000; ++i) zeros += ",0";
  EXPECT_THAT(refusal_of_header("{\"a\":" + entry(zeros + "]", "[0,0]") + "}"),
              HasSubstr("expected JSON that takes at most 268435456 bytes of memory, found more"));
  zeros.resize(2'000'000);
  EXPECT_THAT(refusal_of_header("{\"a\":" + entry(zeros + "]", "[0,1]") + "}"),
              HasSubstr("at /a/data_offsets: expected 0 bytes"));
  EXPECT_THAT(refusal_of_header("{\"a\":" + std::string(200'000, '[')),
              HasSubstr("nested deeper than 64 levels"));
}

TEST_F(HostileIndex, MapIsBounded) {
  std::string names = "{";
  for (std::size_t i = 0; i <= (std::size_t{1} << 18); ++i)
    names += fmt::format("{}\"{}\":\"one.safetensors\"", i == 0 ? "" : ",", i);
  map(names + "}");
  EXPECT_THAT(refusal(), HasSubstr("/weight_map: expected at most 262144 tensors, found 262145"));
}

TEST_F(HostileIndex, MapMustBeAnObjectOfNames) {
  map("[]");
  EXPECT_THAT(refusal(),
              HasSubstr(": at /weight_map: expected an object with a file for each tensor"));
  map("{}");
  EXPECT_THAT(refusal(),
              HasSubstr(": at /weight_map: expected an object with a file for each tensor"));
  map(R"({"a":3})");
  EXPECT_THAT(refusal(), HasSubstr(": at /weight_map/a: expected a string, found 3"));
  map(R"({"a":"one.safetensors","a":"two.safetensors"})");
  EXPECT_THAT(refusal(), HasSubstr("'a' occurs twice"));
  folder_.write("model.safetensors.index.json", "{}");
  EXPECT_THAT(refusal(), HasSubstr("expected a value for 'weight_map', found none"));
}

TEST_F(HostileIndex, FolderWithoutWeights) {
  fs::remove(folder_.path() / "model.safetensors.index.json");
  EXPECT_EQ(refusal(),
            ": expected model.safetensors or model.safetensors.index.json, found neither");
  folder_.write("pytorch_model.bin", "pickle");
  EXPECT_EQ(refusal(),
            ": expected model.safetensors or model.safetensors.index.json, found "
            "pytorch_model.bin; Pith does "
            "not open pickle files, since loading them runs code; save the model as safetensors");
}

}  // namespace
}  // namespace pith
