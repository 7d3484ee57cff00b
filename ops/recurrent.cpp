// Steps of recurrent networks: the product with the state and all that follows it as one node.
#include <xgrad/ops/recurrent.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include <xgrad/autograd/array/kernel_list.hpp>
#include <xgrad/autograd/array/profile.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/op.hpp>
#include <xgrad/ops/elementwise.hpp>
#include <xgrad/ops/layout.hpp>
#include <xgrad/ops/matmul.hpp>
#include <xgrad/ops/product.hpp>
#include <xgrad/ops/shape.hpp>

namespace xgrad {

using namespace detail;

namespace {

enum class StepKind : std::uint8_t { tanh, relu, lstm, gru };

constexpr const char* name_of(StepKind kind) {
  constexpr std::array names{"rnn_tanh_step", "rnn_relu_step", "lstm_step", "gru_step"};
  return names[static_cast<std::size_t>(kind)];
}

// The gradient of a weight in x · weightᵀ: dzᵀ · x.
template <Real T>
void write_weight_gradient(const DeferredGradient& d, AnyTensor& into, bool accumulate) {
  matrix_product<T>({d.a, true}, {d.b}, into, accumulate);
}

bool lies_before(const AnyTensor& x, const AnyTensor& y) {
  return x.storage().get() == y.storage().get() && x.offset() + x.elements() == y.offset();
}

// A recorded step. Outputs: h; of an LSTM also c and the gates, of a GRU zh_n and the gates. A GRU's two and
// an LSTM's gates are seen by a second derivative only.
template <Real T, StepKind kind>
class StepNode final : public Node {
  static constexpr bool lstm = kind == StepKind::lstm, gru = kind == StepKind::gru, gated = lstm || gru;

 public:
  struct Inputs {
    const AnyTensor &zx, &h, &weight;
    const AnyTensor* last;  // of an LSTM c, of a GRU the bias
  };

  // `z` as the step left it: where there are gates, those. `next`: h, and of an LSTM c, of a GRU zh_n.
  static void record(const Inputs& in, const AnyTensor& z, std::span<Tensor<T>> next, Location at) {
    auto node =
        Ref<StepNode>::adopt(new (allocate(inputs, sizeof(StepNode))) StepNode(in, z, next.back(), at));
    if constexpr (lstm) next[1].attach(node, 1);
    next[0].attach(std::move(node), 0);
  }

  std::string_view name() const override { return name_of(kind); }
  Shape output_shape(std::size_t output) const override { return output == 2 ? gates_shape_ : shape_; }
  void release_saved() noexcept override {
    for (SavedRegion& region : saved_) region.storage = {};
  }

  // Flat, for a small step's work weighs no more than the calls around it.
  [[gnu::flatten]] void backward(std::span<GradientSlot> gradients, GradientSink& sink) override {
    if (sink.create_graph() || comes_of_second_derivative(gradients))
      return backward_recorded(gradients, sink);
    auto found = own_gradients(gradients, sink);
    AnyTensor& dz = found[0];
    sink.write(1, [&](AnyTensor& dh, bool accumulate) {
      matrix_product<T>({dz}, {saved(saved_weight), false, constant_weight()}, dh, accumulate);
    });
    if (sink.wants(2)) add_weight_gradient(dz, sink);
    if constexpr (lstm)
      if (sink.wants(3)) sink.add(3, donate(std::move(found[1])));
    if constexpr (gru) add_bias_gradient(dz, sink);
    if (sink.wants(0))
      sink.add(0, {std::move(found[gru]), gru || !sink.wants(2)});
  }

 private:
  enum : std::size_t { saved_weight, saved_h, saved_result, saved_gates, saved_c };
  static constexpr std::size_t inputs = gated ? 4 : 3, results = gated ? 3 : 1, regions = 3 + gated + lstm;
  struct SavedRegion {
    SavedRegion(const AnyTensor& x) : storage(x.storage()), offset(x.offset()), version(x.version()) {}
    Ref<Storage> storage;
    std::int64_t offset;
    std::uint32_t version;
  };

