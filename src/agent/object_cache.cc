#include "agent/object_cache.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

namespace minikube::agent {

ObjectCache::Pin ObjectCache::Watch(const ResourceDesc& resource, std::string_view ns, std::string_view name,
                                    std::function<void()> changed) {
  const std::uint64_t id = ++last_pin_;
  Key key{&resource, std::string(ns), std::string(name)};
  Entry& entry = entries_[key];
  if (entry.informer == nullptr) {
    Informer::Options options;
    options.ns = key.ns;
    options.field_selector = fmt::format("metadata.name={}", name);
    entry.informer = std::make_unique<Informer>(client_, resource, strand_, env_, std::move(options));
    entry.informer->AddHandler([this, key](const ObjectRef&, const ObjectRef&) { Changed(key); });
    entry.informer->OnSynced([this, key] { Changed(key); });
    entry.informer->Start();
  }
  entry.watchers.emplace(id, std::move(changed));
  pins_.emplace(id, std::move(key));
  return {*this, id};
}

Result<ObjectRef> ObjectCache::Get(const ResourceDesc& resource, std::string_view ns, std::string_view name) {
  const auto it = entries_.find(Key{&resource, std::string(ns), std::string(name)});
  if (it == entries_.end() || !it->second.informer->HasSynced()) {
    return Status(Code::kUnavailable, fmt::format("{} \"{}\" is not known yet", resource.singular, name));
  }
  if (ObjectRef object = it->second.informer->Get(ns, name)) return object;
  return Status(Code::kNotFound, fmt::format("{} \"{}\" not found", resource.singular, name));
}

void ObjectCache::Drop(std::uint64_t pin) {
  const auto it = pins_.find(pin);
  if (it == pins_.end()) return;
  const auto entry = entries_.find(it->second);
  entry->second.watchers.erase(pin);
  if (entry->second.watchers.empty()) entries_.erase(entry);
  pins_.erase(it);
}

// Watchers may drop pins: the map is not walked while they run.
void ObjectCache::Changed(const Key& key) {
  const auto it = entries_.find(key);
  if (it == entries_.end()) return;
  std::vector<std::uint64_t> ids;
  for (const auto& [id, changed] : it->second.watchers) ids.push_back(id);
  for (const std::uint64_t id : ids) {
    const auto entry = entries_.find(key);
    if (entry == entries_.end()) return;
    const auto watcher = entry->second.watchers.find(id);
    if (watcher == entry->second.watchers.end()) continue;
    const std::function<void()> changed = watcher->second;
    changed();
  }
}

}  // namespace minikube::agent
