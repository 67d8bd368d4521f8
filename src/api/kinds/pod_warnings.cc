#include "api/kinds/pod_warnings.h"

#include <map>
#include <set>

#include <fmt/format.h>

#include "api/kinds/storage.h"
#include "model/access.h"

namespace minikube::api {

namespace {

using namespace core::v1;  // NOLINT(google-build-using-namespace): the types of this file

struct Deprecated {
  std::string_view name;
  std::string_view text;
};

constexpr Deprecated kVolumes[] = {
    {"photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"},
    {"gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"},
    {"scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
    {"flocker", "deprecated in v1.22, non-functional in v1.25+"},
    {"storageos", "deprecated in v1.22, non-functional in v1.25+"},
    {"quobyte", "deprecated in v1.22, non-functional in v1.25+"},
    {"glusterfs", "deprecated in v1.25, non-functional in v1.26+"},
    {"cephfs", "deprecated in v1.28, non-functional in v1.31+"},
    {"rbd", "deprecated in v1.28, non-functional in v1.31+"},
};

constexpr Deprecated kAnnotations[] = {
    {"scheduler.alpha.kubernetes.io/critical-pod",
     "non-functional in v1.16+; use the \"priorityClassName\" field instead"},
    {"security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"},
    {"security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"},
};

constexpr Deprecated kNodeLabels[] = {
    {"beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"},
    {"beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"},
    {"failure-domain.beta.kubernetes.io/region",
     "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"},
    {"failure-domain.beta.kubernetes.io/zone", "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"},
    {"beta.kubernetes.io/instance-type", "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"},
};

class Warner {
 public:
  Warner(const PodSpec& spec, const meta::v1::ObjectMeta& meta, std::string_view path, std::vector<std::string>& out)
      : spec_(spec), meta_(meta), path_(path), out_(out) {}

  void Run() {
    NodeLabels();
    for (const Deprecated& annotation : kAnnotations) {
      if (meta_.annotations.Contains(annotation.name)) {
        Add("metadata.annotations[{}]: {}", annotation.name, annotation.text);
      }
    }
    Volumes();
    Repeated(spec_.hostAliases, "spec.hostAliases", "ip", [](const HostAlias& a) { return a.ip.view(); });
    Repeated(spec_.imagePullSecrets, "spec.imagePullSecrets", "name", [](const auto& s) { return s.name.view(); });
    for (std::size_t i = 0; i < spec_.imagePullSecrets.size(); ++i) {
      if (spec_.imagePullSecrets[i].name.empty()) {
        Add("spec.imagePullSecrets[{}].name: invalid empty name \"\"", i);
      }
    }
    Fractions(spec_.overhead, "spec.overhead");
    EachContainer([this](const auto& container, const std::string& at) { Look(container, at); });
    EachContainer([this](const auto& container, const std::string& at) { Ports(container, at); });
    EachContainer([this](const auto& container, const std::string& at) { PortNames(container, at); });
    if (spec_.affinity) {
      if (spec_.affinity->podAffinity) Terms(*spec_.affinity->podAffinity, "spec.affinity.podAffinity");
      if (spec_.affinity->podAntiAffinity) Terms(*spec_.affinity->podAntiAffinity, "spec.affinity.podAntiAffinity");
    }
  }

 private:
  template <typename... Args>
  void Add(fmt::format_string<Args...> format, Args&&... args) {
    out_.push_back(path_ + fmt::format(format, std::forward<Args>(args)...));
  }

  template <typename Visit>
  void EachContainer(Visit visit) {
    const auto all = [&](const auto& list, std::string_view name) {
      for (std::size_t i = 0; i < list.size(); ++i) visit(list[i], fmt::format("spec.{}[{}]", name, i));
    };
    all(spec_.initContainers, "initContainers");
    all(spec_.containers, "containers");
    all(spec_.ephemeralContainers, "ephemeralContainers");
  }

  void NodeLabel(std::string_view key, const std::string& at) {
    for (const Deprecated& label : kNodeLabels) {
      if (label.name == key) Add("{}: {}", at, label.text);
    }
  }

  void Term(const NodeSelectorTerm& term, const std::string& at) {
    for (std::size_t k = 0; k < term.matchExpressions.size(); ++k) {
      const Str& key = term.matchExpressions[k].key;
      for (const Deprecated& label : kNodeLabels) {
        if (label.name == key.view()) Add("{}.matchExpressions[{}].key: {} is {}", at, k, label.name, label.text);
      }
    }
  }

  void NodeLabels() {
    for (const auto& entry : spec_.nodeSelector) {
      NodeLabel(entry.key.view(), fmt::format("spec.nodeSelector[{}]", entry.key.view()));
    }
    if (spec_.affinity && spec_.affinity->nodeAffinity) {
      const NodeAffinity& affinity = *spec_.affinity->nodeAffinity;
      if (affinity.requiredDuringSchedulingIgnoredDuringExecution) {
        const auto& terms = affinity.requiredDuringSchedulingIgnoredDuringExecution->nodeSelectorTerms;
        for (std::size_t i = 0; i < terms.size(); ++i) {
          Term(terms[i], fmt::format("spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
                                     "nodeSelectorTerms[{}]",
                                     i));
        }
      }
      const auto& preferred = affinity.preferredDuringSchedulingIgnoredDuringExecution;
      for (std::size_t i = 0; i < preferred.size(); ++i) {
        Term(preferred[i].preference,
             fmt::format("spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[{}].preference",
                         i));
      }
    }
    for (std::size_t i = 0; i < spec_.topologySpreadConstraints.size(); ++i) {
      const TopologySpreadConstraint& constraint = spec_.topologySpreadConstraints[i];
      NodeLabel(constraint.topologyKey.view(),
                fmt::format("spec.topologySpreadConstraints[{}].topologyKey: {} is", i, constraint.topologyKey.view()));
      if (!constraint.labelSelector) {
        Add("spec.topologySpreadConstraints[{}].labelSelector: a null labelSelector results in matching no pod", i);
      }
    }
  }

  void Volumes() {
    const MessageDesc& desc = DescriptorOf<Volume>();
    for (std::size_t i = 0; i < spec_.volumes.size(); ++i) {
      const Volume& volume = spec_.volumes[i];
      for (const Deprecated& source : kVolumes) {
        const FieldDesc* field = desc.Find(source.name);
        if (field != nullptr && model::IsSet(*field, &volume)) {
          Add("spec.volumes[{}].{}: {}", i, source.name == "storageos" ? std::string_view("storageOS") : source.name,
              source.text);
        }
      }
      if (volume.ephemeral && volume.ephemeral->volumeClaimTemplate) {
        const std::string at = fmt::format("{}spec.volumes[{}].ephemeral.volumeClaimTemplate.spec", path_, i);
        WarnOfClaimSpec(volume.ephemeral->volumeClaimTemplate->spec, FieldPath(at), out_);
      }
    }
  }

  template <typename List, typename NameOf>
  void Repeated(const List& list, std::string_view at, std::string_view field, NameOf name_of) {
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string_view name = name_of(list[i]);
      if (!seen.insert(name).second) Add("{}[{}].{}: duplicate {} {}", at, i, field, field, GoQuote(name));
    }
  }

  void Fractions(const Map<Quantity>& quantities, const std::string& at) {
    for (const std::string_view name : {"memory", "ephemeral-storage"}) {
      const Quantity* quantity = quantities.Find(name);
      if (quantity == nullptr || quantity->Compare(Quantity::FromInt(quantity->Value())) == 0) continue;
      Add("{}[{}]: fractional byte value \"{}\" is invalid, must be an integer", at, name, quantity->text.view());
    }
  }

  template <typename AnyContainer>
  void Look(const AnyContainer& container, const std::string& at) {
    Fractions(container.resources.limits, at + ".resources.limits");
    Fractions(container.resources.requests, at + ".resources.requests");
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < container.env.size(); ++i) {
      const EnvVar& variable = container.env[i];
      if (names.insert(variable.name.view()).second) continue;
      // A later value may build upon the earlier one.
      const std::string earlier = fmt::format("$({})", variable.name.view());
      const bool builds = !variable.valueFrom && variable.value.view() != earlier &&
                          variable.value.view().find(earlier) != std::string_view::npos;
      if (builds) continue;
      Add("{}.env[{}]: hides previous definition of {}, which may be dropped when using apply", at, i,
          GoQuote(variable.name.view()));
    }
  }

