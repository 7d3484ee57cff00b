// Losses: PyTorch's numbers, the fused cross-entropy against its parts, ignored targets, errors.
#include <xgrad/ops/loss.hpp>

#include <cmath>
#include <limits>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>
#include <xgrad/ops/softmax.hpp>
#include "catch.hpp"
#include "near.hpp"
#include "tensors.hpp"

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using D = Tensor<double>;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

const D logits{{0.5, -1, 2, 0}, {1.5, 0.25, -0.75, 3}, {0, 0, 0, 0}, {-2, 1, 4, 0.5}, {10, -10, 0, 5}};
const Indices targets{2, 0, 3, -100, 1};

}  // namespace

TEST_CASE("cross_entropy and nll_loss give PyTorch's numbers") {
  const std::vector<double> each{0.342349582389822, 1.7704665576088487, 1.3862943611198906, 0,
                                 20.006760445594388};
  CHECK(off(cross_entropy(logits, targets), {}, {5.876467736678237}) == "");
  CHECK(off(cross_entropy(logits, targets, {Reduction::sum}), {}, {23.50587094671295}) == "");
  CHECK(off(cross_entropy(logits, targets, {Reduction::none}), {5}, each) == "");
  CHECK(off(cross_entropy(logits, Indices{2, 0, 3, 1, 1}, {.ignore_index = 1}), {}, {1.1663701670395206}) ==
        "");
  CHECK(off(nll_loss(log_softmax(logits), targets), {}, {5.876467736678237}) == "");
  CHECK(off(nll_loss(log_softmax(logits), targets, {Reduction::sum}), {}, {23.50587094671295}) == "");
  CHECK(off(nll_loss(log_softmax(logits), targets, {Reduction::none}), {5}, each) == "");
  const std::vector<double> slope{0.039611177378744936,
                                  0.008838448352187217,
                                  -0.07247501927845643,
                                  0.024025393547524303,
                                  -0.20743661569768646,
                                  0.01219461377321655,
                                  0.004486147700192478,
                                  0.19075585422427743,
                                  0.0625,
                                  0.0625,
                                  0.0625,
                                  -0.1875,
                                  0,
                                  0,
                                  0,
                                  0,
                                  0.24831558870217546,
                                  -0.24999999948818344,
                                  1.1273510286008839e-05,
                                  0.0016731372757219636};
  CHECK(off(gradient([](const D& x) { return cross_entropy(x, targets); }, logits), {5, 4}, slope) == "");
  CHECK(off(gradient([](const D& x) { return nll_loss(log_softmax(x), targets); }, logits), {5, 4}, slope) ==
        "");
  CHECK(off(cross_entropy(D{0, 0}, Indices(Shape{}, {1})), {}, {std::log(2.0)}) == "");
}

TEST_CASE("sequences have their classes last") {
  const D x = D(sin(arange<double>(24)).part({2, 3, 4}));
  const Indices t{{1, 3, 0}, {2, 2, 1}};
  CHECK(off(cross_entropy(x, t), {}, {1.0044849762690313}) == "");
  CHECK(off(cross_entropy(x, t, {Reduction::none}), {2, 3},
            {1.097834169104879, 0.6064804795504745, 0.649213904866266, 0.9138744228176968, 1.7683114889633957,
             0.9911953923114764}) == "");
  CHECK(off(nll_loss(log_softmax(x), t), {}, {1.0044849762690313}) == "");
}

TEST_CASE("the classes may lie on another axis, such as PyTorch's") {
  const D x = transpose(D(sin(arange<double>(24)).part({2, 3, 4})), 1, 2);
  const Indices t{{1, 3, 0}, {2, 2, 1}};
  const std::vector<double> each{1.097834169104879,  0.6064804795504745, 0.649213904866266,
                                 0.9138744228176968, 1.7683114889633957, 0.9911953923114764};
  CHECK(off(cross_entropy(x, t, {.axis = 1}), {}, {1.0044849762690313}) == "");
  CHECK(off(cross_entropy(x, t, {.reduction = Reduction::none, .axis = -2}), {2, 3}, each) == "");
  CHECK(off(nll_loss(log_softmax(x, 1), t, {.reduction = Reduction::none, .axis = 1}), {2, 3}, each) == "");
  CHECK(off(cross_entropy(transpose(logits, 0, 1), targets, {.axis = 0}), {}, {5.876467736678237}) == "");
  CHECK_THROWS_WITH(
      cross_entropy(x, Indices{{1, 2}}, {.axis = 1}),
      Contains("input [2, 4, 3] takes targets of shape [2, 3], not [1, 2]; the classes are axis 1"));
  CHECK_THROWS_WITH(cross_entropy(x, Indices{{1, 3, 0}, {2, 4, 1}}, {.axis = 1}),
                    Contains("target 4 at position 4 is no class of input [2, 4, 3]: they are 0 to 3"));
  CHECK_THROWS_AS(cross_entropy(x, t, {.axis = 3}), ShapeError);
}

