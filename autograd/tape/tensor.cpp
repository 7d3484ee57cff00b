// Tensor<T>: construction, leaves, arithmetic, printing's entry, backward's entry.
#include <xgrad/autograd/tape/tensor.hpp>

#include <fmt/format.h>

#include <algorithm>

#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/short_memory.hpp>
#include <xgrad/autograd/kernels/table.hpp>
#include <xgrad/autograd/tape/array.hpp>
#include <xgrad/autograd/tape/engine.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/autograd/tape/run_formula.hpp>

namespace xgrad {

using namespace detail;

namespace {

// In the other type.
template <Real From>
AnyTensor converted(const AnyTensor& x) {
  AnyTensor result = AnyTensor::empty(x.shape(), std::same_as<From, float> ? DType::float64 : DType::float32);
  const kernels::Table& k = kernels::on(x.device());
  if constexpr (std::same_as<From, float>)
    launch(k.to_double, reads<float>(x), writes<double>(result), x.elements());
  else
    launch(k.to_float, reads<double>(x), writes<float>(result), x.elements());
  return result;
}

// Conversion joins graphs of two element types, which Op cannot.
class ConvertNode final : public Node {
 public:
  static void record(const AnyTensor& x, AnyTensor& result, Location at) {
    auto node =
        Ref<ConvertNode>::adopt(new (allocate(1, sizeof(ConvertNode))) ConvertNode(x, result.dtype(), at));
    result.attach(node, 0);
  }
  std::string_view name() const override { return "to"; }
  Shape output_shape(std::size_t) const override { return shape_; }
  void backward(std::span<GradientSlot> gradients, GradientSink& sink) override {
    const AnyTensor g = gradients[0].value;
    AnyTensor back = dispatch(g.dtype(), [&]<Real T>() { return converted<T>(g); });
    if (sink.create_graph() && g.requires_grad()) record(g, back, location());
    if (sink.wants(0)) sink.add(0, donate(std::move(back)));
  }

 private:
  ConvertNode(const AnyTensor& x, DType dtype, Location at) : Node(dtype, at, 1, 1), shape_(x.shape()) {
    connect(0, x.edge());
  }
  void destroy() noexcept override { end(this); }

