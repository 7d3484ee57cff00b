// Normalising modules: names, initial values, training and evaluation, errors.
#include <xgrad/autograd/array/replay.hpp>
#include <xgrad/nn/norm.hpp>
#include <xgrad/nn/sequential.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/norm.hpp>
#include <xgrad/ops/reduce.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;
using Names = std::vector<std::string>;

template <class M>
Names names(const M& m) {
  Names result;
  for (const auto& [name, tensor] : nn::state_dict(m)) result.push_back(name);
  return result;
}

TEST_CASE("normalising modules have PyTorch's names and initial values") {
  CHECK(names(nn::LayerNorm<>({3})) == Names{"weight", "bias"});
  CHECK(names(nn::LayerNorm<>({3}, {.affine = false})).empty());
  CHECK(names(nn::RMSNorm<>({3})) == Names{"weight"});
  CHECK(names(nn::BatchNorm2d<>(3)) ==
        Names{"weight", "bias", "running_mean", "running_var", "num_batches_tracked"});
  CHECK(names(nn::BatchNorm1d<>(3, {.affine = false, .track_running_stats = false})).empty());
  const nn::GroupNorm<> group(2, 4);
  CHECK(list(group.weight) == std::vector<float>(4, 1));
  CHECK(list(group.bias) == std::vector<float>(4, 0));
  CHECK(nn::to_string(nn::LayerNorm<>({2, 3})) == "LayerNorm((2, 3), eps=1e-05, elementwise_affine=True)");
  CHECK(nn::to_string(nn::RMSNorm<>({3})) == "RMSNorm((3,), eps=None, elementwise_affine=True)");
  CHECK(nn::to_string(group) == "GroupNorm(2, 4, eps=1e-05, affine=True)");
  CHECK(nn::to_string(nn::BatchNorm1d<>(3)) ==
        "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)");
}

TEST_CASE("a batch norm moves its statistics in training, and uses them in evaluation") {
  nn::BatchNorm1d<double> norm(2);
  const Tensor<double> x{{1, 10}, {3, 30}};
  norm(x);
  CHECK(allclose(Tensor<double>(norm.running_mean), Tensor<double>{0.2, 2}));
  CHECK(allclose(Tensor<double>(norm.running_var), Tensor<double>{0.9 + 0.2, 0.9 + 20}));
  CHECK(norm.num_batches_tracked.item() == 1);
  nn::eval(norm);
  CHECK(allclose(norm(x), (x - norm.running_mean) / sqrt(norm.running_var + 1e-5)));
  CHECK(norm.num_batches_tracked.item() == 1);
  nn::BatchNorm1d<double> other(2);
  nn::load_state_dict(other, nn::state_dict(nn::clone(norm)));
  nn::eval(other);
  CHECK(same_bits(other(x), norm(x)));
}

TEST_CASE("a batch norm's statistics move in every run of a Replay") {
  nn::BatchNorm1d<double> replayed(2), plain(2);
  Tensor<double> x{{1, 10}, {3, 30}};
  Replay step([&] { return replayed(x); });
  plain(x);
  for (int run = 0; run < 3; ++run) {
    x.assign(x * 1.5);
    CHECK(same_bits(step(), plain(x)));
  }
  CHECK(same_bits<double>(replayed.running_mean, plain.running_mean));
  CHECK(same_bits<double>(replayed.running_var, plain.running_var));
  CHECK(replayed.num_batches_tracked.item() == 4);
}

TEST_CASE("normalisation refuses what does not fit") {
  const auto x = ones({2, 4, 3});
  CHECK_THROWS_WITH(nn::LayerNorm<>({4})(x),
                    Contains("layer_norm: x has shape [2, 4, 3]; it must end in the normalized_shape, [4]"));
  CHECK_THROWS_WITH(layer_norm(x, {3}, ones({4})),
                    Contains("layer_norm: weight has shape [4]; it must be [3]"));
  CHECK_THROWS_WITH(layer_norm(x, {3}, {}, {}, -1), Contains("layer_norm: eps is -1"));
  CHECK_THROWS_WITH(layer_norm(Tensor<>(), {3}), Contains("layer_norm: operand 0 is undefined"));
  CHECK_THROWS_WITH(nn::LayerNorm<>()(x), Contains("LayerNorm: used before it has a size"));
  CHECK_THROWS_WITH(nn::LayerNorm<>(IntList{}), Contains("LayerNorm: the normalised shape is empty"));
  CHECK_THROWS_WITH(nn::RMSNorm<>({3}, -1), Contains("RMSNorm: eps is -1"));
  CHECK_THROWS_WITH(group_norm(x, 3), Contains("group_norm: 3 groups of the 4 channels of x, [2, 4, 3]"));
  CHECK_THROWS_WITH(group_norm(ones({3}), 1), Contains("it must be (batch, channels"));
  CHECK_THROWS_WITH(nn::GroupNorm<>(3, 4), Contains("3 groups of 4 channels; groups must divide channels"));
  CHECK_THROWS_WITH(nn::GroupNorm<>(2, 6)(x), Contains("GroupNorm(2, 6): x has shape [2, 4, 3]"));
  CHECK_THROWS_WITH(nn::BatchNorm1d<>(3)(ones({1, 3})), Contains("has 1 value for a channel"));
  CHECK_THROWS_WITH(nn::BatchNorm2d<>(4)(x),
                    Contains("BatchNorm2d(4): x has shape [2, 4, 3]; it must be (batch, "
                             "channels, height, width) with 4 channels"));
  CHECK_THROWS_WITH(nn::BatchNorm1d<>(3, {.momentum = 2}), Contains("momentum is 2"));
  CHECK_THROWS_WITH(batch_norm<float>(x, {}, {}), Contains("running statistics are undefined"));
  nn::Sequential net{nn::LayerNorm<>({5})};
  nn::parameters(net);
  CHECK_THROWS_WITH(net(x), Contains("(in the module '0')"));
}

}  // namespace