  template <typename AnyContainer>
  void Ports(const AnyContainer& container, const std::string& at) {
    for (std::size_t i = 0; i < container.ports.size(); ++i) {
      const ContainerPort& port = container.ports[i];
      const std::string here = fmt::format("{}.ports[{}]", at, i);
      if (!port.hostIP.empty() && port.hostPort == 0) Add("{}: hostIP set without hostPort", here);
      auto& others = ports_[fmt::format("{}/{}", port.containerPort, port.protocol.view())];
      for (const auto& [where, other] : others) {
        const std::string there = path_ + where;
        if (port.hostIP == other->hostIP && port.hostPort == other->hostPort) {
          Add("{}: duplicate port definition with {}", here, there);
        } else if (port.hostPort == 0 || other->hostPort == 0) {
          Add("{}: overlapping port definition with {}", here, there);
        } else if (port.hostPort == other->hostPort && port.hostIP.empty() != other->hostIP.empty()) {
          Add("{}: dangerously ambiguous port definition with {}", here, there);
        }
      }
      others.emplace_back(here, &port);
    }
  }

  template <typename AnyContainer>
  void PortNames(const AnyContainer& container, const std::string& at) {
    for (std::size_t i = 0; i < container.ports.size(); ++i) {
      const Str& name = container.ports[i].name;
      if (name.empty()) continue;
      const std::string here = fmt::format("{}.ports[{}]", at, i);
      const auto [known, fresh] = port_names_.emplace(name.view(), here);
      if (fresh) continue;
      const std::string there = path_ + known->second;
      Add("{}: duplicate port name {} with {}, services and probes that select ports by name will use {}", here,
          GoQuote(name.view()), there, there);
    }
  }

