// Initialisers: filling a tensor in place with random numbers of a chosen spread. Those of torch.nn.init.
#pragma once

#include <xgrad/autograd/core/random.hpp>
#include <xgrad/autograd/tape/tensor.hpp>

namespace xgrad::nn {

/// What follows a layer, or a plain recurrent cell's sum.
enum class Nonlinearity { linear, sigmoid, tanh, relu, leaky_relu, selu };

}  // namespace xgrad::nn

namespace xgrad::nn::init {

/// Which side of a weight the spread is made for; `out` preserves the gradients' size, `in` the values'.
enum class Fan { in, out };

/// The factor by which that nonlinearity's input should spread more (torch.nn.init.calculate_gain);
/// `negative_slope` is leaky_relu's.
double calculate_gain(Nonlinearity nonlinearity, double negative_slope = 0.01);

/// Uniform in [low, high). All of these write in place and return the tensor; they throw GraphError for the
/// result of a recorded op, and ValueError for an undefined tensor and for bounds, deviations and gains that
/// are no numbers, infinite, reversed or negative.
template <Real T>
Tensor<T> uniform(Tensor<T> x, double low = 0, double high = 1, Generator& generator = default_generator(),
                  Location at = Location::current());

/// Normal; throws as uniform does.
template <Real T>
Tensor<T> normal(Tensor<T> x, double mean = 0, double deviation = 1,
                 Generator& generator = default_generator(), Location at = Location::current());

/// The same value everywhere; throws as uniform does.
template <Real T>
Tensor<T> constant(Tensor<T> x, double value, Location at = Location::current());

/// Uniform or normal with deviation gain * sqrt(2 / (fan_in + fan_out)) (Glorot & Bengio 2010). A weight is
/// (out, in, …), the further axes a receptive field. These and the next throw ShapeError for less than two
/// axes.
template <Real T>
Tensor<T> xavier_uniform(Tensor<T> x, double gain = 1, Generator& generator = default_generator(),
                         Location at = Location::current());
template <Real T>
Tensor<T> xavier_normal(Tensor<T> x, double gain = 1, Generator& generator = default_generator(),
                        Location at = Location::current());

/// Options of kaiming_uniform and kaiming_normal.
struct KaimingOptions {
  double negative_slope = 0;  ///< PyTorch's `a`
  Fan fan = Fan::in;
  Nonlinearity nonlinearity = Nonlinearity::leaky_relu;
};

/// Uniform or normal with deviation gain / sqrt(fan) (He et al. 2015).
template <Real T>
Tensor<T> kaiming_uniform(Tensor<T> x, KaimingOptions options = {},
                          Generator& generator = default_generator(), Location at = Location::current());
template <Real T>
Tensor<T> kaiming_normal(Tensor<T> x, KaimingOptions options = {}, Generator& generator = default_generator(),
                         Location at = Location::current());

/// Rows, or columns where there are fewer of those, that are orthogonal and of length `gain`, uniformly
/// distributed (Saxe et al. 2013); axes after the first count as one.
template <Real T>
Tensor<T> orthogonal(Tensor<T> x, double gain = 1, Generator& generator = default_generator(),
                     Location at = Location::current());

/// Normal, with what falls outside [low, high] drawn again. Throws as normal does, and for a range that is
/// empty or so far from the mean that nothing would fall into it.
template <Real T>
Tensor<T> trunc_normal(Tensor<T> x, double mean = 0, double deviation = 1, double low = -2, double high = 2,
                       Generator& generator = default_generator(), Location at = Location::current());

/// 1 on the diagonal of a matrix, 0 elsewhere. Throws ShapeError for another number of axes.
template <Real T>
Tensor<T> eye(Tensor<T> x, Location at = Location::current());

/// A convolution's weight (out, in / groups, …) that hands its input on: 1 in the centre of the kernel from
/// channel i to channel i of each group. Throws ShapeError for less than three axes, ValueError for groups
/// that do not divide `out`.
template <Real T>
Tensor<T> dirac(Tensor<T> x, std::int64_t groups = 1, Location at = Location::current());

/// Normal with mean 0, of which in every column the part `sparsity`, rounded up, is 0 (Martens 2010). Throws
/// ShapeError for anything but a matrix, ValueError for a sparsity outside [0, 1].
template <Real T>
Tensor<T> sparse(Tensor<T> x, double sparsity, double deviation = 0.01,
                 Generator& generator = default_generator(), Location at = Location::current());

}  // namespace xgrad::nn::init
