// The table of the CPU.
#include <xgrad/ops/kernels/cpu.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include <xgrad/autograd/core/random.hpp>
#include <xgrad/autograd/kernels/rows.hpp>
#include <xgrad/autograd/kernels/run_loop.hpp>

namespace xgrad::kernels {

namespace {

template <class T>
void fill(T value, T* out, std::int64_t n) {
  std::fill_n(out, n, value);
}
template <class From, class T>
void convert(const From* in, T* out, std::int64_t n) {
  std::copy_n(in, n, out);
}
template <class T>
void uniform(Generator& generator, double low, double high, T* out, std::int64_t n) {
  generator.fill_uniform(std::span(out, static_cast<std::size_t>(n)), low, high);
}
template <class T>
void normal(Generator& generator, double mean, double deviation, T* out, std::int64_t n) {
  generator.fill_normal(std::span(out, static_cast<std::size_t>(n)), mean, deviation);
}
template <class T>
std::int64_t find_nonfinite(const T* in, std::int64_t n) {
  return std::find_if(in, in + n, [](T x) { return !std::isfinite(x); }) - in;
}

template <class T>
void add_elementwise(KernelsOf<T>& k) {
  k.fill = fill<T>;
  k.add = add;
  k.uniform = uniform<T>;
  k.normal = normal<T>;
  k.find_nonfinite = find_nonfinite<T>;
  k.fill_rows = fill_rows;
  k.column_sums = column_sums;
}

void formula(const xgrad::detail::Program& program, LoopKernel compiled, DType type, const Loop& loop) {
  run_loop(compiled, loop, [&]() -> LoopSizes {
    return {program.inputs, program.output_count, program.instructions, size_of(type)};
  });
}

Table make_cpu() {
  Table table{};
  table.each([](auto& k) { add_elementwise(k); });
  table.copy = [](const std::byte* in, std::byte* out, std::size_t n) { std::memcpy(out, in, n); };
  table.zero = [](std::byte* out, std::size_t n) { std::memset(out, 0, n); };
  table.to_double = convert<float, double>;
  table.to_float = convert<double, float>;
  table.formula = formula;
  table.in_place = [](const InPlaceFormula& of, DType, std::int64_t elements, void* const* operands,
                      const double* constants) { of.compiled(elements, operands, constants); };
  table.find_outside = [](const std::int64_t* values, std::int64_t n, std::int64_t limit) -> std::int64_t {
    return std::find_if(values, values + n, [=](std::int64_t v) { return v < 0 || v >= limit; }) - values;
  };
  for (const Part add_part :
       {fold_loops(), softmax_loops(), norm_loops(), sum_of_squares_loops(), &add_columns, &add_convolutions,
        &add_copies, &add_gathers, &add_integers, &add_linear_algebra, &add_orders, &add_pools, &add_products,
        &add_recurrent, &add_scans, &add_targets})
    add_part(table);
  return table;
}

}  // namespace

constinit std::array<std::atomic<const Table*>, Device::count> detail::tables{};

const Table& detail::make_table(Device device) {
  static const Table cpu = make_cpu();
  const Table* none = nullptr;
  tables[device.index()].compare_exchange_strong(none, &cpu);
  return *tables[device.index()];
}

const Table& replace_table(Device device, const Table& table) {
  const Table& before = on(device);
  detail::tables[device.index()] = &table;
  return before;
}

}  // namespace xgrad::kernels
