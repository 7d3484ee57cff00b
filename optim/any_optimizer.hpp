// What can be said of an optimizer whatever its parameters are: its groups, their rates, and its state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <xgrad/autograd/array/any_tensor.hpp>

namespace xgrad::optim {

/// A tensor of a state under its name, such as "exp_avg.0" for parameter 0.
struct NamedState {
  std::string name;
  AnyTensor tensor;
};

/// An optimizer of float or of double parameters: what schedules and checkpoints work with. Its parameters
/// are in one or more groups, each with a learning rate and other options of its own.
class AnyOptimizer {
 public:
  virtual ~AnyOptimizer() = default;

  /// Changes every parameter that has a gradient.
  virtual void step() = 0;
  /// Clears the gradients of all parameters.
  virtual void zero_grad() = 0;

  const char* name() const { return name_; }
  std::size_t groups() const { return groups_.size(); }

  /// The learning rate of a group. Throws ValueError where there is no such group.
  double lr(std::size_t group = 0) const { return checked(group).lr; }
  /// Of one group, and of all. Throws ValueError for a negative or infinite one.
  void set_lr(double lr, std::size_t group);
  void set_lr(double lr);

  /// Whether a group has a momentum, which is what OneCycleLR moves: `momentum` itself, or `betas[0]`.
  bool has_momentum(std::size_t group = 0) const;
  double momentum(std::size_t group = 0) const;
  /// Throws ValueError for one outside [0, 1), and for a group that was made without.
  void set_momentum(double momentum, std::size_t group);

  /// The state as it is now, sharing memory with the optimizer where it can: how often each parameter was
  /// changed, its buffers, and the rates and momenta of the groups.
  virtual std::vector<NamedState> state() const = 0;
  /// Throws FormatError where load_state() would, and changes nothing.
  virtual void check_state(const std::vector<NamedState>& state) const = 0;
  /// Copies a state that state() of an equal optimizer gave. Throws FormatError, having changed nothing,
  /// where names, types or shapes differ.
  virtual void load_state(const std::vector<NamedState>& state) = 0;

 protected:
  explicit AnyOptimizer(const char* name) : name_(name) {}
  AnyOptimizer(AnyOptimizer&&) = default;  // and no copies: they would share the state
  AnyOptimizer& operator=(AnyOptimizer&&) = default;

  // Parameters [begin, end), counted over all groups.
  struct Range {
    std::size_t begin, end;
    double lr;
  };
  const Range& checked(std::size_t group) const {
    if (group >= groups_.size()) [[unlikely]]
      no_group(group);
    return groups_[group];
  }

  // Where a group keeps its momentum; null: it has none.
  virtual double* momentum_place(std::size_t) { return nullptr; }

  std::vector<Range> groups_;

 private:
  [[noreturn]] void no_group(std::size_t group) const;
  double* place_of_momentum(std::size_t group) const;

  const char* name_;
};

namespace detail {

// Throws ValueError naming the optimizer and the option unless low <= value and value < high.
void check_option(const char* optimizer, const char* option, double value, double low = 0,
                  double high = 1e300);

// The one of that name. Throws FormatError naming what is `loading` where there is none, or where it has
// another shape or type.
const AnyTensor& state_named(const char* loading, const std::vector<NamedState>& state, std::string_view name,
                             const AnyTensor& expected);

// Its values, of doubles; and such a tensor of numbers.
std::vector<double> numbers_of(const char* loading, const std::vector<NamedState>& state,
                               const NamedState& expected);
AnyTensor tensor_of(const std::vector<double>& numbers);

}  // namespace detail

}  // namespace xgrad::optim
