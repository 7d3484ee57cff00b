// RNN, LSTM and GRU against PyTorch's numbers, and their forms against each other.
#include <xgrad/nn/rnn.hpp>

#include <xgrad/autograd/array/replay.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/nn/safetensors.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/recurrent.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;
using D = Tensor<double>;
using State = nn::RecurrentState<double>;

constexpr double close = 1e-12;  // of values and gradients of order 1

bool equal(const D& a, const D& b, double tolerance = close) { return allclose(a, b, 0, tolerance); }

std::vector<D> slices(const D& x) { return unbind(x, 0); }
D joined(const State::List& list) { return stack(std::span<const D>(list)); }

// A network of PyTorch's with its inputs and its results.
class Fixture {
 public:
  explicit Fixture(std::string name) : name_(std::move(name)) {
    static const nn::Safetensors file = nn::load_safetensors(XGRAD_FIXTURES "/torch/recurrent.safetensors");
    tensors_ = &file.tensors;
  }
  D operator()(const std::string& what) const {
    const AnyTensor* found = tensors_->find(name_ + "." + what);
    REQUIRE(found);
    return D(detail::copy_of(*found));
  }
  nn::Recurrent<double> network(nn::RecurrentOptions options = {}) const {
    options.layers = 2;
    if (name_ == "rnn_relu") options.nonlinearity = nn::Nonlinearity::relu;
    if (name_ == "gru_no_bias") options.bias = false;
    const nn::Cell cell = name_ == "lstm"            ? nn::Cell::lstm
                          : name_.starts_with("gru") ? nn::Cell::gru
                                                     : nn::Cell::rnn;
    nn::Recurrent<double> rnn(cell, 4, 6, options);
    nn::StateDict parameters;
    const std::string prefix = name_ + ".parameter.";
    for (const auto& [name, tensor] : *tensors_)
      if (name.starts_with(prefix)) parameters.push_back({name.substr(prefix.size()), tensor});
    nn::load_state_dict(rnn, parameters);
    return rnn;
  }
  State initial() const {
    State state;
    for (D& h : slices((*this)("h0"))) state.h.push_back(h.set_requires_grad());
    if (name_ == "lstm")
      for (D& c : slices((*this)("c0"))) state.c.push_back(c.set_requires_grad());
    return state;
  }
  // The loss whose gradients the file holds.
  D loss(const D& output, const State& state) const {
    D total = sum(output * (*this)("weight"));
    for (const auto* list : {&state.h, &state.c})
      for (const D& s : *list) total = total + sum(s * s);
    return total;
  }
  void check_gradients(const nn::Recurrent<double>& rnn, const State& state) const {
    for (const auto& [name, p] : nn::named_parameters(rnn)) {
      INFO(name);
      CHECK(equal(p.grad(), (*this)("grad." + name)));
    }
    for (std::size_t k = 0; k < state.h.size(); ++k)
      CHECK(equal(state.h[k].grad(), slices((*this)("grad.h0"))[k]));
    for (std::size_t k = 0; k < state.c.size(); ++k)
      CHECK(equal(state.c[k].grad(), slices((*this)("grad.c0"))[k]));
  }

 private:
  std::string name_;
  const nn::StateDict* tensors_;
};

auto any_network() {
  return GENERATE(as<std::string>(), "rnn_tanh", "rnn_relu", "lstm", "gru", "gru_no_bias");
}
auto any_cell() { return GENERATE(nn::Cell::rnn, nn::Cell::lstm, nn::Cell::gru); }

// The whole sequence by steps.
nn::Recurrent<double>::Sequence by_steps(const nn::Recurrent<double>& rnn, const auto& x, State state,
                                         std::int64_t time) {
  std::vector<D> outputs;
  for (std::int64_t t = 0; t < time; ++t) {
    if constexpr (std::same_as<std::remove_cvref_t<decltype(x)>, Indices>)
      state = rnn.step(x[t], state);
    else
      state = rnn.step(select(x, 0, t), state);
    outputs.push_back(state.output());
  }
  return {stack(outputs), state};
}

TEST_CASE("a sequence gives PyTorch's outputs, states and gradients") {
  const std::string name = any_network();
  INFO(name);
  const Fixture fixture(name);
  const auto rnn = fixture.network();
  const D x = fixture("x").set_requires_grad();
  const State initial = fixture.initial();

  const auto [output, state] = rnn(x, initial);
  CHECK(equal(output, fixture("output")));
  CHECK(equal(joined(state.h), fixture("h")));
  if (name == "lstm") CHECK(equal(joined(state.c), fixture("c")));
  CHECK(state.c.empty() == (name != "lstm"));
  CHECK(state.output().values().data() != nullptr);

  fixture.loss(output, state).backward();
  CHECK(equal(x.grad(), fixture("grad.x")));
  fixture.check_gradients(rnn, initial);
}

