// Philox, and the transforms to uniform and normal numbers.
#include <xgrad/autograd/core/random.hpp>

#include <cmath>
#include <numbers>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/core/replay_mode.hpp>

namespace xgrad {

namespace {

std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::uint64_t counter) {
  std::array<std::uint32_t, 4> x{static_cast<std::uint32_t>(counter),
                                 static_cast<std::uint32_t>(counter >> 32), 0, 0};
  auto k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * x[0], p1 = std::uint64_t{0xCD9E8D57} * x[2];
    x = {static_cast<std::uint32_t>(p1 >> 32) ^ x[1] ^ k0, static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ x[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return x;
}

}  // namespace

void Generator::seed(std::uint64_t seed) { set_state({.seed = seed}); }

std::uint32_t Generator::next() {
  if (state_.used == 4) {
    block_ = philox(state_.seed, state_.counter++);
    state_.used = 0;
  }
  return block_[state_.used++];
}

double Generator::next_uniform() {
  const std::uint64_t high = next() >> 5, low = next() >> 6;
  return static_cast<double>((high << 26) | low) * 0x1p-53;
}

double Generator::next_normal() {
  const double radius = std::sqrt(-2 * std::log(1 - next_uniform()));  // the argument is never 0
  return radius * std::cos(2 * std::numbers::pi * next_uniform());
}

std::unique_lock<std::mutex> Generator::drawing() {
  if (detail::in_replay())
    detail::refuse_in_replay(
        "random numbers",
        "they would be drawn once, not in every run; draw before each, into a tensor with "
        "assign(), and leave dropout to ordinary steps");
  return std::unique_lock(mutex_);
}

std::uint32_t Generator::bits() {
  const auto lock = drawing();
  return next();
}

double Generator::uniform() {
  const auto lock = drawing();
  return next_uniform();
}

double Generator::normal() {
  const auto lock = drawing();
  return next_normal();
}

std::uint64_t Generator::below(std::uint64_t n) {
  if (n == 0) throw ValueError("below: no integer is at least 0 and below 0; give a limit of 1 or more");
  const auto lock = drawing();
  const std::uint64_t limit = (0 - n) % n;  // 2^64 mod n: the draws that would favour small results
  for (;;) {
    const std::uint64_t draw = (std::uint64_t{next()} << 32) | next();
    if (draw >= limit) return draw % n;
  }
}

template <class T, class Draw>
void Generator::fill(std::span<T> out, Draw draw) {
  const auto lock = drawing();
  for (T& x : out) x = static_cast<T>(draw());
}

void Generator::fill_uniform(std::span<float> out, double low, double high) {
  // Rounding to float may reach `high`: keep 24 bits, which [0, 1) has room for.
  fill(out, [&] {
    return static_cast<float>(low) +
           static_cast<float>(high - low) * (static_cast<float>(next() >> 8) * 0x1p-24f);
  });
}
void Generator::fill_uniform(std::span<double> out, double low, double high) {
  fill(out, [&] { return low + (high - low) * next_uniform(); });
}
void Generator::fill_normal(std::span<float> out, double mean, double deviation) {
  fill(out, [&] { return mean + deviation * next_normal(); });
}
void Generator::fill_normal(std::span<double> out, double mean, double deviation) {
  fill(out, [&] { return mean + deviation * next_normal(); });
}

Generator::State Generator::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

void Generator::set_state(const State& state) {
  std::lock_guard lock(mutex_);
  state_ = state;
  if (state.used < 4) block_ = philox(state.seed, state.counter - 1);
}

Generator& default_generator() {
  static Generator generator;
  return generator;
}

void manual_seed(std::uint64_t seed) { default_generator().seed(seed); }

}  // namespace xgrad
