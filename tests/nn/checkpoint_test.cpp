// Checkpoints: training that is stopped and resumed gives the bits of training that was not, and what does
// not fit changes nothing.
#include <xgrad/nn/checkpoint.hpp>

#include <algorithm>
#include <memory>
#include <numeric>

#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/nn/decay_groups.hpp>
#include <xgrad/nn/dropout.hpp>
#include <xgrad/nn/linear.hpp>
#include <xgrad/nn/safetensors.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/loss.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/optim/adagrad.hpp>
#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/adam_variants.hpp>
#include <xgrad/optim/average.hpp>
#include <xgrad/optim/lbfgs.hpp>
#include <xgrad/optim/plateau.hpp>
#include <xgrad/optim/rmsprop.hpp>
#include <xgrad/optim/schedule.hpp>
#include <xgrad/optim/sgd.hpp>
#include "catch.hpp"
#include "program.hpp"

namespace {

using namespace xgrad;
using Catch::Matchers::Contains;
using Parameters = std::vector<Tensor<>>;
using MakeOptimizer = std::function<std::unique_ptr<optim::Optimizer<float>>(const Parameters&)>;

struct Net {
  nn::Linear<> hidden{3, 5}, out{5, 1};
  nn::Dropout dropout{0.3};
  nn::Buffer<> calls = zeros({});
  Tensor<> operator()(const Tensor<>& x) {
    calls.assign(calls + 1);
    return out(dropout(tanh(hidden(x))));
  }
};

// A schedule that does nothing, and any other, by one call.
struct AnySchedule {
  std::function<void(double)> step = [](double) {};
  nn::CheckpointPart part;
};
using MakeSchedule = std::function<AnySchedule(optim::AnyOptimizer&)>;

// What a training program has: a step takes four of twelve rows, in a random order of its own.
struct Training {
  Training(const MakeOptimizer& make, const MakeSchedule& make_schedule)
      : optimizer(make(nn::parameters(net))), schedule(make_schedule(*optimizer)) {}

  void step() {
    std::vector<std::int64_t> order(12);
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t k = 11; k > 0; --k) std::swap(order[k], order[shuffling.below(k + 1)]);
    order.resize(4);
    const Tensor<> rows = index_select(data(), 0, Indices(order));
    const Tensor<> loss = optimizer->step([&] {
      optimizer->zero_grad();
      auto l = mse_loss(net(rows), sum(rows, 1, true));
      l.backward();
      return l.detach();
    });
    schedule.step(loss.item());
  }

  static Tensor<> data() {
    Generator generator(5);
    return randn({12, 3}, generator);
  }

  nn::Checkpoint parts() {
    return {.model = net,
            .optimizer = *optimizer,
            .schedule = schedule.part,
            .generator = {default_generator(), shuffling},
            .extra = {{"step", "5"}}};
  }

  Net net;
  Generator shuffling{3};
  std::unique_ptr<optim::Optimizer<float>> optimizer;
  AnySchedule schedule;
};

std::vector<float> all_values(const nn::StateDict& dict) {
  std::vector<float> result;
  for (const auto& [name, tensor] : dict) {
    const auto values = Tensor<>(tensor).values();
    result.insert(result.end(), values.begin(), values.end());
  }
  return result;
}

template <class O, class... Options>
MakeOptimizer optimizer(Options... options) {
  return [=](const Parameters& p) { return std::make_unique<O>(p, options...); };
}
MakeSchedule none() {
  return [](optim::AnyOptimizer&) { return AnySchedule(); };
}
MakeSchedule schedule(optim::Rule rule) {
  return [=](optim::AnyOptimizer& optimizer) {
    const auto made = std::make_shared<optim::Schedule>(optimizer, rule);
    return AnySchedule{[made](double) { made->step(); }, *made};
  };
}

