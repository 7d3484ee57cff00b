// A plug-in, as a Python module is one: a shared library with C functions, built on xgrad.
#include <xgrad/xgrad.hpp>

namespace {

using namespace xgrad;

struct Net {
  nn::Linear<> hidden{2, 8}, out{8, 1};
  Tensor<> operator()(const Tensor<>& x) const { return out(tanh(hidden(x))); }
  void visit(auto&& v) { v("hidden", hidden), v("out", out); }
};

}  // namespace

/// The loss after so many steps that learn exclusive or; -1 where something is thrown.
extern "C" [[gnu::visibility("default")]] double train(int steps) noexcept {
  try {
    Generator generator(1);
    Net net{.hidden = {2, 8, true, generator}, .out = {8, 1, true, generator}};
    optim::Adam<float> optimizer(nn::parameters(net), {.lr = 0.05});
    const Tensor<> x{{0, 0}, {0, 1}, {1, 0}, {1, 1}}, y{{0}, {1}, {1}, {0}};
    for (int step = 0; step < steps; ++step) {
      optimizer.zero_grad();
      mse_loss(net(x), y).backward();
      optimizer.step();
    }
    return mse_loss(net(x), y).item();
  } catch (const std::exception&) {
    return -1;
  }
}
