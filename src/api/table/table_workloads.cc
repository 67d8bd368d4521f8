// Workloads: what makes pods.
#include <fmt/format.h>

#include <minikube/api/apps/v1.h>
#include <minikube/api/autoscaling/v1.h>
#include <minikube/api/autoscaling/v2.h>
#include <minikube/api/batch/v1.h>

#include "api/table/table_cells.h"

namespace minikube::api {
namespace {

void PrintTemplate(const core::v1::PodTemplateSpec& pod_template, Cells& cells) {
  cells.Text(ContainerNames(pod_template.spec.containers)).Text(ContainerImages(pod_template.spec.containers));
}

void PrintDeployment(const Object& object, WallTime now, Cells& cells) {
  const auto& deployment = object.As<apps::v1::Deployment>();
  cells.Text(deployment.metadata.name);
  cells.Text(fmt::format("{}/{}", deployment.status.readyReplicas, deployment.spec.replicas.value_or(0)));
  cells.Int(deployment.status.updatedReplicas).Int(deployment.status.availableReplicas).Text(AgeOf(object, now));
  PrintTemplate(deployment.spec.template_, cells);
  cells.Text(SelectorText(deployment.spec.selector.get()));
}

void PrintReplicaSet(const Object& object, WallTime now, Cells& cells) {
  const auto& set = object.As<apps::v1::ReplicaSet>();
  cells.Text(set.metadata.name).Int(set.spec.replicas.value_or(0)).Int(set.status.replicas);
  cells.Int(set.status.readyReplicas).Text(AgeOf(object, now));
  PrintTemplate(set.spec.template_, cells);
  cells.Text(SelectorText(set.spec.selector.get()));
}

void PrintReplicationController(const Object& object, WallTime now, Cells& cells) {
  const auto& controller = object.As<core::v1::ReplicationController>();
  cells.Text(controller.metadata.name).Int(controller.spec.replicas.value_or(0)).Int(controller.status.replicas);
  cells.Int(controller.status.readyReplicas).Text(AgeOf(object, now));
  if (controller.spec.template_) {
    PrintTemplate(*controller.spec.template_, cells);
  } else {
    cells.Text("").Text("");
  }
  cells.Text(LabelText(controller.spec.selector));
}

void PrintStatefulSet(const Object& object, WallTime now, Cells& cells) {
  const auto& set = object.As<apps::v1::StatefulSet>();
  cells.Text(set.metadata.name);
  cells.Text(fmt::format("{}/{}", set.status.readyReplicas, set.spec.replicas.value_or(0)));
  cells.Text(AgeOf(object, now));
  PrintTemplate(set.spec.template_, cells);
}

void PrintDaemonSet(const Object& object, WallTime now, Cells& cells) {
  const auto& set = object.As<apps::v1::DaemonSet>();
  cells.Text(set.metadata.name).Int(set.status.desiredNumberScheduled).Int(set.status.currentNumberScheduled);
  cells.Int(set.status.numberReady).Int(set.status.updatedNumberScheduled).Int(set.status.numberAvailable);
  cells.Text(LabelText(set.spec.template_.spec.nodeSelector)).Text(AgeOf(object, now));
  PrintTemplate(set.spec.template_, cells);
  cells.Text(SelectorText(set.spec.selector.get()));
}

void PrintControllerRevision(const Object& object, WallTime now, Cells& cells) {
  const auto& revision = object.As<apps::v1::ControllerRevision>();
  std::string controller(kNone);
  for (const auto& owner : revision.metadata.ownerReferences) {
    if (!owner.controller.value_or(false)) continue;
    const std::string_view api_version = owner.apiVersion;
    const std::size_t slash = api_version.find('/');
    std::string kind = owner.kind.str();
    for (char& c : kind) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    const std::string_view group = slash == std::string_view::npos ? std::string_view() : api_version.substr(0, slash);
    controller = fmt::format("{}{}{}/{}", kind, group.empty() ? "" : ".", group, owner.name.view());
  }
  cells.Text(revision.metadata.name).Text(controller).Int(revision.revision).Text(AgeOf(object, now));
}

std::string JobState(const batch::v1::Job& job) {
  const auto has = [&job](std::string_view type) {
    for (const auto& condition : job.status.conditions) {
      if (condition.type == type && condition.status == "True") return true;
    }
    return false;
  };
  if (has("Complete")) return "Complete";
  if (has("Failed")) return "Failed";
  if (job.metadata.deletionTimestamp) return "Terminating";
  if (has("Suspended")) return "Suspended";
  if (has("FailureTarget")) return "FailureTarget";
  if (has("SuccessCriteriaMet")) return "SuccessCriteriaMet";
  return "Running";
}

std::string JobCompletions(const batch::v1::Job& job) {
  if (job.spec.completions) return fmt::format("{}/{}", job.status.succeeded, *job.spec.completions);
  const std::int32_t parallelism = job.spec.parallelism.value_or(0);
  if (parallelism > 1) return fmt::format("{}/1 of {}", job.status.succeeded, parallelism);
  return fmt::format("{}/1", job.status.succeeded);
}

void PrintJob(const Object& object, WallTime now, Cells& cells) {
  const auto& job = object.As<batch::v1::Job>();
  cells.Text(job.metadata.name).Text(JobState(job)).Text(JobCompletions(job));
  if (!job.status.startTime) {
    cells.Text("");
  } else if (!job.status.completionTime) {
    cells.Text(Age(*job.status.startTime, now));
  } else {
    cells.Text(
        HumanDuration(std::chrono::microseconds(job.status.completionTime->micros - job.status.startTime->micros)));
  }
  cells.Text(AgeOf(object, now));
  PrintTemplate(job.spec.template_, cells);
  cells.Text(SelectorText(job.spec.selector.get()));
}

void PrintCronJob(const Object& object, WallTime now, Cells& cells) {
  const auto& cron = object.As<batch::v1::CronJob>();
  cells.Text(cron.metadata.name).Text(cron.spec.schedule);
  cells.Text(cron.spec.timeZone ? cron.spec.timeZone->view() : kNone);
  cells.Text(!cron.spec.suspend ? kUnset : *cron.spec.suspend ? "True" : "False");
  cells.Int(static_cast<std::int64_t>(cron.status.active.size()));
  cells.Text(cron.status.lastScheduleTime ? Age(*cron.status.lastScheduleTime, now) : std::string(kNone));
  cells.Text(AgeOf(object, now));
  PrintTemplate(cron.spec.jobTemplate.spec.template_, cells);
  cells.Text(SelectorText(cron.spec.jobTemplate.spec.selector.get()));
}

std::string Percent(const std::optional<std::int32_t>& value) {
  return value ? fmt::format("{}%", *value) : "<unknown>";
}

std::string AmountText(const std::optional<Quantity>& value) { return value ? value->text.str() : "<unknown>"; }

// One metric of a v2 autoscaler as "current/target".
std::string MetricText(const autoscaling::v2::MetricTarget& target, const autoscaling::v2::MetricValueStatus* current) {
  const autoscaling::v2::MetricValueStatus none;
  if (current == nullptr) current = &none;
  if (target.averageUtilization)
    return fmt::format("{}/{}%", Percent(current->averageUtilization), *target.averageUtilization);
  if (target.averageValue)
    return fmt::format("{}/{} (avg)", AmountText(current->averageValue), target.averageValue->text.view());
  return fmt::format("{}/{}", AmountText(current->value), AmountText(target.value));
}

std::string MetricsText(const autoscaling::v2::HorizontalPodAutoscaler& scaler) {
  const auto& metrics = scaler.spec.metrics;
  if (metrics.empty()) return std::string(kNone);
  constexpr std::size_t kShown = 2;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < metrics.size() && i < kShown; ++i) {
    const auto& metric = metrics[i];
    const auto* status = i < scaler.status.currentMetrics.size() ? &scaler.status.currentMetrics[i] : nullptr;
    if (metric.resource) {
      const auto* current = status != nullptr && status->resource ? &status->resource->current : nullptr;
      texts.push_back(
          fmt::format("{}: {}", metric.resource->name.view(), MetricText(metric.resource->target, current)));
    } else if (metric.containerResource) {
      const auto* current =
          status != nullptr && status->containerResource ? &status->containerResource->current : nullptr;
      texts.push_back(fmt::format("{}: {}", metric.containerResource->name.view(),
                                  MetricText(metric.containerResource->target, current)));
    } else if (metric.pods) {
      const auto* current = status != nullptr && status->pods ? &status->pods->current : nullptr;
      texts.push_back(MetricText(metric.pods->target, current));
    } else if (metric.object) {
      const auto* current = status != nullptr && status->object ? &status->object->current : nullptr;
      texts.push_back(MetricText(metric.object->target, current));
    } else if (metric.external) {
      const auto* current = status != nullptr && status->external ? &status->external->current : nullptr;
      texts.push_back(MetricText(metric.external->target, current));
    } else {
      texts.emplace_back("<unknown type>");
    }
  }
  std::string out = JoinTexts(texts, ", ");
  if (metrics.size() > kShown) out += fmt::format(" + {} more...", metrics.size() - kShown);
  return out;
}

// Both versions have the same columns and, but for the metrics, the same fields.
template <typename Scaler>
void PrintAutoscaler(const Object& object, const std::string& targets, WallTime now, Cells& cells) {
  const auto& scaler = object.As<Scaler>();
  cells.Text(scaler.metadata.name);
  cells.Text(fmt::format("{}/{}", scaler.spec.scaleTargetRef.kind.view(), scaler.spec.scaleTargetRef.name.view()));
  cells.Text(targets);
  cells.Text(scaler.spec.minReplicas ? fmt::format("{}", *scaler.spec.minReplicas) : std::string(kUnset));
  cells.Int(scaler.spec.maxReplicas).Int(scaler.status.currentReplicas).Text(AgeOf(object, now));
}

void PrintAutoscalerV1(const Object& object, WallTime now, Cells& cells) {
  const auto& scaler = object.As<autoscaling::v1::HorizontalPodAutoscaler>();
  const auto& target = scaler.spec.targetCPUUtilizationPercentage;
  PrintAutoscaler<autoscaling::v1::HorizontalPodAutoscaler>(
      object,
      target ? fmt::format("cpu: {}/{}%", Percent(scaler.status.currentCPUUtilizationPercentage), *target)
             : std::string(kNone),
      now, cells);
}

void PrintAutoscalerV2(const Object& object, WallTime now, Cells& cells) {
  PrintAutoscaler<autoscaling::v2::HorizontalPodAutoscaler>(
      object, MetricsText(object.As<autoscaling::v2::HorizontalPodAutoscaler>()), now, cells);
}

}  // namespace

