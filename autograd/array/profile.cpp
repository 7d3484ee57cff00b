// Timing of ops.
#include <xgrad/autograd/array/profile.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

namespace xgrad {

using namespace detail;

namespace {

std::int64_t nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

struct profile::Counts {
  std::int64_t calls = 0, bytes = 0, nanoseconds = 0;
};

struct profile::Measured {
  std::map<std::pair<std::string, bool>, Counts> counts;  // by name, and whether backward
  bool busy = false;  // inside an op: those that it calls are its own affair
  std::int64_t start = nanoseconds();
};

profile::profile() : outer_(this_thread.profile), measured_(std::make_unique<Measured>()) {
  this_thread.profile = this;
}
profile::~profile() { this_thread.profile = outer_; }

void ProfiledOp::begin(std::string_view name, bool backward) {
  profile::Measured& measured = *this_thread.profile->measured_;
  if (measured.busy) return;
  counts_ = &measured.counts[{std::string(name), backward}];
  measured.busy = true;
  scope_ = this_thread.profile;
  bytes_ = this_thread.live_bytes;
  start_ = nanoseconds();
}

void ProfiledOp::end() noexcept {
  counts_->nanoseconds += nanoseconds() - start_;
  counts_->bytes += this_thread.live_bytes - bytes_;
  ++counts_->calls;
  scope_->measured_->busy = false;
}

double profile::seconds() const { return 1e-9 * static_cast<double>(nanoseconds() - measured_->start); }

std::vector<profile::Row> profile::rows() const {
  std::vector<Row> rows;
  for (const auto& [key, counts] : measured_->counts)
    rows.push_back(
        {key.first, key.second, counts.calls, 1e-9 * static_cast<double>(counts.nanoseconds), counts.bytes});
  std::ranges::stable_sort(rows, std::ranges::greater(), &Row::seconds);
  return rows;
}

std::string profile::table() const {
  const double total = seconds();
  double inside = 0;
  std::string text = fmt::format("{:<34} {:>9} {:>12} {:>10} {:>6} {:>14}\n", "op", "calls", "time",
                                 "per call", "share", "bytes");
  const auto line = [&](const std::string& name, std::int64_t calls, double time, const std::string& bytes) {
    text += fmt::format("{:<34} {:>9} {:>9.3f} ms {:>7.2f} µs {:>5.1f}% {:>14}\n", name, calls, 1e3 * time,
                        calls ? 1e6 * time / static_cast<double>(calls) : 0, 100 * time / total, bytes);
  };
  for (const Row& row : rows()) {
    line(row.backward ? row.name + " (backward)" : row.name, row.calls, row.seconds,
         fmt::to_string(row.bytes));
    inside += row.seconds;
  }
  line("outside of ops", 0, std::max(total - inside, 0.0), "");
  return text;
}

}  // namespace xgrad
