// The engine without a disk.
#pragma once

#include <memory>
#include <string_view>

#include "store/engine.h"

namespace minikube::store {

std::unique_ptr<Engine> NewMemoryEngine();

// Makes one of the records of an EngineImage.
class MemoryLoader {
 public:
  MemoryLoader();
  // In the order of keys. False for a record that no image has; then the engine is not to be used.
  bool Add(std::string_view key, std::string_view value);
  OpenedEngine Finish();

 private:
  std::unique_ptr<Engine> engine_;
};

}  // namespace minikube::store
