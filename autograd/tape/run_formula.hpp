// Running a formula on tensors: the one way in which elementwise ops compute, record and differentiate.
#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/core/location.hpp>
#include <xgrad/autograd/formula/info.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad::detail {

/// An operand of a formula: a tensor, one of its column blocks (`block` of `blocks` equal parts of the last
/// axis), or a number.
struct FormulaArgument {
  const AnyTensor* tensor = nullptr;
  double number = 0;
  int block = 0, blocks = 1;
  bool donated = false;  // a temporary: its history and its memory may be taken over
};

/// Computes the formula's outputs, broadcast against each other, and records a node when an argument needs
/// gradients. An output that comes defined, unrecorded and of the right shape is written in place.
/// `constants` overrides those of the forward and adjoint programs (values captured by a lambda).
struct FormulaConstants {
  const double* forward = nullptr;
  const double* adjoint = nullptr;
};
void run_formula(const FormulaInfo& info, std::span<const FormulaArgument> arguments,
                 std::span<AnyTensor> outputs, Location at, FormulaConstants constants = {});

/// One-output conveniences; the second where every tensor is known to be of T.
AnyTensor run_formula(const FormulaInfo& info, std::initializer_list<FormulaArgument> arguments, Location at);
template <Real T>
Tensor<T> run_formula(const FormulaInfo& info, std::initializer_list<FormulaArgument> arguments,
                      Location at) {
  Tensor<T> result;
  run_formula(info, {arguments.begin(), arguments.size()}, {static_cast<AnyTensor*>(&result), 1}, at);
  return result;
}

/// A program run step by step with recorded ops: its wanted results (a bit each), others undefined.
std::vector<AnyTensor> evaluate(const Program& program, std::span<const AnyTensor> leaves, DType dtype,
                                const double* constants, Location at, std::uint32_t wanted = ~0u);

[[noreturn]] void other_destinations(std::string_view formula, std::size_t results, std::size_t destinations);

}  // namespace xgrad::detail
