// Reductions against PyTorch's numbers and plain loops: every layout, special values, gradients at ties and
// zeros.
#include <xgrad/ops/reduce.hpp>

#include <cmath>
#include <limits>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"
#include "derivatives.hpp"
#include "near.hpp"
#include "reference_math.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using D = Tensor<double>;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity(),
                 not_a_number = std::numeric_limits<double>::quiet_NaN();

const D x{{{0.5, -1.25}, {2.0, 0.75}, {-0.5, 1.5}}, {{3.0, -2.0}, {0.25, 1.0}, {-1.5, 0.125}}};

}  // namespace

TEST_CASE("reductions give PyTorch's numbers") {
  CHECK(off(sum(x, 1), {2, 2}, {2, 1, 1.75, -0.875}) == "");
  CHECK(off(sum(x, {0, 2}), {3}, {0.25, 4, -0.375}) == "");
  CHECK(off(sum(x), {}, {3.875}) == "");
  CHECK(off(sum(x, {2, 0}, true), {1, 3, 1}, {0.25, 4, -0.375}) == "");
  CHECK(off(mean(x, -2), {2, 2},
            {0.6666666666666666, 0.3333333333333333, 0.5833333333333334, -0.2916666666666667}) == "");
  CHECK(off(mean(x, {0, 2}), {3}, {0.0625, 1, -0.09375}) == "");
  CHECK(off(amax(x, 1), {2, 2}, {2, 1.5, 3, 1}) == "");
  CHECK(off(amax(x, {0, 2}), {3}, {3, 2, 1.5}) == "");
  CHECK(off(amin(x, 1), {2, 2}, {-0.5, -1.25, -1.5, -2}) == "");
  CHECK(off(amin(x, {0, -1}), {3}, {-2, 0.25, -1.5}) == "");
  CHECK(off(logsumexp(x, 1), {2, 2},
            {2.2663678998071335, 1.9293732921052462, 3.0723549472662373, 1.382980266761352}) == "");
  CHECK(off(logsumexp(x, {0, 2}), {3}, {3.098112775708258, 2.6033090018276637, 1.8632267967854594}) == "");
  CHECK(off(var(x, 1), {2, 2},
            {1.5833333333333333, 2.020833333333333, 5.145833333333333, 2.3802083333333335}) == "");
  CHECK(off(var(x, {0, 2}), {3}, {4.932291666666667, 0.5416666666666666, 1.5768229166666667}) == "");
  CHECK(off(var(x, {}, {.correction = 0}), {}, {1.9959852430555556}) == "");
  CHECK(off(stddev(x, 1, {.keepdims = true}), {2, 1, 2},
            {1.2583057392117916, 1.4215601757693317, 2.2684429314693664, 1.5427923817978015}) == "");
  CHECK(off(stddev(x), {}, {1.4756145997413068}) == "");
  CHECK(off(prod(x, 1), {2, 2}, {-0.5, -1.40625, -1.125, -0.25}) == "");
  CHECK(off(prod(x), {}, {0.19775390625}) == "");
  CHECK(off(prod(x, {0, 2}, true), {1, 3, 1}, {3.75, 0.375, 0.140625}) == "");
  CHECK(off(norm(x, 1, 1), {2, 2}, {3, 3.5, 4.75, 3.125}) == "");
  CHECK(off(norm(x, 1), {}, {14.375}) == "");
  CHECK(off(norm(x, 2, 1), {2, 2},
            {2.1213203435596424, 2.091650066335189, 3.3634060117684275, 2.2395591083961146}) == "");
  CHECK(off(norm(x), {}, {5.020271407005801}) == "");
  CHECK(off(norm(x, inf, 1), {2, 2}, {2, 1.5, 3, 2}) == "");
  CHECK(off(cumsum(x, 1), {2, 3, 2}, {0.5, -1.25, 2.5, -0.5, 2, 1, 3, -2, 3.25, -1, 1.75, -0.875}) == "");
  CHECK(off(sum(scalar<double>(3)), {}, {3}) == "");
  CHECK(off(sum(Tensor<>{1, 2, 4}), {}, {7}) == "");
}

