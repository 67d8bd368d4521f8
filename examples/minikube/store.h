// `minikube store`: looks after the store of a data directory, whether a server has it open or not.
#pragma once

#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

#include <minikube/store.h>

namespace minikube::example {

struct StoreFlags {
  std::string data_dir;
  std::string file;    // of a snapshot
  std::string output;  // "" = for people, or "json"
  Revision revision = 0;
  // More than a cluster can have written since its last snapshot, and little of what 63 bits hold.
  Revision bump_revision = 1'000'000'000;
};

CLI::App* AddStore(CLI::App& app, StoreFlags& flags, const std::string& default_data_dir);
// The process's exit code.
int RunStore(const CLI::App& store, const StoreFlags& flags);

}  // namespace minikube::example
