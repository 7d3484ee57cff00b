// Writing down a function's kernels, and running them again.
#include <xgrad/autograd/array/kernel_list.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/array/profile.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad::detail {

namespace {

void check_mode() {
  if (this_thread.anomaly)
    throw GraphError(
        "Replay: an anomaly scope is on, and a Replay cannot look for NaN or infinity; end the scope, or "
        "call the function itself");
}

}  // namespace

KernelList::KernelList() : arena_(Ref<StorageArena>::adopt(new StorageArena)) {
  check_mode();
  static std::atomic<std::uint64_t> lists{0};
  // Above the numbers of all threads' nodes, if none records 2^44 between two lists.
  first_sequence_ = this_thread.sequence = std::max(this_thread.sequence, ++lists << 44);
}

KernelList::~KernelList() { arena_->close(); }

void* KernelList::keep(const void* data, std::size_t bytes) {
  void* const copy = kept_.allocate(bytes, alignof(std::max_align_t));
  std::memcpy(copy, data, bytes);
  return copy;
}

void KernelList::append(Run function, const void* kernel, std::size_t bytes, bool first) {
  (first ? first_ : launches_).push_back({function, keep(kernel, bytes)});
}

void KernelList::hold(const Ref<Storage>& storage) {
  if (!made(*storage) && known_.insert(storage.get()).second) held_.push_back(storage);
}

void KernelList::add_indices(const Ref<Storage>& indices) {
  if (made(*indices)) return set_limit(*indices, limit_of_new);
  hold(indices);
  first_results_.push_back(indices.get());
}

std::int64_t KernelList::limit_of(const Storage& indices) const {
  const auto found = limits_.find(&indices);
  return found != limits_.end() ? found->second : any_integer;
}

bool KernelList::has_effect(const void* on) const {
  return std::ranges::find(effects_, on, &EffectOn::object) != effects_.end();
}

void KernelList::add_effect(const void* on, std::unique_ptr<Effect> effect) {
  effects_.push_back({on, std::move(effect)});
}

void KernelList::finish() {
  for (EffectOn& e : effects_) e.effect->note();
  results_ = arena_->in_use();
  launches_.shrink_to_fit();
  known_.clear();
  limits_.clear();
}

void KernelList::run() {
  if (in_replay()) refuse_in_replay("Replay", "another cannot be run; call its function instead");
  check_mode();
  const ProfiledOp timed("replay");
  for (Storage* storage : first_results_) storage->raise_version();
  for (const Launch& launch : first_) launch.run(launch.kernel);
  for (Storage* storage : results_) storage->raise_version();
  for (const Launch& launch : launches_) launch.run(launch.kernel);
  for (EffectOn& e : effects_) e.effect->repeat();
}

void launch_in_replay(KernelList::Run run, const void* kernel, std::size_t bytes) {
  KernelList& list = *this_thread.replay;
  const bool first = !this_thread.arena;  // see IndexOp
  const ReplayScope outside(nullptr);     // what the kernel itself launches is part of it
  run(kernel);
  list.append(run, kernel, bytes, first);
}

void hold_in_replay(Storage* storage) { this_thread.replay->hold(Ref<Storage>::share(storage)); }

void repeat_values(const AnyTensor& fresh) {
  if (!in_replay() || fresh.elements() == 0) return;
  const std::size_t bytes = fresh.size_in_bytes();
  const auto* const from = static_cast<const std::byte*>(this_thread.replay->keep(fresh.bytes(), bytes));
  launch(kernels::on(fresh.device()).copy, from, writes_bytes(fresh), bytes);
}

}  // namespace xgrad::detail
