#include "pith/formats/gguf/imatrix.h"

#include <cmath>
#include <cstring>

#include "pith/base/error.h"
#include "pith/base/mapped_file.h"
#include "pith/formats/gguf/gguf.h"
#include "pith/formats/gguf/gguf_keys.h"
#include "pith/formats/gguf/gguf_names.h"
#include "pith/formats/gguf/gguf_reader.h"

namespace pith {
namespace {

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";
constexpr std::int32_t kMaxNameBytes = 1024;
constexpr std::uint64_t kMinEntryBytes = 13;  // three numbers and a name of one byte
constexpr std::int32_t kMaxEntries = 1 << 16;
constexpr std::size_t kMaxValueBytes = std::size_t{96} << 20;  // some 25 million columns

using Weights = std::map<std::string, std::vector<float>, std::less<>>;

void check_value(float value, const std::string& place, std::string_view tensor) {
  if (std::isfinite(value) && value >= 0) return;
  throw FormatError(ErrorParts{fmt::format("{}: weights of {}", place, printable(tensor)),
                               "finite numbers that are not negative",
                               fmt::format("{}", value),
                               "collect the matrix anew with llama-imatrix"});
}

std::string read_name(GgufReader& reader) {
  const auto length = reader.number<std::int32_t>("the length of a name");
  if (length < 1 || length > kMaxNameBytes)
    reader.fail(fmt::format("a name of 1 to {} bytes", kMaxNameBytes), fmt::format("{}", length));
  reader.expect(static_cast<std::uint64_t>(length), 1, "bytes of a name");
  std::string name;
  for (std::int32_t i = 0; i < length; ++i) name += reader.number<char>("a name");
  return name;
}

// The layout before 2025: sums of calls that each stored the mean.
Weights read_old(std::span<const std::byte> file, const std::string& place) {
  GgufReader reader(file, place);
  const auto count = reader.number<std::int32_t>("a number of entries");
  if (count < 1) reader.fail("an importance matrix with entries", fmt::format("{}", count));
  reader.expect(static_cast<std::uint64_t>(count), kMinEntryBytes, "entries");
  if (count > kMaxEntries)
    reader.fail(fmt::format("at most {} entries", kMaxEntries), fmt::format("{}", count));
  Weights all;
  for (std::int32_t i = 0; i < count; ++i) {
    reader.set_context(fmt::format("entry {}", i));
    const std::string name = read_name(reader);
    reader.set_context("entry " + printable(name));
    const auto calls = reader.number<std::int32_t>("a number of calls");
    const auto length = reader.number<std::int32_t>("a number of values");
    if (calls < 0) reader.fail("a number of calls from 0", fmt::format("{}", calls));
    if (length < 1) reader.fail("a number of values from 1", fmt::format("{}", length));
    reader.expect(static_cast<std::uint64_t>(length), sizeof(float), "values");
    reader.keep(static_cast<std::uint64_t>(length), sizeof(float));
    std::vector<float> weights(static_cast<std::size_t>(length));
    for (float& weight : weights) {
      weight = reader.number<float>("a value");
      check_value(weight, place, name);
      weight = calls == 0 ? 1.0f : weight / static_cast<float>(calls);
    }
    if (!all.emplace(name, std::move(weights)).second)
      reader.fail("every tensor once", "it a second time");
  }
  return all;
}

std::vector<float> floats_of(const GgufFile& gguf, const GgufTensor& tensor) {
  if (tensor.encoding != Encoding(DenseEncoding{DType::kF32}))
    fail<FormatError>("{}: tensor {}: expected type F32, found {}",
                      gguf.place(),
                      printable(tensor.name),
                      tensor.type_name);
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  if (!values.empty())
    std::memcpy(values.data(), tensor.bytes.data(), values.size() * sizeof(float));
  return values;
}

// Sums of squares over how often each matrix was used.
std::vector<float> means_of(const GgufFile& gguf,
                            const GgufTensor& sums,
                            const GgufTensor& counts) {
  std::vector<float> means = floats_of(gguf, sums);
  const std::vector<float> uses = floats_of(gguf, counts);
  if (uses.empty() || means.empty() || means.size() % uses.size() != 0)
    fail<FormatError>("{}: tensor {}: {} counts for {} sums",
                      gguf.place(),
                      printable(counts.name),
                      uses.size(),
                      means.size());
  const std::size_t columns = means.size() / uses.size();
  for (std::size_t i = 0; i < means.size(); ++i) {
    const float count = uses[i / columns];
    check_value(means[i], gguf.place(), sums.name);
    check_value(count, gguf.place(), counts.name);
    means[i] = count == 0 ? 1.0f : means[i] / count;
    check_value(means[i], gguf.place(), sums.name);  // a tiny count may overflow it
  }
  return means;
}

Weights read_gguf(const GgufFile& gguf) {
  const std::string type = gguf.find_string("general.type").value_or("model");
  if (type != "imatrix")
    fail<FormatError>(
        "{}: expected an importance matrix, found general.type {}", gguf.place(), printable(type));
  Weights all;
  std::size_t bytes = 0;
  for (const GgufTensor& tensor : gguf.tensors()) {
    if (!tensor.name.ends_with(kSums)) continue;  // .counts, and .in_sum of the newest
    bytes += tensor.bytes.size();
    if (bytes > kMaxValueBytes)
      fail<FormatError>(
          "{}: expected at most {} bytes of weights, found more", gguf.place(), kMaxValueBytes);
    const std::string name = tensor.name.substr(0, tensor.name.size() - kSums.size());
    const GgufTensor* counts = gguf.find(name + std::string(kCounts));
    if (counts == nullptr)
      fail<FormatError>("{}: tensor {}: there is no {}{} with it",
                        gguf.place(),
                        printable(tensor.name),
                        printable(name),
                        kCounts);
    all.emplace(name, means_of(gguf, tensor, *counts));
  }
  if (all.empty()) fail<FormatError>("{}: there are no tensors named *{}", gguf.place(), kSums);
  return all;
}

}  // namespace

ImportanceMatrix::ImportanceMatrix(const std::filesystem::path& path) : place_(path.string()) {
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  weights_ = text.starts_with("GGUF") ? read_gguf(GgufFile(path)) : read_old(file.bytes(), place_);
}

const std::vector<float>* ImportanceMatrix::find(std::string_view tensor) const {
  const auto row = weights_.find(tensor);
  return row == weights_.end() ? nullptr : &row->second;
}

std::span<const float> ImportanceMatrix::for_parameter(const Parameter& parameter,
                                                       const DecoderSpec& spec) const {
  const std::string name = gguf_name(parameter, spec, gguf_architecture(spec.family)).name;
  const std::vector<float>* weights = find(name);
  if (weights == nullptr && spec.tied_head && parameter.kind == ParameterKind::kEmbedding)
    weights = find("output.weight");  // the embedding, where a file holds it twice
  if (weights == nullptr) return {};
  if (weights->size() != parameter.cols)
    throw FormatError(ErrorParts{fmt::format("{}: weights of '{}'", place_, name),
                                 fmt::format("{}, one a column", parameter.cols),
                                 fmt::format("{}", weights->size()),
                                 "the matrix was made for another model"});
  return *weights;
}

}  // namespace pith
