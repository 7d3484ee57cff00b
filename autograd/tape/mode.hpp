// Modes of the calling thread: whether ops record, and whether they look for non-finite values.
#pragma once

#include <xgrad/autograd/core/thread_state.hpp>

namespace xgrad {

/// Whether ops on tensors that need gradients record nodes now.
inline bool is_recording() { return detail::this_thread.recording; }

namespace detail {
using recording_scope = SettingScope<&ThreadState::recording>;
}

/// `no_grad scope;`: nothing is recorded until the end of the scope (PyTorch's torch.no_grad).
struct no_grad : detail::recording_scope {
  no_grad() : SettingScope(false) {}
};

/// `enable_grad scope;`: records again, inside a no_grad scope (PyTorch's torch.enable_grad).
struct enable_grad : detail::recording_scope {
  enable_grad() : SettingScope(true) {}
};

/// `anomaly scope;`: the first op whose result, or gradient, has a NaN or infinity throws NonFiniteError that
/// names it and where it was called (PyTorch's torch.autograd.detect_anomaly). Costs a read of every result.
struct anomaly : detail::SettingScope<&detail::ThreadState::anomaly> {
  explicit anomaly(bool on = true) : SettingScope(on) {}
};

}  // namespace xgrad
