// Replays: what they refuse, and that a refusal changes nothing.
#include <xgrad/autograd/array/replay.hpp>

#include <xgrad/xgrad.hpp>

#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

namespace {

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("what a Replay could not do again is refused, and changes nothing") {
  Tensor<> x = Tensor<>{1, 2}.set_requires_grad();
  const Indices places{0, 1};
  nn::Linear<> layer(2, 2);
  const auto parameters = nn::parameters(layer);
  optim::SGD sgd(parameters, {.lr = 0.1});
  Generator generator(1);
  const auto refused = [&](std::string_view what, auto function) {
    INFO(what);
    const std::string message = error_of([&] { Replay replay(function); });
    CHECK_THAT(message, Contains("inside the function of a Replay"));
    CHECK(message.starts_with(what));
    CHECK(sum(x).item() == 3);  // we are outside again
  };
  refused("item:", [&] { return sum(x).item(); });
  refused("values:", [&] { return x.values()[0]; });
  refused("data:", [&] { return *x.data(); });
  refused("mutable_values:", [&] { x.detach().mutable_values()[0] = 1; });
  refused("values:", [&] { return allclose(x, x); });
  refused("Indices::values:", [&] { return places.values()[0]; });
  refused("Indices::assign:", [&] { Indices(places).assign({1, 0}); });
  refused("random numbers:", [&] { return rand({2}); });
  refused("random numbers:", [&] { return dropout(x, 0.5); });
  refused("random numbers:", [&] { return generator.uniform(); });
  refused("SGD:", [&] {
    sum(layer(x.detach())).backward();
    sgd.step();
  });
  sgd.zero_grad();
  refused("clip_grad_norm:", [&] { optim::clip_grad_norm(parameters, 1); });
  refused("clip_grad_value:", [&] { optim::clip_grad_value(parameters, 1); });
  refused("inv:", [&] { return inv(eye(2)); });
  refused("Replay:", [&] { Replay inner([&] { return x + 1; }); });
  Replay plus_one([&] { return x.detach() + 1; });
  refused("Replay:", [&] { plus_one(); });
  CHECK(plus_one().values()[1] == 3);
  CHECK(list(x.detach()) == std::vector<float>{1, 2});
}

TEST_CASE("a Replay refuses gradients and graphs from before it") {
  Tensor<> x = Tensor<>{1, 2}.set_requires_grad();
  sum(x).backward();
  CHECK_THROWS_WITH(Replay([&] { sum(square(x)).backward(); }),
                    Contains("a leaf of shape [2] has a gradient from before; call zero_grad() first"));
  CHECK(x.grad().values()[1] == 1);
  x.zero_grad();
  const Tensor<> y = tanh(x);
  CHECK_THROWS_WITH(
      Replay([&] { sum(y * x).backward(); }),
      Contains("reaches 'tanh', which was recorded before it") && Contains("replay_refusals_test.cpp"));
  CHECK(!x.grad().defined());
}

TEST_CASE("a Replay is neither made nor run under an anomaly scope") {
  Tensor<> x{1};
  Replay step([&] { return x + 1; });
  const anomaly scope;
  CHECK_THROWS_WITH(step(), Contains("Replay: an anomaly scope is on"));
  CHECK_THROWS_WITH(Replay([&] { return x + 1; }), Contains("Replay: an anomaly scope is on"));
}

TEST_CASE("an exception of the function comes through, and its tensors stay good") {
  Tensor<> kept;
  CHECK_THROWS_AS(Replay([&] {
                    kept = full({3}, 2);
                    throw std::runtime_error("enough");
                  }),
                  std::runtime_error);
  CHECK((kept + 1).values()[2] == 3);
}

TEST_CASE("a Replay that was moved from says so") {
  Tensor<> x{1};
  Replay step([&] { return x + 1; });
  Replay moved = std::move(step);
  CHECK(moved().item() == 2);
  CHECK_THROWS_WITH(step(), Contains("Replay: this one was moved from"));
  CHECK_THROWS_WITH(step.kernels(), Contains("Replay: this one was moved from"));
}
