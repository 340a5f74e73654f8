#include "tracer_thread.h"

#include <pthread.h>
#include <signal.h>

namespace polus {

namespace {

constexpr uint64_t kIdleTickNs = 2'000'000;

}  // namespace

TracerThread::TracerThread(std::function<void(const ProcessEvent &)> on_event)
    : on_event_(std::move(on_event)), thread_([this] { Main(); }) {}

TracerThread::~TracerThread() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void TracerThread::Submit(std::function<void(TracerContext &)> job) {
  std::lock_guard<std::mutex> lock(mutex_);
  jobs_.push_back(std::move(job));
  changed_.notify_all();
  // Out of a wait for tracees, too. One that comes too early is made good by the idle tick.
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
  for (;;) {
    std::function<void(TracerContext &)> job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (context.table.empty()) changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
      if (!jobs_.empty()) {
        job = std::move(jobs_.front());
        jobs_.pop_front();
      } else if (ending_) {
        return;
      }
    }
    if (job) {
      job(context);
      continue;
    }
    context.timer.Arm(MonotonicNanoseconds() + kIdleTickNs);
    context.table.SettleNext();
    context.timer.Disarm();
  }
}

}  // namespace polus
