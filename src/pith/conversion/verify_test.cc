#include "pith/conversion/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pith/conversion/checksum.h"
#include "pith/conversion/forward_probe.h"
#include "pith/conversion/size_report.h"
#include "pith/conversion/test_models.h"

namespace pith {
namespace {

using testing::HasSubstr;

WrittenModel notes_of(const Checkpoint& checkpoint) {
  WrittenModel written;
  ForwardProbe probe(checkpoint.spec());
  for (const Parameter& parameter : checkpoint.parameters()) {
    const PackedMatrix weight = checkpoint.load(parameter.name);
    written.parameters.push_back(note_of(parameter.name, weight));
    probe.take(parameter, weight);
  }
  written.forward.assign(probe.result().begin(), probe.result().end());
  return written;
}

// A quantized folder, as it was written.
class VerifyFolder : public testing::Test {
 protected:
  VerifyFolder() {
    const Checkpoint source = random_checkpoint(folder_ / "source", tiny_llama());
    convert(source, path_, planner_of({.method = "dynamic-int8"}, tiny_llama()));
    written_ = notes_of(Checkpoint::open(path_));
    written_.file_bytes = std::filesystem::file_size(path_ / "model.safetensors");
  }
  std::string verify() const { return verify_model(path_, written_); }
  std::string complaint() const {
    return message_of<FormatError>([&] { verify(); });
  }
  WrittenParameter& note(const std::string& name) {
    for (WrittenParameter& note : written_.parameters)
      if (note.name == name) return note;
    throw InternalError("no such parameter");
  }

  TestFolder folder_;
  const std::filesystem::path path_ = folder_ / "quantized";
  WrittenModel written_;
};

TEST_F(VerifyFolder, SaysWhatItCompared) {
  EXPECT_THAT(verify(),
              HasSubstr("reread from the files: 21 parameters, shapes, encodings and all "));
  EXPECT_THAT(verify(),
              HasSubstr(fmt::format("a forward pass of 3 tokens is bit-identical; the weight files "
                                    "have the declared {} bytes",
                                    written_.file_bytes)));
}

TEST_F(VerifyFolder, FindsAFlippedBitAnywhereInTheWeights) {
  const std::string good = contents(path_ / "model.safetensors");
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, good.data(), 8);
  const std::size_t first = 8 + header_bytes;
  for (std::size_t i = 0; i < 40; ++i) {
    std::string bad = good;
    const std::size_t at = first + i * (good.size() - 1 - first) / 39;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (i % 7)));
    write_plainly(path_ / "model.safetensors", bad);
    EXPECT_THAT(complaint(), HasSubstr("expected the bytes that were written (checksum ")) << at;
  }
}

TEST_F(VerifyFolder, NamesTheParameterAndTheDifference) {
  const std::string up = "layers.1.mlp.up";
  const WrittenParameter good = note(up);
  note(up).rows = 45;
  EXPECT_THAT(complaint(),
              HasSubstr("verifying 'layers.1.mlp.up': expected [45, 24], found [44, 24]"));
  note(up) = good;
  note(up).encoding = DenseEncoding{};
  EXPECT_THAT(
      complaint(),
      HasSubstr("verifying 'layers.1.mlp.up': expected " + to_string(Encoding(DenseEncoding{}))));
  note(up) = good;
  note(up).activation = ActivationQuantization{ActivationScheme::kNone};
  EXPECT_THAT(complaint(), HasSubstr("expected activation none, found dynamic-int8-token"));
  note(up) = good;
  note(up).checksum ^= 1;
  EXPECT_THAT(complaint(), HasSubstr("found other bytes ("));
  note(up) = good;
  written_.file_bytes += 1;
  EXPECT_THAT(complaint(),
              HasSubstr(fmt::format("expected weight files of {} bytes, found {}",
                                    written_.file_bytes,
                                    written_.file_bytes - 1)));
  written_.parameters.pop_back();
  EXPECT_THAT(complaint(), HasSubstr("expected 20 parameters, found 21"));
}

