#include "scheduler/placement.h"

#include <algorithm>
#include <iterator>
#include <set>

#include <fmt/format.h>

#include <minikube/api/core/v1.h>

namespace minikube::scheduler {
namespace {

// Answers kept per plugin: as many as have this many rows together, within bounds. A row costs 10 bytes at most.
constexpr std::size_t kMaxKeptRows = std::size_t{1} << 22;
constexpr std::size_t kMinKept = 16;
constexpr std::size_t kMaxKept = 1024;

std::size_t MaxKept(std::size_t rows) {
  return std::clamp(kMaxKeptRows / std::max<std::size_t>(rows, 1), kMinKept, kMaxKept);
}

}  // namespace

class Placement::Imagined final : public Overlay {
 public:
  Imagined(Placement& placement, const PodInfo& pod) : placement_(placement), pod_(pod) {}
  ~Imagined() override { ResetTo(0); }
  Imagined(const Imagined&) = delete;
  Imagined& operator=(const Imagined&) = delete;

  void Remove(NodeIndex row, const PodInfoRef& pod) override;
  void Add(NodeIndex row, const PodInfoRef& pod) override;
  void Reset() override { ResetTo(0); }
  std::optional<Refusal> Check(NodeIndex row) override;
  std::optional<Refused> RefusedForOthers(NodeIndex row);