  StepNode(const Inputs& in, const AnyTensor& z, const AnyTensor& result, Location at)
      : Node(dtype_of<T>, at, inputs, results),
        shape_(in.h.shape()),
        gates_shape_(z.shape()),
        saved_(regions_of(in, z, result)) {
    const auto reads = [&](std::size_t i, const AnyTensor& x) {
      if (needs_gradient(x)) connect(i, x.edge());
    };
    reads(0, in.zx);
    reads(1, in.h);
    reads(2, in.weight);
    if constexpr (gated) reads(3, *in.last);
    batch_gradients();
  }
  static std::array<SavedRegion, regions> regions_of(const Inputs& in, const AnyTensor& z,
                                                     const AnyTensor& result) {
    if constexpr (lstm)
      return {in.weight, in.h, result, z, *in.last};
    else if constexpr (gru)
      return {in.weight, in.h, result, z};
    else
      return {in.weight, in.h, result};
  }
  void destroy() noexcept override { end(this); }

  bool constant_weight() const { return edges()[2].node && edges()[2].node->is_leaf(); }

  Shape shape_of(std::size_t i) const {
    if (i == saved_weight) return {gates_shape_[1], shape_[1]};
    return i == saved_gates ? gates_shape_ : shape_;
  }
  AnyTensor saved(std::size_t i) const {
    const SavedRegion& region = saved_[i];
    if (region.storage->version() != region.version) [[unlikely]]
      changed(i);
    return {region.storage, region.offset, shape_of(i)};
  }
  [[noreturn]] void changed(std::size_t i) const {
    const SavedRegion& region = saved_[i];
    const auto origin = i == saved_result ? SavedValue::Origin::output : SavedValue::Origin::input;
    const std::uint32_t input = i == saved_weight ? 2 : i == saved_c ? 3 : 1;
    changed_in_place(name(),
                     {AnyTensor(region.storage, region.offset, shape_of(i)), region.version, origin,
                      i == saved_result ? 0 : input},
                     where());
  }

  static bool comes_of_second_derivative(std::span<const GradientSlot> gradients) {
    return (gated && gradients[2].value.defined()) || (gru && gradients[1].value.defined());
  }

  // The gradient of what h weightᵀ was added to, and of an LSTM that of c, of a GRU that of zx.
  auto own_gradients(std::span<GradientSlot> gradients, GradientSink& sink) {
    if constexpr (lstm)
      return lstm_gradients(gradients, sink);
    else if constexpr (gru)
      return gru_gradients(gradients[0].value, sink);
    else
      return rnn_gradient(gradients[0]);
  }

  // dz over the gradient of h where that is this node's own.
  std::array<AnyTensor, 1> rnn_gradient(GradientSlot& given) const {
    const AnyTensor h = saved(saved_result);
    const auto dh = reads<T>(given.value);
    AnyTensor dz =
        given.donated ? std::move(given.value) : AnyTensor::empty(shape_, dtype_of<T>);
    const auto& k = kernels::on(dz.device()).of<T>();
    launch(kind == StepKind::tanh ? k.rnn_tanh_adjoint : k.rnn_relu_adjoint, shape_.elements(), reads<T>(h), dh,
           writes<T>(dz));
    return {std::move(dz)};
  }

  // The gates, and where their gradients go: over them where nothing needs them any more.
  std::array<AnyTensor, 2> gates_and_room(const GradientSink& sink) {
    if (!saved_[saved_gates].storage)
      throw GraphError(fmt::format(
          "backward: the gates of '{}' were overwritten by an earlier backward that failed; compute "
          "the graph anew",
          name()));
    AnyTensor gates = saved(saved_gates);
    if (!sink.saved_donated() || !may_overwrite(gates))
      return {std::move(gates), AnyTensor::empty(gates_shape_, dtype_of<T>)};
    saved_[saved_gates].storage = {};
    return {gates, gates};
  }

  // dz and dc over the gates and the gradient of c where nothing needs those any more.
  std::array<AnyTensor, 2> lstm_gradients(std::span<GradientSlot> gradients, const GradientSink& sink) {
    const AnyTensor c = saved(saved_c), next_c = saved(saved_result);
    auto [gates, dz] = gates_and_room(sink);
    const GradientSlot &dh = gradients[0], &next_dc = gradients[1];
    const bool own_dc = next_dc.value.defined() && next_dc.donated;
    AnyTensor dc = own_dc ? next_dc.value : AnyTensor::empty(shape_, dtype_of<T>);
    launch(kernels::on(dz.device()).template of<T>().lstm_adjoint, shape_[0], shape_[1], reads<T>(gates), reads<T>(c),
           reads<T>(next_c), reads<T>(dh.value), reads<T>(next_dc.value), writes<T>(dz), writes<T>(dc));
    return {std::move(dz), std::move(dc)};
  }

