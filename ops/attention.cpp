// Attention: by blocks of queries where nothing wants the weights, else composed of products and a softmax.
#include <xgrad/ops/attention.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/dropout.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace {

// Where the matrix of a batch and a head begins, and how far its rows are apart.
struct Steps {
  std::int64_t batch, head, row;
};

struct Layout {
  HeadOrder order;
  std::int64_t batch, heads, queries, keys, features, value_features;
  double scale;
  bool causal;

  // Of an array of so many rows and features of a head.
  Steps steps(std::int64_t rows, std::int64_t width) const {
    const std::int64_t all = heads * width;
    if (order == HeadOrder::rows_first) return {all, width, batch * all};
    if (order == HeadOrder::batch_first) return {rows * all, width, all};
    return {heads * rows * width, rows * width, width};
  }

  // As (batch, heads, rows, features), and back.
  template <Real T>
  Tensor<T> split(const Tensor<T>& x, std::int64_t rows, std::int64_t width) const {
    if (order == HeadOrder::plain) return reshape(x, {batch, heads, rows, width});
    if (order == HeadOrder::batch_first)
      return permute(reshape(x, {batch, rows, heads, width}), {0, 2, 1, 3});
    return permute(reshape(x, {rows, batch, heads, width}), {1, 2, 0, 3});
  }
  template <Real T>
  Tensor<T> join(const Tensor<T>& x, const Shape& shape) const {
    if (order == HeadOrder::plain) return reshape(x, shape);
    return reshape(permute(x, order == HeadOrder::batch_first ? IntList{0, 2, 1, 3} : IntList{2, 0, 1, 3}),
                   shape);
  }
};

// What is added to the scores, (batch or 1, heads or 1, queries or 1, keys), or undefined.
template <Real T>
struct Mask {
  Tensor<T> values;

  std::int64_t step() const { return values.defined() && values.shape()[2] > 1 ? values.shape()[3] : 0; }
  std::int64_t offset(std::int64_t batch, std::int64_t head, std::int64_t query) const {
    if (!values.defined()) return 0;
    const Shape& s = values.shape();
    return ((s[0] > 1 ? batch : 0) * s[1] + (s[1] > 1 ? head : 0)) * s[2] * s[3] + query * step();
  }
};

// softmax of scores (batch, heads, queries, keys), with zeros where a query sees nothing.
template <Real T>
struct AttentionWeights {
  static constexpr std::string_view name = "attention_weights";
  bool causal;

  Tensor<T> forward(Saver<T>& save, const Tensor<T>& scores) const {
    const Shape& s = scores.shape();
    Tensor<T> y(copy_of(scores));
    for (std::int64_t i = 0; i < s[0] * s[1]; ++i)
      launch(kernels_of(scores).masked_softmax, reads(Tensor<T>()), std::int64_t{0},
             std::int64_t{causal ? 1 : -1}, writes(y, i * s[2] * s[3]), s[2], s[3]);
    save(y);
    return y;
  }
  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> y = saved[0];
    if (saved.recording() || y.elements() == 0) return {y * (g - sum(g * y, -1, true))};
    Tensor<T> dx = empty<T>(y.shape());
    launch(kernels_of(y).softmax_adjoint, reads(y), reads(g), writes(dx), y.elements() / y.shape().back(),
           y.shape().back());
    return {dx};
  }
};

template <Real T>
Tensor<T> weights_of(const Layout& l, const Tensor<T>& q, const Tensor<T>& k, const Mask<T>& mask,
                     Location at) {
  Tensor<T> scores = matmul(q * l.scale, k, {.transpose_b = true}, at);
  if (mask.values.defined()) scores = scores + mask.values;
  return apply(AttentionWeights<T>{l.causal}, at, scores);
}

// The blockwise op. Its matrices are parts of arrays, told by Steps.
template <Real T>
struct Attention {
  static constexpr std::string_view name = "scaled_dot_product_attention";
  Layout l;
  Mask<T> mask;

  // Of query, key, value, and the mask where it wants a gradient.
  Tensor<T> forward(Saver<T>& save, std::span<const Tensor<T>> in) const {
    const Tensor<T>&q = in[0], &k = in[1], &v = in[2];
    Shape shape = q.shape();
    shape.set(shape.rank() - 1, l.order == HeadOrder::plain ? l.value_features : l.heads * l.value_features);
    Tensor<T> y = l.keys > 0 ? empty<T>(shape) : zeros<T>(shape), p = empty<T>({block(), l.keys});
    each_block([&](const Block& at) {
      write_weights(q, k, at, p);
      multiply({p, 0, at.keys}, keys_of(v, at, l.value_features), queries_of(y, at, l.value_features),
               at.rows, l.value_features, at.keys);
    });
    for (const Tensor<T>& x : in) save(x);
    return y;
  }

