// Two spirals, told apart by a small network, which writes its decision boundary as a picture: spirals
// [OUT.svg].
#include <cmath>
#include <fstream>
#include <numbers>

#include <fmt/format.h>
#include <fmt/ostream.h>
#include <xgrad/xgrad.hpp>

namespace {

using namespace xgrad;

struct Net {
  nn::Linear<> first{2, 32}, second{32, 32}, out{32, 1};
  Tensor<> operator()(const Tensor<>& x) const { return out(tanh(second(tanh(first(x))))); }
};

struct Points {
  Tensor<> x, y;  // (count, 2) and (count, 1), of which 1 is the second spiral
};

Points spirals(std::int64_t count, Generator& generator) {
  std::vector<float> x, y;
  for (std::int64_t i = 0; i < count; ++i) {
    const double along = std::sqrt(generator.uniform()), angle = 3 * std::numbers::pi * along;
    const double turned = angle + (i % 2 ? std::numbers::pi : 0);
    x.push_back(static_cast<float>(along * std::cos(turned) + 0.015 * generator.normal()));
    x.push_back(static_cast<float>(along * std::sin(turned) + 0.015 * generator.normal()));
    y.push_back(static_cast<float>(i % 2));
  }
  return {from_values<float>({count, 2}, x), from_values<float>({count, 1}, y)};
}

double accuracy(const Net& net, const Points& points) {
  const no_grad scope;
  return mean((net(points.x) > 0) == points.y).item();
}

// Squares coloured by the probability of the second spiral, and the points over them.
void draw(const std::string& file, const Net& net, const Points& points) {
  const no_grad scope;
  constexpr std::int64_t cells = 40;
  std::vector<float> grid;
  for (std::int64_t i = 0; i < cells * cells; ++i)
    for (const std::int64_t k : {i % cells, i / cells})
      grid.push_back(2.4f * (static_cast<float>(k) + 0.5f) / cells - 1.2f);
  const Tensor<> p = sigmoid(net(from_values<float>({cells * cells, 2}, grid)));
  std::ofstream svg(file);
  fmt::print(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {0}\" width=\"480\">\n",
             cells);
  for (std::int64_t i = 0; i < cells * cells; ++i) {
    const double t = p.values()[static_cast<std::size_t>(i)];
    fmt::print(svg, "<path d=\"M{} {}h1.02v1.02h-1.02z\" fill=\"rgb({:.0f},{:.0f},{:.0f})\"/>\n", i % cells,
               i / cells, 150 + 90 * t, 190 - 20 * t, 240 - 100 * t);
  }
  for (std::size_t i = 0; i < points.y.values().size(); ++i)
    fmt::print(svg, "<circle cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"0.3\" fill=\"{}\"/>\n",
               cells * (points.x.values()[2 * i] + 1.2) / 2.4,
               cells * (points.x.values()[2 * i + 1] + 1.2) / 2.4,
               points.y.values()[i] > 0 ? "#b4551d" : "#1d5fb4");
  svg << "</svg>\n";
  if (!svg) throw Error(fmt::format("{}: cannot be written", file));
}

}  // namespace

int main(int argc, char** argv) try {
  manual_seed(1);
  const Points train = spirals(400, default_generator()), test = spirals(400, default_generator());
  Net net;
  optim::Adam opt(nn::parameters(net), {.lr = 0.01});
  for (int step = 0; step < 1500; ++step) {
    opt.zero_grad();
    const Tensor<> loss = binary_cross_entropy_with_logits(net(train.x), train.y);
    loss.backward();
    opt.step();
    if (step % 300 == 299) fmt::print("step {:4}: loss {:.4f}\n", step + 1, loss.item());
  }
  const double right = accuracy(net, test);
  fmt::print("{:.1f} % of 400 new points are told apart\n", 100 * right);
  if (argc > 1) draw(argv[1], net, test);
  return right > 0.97 ? 0 : 1;
} catch (const std::exception& error) {
  fmt::print(stderr, "spirals: {}\n", error.what());
  return 1;
}
