// The kernels of a device: everything that touches elements. A new device is one more table like this.
#pragma once

#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include <xgrad/autograd/core/device.hpp>
#include <xgrad/autograd/core/dtype.hpp>
#include <xgrad/autograd/kernels/loop.hpp>

namespace xgrad {
class Generator;
}
namespace xgrad::detail {
class Storage;
}

namespace xgrad::kernels {

using Extents = std::span<const std::int64_t>;

/// What is folded: a sum of x, |x|, (x - centre)² or exp(x - centre), a product, an extreme of x or |x|, or the
/// root of the sum of (x - centre)², whatever the size of the squares.
enum class Fold { sum, sum_abs, sum_squares, sum_exp, product, maximum, minimum, max_abs, norm };
constexpr int fold_kinds = 9;

/// How folds of parts are folded on.
constexpr Fold rest_of(Fold kind) {
  if (kind == Fold::max_abs) return Fold::maximum;
  return kind == Fold::sum_abs || kind == Fold::sum_squares || kind == Fold::sum_exp ? Fold::sum : kind;
}

/// C = alpha · op(A) · op(B) + beta · C, where op(A) is m × k, op(B) is k × n and C is m × n; `transpose_a`
/// says that A is stored as k × m, `transpose_b` that B is stored as n × k. The leading dimensions `lda`,
/// `ldb`, `ldc` are the distances between rows as stored, in elements. beta = 0 overwrites C without reading
/// it. C may not overlap A or B.
template <class T>
struct Gemm {
  bool transpose_a = false, transpose_b = false;
  std::int64_t m, n, k;
  T alpha = 1;
  const T* a;
  std::int64_t lda;
  const T* b;
  std::int64_t ldb;
  T beta = 0;
  T* c;
  std::int64_t ldc;
};

/// A convolution over images of groups · in channels, which gives groups · out channels. Weights are
/// (groups · out, in, window of rows, window of columns).
struct Convolution {
  struct Axis {
    std::int64_t extent, results, window, stride, padding, dilation;
    /// How far the windows reach, padding included.
    constexpr std::int64_t reach() const { return (results - 1) * stride + (window - 1) * dilation + 1; }
    /// Of the adjoint by the image for a stride of 1, which is a convolution of the results.
    constexpr Axis flipped() const { return {results, extent, window, 1, (window - 1) * dilation - padding, dilation}; }
  };
  std::int64_t images, groups, in, out;
  Axis rows, columns;

  /// An image of one group is laid out with its padding, its columns and then its rows by their remainder by the stride,
  /// so that what neighbouring windows read at the same place lies side by side, and rows of results `pitch` apart.
  constexpr std::int64_t row_phase() const { return (rows.reach() + rows.stride - 1) / rows.stride; }
  constexpr std::int64_t pitch() const { return (columns.reach() + columns.stride - 1) / columns.stride; }
  constexpr std::int64_t column_phase() const { return pitch() * row_phase() * rows.stride; }
  constexpr std::int64_t plane() const { return column_phase() * columns.stride; }
  static constexpr std::int64_t slack = 64;  ///< elements after the image that may be read

  /// Whether the adjoint by the image is a convolution with the window turned round.
  constexpr bool flips() const {
    const auto flips = [](const Axis& a) { return a.stride == 1 && a.padding <= (a.window - 1) * a.dilation; };
    return flips(rows) && flips(columns);
  }
  constexpr Convolution flipped() const { return {images, groups, out, in, rows.flipped(), columns.flipped()}; }
  /// Whether rows of results are too short for registers: then all are one row, with gaps of what is in between.
  constexpr bool joins_rows() const { return columns.results <= 24 && rows.results > 1; }
  constexpr std::int64_t joined_elements() const { return joins_rows() ? out * rows.results * pitch() : 0; }
  constexpr std::int64_t image_elements() const { return in * plane() + slack; }
  /// How much memory a convolution needs, or its adjoint by the image. A phase of that has no more pixels and taps than
  /// all, and no more rows and columns than its own and what taps reach beyond.
  constexpr std::int64_t scratch_elements(bool adjoint) const {
    if (!adjoint) return image_elements() + joined_elements();
    if (flips()) return flipped().scratch_elements(false) + out * taps();
    const std::int64_t most_rows = row_phase() + 2 * rows.window * rows.dilation;
    const std::int64_t most_columns = pitch() + 2 * columns.window * columns.dilation;
    return out * taps() + in * row_phase() * pitch() + (in + out) * most_rows * most_columns + slack;
  }

