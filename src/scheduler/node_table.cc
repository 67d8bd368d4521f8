#include <algorithm>
#include <list>
#include <string>
#include <unordered_map>

#include <minikube/api/core/v1.h>
#include <minikube/scheduler_framework.h>

#include "scheduler/pod_info.h"

namespace minikube::scheduler {
namespace {

// Changes remembered; a class of pods that has not been looked at for longer starts anew.
constexpr std::size_t kMaxChanges = 1 << 16;

bool SameTaints(const List<core::v1::Taint>& a, const List<core::v1::Taint>& b) {
  if (a.same(b)) return true;
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const core::v1::Taint& x, const core::v1::Taint& y) {
    return x.key == y.key && x.value == y.value && x.effect == y.effect;
  });
}

bool SameOthers(const std::vector<ResourceAmounts::Other>& a, const std::vector<ResourceAmounts::Other>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.name == y.name && x.amount == y.amount; });
}

}  // namespace

struct NodeTable::Names {
  std::unordered_map<std::string, NodeIndex> rows;
  struct Column {
    std::string label;
    Topology topology;
    std::unordered_map<std::string, std::int32_t> ids;  // domains by the label's value

    void Place(NodeIndex row, const Map<Str>* labels) {
      std::int32_t& at = topology.domain[row];
      if (at != Topology::kNone && --topology.nodes[static_cast<std::size_t>(at)] == 0) --topology.domains;
      at = Topology::kNone;
      const Str* value = labels == nullptr ? nullptr : labels->Find(label);
      if (value == nullptr) return;
      const auto [it, is_new] = ids.try_emplace(value->str(), static_cast<std::int32_t>(topology.nodes.size()));
      if (is_new) topology.nodes.push_back(0);
      at = it->second;
      if (++topology.nodes[static_cast<std::size_t>(at)] == 1) ++topology.domains;
    }
  };
  std::list<Column> columns;  // few: one per label that constraints and terms name
};

NodeTable::NodeTable() : names_(std::make_unique<Names>()) {}
NodeTable::~NodeTable() = default;

std::optional<NodeIndex> NodeTable::Find(std::string_view name) const {
  const auto it = names_->rows.find(std::string(name));
  if (it == names_->rows.end()) return std::nullopt;
  return it->second;
}

void NodeTable::Touch(NodeIndex row) {
  if (changes_.size() >= kMaxChanges) {
    first_change_ += changes_.size();
    changes_.clear();
  }
  changes_.push_back(row);
}

std::optional<std::span<const NodeIndex>> NodeTable::ChangesSince(std::uint64_t since) const {
  if (since < first_change_) return std::nullopt;
  return std::span(changes_).subspan(since - first_change_);
}

NodeIndex NodeTable::RowFor(std::string_view name) {
  if (const auto found = Find(name)) return *found;
  NodeIndex row = 0;
  if (!free_rows_.empty()) {
    row = free_rows_.back();
    free_rows_.pop_back();
  } else {
    row = static_cast<NodeIndex>(rows());
    Columns& c = columns_;
    const std::size_t n = row + 1;
    c.exists.resize(n);
    c.unschedulable.resize(n);
    c.milli_cpu.resize(n);
    c.memory.resize(n);
    c.ephemeral_storage.resize(n);
    c.max_pods.resize(n);
    c.used_milli_cpu.resize(n);
    c.used_memory.resize(n);
    c.used_ephemeral_storage.resize(n);
    c.scoring_milli_cpu.resize(n);
    c.scoring_memory.resize(n);
    c.pod_count.resize(n);
    c.object.resize(n);
    c.others.resize(n);
    c.used_others.resize(n);
    c.used_ports.resize(n);
    c.pods.resize(n);
    for (Names::Column& column : names_->columns) column.topology.domain.resize(n, Topology::kNone);
  }
  names_->rows.emplace(std::string(name), row);
  return row;
}

// A row stays while it has a node or pods: pods may be seen before their node, and outlive it.
void NodeTable::FreeIfUnused(std::string_view name, NodeIndex row) {
  if (columns_.exists[row] != 0 || columns_.pod_count[row] != 0) return;
  names_->rows.erase(std::string(name));
  free_rows_.push_back(row);
}

std::uint32_t NodeTable::UpsertNode(const ObjectRef& object) {
  const auto& node = object->As<core::v1::Node>();
  const NodeIndex row = RowFor(node.metadata.name);
  Columns& c = columns_;
  std::uint32_t events = 0;

  ResourceAmounts allocatable = AmountsOf(node.status.allocatable);
  const Quantity* pods = node.status.allocatable.Find("pods");
  const auto max_pods = static_cast<std::int32_t>(pods != nullptr ? pods->Value() : 0);
  const std::uint8_t unschedulable = node.spec.unschedulable ? 1 : 0;
  if (c.exists[row] == 0) {
    events = kNodeAdded;
    c.exists[row] = 1;
    ++size_;
  } else {
    const auto& before = c.object[row]->As<core::v1::Node>();
    if (!(before.metadata.labels == node.metadata.labels)) events |= kNodeLabelsChanged;
    if (c.unschedulable[row] != unschedulable || !SameTaints(before.spec.taints, node.spec.taints)) {
      events |= kNodeTaintsChanged;
    }
    if (c.milli_cpu[row] != allocatable.milli_cpu || c.memory[row] != allocatable.memory ||
        c.ephemeral_storage[row] != allocatable.ephemeral_storage || c.max_pods[row] != max_pods ||
        !SameOthers(c.others[row], allocatable.others)) {
      events |= kNodeAllocatableChanged;
    }
  }
  c.object[row] = object;
  if (events == 0) return 0;  // a heartbeat: nothing that a decision depends on
  c.unschedulable[row] = unschedulable;
  c.milli_cpu[row] = allocatable.milli_cpu;
  c.memory[row] = allocatable.memory;
  c.ephemeral_storage[row] = allocatable.ephemeral_storage;
  c.max_pods[row] = max_pods;
  c.others[row] = std::move(allocatable.others);
  PlaceInTopologies(row, &node.metadata.labels);
  Touch(row);
  return events;
}