TEST_CASE("argmax and argmin give the first place of the extreme") {
  CHECK(equal(argmax(x), Indices(Shape{}, {6})));
  CHECK(equal(argmin(x), Indices(Shape{}, {7})));
  CHECK(equal(argmax(x, 1), Indices{{1, 2}, {0, 1}}));
  CHECK(equal(argmin(x, -1, true), Indices(Shape{2, 3, 1}, {1, 1, 0, 1, 0, 0})));
  CHECK(equal(argmax(Tensor<>{2, 7, 7, 1}), Indices(Shape{}, {1})));
  CHECK(equal(argmin(D{{3, 1, 1}, {0, 0, 5}}, 1), Indices{1, 0}));
  CHECK(equal(argmax(D{{3, 1, 1}, {3, 0, 5}}, 0), Indices{0, 0, 1}));
  CHECK(equal(argmax(D{1, not_a_number, 9, not_a_number}), Indices(Shape{}, {1})));
  CHECK(equal(argmin(D{{1, 2}, {not_a_number, 0}, {not_a_number, -1}}, 0), Indices{1, 2}));
  CHECK(argmax(zeros<double>({0, 3}), 1).shape() == Shape{0});
}

TEST_CASE("gradients where there is a choice are PyTorch's") {
  const D tied{1, 3, 3, -1, 3};
  CHECK(off(gradient([](const D& t) { return amax(t); }, tied), {5}, {0, 1. / 3, 1. / 3, 0, 1. / 3}) == "");
  CHECK(off(gradient([](const D& t) { return amin(t); }, -tied), {5}, {0, 1. / 3, 1. / 3, 0, 1. / 3}) == "");
  CHECK(off(gradient([](const D& t) { return norm(t, inf); }, D{1, -3, 3}), {3}, {0, -0.5, 0.5}) == "");
  CHECK(off(gradient([](const D& t) { return norm(t); }, D{0, 0, 0}), {3}, {0, 0, 0}) == "");
  CHECK(off(gradient([](const D& t) { return norm(t, 1); }, D{0, -2, 1}), {3}, {0, -1, 1}) == "");
  CHECK(off(gradient([](const D& t) { return stddev(t); }, D{2, 2, 2}), {3}, {0, 0, 0}) == "");
  CHECK(off(gradient([](const D& t) { return prod(t); }, D{2, 0, -3, 4}), {4}, {0, -24, 0, 0}) == "");
  CHECK(off(gradient([](const D& t) { return prod(t); }, D{2, 0, -3, 0}), {4}, {0, 0, 0, 0}) == "");
  CHECK(off(gradient([](const D& t) { return prod(t, 1); }, D{{2, 3}, {0, 5}, {0, 0}}), {3, 2},
            {3, 2, 5, 0, 0, 0}) == "");
  CHECK(off(gradient([](const D& t) { return logsumexp(t); }, D{-inf, 0, 0}), {3}, {0, 0.5, 0.5}) == "");
}

TEST_CASE("gradients of gradients do not fail where the first is 0") {
  for (const auto& f : std::vector<std::function<D(const D&)>>{[](const D& t) { return norm(t); },
                                                               [](const D& t) { return stddev(t); }}) {
    const D leaf = full<double>({3}, 0).set_requires_grad();
    auto [g] = grad(f(leaf), {leaf}, {.create_graph = true});
    auto [h] = grad(sum(g * D{1, 2, 3}), {leaf});
    for (const double v : h.values()) CHECK(std::isfinite(v));
  }
  const std::vector<std::vector<double>> zero(3, {0, 0, 0});
  CHECK(off_derivatives([](const D& t) { return norm(t); }, D{0, 0, 0}, zero) == "");
  CHECK(off_derivatives([](const D& t) { return stddev(t); }, D{2, 2, 2}, zero) == "");
  // prod of (a, b, 0, c): the second derivative by the zero and another is the product of the rest.
  const D leaf = (D{2, 3, 0, 5}).set_requires_grad();
  auto [g] = grad(prod(leaf), {leaf}, {.create_graph = true});
  auto [h] = grad(sum(g * D{0, 0, 1, 0}), {leaf});
  CHECK(off(h, {4}, {15, 10, 0, 6}) == "");
}

TEMPLATE_TEST_CASE("prod's second derivative keeps its digits beside a tiny element", "", float, double) {
  using V = Tensor<TestType>;
  const V leaf = V{1e-12, 1.7, -2}.set_requires_grad();
  const V g = grad(prod(leaf), leaf, {.create_graph = true});
  const V h = grad(sum(g * V{-0.3, 0.7, 1}), leaf);
  CHECK(off(h, {3}, {-2 * 0.7 + 1.7, -2 * -0.3 + 1e-12, -0.3 * 1.7 + 0.7e-12}, 1e-6) == "");
}

