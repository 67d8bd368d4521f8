#include "controllers/gc/namespace_status.h"

#include <string_view>

#include <fmt/format.h>

namespace minikube::controllers {
namespace {

using core::v1::NamespaceCondition;

void Set(List<NamespaceCondition>& conditions, std::string_view type, bool bad, std::string_view reason,
         const std::string& message, Instant now) {
  const std::string_view status = bad ? "True" : "False";
  NamespaceCondition next;
  next.type = type;
  next.status = status;
  next.reason = reason;
  next.message = message;
  next.lastTransitionTime = Time{now};
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    const NamespaceCondition& old = conditions[i];
    if (!(old.type == type)) continue;
    if (old.status == status && old.reason == reason && old.message == message) return;
    if (old.status == status) next.lastTransitionTime = old.lastTransitionTime;
    conditions.Mutable(i) = std::move(next);
    return;
  }
  conditions.push_back(std::move(next));
}

// "a has 2 resource instances, b has 1 resource instances"
std::string Count(const std::map<std::string, std::size_t>& counts, std::string_view format) {
  std::string out;
  for (const auto& [name, count] : counts) {
    if (!out.empty()) out += ", ";
    out += fmt::format(fmt::runtime(format), name, count);
  }
  return out;
}

std::string Join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += ", ";
    out += part;
  }
  return out;
}

}  // namespace

void SyncDeletionConditions(List<NamespaceCondition>& conditions, const NamespaceContent& content, Instant now) {
  // Which resources there are is known without asking: nothing can go wrong in finding or parsing them.
  Set(conditions, "NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
      "All resources successfully discovered", now);
  Set(conditions, "NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions",
      "All legacy kube types successfully parsed", now);
  if (content.failures.empty()) {
    Set(conditions, "NamespaceDeletionContentFailure", false, "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization", now);
  } else {
    Set(conditions, "NamespaceDeletionContentFailure", true, "ContentDeletionFailed",
        "Failed to delete all resource types, " + fmt::format("{} remaining: ", content.failures.size()) +
            Join(content.failures),
        now);
  }
  if (content.remaining.empty()) {
    Set(conditions, "NamespaceContentRemaining", false, "ContentRemoved", "All content successfully removed", now);
  } else {
    Set(conditions, "NamespaceContentRemaining", true, "SomeResourcesRemain",
        "Some resources are remaining: " + Count(content.remaining, "{} has {} resource instances"), now);
  }
  if (content.finalizers.empty()) {
    Set(conditions, "NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers",
        "All content-preserving finalizers finished", now);
  } else {
    Set(conditions, "NamespaceFinalizersRemaining", true, "SomeFinalizersRemain",
        "Some content in the namespace has finalizers remaining: " +
            Count(content.finalizers, "{} in {} resource instances"),
        now);
  }
}

}  // namespace minikube::controllers
