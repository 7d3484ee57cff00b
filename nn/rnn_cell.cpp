// One step of a recurrent network as a module.
#include <xgrad/nn/rnn_cell.hpp>

#include <fmt/format.h>

#include <xgrad/autograd/core/call_site.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/create.hpp>
#include <xgrad/nn/in_module.hpp>
#include <xgrad/nn/rnn_layer.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad::nn {

template <Real T>
RecurrentCell<T>::RecurrentCell(Cell which, std::int64_t in, std::int64_t hidden, bool bias,
                                Nonlinearity activation, Generator& generator, Location at)
    : Recurrent<T>::Layer(
          Recurrent<T>(which, in, hidden, {.bias = bias, .nonlinearity = activation}, generator, at)
              .layers[0]),
      cell(which),
      input_size(in),
      hidden_size(hidden),
      nonlinearity(activation) {}

template <Real T>
std::array<Tensor<T>, 2> RecurrentCell<T>::next(const Tensor<T>& x, Tensor<T> h, Tensor<T> c,
                                                Location at) const {
  const xgrad::detail::CallSite call(at);
  return detail::in_module(this->weight_ih, [&]() -> std::array<Tensor<T>, 2> {
    const std::string name = std::string(detail::name_of(cell)) + "Cell";
    if (!this->weight_ih.defined())
      throw ValueError(fmt::format(
          "{0}: used before it has parameters; construct it with its sizes, {0}<>{{in, hidden}}", name));
    if (!x.defined() || x.rank() < 1 || x.rank() > 2 || x.size(-1) != input_size)
      throw ShapeError(fmt::format("{}: an input of shape {} where (batch, {}) or ({}) is needed", name,
                                   xgrad::to_string(x.shape()), input_size, input_size));
    const bool batched = x.rank() == 2;
    const Shape expected = batched ? Shape{x.shape()[0], hidden_size} : Shape{hidden_size};
    const auto prepared = [&](const char* what, const Tensor<T>& state) {
      if (!state.defined()) return zeros<T>({batched ? x.shape()[0] : 1, hidden_size});
      if (state.shape() != expected)
        throw ShapeError(fmt::format("{}: {} has shape {} where this input needs {}", name, what,
                                     xgrad::to_string(state.shape()), xgrad::to_string(expected)));
      return batched ? state : unsqueeze(state, 0, at);
    };
    h = prepared("h", h);
    if (cell == Cell::lstm) c = prepared("c", c);
    const detail::RecurrentLayer<T> layer{cell, nonlinearity, *this};
    const Tensor<T> zx = layer.project(batched ? x : unsqueeze(x, 0, at), at);
    const Tensor<T> next_h = layer.advance(zx, h, c, {.zx_donated = zx.unique()}, at);
    if (batched) return {next_h, c};
    return {squeeze(next_h, 0, at), c.defined() ? squeeze(c, 0, at) : c};
  });
}

template <Real T>
std::string RecurrentCell<T>::attributes() const {
  if (!this->weight_ih.defined()) return "no parameters";
  std::string text = fmt::format("{}, {}", input_size, hidden_size);
  if (!this->bias_ih.defined()) text += ", bias=False";
  if (nonlinearity != Nonlinearity::tanh) text += ", nonlinearity=relu";
  return text;
}

#define XGRAD_INSTANTIATE(T) template struct RecurrentCell<T>;
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad::nn
