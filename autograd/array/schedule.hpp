// What a Replay runs: kernels in the order in which a function launched them, and the memory they work in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/tape/node.hpp>
#include <xgrad/autograd/core/storage.hpp>
#include <xgrad/autograd/core/arena.hpp>
#include <xgrad/autograd/core/thread_state.hpp>

namespace xgrad {

/// Written while a function runs on this thread (`this_thread.schedule` points here), and run any number of
/// times afterwards. Storages that are made meanwhile get memory that nobody else uses as long as the
/// schedule lives.
class Schedule {
 public:
  Schedule();
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;
  ~Schedule();

  // While it is written:
  using Run = void (*)(const void* kernel);
  /// Copies the kernel, which has run already.
  void append(Run function, const void* kernel, std::size_t bytes);
  /// To be called before any kernel runs again: throws where an input has become unfit.
  template <class Check>
    requires std::is_trivially_copyable_v<Check>
  void append_check(const Check& check) {
    checks_.push_back({[](const void* c) { (*static_cast<const Check*>(c))(); }, keep(&check, sizeof check)});
  }
  /// A copy that lasts as long as the schedule.
  void* keep(const void* data, std::size_t bytes);
  /// Keeps what kernels read and the function did not make.
  void hold(const Ref<Storage>& storage);
  void hold(std::shared_ptr<const void> data);
  /// Has every run leave the leaf with the gradient that this one leaves it with.
  void sets_gradient_of(Leaf& leaf);
  /// The same for one that is added to. Throws GraphError where it comes from outside: kernels would add to
  /// it again and again.
  void adds_to_gradient_of(Leaf& leaf);
  /// Throws GraphError for a node that is older than the schedule.
  void check_inside(const Node& node) const;
  bool made(const Storage& storage) const { return arena_->made(storage); }
  StorageArena& arena() { return *arena_; }
  /// Told apart from those of all other schedules.
  std::uint64_t number() const { return number_; }
  /// Ends the writing.
  void finish();

  void run();
  std::size_t kernels() const { return launches_.size(); }

 private:
  struct Launch {
    Run run;
    const void* kernel;
  };
  bool knows(const Leaf& leaf) const;

  struct LeafGradient {
    Ref<Leaf> leaf;
    AnyTensor value;
  };

  Ref<StorageArena> arena_;
  std::pmr::monotonic_buffer_resource kept_;
  std::vector<Launch> checks_, launches_;
  std::vector<Storage*> results_;
  std::vector<LeafGradient> gradients_;
  std::unordered_set<const void*> known_;  // that are held
  std::vector<Ref<Storage>> held_;
  std::vector<std::shared_ptr<const void>> others_;
  std::uint64_t number_, first_sequence_;  // of nodes made from here on
};

namespace detail {

/// Has a schedule, or none, written on this thread until the end of the scope.
class ScheduleScope {
 public:
  explicit ScheduleScope(Schedule* schedule) : before_(std::exchange(this_thread.schedule, schedule)) {}
  ScheduleScope(const ScheduleScope&) = delete;
  ScheduleScope& operator=(const ScheduleScope&) = delete;
  ~ScheduleScope() { this_thread.schedule = before_; }

 private:
  Schedule* before_;
};

// Whether an op may overwrite this tensor's elements if nobody else holds them. In a Replay: only if they
// were made there, for the next run reads all others again. Elsewhere: only if no Replay made them.
inline bool may_overwrite(const AnyTensor& x) {
  const Storage& storage = *x.storage();
  return this_thread.schedule ? this_thread.schedule->made(storage) : !storage.in_arena();
}

}  // namespace detail

}  // namespace xgrad
