// Where a tensor's data lives. The CPU is the one device there is; the type is the seam for others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <xgrad/autograd/core/error.hpp>

namespace xgrad {

/// Where a tensor's data lives, as torch.device.
class Device {
 public:
  static constexpr Device cpu() { return Device{}; }
  /// The fastest device that is there: for programs that take what they get.
  static Device best() { return cpu(); }

  /// A device by its name, as in PyTorch ("cpu"). Throws ValueError for any other.
  explicit Device(std::string_view name) {
    if (name != "cpu")
      throw ValueError("Device: '" + std::string(name) +
                       "' is not available; this build of xgrad has 'cpu' only");
  }

  constexpr std::string_view name() const { return "cpu"; }
  /// Its place in tables by device, and the device at that place.
  constexpr std::size_t index() const { return kind_; }
  static constexpr Device at(std::size_t index) {
    Device device;
    device.kind_ = static_cast<std::uint8_t>(index);
    return device;
  }
  static constexpr std::size_t count = 1;
  friend constexpr bool operator==(Device, Device) = default;

 private:
  constexpr Device() = default;
  std::uint8_t kind_ = 0;
};

}  // namespace xgrad
