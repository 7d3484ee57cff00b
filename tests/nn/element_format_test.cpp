// The types that values have in files: each is read as the number it stands for, from safetensors and .npy.
#include <xgrad/nn/element_format.hpp>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <xgrad/autograd/array/indices.hpp>
#include <xgrad/autograd/array/replay.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/nn/npy.hpp>
#include <xgrad/nn/safetensors.hpp>
#include <xgrad/ops/index.hpp>
#include "catch.hpp"
#include "program.hpp"
#include "tensors.hpp"

namespace {

using namespace xgrad;
using namespace xgrad::testing;
using Catch::Matchers::Contains;

template <class V>
std::string bytes_of(const std::vector<V>& values) {
  std::string bytes(values.size() * sizeof(V), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// The one tensor of a safetensors file with these bytes.
AnyTensor from_safetensors(const std::string& type, const std::string& shape, const std::string& bytes) {
  const TemporaryFolder folder;
  const std::string header = "{\"x\":{\"dtype\":\"" + type + "\",\"shape\":" + shape +
                             ",\"data_offsets\":[0," + std::to_string(bytes.size()) + "]}}";
  write_text(folder / "x", bytes_of<std::uint64_t>({header.size()}) + header + bytes);
  return nn::load_safetensors(folder / "x").tensors.at(0).tensor;
}

nn::NpyArray from_npy(const std::string& type, const std::string& shape, const std::string& bytes,
                      const std::string& fortran = "False") {
  const TemporaryFolder folder;
  const std::string header =
      "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + "}\n";
  const auto length = static_cast<std::uint16_t>(header.size());
  write_text(folder / "x",
             std::string("\x93NUMPY\1\0", 8) + bytes_of<std::uint16_t>({length}) + header + bytes);
  return nn::read_npy(folder / "x");
}

// A binary floating-point number by its definition, in double.
double number(std::uint32_t bits, int exponent_bits, int fraction_bits) {
  const std::uint32_t fraction = bits & ((1u << fraction_bits) - 1), largest = (1u << exponent_bits) - 1,
                      exponent = bits >> fraction_bits & largest;
  const int lowest = 2 - (1 << (exponent_bits - 1)) - fraction_bits;  // of the last bit of a subnormal number
  const double sign = bits >> (exponent_bits + fraction_bits) ? -1 : 1;
  if (exponent == largest) return fraction ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  return sign * (exponent == 0 ? std::ldexp(fraction, lowest)
                               : std::ldexp(fraction + std::ldexp(1, fraction_bits),
                                            lowest + static_cast<int>(exponent) - 1));
}

bool same_number(double a, double b) {
  return std::isnan(b) ? std::isnan(a) : a == b && std::signbit(a) == std::signbit(b);
}

TEST_CASE("F16 and BF16: every one of their numbers becomes the float that it is") {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t k = 0; k < all.size(); ++k) all[k] = static_cast<std::uint16_t>(k);
  const Tensor<> half(from_safetensors("F16", "[65536]", bytes_of(all)));
  const Tensor<> brain(from_safetensors("BF16", "[65536]", bytes_of(all)));
  const nn::NpyArray f2 = from_npy("<f2", "(65536,)", bytes_of(all));
  CHECK(f2.type == nn::NpyType::float32);
  std::size_t wrong = 0;
  for (std::uint32_t k = 0; k < 65536; ++k) {
    wrong += !same_number(half.values()[k], number(k, 5, 10));
    wrong += !same_number(brain.values()[k], number(k, 8, 7));
    wrong += !same_number(f2.data[k], number(k, 5, 10));
  }
  CHECK(wrong == 0);
}

template <class V>
void check_integers(const std::string& safetensors, const std::string& npy) {
  INFO(safetensors);
  using Limits = std::numeric_limits<V>;
  const std::vector<V> values{0, 1, 100, Limits::min(), static_cast<V>(Limits::max() / 2)};
  const Indices read(from_safetensors(safetensors, "[5]", bytes_of(values)));
  CHECK(read.shape() == Shape{5});
  for (std::size_t k = 0; k < 5; ++k) CHECK(read.values()[k] == static_cast<std::int64_t>(values[k]));

  const std::vector<V> small{0, 1, 100, static_cast<V>(-1) < 0 ? static_cast<V>(-7) : V{7}};
  const nn::NpyArray array = from_npy(npy, "(2, 2)", bytes_of(small));
  CHECK(array.type == nn::NpyType::int64);
  for (std::size_t k = 0; k < 4; ++k) CHECK(array.data[k] == static_cast<double>(small[k]));
}

TEST_CASE("integers and bool of every width are 64-bit integers") {
  check_integers<std::int8_t>("I8", "|i1");
  check_integers<std::int16_t>("I16", "<i2");
  check_integers<std::int32_t>("I32", "<i4");
  check_integers<std::int64_t>("I64", "<i8");
  check_integers<std::uint8_t>("U8", "|u1");
  check_integers<std::uint16_t>("U16", "<u2");
  check_integers<std::uint32_t>("U32", "<u4");
  check_integers<std::uint64_t>("U64", "<u8");
  const std::vector<std::uint8_t> mask{0, 1, 255, 0};
  CHECK(equal(Indices(from_safetensors("BOOL", "[2,2]", bytes_of(mask))), Indices{{0, 1}, {1, 0}}));
  CHECK(from_npy("|b1", "(4,)", bytes_of(mask)).data == std::vector<double>{0, 1, 1, 0});

  CHECK_THROWS_WITH(from_safetensors("U64", "[2]", bytes_of<std::uint64_t>({1, 1ull << 63})),
                    Contains("'x': it has a number above 9223372036854775807"));
  CHECK_THROWS_WITH(from_npy("<u8", "(2,)", bytes_of<std::uint64_t>({1, ~0ull})),
                    Contains("the integer at index 1 is about 18446744073709551616, too large for a double"));
}

TEST_CASE("npy: Fortran order is read as rows") {
  CHECK(from_npy("<i4", "(2, 3)", bytes_of<std::int32_t>({1, 4, 2, 5, 3, 6}), "True").data ==
        std::vector<double>{1, 2, 3, 4, 5, 6});
  std::vector<float> values;  // element (i, j, k, l) is 1000 i + 100 j + 10 k + l
  std::vector<double> expected;
  for (int l = 0; l < 2; ++l)
    for (int k = 0; k < 1; ++k)
      for (int j = 0; j < 4; ++j)
        for (int i = 0; i < 3; ++i) values.push_back(static_cast<float>(1000 * i + 100 * j + 10 * k + l));
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j)
      for (int k = 0; k < 1; ++k)
        for (int l = 0; l < 2; ++l) expected.push_back(1000 * i + 100 * j + 10 * k + l);
  CHECK(from_npy("<f4", "(3, 4, 1, 2)", bytes_of(values), "True").data == expected);
  CHECK(from_npy("<f8", "()", bytes_of<double>({3}), "True").data == std::vector<double>{3});
  CHECK(from_npy("<f8", "(2, 0)", "", "True").data.empty());
}