TEST_CASE("steps give the numbers and gradients of the sequence") {
  const std::string name = any_network();
  INFO(name);
  const Fixture fixture(name);
  const auto rnn = fixture.network();
  const D x = fixture("x").set_requires_grad();
  const State initial = fixture.initial();
  const auto [output, state] = by_steps(rnn, x, initial, x.size(0));
  CHECK(equal(output, fixture("output")));
  fixture.loss(output, state).backward();
  CHECK(equal(x.grad(), fixture("grad.x")));
  fixture.check_gradients(rnn, initial);
}

TEST_CASE("indices stand for one-hot rows: the same numbers and gradients") {
  const nn::Cell cell = any_cell();
  const bool bias = GENERATE(true, false);
  // Few indices for the features, and many: they are read in different ways.
  const std::int64_t features = GENERATE(3, 40), time = 4, batch = 3;
  Generator generator(3);
  const nn::Recurrent<double> rnn(cell, features, 5, {.layers = 2, .bias = bias}, generator);
  std::vector<std::int64_t> values;
  for (std::int64_t i = 0; i < time * batch; ++i) values.push_back((i * i + i / 2) % features);
  const Indices x({time, batch}, values);
  const D rows = one_hot<double>(x, features);
  const D weight = randn<double>({time, batch, 5}, generator);

  const auto gradients = [&](const auto& result) {
    nn::zero_grad(rnn);
    (sum(result.output * weight) + sum(square(result.state.output()))).backward();
    std::vector<D> all;
    for (const D& p : nn::parameters(rnn)) all.push_back(p.grad());
    return all;
  };
  const auto dense = rnn(rows);
  const auto expected = gradients(dense);
  const auto check = [&](const auto& result) {
    CHECK(equal(result.output, dense.output, 1e-15));
    const auto found = gradients(result);
    for (std::size_t k = 0; k < found.size(); ++k) CHECK(equal(found[k], expected[k], 1e-14));
  };
  check(rnn(x));
  check(by_steps(rnn, x, rnn.zero_state(batch), time));
  check(by_steps(rnn, rows, rnn.zero_state(batch), time));
}

TEST_CASE("batch_first swaps the first two axes of input and output") {
  const Fixture fixture(any_network());
  const auto time_first = fixture.network(), batch_first = fixture.network({.batch_first = true});
  const State initial = fixture.initial();
  const D x = fixture("x");
  const auto expected = time_first(x, initial), found = batch_first(transpose(x, 0, 1), initial);
  CHECK(equal(transpose(found.output, 0, 1), expected.output, 0));
  CHECK(equal(found.state.output(), expected.state.output(), 0));
  CHECK(batch_first(transpose(x, 0, 1)).output.shape() == Shape{3, 5, 6});

  Generator generator(1);
  nn::LSTM<double> lstm(4, 2, {.batch_first = true}, generator);
  const Indices indices{{0, 1, 2}, {3, 3, 1}};
  CHECK(equal(lstm(indices).output, lstm(one_hot<double>(indices, 4)).output, 0));
}

TEST_CASE("batch_first takes Indices, also in a Replay") {
  const nn::RNN<double> rnn(4, 3, {.batch_first = true});
  Indices x{{0, 1, 2}, {3, 3, 0}};
  const auto function = [&] { return rnn(x).output; };
  Replay step(function);
  for (const Indices& batch : {x, Indices{{2, 1, 0}, {0, 3, 1}}}) {
    x.assign(batch);
    CHECK(equal(step(), function(), 0));
    CHECK(equal(step.result(), rnn(one_hot<double>(x, 4)).output));
  }
  x.assign({{2, 1, 0}, {0, 4, 1}});
  CHECK_THROWS_WITH(step(), Contains("index 4 at position 3 of [3, 2] is not in [0, 4)"));
}

TEST_CASE("truncated: a detached state carries values and no history") {
  const Fixture fixture(any_network());
  const auto rnn = fixture.network();
  const auto xs = slices(fixture("x"));
  const D first = stack({xs[0], xs[1]}), second = stack({xs[2], xs[3], xs[4]});
  const auto start = rnn(first);
  const State carried = nn::detach(start.state);
  CHECK(equal(carried.output(), start.state.output(), 0));
  CHECK_FALSE(carried.output().requires_grad());
  CHECK(carried.output().storage()->unique());  // it does not hold on to the window
  const auto whole = rnn(stack(xs)), rest = rnn(second, carried);
  CHECK(equal(rest.output, stack(std::vector<D>{slices(whole.output)[2], slices(whole.output)[3],
                                                slices(whole.output)[4]})));
  sum(rest.output).backward();  // and nothing is differentiated twice
  sum(start.output).backward();
}

