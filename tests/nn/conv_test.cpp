// Convolutions: modules' names, initial values and errors; against plain loops for every option at once.
#include <cmath>

#include <xgrad/nn/conv.hpp>
#include <xgrad/nn/sequential.hpp>
#include <xgrad/ops/conv.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

TEST_CASE("convolving modules have PyTorch's shapes, range and text") {
  Generator generator(1);
  const nn::Conv2d<> conv(4, 6, {3, 5}, {.stride = 2, .padding = 1, .groups = 2}, true, generator);
  CHECK(conv.weight.shape() == Shape{6, 2, 3, 5});
  CHECK(conv.bias.shape() == Shape{6});
  float most = 0;
  for (const auto& p : nn::parameters(conv))
    for (const float v : p.values()) most = std::max(most, std::abs(v));
  CHECK(most <= 1 / std::sqrt(30.0f));
  CHECK(most > 0.9f / std::sqrt(30.0f));
  CHECK(nn::to_string(conv) == "Conv2d(4, 6, kernel_size=(3, 5), stride=(2, 2), padding=(1, 1), groups=2)");
  CHECK(conv(zeros({2, 4, 9, 9})).shape() == Shape{2, 6, 5, 4});
  CHECK(conv(zeros({4, 9, 9})).shape() == Shape{6, 5, 4});
  const nn::Conv1d<> line(3, 5, 4, {.padding = "same"}, false);
  CHECK(line.weight.shape() == Shape{5, 3, 4});
  CHECK_FALSE(line.bias.defined());
  CHECK(line(zeros({2, 3, 7})).shape() == Shape{2, 5, 7});
  CHECK(nn::to_string(line) == "Conv1d(3, 5, kernel_size=(4,), stride=(1,), padding=same, bias=False)");
  const nn::ConvTranspose2d<> up(4, 6, 3, {.stride = 2, .padding = 1, .output_padding = 1, .groups = 2});
  CHECK(up.weight.shape() == Shape{4, 3, 3, 3});
  CHECK(up(zeros({1, 4, 5, 5})).shape() == Shape{1, 6, 10, 10});
  CHECK(nn::to_string(up) ==
        "ConvTranspose2d(4, 6, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), output_padding=(1, 1), "
        "groups=2)");
}

// Every sum as it is defined.
Tensor<double> by_loops(const Tensor<double>& x, const Tensor<double>& w, Size2 stride, Size2 padding,
                        Size2 dilation, std::int64_t groups, const Shape& result) {
  Tensor<double> y = zeros<double>(result);
  std::size_t n = 0;
  for (const auto& i : places(result)) {
    double total = 0;
    const std::int64_t first = i[1] / (w.shape()[0] / groups) * w.shape()[1];
    for (std::int64_t c = 0; c < w.shape()[1]; ++c)
      for (std::int64_t r = 0; r < w.shape()[2]; ++r)
        for (std::int64_t s = 0; s < w.shape()[3]; ++s) {
          const std::int64_t row = i[2] * stride.rows + r * dilation.rows - padding.rows;
          const std::int64_t column = i[3] * stride.columns + s * dilation.columns - padding.columns;
          if (row < 0 || row >= x.shape()[2] || column < 0 || column >= x.shape()[3]) continue;
          total += at(x, {i[0], first + c, row, column}) * at(w, {i[1], c, r, s});
        }
    y.mutable_values()[n++] = total;
  }
  return y;
}

TEST_CASE("conv2d is the sum over its window, for all options and sizes of tiles") {
  Generator generator(2);
  int cases = 0;
  for (const std::int64_t groups : {1, 3})
    for (const Size2 stride : {Size2(1), Size2(2, 3)})
      for (const Size2 padding : {Size2(0), Size2(2, 1), Size2(4, 5)})
        for (const Size2 dilation : {Size2(1), Size2(2, 3)})
          for (const Size2 window : {Size2(1), Size2(3, 2)})
            for (const std::int64_t width : {8, 41}) {
              const auto x = randn<double>({2, 6, 7, width}, generator);
              const auto w = randn<double>({15, 6 / groups, window.rows, window.columns}, generator);
              const auto y = conv2d(x, w, {}, {stride, padding, dilation, groups});
              CHECK(allclose(y, by_loops(x, w, stride, padding, dilation, groups, y.shape()), 1e-12, 1e-12));
              // Its adjoints: the three products of image, weight and result are one number.
              const auto g = randn<double>(y.shape(), generator);
              auto leaf_x = x.clone().set_requires_grad(), leaf_w = w.clone().set_requires_grad();
              const auto [dx, dw] = grad(
                  sum(conv2d(leaf_x, leaf_w, {}, {stride, padding, dilation, groups}) * g), {leaf_x, leaf_w});
              const double one = sum(y * g).item();
              CHECK(sum(x * dx).item() == Approx(one).epsilon(1e-9).margin(1e-9));
              CHECK(sum(w * dw).item() == Approx(one).epsilon(1e-9).margin(1e-9));
              // The adjoint by the image, element by element: the sum over the windows of a single pixel's
              // image.
              auto pixel = zeros<double>(x.shape());
              const std::size_t where = static_cast<std::size_t>(cases * 37) % pixel.values().size();
              pixel.mutable_values()[where] = 1;
              const double by_pixel =
                  sum(conv2d(pixel, w, {}, {stride, padding, dilation, groups}) * g).item();
              CHECK(dx.values()[where] == Approx(by_pixel).epsilon(1e-9).margin(1e-9));
              ++cases;
            }
  CHECK(cases == 96);
}

