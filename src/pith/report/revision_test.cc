// The script that writes revision.h, run as the build runs it.
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

#include "pith/base/test_support.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

bool succeeds(const std::string& command) {
  return std::system((command + " > /dev/null 2>&1").c_str()) == 0;
}

class RevisionScriptTest : public testing::Test {
 protected:
  std::string header(const std::string& version) const {
    EXPECT_TRUE(succeeds("'" PITH_CMAKE "' '-DSOURCE=" + source_.path().string() +
                         "' -DVERSION=" + version + " '-DOUT=" + out().string() +
                         "' -P '" PITH_SOURCE_DIR "/src/pith/report/revision.cmake'"));
    return contents(out());
  }
  fs::path out() const { return folder_ / "deep/revision.h"; }

  TestFolder source_, folder_;
};

TEST_F(RevisionScriptTest, WorksWithoutGit) {
  const std::string text = header("1.2.3");
  EXPECT_THAT(text, HasSubstr("kProgramVersion = \"1.2.3\";"));
  EXPECT_THAT(text, HasSubstr("kGitRevision = \"\";"));
}

TEST_F(RevisionScriptTest, IsLeftAloneUnlessSomethingChanged) {
  header("1.2.3");
  const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(1);
  fs::last_write_time(out(), long_ago);
  header("1.2.3");
  EXPECT_EQ(fs::last_write_time(out()), long_ago);
  EXPECT_THAT(header("1.2.4"), HasSubstr("1.2.4"));
  EXPECT_NE(fs::last_write_time(out()), long_ago);
}

TEST_F(RevisionScriptTest, HasTheRevisionOfARepository) {
  const std::string git =
      "git -C '" + source_.path().string() + "' -c user.name=a -c user.email=a@b ";
  ASSERT_TRUE(succeeds(git + "init")) << "git is needed to build Pith from its repository";
  EXPECT_THAT(header("1.0.0"), HasSubstr("kGitRevision = \"\";"));  // no commit yet
  ASSERT_TRUE(succeeds(git + "commit --allow-empty -m one"));
  const std::string first = header("1.0.0");
  EXPECT_THAT(first, testing::ContainsRegex("kGitRevision = \"[0-9a-f]{7,}\";"));
  ASSERT_TRUE(succeeds(git + "commit --allow-empty -m two"));
  EXPECT_NE(header("1.0.0"), first);
}

}  // namespace
}  // namespace pith
