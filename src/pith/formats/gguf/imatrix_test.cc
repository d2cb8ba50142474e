#include "pith/formats/gguf/imatrix.h"

#include <gmock/gmock.h>

#include <cmath>

#include "pith/base/json.h"
#include "pith/formats/gguf/gguf_test_files.h"
#include "pith/formats/test_files.h"

namespace pith {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

GgufBytes& entry(GgufBytes& file,
                 std::string_view name,
                 std::int32_t calls,
                 const std::vector<float>& values) {
  file.number(static_cast<std::int32_t>(name.size()))
      .raw(std::as_bytes(std::span(name)))
      .number(calls)
      .number(static_cast<std::int32_t>(values.size()));
  return file.raw(std::as_bytes(std::span(values)));
}

// The old layout, with the call and the name of the data set at its end.
std::vector<std::byte> old_file() {
  GgufBytes file;
  file.number(std::int32_t{2});
  entry(file, "blk.0.ffn_down.weight", 4, {1, 2, 0.5f});
  entry(file, "output.weight", 0, {3, 4});
  file.number(std::int32_t{4}).number(std::int32_t{3}).raw(from_hex("612e62"));
  return file.bytes();
}

std::vector<std::byte> floats(const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

GgufBuilder new_file() {
  GgufBuilder b;
  b.text("general.type", "imatrix").texts("imatrix.datasets", {"a.b"});
  b.u32("imatrix.chunk_count", 4).u32("imatrix.chunk_size", 512);
  b.tensor("blk.0.ffn_down.weight.in_sum2", {3, 1}, 0, floats({1, 2, 0.5f}));
  b.tensor("blk.0.ffn_down.weight.counts", {1, 1}, 0, floats({4}));
  b.tensor("e.in_sum", {2, 2}, 0, floats({9, 9, 9, 9}));
  b.tensor("e.in_sum2", {2, 2}, 0, floats({2, 4, 6, 8}));
  b.tensor("e.counts", {1, 2}, 0, floats({2, 0}));
  return b;
}

ImportanceMatrix read(const std::vector<std::byte>& bytes) {
  const TemporaryGguf file(bytes);
  return ImportanceMatrix(file.path());
}

std::string refusal(const std::vector<std::byte>& bytes) {
  return error_of<FormatError>([&] { read(bytes); });
}

TEST(ImportanceMatrix, ReadsBothLayouts) {
  const ImportanceMatrix old = read(old_file()), current = read(new_file().bytes());
  EXPECT_EQ(old.size(), 2u);
  EXPECT_EQ(current.size(), 2u);
  for (const ImportanceMatrix* matrix : {&old, &current}) {
    EXPECT_THAT(*matrix->find("blk.0.ffn_down.weight"), ElementsAre(0.25f, 0.5f, 0.125f));
    EXPECT_EQ(matrix->find("blk.1.ffn_down.weight"), nullptr);
  }
  // What was never used weighs the same everywhere.
  EXPECT_THAT(*old.find("output.weight"), ElementsAre(1, 1));
  EXPECT_THAT(*current.find("e"), ElementsAre(1, 2, 1, 1));
}

TEST(ImportanceMatrix, IsLookedUpByParameter) {
  GgufBytes file;
  file.number(std::int32_t{3});
  entry(file, "blk.1.ffn_down.weight", 1, {1, 2, 3, 4, 5, 6});
  entry(file, "blk.0.attn_q.weight", 1, {1, 2});
  entry(file, "output.weight", 1, {8, 7, 6, 5, 4, 3, 2, 1});
  const ImportanceMatrix matrix = read(file.bytes());
  DecoderSpec spec = tiny_spec(Family::kLlama);
  const auto weights = [&](const std::string& name) {
    for (const Parameter& parameter : parameters_of(spec))
      if (parameter.name == name) return matrix.for_parameter(parameter, spec);
    throw InternalError("no such parameter");
  };
  EXPECT_THAT(weights("layers.1.mlp.down"), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_TRUE(weights("layers.0.mlp.down").empty());
  EXPECT_TRUE(weights("embedding").empty());
  EXPECT_EQ(weights("lm_head").size(), 8u);
  EXPECT_THAT(error_of<FormatError>([&] { weights("layers.0.attn.q"); }),
              HasSubstr("weights of 'blk.0.attn_q.weight': expected 8, one a column, found 2; the "
                        "matrix was made for another model"));
  spec.tied_head = true;
  EXPECT_EQ(weights("embedding").size(), 8u);
}

TEST(ImportanceMatrix, RefusesDamagedOldFiles) {
  const std::vector<std::byte> whole = old_file();
  // Everything up to the last value is needed; what follows is a remark.
  const std::size_t needed = whole.size() - 11;
  for (std::size_t length = 0; length < needed; ++length)
    EXPECT_FALSE(
        refusal({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}).empty())
        << length;
  const auto one = [](std::string_view name, std::int32_t calls, std::vector<float> values) {
    GgufBytes file;
    file.number(std::int32_t{1});
    return entry(file, name, calls, values).bytes();
  };
  EXPECT_THAT(refusal(one("w", 1, {1, NAN})),
              AllOf(HasSubstr("weights of 'w': expected finite numbers that are not negative"),
                    HasSubstr("llama-imatrix")));
  EXPECT_THAT(refusal(one("w", 1, {-1})), HasSubstr("not negative, found -1"));
  EXPECT_THAT(refusal(one("w", 0, {INFINITY})), HasSubstr("not negative, found inf"));
  EXPECT_THAT(refusal(one("w", -1, {1})), HasSubstr("expected a number of calls from 0, found -1"));
  EXPECT_THAT(refusal(one("", 1, {1})), HasSubstr("expected a name of 1 to 1024 bytes, found 0"));
  EXPECT_THAT(refusal(one("w", 1, {})), HasSubstr("a number of values from 1, found 0"));
  const auto numbers = [](std::vector<std::int32_t> values) {
    const auto bytes = std::as_bytes(std::span(values));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  EXPECT_THAT(refusal(numbers({0})), HasSubstr("an importance matrix with entries, found 0"));
  EXPECT_THAT(refusal(numbers({-5, 1, 1})), HasSubstr("found -5"));
  EXPECT_THAT(refusal(numbers({INT32_MAX, 1, 1, 1, 1})),
              HasSubstr("2147483647 entries, found the end of the file"));
  std::vector<std::int32_t> many(std::size_t{70000} * 5, 1);
  many[0] = 70000;
  EXPECT_THAT(refusal(numbers(many)), HasSubstr("expected at most 65536 entries, found 70000"));
  EXPECT_THAT(refusal(numbers({1, INT32_MAX, 1, 1, 1})),
              HasSubstr("a name of 1 to 1024 bytes, found 2147483647"));
  EXPECT_THAT(refusal(numbers({1, 4, 0x61616161, 1, INT32_MAX, 0})),
              HasSubstr("of entry 'aaaa': expected 2147483647 values, found the end of the file"));
  GgufBytes twice;
  twice.number(std::int32_t{2});
  entry(twice, "w", 1, {1});
  EXPECT_THAT(refusal(entry(twice, "w", 1, {1}).bytes()),
              HasSubstr("expected every tensor once, found it a second time"));
}

TEST(ImportanceMatrix, RefusesDamagedNewFiles) {
  EXPECT_THAT(refusal(GgufBuilder().bytes()),
              HasSubstr("expected an importance matrix, found general.type 'model'"));
  EXPECT_THAT(refusal(GgufBuilder().text("general.type", "imatrix").bytes()),
              HasSubstr("there are no tensors named *.in_sum2"));
  EXPECT_THAT(refusal(new_file().remove_tensor("e.counts").bytes()),
              HasSubstr("tensor 'e.in_sum2': there is no 'e'.counts with it"));
  const auto with = [](const char* name, std::vector<std::uint64_t> dims, std::vector<float> v) {
    GgufBuilder b = new_file();
    return b.remove_tensor(name).tensor(name, std::move(dims), 0, floats(v)).bytes();
  };
  EXPECT_THAT(refusal(with("e.counts", {3}, {1, 2, 3})),
              HasSubstr("tensor 'e.counts': 3 counts for 4 sums"));
  EXPECT_THAT(refusal(with("e.counts", {0}, {})), HasSubstr("0 counts for 4 sums"));
  EXPECT_THAT(refusal(with("e.counts", {2}, {1, -1})),
              HasSubstr("weights of 'e.counts': expected finite numbers that are not negative"));
  EXPECT_THAT(refusal(with("e.in_sum2", {2}, {1, NAN})), HasSubstr("found nan"));
  EXPECT_THAT(refusal(with("e.counts", {2}, {1e-44f, 1})), HasSubstr("found inf"));
  EXPECT_THAT(refusal(new_file()
                          .remove_tensor("e.counts")
                          .tensor("e.counts", {2}, 1, std::vector<std::byte>(4))
                          .bytes()),
              HasSubstr("tensor 'e.counts': expected type F32, found F16"));
}

// Written by llama-imatrix; the values decoded by gguf-py and by hand.
TEST(ImportanceMatrix, ReadsBothLayoutsOfLlamaImatrix) {
  const fs::path folder = fs::path(PITH_SOURCE_DIR) / "tests/golden/gguf/imatrix";
  const Json golden = read_json_file(folder / "expected.json");
  ASSERT_EQ(golden["files"].size(), 2u);
  for (const auto& [name, expected] : golden["files"].items()) {
    SCOPED_TRACE(name);
    const ImportanceMatrix matrix(folder / name);
    EXPECT_EQ(matrix.size(), expected["entries"].size());
    for (const auto& [tensor, entry] : expected["entries"].items()) {
      SCOPED_TRACE(tensor);
      const std::vector<float>* weights = matrix.find(tensor);
      ASSERT_NE(weights, nullptr);
      ASSERT_EQ(weights->size(), entry["columns"].get<std::size_t>());
      for (std::size_t i = 0; i < entry["first"].size(); ++i)
        EXPECT_FLOAT_EQ((*weights)[i], entry["first"][i].get<float>());
      EXPECT_FLOAT_EQ(weights->back(), entry["last"].get<float>());
    }
  }
}

}  // namespace
}  // namespace pith
