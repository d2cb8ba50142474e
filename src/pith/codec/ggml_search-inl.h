// The searches for the scale (and minimum) of a group of weights, as the owner of the format does
// them, many groups at once: each lane of V is one group, so that the sums run in the order of the
// elements and every byte comes out as from a scalar loop. Source: formats.md 4.7.
//
// A file that includes this defines PITH_LANES, the attribute of functions that may use its
// instruction set, and a type V (see ggml_search_scalar.cc) before.

#include <cstddef>

#include "pith/codec/ggml_pack.h"

namespace pith {
namespace {

// How the scales that are tried for codes 0 to `levels` spread: (first + step * k + levels) over
// the range, for k from 0 to `steps`.
struct AffineSearch {
  int levels = 15;
  float first = -1;
  float step = 0.1f;
  int steps = 20;
};
// With importance weights all types try the same.
constexpr AffineSearch weighted_search(int levels) { return {levels, -0.9f, 0.05f, 36}; }

// value = scale * code + minimum, minimum <= 0. The codes of the search itself are
// round((x - base) * inverse), base being the minimum that the winning try began with.
template <class V>
struct AffineFit {
  V scale, minimum, inverse, base;
};

template <class V>
struct Line {
  V scale, minimum;
};

// Weighted sums over a group, and the least-squares line through (code, x) that they give.
template <class V>
struct Moments {
  V w, x, l, ll, xl;

