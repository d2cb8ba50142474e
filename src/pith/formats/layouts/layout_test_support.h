// Models in the layouts of other programs, for the tests of those.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "pith/codec/bit_pack.h"
#include "pith/codec/float_convert.h"
#include "pith/formats/layouts/layout.h"
#include "pith/formats/layouts/packed_words.h"
#include "pith/formats/test_models.h"

namespace pith {

// A llama whose widths divide as the layouts want: q, o [64, 64], k, v [32, 64], gate, up [96, 64],
// down [64, 96].
inline DecoderSpec words_spec(Family family = Family::kLlama, std::size_t layers = 1) {
  DecoderSpec spec = tiny_spec(family);
  spec.hidden = 64;
  const bool gpt2 = family == Family::kGpt2;
  spec.layers.assign(layers, LayerSpec{2, gpt2 ? 2 : 1, 32, 32, 96, 0});
  return spec;
}

inline std::vector<std::uint8_t> random_codes(std::size_t count, int bits, std::mt19937& random) {
  std::vector<std::uint8_t> codes(count);
  for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(random() % (1u << bits));
  return codes;
}

// Codes, scales, zero points and, with column_groups, groups without order or pattern.
inline PackedMatrix random_group_int(const GroupIntEncoding& encoding,
                                     std::size_t rows,
                                     std::size_t cols,
                                     unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Buffer> buffers;
  for (BufferSpec& spec : buffer_specs(encoding, rows, cols)) {
    OwnedBuffer owned = allocate_buffer(std::move(spec));
    const std::string& part = owned.buffer.spec.part;
    const std::size_t groups = groups_in_row(encoding, cols);
    if (part == "codes" || part == "zeros") {
      const std::size_t width = part == "codes" ? cols : groups;
      pack_rows({rows, width, encoding.bits},
                random_codes(rows * width, encoding.bits, random),
                owned.writable);
    } else if (part == "scales") {
      std::vector<float> scales(rows * groups);
      for (float& scale : scales) scale = (static_cast<float>(random() % 255) - 128.0f) / 512.0f;
      from_f32(encoding.scale_dtype, scales, owned.writable);
    } else {
      std::vector<std::int32_t> index(cols);
      for (std::size_t k = 0; k < cols; ++k)
        index[k] = static_cast<std::int32_t>(k / encoding.group_size);
      std::ranges::shuffle(index, random);
      std::memcpy(owned.writable.data(), index.data(), owned.writable.size());
    }
    buffers.push_back(std::move(owned.buffer));
  }
  return PackedMatrix(encoding, rows, cols, std::move(buffers));
}

// The encoding of a parameter, by its name.
using EncodingOf = std::function<Encoding(const Parameter&)>;

// Block linears so, all else F16.
inline EncodingOf linears_as(const Encoding& encoding) {
  return [encoding](const Parameter& parameter) -> Encoding {
    if (parameter.kind == ParameterKind::kLinear) return encoding;
    return DenseEncoding{DType::kF16};
  };
}

inline Weights random_weights(const DecoderSpec& spec, const EncodingOf& encoding_of) {
  Weights weights;
  for (const Parameter& parameter : parameters_of(spec)) {
    const Encoding encoding = encoding_of(parameter);
    const auto* group_int = std::get_if<GroupIntEncoding>(&encoding);
    const std::vector<float> values = test_values(parameter);
    weights.emplace(
        parameter.name,
        group_int
            ? random_group_int(*group_int,
                               parameter.rows,
                               parameter.cols,
                               static_cast<unsigned>(std::hash<std::string>{}(parameter.name)))
            : encode(
                  source_of(MatrixView<const float>(values.data(), parameter.rows, parameter.cols)),
                  encoding));
  }
  return weights;
}

inline void write_weights(const std::filesystem::path& folder,
                          const DecoderSpec& spec,
                          const Weights& weights,
                          std::string_view layout) {
  std::vector<StoredParameter> stored;
  for (const Parameter& parameter : parameters_of(spec)) {
    const PackedMatrix& weight = weights.at(parameter.name);
    stored.push_back({parameter.name, weight.encoding(), weight.activation});
  }
  CheckpointWriter writer(folder, spec, stored, CheckpointWriter::kDefaultShardBytes, layout);
  for (const auto& [name, weight] : weights) writer.write(name, weight);
  writer.finish();
}

inline Weights write_random(const std::filesystem::path& folder,
                            const DecoderSpec& spec,
                            const EncodingOf& encoding_of,
                            std::string_view layout) {
  Weights weights = random_weights(spec, encoding_of);
  write_weights(folder, spec, weights, layout);
  return weights;
}

}  // namespace pith
