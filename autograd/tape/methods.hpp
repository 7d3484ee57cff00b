// The common ops as methods of a tensor: x.exp(), x.sum(1), x.t(). Each is the function of its name, in ops/,
// which says what it computes and throws; users include that header, or <xgrad/xgrad.hpp>.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include <xgrad/autograd/core/dtype.hpp>
#include <xgrad/autograd/core/location.hpp>

namespace xgrad {

template <Real T>
class Tensor;
template <Real T>
struct ValuesAndIndices;
class Axes;
class Indices;
class IntList;
struct Slice;

/// The methods, of which Tensor is made. What they take and return is declared here only, and costs a program
/// nothing that does not call them.
template <Real T>
class TensorMethods {
  using Int = std::int64_t;
  using Result = Tensor<T>;

 public:
  // Elementwise.
  Result abs(Location at = Location::current()) const;
  Result neg(Location at = Location::current()) const;
  Result sign(Location at = Location::current()) const;
  Result square(Location at = Location::current()) const;
  Result sqrt(Location at = Location::current()) const;
  Result rsqrt(Location at = Location::current()) const;
  Result reciprocal(Location at = Location::current()) const;
  Result exp(Location at = Location::current()) const;
  Result expm1(Location at = Location::current()) const;
  Result log(Location at = Location::current()) const;
  Result log1p(Location at = Location::current()) const;
  Result log2(Location at = Location::current()) const;
  Result log10(Location at = Location::current()) const;
  Result sin(Location at = Location::current()) const;
  Result cos(Location at = Location::current()) const;
  Result tan(Location at = Location::current()) const;
  Result asin(Location at = Location::current()) const;
  Result acos(Location at = Location::current()) const;
  Result atan(Location at = Location::current()) const;
  Result sinh(Location at = Location::current()) const;
  Result cosh(Location at = Location::current()) const;
  Result tanh(Location at = Location::current()) const;
  Result sigmoid(Location at = Location::current()) const;
  Result erf(Location at = Location::current()) const;
  Result erfc(Location at = Location::current()) const;
  Result relu(Location at = Location::current()) const;
  Result floor(Location at = Location::current()) const;
  Result ceil(Location at = Location::current()) const;
  Result trunc(Location at = Location::current()) const;
  Result round(Location at = Location::current()) const;
  Result isnan(Location at = Location::current()) const;
  Result isinf(Location at = Location::current()) const;
  Result isfinite(Location at = Location::current()) const;
  Result pow(double exponent, Location at = Location::current()) const;
  Result pow(const Result& exponent, Location at = Location::current()) const;
  Result clamp(double low, double high, Location at = Location::current()) const;
  Result masked_fill(const Result& mask, double value, Location at = Location::current()) const;

  // Over all axes, or those given.
  Result sum(Location at = Location::current()) const;
  Result sum(const Axes& axes, bool keepdims = false, Location at = Location::current()) const;
  Result mean(Location at = Location::current()) const;
  Result mean(const Axes& axes, bool keepdims = false, Location at = Location::current()) const;
  Result prod(Location at = Location::current()) const;
  Result prod(const Axes& axes, bool keepdims = false, Location at = Location::current()) const;
  Result amax(Location at = Location::current()) const;
  Result amax(const Axes& axes, bool keepdims = false, Location at = Location::current()) const;
  Result amin(Location at = Location::current()) const;
  Result amin(const Axes& axes, bool keepdims = false, Location at = Location::current()) const;
  Result logsumexp(Location at = Location::current()) const;
  Result logsumexp(const Axes& axes, bool keepdims = false, Location at = Location::current()) const;
  Result any(Location at = Location::current()) const;
  Result any(const Axes& axes, bool keepdims = false, Location at = Location::current()) const;
  Result all(Location at = Location::current()) const;
  Result all(const Axes& axes, bool keepdims = false, Location at = Location::current()) const;
  Result var(Location at = Location::current()) const;
  Result var(const Axes& axes, bool keepdims = false, Location at = Location::current()) const;
  Result stddev(Location at = Location::current()) const;
  Result stddev(const Axes& axes, bool keepdims = false, Location at = Location::current()) const;
  Result norm(double p = 2, Location at = Location::current()) const;
  Result norm(double p, const Axes& axes, bool keepdims = false, Location at = Location::current()) const;
  Result max(Location at = Location::current()) const;
  ValuesAndIndices<T> max(Int axis, bool keepdims = false, Location at = Location::current()) const;
  Result min(Location at = Location::current()) const;
  ValuesAndIndices<T> min(Int axis, bool keepdims = false, Location at = Location::current()) const;
  Indices argmax(Location at = Location::current()) const;
  Indices argmax(Int axis, bool keepdims = false, Location at = Location::current()) const;
  Indices argmin(Location at = Location::current()) const;
  Indices argmin(Int axis, bool keepdims = false, Location at = Location::current()) const;
  ValuesAndIndices<T> sort(Int axis = -1, bool descending = false, Location at = Location::current()) const;
  Indices argsort(Int axis = -1, bool descending = false, Location at = Location::current()) const;
  ValuesAndIndices<T> topk(Int k, Int axis = -1, bool largest = true,
                           Location at = Location::current()) const;
  Result cumsum(Int axis, Location at = Location::current()) const;
  Result cumprod(Int axis, Location at = Location::current()) const;
  Result softmax(Int axis = -1, Location at = Location::current()) const;
  Result log_softmax(Int axis = -1, Location at = Location::current()) const;

  // Shapes and parts. x[i] is select(x, 0, i), and x[{{1, 3}, {.step = 2}}] slice(x, …).
  Result operator[](Int i) const;
  Result operator[](const std::vector<Slice>& slices) const;
  Result reshape(const IntList& shape, Location at = Location::current()) const;
  Result view(const IntList& shape, Location at = Location::current()) const;
  Result flatten(Int start = 0, Int end = -1, Location at = Location::current()) const;
  Result squeeze(Location at = Location::current()) const;
  Result squeeze(Int axis, Location at = Location::current()) const;
  Result unsqueeze(Int axis, Location at = Location::current()) const;
  Result expand(const IntList& shape, Location at = Location::current()) const;
  Result transpose(Int a, Int b, Location at = Location::current()) const;
  Result t(Location at = Location::current()) const;  ///< a matrix transposed; a vector or scalar as it is
  Result permute(const IntList& axes, Location at = Location::current()) const;
  Result flip(const IntList& axes, Location at = Location::current()) const;
  Result repeat(const IntList& times, Location at = Location::current()) const;
  Result select(Int axis, Int index, Location at = Location::current()) const;
  Result narrow(Int axis, Int start, Int length, Location at = Location::current()) const;
  std::vector<Result> unbind(Int axis = 0, Location at = Location::current()) const;
  std::vector<Result> chunk(Int count, Int axis = 0, Location at = Location::current()) const;
  Result index_select(Int axis, const Indices& indices, Location at = Location::current()) const;
  Result gather(Int axis, const Indices& indices, Location at = Location::current()) const;
  Result tril(Int diagonal = 0, Location at = Location::current()) const;
  Result triu(Int diagonal = 0, Location at = Location::current()) const;
  Result trace(Location at = Location::current()) const;
  Result matmul(const Result& other, Location at = Location::current()) const;
};

extern template class TensorMethods<float>;
extern template class TensorMethods<double>;

}  // namespace xgrad