  Gradients<T> vjp(const Saved<T>& saved, const Tensor<T>& g) const {
    const Tensor<T> q = saved[0], k = saved[1], v = saved[2];
    const bool by_mask = mask.values.requires_grad() && saved.needs(3);
    if (saved.recording() || by_mask) return whole(q, k, v, by_mask ? Mask<T>{saved[3]} : mask, g, by_mask);
    const Tensor<T> dq = zeros<T>(q.shape()), dk = zeros<T>(k.shape()), dv = zeros<T>(v.shape());
    const Tensor<T> p = empty<T>({block(), l.keys}), dp = empty<T>(p.shape()), ds = empty<T>(p.shape());
    const T scale = static_cast<T>(l.scale);
    each_block([&](const Block& at) {
      const std::int64_t rows = at.rows, keys = at.keys, E = l.features, V = l.value_features;
      const Part dy = queries_of(g, at, V);
      write_weights(q, k, at, p);
      multiply(dy, keys_of(v, at, V).transposed(), {dp, 0, keys}, rows, keys, V);
      multiply(Part{p, 0, keys}.transposed(), dy, keys_of(dv, at, V), keys, V, rows, 1, 1);
      launch(kernels_of(q).softmax_adjoint, reads(p), reads(dp), writes(ds), rows, keys);
      multiply({ds, 0, keys}, keys_of(k, at, E), queries_of(dq, at, E), rows, E, keys, scale);
      multiply(Part{ds, 0, keys}.transposed(), queries_of(q, at, E), keys_of(dk, at, E), keys, E, rows, scale,
               1);
    });
    return {dq, dk, dv};
  }

 private:
  // Some queries of a head, and the keys that the last of them sees.
  struct Block {
    std::int64_t batch, head, first, rows, keys;
  };
  // A matrix in an array.
  struct Part {
    const Tensor<T>& array;
    std::int64_t at, row_step;
    bool turned = false;
    Part transposed() const { return {array, at, row_step, true}; }
  };

  // How many queries at a time: their weights are to stay in the cache.
  std::int64_t block() const {
    constexpr std::int64_t elements = 1 << 15, least = 16;
    return std::clamp<std::int64_t>(elements / std::max<std::int64_t>(l.keys, 1), std::min(least, l.queries),
                                    l.queries);
  }
  void each_block(auto f) const {
    const std::int64_t most = std::max<std::int64_t>(block(), 1);
    for (std::int64_t b = 0; b < l.batch && l.keys > 0; ++b)
      for (std::int64_t h = 0; h < l.heads; ++h)
        for (std::int64_t first = 0; first < l.queries; first += most) {
          const std::int64_t rows = std::min(most, l.queries - first);
          f(Block{b, h, first, rows, l.causal ? std::min(l.keys, first + rows) : l.keys});
        }
  }
  Part queries_of(const Tensor<T>& x, const Block& b, std::int64_t width) const {
    const Steps s = l.steps(l.queries, width);
    return {x, b.batch * s.batch + b.head * s.head + b.first * s.row, s.row};
  }
  Part keys_of(const Tensor<T>& x, const Block& b, std::int64_t width) const {
    const Steps s = l.steps(l.keys, width);
    return {x, b.batch * s.batch + b.head * s.head, s.row};
  }

  // c = alpha · a · b + beta · c, m × n, of k products each.
  static void multiply(const Part& a, const Part& b, const Part& c, std::int64_t m, std::int64_t n,
                       std::int64_t k, T alpha = 1, T beta = 0) {
    const kernels::Gemm<T> product{.transpose_a = a.turned,
                                   .transpose_b = b.turned,
                                   .m = m,
                                   .n = n,
                                   .k = k,
                                   .alpha = alpha,
                                   .a = nullptr,
                                   .lda = a.row_step,
                                   .b = nullptr,
                                   .ldb = b.row_step,
                                   .beta = beta,
                                   .c = nullptr,
                                   .ldc = c.row_step};
    launch(
        [run = kernels_of(c.array).gemm](kernels::Gemm<T> one, const T* left, const T* right, T* into) {
          one.a = left, one.b = right, one.c = into;
          run(one, false, nullptr);
        },
        product, reads(a.array, a.at), reads(b.array, b.at), writes(c.array, c.at));
  }
  void write_weights(const Tensor<T>& q, const Tensor<T>& k, const Block& at, const Tensor<T>& into) const {
    multiply(queries_of(q, at, l.features), keys_of(k, at, l.features).transposed(), {into, 0, at.keys},
             at.rows, at.keys, l.features, static_cast<T>(l.scale));
    launch(kernels_of(q).masked_softmax, reads(mask.values, mask.offset(at.batch, at.head, at.first)),
           mask.step(), std::int64_t{l.causal ? at.first + 1 : -1}, writes(into), at.rows, at.keys);
  }

