#include <minikube/latch.h>

namespace minikube {

void Latch::Open() {
  // Notified under the lock: the waiter may destroy the latch as soon as it sees that it is open.
  std::lock_guard lock(mu_);
  open_ = true;
  opened_.notify_all();
}

bool Latch::IsOpen() const {
  std::lock_guard lock(mu_);
  return open_;
}

bool Latch::Block(Duration limit) {
  std::unique_lock lock(mu_);
  const auto is_open = [this] { return open_; };
  if (limit < kForever) return opened_.wait_for(lock, limit, is_open);
  opened_.wait(lock, is_open);
  return true;
}

bool Env::Await(Latch& latch, Duration limit) { return latch.Block(limit); }

}  // namespace minikube
