// ResourceQuotas count what is in their namespace. Admission charges them for what is made; here they are counted anew
// when something goes, when their bounds change, and now and then.
#include <map>
#include <span>
#include <string>
#include <utility>

#include <minikube/api/apps/v1.h>
#include <minikube/api/batch/v1.h>
#include <minikube/api/core/v1.h>

#include "controllers/controllers.h"
#include "controllers/gc/served_resources.h"
#include "kube/pods.h"
#include "kube/quota.h"

namespace minikube::controllers {

namespace {

using core::v1::PersistentVolumeClaim;
using core::v1::Pod;
using core::v1::ResourceQuota;
using core::v1::Service;

// As kube-controller-manager's --resource-quota-sync-period; kinds that are not watched are found by it alone.
constexpr Duration kCountAnew = std::chrono::minutes(5);
constexpr Duration kCountUnwatched = std::chrono::seconds(30);

void WakeQuotasOf(const View& view, std::string_view ns, const Wake& wake) {
  for (const ResourceQuota* quota : view.List<ResourceQuota>(ns)) wake(KeyOf(*quota));
}

template <typename T>
void WhenGoneWake(const View& view, const T* before, const T* after, const Wake& wake) {
  if (before != nullptr && after == nullptr) WakeQuotasOf(view, before->metadata.namespace_.view(), wake);
}

void WakeByPod(const View& view, const Pod* before, const Pod* after, const Wake& wake) {
  if (before == nullptr) return;
  const bool freed = after == nullptr || (kube::IsPodFinished(*after) && !kube::IsPodFinished(*before));
  if (freed) WakeQuotasOf(view, before->metadata.namespace_.view(), wake);
}

// What a change of an object that stays can free, it frees for the counters of its own kind.
template <typename T>
void WakeByUsage(const View& view, const T* before, const T* after, const Wake& wake) {
  if (before == nullptr) return;
  if (after != nullptr) {
    const kube::QuotaSubject subject{"", Client::ResourceOf<T>().plural};
    const auto usage = [&](const T& object) { return kube::UsageOf(subject, *Share(object), view.WallNow()); };
    if (DeepEqual(before->spec, after->spec) || usage(*before) == usage(*after)) return;
  }
  WakeQuotasOf(view, before->metadata.namespace_.view(), wake);
}

bool IsWatched(const ResourceDesc& resource) {
  for (const ResourceDesc* watched :
       {&Client::ResourceOf<Pod>(), &Client::ResourceOf<Service>(), &Client::ResourceOf<PersistentVolumeClaim>(),
        &Client::ResourceOf<core::v1::ConfigMap>(), &Client::ResourceOf<core::v1::Secret>(),
        &Client::ResourceOf<core::v1::ReplicationController>(), &Client::ResourceOf<ResourceQuota>(),
        &Client::ResourceOf<apps::v1::Deployment>(), &Client::ResourceOf<apps::v1::ReplicaSet>(),
        &Client::ResourceOf<apps::v1::StatefulSet>(), &Client::ResourceOf<apps::v1::DaemonSet>(),
        &Client::ResourceOf<batch::v1::Job>()}) {
    if (watched == &resource) return true;
  }
  return false;
}

const ResourceDesc* Find(std::span<const ResourceDesc* const> resources, const kube::QuotaSubject& subject) {
  for (const ResourceDesc* resource : resources) {
    if (resource->group == subject.group && resource->plural == subject.plural && resource->namespaced) return resource;
  }
  return nullptr;
}

const Result<ApiResponse>* AnswerAbout(const View& view, const ResourceDesc& resource) {
  for (const LastRun::Answer& answer : view.last().answers) {
    if (answer.request.resource == &resource) return &answer.response;
  }
  return nullptr;
}

// Counts objects of one kind towards the counters of a quota that count them.
class Count {
 public:
  Count(const ResourceQuota& quota, const kube::QuotaSubject& subject, WallTime now)
      : quota_(quota), subject_(subject), now_(now), counters_(kube::CountersOf(subject, quota.spec.hard)) {
    for (const Str& counter : counters_) used_[counter.view()] = Quantity("0");
  }
  void Add(const Object& object) {
    if (!kube::InScopes(quota_.spec, object)) return;
    const kube::Amounts usage = kube::UsageOf(subject_, object, now_);
    for (const Str& counter : counters_) {
      if (const Quantity* quantity = usage.Find(counter.view())) {
        used_[counter.view()] = kube::Sum(*used_.Find(counter.view()), *quantity);
      }
    }
  }
  const kube::Amounts& used() const { return used_; }

