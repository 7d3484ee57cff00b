// The exceptions that xgrad throws.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace xgrad {

/// Base of all, and thrown itself where memory is short. The text says what was being done, the shapes or
/// value met, what to do about it, and where the op was called, in which named_scope.
struct Error : std::runtime_error {
  explicit Error(const std::string& text);
  /// Adds to the text what one who passes the error on knows besides: `catch (Error& e) { e.add("…"); throw; }`.
  void add(std::string_view remark);
};

/// Shapes, axes or sizes that do not fit together.
struct ShapeError : Error {
  using Error::Error;
};

/// A value outside what the function accepts: an index, an option, a number.
struct ValueError : Error {
  using Error::Error;
};

/// The graph cannot be differentiated as asked: freed, changed in place, or not recorded.
struct GraphError : Error {
  using Error::Error;
};

/// A NaN or infinity that an `anomaly` scope or a check caught.
struct NonFiniteError : Error {
  using Error::Error;
};

/// A gradient that finite differences contradict.
struct GradcheckError : Error {
  using Error::Error;
};

/// A file that cannot be read or written, or does not hold what was expected.
struct FormatError : Error {
  using Error::Error;
};

}  // namespace xgrad
