#include "pith/report/output.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "pith/base/error.h"

namespace pith {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class OutputRunTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "pith-output-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    base_ = name;
    std::ofstream(base_ / "in") << "weights";
  }
  void TearDown() override { fs::remove_all(base_); }

  RunIdentity identity(int bits) const {
    return {"quantize", Json{{"bits", bits}}, {base_ / "in"}};
  }
  fs::path base_;
};

TEST_F(OutputRunTest, AppearsOnlyWhenFinished) {
  {
    OutputRun run(identity(4), base_ / "out");
    EXPECT_FALSE(run.finished_before());
    std::ofstream(run.folder() / "weights") << "x";
    EXPECT_FALSE(fs::exists(base_ / "out"));
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(base_), fs::directory_iterator()),
            1);  // only "in"
}

TEST_F(OutputRunTest, TheSameCommandTwiceIsDoneOnce) {
  OutputRun(identity(4), base_ / "out").finish({});
  const Json report = read_json_file(base_ / "out" / "report.json");
  EXPECT_EQ(report["command"], "quantize");
  EXPECT_EQ(report["inputs"][0]["name"], "in");
  EXPECT_TRUE(OutputRun(identity(4), base_ / "out").finished_before());
}

TEST_F(OutputRunTest, AnythingElseOnAnExistingOutputIsRefused) {
  OutputRun(identity(4), base_ / "out").finish({});
  const auto message = [&](const RunIdentity& other) -> std::string {
    try {
      OutputRun run(other, base_ / "out");
    } catch (const FormatError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message(identity(3)), HasSubstr("not made by this same command"));
  std::ofstream(base_ / "in") << "other weights";
  EXPECT_THAT(message(identity(4)), HasSubstr("choose another -o"));
}

TEST_F(OutputRunTest, AFileHasItsReportBesideIt) {
  {
    OutputRun run(identity(4), base_ / "out.gguf");
    std::ofstream(run.folder() / "model.gguf") << "x";
    EXPECT_FALSE(fs::exists(base_ / "out.gguf"));
    run.finish({});
  }
  EXPECT_TRUE(fs::is_regular_file(base_ / "out.gguf"));
  EXPECT_EQ(read_json_file(base_ / "out.report.json")["command"], "quantize");
  EXPECT_EQ(std::distance(fs::directory_iterator(base_), fs::directory_iterator()), 3);
  EXPECT_TRUE(OutputRun(identity(4), base_ / "out.gguf").finished_before());
  EXPECT_THROW(OutputRun(identity(3), base_ / "out.gguf"), FormatError);
}

TEST_F(OutputRunTest, ASplitFileKeepsItsNumbers) {
  {
    OutputRun run(identity(4), base_ / "out.gguf");
    for (const char* part : {"model-00001-of-00002.gguf", "model-00002-of-00002.gguf"})
      std::ofstream(run.folder() / part) << part;
    run.finish({});
  }
  EXPECT_TRUE(fs::is_regular_file(base_ / "out-00001-of-00002.gguf"));
  EXPECT_TRUE(fs::is_regular_file(base_ / "out-00002-of-00002.gguf"));
  EXPECT_TRUE(OutputRun(identity(4), base_ / "out.gguf").finished_before());
  EXPECT_THROW(OutputRun(identity(3), base_ / "out.gguf"), FormatError);
}

}  // namespace
}  // namespace pith
