#include "api/bootstrap/housekeeping.h"

#include "api/bootstrap/bootstrap.h"
#include "api/bootstrap/definition_keeper.h"

namespace minikube::api {

namespace {

constexpr Duration kExpireInterval = std::chrono::minutes(1);
constexpr Duration kRestoreInterval = std::chrono::seconds(10);

// Timers hold the core weakly: the strand is the core's own.
void Repeat(const std::weak_ptr<Core>& weak, Duration interval, std::function<void(Core&)> work) {
  const std::shared_ptr<Core> core = weak.lock();
  if (core == nullptr) return;
  core->strand->After(interval, [weak, interval, work = std::move(work)] {
    if (const std::shared_ptr<Core> alive = weak.lock()) work(*alive);
    Repeat(weak, interval, work);
  });
}

}  // namespace

void StartHousekeeping(const std::shared_ptr<Core>& core) {
  Repeat(core, kExpireInterval, [](Core& c) { c.pages.Expire(c.env.clock().MonoNow()); });
  core->cache.OnCustomChanges([weak = std::weak_ptr(core)] {
    const std::shared_ptr<Core> alive = weak.lock();
    if (alive == nullptr) return;
    alive->strand->Post([weak] {
      if (const std::shared_ptr<Core> still = weak.lock()) KeepDefinitions(still);
    });
  });
  core->strand->Post([weak = std::weak_ptr(core)] {
    if (const std::shared_ptr<Core> alive = weak.lock()) KeepDefinitions(alive);
  });
  Repeat(core, kRestoreInterval, [](Core& c) {
    RestoreBootstrapObjects(c);
    RestoreServerAddress(c);
  });
}

}  // namespace minikube::api
