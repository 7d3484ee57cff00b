// The hand-written training step: forward, back-propagation through time, clipping, optimizer.
#include "step.hpp"

#include <cblas.h>

#include <cstring>

#include <xgrad/autograd/kernels/simd.hpp>
#include <xgrad/autograd/kernels/simd_math.hpp>

namespace xgrad::benchmarks::XGRAD_ARCH {
namespace {

namespace simd = kernels::XGRAD_ARCH;
using simd::Batch;
using simd::lanes;
using simd::load;
using simd::store;

using Size = std::size_t;
using Index = std::int64_t;

// ---- Matrix products. C, (m × n), of A or its transpose and B, (k × n).

enum class Transpose { no, yes };

struct Shape {
  Size m, n, k;
};

template <class T>
struct Matrix {
  T* at;
  Size row;  // distance between rows
};

inline void blas(Transpose ta, const Shape& s, Matrix<const float> a, Matrix<const float> b, float beta,
                 Matrix<float> c) {
  cblas_sgemm(CblasRowMajor, ta == Transpose::yes ? CblasTrans : CblasNoTrans, CblasNoTrans, int(s.m),
              int(s.n), int(s.k), 1, a.at, int(a.row), b.at, int(b.row), beta, c.at, int(c.row));
}

inline void blas(Transpose ta, const Shape& s, Matrix<const double> a, Matrix<const double> b, double beta,
                 Matrix<double> c) {
  cblas_dgemm(CblasRowMajor, ta == Transpose::yes ? CblasTrans : CblasNoTrans, CblasNoTrans, int(s.m),
              int(s.n), int(s.k), 1, a.at, int(a.row), b.at, int(b.row), beta, c.at, int(c.row));
}

// `rows` rows of C in whole registers. Few rows are summed in several parts, or the sums would wait for each
// other.
template <int rows, class T>
XGRAD_INLINE void loop_rows(const Shape& s, const T* a, Size a_row, Size a_column, Matrix<const T> b, T beta,
                            T* c, Size c_row) {
  constexpr int parts = rows == 1 ? 4 : rows == 2 ? 2 : 1;
  for (Size j = 0; j < s.n; j += lanes<T>) {
    Batch<T> sum[parts][rows];
#pragma GCC unroll 4
    for (int part = 0; part < parts; ++part)
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) sum[part][r] = Batch<T>(T(0));
    const auto add = [&](Size p, Batch<T>(&into)[rows]) __attribute__((always_inline)) {
      const auto row_of_b = load(b.at + p * b.row + j);
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r)
        into[r] = simd::fma(Batch<T>(a[Size(r) * a_row + p * a_column]), row_of_b, into[r]);
    };
    Size p = 0;
    for (; p + parts <= s.k; p += parts)
#pragma GCC unroll 4
      for (int part = 0; part < parts; ++part) add(p + Size(part), sum[part]);
    for (; p < s.k; ++p) add(p, sum[0]);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
      for (int part = 1; part < parts; ++part) sum[0][r] += sum[part][r];
      T* out = c + Size(r) * c_row + j;
      store(out, beta == T(0) ? sum[0][r] : sum[0][r] + load(out));
    }
  }
}

template <class T>
void loops(Transpose ta, const Shape& s, Matrix<const T> a, Matrix<const T> b, T beta, Matrix<T> c) {
  const Size a_row = ta == Transpose::yes ? 1 : a.row, a_column = ta == Transpose::yes ? a.row : 1;
  Size i = 0;
  for (; i + 4 <= s.m; i += 4)
    loop_rows<4>(s, a.at + i * a_row, a_row, a_column, b, beta, c.at + i * c.row, c.row);
  const T* rest = a.at + i * a_row;
  T* out = c.at + i * c.row;
  switch (s.m - i) {
    case 1:
      return loop_rows<1>(s, rest, a_row, a_column, b, beta, out, c.row);
    case 2:
      return loop_rows<2>(s, rest, a_row, a_column, b, beta, out, c.row);
    case 3:
      return loop_rows<3>(s, rest, a_row, a_column, b, beta, out, c.row);
  }
}

