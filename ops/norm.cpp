// Normalisation: rows by a kernel, channels by folds and a formula.
#include <xgrad/ops/norm.hpp>

#include <fmt/format.h>

#include <limits>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/reduce.hpp>

namespace xgrad {

using namespace detail;

namespace {

// The axes from `axis` on as one, of x, and perhaps weight and bias of their shape.
template <Real T, bool centred>
struct NormalizeRows {
  static constexpr std::string_view name = centred ? "layer_norm" : "rms_norm";
  std::size_t axis;
  double eps;
  std::size_t inputs;

  Tensor<T> forward(Saver<T>& save, std::span<const Tensor<T>> in) const {
    const Tensor<T> x = in[0], weight = in.size() > 1 ? in[1] : Tensor<T>(),
                    bias = in.size() > 2 ? in[2] : Tensor<T>();
    Shape statistics = x.shape();
    for (std::size_t a = axis; a < x.rank(); ++a) statistics.set(a, 1);
    Tensor<T> y = empty<T>(x.shape()), mean = empty<T>(statistics), rstd = empty<T>(statistics);
    launch(kernels_of(x).normalize_rows, centred, eps, reads(x), reads(weight), reads(bias), writes(y),
           writes(mean), writes(rstd), rows(x), columns(x));
    save(x);
    save(weight);
    save(mean);
    save(rstd);
    return y;
  }

  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> x = saved[0], weight = saved[1];
    if (saved.recording() && x.elements() > 0) return recorded(saved, x, weight, g);
    Tensor<T> dx = empty<T>(x.shape()), dweight, dbias;
    Tensor<double> sums;
    if (weight.defined()) {
      dweight = empty<T>(weight.shape()), dbias = empty<T>(weight.shape());
      sums = empty<double>({2, columns(x)});
    }
    launch(kernels_of(x).normalize_rows_adjoint, centred, reads(x), reads(g), reads(weight), reads(saved[2]),
           reads(saved[3]), writes(dx), writes(dweight), writes(dbias), writes(sums), rows(x), columns(x));
    return first_of({dx, dweight, dbias});
  }

 private:
  Gradients<T> first_of(Gradients<T> gradients) const {
    gradients.resize(inputs);
    return gradients;
  }
  std::int64_t rows(const Tensor<T>& x) const { return x.shape().elements(0, axis); }
  std::int64_t columns(const Tensor<T>& x) const { return x.shape().elements(axis, x.rank()); }

  Gradients<T> recorded(const Saved<T>& saved, const Tensor<T>& x, const Tensor<T>& weight,
                        const Tensor<T>& g) const {
    std::vector<std::int64_t> list;
    for (std::size_t a = axis; a < x.rank(); ++a) list.push_back(static_cast<std::int64_t>(a));
    const Axes axes(list);
    const Tensor<T> d = centred ? x - mean(x, axes, true) : x, r = rsqrt(mean(square(d), axes, true) + eps),
                    n = d * r;
    const Tensor<T> weighted = weight.defined() ? g * weight : g;
    const Tensor<T> level = centred ? weighted - mean(weighted, axes, true) : weighted;
    const Tensor<T> dx = r * (level - n * mean(weighted * n, axes, true));
    return first_of({dx, inputs > 1 && saved.needs(1) ? g * n : Tensor<T>(), g});  // summed by who takes them
  }
};

void check_eps(std::string_view op, double eps) {
  if (!(eps >= 0)) throw ValueError(fmt::format("{}: eps is {}; it must be at least 0", op, eps));
}

void check_weight(std::string_view op, const char* what, const AnyTensor& weight, const Shape& wanted) {
  if (weight.defined() && weight.shape() != wanted)
    throw ShapeError(fmt::format("{}: {} has shape {}; it must be {}", op, what, to_string(weight.shape()),
                                 to_string(wanted)));
}

template <Real T, bool centred>
Tensor<T> normalize(const Tensor<T>& x, const IntList& normalized_shape, const Tensor<T>& weight,
                    const Tensor<T>& bias, double eps, Location at) {
  using Op = NormalizeRows<T, centred>;
  check_defined(Op::name, x);
  check_eps(Op::name, eps);
  const Shape normalized(normalized_shape);
  const bool fits = normalized.rank() > 0 && normalized.rank() <= x.rank() &&
                    std::equal(normalized.begin(), normalized.end(), x.shape().end() - normalized.rank());
  if (!fits)
    throw ShapeError(fmt::format("{}: x has shape {}; it must end in the normalized_shape, {}", Op::name,
                                 to_string(x.shape()), to_string(normalized)));
  check_weight(Op::name, "weight", weight, normalized);
  check_weight(Op::name, "bias", bias, normalized);
  std::vector<Tensor<T>> in{x};
  if (weight.defined() || bias.defined()) in.push_back(weight.defined() ? weight : ones<T>(normalized));
  if (bias.defined()) in.push_back(bias);
  return apply(Op{x.rank() - normalized.rank(), eps, in.size()}, at, std::span<const Tensor<T>>(in));
}

// Mean and variance of every channel of x (N, C, S), as (C, 1).
template <Real T>
struct ChannelMoments {
  static constexpr std::string_view name = "channel_moments";

