// What keeps vLLM from running a folder, told without running it. Source: formats.md 5.7.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pith/formats/layouts/layout.h"

namespace pith {

// A line for each obstacle, with the first matrix that it concerns and how many more: layouts
// that vLLM does not read, shapes and groups beyond its kernels, modules that it runs as one and
// that differ. Empty: none is known. `matrices` are all of the model; `layout` is its name.
std::vector<std::string> vllm_obstacles(std::span<const LayoutMatrix> matrices,
                                        std::string_view layout);

}  // namespace pith
