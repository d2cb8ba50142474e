// The functions below are deprecated for EVP, which would pull most of libcrypto into a static
// program; they are three objects and use the CPU's SHA instructions just as well.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "pith/base/sha256.h"

#include <openssl/sha.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "pith/base/error.h"
#include "pith/base/file_descriptor.h"

namespace pith {

struct Sha256::State {
  SHA256_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { SHA256_Init(&state_->context); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  PITH_CHECK(state_ != nullptr);
  SHA256_Update(&state_->context, bytes.data(), bytes.size());
}

std::string Sha256::hex() {
  PITH_CHECK(state_ != nullptr);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256_Final(digest.data(), &state_->context);
  state_.reset();
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

std::string sha256_file(const std::filesystem::path& path, const std::stop_token& stop) {
  constexpr std::size_t kBufferBytes = 256 << 10;  // stays in the second-level cache
  const OpenedFile file = open_regular_file(path);
  std::vector<std::byte> buffer(kBufferBytes);
  Sha256 hash;
  while (!stop.stop_requested()) {
    const ssize_t count = ::read(file.descriptor.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_errno(path.string(), "cannot read");
    if (count == 0) return hash.hex();
    hash.update(std::span(buffer).first(static_cast<std::size_t>(count)));
  }
  return "";
}

}  // namespace pith