TEST_F(VerifyFolder, ComparesAForwardPass) {
  written_.forward[5] += 1e-5f;
  EXPECT_THAT(verify(), HasSubstr("a forward pass of 3 tokens agrees to "));
  written_.forward[5] += 0.01f;
  EXPECT_THAT(complaint(),
              HasSubstr("verifying 'a forward pass': expected outputs within 0.0001 of those in "
                        "memory, found a difference of 0.00"));
  written_.forward.pop_back();
  EXPECT_THAT(complaint(), HasSubstr("found a difference of inf of the largest"));
}

// Weights as written, but another network around them.
TEST_F(VerifyFolder, SeesAConfigurationThatChangedTheFunction) {
  Json config = read_json_file(path_ / "config.json");
  config["rms_norm_eps"] = 0.01;
  write_plainly(path_ / "config.json", config.dump());
  EXPECT_THAT(complaint(), HasSubstr("verifying 'a forward pass'"));
}

TEST(Checksum, DependsOnEveryByteAndOnTheLength) {
  for (std::size_t size : {0, 1, 7, 8, 9, 31, 32, 33, 64, 100}) {
    std::vector<std::byte> bytes(size, std::byte{0});
    const std::uint64_t good = checksum(bytes);
    EXPECT_EQ(checksum(bytes), good);
    for (std::size_t i = 0; i < size; ++i)
      for (int bit = 0; bit < 8; ++bit) {
        bytes[i] = static_cast<std::byte>(1 << bit);
        EXPECT_NE(checksum(bytes), good) << size << " " << i << " " << bit;
        bytes[i] = std::byte{0};
      }
    bytes.push_back(std::byte{0});
    EXPECT_NE(checksum(bytes), good) << size;
    EXPECT_NE(checksum(bytes, 1), checksum(bytes, 0));
  }
}

TEST(Checksum, SeesExchangedWordsAndBuffers) {
  std::vector<std::byte> bytes(96);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  const std::uint64_t good = checksum(bytes);
  for (std::size_t other = 8; other < 96; other += 8) {
    std::vector<std::byte> swapped = bytes;
    std::swap_ranges(
        swapped.begin(), swapped.begin() + 8, swapped.begin() + static_cast<std::ptrdiff_t>(other));
    EXPECT_NE(checksum(swapped), good) << other;
  }
}

TEST(SizeReport, NamesEveryByte) {
  const TestFolder folder;
  const Checkpoint source = random_checkpoint(folder / "source", tiny_llama(), DType::kBF16);
  write_plainly(folder / "source" / "tokenizer.json", R"({"version": "1.0"})");
  convert(source, folder / "out", planner_of({.method = "absmax"}, tiny_llama()));
  const SizeReport size = size_report(Checkpoint::open(folder / "out"));
  const auto file_bytes = [&](const char* name) {
    return std::filesystem::file_size(folder / "out" / name);
  };
  // 2 layers: q, o 24 x 24; k, v 12 x 24; gate, up 44 x 24; down 24 x 44; a code a weight and a
  // scale a row
  const std::uint64_t codes = 2 * (2 * 24 * 24 + 2 * 12 * 24 + 3 * 44 * 24),
                      rows = 2 * (24 + 24 + 12 + 12 + 44 + 44 + 24);
  EXPECT_EQ(size.parts.at("linears"), codes + 4 * rows);
  EXPECT_EQ(size.parts.at("embedding"), 2u * 37 * 24);
  EXPECT_EQ(size.parts.at("head"), 2u * 37 * 24);
  EXPECT_EQ(size.parts.at("norms_and_biases"), 2u * 5 * 24);
  EXPECT_EQ(size.parts.at("config"), file_bytes("config.json"));
  EXPECT_EQ(size.parts.at("tokenizer"), file_bytes("tokenizer.json"));
  std::uint64_t total = 0;
  for (const auto& [name, bytes] : size.parts) total += bytes;
  EXPECT_EQ(size.total_bytes, total);
  EXPECT_EQ(
      total,
      file_bytes("model.safetensors") + file_bytes("config.json") + file_bytes("tokenizer.json"));
  EXPECT_EQ(size.parameters, codes + 2 * 37 * 24 + 5 * 24);
  EXPECT_DOUBLE_EQ(size.bits_per_weight,
                   8.0 * static_cast<double>(total) / static_cast<double>(size.parameters));
}

}  // namespace
}  // namespace pith