TEST_CASE("the mean of no losses can be PyTorch's NaN") {
  const ClassLossOptions options{.error_if_none = false};
  const Indices none{-100, -100, -100, -100, -100};
  const std::vector<double> zero(20, 0.0);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& loss :
       {std::function<D(const D&, const Indices&)>(
            [&](const D&x, const Indices&t) { return cross_entropy(x, t, options); }),
        {[&](const D&x, const Indices&t) { return nll_loss(log_softmax(x), t, options); }}}) {
    CHECK(off(loss(logits, none), {}, {nan}) == "");
    CHECK(off(gradient([&](const D& x) { return loss(x, none); }, logits), {5, 4}, zero) == "");
    CHECK(off(loss(zeros<double>({0, 4}), Indices(Shape{0}, {})), {}, {nan}) == "");
    CHECK(off(loss(logits, targets), {}, {5.876467736678237}) == "");
  }
}

TEST_CASE("the fused cross-entropy is its parts, to the second derivative") {
  Generator generator(3);
  for (const Shape& shape : {Shape{1, 2}, Shape{7, 65}, Shape{4, 3, 33}, Shape{70, 5}, Shape{3, 1000}})
    for (const auto reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
      INFO(to_string(shape));
      Shape rows = shape;
      rows.erase(rows.rank() - 1);
      std::vector<std::int64_t> t(static_cast<std::size_t>(rows.elements()));
      for (std::size_t i = 0; i < t.size(); ++i)
        t[i] = i % 5 == 3 ? 0 : static_cast<std::int64_t>(i * 31 + 1) % shape.back();
      const Indices labels(rows, t);
      const D x = (randn<double>(shape, generator) * 3).detach().set_requires_grad();
      const D u = randn<double>(reduction == Reduction::none ? rows : Shape{}, generator),
              v = randn<double>(shape, generator);
      const ClassLossOptions options{reduction, 0};
      const D fused = cross_entropy(x, labels, options), parts = nll_loss(log_softmax(x), labels, options);
      CHECK(allclose(fused, parts, 1e-14, 1e-14));
      auto [g] = grad(sum(fused * u), {x}, {.retain_graph = true});
      auto [g_recorded] = grad(sum(fused * u), {x}, {.create_graph = true});
      auto [g_parts] = grad(sum(parts * u), {x}, {.create_graph = true});
      CHECK(allclose(g, g_parts, 1e-13, 1e-15));
      CHECK(allclose(g_recorded, g_parts, 1e-13, 1e-15));
      auto [h] = grad(sum(g_recorded * v), {x});
      auto [h_parts] = grad(sum(g_parts * v), {x});
      CHECK(allclose(h, h_parts, 1e-12, 1e-14));
    }
}

