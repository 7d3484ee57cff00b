// Replays: what they keep alive, and that their memory is theirs alone.
#include <xgrad/autograd/array/replay.hpp>

#include <xgrad/xgrad.hpp>

#include <optional>

#include "catch.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

TEST_CASE("a Replay keeps what it needs, and what it gave outlives it") {
  const auto before = live_counts();
  {
    Tensor<> result, gradient;
    {
      std::optional<Replay<Tensor<>>> replay;
      {
        Tensor<> x = full({1000}, 2), w = ones({1000}).set_requires_grad();
        const Indices places{0, 999, 5};
        replay.emplace([&] {
          w.zero_grad();
          const Tensor<> y = exp(x * w - x);
          sum(index_select(y, 0, places)).backward();
          gradient = w.grad();
          return y.detach();
        });
      }
      const std::vector<Tensor<>> overwriting(50, full({1000}, 7).clone());
      result = (*replay)();
      CHECK(result.values()[999] == 1);
    }
    const Tensor<> filler = full({1000}, 7);
    CHECK(result.values()[999] == 1);
    CHECK(gradient.values()[5] == 2);
    CHECK(gradient.values()[6] == 0);
  }
  CHECK(live_counts().bytes == before.bytes);
  CHECK(live_counts().nodes == before.nodes);
}

TEST_CASE("runs of a Replay take no memory") {
  Tensor<> x = rand({8, 8}), w = rand({8, 8}).set_requires_grad();
  Replay step([&] {
    w.zero_grad();
    const Tensor<> loss = mean(square(matmul(x, w) - 1));
    loss.backward();
    return loss;
  });
  for (int i = 0; i < 3; ++i) step();
  const auto before = live_counts();
  reset_peak_bytes();
  for (int i = 0; i < 100; ++i) step();
  CHECK(live_counts().peak_bytes == before.bytes);
  CHECK(live_counts().bytes == before.bytes);
  CHECK(live_counts().nodes == before.nodes);
}

TEST_CASE("a Replay does not overwrite what it will read again") {
  Tensor<> x{1, 2, 3};
  Tensor<> given = x.clone();
  Replay step([&] { return tanh(std::move(given) + 1); });  // might be computed in place
  const Tensor<> expected = tanh(x + 1);
  CHECK(same_bits(step(), expected));
  CHECK(same_bits(step(), expected));

  Tensor<> zx = ones({2, 3}), h = zeros({2, 3}), weight = eye(3);
  Replay recurrent([&] { return rnn_tanh_step(zx, h, weight, {.zx_donated = true}); });
  CHECK(same_bits(recurrent(), tanh(ones({2, 3}))));
  CHECK(same_bits(recurrent(), tanh(ones({2, 3}))));
}

TEST_CASE("a graph that was made in a Replay can be differentiated after it is gone") {
  Tensor<> w = Tensor<>{{1, 2, 3}}.set_requires_grad(), loss;
  const Indices target{1};
  {
    Replay step([&] { loss = cross_entropy(w * 1, target); });
  }
  const std::vector<Tensor<>> overwriting(20, full({16}, 7).clone());
  loss.backward();
  const Tensor<> got = w.grad();
  w.zero_grad();
  cross_entropy(w * 1, target).backward();
  CHECK(same_bits(got, w.grad()));
}

TEST_CASE("ordinary ops do not take over memory that a Replay writes to") {
  Tensor<> x{1, 2, 3}, kept, before;
  Replay step([&] { kept = x * 2; });
  const Tensor<> tripled = std::move(kept) * 3;
  step();
  CHECK(list(tripled) == std::vector<float>{6, 12, 18});

  Tensor<> zx = rand({2, 8}).set_requires_grad(), h = zeros({2, 2}), c = zeros({2, 2}), w = rand({8, 2}),
           loss;
  Replay lstm([&] { loss = sum(lstm_step(zx, h, c, w)[0]); });
  loss.backward();
  const std::vector<float> gradient = list(zx.grad());
  lstm();
  CHECK(list(zx.grad()) == gradient);
}

TEST_CASE("what a Replay gave keeps its own memory only, once the Replay is gone") {
  const auto before = live_counts().bytes;
  Tensor<> loss;
  {
    Tensor<> x = rand({100, 100});
    Replay step([&] { return sum(tanh(x) * x); });
    CHECK(live_counts().bytes - before > 80'000);
    loss = step();
  }
  CHECK(live_counts().bytes - before < 1000);
  CHECK(loss.item() > 0);
}
