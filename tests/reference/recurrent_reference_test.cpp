// Recurrent networks give PyTorch's numbers: in two directions, projected, over sequences of their own
// lengths, and without a batch.
#include <xgrad/nn/rnn.hpp>

#include <xgrad/nn/rnn_cell.hpp>
#include <xgrad/ops/shape.hpp>
#include "catch.hpp"
#include "reference.hpp"

namespace xgrad::testing {

namespace {

// The inputs of a case, one after another.
struct Reader {
  const ReferenceInputs& inputs;
  std::size_t next = 0;
  const Tensor<double>& operator()() { return inputs[next++]; }
};

// A state whose tensors are the parts of one, and the other way.
nn::RecurrentState<double>::List parts(const Tensor<double>& x) {
  nn::RecurrentState<double>::List list;
  for (const Tensor<double>& part : unbind(x, 0)) list.push_back(part);
  return list;
}
Tensor<double> whole(const nn::RecurrentState<double>::List& list) {
  return stack(std::span<const Tensor<double>>(list), 0);
}

void give_parameters(nn::Recurrent<double>& net, Reader& read) {
  for (auto& layer : net.layers)
    for (Tensor<double>* p :
         {&layer.weight_ih, &layer.weight_hh, &layer.bias_ih, &layer.bias_hh, &layer.weight_hr})
      if (p->defined()) *p = read();
}

void add(ReferenceTable& table, const std::string& name, nn::Cell cell, std::int64_t hidden,
         nn::RecurrentOptions options) {
  table.add(name, [=](const ReferenceInputs& inputs) -> ReferenceResult {
    nn::Recurrent<double> net(cell, 3, hidden, options);
    Reader read{inputs};
    const Tensor<double> x = read();
    nn::RecurrentState<double> state{parts(read()), {}};
    if (cell == nn::Cell::lstm) state.c = parts(read());
    give_parameters(net, read);
    const auto [output, end] = inputs.indices.empty() ? net(x, state) : net(x, state, inputs.indices[0]);
    Tensors<double> result{output, whole(end.h)};
    if (cell == nn::Cell::lstm) result.push_back(whole(end.c));
    return result;
  });
}

template <class C>
void give_parameters(C& cell, Reader& read) {
  for (Tensor<double>* p : {&cell.weight_ih, &cell.weight_hh, &cell.bias_ih, &cell.bias_hh}) *p = read();
}

}  // namespace

TEST_CASE("recurrent networks give PyTorch's numbers") {
  ReferenceTable t("recurrent.safetensors");
  for (const auto& [name, cell] : {std::pair{"RNN", nn::Cell::rnn}, std::pair{"LSTM", nn::Cell::lstm},
                                   std::pair{"GRU", nn::Cell::gru}}) {
    const std::string prefix = name;
    add(t, prefix + " bidirectional", cell, 4, {.bidirectional = true});
    add(t, prefix + " bidirectional, 2 layers, batch first", cell, 2,
        {.layers = 2, .batch_first = true, .bidirectional = true});
    add(t, prefix + " unbatched", cell, 4, {.layers = 2});
    add(t, prefix + " lengths", cell, 4, {});
    add(t, prefix + " lengths, bidirectional, 2 layers", cell, 2, {.layers = 2, .bidirectional = true});
  }
  add(t, "RNN relu, no bias", nn::Cell::rnn, 4,
      {.bias = false, .nonlinearity = nn::Nonlinearity::relu, .bidirectional = true});
  add(t, "LSTM projected", nn::Cell::lstm, 4, {.layers = 2, .proj_size = 2});
  add(t, "LSTM projected, bidirectional, lengths", nn::Cell::lstm, 4,
      {.layers = 2, .bidirectional = true, .proj_size = 3});
  t.add("RNNCell", [](const auto& x) {
    nn::RNNCell<double> cell(3, 4);
    Reader read{x, 2};
    give_parameters(cell, read);
    return cell(x[0], x[1]);
  });
  t.add("GRUCell", [](const auto& x) {
    nn::GRUCell<double> cell(3, 4);
    Reader read{x, 2};
    give_parameters(cell, read);
    return cell(x[0], x[1]);
  });
  t.add("LSTMCell", [](const auto& x) {
    nn::LSTMCell<double> cell(3, 4);
    Reader read{x, 3};
    give_parameters(cell, read);
    const auto [h, c] = cell(x[0], {x[1], x[2]});
    return Tensors<double>{h, c};
  });
  CHECK(t.check() == "");
}

}  // namespace xgrad::testing
