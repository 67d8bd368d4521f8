#include "api/world/change_event.h"

#include "api/world/selection.h"
#include "api/world/served.h"

namespace minikube::api {

ChangeEvent::~ChangeEvent() {
  for (const Form* form = forms_.load(std::memory_order_relaxed); form != nullptr;) {
    delete std::exchange(form, form->next);
  }
}

WatchItem ChangeEvent::ItemFor(const std::shared_ptr<const ChangeEvent>& self, const Selection& selection,
                               const MessageDesc& message) {
  const ObjectChange& change = self->change_;
  WatchItem item;
  item.revision = change.revision;
  const bool before = change.previous.get() != nullptr && selection.Matches(*change.previous);
  const bool now = !change.deleted && selection.Matches(*change.object);
  if (now) {
    item.type = before ? WatchEvent::Type::kModified : WatchEvent::Type::kAdded;
    item.change = InType(self, message);
  } else if (before) {
    item.type = WatchEvent::Type::kDeleted;
    item.change = InType(change.deleted ? self : self->Departure(), message);
  }
  return item;
}

std::shared_ptr<const ChangeEvent> ChangeEvent::InType(const std::shared_ptr<const ChangeEvent>& self,
                                                       const MessageDesc& message) {
  if (&self->object()->desc() == &message) return self;
  std::lock_guard lock(self->mu_);
  for (const auto& [type, made] : self->converted_) {
    if (type == &message) return made;
  }
  Result<ObjectRef> object = InServedType(self->object(), message);
  if (!object) return nullptr;
  auto made = std::make_shared<const ChangeEvent>(std::move(object).value(), self->previous(), self->deleted(),
                                                  self->revision());
  self->converted_.emplace_back(&message, made);
  return made;
}

// It still exists, but not for this selection: what the watcher knew, at the revision it stopped being true.
std::shared_ptr<const ChangeEvent> ChangeEvent::Departure() const {
  std::lock_guard lock(mu_);
  if (departure_ == nullptr) {
    ObjectPtr last = ObjectPtr::Clone(*change_.previous);
    last->mutable_meta().resourceVersion = std::to_string(change_.revision);
    departure_ =
        std::make_shared<const ChangeEvent>(std::move(last).Freeze(), change_.previous, true, change_.revision);
  }
  return departure_;
}

}  // namespace minikube::api
