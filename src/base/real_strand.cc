#include "base/real_strand.h"

#include <utility>

#include <boost/asio/post.hpp>

namespace minikube::base {
namespace {

// Tasks run in one go before other strands get their turn on this thread.
constexpr int kTasksPerTurn = 64;

}  // namespace

void StrandCore::Post(Task task) {
  std::unique_lock lock(mu_);
  if (stopped_) return;  // `task` is destroyed by the caller's frame, outside the lock
  tasks_.push_back(std::move(task));
  if (std::exchange(scheduled_, true)) return;
  lock.unlock();
  boost::asio::post(io_, [self = shared_from_this()] { self->Drain(); });
}

// Takes all that is there at once: one lock for many tasks, and whoever posts meanwhile hardly waits.
void StrandCore::Drain() {
  std::deque<Task> dropped;
  std::unique_lock lock(mu_);
  running_ = true;
  runner_ = std::this_thread::get_id();
  for (int run = 0; !stopped_ && run < kTasksPerTurn && !(turn_.empty() && tasks_.empty());) {
    if (turn_.empty()) turn_.swap(tasks_);
    lock.unlock();
    for (; !stopped_ && run < kTasksPerTurn && !turn_.empty(); ++run) {
      const Task task = std::move(turn_.front());
      turn_.pop_front();
      task();
    }
    lock.lock();
  }
  if (stopped_) dropped.swap(turn_);
  if (!dropped.empty()) {
    lock.unlock();
    dropped.clear();  // what they hold goes before the strand counts as idle
    lock.lock();
  }
  running_ = false;
  idle_.notify_all();
  scheduled_ = !stopped_ && !(turn_.empty() && tasks_.empty());
  if (!scheduled_) return;
  lock.unlock();
  boost::asio::post(io_, [self = shared_from_this()] { self->Drain(); });
}

TimerId StrandCore::After(Duration delay, Task task) {
  std::lock_guard lock(mu_);
  if (stopped_) return 0;
  const TimerId id = ++last_timer_;
  auto timer = std::make_unique<Timer>(io_);
  timer->task = std::move(task);
  timer->timer.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(delay));
  timer->timer.async_wait([self = shared_from_this(), id](const boost::system::error_code& error) {
    if (!error) self->Fire(id);
  });
  timers_.emplace(id, std::move(timer));
  return id;
}

// The task stays cancellable until it runs on the strand, so that Cancel from the strand is never too late.
void StrandCore::Fire(TimerId id) {
  Post([this, id] {
    std::unique_ptr<Timer> timer;
    {
      std::lock_guard lock(mu_);
      const auto it = timers_.find(id);
      if (it == timers_.end()) return;
      timer = std::move(it->second);
      timers_.erase(it);
    }
    timer->task();
  });
}

void StrandCore::Cancel(TimerId id) {
  std::unique_ptr<Timer> timer;  // declared before the lock: its task may own things that call back when they go
  std::lock_guard lock(mu_);
  const auto it = timers_.find(id);
  if (it == timers_.end()) return;
  timer = std::move(it->second);
  timers_.erase(it);
}

void StrandCore::Stop() {
  std::deque<Task> tasks, turn;  // dropped after the lock is
  std::unordered_map<TimerId, std::unique_ptr<Timer>> timers;
  std::unique_lock lock(mu_);
  stopped_ = true;
  tasks.swap(tasks_);
  timers.swap(timers_);
  const bool from_task = running_ && runner_ == std::this_thread::get_id();
  if (from_task || !running_) turn.swap(turn_);
  if (from_task) return;
  idle_.wait(lock, [this] { return !running_; });
}

Function<void(Task)> RealStrand::Poster() {
  return [core = std::weak_ptr(core_)](Task task) {
    if (const auto alive = core.lock()) alive->Post(std::move(task));
  };
}

BlockingStrand::~BlockingStrand() {
  strand_.Stop();
  work_.reset();
  io_.stop();
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

}  // namespace minikube::base
