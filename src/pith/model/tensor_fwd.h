// Forward declaration of torch's tensor, for headers that only name it.
#pragma once

namespace at {
class Tensor;
}  // namespace at