  std::vector<Tensor<T>> forward(Saver<T>& save, const Tensor<T>& x) const {
    const double n = static_cast<double>(x.shape()[0] * x.shape()[2]);
    const Tensor<T> mean = fold(kernels::Fold::sum, x, {}) / n;
    const Tensor<T> variance = fold(kernels::Fold::sum_squares, x, mean) / n;
    save(x);
    save(mean);
    return {mean, variance};
  }
  Gradients<T> vjp(const Saved<T>& saved, std::span<const Tensor<T>> g) const {
    const Tensor<T> x = saved[0];
    const double n = static_cast<double>(x.shape()[0] * x.shape()[2]);
    const Tensor<T> by_mean = g[0].defined() ? g[0] / n : zeros<T>({x.shape()[1], 1});
    if (!g[1].defined()) return {by_mean + zeros<T>(x.shape())};
    const Tensor<T> centre = saved[1];
    return {elementwise<formulas::CentreAndScale>(Location::current(), x, centre, g[1] * (2 / n), by_mean)};
  }

 private:
  static Tensor<T> fold(kernels::Fold kind, const Tensor<T>& x, const Tensor<T>& centre) {
    const std::int64_t n = x.shape()[0], channels = x.shape()[1], inner = x.shape()[2];
    const auto& k = kernels_of(x);
    const auto run = [&](kernels::Fold how) { return k.fold[static_cast<std::size_t>(how)]; };
    Tensor<T> result = empty<T>({channels, 1});
    if (inner == 1) {
      launch(run(kind), reads(x), reads(centre), writes(result), std::int64_t{1}, n, channels);
      return result;
    }
    Tensor<T> each = empty<T>({n, channels}), centres;
    if (centre.defined()) {
      centres = empty<T>({n, channels});
      launch(k.fill_rows, n, channels, reads(centre), writes(centres));
    }
    launch(run(kind), reads(x), reads(centres), writes(each), n * channels, inner, std::int64_t{1});
    launch(run(kernels::rest_of(kind)), reads(each), reads(Tensor<T>()), writes(result), std::int64_t{1}, n,
           channels);
    return result;
  }
};

// Moves running statistics towards those of a batch in which every channel has n values.
template <Real T>
void move_running(const Tensor<T>& running, const Tensor<T>& batch, double momentum) {
  if (!running.defined()) return;
  const no_grad scope;
  Tensor<T> same = running;
  same.assign(running * (1 - momentum) + reshape(batch.detach(), running.shape()) * momentum);
}

template <Real T>
void check_channels(std::string_view op, const Tensor<T>& x) {
  check_defined(op, x);
  if (x.rank() < 2)
    throw ShapeError(
        fmt::format("{}: x has shape {}; it must be (batch, channels, …)", op, to_string(x.shape())));
}

}  // namespace

template <Real T>
Tensor<T> layer_norm(const Tensor<T>& x, const IntList& normalized_shape, const Tensor<T>& weight,
                     const Tensor<T>& bias, double eps, Location at) {
  const CallSite call(at);
  return normalize<T, true>(x, normalized_shape, weight, bias, eps, at);
}

template <Real T>
Tensor<T> rms_norm(const Tensor<T>& x, const IntList& normalized_shape, const Tensor<T>& weight,
                   std::optional<double> eps, Location at) {
  const CallSite call(at);
  return normalize<T, false>(x, normalized_shape, weight, {},
                             eps.value_or(static_cast<double>(std::numeric_limits<T>::epsilon())), at);
}

