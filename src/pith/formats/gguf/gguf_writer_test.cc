#include "pith/formats/gguf/gguf_writer.h"

#include <gmock/gmock.h>

#include "pith/formats/gguf/gguf_split.h"
#include "pith/formats/gguf/gguf_test_files.h"
#include "pith/formats/test_files.h"

namespace pith {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Shape = std::vector<std::int64_t>;
using Strings = std::vector<std::string>;

const Encoding kF32 = DenseEncoding{DType::kF32};

GgufMetadata small_metadata() {
  GgufMetadata metadata;
  metadata.set_text("general.architecture", "llama");
  metadata.set_u32("llama.block_count", 2);
  metadata.set_texts("t.merges", Strings{"a b", "ab c"});
  return metadata;
}

std::string bytes_of(const GgufTensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()};
}

std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(GgufWriter, WritesTheWorkedFile) {
  const TestFolder folder;
  const auto path = folder.path() / "m.gguf";
  const std::vector<std::byte> worked = from_hex(kWorkedFile);
  GgufFileWriter writer(
      path, small_metadata(), {{"w.weight", {1, 32}, GgmlEncoding{GgmlType::kQ8_0}}});
  EXPECT_EQ(writer.file_bytes(), 288u);
  EXPECT_EQ(writer.files(), std::vector{path});
  writer.write("w.weight", std::span(worked).subspan(0xe0, 34));
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.finish();
  EXPECT_EQ(read_bytes(path), worked);
}

