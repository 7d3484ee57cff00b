// Matrix products of tensors: batches, broadcasting and packed operands on top of gemm.
#pragma once

#include <xgrad/autograd/array/any_tensor.hpp>
#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/ops/kernels/gemm.hpp>
#include <xgrad/ops/kernels/packing.hpp>

namespace xgrad::kernels {

/// A matrix operand [..., rows, columns], or its last two axes swapped.
struct Matrices {
  const AnyTensor& tensor;
  bool transposed = false;
  bool constant = false;  ///< a right operand likely to come again unchanged, worth packing
};

namespace detail {

// A product for launch().
template <Real T>
struct Product {
  Gemm<T> gemm;
  bool packs;             // whether b may be worth packing
  Storage* storage_of_b;  // null: the packed form is not kept

  [[gnu::always_inline]] void operator()() const {
    if (!packs || !packed_product(gemm, storage_of_b)) kernels::gemm(gemm);
  }
};

// The product of the tensors' first elements on as matrices: op(a) is m × k, op(b) is k × n.
template <Real T>
[[gnu::always_inline]] inline Product<T> as_matrices(const Matrices& a, const Matrices& b, const AnyTensor& c,
                                                     bool accumulate, std::int64_t m, std::int64_t n,
                                                     std::int64_t k) {
  Storage* storage_of_b = b.tensor.storage().get();
  if (xgrad::detail::in_replay()) [[unlikely]] {
    for (const AnyTensor* x : {&a.tensor, &b.tensor, &c}) x->hold_in_replay();
    if (storage_of_b->in_arena()) storage_of_b = nullptr;  // every run computes b anew
  }
  const auto elements = [](const AnyTensor& x) {
    return reinterpret_cast<T*>(x.storage()->data()) + x.offset();
  };
  return {{.transpose_a = a.transposed,
           .transpose_b = b.transposed,
           .m = m,
           .n = n,
           .k = k,
           .a = elements(a.tensor),
           .lda = a.tensor.shape().back(),
           .b = elements(b.tensor),
           .ldb = b.tensor.shape().back(),
           .beta = accumulate ? T(1) : T(0),
           .c = elements(c),
           .ldc = n},
          b.constant && !a.transposed && m >= packing_least_rows,
          storage_of_b};
}

// One product of whole tensors.
template <Real T>
[[gnu::always_inline]] inline void one_product(const Matrices& a, const Matrices& b, AnyTensor& c,
                                               bool accumulate, std::int64_t m, std::int64_t n,
                                               std::int64_t k) {
  launch(as_matrices<T>(a, b, c, accumulate, m, n, k));
}

}  // namespace detail

/// c = a · b, or c += it. The axes in front of the last two broadcast against each other, those of c too:
/// where c has an extent of 1, or lacks an axis, the products are summed over it. A vector c is one row or
/// column. All are of one element type; c overlaps neither operand.
void product(const Matrices& a, const Matrices& b, AnyTensor& c, bool accumulate);

/// The same for two matrices of type T; inline, for products that are hardly more work than a call.
template <Real T>
[[gnu::always_inline]] inline void matrix_product(const Matrices& a, const Matrices& b, AnyTensor& c,
                                                  bool accumulate) {
  const Shape &shape_a = a.tensor.shape(), &shape_b = b.tensor.shape();
  detail::one_product<T>(a, b, c, accumulate, shape_a[a.transposed], shape_b[!b.transposed],
                         shape_a[!a.transposed]);
}

}  // namespace xgrad::kernels