// C = op(A) · B + beta · C, beta 0 or 1. n is the columns wanted; plain loops compute the padding as well.
template <class T>
XGRAD_INLINE void multiply(bool use_blas, Transpose ta, Shape s, Matrix<const T> a, Matrix<const T> b, T beta,
                           Matrix<T> c) {
  if (use_blas) return blas(ta, s, a, b, beta, c);
  s.n = (s.n + lanes<T> - 1) / lanes<T> * lanes<T>;
  loops(ta, s, a, b, beta, c);
}

// The products of a step. `out` is where the result goes: the buffer it belongs to, or a scratch buffer when
// only the products are timed.
template <class T>
struct Products {
  const Step<T>& s;
  Size batch = s.sizes.batch, all = s.sizes.time * batch, hidden = s.sizes.hidden,
       vocabulary = s.sizes.vocabulary;
  Size gates = s.cell == Cell::rnn ? hidden : s.gates;

  Matrix<const T> h(Size t) const { return {s.h + t * batch * s.hidden_row, s.hidden_row}; }
  Matrix<const T> dz(Size t) const {
    return {(s.cell == Cell::rnn ? s.dh : s.z) + t * batch * s.gates_row, s.gates_row};
  }
  Matrix<const T> dlogits() const { return {s.logits, s.vocabulary}; }

  // out = h[t] · W_hhᵀ
  void recurrent(Size t, T* out) const {
    multiply<T>(s.use_blas, Transpose::no, {batch, gates, hidden}, h(t), {s.w_hh_transposed, s.gates_row}, 0,
                {out, s.gates_row});
  }
  // out += dz[t] · W_hh
  void recurrent_back(Size t, T* out) const {
    multiply<T>(s.use_blas, Transpose::no, {batch, hidden, gates}, dz(t), {s.values.w_hh, s.hidden_row}, 1,
                {out, s.hidden_row});
  }
  // out = h · W_outᵀ, for all steps at once like everything below
  void output(T* out) const {
    multiply<T>(s.use_blas, Transpose::no, {all, vocabulary, hidden}, h(1),
                {s.w_out_transposed, s.vocabulary}, 0, {out, s.vocabulary});
  }
  // out = dlogits · W_out
  void output_back(T* out) const {
    multiply<T>(s.use_blas, Transpose::no, {all, hidden, vocabulary}, dlogits(),
                {s.values.w_out, s.hidden_row}, 0, {out, s.hidden_row});
  }
  // out = dlogitsᵀ · h
  void output_weights(T* out) const {
    multiply<T>(s.use_blas, Transpose::yes, {vocabulary, hidden, all}, dlogits(), h(1), 0,
                {out, s.hidden_row});
  }
  // out = dzᵀ · h
  void recurrent_weights(T* out) const {
    multiply<T>(s.use_blas, Transpose::yes, {gates, hidden, all}, dz(0), h(0), 0, {out, s.hidden_row});
  }
};

// ---- Loops over rows, all of whole registers.

template <class T>
XGRAD_INLINE Batch<T> constant(double x) {
  return Batch<T>(T(x));
}

// The transpose of a rows × columns matrix, in blocks that stay in the first-level cache.
template <class T>
void transpose(Size rows, Size columns, const T* from, Size from_row, T* to, Size to_row) {
  constexpr Size block = 16;
  for (Size i0 = 0; i0 < rows; i0 += block)
    for (Size j0 = 0; j0 < columns; j0 += block) {
      const Size i1 = i0 + block < rows ? i0 + block : rows, j1 = j0 + block < columns ? j0 + block : columns;
      for (Size j = j0; j < j1; ++j)
        for (Size i = i0; i < i1; ++i) to[j * to_row + i] = from[i * from_row + j];
    }
}

