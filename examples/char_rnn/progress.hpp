// The progress of training: one line that renews itself on a terminal, now and then a plain line elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace char_rnn {

class ProgressLine {
 public:
  ProgressLine();
  /// Ends the line, so that what is printed next starts on one of its own.
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// After a step with mean loss `loss` in nats. `characters` is how many have been trained on so far, `done`
  /// the part of the work that is done, in [0, 1]; `steps` in all, or 0 where time decides.
  void update(std::int64_t step, std::int64_t steps, double loss, std::int64_t characters, double done);

  double seconds() const;

 private:
  void print(const std::string& line, double now);

  std::chrono::steady_clock::time_point begin_;
  bool terminal_;
  double printed_;  // when, in seconds since the beginning
  double smooth_loss_ = 0;
  bool open_ = false;
};

/// "0:07", "12:34", "1:02:03"
std::string clock_text(double seconds);

}  // namespace char_rnn
