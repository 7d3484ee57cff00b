// Matrix products of arrays: batches and broadcasting on top of the gemm kernel.
#pragma once

#include <xgrad/autograd/array/launch.hpp>
#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad::detail {

/// A matrix operand [..., rows, columns], or its last two axes swapped.
struct Matrices {
  const AnyTensor& tensor;
  bool transposed = false;
  bool constant = false;  ///< a right operand likely to come again unchanged, worth packing
};

// The sizes of a product: op(a) is m × k, op(b) is k × n.
struct ProductSizes {
  std::int64_t m, n, k;
};

// The product of the arrays' first elements on as matrices.
template <Real T>
[[gnu::always_inline]] inline kernels::Gemm<T> as_matrices(const Matrices& a, const Matrices& b,
                                                           const AnyTensor& c, bool accumulate,
                                                           const ProductSizes& s) {
  return {.transpose_a = a.transposed,
          .transpose_b = b.transposed,
          .m = s.m,
          .n = s.n,
          .k = s.k,
          .a = address_of<const T>(a.tensor, 0),
          .lda = a.tensor.shape().back(),
          .b = address_of<const T>(b.tensor, 0),
          .ldb = b.tensor.shape().back(),
          .beta = accumulate ? T(1) : T(0),
          .c = address_of<T>(c, 0),
          .ldc = s.n};
}

// One product of whole arrays.
template <Real T>
[[gnu::always_inline]] inline void one_product(const Matrices& a, const Matrices& b, AnyTensor& c,
                                               bool accumulate, const ProductSizes& sizes) {
  Storage* home_of_b = b.tensor.storage().get();
  if (in_replay()) [[unlikely]] {
    for (const AnyTensor* x : {&a.tensor, &b.tensor, static_cast<const AnyTensor*>(&c)})
      hold_in_replay(x->storage().get());
    if (home_of_b->in_arena()) home_of_b = nullptr;  // every run computes b anew
  }
  launch(kernels::on(c.device()).of<T>().gemm, as_matrices<T>(a, b, c, accumulate, sizes), b.constant,
         home_of_b);
}

/// c = a · b, or c += it. The axes in front of the last two broadcast against each other, those of c too:
/// where c has an extent of 1, or lacks an axis, the products are summed over it. A vector c is one row or
/// column. All are of one element type; c overlaps neither operand.
void product(const Matrices& a, const Matrices& b, AnyTensor& c, bool accumulate);

/// The same for two matrices of type T; inline, for products that are hardly more work than a call.
template <Real T>
[[gnu::always_inline]] inline void matrix_product(const Matrices& a, const Matrices& b, AnyTensor& c,
                                                  bool accumulate) {
  const Shape &shape_a = a.tensor.shape(), &shape_b = b.tensor.shape();
  one_product<T>(a, b, c, accumulate, {shape_a[a.transposed], shape_b[!b.transposed], shape_a[!a.transposed]});
}

}  // namespace xgrad::detail
