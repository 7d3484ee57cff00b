// The small modules: Linear, Embedding, Dropout, activations, losses, Sequential.
#include <cmath>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/nn/activation.hpp>
#include <xgrad/nn/bilinear.hpp>
#include <xgrad/nn/dropout.hpp>
#include <xgrad/nn/embedding.hpp>
#include <xgrad/nn/linear.hpp>
#include <xgrad/nn/loss.hpp>
#include <xgrad/nn/sequential.hpp>
#include <xgrad/nn/shape.hpp>
#include <xgrad/ops/reduce.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;
using Names = std::vector<std::string>;

TEST_CASE("Linear has PyTorch's shapes and range, and refuses what does not fit") {
  Generator generator(1);
  const nn::Linear<> linear(100, 7, true, generator);
  CHECK(linear.weight.shape() == Shape{7, 100});
  CHECK(linear.bias.shape() == Shape{7});
  for (const auto& p : nn::parameters(linear))
    for (const float v : p.values()) CHECK(std::abs(v) <= 0.1f);
  CHECK(linear(zeros({5, 2, 100})).shape() == Shape{5, 2, 7});
  CHECK(allclose(linear(zeros({100})), linear.bias, 0, 0));
  CHECK_FALSE(nn::Linear<>(2, 3, false).bias.defined());
  CHECK(allclose(nn::Linear<>(2, 3, false)(zeros({1, 2})), zeros({1, 3}), 0, 0));
  CHECK_THROWS_AS(linear(zeros({5, 99})), ShapeError);
  CHECK_THROWS_WITH(nn::Linear<>(2, 3)(zeros({2, 3})),
                    Contains("Linear(in=2, out=3): x has shape [2, 3]; its last axis must be 2"));
  CHECK_THROWS_WITH(linear(scalar(1)),
                    Contains("Linear(in=100, out=7): x has shape []; its last axis must be 100"));
  CHECK_THROWS_WITH(linear(Tensor<>()), Contains("linear: operand 0 is undefined"));
  CHECK_THROWS_WITH(nn::Linear<>()(zeros({1, 2})),
                    Contains("Linear: used before it has parameters; construct it with its sizes"));
  CHECK_THROWS_WITH(nn::Linear<>(-1, 2), Contains("got in = -1, out = 2"));
}

TEST_CASE("Embedding reads rows") {
  Generator generator(1);
  const nn::Embedding<> embedding(5, 3, generator);
  const auto y = embedding(Indices{{4, 0}, {0, 1}});
  CHECK(y.shape() == Shape{2, 2, 3});
  CHECK(y.values()[0] == embedding.weight.values()[12]);
  CHECK(nn::to_string(embedding) == "Embedding(5, 3)");
  CHECK_THROWS_AS(embedding(Indices{5}), ValueError);
  CHECK_THROWS_WITH(nn::Embedding<>()(Indices{1}), Contains("Embedding: used before it has parameters"));
  CHECK_THROWS_WITH(nn::Embedding<>(1, -2), Contains("features = -2"));
}

TEST_CASE("Sequential chains modules and functions, numbered as PyTorch's") {
  nn::Sequential net{nn::Linear<>{2, 8}, nn::Tanh(), [](const auto& x) { return x * 2; }, nn::Linear<>{8, 1}};
  const auto x = ones({4, 2});
  CHECK(allclose(net(x), net.at<3>()(tanh(net.at<0>()(x)) * 2), 0, 0));
  Names names;
  for (const auto& [name, p] : nn::named_parameters(net)) names.push_back(name);
  CHECK(names == Names{"0.weight", "0.bias", "3.weight", "3.bias"});
  CHECK(nn::to_string(net) ==
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=8, bias=True)\n"
        "  (1): Tanh()\n"
        "  (3): Linear(in_features=8, out_features=1, bias=True)\n"
        ")");
  const auto copy = nn::clone(net);
  CHECK(copy.at<0>().weight.data() != net.at<0>().weight.data());
  const nn::Sequential activations{nn::ReLU(), nn::Sigmoid(),   nn::GELU(),       nn::SiLU(),
                                   nn::ELU(),  nn::LeakyReLU(), nn::LogSoftmax(), nn::Softmax{0}};
  CHECK(
      allclose(activations(x), softmax(log_softmax(leaky_relu(elu(silu(gelu(sigmoid(relu(x))))))), 0), 0, 0));
}

