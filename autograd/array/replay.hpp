// A training step, or any function of tensors, whose kernels are run again without the work of recording
// them.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>

#include <xgrad/autograd/array/kernel_list.hpp>
#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/core/short_memory.hpp>

namespace xgrad {

/// A function that has run once, and can be run again at the cost of its kernels alone: no shapes are
/// checked, no nodes recorded, no memory looked for (as PyTorch's torch.cuda.graph).
///
///   Replay step([&] {
///     optimizer.zero_grad();
///     Tensor<> loss = mse_loss(net(x), y);
///     loss.backward();
///     return loss.detach();
///   });                                  // runs the function, once
///   for (const auto& batch : batches) {
///     x.assign(batch.x), y.assign(batch.y);
///     const double loss = step().item();  // computes loss and gradients of what x and y hold now
///     optimizer.step();
///   }
///
/// Every run works in the same memory: it reads the tensors and Indices that the function read, as they are
/// now (write into them with assign(); binding a name to another tensor changes nothing here), and writes
/// its results, and the gradients of leaves, where the first run left them. Gradients are computed anew, not
/// added to what is there.
///
/// Only kernels run again. Whatever else the function does happened once: branches, prints, counters, hooks;
/// numbers, and tensors made from them, are the same in every run. What would go wrong by that throws
/// GraphError as the function runs: to read values (item(), values(), clip_grad_norm), to write them by hand,
/// to draw random numbers (dropout), to step an optimizer, to go backward through a graph from before, and
/// linear algebra, which decides by values. Those come after a run, or in between. Under an `anomaly` scope a
/// Replay can neither be made nor run.
///
/// The function does its work on the thread that calls it: what it starts on others is not seen here. A
/// Replay is not to be run by two threads at a time.
template <class R>
class Replay {
 public:
  using Result = std::add_lvalue_reference_t<std::conditional_t<std::is_void_v<R>, void, const R>>;

  /// Whether one can be made and run on this thread now, and nothing would be missed by it: outside of
  /// `anomaly` and `profile` scopes, which look at every op, and of another Replay's function.
  static bool possible() {
    return !detail::this_thread.anomaly && !detail::this_thread.profile && !detail::in_replay();
  }

  /// Runs `function`, with no arguments, and writes down its kernels. Throws what it throws.
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, Replay> && std::invocable<F&> &&
           std::same_as<std::decay_t<std::invoke_result_t<F&>>, R>) explicit Replay(F&& function) {
    detail::or_error("Replay", [&] {
      list_ = std::make_unique<detail::KernelList>();
      const auto scope = writing();
      if constexpr (std::is_void_v<R>)
        function();
      else
        result_.emplace(function());
      list_->finish();
    });
  }

  /// Runs the kernels again. Returns what the function returned, which now holds the new values. Throws
  /// ValueError for Indices that do not fit, and GraphError under an `anomaly` scope and inside another
  /// Replay's function, all before anything is computed; as the functions below, GraphError for a Replay that
  /// was moved from.
  Result operator()() {
    list().run();
    return result();
  }

  /// What the function returned, as the last run left it.
  Result result() const {
    list();
    if constexpr (!std::is_void_v<R>) return *result_;
  }

  /// How many kernels there are.
  std::size_t kernels() const { return list().kernels(); }

 private:
  detail::KernelList& list() const {
    if (!list_) throw GraphError("Replay: this one was moved from; use the one that it was moved to");
    return *list_;
  }
  detail::ReplayScope writing() {
    if (detail::in_replay())
      detail::refuse_in_replay("Replay", "another cannot be made; call its function instead");
    return detail::ReplayScope(list_.get());
  }

  struct Nothing {};
  std::unique_ptr<detail::KernelList> list_;
  std::conditional_t<std::is_void_v<R>, Nothing, std::optional<R>> result_;
};

template <class F>
Replay(F&&) -> Replay<std::decay_t<std::invoke_result_t<F&>>>;

}  // namespace xgrad
