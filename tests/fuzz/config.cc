// A config.json: the network, the layout of its weights, and the config that is written of it.
#include "pith/formats/config.h"
#include "fuzz.h"
#include "pith/formats/layouts/layout.h"
#include "pith/formats/layouts/pith_layout.h"

namespace pith {
namespace {

void read_layout(const JsonCursor& config) {
  const auto quantization = config.find("quantization_config");
  if (!quantization) return;
  for (const auto& [name, entry] : layout_from_json(*quantization)) {
    const Json encoding = encoding_to_json(entry.encoding);
    PITH_CHECK(encoding_from_json(JsonCursor(encoding, "encoding")) == entry.encoding);
    for (const BufferSpec& buffer : buffer_specs(entry.encoding, entry.rows, entry.cols))
      buffer.bytes();
  }
}

void read_any_layout(const JsonCursor& config) {
  const auto quantization = config.find("quantization_config");
  if (quantization) layout_of(*quantization).make_reader(*quantization);
}

// config_from_spec() reads back what it has written and refuses what got lost on the way; nothing
// of a network that came from a config may.
void write_again(const DecoderSpec& spec) {
  try {
    config_from_spec(spec, "float32");
  } catch (const UserError& error) {
    fail<InternalError>("{}", error.what());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    const Json document = parse_json(fuzz::text_of(data, size), "config.json");
    const JsonCursor config(document, "config.json");
    fuzz::may_refuse([&] { read_layout(config); });
    fuzz::may_refuse([&] { read_any_layout(config); });
    write_again(spec_from_config(config));
  });
}

}  // namespace pith
