// Starting kernels: at once, and again whenever a Replay runs.
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>

#include <xgrad/autograd/core/replay_mode.hpp>

namespace xgrad {

namespace detail {

void launch_in_replay(void (*run)(const void* kernel), const void* kernel, std::size_t bytes);

}  // namespace detail

/// Calls `kernel()`. Inside the function of a Replay the kernel is written down too, to be called again: it
/// captures by value ([=]) all it needs, numbers and the addresses of elements (Tensor::address()). It should
/// not throw: a run would end there, with its results half computed.
template <class Kernel>
requires std::is_trivially_copyable_v<Kernel> && std::invocable<const Kernel&> &&
    (alignof(Kernel) <= alignof(std::max_align_t))
        [[gnu::always_inline]] inline void launch(const Kernel& kernel) {
  if (detail::in_replay()) [[unlikely]]
    return detail::launch_in_replay([](const void* k) { (*static_cast<const Kernel*>(k))(); }, &kernel,
                                    sizeof kernel);
  kernel();
}

}  // namespace xgrad
