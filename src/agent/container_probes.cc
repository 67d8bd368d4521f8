#include "agent/container_probes.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace minikube::agent {
namespace {

constexpr int kDefaultPeriodSeconds = 10;
constexpr int kDefaultTimeoutSeconds = 1;
constexpr int kDefaultFailureThreshold = 3;

int OrDefault(int value, int fallback) { return value > 0 ? value : fallback; }

}  // namespace

ContainerProbes::ContainerProbes(AgentContext& context, Target target, Owner owner, bool was_ready)
    : context_(context), target_(std::move(target)), owner_(std::move(owner)) {
  probes_[kStartup].spec = target_.container.startupProbe.get();
  probes_[kReadiness].spec = target_.container.readinessProbe.get();
  probes_[kLiveness].spec = target_.container.livenessProbe.get();
  ready_ = probes_[kReadiness].spec == nullptr || was_ready;
  started_ = probes_[kStartup].spec == nullptr || was_ready;
  if (started_) {
    BeginAfterStartup();
  } else {
    Arm(kStartup, FirstDelay(*probes_[kStartup].spec));
  }
}

ContainerProbes::~ContainerProbes() {
  for (Probe& probe : probes_) {
    if (probe.timer != 0) context_.strand.Cancel(probe.timer);
  }
}

void ContainerProbes::KeepReadinessOnly() {
  for (const Kind kind : {kStartup, kLiveness}) {
    if (probes_[kind].timer != 0) context_.strand.Cancel(std::exchange(probes_[kind].timer, 0));
    probes_[kind].running.reset();
  }
}

void ContainerProbes::BeginAfterStartup() {
  for (const Kind kind : {kReadiness, kLiveness}) {
    if (probes_[kind].spec != nullptr) Arm(kind, FirstDelay(*probes_[kind].spec));
  }
}

Duration ContainerProbes::FirstDelay(const core::Probe& spec) const {
  const Duration initial = std::chrono::seconds(std::max(spec.initialDelaySeconds, 0));
  return std::clamp(target_.started + initial - context_.Now(), Duration::zero(), initial);
}

void ContainerProbes::Arm(Kind kind, Duration delay) {
  probes_[kind].timer = context_.strand.After(delay, [this, kind] {
    probes_[kind].timer = 0;
    Run(kind);
  });
}

void ContainerProbes::Run(Kind kind) {
  const core::Probe& spec = *probes_[kind].spec;
  const Duration timeout = std::chrono::seconds(OrDefault(spec.timeoutSeconds, kDefaultTimeoutSeconds));
  probes_[kind].running = RunHandler(context_, HandlerSpec::Of(spec), target_.container, target_.container_id,
                                     target_.pod_ip, timeout, [this, kind](Status status) { Answered(kind, status); });
}

void ContainerProbes::Answered(Kind kind, const Status& status) {
  Probe& probe = probes_[kind];
  const std::unique_ptr<RunningHandler> done = std::move(probe.running);
  static constexpr std::array<std::string_view, 3> kNames = {"Startup", "Readiness", "Liveness"};
  Arm(kind, std::chrono::seconds(OrDefault(probe.spec->periodSeconds, kDefaultPeriodSeconds)));
  if (status.ok()) {
    ++probe.successes;
    probe.failures = 0;
    if (probe.successes >= OrDefault(probe.spec->successThreshold, 1)) Passed(kind);
    return;
  }
  if (status.code() != Code::kUnavailable) {
    // Not a verdict: the container stays what it was, and the user is told once.
    if (!std::exchange(probe.warned, true)) {
      owner_.event("Unhealthy",
                   fmt::format("{} probe errored and resulted in unknown state: {}", kNames[kind], status.message()));
    }
    return;
  }
  ++probe.failures;
  probe.successes = 0;
  owner_.event("Unhealthy", fmt::format("{} probe failed: {}", kNames[kind], status.message()));
  if (probe.failures >= OrDefault(probe.spec->failureThreshold, kDefaultFailureThreshold)) Missed(kind);
}

void ContainerProbes::Passed(Kind kind) {
  if (kind == kStartup && !std::exchange(started_, true)) {
    context_.strand.Cancel(std::exchange(probes_[kStartup].timer, 0));
    BeginAfterStartup();
    owner_.changed();
  } else if (kind == kReadiness && !std::exchange(ready_, true)) {
    owner_.changed();
  }
}

void ContainerProbes::Missed(Kind kind) {
  if (kind == kReadiness) {
    if (std::exchange(ready_, false)) owner_.changed();
    return;
  }
  if (std::exchange(killed_, true)) return;
  owner_.kill(fmt::format("Container {} failed {} probe, will be restarted", target_.container.name.view(),
                          kind == kStartup ? "startup" : "liveness"));
}

}  // namespace minikube::agent
