// Running something on a thread with a small stack, on which recursion over a long graph would not fit.
#pragma once

#include <pthread.h>

#include <cerrno>
#include <stdexcept>

namespace xgrad::testing {

/// Calls f() on a thread with 64 KiB of stack, and waits for it; f does not throw. Where the thread-local variables of
/// the program's libraries do not fit into that (OpenBLAS has 60 KiB, sanitizers more), with as much more.
template <class F>
void on_small_stack(F f) {
  const auto run = [](void* task) -> void* {
    (*static_cast<F*>(task))();
    return nullptr;
  };
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_t thread;
  int error = EINVAL;  // as for a stack that is too small
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  std::size_t bytes = 1 << 20;  // instrumented frames are larger
#else
  std::size_t bytes = 64 << 10;
#endif
  for (; error == EINVAL && bytes <= std::size_t{2} << 20; bytes += 64 << 10) {
    pthread_attr_setstacksize(&attributes, bytes);
    error = pthread_create(&thread, &attributes, run, &f);
  }
  pthread_attr_destroy(&attributes);
  if (error) throw std::runtime_error("a thread with a small stack cannot be started here");
  pthread_join(thread, nullptr);
}

}  // namespace xgrad::testing
