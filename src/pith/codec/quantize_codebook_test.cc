#include <cmath>
#include <limits>

#include "pith/codec/test_support.h"
#include "pith/codec/vector_ops.h"

namespace pith {
namespace {

// The inputs of tests/golden/codec/make_bitsandbytes.py.
std::vector<float> golden_values(std::size_t count) {
  std::vector<float> out(count);
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    const float uniform = static_cast<float>(static_cast<std::int32_t>(state >> 8) - (1 << 23)) /
                          static_cast<float>(1 << 23);
    out[i] = uniform * static_cast<float>(1 + (i / 64) % 7) / 8.0f;
  }
  return out;
}

std::vector<int> nibbles(std::span<const std::byte> bytes) {
  std::vector<int> out;
  for (const std::byte b : bytes) {
    out.push_back(std::to_integer<int>(b) >> 4);
    out.push_back(std::to_integer<int>(b) & 15);
  }
  return out;
}

TEST(CodebookTables, EqualThoseOfBitsandbytes) {
  const Json golden = read_golden("bitsandbytes.json");
  const auto equal = [&](const char* name, std::span<const float> ours) {
    return std::ranges::equal(floats_of_hex(golden[name].get<std::string>()), ours);
  };
  EXPECT_TRUE(equal("nf4", codebook_levels(CodebookTable::kNf4)));
  EXPECT_TRUE(equal("fp4", codebook_levels(CodebookTable::kFp4)));
  EXPECT_TRUE(equal("dynamic_map", dynamic_map()));
}

TEST(CodebookTables, ThresholdsOfTheCard) {
  const double nf4[] = {-0.8480964004993439,
                        -0.6106329262256622,
                        -0.4599952697753906,
                        -0.33967943489551544,
                        -0.23460740596055984,
                        -0.13791173323988914,
                        -0.045525018125772476,
                        0.03979014977812767,
                        0.1202552504837513,
                        0.2035212516784668,
                        0.2920137718319893,
                        0.3893125355243683,
                        0.5016634166240692,
                        0.6427869200706482,
                        0.8614784181118011};
  for (std::size_t i = 0; i < 15; ++i) EXPECT_NEAR(nf4_thresholds()[i], nf4[i], 6e-8);
  const double fp4[] = {
      0.00260417, 0.0859375, 0.20833333, 0.29166667, 0.4166667, 0.583333, 0.8333333};
  for (std::size_t i = 0; i < 7; ++i) EXPECT_NEAR(fp4_thresholds()[i], fp4[i], 5e-7);
}

TEST(CodebookTables, DynamicMapOfTheCard) {
  EXPECT_EQ(dynamic_map()[127], 0);
  EXPECT_EQ(dynamic_map()[255], 1);
  EXPECT_NEAR(dynamic_map()[254], 0.99296874, 1e-7);
  EXPECT_NEAR(dynamic_map()[0], -0.99296874, 1e-7);
  EXPECT_NEAR(dynamic_map()[128], 5.5e-7, 1e-12);
  EXPECT_TRUE(std::ranges::is_sorted(dynamic_map()));
}

const std::vector<float> kExample = {0.9f, -0.45f, 0.1f, -0.02f, 1.8f, 0.62f, -1.3f, 0};

TEST(QuantizeCodebook, Nf4ExampleOfTheCard) {
  const PackedMatrix m = quantize_codebook(source_of_values(kExample, 1), {});
  EXPECT_EQ(bytes_of(m, "codes"), bytes_of_hex("c487fb17"));
  EXPECT_EQ(array_of<float>(m.buffer("absmax").bytes), std::vector<float>{1.8f});
  const double expected[] = {0.7932777, -0.5119945, 0.1432445, 0, 1.8, 0.6082474, -1.2531470, 0};
  const std::vector<float> decoded = m.dequantize();
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(decoded[i], expected[i], 1e-6);
  EXPECT_NEAR(mean_square_error(kExample, decoded), 0.0024795, 1e-7);
}

TEST(QuantizeCodebook, ExampleOfTheFormatReference) {
  const std::vector<float> x = {0.5f, -1, 2, 0, 1, -2, 0.3f, -0.3f};
  EXPECT_EQ(bytes_of(quantize_codebook(source_of_values(x, 2), {}), "codes"),
            bytes_of_hex("a2f7c095"));
}

TEST(QuantizeCodebook, Fp4ExampleOfTheCard) {
  const PackedMatrix m =
      quantize_codebook(source_of_values(kExample, 1), {.table = CodebookTable::kFp4});
  EXPECT_EQ(nibbles(m.buffer("codes").bytes), (std::vector<int>{5, 15, 1, 9, 3, 4, 10, 0}));
  const double expected[] = {0.9, -0.45, 0.009375, -0.009375, 1.8, 0.6, -1.2, 0};
  const std::vector<float> decoded = m.dequantize();
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(decoded[i], expected[i], 1e-6);
  EXPECT_NEAR(mean_square_error(kExample, decoded), 0.0023407, 1e-7);
}

TEST(QuantizeCodebook, DoubleQuantizationExampleOfTheCard) {
  std::vector<float> w(4 * 64);
  const float absmax[] = {1.8f, 2.1f, 1.5f, 2.6f};
  for (std::size_t b = 0; b < 4; ++b) w[b * 64 + 5] = absmax[b];
  const PackedMatrix m = quantize_codebook(source_of_values(w, 2), {.double_quantized = true});
  EXPECT_EQ(array_of<std::uint8_t>(m.buffer("absmax").bytes),
            (std::vector<std::uint8_t>{47, 195, 11, 255}));
  EXPECT_NEAR(array_of<float>(m.buffer("absmax_mean").bytes)[0], 2.0, 1e-6);
  EXPECT_NEAR(array_of<float>(m.buffer("absmax_scales").bytes)[0], 0.6, 1e-6);
  const double recovered[] = {1.80078125, 2.09796875, 1.49703125, 2.6};
  const std::vector<float> decoded = m.dequantize();
  for (std::size_t b = 0; b < 4; ++b) EXPECT_NEAR(decoded[b * 64 + 5], recovered[b], 1e-6);
}

void expect_second_level(const PackedMatrix& m, const Json& golden, const std::vector<float>& w) {
  const auto ours = array_of<std::uint8_t>(m.buffer("absmax").bytes);
  const auto theirs = array_of<std::uint8_t>(bytes_of_hex(golden["absmax"].get<std::string>()));
  const std::vector<float> scales = array_of<float>(m.buffer("absmax_scales").bytes);
  const std::vector<float> expected = floats_of_hex(golden["absmax_scales"].get<std::string>());
  ASSERT_EQ(ours.size(), theirs.size());
  ASSERT_EQ(scales.size(), expected.size());
  for (std::size_t i = 0; i < scales.size(); ++i)
    EXPECT_NEAR(scales[i], expected[i], 1e-6f * expected[i]);
  const float mean = array_of<float>(m.buffer("absmax_mean").bytes)[0];
  EXPECT_NEAR(mean, floats_of_hex(golden["absmax_mean"].get<std::string>())[0], 1e-6f * mean);
  int different = 0;
  for (std::size_t b = 0; b < ours.size(); ++b) {
    if (ours[b] == theirs[b]) continue;
    // The search of bitsandbytes on the CPU misses the nearest value for some tiny differences from
    // the mean.
    ++different;
    float largest = 0;
    for (std::size_t i = b * 64; i < std::min(w.size(), b * 64 + 64); ++i)
      largest = std::max(largest, std::fabs(w[i]));
    const float target = (largest - mean) / scales[b / 256];
    EXPECT_LT(std::fabs(dynamic_map()[ours[b]] - target),
              std::fabs(dynamic_map()[theirs[b]] - target));
  }
  EXPECT_LE(different, 1);
}

// bitsandbytes on the CPU gives values near zero any of the two zeros of FP4 (codes 0 and 8); they
// decode alike.
TEST(QuantizeCodebook, EqualsBitsandbytes) {
  const Json golden = read_golden("bitsandbytes.json");
  for (const Json& c : golden["cases"]) {
    const CodebookTable table = parse_enum<CodebookTable>(c["table"].get<std::string>(), "golden");
    const CodebookEncoding e{table, c["block_size"].get<std::size_t>(), c["double"].get<bool>()};
    SCOPED_TRACE(to_string(Encoding(e)));
    const std::size_t rows = c["rows"].get<std::size_t>();
    const std::vector<float> w = golden_values(rows * c["cols"].get<std::size_t>());
    const PackedMatrix m = quantize_codebook(source_of_values(w, rows), e);
    std::vector<int> ours = nibbles(m.buffer("codes").bytes),
                     theirs = nibbles(bytes_of_hex(c["codes"].get<std::string>()));
    if (table == CodebookTable::kFp4) {
      std::ranges::replace(ours, 8, 0);
      std::ranges::replace(theirs, 8, 0);
    }
    if (w.size() % 2 == 1) {  // the nibble behind the end
      ours.pop_back();
      theirs.pop_back();
    }
    EXPECT_EQ(ours, theirs);
    if (e.double_quantized)
      expect_second_level(m, c, w);
    else
      EXPECT_EQ(bytes_of(m, "absmax"), bytes_of_hex(c["absmax"].get<std::string>()));
    const std::vector<float> decoded = m.dequantize(),
                             first = floats_of_hex(c["first_decoded"].get<std::string>());
    for (std::size_t i = 0; i < first.size(); ++i) EXPECT_NEAR(decoded[i], first[i], 1e-6) << i;
  }
}

TEST(QuantizeCodebook, EveryLevelIsTheNearest) {
  const std::vector<float> w = normal_values(50 * 64, 1, 3);
  for (const CodebookTable table : {CodebookTable::kNf4, CodebookTable::kFp4}) {
    const PackedMatrix m = quantize_codebook(source_of_values(w, 50), {.table = table});
    const std::vector<float> absmax = array_of<float>(m.buffer("absmax").bytes),
                             decoded = m.dequantize();
    for (std::size_t i = 0; i < w.size(); ++i) {
      float least = 1e9f;
      for (const float level : codebook_levels(table))
        least = std::min(least, std::fabs(w[i] - level * absmax[i / 64]));
      ASSERT_NEAR(std::fabs(w[i] - decoded[i]), least, 2e-7f * absmax[i / 64]);
      if (std::fabs(w[i]) == absmax[i / 64]) {
        ASSERT_EQ(decoded[i], w[i]);  // the extreme is exact
      }
    }
  }
}

TEST(QuantizeCodebook, ASecondTimeChangesNoCode) {
  const std::vector<float> w = normal_values(7 * 111, 1, 4);
  for (const CodebookTable table : {CodebookTable::kNf4, CodebookTable::kFp4}) {
    const PackedMatrix once = quantize_codebook(source_of_values(w, 7), {.table = table});
    const PackedMatrix twice = quantize_codebook(source_of(once), {.table = table});
    if (table == CodebookTable::kNf4) {
      EXPECT_TRUE(same_bytes(twice, once));
    }
    EXPECT_EQ(twice.dequantize(), once.dequantize());  // FP4 has two zeros
  }
}

// Blocks cross rows and tasks: every shape must give what the flat matrix gives, for any number of
// threads.
TEST(QuantizeCodebook, CodesDependOnNeitherShapeNorThreads) {
  const int threads = num_threads();
  const std::vector<float> w = normal_values(2 * 3 * 5 * 7 * 11 * 13 * 8, 1, 5);
  for (const std::size_t block_size : {32, 64, 4096}) {
    const CodebookEncoding e{CodebookTable::kNf4, block_size, true};
    set_num_threads(1);
    const PackedMatrix flat = quantize_codebook(source_of_values(w, 1), e);
    for (const std::size_t rows : {3, 7, 13 * 11, 5 * 7 * 11 * 13}) {
      for (const int n : {1, 2, 5}) {
        set_num_threads(n);
        const PackedMatrix m = quantize_codebook(source_of_values(w, rows), e);
        EXPECT_TRUE(same_bytes(m, flat))
            << rows << " rows, block " << block_size << ", threads " << n;
        EXPECT_EQ(m.dequantize(), flat.dequantize());
      }
    }
  }
  set_num_threads(threads);
}

TEST(QuantizeCodebook, OddShapesZerosAndOneElement) {
  const std::vector<float> one = {-3.0f};
  const PackedMatrix single = quantize_codebook(source_of_values(one, 1), {});
  EXPECT_EQ(single.dequantize(), one);
  EXPECT_EQ(bytes_of(single, "codes"), std::vector<std::byte>{std::byte{0x00}});
  const std::vector<float> zeros(65 * 3);
  for (const bool twice : {false, true}) {
    const PackedMatrix m =
        quantize_codebook(source_of_values(zeros, 3), {.double_quantized = twice});
    EXPECT_EQ(m.dequantize(), zeros);
    EXPECT_EQ(bytes_of(m, "codes").front(), std::byte{0x77});
  }
  const std::vector<float> w = normal_values(9 * 37, 1, 6);  // rows begin within a byte
  const PackedMatrix m = quantize_codebook(source_of_values(w, 9), {});
  const std::vector<float> whole = m.dequantize();
  for (std::size_t r = 0; r < 9; ++r) {
    std::vector<float> row(37);
    m.dequantize_rows(r, 1, row);
    EXPECT_TRUE(std::ranges::equal(row, std::span(whole).subspan(r * 37, 37))) << r;
  }
}

TEST(QuantizeCodebook, RefusesNanWithTheCount) {
  std::vector<float> w = normal_values(200, 1, 7);
  w[0] = std::numeric_limits<float>::infinity();
  w[1] = w[199] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(message_of<UserError>([&] { quantize_codebook(source_of_values(w, 2), {}); }),
            "weight [2, 100]: expected finite values, found 3 that are NaN or infinite; repair the "
            "checkpoint or leave this "
            "weight out");
}

// Gaussian oracle of card 9: 20000 blocks of 64 from N(0, 1).
TEST(QuantizeCodebook, GaussianErrorOfTheCard) {
  const std::vector<float> w = normal_values(20000 * 64, 1, 8);
  const auto error = [&](CodebookTable table) {
    return mean_square_error(
        w, quantize_codebook(source_of_values(w, 20000), {.table = table}).dequantize());
  };
  // 1.28e6 samples: the standard error of these means is about 0.2 %
  EXPECT_NEAR(error(CodebookTable::kNf4), 0.00846, 0.00846 * 0.01);
  EXPECT_NEAR(error(CodebookTable::kFp4), 0.01489, 0.01489 * 0.01);
}

}  // namespace
}  // namespace pith