TEST_CASE("Dropout drops while training only, as its generator says") {
  Generator a(3), b(3);
  nn::Dropout first{.p = 0.25, .generator = &a}, second{.p = 0.25, .generator = &b};
  const auto x = ones({100, 100});
  const auto y = first(x);
  CHECK(allclose(y, second(x), 0, 0));
  CHECK_FALSE(allclose(y, first(x)));
  std::int64_t dropped = 0;
  for (const float v : y.values()) {
    CHECK((v == 0 || v == Approx(1 / 0.75)));
    dropped += v == 0;
  }
  CHECK(std::abs(static_cast<double>(dropped) - 2500) < 5 * std::sqrt(10000 * 0.25 * 0.75));
  nn::eval(first);
  CHECK(allclose(first(x), x, 0, 0));
  CHECK(nn::to_string(first) == "Dropout(p=0.25)");
  CHECK_THROWS_AS(nn::Dropout{1.5}(x), ValueError);
  const auto masked = nn::Dropout()(ones<double>({3}));  // from the default generator
  CHECK(masked.elements() == 3);
}

TEST_CASE("losses as modules are the functions") {
  Generator g(1);
  const auto logits = randn({4, 3}, g), other = rand({4, 3}, g);
  const Indices targets{0, 2, 1, 2};
  CHECK(nn::CrossEntropyLoss()(logits, targets).item() == cross_entropy(logits, targets).item());
  CHECK(nn::CrossEntropyLoss{{.reduction = Reduction::sum, .ignore_index = 2}}(logits, targets).item() ==
        cross_entropy(logits, targets, {.reduction = Reduction::sum, .ignore_index = 2}).item());
  CHECK(nn::NLLLoss()(logits, targets).item() == nll_loss(logits, targets).item());
  CHECK(nn::MSELoss()(logits, other).item() == mse_loss(logits, other).item());
  CHECK(nn::MSELoss{Reduction::none}(logits, other).shape() == Shape{4, 3});
  CHECK(nn::L1Loss{Reduction::sum}(logits, other).item() == l1_loss(logits, other, Reduction::sum).item());
  CHECK(nn::BCEWithLogitsLoss()(logits, other).item() ==
        binary_cross_entropy_with_logits(logits, other).item());
  CHECK(nn::to_string(nn::MSELoss()) == "MSELoss()");
}

TEST_CASE("an embedding's padding is 0 and gets no gradient") {
  nn::Embedding<> table{4, 2, {.padding_idx = 1}};
  CHECK(table.weight.values()[2] == 0);
  CHECK(table.weight.values()[3] == 0);
  sum(table(Indices{{1, 0}, {2, 1}})).backward();
  CHECK(allclose(table.weight.grad(), Tensor<>{{1, 1}, {0, 0}, {1, 1}, {0, 0}}, 0, 0));
  CHECK(nn::to_string(table).find("padding_idx=1") != std::string::npos);
  CHECK_THROWS_WITH((nn::Embedding<>{4, 2, {.padding_idx = 4}}),
                    Contains("padding_idx is 4, and the rows are 0 to 3"));
  CHECK_THROWS_WITH((nn::Embedding<>{4, 2, {.max_norm = -1}}), Contains("max_norm is -1"));
}

