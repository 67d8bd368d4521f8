#include "agent/pod_util.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <limits>

#include <fmt/format.h>
#include <openssl/evp.h>

namespace minikube::agent {
namespace {

constexpr std::int64_t kSystemCriticalPriority = 2'000'000'000;
constexpr std::int64_t kNodeCriticalPriority = kSystemCriticalPriority + 1000;

constexpr int kGuaranteedOomScoreAdj = -997;
constexpr int kBestEffortOomScoreAdj = 1000;

std::int64_t Amount(const Map<Quantity>& quantities, std::string_view resource) {
  const Quantity* quantity = quantities.Find(resource);
  if (quantity == nullptr) return 0;
  return resource == "cpu" ? quantity->MilliValue() : quantity->Value();
}

std::int64_t AddSaturated(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<std::int64_t>::max() : sum;
}

bool HasComputeResources(const Box<core::ResourceRequirements>& resources) {
  if (!resources) return false;
  return !resources->limits.empty() || !resources->requests.empty();
}

struct QosEvidence {
  bool any = false;        // some request or limit of cpu or memory
  bool guaranteed = true;  // every one has limits of both, and requests that equal them
  void Add(const core::ResourceRequirements& resources) {
    for (const std::string_view name : {"cpu", "memory"}) {
      const std::int64_t request = Amount(resources.requests, name);
      const std::int64_t limit = Amount(resources.limits, name);
      if (request > 0 || limit > 0) any = true;
      if (limit <= 0 || (resources.requests.Contains(name) && request != limit)) guaranteed = false;
    }
  }
  Qos Result() const { return !any ? Qos::kBestEffort : guaranteed ? Qos::kGuaranteed : Qos::kBurstable; }
};

// What the containers of a pod take of something at their peak. Init containers run one after the other, beside the
// sidecars declared before them; app containers run beside all sidecars.
template <typename AmountOf>
std::int64_t Peak(const core::Pod& pod, AmountOf amount_of) {
  std::int64_t sidecars = 0;
  std::int64_t init_peak = 0;
  for (const core::Container& init : pod.spec.initContainers) {
    const std::int64_t amount = amount_of(init);
    if (IsSidecar(init)) sidecars = AddSaturated(sidecars, amount);
    init_peak = std::max(init_peak, IsSidecar(init) ? sidecars : AddSaturated(sidecars, amount));
  }
  std::int64_t apps = sidecars;
  for (const core::Container& container : pod.spec.containers) apps = AddSaturated(apps, amount_of(container));
  return std::max(apps, init_peak);
}

std::optional<std::int64_t> Positive(std::int64_t amount) { return amount > 0 ? std::optional(amount) : std::nullopt; }

std::optional<std::int64_t> PodLimit(const core::Pod& pod, std::string_view resource) {
  if (pod.spec.resources) {
    if (const std::int64_t limit = Amount(pod.spec.resources->limits, resource); limit > 0) return limit;
  }
  for (const List<core::Container>* list : {&pod.spec.initContainers, &pod.spec.containers}) {
    for (const core::Container& container : *list) {
      if (Amount(container.resources.limits, resource) <= 0) return std::nullopt;
    }
  }
  return Positive(
      AddSaturated(Peak(pod, [&](const core::Container& c) { return Amount(c.resources.limits, resource); }),
                   Amount(pod.spec.overhead, resource)));
}

}  // namespace

Qos QosOf(const core::Pod& pod) {
  QosEvidence evidence;
  if (HasComputeResources(pod.spec.resources)) {
    evidence.Add(*pod.spec.resources);
    return evidence.Result();
  }
  for (const core::Container& container : pod.spec.initContainers) evidence.Add(container.resources);
  for (const core::Container& container : pod.spec.containers) evidence.Add(container.resources);
  return evidence.Result();
}

std::string_view QosName(Qos qos) {
  switch (qos) {
    case Qos::kGuaranteed:
      return "Guaranteed";
    case Qos::kBurstable:
      return "Burstable";
    case Qos::kBestEffort:
      break;
  }
  return "BestEffort";
}

std::string CgroupParent(const core::Pod& pod) {
  const char* tier = "";
  switch (QosOf(pod)) {
    case Qos::kGuaranteed:
      break;
    case Qos::kBurstable:
      tier = "/burstable";
      break;
    case Qos::kBestEffort:
      tier = "/besteffort";
      break;
  }
  return fmt::format("kubepods{}/pod{}", tier, pod.metadata.uid.view());
}

int OomScoreAdj(const core::Pod& pod, const core::Container& container, std::int64_t memory_capacity) {
  if (pod.spec.priority.value_or(0) >= kNodeCriticalPriority) return kGuaranteedOomScoreAdj;
  switch (QosOf(pod)) {
    case Qos::kGuaranteed:
      return kGuaranteedOomScoreAdj;
    case Qos::kBestEffort:
      return kBestEffortOomScoreAdj;
    case Qos::kBurstable:
      break;
  }
  if (memory_capacity <= 0) return kBestEffortOomScoreAdj - 1;
  const double share =
      static_cast<double>(Amount(container.resources.requests, "memory")) / static_cast<double>(memory_capacity);
  const int score = 1000 - static_cast<int>(1000 * std::min(share, 1.0));
  // Always after the guaranteed ones and before those that asked for nothing.
  return std::clamp(score, 1000 + kGuaranteedOomScoreAdj, kBestEffortOomScoreAdj - 1);
}

Resources ResourcesOf(const core::Container& container) {
  Resources out;
  out.cpu_milli_limit = Positive(Amount(container.resources.limits, "cpu"));
  out.memory_limit_bytes = Positive(Amount(container.resources.limits, "memory"));
  out.cpu_milli_request = Positive(Amount(container.resources.requests, "cpu"));
  out.memory_request_bytes = Positive(Amount(container.resources.requests, "memory"));
  if (!out.cpu_milli_request) out.cpu_milli_request = out.cpu_milli_limit;
  if (!out.memory_request_bytes) out.memory_request_bytes = out.memory_limit_bytes;
  return out;
}

Resources PodResources(const core::Pod& pod) {
  Resources out;
  out.cpu_milli_request = Positive(PodRequest(pod, "cpu"));
  out.memory_request_bytes = Positive(PodRequest(pod, "memory"));
  out.cpu_milli_limit = PodLimit(pod, "cpu");
  out.memory_limit_bytes = PodLimit(pod, "memory");
  return out;
}

std::int64_t PodRequest(const core::Pod& pod, std::string_view resource) {
  std::int64_t amount = 0;
  if (pod.spec.resources && pod.spec.resources->requests.Contains(resource)) {
    amount = Amount(pod.spec.resources->requests, resource);
  } else {
    amount = Peak(pod, [&](const core::Container& c) { return Amount(c.resources.requests, resource); });
  }
  return AddSaturated(amount, Amount(pod.spec.overhead, resource));
}

bool IsSidecar(const core::Container& init) { return init.restartPolicy && *init.restartPolicy == "Always"; }

const core::Container* FindContainer(const core::Pod& pod, std::string_view name) {
  for (const List<core::Container>* list : {&pod.spec.containers, &pod.spec.initContainers}) {
    for (const core::Container& container : *list) {
      if (container.name == name) return &container;
    }
  }
  return nullptr;
}

bool IsDeleted(const core::Pod& pod) { return pod.metadata.deletionTimestamp.has_value(); }

std::string MakeId(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) {
    text += part;
    text += '\0';
  }
  std::array<unsigned char, 32> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string out;
  out.reserve(2 * digest.size());
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const unsigned char byte : digest) {
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

std::string NormalizeImage(std::string_view reference) {
  std::string_view name = reference;
  std::string_view digest;
  if (const std::size_t at = name.find('@'); at != std::string_view::npos) {
    digest = name.substr(at);
    name = name.substr(0, at);
  }
  std::string_view tag;
  const std::size_t slash = name.rfind('/');
  if (const std::size_t colon = name.rfind(':');
      colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    tag = name.substr(colon);
    name = name.substr(0, colon);
  }
  std::string out;
  const std::size_t first = name.find('/');
  const std::string_view head = name.substr(0, first);
  const bool has_domain =
      first != std::string_view::npos && (head.find_first_of(".:") != std::string_view::npos || head == "localhost");
  if (!has_domain) {
    out = "docker.io/";
    if (first == std::string_view::npos) out += "library/";
  }
  out += name;
  if (!digest.empty()) {  // it says more than a tag beside it
    out += digest;
  } else {
    out += tag.empty() ? ":latest" : tag;
  }
  return out;
}

int SignalNumber(std::string_view name) {
  struct Named {
    std::string_view name;
    int number;
  };
  static constexpr auto kSignals = std::to_array<Named>({
      {"SIGABRT", SIGABRT},   {"SIGALRM", SIGALRM}, {"SIGBUS", SIGBUS},   {"SIGCHLD", SIGCHLD},
      {"SIGCONT", SIGCONT},   {"SIGFPE", SIGFPE},   {"SIGHUP", SIGHUP},   {"SIGILL", SIGILL},
      {"SIGINT", SIGINT},     {"SIGIO", SIGIO},     {"SIGKILL", SIGKILL}, {"SIGPIPE", SIGPIPE},
      {"SIGPROF", SIGPROF},   {"SIGPWR", SIGPWR},   {"SIGQUIT", SIGQUIT}, {"SIGSEGV", SIGSEGV},
      {"SIGSTKFLT", 16},      {"SIGSTOP", SIGSTOP}, {"SIGSYS", SIGSYS},   {"SIGTERM", SIGTERM},
      {"SIGTRAP", SIGTRAP},   {"SIGTSTP", SIGTSTP}, {"SIGTTIN", SIGTTIN}, {"SIGTTOU", SIGTTOU},
      {"SIGURG", SIGURG},     {"SIGUSR1", SIGUSR1}, {"SIGUSR2", SIGUSR2}, {"SIGVTALRM", SIGVTALRM},
      {"SIGWINCH", SIGWINCH}, {"SIGXCPU", SIGXCPU}, {"SIGXFSZ", SIGXFSZ}, {"SIGRTMIN", 34},
      {"SIGRTMAX", 64},
  });
  int offset = 0;
  if (const std::size_t sign = name.find_first_of("+-"); sign != std::string_view::npos) {
    for (const char c : name.substr(sign + 1)) {
      if (c < '0' || c > '9' || offset > 64) return 0;
      offset = offset * 10 + (c - '0');
    }
    if (name[sign] == '-') offset = -offset;
    name = name.substr(0, sign);
    if (name != "SIGRTMIN" && name != "SIGRTMAX") return 0;
  }
  for (const Named& signal : kSignals) {
    if (signal.name == name) return signal.number + offset;
  }
  return 0;
}

core::Container AsContainer(const core::EphemeralContainer& container) {
  core::Container out;
  out.name = container.name;
  out.image = container.image;
  out.command = container.command;
  out.args = container.args;
  out.workingDir = container.workingDir;
  out.envFrom = container.envFrom;
  out.env = container.env;
  out.restartPolicy = Str("Never");
  out.volumeMounts = container.volumeMounts;
  out.volumeDevices = container.volumeDevices;
  out.terminationMessagePath = container.terminationMessagePath;
  out.terminationMessagePolicy = container.terminationMessagePolicy;
  out.imagePullPolicy = container.imagePullPolicy;
  out.securityContext = container.securityContext;
  out.stdin = container.stdin;
  out.stdinOnce = container.stdinOnce;
  out.tty = container.tty;
  return out;
}

std::string HostnameOf(const core::Pod& pod) {
  constexpr std::size_t kMax = 63;  // Linux allows 64, DNS labels 63
  if (pod.spec.hostnameOverride && !pod.spec.hostnameOverride->empty()) return pod.spec.hostnameOverride->str();
  std::string name = pod.spec.hostname.empty() ? pod.metadata.name.str() : pod.spec.hostname.str();
  if (name.size() > kMax) {
    name.resize(kMax);
    while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  }
  return name;
}

std::string FullHostnameOf(const core::Pod& pod) {
  std::string name = HostnameOf(pod);
  if (pod.spec.hostnameOverride || pod.spec.subdomain.empty()) return name;
  return fmt::format("{}.{}.{}.svc.cluster.local", name, pod.spec.subdomain.view(), pod.metadata.namespace_.view());
}

std::string KernelHostnameOf(const core::Pod& pod) {
  return pod.spec.setHostnameAsFQDN.value_or(false) ? FullHostnameOf(pod) : HostnameOf(pod);
}

std::string FormatDuration(Duration duration) {
  const auto millis = std::chrono::round<std::chrono::milliseconds>(duration).count();
  if (millis < 1000) return fmt::format("{}ms", millis);
  const auto hours = millis / 3'600'000;
  const auto minutes = millis / 60'000 % 60;
  const auto rest = millis % 60'000;
  std::string seconds = fmt::format("{}.{:03}", rest / 1000, rest % 1000);
  while (seconds.back() == '0') seconds.pop_back();
  if (seconds.back() == '.') seconds.pop_back();
  if (hours > 0) return fmt::format("{}h{}m{}s", hours, minutes, seconds);
  if (minutes > 0) return fmt::format("{}m{}s", minutes, seconds);
  return seconds + "s";
}

}  // namespace minikube::agent
