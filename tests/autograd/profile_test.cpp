// The profile scope: what it counts, and what it leaves alone.
#include <xgrad/autograd/array/profile.hpp>

#include <algorithm>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/loss.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;

const profile::Row* find(const std::vector<profile::Row>& rows, std::string_view name, bool backward) {
  const auto at = std::ranges::find_if(
      rows, [&](const auto& row) { return row.name == name && row.backward == backward; });
  return at == rows.end() ? nullptr : &*at;
}

TEST_CASE("profile: calls and bytes of every op, forward and backward", "[profile]") {
  auto x = full({100, 4}, 0.5f).set_requires_grad();
  const Tensor<> before = tanh(x);
  const profile scope;
  Tensor<> y = x;
  for (int i = 0; i < 3; ++i) y = tanh(y);
  const Tensor<> loss = cross_entropy(y, Indices(std::vector<std::int64_t>(100, 1)));
  const auto forward = scope.rows();
  REQUIRE(forward.size() == 2);
  REQUIRE(find(forward, "tanh", false));
  CHECK(find(forward, "tanh", false)->calls == 3);
  CHECK(find(forward, "tanh", false)->bytes >= 3 * 400 * 4);
  CHECK(find(forward, "tanh", false)->bytes < 3 * 400 * 4 + 3 * 1000);
  CHECK(find(forward, "cross_entropy", false)->calls == 1);  // the ops that it is made of do not show
  loss.backward();
  const auto both = scope.rows();
  REQUIRE(both.size() == 4);
  CHECK(find(both, "tanh", true)->calls == 3);
  CHECK(find(both, "cross_entropy", true)->calls == 1);
  CHECK(std::ranges::is_sorted(both, std::ranges::greater(), &profile::Row::seconds));
  double sum = 0;
  for (const auto& row : both) {
    CHECK(row.seconds > 0);
    sum += row.seconds;
  }
  CHECK(sum <= scope.seconds());
  CHECK_THAT(scope.table(), Contains("tanh (backward)") && Contains("outside of ops"));
}

TEST_CASE("profile: an inner scope takes over, and nothing is timed after the end", "[profile]") {
  const auto x = ones({3});
  const profile outer;
  {
    const profile inner;
    (void)exp(x);
    CHECK(inner.rows().size() == 1);
  }
  CHECK(outer.rows().empty());
  (void)exp(x);
  CHECK(outer.rows().size() == 1);
}

}  // namespace
