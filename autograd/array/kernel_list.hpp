// What a Replay runs: kernels in the order in which a function launched them, and the memory they work in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <memory_resource>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/core/arena.hpp>
#include <xgrad/autograd/core/replay_mode.hpp>
#include <xgrad/autograd/core/storage.hpp>

namespace xgrad::detail {

/// Written while a function runs on this thread (`this_thread.replay` points here), and run any number of
/// times afterwards. Storages that are made meanwhile get memory that nothing else uses as long as the list
/// lives.
class KernelList {
 public:
  KernelList();
  KernelList(const KernelList&) = delete;
  KernelList& operator=(const KernelList&) = delete;
  ~KernelList();

  // While it is written:
  using Run = void (*)(const void* kernel);
  /// Copies the kernel, which has run already. `first`: it runs before the others, in order with the checks.
  void append(Run function, const void* kernel, std::size_t bytes, bool first);
  /// To be called before any kernel runs again: throws where an input no longer fits.
  /// `of`: the arrays that it looks at.
  template <class Check>
    requires std::is_trivially_copyable_v<Check>
  void append_check(const Check& check, std::initializer_list<const AnyTensor*> of) {
    for (const AnyTensor* x : of) hold(x->storage());
    first_.push_back({[](const void* c) { (*static_cast<const Check*>(c))(); }, keep(&check, sizeof check)});
  }
  /// A copy that lasts as long as the list.
  void* keep(const void* data, std::size_t bytes);
  /// Keeps what kernels read and the function did not make.
  void hold(const Ref<Storage>& storage);

  /// New indices: those of the function's memory are all in [0, limit_of_new), others are computed first.
  void add_indices(const Ref<Storage>& indices);
  /// Indices that kernels compute, all in [0, limit): they cannot be checked before a run.
  void set_limit(const Storage& indices, std::int64_t limit) { limits_[&indices] = limit; }
  /// Of indices made here; `any_integer` where nothing is known.
  std::int64_t limit_of(const Storage& indices) const;
  static constexpr std::int64_t any_integer = std::numeric_limits<std::int64_t>::max();
  std::int64_t limit_of_new = any_integer;

  /// What the function changes besides elements, such as the gradient of a leaf.
  struct Effect {
    virtual ~Effect() = default;
    virtual void note() = 0;    ///< what is there when the function has ended
    virtual void repeat() = 0;  ///< puts it there again, after every run
  };
  void add_effect(const void* on, std::unique_ptr<Effect> effect);
  bool has_effect(const void* on) const;

  bool made(const Storage& storage) const { return arena_->made(storage); }
  /// Nodes that the function records have larger numbers.
  std::uint64_t first_sequence() const { return first_sequence_; }
  /// Ends the writing.
  void finish();

  void run();
  std::size_t kernels() const { return launches_.size(); }

 private:
  friend class ReplayScope;
  struct Launch {
    Run run;
    const void* kernel;
  };
  struct EffectOn {
    const void* object;
    std::unique_ptr<Effect> effect;
  };

  Ref<StorageArena> arena_;
  std::pmr::monotonic_buffer_resource kept_;
  std::vector<Launch> first_, launches_;
  std::vector<Storage*> first_results_, results_;
  std::vector<EffectOn> effects_;
  std::unordered_set<const void*> known_;  // that are held
  std::vector<Ref<Storage>> held_;
  std::unordered_map<const Storage*, std::int64_t> limits_;
  std::uint64_t first_sequence_;
};

/// Has a list, or none, written on this thread until the end of the scope.
class ReplayScope {
 public:
  explicit ReplayScope(KernelList* list) : list_(list), arena_(list ? list->arena_.get() : nullptr) {}

 private:
  SettingScope<&ThreadState::replay> list_;
  SettingScope<&ThreadState::arena> arena_;
};

/// Uninitialised elements for values that the program writes, or a check does before a run: in a Replay not in
/// its memory, where kernels would overwrite them before they are read.
inline AnyTensor empty_for_values(const Shape& shape, DType dtype) {
  const SettingScope<&ThreadState::arena> outside(nullptr);
  return AnyTensor::empty(shape, dtype);
}

// Whether an array that was donated (GradientSlot), or that nothing else holds, may be overwritten. In a Replay:
// only if it was made there, for the next run reads all others again. Elsewhere: only if no Replay made it.
inline bool may_overwrite(const AnyTensor& x) {
  const Storage& storage = *x.storage();
  return in_replay() ? this_thread.replay->made(storage) : !storage.in_arena();
}

}  // namespace xgrad::detail
