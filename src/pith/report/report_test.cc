#include "pith/report/report.h"

#include <gmock/gmock.h>

#include "pith/base/error.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

RunReport example() {
  RunReport report;
  report.command = "quantize";
  report.options = {{"bits", 4}, {"layers", nullptr}};
  report.inputs = {{"model.safetensors", "00ff"}};
  report.forecast = Cost{.peak_bytes = 10, .disk_bytes = 20, .seconds = 1.5};
  report.measured = Cost{.peak_bytes = 9, .disk_bytes = 20, .seconds = 1.25};
  report.matrices = {{"layers.0.attn.q", GroupIntEncoding{.bits = 4}, 4.5, 0.01, ""},
                     {"layers.0.attn.k", DenseEncoding{}, 32, 0, "round-to-nearest"}};
  report.size = SizeReport{.total_bytes = 100,
                           .parameters = 200,
                           .bits_per_weight = 4.0,
                           .parts = {{"head", 30}, {"linears", 70}}};
  report.verified = "shapes and codes";
  report.evaluation = {{"perplexity", 21.5}};
  return report;
}

TEST(RunReport, HasTheKeysOfTheContract) {
  const Json json = to_json(example());
  EXPECT_EQ(json.at("command"), "quantize");
  EXPECT_EQ(json.at("options").dump(), R"({"bits":4,"layers":null})");
  EXPECT_EQ(json.at("inputs").dump(), R"([{"name":"model.safetensors","sha256":"00ff"}])");
  EXPECT_EQ(json.at("forecast").dump(), R"({"peak_bytes":10,"disk_bytes":20,"seconds":1.5})");
  EXPECT_EQ(json.at("measured").dump(), R"({"peak_bytes":9,"disk_bytes":20,"seconds":1.25})");
  EXPECT_EQ(
      json.at("size").dump(),
      R"({"size_bytes":100,"parameters":200,"bits_per_weight":4.0,"parts":{"head":30,"linears":70}})");
  EXPECT_EQ(json.at("verified"), "shapes and codes");
  EXPECT_EQ(json.at("evaluation").at("perplexity"), 21.5);
  EXPECT_EQ(json.at("revision"), revision());
  EXPECT_TRUE(json.at("isa").is_string());
  const Json& matrices = json.at("matrices");
  ASSERT_EQ(matrices.size(), 2u);
  EXPECT_EQ(matrices[0].at("name"), "layers.0.attn.q");
  EXPECT_EQ(matrices[0].at("encoding"), to_string(Encoding(GroupIntEncoding{.bits = 4})));
  EXPECT_EQ(matrices[0].at("bits"), 4.5);
  EXPECT_EQ(matrices[0].at("relative_error"), 0.01);
  EXPECT_TRUE(matrices[0].at("fallback").is_null());
  EXPECT_EQ(matrices[1].at("fallback"), "round-to-nearest");
}

TEST(RunReport, WhatIsAbsentIsNull) {
  const Json json = to_json(RunReport{});
  for (const char* key : {"forecast", "size", "verified", "evaluation", "options"})
    EXPECT_TRUE(json.at(key).is_null()) << key;
  for (const char* key : {"inputs", "matrices"}) EXPECT_EQ(json.at(key).dump(), "[]") << key;
  EXPECT_EQ(json.at("measured").at("seconds"), 0);
}

TEST(RunReport, IsWrittenAsOneFile) {
  const TestFolder folder;
  write_report(example(), folder.path());
  EXPECT_THAT(folder.names(), testing::ElementsAre("report.json"));
  EXPECT_EQ(read_json_file(folder / "report.json"), to_json(example()));
}

TEST(RunReport, NamesThatAreNotUtf8AreWrittenAllTheSame) {
  const TestFolder folder;
  RunReport report = example();
  report.inputs[0].name = "bad\xFF.gguf";
  write_report(report, folder.path());
  EXPECT_EQ(read_json_file(folder / "report.json").at("inputs")[0].at("name"), "bad\uFFFD.gguf");
}

TEST(RunReport, SaysWhereItCannotBeWritten) {
  EXPECT_THAT(message_of<FormatError>([] { write_report(example(), "/nowhere/at/all"); }),
              testing::HasSubstr("/nowhere/at/all"));
}

TEST(Revision, IsVersionAndGitRevision) {
  EXPECT_THAT(revision(), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+( \\([0-9a-f]+\\))?"));
}

}  // namespace
}  // namespace pith