template <Real T>
Tensor<T> group_norm(const Tensor<T>& x, std::int64_t groups, const Tensor<T>& weight, const Tensor<T>& bias,
                     double eps, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "group_norm";
  check_channels(op, x);
  check_eps(op, eps);
  const std::int64_t n = x.shape()[0], channels = x.shape()[1];
  if (groups < 1 || channels % groups != 0)
    throw ShapeError(fmt::format("{}: {} groups of the {} channels of x, {}; groups must divide them", op,
                                 groups, channels, to_string(x.shape())));
  check_weight(op, "weight", weight, {channels});
  check_weight(op, "bias", bias, {channels});
  const std::int64_t inner = x.shape().elements(2, x.rank());
  const std::vector<Tensor<T>> in{reshape(x, {n, groups, channels / groups * inner}, at)};
  const Tensor<T> y = apply(NormalizeRows<T, true>{2, eps, 1}, at, std::span<const Tensor<T>>(in));
  if (!weight.defined() && !bias.defined()) return reshape(y, x.shape(), at);
  const Tensor<T> scale = weight.defined() ? reshape(weight, {channels, 1}, at) : ones<T>({channels, 1});
  const Tensor<T> shift = bias.defined() ? reshape(bias, {channels, 1}, at) : zeros<T>({channels, 1});
  return reshape(
      elementwise<formulas::CentreAndScale>(at, reshape(y, {n, channels, inner}, at), 0, scale, shift),
      x.shape(), at);
}

template <Real T>
Tensor<T> batch_norm(const Tensor<T>& x, const Tensor<T>& running_mean, const Tensor<T>& running_var,
                     const Tensor<T>& weight, const Tensor<T>& bias, BatchNormOptions options, Location at) {
  const CallSite call(at);
  constexpr std::string_view op = "batch_norm";
  check_channels(op, x);
  check_eps(op, options.eps);
  if (!(options.momentum >= 0 && options.momentum <= 1))
    throw ValueError(fmt::format("{}: momentum is {}; it lies between 0 and 1", op, options.momentum));
  const std::int64_t channels = x.shape()[1], inner = x.shape().elements(2, x.rank()),
                     n = x.shape()[0] * inner;
  check_weight(op, "running_mean", running_mean, {channels});
  check_weight(op, "running_var", running_var, {channels});
  check_weight(op, "weight", weight, {channels});
  check_weight(op, "bias", bias, {channels});
  if (options.training && n < 2)
    throw ValueError(
        fmt::format("{}: x of shape {} has {} value{} for a channel, and training needs more than one; use a "
                    "larger batch",
                    op, to_string(x.shape()), n, n == 1 ? "" : "s"));
  if (!options.training && !(running_mean.defined() && running_var.defined()))
    throw ValueError(fmt::format("{}: running statistics are undefined; give both, or set training", op));

  const Tensor<T> flat = reshape(x, {x.shape()[0], channels, inner}, at);
  Tensor<T> centre, variance;
  if (options.training) {
    const auto moments = apply(ChannelMoments<T>{}, at, flat);
    centre = moments[0], variance = moments[1];
    const double of_all = static_cast<double>(n);
    move_running(running_mean, centre, options.momentum);
    move_running(running_var, variance.detach() * (of_all / (of_all - 1)), options.momentum);
  } else {
    centre = reshape(running_mean, {channels, 1}, at), variance = reshape(running_var, {channels, 1}, at);
  }
  Tensor<T> scale = rsqrt(variance + options.eps, at);
  if (weight.defined()) scale = scale * reshape(weight, {channels, 1}, at);
  const Tensor<T> shift = bias.defined() ? reshape(bias, {channels, 1}, at) : zeros<T>({channels, 1});
  return reshape(elementwise<formulas::CentreAndScale>(at, flat, centre, scale, shift), x.shape(), at);
}

#define XGRAD_INSTANTIATE(T)                                                                                \
  template Tensor<T> layer_norm(const Tensor<T>&, const IntList&, const Tensor<T>&, const Tensor<T>&,       \
                                double, Location);                                                          \
  template Tensor<T> rms_norm(const Tensor<T>&, const IntList&, const Tensor<T>&, std::optional<double>,    \
                              Location);                                                                    \
  template Tensor<T> group_norm(const Tensor<T>&, std::int64_t, const Tensor<T>&, const Tensor<T>&, double, \
                                Location);                                                                  \
  template Tensor<T> batch_norm(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&, const Tensor<T>&,     \
                                const Tensor<T>&, BatchNormOptions, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
