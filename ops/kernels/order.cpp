// What stands where in order along an axis.
#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

#include <xgrad/ops/kernels/cpu.hpp>

namespace xgrad::kernels {

namespace {

using Int = std::int64_t;

// NaN is above all, and equal to itself.
template <class T>
bool below(T a, T b) {
  return a < b || (a == a && b != b);
}

// Calls f(values, places) for each row along the axis, which it is given in one piece; places has `count` for
// each.
template <class T, class F>
void for_each_row(const T* x, Int* places, Int outer, Int extent, Int inner, Int count, F f) {
  std::vector<T> values(static_cast<std::size_t>(extent));
  std::vector<Int> found(static_cast<std::size_t>(count));
  for (Int o = 0; o < outer; ++o, x += extent * inner, places += count * inner)
    for (Int i = 0; i < inner; ++i) {
      for (Int e = 0; e < extent; ++e) values[static_cast<std::size_t>(e)] = x[e * inner + i];
      f(values.data(), std::span(found));
      for (Int e = 0; e < count; ++e) places[e * inner + i] = found[static_cast<std::size_t>(e)];
    }
}

template <class T>
void order(const T* x, Int* places, Int outer, Int extent, Int inner, bool descending) {
  for_each_row(x, places, outer, extent, inner, extent, [&](const T* v, std::span<Int> found) {
    std::iota(found.begin(), found.end(), Int{0});
    std::stable_sort(found.begin(), found.end(),
                     [=](Int a, Int b) { return descending ? below(v[b], v[a]) : below(v[a], v[b]); });
  });
}

template <class T>
void place_of_kth(const T* x, Int* places, Int outer, Int extent, Int inner, Int k, bool nan_first) {
  std::vector<Int> all(static_cast<std::size_t>(extent));
  for_each_row(x, places, outer, extent, inner, 1, [&](const T* v, std::span<Int> found) {
    const T* const nan = std::find_if(v, v + extent, [](T a) { return a != a; });
    if (nan_first && nan != v + extent) {
      found[0] = nan - v;
      return;
    }
    std::iota(all.begin(), all.end(), Int{0});
    std::nth_element(all.begin(), all.begin() + k, all.end(),
                     [=](Int a, Int b) { return below(v[a], v[b]) || (!below(v[b], v[a]) && a < b); });
    found[0] = all[static_cast<std::size_t>(k)];
  });
}

template <class T>
void places_of_extreme(const T* x, Int* places, Int outer, Int extent, Int inner, bool largest) {
  for_each_row(x, places, outer, extent, inner, extent, [&](const T* v, std::span<Int> found) {
    Int best = 0;
    for (Int e = 0; e < extent; ++e) {
      const bool beats = v[e] != v[e] || (largest ? v[e] >= v[best] : v[e] <= v[best]);
      if (beats) best = e;
      found[static_cast<std::size_t>(e)] = best;
    }
  });
}

}  // namespace

void add_orders(Table& table) {
  table.each([]<class T>(KernelsOf<T>& k) {
    k.order = order<T>;
    k.place_of_kth = place_of_kth<T>;
    k.places_of_extreme = places_of_extreme<T>;
  });
}

}  // namespace xgrad::kernels
