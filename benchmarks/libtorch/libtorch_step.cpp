// The workloads of step_bench in libtorch, as modules over the whole sequence and unrolled from cells.
//
// libtorch_step [THREADS [SECONDS [REPETITIONS [WORKLOAD...]]]] prints a JSON line for each workload and
// form: the median of the seconds per step and what it is the median of. BLAS's own threads are
// OPENBLAS_NUM_THREADS.
#include <torch/torch.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace {

struct Workload {
  std::string name, cell;
  std::int64_t vocabulary, hidden, time, batch;
};

const Workload workloads[] = {
    {"hello", "rnn", 4, 16, 4, 1},
    {"floyd", "rnn", 17, 12, 14, 3},
    {"medium_rnn", "rnn", 65, 128, 64, 32},
    {"medium_lstm", "lstm", 65, 128, 64, 32},
    {"medium_gru", "gru", 65, 128, 64, 32},
    {"large_rnn", "rnn", 65, 512, 100, 64},
    {"large_lstm", "lstm", 65, 512, 100, 64},
};

/// A recurrent network from one-hot rows (time, batch, vocabulary) to outputs (time, batch, hidden).
struct Network {
  std::vector<torch::Tensor> parameters;
  std::function<torch::Tensor(const torch::Tensor&)> forward;
};

/// torch::nn::RNN, LSTM or GRU.
template <class Module>
Network whole(const Workload& w) {
  Module rnn(w.vocabulary, w.hidden);
  return {rnn->parameters(), [rnn](const torch::Tensor& x) mutable { return std::get<0>(rnn(x)); }};
}

const torch::Tensor& output(const torch::Tensor& state) { return state; }
const torch::Tensor& output(const std::tuple<torch::Tensor, torch::Tensor>& state) {
  return std::get<0>(state);
}

/// torch::nn::RNNCell, LSTMCell or GRUCell, once for each time step.
template <class Cell>
Network unrolled(const Workload& w) {
  Cell cell(w.vocabulary, w.hidden);
  const auto forward = [cell](const torch::Tensor& x) mutable {
    const auto rows = x.unbind(0);
    auto state = cell(rows[0]);
    std::vector<torch::Tensor> outputs{output(state)};
    for (std::size_t t = 1; t < rows.size(); ++t) {
      state = cell(rows[t], state);
      outputs.push_back(output(state));
    }
    return torch::stack(outputs);
  };
  return {cell->parameters(), forward};
}

Network network(const Workload& w, bool unroll) {
  using namespace torch::nn;
  if (w.cell == "lstm") return unroll ? unrolled<LSTMCell>(w) : whole<LSTM>(w);
  if (w.cell == "gru") return unroll ? unrolled<GRUCell>(w) : whole<GRU>(w);
  return unroll ? unrolled<RNNCell>(w) : whole<RNN>(w);
}

/// A function that makes one step on a window that never changes. One-hot inputs are made here, once.
std::function<void()> training_step(const Workload& w, bool unroll) {
  const auto x =
      torch::one_hot(torch::randint(w.vocabulary, {w.time, w.batch}), w.vocabulary).to(torch::kFloat);
  const auto targets = torch::randint(w.vocabulary, {w.time * w.batch}, torch::kLong);
  const Network net = network(w, unroll);
  torch::nn::Linear fc(w.hidden, w.vocabulary);
  auto parameters = net.parameters;
  for (const auto& parameter : fc->parameters()) parameters.push_back(parameter);

  const bool toy = w.name == "hello";
  std::shared_ptr<torch::optim::Optimizer> optimizer;
  if (toy)
    optimizer = std::make_shared<torch::optim::SGD>(parameters, 0.1);
  else
    optimizer = std::make_shared<torch::optim::Adam>(parameters, 1e-3);
  return [=]() mutable {
    optimizer->zero_grad();
    const auto logits = fc(net.forward(x)).view({-1, w.vocabulary});
    const auto loss = torch::nn::functional::cross_entropy(logits, targets);
    loss.backward();
    if (!toy) torch::nn::utils::clip_grad_norm_(parameters, 5);
    optimizer->step();
    if (!std::isfinite(loss.item<float>())) throw std::runtime_error(w.name + ": the loss is not finite");
  };
}

double seconds_per_step(const std::function<void()>& step, int count) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  for (int i = 0; i < count; ++i) step();
  return std::chrono::duration<double>(Clock::now() - start).count() / count;
}

void print(const Workload& w, const char* form, std::vector<double> samples) {
  std::cout << "{\"workload\": \"" << w.name << "\", \"program\": \"libtorch " TORCH_VERSION " " << form
            << "\", \"samples\": [";
  for (std::size_t k = 0; k < samples.size(); ++k) std::cout << (k ? ", " : "") << samples[k];
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  std::cout << "], \"seconds\": " << *middle << ", \"threads\": " << torch::get_num_threads() << "}"
            << std::endl;
}

/// Measures both forms in alternation.
void run(const Workload& w, double seconds, int repetitions) {
  const std::function<void()> steps[] = {training_step(w, false), training_step(w, true)};
  int counts[2];
  for (int form = 0; form < 2; ++form) {
    for (int i = 0; i < 2; ++i) steps[form]();  // by now all memory is there
    counts[form] = std::max(1, static_cast<int>(seconds / seconds_per_step(steps[form], 1)));
  }
  std::vector<double> samples[2];
  for (int i = 0; i < repetitions; ++i)
    for (int form = 0; form < 2; ++form) samples[form].push_back(seconds_per_step(steps[form], counts[form]));
  print(w, "module", samples[0]);
  print(w, "unrolled", samples[1]);
}

}  // namespace

int main(int argc, char** argv) {
  torch::set_num_threads(argc > 1 ? std::stoi(argv[1]) : 1);
  torch::manual_seed(1);
  const double seconds = argc > 2 ? std::stod(argv[2]) : 0.3;
  const int repetitions = argc > 3 ? std::stoi(argv[3]) : 3;
  const std::vector<std::string> wanted(argv + std::min(argc, 4), argv + argc);
  for (const Workload& w : workloads)
    if (wanted.empty() || std::count(wanted.begin(), wanted.end(), w.name)) run(w, seconds, repetitions);
}
