// Recurrent networks over sequences of their own lengths, in two directions, without a batch, and over cells
// of one's own: each against the same network on one sequence at a time.
#include <xgrad/nn/rnn.hpp>

#include <limits>

#include <xgrad/nn/linear.hpp>
#include <xgrad/nn/rnn_cell.hpp>
#include <xgrad/nn/unrolled.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include "catch.hpp"
#include "near.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using D = Tensor<double>;

namespace {

const Indices lengths{3, 5, 1};

// (5, 3, 2), with NaN after each sequence's end.
D ragged(Generator& generator) {
  D x = randn<double>({5, 3, 2}, generator);
  for (std::int64_t n = 0; n < 3; ++n)
    for (std::int64_t t = lengths.values()[static_cast<std::size_t>(n)]; t < 5; ++t)
      for (std::int64_t f = 0; f < 2; ++f)
        x.mutable_values()[static_cast<std::size_t>((t * 3 + n) * 2 + f)] =
            std::numeric_limits<double>::quiet_NaN();
  return x;
}

// The sequence n alone, (time, 1, features), without its padding.
D alone(const D& x, std::int64_t n) {
  return narrow(narrow(x, 1, n, 1), 0, 0, lengths.values()[static_cast<std::size_t>(n)]);
}

template <class Net>
void check_against_single_sequences(const Net& net) {
  Generator generator(5);
  D x = ragged(generator).set_requires_grad();
  const auto whole = net(x, lengths);
  CHECK(whole.output.shape()[0] == 5);
  for (std::int64_t n = 0; n < 3; ++n) {
    const auto one = net(alone(x, n));
    const std::int64_t steps = one.output.shape()[0];
    const D mine = narrow(whole.output, 1, n, 1);
    CHECK(off(narrow(mine, 0, 0, steps), one.output.shape(), list(one.output), 1e-14) == "");
    const D after = narrow(mine, 0, steps, 5 - steps);
    CHECK(off(after, after.shape(), std::vector<double>(static_cast<std::size_t>(after.elements()), 0)) ==
          "");
    const D together = grad(sum(square(narrow(whole.output, 1, n, 1))), x, {.retain_graph = true});
    const D single = grad(sum(square(one.output)), x, {.retain_graph = true});
    CHECK(off(together, x.shape(), list(single), 1e-13) == "");  // no NaN, and 0 where there is padding
  }
}

}  // namespace

TEST_CASE("sequences of different lengths are as each alone, and their padding is not read") {
  Generator generator(1);
  for (const nn::Cell cell : {nn::Cell::rnn, nn::Cell::lstm, nn::Cell::gru})
    for (const bool bidirectional : {false, true})
      check_against_single_sequences(
          nn::Recurrent<double>(cell, 2, 4, {.layers = 2, .bidirectional = bidirectional}, generator));
  check_against_single_sequences(
      nn::Recurrent<double>(nn::Cell::lstm, 2, 4, {.bidirectional = true, .proj_size = 3}, generator));
}

TEST_CASE("the state is that after each sequence's own last step") {
  Generator generator(2);
  const nn::LSTM<double> net(2, 4, {.layers = 2, .bidirectional = true}, generator);
  const D x = ragged(generator);
  auto start = net.zero_state(3);
  for (auto* list : {&start.h, &start.c})
    for (D& s : *list) s = randn<double>({3, 4}, generator);
  const auto whole = net(x, start, lengths);
  for (std::int64_t n = 0; n < 3; ++n) {
    auto one = start;
    for (auto* list : {&one.h, &one.c})
      for (D& s : *list) s = narrow(s, 0, n, 1);
    const auto end = net(alone(x, n), one).state;
    for (std::size_t k = 0; k < end.h.size(); ++k) {
      CHECK(off(D(narrow(whole.state.h[k], 0, n, 1)), {1, 4}, list(end.h[k])) == "");
      CHECK(off(D(narrow(whole.state.c[k], 0, n, 1)), {1, 4}, list(end.c[k])) == "");
    }
  }
}

TEST_CASE("indices have lengths, and need no batch") {
  Generator generator(3);
  const nn::GRU<double> net(4, 3, {}, generator);
  const Indices x{{0, 1}, {2, 3}, {1, 99}};  // (time, batch); the second sequence has two steps
  const auto whole = net(x, Indices{3, 2});
  const auto second = net(Indices{1, 3});  // (time)
  CHECK(second.output.shape() == Shape{2, 3});
  CHECK(second.state.h[0].shape() == Shape{3});
  CHECK(off(D(narrow(select(whole.output, 1, 1), 0, 0, 2)), {2, 3}, list(second.output)) == "");
  const auto again = net(Indices{1, 3}, second.state);
  CHECK(again.output.shape() == Shape{2, 3});
}

TEST_CASE("parameters of a direction and a projection have PyTorch's names") {
  const nn::LSTM<> net(2, 4, {.bidirectional = true, .proj_size = 3});
  std::vector<std::string> names;
  for (const auto& [name, tensor] : nn::named_parameters(net)) names.push_back(name);
  CHECK(names == std::vector<std::string>{"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0",
                                          "weight_hr_l0", "weight_ih_l0_reverse", "weight_hh_l0_reverse",
                                          "bias_ih_l0_reverse", "bias_hh_l0_reverse",
                                          "weight_hr_l0_reverse"});
  CHECK(net.output_size() == 6);
  names.clear();
  for (const auto& [name, tensor] : nn::named_parameters(nn::GRUCell<>(2, 4))) names.push_back(name);
  CHECK(names == std::vector<std::string>{"weight_ih", "weight_hh", "bias_ih", "bias_hh"});
}

