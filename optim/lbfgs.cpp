// L-BFGS.
#include <xgrad/optim/lbfgs.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/optim/strong_wolfe.hpp>

namespace xgrad::optim {

namespace {

// Sums of floats are taken in double.
template <Real T>
double dot(const std::vector<T>& a, const std::vector<T>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}
template <Real T>
double largest(const std::vector<T>& a) {
  double result = 0;
  for (const T x : a)
    result = std::abs(x) > result || std::isnan(x) ? std::abs(static_cast<double>(x)) : result;
  return result;
}
template <Real T>
double sum_abs(const std::vector<T>& a) {
  double sum = 0;
  for (const T x : a) sum += std::abs(static_cast<double>(x));
  return sum;
}
// a += factor * b.
template <Real T>
void add(std::vector<T>& a, double factor, const std::vector<T>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += static_cast<T>(factor) * b[i];
}

constexpr const char* scalar_name = "scalars";  // iterations, evaluations, length, scale, last loss

}  // namespace

// The loss and its gradient where the parameters are, and moves of these.
template <Real T>
class LBFGS<T>::Evaluation {
 public:
  Evaluation(LBFGS& of, const std::function<Tensor<T>()>& closure) : of_(of), closure_(closure) {
    evaluate();
  }

  void evaluate() {
    value = closure_();
    loss = static_cast<double>(value.item());
    gradient.assign(of_.size_, T(0));
    auto to = gradient.begin();
    for (const Tensor<T>& p : of_.parameters()) {
      if (const Tensor<T> g = p.grad(); g.defined()) std::ranges::copy(g.values(), to);
      to += p.elements();
    }
    ++of_.evaluations_;
    ++calls;
  }

  std::vector<T> where() const {
    std::vector<T> x;
    for (const Tensor<T>& p : of_.parameters()) x.insert(x.end(), p.values().begin(), p.values().end());
    return x;
  }
  // To x + length * direction.
  void move(const std::vector<T>& x, double length, const std::vector<T>& direction) {
    auto from = x.begin();
    auto along = direction.begin();
    for (Tensor<T> p : of_.parameters()) {
      Tensor<T> next = zeros<T>(p.shape());
      for (T& moved : next.mutable_values()) moved = *from++ + static_cast<T>(length) * *along++;
      p.assign(next);
    }
  }

  Tensor<T> value;
  double loss = 0;
  std::vector<T> gradient;
  std::int64_t calls = 0;

