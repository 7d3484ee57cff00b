// What can be done with a module through its description.
#include <xgrad/nn/module.hpp>

#include <array>
#include <optional>
#include <vector>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/nn/activation.hpp>
#include <xgrad/nn/linear.hpp>
#include <xgrad/nn/rnn.hpp>
#include <xgrad/nn/sequential.hpp>
#include <xgrad/ops/elementwise.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;
using Names = std::vector<std::string>;

struct Net {  // a custom model
  nn::Linear<> hidden{2, 8}, out{8, 1};
  Tensor<> operator()(const Tensor<>& x) const { return out(tanh(hidden(x))); }
  void visit(auto&& v) { v("hidden", hidden), v("out", out); }
};

struct Scale {
  Tensor<> factor = ones({3}).set_requires_grad(), seen = zeros({1});
  bool training = true;
  void visit(auto&& v) {
    v("factor", factor);
    v.buffer("seen", seen);
    v.training(training);
  }
};

struct Everything {
  std::vector<Scale> scales{2};
  std::array<nn::Linear<>, 1> linears{nn::Linear<>{3, 2, false}};
  std::optional<Scale> extra, none;
  std::vector<Tensor<>> tensors{ones({1}), ones({2, 2})};
  void visit(auto&& v) {
    v("scales", scales);
    v("linears", linears);
    v("extra", extra);
    v("none", none);
    v("tensors", tensors);
  }
};

struct Doubles {
  using value_type = double;
  nn::Linear<double> layer{1, 1};
  void visit(auto&& v) { v("layer", layer); }
};

struct Silent {
  nn::Linear<double> layer{1, 1};
  void visit(auto&& v) { v("layer", layer); }
};

struct Tied {
  nn::Linear<> in{3, 4, false}, out;
  Tied() { out.weight = in.weight; }
  void visit(auto&& v) { v("in", in), v("out", out); }
};

Names names_of(const auto& named) {
  Names names;
  for (const auto& entry : named) names.push_back(std::get<0>(entry));
  return names;
}
Names names_of(const nn::StateDict& dict) {
  Names names;
  for (const auto& entry : dict) names.push_back(entry.name);
  return names;
}

TEST_CASE("parameters come in declared order under dotted names") {
  const Net net;
  CHECK(names_of(nn::named_parameters(net)) ==
        Names{"hidden.weight", "hidden.bias", "out.weight", "out.bias"});
  const auto parameters = nn::parameters(net);
  REQUIRE(parameters.size() == 4);
  CHECK(parameters[0].shape() == Shape{8, 2});
  CHECK(parameters[0].data() == net.hidden.weight.data());
  CHECK(nn::count_parameters(net) == 2 * 8 + 8 + 8 + 1);
}

TEST_CASE("vectors, arrays and optionals number their elements; buffers are state but no parameters") {
  Everything m;
  m.extra.emplace();
  CHECK(names_of(nn::named_parameters(m)) == Names{"scales.0.factor", "scales.1.factor", "linears.0.weight",
                                                   "extra.factor", "tensors.0", "tensors.1"});
  CHECK(names_of(nn::state_dict(m)) == Names{"scales.0.factor", "scales.0.seen", "scales.1.factor",
                                             "scales.1.seen", "linears.0.weight", "extra.factor",
                                             "extra.seen", "tensors.0", "tensors.1"});
  m.extra.reset();
  CHECK(nn::named_parameters(m).size() == 5);
}

TEST_CASE("train and eval reach every flag") {
  Everything m;
  m.extra.emplace();
  nn::eval(m);
  CHECK_FALSE((m.scales[0].training || m.scales[1].training || m.extra->training));
  nn::train(m);
  CHECK((m.scales[0].training && m.scales[1].training && m.extra->training));
  nn::train(m, false);
  CHECK_FALSE(m.scales[1].training);
}

