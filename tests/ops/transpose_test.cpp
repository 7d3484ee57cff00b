// Transposed and permuted copies against index arithmetic.
#include <xgrad/ops/kernels/transpose.hpp>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include <xgrad/autograd/core/error.hpp>
#include "catch.hpp"

namespace kernels = xgrad::kernels;

namespace {

using Int = std::int64_t;
using Ints = std::vector<Int>;

/// The elements that permute_copy must write, in order.
template <class T>
std::vector<T> gather(const Ints& shape, const Ints& strides, const T* in) {
  std::vector<T> out{};
  const auto visit = [&](auto& self, std::size_t axis, const T* at) -> void {
    if (axis == shape.size()) return out.push_back(*at);
    for (Int i = 0; i < shape[axis]; ++i) self(self, axis + 1, at + i * strides[axis]);
  };
  visit(visit, 0, in);
  return out;
}

template <class T>
std::vector<T> counting(std::size_t size) {
  std::vector<T> values(size);
  std::iota(values.begin(), values.end(), T(1));
  return values;
}

/// Checks permute_copy, also that it writes nothing after the output.
template <class T>
void check(const Ints& shape, const Ints& strides, const T* in) {
  CAPTURE(shape, strides);
  std::vector<T> expected = gather(shape, strides, in);
  std::vector<T> out(expected.size() + 1, T(-1));
  kernels::permute_copy(shape, strides, in, out.data());
  expected.push_back(T(-1));
  REQUIRE(out == expected);
}

Ints row_major(const Ints& shape) {
  Ints strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

}  // namespace

TEMPLATE_TEST_CASE("Transposition of any size leaves the padding alone", "", float, double) {
  const auto in = counting<TestType>(140 * 140);
  for (Int rows : {0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 33, 63, 64, 65, 67, 130})
    for (Int columns : {0, 1, 2, 3, 4, 5, 6, 8, 9, 16, 31, 32, 63, 64, 65, 66, 129})
      for (Int padding : {0, 1, 5}) {
        CAPTURE(rows, columns, padding);
        const Int ld_in = columns + padding, ld_out = rows + padding;
        std::vector<TestType> out(static_cast<std::size_t>(columns * ld_out + padding), TestType(-1));
        std::vector<TestType> expected = out;
        for (Int i = 0; i < rows; ++i)
          for (Int j = 0; j < columns; ++j)
            expected[static_cast<std::size_t>(j * ld_out + i)] = in[static_cast<std::size_t>(i * ld_in + j)];
        kernels::transpose(rows, columns, in.data(), ld_in, out.data(), ld_out);
        REQUIRE(out == expected);
      }
}

TEMPLATE_TEST_CASE("Every permutation of the axes", "", float, double) {
  for (Ints shape : {Ints{3, 5}, Ints{5, 1, 7}, Ints{4, 3, 9}, Ints{16, 20, 8}, Ints{2, 3, 4, 5},
                     Ints{2, 1, 3, 2, 5}, Ints{2, 3, 2, 1, 2, 3, 2}}) {
    const Ints strides = row_major(shape);
    const auto in = counting<TestType>(static_cast<std::size_t>(shape[0] * strides[0]));
    Ints axes(shape.size());
    std::iota(axes.begin(), axes.end(), 0);
    do {
      Ints permuted, permuted_strides;
      for (Int axis : axes) {
        permuted.push_back(shape[static_cast<std::size_t>(axis)]);
        permuted_strides.push_back(strides[static_cast<std::size_t>(axis)]);
      }
      check(permuted, permuted_strides, in.data());
    } while (std::ranges::next_permutation(axes).found);
  }
}

TEMPLATE_TEST_CASE("Broadcast, reversed and stepped axes", "", float, double) {
  const auto in = counting<TestType>(5000);
  const TestType* middle = in.data() + 2500;
  check<TestType>({}, {}, middle);
  check<TestType>({1, 1}, {7, -3}, middle);
  check<TestType>({6}, {-1}, middle);
  check<TestType>({4, 6}, {0, 1}, middle);
  check<TestType>({4, 6}, {1, 0}, middle);
  check<TestType>({4, 6}, {0, 0}, middle);
  check<TestType>({4, 6}, {-6, -1}, middle);
  check<TestType>({9, 10}, {1, -20}, middle);
  check<TestType>({3, 4, 5}, {1, 40, 3}, middle);
  check<TestType>({3, 4, 5}, {-1, 0, 3}, middle);
  check<TestType>({0, 4}, {4, 1}, middle);
  check<TestType>({4, 0}, {4, 1}, middle);
}

TEMPLATE_TEST_CASE("Random strides", "", float, double) {
  const auto in = counting<TestType>(8000);
  std::mt19937 random(1);
  for (int some = 0; some < 500; ++some) {
    Ints shape, strides;
    for (std::size_t axis = 0, rank = 1 + random() % 4; axis < rank; ++axis) {
      shape.push_back(1 + static_cast<Int>(random() % 9));
      strides.push_back(random() % 3 ? static_cast<Int>(random() % 200) - 100
                                     : static_cast<Int>(random() % 3) - 1);
    }
    check(shape, strides, in.data() + 4000);
  }
}

TEST_CASE("More axes than a tensor has, and strides that are missing") {
  const Ints shape(8, 2), strides{1, 3, 9, 27, 81, 243, 729, 2187};
  const auto in = counting<float>(5000);
  std::vector<float> out(256);
  CHECK_THROWS_AS(kernels::permute_copy(shape, strides, in.data(), out.data()), xgrad::ShapeError);
  CHECK_THROWS_AS(kernels::permute_copy(shape, std::span(strides).first(7), in.data(), out.data()),
                  xgrad::ShapeError);
  check<float>(shape, row_major(shape), in.data());  // eight axes that are one
}
