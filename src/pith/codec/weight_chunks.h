// Reading a WeightSource in pieces that fit the cache, and what may be wrong with its values.
// Internal to codec.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "pith/codec/quantize.h"

namespace pith {

// Rows [first, first + count) of a weight.
struct WeightChunk {
  std::size_t index = 0;  // 0, 1, ... in the order of rows
  std::size_t first = 0;
  std::size_t count = 0;
  std::span<const float> values;  // [count, cols]
};

std::size_t chunk_rows(const WeightSource& weight);  // depends on the columns alone
std::size_t num_chunks(const WeightSource& weight);
// Calls body for each chunk, several at a time; chunks do not depend on the number of threads.
void for_each_chunk(const WeightSource& weight,
                    const std::function<void(const WeightChunk&)>& body);

std::size_t count_nonfinite(std::span<const float> values);

// Collects from several threads what makes a weight impossible to encode; throw_if_any() is the
// same for any number of them.
class WeightProblems {
 public:
  explicit WeightProblems(const WeightSource& weight) : rows_(weight.rows), cols_(weight.cols) {}

  void add_nonfinite(std::size_t count) { nonfinite_ += count; }
  // A scale that its type cannot hold; `unit` orders them, so that the first is told.
  void add_overflow(std::size_t unit, double scale);
  // Throws UserError: NaN and Inf first, then a scale beyond `scale_dtype`. `remedy` is for the
  // latter.
  void throw_if_any(DType scale_dtype, const std::string& remedy) const;

 private:
  struct Overflow {
    std::size_t unit;
    double scale;
  };
  std::size_t rows_, cols_;
  std::atomic<std::size_t> nonfinite_ = 0;
  std::atomic<std::size_t> overflows_ = 0;
  std::mutex mutex_;
  std::optional<Overflow> first_overflow_;
};

// An array of a weight under construction.
std::vector<OwnedBuffer> allocate_buffers(const Encoding& encoding, const WeightSource& weight);
PackedMatrix finish(const Encoding& encoding,
                    const WeightSource& weight,
                    std::vector<OwnedBuffer> buffers);

}  // namespace pith
