// LBFGS: where it arrives, what it refuses, and its state.
#include <xgrad/optim/lbfgs.hpp>

#include <xgrad/autograd/array/replay.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;

template <Real T>
struct Valley {  // Rosenbrock's, least at (1, 1)
  Tensor<T> a = Tensor<T>{-1.2, 1}.set_requires_grad(), b = Tensor<T>{1, -1}.set_requires_grad();
  optim::LBFGS<T> optimizer;
  explicit Valley(optim::LBFGSOptions options)
      : optimizer({a, b, zeros<T>({0}).set_requires_grad()}, options) {}
  T step() {
    return optimizer
        .step([&] {
          optimizer.zero_grad();
          auto loss = sum(100 * square(b - a * a) + square(1 - a));
          loss.backward();
          return loss;
        })
        .item();
  }
};

TEMPLATE_TEST_CASE("LBFGS finds the way through a valley", "", float, double) {
  Valley<TestType> valley({.line_search_fn = optim::LineSearch::strong_wolfe});
  for (int t = 0; t < 20; ++t) valley.step();
  CHECK(valley.step() < 1e-8);
  for (const TestType x : valley.a.values()) CHECK(x == Approx(1).epsilon(1e-3));
}

TEST_CASE("LBFGS goes on where its state was saved, or leaves everything as it is") {
  const optim::LBFGSOptions options{
      .max_iter = 2, .history_size = 3, .line_search_fn = optim::LineSearch::strong_wolfe};
  Valley<double> first(options), second(options);
  for (int t = 0; t < 4; ++t) first.step();
  const auto state = first.optimizer.state();
  for (const auto& [name, shape] : {std::pair("ro", Shape{4}), {"d", Shape{3}}, {"old_dirs", Shape{2, 4}}}) {
    auto wrong = state;
    std::ranges::find(wrong, std::string(name), &optim::NamedState::name)->tensor = zeros<double>(shape);
    CHECK_THROWS_WITH(second.optimizer.load_state(wrong), Contains(std::string("'") + name + "'"));
  }
  auto wrong = state;
  wrong[0].tensor = full<double>({5}, -1);
  CHECK_THROWS_WITH(second.optimizer.load_state(wrong), Contains("LBFGS: the state holds 'scalars' = -1"));
  CHECK(second.optimizer.state()[3].tensor.size(0) == 0);
  second.a.assign(first.a), second.b.assign(first.b);
  second.optimizer.load_state(state);
  for (int t = 0; t < 3; ++t) CHECK(first.step() == second.step());
}

TEST_CASE("LBFGS refuses what cannot work") {
  const std::vector<Tensor<>> p{zeros({2}).set_requires_grad()};
  optim::LBFGS optimizer(p);
  CHECK_THROWS_WITH(optimizer.step(), Contains("LBFGS: step() needs a closure"));
  CHECK_THROWS_WITH(optim::LBFGS(p, {.lr = -1}), Contains("LBFGS: lr is -1"));
  CHECK_THROWS_WITH(optim::LBFGS(p, {.max_iter = 0}), "LBFGS: max_iter is 0; it is at least 1");
  CHECK_THROWS_WITH(optim::LBFGS(p, {.max_eval = 0}), "LBFGS: max_eval is 0; it is at least 1");
  CHECK_THROWS_WITH(optim::LBFGS(p, {.tolerance_grad = -1}), Contains("LBFGS: tolerance_grad is -1"));
  CHECK_THROWS_WITH(optim::LBFGS(p, {.tolerance_change = -1}), Contains("LBFGS: tolerance_change is -1"));
  CHECK_THROWS_WITH(optim::LBFGS(p, {.history_size = 0}), Contains("LBFGS: history_size is 0"));
  CHECK_THROWS_WITH(optim::LBFGS(std::vector<Tensor<>>{}), Contains("LBFGS: no parameters"));
  Valley<float> valley({});
  CHECK_THROWS_WITH(Replay([&] {
                      valley.step();
                      return valley.a.detach();
                    }),
                    Contains("LBFGS: inside the function"));
}

}  // namespace
