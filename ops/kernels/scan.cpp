// Walks along one axis that depend on the order: cumulative sums, the place of an extreme.
#include <algorithm>

#include <xgrad/ops/kernels/cpu.hpp>

namespace xgrad::kernels {

namespace {

constexpr std::int64_t chunk = 256;  // columns walked side by side

template <class T>
void cumulative_sum(const T* x, T* out, std::int64_t outer, std::int64_t extent, std::int64_t inner,
                    bool from_the_end) {
  for (std::int64_t o = 0; o < outer; ++o, x += extent * inner, out += extent * inner)
    for (std::int64_t from = 0; from < inner; from += chunk) {
      const std::int64_t columns = std::min(chunk, inner - from);
      double total[chunk] = {};
      for (std::int64_t e = 0; e < extent; ++e) {
        const std::int64_t row = (from_the_end ? extent - 1 - e : e) * inner + from;
        for (std::int64_t j = 0; j < columns; ++j) {
          total[j] += static_cast<double>(x[row + j]);
          out[row + j] = static_cast<T>(total[j]);
        }
      }
    }
}

template <class T>
void find_first(const T* x, const T* value, std::int64_t* out, std::int64_t outer, std::int64_t extent,
                std::int64_t inner) {
  const auto same = [](T a, T b) { return (a == b) | ((a != a) & (b != b)); };
  for (std::int64_t o = 0; o < outer; ++o, x += extent * inner, value += inner, out += inner) {
    if (inner == 1) {
      std::int64_t e = 0;
      while (e + 1 < extent && !same(x[e], *value)) ++e;
      *out = e;
      continue;
    }
    for (std::int64_t e = extent;
         e-- > 0;)  // backwards and without branches: the first match is written last
      for (std::int64_t j = 0; j < inner; ++j) out[j] = same(x[e * inner + j], value[j]) ? e : out[j];
  }
}

}  // namespace

void add_scans(Table& table) {
  table.each([]<class T>(KernelsOf<T>& k) {
    k.cumulative_sum = cumulative_sum<T>;
    k.find_first = find_first<T>;
  });
}

}  // namespace xgrad::kernels
