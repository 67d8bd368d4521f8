// LimitRanger: what a LimitRange of the namespace says, containers are given if they say nothing, and pods and claims
// have to keep to. https://kubernetes.io/docs/concepts/policy/limit-range/
#include <string>
#include <vector>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>

#include "api/admission/plugins.h"
#include "kube/amounts.h"

namespace minikube::api {

namespace {

using core::v1::Container;
using core::v1::LimitRange;
using core::v1::LimitRangeItem;
using core::v1::PersistentVolumeClaim;
using core::v1::Pod;
using kube::Amounts;

constexpr std::string_view kAnnotation = "kubernetes.io/limit-ranger";

// ---- Defaults -----------------------------------------------------------------------------------------------------

// What is missing in `has` of what `defaults` has; the names of it, sorted.
std::string Complete(Amounts& has, const Amounts& defaults) {
  std::string names;
  for (const auto& [name, quantity] : defaults) {
    if (has.Contains(name.view())) continue;
    has[name.view()] = quantity;
    names += (names.empty() ? "" : ", ") + name.str();
  }
  return names;
}

void GiveDefaults(Pod& pod, const LimitRange& range) {
  Amounts requests;
  Amounts limits;
  for (const LimitRangeItem& item : range.spec.limits) {
    if (!(item.type == "Container")) continue;
    for (const auto& [name, quantity] : item.defaultRequest) requests[name.view()] = quantity;
    for (const auto& [name, quantity] : item.default_) limits[name.view()] = quantity;
  }
  if (requests.empty() && limits.empty()) return;
  std::string told;
  const auto complete = [&](List<Container>& containers, std::string_view kind) {
    for (std::size_t i = 0; i < containers.size(); ++i) {
      core::v1::ResourceRequirements resources = containers[i].resources;
      const std::string requested = Complete(resources.requests, requests);
      const std::string limited = Complete(resources.limits, limits);
      if (requested.empty() && limited.empty()) continue;
      const auto tell = [&](const std::string& names, std::string_view what) {
        if (names.empty()) return;
        told +=
            fmt::format("{}{} {} for {} {}", told.empty() ? "" : "; ", names, what, kind, containers[i].name.view());
      };
      tell(requested, "request");
      tell(limited, "limit");
      containers.Mutable(i).resources = std::move(resources);
    }
  };
  complete(pod.spec.containers, "container");
  complete(pod.spec.initContainers, "init container");
  if (!told.empty()) pod.metadata.annotations[kAnnotation] = "LimitRanger plugin set: " + told;
}

// ---- Limits -------------------------------------------------------------------------------------------------------

// Collects what is wrong with the requests and limits of one container, pod or claim.
class Judge {
 public:
  Judge(std::string_view type, const Amounts& requests, const Amounts& limits, std::vector<std::string>& wrong)
      : type_(type), requests_(requests), limits_(limits), wrong_(wrong) {}

  void Least(const Amounts& bounds) const {
    for (const auto& [name, bound] : bounds) {
      const Quantity* request = requests_.Find(name.view());
      const Quantity* limit = limits_.Find(name.view());
      if (request == nullptr) {
        Say("minimum", name, bound, ".  No request is specified");
      } else if (request->Compare(bound) < 0) {
        Say("minimum", name, bound, fmt::format(", but request is {}", request->text.view()));
      } else if (limit != nullptr && limit->Compare(bound) < 0) {
        Say("minimum", name, bound, fmt::format(", but limit is {}", limit->text.view()));
      }
    }
  }
  void Most(const Amounts& bounds) const {
    for (const auto& [name, bound] : bounds) {
      const Quantity* request = requests_.Find(name.view());
      const Quantity* limit = limits_.Find(name.view());
      if (limit == nullptr) {
        Say("maximum", name, bound, ".  No limit is specified");
      } else if (limit->Compare(bound) > 0) {
        Say("maximum", name, bound, fmt::format(", but limit is {}", limit->text.view()));
      } else if (request != nullptr && request->Compare(bound) > 0) {
        Say("maximum", name, bound, fmt::format(", but request is {}", request->text.view()));
      }
    }
  }
  // Claims have no limits.
  void MostRequested(const Amounts& bounds) const {
    for (const auto& [name, bound] : bounds) {
      const Quantity* request = requests_.Find(name.view());
      if (request == nullptr) {
        Say("maximum", name, bound, ".  No request is specified");
      } else if (request->Compare(bound) > 0) {
        Say("maximum", name, bound, fmt::format(", but request is {}", request->text.view()));
      }
    }
  }
  void Ratio(const Amounts& bounds) const {
    for (const auto& [name, bound] : bounds) {
      const Quantity* request = requests_.Find(name.view());
      const Quantity* limit = limits_.Find(name.view());
      const auto say = [&](std::string_view why) {
        wrong_.push_back(fmt::format("{} max limit to request ratio per {} is {}, but {}", name.view(), type_,
                                     bound.text.view(), why));
      };
      if (request == nullptr || kube::IsZero(*request)) {
        say("no request is specified or request is 0");
      } else if (limit == nullptr || kube::IsZero(*limit)) {
        say("no limit is specified or limit is 0");
      } else {
        const double ratio = Number(*limit) / Number(*request);
        if (ratio > Number(bound)) say(fmt::format("provided ratio is {:f}", ratio));
      }
    }
  }

