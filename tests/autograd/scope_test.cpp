// Scopes: the annotation that nodes carry.
#include <xgrad/autograd/array/scope.hpp>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/node.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;

ScopeText here() {
  auto x = ones<double>({1}).set_requires_grad();
  return scope_text((x * 2).node()->scope());
}

TEST_CASE("scope: names nest, steps hold inside, and both end", "[scope]") {
  CHECK(here().path.empty());
  CHECK_FALSE(here().step);
  {
    const Scope outer("model");
    CHECK(here().path == "model");
    {
      const Scope inner("rnn", 3);
      CHECK(here().path == "model.rnn");
      CHECK(here().step == 3);
      {
        const Scope deeper("cell");
        CHECK(here().path == "model.rnn.cell");
        CHECK(here().step == 3);
        const Scope again("", 0);
        CHECK(here().path == "model.rnn.cell");
        CHECK(here().step == 0);
      }
      CHECK(here().path == "model.rnn");
      CHECK(here().step == 3);
    }
    CHECK_FALSE(here().step);
  }
  CHECK(here().path.empty());
  try {
    const Scope scope("broken");
    throw 1;
  } catch (int) {
  }
  CHECK(here().path.empty());
}

TEST_CASE("scope: the same path is the same scope, whoever spells it", "[scope]") {
  const auto id = [](const std::string& name) {
    const Scope a("same"), b(name);
    auto x = ones<double>({1}).set_requires_grad();
    return (x * 2).node()->scope();
  };
  CHECK(id("path") == id(std::string("pa") + "th"));
  CHECK(id("path") != id("paths"));
}

TEST_CASE("scope: a long count of steps costs nothing and is held at its end", "[scope]") {
  for (std::int64_t t = 0; t < 300000; ++t) const Scope step("loop", t);
  const Scope last("loop", ScopeText::last_step), later("", ScopeText::last_step + 1000);
  CHECK(here().step == ScopeText::last_step);
  CHECK(here().path == "loop");
  CHECK_THROWS_AS(Scope("loop", -1), ValueError);
  CHECK(here().path == "loop");
}

TEST_CASE("scope: when there are too many paths, the outer one stands for the inner", "[scope]") {
  const Scope outer("many");
  for (int i = 0; i < 20000; ++i) const Scope inner("inner" + std::to_string(i));
  const Scope one_more("one_more");
  CHECK(here().path == "many");
}

}  // namespace