TEST_CASE("gradients of cross_entropy are written where they belong") {
  const D x = (D{{1, 2, -1}, {0, 0.5, 3}}).set_requires_grad();
  const Indices a{0, 2}, b{1, -100};
  const D want = gradient([&](const D& y) { return cross_entropy(y, a); }, x) +
                 gradient([&](const D& y) { return cross_entropy(y, b); }, x);
  (cross_entropy(x, a) + cross_entropy(x, b)).backward();  // the second is added onto the first
  CHECK(off(x.grad(), {2, 3}, list(want), 1e-15) == "");

  // Twice through the same graph.
  D y = (D{{1, 2, -1}, {0, 0.5, 3}}).set_requires_grad();
  const D loss = cross_entropy(y, a);
  loss.backward({.retain_graph = true});
  loss.backward(D(scalar<double>(2)));
  const D thrice = 3 * gradient([&](const D& t) { return cross_entropy(t, a); }, y);
  CHECK(off(y.grad(), {2, 3}, list(thrice), 1e-15) == "");

  // The slices of a sequence, each with a loss of its own.
  const D s = D(cos(arange<double>(24)).part({3, 2, 4})).set_requires_grad();
  const Indices labels{{0, 1}, {2, 3}, {1, 1}};
  D total = scalar<double>(0);
  const auto steps = unbind(s);
  for (std::size_t t = 0; t < 3; ++t)
    total = total + cross_entropy(steps[t], labels[static_cast<std::int64_t>(t)], {Reduction::sum});
  total.backward();
  const D at_once = gradient([&](const D& all) { return cross_entropy(all, labels, {Reduction::sum}); }, s);
  CHECK(off(s.grad(), {3, 2, 4}, list(at_once), 1e-15) == "");
}

TEST_CASE("large logits neither overflow nor vanish") {
  CHECK(off(cross_entropy(D{{1000, 0}, {0, 1000}}, Indices{0, 0}, {Reduction::none}), {2}, {0, 1000}) == "");
  CHECK(off(cross_entropy(D{{-inf, 0, 0}}, Indices{1}), {}, {std::log(2.0)}) == "");
  CHECK(off(gradient([](const D& x) { return cross_entropy(x, Indices{0}); }, D{{1000, 0}}), {1, 2},
            {0, 0}) == "");
  CHECK(off(cross_entropy(Tensor<>{{80, -80}}, Indices{1}), {}, {160}, 1e-7) == "");
  // A confident and right prediction in float: the loss is far below one unit in the last place of the logit,
  // and its error one of the 1 that the sum of exponentials begins with.
  CHECK(off(cross_entropy(Tensor<>{{20, 0}}, Indices{0}), {}, {std::log1p(std::exp(-20.0))}, 1.2e-7, 1) ==
        "");
}

TEST_CASE("an ignored row may hold anything") {
  const D x{{1, 2}, {inf, -inf}, {std::nan(""), 0}};
  const Indices t{1, -100, -100};
  CHECK(off(cross_entropy(x, t), {}, {std::log1p(std::exp(-1.0))}) == "");
  CHECK(off(gradient([&](const D& y) { return cross_entropy(y, t); }, x), {3, 2},
            {1 / (1 + std::exp(1.0)), -1 / (1 + std::exp(1.0)), 0, 0, 0, 0}) == "");
  CHECK(off(nll_loss(x, t), {}, {-2}) == "");
  CHECK(off(gradient([&](const D& y) { return nll_loss(y, t); }, x), {3, 2}, {0, -1, 0, 0, 0, 0}) == "");
  const D leaf = x.clone().set_requires_grad();
  auto [g] = grad(cross_entropy(leaf, t), {leaf}, {.create_graph = true});
  auto [h] = grad(sum(g * g), {leaf});
  CHECK(off(D(g.detach()), {3, 2}, {1 / (1 + std::exp(1.0)), -1 / (1 + std::exp(1.0)), 0, 0, 0, 0}) == "");
  for (const double v : h.values()) CHECK(std::isfinite(v));
}

