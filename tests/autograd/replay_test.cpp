// Replays: the bits of the function itself, from what its tensors hold when it runs.
#include <xgrad/autograd/array/replay.hpp>

#include <xgrad/xgrad.hpp>

#include <optional>

#include "catch.hpp"
#include "program.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

namespace {

Indices window(const Shape& shape, std::int64_t vocabulary, std::int64_t number) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(shape.elements()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] =
        (static_cast<std::int64_t>(i * i) + 7 * number + 3 * static_cast<std::int64_t>(i)) % vocabulary;
  return {shape, values};
}

struct Sizes {
  std::int64_t vocabulary, hidden, layers, time, batch;
};

// Trains on ever new windows, with the state carried over, and returns the parameters. `replayed`: forward,
// backward and the carrying as a Replay.
template <Real T>
std::vector<Tensor<T>> train(nn::Cell cell, const Sizes& n, bool replayed, std::vector<T>& losses) {
  Generator generator(3);
  const models::CharRNN<T> model(
      {.vocabulary = n.vocabulary, .hidden = n.hidden, .layers = n.layers, .cell = cell}, generator);
  optim::Adam<T> optimizer(nn::parameters(model), {.lr = 0.01});
  const Shape shape{n.time, n.batch};
  Indices x = window(shape, n.vocabulary, 0), y = window(shape, n.vocabulary, 1);
  auto state = model.zero_state(n.batch);
  const auto carry = [&](const auto& next) {
    for (std::size_t k = 0; k < state.h.size(); ++k) state.h[k].assign(next.h[k].detach());
    for (std::size_t k = 0; k < state.c.size(); ++k) state.c[k].assign(next.c[k].detach());
  };
  const auto step = [&] {
    optimizer.zero_grad();
    const auto output = model(x, state);
    const Tensor<T> loss = model.loss(output.logits, y);
    loss.backward();
    carry(output.state);
    return loss.detach();
  };
  std::optional<Replay<Tensor<T>>> replay;
  for (std::int64_t number = 0; number < 12; ++number) {
    x.assign(window(shape, n.vocabulary, number));
    y.assign(window(shape, n.vocabulary, number + 1));
    if (replayed && !replay)
      replay.emplace(step);  // its first run
    else if (replayed)
      losses.push_back((*replay)().item());
    else if (const auto loss = step(); number > 0)
      losses.push_back(loss.item());
    optim::clip_grad_norm(optimizer.parameters(), 1);
    optimizer.step();
  }
  return nn::parameters(model);
}

}  // namespace

TEMPLATE_TEST_CASE("a replayed training step gives the bits of the step", "", float, double) {
  using T = TestType;
  const auto cell = GENERATE(nn::Cell::rnn, nn::Cell::lstm, nn::Cell::gru);
  for (const Sizes& n : {Sizes{4, 16, 1, 4, 1}, Sizes{17, 12, 2, 5, 3}, Sizes{20, 64, 1, 6, 32}}) {
    INFO(models::cell_name(cell) << ", hidden " << n.hidden);
    std::vector<T> losses, replayed_losses;
    const auto expected = train<T>(cell, n, false, losses);
    const auto parameters = train<T>(cell, n, true, replayed_losses);
    CHECK(losses == replayed_losses);
    CHECK(losses.size() == 11);
    CHECK(losses.back() != losses.front());
    CHECK(same_bits(parameters, expected));
  }
}

TEST_CASE("a Replay reads what its tensors hold now, and writes where it wrote first") {
  Tensor<> x{1, 2}, w = Tensor<>{3, 4}.set_requires_grad();
  Replay step([&] {
    w.zero_grad();
    const Tensor<> y = sum(x * w * w);
    y.backward();
    return std::pair(y.detach(), x + 1);
  });
  const auto [y, next] = step();
  CHECK(y.item() == 41);
  x.assign(Tensor<>{10, 20});
  step();
  CHECK(y.item() == 410);
  CHECK(next.values()[1] == 21);
  CHECK(w.grad().values()[0] == 60);
  w.assign(Tensor<>{1, 1});
  step();
  CHECK(y.item() == 30);
  x = Tensor<>{0, 0};  // another tensor under the old name
  step();
  CHECK(y.item() == 30);
}