TEST_CASE("without recording the results are the same, and belong to their holder") {
  const Fixture fixture(any_network());
  const auto rnn = fixture.network();
  const auto expected = rnn(fixture("x"), fixture.initial());
  const no_grad scope;
  auto found = rnn(fixture("x"), fixture.initial());
  CHECK(equal(found.output, expected.output, 0));
  found.output.assign(zeros<double>(found.output.shape()));
  CHECK(equal(joined(found.state.h), joined(expected.state.h), 0));
}

TEST_CASE("a recorded sequence is written in place: its output costs no copy") {
  Generator generator(1);
  const nn::LSTM<double> rnn(4, 8, {}, generator);
  const auto result = rnn(randn<double>({6, 2, 4}, generator));
  CHECK(result.output.storage().get() == result.state.output().storage().get());
}

TEST_CASE("parameters have PyTorch's names, shapes and order") {
  const nn::LSTM<> lstm(3, 5, {.layers = 2});
  const std::vector<std::pair<std::string, Shape>> expected = {
      {"weight_ih_l0", {20, 3}}, {"weight_hh_l0", {20, 5}}, {"bias_ih_l0", {20}}, {"bias_hh_l0", {20}},
      {"weight_ih_l1", {20, 5}}, {"weight_hh_l1", {20, 5}}, {"bias_ih_l1", {20}}, {"bias_hh_l1", {20}}};
  const auto found = nn::named_parameters(lstm);
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i].first == expected[i].first);
    CHECK(found[i].second.shape() == expected[i].second);
    CHECK(found[i].second.requires_grad());
    for (const float v : found[i].second.values()) CHECK(std::abs(v) <= 1 / std::sqrt(5.0f));
  }
  CHECK(nn::count_parameters(nn::GRU<>(3, 5)) == 3 * 5 * (3 + 5 + 2));
  CHECK(nn::count_parameters(nn::RNN<>(3, 5, {.bias = false})) == 5 * (3 + 5));
  CHECK(nn::to_string(lstm) == "LSTM(3, 5, num_layers=2)");
  CHECK(nn::to_string(nn::RNN<>(3, 5,
                                {.layers = 2,
                                 .dropout = 0.5,
                                 .batch_first = true,
                                 .bias = false,
                                 .nonlinearity = nn::Nonlinearity::relu})) ==
        "RNN(3, 5, num_layers=2, bias=False, batch_first=True, dropout=0.5, nonlinearity=relu)");
}

TEST_CASE("the same generator makes the same parameters") {
  Generator a(5), b(5), c(6);
  const auto first = nn::parameters(nn::GRU<>(2, 3, {}, a)), again = nn::parameters(nn::GRU<>(2, 3, {}, b)),
             other = nn::parameters(nn::GRU<>(2, 3, {}, c));
  CHECK(allclose(first[1], again[1], 0, 0));
  CHECK_FALSE(allclose(first[1], other[1], 0, 0));
}

TEST_CASE("dropout lies between layers, while training only, and repeats with the seed") {
  Generator generator(2);
  nn::LSTM<double> rnn(4, 16, {.layers = 2, .dropout = 0.5}, generator);
  const nn::LSTM<double> without = [&] {
    nn::LSTM<double> copy = rnn;
    copy.options.dropout = 0;
    return copy;
  }();
  const D x = randn<double>({5, 3, 4}, generator);
  const auto run = [&](std::uint64_t seed) {
    manual_seed(seed);
    return rnn(x);
  };
  CHECK(equal(run(1).output, run(1).output, 0));
  CHECK_FALSE(equal(run(1).output, run(2).output, 1e-3));
  CHECK_FALSE(equal(run(1).output, without(x).output, 1e-3));
  CHECK(equal(run(1).state.h[0], without(x).state.h[0], 0));  // the first layer is not touched
  const D first = select(x, 0, 0);
  CHECK_FALSE(equal(rnn.step(first, rnn.zero_state(3)).output(),
                    without.step(first, rnn.zero_state(3)).output(), 1e-3));

  nn::eval(rnn);
  CHECK(equal(run(1).output, without(x).output, 0));
  CHECK(
      equal(rnn.step(first, rnn.zero_state(3)).output(), without.step(first, rnn.zero_state(3)).output(), 0));
}