TEST_CASE("elementwise losses give PyTorch's numbers") {
  const D x{{0.5, -1}, {2, -3.5}}, y{{1, 0}, {0.25, 1}};
  CHECK(off(mse_loss(x, y), {}, {6.140625}) == "");
  CHECK(off(mse_loss(x, y, Reduction::sum), {}, {24.5625}) == "");
  CHECK(off(mse_loss(x, y, Reduction::none), {2, 2}, {0.25, 1, 3.0625, 20.25}) == "");
  CHECK(off(gradient([&](const D& t) { return mse_loss(t, y); }, x), {2, 2}, {-0.25, -0.5, 0.875, -2.25}) ==
        "");
  CHECK(off(l1_loss(x, y), {}, {1.9375}) == "");
  CHECK(off(l1_loss(x, y, Reduction::sum), {}, {7.75}) == "");
  CHECK(off(l1_loss(x, y, Reduction::none), {2, 2}, {0.5, 1, 1.75, 4.5}) == "");
  CHECK(off(gradient([&](const D& t) { return l1_loss(t, y); }, x), {2, 2}, {-0.25, -0.25, 0.25, -0.25}) ==
        "");
  CHECK(off(gradient([&](const D& t) { return l1_loss(t, t.detach()); }, x), {2, 2}, {0, 0, 0, 0}) == "");
  CHECK(off(binary_cross_entropy_with_logits(x, y), {}, {1.4860042752534808}) == "");
  CHECK(off(binary_cross_entropy_with_logits(x, y, Reduction::sum), {}, {5.944017101013923}) == "");
  CHECK(off(binary_cross_entropy_with_logits(x, y, Reduction::none), {2, 2},
            {0.4740769841801067, 0.31326168751822286, 1.6269280110429727, 3.5297504182726205}) == "");
  CHECK(off(gradient([&](const D& t) { return binary_cross_entropy_with_logits(t, y); }, x), {2, 2},
            {-0.09438516719953635, 0.06723535534249878, 0.15769926949447058, -0.2426719423121609}) == "");
}

TEST_CASE("binary cross-entropy is exact at 0 and far out") {
  const D x{0, 40, -40, 800, -800}, y{0.25, 1, 0, 1, 0};
  const double tiny = std::exp(-40.0);
  const D losses = binary_cross_entropy_with_logits(x, y, Reduction::none);
  CHECK(off(losses, {5}, {std::log(2.0), tiny, tiny, 0, 0}) == "");
  CHECK(std::abs(losses.values()[1] / tiny - 1) < 1e-14);
  CHECK(std::abs(losses.values()[2] / tiny - 1) < 1e-14);
  const D g = gradient([&](const D& t) { return binary_cross_entropy_with_logits(t, y, Reduction::sum); }, x);
  CHECK(off(g, {5}, {0.25, -tiny, tiny, 0, 0}) == "");
  CHECK(std::abs(g.values()[1] / -tiny - 1) < 1e-14);
  CHECK(std::abs(g.values()[2] / tiny - 1) < 1e-14);
}

TEST_CASE("losses name what does not fit") {
  CHECK_THROWS_AS(cross_entropy(logits, Indices{1, 2}), ShapeError);
  CHECK_THROWS_WITH(
      cross_entropy(logits, Indices{1, 2}),
      Contains(
          "cross_entropy: input [5, 4] takes targets of shape [5], not [2]; the classes are the last axis"));
  CHECK_THROWS_AS(cross_entropy(logits, Indices{0, 1, 4, 0, 0}), ValueError);
  CHECK_THROWS_WITH(cross_entropy(logits, Indices{0, 1, 4, 0, 0}),
                    Contains("cross_entropy: target 4 at position 2 is no class of input [5, 4]: they are 0 "
                             "to 3; ignore_index is -100"));
  CHECK_THROWS_WITH(nll_loss(logits, Indices{0, 1, -1, 0, 0}), Contains("nll_loss: target -1 at position 2"));
  CHECK_THROWS_WITH(cross_entropy(scalar<double>(1), Indices{0}),
                    Contains("cross_entropy: input of shape [] has no axis of classes"));
  CHECK_THROWS_AS(cross_entropy(logits, Indices{-100, -100, -100, -100, -100}), ValueError);
  CHECK_THROWS_WITH(cross_entropy(logits, Indices{-100, -100, -100, -100, -100}),
                    Contains("cross_entropy: every target is ignored of input [5, 4]"));
  CHECK_THROWS_WITH(nll_loss(zeros<double>({0, 3}), Indices{}),
                    Contains("nll_loss: there are no rows of input [0, 3]"));
  CHECK(off(cross_entropy(logits, Indices{9, 9, 9, 9, 9}, {Reduction::sum, 9}), {}, {0}) == "");
  CHECK(off(cross_entropy(zeros<double>({0, 3}), Indices{}, {Reduction::sum}), {}, {0}) == "");
  CHECK_THROWS_WITH(cross_entropy(D(), Indices{}), Contains("cross_entropy: operand 0 is undefined"));

  CHECK_THROWS_AS(mse_loss(D{1, 2, 3}, D{{1}, {2}, {3}}), ShapeError);
  CHECK_THROWS_WITH(mse_loss(D{1, 2, 3}, D{{1}, {2}, {3}}),
                    Contains("mse_loss: input [3] and target [3, 1] differ"));
  CHECK_THROWS_WITH(l1_loss(D{1, 2}, scalar<double>(1)), Contains("l1_loss: input [2] and target [] differ"));
  CHECK_THROWS_AS(mse_loss(zeros<double>({0}), zeros<double>({0})), ValueError);
  CHECK_THROWS_WITH(mse_loss(zeros<double>({0}), zeros<double>({0})),
                    Contains("mse_loss: the mean over no elements"));
  CHECK_THROWS_WITH(binary_cross_entropy_with_logits(D{1}, D()),
                    Contains("binary_cross_entropy_with_logits: operand 1 is undefined"));
}

