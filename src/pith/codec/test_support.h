// What the tests of this room share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "pith/base/json.h"
#include "pith/base/random.h"
#include "pith/base/test_support.h"  // message_of
#include "pith/base/threads.h"
#include "pith/codec/bit_pack.h"
#include "pith/codec/packed_matrix.h"
#include "pith/codec/quantize.h"

namespace pith {

inline std::vector<float> normal_values(std::size_t count, float size, std::uint64_t seed) {
  const Random random(seed, stream_of("codec test"));
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = random.normal(i) * size;
  return values;
}

// Borrows `values`.
inline WeightSource source_of_values(const std::vector<float>& values, std::size_t rows) {
  return source_of(MatrixView<const float>(values.data(), rows, values.size() / rows));
}

inline std::vector<std::byte> bytes_of_hex(const std::string& hex) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

template <class T>
std::vector<T> array_of(std::span<const std::byte> bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}
inline std::vector<float> floats_of_hex(const std::string& hex) {
  return array_of<float>(bytes_of_hex(hex));
}

inline std::vector<std::byte> bytes_of(const PackedMatrix& matrix, std::string_view part) {
  const auto bytes = matrix.buffer(part).bytes;
  return {bytes.begin(), bytes.end()};
}

// The unsigned codes of a group_int weight, row by row.
inline std::vector<int> codes_of(const PackedMatrix& matrix) {
  const int bits = std::get<GroupIntEncoding>(matrix.encoding()).bits;
  const std::size_t row_bytes = packed_bytes(matrix.cols(), bits);
  std::vector<int> all;
  std::vector<std::uint8_t> row(matrix.cols());
  for (std::size_t r = 0; r < matrix.rows(); ++r) {
    unpack_bits(matrix.buffer("codes").bytes.subspan(r * row_bytes, row_bytes), bits, row);
    all.insert(all.end(), row.begin(), row.end());
  }
  return all;
}

inline double mean_square_error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double e = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += e * e;
  }
  return sum / static_cast<double>(a.size());
}

inline Json read_golden(const std::string& name) {
  return read_json_file(std::string(PITH_SOURCE_DIR) + "/tests/golden/codec/" + name);
}

// True if both hold the same encoding and the same bytes.
inline bool same_bytes(const PackedMatrix& a, const PackedMatrix& b) {
  if (a.encoding() != b.encoding() || a.buffers().size() != b.buffers().size()) return false;
  for (std::size_t i = 0; i < a.buffers().size(); ++i)
    if (!std::ranges::equal(a.buffers()[i].bytes, b.buffers()[i].bytes)) return false;
  return true;
}

}  // namespace pith
