// The one header that includes Catch2: version 2 or 3, under version 2's names.
#pragma once

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <catch2/matchers/catch_matchers_vector.hpp>

namespace Catch::Matchers {
/// Matches a string that has `part` in it.
inline auto Contains(const std::string& part) { return ContainsSubstring(part); }
}  // namespace Catch::Matchers
using Catch::Approx;  // version 2 puts it there by itself
#else
#include <catch2/catch.hpp>
#endif