void NodeTable::RemoveNode(std::string_view name) {
  const auto row = Find(name);
  if (!row || columns_.exists[*row] == 0) return;
  columns_.exists[*row] = 0;
  columns_.object[*row] = {};
  --size_;
  PlaceInTopologies(*row, nullptr);
  Touch(*row);
  FreeIfUnused(name, *row);
}

void NodeTable::AddPod(std::string_view node, PodInfoRef pod) {
  const NodeIndex row = RowFor(node);
  AddPodUnlogged(row, std::move(pod));
  Touch(row);
}

void NodeTable::RemovePod(std::string_view node, const Object& pod) {
  const auto row = Find(node);
  if (!row || !RemovePodUnlogged(*row, pod)) return;
  Touch(*row);
  FreeIfUnused(node, *row);
}

void NodeTable::RenewPod(std::string_view node, const ObjectRef& object) {
  const auto row = Find(node);
  if (!row) return;
  for (PodInfoRef& pod : columns_.pods[*row]) {
    if (pod->object->meta().uid != object->meta().uid) continue;
    auto renewed = std::make_shared<PodInfo>(*pod);
    renewed->object = object;
    pod = std::move(renewed);
    return;
  }
}

void NodeTable::AddPodUnlogged(NodeIndex row, PodInfoRef pod) {
  Columns& c = columns_;
  c.used_milli_cpu[row] += pod->requests.milli_cpu;
  c.used_memory[row] += pod->requests.memory;
  c.used_ephemeral_storage[row] += pod->requests.ephemeral_storage;
  if (!pod->requests.others.empty()) {
    ResourceAmounts others{.others = std::move(c.used_others[row])};
    others.Add({.others = pod->requests.others});
    c.used_others[row] = std::move(others.others);
  }
  c.scoring_milli_cpu[row] += pod->scoring_milli_cpu;
  c.scoring_memory[row] += pod->scoring_memory;
  ++c.pod_count[row];
  c.used_ports[row].insert(c.used_ports[row].end(), pod->ports.begin(), pod->ports.end());
  CountAffinity(*pod, true);
  c.pods[row].push_back(std::move(pod));
}

PodInfoRef NodeTable::RemovePodUnlogged(NodeIndex row, const Object& object) {
  Columns& c = columns_;
  auto& pods = c.pods[row];
  const auto it = std::find_if(pods.begin(), pods.end(),
                               [&](const PodInfoRef& pod) { return pod->object->meta().uid == object.meta().uid; });
  if (it == pods.end()) return nullptr;
  PodInfoRef pod = std::move(*it);
  *it = std::move(pods.back());
  pods.pop_back();
  c.used_milli_cpu[row] -= pod->requests.milli_cpu;
  c.used_memory[row] -= pod->requests.memory;
  c.used_ephemeral_storage[row] -= pod->requests.ephemeral_storage;
  if (!pod->requests.others.empty()) {
    ResourceAmounts others{.others = std::move(c.used_others[row])};
    others.Subtract({.others = pod->requests.others});
    c.used_others[row] = std::move(others.others);
  }
  c.scoring_milli_cpu[row] -= pod->scoring_milli_cpu;
  c.scoring_memory[row] -= pod->scoring_memory;
  --c.pod_count[row];
  if (!pod->ports.empty()) {
    c.used_ports[row].clear();
    for (const PodInfoRef& rest : pods) {
      c.used_ports[row].insert(c.used_ports[row].end(), rest->ports.begin(), rest->ports.end());
    }
  }
  CountAffinity(*pod, false);
  return pod;
}

const NodeTable::Topology& NodeTable::topology(std::string_view label) const {
  for (const Names::Column& column : names_->columns) {
    if (column.label == label) return column.topology;
  }
  Names::Column& column = names_->columns.emplace_back();
  column.label = label;
  column.topology.domain.resize(rows(), Topology::kNone);
  for (NodeIndex row = 0; row < rows(); ++row) {
    if (columns_.exists[row] != 0) column.Place(row, &labels(row));
  }
  return column.topology;
}

void NodeTable::PlaceInTopologies(NodeIndex row, const Map<Str>* labels) {
  for (Names::Column& column : names_->columns) column.Place(row, labels);
}

void NodeTable::CountAffinity(const PodInfo& pod, bool there) {
  if (!pod.affinity) return;
  for (const auto* terms : {&pod.affinity->required, &pod.affinity->required_anti, &pod.affinity->preferred}) {
    for (const AffinityTerm& term : *terms) {
      // A selector without requirements looks at no label, and yet matches: it counts under no name.
      const auto count = [&](const Str& key) {
        const auto it = affinity_label_keys_.try_emplace(key, 0).first;
        it->second += there ? 1 : -1;
        if (it->second == 0) affinity_label_keys_.erase(it);
      };
      count(Str());
      for (const auto& requirement : term.selector.requirements()) count(Str(requirement.key));
    }
  }
  if (pod.affinity->has_namespace_selector()) namespace_selecting_pods_ += there ? 1 : -1;
}

}  // namespace minikube::scheduler
