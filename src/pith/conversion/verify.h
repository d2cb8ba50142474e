// The check after writing: what lies in the folder is what was in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "pith/codec/packed_matrix.h"

namespace pith {

// What was handed to the writer, noted down as it went by.
struct WrittenParameter {
  std::string name;
  std::size_t rows = 0, cols = 0;
  Encoding encoding;
  ActivationQuantization activation{};
  std::uint64_t checksum = 0;
};
WrittenParameter note_of(const std::string& name, const PackedMatrix& weight);

// Opens the folder as a stranger would and compares each parameter (shape, encoding, activation,
// all bytes of all buffers), and the size of the weight files with what the writer declared.
// Returns the sentence for `verified` in a report. Throws FormatError naming the parameter and the
// difference.
std::string verify_folder(const std::filesystem::path& folder,
                          const std::vector<WrittenParameter>& written,
                          std::uint64_t declared_file_bytes);

}  // namespace pith