  PITH_LANES V determinant() const { return w * ll - l * l; }
  PITH_LANES Line<V> line() const {
    const V d = determinant();
    const V minimum = (ll * x - l * xl) / d;
    const auto above_zero = V::all(0) < minimum;  // then the line goes through 0
    return {select(above_zero, xl / ll, (w * xl - x * l) / d),
            select(above_zero, V::all(0), minimum)};
  }
};

template <class V, std::size_t N>
PITH_LANES V
line_error(const V (&x)[N], const V (&w)[N], const V (&codes)[N], const Line<V>& line) {
  V sum = V::all(0);
  for (std::size_t i = 0; i < N; ++i) {
    const V difference = line.scale * codes[i] + line.minimum - x[i];
    sum = sum + w[i] * (difference * difference);
  }
  return sum;
}

// Codes by (x - base) * inverse, and the moments over them; moments.w and .x are kept.
template <class V, std::size_t N>
PITH_LANES void encode_affine(const V (&x)[N],
                              const V (&w)[N],
                              const AffineFit<V>& fit,
                              float levels,
                              V (&codes)[N],
                              Moments<V>& moments) {
  V l = V::all(0), ll = l, xl = l;
  for (std::size_t i = 0; i < N; ++i) {
    const V code = round_level(fit.inverse * (x[i] - fit.base), 0, levels);
    const V weighted = w[i] * code;
    codes[i] = code;
    l = l + weighted;
    ll = ll + weighted * code;
    xl = xl + weighted * x[i];
  }
  moments.l = l;
  moments.ll = ll;
  moments.xl = xl;
}

template <class V, std::size_t N>
PITH_LANES AffineFit<V> fit_affine(const V (&x)[N], const V (&w)[N], const AffineSearch& search) {
  const float levels = static_cast<float>(search.levels);
  V low = x[0], high = x[0];
  Moments<V> moments{w[0], w[0] * x[0], {}, {}, {}};
  for (std::size_t i = 1; i < N; ++i) {
    low = min(x[i], low);
    high = max(x[i], high);
    moments.w = moments.w + w[i];
    moments.x = moments.x + w[i] * x[i];
  }
  low = min(V::all(0), low);
  const auto has_range = low < high;

  AffineFit<V> best{
      .scale = {}, .minimum = low, .inverse = V::all(levels) / (high - low), .base = low};
  best.scale = V::all(1) / best.inverse;
  V codes[N];
  encode_affine(x, w, best, levels, codes, moments);
  V best_error = line_error(x, w, codes, Line<V>{best.scale, best.minimum});
  for (int k = 0; k <= search.steps; ++k) {
    const float spread = search.first + search.step * static_cast<float>(k) + levels;
    const V base = best.minimum;
    AffineFit<V> tried{{}, {}, V::all(spread) / (high - base), base};
    encode_affine(x, w, tried, levels, codes, moments);
    const Line<V> line = moments.line();
    const V error = line_error(x, w, codes, line);
    const auto better = (V::all(0) < moments.determinant()) & (error < best_error);
    best_error = select(better, error, best_error);
    best.scale = select(better, line.scale, best.scale);
    best.minimum = select(better, line.minimum, best.minimum);
    best.inverse = select(better, tried.inverse, best.inverse);
    best.base = select(better, tried.base, best.base);
  }
  const V zero = V::all(0);
  return {select(has_range, best.scale, zero),
          select(has_range, best.minimum, low),
          select(has_range, best.inverse, zero),
          select(has_range, best.base, low)};
}

// The first element of largest magnitude.
template <class V>
struct Extreme {
  V value, magnitude;
};
template <class V, std::size_t N>
PITH_LANES Extreme<V> extreme_of(const V (&x)[N]) {
  Extreme<V> extreme{V::all(0), V::all(0)};
  for (std::size_t i = 0; i < N; ++i) {
    const V magnitude = abs(x[i]);
    const auto larger = extreme.magnitude < magnitude;
    extreme.value = select(larger, x[i], extreme.value);
    extreme.magnitude = select(larger, magnitude, extreme.magnitude);
  }
  return extreme;
}

// sum w x q and sum w q q of codes or levels q; the best scale for them is their quotient.
template <class V>
struct Products {
  V xq, qq;
  // Better than a scale that took `best` = scale * xq of the error away.
  PITH_LANES auto better_than(const V& best) const {
    return (V::all(0) < qq) & (best * qq < xq * xq);
  }
};

template <class V, std::size_t N>
PITH_LANES Products<V> products_of_codes(
    const V (&x)[N], const V (&w)[N], const V (&wx)[N], const V& inverse, float levels) {
  Products<V> sums{V::all(0), V::all(0)};
  for (std::size_t i = 0; i < N; ++i) {
    const V code = round_level(inverse * x[i], -levels, levels - 1);
    sums.xq = sums.xq + wx[i] * code;
    sums.qq = sums.qq + w[i] * code * code;
  }
  return sums;
}

// Codes from -levels to levels - 1, minimum 0. A group that is all zero gets the lowest code, as
// the owner has it: its base is far above all x.
template <class V, std::size_t N>
PITH_LANES AffineFit<V> fit_symmetric(const V (&x)[N], const V (&w)[N], int num_levels) {
  const float levels = static_cast<float>(num_levels);
  const Extreme<V> extreme = extreme_of(x);
  V wx[N];
  for (std::size_t i = 0; i < N; ++i) wx[i] = w[i] * x[i];

  V inverse = V::all(-levels) / extreme.value;
  Products<V> sums = products_of_codes(x, w, wx, inverse, levels);
  V scale = select(sums.qq == V::all(0), V::all(0), sums.xq / sums.qq);
  V best = scale * sums.xq;
  for (int k = -9; k <= 9; ++k) {
    if (k == 0) continue;
    const V tried = V::all(-(levels + 0.1f * static_cast<float>(k))) / extreme.value;
    sums = products_of_codes(x, w, wx, tried, levels);
    const auto better = sums.better_than(best);
    const V quotient = sums.xq / sums.qq;
    inverse = select(better, tried, inverse);
    scale = select(better, quotient, scale);
    best = select(better, quotient * sums.xq, best);
  }
  const auto nothing = extreme.magnitude < V::all(kSmallestMagnitude);
  const V zero = V::all(0);
  return {select(nothing, zero, scale),
          zero,
          select(nothing, V::all(1), inverse),
          select(nothing, V::all(1e30f), zero)};
}

template <class V, std::size_t N>
PITH_LANES Products<V> products_of_levels(const V (&x)[N], const V (&w)[N], const V& inverse) {
  Products<V> sums{V::all(0), V::all(0)};
  for (std::size_t i = 0; i < N; ++i) {
    const V level = iq4_level(inverse * x[i]);
    const V weighted = w[i] * level;
    sums.xq = sums.xq + weighted * x[i];
    sums.qq = sums.qq + weighted * level;
  }
  return sums;
}

// The scale of levels kIq4Levels. Inlined for the reason that fit_iq4_groups has.
template <class V, std::size_t N>
[[gnu::always_inline]] PITH_LANES inline V fit_iq4(const V (&x)[N], const V (&w)[N]) {
  constexpr int kTries = 7;
  constexpr float kLowest = kIq4Levels[0];
  const Extreme<V> extreme = extreme_of(x);
  Products<V> sums = products_of_levels(x, w, V::all(1) / (extreme.value / V::all(-kLowest)));
  V scale = select(V::all(0) < sums.qq, sums.xq / sums.qq, V::all(0));
  V best = scale * sums.xq;
  for (int k = -kTries; k <= kTries; ++k) {
    sums = products_of_levels(x, w, V::all(static_cast<float>(k) + kLowest) / extreme.value);
    const auto better = sums.better_than(best);
    const V quotient = sums.xq / sums.qq;
    scale = select(better, quotient, scale);
    best = select(better, quotient * sums.xq, best);
  }
  return select(extreme.magnitude < V::all(kSmallestMagnitude), V::all(0), scale);
}

}  // namespace
}  // namespace pith