  Shape shape_;
};

template <Real T>
FormulaArgument argument(const Operand<T>& x) {
  return {.tensor = x.tensor, .number = x.number, .donated = x.donated};
}

template <Real T>
void flatten(const NestedList<T>& list, std::size_t axis, const Shape& shape, std::vector<T>& flat) {
  if (list.is_list != (axis < shape.rank()))
    throw ShapeError("Tensor: numbers and lists side by side; nest every element equally deep");
  if (!list.is_list) return flat.push_back(list.number);
  if (static_cast<std::int64_t>(list.parts.size()) != shape[axis])
    throw ShapeError(
        fmt::format("Tensor: lists of {} and of {} elements side by side; give every one the same number",
                    shape[axis], list.parts.size()));
  for (const auto& part : list.parts) flatten(part, axis + 1, shape, flat);
}

void check_writable(const AnyTensor& x, std::string_view what) {
  require_defined(what, x);
  if (!x.is_leaf())
    throw GraphError(
        fmt::format("{}: this tensor is the result of '{}', and writing in place is not differentiable; "
                    "write to a detach()ed clone() instead",
                    what, x.node()->name()));
}

// Elements are not to be read or written inside the function of a Replay.
[[noreturn]] void values_in_replay(const char* function) {
  refuse_in_replay(
      function,
      "values cannot be read or written: the program would do so once, not in every run; compute "
      "with ops, write with assign(tensor), or do it after a run");
}

}  // namespace

void detail::before_reading(const char* function, const AnyTensor& x, const Location& at) {
  const CallSite site(at);
  if (in_replay()) values_in_replay(function);
  require_defined(function, x);
  if (this_thread.values_read && is_recording() && x.requires_grad()) *this_thread.values_read = true;
}

void detail::change_in_place(std::string_view op, const AnyTensor& x) {
  check_writable(x, op);
  launch([](std::byte*) {}, changes_bytes(x));
}

std::byte* detail::changed_elements(const char* name, const AnyTensor& x, const Location& at) {
  const CallSite site(at);
  if (in_replay()) values_in_replay(name);
  change_in_place(name, x);
  return const_cast<std::byte*>(x.bytes());
}

void detail::no_shape(const char* why) {
  throw ShapeError(
      fmt::format("Tensor: the array expression has no shape; make its parts broadcast: {}", why));
}

void detail::other_element_type(DType wanted) {
  throw ValueError(
      fmt::format("Tensor<{0}>: the values are of the other element type; convert with to<{0}>()",
                  wanted == DType::float32 ? "float" : "double"));
}

template <Real T>
Tensor<T>::Tensor(std::initializer_list<NestedList<T>> list, Location at) {
  const CallSite site(at);
  const NestedList<T> all(list);
  Shape shape;
  for (const auto* part = &all; part->is_list; part = &part->parts[0]) {
    shape.push_back(static_cast<std::int64_t>(part->parts.size()));
    if (part->parts.empty()) break;
  }
  std::vector<T> flat;
  flatten(all, 0, shape, flat);
  *this = from_range(shape, flat);
}

template <Real T>
T Tensor<T>::item(Location at) const {
  const CallSite site(at);
  require_defined("item", *this);
  if (elements() != 1)
    throw ShapeError(
        fmt::format("item: a tensor of shape {} has no single value; reduce it, or read values()",
                    xgrad::to_string(shape())));
  return *elements_for("item", at);
}

template <Real T>
void Tensor<T>::assign(const Tensor& values, Location at) {
  const CallSite site(at);
  check_writable(*this, "assign");
  require_defined("assign", values);
  if (values.shape() != shape())
    throw ShapeError(fmt::format("assign: values of shape {} to a tensor of shape {}; reshape them first",
                                 xgrad::to_string(values.shape()), xgrad::to_string(shape())));
  const Tensor source = values.storage().get() == storage().get() ? Tensor(copy_of(values)) : values;
  launch(kernels::on(device()).copy, reads_bytes(source), changes_bytes(*this), size_in_bytes());
  storage()->expose(false);
}

template <Real T>
Tensor<T>& Tensor<T>::set_requires_grad(bool requires_grad, Location at) & {
  const CallSite site(at);
  require_defined("set_requires_grad", *this);
  if (!is_leaf())
    throw GraphError(fmt::format(
        "set_requires_grad: this tensor is the result of '{}', and takes a gradient as its operands do; {}",
        op_name(), requires_grad ? "detach() it first for a leaf of its own" : "use detach()"));
  if (!node() && requires_grad) attach(or_error("set_requires_grad", [&] { return Leaf::of(*this); }), 0);
  if (node()) static_cast<Leaf*>(node())->requires_grad = requires_grad;
  return *this;
}

template <Real T>
Tensor<T> Tensor<T>::grad() const {
  if (!node() || !node()->is_leaf()) return {};
  return Tensor(static_cast<const Leaf*>(node())->grad());
}

template <Real T>
void Tensor<T>::set_grad(const Tensor& gradient, Location at) {
  const CallSite site(at);
  if (!gradient.defined() && !node()) return;
  if (!node() || !node()->is_leaf())
    throw GraphError(
        "set_grad: only a leaf has a gradient of its own; call set_requires_grad() on a tensor you made");
  if (gradient.defined() && gradient.shape() != shape())
    throw ShapeError(fmt::format("set_grad: a gradient of shape {} for a tensor of shape {}",
                                 xgrad::to_string(gradient.shape()), xgrad::to_string(shape())));
  // Not its own elements, which would hold the leaf as the leaf held them.
  const bool own = gradient.defined() && gradient.storage().get() == storage().get();
  static_cast<Leaf*>(node())->set_grad(own ? copy_of(gradient) : AnyTensor(gradient));
}

template <Real T>
void Tensor<T>::backward(BackwardOptions options, Location at) const {
  or_error("backward", [&] { Engine(options, at).backward(std::array<AnyTensor, 1>{*this}, {}); });
}

template <Real T>
void Tensor<T>::backward(const Tensor& gradient, BackwardOptions options, Location at) const {
  or_error("backward", [&] {
    Engine(options, at).backward(std::array<AnyTensor, 1>{*this}, std::array<AnyTensor, 1>{gradient});
  });
}

void HookHandle::remove() {
  if (tensor.node()) tensor.node()->remove_hook(id);
}

template <Real T>
HookHandle Tensor<T>::register_hook(std::function<Tensor(const Tensor&)> hook, Location at) const {
  const CallSite site(at);
  if (!requires_grad())
    throw GraphError(
        "register_hook: this tensor needs no gradient, so none would ever come; call set_requires_grad() "
        "first");
  if (!hook)
    throw ValueError("register_hook: the hook is an empty function; pass one that takes the gradient");
  return {*this, node()->add_hook(output(), [hook = std::move(hook)](const AnyTensor& g) -> AnyTensor {
            return hook(Tensor(g));
          })};
}

template <Real T>
bool Tensor<T>::has_hooks() const {
  return node() && node()->has_hooks();
}

template <Real T>
Tensor<T> Tensor<T>::clone(Location at) const {
  require_defined("clone", *this);
  return Tensor(run_formula(primitive(Opcode::identity), {{this}}, at));
}

template <Real T>
template <Real U>
Tensor<U> Tensor<T>::to(Location at) const {
  if constexpr (std::same_as<T, U>) {
    return *this;
  } else {
    require_defined("to", *this);
    AnyTensor result = converted<T>(*this);
    if (requires_grad() && is_recording()) ConvertNode::record(*this, result, at);
    return Tensor<U>(std::move(result));
  }
}

template <Real T>
Tensor<T> Tensor<T>::to(Device) const {
  return *this;
}

template <Real T>
std::string Tensor<T>::op_name() const {
  return node() ? std::string(node()->name()) : "constant";
}

template <Real T>
Tensor<T> Tensor<T>::arithmetic(Opcode op, const Operand& x) {
  return run_formula<T>(primitive(op), {argument(x)}, x.at);
}

template <Real T>
Tensor<T> Tensor<T>::arithmetic(Opcode op, const Operand& a, const Operand& b) {
  return run_formula<T>(primitive(op), {argument(a), argument(b)}, a.at);
}

template <Real T>
Tensor<T>& Tensor<T>::compound(Opcode op, const Operand& x) {
  if (!node() || !node()->is_leaf())
    return *this = run_formula<T>(primitive(op), {{.tensor = this, .donated = true}, argument(x)}, x.at);
  if (is_recording() && (requires_grad() || (x.tensor && x.tensor->requires_grad())))
    throw GraphError(
        fmt::format("{}: a compound assignment writes over a leaf, of shape {}, which cannot be recorded{}; "
                    "update it under "
                    "`no_grad scope;` or with assign(), or give the result a name of its own",
                    primitive(op).name, xgrad::to_string(shape()), describe(x.at)));
  AnyTensor place = detached();
  run_formula(primitive(op), std::array{FormulaArgument{.tensor = this}, argument(x)}, {&place, 1}, x.at);
  change_in_place(primitive(op).name, *this);
  return *this;
}

template class Tensor<float>;
template class Tensor<double>;
template Tensor<double> Tensor<float>::to(Location) const;
template Tensor<float> Tensor<float>::to(Location) const;
template Tensor<double> Tensor<double>::to(Location) const;
template Tensor<float> Tensor<double>::to(Location) const;

}  // namespace xgrad
