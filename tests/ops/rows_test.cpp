// Sums of columns, of every width; nothing is written after them.
#include <xgrad/autograd/kernels/rows.hpp>

#include <vector>

#include <xgrad/autograd/tape/create.hpp>
#include "catch.hpp"

using namespace xgrad;

TEMPLATE_TEST_CASE("sums of columns", "", float, double) {
  Generator random(15);
  for (const std::int64_t rows : {0, 1, 2, 9})
    for (std::int64_t columns = 0; columns < 150; columns += columns < 70 ? 1 : 13) {
      const auto x = randn<TestType>({rows, columns}, random);
      std::vector<TestType> out(static_cast<std::size_t>(columns) + 1, TestType(3)), want(out);
      for (const bool accumulate : {false, true}) {
        kernels::column_sums(rows, columns, x.data(), accumulate, out.data());
        for (std::size_t j = 0; j < static_cast<std::size_t>(columns); ++j) {
          if (!accumulate) want[j] = 0;
          for (std::size_t i = 0; i < static_cast<std::size_t>(rows); ++i)
            want[j] += x.values()[i * static_cast<std::size_t>(columns) + j];
        }
        CHECK(out == want);
      }
    }
}
