#include "pith/report/size.h"

#include <gmock/gmock.h>

#include "pith/base/error.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

namespace fs = std::filesystem;

// A copy of a model of tests/golden/model without what was only made for other tests.
void copy_model(const std::string& name, const TestFolder& folder) {
  for (const auto& entry : fs::directory_iterator(PITH_SOURCE_DIR "/tests/golden/model/" + name))
    if (entry.path().filename() != "golden.safetensors")
      fs::copy_file(entry.path(), folder / entry.path().filename().string());
}

std::uint64_t bytes_in(const TestFolder& folder) {
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) bytes += entry.file_size();
  return bytes;
}

class MeasureSizeTest : public testing::TestWithParam<std::string> {};

TEST_P(MeasureSizeTest, PartsSumUpToTheFilesOfTheFolder) {
  const TestFolder folder;
  copy_model(GetParam(), folder);
  write_plainly(folder / "tokenizer.json", "{\"a\": 1}");
  write_plainly(folder / "tokenizer_config.json", "{}");
  const SizeReport size = measure_size(folder.path());
  EXPECT_EQ(size.total_bytes, bytes_in(folder));
  std::uint64_t sum = 0;
  for (const auto& [part, bytes] : size.parts) sum += bytes;
  EXPECT_EQ(sum, size.total_bytes);
  EXPECT_EQ(size.parts.at("tokenizer"), 10u);
  EXPECT_EQ(size.parts.at("config"), fs::file_size(folder / "config.json"));

  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  const DecoderSpec& spec = checkpoint.spec();
  EXPECT_EQ(size.total_bytes, checkpoint.file_bytes());
  EXPECT_EQ(size.parameters, static_cast<std::uint64_t>(parameter_count(spec)));
  EXPECT_DOUBLE_EQ(
      size.bits_per_weight,
      8.0 * static_cast<double>(size.total_bytes) / static_cast<double>(size.parameters));
  const std::uint64_t width = GetParam().ends_with("bf16") ? 2 : 4;
  const bool learned = spec.position == PositionKind::kLearned;
  const auto embedding =
      static_cast<std::uint64_t>((spec.vocab + (learned ? spec.context : 0)) * spec.hidden);
  EXPECT_EQ(size.parts.at("embedding"), embedding * width);
  EXPECT_EQ(size.parts.at("head"),
            spec.tied_head ? 0 : static_cast<std::uint64_t>(spec.vocab * spec.hidden) * width);
  EXPECT_GT(size.parts.at("linears"), 0u);
  EXPECT_GT(size.parts.at("norms_and_biases"), 0u);
  EXPECT_GT(size.parts.at("headers"), 100u);
  EXPECT_EQ(size.parts.size(), 7u);
}

INSTANTIATE_TEST_SUITE_P(
    Models,
    MeasureSizeTest,
    testing::Values("gpt2", "llama", "llama-tied-bf16", "llama-biases-sharded"),
    [](const auto& info) {
      std::string name = info.param;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST(MeasureSize, FailsAsOpeningDoes) {
  EXPECT_THAT(
      message_of<FormatError>([] { measure_size(std::filesystem::path("/nowhere/model")); }),
      testing::HasSubstr("/nowhere/model"));
}

}  // namespace
}  // namespace pith
