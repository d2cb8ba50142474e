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

struct WrittenModel {
  std::vector<WrittenParameter> parameters;  // in the order of a forward pass
  std::uint64_t file_bytes = 0;              // of the weight files, as the writer declared them
  std::vector<float> forward;                // ForwardProbe's result
};

// Opens the model as a stranger would and compares each parameter (shape, encoding, activation, all
// bytes of all buffers), a forward pass, and the size of the weight files. Returns the sentence for
// `verified` in a report. Throws FormatError naming the parameter and the difference.
std::string verify_model(const std::filesystem::path& model, const WrittenModel& written);

}  // namespace pith
