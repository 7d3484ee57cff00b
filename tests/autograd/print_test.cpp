// Printing: the expected strings are NumPy's own, by print(array) under np.printoptions(precision=...).
#include <xgrad/autograd/array/print.hpp>
#include <xgrad/autograd/array/indices.hpp>

#include <fmt/format.h>

#include <limits>
#include <sstream>

#include <xgrad/autograd/tape/create.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;

constexpr double nan = std::numeric_limits<double>::quiet_NaN(),
                 inf = std::numeric_limits<double>::infinity();

template <class T = double>
std::string printed(const Shape& shape, std::vector<T> values, int precision = 8) {
  return to_string(from_values<T>(shape, std::span<const T>(values)), precision);
}

/// 0, 1, 2, … in a shape, divided by `divisor`.
std::string counting(const Shape& shape, double divisor = 1, int precision = 8) {
  Tensor<double> x = empty<double>(shape);
  double next = 0;
  for (double& value : x.mutable_values()) value = next++ / divisor;
  return to_string(x, precision);
}

TEST_CASE("print: numbers share one width and lose trailing zeros", "[print]") {
  CHECK(printed({2, 2}, {1, 2, 3, 4}) == "[[1. 2.]\n [3. 4.]]");
  CHECK(printed({3}, {1.5, 2, -3.25}) == "[ 1.5   2.   -3.25]");
  CHECK(printed({3}, {-1, 10, 100}) == "[ -1.  10. 100.]");
  CHECK(printed({2}, {0, -0.0}) == "[ 0. -0.]");
  CHECK(printed({3}, {0.1, 0.12, 0.123}) == "[0.1   0.12  0.123]");
  CHECK(printed({2, 1}, {1, 20}) == "[[ 1.]\n [20.]]");
}

TEST_CASE("print: the precision rounds, half to even", "[print]") {
  CHECK(printed({2}, {1. / 3, 2. / 3}) == "[0.33333333 0.66666667]");
  CHECK(printed({2}, {1. / 3, 2. / 3}, 4) == "[0.3333 0.6667]");
  CHECK(printed({2}, {0.125, 0.375}, 2) == "[0.12 0.38]");
  CHECK(printed({3}, {0.5, 1.5, 2.5}, 0) == "[0. 2. 2.]");
  CHECK(printed({2}, {0.99999, 1.00001}, 4) == "[1. 1.]");
  CHECK(printed({2}, {0.001, 0.00012345}, 4) == "[0.001  0.0001]");
  CHECK(printed({3}, {0.1, 0.2, 0.7}, 17) == "[0.1 0.2 0.7]");
}

TEST_CASE("print: scientific where NumPy turns to it", "[print]") {
  CHECK(printed({2}, {1e8, 1}) == "[1.e+08 1.e+00]");
  CHECK(printed({2}, {99999999, 1e6}) == "[99999999.  1000000.]");
  CHECK(printed({2}, {1, 1001}) == "[1.000e+00 1.001e+03]");
  CHECK(printed({2}, {1, 1000}) == "[   1. 1000.]");
  CHECK(printed({2}, {1e-4, 1e-3}) == "[0.0001 0.001 ]");
  CHECK(printed({2}, {9.9e-5, 1e-4}) == "[9.9e-05 1.0e-04]");
  CHECK(printed({2}, {1e-300, 1e300}) == "[1.e-300 1.e+300]");
  CHECK(printed({3}, {1e-7, 2.5e-7, -3e-7}) == "[ 1.0e-07  2.5e-07 -3.0e-07]");
  CHECK(printed({3}, {1e100, 1e5, 0}) == "[1.e+100 1.e+005 0.e+000]");
  CHECK(printed({3}, {1. / 3, 1e5 / 7, -22. / 7}, 3) == "[ 3.333e-01  1.429e+04 -3.143e+00]");
  CHECK(printed({1}, {123456789.125}, 4) == "[1.2346e+08]");
  // Shorter ones are written out to the length of the longest, digit by digit.
  CHECK(printed({2}, {3.5227654217651117e-43, 2.336160401454558e-43}, 17) ==
        "[3.5227654217651117e-43 2.3361604014545579e-43]");
}

