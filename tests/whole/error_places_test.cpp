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

// Each call's message names this file, once.
void check_places(const std::vector<BadCall>& calls) {
  for (const BadCall& bad : calls) {
    INFO(bad.name);
    const std::string text = message(bad.call);
    CHECK_THAT(text, Contains("(called in ") && Contains("error_places_test.cpp:"));
    CHECK(text.find("(called in ") == text.rfind("(called in "));
  }
}

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
      {"einsum",
       [&] {
         einsum("ij,jk->ik", {x, x});
       }},
      {"sum", [&] { sum(x, 2); }},
      {"mean",
       [&] {
         mean(x, {0, 0});
       }},
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
      {"unflatten",
       [&] {
         unflatten(x, 1, {2, 2});
       }},
      {"flatten", [&] { flatten(x, 3); }},
      {"cat",
       [&] {
         cat({x, vector});
       }},
      {"stack",
       [&] {
         stack({x, vector});
       }},
      {"narrow", [&] { narrow(x, 0, 1, 5); }},
      {"select", [&] { select(x, 0, 7); }},
      {"slice",
       [&] {
         slice(x, {{}, {}, {}});
       }},
      {"split",
       [&] {
         split(x, {1, 5});
       }},
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
      {"smooth_l1_loss", [&] { smooth_l1_loss(x, vector); }},
      {"huber_loss", [&] { huber_loss(x, vector); }},
      {"binary_cross_entropy", [&] { binary_cross_entropy(x, vector); }},
      {"kl_div", [&] { kl_div(x, vector); }},
      {"poisson_nll_loss", [&] { poisson_nll_loss(x, vector); }},
      {"gaussian_nll_loss", [&] { gaussian_nll_loss(x, x, vector); }},
      {"hinge_embedding_loss", [&] { hinge_embedding_loss(x, vector); }},
      {"soft_margin_loss", [&] { soft_margin_loss(x, vector); }},
      {"margin_ranking_loss", [&] { margin_ranking_loss(x, x, vector); }},
      {"cosine_embedding_loss", [&] { cosine_embedding_loss(x, x, vector); }},
      {"pairwise_distance", [&] { pairwise_distance(x, x, -1); }},
      {"triplet_margin_loss", [&] { triplet_margin_loss(x, x, vector); }},
      {"ctc_loss", [&] { ctc_loss(x, far, far, far); }},
      {"solve", [&] { solve(x, x); }},
      {"inv", [&] { inv(x); }},
      {"det", [&] { det(x); }},
      {"cholesky", [&] { cholesky(x); }},
      {"rnn_tanh_step", [&] { rnn_tanh_step(x, x, x); }},
      {"lstm_step", [&] { lstm_step(x, x, x, x); }},
      {"gru_step", [&] { gru_step(x, x, x); }},
      {"Indices +",
       [&] {
         Indices{1, 2} + Indices{1, 2, 3};
       }},
      {"Indices /",
       [&] {
         Indices{1, 2} / 0;
       }},
      {"to_indices", [&] { to_indices(x / 0.f); }},
      {"backward", [&] { x.backward(); }},
      {"backward of many", [&] { (ones({2}).set_requires_grad() * 2).backward(); }},
      {"grad", [&] { grad(x, vector); }},
  };
  check_places(calls);
}

TEST_CASE("what makes, reads and writes tensors and modules says where it was called") {
  Tensor<> x = ones({2, 3}), undefined, leaf = ones({2}).set_requires_grad();
  const Tensor<> result = leaf * 2;
  check_places({
      {"Tensor",
       [&] {
         Tensor<>{{1, 2}, {3}};
       }},
      {"from_values", [&] { from_values<float>({2}, std::vector<float>{1}); }},
      {"eye", [&] { eye(-1); }},
      {"eye of a shape", [&] { eye(2, -1); }},
      {"arange", [&] { arange(0, 1, 0); }},
      {"arange to", [&] { arange(1e300 * 1e300); }},
      {"linspace", [&] { linspace(0, 1, -1); }},
      {"randint", [&] { randint(3, 3, {2}); }},
      {"zeros_like", [&] { zeros_like(undefined); }},
      {"full_like", [&] { full_like(undefined, 1); }},
      {"randn_like", [&] { randn_like(undefined); }},
      {"item", [&] { x.item(); }},
      {"item of nothing", [&] { undefined.item(); }},
      {"data", [&] { undefined.data(); }},
      {"values", [&] { undefined.values(); }},
      {"values of a temporary", [&] { Tensor<>().values(); }},
      {"mutable_values", [&] { Tensor<>(result).mutable_values(); }},
      {"mutable_array", [&] { undefined.mutable_array(); }},
      {"assign", [&] { x.assign(ones({3})); }},
      {"assign to a result", [&] { Tensor<>(result).assign(ones({2})); }},
      {"set_requires_grad", [&] { Tensor<>(result).set_requires_grad(); }},
      {"set_grad", [&] { leaf.set_grad(ones({3})); }},
      {"register_hook", [&] { x.register_hook([](const Tensor<>& g) { return g; }); }},
      {"compound assignment", [&] { leaf += 1; }},
      {"init::uniform", [&] { nn::init::uniform(x, 1, 0); }},
      {"init::normal", [&] { nn::init::normal(x, 0, -1); }},
      {"init::constant", [&] { nn::init::constant(undefined, 1); }},
      {"init::xavier_uniform", [&] { nn::init::xavier_uniform(leaf); }},
      {"init::kaiming_normal", [&] { nn::init::kaiming_normal(leaf); }},
      {"init::orthogonal", [&] { nn::init::orthogonal(leaf); }},
      {"Linear",
       [&] {
         nn::Linear<>{-1, 2};
       }},
      {"Embedding",
       [&] {
         nn::Embedding<>{-1, 2};
       }},
      {"LSTM",
       [&] {
         nn::LSTM<>{2, 0};
       }},
      {"Sequential",
       [&] {
         nn::Sequential{nn::Linear<>{2, 3}, nn::Linear<>{4, 5}}(ones({1, 2}));
       }},
      {"clip_grad_norm",
       [&] {
         optim::clip_grad_norm<float>({leaf, leaf}, 1);
       }},
      {"clip_grad_value", [&] { optim::clip_grad_value<float>({leaf}, -1); }},
  });
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
  CHECK_THAT(message(call),
             Contains("Linear(in=4, out=2): x has shape [3, 5]") && !Contains("in the module"));
  optim::SGD optimizer(nn::parameters(model), {.lr = 0.1});
  CHECK_THAT(message(call), Contains("error_places_test.cpp") && Contains("(in the module 'decoder.out')"));
  CHECK_THAT(message([&] { model.table(Indices{5}); }), Contains("(in the module 'table')"));
  CHECK_THAT(message([&] {
               model.rnn(ones({3, 2, 5}));
             }),
             Contains("LSTM: ") && Contains("(in the module 'rnn')"));
  nn::parameters(model.decoder);  // a part alone does not shorten the name
  CHECK_THAT(message(call), Contains("(in the module 'decoder.out')"));
}

TEST_CASE("an index outside for an LSTM names LSTM") {
  const nn::LSTM<> lstm{5, 4};
  CHECK_THAT(
      message([&] {
        lstm(Indices(Shape{2, 1}, {1, 7}));
      }),
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
  CHECK_THAT(message([&] { y.backward(); }),
             Contains("; in encoder; time step 1)"));  // of the op that saved it
}

}  // namespace
