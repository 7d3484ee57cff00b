// Modules whose parts the compiler finds.
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <vector>

#include <xgrad/xgrad.hpp>

#include "catch.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;
using Names = std::vector<std::string>;

Names names_of(const auto& module) {
  Names names;
  for (const auto& entry : nn::state_dict(module)) names.push_back(entry.name);
  return names;
}
Names parameters_of(const auto& module) {
  Names names;
  for (const auto& [name, value] : nn::named_parameters(module)) names.push_back(name);
  return names;
}

struct Net {
  nn::Linear<> hidden{2, 8}, out{8, 1};
  Tensor<> operator()(const Tensor<>& x) const { return out(tanh(hidden(x))); }
};

struct Noise {  // bytes, but for the flag
  double deviation = 1;
  bool training = true;
};

struct Block {
  nn::Linear<double> layer{2, 2};
  std::optional<nn::Dropout> dropout = {};
  Noise noise = {};
  double slope = 0.1;
};

struct Tower {
  std::vector<Block> blocks = {};
  Tensor<double> scale = ones<double>({}).set_requires_grad();
  nn::Buffer<double> calls = zeros<double>({});
  nn::RecurrentState<double> state = {};
  std::vector<double> history{1, 2};
  std::string label = "tower";
  bool training = true;
};

template <Real T>
struct Generic {
  nn::Linear<T> layer{1, 2};
};

TEST_CASE("members: a struct without visit is a module of its members") {
  STATIC_REQUIRE(nn::Module<Net>);
  STATIC_REQUIRE_FALSE(nn::Module<std::vector<Net>>);
  STATIC_REQUIRE_FALSE(nn::Module<nn::RecurrentState<>>);
  STATIC_REQUIRE_FALSE(nn::Module<BackwardOptions>);
  STATIC_REQUIRE_FALSE(nn::Module<Tensor<>>);
  Net net;
  CHECK(names_of(net) == Names{"hidden.weight", "hidden.bias", "out.weight", "out.bias"});
  CHECK(nn::count_parameters(net) == 33);
  CHECK(nn::to_string(net) ==
        "Net(\n"
        "  (hidden): Linear(in_features=2, out_features=8, bias=True)\n"
        "  (out): Linear(in_features=8, out_features=1, bias=True)\n"
        ")");
  sum(net(ones({4, 2}))).backward();
  for (const auto& p : nn::parameters(net)) CHECK(p.grad().defined());
}

TEST_CASE("members: so is one inside a function") {
  struct Local {
    nn::Linear<> first{2, 3};
    nn::GRU<> second{3, 4};
  };
  CHECK(names_of(Local()).size() == 6);
  CHECK(names_of(Local())[5] == "second.bias_hh_l0");
}

TEST_CASE("members: parameters, buffers, the flag, and what is none of them") {
  Tower tower{.blocks = {Block(), Block{.dropout = nn::Dropout{0.5}}}};
  tower.state.h.push_back(ones<double>({1, 1}));
  CHECK(names_of(tower) == Names{"blocks.0.layer.weight", "blocks.0.layer.bias", "blocks.1.layer.weight",
                                 "blocks.1.layer.bias", "scale", "calls"});
  CHECK(parameters_of(tower).size() == 5);  // of double, as the members are
  nn::eval(tower);
  CHECK_FALSE(tower.training);
  CHECK_FALSE(tower.blocks[1].dropout->training);
  CHECK_FALSE(tower.blocks[0].noise.training);
  nn::train(tower);
  CHECK(tower.training);

  tower.calls += 1;
  Tower other{.blocks = {Block(), Block()}};
  nn::load_state_dict(other, nn::state_dict(tower));
  CHECK(other.calls.item() == 1);
  CHECK(sum(other.blocks[1].layer.weight == tower.blocks[1].layer.weight).item() == 4);
}

TEST_CASE("members: the element type is that of the parts") {
  STATIC_REQUIRE(std::same_as<decltype(nn::parameters(Tower())), std::vector<Tensor<double>>>);
  STATIC_REQUIRE(std::same_as<decltype(nn::parameters(Net())), std::vector<Tensor<float>>>);
  STATIC_REQUIRE(std::same_as<decltype(nn::parameters(Generic<double>())), std::vector<Tensor<double>>>);
  STATIC_REQUIRE(std::same_as<decltype(nn::parameters(Noise())), std::vector<Tensor<float>>>);
}

