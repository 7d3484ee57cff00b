// What a module is made of, and the description of it that all functions on modules work from.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <xgrad/autograd/tape/tensor.hpp>
#include <xgrad/nn/members.hpp>

namespace xgrad::nn {

class Visitor;

/// A tensor that is saved and loaded with its module but not trained (PyTorch's buffers).
template <Real T = float>
struct Buffer : Tensor<T> {
  using Tensor<T>::Tensor;
  Buffer(Tensor<T> values) : Tensor<T>(std::move(values)) {}
};

namespace detail {

template <class M>
concept HasVisit = requires(M& m, Visitor& v) {
  m.visit(v);
};

// The kinds of member that a module's description goes into.
template <class X>
concept TensorMember = std::derived_from<X, AnyTensor> && Real<typename X::value_type>;
template <class X>
concept PointerMember = !std::is_pointer_v<X> && requires(X & x) {
  *x;
  static_cast<bool>(x);
};
template <class X>
concept MapMember = requires {
  typename X::mapped_type;
};
template <class X>
concept ListMember = !std::derived_from<X, AnyTensor> && requires(X & x) {
  std::begin(x) != std::end(x);
};
template <class X>
concept TupleMember = requires {
  std::tuple_size<X>::value;
};

template <class M>
concept HasTrainingFlag = requires(M& m) {
  requires std::same_as<decltype((m.training)), bool&>;
};

template <class X>
struct HasParts;

// Asks one member after another, and no further than it has to.
template <class M>
using AnyMemberHasParts = decltype(with_members(std::declval<M&>(), [](auto&... x) {
  return std::disjunction<HasParts<std::remove_cvref_t<decltype(x)>>...>();
}));

// A struct whose parts the compiler finds. What can be copied as bytes has none.
template <class M>
concept HasMembers = std::is_class_v<M> && std::is_aggregate_v<M> && !ListMember<M> && !TupleMember<M> &&
                     !HasVisit<M> && !requires {
  typename M::plain_data;
}
&&(HasTrainingFlag<M> || (!std::is_trivially_copyable_v<M> && AnyMemberHasParts<M>::value));

}  // namespace detail

/// A type with the member template `void visit(auto&& v)`, or a struct without constructors and bases of
/// which some member is a tensor, a module, or a list, map, tuple, optional or smart pointer of such. A
/// struct of tensors that is none declares `using plain_data = void;`.
template <class M>
concept Module = detail::HasVisit<std::remove_cv_t<M>> || detail::HasMembers<std::remove_cv_t<M>>;

namespace detail {

// Whether a member of this type belongs into the description.
template <class X>
consteval bool has_parts() {
  if constexpr (!requires { sizeof(X); }) {
    return false;
  } else if constexpr (TensorMember<X> || HasVisit<X>) {
    return true;
  } else if constexpr (PointerMember<X>) {
    return HasParts<std::remove_cvref_t<decltype(*std::declval<X&>())>>::value;
  } else if constexpr (MapMember<X>) {
    return HasParts<typename X::mapped_type>::value;
  } else if constexpr (ListMember<X>) {
    using Element = std::remove_cvref_t<decltype(*std::begin(std::declval<X&>()))>;
    return !std::same_as<Element, X> && HasParts<Element>::value;
  } else if constexpr (TupleMember<X>) {
    return []<std::size_t... i>(std::index_sequence<i...>) {
      return std::disjunction<HasParts<std::tuple_element_t<i, X>>...>::value;
    }
    (std::make_index_sequence<std::tuple_size_v<X>>());
  } else {
    return HasMembers<X>;
  }
}
template <class X>
struct HasParts : std::bool_constant<has_parts<X>()> {};

// Whether parts may be where the description does not go.
template <class X>
inline constexpr bool hides_parts = false;
template <class X>
inline constexpr bool hides_parts<X*> = HasParts<std::remove_cv_t<X>>::value;
template <template <class...> class C, class... X>
inline constexpr bool hides_parts<C<X...>> = ((HasParts<std::remove_cv_t<X>>::value || hides_parts<X>) ||
                                              ...);

template <class X>
inline constexpr bool is_buffer = false;
template <class T>
inline constexpr bool is_buffer<Buffer<T>> = true;

// One line of a module's description.
struct Item {
  enum class Kind : std::uint8_t { parameter, buffer, module, end } kind;
  std::string path;  // "rnn.weight_ih_l0"
  std::size_t name;  // where in it the last name begins
  AnyTensor* tensor;
  std::string type;  // of a module
  std::optional<std::string> attributes;
};

template <class M>
constexpr std::string_view signature() {
  return __PRETTY_FUNCTION__;
}

}  // namespace detail

/// What `visit` is called with: it writes the module's description down. One type for all purposes, so that
/// each module's `visit` is compiled once.
class Visitor {
 public:
  /// A part of the module under its name: a tensor, a module, or several of them, which are named "0", "1",
  /// …, those of a map by their keys.
  template <class X>
  void operator()(std::string_view name, X& x) {
    if constexpr (!writable<X>()) {
    } else if constexpr (detail::TensorMember<X>) {
      using enum detail::Item::Kind;
      tensor(name, x, detail::is_buffer<X> ? buffer : parameter);
    } else if constexpr (Module<X>) {
      module(name, x);
    } else if constexpr (detail::PointerMember<X>) {
      if (x) (*this)(name, *x);
    } else if constexpr (detail::MapMember<X>) {
      static_assert(
          requires { typename X::key_compare; },
          "xgrad::nn: an unordered map has no order in which its parts could be saved; use std::map");
      list(name, [&](auto element) {
        for (auto& [key, value] : x) element(key_text(key), value);
      });
    } else if constexpr (detail::ListMember<X>) {
      list(name, [&](auto element) {
        std::size_t i = 0;
        for (auto& part : x) element(std::to_string(i++), part);
      });
    } else if constexpr (detail::TupleMember<X>) {
      list(name, [&](auto element) {
        [&]<std::size_t... i>(std::index_sequence<i...>) { (tuple_element<i>(element, x), ...); }
        (std::make_index_sequence<std::tuple_size_v<X>>());
      });
    } else {
      static_assert(
          sizeof(X) == 0,
          "xgrad::nn: visit() hands over a member that is no Tensor, no module (a type with `void "
          "visit(auto&& v)`, or a struct of such members) and no list, map, tuple, optional or smart pointer "
          "of them");
    }
  }

