// The progress of training: one line that renews itself on a terminal, now and then a plain line elsewhere.
#include "progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

namespace char_rnn {

namespace {

// Characters in a row of the terminal, less one so that the cursor stays in it.
std::size_t terminal_width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return 79;
  return size.ws_col - std::size_t{1};
}

}  // namespace

std::string clock_text(double seconds) {
  const auto s = static_cast<std::int64_t>(std::ceil(std::clamp(seconds, 0.0, 3.6e7)));
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

ProgressLine::ProgressLine()
    : begin_(std::chrono::steady_clock::now()),
      terminal_(isatty(STDOUT_FILENO) == 1),
      printed_(terminal_ ? -1 : 0) {}

ProgressLine::~ProgressLine() {
  if (open_) std::putchar('\n');
  std::fflush(stdout);
}

double ProgressLine::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

void ProgressLine::update(std::int64_t step, std::int64_t steps, double loss, std::int64_t characters,
                          double done) {
  // The mean of about the last 20 steps, and of all steps while there are fewer.
  smooth_loss_ += (loss - smooth_loss_) / static_cast<double>(std::min<std::int64_t>(step, 20));
  const double now = seconds();
  if (done < 1 && now - printed_ < (terminal_ ? 0.1 : 2)) return;
  const std::string of = steps > 0 ? fmt::format("/{}", steps) : "";
  print(
      fmt::format("step {}{}  loss {:.3f}  {:.3f} bits/char  {:.0f} chars/s  {} left", step, of, smooth_loss_,
                  smooth_loss_ / std::numbers::ln2, static_cast<double>(characters) / std::max(now, 1e-9),
                  clock_text(done > 0 ? now / done - now : 0)),
      now);
}

void ProgressLine::print(const std::string& line, double now) {
  if (terminal_)
    fmt::print("\r{}\x1b[K", line.substr(0, terminal_width()));
  else
    fmt::print("{}\n", line);
  std::fflush(stdout);
  printed_ = now;
  open_ = terminal_;
}

}  // namespace char_rnn