// out += row
template <class T>
XGRAD_INLINE void accumulate(T* out, const T* row, Size n) {
  for (Size j = 0; j < n; j += lanes<T>) store(out + j, load(out + j) + load(row + j));
}

// The GRU adds its candidate's hidden bias inside the product with r, so that one is not in the table.
template <class T>
void bias_table(Step<T>& s) {
  const Size both = s.cell == Cell::gru ? 2 * s.hidden : s.gates;
  const Weights<T>& w = s.values;
  for (Size v = 0; v < s.sizes.vocabulary; ++v) {
    const T* row = w.table + v * s.gates_row;
    T* out = s.biased_table + v * s.gates_row;
    Size j = 0;
    for (; j < both; j += lanes<T>) store(out + j, load(row + j) + (load(w.b_ih + j) + load(w.b_hh + j)));
    for (; j < s.gates; j += lanes<T>) store(out + j, load(row + j) + load(w.b_ih + j));
  }
}

// One step in time for the whole batch: reads row t of the state, writes row t + 1.
template <Cell cell, class T>
void gates_forward(Step<T>& s, Size t, const Index* inputs) {
  const Size n = s.hidden, batch = s.sizes.batch, next = batch * s.hidden_row;
  for (Size b = 0; b < batch; ++b) {
    const T* x = s.biased_table + Size(inputs[b]) * s.gates_row;
    T* z = s.z + (t * batch + b) * s.gates_row;
    const Size before = (t * batch + b) * s.hidden_row;
    T* h = s.h + before + next;
    if constexpr (cell == Cell::rnn) {
      for (Size j = 0; j < n; j += lanes<T>) store(h + j, simd::tanh(load(h + j) + load(x + j)));
    } else if constexpr (cell == Cell::lstm) {
      const T* old = s.c + before;
      T* c = s.c + before + next;
      for (Size j = 0; j < n; j += lanes<T>) {
        const auto i = simd::sigmoid(load(z + j) + load(x + j));
        const auto f = simd::sigmoid(load(z + n + j) + load(x + n + j));
        const auto g = simd::tanh(load(z + 2 * n + j) + load(x + 2 * n + j));
        const auto o = simd::sigmoid(load(z + 3 * n + j) + load(x + 3 * n + j));
        const auto cell_state = simd::fma(f, load(old + j), i * g);
        store(z + j, i);
        store(z + n + j, f);
        store(z + 2 * n + j, g);
        store(z + 3 * n + j, o);
        store(c + j, cell_state);
        store(h + j, o * simd::tanh(cell_state));
      }
    } else {
      const T* old = s.h + before;
      const T* hidden_bias = s.values.b_hh + 2 * n;
      T* candidate = s.candidate + before;
      for (Size j = 0; j < n; j += lanes<T>) {
        const auto r = simd::sigmoid(load(z + j) + load(x + j));
        const auto u = simd::sigmoid(load(z + n + j) + load(x + n + j));
        const auto q = load(z + 2 * n + j) + load(hidden_bias + j);
        const auto c = simd::tanh(simd::fma(r, q, load(x + 2 * n + j)));
        store(z + j, r);
        store(z + n + j, u);
        store(z + 2 * n + j, q);
        store(candidate + j, c);
        store(h + j, simd::fma(u, load(old + j) - c, c));
      }
    }
  }
}

template <class T>
XGRAD_INLINE void add_to(T* p, const Batch<T>& x) {
  store(p, load(p) + x);
}

