// Matrix products by their definition, and how far others are from them.
#pragma once

#include <vector>

#include <xgrad/autograd/tape/create.hpp>
#include "catch.hpp"
#include "near.hpp"

namespace xgrad::testing {

/// op(a) · op(b) by the definition, in double. Vectors and leading axes as numpy.matmul takes them.
template <Real T>
Tensor<double> product_by_loops(const Tensor<T>& a, const Tensor<T>& b, bool ta = false, bool tb = false) {
  const bool row = a.rank() == 1, column = b.rank() == 1;
  const Shape sa = row ? Shape{1, a.elements()} : a.shape(), sb = column ? Shape{b.elements(), 1} : b.shape();
  ta = ta && !row;
  tb = tb && !column;
  const auto end = [](const Shape& s, std::size_t back) { return s[s.rank() - back]; };
  const std::int64_t m = end(sa, ta ? 1 : 2), k = end(sa, ta ? 2 : 1), n = end(sb, tb ? 2 : 1);
  const Shape lead_a(sa.begin(), sa.end() - 2), lead_b(sb.begin(), sb.end() - 2);
  Shape shape = broadcast("test", lead_a, lead_b);
  const Shape lead = shape;
  std::vector<double> values;
  for (std::int64_t batch = 0; batch < lead.elements(); ++batch) {
    const auto number = [&](const Shape& own) {  // of the matrix that this product reads
      std::int64_t rest = batch, n_own = 0, step = 1;
      for (std::size_t i = 0; i < lead.rank(); ++i) {
        const std::int64_t index = rest % end(lead, i + 1);
        rest /= end(lead, i + 1);
        if (i >= own.rank()) continue;
        if (end(own, i + 1) != 1) n_own += index * step;
        step *= end(own, i + 1);
      }
      return n_own;
    };
    const T* at_a = a.data() + number(lead_a) * m * k;
    const T* at_b = b.data() + number(lead_b) * k * n;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::int64_t p = 0; p < k; ++p)
          sum +=
              double(ta ? at_a[p * m + i] : at_a[i * k + p]) * double(tb ? at_b[j * k + p] : at_b[p * n + j]);
        values.push_back(sum);
      }
  }
  if (!row) shape.push_back(m);
  if (!column) shape.push_back(n);
  return from_values<double>(shape, std::span<const double>(values));
}

/// Checks that shapes are equal, and values to `limit` of the largest, or of `scale`.
template <Real T>
void check_close(const Tensor<T>& got, const Tensor<double>& want, double limit, double scale = 1e-30) {
  REQUIRE(got.shape() == want.shape());
  CHECK(off(got, want.shape(), {want.values().begin(), want.values().end()}, limit, scale) == "");
}

}  // namespace xgrad::testing
