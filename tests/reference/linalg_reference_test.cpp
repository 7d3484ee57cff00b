// Linear algebra and distances give PyTorch's numbers.
#include <xgrad/ops/distance.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/linalg.hpp>
#include "catch.hpp"
#include "reference.hpp"

namespace xgrad::testing {

namespace {

void add_decompositions(ReferenceTable& t) {
  t.add("solve", [](const auto& x) { return solve(x[0], x[1]); });
  t.add("inv", [](const auto& x) { return inv(x[0]); });
  t.add("det", [](const auto& x) { return det(x[0]); });
  t.add("cholesky", [](const auto& x) { return cholesky(x[0]); });
  t.add("qr", [](const auto& x) -> ReferenceResult {
    const auto [q, r] = qr(x[0]);
    return Tensors<double>{q, r};
  });
  t.add("svd", [](const auto& x) -> ReferenceResult {
    const auto [u, s, vh] = svd(x[0]);
    return Tensors<double>{square(u), s, square(vh)};
  });
  t.add("eigh", [](const auto& x) -> ReferenceResult {
    const auto [values, vectors] = eigh(x[0]);
    return Tensors<double>{values, square(vectors)};
  });
  t.add("pinv", [](const auto& x) { return pinv(x[0]); });
  t.add("pinv of rank 1", [](const auto& x) { return pinv(x[0]); });
  t.add("lstsq", [](const auto& x) { return lstsq(x[0], x[1]); });
}

void add_functions(ReferenceTable& t) {
  t.add("solve_triangular upper", [](const auto& x) { return solve_triangular(x[0], x[1], true); });
  t.add("solve_triangular lower, ones",
        [](const auto& x) { return solve_triangular(x[0], x[1], false, true); });
  for (const std::int64_t n : {3, 0, -2})
    t.add("matrix_power " + std::to_string(n),
          [=](const auto& x) { return matrix_power(x[0], n) + 0 * x[0]; });
  t.add("matrix_exp", [](const auto& x) { return matrix_exp(x[0]); });
}

void add_distances(ReferenceTable& t) {
  t.add("norm 0.5 axis 1", [](const auto& x) { return norm(x[0], 0.5, 1); });
  t.add("norm 1.5 axis 1", [](const auto& x) { return norm(x[0], 1.5, 1); });
  t.add("norm 3.0 axis 1", [](const auto& x) { return norm(x[0], 3, 1); },
        {.different = {"1: PyTorch's powers of small numbers underflow"}});
  t.add("norm 0 axis 1", [](const auto& x) { return norm(x[0], 0, 1); });
  t.add("cosine_similarity", [](const auto& x) { return cosine_similarity(x[0], x[1]); });
  t.add("pairwise_distance", [](const auto& x) { return pairwise_distance(x[0], x[1]); });
  t.add("cdist 1.0", [](const auto& x) { return cdist(x[0], x[1], 1); });
  t.add("cdist 2.0", [](const auto& x) { return cdist(x[0], x[1]); });
  t.add("cdist 3.0", [](const auto& x) { return cdist(x[0], x[1], 3); });
}

}  // namespace

TEST_CASE("linear algebra and distances give PyTorch's numbers") {
  ReferenceTable t("linalg.safetensors");
  add_decompositions(t);
  add_functions(t);
  add_distances(t);
  CHECK(t.check() == "");
}

}  // namespace xgrad::testing