  constexpr std::int64_t taps() const { return in * rows.window * columns.window; }
  constexpr std::int64_t results() const { return rows.results * columns.results; }
  constexpr std::int64_t pixels() const { return rows.extent * columns.extent; }
};

/// Windows over the last two axes of planes, for pooling.
struct Windows {
  std::int64_t planes;
  Convolution::Axis rows, columns;
};

/// What counts in a classification loss: the targets that are not `ignored`, `rows` in all.
struct TargetRows {
  std::int64_t rows, ignored;
};

/// Kernels that only move elements.
template <class T>
struct Moves {
  /// The array of `shape` whose axes lie `strides` apart (negative and 0 allowed) from `in` on, contiguously.
  void (*permute_copy)(Extents shape, Extents strides, const T* in, T* out);
  /// The inverse: writes contiguous `in` to the elements of `out` that lie `strides` apart.
  void (*strided_write)(Extents shape, Extents strides, const T* in, T* out);
};

/// Kernels on elements of type T, which is float or double. Arrays are contiguous and row-major unless strides
/// are given, in elements; results overlap operands only where that is said. Indices are not checked.
template <class T>
struct KernelsOf : Moves<T> {
  using Int = std::int64_t;
  using Index = const std::int64_t*;

  void (*fill)(T value, T* out, Int n);
  void (*add)(Int n, const T* in, T* out);  ///< out += in
  void (*uniform)(Generator&, double low, double high, T* out, Int n);
  void (*normal)(Generator&, double mean, double deviation, T* out, Int n);
  Int (*find_nonfinite)(const T* in, Int n);  ///< place of the first NaN or infinity, or n
  void (*from_integers)(const Int* in, Int n, T* out);
  /// Truncated; the place of the first that is NaN or does not fit, where it ends, or n.
  Int (*to_integers)(const T* in, Int n, Int* out);
  double (*sum_of_squares)(Int n, const T* in);

  /// A product. `home_of_b`, the storage of b, may keep a packed form of it; null: none is kept. `packs`: whether
  /// packing is worth a thought at all.
  void (*gemm)(const Gemm<T>& product, bool packs, xgrad::detail::Storage* home_of_b);

  /// Copies `row`, `columns` elements, to each of `rows` consecutive rows at `out`.
  void (*fill_rows)(Int rows, Int columns, const T* row, T* out);
  /// out[j] = the sum of column j of a rows × columns matrix, or out[j] += it. Rows are added in order.
  void (*column_sums)(Int rows, Int columns, const T* in, bool accumulate, T* out);
  /// out[j][i] = in[i][j] for a rows × columns matrix, plus bias[i] unless that is null.
  void (*transpose)(Int rows, Int columns, const T* in, const T* bias, T* out);
  /// As strided_write, but adds.
  void (*strided_add)(Extents shape, Extents strides, const T* in, T* out);

  /// out[o][k] = in[o][index[k]] for blocks o of outer × extent × inner; and the adjoint, in the order of k.
  void (*gather_rows)(Int outer, Int extent, Int inner, Index index, Int count, const T* in, T* out);
  void (*scatter_add_rows)(Int outer, Int extent, Int inner, Index index, Int count, const T* in, T* out);
  /// out[i, j, …] = in[i, …, index[i, j, …], …], the index in place of the coordinate along `axis`; `shape` is
  /// that of index and out, `strides` are those of in. The adjoint adds in[i, j, …] there; `strides` are out's.
  void (*gather)(Extents shape, Extents strides, std::size_t axis, Index index, const T* in, T* out);
  void (*scatter_add)(Extents shape, Extents strides, std::size_t axis, Index index, const T* in, T* out);
  /// out[k][index[k]] = 1 in an array of count × classes zeros.
  void (*set_ones)(Index index, Int count, Int classes, T* out);
  /// out[i] = column index[i] of a rows × columns matrix, plus bias unless null; and the adjoint, which adds.
  void (*gather_columns)(Int rows, Int columns, Index index, Int count, const T* in, const T* bias, T* out);
  void (*scatter_add_columns)(Int rows, Int columns, Index index, Int count, const T* in, T* out);