 private:
  void ResetTo(std::size_t size);
  void Update(NodeIndex row, const PodInfo& changed);
  struct Change {
    NodeIndex row;
    PodInfoRef pod;
    bool added;
  };
  Placement& placement_;
  const PodInfo& pod_;
  std::vector<Change> changes_;
};

Placement::Placement(std::vector<const Plugin*> plugins, NodeTable& nodes, Random& random)
    : plugins_(std::move(plugins)), nodes_(nodes), random_(random), kept_(plugins_.size()), answers_(plugins_.size()) {}

void Placement::Invalidate() {
  for (Kept& kept : kept_) {
    kept.by_key.clear();
    kept.memos.clear();
  }
}

// --- What is kept ---------------------------------------------------------------------------------------------------

Placement::Memo& Placement::MemoOf(std::size_t plugin, const PodInfo& pod) {
  Kept& kept = kept_[plugin];
  std::string key;
  plugins_[plugin]->Key(pod, nodes_, key);
  if (const auto it = kept.by_key.find(key); it != kept.by_key.end()) {
    kept.memos.splice(kept.memos.begin(), kept.memos, it->second);
    Refresh(plugin, kept.memos.front());
    return kept.memos.front();
  }
  while (kept.memos.size() >= MaxKept(nodes_.rows())) {
    kept.by_key.erase(kept.memos.back().key);
    kept.memos.pop_back();
  }
  Memo& memo = kept.memos.emplace_front();
  memo.key = std::move(key);
  memo.pod = pod;
  kept.by_key.emplace(memo.key, kept.memos.begin());
  Begin(plugin, memo);
  return memo;
}

void Placement::Begin(std::size_t plugin, Memo& memo) {
  ++work_.answers;
  memo.version = nodes_.version();
  memo.failed = {};
  memo.state.reset();
  Result<std::unique_ptr<PluginState>> state = plugins_[plugin]->PreFilter(memo.pod, nodes_);
  if (!state) {
    memo.failed = state.status();
    return;
  }
  memo.state = std::move(state).value();
  Judge(plugin, memo, all_rows_);
}

void Placement::Refresh(std::size_t plugin, Memo& memo) {
  const auto changes = nodes_.ChangesSince(memo.version);
  // Beyond as many changes as there are rows a new beginning is cheaper.
  if (!changes || !memo.failed.ok() || changes->size() > nodes_.rows()) return Begin(plugin, memo);
  if (changes->empty()) return;
  std::vector<NodeIndex> rows(changes->begin(), changes->end());
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  memo.version = nodes_.version();
  plugins_[plugin]->Update(memo.state.get(), memo.pod, nodes_, rows);
  // A plugin may have become interested, or not, by what changed; then no earlier answer of it counts.
  const bool same = memo.row_local == plugins_[plugin]->RowLocal(memo.state.get());
  Judge(plugin, memo, same ? std::span<const NodeIndex>(rows) : std::span<const NodeIndex>(all_rows_));
}

// Filters and scores `rows`, if the plugin's answers can be kept.
void Placement::Judge(std::size_t plugin, Memo& memo, std::span<const NodeIndex> rows) {
  const Plugin& p = *plugins_[plugin];
  memo.row_local = p.RowLocal(memo.state.get());
  memo.filters = p.Filters(memo.pod, memo.state.get());
  memo.scores = p.Scores(memo.pod, memo.state.get());
  if (!memo.row_local || (!memo.filters && !memo.scores)) return;
  std::vector<NodeIndex> live;
  live.reserve(rows.size());
  for (const NodeIndex row : rows) {
    if (nodes_.columns().exists[row] != 0) live.push_back(row);
  }
  if (memo.filters) {
    memo.verdicts.resize(nodes_.rows(), kPass);
    std::vector<Verdict> verdicts(live.size(), kPass);
    p.Filter(memo.state.get(), memo.pod, nodes_, live, verdicts);
    for (std::size_t i = 0; i < live.size(); ++i) memo.verdicts[live[i]] = verdicts[i];
    work_.rows += live.size();
  }
  if (memo.scores) {
    memo.raw_scores.resize(nodes_.rows(), 0);
    std::vector<std::int64_t> scores(live.size(), 0);
    p.Score(memo.state.get(), memo.pod, nodes_, live, scores);
    for (std::size_t i = 0; i < live.size(); ++i) memo.raw_scores[live[i]] = scores[i];
  }
}

// --- One decision ---------------------------------------------------------------------------------------------------

// The answers of a plugin that names its rows: for this pod only, and only when asked.
std::unique_ptr<Placement::Memo> Placement::Unkept(std::size_t plugin, const PodInfo& pod) {
  auto memo = std::make_unique<Memo>();
  Result<std::unique_ptr<PluginState>> state = plugins_[plugin]->PreFilter(pod, nodes_);
  if (!state) {
    memo->failed = state.status();
    return memo;
  }
  memo->state = std::move(state).value();
  memo->row_local = false;
  memo->filters = plugins_[plugin]->Filters(pod, memo->state.get());
  memo->scores = plugins_[plugin]->Scores(pod, memo->state.get());
  return memo;
}

// The rows that plugins name, if any does: those that all of them name. Notes which do.
std::optional<std::vector<NodeIndex>> Placement::Named(const PodInfo& pod) {
  std::optional<std::vector<NodeIndex>> named;
  naming_.clear();
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    std::optional<std::vector<NodeIndex>> rows = plugins_[p]->Candidates(pod, nodes_);
    if (!rows) continue;
    naming_.push_back(p);
    std::sort(rows->begin(), rows->end());
    if (named) {
      std::vector<NodeIndex> both;
      std::set_intersection(named->begin(), named->end(), rows->begin(), rows->end(), std::back_inserter(both));
      rows = std::move(both);
    }
    named = std::move(rows);
  }
  return named;
}

void Placement::AskAll(const PodInfo& pod) {
  for (std::size_t i = all_rows_.size(); i < nodes_.rows(); ++i) all_rows_.push_back(static_cast<NodeIndex>(i));
  std::optional<std::vector<NodeIndex>> named = Named(pod);
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    Answer& answer = answers_[p];
    answer.own.reset();
    if (std::find(naming_.begin(), naming_.end(), p) != naming_.end()) {
      answer.own = Unkept(p, pod);
      answer.memo = answer.own.get();
    } else {
      answer.memo = &MemoOf(p, pod);
    }
  }
  promised_.clear();
  named_ = std::move(named);
}

const Status* Placement::Failed(std::uint32_t& events) const {
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    if (answers_[p].memo->failed.ok()) continue;
    events = plugins_[p]->Events();
    return &answers_[p].memo->failed;
  }
  return nullptr;
}

// Of the rows to be looked at, those that every kept verdict passes.
std::vector<NodeIndex> Placement::PassingLocally() const {
  std::vector<const Verdict*> columns;
  for (const Answer& answer : answers_) {
    if (answer.memo->row_local && answer.memo->filters) columns.push_back(answer.memo->verdicts.data());
  }
  std::vector<NodeIndex> rows;
  if (named_) {
    std::copy_if(named_->begin(), named_->end(), std::back_inserter(rows), [&](NodeIndex row) {
      return std::all_of(columns.begin(), columns.end(), [&](const Verdict* v) { return v[row] == kPass; });
    });
    return rows;
  }
  // Whole columns, without branches: the compiler makes vectors of it.
  std::vector<Verdict> refused(nodes_.rows());
  for (std::size_t row = 0; row < refused.size(); ++row) refused[row] = nodes_.columns().exists[row] == 0 ? 1 : 0;
  for (const Verdict* column : columns) {
    for (std::size_t row = 0; row < refused.size(); ++row) refused[row] |= column[row];
  }
  rows.resize(refused.size());
  std::size_t count = 0;
  for (std::size_t row = 0; row < refused.size(); ++row) {
    rows[count] = static_cast<NodeIndex>(row);
    count += refused[row] == kPass ? 1 : 0;
  }
  rows.resize(count);
  return rows;
}

// The rows that pass everything, judged by the plugins that are not row-local for this very pod.
std::vector<NodeIndex> Placement::Feasible(const PodInfo& pod) {
  std::vector<NodeIndex> rows = PassingLocally();
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    const Memo& memo = *answers_[p].memo;
    if (memo.row_local || !memo.filters) continue;
    std::vector<Verdict> verdicts(rows.size(), kPass);
    plugins_[p]->Filter(memo.state.get(), pod, nodes_, rows, verdicts);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (verdicts[i] == kPass) rows[kept++] = rows[i];
    }
    rows.resize(kept);
  }
  HoldPromises(pod, rows);
  return rows;
}

// Takes out the rows where the pod would be in the way of others of no less priority that are to come there.
void Placement::HoldPromises(const PodInfo& pod, std::vector<NodeIndex>& rows) {
  for (const auto& [node, coming] : nominated_) {
    const auto row = nodes_.Find(node);
    const auto at = row ? std::lower_bound(rows.begin(), rows.end(), *row) : rows.end();
    if (at == rows.end() || *at != *row) continue;
    Imagined overlay(*this, pod);
    if (const auto refused = overlay.RefusedForOthers(*row)) {
      promised_.emplace(*row, *refused);
      rows.erase(at);
    }
  }
}

std::optional<NodeIndex> Placement::OwnPromise(const PodInfo& pod, std::span<const NodeIndex> rows) const {
  if (nominated_.empty()) return std::nullopt;
  const auto row = nodes_.Find(NominatedNode(pod.object->meta().uid));
  if (!row || !std::binary_search(rows.begin(), rows.end(), *row)) return std::nullopt;
  return row;
}

