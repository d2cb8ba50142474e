// A view of a row-major matrix that somebody else owns.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

namespace pith {

// Element (r, c) is data[r * stride + c]. Do not store a view beyond the life of its owner.
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;  // elements from a row to the next, >= cols

  MatrixView() = default;
  MatrixView(T* data, std::size_t rows, std::size_t cols) : MatrixView(data, rows, cols, cols) {}
  MatrixView(T* data, std::size_t rows, std::size_t cols, std::size_t stride)
      : data(data), rows(rows), cols(cols), stride(stride) {}

  std::span<T> row(std::size_t r) const { return {data + r * stride, cols}; }
  T& operator()(std::size_t r, std::size_t c) const { return data[r * stride + c]; }
  MatrixView rows_from(std::size_t first, std::size_t count) const {
    return {data + first * stride, count, cols, stride};
  }
  operator MatrixView<const T>() const
    requires(!std::is_const_v<T>)
  {
    return {data, rows, cols, stride};
  }
};

}  // namespace pith
