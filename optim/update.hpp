// What FormulaOptimizer asks of an optimizer, for the .cpp files that say it: a specialization of Update.
#pragma once

#include <cmath>
#include <initializer_list>

#include <xgrad/optim/formula_optimizer.hpp>
#include <xgrad/optim/formulas.hpp>

namespace xgrad::optim {

// One step of a group of parameters. A specialization has
//   name                          what errors and profiles call the optimizer
//   check(options)                throws ValueError, by check_option()
//   momentum(options)             where the momentum is that OneCycleLR moves; null: there is none
//   buffers(options)              in the order in which the formula takes them
//   Update(options, with_momentum)  options with the rate of now; with_momentum as the group was made
//   formula<T>(), operator()(t)   the formula, and its numbers for a parameter's step t, counted from 1
template <class Options>
struct Update;

struct Buffer {
  const char* name;
  bool wanted = true;  // false: the group has none of this name
  double value = 0;    // at the start
};

// Those that Adam and what became of it have in common.
void check_adam_options(const char* name, const auto& o) {
  detail::check_option(name, "betas[0]", o.betas[0], 0, 1);
  detail::check_option(name, "betas[1]", o.betas[1], 0, 1);
  if constexpr (requires { o.eps; }) detail::check_option(name, "eps", o.eps);
  detail::check_option(name, "weight_decay", o.weight_decay);
}

constexpr double sign_of(const auto& options) { return options.maximize ? -1 : 1; }

// 1 - betaᵗ, by which PyTorch corrects a mean that began at 0.
inline double correction(double beta, std::int64_t t) { return 1 - std::pow(beta, static_cast<double>(t)); }

template <Real T, class O>
FormulaOptimizer<T, O>::FormulaOptimizer(std::vector<ParamGroup<T, O>> groups)
    : OptimizerWith<T, O>(Update<O>::name) {
  this->add_groups(std::move(groups));
}

template <Real T, class O>
void FormulaOptimizer<T, O>::check(const O& options) const {
  Update<O>::check(options);
}

template <Real T, class O>
void FormulaOptimizer<T, O>::add_buffers_to(std::size_t group) {
  O& options = this->given(group);
  with_momentum_.resize(group);  // after an error there may be one more
  with_momentum_.push_back(Update<O>::momentum(options) != nullptr);
  for (const Buffer& b : Update<O>::buffers(options)) this->add_buffers(b.name, group, b.wanted, b.value);
}

template <Real T, class O>
double* FormulaOptimizer<T, O>::momentum_place(std::size_t group) {
  return with_momentum_[group] ? Update<O>::momentum(this->given(group)) : nullptr;
}

template <Real T, class O>
void FormulaOptimizer<T, O>::step() {
  this->each_group([&](std::size_t group) {
    Update<O> update(this->options(group), with_momentum_[group]);
    this->update(group, update.template formula<T>(), [&](std::int64_t t) { return update(t); });
  });
}

}  // namespace xgrad::optim
