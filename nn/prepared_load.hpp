// Loading a state dict in two steps: everything is compared and converted, then copied, which cannot fail.
#pragma once

#include <vector>

#include <xgrad/nn/module.hpp>

namespace xgrad::nn::detail {

struct PreparedLoad {
  std::vector<AnyTensor> values;          // in the types of the targets
  std::vector<const AnyTensor*> targets;  // members of the module
  LoadReport report;

  void copy() const;
};

// Throws as load_state_dict() does, and changes nothing.
PreparedLoad prepare_load(const Visitor& visitor, const StateDict& dict, bool strict);

}  // namespace xgrad::nn::detail
