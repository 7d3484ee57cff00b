// Threads that build graphs over the same parameters at the same time, and differentiate them.
#include <array>
#include <atomic>
#include <optional>
#include <string>
#include <thread>

#include <xgrad/autograd/array/replay.hpp>
#include <xgrad/autograd/core/scope.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/graph.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;

// Calls action(0) … action(n - 1), each on a thread of its own, all started together.
void in_parallel(int n, const auto& action) {
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < n; ++i)
    threads.emplace_back([&, i] {
      for (++ready; ready < n;) std::this_thread::yield();
      action(i);
    });
  for (auto& thread : threads) thread.join();
}

std::vector<double> list(const Tensor<double>& x) { return {x.values().begin(), x.values().end()}; }

struct Model {
  Tensor<double> w = Tensor<double>{{1, 2, 3}, {4, 5, 6}}.set_requires_grad(),
                 b = Tensor<double>{1, 1, 1}.set_requires_grad();
  Tensor<double> operator()(double x) const {
    Tensor<double> y = b * 1.0;
    for (int step = 0; step < 10; ++step) y = y + w * x + b;
    return y;
  }
};

TEST_CASE("threads: grad of the same parameters", "[threads]") {
  const Model model;
  std::array<bool, 4> right{};
  in_parallel(4, [&](int i) {
    bool all = true;
    for (int repeat = 0; repeat < 200; ++repeat) {
      const auto g = grad(std::vector{model(i)}, std::vector{model.w, model.b},
                          {.grad_outputs = {ones<double>({2, 3})}});
      all &= list(g[0]) == std::vector<double>(6, 10. * i) && list(g[1]) == std::vector<double>(3, 22);
    }
    right[static_cast<std::size_t>(i)] = all;
  });
  for (const bool r : right) CHECK(r);
  CHECK_FALSE(model.w.grad().defined());
}

TEST_CASE("threads: backward into the same parameters adds up", "[threads]") {
  const Model model;
  in_parallel(4, [&](int i) {
    for (int repeat = 0; repeat < 100; ++repeat) model(i).backward(ones<double>({2, 3}));
  });
  CHECK(list(model.w.grad()) == std::vector<double>(6, 100. * 10 * (0 + 1 + 2 + 3)));
  CHECK(list(model.b.grad()) == std::vector<double>(3, 4 * 100 * 22));
}

// Passes over graphs that share `h`: each is as it would be alone, or refused.
TEST_CASE("threads: passes that meet in a part that they share", "[threads]") {
  const auto pass = GENERATE(as<std::string>{}, "grad", "backward", "create_graph", "hooks");
  auto w = Tensor<double>{0.5, 1, 2}.set_requires_grad();
  const auto h = exp(w) * w;
  if (pass == "hooks") w.register_hook([](const Tensor<double>& g) { return g * 1; });
  const auto gradient = [&](double s) {
    const auto y = sum(tanh(h) * s + h);
    if (pass == "grad") return grad(y, w, {.retain_graph = true});
    if (pass == "create_graph") return grad(y, w, {.create_graph = true});
    y.backward({.retain_graph = true});
    return Tensor<double>();
  };
  std::array<std::vector<double>, 4> expected;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto g = gradient(static_cast<double>(i));
    expected[i] = list(g.defined() ? g : w.grad());
    w.zero_grad();
  }
  std::array<int, 4> passed{};
  std::atomic<int> wrong{0}, refused{0};
  in_parallel(4, [&](int i) {
    const auto k = static_cast<std::size_t>(i);
    for (int repeat = 0; repeat < 300; ++repeat) {
      try {
        const auto g = gradient(i);
        wrong += g.defined() && list(g) != expected[k];
        ++passed[k];
      } catch (const GraphError& error) {
        wrong += std::string(error.what()).find("another thread's backward pass") == std::string::npos;
        ++refused;
      }
    }
  });
  CHECK(wrong == 0);
  CHECK(passed[0] + passed[1] + passed[2] + passed[3] + refused == 4 * 300);
  if (w.grad().defined()) {
    for (std::size_t e = 0; e < 3; ++e) {
      double all = 0;
      for (std::size_t i = 0; i < 4; ++i) all += passed[i] * expected[i][e];
      CHECK(w.grad().values()[e] == Approx(all).epsilon(1e-12));
    }
    w.zero_grad();
  }
  const auto g = gradient(2);  // and no node was left claimed
  CHECK(list(g.defined() ? g : w.grad()) == expected[2]);
}