  /// State that is saved and loaded but not trained.
  template <class X>
  requires detail::TensorMember<std::remove_const_t<X>>
  void buffer(std::string_view name, X& x) {
    if constexpr (writable<X>()) tensor(name, x, detail::Item::Kind::buffer);
  }

  /// The flag that train() and eval() set.
  template <class X>
  requires std::same_as < std::remove_const_t<X>,
  bool > void training(X& flag) {
    if constexpr (writable<X>()) flags_.push_back(&flag);
  }

  template <class M>
  void module(std::string_view name, M& m) {
    if constexpr (requires {
                    { m.attributes() } -> std::convertible_to<std::string>;
                  })
      begin(name, detail::signature<M>(), m.attributes());
    else
      begin(name, detail::signature<M>(), std::nullopt);
    if constexpr (detail::HasVisit<M>)
      m.visit(*this);
    else
      members(m);
    end();
  }

  const std::vector<detail::Item>& items() const { return items_; }
  const std::vector<bool*>& flags() const { return flags_; }

 private:
  template <class X>
  static constexpr bool writable() {
    static_assert(!std::is_const_v<X>,
                  "xgrad::nn: visit() hands over a const member; declare it `void visit(auto&& v)`, without "
                  "const, and no "
                  "parameter or module that is a member const");
    return !std::is_const_v<X>;
  }
  static std::string key_text(const auto& key) {
    if constexpr (std::integral<std::remove_cvref_t<decltype(key)>>)
      return std::to_string(key);
    else
      return std::string(key);
  }

  // A module without visit().
  template <class M>
  void members(M& m) {
    if constexpr (detail::HasTrainingFlag<M>) flags_.push_back(&m.training);
    if constexpr (!std::is_trivially_copyable_v<M>)
      detail::with_members(m, [&](auto&... x) {
        [&]<std::size_t... i>(std::index_sequence<i...>) { (member(detail::member_name<M, i>(), x), ...); }
        (std::make_index_sequence<sizeof...(x)>());
      });
  }
  template <class X>
  void member(std::string_view name, X& x) {
    using Plain = std::remove_cv_t<X>;
    if constexpr (detail::HasParts<Plain>::value)
      (*this)(name, x);
    else
      static_assert(
          !detail::hides_parts<Plain>,
          "xgrad::nn: a member's type holds a tensor or module where it is not found: use a list, map, "
          "tuple, optional or smart pointer of them, or give the module `void visit(auto&& v) { v(\"name\", "
          "member); … }`");
  }

  template <std::size_t i>
  static void tuple_element(auto element, auto& tuple) {
    if constexpr (detail::HasParts<std::remove_cvref_t<decltype(std::get<i>(tuple))>>::value)
      element(std::to_string(i), std::get<i>(tuple));
  }

  // `each` calls what it is given for every element.
  void list(std::string_view name, auto each) {
    begin(name, "List", {});
    std::vector<std::size_t> firsts;  // the elements' first items
    each([&](std::string_view key, auto& part) {
      firsts.push_back(items_.size());
      (*this)(key, part);
    });
    check_distinct(firsts);
    end();
  }

  void tensor(std::string_view name, AnyTensor& x, detail::Item::Kind kind);
  void begin(std::string_view name, std::string_view type, std::optional<std::string> attributes);
  void end();
  void check_names() const;
  void check_distinct(std::span<const std::size_t> firsts) const;

  std::vector<detail::Item> items_;
  std::vector<bool*> flags_;
  std::vector<std::string> open_;
  std::string path_;
};

}  // namespace xgrad::nn