TEST_CASE("recurrent networks refuse what does not fit") {
  const nn::LSTM<> lstm(4, 3, {.layers = 2});
  const nn::LSTM<> batch_first(4, 3, {.batch_first = true});
  const auto state = lstm.zero_state(2);
  CHECK_THROWS_WITH(nn::LSTM<>()(zeros({1, 1, 1})), Contains("LSTM: used before it has parameters"));
  CHECK_THROWS_WITH(nn::GRU<>().step(Indices{1}, {}), Contains("GRU: used before it has parameters"));
  CHECK_THROWS_WITH(nn::RNN<>().zero_state(2), Contains("RNN<>{in, hidden}"));
  CHECK_THROWS_WITH(lstm(zeros({5, 2, 3})),
                    Contains("LSTM: an input of shape [5, 2, 3] where (time, batch, 4) or (time, 4) is needed"));
  CHECK_THROWS_WITH(batch_first(zeros({5, 2})), Contains("where (batch, time, 4) or (time, 4) is needed"));
  CHECK_THROWS_WITH(lstm(Indices({1, 1, 1}, {0})), Contains("where (time, batch) or (time) is needed"));
  CHECK_THROWS_WITH(lstm.step(zeros({2, 5}), state), Contains("where (batch, 4) is needed"));
  CHECK_THROWS_WITH(lstm.step(Indices({1, 1}, {1}), state), Contains("where (batch) is needed"));
  CHECK_THROWS_WITH(lstm(Tensor<>()), Contains("where (time, batch, 4) or (time, 4) is needed"));
  CHECK_THROWS_WITH(lstm(zeros({0, 2, 4})), Contains("a sequence of no steps"));
  CHECK_THROWS_WITH(batch_first(zeros({2, 0, 4})), Contains("a sequence of no steps"));
  CHECK_THROWS_WITH(
      lstm(zeros({5, 3, 4}), state),
      Contains("the state's h has shape [2, 3] where this input needs [3, 3]; start from zero_state(3)"));
  CHECK_THROWS_WITH(lstm.step(zeros({2, 4}), {}), Contains("the state has h of 0 layers and the network 2"));
  CHECK_THROWS_WITH(lstm.step(zeros({2, 4}), {state.h, {}}), Contains("the state has c of 0 layers"));
  CHECK_THROWS_AS(lstm(Indices{{1, 4}}), ValueError);
  CHECK_THROWS_AS(lstm.step(Indices{1, -1}, state), ValueError);
  CHECK_THROWS_WITH(nn::RecurrentState<>().output(), Contains("zero_state(batch)"));
  CHECK(lstm(zeros({5, 2, 4}), state).output.shape() == Shape{5, 2, 3});  // and it still works

  CHECK_THROWS_WITH(nn::RNN<>(0, 3), Contains("RNN: sizes must be at least 1, got in = 0, hidden = 3"));
  CHECK_THROWS_WITH(nn::RNN<>(2, 3, {.layers = 0}), Contains("at least one layer"));
  CHECK_THROWS_WITH(nn::RNN<>(2, 3, {.dropout = 1.5}),
                    Contains("dropout is a probability in [0, 1], got 1.5"));
  CHECK_THROWS_AS(nn::LSTM<>(2, 3, {.dropout = 0.5}), ValueError);
  CHECK_THROWS_WITH(
      nn::GRU<>(2, 3, {.dropout = 0.5}),
      Contains("GRU: dropout acts between layers, and there is one; give it .layers = 2 or more, or put an "
      "nn::Dropout{0.5} after it"));
  CHECK_THROWS_WITH(nn::RNN<>(2, 3, {.nonlinearity = nn::Nonlinearity::sigmoid}), Contains("tanh or relu"));
  CHECK_THROWS_WITH(nn::GRU<>(2, 3, {.nonlinearity = nn::Nonlinearity::relu}),
                    Contains("only RNN takes one"));
}

