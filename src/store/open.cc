// Which engine goes behind which constructor.
#include <utility>

#include "store/memory_engine.h"
#include "store/revision_store.h"
#include "store/rocks_engine.h"

namespace minikube {

Result<std::unique_ptr<Store>> OpenStore(StoreOptions options, Env& env) {
  Result<store::OpenedEngine> opened = store::OpenRocksEngine(options, nullptr);
  if (!opened) return opened.status();
  return std::unique_ptr<Store>(std::make_unique<store::RevisionStore>(
      std::move(opened->engine), std::move(opened->state), std::move(options), env));
}

std::unique_ptr<Store> NewMemoryStore(Env& env, StoreOptions options) {
  return std::make_unique<store::RevisionStore>(store::NewMemoryEngine(), store::EngineState(), std::move(options),
                                                env);
}

}  // namespace minikube