TEMPLATE_TEST_CASE("norm and stddev neither overflow nor vanish", "", float, double) {
  using T = TestType;
  using V = Tensor<T>;
  const double limit = sizeof(T) == 4 ? 1e-6 : 1e-14;
  for (const double size : {1e20, 1e-20, 1e-25, 1e-36, 1e36}) {
    INFO(size);
    const V a = V{{3, 4, 0}, {-3, 0, 0}, {1, -2, 2}} * size;
    const std::vector<double> norms{5 * size, 3 * size, 3 * size};
    CHECK(off(norm(a, 2, 1), {3}, norms, limit) == "");
    CHECK(off(norm(V(a.part({3, 1, 3})), 2, {0, 2}), {1}, {std::sqrt(43.0) * size}, limit) == "");
    CHECK(off(norm(transpose(a, 0, 1), 2, 0), {3}, norms, limit) == "");
    CHECK(off(stddev(a, 1, {.correction = 0}), {3},
              {std::sqrt(26.0) / 3 * size, std::sqrt(2.0) * size, std::sqrt(26.0) / 3 * size}, limit) == "");
    const V g = gradient([](const V& t) { return norm(t, 2, 1); }, a);
    CHECK(off(g, {3, 3}, {0.6, 0.8, 0, -1, 0, 0, 1. / 3, -2. / 3, 2. / 3}, limit) == "");
    const V s = gradient([](const V& t) { return stddev(t, 1, {.correction = 0}); }, a);
    CHECK(off(s, {3, 3},
              {2 / std::sqrt(234.0), 5 / std::sqrt(234.0), -7 / std::sqrt(234.0), -2 / std::sqrt(18.0),
               1 / std::sqrt(18.0), 1 / std::sqrt(18.0), 2 / std::sqrt(234.0), -7 / std::sqrt(234.0),
               5 / std::sqrt(234.0)},
              limit) == "");
  }
  CHECK(norm(V{std::numeric_limits<T>::max(), 0}).item() == std::numeric_limits<T>::max());
  CHECK(norm(V{std::numeric_limits<T>::denorm_min(), 0}).item() == std::numeric_limits<T>::denorm_min());
  CHECK(off(norm(V{{T(inf), 1}, {T(inf), T(not_a_number)}, {0, 0}}, 2, 1), {3}, {inf, not_a_number, 0}) ==
        "");
}

TEST_CASE("a NaN shows in the gradients of the extremes") {
  const auto all = {not_a_number, not_a_number, not_a_number};
  const D spoilt{1, not_a_number, 3};
  CHECK(off(gradient([](const D& t) { return amax(t); }, spoilt), {3}, all) == "");
  CHECK(off(gradient([](const D& t) { return amin(t); }, spoilt), {3}, all) == "");
  CHECK(off(gradient([](const D& t) { return norm(t, inf); }, spoilt), {3}, all) == "");
}

TEST_CASE("logsumexp neither overflows nor loses infinities") {
  CHECK(off(logsumexp(D{1000, 1000}), {}, {1000 + std::log(2.0)}) == "");
  CHECK(off(logsumexp(D{-1000, -1001}), {}, {-1000 + std::log1p(std::exp(-1.0))}) == "");
  CHECK(off(logsumexp(D{-inf, -inf}), {}, {-inf}) == "");
  CHECK(off(logsumexp(D{-inf, inf}), {}, {inf}) == "");
  CHECK(off(logsumexp(D{-inf, 2}), {}, {2}) == "");
  CHECK(off(logsumexp(Tensor<>{{100, 0}, {-200, -200}}, 1), {2}, {100, -200 + std::log(2.0)}, 1e-7) == "");
}

