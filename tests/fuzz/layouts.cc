// A folder of compressed weights: config.json, a zero byte, the header of model.safetensors as JSON
// and, after another zero byte, the first bytes of its buffer; a pattern makes up the rest.
#include "pith/formats/layouts/layout.h"

#include <algorithm>

#include "fuzz.h"
#include "pith/base/log.h"
#include "pith/conversion/size_report.h"
#include "use_weights.h"

namespace pith {
namespace {

// More would only take time: the tensors of a seed have some 20 KiB.
constexpr std::uint64_t kMaxBufferBytes = 64 * 1024;

// Where the last tensor ends, by the header's own account.
std::uint64_t buffer_bytes(std::string_view header) {
  std::uint64_t end = 0;
  fuzz::may_refuse([&] {
    const Json document = parse_json(header, "header");
    if (!document.is_object()) return;
    for (const auto& [name, tensor] : document.items()) {
      if (!tensor.is_object() || !tensor.contains("data_offsets")) continue;
      const Json& offsets = tensor["data_offsets"];
      if (offsets.is_array() && offsets.size() == 2 && offsets[1].is_number_unsigned())
        end = std::max(end, offsets[1].get<std::uint64_t>());
    }
  });
  return std::min(end, kMaxBufferBytes);
}

std::string safetensors(std::string_view header, std::string_view buffer_start) {
  std::string file;
  for (int byte = 0; byte < 8; ++byte)
    file += static_cast<char>(std::uint64_t{header.size()} >> (8 * byte) & 0xff);
  file += header;
  const std::uint64_t size = buffer_bytes(header);
  file += buffer_start.substr(0, size);
  // A prime period, which no row or group of a weight has.
  for (std::uint64_t i = buffer_start.size(); i < size; ++i)
    file += static_cast<char>(i * 37 % 251);
  return file;
}

// What stands before the next zero byte; leaves what follows it.
std::string_view next_part(std::string_view& input) {
  const std::string_view part = input.substr(0, input.find('\0'));
  input.remove_prefix(std::min(input.size(), part.size() + 1));
  return part;
}

}  // namespace

// Each folder of weights that lie in some older way warns of it.
extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  set_log_level(LogLevel::kError);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Folder folder;
  std::string_view input = fuzz::text_of(data, size);
  folder.write("config.json", next_part(input));
  const std::string_view header = next_part(input);
  folder.write("model.safetensors", safetensors(header, input));
  return fuzz::run([&] {
    const Checkpoint checkpoint = Checkpoint::open(folder.path());
    fuzz::load_weights(checkpoint);
    PITH_CHECK(size_report(checkpoint).total_bytes == checkpoint.file_bytes());
  });
}

}  // namespace pith
