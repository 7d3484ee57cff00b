// A device that counts kernels and forwards them to the CPU's; it takes the CPU's place as a program starts.
#include "counting_device.hpp"

#include <array>
#include <atomic>
#include <tuple>
#include <utility>

#include <xgrad/autograd/kernels/table.hpp>

namespace xgrad::testing {

namespace {

using namespace kernels;

template <class T>
using K = KernelsOf<T>;

// Every entry with its name; the assertions below fail where one is forgotten.
template <class T>
constexpr auto entries = std::tuple{std::pair{"fill", &K<T>::fill},
                                    std::pair{"add", &K<T>::add},
                                    std::pair{"uniform", &K<T>::uniform},
                                    std::pair{"normal", &K<T>::normal},
                                    std::pair{"find_nonfinite", &K<T>::find_nonfinite},
                                    std::pair{"from_integers", &K<T>::from_integers},
                                    std::pair{"to_integers", &K<T>::to_integers},
                                    std::pair{"sum_of_squares", &K<T>::sum_of_squares},
                                    std::pair{"gemm", &K<T>::gemm},
                                    std::pair{"fill_rows", &K<T>::fill_rows},
                                    std::pair{"column_sums", &K<T>::column_sums},
                                    std::pair{"transpose", &K<T>::transpose},
                                    std::pair{"permute_copy", &K<T>::permute_copy},
                                    std::pair{"strided_write", &K<T>::strided_write},
                                    std::pair{"strided_add", &K<T>::strided_add},
                                    std::pair{"gather_rows", &K<T>::gather_rows},
                                    std::pair{"scatter_add_rows", &K<T>::scatter_add_rows},
                                    std::pair{"gather", &K<T>::gather},
                                    std::pair{"scatter_add", &K<T>::scatter_add},
                                    std::pair{"set_ones", &K<T>::set_ones},
                                    std::pair{"gather_columns", &K<T>::gather_columns},
                                    std::pair{"scatter_add_columns", &K<T>::scatter_add_columns},
                                    std::pair{"cumulative_sum", &K<T>::cumulative_sum},
                                    std::pair{"find_first", &K<T>::find_first},
                                    std::pair{"order", &K<T>::order},
                                    std::pair{"place_of_kth", &K<T>::place_of_kth},
                                    std::pair{"places_of_extreme", &K<T>::places_of_extreme},
                                    std::pair{"softmax", &K<T>::softmax},
                                    std::pair{"log_softmax", &K<T>::log_softmax},
                                    std::pair{"softmax_adjoint", &K<T>::softmax_adjoint},
                                    std::pair{"log_softmax_adjoint", &K<T>::log_softmax_adjoint},
                                    std::pair{"cross_entropy", &K<T>::cross_entropy},
                                    std::pair{"cross_entropy_adjoint", &K<T>::cross_entropy_adjoint},
                                    std::pair{"target_weights", &K<T>::target_weights},
                                    std::pair{"masked_softmax", &K<T>::masked_softmax},
                                    std::pair{"normalize_rows", &K<T>::normalize_rows},
                                    std::pair{"normalize_rows_adjoint", &K<T>::normalize_rows_adjoint},
                                    std::pair{"convolve", &K<T>::convolve},
                                    std::pair{"convolve_input", &K<T>::convolve_input},
                                    std::pair{"convolve_weight", &K<T>::convolve_weight},
                                    std::pair{"max_pool", &K<T>::max_pool},
                                    std::pair{"combine", &K<T>::combine},
                                    std::pair{"rnn_tanh", &K<T>::rnn_tanh},
                                    std::pair{"rnn_relu", &K<T>::rnn_relu},
                                    std::pair{"rnn_tanh_adjoint", &K<T>::rnn_tanh_adjoint},
                                    std::pair{"rnn_relu_adjoint", &K<T>::rnn_relu_adjoint},
                                    std::pair{"lstm", &K<T>::lstm},
                                    std::pair{"lstm_adjoint", &K<T>::lstm_adjoint},
                                    std::pair{"gru", &K<T>::gru},
                                    std::pair{"gru_adjoint", &K<T>::gru_adjoint},
                                    std::pair{"solve", &K<T>::solve},
                                    std::pair{"inverse", &K<T>::inverse},
                                    std::pair{"determinant", &K<T>::determinant},
                                    std::pair{"sign_and_log_determinant", &K<T>::sign_and_log_determinant},
                                    std::pair{"cholesky", &K<T>::cholesky},
                                    std::pair{"qr", &K<T>::qr},
                                    std::pair{"svd", &K<T>::svd},
                                    std::pair{"eigh", &K<T>::eigh}};
constexpr auto integers = std::tuple{std::pair{"permute_copy", &K<std::int64_t>::permute_copy},
                                     std::pair{"strided_write", &K<std::int64_t>::strided_write},
                                     std::pair{"arithmetic", &K<std::int64_t>::arithmetic},
                                     std::pair{"compare", &K<std::int64_t>::compare},
                                     std::pair{"find_zero", &K<std::int64_t>::find_zero},
                                     std::pair{"places_of_scattered", &K<std::int64_t>::places_of_scattered}};
constexpr auto untyped = std::tuple{std::pair{"copy", &Table::copy},
                                    std::pair{"zero", &Table::zero},
                                    std::pair{"to_double", &Table::to_double},
                                    std::pair{"to_float", &Table::to_float},
                                    std::pair{"formula", &Table::formula},
                                    std::pair{"in_place", &Table::in_place},
                                    std::pair{"count_targets", &Table::count_targets},
                                    std::pair{"without_ignored", &Table::without_ignored},
                                    std::pair{"find_outside", &Table::find_outside},
                                    std::pair{"orthonormalize_rows", &Table::orthonormalize_rows}};
constexpr std::size_t entry_count = std::tuple_size_v<std::remove_const_t<decltype(entries<float>)>>;
constexpr std::size_t integer_count = std::tuple_size_v<std::remove_const_t<decltype(integers)>>;
constexpr std::size_t untyped_count = std::tuple_size_v<std::remove_const_t<decltype(untyped)>>;
static_assert(sizeof(K<float>) == (entry_count + fold_kinds) * sizeof(void (*)()),
              "an entry is missing above");
static_assert(sizeof(Table) == 2 * sizeof(K<float>) + (integer_count + untyped_count) * sizeof(void (*)()),
              "an entry is missing above");

// One counter and one forwarding function for each entry, told apart by a number.
constexpr std::size_t real_count = 2 * (entry_count + fold_kinds);
std::array<std::atomic<std::int64_t>, real_count + integer_count + untyped_count> counters;
std::array<std::string, counters.size()> names;

template <std::size_t number, class R, class... A>
void count(R (*&entry)(A...), const char* name, const char* type) {
  static R (*original)(A...) = entry;
  names[number] = std::string(name) + type;
  entry = [](A... arguments) -> R {
    counters[number].fetch_add(1, std::memory_order_relaxed);
    return original(static_cast<A&&>(arguments)...);
  };
}

template <std::size_t first, class Owner, class Entries, std::size_t... I>
void count_all(Owner& owner, const Entries& list, const char* type, std::index_sequence<I...>) {
  (count<first + I>(owner.*std::get<I>(list).second, std::get<I>(list).first, type), ...);
}

template <std::size_t first, class T, std::size_t... I>
void count_folds(K<T>& kernels, const char* type, std::index_sequence<I...>) {
  constexpr std::array fold_names{"sum",     "sum_abs", "sum_squares", "sum_exp", "product",
                                  "maximum", "minimum", "max_abs",     "norm"};
  (count<first + I>(kernels.fold[I], fold_names[I], type), ...);
}

const Table& counting_table() {
  static const Table table = [] {
    Table t = on(Device::cpu());
    constexpr auto all = std::make_index_sequence<entry_count>();
    constexpr auto folds = std::make_index_sequence<fold_kinds>();
    count_all<0>(t.single_precision, entries<float>, "<float>", all);
    count_all<entry_count>(t.double_precision, entries<double>, "<double>", all);
    count_folds<2 * entry_count, float>(t.single_precision, "<float>", folds);
    count_folds<2 * entry_count + fold_kinds, double>(t.double_precision, "<double>", folds);
    count_all<real_count>(t.integers, integers, "<int64>", std::make_index_sequence<integer_count>());
    count_all<real_count + integer_count>(t, untyped, "", std::make_index_sequence<untyped_count>());
    return t;
  }();
  return table;
}

[[maybe_unused]] const Table& before = replace_table(Device::cpu(), counting_table());

}  // namespace

std::vector<KernelCount> kernel_counts() {
  std::vector<KernelCount> result;
  for (std::size_t i = 0; i < counters.size(); ++i) result.push_back({names[i], counters[i].load()});
  return result;
}

}  // namespace xgrad::testing
