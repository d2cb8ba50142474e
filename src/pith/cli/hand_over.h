// From `pith` to `pith-torch`, which lies beside it.
#pragma once

#include <limits>

namespace pith {

// A body's way to say: this needs torch.
constexpr int kHandOver = std::numeric_limits<int>::min();

// Replaces this process by pith-torch with the same arguments and `threads` OpenMP threads that
// wait passively. Returns only by throwing FormatError: pith-torch or its LibTorch is missing.
int hand_over(char** argv, int threads);

}  // namespace pith
