// What `kubectl describe namespace` says about a namespace that does not go away. Pure functions.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include <minikube/api/core/v1.h>

namespace minikube::controllers {

struct NamespaceContent {
  std::map<std::string, std::size_t> remaining;   // "pods." -> how many objects
  std::map<std::string, std::size_t> finalizers;  // finalizer -> on how many objects
  std::vector<std::string> failures;              // deletions that were refused
};

// Sets the five NamespaceDeletion... and Namespace...Remaining conditions.
void SyncDeletionConditions(List<core::v1::NamespaceCondition>& conditions, const NamespaceContent& content,
                            Instant now);

}  // namespace minikube::controllers