  /// out[o, i] = the fold over e of x[o, e, i], for x of outer × extent × inner. `centre`, of outer × inner, is 0
  /// where it is null. An empty fold is 0, 1 or an infinity. Sums of floats are as accurate as a pairwise one.
  std::array<void (*)(const T* x, const T* centre, T* out, Int outer, Int extent, Int inner), fold_kinds> fold;
  /// out[o, e, i] = the sum of x[o, 0 … e, i], or of x[o, e …, i] if `from_the_end`; floats in double.
  void (*cumulative_sum)(const T* x, T* out, Int outer, Int extent, Int inner, bool from_the_end);
  /// out[o, i] = the first e for which x[o, e, i] is value[o, i], or both are NaN.
  void (*find_first)(const T* x, const T* value, std::int64_t* out, Int outer, Int extent, Int inner);
  /// Places along the axis, of outer × extent × inner or outer × inner: in ascending or descending order, equal ones
  /// as they stand; of element k in ascending order, or of a NaN before all else; of the largest or smallest so far,
  /// the last of equal ones. NaN is the largest but for the latter, where it comes first.
  void (*order)(const T* x, Int* places, Int outer, Int extent, Int inner, bool descending);
  void (*place_of_kth)(const T* x, Int* places, Int outer, Int extent, Int inner, Int k, bool nan_first);
  void (*places_of_extreme)(const T* x, Int* places, Int outer, Int extent, Int inner, bool largest);

  /// Along the rows of a matrix; the adjoints give dx from y and dy.
  void (*softmax)(const T* x, T* y, Int rows, Int columns);
  void (*log_softmax)(const T* x, T* y, Int rows, Int columns);
  void (*softmax_adjoint)(const T* y, const T* dy, T* dx, Int rows, Int columns);
  void (*log_softmax_adjoint)(const T* y, const T* dy, T* dx, Int rows, Int columns);
  /// Losses -log_softmax(x)[i, target i] of the rows, 0 for ignored ones, and what the adjoint needs of each: its
  /// maximum, and the reciprocal of its sum of exp(x - maximum). Unless `total` is null, it gets their sum, or
  /// their mean over *used.
  void (*cross_entropy)(const T* x, Index targets, TargetRows of, Int columns, T* losses, T* maxima,
                        T* reciprocals, T* total, Index used);
  /// dx[i] = (softmax(x)[i] - onehot(target i)) * scales[i], or dx[i] += that. A row of scale 0 has no target.
  void (*cross_entropy_adjoint)(const T* x, Index targets, const T* scales, const T* maxima,
                                const T* reciprocals, T* dx, bool accumulate, Int rows, Int columns);
  /// factor (1 where null), over *used (1 where null), for each target, 0 for the ignored ones.
  void (*target_weights)(Index targets, TargetRows of, const T* factor, Index used, T* out);

  /// Attention weights, in place: softmax(x + mask) of the rows, where row i sees the first `visible` + i columns, or
  /// all if that is negative, and the others are 0. So are all of a row of nothing but -infinity. `mask`, whose rows
  /// lie `mask_step` apart, may be null.
  void (*masked_softmax)(const T* mask, Int mask_step, Int visible, T* x, Int rows, Int columns);