TEST_CASE("lengths, directions and projections name what does not fit") {
  const nn::LSTM<> net(2, 4), both(2, 4, {.bidirectional = true});
  const Tensor<> x = zeros({5, 3, 2});
  CHECK_THROWS_WITH(net(x, Indices{1, 2}),
                    Contains("LSTM: lengths of shape [2] for a batch of 3; give one for each"));
  CHECK_THROWS_WITH(net(x, Indices{1, 2, 6}),
                    Contains("LSTM: a length of 6 for sequence 2; the input has 5 steps"));
  CHECK_THROWS_WITH(net(x, Indices{0, 2, 5}), Contains("LSTM: a length of 0 for sequence 0"));
  CHECK_THROWS_WITH(net(zeros({5, 2}), Indices{5}),
                    Contains("which has no batch axis; pass the steps that there are"));
  CHECK_THROWS_WITH(both.step(zeros({3, 2}), both.zero_state(3)),
                    Contains("a bidirectional network has no single step"));
  CHECK_THROWS_WITH(both(x, net.zero_state(3)),
                    Contains("has h of 1 layers and the network 2 of layers in two"));
  CHECK_THROWS_WITH(net(zeros({5, 2}), net.zero_state(1)),
                    Contains("shape [1, 4] where this input needs [4]"));
  CHECK_THROWS_WITH(nn::GRU<>(2, 4, {.proj_size = 2}),
                    Contains("GRU: proj_size is 2; only LSTM projects its h"));
  CHECK_THROWS_WITH(nn::LSTM<>(2, 4, {.proj_size = 4}),
                    Contains("LSTM: proj_size is 4; it is at least 0 and below"));
  CHECK_THROWS_WITH(nn::LSTM<>(2, 4, {.proj_size = -1}), Contains("LSTM: proj_size is -1"));
  const nn::LSTMCell<> cell(2, 4);
  CHECK_THROWS_WITH(cell(zeros({3, 5})),
                    Contains("LSTMCell: an input of shape [3, 5] where (batch, 2) or (2)"));
  CHECK_THROWS_WITH(cell(zeros({3, 2}), {zeros({2, 4}), zeros({3, 4})}),
                    Contains("LSTMCell: h has shape [2, 4] where this input needs [3, 4]"));
  CHECK_THROWS_WITH(nn::RNNCell<>()(zeros({3, 2})), Contains("RNNCell: used before it has parameters"));
}

namespace {

struct IndRNNCell {  // independently recurrent (Li et al. 2018)
  nn::Linear<double> input;
  D u;
  D operator()(const D& x, const D& h) const { return relu(input(x) + u * h); }
};

nn::Unrolled<IndRNNCell, double> ind_rnn(nn::UnrolledOptions options, Generator& generator) {
  return {2, 4,
          [&](std::int64_t in, std::int64_t hidden) {
            return IndRNNCell{nn::Linear<double>(in, hidden, true, generator),
                              randn<double>({hidden}, generator).set_requires_grad()};
          },
          options};
}

}  // namespace

TEST_CASE("a cell of one's own gets layers, directions and lengths") {
  Generator generator(4);
  check_against_single_sequences(ind_rnn({.layers = 2}, generator));
  check_against_single_sequences(ind_rnn({.bidirectional = true}, generator));
  const auto net =
      ind_rnn({.layers = 2, .dropout = 0.5, .batch_first = true, .bidirectional = true}, generator);
  CHECK(net(randn<double>({3, 5, 2}, generator)).output.shape() == Shape{3, 5, 8});
  CHECK(nn::parameters(net).size() == 12);
  CHECK(nn::named_parameters(net)[3].first == "l0_reverse.input.weight");
  CHECK_THROWS_WITH(net(D(zeros<double>({3, 2}))),
                    Contains("an input of shape [3, 2] where (batch, time, in)"));
  CHECK_THROWS_WITH(ind_rnn({.dropout = 0.5}, generator), Contains("Unrolled: dropout is 0.5"));
  CHECK_THROWS_WITH(ind_rnn({.layers = 0}, generator), Contains("at least one layer"));
  CHECK_THROWS_WITH((nn::Unrolled<IndRNNCell, double>()(zeros<double>({1, 1, 2}))),
                    Contains("before it has cells"));
  CHECK_THROWS_WITH(net(zeros<double>({3, 5, 2}), std::vector<D>(1)), Contains("1 states for 4 cells"));
}

TEST_CASE("PyTorch's cells unrolled are the networks") {
  Generator generator(6);
  const nn::LSTM<double> lstm(2, 4, {.bidirectional = true}, generator);
  nn::Unrolled<nn::LSTMCell<double>, double> cells(
      2, 4, [](std::int64_t in, std::int64_t hidden) { return nn::LSTMCell<double>(in, hidden); },
      {.bidirectional = true});
  for (std::size_t k = 0; k < 2; ++k)
    static_cast<nn::Recurrent<double>::Layer&>(cells.cells[k]) = lstm.layers[k];
  const D x = randn<double>({5, 3, 2}, generator);
  const auto want = lstm(x);
  const auto [output, state] = cells(x);
  CHECK(off(output, {5, 3, 8}, list(want.output)) == "");
  CHECK(off(state[1][1], {3, 4}, list(want.state.c[1])) == "");
}
