#include "pith/model/transformer.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "pith/formats/safetensors.h"
#include "pith/model/tensor_bridge.h"
#include "pith/model/torch_scorer.h"
#include "pith/model/torch_stepper.h"

namespace pith {
namespace {

namespace fs = std::filesystem;

struct Golden {
  at::Tensor ids;     // [1, T]
  at::Tensor logits;  // [T, V], by transformers in float32
};

Golden read_golden(const fs::path& folder, const char* name = "golden.safetensors") {
  const auto file = SafetensorsReader::open_file(folder / name);
  const StoredTensor& ids = file.at("ids");
  const StoredTensor& logits = file.at("logits");
  Golden golden{at::empty({1, ids.spec.shape[0]}, at::kLong),
                at::empty(logits.spec.shape, at::kFloat)};
  std::memcpy(golden.ids.data_ptr(), ids.bytes.data(), ids.bytes.size());
  std::memcpy(golden.logits.data_ptr(), logits.bytes.data(), logits.bytes.size());
  return golden;
}

// Largest difference in units of the golden logits' standard deviation.
double relative_difference(const at::Tensor& logits, const at::Tensor& golden) {
  return ((logits - golden).abs().max() / golden.std()).item<double>();
}

std::vector<fs::path> golden_folders() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(PITH_SOURCE_DIR "/tests/golden/model"))
    if (entry.is_directory()) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  return folders;
}

class Family : public testing::TestWithParam<fs::path> {};

TEST_P(Family, LogitsEqualTransformers) {
  const c10::InferenceMode guard;
  const Transformer model = Transformer::load(Checkpoint::open(GetParam()));
  const Golden golden = read_golden(GetParam());
  const at::Tensor logits = model.logits(model.hidden(golden.ids)).squeeze(0);
  EXPECT_LE(relative_difference(logits, golden.logits), 2e-4);
}

TEST_P(Family, IncrementalDecodingEqualsTheFullPass) {
  const c10::InferenceMode guard;
  const Checkpoint checkpoint = Checkpoint::open(GetParam());
  if (checkpoint.spec().rope.scaling == RopeScalingKind::kDynamic)
    return;  // keys depend on the final length there
  const Transformer model = Transformer::load(checkpoint);
  const Golden golden = read_golden(GetParam());
  const std::int64_t tokens = golden.ids.size(1);
  KvCache cache(model.spec(), 1, tokens);
  std::vector<at::Tensor> parts;
  for (std::int64_t begin = 0, step = 1; begin < tokens; begin += step, step = step % 3 + 1) {
    step = std::min(step, tokens - begin);  // 1, 2, 3, 1, ... new tokens a pass
    parts.push_back(model.logits(model.hidden(golden.ids.narrow(1, begin, step), &cache)));
  }
  EXPECT_EQ(cache.length(), tokens);
  EXPECT_LE(relative_difference(at::cat(parts, 1).squeeze(0), golden.logits), 2e-4);
}

TEST_P(Family, TheScorerServesTheSameLogits) {
  TorchScorer scorer(Checkpoint::open(GetParam()));
  const Golden golden = read_golden(GetParam());
  const auto* id = golden.ids.data_ptr<std::int64_t>();
  scorer.run(std::vector<std::int32_t>(id, id + golden.ids.numel()));
  at::Tensor logits = at::empty_like(golden.logits);
  const auto vocab = static_cast<std::size_t>(scorer.vocab());
  const auto out = float_span(logits);
  scorer.logits(0, 5, out.first(5 * vocab));
  scorer.logits(5, out.size() / vocab - 5, out.subspan(5 * vocab));
  EXPECT_LE(relative_difference(logits, golden.logits), 2e-4);
}

// Folders of compressed weights, written by the owners of the formats with their logits beside:
// tests/golden/formats/make_*_folders.py.
struct CompressedFolder {
  const char *name, *activations;
  // Where activations become int8, a value next to a tie falls to either side by the last bit of an
  // f32 sum, and one code moves the logits of these tiny models by some thousandths.
  double tolerance = 1e-3;
};

class Compressed : public testing::TestWithParam<CompressedFolder> {};

TEST_P(Compressed, LogitsEqualThoseOfItsOwner) {
  const c10::InferenceMode guard;
  const fs::path folder = fs::path(PITH_SOURCE_DIR "/tests/golden/formats") / GetParam().name;
  const Transformer model = Transformer::load(Checkpoint::open(folder));
  EXPECT_EQ(model.activations(), GetParam().activations);
  const Golden golden = read_golden(folder, "expected.safetensors");
  const at::Tensor logits = model.logits(model.hidden(golden.ids)).squeeze(0);
  EXPECT_LE(relative_difference(logits, golden.logits), GetParam().tolerance);
}

INSTANTIATE_TEST_SUITE_P(All,
                         Compressed,
                         testing::Values(CompressedFolder{"bnb_nf4", "f32"},
                                         CompressedFolder{"bnb_fp4", "f32"},
                                         CompressedFolder{"bnb_int8", "llm-int8", 5e-3},
                                         CompressedFolder{"bnb_gpt2_int8", "llm-int8", 5e-3}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(TorchScorer, SaysHowActivationsAreQuantized) {
  const fs::path formats = PITH_SOURCE_DIR "/tests/golden/formats";
  EXPECT_EQ(TorchScorer(Checkpoint::open(formats / "bnb_int8")).activations(), "llm-int8");
  const Transformer dense = Transformer::load(Checkpoint::open(golden_folders().front()));
  EXPECT_EQ(dense.activations(), "f32");
  EXPECT_EQ(TorchStepper(dense).activations(), "f32");
}

INSTANTIATE_TEST_SUITE_P(All, Family, testing::ValuesIn(golden_folders()), [](const auto& info) {
  std::string name = info.param.filename();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Transformer, BatchedRowsEqualSingleOnes) {
  const c10::InferenceMode guard;
  const Transformer model =
      Transformer::load(Checkpoint::open(PITH_SOURCE_DIR "/tests/golden/model/llama"));
  const at::Tensor ids = at::randint(0, 96, {3, 11}, at::kLong);
  const at::Tensor together = model.logits(model.hidden(ids));
  for (std::int64_t b = 0; b < 3; ++b)
    EXPECT_LE(relative_difference(together.select(0, b),
                                  model.logits(model.hidden(ids.narrow(0, b, 1))).squeeze(0)),
              1e-4);
}

}  // namespace
}  // namespace pith
