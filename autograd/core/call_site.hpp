// Which call of the user's an error is about.
#pragma once

#include <xgrad/autograd/core/location.hpp>
#include <xgrad/autograd/core/thread_state.hpp>

namespace xgrad::detail {

/// While one lives, errors say that the op under way was called at `at`. Of nested ones the outermost counts: it
/// is the user's.
class CallSite {
 public:
  explicit CallSite(const Location& at) : outermost_(this_thread.call_site.line() == 0) {
    if (outermost_) this_thread.call_site = at;
  }
  CallSite(const CallSite&) = delete;
  CallSite& operator=(const CallSite&) = delete;
  ~CallSite() {
    if (outermost_) this_thread.call_site = {};
  }

 private:
  bool outermost_;
};

}  // namespace xgrad::detail
