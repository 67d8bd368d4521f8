// Latch: something that happens once and can be waited for. Whoever waits calls Env::Await, so that a simulated Env can
// run its world meanwhile.
//
// Thread safety: every member, any thread. A Latch may be destroyed as soon as a wait for it has returned true.
#pragma once

#include <condition_variable>
#include <mutex>

#include <minikube/env.h>

namespace minikube {

class Latch {
 public:
  // It has happened. Further calls do nothing.
  void Open();
  bool IsOpen() const;
  // Blocks the thread until it has happened or `limit` has passed; returns whether it has.
  bool Block(Duration limit);

 private:
  mutable std::mutex mu_;
  std::condition_variable opened_;
  bool open_ = false;
};

}  // namespace minikube