TEST_CASE("print: float has its own digits and limits", "[print]") {
  CHECK(printed<float>({3}, {0.1f, 0.2f, 1.f / 3}) == "[0.1        0.2        0.33333334]");
  CHECK(printed<float>({2}, {1e6f, 2e6f}) == "[1.e+06 2.e+06]");
  CHECK(printed<float>({2}, {999999.f, 5e5f}) == "[999999. 500000.]");
  CHECK(printed<float>({2}, {16777216.f, 1.f / 3000}) == "[1.6777216e+07 3.3333333e-04]");
  CHECK(printed<float>({3}, {1.1f, 2.2f, 3.3f}, 4) == "[1.1 2.2 3.3]");
}

TEST_CASE("print: NaN and infinity", "[print]") {
  CHECK(printed({2}, {nan, 1.5}) == "[nan 1.5]");
  CHECK(printed({3}, {-nan, inf, -inf}) == "[ nan  inf -inf]");
  CHECK(printed({2}, {inf, inf}) == "[inf inf]");
  CHECK(printed({3}, {inf, 100.25, -1}) == "[   inf 100.25  -1.  ]");
  CHECK(printed({3}, {-inf, 1e-9, 1e9}) == "[  -inf 1.e-09 1.e+09]");
  CHECK(printed({2, 2}, {nan, 0.5, inf, -inf}) == "[[ nan  0.5]\n [ inf -inf]]");
}

TEST_CASE("print: scalars keep all their digits", "[print]") {
  CHECK(printed({}, {1}) == "1.0");
  CHECK(printed({}, {1. / 3}, 4) == "0.3333333333333333");
  CHECK(printed({}, {-0.0}) == "-0.0");
  CHECK(printed({}, {1e15}) == "1000000000000000.0");
  CHECK(printed({}, {1e16}) == "1e+16");
  CHECK(printed({}, {1e-4}) == "0.0001");
  CHECK(printed({}, {1.5e-5}) == "1.5e-05");
  CHECK(printed({}, {nan}) == "nan");
  CHECK(printed({}, {-inf}) == "-inf");
  CHECK(printed<float>({}, {1.f / 3}, 4) == "0.33333334");
  CHECK(printed<float>({}, {999999.f}) == "999999.0");
  CHECK(printed<float>({}, {1e6f}) == "1e+06");
  CHECK(printed<float>({}, {1e-4f}) == "1e-04");
}

TEST_CASE("print: axes are nested and parted by empty lines", "[print]") {
  CHECK(printed({0}, {}) == "[]");
  CHECK(printed({2, 0, 3}, {}) == "[]");
  CHECK(printed({1, 1, 1, 1}, {0}) == "[[[[0.]]]]");
  CHECK(counting({2, 3, 2}) == R"([[[ 0.  1.]
  [ 2.  3.]
  [ 4.  5.]]

 [[ 6.  7.]
  [ 8.  9.]
  [10. 11.]]])");
  CHECK(counting({2, 2, 1, 2}) == R"([[[[0. 1.]]

  [[2. 3.]]]


 [[[4. 5.]]

  [[6. 7.]]]])");
}

TEST_CASE("print: lines wrap at 75 characters", "[print]") {
  CHECK(counting({20}) == R"([ 0.  1.  2.  3.  4.  5.  6.  7.  8.  9. 10. 11. 12. 13. 14. 15. 16. 17.
 18. 19.])");
  CHECK(counting({30}, 7) == R"([0.         0.14285714 0.28571429 0.42857143 0.57142857 0.71428571
 0.85714286 1.         1.14285714 1.28571429 1.42857143 1.57142857
 1.71428571 1.85714286 2.         2.14285714 2.28571429 2.42857143
 2.57142857 2.71428571 2.85714286 3.         3.14285714 3.28571429
 3.42857143 3.57142857 3.71428571 3.85714286 4.         4.14285714])");
  CHECK(counting({2, 16}, 3, 4) ==
        R"([[ 0.      0.3333  0.6667  1.      1.3333  1.6667  2.      2.3333  2.6667
   3.      3.3333  3.6667  4.      4.3333  4.6667  5.    ]
 [ 5.3333  5.6667  6.      6.3333  6.6667  7.      7.3333  7.6667  8.
   8.3333  8.6667  9.      9.3333  9.6667 10.     10.3333]])");
}

