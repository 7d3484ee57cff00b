// Modules one after another.
#pragma once

#include <string>
#include <tuple>
#include <utility>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/nn/module.hpp>

namespace xgrad::nn {

/// torch.nn.Sequential: `Sequential net{Linear<>{2, 8}, Tanh{}, Linear<>{8, 1}};`. Its parts are named "0",
/// "1", …; a part may be any function of the one before, such as a lambda or a formula, which then has no
/// parameters.
template <class... Ms>
struct Sequential {
  std::tuple<Ms...> modules;

  Sequential() = default;
  explicit Sequential(Ms... parts)
    requires(sizeof...(Ms) > 0)
      : modules(std::move(parts)...) {}

  template <class X>
  auto operator()(const X& x, Location at = Location::current()) const {
    const xgrad::detail::CallSite call(at);
    return run<0>(x);
  }

  /// Part number `i`.
  template <std::size_t i>
  auto& at() {
    return std::get<i>(modules);
  }
  template <std::size_t i>
  const auto& at() const {
    return std::get<i>(modules);
  }

  void visit(auto&& v) {
    const auto part = [&]<class M>(std::size_t i, M& m) {
      if constexpr (Module<M>) v(std::to_string(i), m);
    };
    [&]<std::size_t... i>(std::index_sequence<i...>) {
      (part(i, std::get<i>(modules)), ...);
    }(std::index_sequence_for<Ms...>());
  }

 private:
  template <std::size_t i, class X>
  auto run(const X& x) const {
    if constexpr (i == sizeof...(Ms))
      return x;
    else
      return run<i + 1>(std::get<i>(modules)(x));
  }
};

}  // namespace xgrad::nn
