// Matrix products of arrays: leading axes folded into one gemm where they can be, walked where not.
#include <xgrad/ops/product.hpp>

#include <algorithm>
#include <array>

namespace xgrad::detail {

namespace {

// The axes in front of the matrices, those of a, b and c aligned at the last.
class Batch {
 public:
  Batch(const Shape& a, const Shape& b, const Shape& c) : shapes_{&a, &b, &c} {
    for (std::size_t i = 0; i < 3; ++i) rank_ = std::max(rank_, lead(i));
    total_ = rank_;
  }

  // An axis goes into the rows where a and c have it and b has not, and into the summed axis where a and b
  // have it and c has not: there a stack of matrices is one taller matrix.
  void fold(bool transposed_a, bool transposed_b, std::int64_t& m, std::int64_t& k) {
    const bool into_rows = !transposed_a, into_sum = transposed_a && !transposed_b;
    while (into_rows && rank_ > 0 && extent(1, last()) == 1 && extent(0, last()) == extent(2, last()))
      m *= extent(0, rank_-- - 1);
    while (into_sum && rank_ > 0 && extent(2, last()) == 1 && extent(0, last()) == extent(1, last()))
      k *= extent(0, rank_-- - 1);
  }

  std::int64_t count() const {
    std::int64_t n = 1;
    for (std::size_t axis = 0; axis < rank_; ++axis) n *= loop_extent(axis);
    return n;
  }

  /// Whether several products land in one matrix of c.
  bool sums() const {
    for (std::size_t axis = 0; axis < rank_; ++axis)
      if (extent(2, axis) != loop_extent(axis)) return true;
    return false;
  }

  /// Calls f with the numbers of the matrices of a, b and c, for each product.
  template <class F>
  void each(F f) const {
    std::array<std::int64_t, Shape::max_rank> index{};
    for (std::int64_t left = count(); left > 0; --left) {
      f(number(0, index), number(1, index), number(2, index));
      for (std::size_t axis = rank_; axis-- > 0; index[axis] = 0)
        if (++index[axis] < loop_extent(axis)) break;
    }
  }

 private:
  std::size_t last() const { return rank_ - 1; }
  std::size_t lead(std::size_t operand) const {
    return std::max<std::size_t>(shapes_[operand]->rank(), 2) - 2;
  }
  std::int64_t extent(std::size_t operand, std::size_t axis) const {
    const std::size_t missing = total_ - lead(operand);
    return axis < missing ? 1 : (*shapes_[operand])[axis - missing];
  }
  std::int64_t loop_extent(std::size_t axis) const {  // 0 beside 1 is 0
    const std::int64_t a = extent(0, axis);
    return a != 1 ? a : extent(1, axis);
  }
  std::int64_t number(std::size_t operand, const std::array<std::int64_t, Shape::max_rank>& index) const {
    std::int64_t n = 0;
    for (std::size_t axis = 0; axis < rank_; ++axis)
      n = n * extent(operand, axis) + (extent(operand, axis) == 1 ? 0 : index[axis]);
    return n;
  }

  std::array<const Shape*, 3> shapes_;
  std::size_t rank_ = 0, total_ = 0;
};

template <Real T>
void batched_product(const Matrices& a, const Matrices& b, AnyTensor& c, bool accumulate, ProductSizes s) {
  Batch batch(a.tensor.shape(), b.tensor.shape(), c.shape());
  batch.fold(a.transposed, b.transposed, s.m, s.k);
  const std::int64_t count = batch.count();
  if (count == 1) return one_product<T>(a, b, c, accumulate, s);
  kernels::Gemm<T> g = as_matrices<T>(a, b, c, accumulate, s);
  if (batch.sums() || count == 0) {
    if (!accumulate) c.fill_zero();
    g.beta = T(1);
  }
  batch.each([&](std::int64_t i, std::int64_t j, std::int64_t l) {
    launch(
        [run = kernels::on(c.device()).of<T>().gemm](kernels::Gemm<T> one, const T* left, const T* right, T* into) {
          one.a = left, one.b = right, one.c = into;
          run(one, false, nullptr);
        },
        g, reads<T>(a.tensor, i * s.m * s.k), reads<T>(b.tensor, j * s.k * s.n), writes<T>(c, l * s.m * s.n));
  });
}

template <Real T>
void product_of(const Matrices& a, const Matrices& b, AnyTensor& c, bool accumulate) {
  const Shape &shape_a = a.tensor.shape(), &shape_b = b.tensor.shape();
  const std::size_t rank_a = shape_a.rank(), rank_b = shape_b.rank();
  if (rank_a == 2 && rank_b == 2) return matrix_product<T>(a, b, c, accumulate);
  const std::int64_t rows = shape_a[rank_a - 2], columns = shape_a[rank_a - 1];
  batched_product<T>(a, b, c, accumulate,
                     {a.transposed ? columns : rows, shape_b[rank_b - (b.transposed ? 2 : 1)],
                      a.transposed ? rows : columns});
}

}  // namespace

void product(const Matrices& a, const Matrices& b, AnyTensor& c, bool accumulate) {
  dispatch(c.dtype(), [&]<Real T>() { product_of<T>(a, b, c, accumulate); });
}

}  // namespace xgrad::detail
