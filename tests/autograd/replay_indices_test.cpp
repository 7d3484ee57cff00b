// Replays: indices that change between runs, or are computed in them.
#include <xgrad/autograd/array/replay.hpp>

#include <xgrad/xgrad.hpp>

#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

TEST_CASE("Indices can be overwritten for the next run; wrong ones are refused before anything is computed") {
  Indices x{0, 1}, y{1, 2};
  Tensor<> w = reshape(linspace(-1, 1, 12), {4, 3}).detach().set_requires_grad();
  Replay step([&] {
    w.zero_grad();
    const Tensor<> loss = cross_entropy(embedding(w, x), y);
    loss.backward();
    return loss.detach();
  });
  const auto expected = [&](const Indices& rows, const Indices& targets) {
    return cross_entropy(embedding(w.detach(), rows), targets).item();
  };
  x.assign({3, 2});
  y.assign({0, -100});  // one to be ignored
  CHECK(step().item() == expected({3, 2}, {0, -100}));
  CHECK(w.grad().values()[6] == 0);
  const float loss = step().item();
  const std::vector<float> gradient = list(w.grad());

  x.assign({1, 4});
  CHECK_THROWS_WITH(step(),
                    Catch::Matchers::StartsWith("embedding: index 4 at position 1 of [2] is not in [0, 4)"));
  x.assign({1, 1});
  y.assign({0, 3});
  CHECK_THROWS_WITH(step(), Contains("cross_entropy: target 3 at position 1 is no class of input [2, 3]"));
  y.assign({-100, -100});
  CHECK_THROWS_WITH(step(), Contains("every target is ignored"));
  CHECK(cross_entropy(embedding(w.detach(), x), Indices{0, 1}).item() != loss);
  CHECK(list(w.grad()) == gradient);  // nothing was computed
  y.assign({2, 2});
  CHECK(step().item() == expected({1, 1}, {2, 2}));

  CHECK_THROWS_WITH(x.assign({1, 2, 3}),
                    Contains("Indices::assign: values of shape [3] to indices of shape [2]"));
  CHECK_THROWS_AS(x.assign({1, 2, 3}), ShapeError);
  CHECK(x.values()[0] == 1);
  Indices part = Indices{{5, 6}, {7, 8}}[1];
  part.assign({1, 2});
  CHECK(equal(part, Indices{1, 2}));
}

TEST_CASE("Indices that are made inside lie where no other array of a run was before") {
  const Tensor<> x{1, 2, 3}, number = zeros({}), w = reshape(linspace(-1, 1, 8), {4, 2}).detach();
  const Indices y{2};
  const auto function = [&] {
    x * 2;  // of three floats, whose memory is of the size of two integers'
    const Tensor<> rows = embedding(w, {1, 0});
    number + 1;
    return std::vector{rows, cross_entropy(reshape(x, {1, 3}), y)};
  };
  Replay step(function);
  CHECK(same_bits(step(), function()));
}

TEST_CASE("a graph refuses to go backward through Indices that were overwritten") {
  Tensor<> w = ones({4, 3}).set_requires_grad();
  const auto check = [&](auto use, std::string_view op) {
    Indices x{0, 1};
    const Tensor<> loss = sum(use(x));
    x.assign({1, 0});
    CHECK_THROWS_WITH(loss.backward(),
                      Contains("backward of '" + std::string(op) + "': its indices of shape"));
    CHECK(!w.grad().defined());
  };
  check([&](const Indices& x) { return embedding(w, x); }, "embedding");
  check([&](const Indices& x) { return index_select(w, 0, x); }, "index_select");
  check([&](const Indices& x) { return one_hot_linear(x, transpose(w, 0, 1), Tensor<>()); },
        "one_hot_linear");
  check([&](const Indices& x) { return cross_entropy(narrow(w, 0, 0, 2), x); }, "cross_entropy");
}

TEST_CASE("indices that kernels compute are used where they always fit, and refused elsewhere") {
  Tensor<> x{0, 3, 1, 2}, logits = Tensor<>{{1, 2, 3, 4}}, table = reshape(arange(16), {4, 4}).detach();
  table.set_requires_grad();
  const auto function = [&] {
    table.zero_grad();
    const Indices largest = argmax(x, 0, true);
    const Tensor<> loss = cross_entropy(logits + embedding(table, largest), largest);
    loss.backward();
    return std::vector{loss.detach(), table.grad(), one_hot<float>(largest, 4),
                       one_hot<float>(argmin(x, 0), 5)};
  };
  Replay step(function);
  for (const Tensor<>& values : {Tensor<>{5, 3, 1, 2}, Tensor<>{0, 1, 2, 3}}) {
    x.assign(values);
    std::vector<Tensor<>> again;
    for (const auto& y : step()) again.push_back(y.clone());
    CHECK(same_bits(again, function()));
  }
  Indices largest;
  Replay finder([&] { largest = argmax(x, 0); });
  Replay user([&] { return embedding(narrow(table.detach(), 0, 0, 4), largest); });  // these can be checked
  x.assign(Tensor<>{0, 1, 0, 0});
  finder();
  CHECK(user().values()[0] == 4);
  largest.assign(Indices(Shape{}, {4}));
  CHECK_THROWS_WITH(user(),
                    Catch::Matchers::StartsWith("embedding: index 4 at position 0 of [] is not in [0, 4)"));
  CHECK_THROWS_WITH(
      Replay([&] { return embedding(narrow(table, 0, 0, 3), argmax(x, 0)); }),
      Catch::Matchers::StartsWith("embedding: inside the function of a Replay indices are computed that may "
                                  "reach 3, and only those in "
                                  "[0, 3) fit; compute them before each run, and assign() them"));
  CHECK_THROWS_WITH(Replay([&] { return cross_entropy(logits, argmax(x, 0, true), {.ignore_index = 1}); }),
                    Contains("targets that the function computes cannot be ignored"));
  const Tensor<> nothing = zeros({0, 4});
  CHECK_THROWS_WITH(Replay([&] { return cross_entropy(nothing, argmax(nothing, 1)); }),
                    Contains("there are no rows"));
  CHECK_THROWS_WITH(
      Replay([&] { return nll_loss(narrow(logits, 1, 0, 2), argmax(x, 0, true)); }),
      Contains("nll_loss: inside the function of a Replay indices are computed that may reach 3"));
}

TEST_CASE("what a Replay gave is changed in place by its next run, which graphs outside notice") {
  Tensor<> x{1, 2}, w = Tensor<>{1, 1}.set_requires_grad();
  Indices largest;
  Replay step([&] {
    largest = argmax(x, 0);
    return x * 2;
  });
  const Tensor<> features = step(), loss = sum(features * w),
                 picked = index_select(w, 0, reshape(largest, {1}));
  step();
  CHECK_THROWS_WITH(loss.backward(), Contains("was changed in place after the op saved it"));
  CHECK_THROWS_WITH(sum(picked).backward(), Contains("backward of 'index_select': its indices of shape [1]"));
}
