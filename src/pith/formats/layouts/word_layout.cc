#include "pith/formats/layouts/word_layout.h"

#include <algorithm>

#include "pith/base/error.h"

namespace pith {

std::int64_t dim(std::size_t extent) { return static_cast<std::int64_t>(extent); }

std::optional<JsonCursor> find_any(const JsonCursor& json,
                                   std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys)
    if (auto found = json.find(key)) return found;
  return std::nullopt;
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::int64_t group_size_of(const JsonCursor& value) {
  constexpr std::int64_t kMaxGroup = std::int64_t{1} << 31;
  const std::int64_t size = value.integer(-1, kMaxGroup);
  if (size == 0) value.fail("-1 or a group of at least 1");
  return size;
}

bool has_qweight(const LayoutMatrix& dense, const FolderTensors& tensors, std::string_view title) {
  const std::string qweight = module_of(dense.name) + ".qweight";
  const bool has_weight = tensors.has(dense.name);
  if (!tensors.has(qweight)) return dense.kind == ParameterKind::kLinear && !has_weight;
  if (dense.kind != ParameterKind::kLinear && dense.kind != ParameterKind::kHead)
    tensors.fail(qweight,
                 "a dense " + std::string(to_string(dense.kind)),
                 fmt::format("a weight of {}", title),
                 fmt::format("Pith reads {} weights of linears only", title));
  if (has_weight)
    tensors.fail(dense.name,
                 "either this tensor or '" + qweight + "'",
                 "both",
                 "remove the one that is not meant");
  return true;
}

void ignore_zero_bias(const std::string& module, FolderTensors& tensors) {
  const std::string name = module + ".bias";
  const StoredTensor* bias = tensors.reader().find(name);
  if (bias == nullptr) return;
  const bool zero =
      std::ranges::all_of(bias->bytes, [](std::byte byte) { return byte == std::byte{0}; });
  if (zero) tensors.find(name);
}

void fail_none_found(const std::string& place, std::string_view title) {
  throw FormatError(
      ErrorParts{place,
                 fmt::format("weights of {}, since the quantization configuration says so", title),
                 "dense ones only",
                 "remove `quantization_config` from config.json"});
}

void check_symmetric(std::span<const std::uint8_t> stored,
                     std::size_t rows,
                     int expected,
                     const std::string& tensor,
                     std::string_view key_says,
                     std::string_view remedy) {
  const auto wrong = std::ranges::find_if(stored, [&](std::uint8_t z) { return z != expected; });
  if (wrong == stored.end()) return;
  const auto at = static_cast<std::size_t>(wrong - stored.begin());
  throw FormatError(ErrorParts{
      tensor,
      fmt::format(
          "{} everywhere, since the quantization configuration says {}", expected, key_says),
      fmt::format("{} at group {}, output {}", *wrong, at / rows, at % rows),
      fmt::format("write {} there to read them as they are", remedy)});
}

const GroupIntEncoding* int_encoding_of(const LayoutMatrix& matrix, std::string_view layout) {
  const auto refuse = [&](std::string_view property, std::string_view remedy) {
    fail_inexpressible(layout, matrix, property, remedy);
  };
  if (matrix.activation != ActivationQuantization{})
    refuse(fmt::format("its activations are quantized ({})", to_string(matrix.activation)),
           "use --format pith");
  if (is_dense(matrix.encoding)) return nullptr;
  if (matrix.kind != ParameterKind::kLinear)
    refuse(fmt::format("it is the model's {}, and only linears of blocks are compressed",
                       to_string(matrix.kind)),
           "quantize with --embedding keep");
  const auto* encoding = std::get_if<GroupIntEncoding>(&matrix.encoding);
  if (encoding == nullptr)
    refuse("its codes are no integers with a scale", "use --format pith, or quantize anew");
  if (encoding->granularity == Granularity::kTensor)
    refuse("one scale for the whole tensor", "quantize with --group-size row or a number");
  if (encoding->zero_points == ZeroPoints::kInt32)
    refuse("its zero points may lie outside the range of the codes",
           "quantize with --method rtn --affine");
  return encoding;
}

}  // namespace pith