TEST_CASE("the element type is found, or asked for") {
  const nn::Sequential net{nn::Tanh(), nn::Linear<double>{2, 2}};
  STATIC_REQUIRE(std::same_as<decltype(nn::parameters(nn::LSTM<double>())), std::vector<Tensor<double>>>);
  STATIC_REQUIRE(std::same_as<decltype(nn::parameters(net)), std::vector<Tensor<double>>>);
  CHECK(nn::parameters(Doubles()).size() == 2);
  CHECK_THROWS_AS(nn::parameters(Silent()), ValueError);
  CHECK_THROWS_WITH(nn::parameters(Silent()),
                    Contains("'layer.weight' is of double and was asked for as float; call "
                             "parameters<double>(module), or declare `using value_type = double;`"));
  CHECK(nn::parameters<double>(Silent()).size() == 2);
  CHECK(nn::named_parameters<double>(Silent())[1].first == "layer.bias");
}

TEST_CASE("tied parameters count once, and are state under both names") {
  Tied m;
  CHECK(names_of(nn::named_parameters(m)) == Names{"in.weight"});
  CHECK(nn::count_parameters(m) == 12);
  CHECK(names_of(nn::state_dict(m)) == Names{"in.weight", "out.weight"});
  nn::StateDict one{{"out.weight", full({4, 3}, 7)}};  // either name will do
  nn::load_state_dict(m, one);
  CHECK(m.in.weight.values()[11] == 7);
  const Tied copy = nn::clone(m);
  CHECK(copy.in.weight.data() == copy.out.weight.data());
  CHECK(copy.in.weight.data() != m.in.weight.data());
  CHECK(nn::parameters(copy).size() == 1);
}

TEST_CASE("copies share parameters, clones do not") {
  Net net;
  Net shared = net;
  const Net separate = nn::clone(net);
  net.out.weight.mutable_values()[0] = 42;
  CHECK(shared.out.weight.values()[0] == 42);
  CHECK(separate.out.weight.values()[0] != 42);
  CHECK(separate.out.weight.requires_grad());
  net(ones({1, 2})).backward();
  CHECK(shared.hidden.weight.grad().defined());
  CHECK_FALSE(separate.hidden.weight.grad().defined());
  separate(ones({1, 2})).backward();
  CHECK(separate.hidden.weight.grad().data() != net.hidden.weight.grad().data());

  Everything m;
  nn::set_requires_grad(m.scales[0], false);
  const Everything copy = nn::clone(m);
  CHECK_FALSE(copy.scales[0].factor.requires_grad());
  CHECK(copy.scales[1].factor.requires_grad());
  CHECK_FALSE(copy.scales[1].seen.requires_grad());
  CHECK(copy.scales[1].seen.data() != m.scales[1].seen.data());
}

TEST_CASE("a state dict shares memory with its module and has no history") {
  Net net;
  const auto dict = nn::state_dict(net);
  const AnyTensor* weight = dict.find("out.weight");
  REQUIRE(weight);
  CHECK(weight->bytes() == net.out.weight.bytes());
  CHECK_FALSE(weight->requires_grad());
  CHECK(dict.find("out.w") == nullptr);
}

TEST_CASE("a state dict is loaded whole, between element types too") {
  const Net from;
  Net to;
  CHECK_FALSE(allclose(to.hidden.weight, from.hidden.weight));
  const auto report = nn::load_state_dict(to, nn::state_dict(from));
  CHECK((report.missing.empty() && report.unexpected.empty()));
  CHECK(allclose(to.hidden.weight, from.hidden.weight, 0, 0));
  CHECK(allclose(to.out.bias, from.out.bias, 0, 0));
  CHECK(to.hidden.weight.requires_grad());

  const nn::Linear<double> wide{3, 2};
  nn::Linear<float> narrow{3, 2};
  nn::load_state_dict(narrow, nn::state_dict(wide));
  CHECK(allclose(narrow.weight, wide.weight.to<float>(), 0, 0));
  nn::Linear<double> again{3, 2};
  nn::load_state_dict(again, nn::state_dict(narrow));
  CHECK(allclose(again.weight, narrow.weight.to<double>(), 0, 0));
}

