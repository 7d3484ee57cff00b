// The random numbers of NumPy's numpy.random.seed(s), so that a program can repeat a NumPy program's run.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace xgrad::examples {

/// numpy.random.RandomState(seed): Matsumoto and Nishimura's MT19937 (1998) seeded from one 32-bit integer,
/// which is std::mt19937, and NumPy's transforms of its stream.
class NumpyRandom {
 public:
  explicit NumpyRandom(std::uint32_t seed) : bits_(seed) {}

  /// Uniform in [0, 1) with 53 random bits: numpy.random.rand() and random_sample().
  double rand() {
    const std::uint32_t high = static_cast<std::uint32_t>(bits_()) >> 5;
    const std::uint32_t low = static_cast<std::uint32_t>(bits_()) >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
  }

  /// Standard normal by Marsaglia's polar method: numpy.random.randn(). Each accepted pair gives two numbers,
  /// of which the second is kept for the next call.
  double randn() {
    if (next_normal_) return *std::exchange(next_normal_, std::nullopt);
    double x, y, square;
    do {
      x = 2 * rand() - 1;
      y = 2 * rand() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square == 0);
    const double scale = std::sqrt(-2 * std::log(square) / square);
    next_normal_ = scale * x;
    return scale * y;
  }

  /// An index, drawn with the given probabilities: numpy.random.choice(len(p), p=p).
  /// Throws std::invalid_argument unless they are non-negative and sum to 1 within 1.5e-8, as NumPy does.
  template <class T>
  std::size_t choice(std::span<const T> probabilities) {
    std::vector<double> cumulative;
    double total = 0;
    for (const T p : probabilities) {
      if (!(p >= 0)) throw std::invalid_argument("choice: a probability is negative or not a number");
      cumulative.push_back(total += p);
    }
    if (!(std::abs(total - 1) <= 1.4901161193847656e-8))  // the square root of a double's epsilon
      throw std::invalid_argument("choice: the probabilities do not sum to 1");
    for (double& c : cumulative) c /= total;
    const auto drawn = std::upper_bound(cumulative.begin(), cumulative.end(), rand());
    return static_cast<std::size_t>(drawn - cumulative.begin());
  }

 private:
  std::mt19937 bits_;
  std::optional<double> next_normal_;
};

}  // namespace xgrad::examples
