#include "simulation/readers.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <minikube/api/core/v1.h>
#include <minikube/selector.h>

#include "simulation/promises.h"

namespace minikube::simulation {
namespace {

Revision VersionOf(const Object& object) {
  Revision revision = 0;
  const std::string_view text = object.meta().resourceVersion;
  std::from_chars(text.data(), text.data() + text.size(), revision);
  return revision;
}

// What a request selects by. Null if it uses something that is not modelled here.
std::function<bool(const Object&)> SelectionOf(const ApiRequest& request) {
  const Result<LabelSelector> labels = LabelSelector::Parse(request.label_selector);
  const Result<FieldSelector> fields = FieldSelector::Parse(request.field_selector);
  if (!labels || !fields) return nullptr;
  for (const FieldSelector::Requirement& field : fields->requirements()) {
    if (!field.equals || (field.path != "metadata.name" && field.path != "spec.nodeName")) return nullptr;
  }
  return [ns = request.ns, name = request.name, labels = *labels, fields = *fields](const Object& object) {
    const meta::v1::ObjectMeta& meta = object.meta();
    if (!ns.empty() && !(meta.namespace_ == ns)) return false;
    if (!name.empty() && !(meta.name == name)) return false;
    if (!labels.Matches(meta.labels)) return false;
    return std::all_of(fields.requirements().begin(), fields.requirements().end(), [&](const auto& field) {
      if (field.path == "metadata.name") return meta.name == field.value;
      const auto* pod = object.TryAs<core::v1::Pod>();
      return pod != nullptr && pod->spec.nodeName == field.value;
    });
  };
}

}  // namespace

void Readers::Answered(std::string_view who, const ApiRequest& request, const ApiResponse& response, Revision known) {
  if (request.dry_run || request.verb == Verb::kDeleteCollection) return;
  if (response.revision > truth_.revision()) {
    return verdict_.Broken(kNothingLost, "{} is told of revision {}, the store has published {}", who,
                           response.revision, truth_.revision());
  }
  if (request.verb == Verb::kGet || request.verb == Verb::kList) {
    if (!request.resource_version.empty() || !request.subresource.empty() || request.limit != 0) return;
    if (response.revision < known) {
      verdict_.Broken(kReadsAreCurrent, "{} reads {} at revision {} after {} was acknowledged", who,
                      request.resource->plural, response.revision, known);
    }
    const api::StoredKind* unit = truth_.registry().Find(*request.resource);
    if (unit != nullptr) CheckList(who, *unit, request, response);
    return;
  }
  CheckWrite(who, request, response);
  acknowledged_ = std::max(acknowledged_, response.revision);
}

void Readers::CheckWrite(std::string_view who, const ApiRequest& request, const ApiResponse& response) {
  const api::StoredKind* unit = truth_.registry().Find(*request.resource);
  const bool whole = request.subresource.empty() || request.subresource == "status";
  if (unit == nullptr || !whole || !response.object || VersionOf(*response.object) != response.revision) return;
  if (request.verb == Verb::kDelete) return;
  // The write took a revision: it is in the truth, and it replaced what the writer named.
  const TruthChange* change = truth_.At(*unit, response.revision, ObjectKey::Of(*response.object));
  if (change == nullptr) {
    return verdict_.Broken(kNothingLost, "{} is told of {} {} at revision {}, where it did not change", who,
                           request.resource->plural, response.object->meta().name.view(), response.revision);
  }
  if (request.verb != Verb::kUpdate || !request.object) return;
  const Revision named = VersionOf(*request.object);
  if (named == 0 || named == response.revision) return;  // of any version; or it changed nothing
  if (!change->before || VersionOf(*change->before) == named) return;
  verdict_.Broken(kUpdateMeansVersion, "{} updates {} {} of revision {}, and replaces revision {}", who,
                  request.resource->plural, response.object->meta().name.view(), named, VersionOf(*change->before));
}

void Readers::CheckList(std::string_view who, const api::StoredKind& unit, const ApiRequest& request,
                        const ApiResponse& response) {
  const std::function<bool(const Object&)> selects = SelectionOf(request);
  if (!selects) return;
  std::map<ObjectKey, Revision> expected;
  for (const auto& [key, object] : truth_.objects(unit)) {
    if (selects(*object)) expected[key] = VersionOf(*object);
  }
  // Back to the revision of the answer, should the store have gone on.
  const std::vector<TruthChange>& changes = truth_.changes(unit);
  for (auto it = changes.rbegin(); it != changes.rend() && it->revision > response.revision; ++it) {
    const ObjectKey key = ObjectKey::Of(it->object());
    if (it->before && selects(*it->before)) {
      expected[key] = VersionOf(*it->before);
    } else {
      expected.erase(key);
    }
  }
  const auto wrong = [&](std::string_view what, const ObjectKey& key) {
    verdict_.Broken(kReadsAreCurrent, "{} reads {} at revision {}: {} {}", who, request.resource->plural,
                    response.revision, key.ToString(), what);
  };
  const auto compare = [&](const Object& object) {
    const ObjectKey key = ObjectKey::Of(object);
    const auto it = expected.find(key);
    if (it == expected.end()) return wrong("should not be there", key);
    if (it->second != VersionOf(object))
      wrong(fmt::format("is of revision {}, not {}", VersionOf(object), it->second), key);
    expected.erase(it);
  };
  for (const ObjectRef& item : response.items) compare(*item);
  if (response.object) compare(*response.object);
  if (!expected.empty()) wrong("is missing", expected.begin()->first);
}

Readers::WatchCheck::WatchCheck(const Readers& readers, std::string who, const ApiRequest& request)
    : readers_(readers), who_(std::move(who)), unit_(readers.truth_.registry().Find(*request.resource)) {
  std::from_chars(request.resource_version.data(), request.resource_version.data() + request.resource_version.size(),
                  reached_);
  selects_ = SelectionOf(request);
  checked_ = reached_ != 0 && unit_ != nullptr && selects_ && !request.send_initial_events;
  if (!checked_) return;
  const std::vector<TruthChange>& changes = readers_.truth_.changes(*unit_);
  const auto first = std::upper_bound(changes.begin(), changes.end(), reached_,
                                      [](Revision r, const TruthChange& change) { return r < change.revision; });
  next_ = static_cast<std::size_t>(first - changes.begin());
}

void Readers::WatchCheck::Advance() {
  const std::vector<TruthChange>& changes = readers_.truth_.changes(*unit_);
  const auto seen = [&](const TruthChange& change) {
    return (change.before && selects_(*change.before)) || (change.after && selects_(*change.after));
  };
  while (next_ < changes.size() && !seen(changes[next_])) ++next_;
}

void Readers::WatchCheck::Take(const std::vector<WatchEvent>& events) {
  if (!checked_) return;
  const std::vector<TruthChange>& changes = readers_.truth_.changes(*unit_);
  for (const WatchEvent& event : events) {
    Advance();
    const auto wrong = [&](std::string_view what) {
      checked_ = false;
      readers_.verdict_.Broken(kWatchComplete, "{} watches {}: revision {} {}; next is {}", who_,
                               unit_->resource->plural, event.revision, what,
                               next_ < changes.size() ? changes[next_].revision : 0);
    };
    if (event.type == WatchEvent::Type::kBookmark) {
      if (next_ < changes.size() && changes[next_].revision <= event.revision) return wrong("is a bookmark too early");
      if (event.revision < reached_) return wrong("is a bookmark of the past");
      reached_ = event.revision;
      continue;
    }
    if (event.revision <= reached_) return wrong("was passed by a bookmark");
    if (next_ == changes.size()) return wrong("is not in the truth");
    const TruthChange& change = changes[next_++];
    if (event.revision != change.revision || !(ObjectKey::Of(*event.object) == ObjectKey::Of(change.object()))) {
      --next_;
      return wrong("comes out of turn");
    }
    const bool before = change.before && selects_(*change.before);
    const bool now = change.after && selects_(*change.after);
    const WatchEvent::Type type = !now     ? WatchEvent::Type::kDeleted
                                  : before ? WatchEvent::Type::kModified
                                           : WatchEvent::Type::kAdded;
    if (event.type != type) return wrong("has the wrong type");
  }
}

}  // namespace minikube::simulation