TEST(GgufWriter, WritesAndCopiesEveryValueType) {
  GgufMetadata metadata;
  metadata.set_u16("u16", 60000);
  metadata.set_u32("u32", 4000000000u);
  metadata.set_i32("i32", -70000);
  metadata.set_f32("f32", 0.5f);
  metadata.set_bool("bool", true);
  metadata.set_text("text", "gr\xc3\xbc\xc3\x9f");
  metadata.set_u32s("u32s", std::vector<std::uint32_t>{1, 4000000000u});
  metadata.set_i32s("i32s", std::vector<std::int32_t>{-1, 5});
  metadata.set_f32s("f32s", std::vector<float>{1.5f, -2.0f});
  metadata.set_texts("texts", Strings{"", "a b", "\xff"});
  EXPECT_TRUE(metadata.has("f32s"));
  EXPECT_FALSE(
      metadata.has("f32"
                   "x"));
  EXPECT_THAT(error_of<InternalError>([&] { metadata.set_bool("u16", false); }),
              HasSubstr("metadata key 'u16' was set twice"));
  const TestFolder folder;
  const auto path = folder.path() / "m.gguf";
  GgufFileWriter(path, metadata, {}).finish();
  const GgufFile file(path);
  ASSERT_EQ(file.metadata().size(), 10u);
  EXPECT_EQ(file.metadata()[0].first, "u16");
  EXPECT_EQ(file.integer("u16", 0, 70000), 60000);
  EXPECT_EQ(file.integer("u32", 0, 1ll << 40), 4000000000);
  EXPECT_EQ(file.integer("i32", -100000, 0), -70000);
  EXPECT_EQ(file.number("f32"), 0.5);
  EXPECT_TRUE(file.boolean_or("bool", false));
  EXPECT_EQ(file.string("text"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(*file.find_integers("u32s"), (Shape{1, 4000000000}));
  EXPECT_EQ(*file.find_integers("i32s"), (Shape{-1, 5}));
  EXPECT_EQ(*file.find_numbers("f32s"), (std::vector{1.5, -2.0}));
  EXPECT_EQ(*file.find_strings("texts"), (Strings{"", "a b", "\xff"}));

  // Types that Pith does not write itself pass through unchanged.
  const TemporaryGguf all(all_values().bytes());
  GgufMetadata copied;
  copied.copy(GgufFile(all.path()), "");
  GgufFileWriter(path, copied, {}).finish();
  GgufBuilder expected = all_values();
  for (const char* name : {"a", "b", "scalar"}) expected.remove_tensor(name);
  EXPECT_EQ(read_bytes(path), expected.bytes());
  GgufMetadata some;
  some.copy(GgufFile(all.path()), "u");
  EXPECT_EQ(some.size(), 6u);
  some.append(small_metadata());
  EXPECT_EQ(some.size(), 9u);
}

TEST(GgufWriter, TakesTensorsInAnyOrderAndInPieces) {
  const TestFolder folder;
  const auto path = folder.path() / "m.gguf";
  {
    GgufFileWriter writer(path,
                          {},
                          {{"a", {3}, kF32},
                           {"b", {2, 3}, DenseEncoding{DType::kBF16}},
                           {"c", {1, 64}, GgmlEncoding{GgmlType::kQ4_0}}});
    writer.write("c", as_bytes(std::string(36, 'c')));
    writer.write_part("a", 8, as_bytes("3333"));
    writer.write_part("b", 0, as_bytes("bbbbbbbbbbbb"));
    writer.write_part("a", 0, as_bytes("11112222"));
    writer.finish();
  }
  const GgufFile file(path);  // checks alignment, padding and the end
  EXPECT_EQ(bytes_of(*file.find("a")), "111122223333");
  EXPECT_EQ(bytes_of(*file.find("b")), "bbbbbbbbbbbb");
  EXPECT_EQ(bytes_of(*file.find("c")), std::string(36, 'c'));
  EXPECT_EQ(file.find("b")->shape, (Shape{2, 3}));
  EXPECT_EQ(file.find("b")->type_name, "BF16");
  const std::string text = file_text(path);
  EXPECT_EQ(text.size() % 32, 0u);
  EXPECT_EQ(text.substr(text.size() - 28), std::string(28, '\0'));
}

TEST(GgufWriter, RefusesMisuse) {
  const TestFolder folder;
  const auto path = folder.path() / "m.gguf";
  const auto misuse = [&](auto&& use) {
    return error_of<InternalError>([&] {
      GgufFileWriter writer(path, {}, {{"a", {3}, kF32}});
      use(writer);
    });
  };
  EXPECT_THAT(misuse([](GgufFileWriter& w) { w.write("x", {}); }),
              HasSubstr("tensor 'x' was not declared to the writer"));
  EXPECT_THAT(misuse([](GgufFileWriter& w) { w.write("a", as_bytes("1234")); }),
              HasSubstr("tensor 'a' was declared with 12 bytes and written with 4"));
  EXPECT_THAT(misuse([](GgufFileWriter& w) { w.write_part("a", 10, as_bytes("1234")); }),
              HasSubstr("a piece of tensor 'a' of 4 bytes at 10 leaves its 12 bytes"));
  EXPECT_THAT(misuse([](GgufFileWriter& w) {
                w.write_part("a", 4, as_bytes("1234"));
                w.finish();
              }),
              HasSubstr("4 of 12 bytes of tensor 'a' were written"));
  EXPECT_THAT(error_of<InternalError>([&] {
                GgufFileWriter(path, {}, {{"a", {3}, kF32}, {"a", {3}, kF32}});
              }),
              HasSubstr("tensor 'a' was declared twice"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(GgufWriter, RefusesWhatTheFormatLacks) {
  const TestFolder folder;
  const auto refusal = [&](const GgufTensorSpec& tensor) {
    return error_of<UserError>([&] { GgufFileWriter(folder.path() / "m.gguf", {}, {tensor}); });
  };
  EXPECT_THAT(refusal({"a", {2, 8}, Float8Encoding{}}),
              AllOf(HasSubstr("expected an encoding that it has: f32, f16, bf16, Q"),
                    HasSubstr("found e4m3 row")));
  EXPECT_THAT(refusal({"a", {2, 40}, GgmlEncoding{GgmlType::kQ4_0}}),
              HasSubstr("tensor 'a': rows of 40 are not whole Q4_0 blocks of 32"));
  const std::vector<GgufTensorSpec> many = [] {
    std::vector<GgufTensorSpec> tensors;
    for (std::size_t i = 0; i <= kMaxShards; ++i)
      tensors.push_back({fmt::format("t{}", i), {1}, kF32});
    return tensors;
  }();
  EXPECT_THAT(error_of<UserError>([&] { GgufFileWriter(folder.path() / "m.gguf", {}, many, 4); }),
              HasSubstr("shards of 4 B: expected at most 65535 of them, found 65536"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

// Five tensors of 32 bytes, two a file.
std::vector<std::filesystem::path> write_split(const TestFolder& folder) {
  std::vector<GgufTensorSpec> tensors;
  for (const char* name : {"a", "b", "c", "d", "e"}) tensors.push_back({name, {2, 4}, kF32});
  GgufFileWriter writer(folder.path() / "model.gguf", small_metadata(), tensors, 64);
  for (const GgufTensorSpec& tensor : tensors)
    writer.write(tensor.name, as_bytes(std::string(32, tensor.name[0])));
  writer.finish();
  std::uint64_t bytes = 0;
  for (const auto& path : writer.files()) bytes += std::filesystem::file_size(path);
  EXPECT_EQ(bytes, writer.file_bytes());
  return writer.files();
}

TEST(GgufSplit, AnyFileOpensAll) {
  const TestFolder folder;
  const auto paths = write_split(folder);
  ASSERT_EQ(paths.size(), 3u);
  EXPECT_EQ(paths[0].filename(), "model-00001-of-00003.gguf");
  EXPECT_EQ(paths[2].filename(), "model-00003-of-00003.gguf");
  for (const auto& path : paths) {
    const GgufFile file(path);
    EXPECT_EQ(file.paths(), paths);
    EXPECT_EQ(file.place(), paths[0].string());
    EXPECT_EQ(file.string("general.architecture"), "llama");
    EXPECT_EQ(file.integer("split.tensors.count", 0, 9), 5);
    ASSERT_EQ(file.tensors().size(), 5u);
    for (const GgufTensor& tensor : file.tensors())
      EXPECT_EQ(bytes_of(tensor), std::string(32, tensor.name[0]));
  }
}

TEST(GgufSplit, OneFileKeepsItsName) {
  const TestFolder folder;
  GgufFileWriter writer(folder.path() / "m.gguf", {}, {{"a", {8}, kF32}}, 32);
  writer.write("a", as_bytes(std::string(32, 'a')));
  writer.finish();
  EXPECT_EQ(GgufFile(folder.path() / "m.gguf").paths().size(), 1u);
  EXPECT_FALSE(GgufFile(folder.path() / "m.gguf").has("split.count"));
}

TEST(GgufSplit, NamesMissingFiles) {
  const TestFolder folder;
  const auto paths = write_split(folder);
  std::filesystem::remove(paths[0]);
  std::filesystem::remove(paths[2]);
  EXPECT_EQ(error_of<FormatError>([&] { GgufFile file(paths[1]); }),
            paths[1].string() +
                ": expected the 3 files of a split model beside each other, found no "
                "model-00001-of-00003.gguf, model-00003-of-00003.gguf; put them into the same "
                "folder");
  EXPECT_THAT(error_of<FormatError>([&] {
                GgufBuilder b;
                b.u32("split.count", 65535).u32("split.no", 0);
                const auto bytes = b.bytes();
                std::ofstream(folder.path() / "x-00001-of-65535.gguf", std::ios::binary)
                    .write(reinterpret_cast<const char*>(bytes.data()),
                           static_cast<std::streamsize>(bytes.size()));
                GgufFile file(folder.path() / "x-00001-of-65535.gguf");
              }),
              HasSubstr("x-00005-of-65535.gguf and 65530 more"));
}

TEST(GgufSplit, ChecksTheFilesAgainstEachOther) {
  const TestFolder folder;
  const auto write = [&](const std::string& name, const GgufBuilder& builder) {
    const auto bytes = builder.bytes();
    return folder.write(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  const auto shard = [](std::uint32_t index, const char* tensor) {
    GgufBuilder b;
    b.u32("split.count", 2).u32("split.no", index).u32("split.tensors.count", 2);
    return b.f32_tensor(tensor, {8});
  };
  const auto error_with = [&](const GgufBuilder& second) {
    const auto first = write("m-00001-of-00002.gguf", shard(0, "a"));
    write("m-00002-of-00002.gguf", second);
    return error_of<FormatError>([&] { GgufFile file(first); });
  };
  EXPECT_THAT(error_with(shard(1, "a")),
              HasSubstr("m-00002-of-00002.gguf: tensor 'a' is also in another file"));
  EXPECT_THAT(error_with(shard(0, "b")),
              HasSubstr("m-00002-of-00002.gguf: metadata key 'split.no': expected 1, found 0"));
  EXPECT_THAT(error_with(shard(2, "b").u32("split.count", 3)),
              HasSubstr("metadata key 'split.count': expected 2, found 3"));
  EXPECT_THAT(error_with(shard(1, "b").remove("split.no")),
              HasSubstr("m-00002-of-00002.gguf: metadata key 'split.no' is missing"));
  EXPECT_THAT(error_with(shard(5, "b")), HasSubstr("an integer from 0 to 1, found 5"));
  EXPECT_THAT(error_with(shard(1, "b").f32_tensor("c", {8})),
              HasSubstr("m-00001-of-00002.gguf: expected 2 tensors in all 2 files, found 3"));
  const auto renamed = write("m.gguf", shard(0, "a"));
  EXPECT_THAT(error_of<FormatError>([&] { GgufFile file(renamed); }),
              HasSubstr("m.gguf: expected a name that ends in '-00001-of-00002.gguf', as file 1 of "
                        "2 of a split model, found 'm.gguf'; give the files"));
}

TEST(GgufSplit, NamesOfFiles) {
  EXPECT_EQ(gguf_shard_path("a/m.gguf", 1, 3), "a/m-00002-of-00003.gguf");
  EXPECT_EQ(gguf_shard_path("m", 0, 12), "m-00001-of-00012.gguf");
  EXPECT_EQ(gguf_shard_path("a.b/m.Q4_0", 0, 1), "a.b/m.Q4_0-00001-of-00001.gguf");
}

}  // namespace
}  // namespace pith