// Every way in which an array can be folded along one axis, against plain loops.
namespace {

struct View {
  std::int64_t outer, extent, inner;
};
const std::vector<View> views = {
    {1, 1, 1},    {1, 3, 1},    {1, 8, 1},    {1, 63, 1},   {1, 64, 1},   {1, 200, 1}, {1, 5000, 1},
    {3, 2, 1},    {5, 3, 1},    {33, 4, 1},   {70, 5, 1},   {40, 6, 1},   {65, 7, 1},  {33, 8, 1},
    {100, 16, 1}, {9, 17, 1},   {7, 31, 1},   {4, 65, 1},   {2, 2100, 1}, {1, 7, 5},   {1, 300, 3},
    {1, 1000, 2}, {1, 700, 32}, {1, 300, 33}, {1, 9, 64},   {1, 17, 65},  {1, 6, 513}, {1, 260, 40},
    {5, 3, 4},    {70, 2, 3},   {33, 5, 3},   {4, 5, 16},   {2, 70, 9},   {3, 8, 600}, {1, 515, 1},
    {6, 1, 5},    {2, 300, 20}, {1, 2, 700},  {1, 128, 130}};

template <Real T>
Tensor<T> random(const View& v, std::uint64_t seed) {
  Generator generator(seed);
  Tensor<T> result = rand<T>({v.outer, v.extent, v.inner}, generator);
  for (T& value : result.mutable_values()) value = T(2) * value - T(1);
  return result;
}

// result[o, i] = f(all x[o, :, i])
template <Real T, class F>
std::vector<double> by_loops(const Tensor<T>& array, const View& v, F f) {
  std::vector<double> result;
  for (std::int64_t o = 0; o < v.outer; ++o)
    for (std::int64_t i = 0; i < v.inner; ++i) {
      std::vector<double> line;
      for (std::int64_t e = 0; e < v.extent; ++e)
        line.push_back(
            static_cast<double>(array.values()[static_cast<std::size_t>((o * v.extent + e) * v.inner + i)]));
      result.push_back(f(line));
    }
  return result;
}

double total(const std::vector<double>& line, auto f) {
  BigFloat t;
  for (const double v : line) t = t + f(v);
  return static_cast<double>(t);
}

template <Real T>
void check_view(const View& v, double limit) {
  INFO("outer " << v.outer << ", extent " << v.extent << ", inner " << v.inner);
  const Tensor<T> a = random<T>(v, 3);
  const Shape shape{v.outer, v.inner};
  const auto n = static_cast<double>(v.extent);
  // The error of a sum is measured by the sum of what is added.
  const auto sizes =
      by_loops(a, v, [](const auto& l) { return total(l, [](double t) { return std::abs(t); }); });
  CHECK(off(sum(a, 1), shape,
            by_loops(a, v, [](const auto& l) { return total(l, [](double t) { return t; }); }), limit,
            std::ranges::max(sizes)) == "");
  CHECK(off(norm(a, 1, 1), shape, sizes, limit) == "");
  CHECK(off(norm(a, 2, 1), shape,
            by_loops(a, v, [](const auto& l) { return std::sqrt(total(l, [](double t) { return t * t; })); }),
            limit) == "");
  CHECK(off(logsumexp(a, 1), shape,
            by_loops(a, v,
                     [](const auto& l) {
                       const double sum = total(l, [](double t) { return rounded<mpfr_exp>(t); });
                       return std::log(sum);
                     }),
            2 * limit) == "");
  CHECK(off(var(a, 1, {.correction = 0}), shape,
            by_loops(a, v,
                     [&](const auto& l) {
                       const double m = total(l, [](double t) { return t; }) / n;
                       return total(l, [m](double t) { return (t - m) * (t - m); }) / n;
                     }),
            2 * limit) == "");
  CHECK(off(amax(a, 1), shape, by_loops(a, v, [](const auto& l) { return *std::ranges::max_element(l); }),
            0) == "");
  CHECK(off(amin(a, 1), shape, by_loops(a, v, [](const auto& l) { return *std::ranges::min_element(l); }),
            0) == "");
  CHECK(off(norm(a, inf, 1), shape,
            by_loops(a, v,
                     [](const auto& l) {
                       double m = 0;
                       for (const double t : l) m = std::max(m, std::abs(t));
                       return m;
                     }),
            0) == "");
  const Tensor<T> near_one = 1 + a * (1 / n);
  CHECK(off(prod(near_one, 1), shape,
            by_loops(near_one, v,
                     [](const auto& l) {
                       BigFloat p = 1;
                       for (const double t : l) p = p * t;
                       return static_cast<double>(p);
                     }),
            limit * std::max(4.0, std::sqrt(n))) == "");
  const Indices most = argmax(a, 1), least = argmin(a, 1);
  const auto places = by_loops(
      a, v, [](const auto& l) { return static_cast<double>(std::ranges::max_element(l) - l.begin()); });
  const auto least_places = by_loops(
      a, v, [](const auto& l) { return static_cast<double>(std::ranges::min_element(l) - l.begin()); });
  CHECK(std::vector<double>(most.values().begin(), most.values().end()) == places);
  CHECK(std::vector<double>(least.values().begin(), least.values().end()) == least_places);
}

}  // namespace

