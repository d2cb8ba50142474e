// Names of the files of a split GGUF model. Source: formats.md 4.3.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <vector>

namespace pith {

constexpr std::string_view kSplitNumberKey = "split.no";              // u16, from 0
constexpr std::string_view kSplitCountKey = "split.count";            // u16
constexpr std::string_view kSplitTensorsKey = "split.tensors.count";  // i32, of all files
constexpr std::size_t kMaxShards = 65535;                             // what u16 holds

// NAME-00002-of-00003.gguf for the path NAME.gguf, index 1 and count 3.
std::filesystem::path gguf_shard_path(const std::filesystem::path& whole,
                                      std::size_t index,
                                      std::size_t count);

// All files of the model of which `path` is number `index` of `count`, by its name. FormatError if
// its name says something else, or names the files that are missing.
std::vector<std::filesystem::path> find_gguf_shards(const std::filesystem::path& path,
                                                    std::size_t index,
                                                    std::size_t count);

}  // namespace pith
