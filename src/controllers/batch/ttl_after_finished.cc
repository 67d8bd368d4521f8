// Deletes finished Jobs whose ttlSecondsAfterFinished has passed.
// Semantics: https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/
#include "controllers/controllers.h"
#include "kube/conditions.h"
#include "kube/times.h"

namespace minikube::controllers {

using batch::v1::Job;

Plan ReconcileFinishedJob(const View& view, const Job& job) {
  Plan plan;
  if (!job.spec.ttlSecondsAfterFinished || job.metadata.deletionTimestamp) return plan;
  for (const char* type : {"Complete", "Failed"}) {
    if (!kube::IsConditionTrue(job.status.conditions, type)) continue;
    const Instant finished = kube::FindCondition(job.status.conditions, type)->lastTransitionTime;
    const Duration left = kube::Since(view.Now(), kube::After(finished, *job.spec.ttlSecondsAfterFinished));
    if (left > Duration::zero()) {
      plan.Again(left);
    } else {
      // Of this version: somebody may just have given it more time.
      plan.Delete(job).Propagate(Propagation::kForeground).OfThisVersion(job.metadata).IgnoreGone();
    }
    break;
  }
  return plan;
}

ControllerEntry TtlAfterFinishedController() {
  return For<Job>("ttl-after-finished-controller").Reconciles(&ReconcileFinishedJob);
}

}  // namespace minikube::controllers
