#include "tracer_thread.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>

namespace polus {

namespace {

// How long we wait for tracees before we look for jobs ourselves: twice as long each time that nothing has come.
constexpr uint64_t kShortestTickNs = 2'000'000;
constexpr uint64_t kLongestTickNs = 32'000'000;
// For how long processes may stand at their entry points with none of them let go.
constexpr uint64_t kStartLimitNs = 5'000'000'000;
// For how long a tracer that watches for starts may give no sign of life.
constexpr uint64_t kAwakeLimitNs = 1'000'000'000;

}  // namespace

TracerThread::TracerThread(std::function<void(const ProcessEvent &)> on_event)
    : on_event_(std::move(on_event)), thread_([this] { Main(); }) {}

TracerThread::~TracerThread() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
    asked_.store(true, std::memory_order_release);
  }
  changed_.notify_all();
  thread_.join();
}

void TracerThread::GuardStarts() {
  auto watchdog = std::make_unique<WatchdogProcess>();
  std::lock_guard<std::mutex> lock(mutex_);
  if (start_watchdog_ == nullptr) start_watchdog_ = std::move(watchdog);
}

void TracerThread::GiveSignOfLife(const TraceeTable &table) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (start_watchdog_ == nullptr) return;
  // Without tracees nobody can be held, and we sleep for long.
  uint64_t until = table.empty() ? 0 : MonotonicNanoseconds() + kAwakeLimitNs;
  if (table.waiting_since() != 0) until = std::min(until, table.waiting_since() + kStartLimitNs);
  start_watchdog_->deadline()->until_ns.store(until, std::memory_order_release);
}

void TracerThread::Submit(std::function<void(TracerContext &)> job) {
  std::lock_guard<std::mutex> lock(mutex_);
  jobs_.push_back(std::move(job));
  asked_.store(true, std::memory_order_release);
  changed_.notify_all();
  // Out of a wait for tracees, too. One that comes just before that wait is made good by the tick.
  WaitTimer::InstallHandler();
  ::pthread_kill(thread_.native_handle(), WaitTimer::Signal());
}

void TracerThread::Main() {
  // Signals for the process are for Node's thread; ours is only the wake-up.
  sigset_t blocked;
  ::sigfillset(&blocked);
  ::sigdelset(&blocked, WaitTimer::Signal());
  ::pthread_sigmask(SIG_SETMASK, &blocked, nullptr);
  TracerContext context(on_event_, watchdog_.deadline());
  uint64_t tick = kShortestTickNs;
  for (;;) {
    std::function<void(TracerContext &)> job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (context.table.empty()) changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
      if (!jobs_.empty()) {
        job = std::move(jobs_.front());
        jobs_.pop_front();
        asked_.store(ending_ || !jobs_.empty(), std::memory_order_release);
      } else if (ending_) {
        return;
      }
    }
    GiveSignOfLife(context.table);
    if (job) {
      job(context);
      tick = kShortestTickNs;
      continue;
    }
    // A program that is stopped all the time, by signals of its own, is let go on as soon as can be.
    context.timer.Arm(MonotonicNanoseconds() + tick);
    tick = std::min(2 * tick, kLongestTickNs);
    while (!asked_.load(std::memory_order_acquire) && context.table.SettleNext()) {
      GiveSignOfLife(context.table);
      tick = kShortestTickNs;
    }
    context.timer.Disarm();
  }
}

}  // namespace polus
