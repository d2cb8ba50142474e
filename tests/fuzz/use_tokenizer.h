// What a tokenizer that loads must stand: a text of every kind there and back.
#pragma once

#include <string>
#include <vector>

#include "pith/base/error.h"
#include "pith/text/tokenizer.h"

namespace pith::fuzz {

constexpr std::string_view kText =
    "Hello  w\xc3\xb6rld's 1234, <s>x</s><|endoftext|>\n\t e\xcc\x81 \xe4\xbd\xa0\xe5\xa5\xbd "
    "\xf0\x9f\x99\x82\xff\xe2\x96\x81 aaaaaaaa";

inline void use(const Tokenizer& tokenizer) {
  const std::vector<std::int32_t> ids = tokenizer.encode(kText, {.special_ends = true});
  for (const std::int32_t id : ids)
    PITH_CHECK(id >= 0 && static_cast<std::size_t>(id) < tokenizer.size());
  const std::string whole = tokenizer.decode(ids);
  StreamDecoder stream(tokenizer);
  std::string parts;
  for (const std::int32_t id : ids) parts += stream.push(id);
  parts += stream.finish();
  PITH_CHECK(parts == whole);
  tokenizer.decode(ids, true);
  tokenizer.encode(kText, {.parse_special = false});
}

}  // namespace pith::fuzz