 private:
  static double Number(const Quantity& quantity) {
    const std::int64_t whole = quantity.Value();
    constexpr std::int64_t kMilliFits = 9'000'000'000'000'000;
    return whole < kMilliFits ? static_cast<double>(quantity.MilliValue()) / 1000 : static_cast<double>(whole);
  }
  void Say(std::string_view bound_of, const Str& name, const Quantity& bound, std::string_view why) const {
    wrong_.push_back(fmt::format("{} {} usage per {} is {}{}", bound_of, name.view(), type_, bound.text.view(), why));
  }

  const std::string_view type_;
  const Amounts& requests_;
  const Amounts& limits_;
  std::vector<std::string>& wrong_;
};

void Look(const Pod& pod, const LimitRange& range, std::vector<std::string>& wrong) {
  for (const LimitRangeItem& item : range.spec.limits) {
    const auto judge = [&](const Amounts& requests, const Amounts& limits) {
      const Judge by(item.type.view(), requests, limits, wrong);
      by.Least(item.min);
      by.Most(item.max);
      by.Ratio(item.maxLimitRequestRatio);
    };
    if (item.type == "Container") {
      for (const Container& c : pod.spec.containers) judge(c.resources.requests, c.resources.limits);
      for (const Container& c : pod.spec.initContainers) judge(c.resources.requests, c.resources.limits);
    }
    if (item.type == "Pod") judge(kube::PodRequests(pod.spec), kube::PodLimits(pod.spec));
  }
}

void Look(const PersistentVolumeClaim& claim, const LimitRange& range, std::vector<std::string>& wrong) {
  const Amounts none;
  for (const LimitRangeItem& item : range.spec.limits) {
    if (!(item.type == "PersistentVolumeClaim")) continue;
    const Judge by(item.type.view(), claim.spec.resources.requests, none, wrong);
    by.Least(item.min);
    by.MostRequested(item.max);
  }
}

class LimitRanger final : public AdmissionPlugin {
 public:
  std::string_view name() const override { return "LimitRanger"; }

  bool Handles(const AdmissionTarget& target) const override {
    if (target.operation == AdmissionOperation::kDelete) return false;
    if (IsResource(target, "", "persistentvolumeclaims")) return target.subresource.empty();
    return IsPodCreate(target) || (IsResource(target, "", "pods") && target.subresource == "resize");
  }

  Result<Admitted> Mutate(AdmissionRequest& request) override {
    if (!(request.resource().plural == "pods") || request.operation() != AdmissionOperation::kCreate) {
      return Admitted::kNow;
    }
    ForEachRange(request, [&](const LimitRange& range) { GiveDefaults(request.mutable_object().As<Pod>(), range); });
    return Admitted::kNow;
  }

  Result<Admitted> Validate(AdmissionRequest& request) override {
    const Object* before = request.old_object();
    if (before != nullptr && before->meta().deletionTimestamp) return Admitted::kNow;
    std::vector<std::string> wrong;
    const auto* pod = request.object()->TryAs<Pod>();
    const auto* claim = request.object()->TryAs<PersistentVolumeClaim>();
    ForEachRange(request, [&](const LimitRange& range) {
      if (!wrong.empty()) return;  // one range's words are enough
      if (pod != nullptr) Look(*pod, range, wrong);
      if (claim != nullptr) Look(*claim, range, wrong);
    });
    if (wrong.empty()) return Admitted::kNow;
    return request.Forbid(wrong.size() == 1 ? wrong[0] : fmt::format("[{}]", fmt::join(wrong, ", ")));
  }

 private:
  template <typename Each>
  static void ForEachRange(const AdmissionRequest& request, const Each& each) {
    request.world().ForEach(Client::ResourceOf<LimitRange>(), request.ns(),
                            [&](const ObjectRef& range) { each(range->As<LimitRange>()); });
  }
};

}  // namespace

std::shared_ptr<AdmissionPlugin> NewLimitRanger() { return std::make_shared<LimitRanger>(); }

}  // namespace minikube::api
