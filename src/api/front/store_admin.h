// StoreAdminHandler: what people who look after the store do with it while the server runs, under /debug/store
// (docs/store.md, "Operations"): GET status, GET check, GET snapshot, POST compact[?revision=N], POST disarm.
//
// Who may is RBAC's affair, as for every path that is no resource. Thread safety: every member, any thread. Lifetime:
// store and env outlive it; it outlives the HTTP server.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include <minikube/env.h>
#include <minikube/store.h>
#include <minikube/store_admin.h>

#include "api/wire/query.h"
#include "http/message.h"

namespace minikube::api {

class StoreAdminHandler {
 public:
  StoreAdminHandler(Store& store, Env& env) : store_(store), env_(env) {}
  ~StoreAdminHandler();

  static bool IsStorePath(const std::vector<std::string>& segments);
  // Calls `reply` once, from another thread or before it returns.
  void Handle(const std::string& method, const Target& target, Function<void(HttpReply)> reply);
  // What runs is cut off, as far as it can be; it and what waits answer kUnavailable soon.
  void Stop() { stop_.request_stop(); }

 private:
  // Runs `work`, which reads much or waits, on a thread of the door's own and sends its answer as JSON.
  void Run(std::function<Result<std::string>()> work, Function<void(HttpReply)> reply);
  void SendSnapshot(Function<void(HttpReply)> reply);
  Result<std::string> Report(StoreAdmin::Depth depth);
  Result<std::string> Compact(Revision revision);

  Store& store_;
  Env& env_;
  std::stop_source stop_;
  std::mutex mu_;
  // Made when first needed. Guarded by mu_; their tasks use what is above.
  std::unique_ptr<Strand> work_;
  std::unique_ptr<Strand> pieces_;  // of snapshots, which must not wait for a long check
};

}  // namespace minikube::api
