// The refusal of what a Replay could not do again.
#include <xgrad/autograd/core/replay_mode.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/core/error.hpp>

namespace xgrad::detail {

void refuse_in_replay(std::string_view what, std::string_view why) {
  throw GraphError(fmt::format("{}: inside the function of a Replay {}", what, why));
}

}  // namespace xgrad::detail
