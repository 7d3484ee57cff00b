// Random graphs of every kind of op: the tape against finite differences, and its two ways of going backward
// against each other. What it is after: gradients that share, reuse or overwrite memory where they must not.
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/autograd/tape/formula.hpp>
#include <xgrad/autograd/tape/gradcheck.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/recurrent.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include "catch.hpp"

namespace {

using namespace xgrad;
using Matrix = Tensor<double>;

constexpr auto mixed =
    formula("mixed", [](auto a, auto b, auto c) { return a * b + tanh(b * c) - c / (2.0 + a * a); });
constexpr auto fan = formula("fan", [](auto a, auto b) { return a + b + a * 0.5; });
constexpr auto cell = formula("cell", [](auto x, auto h, auto c) {
  auto f = keep(sigmoid(x + h)), g = keep(tanh(x * h));
  auto next = f * c + (1 - f) * g;
  return outputs(f * tanh(next), next);
});
constexpr auto pairs =
    formula("pairs", [](auto a, auto b, auto c, auto d) { return outputs(a * sin(b) + c, a + d); });

template <Real T>
struct Pass {  // hands its gradient on as it came
  static constexpr std::string_view name = "pass";
  Tensor<T> forward(const Tensor<T>& x) const { return x; }
  Gradients<T> vjp(const Saved<T>&, const Tensor<T>& g) const { return {g}; }
};
Matrix pass(const Matrix& x) { return apply(Pass<double>{}, Location::current(), x); }

// A function of matrices [rows, columns], rows, columns and scalars, made up from a seed.
class RandomFunction {
 public:
  RandomFunction(std::uint64_t seed, std::int64_t rows, std::int64_t columns)
      : seed_(seed), rows_(rows), columns_(columns) {}

  std::vector<Matrix> operator()(std::span<const Matrix> inputs) const {
    Generator random(seed_);
    std::vector<Matrix> made(inputs.begin(), inputs.end());
    const auto any = [&]() -> const Matrix& { return made[random.below(made.size())]; };
    const auto whole = [&] { return any() + zeros<double>({rows_, columns_}); };
    for (int step = 0; step < 9; ++step) {
      const Matrix a = any(), b = any(), c = any();
      switch (random.below(17)) {
        case 0:
          made.push_back(a + b);
          break;
        case 1:
          made.push_back(a - b);
          break;
        case 2:
          made.push_back(a * b);
          break;
        case 3:
          made.push_back(a / (b * b + 1));
          break;
        case 4:
          made.push_back(tanh(a));
          break;
        case 5:
          made.push_back(mixed(a, b, c));
          break;
        case 6:
          made.push_back(mixed(a, a, b));
          break;
        case 7:
          made.push_back(cell(a, b, c)[random.below(2)]);
          break;
        case 8: {
          auto [h, next] = cell(a, b, a);
          made.push_back(h), made.push_back(next);
          break;
        }
        case 9: {
          const Matrix z = cat({whole(), whole()}, -1);
          made.push_back(pairs(chunks<2>(z), a, b)[random.below(2)]);
          break;
        }
        case 10: {
          const Matrix z = cat({whole(), whole()}, -1);
          made.push_back(pairs(chunks<2>(z), chunks<2>(z))[random.below(2)] + narrow(z, 1, 0, columns_));
          break;
        }
        case 11: {  // parts of one gradient buffer, some used twice
          const auto parts = unbind(whole());
          const Matrix &first = parts.front(), &last = parts.back();
          made.push_back(fan(first, first) * last + atan2(first, first * first + 1.5) +
                         mixed(last, first, last));
          break;
        }
        case 12:
          made.push_back(pass(a) + pass(b));
          break;
        case 13: {  // temporaries that are written over
          Matrix t = a * 2;
          made.push_back((std::move(t) + b) * 0.5 - a * b + (a + b) * (a - b));
          break;
        }
        case 14:
          made.push_back(maximum(a, b) + where(b > a, a * a, b));
          break;
        case 15:
          made.push_back(reshape(reshape(whole(), {-1}) * 0.5, {rows_, columns_}));
          break;
        default:
          made.push_back(fan(a, b) - fan(b, b));
      }
      if (random.below(2)) made.back() = tanh(made.back() * 0.5);
    }
    Matrix sum = made.back();
    for (std::size_t i = 0; i + 1 < made.size(); ++i)
      if (random.below(2)) sum = random.below(2) ? sum + made[i] : made[i] * 0.25 + sum;
    return {sum, made[made.size() / 2]};
  }

