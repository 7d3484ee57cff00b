// Optimizers against PyTorch's: 20 steps, and the parameters after each.
#include <memory>

#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include <xgrad/optim/adagrad.hpp>
#include <xgrad/optim/adam.hpp>
#include <xgrad/optim/adam_variants.hpp>
#include <xgrad/optim/average.hpp>
#include <xgrad/optim/clip.hpp>
#include <xgrad/optim/lbfgs.hpp>
#include <xgrad/optim/rmsprop.hpp>
#include <xgrad/optim/sgd.hpp>
#include "catch.hpp"
#include "reference.hpp"

namespace xgrad::testing {

namespace {

using D = Tensor<double>;
using Parameters = std::vector<D>;
using namespace optim;

// What families/optim.py does: x is p, q and the gradients of both for every step. `before(step, q)` may
// change the optimizer.
ReferenceResult trajectory(Optimizer<double>& optimizer, const Parameters& parameters,
                           const ReferenceInputs& x, auto before) {
  std::array<Tensors<double>, 2> after;
  for (std::int64_t t = 0; t < x[2].size(0); ++t) {
    before(t);
    for (std::size_t k = 0; k < 2; ++k)
      D(parameters[k]).set_grad(k == 1 && t == 2 ? D() : D(xgrad::detail::copy_of(select(x[2 + k], 0, t))));
    optimizer.step();
    for (std::size_t k = 0; k < 2; ++k) after[k].push_back(D(xgrad::detail::copy_of(parameters[k])));
  }
  return Tensors<double>{stack(after[0]), stack(after[1])};
}

Parameters start(const ReferenceInputs& x) {
  return {x[0].clone().set_requires_grad(), x[1].clone().set_requires_grad()};
}

// An optimizer of both parameters, chosen at run time.
template <class O, class Options>
ReferenceTable::Call run(Options options) {
  return [=](const ReferenceInputs& x) {
    const Parameters p = start(x);
    const std::unique_ptr<Optimizer<double>> optimizer = std::make_unique<O>(p, options);
    return trajectory(*optimizer, p, x, [](auto) {});
  };
}

// One of the first parameter, to which a group of the second is added at step 5.
template <class O, class Options>
ReferenceTable::Call groups(Options options) {
  return [=](const ReferenceInputs& x) {
    const Parameters p = start(x);
    O optimizer(Parameters{p[0]}, options);
    return trajectory(optimizer, p, x, [&](std::int64_t t) {
      if (t != 5) return;
      Options second = options;
      second.lr /= 10;
      if constexpr (requires { second.weight_decay; }) second.weight_decay = 0;
      optimizer.add_group({p[1]}, second);
    });
  };
}

D valley(const D& a, const D& b) { return sum(100 * square(b - a * a) + square(1 - a)); }
D bowl(const D& a, const D& b) { return sum(square(a) * D{1, 2, 3}) + sum(pow(b, 4)) / 4 + sum(a * b); }

// The position after every step, and the loss before it.
ReferenceTable::Call run_lbfgs(D (*loss)(const D&, const D&), int steps, LBFGSOptions options) {
  return [=](const ReferenceInputs& x) {
    const Parameters p = start(x);
    LBFGS<double> optimizer(p, options);
    Tensors<double> after, losses;
    for (int t = 0; t < steps; ++t) {
      losses.push_back(optimizer.step([&] {
        optimizer.zero_grad();
        const D value = loss(p[0], p[1]);
        value.backward();
        return value.detach();
      }));
      after.push_back(cat(Tensors<double>{p[0].detach(), p[1].detach()}, 0));
    }
    return Tensors<double>{stack(after), stack(losses)};
  };
}

// The norm, and the gradients after.
ReferenceTable::Call run_clip(double norm_type, double max_norm) {
  return [=](const ReferenceInputs& x) {
    Parameters p;
    for (const D& gradient : x) {
      p.push_back(zeros<double>(gradient.shape()).set_requires_grad());
      p.back().set_grad(gradient.clone());
    }
    const double norm = clip_grad_norm(p, max_norm, {.norm_type = norm_type, .error_if_nonfinite = false});
    Tensors<double> result{full<double>({}, norm)};
    for (const D& q : p) result.push_back(q.grad());
    return result;
  };
}

template <class Average, class... Options>
ReferenceTable::Call run_average(Options... options) {
  return [=](const ReferenceInputs& x) {
    D p = select(x[0], 0, 0).clone();
    Average average(Parameters{p}, options...);
    Tensors<double> after;
    for (std::int64_t t = 0; t < x[0].size(0); ++t) {
      p.assign(select(x[0], 0, t));
      average.update();
      after.push_back(D(xgrad::detail::copy_of(average.averages()[0])));
    }
    return stack(after);
  };
}

}  // namespace

TEST_CASE("optimizers are PyTorch's, step by step") {
  ReferenceTable t("optim.safetensors");
  t.add("SGD", run<SGD<double>>(SGDOptions{
                   .lr = 0.1, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.01, .maximize = true}));
  t.add("SGD nesterov",
        run<SGD<double>>(SGDOptions{
            .lr = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 0.01, .maximize = true}));
  t.add("SGD groups", groups<SGD<double>>(SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1}));
  t.add("Adam",
        run<Adam<double>>(AdamOptions{.lr = 0.02, .weight_decay = 0.1, .amsgrad = true, .maximize = true}));
  t.add("Adam groups", groups<Adam<double>>(AdamOptions{.lr = 0.02, .weight_decay = 0.1}));
  t.add("AdamW",
        run<AdamW<double>>(AdamWOptions{.lr = 0.02, .weight_decay = 0.1, .amsgrad = true, .maximize = true}));
  t.add("AdamW groups", groups<AdamW<double>>(AdamWOptions{.lr = 0.02, .weight_decay = 0.1}));
  t.add("RMSprop",
        run<RMSprop<double>>(RMSpropOptions{
            .lr = 0.02, .weight_decay = 0.1, .momentum = 0.8, .centered = true, .maximize = true}));
  t.add("RMSprop groups",
        groups<RMSprop<double>>(RMSpropOptions{.lr = 0.02, .weight_decay = 0.1, .momentum = 0.8}));
  t.add("NAdam", run<NAdam<double>>(NAdamOptions{}));
  t.add("NAdam options", run<NAdam<double>>(NAdamOptions{.lr = 0.02,
                                                         .betas = {0.8, 0.95},
                                                         .eps = 1e-6,
                                                         .weight_decay = 0.1,
                                                         .momentum_decay = 0.1,
                                                         .maximize = true}));
  t.add("NAdam decoupled",
        run<NAdam<double>>(NAdamOptions{.lr = 0.02, .weight_decay = 0.1, .decoupled_weight_decay = true}));
  t.add("NAdam groups", groups<NAdam<double>>(NAdamOptions{.lr = 0.02, .weight_decay = 0.1}));
  t.add("RAdam", run<RAdam<double>>(RAdamOptions{}));
  t.add("RAdam options",
        run<RAdam<double>>(RAdamOptions{
            .lr = 0.02, .betas = {0.8, 0.95}, .eps = 1e-6, .weight_decay = 0.1, .maximize = true}));
  t.add("RAdam decoupled",
        run<RAdam<double>>(RAdamOptions{.lr = 0.02, .weight_decay = 0.1, .decoupled_weight_decay = true}));
  t.add("RAdam groups", groups<RAdam<double>>(RAdamOptions{.lr = 0.02, .weight_decay = 0.1}));
  t.add("Adamax", run<Adamax<double>>(AdamaxOptions{}));
  t.add("Adamax options",
        run<Adamax<double>>(AdamaxOptions{
            .lr = 0.02, .betas = {0.8, 0.95}, .eps = 1e-6, .weight_decay = 0.1, .maximize = true}));
  t.add("Adamax groups", groups<Adamax<double>>(AdamaxOptions{.lr = 0.02, .weight_decay = 0.1}));
  t.add("Adagrad", run<Adagrad<double>>(AdagradOptions{}));
  t.add("Adagrad options", run<Adagrad<double>>(AdagradOptions{.lr = 0.1,
                                                               .lr_decay = 0.1,
                                                               .weight_decay = 0.1,
                                                               .initial_accumulator_value = 0.5,
                                                               .eps = 1e-6,
                                                               .maximize = true}));
  t.add("Adagrad groups", groups<Adagrad<double>>(AdagradOptions{.lr = 0.1, .weight_decay = 0.1}));
  t.add("Adadelta", run<Adadelta<double>>(AdadeltaOptions{}));
  t.add("Adadelta options", run<Adadelta<double>>(AdadeltaOptions{
                                .lr = 0.5, .rho = 0.8, .eps = 1e-4, .weight_decay = 0.1, .maximize = true}));
  t.add("Adadelta groups", groups<Adadelta<double>>(AdadeltaOptions{.lr = 0.5, .weight_decay = 0.1}));
  t.add("Rprop", run<Rprop<double>>(RpropOptions{}));
  t.add("Rprop options", run<Rprop<double>>(RpropOptions{
                             .lr = 0.1, .etas = {0.4, 1.5}, .step_sizes = {1e-3, 0.3}, .maximize = true}));
  t.add("Rprop groups", groups<Rprop<double>>(RpropOptions{.lr = 0.1}));
  t.add("Lion", run<Lion<double>>(LionOptions{}));
  t.add("Lion options", run<Lion<double>>(LionOptions{
                            .lr = 0.02, .betas = {0.8, 0.95}, .weight_decay = 0.1, .maximize = true}));
  t.add("Lion groups", groups<Lion<double>>(LionOptions{.lr = 0.02, .weight_decay = 0.1}));
  t.add("LBFGS", run_lbfgs(bowl, 5, {}), {.limit = 1e-6});
  t.add("LBFGS options", run_lbfgs(bowl, 20, {.lr = 0.5, .max_iter = 3, .max_eval = 3, .history_size = 2}),
        {.limit = 1e-6});
  t.add("LBFGS strong_wolfe", run_lbfgs(bowl, 5, {.line_search_fn = LineSearch::strong_wolfe}),
        {.limit = 1e-6});
  t.add("LBFGS valley", run_lbfgs(valley, 6, {.max_iter = 4, .line_search_fn = LineSearch::strong_wolfe}),
        {.limit = 1e-6});
  for (const std::string p : {"1", "2", "3", "0.5", "inf"})
    for (const std::string limit : {"0.5", "1000.0"})
      t.add("clip_grad_norm " + p + " " + limit, run_clip(std::stod(p), std::stod(limit)));
  t.add("ExponentialMovingAverage",
        run_average<ExponentialMovingAverage<double>>(AverageOptions{.decay = 0.9}));
  t.add("StochasticWeightAverage", run_average<StochasticWeightAverage<double>>());
  CHECK(t.check() == "");
}

}  // namespace xgrad::testing