TEST_CASE("convolutions refuse what does not fit") {
  const auto x = ones({2, 4, 5, 5}), w = ones({6, 4, 3, 3});
  CHECK_THROWS_WITH(
      conv2d(x, ones({6, 3, 3, 3})),
      Contains("conv2d: x [2, 4, 5, 5] and weight [6, 3, 3, 3]: axis 1 of the weight must be 4, for 4 "
               "channels in 1 group"));
  CHECK_THROWS_WITH(conv2d(x, w, {}, {.groups = 3}), Contains("must be divided by groups, 3"));
  CHECK_THROWS_WITH(conv2d(x, ones({6, 4, 3})), Contains("both must have 4 axes"));
  CHECK_THROWS_WITH(conv2d(x, w, ones({5})),
                    Contains("conv2d: bias has shape [5]; it must be [6], the channels out"));
  CHECK_THROWS_WITH(
      conv2d(x, ones({6, 4, 3, 9})),
      Contains("a window of 9 columns, 9 with its dilation, is larger than the image, 5 with its padding"));
  CHECK_THROWS_WITH(conv2d(x, w, {}, {.stride = {1, 0}}),
                    Contains("conv2d: stride is (1, 0); it must be at least 1"));
  CHECK_THROWS_WITH(conv2d(x, w, {}, {.padding = -1}), Contains("padding is (-1, -1)"));
  CHECK_THROWS_WITH(conv2d(x, w, {}, {.dilation = 0}), Contains("dilation is (0, 0)"));
  CHECK_THROWS_WITH(conv2d(x, w, {}, {.groups = 0}), Contains("groups is 0"));
  CHECK_THROWS_WITH(conv2d(x, w, {}, {.stride = 2, .padding = "same"}),
                    Contains("with padding \"same\" it must be 1"));
  CHECK_THROWS_WITH(ConvPadding("some"),
                    Contains("conv: padding \"some\"; give a number, \"same\" or \"valid\""));
  CHECK_THROWS_WITH(conv2d(Tensor<>(), w), Contains("conv2d: operand 0 is undefined"));
  CHECK_THROWS_WITH(conv1d(ones({1, 2, 3}), ones({1, 2, 2}), {}, {.stride = {1, 2}}),
                    Contains("conv1d: stride is (1, 2); of a sequence there is one number"));
  CHECK_THROWS_WITH(conv_transpose2d(x, ones({3, 4, 3, 3})), Contains("axis 0 of the weight must be 4"));
  CHECK_THROWS_WITH(conv_transpose2d(x, ones({4, 4, 3, 3}), {}, {.output_padding = 1}),
                    Contains("output_padding is (1, 1); it must be less than the stride, or the dilation"));
  CHECK_THROWS_WITH(conv_transpose2d(x, ones({4, 4, 3, 3}), {}, {.padding = 4}), Contains("pad less"));
  CHECK_THROWS_WITH(nn::Conv2d<>(4, 6, 3, {.groups = 4}),
                    Contains("Conv2d: 4 groups of 4 channels in and 6 out"));
  CHECK_THROWS_WITH(nn::Conv2d<>(-4, 6, 3), Contains("in = -4"));
  CHECK_THROWS_WITH(nn::Conv1d<>(4, 6, 0), Contains("window = (0, 0)"));
  CHECK_THROWS_WITH(nn::Conv1d<>(4, 6, 3, {.stride = 0}),
                    Contains("Conv1d: stride is (0, 0); it must be at least 1"));
  CHECK_THROWS_WITH(nn::ConvTranspose2d<>(4, 6, 3, {.padding = -1}),
                    Contains("ConvTranspose2d: padding is (-1, -1)"));
  CHECK_THROWS_WITH(nn::Conv2d<>()(x), Contains("Conv2d: used before it has parameters"));
  nn::Sequential net{nn::Conv2d<>(3, 2, 3)};
  nn::parameters(net);
  CHECK_THROWS_WITH(net(x), Contains("Conv2d: x has shape [2, 4, 5, 5]; it must have 3 channels") &&
                                Contains("(in the module '0')"));
}

}  // namespace