TEST_CASE("a state dict that does not fit is refused with every name, and changes nothing") {
  Net net;
  const Net before = nn::clone(net);
  nn::StateDict dict{{"hidden.weight", zeros({8, 3})},
                     {"hidden.bias", zeros({8})},
                     {"out.w", zeros({1})},
                     {"fc.bias", zeros({1})}};
  CHECK_THROWS_AS(nn::load_state_dict(net, dict), FormatError);
  CHECK_THROWS_WITH(nn::load_state_dict(net, dict),
                    "load_state_dict: missing: out.weight, out.bias; unexpected: out.w, fc.bias; wrong "
                    "shape: 'hidden.weight' "
                    "is [8, 3] and the module's is [8, 2]; nothing was changed");
  CHECK_THROWS_WITH(nn::load_state_dict(net, dict, false),
                    "load_state_dict: wrong shape: 'hidden.weight' is [8, 3] and the module's is [8, 2]; "
                    "nothing was changed");
  CHECK(allclose(net.hidden.bias, before.hidden.bias, 0, 0));

  dict[0].tensor = zeros({8, 2});
  const auto report = nn::load_state_dict(net, dict, false);
  CHECK(report.missing == Names{"out.weight", "out.bias"});
  CHECK(report.unexpected == Names{"out.w", "fc.bias"});
  CHECK(allclose(net.hidden.weight, zeros({8, 2}), 0, 0));
  CHECK(allclose(net.out.weight, before.out.weight, 0, 0));

  CHECK_THROWS_WITH(nn::load_state_dict(net, {{"out.bias", zeros({1})}, {"out.bias", zeros({1})}}),
                    Contains("holds 'out.bias' twice"));
  CHECK_THROWS_WITH(nn::load_state_dict(net, {{"out.bias", Tensor<>()}}),
                    Contains("'out.bias' is undefined"));
  nn::Linear<> empty;
  CHECK_THROWS_WITH(nn::load_state_dict(empty, nn::state_dict(net.out)),
                    Contains("the module has no parameters (is it default constructed?)"));
}

TEST_CASE("loading raises the version, so that a graph that read the old values refuses") {
  Net net;
  const auto loss = net(ones({1, 2}));
  nn::load_state_dict(net, nn::state_dict(nn::clone(net)));
  CHECK_THROWS_AS(loss.backward(), GraphError);
}

TEST_CASE("gradients are cleared, and parameters frozen and thawed") {
  Net net;
  net(ones({1, 2})).backward();
  nn::zero_grad(net);
  for (const auto& p : nn::parameters(net)) CHECK_FALSE(p.grad().defined());
  nn::set_requires_grad(net.hidden, false);
  CHECK(nn::count_parameters(net) == 33);
  CHECK(nn::count_trainable(net) == 9);
  net(ones({1, 2})).backward();
  CHECK_FALSE(net.hidden.weight.grad().defined());
  CHECK(net.out.weight.grad().defined());
  nn::set_requires_grad(net.hidden, true);
  nn::zero_grad(net);
  net(ones({1, 2})).backward();
  CHECK(net.hidden.weight.grad().defined());
}

TEST_CASE("two members of one name are refused") {
  struct Twice {  // a local class cannot have a template: the visitor's type by name does as well
    nn::Linear<> a{1, 1}, b{1, 1};
    void visit(nn::Visitor& v) { v("a", a), v("a", b); }
  };
  CHECK_THROWS_AS(nn::parameters(Twice()), ValueError);
  CHECK_THROWS_WITH(nn::state_dict(Twice()), Contains("two members are called 'a.weight'"));
}

TEST_CASE("modules print as PyTorch's do") {
  CHECK(nn::to_string(nn::Linear<>{2, 8}) == "Linear(in_features=2, out_features=8, bias=True)");
  CHECK(nn::to_string(nn::Linear<>()) == "Linear(no parameters)");
  CHECK(nn::to_string(Net()) ==
        "Net(\n"
        "  (hidden): Linear(in_features=2, out_features=8, bias=True)\n"
        "  (out): Linear(in_features=8, out_features=1, bias=True)\n"
        ")");
  CHECK(nn::to_string(Everything()) ==
        "Everything(\n"
        "  (scales): List(\n"
        "    (0): Scale(\n"
        "      (factor): float [3]\n"
        "      (seen): float [1]\n"
        "    )\n"
        "    (1): Scale(\n"
        "      (factor): float [3]\n"
        "      (seen): float [1]\n"
        "    )\n"
        "  )\n"
        "  (linears): List(\n"
        "    (0): Linear(in_features=3, out_features=2, bias=False)\n"
        "  )\n"
        "  (tensors): List(\n"
        "    (0): float [1]\n"
        "    (1): float [2, 2]\n"
        "  )\n"
        ")");
}

}  // namespace
