// Storages: memory of the pool, and memory that lies elsewhere.
#include <xgrad/autograd/core/storage.hpp>

#include <cstdlib>
#include <cstring>

#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/ops/reduce.hpp>
#include "catch.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;

struct Block {
  std::byte* data =
      static_cast<std::byte*>(std::calloc(1, 3 * sizeof(float) + detail::Storage::widest_register));
  int freed = 0;
};

Tensor<> adopted(Block& block) {
  const float values[] = {1, 2, 3};
  std::memcpy(block.data, values, sizeof values);
  const auto free = [](std::byte* data, void* context) noexcept {
    ++static_cast<Block*>(context)->freed;
    std::free(data);
  };
  return Tensor<>(AnyTensor(detail::Ref<detail::Storage>::adopt(detail::Storage::adopt(
                                block.data, 3, DType::float32, Device::cpu(), free, &block)),
                            0, {3}));
}

TEST_CASE("storage: memory that lies elsewhere is a tensor's like any other", "[storage]") {
  Block block;
  {
    auto x = adopted(block).set_requires_grad();
    CHECK(reinterpret_cast<const std::byte*>(x.data()) == block.data);
    const auto y = sum(x * x);
    CHECK(y.item() == 14);
    y.backward();
    CHECK(list(x.grad()) == std::vector<float>{2, 4, 6});
    const auto version = x.version();
    x.assign(Tensor<>{4, 5, 6});
    CHECK(x.version() == version + 1);
    float first = 0;
    std::memcpy(&first, block.data, sizeof first);
    CHECK(first == 4);
    CHECK(block.freed == 0);
  }
  CHECK(block.freed == 1);
}

TEST_CASE("storage: adopted memory is no larger than it says", "[storage]") {
  Block block;
  const Tensor<> x = adopted(block);
  const auto& storage = *x.storage();
  CHECK(storage.dtype() == DType::float32);
  CHECK(storage.device() == Device::cpu());
  CHECK_FALSE(storage.in_arena());
  CHECK_FALSE(storage.fits(3));  // as memory for a result it is not taken
  Tensor<> y = adopted(block = Block()) + 1.0f;  // the temporary's memory could be
  CHECK(list(y) == std::vector<float>{2, 3, 4});
}

}  // namespace
