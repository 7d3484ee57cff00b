// The threads that share one large product or loop.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace xgrad::kernels {

namespace detail {

extern constinit std::atomic<int> team_size;

// The least worth a part: to hand it over and to wait for it takes some 300.
inline constexpr double nanoseconds_of_part = 2000;

using Part = void (*)(const void* work, std::int64_t begin, std::int64_t end);
void share(std::int64_t units, std::int64_t step, std::int64_t parts, Part part, const void* work);

}  // namespace detail

/// How many threads share work, the calling one included; 1 until it is set.
inline int team_size() { return detail::team_size.load(std::memory_order_relaxed); }

/// Starts or ends threads. Throws std::system_error, and leaves the calling thread alone, where that many
/// cannot be started.
void set_team_size(int count);

/// Whether to share work that takes one thread so many nanoseconds, roughly.
inline bool worth_sharing(double nanoseconds) {
  return team_size() > 1 && nanoseconds >= 2 * detail::nanoseconds_of_part;
}

/// Calls f(begin, end) for parts of [0, units) that make up the whole, at the same time on the team's
/// threads; returns when all are done. Parts begin at multiples of `step`, and where depends on these
/// numbers and the size of the team only. There are no more than pay: `nanoseconds` is what one thread takes
/// for all, roughly. f computes: it does not throw, and holds and drops no tensor. Any thread may call it:
/// while the team is busy with another's work, the caller does its own alone.
template <class F>
void share(std::int64_t units, std::int64_t step, double nanoseconds, F f) {
  if (!worth_sharing(nanoseconds)) return f(std::int64_t{0}, units);
  const auto parts =
      static_cast<std::int64_t>(std::min<double>(nanoseconds / detail::nanoseconds_of_part, team_size()));
  const detail::Part part = [](const void* work, std::int64_t begin, std::int64_t end) {
    (*static_cast<const F*>(work))(begin, end);
  };
  detail::share(units, step, parts, part, &f);
}

}  // namespace xgrad::kernels
