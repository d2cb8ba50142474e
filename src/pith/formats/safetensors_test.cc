#include "pith/formats/safetensors.h"

#include <gmock/gmock.h>

#include <cstring>
#include <numeric>

#include "pith/base/json.h"
#include "pith/formats/test_files.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 40;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}
std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Distinct bytes for a tensor.
std::string pattern(const TensorSpec& spec) {
  std::string text(spec.bytes(), '\0');
  std::iota(text.begin(), text.end(), static_cast<char>(spec.name.back()));
  return text;
}

void write_all(SafetensorsWriter& writer, const std::vector<TensorSpec>& tensors) {
  for (const TensorSpec& tensor : tensors) writer.write(tensor.name, bytes_of(pattern(tensor)));
  writer.finish();
}

std::uint64_t folder_bytes(const fs::path& folder) {
  std::uint64_t total = 0;
  for (const auto& entry : fs::directory_iterator(folder)) total += entry.file_size();
  return total;
}

const std::vector<TensorSpec> kFour = {{"w.a", DType::kF32, {4, 5}},
                                       {"w.b", DType::kBF16, {10}},
                                       {"w.c", DType::kU8, {2, 3, 5}},
                                       {"w.d", DType::kF32, {}}};

TEST(SafetensorsWriter, WritesTheWorkedExample) {
  TestFolder folder;
  SafetensorsWriter writer(
      folder.path(), {{"b", DType::kBF16, {2, 1}}, {"a", DType::kF32, {2}}}, kNoLimit);
  writer.write("a", bytes_of(std::string_view("\0\0\x80\x3f\0\0\0\xc0", 8)));
  writer.write("b", bytes_of(std::string_view("\x80\x3f\0\xc0", 4)));
  writer.finish();
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("b":{"dtype":"BF16","shape":[2,1],"data_offsets":[8,12]}}  )";
  const std::string file = file_text(folder.path() / "model.safetensors");
  EXPECT_EQ(file.size(), 164u);
  EXPECT_EQ(file,
            std::string("\x90\0\0\0\0\0\0\0", 8) + header +
                std::string("\0\0\x80\x3f\0\0\0\xc0\x80\x3f\0\xc0", 12));
  EXPECT_EQ(writer.file_bytes(), 164u);
}

TEST(SafetensorsWriter, EqualsTheReferenceWriterByteForByte) {
  const auto reference = SafetensorsReader::open_file(golden("reference.safetensors"));
  std::vector<TensorSpec> tensors;
  for (const auto& [name, tensor] : reference.tensors()) tensors.push_back(tensor.spec);
  ASSERT_EQ(tensors.size(), 13u);
  TestFolder folder;
  SafetensorsWriter writer(folder.path(), tensors, kNoLimit);
  for (const auto& [name, tensor] : reference.tensors()) writer.write(name, tensor.bytes);
  writer.finish();
  EXPECT_EQ(file_text(folder.path() / "model.safetensors"),
            file_text(golden("reference.safetensors")));
}

TEST(SafetensorsReader, ReadsTheReferenceFile) {
  const auto reader = SafetensorsReader::open_file(golden("reference.safetensors"));
  EXPECT_EQ(reader.metadata().at("format"), "pt");
  const StoredTensor& wide = reader.at("b.f32");
  EXPECT_EQ(wide.spec, (TensorSpec{"b.f32", DType::kF32, {2, 3}}));
  float values[6];
  std::memcpy(values, wide.bytes.data(), sizeof values);
  EXPECT_THAT(values, ElementsAre(1.5f, -2.0f, 0.25f, 0.0f, 3.0f, -1.0f));
  EXPECT_EQ(text_of(reader.at("codes").bytes), std::string("\x01\x02\xff"));
  EXPECT_TRUE(reader.at("count").spec.shape.empty());
  EXPECT_EQ(reader.at("count").bytes.size(), 8u);
  EXPECT_TRUE(reader.at("empty").bytes.empty());
  EXPECT_EQ(reader.find("nothing"), nullptr);
  EXPECT_EQ(error_of<FormatError>([&] { reader.at("nothing"); }),
            golden("reference.safetensors").string() + ": tensor 'nothing' is missing");
}

TEST(SafetensorsWriter, AlignsEveryTensorNaturally) {
  TestFolder folder;
  std::vector<TensorSpec> tensors = {{"a", DType::kU8, {3}},
                                     {"b", DType::kF32, {1}},
                                     {"c", DType::kBF16, {1}},
                                     {"d", DType::kI64, {1}},
                                     {"e", DType::kF8E4M3, {1}},
                                     {"f", DType::kF16, {5}}};
  SafetensorsWriter writer(folder.path(), tensors, kNoLimit);
  write_all(writer, tensors);
  const auto reader = SafetensorsReader::open_folder(folder.path());
  for (const auto& [name, tensor] : reader.tensors())
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % size_of(tensor.spec.dtype),
              0u)
        << name;
}