TEST_CASE("threads: one of several frees the part that they share", "[threads]") {
  auto w = Tensor<double>{0.5, 1}.set_requires_grad();
  for (int repeat = 0; repeat < 200; ++repeat) {
    w.zero_grad();
    const auto h = exp(w) * w;
    std::atomic<int> passed{0}, refused{0};
    in_parallel(3, [&](int) {
      try {
        sum(h * 2).backward();
        ++passed;
      } catch (const GraphError&) {
        ++refused;
      }
    });
    CHECK(passed <= 1);
    CHECK(passed + refused == 3);
    CHECK(w.grad().defined() == (passed == 1));
  }
}

TEST_CASE("threads: second derivatives of the same parameters", "[threads]") {
  auto x = Tensor<double>{2}.set_requires_grad();
  std::atomic<int> right{0};
  in_parallel(4, [&](int i) {
    for (int repeat = 0; repeat < 50; ++repeat) {
      const auto [g] = grad(x * x * x * i, {x}, {.create_graph = true});
      right += grad(g, {x})[0].item() == 12. * i;
    }
  });
  CHECK(right == 200);
}

TEST_CASE("threads: gradients are read and cleared while others arrive", "[threads]") {
  auto x = Tensor<double>{1, 2}.set_requires_grad();
  std::atomic<bool> sane{true};
  in_parallel(4, [&](int i) {
    for (int repeat = 0; repeat < 200; ++repeat) {
      if (i == 0) {
        x.zero_grad();
      } else if (i == 1) {
        if (const auto g = x.grad(); g.defined())
          sane = sane && g.values()[0] == g.values()[1] && g.values()[0] >= 1;
      } else {
        (x * 1.0).backward(ones<double>({2}));
      }
    }
  });
  CHECK(sane);
}

TEST_CASE("threads: a graph made on one thread is differentiated and dropped on another", "[threads]") {
  auto x = Tensor<double>{3}.set_requires_grad();
  const auto nodes = live_counts().nodes;
  for (int repeat = 0; repeat < 20; ++repeat) {
    Tensor<double> y;
    std::thread([&] { y = x * x * x; }).join();
    std::thread([y = std::move(y)]() mutable {
      y.backward();
      y = {};
    }).join();
  }
  CHECK(x.grad().item() == 20 * 27);
  CHECK(live_counts().nodes == nodes);
}

TEST_CASE("threads: a Replay refuses a graph that another thread recorded before", "[threads]") {
  Tensor<double> x = ones<double>({3}).set_requires_grad(), y;
  std::thread([&] {
    for (int i = 0; i < 1000; ++i) y = tanh(x);
  }).join();
  CHECK_THROWS_AS(Replay([&] { sum(y * 2).backward(); }), GraphError);
}

TEST_CASE("threads: results of a Replay end on other threads while it does", "[threads]") {
  for (int round = 0; round < 50; ++round) {
    Tensor<double> x = full<double>({8}, round);
    std::vector<Tensor<double>> results;
    std::optional<Replay<void>> step;
    step.emplace([&] {
      for (int i = 0; i < 4; ++i) results.push_back(x * i + 1);
    });
    (*step)();
    std::array<bool, 4> right{};
    in_parallel(4, [&](int i) {
      const auto k = static_cast<std::size_t>(i);
      if (i == 0) step.reset();
      const Tensor<double> mine = std::move(results[k]);
      right[k] = mine.values()[7] == round * i + 1;
    });
    for (const bool r : right) CHECK(r);
  }
}

TEST_CASE("threads: modes and scopes belong to their thread", "[threads]") {
  auto x = Tensor<double>{1}.set_requires_grad();
  std::atomic<int> right{0};
  in_parallel(4, [&](int i) {
    const named_scope scope("thread" + std::to_string(i), i);
    const detail::recording_scope mode(i % 2 == 0);
    for (int repeat = 0; repeat < 100; ++repeat) {
      const named_scope inner("inner" + std::to_string(repeat % 7));
      const auto y = x * 2;
      if (i % 2)
        right += !y.requires_grad();
      else
        right += to_dot(y).find("thread" + std::to_string(i) + ".inner" + std::to_string(repeat % 7) +
                                ", step") != std::string::npos;
    }
  });
  CHECK(right == 400);
}

TEST_CASE("threads: one generator serves all of them", "[threads]") {
  Generator shared(5);
  std::array<double, 4> sums{};
  in_parallel(4, [&](int i) {
    for (int repeat = 0; repeat < 100; ++repeat)
      sums[static_cast<std::size_t>(i)] += sum(rand<double>({100}, shared)).item();
  });
  Generator alone(5);
  double expected = 0;
  for (int repeat = 0; repeat < 400; ++repeat) expected += sum(rand<double>({100}, alone)).item();
  CHECK(sums[0] + sums[1] + sums[2] + sums[3] == Approx(expected).epsilon(1e-12));
}

}  // namespace