  /// y = (x - mean) · rstd · weight + bias for the rows of a matrix, rstd = 1 / sqrt(variance + eps); not `centred`,
  /// the mean is left out, and that of the squares is the variance. Null weights are ones, null biases zeros.
  void (*normalize_rows)(bool centred, double eps, const T* x, const T* weight, const T* bias, T* y, T* mean, T* rstd,
                         Int rows, Int columns);
  /// The adjoint. dweight and dbias may be null, both; `sums` is memory for 2 · columns numbers.
  void (*normalize_rows_adjoint)(bool centred, const T* x, const T* dy, const T* weight, const T* mean, const T* rstd,
                                 T* dx, T* dweight, T* dbias, double* sums, Int rows, Int columns);

  /// A convolution and its two adjoints. `scratch` is memory for scratch_elements(); bias may be null.
  void (*convolve)(const Convolution& of, const T* x, const T* w, const T* bias, T* y, T* scratch);
  void (*convolve_input)(const Convolution& of, const T* w, const T* dy, T* dx, T* scratch);
  void (*convolve_weight)(const Convolution& of, const T* x, const T* dy, T* dw, T* scratch);
  /// The largest element of every window, NaN where there is one, and its place in the plane.
  void (*max_pool)(const Windows& of, const T* x, T* y, Int* place);
  /// out[o, r, i] = the sum of weight[k] · x[o, index[k], i], for begin[r] <= k < begin[r + 1]; x is outer × extent ×
  /// inner, out has `results` in the middle.
  void (*combine)(Int outer, Int extent, Int inner, Int results, Index begin, Index index, const T* weight, const T* x,
                  T* out);

  /// dz from h and its gradient, for h = tanh(z) and relu(z); n elements. Results may lie where arguments do.
  void (*rnn_tanh)(Int n, const T* z, T* h);
  void (*rnn_relu)(Int n, const T* z, T* h);
  void (*rnn_tanh_adjoint)(Int n, const T* h, const T* dh, T* dz);
  void (*rnn_relu_adjoint)(Int n, const T* h, const T* dh, T* dz);
  /// Rows of z are the pre-activations of the gates i, f, g, o, `hidden` elements each, and become the gates.
  void (*lstm)(Int batch, Int hidden, T* z, const T* c, T* next_h, T* next_c);
  /// dz and dc from the gates, both c, and the gradients of next_h and next_c, of which null ones are zeros.
  void (*lstm_adjoint)(Int batch, Int hidden, const T* gates, const T* c, const T* next_c, const T* dh,
                       const T* next_dc, T* dz, T* dc);
  /// Rows of zx and zh are what input and state contribute to the gates r, z, n, each `hidden` elements; zx
  /// becomes the gates. `bias`, a row or null, is added to zh, whose last block then goes to zh_n.
  void (*gru)(Int batch, Int hidden, T* zx, const T* zh, const T* bias, const T* h, T* zh_n,
              T* next_h);
  /// dzx and dzh from the gates, zh_n, h and the gradient of next_h. dh, which may be null, is what of the
  /// last goes to h directly, or it is added to dh.
  void (*gru_adjoint)(Int batch, Int hidden, const T* gates, const T* zh_n, const T* h,
                      const T* next_dh, T* dzx, T* dzh, bool accumulate, T* dh);

  /// Of single n × n matrices, n > 0. False: there is no result, for A is singular, not positive definite, or not
  /// finite. A · X = B or Aᵀ · X = B; A⁻¹; the determinant, and as sign · exp(logarithm); L · Lᵀ = (A + Aᵀ) / 2.
  bool (*solve)(bool transpose_a, Int n, Int columns, const T* a, const T* b, T* x);
  bool (*inverse)(Int n, const T* a, T* out);
  T (*determinant)(Int n, const T* a);
  void (*sign_and_log_determinant)(Int n, const T* a, T& sign, T& logarithm);
  bool (*cholesky)(Int n, const T* a, T* out);
  /// Of single matrices without extents of 0; false where the algorithm did not converge, or A is not finite. A = QR with
  /// n columns in Q, for rows >= columns = n; A = U diag(s) Vᵀ with k = min(rows, columns) columns in U and rows in Vᵀ;
  /// A = V diag(values) Vᵀ for a symmetric one, of which the lower triangle is read.
  bool (*qr)(Int rows, Int columns, const T* a, T* q, T* r);
  bool (*svd)(Int rows, Int columns, const T* a, T* u, T* s, T* vt);
  bool (*eigh)(Int n, const T* a, T* values, T* vectors);
};

enum class Arithmetic { add, subtract, multiply, divide, remainder };
enum class Comparison { equal, not_equal, less, less_equal };

/// Kernels on integers. An operand's step is 1, or 0 where it is one value for all n.
template <>
struct KernelsOf<std::int64_t> : Moves<std::int64_t> {
  using Int = std::int64_t;

