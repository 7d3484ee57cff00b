// Scopes: what the text of a graph says of where its ops were recorded.
#include <xgrad/autograd/core/scope.hpp>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/graph.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;

// "path, step 3" of an op recorded now.
std::string here() {
  const auto x = ones<double>({1}).set_requires_grad();
  const std::string text = to_dot(x * 2), op = R"("mul\n[1])";
  const std::size_t begin = text.find(op) + op.size(), end = text.find('"', begin);
  return begin == end ? "" : text.substr(begin + 2, end - begin - 2);  // after "\n"
}

TEST_CASE("scope: names nest, steps hold inside, and both end", "[scope]") {
  CHECK(here() == "");
  {
    const named_scope outer("model");
    CHECK(here() == "model");
    {
      const named_scope inner("rnn", 3);
      CHECK(here() == "model.rnn, step 3");
      {
        const named_scope deeper("cell");
        CHECK(here() == "model.rnn.cell, step 3");
        const named_scope again("", 0);
        CHECK(here() == "model.rnn.cell, step 0");
      }
      CHECK(here() == "model.rnn, step 3");
    }
    CHECK(here() == "model");
  }
  CHECK(here() == "");
  try {
    const named_scope scope("broken");
    throw 1;
  } catch (int) {
  }
  CHECK(here() == "");
}

TEST_CASE("scope: the same path is the same scope, whoever spells it", "[scope]") {
  // There is room for fewer paths than this.
  for (int i = 0; i < 20000; ++i) const named_scope outer("same"), inner(std::string("pa") + "th");
  const named_scope outer("same"), another("paths");
  CHECK(here() == "same.paths");
}

TEST_CASE("scope: a long count of steps costs nothing and is held at its end", "[scope]") {
  for (std::int64_t t = 0; t < 300000; ++t) const named_scope step("loop", t);
  const std::string at_its_end = "loop, step " + std::to_string(ScopeText::last_step);
  const named_scope last("loop", ScopeText::last_step);
  CHECK(here() == at_its_end);
  const named_scope later("", ScopeText::last_step + 1000);
  CHECK(here() == at_its_end);
  CHECK_THROWS_AS(named_scope("loop", -1), ValueError);
  CHECK(here() == at_its_end);
}

TEST_CASE("scope: when there are too many paths, the outer one stands for the inner", "[scope]") {
  const named_scope outer("many");
  for (int i = 0; i < 20000; ++i) const named_scope inner("inner" + std::to_string(i));
  const named_scope one_more("one_more");
  CHECK(here() == "many");
}

}  // namespace