 private:
  std::uint64_t seed_;
  std::int64_t rows_, columns_;
};

// Steps of recurrent networks that read each other's results in any way, as state, input or weight: fused, or
// composed from other ops. Batch and hidden are one size, so that everything fits everywhere.
std::vector<Matrix> random_steps(std::uint64_t seed, bool fused, std::span<const Matrix> leaves) {
  Generator random(seed);
  std::vector<Matrix> made(leaves.begin(), leaves.end());
  const auto any = [&] { return made[random.below(made.size())]; };
  for (int step = 0; step < 8; ++step) {
    const Matrix x = any(), h = any(), c = any(), weight = random.below(5) ? any() : x;
    const Matrix z = x + matmul(h, weight, {.transpose_b = true});
    switch (random.below(7)) {
      case 0:
      case 1:
        made.push_back(fused ? rnn_tanh_step(x, h, weight) : tanh(z));
        break;
      case 2:
        made.push_back(fused ? rnn_relu_step(x, h, weight) : relu(z));
        break;
      case 3: {
        const Matrix wide = cat({x, h, c, weight}, 1), tall = cat({weight, x, h, c}, 0);
        if (fused) {
          std::ranges::copy(lstm_step(wide, h, c, tall), std::back_inserter(made));
          break;
        }
        const auto gates = chunk(wide + matmul(h, tall, {.transpose_b = true}), 4, 1);
        const Matrix next = sigmoid(gates[1]) * c + sigmoid(gates[0]) * tanh(gates[2]);
        made.push_back(sigmoid(gates[3]) * tanh(next));
        made.push_back(next);
        break;
      }
      case 4: {
        const Matrix wide = cat({x, h, c}, 1), tall = cat({weight, x, c}, 0);
        const Matrix bias = random.below(2) ? sum(wide, 0) : Matrix();
        if (fused) {
          made.push_back(gru_step(wide, h, tall, bias));
          break;
        }
        const Matrix product = matmul(h, tall, {.transpose_b = true});
        const auto zx = chunk(wide, 3, 1), zh = chunk(bias.defined() ? product + bias : product, 3, 1);
        const Matrix update = sigmoid(zx[1] + zh[1]), n = tanh(zx[2] + sigmoid(zx[0] + zh[0]) * zh[2]);
        made.push_back((1 - update) * n + update * h);
        break;
      }
      case 5:
        std::ranges::move(unbind(stack({x, h * 0.5, c}), 0), std::back_inserter(made));
        break;
      default:
        made.push_back(x * h + weight);
    }
  }
  return made;
}

TEST_CASE("random graphs: the gradients are those of finite differences, in both orders", "[random_graph]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(0, 150)));
  Generator random(seed + 1000);
  const auto rows = 1 + static_cast<std::int64_t>(random.below(3)),
             columns = 1 + static_cast<std::int64_t>(random.below(11));
  const std::vector<Matrix> inputs{randn<double>({rows, columns}, random), randn<double>({columns}, random),
                                   randn<double>({rows, 1}, random), randn<double>({}, random)};
  const RandomFunction f(seed, rows, columns);
  INFO("seed " << seed << ", " << rows << " x " << columns);
  CHECK(gradcheck(f, inputs, {.tolerance = 1e-6}));
  if (seed % 3 == 0) CHECK(gradgradcheck(f, inputs, {.tolerance = 1e-5}));
}

TEST_CASE("random graphs: fused steps have the gradients of their formulas", "[random_graph]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(0, 300)));
  Generator random(seed);
  const std::int64_t size = seed % 4 ? 3 : 17;  // products of either kind of kernel
  std::vector<Matrix> leaves;
  for (int i = 0; i < 4; ++i)
    leaves.push_back((randn<double>({size, size}, random) * (0.8 / std::sqrt(size))).set_requires_grad());
  const auto gradients = [&](bool fused) {
    auto made = random_steps(seed, fused, leaves);
    Matrix loss = sum(square(made.back()));
    for (std::size_t i = leaves.size(); i < made.size(); i += 2) loss = loss + sum(made[i]);
    if (seed % 3 > 0) made.clear();  // else all that is on the way is held
    for (Matrix& leaf : leaves) leaf.zero_grad();
    loss.backward({.retain_graph = seed % 2 == 0});
    std::vector<Matrix> found;
    for (const Matrix& leaf : leaves)
      found.push_back(leaf.grad().defined() ? leaf.grad() : zeros<double>({size, size}));
    return found;
  };
  const auto fused = gradients(true), composed = gradients(false);
  INFO("seed " << seed);
  for (std::size_t i = 0; i < leaves.size(); ++i) CHECK(allclose(fused[i], composed[i], 1e-10, 1e-10));
}

}  // namespace
