// The loops of recurrent steps, shared between threads.
#include <xgrad/autograd/kernels/team.hpp>
#include <xgrad/ops/kernels/cpu.hpp>

namespace xgrad::kernels {

namespace {

// The loops for one thread.
template <class T>
const KernelsOf<T>& alone() {
  static const Table loops = [] {
    Table table{};
    recurrent_loops()(table);
    return table;
  }();
  return loops.of<T>();
}

// What one thread takes for an element, roughly, in nanoseconds: of an RNN, and of an LSTM or a GRU.
constexpr double rnn_element = 0.4, gated_element = 2;

// Elements at a time: whole cache lines.
constexpr std::int64_t line = 64;

template <class T, auto activation>
void activate(std::int64_t n, const T* z, T* h) {
  share(n, line, rnn_element * static_cast<double>(n), [=](std::int64_t begin, std::int64_t end) {
    (alone<T>().*activation)(end - begin, z + begin, h + begin);
  });
}

template <class T, auto adjoint>
void adjoin(std::int64_t n, const T* h, const T* dh, T* dz) {
  share(n, line, rnn_element * static_cast<double>(n), [=](std::int64_t begin, std::int64_t end) {
    (alone<T>().*adjoint)(end - begin, h + begin, dh + begin, dz + begin);
  });
}

template <class F>
void share_rows(std::int64_t batch, std::int64_t hidden, F f) {
  share(batch, 1, gated_element * static_cast<double>(batch) * static_cast<double>(hidden),
        [=](std::int64_t begin, std::int64_t end) { f(end - begin, begin * hidden); });
}

template <class T>
void lstm(std::int64_t batch, std::int64_t hidden, T* z, const T* c, T* next_h, T* next_c) {
  share_rows(batch, hidden, [=](std::int64_t rows, std::int64_t at) {
    alone<T>().lstm(rows, hidden, z + 4 * at, c + at, next_h + at, next_c + at);
  });
}

template <class T>
void lstm_adjoint(std::int64_t batch, std::int64_t hidden, const T* gates, const T* c, const T* next_c,
                  const T* dh, const T* next_dc, T* dz, T* dc) {
  share_rows(batch, hidden, [=](std::int64_t rows, std::int64_t at) {
    alone<T>().lstm_adjoint(rows, hidden, gates + 4 * at, c + at, next_c + at, dh ? dh + at : nullptr,
                            next_dc ? next_dc + at : nullptr, dz + 4 * at, dc + at);
  });
}

template <class T>
void gru(std::int64_t batch, std::int64_t hidden, T* zx, const T* zh, const T* bias, const T* h, T* zh_n,
         T* next_h) {
  share_rows(batch, hidden, [=](std::int64_t rows, std::int64_t at) {
    alone<T>().gru(rows, hidden, zx + 3 * at, zh + 3 * at, bias, h + at, zh_n + at, next_h + at);
  });
}

template <class T>
void gru_adjoint(std::int64_t batch, std::int64_t hidden, const T* gates, const T* zh_n, const T* h,
                 const T* next_dh, T* dzx, T* dzh, bool accumulate, T* dh) {
  share_rows(batch, hidden, [=](std::int64_t rows, std::int64_t at) {
    alone<T>().gru_adjoint(rows, hidden, gates + 3 * at, zh_n + at, h + at, next_dh + at, dzx + 3 * at,
                           dzh + 3 * at, accumulate, dh ? dh + at : nullptr);
  });
}

}  // namespace

void add_recurrent(Table& table) {
  table.each([]<class T>(KernelsOf<T>& k) {
    k.rnn_tanh = activate<T, &KernelsOf<T>::rnn_tanh>;
    k.rnn_relu = activate<T, &KernelsOf<T>::rnn_relu>;
    k.rnn_tanh_adjoint = adjoin<T, &KernelsOf<T>::rnn_tanh_adjoint>;
    k.rnn_relu_adjoint = adjoin<T, &KernelsOf<T>::rnn_relu_adjoint>;
    k.lstm = lstm<T>;
    k.lstm_adjoint = lstm_adjoint<T>;
    k.gru = gru<T>;
    k.gru_adjoint = gru_adjoint<T>;
  });
}

}  // namespace xgrad::kernels
