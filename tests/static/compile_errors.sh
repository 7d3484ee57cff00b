#!/usr/bin/env bash
# Compiles what must not compile and looks for the sentence that is to say why, for the sentence is the point.
# Usage: compile_errors.sh COMPILER INCLUDE_FLAGS...
set -uo pipefail
compiler=("$@" -std=c++20 -fsyntax-only -x c++ -)
failed=0
scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT

# refused TITLE SENTENCE...: the program on standard input fails to compile with one of these in an error.
refused() {
  local program sentences
  program=$(cat)
  sentences=$(printf '%s\n' "${@:2}")
  if "${compiler[@]}" <<<"$program" >"$scratch" 2>&1; then
    echo "$1: it compiled"
  elif ! grep 'error:' "$scratch" | grep -qF "$sentences"; then
    echo "$1: no error says: $sentences"
    cat "$scratch"
  else
    return 0
  fi
  failed=1
}

formulas='#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/ops/elementwise.hpp>
using namespace xgrad;'
modules='#include <xgrad/nn/linear.hpp>
using namespace xgrad;'
ops='#include <xgrad/autograd/tape/op.hpp>
using namespace xgrad;
void run(auto op, const Tensor<>& x) { xgrad::apply(op, Location::current(), x); }'

"${compiler[@]}" <<<"$formulas
$modules
$ops
void good(const Tensor<>& x) {
  const double k = 2;
  formula(\"scaled\", [k](auto y) { return k * y; })(x);
}
struct Net {
  nn::Linear<> layer;
  void visit(auto&& v) { v(\"layer\", layer); }
};
void good(const Net& net) { nn::parameters(net); }
struct Plain { Tensor<> weight; };
void good(const Plain& plain) { nn::parameters(plain); }
struct Pass {
  static constexpr std::string_view name = \"pass\";
  Tensor<> forward(const Tensor<>& x) const { return x; }
  Gradients<float> vjp(const Saved<float>&, const Tensor<>& g) const { return {g}; }
};
void good_op(const Tensor<>& x) { run(Pass(), x); }" || { echo "what should compile does not"; failed=1; }

refused "a lambda that is no formula" "this lambda is no formula of so many arguments" <<<"$formulas
void f(const Tensor<>& x) { formula(\"text\", [](const char* y) { return y; })(x); }"

refused "a captured reference" "a formula's lambda may capture numbers only, by value: [k], not [&k]" <<<"$formulas
void f(const Tensor<>& x) {
  double k = 2;
  formula(\"scaled\", [&k](auto y) { return k * y; })(x);
}"

refused "a captured tensor" "a formula's lambda may capture numbers only, by value: [k], not [&k]; pass tensors" <<<"$formulas
void f(const Tensor<>& x) { formula(\"scaled\", [x](auto y) { return y; })(x); }"

refused "a class without visit" "this type is no module: a struct without constructors that has tensors or modules, or a" <<<"$modules
struct Plain {
  Tensor<> weight;
  Plain() {}
};
void f(const Plain& plain) { nn::parameters(plain); }"

refused "a part in a type that is not looked into" "a member's type holds a tensor or module where it is not found" <<<"$modules
#include <variant>
struct Net {
  nn::Linear<> first;
  std::variant<int, nn::Linear<>> second;
};
void f(const Net& net) { nn::parameters(net); }"

refused "a pointer to a part" "a member's type holds a tensor or module where it is not found" <<<"$modules
struct Net {
  nn::Linear<> first, *second;
};
void f(const Net& net) { nn::parameters(net); }"

refused "a map without order" "an unordered map has no order in which its parts could be saved; use std::map" <<<"$modules
#include <unordered_map>
struct Net {
  std::unordered_map<int, nn::Linear<>> layers;
};
void f(const Net& net) { nn::parameters(net); }"

refused "too many members" "a module without visit() has at most 16 members; give it" <<<"$modules
struct Net {
  nn::Linear<> a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q;
};
void f(const Net& net) { nn::parameters(net); }"

refused "a const member" "no parameter or module that is a member const" <<<"$modules
struct Net {
  const nn::Linear<> layer;
};
void f(const Net& net) { nn::parameters(net); }"

refused "a member that is no module" "visit() hands over a member that is no Tensor, no module" <<<"$modules
struct Net {
  int size = 3;
  void visit(auto&& v) { v(\"size\", size); }
};
void f(const Net& net) { nn::parameters(net); }"

refused "a const visit" "visit() hands over a const member; declare it \`void visit(auto&& v)\`, without const" <<<"$modules
struct Net {
  nn::Linear<> layer;
  void visit(auto&& v) const { v(\"layer\", layer); }
};
void f(const Net& net) { nn::parameters(net); }"

refused "a const visit that begins with a flag and a buffer" "visit() hands over a const member" <<<"$modules
struct Net {
  bool training = true;
  Tensor<> mean;
  void visit(auto&& v) const {
    v.training(training);
    v.buffer(\"mean\", mean);
  }
};
void f(const Net& net) { nn::parameters(net); }"

refused "keepdims where the axes are expected" "use of deleted function" "use a deleted function" "call to deleted" <<<'#include <xgrad/ops/reduce.hpp>
using namespace xgrad;
void f(const Tensor<>& x) { sum(x, true); }'

refused "keepdims where the axis is expected" "use of deleted function" "use a deleted function" "call to deleted" <<<'#include <xgrad/ops/reduce.hpp>
using namespace xgrad;
void f(const Tensor<>& x) { argmax(x, true); }'

refused "a struct op without name" "a struct op has a name: \`static constexpr std::string_view name" <<<"$ops
struct Pass {
  Tensor<> forward(const Tensor<>& x) const { return x; }
  Gradients<float> vjp(const Saved<float>&, const Tensor<>& g) const { return {g}; }
};
void f(const Tensor<>& x) { run(Pass(), x); }"

refused "a struct op of other inputs" "a struct op has a \`forward\` that takes the given tensors" <<<"$ops
struct Pass {
  static constexpr std::string_view name = \"pass\";
  Tensor<> forward(const Tensor<>& x, const Tensor<>&) const { return x; }
  Gradients<float> vjp(const Saved<float>&, const Tensor<>& g) const { return {g}; }
};
void f(const Tensor<>& x) { run(Pass(), x); }"

refused "a struct op without vjp" "a struct op has \`Gradients<T> vjp(const Saved<T>&, const Tensor<T>& gradient) const\`" <<<"$ops
struct Pass {
  static constexpr std::string_view name = \"pass\";
  Tensor<> forward(const Tensor<>& x) const { return x; }
};
void f(const Tensor<>& x) { run(Pass(), x); }"

refused "a vjp that returns something else" "the vjp of a struct op returns Gradients<T>, one for each input" <<<"$ops
struct Pass {
  static constexpr std::string_view name = \"pass\";
  Tensor<> forward(const Tensor<>& x) const { return x; }
  int vjp(const Saved<float>&, const Tensor<>&) const { return 0; }
};
void f(const Tensor<>& x) { run(Pass(), x); }"

exit $failed
