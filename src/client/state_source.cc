#include "client/state_source.h"

#include <utility>

namespace minikube::client {

void Looking::Ring() {
  if (rung_.exchange(true)) return;
  strand_.Post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Look();
  });
}

// A handler may destroy lookers and make others; those wait for the next time.
void Looking::Look() {
  rung_ = false;
  std::erase_if(lookers_, [](const std::weak_ptr<Looker>& looker) { return looker.expired(); });
  std::vector<std::shared_ptr<Looker>> present;
  for (const std::weak_ptr<Looker>& looker : lookers_) {
    if (auto alive = looker.lock()) present.push_back(std::move(alive));
  }
  for (const auto& looker : present) looker->Listen();
  const std::unique_ptr<const Moment> moment = source_.Now();
  for (const auto& looker : present) looker->Take(*moment);
  for (const auto& looker : present) looker->Tell();
}

std::shared_ptr<Looking> StateSource::LookingOn(Strand& strand) {
  std::lock_guard lock(mu_);
  std::erase_if(looking_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<Looking>& known = looking_[&strand];
  std::shared_ptr<Looking> looking = known.lock();
  if (looking == nullptr) {
    looking = std::make_shared<Looking>(*this, strand);
    known = looking;
  }
  return looking;
}

std::vector<const ResourceDesc*> ServedBy(Client& client) {
  if (const auto* source = dynamic_cast<const StateSource*>(&client)) return source->Served();
  std::vector<const ResourceDesc*> out;
  for (const ResourceDesc& resource : AllResources()) out.push_back(&resource);
  return out;
}

}  // namespace minikube::client
