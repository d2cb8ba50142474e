// The one place that says how many threads Pith uses, and the pool of the torch-free rooms.
#pragma once

#include <cstddef>
#include <functional>

namespace pith {

int physical_cores();         // of this process's affinity mask
int num_threads();            // default physical_cores()
void set_num_threads(int n);  // 1 to 1024; before the first parallel_for, or between two

// Calls body(first, last) for disjoint ranges that cover [0, count), on num_threads() threads, each
// range a multiple of `grain` long (but the last). Which thread runs which range is not fixed, so
// bodies must not depend on it. The first exception of a body is rethrown here after all have
// ended. Nested calls run inline.
void parallel_for(std::size_t count,
                  std::size_t grain,
                  const std::function<void(std::size_t, std::size_t)>& body);

}  // namespace pith