TEST_CASE("logits changed after the loss are noticed") {
  D x = logits.clone().set_requires_grad();
  const D loss = cross_entropy(x, targets);
  x.assign(logits * 2);
  CHECK_THROWS_WITH(loss.backward(), Contains("cross_entropy") && Contains("changed in place"));
}

TEST_CASE("losses name the option, value or shape that does not fit") {
  const D x{{0.5, -1, 2}, {1, 0, 0.25}}, half = full<double>({2, 3}, 0.5);
  const Indices two{0, 1};
  CHECK_THROWS_WITH(
      cross_entropy(x, two, {.weight = D{1, 2}}),
      Contains("cross_entropy: a weight of shape [2] for 3 classes; give one for each, of shape [3]"));
  CHECK_THROWS_WITH(cross_entropy(x, two, {.label_smoothing = 1.5}),
                    Contains("label_smoothing is 1.5; it is from 0 to 1"));
  CHECK_THROWS_WITH(cross_entropy(x, two, {.label_smoothing = -0.1}), Contains("label_smoothing is -0.1"));
  CHECK_THROWS_WITH(nll_loss(x, two, {.label_smoothing = 0.1}), Contains("an option of cross_entropy alone"));
  CHECK_THROWS_WITH(cross_entropy(x, two, {.weight = ones<float>({3})}),
                    Contains("convert with to<double>()"));
  CHECK_THROWS_WITH(
      cross_entropy(x, ones<double>({2})),
      Contains("logits [2, 3] and probabilities [2] differ; give a probability for each class"));
  CHECK_THROWS_WITH(smooth_l1_loss(x, x, Reduction::mean, -1), Contains("smooth_l1_loss: beta is -1"));
  CHECK_THROWS_WITH(huber_loss(x, x, Reduction::mean, 0), Contains("huber_loss: delta is 0; it is above 0"));
  CHECK_THROWS_WITH(binary_cross_entropy(x, half),
                    Contains("binary_cross_entropy: -1 at position 1 of [2, 3] is not a probability"));
  CHECK_THROWS_WITH(binary_cross_entropy(half, half, {.pos_weight = half}), Contains("with_logits alone"));
  CHECK_THROWS_WITH(binary_cross_entropy(half, half, {.weight = ones<double>({2})}),
                    Contains("a weight of shape [2] does not broadcast to input [2, 3]"));
  CHECK_THROWS_WITH(binary_cross_entropy_with_logits(x, half, {.pos_weight = ones<double>({1, 2, 3})}),
                    Contains("a pos_weight of shape [1, 2, 3] does not broadcast to input [2, 3]"));
  CHECK_THROWS_WITH(kl_div(D(ones<double>({})), D(ones<double>({})), {.batchmean = true}),
                    Contains("no batch"));
  CHECK_THROWS_WITH(poisson_nll_loss(x, x, {.eps = -1}), Contains("poisson_nll_loss: eps is -1"));
  CHECK_THROWS_WITH(gaussian_nll_loss(x, x, x),
                    Contains("gaussian_nll_loss: -1 at position 1 of [2, 3] is not a"));
  CHECK_THROWS_WITH(gaussian_nll_loss(x, x, ones<double>({3})),
                    Contains("a variance of shape [3] for input [2, 3]; give it the same shape, or [2, 1]"));
  CHECK_THROWS_WITH(gaussian_nll_loss(x, x, half, {.eps = 0}), Contains("eps is 0; it is above 0"));
  CHECK_THROWS_WITH(margin_ranking_loss(x, x, D{1, 1}),
                    Contains("margin_ranking_loss: input [2, 3] and target [2]"));
  CHECK_THROWS_WITH(cosine_embedding_loss(x, x, x),
                    Contains("cosine_embedding_loss: input [2] and target [2, 3]"));
  CHECK_THROWS_WITH(triplet_margin_loss(x, x, x, {.margin = 0}), Contains("margin is 0; it is above 0"));
}

