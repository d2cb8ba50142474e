// Encoding and decoding of weights against copying them: bytes of f32 a second, on all threads.
//
// Each case is checked before it is timed: the error of what was encoded is what the width allows.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "pith/base/random.h"
#include "pith/base/threads.h"
#include "pith/codec/quantize.h"

namespace pith {
namespace {

constexpr std::size_t kRows = 8192, kCols = 2048;  // 64 MiB of f32: beyond the last-level cache

const std::vector<float>& weight() {
  static const std::vector<float> kValues = [] {
    std::vector<float> made(kRows * kCols);
    const Random random(1, 0);
    parallel_for(made.size(), 65536, [&](std::size_t first, std::size_t last) {
      for (std::size_t i = first; i < last; ++i) made[i] = random.normal(i);
    });
    return made;
  }();
  return kValues;
}

WeightSource source() { return source_of(MatrixView<const float>(weight().data(), kRows, kCols)); }

void report(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(kRows * kCols * sizeof(float)));
}

void copy(benchmark::State& state) {
  std::vector<float> out(weight().size());
  for (auto _ : state) {
    parallel_for(out.size(), out.size() / 64, [&](std::size_t first, std::size_t last) {
      std::memcpy(out.data() + first, weight().data() + first, (last - first) * sizeof(float));
    });
    benchmark::ClobberMemory();
  }
  report(state);
}

void encode_case(benchmark::State& state, const Encoding& encoding, double largest_error) {
  const double error = relative_error(source(), encode(source(), encoding));
  if (!(error < largest_error)) {
    state.SkipWithError("wrong: the relative error is too large");
    return;
  }
  for (auto _ : state) benchmark::DoNotOptimize(encode(source(), encoding));
  report(state);
}

void decode_case(benchmark::State& state, const Encoding& encoding) {
  const PackedMatrix packed = encode(source(), encoding);
  std::vector<float> out(weight().size());
  for (auto _ : state) {
    parallel_for(kRows, 64, [&](std::size_t first, std::size_t last) {
      packed.dequantize_rows(
          first, last - first, std::span(out).subspan(first * kCols, (last - first) * kCols));
    });
    benchmark::ClobberMemory();
  }
  report(state);
}

struct Case {
  const char* name;
  Encoding encoding;
  double largest_error;  // relative, of Gaussian weights
};

std::vector<Case> cases() {
  const auto grouped = [](int bits, std::size_t group, ZeroPoints zeros) {
    return GroupIntEncoding{bits, Granularity::kGroup, group, zeros, DType::kF16};
  };
  return {
      {"bf16", DenseEncoding{DType::kBF16}, 0.005},
      {"fp8_row", Float8Encoding{}, 0.04},
      {"int8_row", GroupIntEncoding{}, 0.012},
      {"int4_g32_affine", grouped(4, 32, ZeroPoints::kPacked), 0.09},
      {"int4_g128_symmetric", grouped(4, 128, ZeroPoints::kNone), 0.13},
      {"int3_g64_affine", grouped(3, 64, ZeroPoints::kPacked), 0.22},
      {"nf4_b64", CodebookEncoding{}, 0.1},
      {"q8_0", GgmlEncoding{GgmlType::kQ8_0}, 0.0075},
      {"q4_0", GgmlEncoding{GgmlType::kQ4_0}, 0.1},
      {"q4_1", GgmlEncoding{GgmlType::kQ4_1}, 0.09},
      {"q5_0", GgmlEncoding{GgmlType::kQ5_0}, 0.05},
      {"q5_1", GgmlEncoding{GgmlType::kQ5_1}, 0.045},
      {"iq4_nl", GgmlEncoding{GgmlType::kIQ4_NL}, 0.085},
      {"q4_k", GgmlEncoding{GgmlType::kQ4_K}, 0.085},
      {"q5_k", GgmlEncoding{GgmlType::kQ5_K}, 0.045},
      {"q6_k", GgmlEncoding{GgmlType::kQ6_K}, 0.025},
  };
}

void register_cases() {
  const auto add = [](const std::string& name, auto&& body) {
    benchmark::RegisterBenchmark(name.c_str(), body)->UseRealTime()->Unit(benchmark::kMillisecond);
  };
  add("copy", copy);
  for (const Case& c : cases()) {
    add(std::string("encode/") + c.name,
        [c](benchmark::State& state) { encode_case(state, c.encoding, c.largest_error); });
    add(std::string("decode/") + c.name,
        [c](benchmark::State& state) { decode_case(state, c.encoding); });
  }
}

}  // namespace
}  // namespace pith

int main(int argc, char** argv) {
  pith::register_cases();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