  // dzh, and dzx over the gates where nothing needs those any more. What goes to h directly is left in h's
  // place.
  std::array<AnyTensor, 2> gru_gradients(const AnyTensor& next_dh, GradientSink& sink) {
    const AnyTensor h = saved(saved_h), zh_n = saved(saved_result);
    auto [gates, dzx] = gates_and_room(sink);
    AnyTensor dzh = room_for_dzh(sink);
    bool accumulate = false;
    const AnyTensor dh = sink.wants(1) ? sink.destination(1, accumulate).value : AnyTensor();
    launch(kernels::on(dzh.device()).of<T>().gru_adjoint, shape_[0], shape_[1], reads<T>(gates), reads<T>(zh_n),
           reads<T>(h), reads<T>(next_dh), writes<T>(dzx), writes<T>(dzh), accumulate, writes<T>(dh));
    return {std::move(dzh), std::move(dzx)};
  }

  // Right before the dzh that waits for this one, or at the end of a block that earlier steps will fill. More
  // rows than these make no faster product.
  AnyTensor room_for_dzh(GradientSink& sink) const {
    constexpr std::int64_t rows = 64;
    const std::int64_t elements = gates_shape_.elements();
    if (!sink.wants(2)) return AnyTensor::empty(gates_shape_, dtype_of<T>);
    if (const DeferredGradient* later = sink.waiting(2); later && later->a.offset() >= elements)
      return {later->a.storage(), later->a.offset() - elements, gates_shape_};
    const std::int64_t steps = std::max<std::int64_t>(rows / std::max<std::int64_t>(shape_[0], 1), 1);
    return AnyTensor::empty({steps, elements}, dtype_of<T>).part(gates_shape_, (steps - 1) * elements);
  }

  void add_bias_gradient(const AnyTensor& dzh, GradientSink& sink) const {
    sink.write(3, [&](AnyTensor& into, bool accumulate) {
      launch(kernels::on(into.device()).of<T>().column_sums, gates_shape_[0], gates_shape_[1], reads<T>(dzh),
             accumulate, writes<T>(into));
    });
  }

  // The dz and h of a sequence's steps lie one before another: the products of all steps are one.
  void add_weight_gradient(const AnyTensor& dz, GradientSink& sink) const {
    const AnyTensor h = saved(saved_h);
    DeferredGradient* later = sink.waiting(2);
    if (later && lies_before(dz, later->a) && lies_before(h, later->b)) {
      later->a.prepend(dz);
      later->b.prepend(h);
    } else {
      sink.add(2, DeferredGradient{write_weight_gradient<T>, dz, h});
    }
  }

  // A saved tensor with its history: that of input `edge`, or, for a negative one, output -1 - edge of this
  // node.
  Tensor<T> recorded(std::size_t i, int edge) {
    AnyTensor x = saved(i);
    if (edge < 0)
      x.attach(Ref<Node>::share(this), static_cast<std::uint32_t>(-1 - edge));
    else if (const Edge& from = edges()[static_cast<std::size_t>(edge)]; from.node)
      x.attach(from.node, from.output);
    return Tensor<T>(std::move(x));
  }

  // The same gradients from recorded ops, which is how second derivatives come about. Cold, for all of it
  // would be inlined at the expense of the common path.
  [[gnu::cold, gnu::noinline]] void backward_recorded(std::span<GradientSlot> gradients, GradientSink& sink) {
    std::array<Tensor<T>, results> given;
    for (std::size_t k = 0; k < results; ++k) {
      const AnyTensor& g = gradients[k].value;
      given[k] = Tensor<T>(g.defined() ? g : AnyTensor::zeros(output_shape(k), dtype_of<T>));
    }
    const auto [dzx, dzh, dh, last] = recorded_gradients(given);
    if (sink.wants(0)) sink.add(0, {dzx});
    if (sink.wants(1)) {
      const Tensor<T> product = matmul(dzh, recorded(saved_weight, 2));
      sink.add(1, {dh.defined() ? product + dh : product});
    }
    if (sink.wants(2))
      sink.add(2, {matmul(dzh, recorded(saved_h, 1), {.transpose_a = true})});
    if (gated && sink.wants(3)) sink.add(3, {last});
  }

  // Of zx; of what h weightᵀ was added to; of h but for that product; and of c or the bias.
  struct RecordedGradients {
    Tensor<T> dzx, dzh, dh{}, last{};
  };

  RecordedGradients recorded_gradients(std::span<const Tensor<T>, results> given) {
    if constexpr (lstm)
      return recorded_lstm_gradients(given);
    else if constexpr (gru)
      return recorded_gru_gradients(given);
    else
      return recorded_rnn_gradients(given);
  }