TEST_CASE("ctc_loss names what does not fit") {
  const D x = log_softmax(randn<double>({4, 2, 3}));
  const Indices symbols{{1, 2}, {2, 1}}, lengths{4, 3}, sizes{2, 1};
  CHECK_THROWS_WITH(ctc_loss(x, Indices{1, 2}, lengths, sizes),
                    Contains("give them as (T, N, C) and (N, S)"));
  CHECK_THROWS_WITH(ctc_loss(x, symbols, Indices{4}, sizes),
                    Contains("lengths of shape [1] for a batch of 2"));
  CHECK_THROWS_WITH(ctc_loss(x, symbols, Indices{4, 5}, sizes),
                    Contains("an input length of 5; it is from 1 to 4"));
  CHECK_THROWS_WITH(ctc_loss(x, symbols, lengths, Indices{2, 3}),
                    Contains("a target length of 3; it is from 0 to 2"));
  CHECK_THROWS_WITH(ctc_loss(x, symbols, lengths, sizes, {.blank = 3}),
                    Contains("blank is 3; it is a class, 0 to 2"));
  CHECK_THROWS_WITH(ctc_loss(x, symbols, lengths, sizes, {.blank = 2}),
                    Contains("target 2 of sequence 0 at 1; it is a class, 0 to 2, and not the blank 2"));
  CHECK_THROWS_WITH(ctc_loss(x, Indices{{1, 3}, {2, 1}}, lengths, sizes),
                    Contains("target 3 of sequence 0 at 1"));
  CHECK_NOTHROW(ctc_loss(x, Indices{{1, 2}, {2, 77}}, lengths, sizes));  // after the target's end
}

// All paths, one by one.
double log_probability_of_paths(const D& x, const std::vector<std::int64_t>& target) {
  const std::int64_t steps = x.shape()[0], classes = x.shape()[2];
  double total = 0;
  std::int64_t paths = 1;
  for (std::int64_t t = 0; t < steps; ++t) paths *= classes;
  for (std::int64_t path = 0; path < paths; ++path) {
    std::vector<std::int64_t> said;
    double log_probability = 0;
    std::int64_t rest = path, before = 0;
    for (std::int64_t t = 0; t < steps; ++t, rest /= classes) {
      const std::int64_t c = rest % classes;
      log_probability += at(x, {t, 0, c});
      if (c != 0 && c != before) said.push_back(c);
      before = c;
    }
    if (said == target) total += std::exp(log_probability);
  }
  return std::log(total);
}

TEST_CASE("ctc_loss is the probability of all paths that say the target") {
  Generator generator(3);
  const D x = log_softmax(randn<double>({6, 1, 3}, generator));
  for (const std::vector<std::int64_t>& target :
       {std::vector<std::int64_t>{1, 2}, {1, 1, 2}, {2}, {2, 2}, {1, 2, 1, 2, 1}}) {
    const auto size = static_cast<std::int64_t>(target.size());
    const D loss =
        ctc_loss(x, Indices({1, size}, target), Indices{6}, Indices{size}, {.reduction = Reduction::sum});
    CHECK(off(loss, {}, {-log_probability_of_paths(x, target)}, 1e-13) == "");
  }
  // Longer than the input allows: no path, and no NaN.
  const D far = ctc_loss(x, Indices{{1, 1, 1, 1}}, Indices{6}, Indices{4}, {.reduction = Reduction::sum});
  CHECK(far.item() == inf);
  D leaf = x.clone().set_requires_grad();
  sum(ctc_loss(leaf, Indices{{1, 1, 1, 1}}, Indices{6}, Indices{4}, {.zero_infinity = true})).backward();
  CHECK(off(leaf.grad(), {6, 1, 3}, std::vector<double>(18, 0)) == "");
}
