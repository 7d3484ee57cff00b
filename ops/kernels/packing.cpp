// When a right operand is packed, and how its packed forms are shared between threads without a lock.
#include <xgrad/ops/kernels/packing.hpp>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <xgrad/autograd/core/storage.hpp>
#include <xgrad/autograd/kernels/simd_level.hpp>
#include <xgrad/ops/kernels/gemm.hpp>

namespace xgrad::kernels {

using xgrad::detail::Ref;
using xgrad::detail::Storage;
using xgrad::detail::StorageMemo;

namespace {

std::atomic<bool>& packing_switch() {
  static std::atomic<bool> on = [] {
    const char* text = std::getenv("XGRAD_PACKING");
    return !text || std::strcmp(text, "0") != 0;
  }();
  return on;
}

// A packed form of one k × n operand in a storage. `state` is 0, or a version of the storage and what is
// known of it. Only the thread that moves it to `filling` writes `elements`, and none reads them before it
// is `ready`. None reads an older version's any more by then: a thread that changes a parameter while
// others multiply with it races anyway.
struct PackedForm {
  enum Phase : std::uint64_t { seen = 1, filling, ready };
  static std::uint64_t state_of(std::uint32_t version, Phase phase) {
    return std::uint64_t{version} << 2 | phase;
  }

  const void* const matrix;  // where in the storage it begins
  const std::int64_t k, n;
  const bool transposed;
  PackedForm* const next;
  std::atomic<std::uint64_t> state{0};
  Ref<Storage> elements;
};

// All forms of one storage: a list that only grows, at its head.
class PackedForms final : public StorageMemo {
 public:
  static constexpr Kind kind_of = Kind::packed_forms;
  PackedForms() : StorageMemo(kind_of) {}
  ~PackedForms() override {
    for (PackedForm* form = head_; form;) delete std::exchange(form, form->next);
  }

  /// Null when there are many: the program multiplies with ever new parts of one storage.
  PackedForm* find(const void* matrix, std::int64_t k, std::int64_t n, bool transposed) {
    PackedForm* const head = head_.load(std::memory_order_acquire);
    int count = 0;
    for (PackedForm* form = head; form; form = form->next, ++count)
      if (form->matrix == matrix && form->k == k && form->n == n && form->transposed == transposed)
        return form;
    if (count >= 64) return nullptr;
    auto made = std::make_unique<PackedForm>(matrix, k, n, transposed, head);
    PackedForm* expected = head;
    // A second thread that adds the same just now does without.
    return head_.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel) ? made.release()
                                                                                          : nullptr;
  }

 private:
  std::atomic<PackedForm*> head_{nullptr};
};

template <Real T>
PackedForm* find_form(const Gemm<T>& g, Storage& storage) {
  StorageMemo* memo = storage.memo(PackedForms::kind_of);
  if (!memo) memo = storage.attach_memo(std::make_unique<PackedForms>());
  return static_cast<PackedForms*>(memo)->find(g.b, g.k, g.n, g.transpose_b);
}

template <Real T>
void pack(const Gemm<T>& g, Storage& out) {
  pack_b(g.transpose_b, g.k, g.n, g.b, g.ldb, reinterpret_cast<T*>(out.data()));
}

template <Real T>
Ref<Storage> room(const Gemm<T>& g) {
  return Ref<Storage>::adopt(Storage::make(static_cast<std::int64_t>(packed_size<T>(g.k, g.n)), dtype_of<T>));
}

// The packed operand: the kept one if there is one, or else one for this product only. What was multiplied
// with twice while it stayed the same is kept, from then on at first sight; but never what the user may write
// to without a word.
template <Real T>
Ref<Storage> packed_form(const Gemm<T>& g, Storage* storage) {
  using enum PackedForm::Phase;
  if (PackedForm* form = storage && !storage->exposed() ? find_form(g, *storage) : nullptr) {
    const std::uint32_t version = storage->version();
    std::uint64_t state = form->state.load(std::memory_order_acquire);
    if (state == PackedForm::state_of(version, ready)) return form->elements;
    const bool again = state == PackedForm::state_of(version, seen) || (state & 3) == ready;
    const std::uint64_t next = PackedForm::state_of(version, again ? filling : seen);
    if (state != PackedForm::state_of(version, filling) &&
        form->state.compare_exchange_strong(state, next, std::memory_order_acq_rel) && again) {
      if (!form->elements) form->elements = room(g);
      pack(g, *form->elements);
      form->state.store(PackedForm::state_of(version, ready), std::memory_order_release);
      return form->elements;
    }
  }
  Ref<Storage> scratch = room(g);
  pack(g, *scratch);
  return scratch;
}

// Measured on AVX2 and AVX-512 against gemm. Besides what a kept form saves it matters what making one costs
// where it serves one product only: many rows make up for that, few do only where gemm would have to reorder
// b too. With hundreds of rows nothing is left to save, unless b is so small that its panels stay in the
// first-level cache; and what is large is better shared between BLAS's threads.
template <Real T>
bool pays(const Gemm<T>& g) {
#if defined(__x86_64__)
  static const bool fast_loops = simd_level() != SimdLevel::sse2;
#else
  constexpr bool fast_loops = false;  // not measured
#endif
  const std::int64_t m = g.m, area = g.n * g.k,
                     enough_rows = !g.transpose_b   ? 32
                                   : area > 1 << 14 ? 8
                                                    : packing_least_rows;
  if (m < enough_rows || m > (area > 1 << 14 ? 512 : 4096) || !fast_loops) return false;
  if (area > 1 << 22 || area * static_cast<std::int64_t>(sizeof(T)) < 1024) return false;
  return m * area <= 1 << 20 || blas_threads() == 1;
}

template <Real T>
bool multiply(const Gemm<T>& g, Storage* storage) {
  if (!packing() || !pays(g)) return false;
  const Ref<Storage> form = packed_form(g, storage);
  gemm_packed(g.m, g.n, g.k, g.alpha, g.a, g.lda, reinterpret_cast<const T*>(form->data()), g.beta, g.c,
              g.ldc);
  return true;
}

}  // namespace

bool packing() { return packing_switch().load(std::memory_order_relaxed); }

void set_packing(bool on) { packing_switch().store(on, std::memory_order_relaxed); }

bool packed_product(const Gemm<float>& product, Storage* home) { return multiply(product, home); }
bool packed_product(const Gemm<double>& product, Storage* home) { return multiply(product, home); }

}  // namespace xgrad::kernels
