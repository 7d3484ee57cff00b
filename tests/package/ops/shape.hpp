// A header of the user's own whose name xgrad has too: neither may take the other's place.
#pragma once

inline constexpr int users_ops_shape = 1;
