// Scorers without a network, for the tests of this room.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "pith/evaluation/scorer.h"

namespace pith {

// Logits after a token are a function of the token alone: a bigram model.
class FakeScorer : public Scorer {
 public:
  using Logits = std::function<void(std::int32_t token, std::span<float> row)>;
  FakeScorer(std::int64_t vocab, std::int64_t context, Logits logits)
      : vocab_(vocab), context_(context), logits_(std::move(logits)) {}

  std::int64_t vocab() const override { return vocab_; }
  std::int64_t context() const override { return context_; }
  std::string engine() const override { return "fake"; }
  std::string activations() const override { return "f32"; }
  std::uint64_t weight_bytes() const override { return 0; }
  void run(std::span<const std::int32_t> ids) override {
    ids_.assign(ids.begin(), ids.end());
    ++runs;
  }
  void logits(std::size_t first, std::size_t count, std::span<float> out) override {
    const auto width = static_cast<std::size_t>(vocab_);
    for (std::size_t r = 0; r < count; ++r)
      logits_(ids_.at(first + r), out.subspan(r * width, width));
    ++blocks;
  }

  int runs = 0, blocks = 0;

 private:
  std::int64_t vocab_, context_;
  Logits logits_;
  std::vector<std::int32_t> ids_;
};

}  // namespace pith
