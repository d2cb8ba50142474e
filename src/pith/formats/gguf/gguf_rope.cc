#include "pith/formats/gguf/gguf_rope.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <string>
#include <vector>

#include "pith/base/error.h"

namespace pith {
namespace {

constexpr std::string_view kFactorsTensor = "rope_freqs.weight";

struct FrequencyBand {
  double low;
  double high;
};
// Meta's releases use 1 and 4; the others are fine-tunes with a longer context.
constexpr FrequencyBand kBands[] = {{1, 4}, {1, 2}, {1, 8}, {1, 16}, {1, 32}, {2, 4}, {2, 8}};
constexpr std::int64_t kUsualContext = 8192;  // of Llama 3, and the converter's default
constexpr std::size_t kMaxFactors = 4096;     // each is compared with hundreds of candidates
constexpr std::int64_t kFirstContext = 32, kLastContext = std::int64_t{1} << 20;

std::string key_of(std::string_view architecture, std::string_view name) {
  return fmt::format("{}.rope.{}", architecture, name);
}

// Of each pair of dimensions, in tokens.
std::vector<double> wavelengths(double theta, std::size_t count) {
  std::vector<double> waves(count);
  for (std::size_t j = 0; j < count; ++j) {
    const double exponent = static_cast<double>(j) / static_cast<double>(count);
    waves[j] = 2.0 * std::numbers::pi * std::pow(theta, exponent);
  }
  return waves;
}

bool fits(std::span<const float> factors, std::span<const double> waves, const RopeSpec& rope) {
  // The converter works in float32: near the steep end of the blend a wavelength that is off by
  // 1e-6 moves a divisor by some 1e-4. Other parameters move some divisor by far more than 0.1 %.
  constexpr double kTolerance = 1e-3;
  for (std::size_t j = 0; j < factors.size(); ++j) {
    const double expected =
        llama3_divisor(rope, static_cast<double>(*rope.original_context), waves[j]);
    if (!(std::abs(factors[j] - expected) <= kTolerance * expected)) return false;
  }
  return true;
}

std::vector<float> read_factors(const GgufFile& gguf,
                                const GgufTensor& tensor,
                                std::int64_t qk_dim) {
  const bool f32 = tensor.encoding == Encoding{DenseEncoding{DType::kF32}};
  if (!f32 || tensor.shape != std::vector<std::int64_t>{qk_dim / 2})
    throw FormatError(
        ErrorParts{fmt::format("{}: tensor '{}'", gguf.place(), kFactorsTensor),
                   fmt::format("F32 [{}]", qk_dim / 2),
                   fmt::format("{} [{}]", tensor.type_name, fmt::join(tensor.shape, ", ")),
                   {}});
  std::vector<float> factors(tensor.bytes.size() / sizeof(float));
  std::memcpy(factors.data(), tensor.bytes.data(), tensor.bytes.size());
  return factors;
}

void read_yarn(const GgufFile& gguf,
               std::string_view architecture,
               std::int64_t context,
               RopeSpec& rope) {
  const auto number = [&](std::string_view name, double otherwise) {
    return gguf.find_number(key_of(architecture, name)).value_or(otherwise);
  };
  const std::string original_key = key_of(architecture, "scaling.original_context_length");
  rope.original_context = gguf.find_integer(original_key, 1, INT32_MAX).value_or(context);
  rope.beta_fast = number("scaling.yarn_beta_fast", rope.beta_fast);
  rope.beta_slow = number("scaling.yarn_beta_slow", rope.beta_slow);
  for (const auto& [name, neutral] :
       {std::pair{"scaling.yarn_ext_factor", 1.0}, std::pair{"scaling.yarn_log_multiplier", 0.0}})
    if (const double found = number(name, neutral); found != neutral)
      throw FormatError(
          ErrorParts{fmt::format("{}: metadata key '{}'", gguf.place(), key_of(architecture, name)),
                     fmt::format("{}", neutral),
                     fmt::format("{}, which Pith does not have", found),
                     {}});
  // llama.cpp multiplies the usual 0.1 ln(factor) + 1; the field replaces it. yarn_attn_factor is
  // written by its converter and read by none of its graphs that Pith has.
  const double attention = number("scaling.attn_factor", 1.0);
  if (attention != 1.0) rope.attention_factor = attention * (0.1 * std::log(rope.factor) + 1.0);
}

// By the keys alone.
RopeSpec read_keys(const GgufFile& gguf, std::string_view architecture, std::int64_t context) {
  RopeSpec rope;
  const auto positive = [&](std::string_view name) {
    const std::string key = key_of(architecture, name);
    const std::optional<double> found = gguf.find_number(key);
    if (found && *found < 0)
      fail<FormatError>(
          "{}: metadata key '{}': expected a number above 0, found {}", gguf.place(), key, *found);
    return found.value_or(0.0);  // ggml writes 0 for "not set"
  };
  if (const double theta = positive("freq_base"); theta > 0) rope.theta = theta;
  double factor = positive("scaling.factor");
  if (factor == 0) factor = positive("scale_linear");
  const std::string type_key = key_of(architecture, "scaling.type");
  const std::string type = gguf.find_string(type_key).value_or("linear");
  if (type != "none" && type != "linear" && type != "yarn")
    fail<FormatError>("{}: metadata key '{}': expected none, linear or yarn, found '{}'",
                      gguf.place(),
                      type_key,
                      type);
  if (type == "none" || factor == 0 || factor == 1) return rope;
  const std::string attention_key = key_of(architecture, "scaling.attn_factor");
  if (const double found = gguf.find_number(attention_key).value_or(1.0);
      found != 1.0 && type != "yarn")
    fail<FormatError>("{}: metadata key '{}': Pith has it with yarn only, found {} with {}",
                      gguf.place(),
                      attention_key,
                      found,
                      type);
  rope.factor = factor;
  rope.scaling = type == "yarn" ? RopeScalingKind::kYarn : RopeScalingKind::kLinear;
  if (type == "yarn") read_yarn(gguf, architecture, context, rope);
  return rope;
}

void refuse_other_ropes(const GgufFile& gguf, std::string_view architecture, std::int64_t qk_dim) {
  const std::string width_key = key_of(architecture, "dimension_count");
  if (const auto width = gguf.find_integer(width_key, 0, INT32_MAX); width && *width != qk_dim)
    throw FormatError(ErrorParts{fmt::format("{}: metadata key '{}'", gguf.place(), width_key),
                                 fmt::format("{}, the width of a head", qk_dim),
                                 fmt::format("{}", *width),
                                 "Pith has no RoPE on a part of a head"});
  if (const std::string key = key_of(architecture, "dimension_sections"); gguf.has(key))
    fail<FormatError>("{}: metadata key '{}': Pith has no sectioned RoPE", gguf.place(), key);
  for (const std::string_view name : {"rope_factors_long.weight", "rope_factors_short.weight"})
    if (gguf.find(name) != nullptr)
      fail<FormatError>("{}: tensor '{}': Pith has no longrope scaling", gguf.place(), name);
}

}  // namespace

std::optional<RopeSpec> fit_llama3(std::span<const float> factors, double theta) {
  if (factors.empty() || factors.size() > kMaxFactors) return std::nullopt;
  const double largest = *std::max_element(factors.begin(), factors.end());
  if (!(largest > 1.0) || std::isinf(largest)) return std::nullopt;
  // The largest is the factor when a wavelength is long enough, as in all releases.
  const double divisors[] = {largest, 8, 32, 4, 16, 2, 64};
  std::vector<std::int64_t> contexts = {kUsualContext};
  for (std::int64_t context = kFirstContext; context <= kLastContext; context *= 2)
    contexts.push_back(context);

  const std::vector<double> waves = wavelengths(theta, factors.size());
  RopeSpec rope;
  rope.theta = theta;
  rope.scaling = RopeScalingKind::kLlama3;
  for (const double factor : divisors) {
    rope.factor = factor;
    for (const FrequencyBand& band : kBands) {
      rope.low_freq_factor = band.low;
      rope.high_freq_factor = band.high;
      for (const std::int64_t context : contexts) {
        rope.original_context = context;
        if (fits(factors, waves, rope)) return rope;
      }
    }
  }
  return std::nullopt;
}

RopeSpec rope_from_gguf(const GgufFile& gguf,
                        std::string_view architecture,
                        std::int64_t qk_dim,
                        std::int64_t context) {
  refuse_other_ropes(gguf, architecture, qk_dim);
  const RopeSpec rope = read_keys(gguf, architecture, context);
  const GgufTensor* tensor = gguf.find(kFactorsTensor);
  if (tensor == nullptr) return rope;
  const std::vector<float> factors = read_factors(gguf, *tensor, qk_dim);
  if (std::all_of(factors.begin(), factors.end(), [](float f) { return f == 1.0f; })) return rope;
  const std::string place = fmt::format("{}: tensor '{}'", gguf.place(), kFactorsTensor);
  if (rope.scaling != RopeScalingKind::kNone)
    fail<FormatError>("{}: frequency factors and {} scaling at once, which Pith does not have",
                      place,
                      to_string(rope.scaling));
  if (const std::optional<RopeSpec> llama3 = fit_llama3(factors, rope.theta)) return *llama3;
  throw FormatError(ErrorParts{place,
                               "factors of llama3 scaling with parameters in use",
                               "others",
                               "convert the model from its Hugging Face folder instead"});
}

}  // namespace pith