  template <typename PodTerms>
  void Terms(const PodTerms& terms, std::string_view at) {
    for (std::size_t i = 0; i < terms.requiredDuringSchedulingIgnoredDuringExecution.size(); ++i) {
      if (terms.requiredDuringSchedulingIgnoredDuringExecution[i].labelSelector) continue;
      Add("{}.requiredDuringSchedulingIgnoredDuringExecution[{}].labelSelector: a null labelSelector results in "
          "matching no pod",
          at, i);
    }
    for (std::size_t i = 0; i < terms.preferredDuringSchedulingIgnoredDuringExecution.size(); ++i) {
      if (terms.preferredDuringSchedulingIgnoredDuringExecution[i].podAffinityTerm.labelSelector) continue;
      Add("{}.preferredDuringSchedulingIgnoredDuringExecution[{}].podAffinityTerm.labelSelector: a null labelSelector "
          "results in matching no pod",
          at, i);
    }
  }

  const PodSpec& spec_;
  const meta::v1::ObjectMeta& meta_;
  const std::string path_;
  std::vector<std::string>& out_;
  std::map<std::string, std::vector<std::pair<std::string, const ContainerPort*>>> ports_;
  std::map<std::string_view, std::string> port_names_;
};

}  // namespace

void WarnOfPod(const PodSpec& spec, const meta::v1::ObjectMeta& meta, std::string_view path,
               std::vector<std::string>& warnings) {
  Warner(spec, meta, path, warnings).Run();
}

}  // namespace minikube::api
