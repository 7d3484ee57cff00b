// grad(): gradients of some inputs, returned.
#include <fmt/format.h>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/short_memory.hpp>
#include <xgrad/autograd/tape/engine.hpp>
#include <xgrad/autograd/tape/mode.hpp>

namespace xgrad {

using namespace detail;

std::vector<AnyTensor> Engine::grad(std::span<const AnyTensor> outputs, std::span<const AnyTensor> seeds,
                                    std::span<const AnyTensor> inputs) {
  const recording_scope recording(options_.create_graph);
  selection_.find(outputs, inputs);
  seed(outputs, seeds);
  run();
  run_leaf_hooks();
  for (LeafSlot& entry : leaves_) selection_.capture(*entry.leaf, {&entry.slot, 1});
  return selection_.take();
}

namespace detail {

std::vector<AnyTensor> grad(std::span<const AnyTensor> outputs, std::span<const AnyTensor> inputs,
                            const GradOptions& options, Location at) {
  const CallSite call(at);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!inputs[i].defined() || !inputs[i].requires_grad())
      throw GraphError(
          fmt::format("grad: input {} needs no gradient; call set_requires_grad() on it before computing "
                      "the outputs",
                      i));
  if (!options.grad_outputs.empty() && options.grad_outputs.size() != outputs.size())
    throw ValueError(
        fmt::format("grad: {} grad_outputs for {} output{}; give one for each, undefined for ones, or none",
                    options.grad_outputs.size(), outputs.size(), outputs.size() == 1 ? "" : "s"));
  auto gradients = or_error("grad", [&] {
    Engine engine({.retain_graph = options.retain_graph, .create_graph = options.create_graph}, at);
    return engine.grad(outputs, options.grad_outputs, inputs);
  });
  for (std::size_t i = 0; i < gradients.size() && !options.allow_unused; ++i)
    if (!gradients[i].defined())
      throw GraphError(
          fmt::format("grad: the outputs do not depend on input {} of shape {}; pass {{.allow_unused = "
                      "true}} to get an undefined gradient for it",
                      i, to_string(inputs[i].shape())));
  return gradients;
}

}  // namespace detail

}  // namespace xgrad
