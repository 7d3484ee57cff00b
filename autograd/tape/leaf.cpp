// Leaves: which elements they stand for, and the gradients that accumulate in them.
#include <fmt/format.h>

#include <new>

#include <xgrad/autograd/array/kernel_list.hpp>
#include <xgrad/autograd/core/error.hpp>
#include <xgrad/autograd/tape/node.hpp>
#include <xgrad/autograd/tape/run_formula.hpp>
#include <xgrad/autograd/tape/sink.hpp>

namespace xgrad::detail {

namespace {

// The leaves of a storage's elements, by which each handle to the same elements finds the same one.
struct Leaves final : StorageMemo {
  static constexpr Kind kind_of = Kind::leaves;
  Leaves() : StorageMemo(kind_of) {}

  struct Entry {
    std::int64_t offset;
    Ref<Leaf> leaf;
  };
  std::mutex mutex;
  std::vector<Entry> entries;
};

Leaves& leaves_of(Storage& storage) {
  StorageMemo* memo = storage.memo(Leaves::kind_of);
  if (!memo) memo = storage.attach_memo(std::make_unique<Leaves>());
  return static_cast<Leaves&>(*memo);
}

}  // namespace

Ref<Leaf> Leaf::of(const AnyTensor& x) {
  Leaves& leaves = leaves_of(*x.storage());
  const std::lock_guard lock(leaves.mutex);
  std::erase_if(leaves.entries, [](const auto& entry) { return entry.leaf->unshared(); });
  for (const auto& [offset, leaf] : leaves.entries)
    if (offset == x.offset() && leaf->shape_ == x.shape()) return leaf;
  auto leaf = Ref<Leaf>::adopt(new (allocate(0, sizeof(Leaf))) Leaf(x.shape(), x.dtype()));
  leaves.entries.push_back({x.offset(), leaf});
  return leaf;
}

Leaf::Leaf(const Shape& shape, DType dtype) : Node(dtype, {}, 0, 1, true), shape_(shape) {}

void Leaf::destroy() noexcept { end(this); }

std::unique_lock<std::mutex> Leaf::locked() const {
  return single_threaded() ? std::unique_lock(mutex_, std::defer_lock) : std::unique_lock(mutex_);
}

std::string Leaf::label() const {
  const auto lock = locked();
  return label_;
}

void Leaf::set_label(std::string_view name) {
  const auto lock = locked();
  if (name.size() > label_.size()) label_ = name;
}

AnyTensor Leaf::grad() const {
  const auto lock = locked();
  return grad_;
}

void Leaf::set_grad(AnyTensor value) {
  if (in_replay()) [[unlikely]]
    repeat_in_replay(false);
  const auto lock = locked();
  grad_ = std::move(value);
  ++changes_;
}

void Leaf::bind_grad(const AnyTensor& value) {
  const auto lock = locked();
  if (grad_.storage().get() != value.storage().get() || grad_.offset() != value.offset() || grad_.node())
    grad_ = value, ++changes_;
}

namespace {

struct GradientEffect final : KernelList::Effect {
  explicit GradientEffect(Leaf& of) : leaf(Ref<Leaf>::share(&of)) {}
  void note() override { value = leaf->grad(); }
  void repeat() override { leaf->bind_grad(value); }
  Ref<Leaf> leaf;
  AnyTensor value;
};

}  // namespace

void Leaf::repeat_in_replay(bool adds) {
  KernelList& list = *this_thread.replay;
  if (list.has_effect(this)) return;
  if (adds && grad().defined())
    throw GraphError(fmt::format(
        "backward: inside the function of a Replay, a leaf of shape {} has a gradient from before; call "
        "zero_grad() first in the function: every run then computes the gradients anew",
        to_string(shape_)));
  list.add_effect(this, std::make_unique<GradientEffect>(*this));
}

namespace {

// Whether another gradient can be added to this one where it lies: nothing else reads it there.
inline bool adds_in_place(const AnyTensor& gradient) {
  return !gradient.node() && gradient.unique() && may_overwrite(gradient);
}

AnyTensor plus(const AnyTensor& a, const AnyTensor& b) {
  return run_formula(primitive(Opcode::add), {{&a}, {&b}}, Location::current());
}

}  // namespace

bool Leaf::prepare(AnyTensor& gradient, Sums& sums) const {
  const auto lock = locked();
  if (grad_.defined() && (gradient.node() || grad_.node())) {
    sums.push_back({plus(grad_, gradient), changes_});
    return true;
  }
  if (!gradient.node() && !adds_in_place(gradient) && !(grad_.defined() && adds_in_place(grad_)))
    gradient = copy_of(gradient);  // nothing else writes into what a leaf has
  return false;
}

void Leaf::accumulate(AnyTensor& gradient, Sum* sum) {
  const auto lock = locked();
  if (sum && sum->changes == changes_)
    grad_ = std::move(sum->value);
  else if (!grad_.defined())
    grad_ = gradient.node() || gradient.unique() ? std::move(gradient) : copy_of(gradient);
  else if (adds_in_place(grad_) && !gradient.node())
    add_into(grad_, gradient);
  else if (adds_in_place(gradient) && !grad_.node())
    add_into(gradient, grad_), grad_ = std::move(gradient);
  else
    grad_ = plus(grad_, gradient);
  ++changes_;
}

}  // namespace xgrad::detail
