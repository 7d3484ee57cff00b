// nn::check: what a loss depends on and a module does not name.
#include <xgrad/nn/check.hpp>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/nn/linear.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include "catch.hpp"

using namespace xgrad;
using Catch::Matchers::Contains;

namespace {

struct Forgetful {
  nn::Linear<> hidden{2, 8}, out{8, 1};
  Tensor<> slope = ones({1}).set_requires_grad();
  Forgetful() = default;
  Tensor<> operator()(const Tensor<>& x) const { return out(tanh(hidden(x) * slope)); }
  void visit(auto&& v) { v("hidden", hidden); }
};

}  // namespace

TEST_CASE("check: leaves that the module does not name", "[check]") {
  Forgetful net;
  const auto loss = sum(net(ones({4, 2})));
  CHECK_THROWS_AS(nn::check(net, loss), GraphError);
  CHECK_THROWS_WITH(nn::check(net, loss),
                    Contains("the loss depends on 3 leaves that the module does not name") &&
                        Contains("one of shape [1], first read by 'mul' (called in") &&
                        Contains("check_test.cpp:") &&
                        Contains("one of shape [1, 8], first read by 'linear'") &&
                        Contains("hand them to v in the module's visit(), or freeze them"));
  net.slope.set_requires_grad(false);
  nn::set_requires_grad(net.out, false);
  CHECK(nn::check(net, loss).empty());
  CHECK_NOTHROW(loss.backward());  // checking leaves the graph alone
}

TEST_CASE("check: parameters on which the loss does not depend", "[check]") {
  struct Net {
    nn::Linear<> used{2, 2}, unused{2, 2};
  };
  Net net;
  CHECK(nn::check(net, sum(net.used(ones({1, 2})))) ==
        std::vector<std::string>{"unused.weight", "unused.bias"});
  nn::Linear<> tied = net.used;
  CHECK(nn::check(net.used, sum(tied(ones({1, 2})))).empty());
}

TEST_CASE("check: a loss that was not recorded", "[check]") {
  Forgetful net;
  CHECK_THROWS_WITH(nn::check(net, Tensor<>()), Contains("check: the loss was not recorded"));
  CHECK_THROWS_WITH(nn::check(net, net.slope), Contains("check: the loss was not recorded"));
  const no_grad scope;
  CHECK_THROWS_WITH(nn::check(net, sum(net(ones({4, 2})))), Contains("check: the loss was not recorded"));
}
