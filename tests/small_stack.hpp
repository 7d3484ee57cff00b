// Running something on a thread with a small stack, on which recursion over a long graph would not fit.
#pragma once

#include <pthread.h>

#include <stdexcept>

namespace xgrad::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::size_t small_stack = 1 << 20;  // the sanitizer's own data take a part, and frames are larger
#else
inline constexpr std::size_t small_stack = 64 << 10;
#endif

/// Calls f() on a thread with `small_stack` bytes of stack, and waits for it. f does not throw.
template <class F>
void on_small_stack(F f) {
  const auto run = [](void* task) -> void* {
    (*static_cast<F*>(task))();
    return nullptr;
  };
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_t thread;
  const bool started =
      pthread_attr_setstacksize(&attributes, small_stack) == 0 && pthread_create(&thread, &attributes, run, &f) == 0;
  pthread_attr_destroy(&attributes);
  if (!started) throw std::runtime_error("no thread with so small a stack can be started here");
  pthread_join(thread, nullptr);
}

}  // namespace xgrad::testing
