// Attention of several heads: three projections, attention on the heads where they lie, a fourth.
#include <xgrad/nn/attention.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/nn/in_module.hpp>
#include <xgrad/nn/init.hpp>
#include <xgrad/ops/attention.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/reduce.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad::nn {

namespace {

constexpr const char* module_name = "MultiheadAttention";

template <Real T>
void check_shape(const char* what, const Tensor<T>& mask, std::initializer_list<Shape> wanted) {
  std::string list;
  for (const Shape& shape : wanted) {
    if (mask.shape() == shape) return;
    list += (list.empty() ? "" : " or ") + xgrad::to_string(shape);
  }
  throw ShapeError(fmt::format("{}: {} has shape {}; it must be {}", module_name, what,
                               xgrad::to_string(mask.shape()), list));
}

// 0 and 1 swapped, NaN and others kept off 0 and 1, so that attention refuses them.
template <Real T>
Tensor<T> visible(const Tensor<T>& hidden) {
  return 1 - hidden.detach();
}

// Both masks as one that broadcasts to the scores, of which 0 is hidden.
template <Real T>
Tensor<T> visible_of(const AttentionMasks<T>& m, std::int64_t batch, std::int64_t heads, std::int64_t queries,
                     std::int64_t keys, bool batched) {
  Tensor<T> result;
  if (m.key_padding_mask.defined()) {
    check_shape("key_padding_mask", m.key_padding_mask, {batched ? Shape{batch, keys} : Shape{keys}});
    result = visible(reshape(m.key_padding_mask, {batch, 1, 1, keys}));
  }
  if (m.attn_mask.defined()) {
    check_shape("attn_mask", m.attn_mask, {{queries, keys}, {batch * heads, queries, keys}});
    const bool all = m.attn_mask.rank() == 2;
    const Tensor<T> seen = visible(reshape(m.attn_mask, {all ? 1 : batch, all ? 1 : heads, queries, keys}));
    result = result.defined() ? result * seen : seen;
  }
  return result;
}

}  // namespace

template <Real T>
MultiheadAttention<T>::MultiheadAttention(std::int64_t features, std::int64_t heads, MultiheadOptions options,
                                          Generator& generator)
    : heads_(heads), options_(options) {
  if (features < 1 || heads < 1 || features % heads != 0)
    throw ValueError(fmt::format("{}: {} features and {} heads; heads must divide features", module_name,
                                 features, heads));
  if (!(options.dropout >= 0 && options.dropout <= 1))
    throw ValueError(
        fmt::format("{}: dropout is {}; a probability lies between 0 and 1", module_name, options.dropout));
  in_proj_weight = init::xavier_uniform(empty<T>({3 * features, features}), 1, generator).set_requires_grad();
  if (options.bias) in_proj_bias = zeros<T>({3 * features}).set_requires_grad();
  out_proj = Linear<T>(features, features, options.bias, generator);
  if (options.bias) init::constant(out_proj.bias, 0);
}

template <Real T>
std::pair<Tensor<T>, Tensor<T>> MultiheadAttention<T>::attend(const Tensor<T>& query, const Tensor<T>& key,
                                                              const Tensor<T>& value,
                                                              const AttentionMasks<T>& masks, bool weights,
                                                              Location at) const {
  const xgrad::detail::CallSite call(at);
  return detail::in_module(in_proj_weight, [&]() -> std::pair<Tensor<T>, Tensor<T>> {
    if (!in_proj_weight.defined())
      throw ValueError(
          fmt::format("{}: used before it has parameters; construct it with its sizes, {}<>{{features, "
                      "heads}}",
                      module_name, module_name));
    const std::int64_t features = in_proj_weight.shape()[1];
    for (const Tensor<T>* x : {&query, &key, &value})
      if (!x->defined() || (x->rank() != 2 && x->rank() != 3) || x->rank() != query.rank() ||
          x->size(-1) != features)
        throw ShapeError(
            fmt::format("{}({}, {}): query, key or value has shape {}; each must be ({}, {}), or without the "
                        "batch, of one number of axes",
                        module_name, features, heads_, x->defined() ? xgrad::to_string(x->shape()) : "none",
                        options_.batch_first ? "batch, length" : "length, batch", features));
    const bool batched = query.rank() == 3;
    const std::int64_t batch_axis = options_.batch_first ? 0 : 1;
    const auto project = [&](const Tensor<T>& x, std::int64_t part) {
      const Tensor<T> in = batched ? x : unsqueeze(x, batch_axis, at);
      const Tensor<T> weight = narrow(in_proj_weight, 0, part * features, features, at);
      return in_proj_bias.defined()
                 ? linear(in, weight, narrow(in_proj_bias, 0, part * features, features, at), at)
                 : linear(in, weight, at);
    };
    const Tensor<T> q = project(query, 0), k = project(key, 1), v = project(value, 2);
    const std::int64_t batch = q.shape()[static_cast<std::size_t>(batch_axis)];
    const AttentionOptions<T> options{.attn_mask = visible_of(masks, batch, heads_, q.size(1 - batch_axis),
                                                              k.size(1 - batch_axis), batched),
                                      .attn_bias = masks.attn_bias,
                                      .is_causal = masks.is_causal,
                                      .dropout_p = training ? options_.dropout : 0,
                                      .generator = options_.generator};
    const auto order =
        options_.batch_first ? xgrad::detail::HeadOrder::batch_first : xgrad::detail::HeadOrder::rows_first;
    auto [y, p] =
        weights
            ? xgrad::detail::attention_with_weights(module_name, q, k, v, heads_, order, options, at)
            : std::pair(xgrad::detail::attention_of_heads(module_name, q, k, v, heads_, order, options, at),
                        Tensor<T>());
    y = out_proj(y, at);
    return {batched ? y : squeeze(y, batch_axis, at), batched || !weights ? p : squeeze(p, 0, at)};
  });
}

template <Real T>
Tensor<T> MultiheadAttention<T>::operator()(const Tensor<T>& query, const Tensor<T>& key,
                                            const Tensor<T>& value, const AttentionMasks<T>& masks,
                                            Location at) const {
  return attend(query, key, value, masks, false, at).first;
}

template <Real T>
std::pair<Tensor<T>, Tensor<T>> MultiheadAttention<T>::with_weights(const Tensor<T>& query,
                                                                    const Tensor<T>& key,
                                                                    const Tensor<T>& value,
                                                                    const AttentionMasks<T>& masks,
                                                                    bool average, Location at) const {
  auto [y, p] = attend(query, key, value, masks, true, at);
  return {y, average ? mean(p, p.rank() == 4 ? 1 : 0, false, at) : p};
}

template <Real T>
std::string MultiheadAttention<T>::attributes() const {
  if (!in_proj_weight.defined()) return "no parameters";
  return fmt::format("embed_dim={}, num_heads={}, dropout={}, batch_first={}", in_proj_weight.shape()[1],
                     heads_, options_.dropout, options_.batch_first ? "True" : "False");
}

#define XGRAD_INSTANTIATE(T) template struct MultiheadAttention<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn
