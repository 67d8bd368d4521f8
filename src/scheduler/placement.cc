#include "scheduler/placement.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>

#include "scheduler/pod_info.h"

namespace minikube::scheduler {
namespace {

// Classes kept. Each costs a few bytes per node and plugin; workloads rarely interleave more.
constexpr std::size_t kMaxClasses = 32;

}  // namespace

Placement::PodClass& Placement::ClassOf(const PodInfo& pod) {
  std::string key = ClassKey(pod.object->As<core::v1::Pod>());
  if (const auto it = by_key_.find(key); it != by_key_.end()) {
    classes_.splice(classes_.begin(), classes_, it->second);
    return classes_.front();
  }
  if (classes_.size() >= kMaxClasses) {
    by_key_.erase(classes_.back().key);
    classes_.pop_back();
  }
  PodClass& c = classes_.emplace_front();
  c.key = std::move(key);
  c.pod = pod;
  by_key_.emplace(c.key, classes_.begin());
  Begin(c);
  return c;
}

void Placement::Begin(PodClass& c) {
  c.version = nodes_.version();
  c.failed = {};
  c.passes.assign(nodes_.rows(), 0);
  c.plugins.clear();
  c.plugins.resize(plugins_.size());
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    Result<std::unique_ptr<PluginState>> state = plugins_[p]->PreFilter(c.pod, nodes_);
    if (!state) {
      c.failed = state.status();
      c.failed_events = plugins_[p]->Events();
      return;
    }
    c.plugins[p].state = std::move(state).value();
  }
  std::vector<NodeIndex> all(nodes_.rows());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<NodeIndex>(i);
  JudgeRows(c, all);
}

void Placement::Refresh(PodClass& c) {
  const auto changes = nodes_.ChangesSince(c.version);
  if (!changes || !c.failed.ok()) return Begin(c);
  if (changes->empty()) return;
  std::vector<NodeIndex> rows(changes->begin(), changes->end());
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  c.version = nodes_.version();
  c.passes.resize(nodes_.rows(), 0);
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    plugins_[p]->Update(c.plugins[p].state.get(), c.pod, nodes_, rows);
  }
  // A plugin may have become interested, or not, by what changed; then no earlier answer of it counts.
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    const PerPlugin& per = c.plugins[p];
    if (per.row_local != plugins_[p]->RowLocal(per.state.get())) {
      rows.resize(nodes_.rows());
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<NodeIndex>(i);
      break;
    }
  }
  JudgeRows(c, rows);
}

// Filters and scores `rows` by the row-local plugins.
void Placement::JudgeRows(PodClass& c, std::span<const NodeIndex> rows) {
  std::vector<NodeIndex> live;
  live.reserve(rows.size());
  for (const NodeIndex row : rows) {
    c.passes[row] = nodes_.columns().exists[row];
    if (c.passes[row] != 0) live.push_back(row);
  }
  std::vector<Verdict> verdicts;
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    PerPlugin& per = c.plugins[p];
    per.row_local = plugins_[p]->RowLocal(per.state.get());
    per.filters = plugins_[p]->Filters(c.pod, per.state.get());
    per.scores = plugins_[p]->Scores(c.pod, per.state.get());
    per.verdicts.resize(nodes_.rows(), kPass);
    if (per.scores) per.raw_scores.resize(nodes_.rows(), 0);
    for (const NodeIndex row : rows) per.verdicts[row] = kPass;
    if (!per.row_local || !per.filters || live.empty()) continue;
    verdicts.assign(live.size(), kPass);
    plugins_[p]->Filter(per.state.get(), c.pod, nodes_, live, verdicts);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < live.size(); ++i) {
      per.verdicts[live[i]] = verdicts[i];
      if (verdicts[i] == kPass) {
        live[kept++] = live[i];
      } else {
        c.passes[live[i]] = 0;
      }
    }
    live.resize(kept);
  }
  std::vector<std::int64_t> scores;
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    PerPlugin& per = c.plugins[p];
    if (!per.row_local || !per.scores || live.empty()) continue;
    scores.assign(live.size(), 0);
    plugins_[p]->Score(per.state.get(), c.pod, nodes_, live, scores);
    for (std::size_t i = 0; i < live.size(); ++i) per.raw_scores[live[i]] = scores[i];
  }
}

// The rows that pass everything, judged by the plugins that are not row-local for this very pod.
std::vector<NodeIndex> Placement::Feasible(PodClass& c) {
  std::vector<NodeIndex> rows;
  for (std::size_t row = 0; row < c.passes.size(); ++row) {
    if (c.passes[row] != 0) rows.push_back(static_cast<NodeIndex>(row));
  }
  std::vector<Verdict> verdicts;
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    PerPlugin& per = c.plugins[p];
    if (per.row_local || !per.filters) continue;
    verdicts.assign(rows.size(), kPass);
    plugins_[p]->Filter(per.state.get(), c.pod, nodes_, rows, verdicts);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      per.verdicts[rows[i]] = verdicts[i];
      if (verdicts[i] == kPass) rows[kept++] = rows[i];
    }
    rows.resize(kept);
  }
  return rows;
}

NodeIndex Placement::Best(PodClass& c, std::span<const NodeIndex> rows) {
  if (rows.size() == 1) return rows[0];
  std::vector<std::int64_t> totals(rows.size(), 0);
  std::vector<std::int64_t> scores(rows.size());
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    const PerPlugin& per = c.plugins[p];
    if (!per.scores) continue;
    if (per.row_local) {
      for (std::size_t i = 0; i < rows.size(); ++i) scores[i] = per.raw_scores[rows[i]];
    } else {
      std::fill(scores.begin(), scores.end(), 0);
      plugins_[p]->Score(per.state.get(), c.pod, nodes_, rows, scores);
    }
    if (plugins_[p]->Normalizes()) plugins_[p]->Normalize(per.state.get(), c.pod, nodes_, rows, scores);
    const std::int64_t weight = plugins_[p]->Weight();
    for (std::size_t i = 0; i < rows.size(); ++i) totals[i] += weight * scores[i];
  }
  // Among equals any is as good; a random one keeps load from piling up on the first.
  const std::int64_t best = *std::max_element(totals.begin(), totals.end());
  const auto equals = static_cast<std::uint64_t>(std::count(totals.begin(), totals.end(), best));
  std::uint64_t skip = equals == 1 ? 0 : random_.Next() % equals;
  for (std::size_t i = 0;; ++i) {
    if (totals[i] == best && skip-- == 0) return rows[i];
  }
}

Decision Placement::Explain(const PodClass& c) const {
  Decision decision;
  if (nodes_.size() == 0) {
    decision.message = "no nodes available to schedule pods";
    decision.events = kNodeAdded;
    return decision;
  }
  std::map<std::string, int> counts;
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    const PerPlugin& per = c.plugins[p];
    for (std::size_t row = 0; row < per.verdicts.size(); ++row) {
      if (nodes_.columns().exists[row] == 0 || per.verdicts[row] == kPass) continue;
      decision.events |= plugins_[p]->Events();
      for (std::string& reason :
           plugins_[p]->Reasons(per.state.get(), c.pod, nodes_, static_cast<NodeIndex>(row), per.verdicts[row])) {
        ++counts[std::move(reason)];
      }
    }
  }
  std::vector<std::string> parts;
  for (const auto& [reason, count] : counts) parts.push_back(fmt::format("{} {}", count, reason));
  std::sort(parts.begin(), parts.end());
  decision.message = fmt::format("0/{} nodes are available: {}.", nodes_.size(), fmt::join(parts, ", "));
  return decision;
}

Decision Placement::Decide(const PodInfo& pod) {
  PodClass& c = ClassOf(pod);
  Refresh(c);
  if (!c.failed.ok()) return {.message = c.failed.message(), .events = c.failed_events};
  const std::vector<NodeIndex> rows = Feasible(c);
  if (rows.empty()) return Explain(c);
  return {.placed = true, .row = Best(c, rows)};
}

}  // namespace minikube::scheduler
