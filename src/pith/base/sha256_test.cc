#include "pith/base/sha256.h"

#include <string>

#include "pith/base/error.h"
#include "pith/base/random.h"
#include "pith/base/test_support.h"

namespace pith {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// FIPS 180-4 examples, as NIST publishes them.
TEST(Sha256, EqualsThePublishedExamples) {
  EXPECT_EQ(sha256_hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex(bytes_of("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(bytes_of(std::string(1000000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PartsAndFilesGiveTheHashOfTheWhole) {
  const TestFolder folder;
  const Random random(1, 0);
  for (const std::size_t count : {0, 1, 55, 56, 63, 64, 65, 1000, 262143, 262144, 262145, 600000}) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += static_cast<char>(random.bits(i));
    const std::string whole = sha256_hex(bytes_of(text));
    Sha256 parts;
    for (std::size_t first = 0, step = 1; first < count; first += step, step = step * 3 % 1009)
      parts.update(bytes_of(text).subspan(first, std::min(step, count - first)));
    EXPECT_EQ(parts.hex(), whole) << count;
    write_plainly(folder / "file", text);
    EXPECT_EQ(sha256_file(folder / "file"), whole) << count;
  }
}

TEST(Sha256, EndsWithHex) {
  Sha256 hash;
  Sha256 moved = std::move(hash);
  moved.hex();
  EXPECT_THROW(moved.hex(), InternalError);
  EXPECT_THROW(moved.update({}), InternalError);
}

TEST(Sha256, FileErrorsNameTheFile) {
  const TestFolder folder;
  EXPECT_EQ(message_of<FormatError>([&] { sha256_file(folder / "none"); }),
            (folder / "none").string() + ": cannot open: No such file or directory");
  EXPECT_THROW(sha256_file(folder.path()), FormatError);
}

}  // namespace
}  // namespace pith