TEST_CASE("integers that a Replay's function reads from a file are the same in every run") {
  const TemporaryFolder folder;
  nn::save_safetensors(folder / "x", {{"x", Indices{2, 0}}});
  Tensor<> weights{{1, 2}, {3, 4}, {5, 6}};
  Replay step([&] {
    const Indices rows(nn::load_safetensors(folder / "x").tensors[0].tensor);
    return embedding(weights, rows) * 2;
  });
  step();
  weights.assign(weights * 10);
  CHECK(list(step()) == std::vector<float>{100, 120, 20, 40});
}

// As PyTorch's BatchNorm1d: its counter is an I64 of shape [].
struct Norm {
  Tensor<> weight = ones({2}).set_requires_grad(), mean = zeros({2}), batches = zeros({});
  bool counts = true;
  void visit(auto&& v) {
    v("weight", weight);
    v.buffer("running_mean", mean);
    if (counts) v.buffer("num_batches_tracked", batches);
  }
};

TEST_CASE("a state dict with a counter or a mask beside its weights loads") {
  nn::StateDict dict{
      {"weight", Tensor<double>{2, 3}},
      {"running_mean", from_safetensors("F16", "[2]", bytes_of<std::uint16_t>({0x3c00, 0xc000}))},
      {"num_batches_tracked", from_safetensors("I64", "[]", bytes_of<std::int64_t>({1234}))}};
  Norm counting;
  CHECK(nn::load_state_dict(counting, dict).unexpected.empty());
  CHECK(counting.batches.item() == 1234);
  CHECK(counting.mean.values()[1] == -2);
  CHECK(counting.weight.values()[1] == 3);

  Norm other;
  other.counts = false;
  dict.push_back({"mask", from_safetensors("BOOL", "[3]", std::string("\1\0\1", 3))});
  const auto report = nn::load_state_dict(other, dict);
  CHECK(report.unexpected == std::vector<std::string>{"num_batches_tracked", "mask"});
  CHECK(other.weight.values()[1] == 3);
  dict.push_back({"bias", zeros({2})});
  CHECK_THROWS_WITH(nn::load_state_dict(other, dict),
                    "load_state_dict: unexpected: bias; nothing was changed");
}

}  // namespace