 private:
  const ResourceQuota& quota_;
  const kube::QuotaSubject subject_;
  const WallTime now_;
  const std::vector<Str> counters_;
  kube::Amounts used_;
};

}  // namespace

Plan ReconcileResourceQuota(const View& view, const ResourceQuota& quota,
                            std::span<const ResourceDesc* const> resources) {
  Plan plan;
  Plan questions;
  const std::string_view ns = quota.metadata.namespace_.view();
  std::map<std::pair<std::string_view, std::string_view>, kube::QuotaSubject> subjects;
  for (const auto& [counter, bound] : quota.spec.hard) {
    if (const auto subject = kube::SubjectOf(counter.view())) subjects[{subject->group, subject->plural}] = *subject;
  }
  core::v1::ResourceQuotaStatus status;
  status.hard = quota.spec.hard;
  Duration again = kCountAnew;
  for (const auto& [name, subject] : subjects) {
    Count count(quota, subject, view.WallNow());
    const ResourceDesc* resource = Find(resources, subject);
    if (resource != nullptr && IsWatched(*resource)) {
      view.objects().ForEach(*resource, ns, [&](const ObjectRef& object) { count.Add(*object); });
    } else if (resource != nullptr) {
      again = kCountUnwatched;
      const Result<ApiResponse>* answer = AnswerAbout(view, *resource);
      if (answer == nullptr) {
        questions.ReadAll(*resource, ns);
      } else if (*answer) {
        for (const ObjectRef& object : (*answer)->items) count.Add(*object);
      }
    } else {
      // Nothing of a kind that is not served; what was counted may come back with it.
      continue;
    }
    for (const auto& [counter, quantity] : count.used()) status.used[counter.view()] = quantity;
  }
  if (!questions.steps().empty()) return questions;
  plan.Status(quota, status);
  plan.Again(again);
  return plan;
}

ControllerEntry ResourceQuotaController() {
  constexpr std::string_view kName = "resourcequota-controller";
  return {std::string(kName), [kName](const ControllerContext& context) {
            return For<ResourceQuota>(std::string(kName))
                .When([](const View&, const ResourceQuota& quota) {
                  // What admission charges is none of our affair.
                  if (!(quota.status.hard == quota.spec.hard)) return true;
                  for (const auto& [counter, bound] : quota.spec.hard) {
                    if (kube::SubjectOf(counter.view()) && !quota.status.used.Contains(counter.view())) return true;
                  }
                  return false;
                })
                .Watches<Pod>(&WakeByPod)
                .Watches<Service>(&WakeByUsage<Service>)
                .Watches<PersistentVolumeClaim>(&WakeByUsage<PersistentVolumeClaim>)
                .Watches<core::v1::ConfigMap>(&WhenGoneWake<core::v1::ConfigMap>)
                .Watches<core::v1::Secret>(&WhenGoneWake<core::v1::Secret>)
                .Watches<core::v1::ReplicationController>(&WhenGoneWake<core::v1::ReplicationController>)
                .Watches<apps::v1::Deployment>(&WhenGoneWake<apps::v1::Deployment>)
                .Watches<apps::v1::ReplicaSet>(&WhenGoneWake<apps::v1::ReplicaSet>)
                .Watches<apps::v1::StatefulSet>(&WhenGoneWake<apps::v1::StatefulSet>)
                .Watches<apps::v1::DaemonSet>(&WhenGoneWake<apps::v1::DaemonSet>)
                .Watches<batch::v1::Job>(&WhenGoneWake<batch::v1::Job>)
                .Reconciles([&client = context.client](const View& view, const ResourceQuota& quota) {
                  return ReconcileResourceQuota(view, quota, ServedResources(client, {"list"}));
                })
                .make(context);
          }};
}

}  // namespace minikube::controllers
