// Modes of the calling thread: whether ops record, and whether they look for non-finite values.
#pragma once

#include <utility>

#include <xgrad/autograd/core/thread_state.hpp>

namespace xgrad {

/// Whether ops on tensors that need gradients record nodes now.
inline bool is_recording() { return this_thread.recording; }

/// Sets the recording mode until the end of the scope.
class RecordingScope {
 public:
  explicit RecordingScope(bool record) : before_(std::exchange(this_thread.recording, record)) {}
  RecordingScope(const RecordingScope&) = delete;
  RecordingScope& operator=(const RecordingScope&) = delete;
  ~RecordingScope() { this_thread.recording = before_; }

 private:
  bool before_;
};

/// `no_grad scope;`: nothing is recorded until the end of the scope (PyTorch's torch.no_grad).
struct no_grad : RecordingScope {
  no_grad() : RecordingScope(false) {}
};

/// `enable_grad scope;`: records again, inside a no_grad scope (PyTorch's torch.enable_grad).
struct enable_grad : RecordingScope {
  enable_grad() : RecordingScope(true) {}
};

/// `anomaly scope;`: the first op whose result, or gradient, has a NaN or infinity throws NonFiniteError that
/// names it and where it was called (PyTorch's torch.autograd.detect_anomaly). Costs a read of every result.
class anomaly {
 public:
  anomaly() : anomaly(true) {}
  explicit anomaly(bool on) : before_(std::exchange(this_thread.anomaly, on)) {}
  anomaly(const anomaly&) = delete;
  anomaly& operator=(const anomaly&) = delete;
  ~anomaly() { this_thread.anomaly = before_; }

 private:
  bool before_;
};

}  // namespace xgrad