void check_resumed(const char* name, const MakeOptimizer& optimizer, const MakeSchedule& schedule) {
  INFO(name);
  const testing::TemporaryFolder folder;
  const std::string file = folder / "run.safetensors";
  manual_seed(1);
  Training whole(optimizer, schedule);
  for (int t = 0; t < 5; ++t) whole.step();
  nn::save_checkpoint(file, whole.parts());
  for (int t = 0; t < 7; ++t) whole.step();
  const auto end = default_generator().state();

  manual_seed(99);  // another program
  Training resumed(optimizer, schedule);
  resumed.shuffling.seed(77);
  CHECK(nn::load_checkpoint(file, resumed.parts()).at("step") == "5");
  for (int t = 0; t < 7; ++t) resumed.step();
  CHECK(all_values(nn::state_dict(whole.net)) == all_values(nn::state_dict(resumed.net)));
  CHECK(whole.optimizer->lr() == resumed.optimizer->lr());
  CHECK(default_generator().state() == end);
  CHECK(whole.shuffling.state() == resumed.shuffling.state());
}

TEST_CASE("every optimizer goes on from a checkpoint with the same bits") {
  using namespace optim;
  const auto check = [](const char* name, const MakeOptimizer& make) { check_resumed(name, make, none()); };
  check("SGD", optimizer<SGD<float>>());
  check("SGD momentum", optimizer<SGD<float>>(SGDOptions{.lr = 0.1, .momentum = 0.9}));
  check("Adam", optimizer<Adam<float>>(AdamOptions{.lr = 0.05, .amsgrad = true}));
  check("AdamW", optimizer<AdamW<float>>());
  check("NAdam", optimizer<NAdam<float>>());
  check("RAdam", optimizer<RAdam<float>>());
  check("Adamax", optimizer<Adamax<float>>());
  check("Lion", optimizer<Lion<float>>());
  check("Adagrad", optimizer<Adagrad<float>>(AdagradOptions{.lr_decay = 0.1}));
  check("Adadelta", optimizer<Adadelta<float>>());
  check("Rprop", optimizer<Rprop<float>>());
  check("RMSprop", optimizer<RMSprop<float>>(RMSpropOptions{.momentum = 0.9, .centered = true}));
  check("LBFGS", optimizer<LBFGS<float>>(LBFGSOptions{.lr = 0.1, .max_iter = 3, .history_size = 4}));
  check("LBFGS strong_wolfe",
        optimizer<LBFGS<float>>(LBFGSOptions{.line_search_fn = LineSearch::strong_wolfe}));
}

TEST_CASE("every schedule goes on from a checkpoint with the same bits") {
  using namespace optim;
  const auto check = [](const char* name, const Rule& rule) {
    check_resumed(name, optimizer<SGD<float>>(SGDOptions{.lr = 0.1, .momentum = 0.9}), schedule(rule));
  };
  check("StepLR", StepLR{3});
  check("MultiStepLR", MultiStepLR{{2, 8}});
  check("ConstantLR", ConstantLR{.total_iters = 8});
  check("LinearLR", LinearLR{.total_iters = 10});
  check("ExponentialLR", ExponentialLR{0.9});
  check("PolynomialLR", PolynomialLR{.total_iters = 20, .power = 2});
  check("CosineAnnealingLR", CosineAnnealingLR{9});
  check("CosineAnnealingWarmRestarts", CosineAnnealingWarmRestarts{.T_0 = 3, .T_mult = 2});
  check("OneCycleLR", OneCycleLR{.max_lr = 0.3, .total_steps = 20});
  check("SWALR", SWALR{0.01});
  check("LambdaLR", LambdaLR{[](std::int64_t epoch) { return 1 / (1 + static_cast<double>(epoch)); }});
  check("SequentialLR", SequentialLR{{LinearLR{.total_iters = 3}, ExponentialLR{0.8}}, {4}});
  check_resumed("ReduceLROnPlateau", optimizer<SGD<float>>(SGDOptions{.lr = 0.1}), [](AnyOptimizer& o) {
    const auto made = std::make_shared<ReduceLROnPlateau>(o, PlateauOptions{.factor = 0.5, .patience = 1});
    return AnySchedule{[made](double loss) { made->step(loss); }, *made};
  });
}