Printer FindWorkloadPrinter(const MessageDesc& desc) {
  static const struct {
    const MessageDesc* desc;
    Printer printer;
  } kPrinters[] = {
      {&DescriptorOf<apps::v1::Deployment>(), PrintDeployment},
      {&DescriptorOf<apps::v1::ReplicaSet>(), PrintReplicaSet},
      {&DescriptorOf<apps::v1::StatefulSet>(), PrintStatefulSet},
      {&DescriptorOf<apps::v1::DaemonSet>(), PrintDaemonSet},
      {&DescriptorOf<apps::v1::ControllerRevision>(), PrintControllerRevision},
      {&DescriptorOf<core::v1::ReplicationController>(), PrintReplicationController},
      {&DescriptorOf<batch::v1::Job>(), PrintJob},
      {&DescriptorOf<batch::v1::CronJob>(), PrintCronJob},
      {&DescriptorOf<autoscaling::v1::HorizontalPodAutoscaler>(), PrintAutoscalerV1},
      {&DescriptorOf<autoscaling::v2::HorizontalPodAutoscaler>(), PrintAutoscalerV2},
  };
  for (const auto& entry : kPrinters) {
    if (entry.desc == &desc) return entry.printer;
  }
  return nullptr;
}

}  // namespace minikube::api