TEST(SafetensorsWriter, DividesIntoShardsInTheGivenOrder) {
  TestFolder folder;
  SafetensorsWriter writer(folder.path(), kFour, 100);  // 80 + 20, 30 + 4
  write_all(writer, kFour);
  const auto reader = SafetensorsReader::open_folder(folder.path());
  ASSERT_EQ(reader.tensors().size(), kFour.size());
  for (const TensorSpec& spec : kFour) {
    EXPECT_EQ(reader.at(spec.name).spec, spec);
    EXPECT_EQ(text_of(reader.at(spec.name).bytes), pattern(spec));
  }
  EXPECT_THAT(reader.files(),
              ElementsAre(folder.path() / "model-00001-of-00002.safetensors",
                          folder.path() / "model-00002-of-00002.safetensors",
                          folder.path() / "model.safetensors.index.json"));
  const Json index = read_json_file(folder.path() / "model.safetensors.index.json");
  EXPECT_EQ(index["metadata"]["total_size"], 134);
  EXPECT_EQ(index["weight_map"]["w.b"], "model-00001-of-00002.safetensors");
  EXPECT_EQ(index["weight_map"]["w.c"], "model-00002-of-00002.safetensors");
  EXPECT_EQ(writer.file_bytes(), folder_bytes(folder.path()));
}

TEST(SafetensorsWriter, GivesATensorAboveTheLimitAShardOfItsOwn) {
  TestFolder folder;
  SafetensorsWriter writer(folder.path(), kFour, 1);
  write_all(writer, kFour);
  EXPECT_EQ(SafetensorsReader::open_folder(folder.path()).files().size(), 5u);
}

TEST(SafetensorsWriter, TakesPiecesInAnyOrder) {
  TestFolder folder;
  SafetensorsWriter writer(folder.path(), kFour, kNoLimit);
  for (const TensorSpec& spec : {kFour[3], kFour[1], kFour[2]})
    writer.write(spec.name, bytes_of(pattern(spec)));
  const std::string whole = pattern(kFour[0]);
  writer.write_part("w.a", 50, bytes_of(whole).subspan(50));
  writer.write_part("w.a", 0, bytes_of(whole).first(50));
  writer.finish();
  EXPECT_EQ(text_of(SafetensorsReader::open_folder(folder.path()).at("w.a").bytes), whole);
}

TEST(SafetensorsWriter, WritesNoTensorsToo) {
  TestFolder folder;
  SafetensorsWriter(folder.path(), {}, kNoLimit).finish();
  EXPECT_TRUE(SafetensorsReader::open_folder(folder.path()).tensors().empty());
}

TEST(SafetensorsWriter, RefusesMisuse) {
  TestFolder folder;
  SafetensorsWriter writer(folder.path(), kFour, kNoLimit);
  EXPECT_EQ(error_of<InternalError>([&] { writer.write("x", {}); }),
            "tensor 'x' was not declared to the writer");
  EXPECT_EQ(error_of<InternalError>([&] { writer.write("w.b", bytes_of("abc")); }),
            "tensor 'w.b' was declared with 20 bytes and written with 3");
  EXPECT_EQ(error_of<InternalError>([&] { writer.write_part("w.b", 18, bytes_of("abc")); }),
            "a piece of tensor 'w.b' of 3 bytes at 18 leaves its 20 bytes");
  EXPECT_THAT(error_of<InternalError>([&] { writer.finish(); }), HasSubstr("bytes of tensor 'w."));
  EXPECT_EQ(error_of<InternalError>([&] {
              SafetensorsWriter(folder.path(), {kFour[0], kFour[0]}, kNoLimit);
            }),
            "tensor 'w.a' was declared twice to the writer");
}

TEST(SafetensorsWriter, LeavesNothingWithoutFinish) {
  TestFolder folder;
  { SafetensorsWriter writer(folder.path(), kFour, 50); }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(SafetensorsWriter, SaysAtOnceThatTheDiskIsTooSmall) {
  TestFolder folder;
  const std::string message = error_of<FormatError>([&] {
    SafetensorsWriter(folder.path(), {{"w", DType::kU8, {std::int64_t{1} << 60}}}, kNoLimit);
  });
  EXPECT_THAT(message,
              HasSubstr(folder.path().string() +
                        ": expected 1073741824 GiB of free disk for the weights, found "));
  EXPECT_THAT(message, HasSubstr("; free some space or choose another disk"));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(SafetensorsReader, PrefersTheSingleFile) {
  TestFolder folder;
  folder.write("model.safetensors", safetensors_text("{}"));
  folder.write("model.safetensors.index.json", "not even JSON");
  EXPECT_TRUE(SafetensorsReader::open_folder(folder.path()).tensors().empty());
}

TEST(SafetensorsReader, FollowsTheLinksOfADownloadCache) {
  TestFolder blobs, folder;
  blobs.write("0123abcd",
              safetensors_text(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x"));
  fs::create_symlink(blobs.path() / "0123abcd", folder.path() / "model.safetensors");
  EXPECT_EQ(text_of(SafetensorsReader::open_folder(folder.path()).at("a").bytes), "x");
}

}  // namespace
}  // namespace pith
