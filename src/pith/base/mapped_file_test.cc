#include "pith/base/mapped_file.h"

#include <sys/stat.h>

#include "pith/base/error.h"
#include "pith/base/random.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, ShowsTheBytes) {
  const TestFolder folder;
  write_plainly(folder / "a", std::string_view("one\0two", 7));
  const MappedFile file(folder / "a");
  EXPECT_EQ(text_of(file), std::string_view("one\0two", 7));
  EXPECT_EQ(file.path(), folder / "a");
}

TEST(MappedFile, EmptyFileIsAnEmptySpan) {
  const TestFolder folder;
  write_plainly(folder / "empty", "");
  EXPECT_TRUE(MappedFile(folder / "empty").bytes().empty());
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  const TestFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  const auto message = [](const std::filesystem::path& path) {
    return message_of<FormatError>([&] { MappedFile{path}; });
  };
  EXPECT_EQ(message(folder / "none"),
            (folder / "none").string() + ": cannot open: No such file or directory");
  EXPECT_EQ(message(folder.path()), folder.path().string() + ": expected a file, found a folder");
  EXPECT_EQ(message("/dev/null"), "/dev/null: expected a file, found a device");
  EXPECT_EQ(message(folder / "pipe"),
            (folder / "pipe").string() + ": expected a file, found a pipe");
  EXPECT_EQ(message(""), ": cannot open: No such file or directory");
}

TEST(MappedFile, AdviceChangesNoByte) {
  const TestFolder folder;
  std::string text;
  const Random random(1, 0);
  for (int i = 0; i < 50000; ++i) text += static_cast<char>(random.bits(i));
  write_plainly(folder / "a", text);
  const MappedFile file(folder / "a");
  for (const auto& [first, count] :
       {std::pair{0, 50000}, {1, 1}, {4095, 2}, {4096, 4096}, {49999, 1}, {100, 0}}) {
    const auto range = file.bytes().subspan(first, count);
    file.will_need(range);
    file.dont_need(range);
    EXPECT_EQ(text_of(file), text) << first << " " << count;
  }
}

TEST(MappedFile, AdviceOutsideTheFileIsABug) {
  const TestFolder folder;
  write_plainly(folder / "a", "text");
  const MappedFile file(folder / "a");
  const std::byte elsewhere[4]{};
  EXPECT_THROW(file.dont_need(elsewhere), InternalError);
}

TEST(ReadTextFile, ReadsUpToTheLimit) {
  const TestFolder folder;
  write_plainly(folder / "a", "12345");
  EXPECT_EQ(read_text_file(folder / "a", 5), "12345");
  EXPECT_EQ(message_of<FormatError>([&] { read_text_file(folder / "a", 4); }),
            (folder / "a").string() + ": expected at most 4 bytes, found 5 bytes");
  EXPECT_THROW(read_text_file(folder.path(), 5), FormatError);
}

}  // namespace
}  // namespace pith
