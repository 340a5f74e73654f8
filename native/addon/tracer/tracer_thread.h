// The one thread from which all of a session's ptrace requests come, and its queue.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "borrow.h"
#include "tracee_table.h"
#include "watchdog_process.h"

namespace polus {

// What a job on the tracer thread works with.
struct TracerContext {
  TraceeTable table;
  WaitTimer timer;
  HoldDeadline *deadline;
  std::map<pid_t, Gadgets> gadgets;

  TracerContext(std::function<void(const ProcessEvent &)> on_event, HoldDeadline *hold)
      : table([this, on_event = std::move(on_event)](const ProcessEvent &event) {
          // The pid now means another program, or will.
          gadgets.erase(event.process);
          on_event(event);
        }),
        deadline(hold) {}
};

class TracerThread {
 public:
  // `on_event` is called on the tracer thread.
  explicit TracerThread(std::function<void(const ProcessEvent &)> on_event);
  // Ends the thread; the kernel lets all its tracees go on, none is stopped for that.
  ~TracerThread();
  TracerThread(const TracerThread &) = delete;
  TracerThread &operator=(const TracerThread &) = delete;

  // To be called before starts are watched for: a second watchdog sees to it that processes do not
  // stand at their entry points for long, and that children, which the kernel stops at birth, find
  // us awake.
  void GuardStarts();

  // Runs `job` on the tracer thread, after those before it. Jobs must not throw.
  void Submit(std::function<void(TracerContext &)> job);

 private:
  void Main();
  void GiveSignOfLife(const TraceeTable &table);

  WatchdogProcess watchdog_;
  std::function<void(const ProcessEvent &)> on_event_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void(TracerContext &)>> jobs_;
  bool ending_ = false;
  std::atomic<bool> asked_{false};  // there is a job, or it is to end
  std::unique_ptr<WatchdogProcess> start_watchdog_;
  std::thread thread_;  // last: starts when the rest stands
};

}  // namespace polus
