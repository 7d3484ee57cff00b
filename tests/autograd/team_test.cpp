// The threads that share large products and loops: all of the work is done once, whoever comes, and the
// results are those of one thread.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/kernels/team.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/models/char_rnn.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/threads.hpp>
#include "catch.hpp"

using namespace xgrad;
using Catch::Matchers::Contains;

namespace {

constexpr double long_work = 1e9;  // nanoseconds: parts for every thread

// As many threads as told, all of them awake, and one again at the end.
struct Threads {
  explicit Threads(int count) {
    kernels::set_team_size(count);
    std::atomic<int> here = 0;
    kernels::share(count, 1, long_work, [&](std::int64_t, std::int64_t) {
      for (++here; here < count;) std::this_thread::yield();
    });
  }
  ~Threads() { kernels::set_team_size(1); }
};

// How often each unit was done; once too often where a part begins elsewhere than told.
std::vector<int> times_done(std::int64_t units, std::int64_t step) {
  std::vector<std::atomic<int>> done(static_cast<std::size_t>(units));
  kernels::share(units, step, long_work, [&](std::int64_t begin, std::int64_t end) {
    if (begin % step != 0) ++done[static_cast<std::size_t>(begin)];
    for (std::int64_t i = begin; i < end; ++i) ++done[static_cast<std::size_t>(i)];
  });
  return {done.begin(), done.end()};
}

bool all_once(const std::vector<int>& done) {
  return std::ranges::all_of(done, [](int n) { return n == 1; });
}

// Small whole numbers, so that sums are exact in any order.
template <Real T>
Tensor<T> whole_numbers(const Shape& shape, int seed) {
  Tensor<T> x = zeros<T>(shape);
  int n = seed;
  for (T& value : x.mutable_values()) value = static_cast<T>((n = (n * 75 + 74) % 65537) % 7 - 3);
  return x;
}

// run(threads): arrays of the same bits, however many threads there are.
void check_same_as_alone(const auto& run) {
  const auto alone = run(1);
  for (const int count : {2, 3}) {
    const auto together = run(count);
    for (std::size_t i = 0; i < alone.size(); ++i)
      CHECK(std::ranges::equal(together[i].values(), alone[i].values()));
  }
}

}  // namespace

TEST_CASE("team: each unit is done once, in parts that begin at multiples of the step") {
  for (const int count : {1, 2, 3, 5}) {
    const Threads scope(count);
    CHECK(kernels::team_size() == count);
    for (const std::int64_t step : {1, 4, 16})
      for (const std::int64_t units : {0, 1, 2, 3, 15, 16, 17, 100, 1001})
        for (int again = 0; again < 20; ++again) REQUIRE(all_once(times_done(units, step)));
  }
}

TEST_CASE("team: work that is too short, or that is met inside other work, stays with its thread") {
  const Threads scope(3);
  const auto mine = std::this_thread::get_id();
  std::atomic<int> elsewhere = 0, parts = 0;
  for (int again = 0; again < 100; ++again)
    kernels::share(100, 1, 100, [&](std::int64_t begin, std::int64_t end) {
      ++parts;
      if (std::this_thread::get_id() != mine || begin != 0 || end != 100) ++elsewhere;
    });
  CHECK(parts == 100);
  CHECK(elsewhere == 0);

  std::atomic<std::int64_t> inner = 0;
  kernels::share(30, 1, long_work, [&](std::int64_t begin, std::int64_t end) {
    const auto outer_thread = std::this_thread::get_id();
    kernels::share(end - begin, 1, long_work, [&](std::int64_t first, std::int64_t last) {
      inner += last - first;
      if (std::this_thread::get_id() != outer_thread) ++elsewhere;
    });
  });
  CHECK(inner == 30);
  CHECK(elsewhere == 0);
}

TEST_CASE("team: several threads share at the same time, while its size changes") {
  const Threads scope(2);
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> users;
  for (int user = 0; user < 3; ++user)
    users.emplace_back([&] {
      while (!stop) wrong += !all_once(times_done(64, 4));
    });
  for (const int count : {3, 1, 4, 2}) {
    kernels::set_team_size(count);
    for (int again = 0; again < 50; ++again) wrong += !all_once(times_done(64, 1));
  }
  stop = true;
  for (std::thread& user : users) user.join();
  CHECK(wrong == 0);
}