// One step back: the gradients of the pre-activations replace dh (RNN) or the gates, and are added to the
// rows of the table that the step had used. What flows to t - 1 beside the product with W_hh is left in dc or
// dh.
template <Cell cell, class T>
void gates_backward(Step<T>& s, Size t, const Index* inputs) {
  const Size n = s.hidden, batch = s.sizes.batch, next = batch * s.hidden_row;
  const Batch<T> one(T(1));
  for (Size b = 0; b < batch; ++b) {
    T* table = s.gradients.table + Size(inputs[b]) * s.gates_row;
    T* z = s.z + (t * batch + b) * s.gates_row;
    const Size before = (t * batch + b) * s.hidden_row;
    T* dh = s.dh + before;
    if constexpr (cell == Cell::rnn) {
      const T* h = s.h + before + next;
      for (Size j = 0; j < n; j += lanes<T>) {
        const auto y = load(h + j), dy = load(dh + j);
        const auto dz = simd::fnma(y * y, dy, dy);
        store(dh + j, dz);
        add_to(table + j, dz);
      }
    } else if constexpr (cell == Cell::lstm) {
      const T *h = s.h + before + next, *old = s.c + before;
      T* dc = s.dc + b * s.hidden_row;
      // o · tanh²(c) is h² / o: a division is cheaper than a second tanh, or than keeping the first.
      const auto tiny = constant<T>(sizeof(T) == 4 ? 1e-37 : 1e-300);
      for (Size j = 0; j < n; j += lanes<T>) {
        const auto i = load(z + j), f = load(z + n + j), g = load(z + 2 * n + j), o = load(z + 3 * n + j);
        const auto y = load(h + j), dy = load(dh + j);
        const auto slope = simd::fnma(y, y / simd::max(o, tiny), o);
        const auto d = simd::fma(dy, slope, load(dc + j));
        const auto di = d * g * simd::fnma(i, i, i);
        const auto df = d * load(old + j) * simd::fnma(f, f, f);
        const auto dg = d * i * simd::fnma(g, g, one);
        const auto dout = dy * simd::fnma(y, o, y);
        store(dc + j, d * f);
        store(z + j, di);
        store(z + n + j, df);
        store(z + 2 * n + j, dg);
        store(z + 3 * n + j, dout);
        add_to(table + j, di);
        add_to(table + n + j, df);
        add_to(table + 2 * n + j, dg);
        add_to(table + 3 * n + j, dout);
      }
    } else {
      const T *old = s.h + before, *candidate = s.candidate + before;
      T* hidden_bias = s.gradients.b_hh + 2 * n;
      T* dh_before =
          t > 0 ? dh - next : s.dc + b * s.hidden_row;  // dc: the initial state's gradient is not wanted
      for (Size j = 0; j < n; j += lanes<T>) {
        const auto r = load(z + j), u = load(z + n + j), q = load(z + 2 * n + j), c = load(candidate + j);
        const auto dy = load(dh + j);
        const auto dn = simd::fnma(u, dy, dy) * simd::fnma(c, c, one);
        const auto du = dy * (load(old + j) - c) * simd::fnma(u, u, u);
        const auto dr = dn * q * simd::fnma(r, r, r);
        const auto dq = dn * r;
        add_to(dh_before + j, dy * u);
        store(z + j, dr);
        store(z + n + j, du);
        store(z + 2 * n + j, dq);
        add_to(hidden_bias + j, dq);
        add_to(table + j, dr);
        add_to(table + n + j, du);
        add_to(table + 2 * n + j, dn);
      }
    }
  }
}

// The largest of a register's lanes, by halves.
template <class T>
XGRAD_INLINE T largest_lane(const Batch<T>& x) {
  T buffer[lanes<T>];
  store(buffer, x);
#pragma GCC unroll 8
  for (Size half = lanes<T> / 2; half > 0; half /= 2)
#pragma GCC unroll 16
    for (Size k = 0; k < half; ++k) buffer[k] = buffer[k] > buffer[k + half] ? buffer[k] : buffer[k + half];
  return buffer[0];
}

