// Conditions: lists of structs with a `type` and a `status`, as most kinds have one in their status. Pure functions.
// Semantics:
// https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
#pragma once

#include <string_view>
#include <utility>

#include <minikube/types.h>

namespace minikube::kube {

// The condition of that type, or null.
template <typename C>
const C* FindCondition(const List<C>& conditions, std::string_view type) {
  for (const C& condition : conditions) {
    if (condition.type == type) return &condition;
  }
  return nullptr;
}

template <typename C>
bool IsConditionTrue(const List<C>& conditions, std::string_view type) {
  const C* condition = FindCondition(conditions, type);
  return condition != nullptr && condition->status == "True";
}

template <typename C>
void RemoveCondition(List<C>& conditions, std::string_view type) {
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    if (conditions[i].type == type) return conditions.Erase(i);
  }
}

template <typename C>
C MakeCondition(std::string_view type, std::string_view status, std::string_view reason, std::string_view message,
                Instant now) {
  C condition;
  condition.type = type;
  condition.status = status;
  condition.reason = reason;
  condition.message = message;
  condition.lastTransitionTime = Time{now};
  return condition;
}

// Puts `next` in the place of the condition of its type, or at the end. The transition time moves only with the status;
// a condition that says the same as before is left alone. False then.
template <typename C>
bool SetCondition(List<C>& conditions, C next) {
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    const C& old = conditions[i];
    if (!(old.type == next.type)) continue;
    if (old.status == next.status) {
      if (old.reason == next.reason && old.message == next.message) return false;
      next.lastTransitionTime = old.lastTransitionTime;
    }
    conditions.Mutable(i) = std::move(next);
    return true;
  }
  conditions.push_back(std::move(next));
  return true;
}

}  // namespace minikube::kube