TEST_CASE("members: a buffer is a tensor wherever one is taken") {
  nn::Buffer<double> mean = Tensor<double>{1, 2};
  const Tensor<double> x{3, 5};
  CHECK(sum(x - mean).item() == 5);
  CHECK(sum(mean).item() == 3);
  constexpr auto centred = formula("centred", [](auto a, auto m) { return a - m; });
  CHECK(sum(centred(x, mean)).item() == 5);
  mean = mean * 2;
  CHECK(mean.values()[1] == 4);
  mean.assign(x);
  CHECK(mean.values()[1] == 5);
}

struct Shelves {
  std::unique_ptr<Net> owned = std::make_unique<Net>(), empty;
  std::shared_ptr<Net> shared;
  std::map<std::string, nn::Linear<>> by_name;
  std::map<int, Tensor<>> by_number;
  std::tuple<nn::Linear<>, int, Tensor<>> several{nn::Linear<>{1, 1, false}, 3, ones({1})};
  std::array<nn::Linear<>, 2> pair{nn::Linear<>{1, 1, false}, nn::Linear<>{1, 1, false}};
};

TEST_CASE("members: smart pointers, maps, tuples and arrays of parts") {
  Shelves shelves;
  shelves.by_name.emplace("left", nn::Linear<>{1, 1});
  shelves.by_number.emplace(7, ones({2}));
  const Names expected{"owned.hidden.weight", "owned.hidden.bias", "owned.out.weight", "owned.out.bias",
                       "by_name.left.weight", "by_name.left.bias", "by_number.7",      "several.0.weight",
                       "several.2",           "pair.0.weight",     "pair.1.weight"};
  CHECK(names_of(shelves) == expected);
  shelves.shared = std::make_shared<Net>(*shelves.owned);  // the same parameters under a second name
  CHECK(names_of(shelves).size() == expected.size() + 4);
  CHECK(parameters_of(shelves).size() == expected.size());
}

TEST_CASE("members: a class with visit hands over pointers, maps and tuples, too") {
  class Hidden {
   public:
    void visit(nn::Visitor& v) { v("owned", owned_), v("by_name", by_name_), v("several", several_); }

   private:
    std::unique_ptr<Net> owned_ = std::make_unique<Net>();
    std::map<std::string, Tensor<>> by_name_{{"w", ones({1})}};
    std::tuple<nn::Linear<>, Tensor<>> several_{nn::Linear<>{1, 1, false}, ones({1})};
  };
  CHECK(names_of(Hidden()).size() == 7);
  CHECK(names_of(Hidden())[4] == "by_name.w");
  CHECK(names_of(Hidden())[6] == "several.1");
}

TEST_CASE("members: a list of one and the same module is refused") {
  struct Stack {
    std::vector<nn::Linear<>> layers;
  };
  const Stack copies{std::vector<nn::Linear<>>(3, nn::Linear<>{4, 4})};
  CHECK_THROWS_AS(nn::parameters(copies), ValueError);
  CHECK_THROWS_WITH(nn::count_parameters(copies),
                    Contains("the 3 elements of 'layers' are one and the same") && Contains("clone()"));
  const Stack each{{{4, 4}, {4, 4}, {4, 4}}};
  CHECK(nn::count_parameters(each) == 60);

  struct Outer {
    std::map<std::string, Stack> stacks;
  };
  CHECK_THROWS_WITH(nn::parameters(Outer{{{"a", copies}}}),
                    Contains("of 'stacks.a.layers' are one and the same"));
  CHECK_THROWS_WITH(nn::parameters(Outer{{{"a", each}, {"b", each}}}),
                    Contains("2 elements of 'stacks' are"));
  struct Tensors {
    std::vector<Tensor<>> list = std::vector<Tensor<>>(2, ones({2}));
  };
  CHECK_THROWS_WITH(nn::parameters(Tensors()), Contains("the 2 elements of 'list'"));
  const nn::Linear<> tied{4, 4};
  CHECK(nn::count_parameters(Stack{{tied, tied, nn::Linear<>{4, 4}}}) == 40);  // not all of them
}

}  // namespace
