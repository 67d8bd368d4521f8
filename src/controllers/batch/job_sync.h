// One step of a Job: a pure function from the Job and its pods to a Plan.
//
// How a pod's end is counted, exactly once, whatever dies in between: the pod bears the tracking finalizer. (1) its UID
// goes into status.uncountedTerminatedPods (its index into status.completedIndexes, if it has one); (2) when that is
// visible, its finalizer is removed; (3) when the pod is seen without it, the UID leaves the status and the counter
// goes up in one write. A pod without the finalizer has been counted.
#pragma once

#include <vector>

#include <minikube/api/batch/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/plan.h>
#include <minikube/view.h>

namespace minikube::controllers {

// `pods` are those that the Job controls.
void PlanJob(const View& view, const batch::v1::Job& job, std::vector<const core::v1::Pod*> pods, Plan& plan);

// Takes the tracking finalizer off a pod.
void Untrack(const core::v1::Pod& pod, Plan& plan);

}  // namespace minikube::controllers