  // All weights at once, in ops.
  Gradients<T> whole(const Tensor<T>& query, const Tensor<T>& key, const Tensor<T>& value,
                     const Mask<T>& added, const Tensor<T>& g, bool by_mask) const {
    const Tensor<T> q = l.split(query, l.queries, l.features), k = l.split(key, l.keys, l.features),
                    v = l.split(value, l.keys, l.value_features), u = l.split(g, l.queries, l.value_features);
    const Tensor<T> p = weights_of(l, q, k, added, Location::current());
    const Tensor<T> dp = matmul(u, v, {.transpose_b = true}), by_score = p * (dp - sum(dp * p, -1, true)),
                    ds = by_score * l.scale;
    Gradients<T> result{l.join(matmul(ds, k), query.shape()),
                        l.join(matmul(ds, q, {.transpose_a = true}), key.shape()),
                        l.join(matmul(p, u, {.transpose_a = true}), value.shape())};
    if (by_mask) result.push_back(by_score);  // summed where the mask is broadcast
    return result;
  }
};

template <Real T>
void check_zeros_and_ones(std::string_view op, const Tensor<T>& mask) {
  if (in_replay()) return;  // it was checked where it was made, or holds what kernels compute
  for (const T v : mask.values())
    if (v != T(0) && v != T(1))
      throw ValueError(fmt::format(
          "{}: a mask holds {}; it is of 0 and 1, and what is added to the scores is attn_bias", op, v));
}

// As four axes, of which each is that of the scores or 1.
template <Real T>
Tensor<T> four_axes(std::string_view op, const char* what, const Tensor<T>& mask, const Shape& scores,
                    const Layout& l) {
  if (!broadcasts_to(mask.shape(), scores))
    throw ShapeError(fmt::format("{}: {} has shape {}, which does not broadcast to the scores', {}", op, what,
                                 to_string(mask.shape()), to_string(scores)));
  Shape shape = mask.shape();
  while (shape.rank() < scores.rank()) shape.insert(0, 1);
  const std::int64_t rows = shape[shape.rank() - 2], keys = l.keys;
  const Tensor<T> wide = shape.back() == keys ? reshape(mask, shape) : expand(reshape(mask, shape), [&] {
    Shape s = shape;
    s.set(s.rank() - 1, keys);
    return s;
  }());
  if (l.order != HeadOrder::plain) return wide;
  Shape leading = wide.shape();
  const bool alone = leading.elements(0, leading.rank() - 2) == 1;
  if (alone) return reshape(wide, {1, 1, rows, keys});
  Shape full = scores;
  full.set(full.rank() - 2, rows);
  return reshape(expand(wide, full), {l.batch, 1, rows, keys});
}

template <Real T>
Mask<T> mask_of(std::string_view op, const AttentionOptions<T>& o, const Shape& scores, const Layout& l) {
  Mask<T> mask;
  if (o.attn_mask.defined()) {
    check_zeros_and_ones(op, o.attn_mask);
    mask.values = four_axes(
        op, "attn_mask", where(o.attn_mask.detach(), 0, -std::numeric_limits<double>::infinity()), scores, l);
  }
  if (o.attn_bias.defined()) {
    const Tensor<T> bias = four_axes(op, "attn_bias", o.attn_bias, scores, l);
    mask.values = mask.values.defined() ? mask.values + bias : bias;
  }
  return mask;
}

