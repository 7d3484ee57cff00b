// Back-propagation through time written by hand, in plain loops.
#include "bptt_reference.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace xgrad::reference {
namespace {

using Shape = std::vector<std::size_t>;

Array zeros(Shape shape) { return Array(shape, 0.0); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// The four parameters of one layer; also the place of their gradients.
struct Layer {
  Array w_ih, w_hh, b_ih, b_hh;
};

std::string name(const char* kind, std::size_t k) {
  return std::string("rnn.") + kind + "_l" + std::to_string(k);
}

Layer layer_of(const Parameters& p, std::size_t k) {
  return {p.at(name("weight_ih", k)), p.at(name("weight_hh", k)), p.at(name("bias_ih", k)),
          p.at(name("bias_hh", k))};
}

std::size_t layer_count(const Parameters& p) {
  std::size_t k = 0;
  while (p.contains(name("weight_ih", k))) ++k;
  return k;
}

/// out[t, b, :] = W in[s, b, :] + bias, the one product of the forward pass.
void project(const Array& w, const Array& bias, const Array& in, std::size_t s, Array& out, std::size_t t) {
  for (std::size_t b = 0; b < in.shape(1); ++b)
    for (std::size_t r = 0; r < w.shape(0); ++r) {
      double sum = bias(r);
      for (std::size_t c = 0; c < w.shape(1); ++c) sum += w(r, c) * in(s, b, c);
      out(t, b, r) = sum;
    }
}

/// The adjoint of project(): adds to the gradients of W, of the bias, and of in[s].
void project_back(const Array& w, const Array& in, std::size_t s, const Array& d_out, std::size_t t,
                  Array& d_w, Array& d_bias, Array& d_in) {
  for (std::size_t b = 0; b < in.shape(1); ++b)
    for (std::size_t r = 0; r < w.shape(0); ++r) {
      d_bias(r) += d_out(t, b, r);
      for (std::size_t c = 0; c < w.shape(1); ++c) {
        d_w(r, c) += d_out(t, b, r) * in(s, b, c);
        d_in(s, b, c) += d_out(t, b, r) * w(r, c);
      }
    }
}

/// One layer over time. State 0 is the initial one, so step t reads row t of h and c and writes row t + 1.
struct Trace {
  Array x;     // input projection W_ih x + b_ih, (time, batch, gates·hidden)
  Array u;     // hidden projection W_hh h + b_hh, likewise
  Array h, c;  // (time + 1, batch, hidden)
};

/// Gate g of unit j at (t, b): its input and hidden projection together.
struct Position {
  std::size_t t, b, j, hidden;
  std::size_t at(std::size_t g) const { return g * hidden + j; }
  double sum(const Trace& s, std::size_t g) const { return s.x(t, b, at(g)) + s.u(t, b, at(g)); }
};

struct LstmGates {
  double i, f, g, o;
  LstmGates(const Trace& s, const Position& p)
      : i(sigmoid(p.sum(s, 0))),
        f(sigmoid(p.sum(s, 1))),
        g(std::tanh(p.sum(s, 2))),
        o(sigmoid(p.sum(s, 3))) {}
};

struct GruGates {
  double r, z, n;
  GruGates(const Trace& s, const Position& p)
      : r(sigmoid(p.sum(s, 0))),
        z(sigmoid(p.sum(s, 1))),
        n(std::tanh(s.x(p.t, p.b, p.at(2)) + r * s.u(p.t, p.b, p.at(2)))) {}
};

void unit_forward(Cell cell, Trace& s, const Position& p) {
  double& h = s.h(p.t + 1, p.b, p.j);
  switch (cell) {
    case Cell::rnn_tanh:
      h = std::tanh(p.sum(s, 0));
      break;
    case Cell::rnn_relu:
      h = std::max(p.sum(s, 0), 0.0);
      break;
    case Cell::lstm: {
      const LstmGates a(s, p);
      double& c = s.c(p.t + 1, p.b, p.j);
      c = a.f * s.c(p.t, p.b, p.j) + a.i * a.g;
      h = a.o * std::tanh(c);
      break;
    }
    case Cell::gru: {
      const GruGates a(s, p);
      h = (1 - a.z) * a.n + a.z * s.h(p.t, p.b, p.j);
      break;
    }
  }
}

/// Turns d.h (and d.c) of row t + 1 into d.x and d.u of step t and what flows past the gates to row t.
void unit_backward(Cell cell, const Trace& s, Trace& d, const Position& p) {
  const double dh = d.h(p.t + 1, p.b, p.j);
  const auto set = [&](std::size_t g, double dx, double du) {
    d.x(p.t, p.b, p.at(g)) = dx;
    d.u(p.t, p.b, p.at(g)) = du;
  };
  const double h = s.h(p.t + 1, p.b, p.j);
  switch (cell) {
    case Cell::rnn_tanh:
      set(0, dh * (1 - h * h), dh * (1 - h * h));
      break;
    case Cell::rnn_relu:
      set(0, h > 0 ? dh : 0, h > 0 ? dh : 0);
      break;
    case Cell::lstm: {
      const LstmGates a(s, p);
      const double tc = std::tanh(s.c(p.t + 1, p.b, p.j));
      const double dc = d.c(p.t + 1, p.b, p.j) + dh * a.o * (1 - tc * tc);
      const double gates[] = {dc * a.g * a.i * (1 - a.i), dc * s.c(p.t, p.b, p.j) * a.f * (1 - a.f),
                              dc * a.i * (1 - a.g * a.g), dh * tc * a.o * (1 - a.o)};
      for (std::size_t g = 0; g < 4; ++g) set(g, gates[g], gates[g]);
      d.c(p.t, p.b, p.j) += dc * a.f;
      break;
    }
    case Cell::gru: {
      const GruGates a(s, p);
      const double dn = dh * (1 - a.z) * (1 - a.n * a.n);
      const double dr = dn * s.u(p.t, p.b, p.at(2)) * a.r * (1 - a.r);
      const double dz = dh * (s.h(p.t, p.b, p.j) - a.n) * a.z * (1 - a.z);
      set(0, dr, dr);
      set(1, dz, dz);
      set(2, dn, dn * a.r);
      d.h(p.t, p.b, p.j) += dh * a.z;
      break;
    }
  }
}

Trace empty_trace(Cell cell, std::size_t time, std::size_t batch, std::size_t hidden) {
  const Shape gates{time, batch, gate_count(cell) * hidden}, state{time + 1, batch, hidden};
  return {zeros(gates), zeros(gates), zeros(state), zeros(state)};
}

template <class F>
void for_each_unit(std::size_t t, std::size_t batch, std::size_t hidden, F f) {
  for (std::size_t b = 0; b < batch; ++b)
    for (std::size_t j = 0; j < hidden; ++j) f(Position{t, b, j, hidden});
}

void copy_row(const Array& from, std::size_t s, Array& to, std::size_t t) {
  for (std::size_t b = 0; b < from.shape(1); ++b)
    for (std::size_t j = 0; j < from.shape(2); ++j) to(t, b, j) = from(s, b, j);
}

/// Rows 1 … time of a state sequence: what the next layer reads.
Array outputs_of(const Array& h) {
  Array out = zeros({h.shape(0) - 1, h.shape(1), h.shape(2)});
  for (std::size_t t = 0; t + 1 < h.shape(0); ++t) copy_row(h, t + 1, out, t);
  return out;
}

Trace forward_layer(Cell cell, const Layer& p, const Array& in, const State& initial, std::size_t k) {
  const std::size_t time = in.shape(0), batch = in.shape(1), hidden = p.w_hh.shape(1);
  Trace s = empty_trace(cell, time, batch, hidden);
  copy_row(initial.h, k, s.h, 0);
  if (cell == Cell::lstm) copy_row(initial.c, k, s.c, 0);
  for (std::size_t t = 0; t < time; ++t) {
    project(p.w_ih, p.b_ih, in, t, s.x, t);
    project(p.w_hh, p.b_hh, s.h, t, s.u, t);
    for_each_unit(t, batch, hidden, [&](const Position& at) { unit_forward(cell, s, at); });
  }
  return s;
}

/// From the gradient of a layer's outputs to those of its parameters, its input and its initial state.
Trace backward_layer(Cell cell, const Layer& p, const Array& in, const Trace& s, const Array& d_out,
                     Layer& d_p, Array& d_in) {
  const std::size_t time = in.shape(0), batch = in.shape(1), hidden = p.w_hh.shape(1);
  Trace d = empty_trace(cell, time, batch, hidden);
  for (std::size_t t = 0; t < time; ++t) copy_row(d_out, t, d.h, t + 1);
  for (std::size_t t = time; t-- > 0;) {
    for_each_unit(t, batch, hidden, [&](const Position& at) { unit_backward(cell, s, d, at); });
    project_back(p.w_ih, in, t, d.x, t, d_p.w_ih, d_p.b_ih, d_in);
    project_back(p.w_hh, s.h, t, d.u, t, d_p.w_hh, d_p.b_hh, d.h);
  }
  return d;
}

/// Mean cross-entropy of softmax(logits), and its gradient by the logits.
double cross_entropy(const Array& logits, const Targets& targets, Array& d_logits) {
  const std::size_t time = logits.shape(0), batch = logits.shape(1), classes = logits.shape(2);
  double loss = 0;
  for (std::size_t t = 0; t < time; ++t)
    for (std::size_t b = 0; b < batch; ++b) {
      double largest = logits(t, b, 0), total = 0;
      for (std::size_t k = 1; k < classes; ++k) largest = std::max(largest, logits(t, b, k));
      for (std::size_t k = 0; k < classes; ++k) total += std::exp(logits(t, b, k) - largest);
      const auto target = static_cast<std::size_t>(targets(t, b));
      loss += largest + std::log(total) - logits(t, b, target);
      for (std::size_t k = 0; k < classes; ++k) {
        const double probability = std::exp(logits(t, b, k) - largest) / total;
        d_logits(t, b, k) = (probability - (k == target)) / double(time * batch);
      }
    }
  return loss / double(time * batch);
}

}  // namespace

std::size_t gate_count(Cell cell) { return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1; }

Bptt bptt(Cell cell, const Parameters& parameters, const Array& x, const Targets& targets,
          const State& initial) {
  const std::size_t layers = layer_count(parameters), time = x.shape(0), batch = x.shape(1);
  const Array &w = parameters.at("fc.weight"), &b = parameters.at("fc.bias");
  const std::size_t hidden = w.shape(1), classes = w.shape(0);

  std::vector<Layer> layer;
  std::vector<Array> in{x};
  std::vector<Trace> trace;
  for (std::size_t k = 0; k < layers; ++k) {
    layer.push_back(layer_of(parameters, k));
    trace.push_back(forward_layer(cell, layer[k], in[k], initial, k));
    in.push_back(outputs_of(trace[k].h));
  }

  Bptt result;
  for (const auto& [key, value] : parameters)
    result.gradients[key] = zeros({value.shape().begin(), value.shape().end()});
  result.logits = zeros({time, batch, classes});
  for (std::size_t t = 0; t < time; ++t) project(w, b, in[layers], t, result.logits, t);
  Array d_logits = zeros({time, batch, classes}), d_out = zeros({time, batch, hidden});
  result.loss = cross_entropy(result.logits, targets, d_logits);
  for (std::size_t t = 0; t < time; ++t)
    project_back(w, in[layers], t, d_logits, t, result.gradients["fc.weight"], result.gradients["fc.bias"],
                 d_out);

  const Array no_state = zeros({layers, batch, hidden});
  result.final_state = result.state_gradient = {no_state, no_state};
  for (std::size_t k = layers; k-- > 0;) {
    Layer d_p = layer_of(result.gradients, k);
    Array d_in = zeros({time, batch, in[k].shape(2)});
    const Trace d = backward_layer(cell, layer[k], in[k], trace[k], d_out, d_p, d_in);
    result.gradients[name("weight_ih", k)] = d_p.w_ih;
    result.gradients[name("weight_hh", k)] = d_p.w_hh;
    result.gradients[name("bias_ih", k)] = d_p.b_ih;
    result.gradients[name("bias_hh", k)] = d_p.b_hh;
    copy_row(d.h, 0, result.state_gradient.h, k);
    copy_row(d.c, 0, result.state_gradient.c, k);
    copy_row(trace[k].h, time, result.final_state.h, k);
    copy_row(trace[k].c, time, result.final_state.c, k);
    d_out = d_in;
  }
  result.input_gradient = d_out;
  return result;
}

State zero_state(const Parameters& parameters, std::size_t batch) {
  const Array none = zeros({layer_count(parameters), batch, parameters.at("fc.weight").shape(1)});
  return {none, none};
}

Parameters random_parameters(Cell cell, std::size_t features, std::size_t hidden, std::size_t layers,
                             std::size_t classes, unsigned seed) {
  std::mt19937 generator(seed);
  const double bound = 1 / std::sqrt(double(hidden));
  const auto uniform = [&](Shape shape) {
    Array a = zeros(shape);
    for (double& v : a) v = bound * (2 * (generator() / 4294967296.0) - 1);
    return a;
  };
  Parameters p;
  const std::size_t rows = gate_count(cell) * hidden;
  for (std::size_t k = 0; k < layers; ++k) {
    p[name("weight_ih", k)] = uniform({rows, k == 0 ? features : hidden});
    p[name("weight_hh", k)] = uniform({rows, hidden});
    p[name("bias_ih", k)] = uniform({rows});
    p[name("bias_hh", k)] = uniform({rows});
  }
  p["fc.weight"] = uniform({classes, hidden});
  p["fc.bias"] = uniform({classes});
  return p;
}

Array one_hot(const Targets& indices, std::size_t classes) {
  Array rows = zeros({indices.shape(0), indices.shape(1), classes});
  for (std::size_t t = 0; t < indices.shape(0); ++t)
    for (std::size_t b = 0; b < indices.shape(1); ++b)
      rows(t, b, static_cast<std::size_t>(indices(t, b))) = 1;
  return rows;
}

}  // namespace xgrad::reference
