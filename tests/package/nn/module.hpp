// As ops/shape.hpp.
#pragma once

inline constexpr int users_nn_module = 2;
