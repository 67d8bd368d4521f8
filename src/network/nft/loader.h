// Keeps the kernel's nftables as a Table says, by running nft(8): one transaction at a time, each with all that has
// changed since the last. After a failure it loads the whole table anew, later and later as long as that fails.
//
// Thread safety: everything on the strand given at construction. Lifetime: table, env and strand outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <minikube/env.h>
#include <minikube/log.h>

#include "network/nft/table.h"

namespace minikube::network {

class Loader {
 public:
  Loader(Table& table, Env& env, Strand& strand, Logger log);

  // Loads what has changed.
  void Poke();
  // Called whenever the kernel has got what the table held when the load began.
  void OnLoaded(std::function<void()> loaded) { loaded_ = std::move(loaded); }
  // Runs `task` once what the table holds now is in force, or could not be loaded: at once if it is.
  void AfterLoad(Task task);
  // Whether nothing is under way and nothing to be loaded.
  bool idle() const { return !running_ && retry_ == 0 && !table_.changed(); }
  // Loads nothing more, removes the table, then calls `done`, whether that worked or not.
  void Remove(Task done);

 private:
  void Run(std::string text, Function<void(Status)> done);
  void Finished(const Status& status);
  void TellWaiting();

  Table& table_;
  Env& env_;
  Strand& strand_;
  const Logger log_;
  std::function<void()> loaded_;
  bool running_ = false;
  bool ended_ = false;
  Task then_remove_;
  std::vector<Task> waiting_;
  TimerId retry_ = 0;
  int failures_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace minikube::network
