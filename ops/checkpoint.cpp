// Checkpoints: a function's intermediate values are forgotten, and computed again in backward.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/random.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/mode.hpp>
#include <xgrad/autograd/tape/node.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/functional.hpp>
#include <xgrad/ops/layout.hpp>

namespace xgrad {

using namespace detail;

namespace {

// The leaves that a function reads besides its inputs. Each as a tensor that has a shape and a history, but
// no elements to be read. A result of an earlier op would have to be differentiated while the pass over its
// graph is under way.
template <Real T>
std::vector<Tensor<T>> captured_by(const Tensor<T>& y, std::uint64_t last_outside) {
  std::vector<Tensor<T>> captured;
  if (!y.node()) return captured;
  const Tensor<T> no_elements = scalar<T>(0);
  std::vector<Node*> inside;
  const auto enter = [&](const Edge& edge) {
    Node* const node = edge.node.get();
    if (!node || !takes_gradient(*node)) return;
    if (!node->is_leaf() && node->sequence() > last_outside) {
      if (!std::ranges::count(inside, node)) inside.push_back(node);
      return;
    }
    if (!node->is_leaf())
      throw GraphError(fmt::format(
          "checkpoint: the function captures the result of '{}', of shape {}; pass it as an input",
          node->name(), to_string(node->output_shape(edge.output))));
    const auto same = [&](const Tensor<T>& x) { return x.node() == node; };
    if (node->dtype() != dtype_of<T> || std::ranges::any_of(captured, same)) return;
    AnyTensor standing_for(no_elements.storage(), 0, node->output_shape(edge.output));
    standing_for.attach(edge.node, edge.output);
    captured.push_back(Tensor<T>(standing_for));
  };
  enter(y.edge());
  for (std::size_t i = 0; i < inside.size(); ++i)
    for (const Edge& edge : inside[i]->edges()) enter(edge);
  return captured;
}

// Draws again what was drawn from a state on; then the generator goes on where it was.
class SameDraws {
 public:
  explicit SameDraws(const Generator::State& from) : now_(default_generator().state()) {
    default_generator().set_state(from);
  }
  SameDraws(const SameDraws&) = delete;
  ~SameDraws() { default_generator().set_state(now_); }

 private:
  Generator::State now_;
};

// Its inputs are those of the function, and then what that captures.
template <Real T>
struct Checkpoint {
  static constexpr std::string_view name = "checkpoint";
  FunctionOfTensors<T> f;
  Generator::State drawn_from;
  std::vector<Tensor<T>> captured;
  mutable Tensor<T> result;  // computed before
  std::size_t own;           // so many are the function's

  Tensor<T> forward(Saver<T>& save, std::span<const Tensor<T>> inputs) const {
    for (const Tensor<T>& x : inputs.first(own)) save(x);
    return std::exchange(result, {});
  }

  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    if (saved.recording() && !captured.empty())
      throw GraphError(
          "checkpoint: under create_graph what the function captures and needs gradients would be lost; pass "
          "it as "
          "inputs");
    const enable_grad scope;
    std::vector<Tensor<T>> copies, wanted;
    for (std::size_t i = 0; i < own; ++i) {
      const Tensor<T> x = saved[i];
      copies.push_back(saved.recording() ? x.clone() : x.detach().clone());
      if (saved.needs(i) && !copies[i].requires_grad()) copies[i].set_requires_grad();
      if (saved.needs(i)) wanted.push_back(copies[i]);
    }
    for (std::size_t k = 0; k < captured.size(); ++k)
      if (saved.needs(own + k)) wanted.push_back(captured[k]);
    Tensor<T> y;
    {
      const SameDraws same(drawn_from);
      y = f(copies);
    }
    std::vector<Tensor<T>> found(wanted.size());
    if (y.requires_grad() && !wanted.empty())
      found = grad(std::vector{y}, wanted,
                   {.grad_outputs = {g}, .create_graph = saved.recording(), .allow_unused = true});
    Gradients<T> gradients;
    auto next = found.begin();
    for (std::size_t i = 0; i < own + captured.size(); ++i)
      gradients.push_back(saved.needs(i) ? Gradient<T>(std::move(*next++)) : Gradient<T>());
    return gradients;
  }
};

}  // namespace

template <Real T>
Tensor<T> detail::checkpoint_of(FunctionOfTensors<T> f, const std::vector<Tensor<T>>& x, Location at) {
  const CallSite call(at);
  if (x.empty()) throw ValueError("checkpoint: no inputs; give at least one");
  for (std::size_t i = 0; i < x.size(); ++i) check_defined("checkpoint", x[i], i);
  if (!is_recording()) return f(x);
  // Recorded for once, to see what is captured: what that holds is gone at the end of this call.
  const Generator::State drawn_from = default_generator().state();
  const std::uint64_t last_outside = this_thread.sequence;
  std::vector<Tensor<T>> inputs;
  for (const Tensor<T>& input : x) inputs.push_back(input.detach());
  Tensor<T> y = f(inputs);
  inputs = x;
  const std::vector<Tensor<T>> captured = captured_by(y, last_outside);
  inputs.insert(inputs.end(), captured.begin(), captured.end());
  return apply(Checkpoint<T>{std::move(f), drawn_from, captured, y.detach(), x.size()}, at,
               std::span<const Tensor<T>>(inputs));
}

#define XGRAD_INSTANTIATE(T) \
  template Tensor<T> detail::checkpoint_of(FunctionOfTensors<T>, const std::vector<Tensor<T>>&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
