// Random numbers that are the same everywhere: a counter-based generator and transforms of our own.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <span>

namespace xgrad {

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): every draw is a
/// function of the seed and a counter, so the same seed gives the same bits on every machine. Safe to share
/// between threads.
class Generator {
 public:
  explicit Generator(std::uint64_t seed = 0) { this->seed(seed); }

  /// Starts the stream of `seed` from its beginning.
  void seed(std::uint64_t seed);

  /// 32 uniform bits.
  std::uint32_t bits();
  /// Uniform in [0, 1), 53 bits.
  double uniform();
  /// Standard normal (Box-Muller, without keeping the second value).
  double normal();
  /// Uniform integer in [0, n), without bias. Throws ValueError for n = 0.
  std::uint64_t below(std::uint64_t n);

  /// Many at once: cheaper than one by one.
  void fill_uniform(std::span<float> out, double low = 0, double high = 1);
  void fill_uniform(std::span<double> out, double low = 0, double high = 1);
  void fill_normal(std::span<float> out, double mean = 0, double deviation = 1);
  void fill_normal(std::span<double> out, double mean = 0, double deviation = 1);

  /// Everything that the next draw depends on, to be stored in a checkpoint: key, counter, position in the
  /// block.
  struct State {
    std::uint64_t seed = 0, counter = 0;
    std::uint32_t used = 4;
    friend bool operator==(const State&, const State&) = default;
  };
  State state() const;
  void set_state(const State& state);

 private:
  std::unique_lock<std::mutex> drawing();
  std::uint32_t next();  // unlocked
  double next_uniform();
  double next_normal();
  template <class T, class Draw>
  void fill(std::span<T> out, Draw draw);

  mutable std::mutex mutex_;
  State state_;
  std::array<std::uint32_t, 4> block_{};
};

/// The generator that everything random uses unless it is given another one.
Generator& default_generator();

/// Seeds the default generator (PyTorch's torch.manual_seed).
void manual_seed(std::uint64_t seed);

}  // namespace xgrad
