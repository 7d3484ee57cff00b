// What a header declares.
#pragma once

#include <string>
#include <vector>

namespace xgrad::testing {

/// What a header of ops/ declares in namespace xgrad itself: the names of its functions, sorted.
std::vector<std::string> declared_functions(const std::string& header_text);

}  // namespace xgrad::testing