  RecordedGradients recorded_rnn_gradients(std::span<const Tensor<T>, results> given) {
    const Tensor<T> h = recorded(saved_result, -1);
    const Tensor<T> dz = given[0] * (kind == StepKind::tanh ? 1 - square(h) : Tensor<T>(h > 0));
    return {dz, dz};
  }

  RecordedGradients recorded_lstm_gradients(std::span<const Tensor<T>, results> given) {
    const Tensor<T> c = recorded(saved_c, 3), t = tanh(recorded(saved_result, -2));
    const Tensor<T> gates = recorded(saved_gates, -3), &dh = given[0];
    const auto parts = chunk(gates, 4, 1);
    const Tensor<T>&i = parts[0], &f = parts[1], &g = parts[2], &o = parts[3];
    const Tensor<T> dc = given[1] + dh * o * (1 - square(t));
    const std::vector<Tensor<T>> slopes{i * (1 - i), f * (1 - f), 1 - square(g), o * (1 - o)};
    const std::vector<Tensor<T>> inner{dc * g, dc * c, dc * i, dh * t};
    const Tensor<T> dz = (cat(inner, 1) + given[2]) * cat(slopes, 1);
    return {dz, dz, {}, dc * f};
  }

  RecordedGradients recorded_gru_gradients(std::span<const Tensor<T>, results> given) {
    const Tensor<T> h = recorded(saved_h, 1), zh_n = recorded(saved_result, -2), &dh = given[0];
    const auto gates = chunk(recorded(saved_gates, -3), 3, 1), more = chunk(given[2], 3, 1);
    const Tensor<T>&r = gates[0], &z = gates[1], &n = gates[2];
    const Tensor<T> dn = (dh * (1 - z) + more[2]) * (1 - square(n));
    const Tensor<T> dr = (dn * zh_n + more[0]) * r * (1 - r), dz = (dh * (h - n) + more[1]) * z * (1 - z);
    const Tensor<T> dzh = cat({dr, dz, dn * r + given[1]}, 1);
    return {cat({dr, dz, dn}, 1), dzh, dh * z, dzh};
  }