TEST_CASE("an embedding's rows that are used are scaled to the largest norm") {
  nn::Embedding<> table{3, 2, {.max_norm = 1}};
  table.weight.assign(Tensor<>{{3, 4}, {0.3, 0.4}, {6, 8}});
  CHECK(allclose(table(Indices{0, 1}), Tensor<>{{0.6, 0.8}, {0.3, 0.4}}));
  CHECK(allclose(table.weight, Tensor<>{{0.6, 0.8}, {0.3, 0.4}, {6, 8}}));
}

TEST_CASE("Bilinear is a product with both inputs") {
  nn::Bilinear<double> layer{2, 3, 4};
  const auto a = randn<double>({5, 2}), b = randn<double>({5, 3}), y = layer(a, b);
  for (std::size_t n = 0; n < 5; ++n)
    for (std::size_t o = 0; o < 4; ++o) {
      double want = layer.bias.values()[o];
      for (std::size_t i = 0; i < 2; ++i)
        for (std::size_t j = 0; j < 3; ++j)
          want += a.values()[n * 2 + i] * layer.weight.values()[(o * 2 + i) * 3 + j] * b.values()[n * 3 + j];
      CHECK(y.values()[n * 4 + o] == Approx(want));
    }
  CHECK(nn::parameters(layer).size() == 2);
  CHECK_THROWS_WITH(layer(a, a),
                    Contains("Bilinear(2, 3, out=4): inputs [5, 2] and [5, 2]; they are (…, 2) and (…, 3)"));
  CHECK_THROWS_WITH((nn::Bilinear<>{0, 1, 1}), Contains("sizes must be at least 1"));
}

TEST_CASE("modules of shapes and activations do what their functions do") {
  const Tensor<> x = randn({2, 4, 6}) * 3;
  CHECK(nn::Flatten()(x).shape() == Shape{2, 24});
  CHECK(nn::Unflatten{2, {3, -1}}(x).shape() == Shape{2, 4, 3, 2});
  CHECK_THROWS_WITH((nn::Unflatten{2, {4, -1}}(x)),
                    Contains("axis 2 of [2, 4, 6] has 6 elements, which do not fill 4 x -1"));
  CHECK_THROWS_WITH((nn::Unflatten{2, {-1, -1}}(x)), Contains("do not fill -1 x -1"));
  const auto same = [&](const Tensor<>& got, const Tensor<>& want) { return allclose(got, want, 0, 0); };
  CHECK(same(nn::Identity()(x), x));
  CHECK(same(nn::LogSigmoid()(x), logsigmoid(x)));
  CHECK(same(nn::Softplus()(x), softplus(x)));
  CHECK(same(nn::ReLU6()(x), relu6(x)));
  CHECK(same(nn::Hardtanh{-2, 1}(x), hardtanh(x, -2, 1)));
  CHECK(same(nn::Hardsigmoid()(x), hardsigmoid(x)));
  CHECK(same(nn::Hardswish()(x), hardswish(x)));
  CHECK(same(nn::SELU()(x), selu(x)));
  CHECK(same(nn::CELU{2}(x), celu(x, 2)));
  CHECK(same(nn::Mish()(x), mish(x)));
  CHECK(same(nn::Softsign()(x), softsign(x)));
  CHECK(same(nn::Tanhshrink()(x), tanhshrink(x)));
  CHECK(same(nn::Hardshrink{1}(x), hardshrink(x, 1)));
  CHECK(same(nn::Softshrink{1}(x), softshrink(x, 1)));
  CHECK(same(nn::Threshold{1, 20}(x), threshold(x, 1, 20)));
  CHECK(same(nn::GLU{1}(x), glu(x, 1)));
  CHECK(same(nn::Softmin{1}(x), softmax(-x, 1)));
  nn::PReLU<> prelu_of_channels{4};
  CHECK(same(prelu_of_channels(x), where(x > 0, x, x * 0.25f)));
  CHECK(nn::parameters(prelu_of_channels).size() == 1);
}

}  // namespace
