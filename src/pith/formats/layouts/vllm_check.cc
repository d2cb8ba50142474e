#include "pith/formats/layouts/vllm_check.h"

#include <algorithm>
#include <map>

#include "pith/base/error.h"
#include "pith/formats/layouts/fused_modules.h"

namespace pith {
namespace {

constexpr std::size_t kColumns = 128, kRows = 64;  // the tiles of the Marlin kernels
constexpr std::size_t kGroups[] = {32, 64, 128};
// Layouts of integer weights with float activations, which those kernels run.
constexpr std::string_view kIntLayouts[] = {"gptq", "awq", "compressed-tensors"};

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

// Obstacles in the order of their first matrix.
class Obstacles {
 public:
  void add(const std::string& obstacle, const LayoutMatrix& matrix) {
    const auto [found, is_new] = index_.emplace(obstacle, entries_.size());
    if (is_new) entries_.push_back({obstacle, matrix.name, 0});
    ++entries_[found->second].count;
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    for (const Entry& entry : entries_) {
      const std::string others =
          entry.count > 1 ? fmt::format(" and {} more", entry.count - 1) : "";
      lines.push_back(fmt::format("'{}'{}: {}", entry.first, others, entry.obstacle));
    }
    return lines;
  }

 private:
  struct Entry {
    std::string obstacle, first;
    std::size_t count = 0;
  };
  std::vector<Entry> entries_;
  std::map<std::string, std::size_t> index_;
};

void check_shape(const LayoutMatrix& matrix, Obstacles& obstacles) {
  if (matrix.cols % kColumns != 0)
    obstacles.add(fmt::format("{} columns, expected a multiple of {}", matrix.cols, kColumns),
                  matrix);
  if (matrix.rows % kRows != 0)
    obstacles.add(fmt::format("{} rows, expected a multiple of {}", matrix.rows, kRows), matrix);
}

void check_integers(const LayoutMatrix& matrix,
                    const GroupIntEncoding& encoding,
                    std::string_view layout,
                    Obstacles& obstacles) {
  check_shape(matrix, obstacles);
  if (encoding.bits != 4 && encoding.bits != 8)
    obstacles.add(fmt::format("{} bits, expected 4 or 8", encoding.bits), matrix);
  if (encoding.granularity == Granularity::kGroup) {
    const std::size_t group = encoding.group_size;
    if (std::ranges::find(kGroups, group) == std::end(kGroups))
      obstacles.add(fmt::format("groups of {}, expected whole rows or 32, 64 or 128", group),
                    matrix);
    else if (matrix.cols % group != 0)
      obstacles.add(fmt::format("{} columns do not divide into groups of {}", matrix.cols, group),
                    matrix);
  }
  if (encoding.granularity == Granularity::kTensor)
    obstacles.add("one scale, expected rows or groups", matrix);
  if (layout == "awq" && encoding.zero_points == ZeroPoints::kNone)
    obstacles.add("no zero points, without which only its slow float16 kernels run AWQ", matrix);
  if (layout == "gptq" && encoding.zero_points != ZeroPoints::kNone)
    obstacles.add("zero points of GPTQ v2, read since October 2025 only", matrix);
}

// Weights that meet int8 activations.
void check_integer_products(const LayoutMatrix& matrix,
                            const GroupIntEncoding& encoding,
                            Obstacles& obstacles) {
  if (encoding.bits != 8 || encoding.zero_points != ZeroPoints::kNone ||
      encoding.granularity == Granularity::kGroup)
    obstacles.add("its int8 products have symmetric weights of 8 bits, a scale a row or tensor",
                  matrix);
}

// "e4m3 row, activations dynamic-fp8-token".
std::string scheme_text(const LayoutMatrix& matrix) {
  const std::string encoding = to_string(matrix.encoding);
  if (matrix.activation.scheme == ActivationScheme::kNone) return encoding;
  return fmt::format("{}, activations {}", encoding, to_string(matrix.activation.scheme));
}

void check_fused(std::span<const LayoutMatrix> matrices, Obstacles& obstacles) {
  std::map<std::string, const LayoutMatrix*> first_of;  // by the fused module
  for (const LayoutMatrix& matrix : matrices) {
    if (!matrix.name.ends_with(".weight")) continue;
    const std::optional<FusedModule> fused = fused_module_of(module_of(matrix.name));
    if (!fused) continue;
    const auto [found, is_new] = first_of.emplace(fused->name, &matrix);
    const LayoutMatrix& first = *found->second;
    const bool both_dense = is_dense(matrix.encoding) && is_dense(first.encoding);
    const bool alike = both_dense || matrix.encoding == first.encoding;
    if (is_new || (alike && matrix.activation.scheme == first.activation.scheme)) continue;
    obstacles.add(fmt::format("vLLM runs it as one with '{}', which is {} and not {}",
                              first.name,
                              scheme_text(first),
                              scheme_text(matrix)),
                  matrix);
  }
}

}  // namespace

std::vector<std::string> vllm_obstacles(std::span<const LayoutMatrix> matrices,
                                        std::string_view layout) {
  if (layout == "pith")
    return {"vLLM does not read the layout pith; write compressed-tensors or gptq"};
  Obstacles obstacles;
  for (const LayoutMatrix& matrix : matrices) {
    const auto* encoding = std::get_if<GroupIntEncoding>(&matrix.encoding);
    if (matrix.kind == ParameterKind::kHead && !is_dense(matrix.encoding) && layout != "gptq")
      obstacles.add("vLLM keeps the head dense in this layout", matrix);
    if (encoding == nullptr || !is_one_of(layout, kIntLayouts)) continue;
    if (matrix.activation.scheme == ActivationScheme::kNone)
      check_integers(matrix, *encoding, layout, obstacles);
    else
      check_integer_products(matrix, *encoding, obstacles);
  }
  check_fused(matrices, obstacles);
  return obstacles.lines();
}

}  // namespace pith