TEST_CASE("a checkpoint that does not fit changes nothing, and says what differs") {
  const testing::TemporaryFolder folder;
  const std::string file = folder / "run.safetensors";
  const auto sgd = optimizer<optim::SGD<float>>(optim::SGDOptions{.lr = 0.1, .momentum = 0.9});
  Training saved(sgd, none());
  saved.step();
  nn::save_checkpoint(file, saved.parts());

  Training other(optimizer<optim::Adam<float>>(), none());
  nn::Linear<> smaller{3, 2};
  const auto before = all_values(nn::state_dict(other.net));
  const auto generator = default_generator().state();
  CHECK_THROWS_AS(nn::load_checkpoint(file, other.parts()), FormatError);
  CHECK_THROWS_WITH(nn::load_checkpoint(file, other.parts()),
                    Contains("load_checkpoint: " + file +
                             ": optimizer: Adam: a state of 7 tensors where this optimizer has 11"));
  CHECK_THROWS_WITH(nn::load_checkpoint(file, {.model = smaller}),
                    Contains("model: load_state_dict: missing: weight, bias; unexpected: hidden.weight"));
  optim::Schedule schedule(*other.optimizer, optim::StepLR{1});
  CHECK_THROWS_WITH(nn::load_checkpoint(file, {.model = other.net, .schedule = schedule}),
                    Contains("it has no schedule; nothing was changed"));
  Generator third;
  CHECK_THROWS_WITH(nn::load_checkpoint(file, {.model = other.net, .generator = {third, third, third}}),
                    Contains("it has no 'generator.2'"));
  CHECK_THROWS_WITH(nn::save_checkpoint(file, {.more = {{"model", other.net}}}),
                    Contains("save_checkpoint: a part cannot be called 'model'"));
  CHECK_THROWS_WITH(nn::save_checkpoint(file, {.extra = {{"xgrad.checkpoint", ""}}}),
                    Contains("is reserved"));
  CHECK(all_values(nn::state_dict(other.net)) == before);
  CHECK(default_generator().state() == generator);

  CHECK(nn::load_checkpoint(file, {.model = other.net}).size() == 1);  // for evaluation alone
  CHECK(all_values(nn::state_dict(other.net)) == all_values(nn::state_dict(saved.net)));
  nn::save_safetensors(file, nn::state_dict(saved.net));
  CHECK_THROWS_WITH(nn::load_checkpoint(file, {.model = other.net}), Contains("it is no checkpoint"));
  CHECK_THROWS_AS(nn::load_checkpoint("/nowhere/there", {.model = other.net}), FormatError);
}

TEST_CASE("a checkpoint has more parts under names of their own") {
  const testing::TemporaryFolder folder;
  const std::string file = folder / "run.safetensors";
  nn::Linear<> a{2, 2}, b{2, 2}, c{2, 2};
  nn::save_checkpoint(file, {.model = a, .more = {{"teacher", b}}});
  const nn::Safetensors content = nn::load_safetensors(file);
  CHECK(content.tensors.find("teacher.weight"));
  nn::load_checkpoint(file, {.more = {{"teacher", c}}});
  CHECK(allclose(b.weight, c.weight, 0, 0));
}

TEST_CASE("an average of weights is a part, too") {
  const testing::TemporaryFolder folder;
  const std::string file = folder / "run.safetensors";
  nn::Linear<> net{2, 2};
  optim::ExponentialMovingAverage ema(nn::parameters(net), {.decay = 0.5}), other(nn::parameters(net));
  ema.update();
  {
    const no_grad scope;
    net.weight += 1;
  }
  ema.update();
  nn::save_checkpoint(file, {.more = {{"ema", ema}}});
  nn::load_checkpoint(file, {.more = {{"ema", other}}});
  CHECK(other.n_averaged() == 2);
  CHECK(allclose(other.averages()[0], ema.averages()[0], 0, 0));
}

struct LayerNorm {
  Tensor<> weight = ones({2, 2}).set_requires_grad();
};
struct Model {
  nn::Linear<> first{3, 2};
  LayerNorm norm;
  Tensor<> scale = ones({3}).set_requires_grad(), bias_table = ones({2, 2}).set_requires_grad();
};

TEST_CASE("weight decay is for weights alone") {
  Model m;
  const auto [decay, no_decay] = nn::decay_groups(m);
  REQUIRE(decay.size() == 1);
  CHECK(decay[0].node() == m.first.weight.node());
  REQUIRE(no_decay.size() == 4);
  CHECK(no_decay[0].node() == m.first.bias.node());
  CHECK(no_decay[1].node() == m.norm.weight.node());
  optim::AdamW opt(decay, {.weight_decay = 0.1});
  opt.add_group(no_decay, {.weight_decay = 0});
  CHECK(opt.parameters().size() == 5);
}

}  // namespace