// Mean cross-entropy of softmax(logits + bias). The logits become their gradients, whose sum is the bias's.
template <class T>
T cross_entropy(Step<T>& s, const Index* targets) {
  const Size rows = s.sizes.time * s.sizes.batch, n = s.vocabulary;
  const T share = T(1) / T(rows);
  // Below it a probability is as good as 0, and soon so small that the processor takes a slow path.
  const auto least = constant<T>(sizeof(T) == 4 ? -80 : -700);
  T loss = 0;
  for (Size r = 0; r < rows; ++r) {
    T* row = s.logits + r * n;
    auto largest = load(row) + load(s.values.b_out);
    store(row, largest);
    for (Size j = lanes<T>; j < n; j += lanes<T>) {
      const auto x = load(row + j) + load(s.values.b_out + j);
      store(row + j, x);
      largest = xsimd::max(largest, x);
    }
    const T top = largest_lane(largest);
    loss += top - row[targets[r]];
    Batch<T> sum(T(0));
    for (Size j = 0; j < n; j += lanes<T>) {
      const auto e = simd::exp(xsimd::max(load(row + j) - Batch<T>(top), least)) * load(s.used + j);
      store(row + j, e);
      sum += e;
    }
    const T total = simd::reduce_add(sum);
    s.row_sums[r] = total;
    const Batch<T> scale(share / total);
    for (Size j = 0; j < n; j += lanes<T>) {
      const auto d = load(row + j) * scale;
      store(row + j, d);
      add_to(s.gradients.b_out + j, d);
    }
    row[targets[r]] -= share;
  }
  // Apart from the rows: a register cannot be loaded before a scalar written into it has reached the cache.
  for (Size r = 0; r < rows; ++r) s.gradients.b_out[targets[r]] -= share;
  Batch<T> logs(T(0));
  for (Size r = 0; r < rows; r += lanes<T>) logs += simd::log(load(s.row_sums + r));
  return (loss + simd::reduce_add(logs)) * share;
}

// Every row of the table's gradient was added to once per use, so its column sums are the biases' gradients.
template <class T>
void bias_gradients(Step<T>& s) {
  const Weights<T>& g = s.gradients;
  for (Size v = 0; v < s.sizes.vocabulary; ++v) accumulate(g.b_ih, g.table + v * s.gates_row, s.gates);
  const Size same = s.cell == Cell::gru ? 2 * s.hidden : s.gates;
  std::memcpy(g.b_hh, g.b_ih, same * sizeof(T));
}

// ---- The optimizer, over all parameters as one array.

template <class T>
T clip_factor(const T* g, Size count, double max_norm) {
  if (max_norm == 0) return 1;
  Batch<T> sum[4] = {Batch<T>(T(0)), Batch<T>(T(0)), Batch<T>(T(0)), Batch<T>(T(0))};
  Size k = 0;
  for (; k + 4 * lanes<T> <= count; k += 4 * lanes<T>)
#pragma GCC unroll 4
    for (Size part = 0; part < 4; ++part) {
      const auto x = load(g + k + part * lanes<T>);
      sum[part] = simd::fma(x, x, sum[part]);
    }
  for (; k < count; k += lanes<T>) sum[0] = simd::fma(load(g + k), load(g + k), sum[0]);
  const double norm = __builtin_sqrt(double(simd::reduce_add((sum[0] + sum[1]) + (sum[2] + sum[3]))));
  const double factor = max_norm / (norm + 1e-6);
  return T(factor < 1 ? factor : 1);
}

template <class T>
void sgd(Step<T>& s, T factor, const Update& update) {
  const Batch<T> rate(T(update.lr) * factor);
  T *w = s.values.begin, *g = s.gradients.begin;
  for (Size k = 0; k < s.weight_count; k += lanes<T>)
    store(w + k, simd::fnma(rate, load(g + k), load(w + k)));
}

