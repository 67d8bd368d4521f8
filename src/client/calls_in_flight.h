// The calls in flight of one client, in process or remote. Each is answered once: by the server, or with kCancelled
// when the client goes; unless whoever made it withdraws it (minikube/client.h, Call).
//
// Thread safety: every member, any thread. Lifetime: a call's strand lives until the call is answered, withdrawn or
// CancelAll has returned; after that no strand is touched.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include <minikube/client.h>

namespace minikube::client {

inline Status Cancelled() { return {Code::kCancelled, "the client is gone"}; }

class CallsInFlight : public std::enable_shared_from_this<CallsInFlight> {
 public:
  using Done = Function<void(Result<ApiResponse>)>;

  struct Added {
    std::uint64_t id;  // to answer it by
    Call call;
  };
  Added Add(Strand& strand, Done done) {
    auto pending = std::make_shared<Pending>(weak_from_this(), strand, std::move(done));
    std::lock_guard lock(mu_);
    pending->id = ++last_;
    calls_.emplace(last_, pending);
    return {last_, Call(std::move(pending))};
  }
  // Does nothing if it was answered or withdrawn before.
  void Answer(std::uint64_t id, Result<ApiResponse> result) {
    std::shared_ptr<Pending> dropped;  // after the lock
    // Posted under the lock: once CancelAll or Withdraw has returned, no strand is touched any more.
    std::lock_guard lock(mu_);
    const auto it = calls_.find(id);
    if (it == calls_.end()) return;
    dropped = std::move(it->second);
    calls_.erase(it);
    Post(dropped, std::move(result));
  }
  // What is to be done if the call is cancelled or withdrawn before it is answered, so that nothing more is done for
  // it. Before the Call is handed out.
  void OnCancel(std::uint64_t id, Task withdraw) {
    std::lock_guard lock(mu_);
    if (const auto it = calls_.find(id); it != calls_.end()) it->second->at_server = std::move(withdraw);
  }
  void CancelAll() {
    std::unordered_map<std::uint64_t, std::shared_ptr<Pending>> calls;
    {
      std::lock_guard lock(mu_);
      calls.swap(calls_);
      for (auto& [id, pending] : calls) Post(pending, Cancelled());
    }
    for (auto& [id, pending] : calls) {
      if (pending->at_server) pending->at_server();
    }
  }

 private:
  struct Pending final : Call::Pending {
    Pending(std::weak_ptr<CallsInFlight> of, Strand& on, Done then)
        : calls(std::move(of)), strand(&on), done(std::move(then)) {}
    void Withdraw() override {
      withdrawn = true;
      if (const auto alive = calls.lock()) alive->Remove(id);
    }
    const std::weak_ptr<CallsInFlight> calls;
    Strand* const strand;
    const Done done;
    std::uint64_t id = 0;
    Task at_server;  // guarded by mu_ until it is out of calls_
    std::atomic<bool> withdrawn = false;
  };

  static void Post(std::shared_ptr<Pending> pending, Result<ApiResponse> result) {
    Strand& strand = *pending->strand;
    strand.Post([pending = std::move(pending), result = std::move(result)]() mutable {
      if (!pending->withdrawn) pending->done(std::move(result));
    });
  }
  void Remove(std::uint64_t id) {
    std::shared_ptr<Pending> removed;
    {
      std::lock_guard lock(mu_);
      const auto it = calls_.find(id);
      if (it == calls_.end()) return;
      removed = std::move(it->second);
      calls_.erase(it);
    }
    if (removed->at_server) removed->at_server();
  }

  std::mutex mu_;
  std::uint64_t last_ = 0;
  std::unordered_map<std::uint64_t, std::shared_ptr<Pending>> calls_;
};

}  // namespace minikube::client
