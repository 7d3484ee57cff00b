// Writing down a function's kernels, and running them again.
#include <xgrad/autograd/array/schedule.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string_view>

#include <xgrad/autograd/tape/elementwise.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/array/profile.hpp>

namespace xgrad {

namespace {

void check_mode() {
  if (this_thread.anomaly)
    throw GraphError(
        "Replay: an anomaly scope is on, and a Replay cannot look for NaN or infinity; end the scope, or "
        "call the "
        "function itself");
}

}  // namespace

Schedule::Schedule() : arena_(Ref<StorageArena>::adopt(new StorageArena)) {
  check_mode();
  static std::atomic<std::uint64_t> schedules{0};
  number_ = ++schedules;
  // Above the numbers of all threads' nodes, if none records 2^44 between two schedules.
  first_sequence_ = this_thread.sequence = std::max(this_thread.sequence, number_ << 44);
}

Schedule::~Schedule() { arena_->close(); }

void* Schedule::keep(const void* data, std::size_t bytes) {
  void* const copy = kept_.allocate(bytes, alignof(std::max_align_t));
  std::memcpy(copy, data, bytes);
  return copy;
}

void Schedule::append(Run function, const void* kernel, std::size_t bytes) {
  launches_.push_back({function, keep(kernel, bytes)});
}

void Schedule::hold(const Ref<Storage>& storage) {
  if (!made(*storage) && known_.insert(storage.get()).second) held_.push_back(storage);
}

void Schedule::hold(std::shared_ptr<const void> data) {
  if (known_.insert(data.get()).second) others_.push_back(std::move(data));
}

bool Schedule::knows(const Leaf& leaf) const {
  return std::ranges::any_of(gradients_, [&](const LeafGradient& g) { return g.leaf.get() == &leaf; });
}

void Schedule::sets_gradient_of(Leaf& leaf) {
  if (!knows(leaf)) gradients_.push_back({Ref<Leaf>::share(&leaf), {}});
}

void Schedule::adds_to_gradient_of(Leaf& leaf) {
  if (!knows(leaf) && leaf.grad().defined())
    throw GraphError(fmt::format(
        "backward: inside the function of a Replay, a leaf of shape {} has a gradient from before; call "
        "zero_grad() first in the function: every run then computes the gradients anew",
        to_string(leaf.output_shape(0))));
  sets_gradient_of(leaf);
}

void Schedule::check_inside(const Node& node) const {
  if (node.sequence() <= first_sequence_)
    throw GraphError(fmt::format(
        "backward: inside the function of a Replay, the pass reaches '{}', which was recorded before it{}; "
        "compute it inside the function, or detach() its result",
        node.name(), describe(node.location())));
}

void Schedule::finish() {
  for (LeafGradient& g : gradients_) g.value = g.leaf->grad();
  results_ = arena_->in_use();
  launches_.shrink_to_fit();
  known_.clear();
}

void Schedule::run() {
  if (this_thread.schedule)
    detail::refuse_in_replay("Replay", "another cannot be run; call its function instead");
  check_mode();
  const ProfiledOp timed("replay");
  for (const Launch& check : checks_) check.run(check.kernel);
  for (Storage* storage : results_) storage->raise_version();
  for (const Launch& launch : launches_) launch.run(launch.kernel);
  for (const LeafGradient& g : gradients_) g.leaf->bind_grad(g.value);
}

void detail::launch_in_replay(Schedule::Run run, const void* kernel, std::size_t bytes) {
  Schedule& schedule = *this_thread.schedule;
  const ScheduleScope outside(nullptr);  // what the kernel itself launches is part of it
  run(kernel);
  schedule.append(run, kernel, bytes);
}

void detail::refuse_in_replay(std::string_view what, std::string_view why) {
  throw GraphError(fmt::format("{}: inside the function of a Replay {}", what, why));
}

void detail::hold_in_replay(const Ref<Storage>& storage) { this_thread.schedule->hold(storage); }

void detail::repeat_values(const AnyTensor& fresh) {
  if (!this_thread.schedule || fresh.elements() == 0) return;
  const std::size_t bytes = static_cast<std::size_t>(fresh.elements()) * size_of(fresh.dtype());
  AnyTensor into = fresh;
  std::byte* const to = into.mutable_bytes();
  const void* const from = this_thread.schedule->keep(to, bytes);
  launch([=] { std::memcpy(to, from, bytes); });
}

}  // namespace xgrad
