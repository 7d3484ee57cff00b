// Where the time goes: calls, time and memory of every op while a scope lasts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <xgrad/autograd/core/thread_state.hpp>

namespace xgrad {

namespace detail {
class ProfiledOp;
}

/// While one is alive, the ops that its thread runs are timed, forward and backward (PyTorch's
/// torch.profiler). An op that is made of others counts as one where it is recorded as one. An inner scope
/// takes over from an outer one.
///
///   profile p;
///   train_one_step();
///   std::cout << p.table();
class profile {
 public:
  struct Row {
    std::string name;
    bool backward;
    std::int64_t calls;
    double seconds;
    std::int64_t bytes;  ///< what was in use after the op more than before it, summed over its calls
  };

  profile();
  profile(const profile&) = delete;
  profile& operator=(const profile&) = delete;
  ~profile();

  /// The most expensive op first.
  std::vector<Row> rows() const;
  /// Seconds since the scope began.
  double seconds() const;
  /// A line for each op, and one for the time outside of all ops.
  std::string table() const;

 private:
  friend class detail::ProfiledOp;
  struct Counts;
  struct Measured;

  profile* outer_;
  std::unique_ptr<Measured> measured_;
};

namespace detail {

/// Stands in every op, around its work.
class ProfiledOp {
 public:
  explicit ProfiledOp(std::string_view name, bool backward = false) {
    if (this_thread.profile) [[unlikely]]
      begin(name, backward);
  }
  ProfiledOp(const ProfiledOp&) = delete;
  ~ProfiledOp() {
    if (counts_) [[unlikely]]
      end();
  }

 private:
  void begin(std::string_view name, bool backward);
  void end() noexcept;

  xgrad::profile* scope_;
  xgrad::profile::Counts* counts_ = nullptr;  // null: not timed
  std::int64_t bytes_, start_;
};

}  // namespace detail

}  // namespace xgrad