template <class T>
void adam(Step<T>& s, T factor, const Update& update) {
  constexpr double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  const double steps = double(++s.updates);
  const double bias1 = 1 - __builtin_pow(beta1, steps), bias2 = 1 - __builtin_pow(beta2, steps);
  const auto clip = Batch<T>(factor), keep1 = constant<T>(beta1), new1 = constant<T>(1 - beta1);
  const auto keep2 = constant<T>(beta2), new2 = constant<T>(1 - beta2), eps = constant<T>(epsilon);
  const auto rate = constant<T>(update.lr / bias1), correction = constant<T>(1 / __builtin_sqrt(bias2));
  T *w = s.values.begin, *g = s.gradients.begin;
  for (Size k = 0; k < s.weight_count; k += lanes<T>) {
    const auto d = load(g + k) * clip;
    const auto m = simd::fma(new1, d, keep1 * load(s.first_moment + k));
    const auto v = simd::fma(new2 * d, d, keep2 * load(s.second_moment + k));
    store(s.first_moment + k, m);
    store(s.second_moment + k, v);
    store(w + k, simd::fnma(rate, m / simd::fma(simd::sqrt(v), correction, eps), load(w + k)));
  }
}

// ---- The step.

template <class T>
void zero(T* p, Size count) {
  std::memset(p, 0, count * sizeof(T));
}

template <Cell cell, class T>
T run(Step<T>& s, const Index* inputs, const Index* targets, const Update& update) {
  const Size time = s.sizes.time, batch = s.sizes.batch, state = batch * s.hidden_row;
  const Products<T> product{s};

  bias_table(s);
  transpose(s.gates, s.hidden, s.values.w_hh, s.hidden_row, s.w_hh_transposed, s.gates_row);
  transpose(s.sizes.vocabulary, s.hidden, s.values.w_out, s.hidden_row, s.w_out_transposed, s.vocabulary);
  for (Size t = 0; t < time; ++t) {
    product.recurrent(t, cell == Cell::rnn ? s.h + (t + 1) * state : s.z + t * batch * s.gates_row);
    gates_forward<cell>(s, t, inputs + t * batch);
  }

  const Weights<T>& g = s.gradients;
  zero(g.table, s.sizes.vocabulary * s.gates_row);
  zero(g.b_ih, s.gates);
  zero(g.b_hh, s.gates);
  zero(g.b_out, s.vocabulary);
  zero(s.dc, state);
  product.output(s.logits);
  const T loss = cross_entropy(s, targets);
  product.output_back(s.dh);
  product.output_weights(g.w_out);
  for (Size t = time; t-- > 0;) {
    gates_backward<cell>(s, t, inputs + t * batch);
    if (t > 0) product.recurrent_back(t, s.dh + (t - 1) * state);
  }
  product.recurrent_weights(g.w_hh);
  bias_gradients(s);

  if (update.rule != Update::Rule::none) {
    const T factor = clip_factor(g.begin, s.weight_count, update.max_norm);
    update.rule == Update::Rule::sgd ? sgd(s, factor, update) : adam(s, factor, update);
  }
  std::memcpy(s.h, s.h + time * state, state * sizeof(T));
  if (cell == Cell::lstm) std::memcpy(s.c, s.c + time * state, state * sizeof(T));
  return loss;
}

template <Cell cell, class T>
void run_products(Step<T>& s) {
  const Products<T> product{s};
  const Size time = s.sizes.time, batch = s.sizes.batch;
  T* out = s.products;
  for (Size t = 0; t < time; ++t) product.recurrent(t, out + t * batch * s.gates_row);
  product.output(out);
  product.output_back(out);
  product.output_weights(out);
  for (Size t = time; t-- > 1;) product.recurrent_back(t, out + t * batch * s.hidden_row);
  product.recurrent_weights(out);
}

}  // namespace

const StepTable<float> step_float = {
    {run<Cell::rnn, float>, run<Cell::lstm, float>, run<Cell::gru, float>},
    {run_products<Cell::rnn, float>, run_products<Cell::lstm, float>, run_products<Cell::gru, float>}};
const StepTable<double> step_double = {
    {run<Cell::rnn, double>, run<Cell::lstm, double>, run<Cell::gru, double>},
    {run_products<Cell::rnn, double>, run_products<Cell::lstm, double>, run_products<Cell::gru, double>}};

}  // namespace xgrad::benchmarks::XGRAD_ARCH