TEMPLATE_TEST_CASE("every layout is folded right", "", float, double) {
  for (const View& v : views) check_view<TestType>(v, std::is_same_v<TestType, float> ? 4e-7 : 1e-15);
}

TEST_CASE("several axes are folded as one after another") {
  const D a = random<double>({6, 35, 24}, 5);
  const D b = D(a.part({2, 3, 5, 7, 4, 6}));
  CHECK(allclose(sum(b, {1, 3, 5}), sum(sum(sum(b, 5), 3), 1), 1e-13));
  CHECK(allclose(sum(b, {0, 2, 4}), sum(sum(sum(b, 4), 2), 0), 1e-13));
  CHECK(allclose(amax(b, {0, 2, 3, 5}), amax(amax(b, {2, 3, 5}), 0), 0, 0));
  CHECK(allclose(norm(b, 2, {1, 4}), sqrt(sum(b * b, {1, 4})), 1e-13));
  CHECK(allclose(logsumexp(b, {0, 3}), log(sum(exp(b), {0, 3})), 1e-13));
  CHECK(allclose(var(b, {0, 2, 5}, {.correction = 0}), mean(square(b - mean(b, {0, 2, 5}, true)), {0, 2, 5}),
                 1e-13));
  CHECK(allclose(prod(b, {1, 4}), prod(prod(b, 4), 1), 1e-13));
}

TEMPLATE_TEST_CASE("a NaN comes through wherever it stands", "", float, double) {
  using T = TestType;
  for (const View& v : std::vector<View>{{1, 70, 1}, {9, 5, 1}, {1, 40, 7}, {1, 9, 70}})
    for (std::int64_t place = 0; place < v.extent; ++place) {
      Tensor<T> a = random<T>(v, 11);
      const std::int64_t o = v.outer - 1, i = v.inner / 2;
      a.mutable_values()[static_cast<std::size_t>((o * v.extent + place) * v.inner + i)] =
          static_cast<T>(not_a_number);
      const auto at = static_cast<std::size_t>(o * v.inner + i);
      for (const auto& y :
           {sum(a, 1), amax(a, 1), amin(a, 1), prod(a, 1), norm(a, 2, 1), norm(a, inf, 1), logsumexp(a, 1)})
        for (std::size_t k = 0; k < y.values().size(); ++k) REQUIRE(std::isnan(y.values()[k]) == (k == at));
      REQUIRE(argmax(a, 1).values()[at] == place);
    }
}

TEST_CASE("infinities are extremes like others") {
  CHECK(off(amax(D{-inf, -inf}), {}, {-inf}) == "");
  CHECK(off(amin(D{inf, inf}), {}, {inf}) == "");
  CHECK(off(amax(D{1, inf, -inf}), {}, {inf}) == "");
  CHECK(equal(argmax(D{-inf, -inf}), Indices(Shape{}, {0})));
}

TEST_CASE("long sums of floats stay accurate") {
  // The same number again and again is the hard case: its rounding errors all have one sign.
  constexpr std::int64_t n = 1 << 24;
  const Tensor<> tenths = full({n}, 0.1);
  const auto worst = [&](const Tensor<>& got, double terms) {
    double error = 0;
    for (const float v : got.values())
      error = std::max(error, std::abs(v / (static_cast<double>(0.1f) * terms) - 1));
    return error;
  };
  CHECK(worst(sum(tenths), n) < 2e-7);
  CHECK(worst(mean(tenths), 1) < 2e-7);
  CHECK(worst(sum(Tensor<>(tenths.part({n / 4, 4})), 0), n / 4) < 2e-7);
  CHECK(worst(sum(Tensor<>(tenths.part({n / 512, 512})), 0), n / 512) < 2e-7);
  CHECK(worst(sum(Tensor<>(tenths.part({4, n / 4})), 1), n / 4) < 2e-7);
  CHECK(std::abs(cumsum(tenths, 0).values().back() / (static_cast<double>(0.1f) * n) - 1) < 2e-7);
}