  Shape shape_, gates_shape_;  // of h and c, and of z
  std::array<SavedRegion, regions> saved_;
};

// `last`: c of an LSTM, or the bias of a GRU, which may be undefined.
void check_step(StepKind kind, const AnyTensor& zx, const AnyTensor& h, const AnyTensor& weight,
                const AnyTensor* last) {
  const char* name = name_of(kind);
  check_defined(name, zx);
  check_defined(name, h, 1);
  check_defined(name, weight, 2);
  const bool lstm = kind == StepKind::lstm, has_bias = last && !lstm && last->defined();
  if (lstm) check_defined(name, *last, 3);
  const std::int64_t gates = lstm ? 4 : kind == StepKind::gru ? 3 : 1;
  const bool fits = h.rank() == 2 && zx.rank() == 2 && weight.rank() == 2 && zx.shape()[0] == h.shape()[0] &&
                    zx.shape()[1] == gates * h.shape()[1] && weight.shape()[0] == zx.shape()[1] &&
                    weight.shape()[1] == h.shape()[1] && (!lstm || last->shape() == h.shape()) &&
                    (!has_bias || (last->rank() == 1 && last->shape()[0] == zx.shape()[1]));
  if (fits) return;
  const std::string blocks = gates > 1 ? fmt::format("{} ", gates) : "";
  throw ShapeError(fmt::format(
      "{}: zx {}, h {}, weight {}{}; needed are zx [batch, {}hidden], h [batch, hidden]{} and weight "
      "[{}hidden, hidden]{}",
      name, to_string(zx.shape()), to_string(h.shape()), to_string(weight.shape()),
      lstm       ? fmt::format(", c {}", to_string(last->shape()))
      : has_bias ? fmt::format(", bias {}", to_string(last->shape()))
                 : "",
      blocks, lstm ? ", c the same" : "", blocks, has_bias ? ", and bias [3 hidden]" : ""));
}

// Memory for h: what was given for it, or z, whose it can be in an RNN, or new.
template <Real T>
AnyTensor room_for_h(StepKind kind, const AnyTensor& z, const AnyTensor& h, const StepMemory<T>& memory) {
  if (!memory.h.defined()) return kind < StepKind::lstm ? z : AnyTensor::empty(h.shape(), h.dtype());
  if (memory.h.shape() != h.shape())
    throw ShapeError(fmt::format("{}: memory of shape {} for an h of shape {}", name_of(kind),
                                 to_string(memory.h.shape()), to_string(h.shape())));
  return memory.h.detached();
}

// `last`: of an LSTM c, of a GRU the bias. `next`: h, and of an LSTM c, of a GRU zh_n.
template <Real T, StepKind kind>
void step(const Tensor<T>& zx, const Tensor<T>& h, const Tensor<T>& weight, const Tensor<T>* last,
          std::span<Tensor<T>> next, const StepMemory<T>& memory, Location at) {
  constexpr bool gru = kind == StepKind::gru;
  const CallSite call(at);
  const ProfiledOp timed(name_of(kind));
  check_step(kind, zx, h, weight, last);
  AnyTensor z = memory.zx_donated && may_overwrite(zx) ? zx.detached() : copy_of(zx);
  const auto& k = kernels_of(h);
  next[0] = Tensor<T>(room_for_h(kind, z, h, memory));
  AnyTensor zh;
  if constexpr (gru) zh = AnyTensor::empty(z.shape(), dtype_of<T>);
  matrix_product<T>({h}, {weight, true, weight.node() && weight.node()->is_leaf()}, gru ? zh : z,
                             !gru);
  if (last) next[1] = Tensor<T>(AnyTensor::empty(h.shape(), dtype_of<T>));
  if constexpr (kind == StepKind::lstm) {
    launch(k.lstm, h.shape()[0], h.shape()[1], writes<T>(z), reads(*last), writes(next[0]), writes(next[1]));
  } else if constexpr (gru) {
    launch(k.gru, h.shape()[0], h.shape()[1], writes<T>(z), reads<T>(zh), reads(*last), reads(h),
           writes(next[1]), writes(next[0]));
  } else {
    launch(kind == StepKind::tanh ? k.rnn_tanh : k.rnn_relu, h.elements(), reads<T>(z), writes(next[0]));
  }
  if (this_thread.anomaly)
    for (const Tensor<T>& output : next) check_finite(name_of(kind), output, at, false);
  if (is_recording() &&
      (needs_gradient(zx) || needs_gradient(h) || needs_gradient(weight) || (last && needs_gradient(*last))))
    StepNode<T, kind>::record({zx, h, weight, last}, z, next, at);
}

}  // namespace

template <Real T>
Tensor<T> rnn_tanh_step(const Tensor<T>& zx, const Tensor<T>& h, const Tensor<T>& weight,
                        const StepMemory<T>& memory, Location at) {
  Tensor<T> next;
  step<T, StepKind::tanh>(zx, h, weight, nullptr, {&next, 1}, memory, at);
  return next;
}

template <Real T>
Tensor<T> rnn_relu_step(const Tensor<T>& zx, const Tensor<T>& h, const Tensor<T>& weight,
                        const StepMemory<T>& memory, Location at) {
  Tensor<T> next;
  step<T, StepKind::relu>(zx, h, weight, nullptr, {&next, 1}, memory, at);
  return next;
}

template <Real T>
std::array<Tensor<T>, 2> lstm_step(const Tensor<T>& zx, const Tensor<T>& h, const Tensor<T>& c,
                                   const Tensor<T>& weight, const StepMemory<T>& memory, Location at) {
  std::array<Tensor<T>, 2> next;
  step<T, StepKind::lstm>(zx, h, weight, &c, next, memory, at);
  return next;
}

template <Real T>
Tensor<T> gru_step(const Tensor<T>& zx, const Tensor<T>& h, const Tensor<T>& weight, const Tensor<T>& bias,
                   const StepMemory<T>& memory, Location at) {
  std::array<Tensor<T>, 2> next;
  step<T, StepKind::gru>(zx, h, weight, &bias, next, memory, at);
  return std::move(next[0]);
}

#define XGRAD_INSTANTIATE(T)                                                                          \
  template Tensor<T> rnn_tanh_step(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&,              \
                                   const StepMemory<T>&, Location);                                   \
  template Tensor<T> rnn_relu_step(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&,              \
                                   const StepMemory<T>&, Location);                                   \
  template std::array<Tensor<T>, 2> lstm_step(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&,   \
                                              const Tensor<T>&, const StepMemory<T>&, Location);      \
  template Tensor<T> gru_step(const Tensor<T>&, const Tensor<T>&, const Tensor<T>&, const Tensor<T>&, \
                              const StepMemory<T>&, Location);
#include <xgrad/autograd/core/instantiate.hpp>

}  // namespace xgrad