TEST_CASE("print: more than 1000 elements are summarised", "[print]") {
  CHECK(counting({1000}).find("...") == std::string::npos);
  CHECK(counting({1001}) == "[   0.    1.    2. ...  998.  999. 1000.]");
  CHECK(counting({40, 40}) == R"([[0.000e+00 1.000e+00 2.000e+00 ... 3.700e+01 3.800e+01 3.900e+01]
 [4.000e+01 4.100e+01 4.200e+01 ... 7.700e+01 7.800e+01 7.900e+01]
 [8.000e+01 8.100e+01 8.200e+01 ... 1.170e+02 1.180e+02 1.190e+02]
 ...
 [1.480e+03 1.481e+03 1.482e+03 ... 1.517e+03 1.518e+03 1.519e+03]
 [1.520e+03 1.521e+03 1.522e+03 ... 1.557e+03 1.558e+03 1.559e+03]
 [1.560e+03 1.561e+03 1.562e+03 ... 1.597e+03 1.598e+03 1.599e+03]])");
  CHECK(counting({2, 600}, 8) == R"([[0.00000e+00 1.25000e-01 2.50000e-01 ... 7.46250e+01 7.47500e+01
  7.48750e+01]
 [7.50000e+01 7.51250e+01 7.52500e+01 ... 1.49625e+02 1.49750e+02
  1.49875e+02]])");
  CHECK(counting({300, 1, 4}) == R"([[[0.000e+00 1.000e+00 2.000e+00 3.000e+00]]

 [[4.000e+00 5.000e+00 6.000e+00 7.000e+00]]

 [[8.000e+00 9.000e+00 1.000e+01 1.100e+01]]

 ...

 [[1.188e+03 1.189e+03 1.190e+03 1.191e+03]]

 [[1.192e+03 1.193e+03 1.194e+03 1.195e+03]]

 [[1.196e+03 1.197e+03 1.198e+03 1.199e+03]]])");
}

TEST_CASE("print: through streams and fmt, with history or without a value", "[print]") {
  const auto x = Tensor<double>{{1, 2.123456789}}.set_requires_grad();
  std::ostringstream stream;
  stream << x << ' ' << x * 2 << ' ' << Tensor<>{1.5f};
  CHECK(stream.str() == "[[1.         2.12345679]] [[2.         4.24691358]] [1.5]");
  CHECK(fmt::format("<{}> <{:.3}> <{:.0}>", x, x, Tensor<>{1.5f}) ==
        "<[[1.         2.12345679]]> <[[1.    2.123]]> <[2.]>");
  CHECK_THROWS_AS(fmt::format(fmt::runtime("{:x}"), x), ValueError);
  CHECK(to_string(Tensor<>()) == "undefined");
  CHECK(to_string(Tensor<double>{1, 2, 3, 4}.part({2}, 1)) == "[2. 3.]");
}

TEST_CASE("print: shapes and index arrays", "[print]") {
  const Shape shape{2, 3};
  const Indices table{{1, -20, 3}, {4, 5, 600}};
  std::ostringstream stream;
  stream << shape << ' ' << Shape{} << ' ' << table[1] << ' ' << table[0][1] << ' ' << Indices();
  CHECK(stream.str() == "[2, 3] [] [  4   5 600] -20 []");
  CHECK(fmt::format("<{}> <{:>8}> <{}>", shape, Shape{7}, table) ==
        "<[2, 3]> <     [7]> <[[  1 -20   3]\n [  4   5 600]]>");
  const Indices many(std::vector<int>(1001, 7));
  CHECK(to_string(many) == "[7 7 7 ... 7 7 7]");
}

}  // namespace
