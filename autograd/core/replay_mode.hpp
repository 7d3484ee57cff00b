// Whether the function of a Replay runs on this thread, and the refusal of what a Replay could not do again.
#pragma once

#include <string_view>

#include <xgrad/autograd/core/thread_state.hpp>

namespace xgrad::detail {

inline bool in_replay() { return this_thread.replay != nullptr; }

/// Throws GraphError: "<what>: inside the function of a Replay <why>".
[[noreturn]] void refuse_in_replay(std::string_view what, std::string_view why);

}  // namespace xgrad::detail
