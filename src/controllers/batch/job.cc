// Runs pods until as many have succeeded as a Job asks for.
// Semantics: https://kubernetes.io/docs/concepts/workloads/controllers/job/ and KEP-2307 (tracking with finalizers).
#include "controllers/batch/job_pods.h"
#include "controllers/batch/job_sync.h"
#include "controllers/controllers.h"
#include "kube/conditions.h"
#include "kube/owners.h"

namespace minikube::controllers {
namespace {

using batch::v1::Job;
using core::v1::Pod;

constexpr std::string_view kOurselves = "kubernetes.io/job-controller";

std::string KeyOfTracked(const meta::v1::ObjectMeta& pod) {
  const meta::v1::OwnerReference* owner = kube::ControllerOf(pod);
  const Str* label = pod.labels.Find("batch.kubernetes.io/job-name");
  std::string_view name;
  if (owner != nullptr && owner->kind == "Job") {
    name = owner->name;
  } else if (label != nullptr) {
    name = *label;
  }
  return pod.namespace_.str() + "/" + std::string(name);
}

// Pods with the tracking finalizer by the Job of that name, whether it is there or not.
const Index kTrackedByJob{"tracked", [](const Object& pod) -> std::vector<std::string> {
                            if (!kube::HasFinalizer(pod.meta(), kTracking)) return {};
                            return {KeyOfTracked(pod.meta())};
                          }};

bool AnyPod(const Object&) { return true; }

// Lets go pods that no Job will count, because theirs has gone.
void UntrackStrays(const View& view, const ObjectKey& key, std::string_view job_uid, Plan& plan) {
  for (const Pod* pod : view.By<Pod>(kTrackedByJob, key.ns.str() + "/" + key.name.str())) {
    if (job_uid.empty() || !kube::IsControlledBy(pod->metadata, job_uid)) Untrack(*pod, plan);
  }
}

void WakeNamed(const View&, const Pod& pod, const Wake& wake) {
  if (!kube::HasFinalizer(pod.metadata, kTracking)) return;
  const std::string key = KeyOfTracked(pod.metadata);
  wake({pod.metadata.namespace_, std::string_view(key).substr(key.find('/') + 1)});
}

}  // namespace

Plan ReconcileJob(const View& view, const Job& job) {
  Plan plan;
  if (job.spec.managedBy && !(*job.spec.managedBy == kOurselves)) return plan;
  std::vector<const Pod*> pods = Owned<Job, Pod>::Claim(view, job, plan, &AnyPod, kTracking);
  if (!plan.empty()) return plan;
  UntrackStrays(view, KeyOf(job), job.metadata.uid, plan);
  if (!plan.empty()) return plan;
  if (IsJobFinished(job)) {
    for (const Pod* pod : pods) Untrack(*pod, plan);
    return plan;
  }
  PlanJob(view, job, std::move(pods), plan);
  return plan;
}

ControllerEntry JobController() {
  return For<Job>("job-controller")
      .Owns<Pod>()
      .Watches<Pod>(&WakeNamed)
      .Indexes<Pod>(kTrackedByJob)
      .WhenGone([](const View& view, const ObjectKey& key) {
        Plan plan;
        UntrackStrays(view, key, {}, plan);
        return plan;
      })
      .Reconciles(&ReconcileJob);
}

}  // namespace minikube::controllers