 private:
  LBFGS& of_;
  const std::function<Tensor<T>()>& closure_;
};

template <Real T>
LBFGS<T>::LBFGS(std::vector<Tensor<T>> parameters, LBFGSOptions options)
    : Optimizer<T>("LBFGS", std::move(parameters), options.lr), options_(options), size_(0) {
  const auto check_count = [](const char* option, std::int64_t n) {
    if (n < 1) throw ValueError(fmt::format("LBFGS: {} is {}; it is at least 1", option, n));
  };
  check_count("max_iter", options.max_iter);
  if (options.max_eval) check_count("max_eval", *options.max_eval);
  check_count("history_size", options.history_size);
  detail::check_option("LBFGS", "tolerance_grad", options.tolerance_grad);
  detail::check_option("LBFGS", "tolerance_change", options.tolerance_change);
  for (const Tensor<T>& p : this->parameters()) size_ += static_cast<std::size_t>(p.elements());
  direction_.resize(size_);
  last_gradient_.resize(size_);
}

template <Real T>
void LBFGS<T>::step() {
  throw ValueError(
      "LBFGS: step() needs a closure that computes the loss anew; call step([&] { opt.zero_grad(); auto loss "
      "= "
      "…; loss.backward(); return loss; })");
}

// The two loops of the recursion.
template <Real T>
void LBFGS<T>::find_direction(const Vector& gradient) {
  if (iterations_ == 1) {
    scale_ = 1;
    history_.clear();
  } else {
    Pair pair{gradient, direction_, 0};
    add(pair.y, -1, last_gradient_);
    for (T& x : pair.s) x *= static_cast<T>(length_);
    const double product = dot(pair.y, pair.s);
    if (product > 1e-10) {
      pair.rho = 1 / product;
      scale_ = product / dot(pair.y, pair.y);
      if (history_.size() == static_cast<std::size_t>(options_.history_size)) history_.pop_front();
      history_.push_back(std::move(pair));
    }
  }
  for (std::size_t i = 0; i < size_; ++i) direction_[i] = -gradient[i];
  std::vector<double> part(history_.size());
  for (std::size_t i = history_.size(); i-- > 0;) {
    part[i] = dot(history_[i].s, direction_) * history_[i].rho;
    add(direction_, -part[i], history_[i].y);
  }
  for (T& x : direction_) x *= static_cast<T>(scale_);
  for (std::size_t i = 0; i < history_.size(); ++i)
    add(direction_, part[i] - dot(history_[i].y, direction_) * history_[i].rho, history_[i].s);
}

template <Real T>
void LBFGS<T>::iterate(Evaluation& at) {
  const std::int64_t most = options_.max_eval.value_or(options_.max_iter * 5 / 4);
  for (std::int64_t n = 1; n <= options_.max_iter; ++n) {
    ++iterations_;
    find_direction(at.gradient);
    last_gradient_ = at.gradient;
    last_loss_ = at.loss;
    length_ = iterations_ == 1 ? std::min(1.0, 1 / sum_abs(at.gradient)) * this->lr() : this->lr();
    const double slope = dot(at.gradient, direction_);
    if (slope > -options_.tolerance_change) return;

    const Vector x = at.where();
    if (options_.line_search_fn == LineSearch::strong_wolfe) {
      const auto found = detail::strong_wolfe<T>(
          {0, at.loss, slope, at.gradient}, length_, largest(direction_), [&](double length) {
            at.move(x, length, direction_);
            at.evaluate();
            return detail::LinePoint<T>{length, at.loss, dot(at.gradient, direction_), at.gradient};
          });
      length_ = found.length;
      at.loss = found.loss;
      at.gradient = found.gradient;
      at.move(x, length_, direction_);
    } else {
      at.move(x, length_, direction_);
      if (n != options_.max_iter) at.evaluate();
    }
    if (at.calls >= most || largest(at.gradient) <= options_.tolerance_grad) return;
    if (largest(direction_) * std::abs(length_) <= options_.tolerance_change) return;
    if (std::abs(at.loss - last_loss_) < options_.tolerance_change) return;
  }
}

template <Real T>
Tensor<T> LBFGS<T>::step_with(const std::function<Tensor<T>()>& closure) {
  Tensor<T> first;
  this->each_group([&](std::size_t) {
    Evaluation at(*this, closure);
    first = at.value;
    if (largest(at.gradient) > options_.tolerance_grad) iterate(at);
  });
  return first;
}

template <Real T>
std::vector<NamedState> LBFGS<T>::state() const {
  const auto tensor = [&](const Shape& shape, auto... parts) {
    Tensor<T> result = zeros<T>(shape);
    auto to = result.mutable_values().begin();
    ((to = std::ranges::copy(*parts, to).out), ...);
    return result;
  };
  const auto size = static_cast<std::int64_t>(size_), pairs = static_cast<std::int64_t>(history_.size());
  const auto matrix = [&](auto member) {
    Tensor<T> result = zeros<T>({pairs, size});
    auto to = result.mutable_values().begin();
    for (const Pair& pair : history_) to = std::ranges::copy(pair.*member, to).out;
    return result;
  };
  std::vector<double> rho;
  for (const Pair& pair : history_) rho.push_back(pair.rho);
  return {{scalar_name, detail::tensor_of({static_cast<double>(iterations_),
                                           static_cast<double>(evaluations_), length_, scale_, last_loss_})},
          {"d", tensor({size}, &direction_)},
          {"prev_flat_grad", tensor({size}, &last_gradient_)},
          {"old_dirs", matrix(&Pair::y)},
          {"old_stps", matrix(&Pair::s)},
          {"ro", detail::tensor_of(rho)},
          {"lr", detail::tensor_of({this->lr()})}};
}

// As many pairs as "ro" has numbers.
template <Real T>
void LBFGS<T>::check_state(const std::vector<NamedState>& state) const {
  const auto ro = std::ranges::find(state, "ro", &NamedState::name);
  if (ro == state.end() || !ro->tensor.defined() || ro->tensor.rank() != 1 ||
      ro->tensor.size(0) > options_.history_size)
    throw FormatError(fmt::format("LBFGS: the state has no 'ro' of at most {} numbers; nothing was changed",
                                  options_.history_size));
  for (NamedState own : this->state()) {
    if (own.name == "ro") own.tensor = AnyTensor::zeros({ro->tensor.size(0)}, DType::float64);
    if (own.name.starts_with("old_"))
      own.tensor = AnyTensor::zeros({ro->tensor.size(0), static_cast<std::int64_t>(size_)}, dtype_of<T>);
    const AnyTensor& given = detail::state_named("LBFGS", state, own.name, own.tensor);
    if (own.name != scalar_name && own.name != "lr") continue;
    const auto numbers = Tensor<double>(given).values();
    if (!(numbers[0] >= 0 && numbers[0] < 1e300) ||
        (own.name == scalar_name && !(numbers[1] >= 0 && numbers[1] < 1e15)))
      throw FormatError(fmt::format("LBFGS: the state holds '{}' = {}, which cannot be; nothing was changed",
                                    own.name, numbers[0]));
  }
}

template <Real T>
void LBFGS<T>::load_state(const std::vector<NamedState>& state) {
  check_state(state);
  const auto values = [&]<Real U>(const char* name, U) {
    return Tensor<U>(std::ranges::find(state, name, &NamedState::name)->tensor).values();
  };
  const auto scalars = values(scalar_name, double());
  const auto dirs = values("old_dirs", T()), stps = values("old_stps", T());
  const auto rho = values("ro", double());
  std::deque<Pair> history;
  for (std::size_t i = 0; i < rho.size(); ++i) {
    const auto row = [&](const Vector& all) {
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(i * size_);
      return Vector(first, first + static_cast<std::ptrdiff_t>(size_));
    };
    history.push_back({row(dirs), row(stps), rho[i]});
  }
  direction_ = values("d", T());
  last_gradient_ = values("prev_flat_grad", T());
  history_ = std::move(history);
  iterations_ = std::llround(scalars[0]);
  evaluations_ = std::llround(scalars[1]);
  length_ = scalars[2];
  scale_ = scalars[3];
  last_loss_ = scalars[4];
  this->set_lr(values("lr", double())[0]);
}

#define XGRAD_INSTANTIATE(T) template class LBFGS<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::optim
