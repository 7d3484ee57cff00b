// Replays: the same bits as the function itself, in fixed memory; and what they refuse.
#include <xgrad/autograd/array/replay.hpp>

#include <xgrad/xgrad.hpp>

#include <cstring>
#include <optional>

#include "catch.hpp"
#include "program.hpp"

using namespace xgrad;
using Catch::Matchers::Contains;

namespace {

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

template <Real T>
bool same_bits(const Tensor<T>& a, const Tensor<T>& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.size_in_bytes()) == 0;
}

template <Real T>
bool same_bits(const std::vector<Tensor<T>>& a, const std::vector<Tensor<T>>& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return same_bits(x, y); });
}

std::vector<float> list(const Tensor<>& x) { return {x.values().begin(), x.values().end()}; }

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

TEST_CASE("a Replay does not overwrite what it will read again") {
  Tensor<> x{1, 2, 3};
  Tensor<> given = x.clone();
  Replay step([&] { return tanh(std::move(given) + 1); });  // might be computed in place
  const Tensor<> expected = tanh(x + 1);
  CHECK(same_bits(step(), expected));
  CHECK(same_bits(step(), expected));

  Tensor<> zx = ones({2, 3}), h = zeros({2, 3}), weight = eye(3);
  Replay recurrent([&] { return rnn_tanh_step(zx, h, weight, {.take_zx = true}); });
  CHECK(same_bits(recurrent(), tanh(ones({2, 3}))));
  CHECK(same_bits(recurrent(), tanh(ones({2, 3}))));
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
    launch([n = x.elements(), from = x.address(), to = y.mutable_address()] {
      for (std::int64_t i = 0; i < n; ++i) to[i] = from[i] * from[i] * from[i];
    });
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

TEST_CASE("what a Replay gave is changed in place by its next run, which graphs outside notice") {
  Tensor<> x{1, 2}, w = Tensor<>{1, 1}.set_requires_grad();
  Indices largest;
  Replay step([&] {
    largest = argmax(x, 0);
    return x * 2;
  });
  const Tensor<> features = step(), loss = sum(features * w),
                 picked = index_select(w, 0, largest.reshape({1}));
  step();
  CHECK_THROWS_WITH(loss.backward(), Contains("was changed in place after the op saved it"));
  CHECK_THROWS_WITH(sum(picked).backward(), Contains("backward of 'index_select': its indices of shape [1]"));
}

TEST_CASE("Indices can be overwritten for the next run; wrong ones are refused before anything is computed") {
  Indices x{0, 1}, y{1, 2};
  Tensor<> w = reshape(linspace(-1, 1, 12), {4, 3}).detach().set_requires_grad();
  Replay step([&] {
    w.zero_grad();
    const Tensor<> loss = cross_entropy(embedding(w, x), y);
    loss.backward();
    return loss.detach();
  });
  const auto expected = [&](const Indices& rows, const Indices& targets) {
    return cross_entropy(embedding(w.detach(), rows), targets).item();
  };
  x.assign({3, 2});
  y.assign({0, -100});  // one to be ignored
  CHECK(step().item() == expected({3, 2}, {0, -100}));
  CHECK(w.grad().values()[6] == 0);
  const float loss = step().item();
  const std::vector<float> gradient = list(w.grad());

  x.assign({1, 4});
  CHECK(error_of([&] { step(); }) == "embedding: index 4 at position 1 of [2] is not in [0, 4)");
  x.assign({1, 1});
  y.assign({0, 3});
  CHECK_THROWS_WITH(step(), Contains("cross_entropy: target 3 at position 1 is no class of input [2, 3]"));
  y.assign({-100, -100});
  CHECK_THROWS_WITH(step(), Contains("every target is ignored"));
  CHECK(cross_entropy(embedding(w.detach(), x), Indices{0, 1}).item() != loss);
  CHECK(list(w.grad()) == gradient);  // nothing was computed
  y.assign({2, 2});
  CHECK(step().item() == expected({1, 1}, {2, 2}));

  CHECK_THROWS_WITH(x.assign({1, 2, 3}),
                    Contains("Indices::assign: values of shape [3] to indices of shape [2]"));
  CHECK_THROWS_AS(x.assign({1, 2, 3}), ShapeError);
  CHECK(x.values()[0] == 1);
  Indices part = Indices{{5, 6}, {7, 8}}[1];
  part.assign({1, 2});
  CHECK(part == Indices{1, 2});
}

TEST_CASE("a graph refuses to go backward through Indices that were overwritten") {
  Tensor<> w = ones({4, 3}).set_requires_grad();
  const auto check = [&](auto use, std::string_view op) {
    Indices x{0, 1};
    const Tensor<> loss = sum(use(x));
    x.assign({1, 0});
    CHECK_THROWS_WITH(loss.backward(),
                      Contains("backward of '" + std::string(op) + "': its indices of shape"));
    CHECK(!w.grad().defined());
  };
  check([&](const Indices& x) { return embedding(w, x); }, "embedding");
  check([&](const Indices& x) { return index_select(w, 0, x); }, "index_select");
  check([&](const Indices& x) { return one_hot_linear(x, transpose(w, 0, 1), Tensor<>()); },
        "one_hot_linear");
  check([&](const Indices& x) { return cross_entropy(narrow(w, 0, 0, 2), x); }, "cross_entropy");
}

TEST_CASE("what a Replay could not do again is refused, and leaves nothing behind") {
  Tensor<> x = Tensor<>{1, 2}.set_requires_grad();
  const Indices places{0, 1};
  nn::Linear<> layer(2, 2);
  const auto parameters = nn::parameters(layer);
  optim::SGD sgd(parameters, {.lr = 0.1});
  Generator generator(1);
  const auto refused = [&](std::string_view what, auto function) {
    INFO(what);
    const std::string message = error_of([&] { Replay replay(function); });
    CHECK_THAT(message, Contains("inside the function of a Replay"));
    CHECK(message.starts_with(what));
    CHECK(sum(x).item() == 3);  // we are outside again
  };
  refused("item:", [&] { return sum(x).item(); });
  refused("values:", [&] { return x.values()[0]; });
  refused("data:", [&] { return *x.data(); });
  refused("mutable_values:", [&] { x.detach().mutable_values()[0] = 1; });
  refused("values:", [&] { return allclose(x, x); });
  refused("Indices::values:", [&] { return places.values()[0]; });
  refused("Indices::assign:", [&] { Indices(places).assign({1, 0}); });
  refused("random numbers:", [&] { return rand({2}); });
  refused("random numbers:", [&] { return dropout(x, 0.5); });
  refused("random numbers:", [&] { return generator.uniform(); });
  refused("SGD:", [&] {
    sum(layer(x.detach())).backward();
    sgd.step();
  });
  sgd.zero_grad();
  refused("clip_grad_norm:", [&] { optim::clip_grad_norm(parameters, 1); });
  refused("clip_grad_value:", [&] { optim::clip_grad_value(parameters, 1); });
  refused("inv:", [&] { return inv(eye(2)); });
  refused("Replay:", [&] { Replay inner([&] { return x + 1; }); });
  Replay plus_one([&] { return x.detach() + 1; });
  refused("Replay:", [&] { plus_one(); });
  CHECK(plus_one().values()[1] == 3);
  CHECK(list(x.detach()) == std::vector<float>{1, 2});
}

TEST_CASE("a Replay refuses gradients and graphs from before it") {
  Tensor<> x = Tensor<>{1, 2}.set_requires_grad();
  sum(x).backward();
  CHECK_THROWS_WITH(Replay([&] { sum(square(x)).backward(); }),
                    Contains("a leaf of shape [2] has a gradient from before; call zero_grad() first"));
  CHECK(x.grad().values()[1] == 1);
  x.zero_grad();
  const Tensor<> y = tanh(x);
  CHECK_THROWS_WITH(Replay([&] { sum(y * x).backward(); }),
                    Contains("reaches 'tanh', which was recorded before it") && Contains("replay_test.cpp"));
  CHECK(!x.grad().defined());
}

TEST_CASE("a Replay is neither made nor run under an anomaly scope") {
  Tensor<> x{1};
  Replay step([&] { return x + 1; });
  const anomaly scope;
  CHECK_THROWS_WITH(step(), Contains("Replay: an anomaly scope is on"));
  CHECK_THROWS_WITH(Replay([&] { return x + 1; }), Contains("Replay: an anomaly scope is on"));
}

TEST_CASE("an exception of the function comes through, and its tensors stay good") {
  Tensor<> kept;
  CHECK_THROWS_AS(Replay([&] {
                    kept = full({3}, 2);
                    throw std::runtime_error("enough");
                  }),
                  std::runtime_error);
  CHECK((kept + 1).values()[2] == 3);
}

TEST_CASE("a function without a result, without kernels, or moved, is replayed") {
  Tensor<> x{1}, y{0};
  Replay copy([&] { y.assign(x); });
  Replay nothing([] {});
  CHECK(copy.kernels() == 2);  // and one that raises the version
  CHECK(nothing.kernels() == 0);
  nothing();
  x.assign(Tensor<>{5});
  Replay moved = std::move(copy);
  moved();
  CHECK(y.item() == 5);
}

TEST_CASE("a Replay notices new values of an operand that it keeps packed") {
  Tensor<> x = rand({64, 32}), w = rand({48, 32}).set_requires_grad();
  const auto function = [&] {
    const no_grad scope;
    return linear(x, w) + linear(x, w) + linear(x, w);
  };
  function();  // packs it
  Replay step(function);
  for (int i = 0; i < 4; ++i) {
    w.assign(rand({48, 32}));
    const Tensor<> result = step().clone();
    CHECK(same_bits(result, function()));
  }
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

TEST_CASE("a parameter that a Replay itself writes is packed anew, inside and outside") {
  Tensor<> x = rand({64, 32}), w = rand({48, 32}).set_requires_grad();
  Tensor<> by_hand = w.detach().clone().set_requires_grad();
  const auto descend = [&](Tensor<>& weight) {
    weight.zero_grad();
    mean(square(linear(x, weight))).backward();
    const Tensor<> before = linear(x, weight).detach();
    weight.assign(weight.detach() - weight.grad() * 10);
    return std::vector{before, linear(x, weight).detach()};
  };
  Replay step([&] { return descend(w); });
  descend(by_hand);
  for (int i = 0; i < 4; ++i) {
    step();
    const auto expected = descend(by_hand);
    CHECK(same_bits(step.result(), expected));
    CHECK(same_bits(linear(x, w).detach(), linear(x, by_hand).detach()));
    CHECK(same_bits(w, by_hand));
  }
}

TEST_CASE("a leaf that a Replay makes and drops is not kept packed") {
  Tensor<> x = rand({64, 32}), v = rand({48, 32});
  const auto function = [&] {
    const Tensor<> w = (v * 2).detach().set_requires_grad();
    return linear(x, w).detach();
  };
  Replay step(function);
  for (int i = 0; i < 4; ++i) {
    v.assign(rand({48, 32}));
    CHECK(same_bits(step(), function()));
  }
}

TEST_CASE("indices that kernels compute are used where they always fit, and refused elsewhere") {
  Tensor<> x{0, 3, 1, 2}, logits = Tensor<>{{1, 2, 3, 4}}, table = reshape(arange(16), {4, 4}).detach();
  table.set_requires_grad();
  const auto function = [&] {
    table.zero_grad();
    const Indices largest = argmax(x, 0, true);
    const Tensor<> loss = cross_entropy(logits + embedding(table, largest), largest);
    loss.backward();
    return std::vector{loss.detach(), table.grad(), one_hot<float>(largest, 4),
                       one_hot<float>(argmin(x, 0), 5)};
  };
  Replay step(function);
  for (const Tensor<>& values : {Tensor<>{5, 3, 1, 2}, Tensor<>{0, 1, 2, 3}}) {
    x.assign(values);
    std::vector<Tensor<>> again;
    for (const auto& y : step()) again.push_back(y.clone());
    CHECK(same_bits(again, function()));
  }
  Indices largest;
  Replay finder([&] { largest = argmax(x, 0); });
  Replay user([&] { return embedding(narrow(table.detach(), 0, 0, 4), largest); });  // these can be checked
  x.assign(Tensor<>{0, 1, 0, 0});
  finder();
  CHECK(user().values()[0] == 4);
  largest.assign(Indices(Shape{}, {4}));
  CHECK(error_of([&] { user(); }) == "embedding: index 4 at position 0 of [] is not in [0, 4)");
  CHECK(error_of([&] { Replay replay([&] { return embedding(narrow(table, 0, 0, 3), argmax(x, 0)); }); }) ==
        "embedding: inside the function of a Replay indices are computed that may reach 3, and only those in "
        "[0, 3) fit; compute them before each run, and assign() them");
  CHECK_THROWS_WITH(Replay([&] { return cross_entropy(logits, argmax(x, 0, true), {.ignore_index = 1}); }),
                    Contains("targets that the function computes cannot be ignored"));
  const Tensor<> nothing = zeros({0, 4});
  CHECK_THROWS_WITH(Replay([&] { return cross_entropy(nothing, argmax(nothing, 1)); }),
                    Contains("there are no rows"));
  CHECK_THROWS_WITH(
      Replay([&] { return nll_loss(narrow(logits, 1, 0, 2), argmax(x, 0, true)); }),
      Contains("nll_loss: inside the function of a Replay indices are computed that may reach 3"));
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

TEST_CASE("a Replay that was moved from says so") {
  Tensor<> x{1};
  Replay step([&] { return x + 1; });
  Replay moved = std::move(step);
  CHECK(moved().item() == 2);
  CHECK_THROWS_WITH(step(), Contains("Replay: this one was moved from"));
  CHECK_THROWS_WITH(step.kernels(), Contains("Replay: this one was moved from"));
}
