// Optimizers between threads: two steps do not run into each other.
#include <thread>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/optim/optimizer.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;

// In its step, another thread begins one.
struct Meeting : optim::Optimizer<float> {
  explicit Meeting(std::vector<Tensor<>> parameters) : Optimizer("Meeting", std::move(parameters), 0.1) {}
  void step() {
    each([&](auto&, auto&, auto, auto) {
      std::thread([&] {
        try {
          each([&](auto&, auto&, auto, auto) { ++second; });
        } catch (const GraphError& error) {
          refusal = error.what();
        }
      }).join();
    });
  }
  int second = 0;
  std::string refusal;
};

TEST_CASE("optimizer: one step at a time", "[optim][threads]") {
  Tensor<> w = ones({2}).set_requires_grad();
  w.set_grad(ones({2}));
  Meeting optimizer({w});
  optimizer.step();
  CHECK(optimizer.second == 0);
  CHECK_THAT(optimizer.refusal, Contains("Meeting: two threads are in step() at a time"));
  optimizer.refusal.clear();
  optimizer.step();  // and the refused one left no trace
  CHECK_FALSE(optimizer.refusal.empty());
}

}  // namespace