TEST_CASE("a Replay leaves its gradients in the leaves, whatever was done to them meanwhile") {
  Tensor<> x{1, 2, 3}, w = Tensor<>{1, 1, 1}.set_requires_grad(), other = ones({3}).set_requires_grad();
  Replay step([&] {
    w.zero_grad();
    sum(square(x * w)).backward();
    sum(w).backward();  // added to the first
  });
  const std::vector<float> expected{3, 9, 19};
  CHECK(list(w.grad()) == expected);
  step();
  CHECK(list(w.grad()) == expected);
  w.zero_grad();
  CHECK(!w.grad().defined());
  step();
  CHECK(list(w.grad()) == expected);
  sum(w * 100).backward();  // an ordinary one comes on top
  CHECK(list(w.grad()) == std::vector<float>{103, 109, 119});
  w.set_grad(zeros({3}));
  step();
  CHECK(list(w.grad()) == expected);
  CHECK(!other.grad().defined());
}

TEST_CASE("values that a function writes by itself are written in every run") {
  Tensor<> x{1, 2, 3};
  Replay step([&] {
    // Temporaries: their memory becomes the result's.
    const Tensor<> a = Tensor<>{10, 20, 30} * x, b = arange(3) + x, c = full({3}, 5) - x,
                   d = from_values<float>({3}, std::vector<float>{1, 1, 1}) / x;
    return std::vector<Tensor<>>{a, b, c, d, eye(2) + 1};
  });
  x.assign(Tensor<>{2, 4, 8});
  step();
  const auto& now = step();
  CHECK(now[0].values()[2] == 240);
  CHECK(now[1].values()[2] == 10);
  CHECK(now[2].values()[2] == -3);
  CHECK(now[3].values()[2] == 0.125f);
  CHECK(now[4].values()[0] == 2);
  CHECK(now[4].values()[1] == 1);
}

TEST_CASE("formulas with captured numbers, chunks and several results are replayed") {
  for (const double k : {0.5, 2.0}) {
    Tensor<double> x = reshape(linspace<double>(-1, 1, 12), {2, 6}).set_requires_grad();
    const auto gate =
        formula("gate", [k](auto a, auto b, auto c) { return outputs(sigmoid(k * a) * b, k * c * c + 3); });
    const auto function = [&] {
      x.zero_grad();
      const auto [y, z] = gate(chunks<3>(x));
      sum(y * 2 + z).backward();
      return std::vector{y.detach(), z.detach(), x.grad()};
    };
    Replay step(function);
    x.assign(x.detach() * 3);
    const auto again = step();
    std::vector<Tensor<double>> copies;
    for (const auto& y : again) copies.push_back(y.clone());
    CHECK(same_bits(copies, function()));
  }
}

namespace {

// An op with a loop of its own.
struct Cube {
  static constexpr std::string_view name = "cube";
  Tensor<> forward(Saver<float>& save, const Tensor<>& x) const {
    Tensor<> y = empty(x.shape());
    launch(
        [](const float* from, float* to, std::int64_t n) {
          for (std::int64_t i = 0; i < n; ++i) to[i] = from[i] * from[i] * from[i];
        },
        reads(x), writes(y), x.elements());
    save(x);
    return y;
  }
  Gradients<float> vjp(const Saved<float>& saved, const Tensor<>& g) const {
    return {3 * square(saved[0]) * g};
  }
};

// The same without launch().
struct CubeOnTheHost {
  static constexpr std::string_view name = "cube_on_the_host";
  Tensor<> forward(const Tensor<>& x) const {
    Tensor<> y = empty(x.shape());
    for (std::size_t i = 0; i < x.values().size(); ++i) y.mutable_values()[i] = x.values()[i];
    return y;
  }
  Gradients<float> vjp(const Saved<float>&, const Tensor<>& g) const { return {g}; }
};

}  // namespace

TEST_CASE("an op of one's own is replayed where it launches its kernels, and refused where it does not") {
  Tensor<> x = Tensor<>{1, 2}.set_requires_grad();
  Replay step([&] {
    x.zero_grad();
    const Tensor<> y = apply(Cube{}, Location::current(), x);
    sum(y).backward();
    return y.detach();
  });
  x.assign(Tensor<>{3, 5});
  CHECK(list(step()) == std::vector<float>{27, 125});
  CHECK(list(x.grad()) == std::vector<float>{27, 75});
  CHECK_THROWS_WITH(Replay([&] { return apply(CubeOnTheHost{}, Location::current(), x); }),
                    Contains("values: inside the function of a Replay"));
}