NodeIndex Placement::Best(const PodInfo& pod, std::span<const NodeIndex> rows) {
  if (rows.size() == 1) return rows[0];
  std::vector<std::int64_t> totals(rows.size(), 0);
  std::vector<std::int64_t> scores(rows.size());
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    const Memo& memo = *answers_[p].memo;
    if (!memo.scores) continue;
    if (memo.row_local) {
      for (std::size_t i = 0; i < rows.size(); ++i) scores[i] = memo.raw_scores[rows[i]];
    } else {
      std::fill(scores.begin(), scores.end(), 0);
      plugins_[p]->Score(memo.state.get(), pod, nodes_, rows, scores);
    }
    if (plugins_[p]->Normalizes()) plugins_[p]->Normalize(memo.state.get(), pod, nodes_, rows, scores);
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

Decision Placement::Decide(const PodInfo& pod) {
  ++work_.decisions;
  AskAll(pod);
  std::uint32_t events = 0;
  if (nodes_.size() == 0) return {.message = "no nodes available to schedule pods", .events = kNodeAdded};
  if (const Status* failed = Failed(events)) {
    return {.message = fmt::format("0/{} nodes are available: {}.", nodes_.size(), failed->message()),
            .events = events};
  }
  const std::vector<NodeIndex> rows = Feasible(pod);
  if (rows.empty()) return Explain(pod);
  if (const auto own = OwnPromise(pod, rows)) return {.placed = true, .row = *own};
  return {.placed = true, .row = Best(pod, rows)};
}

// The rows that were looked at: those named, or all that exist.
std::vector<NodeIndex> Placement::LookedAt() const {
  if (named_) return *named_;
  std::vector<NodeIndex> rows;
  std::copy_if(all_rows_.begin(), all_rows_.end(), std::back_inserter(rows),
               [&](NodeIndex row) { return nodes_.columns().exists[row] != 0; });
  return rows;
}

// --- Why not --------------------------------------------------------------------------------------------------------

// Judges one row by every plugin, in order, from what states and table say now.
std::optional<Placement::Refused> Placement::FilterAnew(const PodInfo& pod, NodeIndex row) const {
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    const PluginState* state = answers_[p].memo->state.get();
    if (!plugins_[p]->Filters(pod, state)) continue;
    Verdict verdict = kPass;
    plugins_[p]->Filter(state, pod, nodes_, {&row, 1}, {&verdict, 1});
    if (verdict != kPass) return std::pair(p, verdict);
  }
  return std::nullopt;
}

// As kube-scheduler has it: the first plugin that refuses a node gives the reasons.
Decision Placement::Explain(const PodInfo& pod) const {
  Decision decision;
  std::map<std::string, std::size_t> counts;
  const auto refused = [&](std::size_t p, NodeIndex row, Verdict verdict) {
    decision.events |= plugins_[p]->Events();
    if ((verdict & kUnresolvable) == 0) decision.resolvable.push_back(row);
    const PluginState* state = answers_[p].memo->state.get();
    for (std::string& reason : plugins_[p]->Reasons(state, pod, nodes_, row, verdict)) ++counts[std::move(reason)];
  };
  std::vector<NodeIndex> rows = LookedAt();
  const std::size_t absent = nodes_.size() - rows.size();
  for (std::size_t p = 0; p < plugins_.size(); ++p) {
    const Memo& memo = *answers_[p].memo;
    if (!memo.filters) continue;
    std::vector<Verdict> verdicts(rows.size(), kPass);
    plugins_[p]->Filter(memo.state.get(), pod, nodes_, rows, verdicts);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (verdicts[i] != kPass) {
        refused(p, rows[i], verdicts[i]);
      } else {
        rows[kept++] = rows[i];
      }
    }
    rows.resize(kept);
  }
  for (const auto& [row, promised] : promised_) refused(promised.first, row, promised.second);
  std::sort(decision.resolvable.begin(), decision.resolvable.end());
  if (!naming_.empty() && absent > 0) {
    std::set<std::string_view> names;
    for (const std::size_t p : naming_) {
      names.insert(plugins_[p]->name());
      decision.events |= plugins_[p]->Events();
    }
    counts[fmt::format("node(s) didn't satisfy plugin(s) [{}]", fmt::join(names, " "))] = absent;
  }
  std::vector<std::string> parts;
  for (const auto& [reason, count] : counts) parts.push_back(fmt::format("{} {}", count, reason));
  std::sort(parts.begin(), parts.end());
  decision.message = fmt::format("0/{} nodes are available: {}.", nodes_.size(), fmt::join(parts, ", "));
  return decision;
}

// --- Promises -------------------------------------------------------------------------------------------------------

