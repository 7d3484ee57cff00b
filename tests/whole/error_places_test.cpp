// Errors say where the op was called, and in which module and time step.
#include <functional>
#include <string>
#include <vector>

#include <xgrad/xgrad.hpp>

#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;

std::string message(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

struct BadCall {
  const char* name;
  std::function<void()> call;
};

TEST_CASE("every op's error says where it was called") {
  const Tensor<> x = ones({2, 3}), square = ones({2, 2}), vector = ones({3}), undefined;
  const Indices far{9}, one{0};
  const std::vector<BadCall> calls{
      {"add", [&] { x + ones({4}); }},
      {"add of nothing", [&] { x + undefined; }},
      {"exp", [&] { exp(undefined); }},
      {"a formula", [&] { formula("twice", [](auto a) { return 2 * a; })(undefined); }},
      {"into", [&] { formula("twice", [](auto a) { return 2 * a; }).into(vector, x); }},
      {"where", [&] { where(x > 0, ones({4}), x); }},
      {"clamp", [&] { clamp(undefined, 0, 1); }},
      {"matmul", [&] { matmul(x, x); }},
      {"linear", [&] { linear(x, square); }},
      {"outer", [&] { outer(x, vector); }},
      {"einsum", [&] { einsum("ij,jk->ik", {x, x}); }},
      {"sum", [&] { sum(x, 2); }},
      {"mean", [&] { mean(x, {0, 0}); }},
      {"var", [&] { var(ones({1})); }},
      {"stddev", [&] { stddev(ones({1})); }},
      {"prod", [&] { prod(x, 5); }},
      {"amax", [&] { amax(zeros({0})); }},
      {"amin", [&] { amin(zeros({0})); }},
      {"logsumexp", [&] { logsumexp(x, 2); }},
      {"norm", [&] { norm(x, 2, 4); }},
      {"argmax", [&] { argmax(x, 2); }},
      {"argmin", [&] { argmin(undefined); }},
      {"cumsum", [&] { cumsum(x, 2); }},
      {"softmax", [&] { softmax(x, 2); }},
      {"log_softmax", [&] { log_softmax(x, 2); }},
      {"dropout", [&] { dropout(x, 2.0); }},
      {"reshape", [&] { reshape(x, {4}); }},
      {"transpose", [&] { transpose(x, 0, 2); }},
      {"permute", [&] { permute(x, {0}); }},
      {"squeeze", [&] { squeeze(x, 5); }},
      {"unsqueeze", [&] { unsqueeze(x, 5); }},
      {"expand", [&] { expand(x, {4}); }},
      {"flip", [&] { flip(x, {2}); }},
      {"pad", [&] { pad(x, {1}); }},
      {"flatten", [&] { flatten(x, 3); }},
      {"cat", [&] { cat({x, vector}); }},
      {"stack", [&] { stack({x, vector}); }},
      {"narrow", [&] { narrow(x, 0, 1, 5); }},
      {"select", [&] { select(x, 0, 7); }},
      {"slice", [&] { slice(x, {{}, {}, {}}); }},
      {"split", [&] { split(x, {1, 5}); }},
      {"chunk", [&] { chunk(x, 0); }},
      {"unbind", [&] { unbind(x, 3); }},
      {"index_select", [&] { index_select(x, 0, far); }},
      {"embedding", [&] { embedding(x, far); }},
      {"gather", [&] { gather(x, 0, far); }},
      {"scatter_add", [&] { scatter_add(x, 0, one, x); }},
      {"one_hot", [&] { one_hot(far, 3); }},
      {"masked_fill", [&] { masked_fill(x, ones({4}), 0); }},
      {"one_hot_linear", [&] { one_hot_linear(far, x); }},
      {"cross_entropy", [&] { cross_entropy(x, far); }},
      {"nll_loss", [&] { nll_loss(x, far); }},
      {"mse_loss", [&] { mse_loss(x, vector); }},
      {"l1_loss", [&] { l1_loss(x, vector); }},
      {"bce", [&] { binary_cross_entropy_with_logits(x, vector); }},
      {"solve", [&] { solve(x, x); }},
      {"inv", [&] { inv(x); }},
      {"det", [&] { det(x); }},
      {"cholesky", [&] { cholesky(x); }},
      {"rnn_tanh_step", [&] { rnn_tanh_step(x, x, x); }},
      {"lstm_step", [&] { lstm_step(x, x, x, x); }},
      {"gru_step", [&] { gru_step(x, x, x); }},
      {"Indices +", [&] { Indices{1, 2} + Indices{1, 2, 3}; }},
      {"Indices /", [&] { Indices{1, 2} / 0; }},
      {"to_indices", [&] { to_indices(x / 0.f); }},
      {"backward", [&] { x.backward(); }},
      {"backward of many", [&] { (ones({2}).set_requires_grad() * 2).backward(); }},
      {"grad", [&] { grad(x, vector); }},
  };
  for (const BadCall& bad : calls) {
    INFO(bad.name);
    const std::string text = message(bad.call);
    CHECK_THAT(text, Contains("(called in ") && Contains("error_places_test.cpp:"));
    CHECK(text.find("(called in ") == text.rfind("(called in "));
  }
}

TEST_CASE("an op inside another says where the outer one was called, and later errors do not") {
  CHECK_THAT(message([] { outer(ones({2, 2}), ones({2})); }), Contains("error_places_test.cpp"));
  CHECK(message([] { throw ValueError("plain"); }) == "plain");
}

struct Decoder {
  nn::Linear<> out{4, 2};
};
struct Model {
  nn::Embedding<> table{5, 4};
  nn::LSTM<> rnn{4, 4};
  Decoder decoder;
};

TEST_CASE("a module's error says its path once the whole was asked for its parameters") {
  Model model;
  const auto call = [&] { model.decoder.out(ones({3, 5})); };
  CHECK_THAT(message(call), Contains("Linear(in=4, out=2): x has shape [3, 5]") && !Contains("in the module"));
  optim::SGD optimizer(nn::parameters(model), {.lr = 0.1});
  CHECK_THAT(message(call), Contains("error_places_test.cpp") && Contains("(in the module 'decoder.out')"));
  CHECK_THAT(message([&] { model.table(Indices{5}); }), Contains("(in the module 'table')"));
  CHECK_THAT(message([&] { model.rnn(ones({3, 2, 5})); }), Contains("LSTM: ") && Contains("(in the module 'rnn')"));
  nn::parameters(model.decoder);  // a part alone does not shorten the name
  CHECK_THAT(message(call), Contains("(in the module 'decoder.out')"));
}

TEST_CASE("an index outside for an LSTM names LSTM") {
  const nn::LSTM<> lstm{5, 4};
  CHECK_THAT(message([&] { lstm(Indices(Shape{2, 1}, {1, 7})); }),
             Contains("LSTM: index 7 at position 1 of [2, 1] is not in [0, 5)") && !Contains("one_hot_linear"));
  const nn::GRU<> gru{5, 4};
  CHECK_THAT(message([&] { gru.step(Indices{7}, gru.zero_state(1)); }), Contains("GRU: index 7"));
}

TEST_CASE("an error in a named scope says which, and the time step") {
  const auto call = [] {
    const named_scope scope("decoder", 3);
    matmul(ones({2, 3}), ones({2, 3}));
  };
  CHECK_THAT(message(call), Contains("; in decoder; time step 3)"));
  auto x = ones({2}).set_requires_grad();
  Tensor<> y;
  {
    const named_scope scope("encoder", 1);
    y = sum(x * x);
  }
  x.assign(zeros({2}));
  CHECK_THAT(message([&] { y.backward(); }), Contains("; in encoder; time step 1)"));  // of the op that saved it
}

}  // namespace
