// The element types of arrays.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace xgrad {

/// The element types of arrays. Tensors have the first two.
enum class DType : std::uint8_t { float32, float64, int64 };

/// What tensors hold, and what any array does.
template <class T>
concept Real = std::same_as<T, float> || std::same_as<T, double>;
template <class T>
concept ElementType = Real<T> || std::same_as<T, std::int64_t>;

/// The DType of an element type.
template <ElementType T>
inline constexpr DType dtype_of = std::same_as<T, float>    ? DType::float32
                                  : std::same_as<T, double> ? DType::float64
                                                            : DType::int64;

/// Bytes of an element.
constexpr std::size_t size_of(DType type) { return type == DType::float32 ? 4 : 8; }

/// `f.operator()<T>()` for the type T of a tensor's elements.
template <class F>
decltype(auto) dispatch(DType type, F&& f) {
  return type == DType::float32 ? f.template operator()<float>() : f.template operator()<double>();
}

}  // namespace xgrad