void Placement::Nominate(std::string node, PodInfoRef pod) {
  Unnominate(pod->object->meta().uid);
  nominated_[std::move(node)].push_back(std::move(pod));
}

void Placement::Unnominate(std::string_view pod_uid) {
  for (auto it = nominated_.begin(); it != nominated_.end(); ++it) {
    if (std::erase_if(it->second, [&](const PodInfoRef& pod) { return pod->object->meta().uid == pod_uid; }) == 0) {
      continue;
    }
    if (it->second.empty()) nominated_.erase(it);
    return;
  }
}

std::string Placement::NominatedNode(std::string_view pod_uid) const {
  for (const auto& [node, pods] : nominated_) {
    for (const PodInfoRef& pod : pods) {
      if (pod->object->meta().uid == pod_uid) return node;
    }
  }
  return "";
}

std::vector<PodInfoRef> Placement::NominatedTo(std::string_view node) const {
  const auto it = nominated_.find(node);
  return it == nominated_.end() ? std::vector<PodInfoRef>() : it->second;
}

// --- What if --------------------------------------------------------------------------------------------------------

std::unique_ptr<Overlay> Placement::Imagine(const PodInfo& pod) { return std::make_unique<Imagined>(*this, pod); }

// States follow the row; verdicts that are kept stand for the row as it is and are left alone.
void Placement::Imagined::Update(NodeIndex row, const PodInfo& changed) {
  for (std::size_t p = 0; p < placement_.plugins_.size(); ++p) {
    Answer& answer = placement_.answers_[p];
    if (answer.memo->state == nullptr && changed.affinity != nullptr) {
      // It had no reason to look at anything while no pod said something of others.
      answer.own = placement_.Unkept(p, pod_);
      answer.memo = answer.own.get();
    } else {
      placement_.plugins_[p]->Update(answer.memo->state.get(), pod_, placement_.nodes_, {&row, 1});
    }
  }
}

void Placement::Imagined::Remove(NodeIndex row, const PodInfoRef& pod) {
  if (placement_.nodes_.RemovePodUnlogged(row, *pod->object) == nullptr) return;
  changes_.push_back({row, pod, false});
  Update(row, *pod);
}

void Placement::Imagined::Add(NodeIndex row, const PodInfoRef& pod) {
  placement_.nodes_.AddPodUnlogged(row, pod);
  changes_.push_back({row, pod, true});
  Update(row, *pod);
}

void Placement::Imagined::ResetTo(std::size_t size) {
  while (changes_.size() > size) {
    const Change change = std::move(changes_.back());
    changes_.pop_back();
    if (change.added) {
      placement_.nodes_.RemovePodUnlogged(change.row, *change.pod->object);
    } else {
      placement_.nodes_.AddPodUnlogged(change.row, change.pod);
    }
    Update(change.row, *change.pod);
  }
}

std::optional<Placement::Refused> Placement::Imagined::RefusedForOthers(NodeIndex row) {
  const std::size_t before = changes_.size();
  for (const PodInfoRef& other : placement_.NominatedTo(placement_.nodes_.node(row).meta().name)) {
    if (other->priority < pod_.priority || other->object->meta().uid == pod_.object->meta().uid) continue;
    Add(row, other);
  }
  if (changes_.size() == before) return std::nullopt;
  const auto refused = placement_.FilterAnew(pod_, row);
  ResetTo(before);
  return refused;
}

// With those that are to come and, as they may never, without them.
std::optional<Refusal> Placement::Imagined::Check(NodeIndex row) {
  std::optional<Refused> refused = RefusedForOthers(row);
  if (!refused) refused = placement_.FilterAnew(pod_, row);
  if (!refused) return std::nullopt;
  const Plugin& plugin = *placement_.plugins_[refused->first];
  const PluginState* state = placement_.answers_[refused->first].memo->state.get();
  return Refusal{&plugin, refused->second, plugin.Reasons(state, pod_, placement_.nodes_, row, refused->second)};
}

}  // namespace minikube::scheduler
