#include "pith/codec/packed_matrix.h"

#include <numeric>

#include "pith/codec/test_support.h"

namespace pith {
namespace {

using ::testing::HasSubstr;

std::vector<Buffer> buffers_for(const Encoding& e, std::size_t rows, std::size_t cols) {
  std::vector<Buffer> buffers;
  for (BufferSpec& spec : buffer_specs(e, rows, cols)) {
    OwnedBuffer owned = allocate_buffer(std::move(spec));
    std::ranges::fill(owned.writable, std::byte{0});
    buffers.push_back(owned.buffer);
  }
  return buffers;
}

const Encoding kEncodings[] = {
    DenseEncoding{DType::kF32},
    DenseEncoding{DType::kBF16},
    Float8Encoding{},
    Float8Encoding{DType::kF8E5M2, Granularity::kTensor},
    GroupIntEncoding{},
    GroupIntEncoding{8, Granularity::kTensor, 0, ZeroPoints::kInt32, DType::kF32},
    GroupIntEncoding{3, Granularity::kGroup, 40, ZeroPoints::kPacked, DType::kF16},
    GroupIntEncoding{4, Granularity::kTensor, 0, ZeroPoints::kPacked, DType::kF16},
    GroupIntEncoding{5, Granularity::kRow, 0, ZeroPoints::kPacked, DType::kBF16},
    CodebookEncoding{CodebookTable::kNf4, 32, false},
    GgmlEncoding{GgmlType::kQ4_1},
};

TEST(AllocateBuffer, IsAlignedAndOfTheSizeAsked) {
  const OwnedBuffer owned = allocate_buffer({"codes", DType::kI32, {3, 5}});
  EXPECT_EQ(owned.writable.size(), 60u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(owned.writable.data()) % 64, 0u);
  EXPECT_EQ(owned.buffer.bytes.data(), owned.writable.data());
}

TEST(PackedMatrix, RefusesBuffersOfAnotherWeight) {
  const GroupIntEncoding e;
  const auto build = [&](std::vector<Buffer> buffers) {
    return message_of<FormatError>([&] { PackedMatrix(e, 2, 8, std::move(buffers)); });
  };
  std::vector<Buffer> missing = buffers_for(e, 2, 8);
  missing.pop_back();
  EXPECT_EQ(build(missing), "int8 row symmetric f32 weight [2, 8]: expected 2 arrays, found 1");
  EXPECT_EQ(
      build(buffers_for(e, 3, 8)),
      "int8 row symmetric f32 weight [2, 8]: expected 'codes' U8 [2, 8], found 'codes' U8 [3, 8]");
  std::vector<Buffer> cut = buffers_for(e, 2, 8);
  cut[1].bytes = cut[1].bytes.first(7);
  EXPECT_EQ(
      build(cut),
      "int8 row symmetric f32 weight [2, 8]: expected 8 bytes for 'scales' F32 [2, 1], found 7");
}

TEST(PackedMatrix, AnImpossibleEncodingInAFileIsAFormatError) {
  EXPECT_THAT(message_of<FormatError>([] { PackedMatrix(GroupIntEncoding{.bits = 77}, 2, 8, {}); }),
              HasSubstr("expected 1 to 8 bits, found 77"));
}

TEST(PackedMatrix, StorageBytesAreThoseOfTheSpecs) {
  for (const Encoding& e : kEncodings) {
    const PackedMatrix m(e, 6, 96, buffers_for(e, 6, 96));
    EXPECT_EQ(m.storage_bytes(), storage_bytes(e, 6, 96)) << to_string(e);
  }
}

TEST(PackedMatrix, AMissingPartIsNamed) {
  const PackedMatrix m(DenseEncoding{}, 1, 1, buffers_for(DenseEncoding{}, 1, 1));
  EXPECT_EQ(message_of<InternalError>([&] { m.buffer("scales"); }),
            "f32 weight has no array 'scales'");
}

TEST(PackedMatrix, PartsOfRowsEqualTheWhole) {
  const std::vector<float> w = normal_values(11 * 96, 1, 4);
  for (const Encoding& e : kEncodings) {
    SCOPED_TRACE(to_string(e));
    const PackedMatrix m = encode(source_of_values(w, 11), e);
    const std::vector<float> whole = m.dequantize();
    for (std::size_t first = 0; first < 11; first += 3) {
      const std::size_t count = std::min<std::size_t>(3, 11 - first);
      std::vector<float> part(count * 96);
      m.dequantize_rows(first, count, part);
      EXPECT_TRUE(std::ranges::equal(part, std::span(whole).subspan(first * 96, count * 96)));
    }
    std::vector<float> out(96);
    EXPECT_THROW(m.dequantize_rows(11, 1, out), InternalError);
  }
}

TEST(PackedMatrix, BuffersMayLieAnywhere) {  // as in a mapped file
  const std::vector<float> w = normal_values(5 * 96, 1, 8);
  for (const Encoding& e : kEncodings) {
    SCOPED_TRACE(to_string(e));
    const PackedMatrix m = encode(source_of_values(w, 5), e);
    std::vector<Buffer> moved(m.buffers().begin(), m.buffers().end());
    std::vector<std::vector<std::byte>> storage;
    for (Buffer& b : moved) {
      storage.emplace_back(1, std::byte{});
      storage.back().insert(storage.back().end(), b.bytes.begin(), b.bytes.end());
      b.bytes = std::span(storage.back()).subspan(1);
    }
    EXPECT_EQ(PackedMatrix(e, 5, 96, moved).dequantize(), m.dequantize());
  }
}

TEST(ReorderRows, MovesRowsAndKeepsCodes) {
  const std::vector<float> w = normal_values(7 * 96, 1, 5);
  const std::vector<std::uint32_t> order = {6, 0, 3, 3, 1};
  for (const Encoding& e : kEncodings) {
    SCOPED_TRACE(to_string(e));
    PackedMatrix m = encode(source_of_values(w, 7), e);
    m.activation = ActivationQuantization{ActivationScheme::kDynamicInt8Token};
    const PackedMatrix turned = reorder_rows(m, order);
    EXPECT_EQ(turned.rows(), order.size());
    EXPECT_EQ(turned.activation, m.activation);
    const std::vector<float> before = m.dequantize(), after = turned.dequantize();
    for (std::size_t r = 0; r < order.size(); ++r)
      for (std::size_t c = 0; c < 96; ++c) ASSERT_EQ(after[r * 96 + c], before[order[r] * 96 + c]);
  }
}

TEST(ReorderRows, RefusesBlocksThatCrossRows) {
  const std::vector<float> w = normal_values(4 * 96, 1, 5);
  const std::vector<std::uint32_t> order = {1, 0, 2, 3};
  const PackedMatrix crossing = encode(source_of_values(w, 4), CodebookEncoding{});
  EXPECT_EQ(
      message_of<UserError>([&] { reorder_rows(crossing, order); }),
      "reordering rows of a nf4 weight [4, 96]: blocks of 64 cross rows; encode it in another way");
  const PackedMatrix twice =
      encode(source_of_values(w, 4), CodebookEncoding{CodebookTable::kNf4, 32, true});
  EXPECT_THAT(message_of<UserError>([&] { reorder_rows(twice, order); }),
              HasSubstr("rows share the scales"));
  const PackedMatrix dense = encode(source_of_values(w, 4), DenseEncoding{});
  const std::vector<std::uint32_t> beyond = {4};
  EXPECT_EQ(message_of<UserError>([&] { reorder_rows(dense, beyond); }),
            "reordering rows: no row 4 in a weight of 4");
}

TEST(TransposeDense, TurnsOddShapes) {
  for (const auto& [rows, cols] :
       {std::pair<std::size_t, std::size_t>{1, 1}, {1, 70}, {33, 65}, {100, 7}}) {
    for (const DType dtype : {DType::kF32, DType::kF16}) {
      const PackedMatrix m =
          pack_dense(source_of_values(normal_values(rows * cols, 1, 6), rows), dtype);
      const PackedMatrix turned = transpose_dense(m);
      ASSERT_EQ(turned.rows(), cols);
      const std::vector<float> before = m.dequantize(), after = turned.dequantize();
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < cols; ++c) ASSERT_EQ(after[c * rows + r], before[r * cols + c]);
    }
  }
  const std::vector<float> w(4, 1.0f);
  const PackedMatrix coded = encode(source_of_values(w, 2), GroupIntEncoding{});
  EXPECT_EQ(message_of<UserError>([&] { transpose_dense(coded); }),
            "transposing a weight: expected a dense one, found int8 row symmetric f32; convert it "
            "to a dense type before");
}

PackedMatrix act_ordered(const std::vector<std::int32_t>& groups) {
  const GroupIntEncoding plain{4, Granularity::kGroup, 3, ZeroPoints::kPacked, DType::kF32, false};
  const std::vector<float> w = normal_values(4 * 7, 1, 3);
  const PackedMatrix m = quantize_group_int(source_of_values(w, 4), plain);
  GroupIntEncoding encoding = plain;
  encoding.column_groups = true;
  std::vector<Buffer> buffers(m.buffers().begin(), m.buffers().end());
  OwnedBuffer index = allocate_buffer({"group_index", DType::kI32, {7}});
  std::memcpy(index.writable.data(), groups.data(), index.writable.size());
  buffers.push_back(std::move(index.buffer));
  return PackedMatrix(encoding, 4, 7, std::move(buffers));
}

// A hostile file's: code - zero wraps at 32 bits instead of being undefined, in either order.
TEST(PackedMatrix, ZeroPointsAtTheEndOfTheirRange) {
  GroupIntEncoding encoding{8, Granularity::kGroup, 2, ZeroPoints::kInt32, DType::kF32, false};
  for (const bool column_groups : {false, true}) {
    encoding.column_groups = column_groups;
    std::vector<Buffer> buffers;
    for (BufferSpec& spec : buffer_specs(encoding, 1, 2)) {
      OwnedBuffer owned = allocate_buffer(std::move(spec));
      std::ranges::fill(owned.writable, std::byte{0});
      if (owned.buffer.spec.part == "codes") std::ranges::fill(owned.writable, std::byte{1});
      if (owned.buffer.spec.part == "zeros") owned.writable[3] = std::byte{0x80};
      buffers.push_back(std::move(owned.buffer));
    }
    EXPECT_EQ(PackedMatrix(encoding, 1, 2, buffers).dequantize(), std::vector<float>(2, -0.0f));
  }
}

TEST(PackedMatrix, ActOrderGivesEachColumnItsGroup) {
  const PackedMatrix in_order = act_ordered({0, 0, 0, 1, 1, 1, 2});
  EXPECT_EQ(to_string(in_order.encoding()), "int4 g3 affine f32 act-order");
  GroupIntEncoding plain = std::get<GroupIntEncoding>(in_order.encoding());
  plain.column_groups = false;
  const PackedMatrix same(
      plain, 4, 7, {in_order.buffers().begin(), in_order.buffers().begin() + 3});
  EXPECT_EQ(in_order.dequantize(), same.dequantize());

  const std::vector<std::int32_t> groups = {2, 0, 1, 1, 0, 2, 0};
  const PackedMatrix m = act_ordered(groups);
  const std::vector<int> codes = codes_of(m);
  const auto scales = array_of<float>(m.buffer("scales").bytes);
  const auto zeros = bytes_of(m, "zeros");  // 3 nibbles a row
  const std::vector<float> decoded = m.dequantize();
  for (std::size_t i = 0; i < decoded.size(); ++i) {
    const auto g = static_cast<std::size_t>(groups[i % 7]);
    const int byte = std::to_integer<int>(zeros[i / 7 * 2 + g / 2]);
    const int zero = g % 2 == 0 ? byte & 15 : byte >> 4;
    EXPECT_EQ(decoded[i], scales[i / 7 * 3 + g] * static_cast<float>(codes[i] - zero));
  }
  const std::vector<std::uint32_t> order = {3, 1};
  const std::vector<float> rows = reorder_rows(m, order).dequantize();
  EXPECT_TRUE(std::equal(rows.begin(), rows.begin() + 7, decoded.begin() + 21));
}

TEST(PackedMatrix, ActOrderOfAGroupThatIsNotThere) {
  EXPECT_EQ(message_of<FormatError>([] {
              act_ordered({0, 1, 2, 3, 0, 0, 0});
            }),
            "int4 g3 affine f32 act-order weight: column 3: expected a group below 3, found 3");
  EXPECT_EQ(message_of<FormatError>([] {
              act_ordered({-1, 1, 2, 2, 0, 0, 0});
            }),
            "int4 g3 affine f32 act-order weight: column 0: expected a group below 3, found -1");
}

TEST(ActivationQuantization, HasNamesForPeople) {
  EXPECT_EQ(to_string(ActivationQuantization{}), "none");
  EXPECT_EQ(to_string(ActivationQuantization{ActivationScheme::kStaticInt8Tensor, 0.5f, -3}),
            "static-int8-tensor 0.5 -3");
  EXPECT_EQ(to_string(ActivationQuantization{ActivationScheme::kLlmInt8, 0, 0, 6}), "llm-int8 6");
}

}  // namespace
}  // namespace pith
