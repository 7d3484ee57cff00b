// Training that PyTorch began goes on here with its numbers, from a file of scripts/torch_checkpoint.py.
#include <xgrad/nn/checkpoint.hpp>
#include <xgrad/nn/linear.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include <xgrad/optim/adagrad.hpp>
#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/adam_variants.hpp>
#include <xgrad/optim/lbfgs.hpp>
#include <xgrad/optim/rmsprop.hpp>
#include <xgrad/optim/sgd.hpp>
#include "catch.hpp"
#include "reference.hpp"

namespace xgrad::testing {

namespace {

using D = Tensor<double>;
using namespace optim;
using Net = nn::Linear<double>;

// What families/torch_checkpoint.py does after it saved.
ReferenceTable::Call resumed(const std::string& name, auto make) {
  return [=](const ReferenceInputs& x) {
    Net net{3, 2};
    auto optimizer = make(net);
    nn::load_checkpoint(XGRAD_SOURCE_DIR "/tests/reference/torch_checkpoint_" + name + ".safetensors",
                        {.model = net, .optimizer = optimizer});
    Tensors<double> weights, biases;
    for (std::int64_t t = 0; t < 5; ++t) {
      if constexpr (std::same_as<decltype(optimizer), LBFGS<double>>) {
        optimizer.step([&] {
          optimizer.zero_grad();
          const D loss = sum(pow(net.weight - x[0], 4)) + sum(square(net.bias - x[1])) +
                         sum(net.bias * select(net.weight, 1, 0));
          loss.backward();
          return loss.detach();
        });
      } else {
        net.weight.set_grad(select(x[0], 0, t).clone());
        net.bias.set_grad(select(x[1], 0, t).clone());
        optimizer.step();
      }
      weights.push_back(D(xgrad::detail::copy_of(net.weight)));
      biases.push_back(D(xgrad::detail::copy_of(net.bias)));
    }
    return Tensors<double>{stack(weights), stack(biases)};
  };
}

}  // namespace

TEST_CASE("training goes on from PyTorch's optimizers") {
  ReferenceTable t("torch_checkpoint.safetensors");
  const auto add = [&](const std::string& name, auto make, double limit = 1e-9) {
    t.add(name, resumed(name, make), {.limit = limit});
  };
  const auto all = [](const Net& net) { return nn::parameters(net); };
  add("SGD", [=](const Net& n) { return SGD(all(n), {.lr = 0.1, .momentum = 0.9, .dampening = 0.1}); });
  add("SGD_plain", [=](const Net& n) { return SGD(all(n)); });
  add("AdamW", [](const Net& n) {
    AdamW optimizer(std::vector{n.weight}, {.amsgrad = true});
    optimizer.add_group({n.bias}, {.weight_decay = 0, .amsgrad = true});
    return optimizer;
  });
  add("NAdam", [=](const Net& n) { return NAdam(all(n)); });
  add("RAdam", [=](const Net& n) { return RAdam(all(n)); });
  add("Adamax", [=](const Net& n) { return Adamax(all(n)); });
  add("Adagrad", [=](const Net& n) { return Adagrad(all(n)); });
  add("Adadelta", [=](const Net& n) { return Adadelta(all(n)); });
  add("RMSprop", [=](const Net& n) { return RMSprop(all(n), {.momentum = 0.9, .centered = true}); });
  add("Rprop", [=](const Net& n) { return Rprop(all(n)); });
  add(
      "LBFGS", [=](const Net& n) { return LBFGS(all(n), {.max_iter = 2, .history_size = 3}); }, 1e-6);
  CHECK(t.check() == "");
}

}  // namespace xgrad::testing