TEST_CASE("steps refuse shapes that do not fit") {
  const Tensor<> zx = zeros({2, 9}), h = zeros({2, 3}), weight = zeros({9, 3}), bias = zeros({9});
  CHECK_THROWS_WITH(rnn_tanh_step(zx, h, weight),
                    Contains("rnn_tanh_step: zx [2, 9], h [2, 3], weight [9, 3]; needed are zx [batch, "
                             "hidden], h [batch, hidden] and weight [hidden, hidden]"));
  CHECK_THROWS_WITH(lstm_step(zx, h, h, weight),
                    Contains("weight [9, 3], c [2, 3]; needed are zx [batch, 4 hidden], h [batch, hidden], c "
                             "the same and weight [4 hidden, hidden]"));
  CHECK_THROWS_WITH(
      gru_step(zeros({2, 8}), h, weight),
      Contains("gru_step: zx [2, 8], h [2, 3], weight [9, 3]; needed are zx [batch, 3 hidden], h "
               "[batch, hidden] and weight [3 hidden, hidden]"));
  CHECK_THROWS_WITH(
      gru_step(zx, h, weight, zeros({3})),
      Contains("bias [3]; needed") && Contains("weight [3 hidden, hidden], and bias [3 hidden]"));
  CHECK_THROWS_AS(gru_step(zx, zeros({1, 3}), weight, bias), ShapeError);
  CHECK_THROWS_AS(gru_step(zx, h, zeros({3, 9}), bias), ShapeError);
  CHECK_THROWS_AS(gru_step(zx, h, Tensor<>()), ValueError);
  CHECK_THROWS_WITH(gru_step(zx, h, weight, bias, {.h = zeros({3})}),
                    Contains("memory of shape [3] for an h"));
  CHECK(gru_step(zx, h, weight, bias).shape() == h.shape());
}

TEST_CASE("a gated cell of one's own is one formula") {
  constexpr auto gru = formula("gru", [](auto xr, auto xz, auto xn, auto hr, auto hz, auto hn, auto h) {
    const auto r = keep(sigmoid(xr + hr)), z = keep(sigmoid(xz + hz)), n = keep(tanh(xn + r * hn));
    return (1 - z) * n + z * h;
  });
  Generator generator(5);
  const nn::GRU<double> rnn(4, 6, {}, generator);
  const auto& layer = rnn.layers[0];
  const D x = randn<double>({7, 3, 4}, generator), weight = randn<double>({7, 3, 6}, generator);
  const auto gradients = [&](const D& output) {
    nn::zero_grad(rnn);
    sum(output * weight).backward();
    std::vector<D> all;
    for (const D& p : nn::parameters(rnn)) all.push_back(p.grad());
    return all;
  };
  auto steps = unbind(linear(x, layer.weight_ih, layer.bias_ih), 0);
  D h = zeros<double>({3, 6});
  for (D& step : steps)
    h = step = gru(chunks<3>(step), chunks<3>(linear(h, layer.weight_hh, layer.bias_hh)), h);
  const D output = stack(steps), expected_output = rnn(x).output;
  CHECK(equal(output, expected_output, 1e-14));
  const auto found = gradients(output), expected = gradients(expected_output);
  for (std::size_t k = 0; k < found.size(); ++k) CHECK(equal(found[k], expected[k], 1e-13));
}

TEST_CASE("a graph that is kept is not overwritten by going backward through it") {
  Generator generator(6);
  const nn::Recurrent<double> rnn(any_cell(), 4, 5, {}, generator);
  const D loss = sum(square(rnn(randn<double>({9, 3, 4}, generator)).output));
  const std::vector<D> parameters = nn::parameters(rnn);
  const auto first = grad(loss, parameters, {.retain_graph = true}),
             recorded = grad(loss, parameters, {.create_graph = true}), last = grad(loss, parameters);
  for (std::size_t k = 0; k < parameters.size(); ++k) {
    CHECK(equal(last[k], first[k], 1e-13));  // products are batched in another way
    CHECK(equal(recorded[k], first[k], 1e-13));
  }
}

TEST_CASE("steps of two sequences in turns have the gradients of each alone") {
  Generator generator(7);
  const D weight = randn<double>({15, 5}, generator).set_requires_grad(),
          bias = randn<double>({15}, generator).set_requires_grad();
  const std::vector<D> zx{randn<double>({2, 15}, generator), randn<double>({3, 15}, generator)};
  const auto gradients = [&](bool first, bool second) {
    D a = zeros<double>({2, 5}), b = zeros<double>({3, 5});
    for (int t = 0; t < 40; ++t) {  // more rows than are one product
      if (first) a = gru_step(zx[0], a, weight, bias);
      if (second) b = gru_step(zx[1], b, weight, bias);
    }
    return grad(sum(square(a)) + sum(square(b)), {weight, bias});
  };
  const auto both = gradients(true, true), first = gradients(true, false), second = gradients(false, true);
  for (std::size_t k = 0; k < 2; ++k) CHECK(equal(both[k], first[k] + second[k], 1e-12));
}

TEST_CASE("an empty batch goes through") {
  const nn::GRU<> gru(4, 3);
  CHECK(gru(zeros({5, 0, 4})).output.shape() == Shape{5, 0, 3});
}

}  // namespace