TEST_CASE("set_threads: no more than there are processors; bad counts are refused and change nothing") {
  const int processors = static_cast<int>(std::thread::hardware_concurrency());
  for (const int count : {1, 2, 100000}) {
    set_threads(count);
    CHECK(threads() == std::min(count, processors));
  }
  CHECK_THROWS_WITH(set_threads(0), Contains("set_threads: 0 threads; give at least 1"));
  CHECK_THROWS_AS(set_threads(-3), ValueError);
  CHECK(threads() == processors);
  set_threads(1);
}

TEMPLATE_TEST_CASE("team: products and their gradients are those of one thread", "", float, double) {
  struct Case {
    Shape a, b;
    MatmulOptions options;
  };
  const Case cases[] = {{{300, 70}, {70, 90}, {}},
                        {{70, 300}, {70, 90}, {.transpose_a = true}},
                        {{40, 90}, {500, 90}, {.transpose_b = true}},
                        {{32, 64}, {256, 64}, {.transpose_b = true}},    // packed, by rows
                        {{40, 300}, {513, 300}, {.transpose_b = true}},  // packed, by columns
                        {{1, 1000}, {1000, 700}, {}},
                        {{900, 800}, {800, 1}, {}},
                        {{6, 50, 40}, {6, 40, 60}, {}}};
  for (const bool packed : {true, false}) {
    set_packing(packed);
    for (const Case& c : cases) {
      const auto run = [&](int count) {
        const Threads scope(count);
        auto a = whole_numbers<TestType>(c.a, 1).set_requires_grad();
        auto b = whole_numbers<TestType>(c.b, 2).set_requires_grad();
        Tensor<TestType> y;
        for (int use = 0; use < 3; ++use) y = matmul(a, b, c.options);
        y.backward(whole_numbers<TestType>(y.shape(), 3));
        return std::array{y.detach(), a.grad(), b.grad()};
      };
      check_same_as_alone(run);
    }
  }
  set_packing(true);
}

TEMPLATE_TEST_CASE("team: formulas and their gradients are those of one thread", "", float, double) {
  const Shape shapes[][2] = {{{100003}, {100003}},    // one row
                             {{317, 211}, {211}},     // a row and its sums
                             {{317, 211}, {317, 1}},  // a column and its sums
                             {{317, 208}, {208}},     // rows of whole registers
                             {{317, 208}, {317, 1}}, {{5, 41, 333}, {41, 1}},
                             {{211, 300}, {1}},      {{2, 70001}, {2, 70001}}};
  for (const auto& [first, second] : shapes) {
    const auto run = [&](int count) {
      const Threads scope(count);
      auto a = whole_numbers<TestType>(first, 1).set_requires_grad();
      auto b = whole_numbers<TestType>(second, 2).set_requires_grad();
      const auto y = (a * b + 2.0) * a - b * 0.5;
      y.backward(whole_numbers<TestType>(y.shape(), 3));
      return std::array{y.detach(), a.grad(), b.grad()};
    };
    check_same_as_alone(run);
  }
}

TEST_CASE("team: a training step has the gradients of one thread") {
  for (const nn::Cell cell : {nn::Cell::rnn, nn::Cell::lstm, nn::Cell::gru}) {
    Generator random(5);
    const models::CharRNN<double> model({.vocabulary = 20, .hidden = 131, .cell = cell}, random);
    std::vector<std::int64_t> text(6 * 96);
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<std::int64_t>(i * i % 19);
    const Indices x(Shape{6, 96}, text);
    const auto run = [&](int count) {
      const Threads scope(count);
      model.loss(model(x, model.zero_state(96)).logits, x).backward();
      std::vector<Tensor<double>> gradients;
      for (auto& parameter : nn::parameters(model)) {
        gradients.push_back(parameter.grad().clone());
        parameter.zero_grad();
      }
      return gradients;
    };
    const auto alone = run(1), together = run(3);
    for (std::size_t i = 0; i < alone.size(); ++i) CHECK(amax(abs(alone[i] - together[i])).item() <= 1e-14);
  }
}

#ifndef __SANITIZE_THREAD__  // which forbids it
TEST_CASE("team: a child process works on one thread, until it is told to have more") {
  for (int again = 0; again < 50; ++again) {  // the threads may be anywhere
    const Threads scope(3);
    const pid_t child = fork();
    if (child == 0) {
      const bool alone = kernels::team_size() == 1 && all_once(times_done(100, 1));
      kernels::set_team_size(3);
      _exit(alone && all_once(times_done(100, 1)) ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
  }
}
#endif
