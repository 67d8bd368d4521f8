// The calls in flight of one client, in process or remote. Each is answered once: by the server, or with kCancelled
// when the client goes.
//
// Thread safety: every member, any thread. Lifetime: a call's strand lives until the call is answered or CancelAll has
// returned; after that no strand is touched.
#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include <minikube/client.h>

namespace minikube::client {

inline Status Cancelled() { return {Code::kCancelled, "the client is gone"}; }

class CallsInFlight {
 public:
  using Done = Function<void(Result<ApiResponse>)>;

  // The id to answer it by.
  std::uint64_t Add(Strand& strand, Done done) {
    std::lock_guard lock(mu_);
    calls_.emplace(++last_, Call{&strand, std::move(done), nullptr});
    return last_;
  }
  // Does nothing if it was answered before.
  void Answer(std::uint64_t id, Result<ApiResponse> result) {
    // Posted under the lock: once CancelAll has returned, no strand is touched any more.
    std::lock_guard lock(mu_);
    auto node = calls_.extract(id);
    if (!node.empty()) Post(std::move(node.mapped()), std::move(result));
  }
  // What is to be done if the call is cancelled before it is answered, so that nothing more is done for it.
  void OnCancel(std::uint64_t id, Task withdraw) {
    std::lock_guard lock(mu_);
    if (const auto it = calls_.find(id); it != calls_.end()) it->second.withdraw = std::move(withdraw);
  }
  void CancelAll() {
    std::vector<Task> withdrawals;
    {
      std::lock_guard lock(mu_);
      for (auto& [id, call] : calls_) {
        if (call.withdraw) withdrawals.push_back(std::move(call.withdraw));
        Post(std::move(call), Cancelled());
      }
      calls_.clear();
    }
    for (Task& withdraw : withdrawals) withdraw();
  }

 private:
  struct Call {
    Strand* strand;
    Done done;
    Task withdraw;
  };
  static void Post(Call call, Result<ApiResponse> result) {
    call.strand->Post([done = std::move(call.done), result = std::move(result)]() mutable { done(std::move(result)); });
  }
  std::mutex mu_;
  std::uint64_t last_ = 0;
  std::unordered_map<std::uint64_t, Call> calls_;
};

}  // namespace minikube::client
