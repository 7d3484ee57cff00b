// Short memory: the n-th allocation fails, for every n. What comes of it is an Error, or nothing, and the
// next step is as if nothing had happened.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <new>
#include <utility>

#include <xgrad/xgrad.hpp>

#include "catch.hpp"
#include "failing_new.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;

using Values = std::vector<Tensor<>>;

// A small model with everything that a step touches.
struct Model {
  Generator generator{1};
  models::CharRNN<> net{{.vocabulary = 5, .hidden = 4, .cell = nn::Cell::lstm}, generator};
  optim::Adam<float> optimizer{nn::parameters(net), {.lr = 0.1}};
  Tensor<> extra = ones({3}).set_requires_grad();
  Indices x{Shape{3, 2}, {0, 1, 2, 3, 4, 0}}, y{Shape{3, 2}, {1, 2, 3, 4, 0, 1}};

  Tensor<> loss() const { return net.loss(net(x, net.zero_state(2)).logits, y); }
  Tensor<> forward_and_backward() {
    optimizer.zero_grad();
    const Tensor<> l = loss();
    l.backward();
    return l.detach();
  }
  const Tensor<>& weight() const { return optimizer.parameters()[0]; }
  Values parameters() const { return optimizer.parameters(); }
  Values gradients() const {
    Values result;
    for (const Tensor<>& p : parameters())
      if (p.grad().defined()) result.push_back(p.grad());
    return result;
  }
};

// One of the things that are to be all or nothing, and what it changes.
struct Action {
  const char* name;
  std::function<void(Model&)> run;
  std::function<Values(const Model&)> result;
};

const Action actions[] = {
    {"a training step",
     [](Model& m) {
       m.forward_and_backward();
       optim::clip_grad_norm(m.optimizer.parameters(), 1);
       m.optimizer.step();
     },
     &Model::parameters},
    {"a gradient added to another",
     [](Model& m) {
       m.loss().backward();
       m.loss().backward();
     },
     &Model::gradients},
    {"a gradient of a gradient",
     [](Model& m) {
       const auto [g] = grad(m.loss(), {m.weight()}, {.create_graph = true});
       sum(g * g).backward();
     },
     &Model::gradients},
    {"a recorded gradient added to another",
     [](Model& m) {
       m.loss().backward({.create_graph = true});
       for (Tensor<> p : m.optimizer.parameters()) p.set_grad(p.grad().detach());
     },
     &Model::gradients},
    {"a Replay",
     [](Model& m) {
       Replay step([&] { return m.forward_and_backward(); });
       step();
       m.optimizer.step();
     },
     &Model::parameters},
    {"a group added to an optimizer",
     [](Model& m) {
       const Failure held = std::exchange(failure, {});
       Values group{m.extra};  // the caller's
       failure = held;
       m.optimizer.add_group(std::move(group), {.amsgrad = true});
     },
     [](const Model& m) {
       Values result = m.parameters();
       for (const auto& [name, tensor] : m.optimizer.state())
         if (tensor.dtype() == DType::float32) result.push_back(Tensor<>(tensor));
       return result;
     }},
    {"other ops",
     [](Model& m) {
       const Tensor<> w = m.weight();
       const auto halves = chunk(w, 2, 0);
       const Tensor<> all =
           cat({halves[1], reshape(stack({tanh(halves[0]), halves[0] * 2}, 0), {-1, w.size(1)})}, 0);
       (sum(einsum("ij,kj->ik", {all, w})) + sum(logsumexp(w, {0}))).backward();
     },
     &Model::gradients},
};

enum Outcome { survived, not_reached, bad_alloc, other_exception, leaked, other_bits };

// In a process of its own, whose pool is empty as that of any program that begins.
Outcome run_with_failure(const Action& action, long after, bool for_good) {
  set_packing(false);  // which notes in a storage what was multiplied
  Model model, untouched;
  const LiveCounts before = live_counts();
  failure = {after, for_good};
  bool failed = true;
  try {
    action.run(model);
    failed = false;
  } catch (const Error&) {
  } catch (const std::bad_alloc&) {
    return bad_alloc;
  } catch (...) {
    return other_exception;
  }
  failure.after = -1;
  if (!failure.fired) return not_reached;
  if (failed) {
    model.optimizer.zero_grad();
    const LiveCounts now = live_counts();
    if (now.nodes != before.nodes || now.bytes != before.bytes) return leaked;
    action.run(model);
  }
  action.run(untouched);
  return same_bits(action.result(model), action.result(untouched)) ? survived : other_bits;
}

TEST_CASE("short memory: an Error, and the next step is as if nothing had happened", "[memory]") {
  // Beside a sanitizer every block is an allocation, and a process takes long to start.
  const long stride = xgrad::detail::pool::cached ? 1 : 11;
  for (const Action& action : actions)
    for (const bool for_good : {false, true})
      for (long after = 0;; after += stride) {
        const pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) _exit(run_with_failure(action, after, for_good));
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        INFO(action.name << ": allocation " << after << (for_good ? " and all later ones fail" : " fails"));
        REQUIRE(WIFEXITED(status));
        if (WEXITSTATUS(status) == not_reached) {
          CHECK(after > 5);  // there were some
          break;
        }
        CHECK(WEXITSTATUS(status) == survived);
      }
}

TEST_CASE("short memory: what lies idle is given back before anything fails", "[memory]") {
  constexpr std::int64_t megabyte = 1 << 20;
  const auto make = [](std::int64_t size) { return AnyTensor::empty({size * megabyte / 4}, DType::float32); };
  empty_cache();
  bytes_left = 500 * megabyte;
  const auto kept = make(20);
  for (const std::int64_t size : {1, 20, 90, 30, 200, 150, 400, 250, 401}) CHECK(make(size).defined());
  CHECK_THROWS_AS(make(600), Error);
  CHECK(make(300).defined());
  bytes_left = -1;
}

}  // namespace
