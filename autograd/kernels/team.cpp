// The team of threads. Work is taken part by part by whoever comes first, so that no thread waits for one
// that is late.
#include <xgrad/autograd/kernels/team.hpp>

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace xgrad::kernels {

namespace {

using namespace std::chrono_literals;

// How long an idle thread stays awake: a training step's next product is mostly a few microseconds away, and
// to wake a thread takes as many.
constexpr auto patience = 200us;

// Tells the processor that this thread waits in a loop.
void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

struct Work {
  detail::Part part;
  const void* context;
  std::int64_t units, step, parts;

  void run(std::int64_t i) const { part(context, begin(i), begin(i + 1)); }
  std::int64_t begin(std::int64_t i) const { return std::min(units, steps() * i / parts * step); }
  std::int64_t steps() const { return (units + step - 1) / step; }
};

// Which work is open, and its first part that is not taken, in one word.
struct Ticket {
  static constexpr std::int64_t max_parts = 0xffff;
  std::uint64_t bits;

  static Ticket open(std::uint64_t number, std::int64_t parts) {
    return {number << 32 | static_cast<std::uint64_t>(parts) << 16};
  }
  std::uint64_t number() const { return bits >> 32; }
  std::int64_t parts() const { return static_cast<std::int64_t>(bits >> 16) & max_parts; }
  std::int64_t next() const { return static_cast<std::int64_t>(bits) & max_parts; }
  bool is_open() const { return next() < parts(); }
};

class Team {
 public:
  void resize(int count);
  void share(const Work& work);

 private:
  Ticket ticket() const { return {ticket_.load()}; }
  bool take_part();
  void stay();
  bool wait_for_work();
  void end();

  std::atomic<std::uint64_t> ticket_{0};
  Work work_;                              // of the ticket; constant while parts of it are under way
  std::atomic<std::int64_t> finished_{0};  // parts of it
  std::atomic_flag busy_;                  // with the work of some thread
  std::atomic<int> asleep_{0};
  bool ending_ = false;  // guarded by mutex_
  std::mutex mutex_, resizing_;
  std::condition_variable wake_;
  std::vector<std::thread> threads_;
};

bool Team::take_part() {
  Ticket t = ticket();
  do {
    if (!t.is_open()) return false;
  } while (!ticket_.compare_exchange_weak(t.bits, t.bits + 1, std::memory_order_acq_rel));
  work_.run(t.next());
  finished_.fetch_add(1, std::memory_order_release);
  return true;
}

void Team::share(const Work& work) {
  if (busy_.test_and_set(std::memory_order_acquire)) {
    for (std::int64_t i = 0; i < work.parts; ++i) work.run(i);
    return;
  }
  work_ = work;
  finished_.store(0, std::memory_order_relaxed);
  ticket_.store(Ticket::open(ticket().number() + 1, work.parts).bits);
  if (asleep_.load() > 0) {
    std::unique_lock(mutex_).unlock();  // who counts as asleep waits by now
    wake_.notify_all();
  }
  while (take_part()) {
  }
  for (int turn = 0; finished_.load(std::memory_order_acquire) < work.parts; ++turn)
    turn < 10000 ? pause() : std::this_thread::yield();
  busy_.clear(std::memory_order_release);
}

// What a thread of the team does all its life.
void Team::stay() {
  do {
    while (take_part()) {
    }
  } while (wait_for_work());
}

// Returns false where the team ends.
bool Team::wait_for_work() {
  const Ticket seen = ticket();
  const auto changed = [&] { return ticket().number() != seen.number() || ticket().is_open(); };
  for (const auto start = std::chrono::steady_clock::now();
       std::chrono::steady_clock::now() - start < patience;)
    for (int turn = 0; turn < 16; ++turn, pause())
      if (changed()) return true;
  std::unique_lock lock(mutex_);
  asleep_.fetch_add(1);
  wake_.wait(lock, [&] { return ending_ || changed(); });
  asleep_.fetch_sub(1);
  return !ending_;
}

void Team::resize(int count) {
  const std::lock_guard one(resizing_);
  detail::team_size = 1;
  end();
  try {
    while (static_cast<int>(threads_.size()) + 1 < count) threads_.emplace_back([this] { stay(); });
  } catch (...) {
    end();
    throw;
  }
  detail::team_size = count;
}

void Team::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  ending_ = false;
}

// Never destroyed: its threads stay until the program is gone.
Team* the_team = nullptr;

// A child process has none of the threads, and mutexes as they were: it starts anew.
void start_anew() {
  detail::team_size = 1;
  the_team = new Team;
}

Team& team() {
  static std::once_flag once;
  std::call_once(once, [] {
    start_anew();
    pthread_atfork(nullptr, nullptr, start_anew);
  });
  return *the_team;
}

}  // namespace

constinit std::atomic<int> detail::team_size{1};

void set_team_size(int count) { team().resize(count); }

void detail::share(std::int64_t units, std::int64_t step, std::int64_t parts, Part part, const void* work) {
  Work all{part, work, units, step, parts};
  all.parts = std::min({parts, all.steps(), Ticket::max_parts});
  team().share(all);
}

}  // namespace xgrad::kernels