template <Real T>
Layout layout_of(std::string_view op, const Tensor<T>& q, const Tensor<T>& k, const Tensor<T>& v,
                 std::int64_t heads, HeadOrder order, const AttentionOptions<T>& o, Shape& scores) {
  check_defined(op, q, 0), check_defined(op, k, 1), check_defined(op, v, 2);
  const std::size_t rank = q.rank();
  const bool plain = order == HeadOrder::plain;
  bool fits = rank >= 2 && k.rank() == rank && v.rank() == rank && (plain || rank == 3);
  const std::size_t rows = order == HeadOrder::rows_first ? 0 : rank - 2;
  for (std::size_t a = 0; a + 1 < rank && fits; ++a) {
    fits = k.shape()[a] == v.shape()[a];
    if (a != rows) fits = fits && q.shape()[a] == k.shape()[a];
  }
  if (!fits || q.size(-1) != k.size(-1))
    throw ShapeError(fmt::format(
        "{}: query {}, key {} and value {}; key and value have equal rows, query and key equal features, and "
        "all the same axes in front",
        op, to_string(q.shape()), to_string(k.shape()), to_string(v.shape())));
  Layout l{
      .order = order,
      .batch = plain ? q.shape().elements(0, rank - 2) : q.shape()[order == HeadOrder::rows_first ? 1 : 0],
      .heads = heads,
      .queries = q.shape()[rows],
      .keys = k.shape()[rows],
      .features = q.size(-1) / heads,
      .value_features = v.size(-1) / heads,
      .scale = 0,
      .causal = o.is_causal};
  l.scale = o.scale.value_or(l.features > 0 ? 1 / std::sqrt(static_cast<double>(l.features)) : 1);
  scores = plain ? q.shape() : Shape{l.batch, l.heads, l.queries, l.keys};
  scores.set(scores.rank() - 1, l.keys);
  return l;
}

// Weights, before dropout, and the result.
template <Real T>
std::pair<Tensor<T>, Tensor<T>> composed(const Tensor<T>& query, const Tensor<T>& key, const Tensor<T>& value,
                                         const Layout& l, const Mask<T>& mask, const AttentionOptions<T>& o,
                                         Location at) {
  const Tensor<T> p =
      weights_of(l, l.split(query, l.queries, l.features), l.split(key, l.keys, l.features), mask, at);
  const Tensor<T> used = dropout(p, o.dropout_p, true, o.generator ? *o.generator : default_generator(), at);
  Shape shape = query.shape();
  shape.set(shape.rank() - 1, l.order == HeadOrder::plain ? l.value_features : l.heads * l.value_features);
  return {l.join(matmul(used, l.split(value, l.keys, l.value_features), {}, at), shape), p};
}

}  // namespace

namespace detail {

template <Real T>
Tensor<T> attention_of_heads(std::string_view op, const Tensor<T>& query, const Tensor<T>& key,
                             const Tensor<T>& value, std::int64_t heads, HeadOrder order,
                             const AttentionOptions<T>& options, Location at) {
  Shape scores;
  const Layout l = layout_of(op, query, key, value, heads, order, options, scores);
  const Mask<T> mask = mask_of(op, options, scores, l);
  if (options.dropout_p != 0) return composed(query, key, value, l, mask, options, at).first;
  std::vector<Tensor<T>> in{query, key, value};
  if (mask.values.requires_grad()) in.push_back(mask.values);
  return apply(Attention<T>{l, mask}, at, std::span<const Tensor<T>>(in));
}

template <Real T>
std::pair<Tensor<T>, Tensor<T>> attention_with_weights(std::string_view op, const Tensor<T>& query,
                                                       const Tensor<T>& key, const Tensor<T>& value,
                                                       std::int64_t heads, HeadOrder order,
                                                       const AttentionOptions<T>& options, Location at) {
  Shape scores;
  const Layout l = layout_of(op, query, key, value, heads, order, options, scores);
  return composed(query, key, value, l, mask_of(op, options, scores, l), options, at);
}

}  // namespace detail

template <Real T>
Tensor<T> scaled_dot_product_attention(const Tensor<T>& query, const Tensor<T>& key, const Tensor<T>& value,
                                       const AttentionOptions<T>& options, Location at) {
  const CallSite call(at);
  return attention_of_heads("scaled_dot_product_attention", query, key, value, 1, HeadOrder::plain, options,
                            at);
}

#define XGRAD_INSTANTIATE(T)                                                                            \
  template Tensor<T> scaled_dot_product_attention(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&, \
                                                  const AttentionOptions<T>&, Location);                \
  template Tensor<T> detail::attention_of_heads(std::string_view, const Tensor<T>&, const Tensor<T>&,   \
                                                const Tensor<T>&, std::int64_t, HeadOrder,              \
                                                const AttentionOptions<T>&, Location);                  \
  template std::pair<Tensor<T>, Tensor<T>> detail::attention_with_weights(                              \
      std::string_view, const Tensor<T>&, const Tensor<T>&, const Tensor<T>&, std::int64_t, HeadOrder,  \
      const AttentionOptions<T>&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