TEST_CASE("gradients of gradients, conversions and reductions by index are replayed") {
  Tensor<> x = Tensor<>{0.5, -1, 2}.set_requires_grad();
  const auto function = [&] {
    const auto [g] = grad(sum(exp(x) * x), {x}, {.create_graph = true});
    const auto [h] = grad(sum(square(g)), {x});
    const Indices largest = argmax(x.detach(), 0, true);
    return std::vector{h, x.detach().to<double>().to<float>() * 2, gather(x.detach(), 0, largest)};
  };
  Replay step(function);
  x.assign(Tensor<>{3, 1, -2});
  step();
  std::vector<Tensor<>> again;
  for (const auto& y : step()) again.push_back(y.clone());
  CHECK(same_bits(again, function()));
  CHECK(again[2].item() == 3);
}

TEST_CASE("a function without a result, without kernels, or moved, is replayed") {
  Tensor<> x{1}, y{0};
  Replay copy([&] { y.assign(x); });
  Replay nothing([] {});
  CHECK(copy.kernels() == 1);  // and one that raises the version
  CHECK(nothing.kernels() == 0);
  nothing();
  x.assign(Tensor<>{5});
  Replay moved = std::move(copy);
  moved();
  CHECK(y.item() == 5);
}

TEST_CASE("a profile shows the runs of a Replay as one op") {
  Tensor<> x{1};
  Replay step([&] { return x + 1; });
  profile scope;
  step(), step();
  const auto rows = scope.rows();
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].name == "replay");
  CHECK(rows[0].calls == 2);
}

TEST_CASE("gradients that a function clears or sets are cleared and set in every run") {
  const auto train_two_heads = [](bool replayed) {
    Generator generator(4);
    Tensor<> x = rand({3, 2}, generator), trunk = rand({2, 2}, generator).set_requires_grad(),
             a = rand({2, 2}, generator).set_requires_grad(), b = rand({2, 2}, generator).set_requires_grad();
    optim::Adam<float> optimizer({trunk, a, b}, {.lr = 0.1});
    const auto step_of = [&](const Tensor<>& head) {
      return [&, head] {
        optimizer.zero_grad();
        sum(tanh(matmul(matmul(x, trunk), head))).backward();
      };
    };
    const auto step_a = step_of(a), step_b = step_of(b);
    std::optional<Replay<void>> replay_a, replay_b;
    for (int i = 0; i < 5; ++i) {
      replayed ? replay_a ? (*replay_a)() : void(replay_a.emplace(step_a)) : step_a();
      optimizer.step();
      replayed ? replay_b ? (*replay_b)() : void(replay_b.emplace(step_b)) : step_b();
      optimizer.step();
    }
    return std::vector{trunk, a, b};
  };
  CHECK(same_bits(train_two_heads(true), train_two_heads(false)));

  Tensor<> x{3}, w = Tensor<>{2}.set_requires_grad();
  Replay halved([&] {
    const auto [g] = grad(square(w * x), {w});
    w.set_grad(g * 0.5f);
  });
  w.zero_grad();
  halved();
  CHECK(w.grad().item() == 18);
  Tensor<> given{1};
  Replay added([&] {
    w.set_grad(std::exchange(given, {}));
    (w * x).backward();
  });
  for (int i = 0; i < 3; ++i) {
    CHECK(w.grad().item() == 4);
    added();
  }
  Replay cleared([&] { w.zero_grad(); });
  w.set_grad(x);
  cleared();
  CHECK(!w.grad().defined());
}

TEST_CASE("tensors that a function reads from a file are the same in every run") {
  const xgrad::testing::TemporaryFolder folder;
  nn::save_safetensors(folder.path / "x.safetensors", {{"x", Tensor<>{1, 2}}});
  Tensor<> x{1, 1};
  Replay step([&] {
    Tensor<> read(nn::load_safetensors(folder.path / "x.safetensors").tensors[0].tensor);
    return std::move(read) * 2 * x;
  });
  step();
  x.assign(Tensor<>{10, 100});
  CHECK(list(step()) == std::vector<float>{20, 400});
}