TEST_CASE("the mean is subtracted before squaring") {
  CHECK(off(var(Tensor<>{10000, 10001, 10002}), {}, {1}) == "");
  CHECK(off(var(D{1e9, 1e9 + 1, 1e9 + 2}, 0, {.correction = 0}), {}, {2. / 3}) == "");
}

TEST_CASE("empty axes") {
  const D none = zeros<double>({3, 0, 2});
  CHECK(off(sum(none, 1), {3, 2}, {0, 0, 0, 0, 0, 0}) == "");
  CHECK(off(prod(none, 1), {3, 2}, {1, 1, 1, 1, 1, 1}) == "");
  CHECK(off(norm(none, 2, 1), {3, 2}, {0, 0, 0, 0, 0, 0}) == "");
  CHECK(off(norm(none, inf), {}, {0}) == "");
  CHECK(off(logsumexp(none, {0, 1}), {2}, {-inf, -inf}) == "");
  CHECK(off(sum(none), {}, {0}) == "");
  CHECK(mean(none, 0).shape() == Shape{0, 2});
  CHECK(amax(none, {0, 2}).shape() == Shape{0});
  CHECK(cumsum(none, 0).shape() == Shape{3, 0, 2});
  CHECK_THROWS_AS(mean(none, 1), ValueError);
  CHECK_THROWS_WITH(mean(none, 1),
                    Contains("mean: nothing to reduce: the axes hold no elements in [3, 0, 2]"));
  CHECK_THROWS_WITH(amax(none), Contains("amax: nothing to reduce"));
  CHECK_THROWS_WITH(amin(none, {0, 1}), Contains("amin: nothing to reduce"));
  CHECK_THROWS_WITH(argmax(none, 1), Contains("argmax: nothing to reduce"));
  CHECK_THROWS_WITH(argmin(none), Contains("argmin: nothing to reduce"));
  CHECK_THROWS_WITH(var(none, 1), Contains("var: 0 elements of [3, 0, 2] to reduce and a correction of 1"));
}

TEST_CASE("bad arguments of reductions are named") {
  CHECK_THROWS_AS(sum(x, 3), ShapeError);
  CHECK_THROWS_WITH(sum(x, 3), Contains("sum: axis 3") && Contains("[2, 3, 2]"));
  CHECK_THROWS_WITH(amax(x, {0, -4}), Contains("amax: axis -4"));
  CHECK_THROWS_WITH(mean(x, {1, -2}), Contains("mean: axis 1 of [2, 3, 2] is named twice"));
  CHECK_THROWS_WITH(cumsum(scalar<double>(1), 0), Contains("cumsum: axis 0"));
  CHECK_THROWS_WITH(argmax(x, 5), Contains("argmax: axis 5"));
  CHECK_THROWS_AS(norm(x, -3), ValueError);
  CHECK_THROWS_WITH(norm(x, -3), Contains("norm: p is -3; give 0 or more, infinity included"));
  CHECK_THROWS_AS(var(D{1}), ValueError);
  CHECK_THROWS_WITH(var(D{1}), Contains("var: 1 element of [1] to reduce and a correction of 1"));
  CHECK_THROWS_WITH(stddev(x, 0, {.correction = 2}),
                    Contains("stddev: 2 elements of [2, 3, 2]") && Contains(".correction = 0"));
  for (const double bad : {std::nan(""), -std::numeric_limits<double>::infinity()})
    CHECK_THROWS_WITH(var(x, 0, {.correction = bad}),
                      Contains("var: 2 elements of [2, 3, 2] to reduce and a correction of ") &&
                          Contains(".correction = 0"));
  CHECK_THROWS_WITH(sum(D()), Contains("sum: operand 0 is undefined"));
  CHECK_THROWS_WITH(argmin(D()), Contains("argmin: operand 0 is undefined"));
}

TEST_CASE("what a reduction saved may not change before backward") {
  D a = (D{1, 2, 3}).set_requires_grad();
  const D y = norm(a);
  a.assign(D{4, 5, 6});
  CHECK_THROWS_WITH(y.backward(), Contains("norm") && Contains("changed in place"));
  D b = (D{1, 2, 3}).set_requires_grad();
  const D s = sum(b);
  b.assign(D{4, 5, 6});
  CHECK_NOTHROW(s.backward());  // saves nothing
  CHECK(off(b.grad(), {3}, {1, 1, 1}) == "");
}
