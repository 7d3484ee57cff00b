// Order, places, parts of matrices and repeats give PyTorch's numbers.
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/index.hpp>
#include <xgrad/ops/integer.hpp>
#include <xgrad/ops/matrix.hpp>
#include <xgrad/ops/order.hpp>
#include "catch.hpp"
#include "reference.hpp"

namespace xgrad::testing {

namespace {

ReferenceResult both(const ValuesAndIndices<double>& y) { return {{y.values}, {y.indices}}; }

void add_orders(ReferenceTable& t) {
  t.add("max axis 1", [](const auto& x) { return both(max(x[0], 1)); });
  t.add("min axis 1, kept", [](const auto& x) { return both(min(x[0], 1, true)); });
  t.add("max", [](const auto& x) { return max(x[0]); });
  t.add("min", [](const auto& x) { return min(x[0]); });
  t.add("sort", [](const auto& x) { return both(sort(x[0])); });
  t.add("sort axis 0, descending", [](const auto& x) { return both(sort(x[0], 0, true)); });
  t.add("argsort", [](const auto& x) { return argsort(x[0]); });
  t.add("topk 2", [](const auto& x) {
    const auto y = topk(x[0], 2);
    return isnan(sum(x[0])).item() != 0 ? ReferenceResult(y.values) : both(y);
  });
  t.add("topk 2 smallest", [](const auto& x) { return both(topk(x[0], 2, -1, false)); });
  t.add("kthvalue 2", [](const auto& x) { return both(kthvalue(x[0], 2)); });
  t.add("kthvalue 4", [](const auto& x) { return kthvalue(x[0], 4).values; });
  t.add("median axis 1", [](const auto& x) { return both(median(x[0], 1)); });
  t.add("median axis 1, values", [](const auto& x) { return median(x[0], 1).values; });
  t.add("median", [](const auto& x) { return median(x[0]); });
  t.add("cummax axis 1", [](const auto& x) { return both(cummax(x[0], 1)); });
  t.add("cummin axis 1", [](const auto& x) { return both(cummin(x[0], 1)); });
  t.add("cumprod axis 1", [](const auto& x) { return cumprod(x[0], 1); });
  t.add("logcumsumexp axis 1", [](const auto& x) { return logcumsumexp(x[0], 1); });
  t.add("unique", [](const auto& x) -> ReferenceResult {
    const auto y = unique(x[0]);
    return {{y.values}, {y.inverse, y.counts}};
  });
  t.add("any axis 1", [](const auto& x) { return to_indices(any(x[0], 1)); });
  t.add("all axis 1", [](const auto& x) { return to_indices(all(x[0], 1)); });
}

void add_places(ReferenceTable& t) {
  t.add("take_along_dim axis 0", [](const auto& x) { return take_along_dim(x[0], x.indices[0], 0); });
  t.add("scatter axis 0", [](const auto& x) { return scatter(x[0], 0, x.indices[0], x[1]); });
  t.add("scatter axis 0, number", [](const auto& x) { return scatter(x[0], 0, x.indices[0], 3); });
  t.add("scatter_add axis 1", [](const auto& x) { return scatter_add(x[0], 1, x.indices[0], x[1]); });
  t.add("index_add axis 1", [](const auto& x) { return index_add(x[0], 1, x.indices[0], x[1], -0.5); });
  t.add("index", [](const auto& x) { return index(x[0], x.indices); });
  t.add("index_put", [](const auto& x) { return index_put(x[0], x.indices, x[1]); });
  t.add("index_put added", [](const auto& x) { return index_put(x[0], x.indices, x[1], true); });
  t.add("masked_select", [](const auto& x) { return masked_select(x[0], to_tensor<double>(x.indices[0])); });
  t.add("nonzero", [](const auto& x) { return nonzero(x[0]); });
}

void add_parts(ReferenceTable& t) {
  for (const std::int64_t k : {-1, 0, 1}) {
    const std::string number = " " + std::to_string(k);
    t.add("tril" + number, [=](const auto& x) { return tril(x[0], k); });
    t.add("triu" + number, [=](const auto& x) { return triu(x[0], k); });
    t.add("diag" + number, [=](const auto& x) { return diag(x[0], k); });
    t.add("diagonal" + number, [=](const auto& x) { return diagonal(x[0], k, 1, -1); });
  }
  t.add("trace", [](const auto& x) { return trace(x[0]); });
  t.add("kron", [](const auto& x) { return kron(x[0], x[1]); });
  t.add("roll", [](const auto& x) { return roll(x[0], {1, -2}, {0, 1}); });
  t.add("repeat", [](const auto& x) { return repeat(x[0], {2, 1, 3}); });
  t.add("tile", [](const auto& x) { return tile(x[0], {2}); });
  t.add("repeat_interleave", [](const auto& x) { return repeat_interleave(x[0], 2, 0); });
  t.add("repeat_interleave, numbers", [](const auto& x) { return repeat_interleave(x[0], x.indices[0], 1); });
  t.add("unfold", [](const auto& x) { return unfold(x[0], 1, 3, 2); });
}

}  // namespace

TEST_CASE("order, places, parts of matrices and repeats give PyTorch's numbers") {
  ReferenceTable t("order.safetensors");
  add_orders(t);
  add_places(t);
  add_parts(t);
  CHECK(t.check() == "");
}

}  // namespace xgrad::testing
