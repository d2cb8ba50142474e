#include "pith/base/atomic_file.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "pith/base/error.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST(AtomicFile, AppearsOnlyAtCommit) {
  const TestFolder folder;
  {
    AtomicFile file(folder / "a");
    file.write("first ");
    file.write(std::as_bytes(std::span("second", 6)));
    EXPECT_FALSE(fs::exists(folder / "a"));
    EXPECT_THAT(folder.names(), ElementsAre(testing::StartsWith(".a.partial-")));
    file.commit();
  }
  EXPECT_THAT(folder.names(), ElementsAre("a"));
  EXPECT_EQ(contents(folder / "a"), "first second");
}

TEST(AtomicFile, WithoutCommitTheOldFileStays) {
  const TestFolder folder;
  write_file_atomically(folder / "a", "old");
  { AtomicFile(folder / "a").write("new"); }
  EXPECT_THAT(folder.names(), ElementsAre("a"));
  EXPECT_EQ(contents(folder / "a"), "old");
  write_file_atomically(folder / "a", "");
  EXPECT_EQ(contents(folder / "a"), "");
}

TEST(AtomicFile, WritesAnywhere) {
  const TestFolder folder;
  AtomicFile file(folder / "a");
  file.reserve(1 << 20);
  file.write_at(4, std::as_bytes(std::span("tail", 4)));
  file.write_at(0, std::as_bytes(std::span("head", 4)));
  file.write("!");
  file.commit();
  EXPECT_EQ(contents(folder / "a"), "headtail!");  // what was reserved beyond is given back
  struct stat status {};
  ASSERT_EQ(::stat((folder / "a").c_str(), &status), 0);
  EXPECT_LE(status.st_blocks * 512, 64 << 10);
}

TEST(AtomicFile, LongNamesStillFit) {
  const TestFolder folder;
  const std::string name(255, 'n');
  write_file_atomically(folder / name, "x");
  EXPECT_THAT(folder.names(), ElementsAre(name));
}

TEST(AtomicFile, SurvivesAChangeOfFolder) {
  const TestFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  AtomicFile file("a");
  fs::current_path("/");
  file.write("x");
  file.commit();
  fs::current_path(before);
  EXPECT_EQ(contents(folder / "a"), "x");
}

TEST(AtomicFile, RefusesBadTargets) {
  const TestFolder folder;
  write_plainly(folder / "file", "");
  const auto message = [](const fs::path& path) {
    return message_of<FormatError>([&] { AtomicFile{path}; });
  };
  EXPECT_EQ(message(folder.path()),
            folder.path().string() + ": expected a file or a free name, found a folder");
  EXPECT_EQ(message("/dev/full"),
            "/dev/full: expected a file or a free name, found a device or pipe");
  EXPECT_THAT(message(folder / "none/a"), EndsWith("none: No such file or directory"));
  EXPECT_THAT(message(folder / "file/a"), EndsWith("file is not a folder"));
  EXPECT_EQ(message(""), "'': expected the name of a file");
  EXPECT_THAT(message(folder / std::string(256, 'n')), HasSubstr("File name too long"));
  EXPECT_THAT(message("/proc/a"),
              HasSubstr("/proc/a: cannot create: "));  // unwritable even for root
  EXPECT_THAT(folder.names(), ElementsAre("file"));
}

// Lets no file grow beyond `bytes` while it lives: the nearest to a full disk that needs no mount.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : before_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, before_handler_);
  }

 private:
  void (*before_handler_)(int);
  rlimit before_{};
};

TEST(AtomicFile, AFailedWriteLeavesNothing) {
  const TestFolder folder;
  const std::string text(100000, 'x');
  {
    const FileSizeLimit limit(65536);
    EXPECT_EQ(message_of<FormatError>([&] { write_file_atomically(folder / "a", text); }),
              (folder / "a").string() + ": cannot write: File too large");
  }
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(AtomicFile, ReservingMoreThanTheDiskHasFailsAtOnce) {
  const TestFolder folder;
  AtomicFile file(folder / "a");
  EXPECT_THAT(message_of<FormatError>([&] { file.reserve(std::uint64_t{1} << 60); }),
              EndsWith("a: cannot reserve 1152921504606846976 bytes: No space left on device"));
}

TEST(AtomicFile, CommitsOnce) {
  const TestFolder folder;
  AtomicFile file(folder / "a");
  file.commit();
  EXPECT_THROW(file.commit(), InternalError);
  EXPECT_THROW(file.write("x"), InternalError);
}

TEST(AtomicFolder, AppearsOnlyAtCommit) {
  const TestFolder folder;
  {
    AtomicFolder out(folder / "out/");
    EXPECT_EQ(out.target(), folder / "out");
    write_file_atomically(out.path() / "a", "1");
    fs::create_directories(out.path() / "b/c");
    write_plainly(out.path() / "b/c/d", "2");
    fs::create_symlink("/nowhere", out.path() / "link");
    EXPECT_FALSE(fs::exists(folder / "out"));
    out.commit();
  }
  EXPECT_THAT(folder.names(), ElementsAre("out"));
  EXPECT_EQ(contents(folder / "out/a"), "1");
  EXPECT_EQ(contents(folder / "out/b/c/d"), "2");
}

TEST(AtomicFolder, WithoutCommitNothingStays) {
  const TestFolder folder;
  {
    AtomicFolder out(folder / "out");
    fs::create_directories(out.path() / "b/c");
    write_plainly(out.path() / "b/c/d", "2");
  }
  EXPECT_THAT(folder.names(), IsEmpty());
}

// A child that is killed while it writes, after a look at what stands there in the meantime.
TEST(AtomicFolder, WhatAKilledProcessLeftGoesWithTheNextOne) {
  const TestFolder folder;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const AtomicFolder out(folder / "out");
    const AtomicFile file(folder / "file");
    write_plainly(out.path() / "half", "1");
    char done = 1;
    if (::write(ready[1], &done, 1) == 1) ::pause();
    ::_exit(1);
  }
  ::close(ready[1]);  // so that a child that dies early is an end, not a wait
  char done = 0;
  ASSERT_EQ(::read(ready[0], &done, 1), 1);
  { const AtomicFolder other(folder / "out"); }
  EXPECT_EQ(folder.names().size(), 2u);  // the child is at it
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  { const AtomicFolder other(folder / "outer"); }
  EXPECT_EQ(folder.names().size(), 2u);  // of other targets
  { const AtomicFolder next(folder / "out"); }
  write_file_atomically(folder / "file", "2");
  EXPECT_THAT(folder.names(), ElementsAre("file"));
  ::close(ready[0]);
}

TEST(AtomicFolder, RefusesBadTargets) {
  const TestFolder folder;
  write_plainly(folder / "file", "");
  fs::create_directory(folder / "empty");
  fs::create_symlink("/nowhere", folder / "link");
  const auto message = [](const fs::path& path) {
    return message_of<FormatError>([&] { AtomicFolder{path}; });
  };
  EXPECT_EQ(message(folder / "empty"),
            (folder / "empty").string() +
                ": expected a free name, found a folder; choose another name or remove it");
  EXPECT_THAT(message(folder / "file"), HasSubstr("expected a free name, found a file"));
  EXPECT_THAT(message(folder / "link"), HasSubstr("expected a free name"));
  EXPECT_THAT(message(folder / "none/out"), EndsWith("none: No such file or directory"));
  EXPECT_THAT(message(folder / "file/out"), EndsWith("file is not a folder"));
  EXPECT_THAT(message("/proc/out"), HasSubstr("/proc/out: cannot create: "));
  EXPECT_THAT(message(folder / std::string(256, 'n')),
              EndsWith("cannot use this name: File name too long"));
  EXPECT_THAT(message("/"), HasSubstr("found a folder"));
  EXPECT_EQ(message(""), "'': expected the name of a folder");
  EXPECT_THAT(folder.names(), UnorderedElementsAre("file", "empty", "link"));
}

TEST(AtomicFolder, ATargetThatCameMeanwhileIsKept) {
  const TestFolder folder;
  {
    AtomicFolder out(folder / "out");
    fs::create_directory(folder / "out");  // empty: a plain rename would replace it
    EXPECT_THAT(message_of<FormatError>([&] { out.commit(); }),
                EndsWith("to its name: File exists"));
  }
  EXPECT_THAT(folder.names(), ElementsAre("out"));
}

TEST(AtomicFolder, AVanishedTemporaryIsAnError) {
  const TestFolder folder;
  AtomicFolder out(folder / "out");
  fs::remove_all(out.path());
  EXPECT_THAT(message_of<FormatError>([&] { out.commit(); }),
              HasSubstr("out: cannot sync its files: No such file"));
}

TEST(RemoveUnfinishedOutputs, TakesAllThatIsOpen) {
  const TestFolder folder;
  write_file_atomically(folder / "done", "x");
  AtomicFolder out(folder / "out");
  write_plainly(out.path() / "a", "1");
  AtomicFile file(folder / "b");
  std::thread(remove_unfinished_outputs).join();  // as the thread that serves signals does
  EXPECT_THAT(folder.names(), ElementsAre("done"));
  EXPECT_EQ(message_of<FormatError>([&] { file.commit(); }),
            (folder / "b").string() + ": interrupted before it was complete");
  EXPECT_THAT(folder.names(), ElementsAre("done"));
}

TEST(MoveDurably, GivesACompleteFileItsName) {
  const TestFolder folder;
  write_plainly(folder / "from", "text");
  move_durably(folder / "from", folder / "to");
  EXPECT_THAT(folder.names(), ElementsAre("to"));
  EXPECT_EQ(contents(folder / "to"), "text");
  EXPECT_THAT(message_of<FormatError>([&] { move_durably(folder / "to", folder / "none/to"); }),
              HasSubstr("none/to: cannot give it its name: No such file or directory"));
}

}  // namespace
}  // namespace pith
