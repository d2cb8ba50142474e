// Any JSON document: parsing, the cursor, and that what was read is written and read again as it
// is.
#include "pith/base/json.h"
#include "fuzz.h"

namespace pith {
namespace {

void walk(const JsonCursor& cursor) {
  fuzz::may_refuse([&] { cursor.integer(INT64_MIN, INT64_MAX); });
  fuzz::may_refuse([&] { cursor.number(); });
  fuzz::may_refuse([&] { cursor.string(); });
  fuzz::may_refuse([&] {
    for (const JsonCursor& item : cursor.items()) walk(item);
  });
  fuzz::may_refuse([&] {
    for (const auto& [key, member] : cursor.members()) walk(member);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    const Json document = parse_json(fuzz::text_of(data, size), "x.json");
    PITH_CHECK(parse_json(document.dump(), "x.json") == document);
    walk(JsonCursor(document, "x.json"));
  });
}

}  // namespace pith
