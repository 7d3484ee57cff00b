// The promise that one thread makes tensors, which holds for a whole program: these cases run in this order.
#include <thread>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/thread_state.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/threads.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;

void on_a_thread(auto action) { std::thread(action).join(); }

TEST_CASE("One thread: the promise comes before others make tensors, is kept, and is checked") {
  std::string refusal = "none";
  on_a_thread([&] {
    const Tensor<> here = ones({2});
    on_a_thread([&] {
      try {
        const Tensor<> there = ones({2});
        promise_one_thread();
      } catch (const GraphError& error) {
        refusal = error.what();
      }
    });
  });
  CHECK_THAT(refusal, Contains("promise_one_thread: 2 threads have made tensors"));

  const Tensor<> x = ones({3}).set_requires_grad();
  promise_one_thread();
  promise_one_thread();  // once more does nothing
  std::string second = "none";
  on_a_thread([&] {
    try {
      ones({2});
    } catch (const GraphError& error) {
      second = error.what();
    }
  });
  CHECK_THAT(second, Contains("a second thread makes a tensor"));

  CHECK(detail::single_threaded());  // although others were started
  (x * 2).backward(ones({3}));
  CHECK(x.grad().values() == std::vector<float>{2, 2, 2});
}

}  // namespace
