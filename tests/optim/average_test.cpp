// Averages of parameters: standing in their place, saving, and what is refused.
#include <xgrad/optim/average.hpp>

#include <limits>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/optim/sgd.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::optim;
using Catch::Matchers::Contains;
using D = Tensor<double>;

TEST_CASE("averages stand in the place of the parameters for a scope") {
  D p = D{1, 2}.set_requires_grad();
  SGD optimizer(std::vector{p}, {.lr = 1});
  StochasticWeightAverage average(std::vector{p});
  for (int t = 0; t < 3; ++t) {
    p.set_grad(D{1, 1});
    optimizer.step();
    average.update();
  }
  CHECK(average.n_averaged() == 3);
  const auto version = p.version();
  {
    const auto scope = average.apply();
    CHECK(allclose(p, D{-1, 0}, 1e-14, 1e-14));
    CHECK(p.version() > version);
    CHECK(allclose(average.averages()[0], D{-2, -1}, 0, 0));
  }
  CHECK(allclose(p, D{-2, -1}, 0, 0));
  CHECK(p.is_leaf());
}

TEST_CASE("an average is saved and loaded") {
  D p = D{1, 2}.set_requires_grad();
  ExponentialMovingAverage first(std::vector{p}, {.decay = 0.5}), second(std::vector{p}, {.decay = 0.5});
  first.update();
  p.assign(D{3, 4});
  first.update();
  second.load_state(first.state());
  p.assign(D{7, 8});
  first.update(), second.update();
  CHECK(allclose(first.averages()[0], second.averages()[0], 0, 0));
  CHECK(second.n_averaged() == 3);
  auto wrong = first.state();
  wrong[1].tensor = zeros<double>({3});
  CHECK_THROWS_WITH(
      second.load_state(wrong),
      Contains("ExponentialMovingAverage: the state holds 'average.0' [3] where 'average.0' [2]"));
  wrong.pop_back();
  CHECK_THROWS_WITH(second.load_state(wrong), Contains("a state of 1 tensors where there are 2"));
  wrong = first.state();
  wrong[0].tensor = D{-1};
  CHECK_THROWS_WITH(second.load_state(wrong), Contains("'n_averaged' = -1"));
}

TEST_CASE("averages refuse what cannot work") {
  const D p = D{1}.set_requires_grad();
  CHECK_THROWS_WITH(ExponentialMovingAverage(std::vector{p}, {.decay = 1.5}),
                    Contains("ExponentialMovingAverage: decay is 1.5; it lies between 0 and 1"));
  CHECK_THROWS_WITH(StochasticWeightAverage(std::vector{p, p}),
                    Contains("parameter 1 of shape [1] is given twice"));
  CHECK_THROWS_WITH(StochasticWeightAverage(std::vector{p, D()}), Contains("parameter 1 is undefined"));
}

}  // namespace
