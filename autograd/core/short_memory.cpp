// What is thrown where memory is short.
#include <xgrad/autograd/core/short_memory.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/core/pool.hpp>

namespace xgrad::detail {

namespace {

// Never destroyed; a copy takes no memory.
const Error& prepared = *new Error("out of memory: take smaller batches, or keep fewer tensors and graphs");

}  // namespace

void throw_prepared_error() { throw Error(prepared); }

void short_of_memory(std::string_view what) {
  throw_short_of_memory([&] {
    return fmt::format(
        "{}: out of memory, and {} bytes are in use by tensors and graphs; take smaller batches, or keep "
        "fewer "
        "tensors and graphs",
        what, live_counts().bytes);
  });
}

}  // namespace xgrad::detail