  /// Overflow wraps around. Quotients are rounded down, and a remainder has its divisor's sign; no divisor is
  /// 0.
  void (*arithmetic)(Arithmetic kind, Int n, const Int* a, Int step_a, const Int* b, Int step_b, Int* out);
  /// 1 where it holds, else 0.
  void (*compare)(Comparison kind, Int n, const Int* a, Int step_a, const Int* b, Int step_b, float* out);
  Int (*find_zero)(const Int* in, Int n);  ///< place of the first 0, or n
  /// places[i] = i for i < n, but n + k where element k is written to i by index, as in scatter_add; the last one.
  void (*places_of_scattered)(Extents shape, Extents strides, std::size_t axis, const Int* index, Int n,
                              Int* places);
};

struct Table {
  KernelsOf<float> single_precision;
  KernelsOf<double> double_precision;
  KernelsOf<std::int64_t> integers;

  void (*copy)(const std::byte* in, std::byte* out, std::size_t bytes);
  void (*zero)(std::byte* out, std::size_t bytes);
  void (*to_double)(const float* in, double* out, std::int64_t n);
  void (*to_float)(const double* in, float* out, std::int64_t n);
  /// A formula's program over a loop; `compiled` is its loop for the CPU.
  void (*formula)(const xgrad::detail::Program& program, LoopKernel compiled, DType type, const Loop& loop);

  /// The same over its last operands, in place.
  void (*in_place)(const InPlaceFormula& formula, DType type, std::int64_t elements, void* const* operands,
                   const double* constants);

  /// How many targets are not ignored, and the place of the first of those that is not in [0, classes), or -1.
  void (*count_targets)(const std::int64_t* targets, TargetRows of, std::int64_t classes, std::int64_t* used,
                        std::int64_t* bad);
  /// The targets, with 0, which is a class, in place of the ignored ones.
  void (*without_ignored)(const std::int64_t* targets, TargetRows of, std::int64_t* out);
  /// The place of the first that is not in [0, limit), or n.
  std::int64_t (*find_outside)(const std::int64_t* values, std::int64_t n, std::int64_t limit);
  /// Makes the rows of a matrix, rows <= columns, orthonormal in place (Gram-Schmidt, each projection twice); a
  /// row with nothing left over becomes zeros.
  void (*orthonormalize_rows)(std::int64_t rows, std::int64_t columns, double* matrix);

  template <ElementType T>
  const KernelsOf<T>& of() const {
    if constexpr (std::same_as<T, float>)
      return single_precision;
    else if constexpr (std::same_as<T, double>)
      return double_precision;
    else
      return integers;
  }
  /// f on the kernels of each type of a tensor's elements.
  template <class F>
  void each(F f) {
    f(single_precision);
    f(double_precision);
  }
};

namespace detail {
extern constinit std::array<std::atomic<const Table*>, Device::count> tables;  // null before first use
const Table& make_table(Device device);
}  // namespace detail

/// The device's kernels.
inline const Table& on(Device device) {
  const Table* const table = detail::tables[device.index()].load(std::memory_order_acquire);
  return table ? *table : detail::make_table(device);
}

/// Puts another table in the place of the device's, for tests. Returns the one before.
const Table& replace_table(Device device, const Table& table);

}  // namespace xgrad::kernels
