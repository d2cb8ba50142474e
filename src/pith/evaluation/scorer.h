// Scorer: what a model must offer to be evaluated. model/ implements it with torch, engine/
// natively.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "pith/base/error.h"

namespace pith {

// A model gave a number that is NaN or infinite: "a logit: expected a finite number, found none;
// ...".
class NonfiniteError : public FormatError {
 public:
  explicit NonfiniteError(const std::string& place)
      : FormatError({.place = place,
                     .expected = "a finite number",
                     .found = "NaN or an infinite one",
                     .remedy = "all weights are finite, so a product overflowed"}) {}
  explicit NonfiniteError(const ErrorParts& parts) : FormatError(parts) {}
};

// A pass has two halves, so that [tokens, vocabulary] logits never exist whole: run() takes a
// sequence through the network and keeps the last hidden states; logits() makes rows of logits from
// them.
class Scorer {
 public:
  virtual ~Scorer() = default;
  virtual std::int64_t vocab() const = 0;
  virtual std::int64_t context() const = 0;        // longest sequence run() accepts
  virtual std::string engine() const = 0;          // "torch" or "native"
  virtual std::string activations() const = 0;     // "f32", "bf16", "dynamic-int8-token"
  virtual std::uint64_t weight_bytes() const = 0;  // held in memory
  // ids: 1 to context() of them, each in [0, vocab).
  virtual void run(std::span<const std::int32_t> ids) = 0;
  // Logits after positions first .. first + count - 1 of the last run(): out[count * vocab].
  virtual void logits(std::size_t first, std::size_t count, std::span<float> out) = 0;
};

}  // namespace pith
